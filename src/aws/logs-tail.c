/*
 * Following: one poll an app, whoever follows it. There is no thread for it: whichever follower
 * waits when the next poll is due does it for all. What has come is kept in the order of arrival,
 * up to some megabytes; a follower who takes it too slowly is told so, and reads again by himself.
 *
 * CloudWatch gives lines by their own time and shows them late: ECS's log driver sends every five
 * seconds, a machine without network after minutes. So each poll asks again for the last seconds,
 * now and then for the last minutes, and what was there is known by the events' ids. An account may
 * ask some five to ten times a second, so polls slow down while nothing comes.
 */
#include "aws/logs-private.h"

#include "base/error.h"

#include <string.h>

#define NEAR (10 * 1000)                     /* how far back a poll looks, milliseconds */
#define WIDE_EVERY (20 * G_TIME_SPAN_SECOND) /* and how often as far as LOGS_LATE */
#define PAUSE_LEAST G_TIME_SPAN_SECOND
#define PAUSE_MOST (5 * G_TIME_SPAN_SECOND)
#define PAUSE_WRITTEN (G_TIME_SPAN_SECOND / 4) /* after lines of our own */
#define IDLE G_TIME_SPAN_SECOND
#define BYTES_KEPT (4 * 1024 * 1024)
#define EVENT_COST 256 /* of memory beside the text */
#define TAKEN_AT_ONCE 256
#define SEEN_MOST 200000

/* Marks are 64 bits, as pointers are where this runs. */
G_STATIC_ASSERT(sizeof(gpointer) == sizeof(guint64));

void
log_seen_init(LogSeen *seen, gint64 floor)
{
	seen->marks = g_hash_table_new(NULL, NULL);
	seen->floor = floor;
	seen->newest = floor;
}

void
log_seen_clear(LogSeen *seen)
{
	g_clear_pointer(&seen->marks, g_hash_table_unref);
}

void
log_seen_forget(LogSeen *seen, gint64 floor)
{
	GHashTableIter each;
	gpointer time;
	if (floor <= seen->floor)
		return;

	seen->floor = floor;
	g_hash_table_iter_init(&each, seen->marks);
	while (g_hash_table_iter_next(&each, NULL, &time)) {
		if ((gint64)time < floor)
			g_hash_table_iter_remove(&each);
	}
}

bool
log_seen_add(LogSeen *seen, const LogEvent *event)
{
	if (event->time < seen->floor ||
	    !g_hash_table_insert(seen->marks, (gpointer)event->mark, (gpointer)event->time))
		return false;

	seen->newest = MAX(seen->newest, event->time);
	/* Of a flood only the later half is known; nobody asks for the rest again. */
	while (g_hash_table_size(seen->marks) > SEEN_MOST)
		log_seen_forget(seen, seen->floor + (seen->newest - seen->floor) / 2 + 1);
	return true;
}

/* The shared tail */

static LogTail *
tail_new(const char *app)
{
	LogTail *tail = g_new0(LogTail, 1);
	tail->app = g_strdup(app);
	g_queue_init(&tail->events);
	log_seen_init(&tail->seen, g_get_real_time() / LOGS_MILLISECOND - LOGS_LATE);
	tail->pause = PAUSE_LEAST;
	return tail;
}

static void
tail_free(LogTail *tail)
{
	g_queue_clear_full(&tail->events, g_free);
	log_seen_clear(&tail->seen);
	g_free(tail->app);
	g_free(tail);
}

static void
tail_push(LogTail *tail, LogEvent *event)
{
	g_queue_push_tail(&tail->events, event);
	tail->bytes += event->line.length + EVENT_COST;
	tail->next++;
	while (tail->bytes > BYTES_KEPT && tail->events.length > 1) {
		g_autofree LogEvent *oldest = g_queue_pop_head(&tail->events);
		tail->bytes -= oldest->line.length + EVENT_COST;
		tail->first++;
	}
}

typedef struct {
	CloudLogs *logs;
	LogTail *tail;
	gint64 now; /* milliseconds */
	bool has_news;
} Poll;

static bool
poll_visit(gpointer data, const LogEvent *event, GError **error)
{
	Poll *poll = data;
	if (!log_seen_add(&poll->tail->seen, event))
		return true;

	LogEvent *copy = log_event_copy(event);
	copy->polled = poll->now;
	poll->has_news = true;
	LOCKED(&poll->logs->lock);
	tail_push(poll->tail, copy);
	return true;
}

/* Settles when the next poll is due. */
static void
end_poll(Poll *poll, bool is_wide)
{
	LogTail *tail = poll->tail;
	LOCKED(&poll->logs->lock);

	tail->is_polling = false;
	tail->asked = g_get_monotonic_time();
	/* Lines that were written meanwhile have set it back already. */
	tail->pause =
	    poll->has_news ? PAUSE_LEAST : MIN(MAX(tail->pause, PAUSE_LEAST) * 3 / 2, PAUSE_MOST);
	tail->due = MIN(tail->due, tail->asked + tail->pause);
	if (is_wide)
		tail->wide_next = tail->asked + WIDE_EVERY;
	pthread_cond_broadcast(&poll->logs->changed);
}

