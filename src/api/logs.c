/*
 * Log streams: of an app, a service, a process, the rack; as lines of text for the wire's clients
 * and as lines of JSON for programs. Build logs are in builds.c: they are another kind and have
 * their own end.
 */
#include "api/handlers.h"
#include "base/limits.h"
#include "base/text.h"

#include <string.h>

#define DEFAULT_SINCE (2 * 60 * G_USEC_PER_SEC)
#define LARGEST_TAIL 1000000

typedef struct {
	Request *request;
	Sink *sink;
	const char *app; /* whose existence keeps followers, or NULL for the rack */
	bool has_prefix;
} Stream;

/* A follower ends when its peer has gone or its app has been deleted. */
static bool
still(gpointer data)
{
	const Stream *stream = data;
	if (sink_is_gone(stream->sink))
		return false;
	if (!stream->app)
		return true;

	g_autoptr(GError) error = NULL;
	g_autoptr(App) app =
	    app_load(request_provider(stream->request)->store, stream->app, &error);
	return app || !g_error_matches(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
}

/* «2026-04-20T10:11:12Z service/web/PID »; the rack's own lines have the release in the place of a
 * process. */
static void
append_prefix(GString *text, const LogLine *line)
{
	g_autofree char *time = text_time_seconds(line->time);
	const char *process = line->process[0] ? line->process : line->release;
	g_string_append_printf(
	    text, "%s %s/%s%s%s ", time, line->kind, line->service, process[0] ? "/" : "", process);
}

static bool
write_text(gpointer data, const LogLine *line, GError **error)
{
	const Stream *stream = data;
	if (!strcmp(line->kind, "build"))
		return true;

	g_autoptr(GString) text = g_string_sized_new(line->length + 64);
	if (stream->has_prefix)
		append_prefix(text, line);
	g_string_append_len(text, line->text, line->length);
	g_string_append_c(text, '\n');
	return sink_write(stream->sink, text->str, text->len, error);
}

static json_t *
line_value(const LogLine *line)
{
	g_autofree char *time = text_time(line->time);
	json_t *value = json_pack("{s:s, s:s, s:s, s:s, s:s}", "time", time, "kind", line->kind,
	    "service", line->service, "process", line->process, "release", line->release);
	if (g_utf8_validate_len(line->text, line->length, NULL)) {
		json_object_set_new(value, "text", json_stringn(line->text, line->length));
		return value;
	}

	g_autofree char *encoded = g_base64_encode((const guchar *)line->text, line->length);
	json_object_set_new(value, "text", json_string(encoded));
	json_object_set_new(value, "encoding", json_string("base64"));
	return value;
}

static bool
write_json(gpointer data, const LogLine *line, GError **error)
{
	const Stream *stream = data;
	json_auto_t *value = line_value(line);
	g_autofree char *text = json_text(value, false);
	g_autofree char *whole = g_strconcat(text, "\n", NULL);
	return sink_write(stream->sink, whole, strlen(whole), error);
}

/* Everything but the lines' origin. An absent Follow follows, as the wire's clients mean it. */
static bool
read_query(Request *request, LogQuery *query, GError **error)
{
	gint64 tail = 0;
	if (!request_time(request, "since", &query->since, error) ||
	    !request_time(request, "until", &query->until, error) ||
	    !request_int(request, "tail", 0, LARGEST_TAIL, &tail, error))
		return false;

	/* A tail without a time means the last lines, however old they are. */
	if (!query->since && !tail)
		query->since = g_get_real_time() - DEFAULT_SINCE;
	const char *filter = request_value(request, "filter");
	query->filter = filter && filter[0] ? filter : NULL;
	query->tail = (unsigned)tail;
	query->follow = request_bool(request, "follow", true) && !query->until;
	return true;
}

static bool
run(Stream *stream, LogQuery *query, LogTake take, GError **error)
{
	Request *request = stream->request;
	Logs *logs = request_provider(request)->logs;
	if (!read_query(request, query, error))
		return false;

	stream->has_prefix = request_bool(request, "prefix", false);
	query->still = still;
	query->still_data = stream;
	sink_begin(stream->sink);
	const char *scope = stream->app ? stream->app : LOGS_SYSTEM;
	return logs->ops->query(logs, scope, query, take, stream, request->cancel, error);
}

static bool
run_app(Request *request, Sink *sink, LogQuery *query, LogTake take, GError **error)
{
	g_autoptr(App) app = request_app(request, error);
	if (!app)
		return false;

	Stream stream = {.request = request, .sink = sink, .app = app->name};
	return run(&stream, query, take, error);
}

bool
logs_app(Request *request, Sink *sink, GError **error)
{
	LogQuery query = {0};
	return run_app(request, sink, &query, write_text, error);
}

bool
logs_service(Request *request, Sink *sink, GError **error)
{
	LogQuery query = {.service = request_variable(request, "service"), .kind = "service"};
	return run_app(request, sink, &query, write_text, error);
}

bool
logs_process(Request *request, Sink *sink, GError **error)
{
	LogQuery query = {.process = request_variable(request, "process")};
	return run_app(request, sink, &query, write_text, error);
}

bool
logs_rack(Request *request, Sink *sink, GError **error)
{
	Stream stream = {.request = request, .sink = sink};
	LogQuery query = {0};
	return run(&stream, &query, write_text, error);
}

static void
read_origin(const Request *request, LogQuery *query)
{
	query->service = request_option(request, "service");
	query->process = request_option(request, "process");
	query->release = request_option(request, "release");
	query->kind = request_option(request, "kind");
}

bool
logs_app_lines(Request *request, Sink *sink, GError **error)
{
	LogQuery query = {0};
	read_origin(request, &query);
	return run_app(request, sink, &query, write_json, error);
}

bool
logs_rack_lines(Request *request, Sink *sink, GError **error)
{
	Stream stream = {.request = request, .sink = sink};
	LogQuery query = {0};
	read_origin(request, &query);
	return run(&stream, &query, write_json, error);
}
