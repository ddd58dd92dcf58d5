/*
 * The verb `logs`: lines «TIME kind/name/process text» as the rack sends them, or with --json one
 * object a line. Ends quietly when the reader of stdout has gone.
 */
#include "cli/logs.h"

#include "base/text.h"
#include "cli/verbs.h"

#include <string.h>

typedef struct {
	Call *call;
	GString *rest; /* a line that has not come whole */
} View;

/* How long ago a time was, as the wire has durations. */
static char *
duration_since(gint64 time)
{
	gint64 past = MAX(g_get_real_time() - time, 0);
	return g_strdup_printf("%" G_GINT64_FORMAT "ms", past / 1000 + 1);
}

static bool
since_text(const char *text, char **since, GError **error)
{
	gint64 time;

	*since = NULL;
	if (!text)
		return true;
	if (text_parse_duration(text, &time, NULL) && time >= 0)
		*since = g_strdup(text);
	else if (text_parse_time(text, &time, NULL))
		*since = duration_since(time);
	if (*since)
		return true;

	return usage_error(error,
	    "--since %s: give a duration like 10s, 5m or 1h30m, or a time like "
	    "2026-01-31T12:00:00Z",
	    text);
}

static void
add_header(GPtrArray *headers, const char *name, const char *value)
{
	if (value)
		g_ptr_array_add(headers, g_strdup_printf("%s: %s", name, value));
}

static bool
has_control(const char *text)
{
	for (; *text; text++) {
		if (g_ascii_iscntrl(*text) && *text != '\t')
			return true;
	}
	return false;
}

/* The options of a log stream travel as headers. */
static GPtrArray *
headers_of(const Call *call, GError **error)
{
	g_autofree char *since = NULL;
	gint64 tail;
	const char *filter = call_flag(call, "filter");
	if (!since_text(call_flag(call, "since"), &since, error) ||
	    !call_number(call, "tail", 1, G_MAXINT32, &tail, error))
		return NULL;
	if (call_has(call, "follow") && call_has(call, "no-follow")) {
		usage_error(error, "--follow and --no-follow exclude one another");
		return NULL;
	}
	if (filter && has_control(filter)) {
		usage_error(error, "--filter: a line holds no control characters");
		return NULL;
	}

	GPtrArray *headers = g_ptr_array_new_with_free_func(g_free);
	add_header(headers, "Prefix", "true");
	add_header(headers, "Filter", filter);
	add_header(headers, "Since", since);
	add_header(headers, "Tail", call_flag(call, "tail"));
	add_header(headers, "Follow", call_has(call, "no-follow") ? "false" : NULL);
	g_ptr_array_add(headers, NULL);
	return headers;
}

static bool
print_bytes(gpointer data, const void *bytes, gsize length, GError **error)
{
	View *view = data;

	output_foreign(view->call->output, false, bytes, length);
	return output_flush(view->call->output);
}

/* «2026-04-20T10:11:12Z service/web/abc text» */
static json_t *
line_json(const char *line)
{
	g_auto(GStrv) words = g_strsplit(line, " ", 3);
	if (g_strv_length(words) < 3)
		return json_pack("{s:o}", "text", json_text_value(line));

	g_auto(GStrv) source = g_strsplit(words[1], "/", 3);
	guint parts = g_strv_length(source);
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "time", json_text_value(words[0]), "kind",
	    json_text_value(source[0]), "name", json_text_value(parts > 1 ? source[1] : ""),
	    "process", json_text_value(parts > 2 ? source[2] : ""), "text",
	    json_text_value(words[2]));
}

static void
print_line_json(View *view, const char *line)
{
	json_auto_t *value = line_json(line);
	g_autofree char *text = json_text(value, false);

	output_data(view->call->output, text, strlen(text));
	output_data(view->call->output, "\n", 1);
}

static bool
print_objects(gpointer data, const void *bytes, gsize length, GError **error)
{
	View *view = data;

	g_string_append_len(view->rest, bytes, (gssize)length);
	for (char *end; (end = memchr(view->rest->str, '\n', view->rest->len));) {
		gsize size = (gsize)(end - view->rest->str);
		g_autofree char *line = g_strndup(view->rest->str, size);
		g_string_erase(view->rest, 0, (gssize)size + 1);
		print_line_json(view, line);
	}
	return output_flush(view->call->output);
}

bool
logs_print(Call *call, const char *path, GError **error)
{
	g_autoptr(GPtrArray) headers = headers_of(call, error);
	Client *client = headers ? call_client(call, error) : NULL;
	if (!client)
		return false;

	g_autoptr(GString) rest = g_string_new(NULL);
	View view = {call, rest};
	HttpWrite take = output_is_json(call->output) ? print_objects : print_bytes;
	call_watch_interrupt(call);
	return client_stream(
	    client, path, (const char *const *)headers->pdata, take, &view, call->cancel, error);
}

bool
logs(Call *call, GError **error)
{
	const char *service = call_flag(call, "service");
	const char *app = call_app(call, error);
	if (!app)
		return false;

	g_autofree char *path = service
				    ? client_path("apps", app, "services", service, "logs", NULL)
				    : client_path("apps", app, "logs", NULL);
	return logs_print(call, path, error);
}
