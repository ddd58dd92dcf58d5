/*
 * Queries. History is read forward as it comes, a tail backward until it is long enough. Whoever
 * follows takes his place in the app's tail (logs-tail.c) before he reads history, and remembers
 * the ids of what history holds of the last minute: so no line is in both or in neither. Older
 * lines that arrive after that are not for him; they were before he began.
 */
#include "aws/logs-private.h"

#include "base/error.h"

/* What a follower's history may share with the lines that come; milliseconds. */
#define SEAM (60 * 1000)
#define LATE_END (10 * G_TIME_SPAN_SECOND) /* how long lines before `until` are waited for */

typedef struct {
	CloudLogs *logs;
	const char *app;
	const LogQuery *query;
	LogTake take;
	gpointer take_data;
	GCancellable *cancel;
	gint64 id;
	LogSeen seen;   /* while following */
	GQueue newest;  /* of LogEvent: a tail, the newest first */
	bool is_over;   /* the taker has had enough, */
	bool is_failed; /* and with an error */
} Reading;

static bool
hand_over(Reading *reading, const LogEvent *event, GError **error)
{
	LogLine line = event->line;
	GError *inner = NULL;
	if (error_cancelled(reading->cancel, error))
		return false;
	line.id = ++reading->id;
	if (reading->take(reading->take_data, &line, &inner))
		return true;

	reading->is_over = true;
	reading->is_failed = inner != NULL;
	if (inner)
		g_propagate_error(error, inner);
	return false;
}

static bool
is_following(const Reading *reading)
{
	return reading->query->follow;
}

/* The end of a reading by a taker who has had enough is none of a failure. */
static bool
read_range(Reading *reading, const LogRange *range, LogVisit visit, GError **error)
{
	g_autoptr(GError) cause = NULL;
	bool done = cloudwatch_read(reading->logs, range, visit, reading, reading->cancel, &cause);
	if (done || (reading->is_over && !reading->is_failed))
		return true;

	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}

/* History */

static bool
history_visit(gpointer data, const LogEvent *event, GError **error)
{
	Reading *reading = data;
	if (!cloudwatch_matches(reading->query, event))
		return true;

	if (is_following(reading))
		log_seen_add(&reading->seen, event);
	return hand_over(reading, event, error);
}

/* Keeps what matches, until there is enough and the seam is known whole. */
static bool
tail_visit(gpointer data, const LogEvent *event, GError **error)
{
	Reading *reading = data;
	bool matches = cloudwatch_matches(reading->query, event);
	if (matches && is_following(reading))
		log_seen_add(&reading->seen, event);
	if (matches && reading->newest.length < reading->query->tail)
		g_queue_push_tail(&reading->newest, log_event_copy(event));

	bool is_full = reading->newest.length >= reading->query->tail;
	return !is_full || (is_following(reading) && event->time >= reading->seen.floor);
}

static bool
give_tail(Reading *reading, GError **error)
{
	while (!reading->is_over && reading->newest.length > 0) {
		g_autofree LogEvent *event = g_queue_pop_tail(&reading->newest);
		if (!hand_over(reading, event, error) && !reading->is_over)
			return false;
	}
	return !reading->is_failed;
}

static bool
give_history(Reading *reading, GError **error)
{
	LogRange range = cloudwatch_range_of(reading->app, reading->query);
	if (!reading->query->tail)
		return read_range(reading, &range, history_visit, error);

	range.is_backward = true;
	if (!read_range(reading, &range, tail_visit, error))
		return false;
	return give_tail(reading, error);
}

/* Following */

static bool
give_new(Reading *reading, const LogEvent *event, GError **error)
{
	if (!cloudwatch_matches(reading->query, event) || !log_seen_add(&reading->seen, event))
		return true;

	return hand_over(reading, event, error);
}

static bool
catch_up_visit(gpointer data, const LogEvent *event, GError **error)
{
	return give_new(data, event, error);
}

