/*
 * Asking CloudWatch for lines: FilterLogEvents, which gives the events of all streams of a group in
 * the order of time, oldest or newest first, a page at a time. What it is asked for is made small
 * by the streams' names where they are known; all else is looked at here, since CloudWatch's own
 * filter is by words and not by bytes.
 */
#include "aws/logs-private.h"

#include "base/error.h"

#include <string.h>

#define PROCESS_ID_DIGITS 12
#define STREAMS_AT_ONCE 100
#define STREAM_PAGES 40 /* of 50 streams, the latest first, in which a process is looked for */
/* CloudWatch does not read backward from before (2024-01-01). */
#define BACKWARD_FROM G_GINT64_CONSTANT(1704067200000)

/* FNV-1a, 64 bits: among the events of some minutes no two are ever the same. */
static guint64
mark_of(const char *id)
{
	guint64 mark = G_GUINT64_CONSTANT(14695981039346656037);

	for (; *id; id++)
		mark = (mark ^ (guchar)*id) * G_GUINT64_CONSTANT(1099511628211);
	return mark;
}

/* Part of a stream's name. The caller frees it. */
static char *
decoded(const char *part)
{
	char *text = g_uri_unescape_string(part, NULL);

	if (!text)
		return g_strdup(part);
	if (!strcmp(part, "-"))
		text[0] = '\0';
	return text;
}

/* Kind, release, service and process of a stream; without a release when it has three parts. One
 * that somebody else has made is a service of the kind «system» that is named like it. */
static GStrv
parse_stream(const char *name)
{
	g_auto(GStrv) parts = g_strsplit(name, "/", 4);
	guint count = g_strv_length(parts);
	GStrv parsed = g_new0(char *, 5);

	parsed[0] = count >= 3 ? decoded(parts[0]) : g_strdup("system");
	parsed[1] = count == 4 ? decoded(parts[1]) : g_strdup("");
	parsed[2] = count >= 3 ? decoded(parts[count - 2]) : g_strdup(name);
	parsed[3] = count >= 3 ? decoded(parts[count - 1]) : g_strdup("");
	/* A task's id is longer than that of its process. */
	if (strlen(parsed[3]) > PROCESS_ID_DIGITS)
		parsed[3][PROCESS_ID_DIGITS] = '\0';
	return parsed;
}

static const char *
place_text(char **place, const char *text, gsize length)
{
	char *placed = *place;

	memcpy(placed, text, length);
	placed[length] = '\0';
	*place += length + 1;
	return placed;
}

/* With all that it points to behind it. */
static LogEvent *
event_pack(const LogEvent *event)
{
	const LogLine *line = &event->line;
	gsize room = strlen(line->kind) + strlen(line->service) + strlen(line->process) +
		     strlen(line->release) + line->length + 5;
	LogEvent *packed = g_malloc(sizeof *packed + room);
	char *place = (char *)(packed + 1);

	*packed = *event;
	packed->line.kind = place_text(&place, line->kind, strlen(line->kind));
	packed->line.service = place_text(&place, line->service, strlen(line->service));
	packed->line.process = place_text(&place, line->process, strlen(line->process));
	packed->line.release = place_text(&place, line->release, strlen(line->release));
	packed->line.text = place_text(&place, line->text, line->length);
	return packed;
}

LogEvent *
log_event_copy(const LogEvent *event)
{
	return event_pack(event);
}

/* A driver may keep the newline of the line it has read. */
static gsize
line_length(const char *text, gsize length)
{
	while (length > 0 && text[length - 1] == '\n')
		length--;
	return length;
}

