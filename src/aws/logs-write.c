/*
 * Writing lines of carrackd's own: of builds and of the rack. Lines of processes are written by
 * ECS's log driver, into streams of the same names.
 *
 * CloudWatch holds text that is not empty: any other line is written as LOGS_MARK and base64. A
 * line over 256 KiB becomes several. A write whose answer was lost is sent again, and then is there
 * twice: CloudWatch has nothing to tell it by.
 */
#include "aws/logs-private.h"

#include "base/error.h"
#include "base/limits.h"

#include <string.h>

#define FUTURE_TOLERATED G_TIME_SPAN_HOUR /* CloudWatch takes two hours */
#define EVENT_COST 26
#define TEXT_BYTES 250000
#define OTHER_BYTES 180000   /* which base64 makes a third longer */
#define CUT "[cut at 1 MiB]" /* a line of its own, after the pieces */
#define BATCH_BYTES (1024 * 1024)
#define BATCH_EVENTS 10000
#define BATCH_SPAN (24 * 60 * 60 * 1000 - 1)

/* Part of a line, or the whole. */
typedef struct {
	gint64 time; /* milliseconds */
	char *text;
} Piece;

static void
piece_free(Piece *piece)
{
	g_free(piece->text);
	g_free(piece);
}

static char *
name_part(const char *text)
{
	GString *name = g_string_new(NULL);

	for (const char *c = text; *c; c++) {
		bool is_odd = strchr("%:*/", *c) || (guchar)*c < ' ' || (*c == '-' && !text[1]);
		if (is_odd)
			g_string_append_printf(name, "%%%02X", (guchar)*c);
		else
			g_string_append_c(name, *c);
	}
	if (name->len == 0)
		g_string_append_c(name, '-');
	return g_string_free(name, FALSE);
}

char *
cloudwatch_stream_of(const LogLine *line)
{
	g_autofree char *release = name_part(line->release);
	g_autofree char *service = name_part(line->service);
	g_autofree char *process = name_part(line->process);

	return g_strdup_printf("%s/%s/%s/%s", line->kind, release, service, process);
}

/* Milliseconds; a time that cannot be (a clock that is wrong) is taken as now. */
static gint64
plausible_time(gint64 time, gint64 now)
{
	bool is_plausible = time > 0 && time <= now + FUTURE_TOLERATED;

	return (is_plausible ? time : now) / LOGS_MILLISECOND;
}

static bool
is_plain(const char *text, gsize length)
{
	return length > 0 && g_utf8_validate(text, (gssize)length, NULL) &&
	       memcmp(text, LOGS_MARK, MIN(length, strlen(LOGS_MARK))) != 0;
}

static char *
message_of(const char *text, gsize length)
{
	if (is_plain(text, length))
		return g_strndup(text, length);

	g_autofree char *encoded = g_base64_encode((const guchar *)text, length);
	return g_strconcat(LOGS_MARK, encoded, NULL);
}

/* The bytes of the first event of a line: as many as fit, and no character torn. */
static gsize
event_length(const char *text, gsize left, bool is_text)
{
	gsize limit = is_text ? TEXT_BYTES : OTHER_BYTES;
	if (left <= limit)
		return left;

	gsize length = limit;
	while (is_text && ((guchar)text[length] & 0xc0) == 0x80)
		length--;
	return length;
}

static void
add_piece(GPtrArray *pieces, gint64 time, const char *text, gsize length)
{
	Piece *piece = g_new(Piece, 1);
	piece->time = time;
	piece->text = message_of(text, length);
	g_ptr_array_add(pieces, piece);
}

/* What is kept of a line that is too long; no character is torn. */
static gsize
kept_length(const LogLine *line)
{
	if (line->length <= LIMIT_LOG_LINE_BYTES)
		return line->length;

	gsize length = LIMIT_LOG_LINE_BYTES;
	while (length > LIMIT_LOG_LINE_BYTES - 4 && ((guchar)line->text[length] & 0xc0) == 0x80)
		length--;
	return length;
}

static void
add_pieces(GPtrArray *pieces, const LogLine *line, gint64 now)
{
	gint64 time = plausible_time(line->time, now);
	gsize left = kept_length(line);
	const char *text = line->text;
	bool is_text = is_plain(text, left);

	do {
		gsize length = event_length(text, left, is_text);
		add_piece(pieces, time, text, length);
		text += length;
		left -= length;
	} while (left > 0);
	if (line->length > LIMIT_LOG_LINE_BYTES)
		add_piece(pieces, time, CUT, strlen(CUT));
}

static int
compare_times(gconstpointer one, gconstpointer other)
{
	const Piece *first = *(Piece *const *)one, *second = *(Piece *const *)other;

	return first->time < second->time ? -1 : first->time > second->time;
}

