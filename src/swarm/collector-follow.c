/*
 * One thread for each container reads its log stream to the end: with `follow` while it runs, and
 * once more when it has died, because the engine (20.10) may end a followed stream before its last
 * lines.
 *
 * Nothing is stored twice and nothing is left out. Reading begins a little before the newest stored
 * line; what is stored from then on is known by its times. Inside a stream the engine's follower
 * goes back when the log file is rotated; such lines are known by their times too, which only grow
 * in one stream of one container unless the machine's clock is set back.
 */
#include "swarm/collector-private.h"

#include "base/lock.h"
#include "base/text.h"

#include <string.h>

#define OVERLAP_US G_USEC_PER_SEC /* the two streams of a process are ordered to this */
#define READERS_OF_ENDED 4
#define PAUSE_FIRST_MS 100
#define PAUSE_MOST_MS 5000

static bool
note_stored(gpointer data, const LogLine *line, GError **error)
{
	GHashTable *stored = data;
	gint64 time = line->time;
	gint64 *count = g_hash_table_lookup(stored, &time);
	if (count)
		*count += 1;
	else
		g_hash_table_insert(stored, g_memdup2(&time, sizeof(time)),
		    g_memdup2(&(gint64){1}, sizeof(gint64)));
	return true;
}

/* Where to read from, 0 for the beginning, and what is stored from there on. A newest line in the
 * future tells of a clock that was set back. */
static bool
find_start(Follower *follower, gint64 *since, GError **error)
{
	Logs *logs = follower->collector->logs;
	g_clear_pointer(&follower->stored, g_hash_table_unref);
	memset(follower->newest, 0, sizeof(follower->newest));
	memset(follower->is_replay, 0, sizeof(follower->is_replay));

	gint64 newest = logs->ops->newest(logs, follower->app, follower->process);
	*since = newest == 0 ? 0 : MIN(newest, g_get_real_time()) - OVERLAP_US;
	if (newest == 0)
		return true;

	LogQuery query = {.since = *since, .process = follower->process, .kind = "service"};
	follower->stored = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
	return logs->ops->query(
	    logs, follower->app, &query, note_stored, follower->stored, NULL, error);
}

static bool
is_stored(const Follower *follower, gint64 time)
{
	gint64 *count = follower->stored ? g_hash_table_lookup(follower->stored, &time) : NULL;
	if (!count)
		return false;

	*count -= 1;
	if (*count == 0)
		g_hash_table_remove(follower->stored, &time);
	return true;
}

static bool
is_replay(const char *newest, const char *stamp)
{
	gint64 time;
	bool goes_back = strcmp(stamp, newest) <= 0;

	return goes_back && text_parse_time(newest, &time, NULL) && time <= g_get_real_time();
}

static bool
take_line(gpointer data, const OutputLine *line, GError **error)
{
	Follower *follower = data;
	unsigned stream = line->stream == 2;
	char *newest = follower->newest[stream];
	if (!line->is_continued)
		follower->is_replay[stream] = is_replay(newest, line->stamp);
	if (follower->is_replay[stream])
		return true;

	gint64 time;
	if (!text_parse_time(line->stamp, &time, error))
		return false;
	g_strlcpy(newest, line->stamp, sizeof(follower->newest[stream]));
	return is_stored(follower, time) ||
	       collector_add(follower, time, line->text, line->length, error);
}

/* A stream ends when the collector closes, or when the writer has lost a batch of it. */
static GCancellable *
open_stream(Follower *follower)
{
	LOCKED(&follower->collector->lock);
	follower->has_lost = false;
	follower->stream = g_cancellable_new();
	if (g_cancellable_is_cancelled(follower->collector->closing))
		g_cancellable_cancel(follower->stream);
	return follower->stream;
}

static void
close_stream(Follower *follower)
{
	LOCKED(&follower->collector->lock);
	g_clear_object(&follower->stream);
}

static bool
request_output(Follower *follower, bool follow, gint64 since, GError **error)
{
	Output output = {.take = take_line, .data = follower};
	g_autofree char *path =
	    g_strdup_printf("/containers/%s/logs?stdout=1&stderr=1&timestamps=1&follow=%d"
			    "&since=%" G_GINT64_FORMAT ".%06d",
		follower->container, follow, since / G_USEC_PER_SEC, (int)(since % G_USEC_PER_SEC));
	HttpRequest request = {.path = path, .write = output_feed, .write_data = &output};

	GCancellable *stream = open_stream(follower);
	g_autoptr(HttpAnswer) answer =
	    docker_request(follower->collector->docker, &request, stream, error);
	close_stream(follower);
	bool is_whole = answer && output_end(&output, error);
	output_clear(&output);
	return is_whole;
}

