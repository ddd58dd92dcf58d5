/*
 * Reading logs of CloudWatch: FilterLogEvents gives the events of all streams of a group in the
 * order of time. Which lines are meant is settled here, since its own patterns match words and not
 * texts; only kind, release and service narrow the streams.
 *
 * CloudWatch shows an event some seconds after it was written, and not always in order: a follower
 * asks for the last seconds again and knows by their ids what it has given already. It asks soon
 * after something came, and slower and slower while nothing does, since an account may ask five
 * times a second (docs/aws-scale.md); what carrackd writes itself wakes it at once.
 */
#include "aws/logs-private.h"

#include "base/error.h"
#include "base/lock.h"

#include <string.h>
#include <time.h>

#define MINUTE_MS (G_GINT64_CONSTANT(60) * 1000)
#define OVERLAP_MS 15000
#define PAUSE_FIRST_MS 250
#define PAUSE_LONGEST_MS 4000
#define PROCESS_DIGITS 12

static const AwsList pages = {.service = &aws_services[AWS_LOGS],
    .operation = "FilterLogEvents",
    .token_in = "nextToken",
    .token_out = "nextToken",
    .items = "events"};

typedef struct {
	CloudwatchLogs *self;
	char *group;
	const LogQuery *query;
	LogTake take;
	gpointer take_data;
	GHashTable *seen; /* event id → time, of the overlap; NULL unless following */
	GQueue *kept;     /* of json_t: the newest so many; NULL: given at once */
	gint64 newest;    /* ms */
	gint64 count;
	bool has_ended; /* `take` wants no more */
} Reading;

/* Events */

/* «KIND/RELEASE/SERVICE/PROCESS», or of three parts without a release. `line` borrows from `parts`.
 */
static void
fill_names(LogLine *line, GStrv parts)
{
	guint count = g_strv_length(parts);
	guint skip = count >= 4 ? 1 : 0;
	line->kind = count > 0 ? parts[0] : "";
	line->release = skip && strcmp(parts[1], "-") != 0 ? parts[1] : "";
	line->service =
	    count > 1 + skip && strcmp(parts[1 + skip], "-") != 0 ? parts[1 + skip] : "";
	line->process = "";
	if (count > 2 + skip && strcmp(parts[2 + skip], "-") != 0) {
		char *process = parts[2 + skip];
		if (strlen(process) > PROCESS_DIGITS)
			process[PROCESS_DIGITS] = '\0';
		line->process = process;
	}
}

static bool
is_same(const char *wanted, const char *value)
{
	return !wanted || strcmp(wanted, value) == 0;
}

static bool
is_wanted(const LogQuery *query, const LogLine *line)
{
	return is_same(query->kind, line->kind) && is_same(query->service, line->service) &&
	       is_same(query->process, line->process) && is_same(query->release, line->release) &&
	       (!query->filter ||
		   memmem(line->text, line->length, query->filter, strlen(query->filter)));
}

/* Gives one event to the taker if it is meant. */
static bool
give(Reading *reading, const json_t *event, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(json_text_of(event, "logStreamName", ""), "/", -1);
	LogLine line = {.id = ++reading->count, .time = json_int_of(event, "timestamp", 0) * 1000};
	g_autofree char *text = logs_decode(json_text_of(event, "message", ""), &line.length);
	line.text = text;
	fill_names(&line, parts);
	if (!is_wanted(reading->query, &line))
		return true;

	g_autoptr(GError) cause = NULL;
	if (reading->take(reading->take_data, &line, &cause))
		return true;
	reading->has_ended = true;
	if (cause)
		g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}

/* With a tail it is kept until all have been seen; what is not meant is not. */
static bool
is_event_wanted(Reading *reading, const json_t *event)
{
	g_auto(GStrv) parts = g_strsplit(json_text_of(event, "logStreamName", ""), "/", -1);
	LogLine line = {0};
	g_autofree char *text = logs_decode(json_text_of(event, "message", ""), &line.length);
	line.text = text;
	fill_names(&line, parts);
	return is_wanted(reading->query, &line);
}

static void
keep(Reading *reading, json_t *event)
{
	if (!is_event_wanted(reading, event))
		return;
	g_queue_push_tail(reading->kept, json_incref(event));
	if (g_queue_get_length(reading->kept) > reading->query->tail)
		json_decref(g_queue_pop_head(reading->kept));
}

/* False if it was there before. */
static bool
is_new(Reading *reading, const json_t *event)
{
	const char *id = json_text_of(event, "eventId", "");
	if (!reading->seen || !*id)
		return true;
	if (g_hash_table_contains(reading->seen, id))
		return false;

	gint64 *time = g_new(gint64, 1);
	*time = json_int_of(event, "timestamp", 0);
	g_hash_table_insert(reading->seen, g_strdup(id), time);
	return true;
}

static bool
visit(gpointer data, const json_t *events, GError **error)
{
	Reading *reading = data;
	gsize index;
	json_t *event;
	json_array_foreach((json_t *)events, index, event)
	{
		if (!is_new(reading, event))
			continue;
		reading->newest = MAX(reading->newest, json_int_of(event, "timestamp", 0));
		if (reading->kept)
			keep(reading, event);
		else if (!give(reading, event, error))
			return false;
	}
	return true;
}

/* Reading */

/* The longest beginning of the stream names that is known. The caller frees it. */
static char *
stream_prefix(const LogQuery *query)
{
	const char *const parts[] = {query->kind, query->release, query->service};
	GString *prefix = g_string_new(NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(parts) && parts[i] && *parts[i]; i++)
		g_string_append_printf(prefix, "%s/", parts[i]);
	return g_string_free(prefix, FALSE);
}