/* The pieces of each stream, in the order of time, as CloudWatch wants them. */
static GHashTable *
sorted_streams(const LogLine *lines, gsize count)
{
	gint64 now = g_get_real_time();
	GHashTable *streams = g_hash_table_new_full(
	    g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);

	for (gsize i = 0; i < count; i++) {
		g_autofree char *name = cloudwatch_stream_of(&lines[i]);
		GPtrArray *pieces = g_hash_table_lookup(streams, name);
		if (!pieces) {
			pieces = g_ptr_array_new_with_free_func((GDestroyNotify)piece_free);
			g_hash_table_insert(streams, g_steal_pointer(&name), pieces);
		}
		add_pieces(pieces, &lines[i], now);
	}

	GHashTableIter each;
	gpointer pieces;
	g_hash_table_iter_init(&each, streams);
	while (g_hash_table_iter_next(&each, NULL, &pieces))
		g_ptr_array_sort(pieces, compare_times);
	return streams;
}

/* As many pieces from `from` on as one call takes; `end` is the first that is not among them. */
static json_t *
next_batch(const GPtrArray *pieces, guint from, guint *end)
{
	const Piece *first = pieces->pdata[from];
	json_t *events = json_array();
	gsize bytes = 0;
	guint i = from;

	for (; i < pieces->len && i - from < BATCH_EVENTS; i++) {
		const Piece *piece = pieces->pdata[i];
		bytes += strlen(piece->text) + EVENT_COST;
		if (bytes > BATCH_BYTES || piece->time - first->time > BATCH_SPAN)
			break;
		json_array_append_new(events, json_pack("{s:I, s:s}", "timestamp",
						  (json_int_t)piece->time, "message", piece->text));
	}
	*end = i;
	return events;
}

static json_t *
call(CloudLogs *logs, const char *operation, const json_t *input, GError **error)
{
	return aws_json(logs->rack->client, &aws_services[AWS_LOGS], operation, input, NULL, error);
}

static bool
create_stream(CloudLogs *logs, const json_t *batch, GError **error)
{
	g_autoptr(GError) cause = NULL;
	json_auto_t *input =
	    json_pack("{s:O, s:O}", "logGroupName", json_object_get(batch, "logGroupName"),
		"logStreamName", json_object_get(batch, "logStreamName"));
	json_auto_t *answer = call(logs, "CreateLogStream", input, &cause);
	if (answer || aws_error_is(cause, "ResourceAlreadyExistsException"))
		return true;

	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}

/* What CloudWatch has left out of a batch that it took. */
static bool
check_rejected(const json_t *answer, const char *group, GError **error)
{
	const json_t *rejected = json_object_get(answer, "rejectedLogEventsInfo");
	if (!rejected || json_object_size(rejected) == 0)
		return true;

	return error_set(error, CARRACK_ERROR_INVALID,
	    "log group %s: lines are missing that are older than 14 days or than the group keeps",
	    group);
}

static bool
put_batch(CloudLogs *logs, const json_t *batch, GError **error)
{
	const char *group = json_text_of(batch, "logGroupName", "");
	g_autoptr(GError) cause = NULL;
	json_auto_t *answer = call(logs, "PutLogEvents", batch, &cause);
	if (!answer && aws_error_is(cause, "ResourceNotFoundException")) {
		if (!create_stream(logs, batch, error))
			return false;
		g_clear_error(&cause);
		answer = call(logs, "PutLogEvents", batch, &cause);
	}
	if (answer)
		return check_rejected(answer, group, error);

	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}

static bool
put_stream(
    CloudLogs *logs, const char *group, const char *stream, const GPtrArray *pieces, GError **error)
{
	for (guint from = 0, end = 0; from < pieces->len; from = end) {
		json_auto_t *batch = json_pack("{s:s, s:s, s:o}", "logGroupName", group,
		    "logStreamName", stream, "logEvents", next_batch(pieces, from, &end));
		if (!put_batch(logs, batch, error))
			return false;
	}
	return true;
}

bool
cloudwatch_append(Logs *part, const char *app, const LogLine *lines, gsize count, GError **error)
{
	CloudLogs *logs = (CloudLogs *)part;
	g_autofree char *group = aws_rack_log_group(logs->rack, app);
	g_autoptr(GHashTable) streams = sorted_streams(lines, count);
	GHashTableIter each;
	gpointer stream, pieces;

	g_hash_table_iter_init(&each, streams);
	while (g_hash_table_iter_next(&each, &stream, &pieces)) {
		if (!put_stream(logs, group, stream, pieces, error))
			return false;
	}
	cloudwatch_tail_wake(logs, app);
	return true;
}