/* Reads once: all that is there, and with `follow` what comes until the container dies. */
static bool
read_output(Follower *follower, bool follow, GError **error)
{
	gint64 since;
	if (!find_start(follower, &since, error))
		return false;

	bool was_read = request_output(follower, follow, since, error);
	bool was_stored = collector_flush(follower, was_read ? error : NULL);
	g_clear_pointer(&follower->stored, g_hash_table_unref);
	return was_read && was_stored;
}

/* The thread */

static bool
is_closing(const Follower *follower)
{
	return g_cancellable_is_cancelled(follower->collector->closing);
}

/* A death ends the pause: what is there then is to be read before it is cleared away. */
static void
pause_for(const Follower *follower, unsigned milliseconds)
{
	Collector *collector = follower->collector;
	gint64 deadline = g_get_monotonic_time() + (gint64)milliseconds * 1000;
	LOCKED(&collector->lock);
	bool was_dead = follower->has_died;

	while (!is_closing(follower) && follower->has_died == was_dead &&
	       collector_wait(collector, deadline))
		;
}

/* One round of reading. True when there is nothing more to come. */
static bool
read_round(Follower *follower, GError **error)
{
	json_auto_t *container = docker_call(follower->collector->docker, "GET", NULL, error,
	    "/containers/%s/json", follower->container);
	if (!container)
		return false;

	bool is_running = json_bool_of(json_at(container, "State", NULL), "Running", false);
	return read_output(follower, is_running, error) && !is_running;
}

/* Reads until the container has ended and its last line is stored, or it is gone. False when it was
 * gone before anything could be read. */
static bool
read_to_the_end(Follower *follower)
{
	unsigned pause = 0;

	for (unsigned round = 0; !is_closing(follower); round++) {
		gint64 began = g_get_monotonic_time();
		g_autoptr(GError) error = NULL;
		if (read_round(follower, &error))
			return true;
		if (g_error_matches(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND))
			return round > 0;

		/* The round after a death must come at once. */
		bool was_long = g_get_monotonic_time() - began > PAUSE_MOST_MS * 1000;
		pause = was_long ? 0 : pause;
		pause_for(follower, pause);
		pause = CLAMP(pause * 2, PAUSE_FIRST_MS, PAUSE_MOST_MS);
	}
	return true;
}

static void
wait_for_turn(Follower *follower)
{
	Collector *collector = follower->collector;
	LOCKED(&collector->lock);

	while (collector->reading_ended >= READERS_OF_ENDED && !is_closing(follower))
		pthread_cond_wait(&collector->changed, &collector->lock);
	collector->reading_ended++;
}

static void
write_end(const Follower *follower)
{
	Logs *logs = follower->collector->logs;
	if (follower->was_out_of_memory && follower->exit_code == 137)
		logs_system(logs, follower->app, follower->service,
		    "process %s killed: out of memory", follower->process);
	else
		logs_system(logs, follower->app, follower->service, "process %s exited with %d%s",
		    follower->process, follower->exit_code,
		    follower->was_out_of_memory ? " after running out of memory" : "");
}

void
follower_tell_end(Follower *follower)
{
	write_end(follower);

	LOCKED(&follower->collector->lock);
	follower->is_telling = false;
	follower->is_told = true;
}

bool
follower_claim_telling(Follower *follower)
{
	bool claimed = follower->has_died && !follower->is_told && !follower->is_telling &&
		       !follower->is_forgotten;
	follower->is_telling |= claimed;
	return claimed;
}

static bool
finish(Follower *follower)
{
	LOCKED(&follower->collector->lock);
	if (follower_claim_telling(follower))
		return false;

	follower->is_done = true;
	if (follower->was_ended)
		follower->collector->reading_ended--;
	pthread_cond_broadcast(&follower->collector->changed);
	return true;
}

void *
collector_follow(gpointer data)
{
	Follower *follower = data;
	if (follower->was_ended)
		wait_for_turn(follower);

	if (!read_to_the_end(follower)) {
		LOCKED(&follower->collector->lock);
		/* Its app has been taken away: nobody is to be told. */
		follower->is_told = true;
	}

	while (!finish(follower))
		follower_tell_end(follower);
	return NULL;
}
