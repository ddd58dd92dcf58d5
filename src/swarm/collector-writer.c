/*
 * The one thread that stores lines. Followers add to batches, the writer takes them all every
 * GATHER_MS, sooner when one is well filled: a transaction for many lines instead of one each.
 *
 * A batch that cannot be stored is dropped and its follower's stream ended, so that it reads again
 * from the newest line that is stored: the engine's file is the buffer for bad times.
 */
#include "swarm/collector-private.h"

#include "base/lock.h"

#include <time.h>

#define GATHER_MS 50
#define WELL_FILLED_LINES 100
#define FULL_LINES 2000
#define FULL_BYTES (512 * 1024)

static Batch *
batch_new(void)
{
	Batch *batch = g_new0(Batch, 1);
	batch->lines = g_array_new(FALSE, FALSE, sizeof(BatchLine));
	batch->text = g_string_new(NULL);
	return batch;
}

void
batch_free(Batch *batch)
{
	if (!batch)
		return;

	g_array_unref(batch->lines);
	g_string_free(batch->text, TRUE);
	g_free(batch);
}

bool
collector_wait(Collector *collector, gint64 deadline)
{
	struct timespec until = {
	    .tv_sec = deadline / G_USEC_PER_SEC, .tv_nsec = deadline % G_USEC_PER_SEC * 1000};

	return pthread_cond_timedwait(&collector->changed, &collector->lock, &until) == 0;
}

static void
hurry(Collector *collector)
{
	collector->is_urgent = true;
	pthread_cond_broadcast(&collector->changed);
}

static bool
is_full(const Batch *batch, gsize length)
{
	return batch && batch->lines->len > 0 &&
	       (batch->lines->len >= FULL_LINES || batch->text->len + length > FULL_BYTES);
}

static bool
check_lost(const Follower *follower, GError **error)
{
	if (follower->has_lost)
		return error_set(error, CARRACK_ERROR_UNAVAILABLE,
		    "output of process %s could not be stored", follower->process);
	return true;
}

bool
collector_add(Follower *follower, gint64 time, const char *text, gsize length, GError **error)
{
	Collector *collector = follower->collector;
	LOCKED(&collector->lock);

	while (is_full(follower->batch, length) && !follower->has_lost) {
		hurry(collector);
		pthread_cond_wait(&collector->changed, &collector->lock);
	}
	if (!check_lost(follower, error))
		return false;

	if (follower->is_forgotten)
		return true;

	if (!follower->batch) {
		follower->batch = batch_new();
		collector->has_batches = true;
		pthread_cond_broadcast(&collector->changed);
	}
	Batch *batch = follower->batch;
	BatchLine line = {.time = time, .offset = batch->text->len, .length = length};
	g_string_append_len(batch->text, text, length);
	g_array_append_val(batch->lines, line);
	if (batch->lines->len == WELL_FILLED_LINES)
		hurry(collector);
	return true;
}

bool
collector_flush(Follower *follower, GError **error)
{
	Collector *collector = follower->collector;
	LOCKED(&collector->lock);

	while (follower->batch || follower->is_writing) {
		hurry(collector);
		pthread_cond_wait(&collector->changed, &collector->lock);
	}
	return check_lost(follower, error);
}

static bool
store(Follower *follower, const Batch *batch)
{
	Logs *logs = follower->collector->logs;
	g_autofree LogLine *lines = g_new0(LogLine, batch->lines->len);
	for (guint i = 0; i < batch->lines->len; i++) {
		const BatchLine *line = &g_array_index(batch->lines, BatchLine, i);
		lines[i] = (LogLine){.time = line->time,
		    .kind = "service",
		    .service = follower->service,
		    .process = follower->process,
		    .release = follower->release,
		    .text = batch->text->str + line->offset,
		    .length = line->length};
	}

	/* The error is handled by reading again, which meets it again if it stays. */
	return logs->ops->append(logs, follower->app, lines, batch->lines->len, NULL);
}

/* Followers that have something to store, with it. A follower cannot go while `is_writing`. */
static GPtrArray *
take_batches(Collector *collector, GPtrArray *batches)
{
	GPtrArray *followers = g_ptr_array_new();
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, collector->followers);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		Follower *follower = value;
		if (!follower->batch)
			continue;
		follower->is_writing = true;
		g_ptr_array_add(batches, g_steal_pointer(&follower->batch));
		g_ptr_array_add(followers, follower);
	}
	return followers;
}

static void
written(Follower *follower, bool stored)
{
	Collector *collector = follower->collector;
	LOCKED(&collector->lock);

	follower->is_writing = false;
	if (!stored) {
		follower->has_lost = true;
		g_clear_pointer(&follower->batch, batch_free);
		if (follower->stream)
			g_cancellable_cancel(follower->stream);
	}
	pthread_cond_broadcast(&collector->changed);
}

/* Waits until something is to be stored, then a little longer for more of it. NULL at the end. */
static GPtrArray *
gather(Collector *collector, GPtrArray *batches)
{
	LOCKED(&collector->lock);

	while (!collector->has_batches) {
		if (collector->is_writer_closing)
			return NULL;
		pthread_cond_wait(&collector->changed, &collector->lock);
	}
	gint64 deadline = g_get_monotonic_time() + GATHER_MS * 1000;
	while (!collector->is_urgent && collector_wait(collector, deadline))
		;

	collector->is_urgent = false;
	collector->has_batches = false;
	return take_batches(collector, batches);
}

void *
collector_write(gpointer data)
{
	Collector *collector = data;
	g_autoptr(GPtrArray) batches = g_ptr_array_new_with_free_func((GDestroyNotify)batch_free);
	GPtrArray *followers;

	while ((followers = gather(collector, batches))) {
		for (guint i = 0; i < followers->len; i++)
			written(followers->pdata[i], store(followers->pdata[i], batches->pdata[i]));
		g_ptr_array_unref(followers);
		g_ptr_array_set_size(batches, 0);
	}
	return NULL;
}