/* The event of an answer; borrows from `value`, `stream` and `decoded_text`, which it sets. */
static LogEvent
event_of(const json_t *value, GStrv stream, char **decoded_text)
{
	const json_t *message = json_object_get(value, "message");
	const char *text = json_is_string(message) ? json_string_value(message) : "";
	gint64 time = json_int_of(value, "timestamp", 0);
	LogEvent event = {.mark = mark_of(json_text_of(value, "eventId", "")),
	    .time = time,
	    .line = {.time = time * LOGS_MILLISECOND,
		.kind = stream[0],
		.release = stream[1],
		.service = stream[2],
		.process = stream[3],
		.text = text,
		.length = line_length(text, json_string_length(message))}};

	if (g_str_has_prefix(text, LOGS_MARK)) {
		*decoded_text =
		    (char *)g_base64_decode(text + strlen(LOGS_MARK), &event.line.length);
		event.line.text = *decoded_text;
	}
	return event;
}

/* Pages */

typedef struct {
	LogVisit visit;
	gpointer data;
	GHashTable *streams; /* name → GStrv */
} Visiting;

static GStrv
stream_named(Visiting *visiting, const char *name)
{
	GStrv parsed = g_hash_table_lookup(visiting->streams, name);

	if (!parsed) {
		parsed = parse_stream(name);
		g_hash_table_insert(visiting->streams, g_strdup(name), parsed);
	}
	return parsed;
}

static bool
visit_page(gpointer data, const json_t *items, GError **error)
{
	Visiting *visiting = data;
	gsize index;
	json_t *value;
	json_array_foreach((json_t *)items, index, value)
	{
		GStrv stream = stream_named(visiting, json_text_of(value, "logStreamName", ""));
		g_autofree char *text = NULL;
		LogEvent event = event_of(value, stream, &text);
		if (!visiting->visit(visiting->data, &event, error))
			return false;
	}
	return true;
}

/* Streams */

typedef struct {
	const LogQuery *query;
	json_t *names;
	unsigned pages;
} Search;

static bool
is_wanted(const char *wanted, const char *text)
{
	return !wanted || !strcmp(wanted, text);
}

static bool
stream_matches(const LogQuery *query, GStrv stream)
{
	return is_wanted(query->kind, stream[0]) && is_wanted(query->release, stream[1]) &&
	       is_wanted(query->service, stream[2]) && is_wanted(query->process, stream[3]);
}

static bool
search_page(gpointer data, const json_t *items, GError **error)
{
	Search *search = data;
	gsize index;
	json_t *value;
	json_array_foreach((json_t *)items, index, value)
	{
		const char *name = json_text_of(value, "logStreamName", "");
		g_auto(GStrv) stream = parse_stream(name);
		if (stream_matches(search->query, stream) &&
		    json_array_size(search->names) < STREAMS_AT_ONCE)
			json_array_append_new(search->names, json_string(name));
	}
	search->pages++;
	return json_array_size(search->names) == 0 && search->pages < STREAM_PAGES;
}

static bool
is_no_group(const GError *error)
{
	return aws_error_is(error, "ResourceNotFoundException");
}

/* The streams of the process that a query names: only the end of their names is known. */
static json_t *
process_streams(
    CloudLogs *logs, const char *group, const LogQuery *query, GCancellable *cancel, GError **error)
{
	static const AwsList pages = {.service = &aws_services[AWS_LOGS],
	    .operation = "DescribeLogStreams",
	    .token_in = "nextToken",
	    .token_out = "nextToken",
	    .items = "logStreams"};
	json_auto_t *input = json_pack("{s:s, s:s, s:b}", "logGroupName", group, "orderBy",
	    "LastEventTime", "descending", true);
	Search search = {.query = query, .names = json_array()};
	g_autoptr(GError) cause = NULL;
	bool done =
	    aws_pages(logs->rack->client, &pages, input, search_page, &search, cancel, &cause);
	if (done || is_no_group(cause))
		return search.names;

	json_decref(search.names);
	g_propagate_error(error, g_steal_pointer(&cause));
	return NULL;
}

