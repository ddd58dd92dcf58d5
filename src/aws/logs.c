/*
 * Logs in CloudWatch: a group an app, a stream a process. Processes' own lines come there by ECS;
 * what carrackd itself has to say is appended here, in streams of the same form. Retention is the
 * group's, and a group goes with its app's stack.
 *
 * Limits are CloudWatch's: 256 KiB a line (longer ones are cut into several), 10,000 lines or 1 MiB
 * and 24 hours a call, milliseconds.
 */
#include "aws/logs-private.h"

#include "base/error.h"
#include "base/lock.h"

#include <string.h>

#define LOGS (&aws_services[AWS_LOGS])
#define EVENTS_AT_ONCE 10000
#define BYTES_AT_ONCE 1000000
#define EVENT_OVERHEAD 26
#define EVENT_BYTES 250000
#define SPAN_MS (G_GINT64_CONSTANT(23) * 3600 * 1000)
/* A character that nobody writes (private use): what follows is base64. */
#define MARK "\xee\x80\x80"

char *
logs_stream_name(const LogLine *line)
{
	const char *const parts[] = {line->kind, line->release, line->service, line->process};
	g_autoptr(GString) name = g_string_new(NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(parts); i++)
		g_string_append_printf(
		    name, "%s%s", i ? "/" : "", parts[i] && *parts[i] ? parts[i] : "-");
	return g_string_free(g_steal_pointer(&name), FALSE);
}

char *
logs_encode(const char *text, gsize length)
{
	bool is_plain = length > 0 && g_utf8_validate(text, (gssize)length, NULL) &&
			strncmp(text, MARK, strlen(MARK)) != 0;
	if (is_plain)
		return g_strndup(text, length);

	g_autofree char *encoded = g_base64_encode((const guchar *)text, length);
	return g_strconcat(MARK, encoded, NULL);
}

char *
logs_decode(const char *message, gsize *length)
{
	if (g_str_has_prefix(message, MARK)) {
		guchar *bytes = g_base64_decode(message + strlen(MARK), length);
		return (char *)bytes;
	}
	*length = strlen(message);
	/* A driver keeps the newline of the line it has read. */
	while (*length > 0 && message[*length - 1] == '\n')
		(*length)--;
	return g_strndup(message, *length);
}

/* Streams */

static bool
has_stream(CloudwatchLogs *self, const char *key)
{
	LOCKED(&self->lock);
	return g_hash_table_contains(self->streams, key);
}

static bool
ensure_stream(CloudwatchLogs *self, const char *group, const char *stream, GError **error)
{
	g_autofree char *key = g_strdup_printf("%s %s", group, stream);
	if (has_stream(self, key))
		return true;

	g_autoptr(GError) cause = NULL;
	json_auto_t *input =
	    json_pack("{s:s, s:s}", "logGroupName", group, "logStreamName", stream);
	json_auto_t *answer =
	    aws_json(self->rack->client, LOGS, "CreateLogStream", input, NULL, &cause);
	if (!answer && !aws_error_is(cause, "ResourceAlreadyExistsException")) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return false;
	}
	LOCKED(&self->lock);
	g_hash_table_add(self->streams, g_steal_pointer(&key));
	return true;
}

/* Events */

static gint64
time_of(const json_t *event)
{
	return json_int_of(event, "timestamp", 0);
}

/* Never within a character: a cut piece would be encoded as foreign bytes. */
static gsize
piece_length(const char *text, gsize length)
{
	if (length <= EVENT_BYTES)
		return length;

	gsize cut = EVENT_BYTES;
	while (cut > EVENT_BYTES - 4 && ((guchar)text[cut] & 0xc0) == 0x80)
		cut--;
	return cut;
}

static void
add_events(json_t *events, const LogLine *line)
{
	const char *text = line->text;
	gsize left = line->length;
	do {
		gsize length = piece_length(text, left);
		g_autofree char *message = logs_encode(text, length);
		json_array_append_new(
		    events, json_pack("{s:I, s:s}", "timestamp", (json_int_t)(line->time / 1000),
				"message", message));
		text += length;
		left -= length;
	} while (left > 0);
}