/* Events from `since` to before `until` (ms; 0: none). A group that is not there has none. */
static bool
read_span(Reading *reading, gint64 since, gint64 until, GCancellable *cancel, GError **error)
{
	g_autoptr(GError) cause = NULL;
	g_autofree char *prefix = stream_prefix(reading->query);
	json_auto_t *input =
	    json_pack("{s:s, s:b}", "logGroupName", reading->group, "interleaved", true);
	if (*prefix)
		json_object_set_new(input, "logStreamNamePrefix", json_string(prefix));
	if (since > 0)
		json_object_set_new(input, "startTime", json_integer(since));
	if (until > 0)
		json_object_set_new(input, "endTime", json_integer(until - 1));
	if (aws_pages(reading->self->rack->client, &pages, input, visit, reading, cancel, &cause) ||
	    aws_error_is(cause, "ResourceNotFoundException"))
		return true;

	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}

static void
forget_kept(Reading *reading)
{
	json_t *event;
	while ((event = g_queue_pop_head(reading->kept)))
		json_decref(event);
}

/* The newest so many: CloudWatch reads only forwards, so longer and longer spans before the end are
 * tried until one holds enough. */
static bool
read_tail(Reading *reading, gint64 since, gint64 until, GCancellable *cancel, GError **error)
{
	static const gint64 spans[] = {10 * MINUTE_MS, 180 * MINUTE_MS, 2880 * MINUTE_MS, 0};
	gint64 end = until ? until : g_get_real_time() / 1000;
	g_autoptr(GQueue) kept = g_queue_new();
	reading->kept = kept;
	bool done = true;
	for (gsize i = 0; done && i < G_N_ELEMENTS(spans); i++) {
		gint64 from = spans[i] ? MAX(end - spans[i], since) : since;
		forget_kept(reading);
		if (reading->seen)
			g_hash_table_remove_all(reading->seen);
		done = read_span(reading, from, until, cancel, error);
		if (from == since || g_queue_get_length(kept) >= reading->query->tail)
			break;
	}
	reading->kept = NULL;
	for (json_t *event; (event = g_queue_pop_head(kept));) {
		done = done && give(reading, event, error);
		json_decref(event);
	}
	return done;
}

/* Following */

static void
forget_old(Reading *reading, gint64 before)
{
	GHashTableIter iterator;
	gpointer time;
	g_hash_table_iter_init(&iterator, reading->seen);
	while (g_hash_table_iter_next(&iterator, NULL, &time)) {
		if (*(gint64 *)time < before)
			g_hash_table_iter_remove(&iterator);
	}
}

/* Waits so long, less when something is written here. */
static void
wait_for_more(CloudwatchLogs *self, unsigned milliseconds)
{
	LOCKED(&self->lock);
	guint64 writes = self->writes;
	gint64 until = g_get_real_time() + (gint64)milliseconds * 1000;
	struct timespec time = {
	    .tv_sec = until / G_USEC_PER_SEC, .tv_nsec = until % G_USEC_PER_SEC * 1000};
	while (self->writes == writes && g_get_real_time() < until)
		pthread_cond_timedwait(&self->written, &self->lock, &time);
}

/* In short steps, so that the end of a client is seen within a second. False: end. */
static bool
pause_following(Reading *reading, unsigned milliseconds, GCancellable *cancel)
{
	const LogQuery *query = reading->query;
	guint64 writes = reading->self->writes;
	for (unsigned waited = 0; waited < milliseconds; waited += PAUSE_FIRST_MS) {
		if (g_cancellable_is_cancelled(cancel) ||
		    (query->still && !query->still(query->still_data)))
			return false;
		wait_for_more(reading->self, PAUSE_FIRST_MS);
		if (reading->self->writes != writes)
			break;
	}
	return !g_cancellable_is_cancelled(cancel);
}

static bool
follow(Reading *reading, gint64 begun, GCancellable *cancel, GError **error)
{
	unsigned pause = PAUSE_FIRST_MS;
	while (pause_following(reading, pause, cancel)) {
		gint64 before = reading->count;
		gint64 from = MAX(reading->newest, begun) - OVERLAP_MS;
		if (!read_span(reading, MAX(from, begun), 0, cancel, error))
			return false;
		if (reading->has_ended)
			return true;
		forget_old(reading, from);
		pause = reading->count > before ? PAUSE_FIRST_MS : MIN(pause * 2, PAUSE_LONGEST_MS);
	}
	return true;
}

static bool
run(Reading *reading, GCancellable *cancel, GError **error)
{
	const LogQuery *query = reading->query;
	gint64 begun = g_get_real_time() / 1000;
	gint64 since = query->since / 1000;
	gint64 until = query->until / 1000;
	bool done = query->tail ? read_tail(reading, since, until, cancel, error)
				: read_span(reading, since, until, cancel, error);
	if (!done || reading->has_ended || !query->follow || query->until)
		return done;
	return follow(reading, MAX(since, begun - OVERLAP_MS), cancel, error);
}

bool
cloudwatch_query(Logs *part,
    const char *app,
    const LogQuery *query,
    LogTake take,
    gpointer take_data,
    GCancellable *cancel,
    GError **error)
{
	CloudwatchLogs *self = (CloudwatchLogs *)part;
	g_autofree char *group = aws_rack_log_group(self->rack, app);
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	Reading reading = {.self = self,
	    .group = group,
	    .query = query,
	    .take = take,
	    .take_data = take_data,
	    .seen = query->follow ? seen : NULL};
	g_autoptr(GError) cause = NULL;
	bool done = run(&reading, cancel, &cause);
	if (error_cancelled(cancel, error))
		return false;
	if (done || (reading.has_ended && !cause))
		return true;

	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}