/* What the names of all streams of a query begin with, or NULL. The caller frees it. */
static char *
prefix_of(const LogQuery *query)
{
	if (!query || !query->kind)
		return NULL;
	if (!query->release)
		return g_strdup_printf("%s/", query->kind);

	LogLine line = {.kind = query->kind,
	    .release = query->release,
	    .service = query->service ? query->service : "",
	    .process = query->process ? query->process : ""};
	g_autofree char *whole = cloudwatch_stream_of(&line);
	if (query->process && query->service)
		return g_steal_pointer(&whole);

	/* Without the parts that are not known, of which each is «-» here. */
	whole[strlen(whole) - strlen(strrchr(whole, '/') + 1)] = '\0';
	if (!query->service)
		whole[strlen(whole) - strlen("-/")] = '\0';
	return g_steal_pointer(&whole);
}

/* Puts into `input` which streams to look at. False without an error: there are none. */
static bool
choose_streams(
    CloudLogs *logs, const LogRange *range, json_t *input, GCancellable *cancel, GError **error)
{
	const LogQuery *query = range->query;
	bool is_whole = query && query->kind && query->release && query->service;
	if (!query || !query->process || is_whole) {
		g_autofree char *prefix = prefix_of(query);
		if (prefix)
			json_object_set_new(input, "logStreamNamePrefix", json_string(prefix));
		return true;
	}

	const char *group = json_text_of(input, "logGroupName", "");
	json_auto_t *names = process_streams(logs, group, query, cancel, error);
	if (!names || json_array_size(names) == 0)
		return false;
	json_object_set(input, "logStreamNames", names);
	return true;
}

/* The whole */

static json_t *
input_of(const char *group, const LogRange *range)
{
	json_t *input = json_pack("{s:s}", "logGroupName", group);
	gint64 from = range->is_backward ? MAX(range->from, BACKWARD_FROM) : range->from;

	if (from > 0)
		json_object_set_new(input, "startTime", json_integer(from));
	if (range->until > 0)
		json_object_set_new(input, "endTime", json_integer(range->until));
	if (range->is_backward)
		json_object_set_new(input, "startFromHead", json_false());
	return input;
}

bool
cloudwatch_read(CloudLogs *logs,
    const LogRange *range,
    LogVisit visit,
    gpointer data,
    GCancellable *cancel,
    GError **error)
{
	static const AwsList pages = {.service = &aws_services[AWS_LOGS],
	    .operation = "FilterLogEvents",
	    .token_in = "nextToken",
	    .token_out = "nextToken",
	    .items = "events"};
	g_autofree char *group = aws_rack_log_group(logs->rack, range->app);
	json_auto_t *input = input_of(group, range);
	g_autoptr(GError) cause = NULL;
	if (!choose_streams(logs, range, input, cancel, &cause)) {
		bool is_failed = cause != NULL;
		if (is_failed)
			g_propagate_error(error, g_steal_pointer(&cause));
		return !is_failed;
	}

	g_autoptr(GHashTable) streams =
	    g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_strfreev);
	Visiting visiting = {visit, data, streams};
	bool done =
	    aws_pages(logs->rack->client, &pages, input, visit_page, &visiting, cancel, &cause);
	if (done || is_no_group(cause))
		return true;

	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}

bool
cloudwatch_matches(const LogQuery *query, const LogEvent *event)
{
	const LogLine *line = &event->line;
	if (event->time < query->since / LOGS_MILLISECOND)
		return false;
	if (query->until && event->time > (query->until - 1) / LOGS_MILLISECOND)
		return false;

	return is_wanted(query->kind, line->kind) && is_wanted(query->release, line->release) &&
	       is_wanted(query->service, line->service) &&
	       is_wanted(query->process, line->process) &&
	       (!query->filter ||
		   memmem(line->text, line->length, query->filter, strlen(query->filter)));
}

LogRange
cloudwatch_range_of(const char *app, const LogQuery *query)
{
	return (LogRange){.app = app,
	    .query = query,
	    .from = query->since / LOGS_MILLISECOND,
	    .until = query->until ? MAX((query->until - 1) / LOGS_MILLISECOND, 1) : 0};
}