/* How many events from `from` on go into one call. */
static gsize
batch_length(const json_t *events, gsize from)
{
	gsize bytes = 0;
	gsize end = from;
	gint64 first = time_of(json_array_get(events, from));
	for (; end < json_array_size(events) && end - from < EVENTS_AT_ONCE; end++) {
		const json_t *event = json_array_get(events, end);
		bytes += json_string_length(json_object_get(event, "message")) + EVENT_OVERHEAD;
		if (end > from && (bytes > BYTES_AT_ONCE || time_of(event) - first > SPAN_MS))
			break;
	}
	return end - from;
}

static int
compare_times(gconstpointer one, gconstpointer other)
{
	gint64 first = time_of(*(json_t *const *)one);
	gint64 second = time_of(*(json_t *const *)other);
	return first < second ? -1 : first > second;
}

/* CloudWatch wants a call's events in the order of time. Equal times stay as they are. */
static json_t *
sorted(const json_t *events)
{
	g_autoptr(GPtrArray) list = g_ptr_array_new();
	gsize index;
	json_t *event;
	json_array_foreach(events, index, event)
	{
		g_ptr_array_add(list, event);
	}
	g_ptr_array_sort(list, compare_times);
	json_t *result = json_array();
	for (guint i = 0; i < list->len; i++)
		json_array_append(result, list->pdata[i]);
	return result;
}

static bool
put_events(CloudwatchLogs *self,
    const char *group,
    const char *stream,
    const json_t *unsorted,
    GError **error)
{
	json_auto_t *events = sorted(unsorted);
	gsize count = 0;
	if (!ensure_stream(self, group, stream, error))
		return false;

	for (gsize from = 0; from < json_array_size(events); from += count) {
		count = batch_length(events, from);
		json_t *some = json_array();
		for (gsize i = from; i < from + count; i++)
			json_array_append(some, json_array_get(events, i));
		json_auto_t *input = json_pack("{s:s, s:s, s:o}", "logGroupName", group,
		    "logStreamName", stream, "logEvents", some);
		json_auto_t *answer =
		    aws_json(self->rack->client, LOGS, "PutLogEvents", input, NULL, error);
		if (!answer)
			return false;
	}
	return true;
}

static void
tell_followers(CloudwatchLogs *self)
{
	LOCKED(&self->lock);
	self->writes++;
	pthread_cond_broadcast(&self->written);
}

static bool
append(Logs *part, const char *app, const LogLine *lines, gsize count, GError **error)
{
	CloudwatchLogs *self = (CloudwatchLogs *)part;
	g_autofree char *group = aws_rack_log_group(self->rack, app);
	json_auto_t *streams = json_object();
	for (gsize i = 0; i < count; i++) {
		g_autofree char *name = logs_stream_name(&lines[i]);
		json_t *events = json_object_get(streams, name);
		if (!events) {
			events = json_array();
			json_object_set_new(streams, name, events);
		}
		add_events(events, &lines[i]);
	}

	const char *stream;
	json_t *events;
	json_object_foreach(streams, stream, events)
	{
		if (!put_events(self, group, stream, events, error))
			return false;
	}
	tell_followers(self);
	return true;
}

/* Nothing is collected here: ECS does that itself. */
static gint64
newest(Logs *part, const char *app, const char *process)
{
	return 0;
}

static bool
prune(Logs *part, GError **error)
{
	return true;
}

/* The group itself goes with the app's stack. */
static bool
remove_app(Logs *part, const char *app, GError **error)
{
	CloudwatchLogs *self = (CloudwatchLogs *)part;
	LOCKED(&self->lock);
	g_hash_table_remove_all(self->streams);
	return true;
}

static void
logs_free(Logs *part)
{
	CloudwatchLogs *self = (CloudwatchLogs *)part;
	g_hash_table_unref(self->streams);
	pthread_cond_destroy(&self->written);
	pthread_mutex_destroy(&self->lock);
	g_free(self);
}

static const LogsOps operations = {
    .append = append,
    .query = cloudwatch_query,
    .newest = newest,
    .prune = prune,
    .remove_app = remove_app,
    .free = logs_free,
};

Logs *
logs_cloudwatch_new(AwsRack *rack, GError **error)
{
	CloudwatchLogs *self = g_new0(CloudwatchLogs, 1);
	self->part.ops = &operations;
	self->rack = rack;
	self->streams = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	pthread_mutex_init(&self->lock, NULL);
	pthread_cond_init(&self->written, NULL);
	return &self->part;
}