/* Reads by himself what may have come since the tail's line that was taken last. */
static bool
catch_up(Reading *reading, LogFollower *follower, GError **error)
{
	LogRange range = cloudwatch_range_of(reading->app, reading->query);
	range.from = MAX(reading->seen.floor, follower->polled - LOGS_LATE);
	follower->polled = g_get_real_time() / LOGS_MILLISECOND;
	logs_follower_skip(follower);
	return read_range(reading, &range, catch_up_visit, error);
}

static bool
give_lines(Reading *reading, LogFollower *follower, const GPtrArray *events, GError **error)
{
	for (guint i = 0; i < events->len && !reading->is_over; i++) {
		if (!give_new(reading, events->pdata[i], error) && !reading->is_over)
			return false;
	}
	/* No poll asks for what is older. */
	log_seen_forget(&reading->seen, follower->polled - LOGS_LATE);
	return !reading->is_failed;
}

static bool
wants_more(Reading *reading)
{
	const LogQuery *query = reading->query;
	if (query->until && g_get_real_time() > query->until + LATE_END)
		return false;

	return !query->still || query->still(query->still_data);
}

static bool
follow(Reading *reading, LogFollower *follower, GError **error)
{
	while (!reading->is_over) {
		g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func(g_free);
		LogNews news = logs_follower_wait(follower, events, error);
		bool is_last = news == LOGS_IDLE && !wants_more(reading);
		if (news == LOGS_ENDED)
			return false;
		/* What came while that was being asked is still wanted. */
		if (is_last)
			return catch_up(reading, follower, error);
		if (news == LOGS_BEHIND && !catch_up(reading, follower, error))
			return false;
		if (news == LOGS_LINES && !give_lines(reading, follower, events, error))
			return false;
	}
	return true;
}

static bool
history_and_follow(Reading *reading, GError **error)
{
	gint64 floor = g_get_real_time() / LOGS_MILLISECOND - SEAM;
	LogFollower follower = {.cancel = reading->cancel};
	log_seen_init(&reading->seen, MAX(floor, reading->query->since / LOGS_MILLISECOND));
	logs_follower_begin(&follower, reading->logs, reading->app);

	bool done = give_history(reading, error) && follow(reading, &follower, error);

	logs_follower_end(&follower);
	log_seen_clear(&reading->seen);
	return done;
}

/* The whole */

static void
pass_on(GCancellable *outer, gpointer inner)
{
	g_cancellable_cancel(inner);
}

static void
wake(GCancellable *cancel, gpointer data)
{
	CloudLogs *logs = data;
	LOCKED(&logs->lock);
	pthread_cond_broadcast(&logs->changed);
}

static void
enter(Reading *reading)
{
	CloudLogs *logs = reading->logs;
	LOCKED(&logs->lock);
	g_ptr_array_add(logs->readings, reading->cancel);
}

static void
leave(Reading *reading)
{
	CloudLogs *logs = reading->logs;
	LOCKED(&logs->lock);
	g_ptr_array_remove_fast(logs->readings, reading->cancel);
	pthread_cond_broadcast(&logs->changed);
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
	/* Also cancelled when the part goes. */
	g_autoptr(GCancellable) inner = g_cancellable_new();
	Reading reading = {.logs = (CloudLogs *)part,
	    .app = app,
	    .query = query,
	    .take = take,
	    .take_data = take_data,
	    .cancel = inner,
	    .id = g_get_real_time(),
	    .newest = G_QUEUE_INIT};
	gulong waking = g_cancellable_connect(inner, G_CALLBACK(wake), reading.logs, NULL);
	gulong passing =
	    cancel ? g_cancellable_connect(cancel, G_CALLBACK(pass_on), inner, NULL) : 0;
	g_autoptr(GError) cause = NULL;

	enter(&reading);
	bool done =
	    query->follow ? history_and_follow(&reading, &cause) : give_history(&reading, &cause);
	g_queue_clear_full(&reading.newest, g_free);
	g_cancellable_disconnect(cancel, passing);
	g_cancellable_disconnect(inner, waking);
	leave(&reading);

	/* Whatever the call said that was cut off. */
	if (done || error_cancelled(inner, error))
		return done;
	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}