/* With `is_polling` set by the caller. */
static bool
poll_once(LogFollower *follower, GError **error)
{
	LogTail *tail = follower->tail;
	Poll poll = {
	    .logs = follower->logs, .tail = tail, .now = g_get_real_time() / LOGS_MILLISECOND};
	bool is_wide = g_get_monotonic_time() >= tail->wide_next;
	gint64 from = poll.now - (is_wide ? LOGS_LATE : NEAR);
	LogRange range = {.app = tail->app, .from = MAX(from, tail->seen.floor)};

	bool done =
	    cloudwatch_read(follower->logs, &range, poll_visit, &poll, follower->cancel, error);
	/* What is as old is asked for no more. */
	log_seen_forget(&tail->seen, poll.now - LOGS_LATE);
	end_poll(&poll, is_wide && done);
	return done;
}

void
cloudwatch_tail_wake(CloudLogs *logs, const char *app)
{
	LOCKED(&logs->lock);
	LogTail *tail = g_hash_table_lookup(logs->tails, app);
	if (!tail)
		return;

	tail->due = MIN(tail->due, tail->asked + PAUSE_WRITTEN);
	tail->pause = PAUSE_LEAST;
	pthread_cond_broadcast(&logs->changed);
}

/* Followers */

void
logs_follower_begin(LogFollower *follower, CloudLogs *logs, const char *app)
{
	LOCKED(&logs->lock);
	LogTail *tail = g_hash_table_lookup(logs->tails, app);
	if (!tail) {
		tail = tail_new(app);
		g_hash_table_insert(logs->tails, tail->app, tail);
	}

	tail->followers++;
	follower->logs = logs;
	follower->tail = tail;
	follower->position = tail->next;
	follower->polled = g_get_real_time() / LOGS_MILLISECOND;
	follower->idle = g_get_monotonic_time() + IDLE;
}

void
logs_follower_end(LogFollower *follower)
{
	LogTail *tail = follower->tail;
	LOCKED(&follower->logs->lock);

	if (--tail->followers > 0)
		return;
	g_hash_table_remove(follower->logs->tails, tail->app);
	tail_free(tail);
}

void
logs_follower_skip(LogFollower *follower)
{
	LOCKED(&follower->logs->lock);
	follower->position = follower->tail->next;
}

/* With the lock. */
static void
take_events(LogFollower *follower, GPtrArray *events)
{
	LogTail *tail = follower->tail;
	guint from = (guint)(follower->position - tail->first);
	GList *link = g_queue_peek_nth_link(&tail->events, from);

	for (; link && events->len < TAKEN_AT_ONCE; link = link->next) {
		const LogEvent *event = link->data;
		g_ptr_array_add(events, log_event_copy(event));
		follower->polled = event->polled;
		follower->position++;
	}
}

static bool
is_ended(LogFollower *follower)
{
	return follower->logs->is_closing || g_cancellable_is_cancelled(follower->cancel);
}

typedef enum { WAIT_NEWS, WAIT_POLL, WAIT_IDLE, WAIT_ENDED } Wait;

/* With the lock: what there is to do, waiting until there is something. */
static Wait
wait_for_work(LogFollower *follower)
{
	CloudLogs *logs = follower->logs;
	const LogTail *tail = follower->tail;

	for (;;) {
		gint64 now = g_get_monotonic_time();
		if (is_ended(follower))
			return WAIT_ENDED;
		if (follower->position < tail->next)
			return WAIT_NEWS;
		if (now >= follower->idle)
			return WAIT_IDLE;
		if (now >= tail->due && !tail->is_polling)
			return WAIT_POLL;

		gint64 until = tail->is_polling ? follower->idle : MIN(tail->due, follower->idle);
		struct timespec end = {.tv_sec = until / G_TIME_SPAN_SECOND,
		    .tv_nsec = (until % G_TIME_SPAN_SECOND) * 1000};
		pthread_cond_timedwait(&logs->changed, &logs->lock, &end);
	}
}

/* With the lock. */
static Wait
next_work(LogFollower *follower, GPtrArray *events, LogNews *news)
{
	LogTail *tail = follower->tail;
	Wait wait = wait_for_work(follower);
	bool is_behind = wait == WAIT_NEWS && follower->position < tail->first;

	if (wait == WAIT_NEWS && !is_behind)
		take_events(follower, events);
	if (wait == WAIT_POLL) {
		tail->is_polling = true;
		tail->due = G_MAXINT64;
	} else {
		follower->idle = g_get_monotonic_time() + IDLE;
	}
	*news = is_behind ? LOGS_BEHIND : wait == WAIT_IDLE ? LOGS_IDLE : LOGS_LINES;
	return wait;
}

LogNews
logs_follower_wait(LogFollower *follower, GPtrArray *events, GError **error)
{
	for (;;) {
		LogNews news = LOGS_LINES;
		Wait wait;
		{
			LOCKED(&follower->logs->lock);
			wait = next_work(follower, events, &news);
		}
		if (wait == WAIT_ENDED) {
			error_set(error, CARRACK_ERROR_UNAVAILABLE, "cancelled");
			return LOGS_ENDED;
		}
		if (wait != WAIT_POLL)
			return news;
		if (!poll_once(follower, error))
			return LOGS_ENDED;
	}
}
