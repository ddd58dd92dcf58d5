/*
 * Which containers are followed: every one of the rack's apps, from its start (or from when it is
 * found) to its last line. The reading itself is collector-follow.c, the storing
 * collector-writer.c.
 *
 * A follower stays in the table until its thread has ended and its end has been told, which is the
 * later of its last line and its `die` event; so a line «exited with 1» comes after what it
 * explains.
 */
#include "swarm/collector-private.h"
#include "swarm/engine-private.h"

#include "base/lock.h"

#include <string.h>

#define STACK_BYTES (256 * 1024)

static void
follower_free(Follower *follower)
{
	g_free(follower->container);
	g_free(follower->app);
	g_free(follower->service);
	g_free(follower->release);
	g_free(follower->process);
	g_clear_pointer(&follower->stored, g_hash_table_unref);
	batch_free(follower->batch);
	g_free(follower);
}

static void
join(Follower *follower)
{
	if (!follower->is_joined)
		pthread_join(follower->thread, NULL);
	follower->is_joined = true;
}

static void
follower_end(gpointer data)
{
	join(data);
	follower_free(data);
}

static bool
start_thread(Follower *follower)
{
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	bool started =
	    pthread_create(&follower->thread, &attributes, collector_follow, follower) == 0;
	pthread_attr_destroy(&attributes);
	return started;
}

static Follower *
follower_new(Collector *collector, const EngineEvent *event, bool was_ended)
{
	Follower *follower = g_new0(Follower, 1);
	follower->collector = collector;
	follower->container = g_strdup(event->container);
	follower->app = g_strdup(event->app);
	follower->service = g_strdup(event->service);
	follower->release = g_strdup(event->release);
	follower->process = g_strdup(event->process);
	follower->was_ended = was_ended;
	follower->is_told = was_ended;
	return follower;
}

static gboolean
is_over(gpointer container, gpointer value, gpointer data)
{
	const Follower *follower = value;
	const bool *with_untold = data;

	return follower->is_done && !follower->is_telling &&
	       (*with_untold || follower->is_told || follower->is_forgotten);
}

/* The follower of a container, started if there is none; NULL when no thread could be had. The lock
 * is held. Also takes away those that have ended. */
static Follower *
ensure(Collector *collector, const EngineEvent *event, bool was_ended)
{
	Follower *follower = g_hash_table_lookup(collector->followers, event->container);
	if (follower || g_cancellable_is_cancelled(collector->closing))
		return follower;

	g_hash_table_foreach_remove(collector->followers, is_over, &(bool){false});
	follower = follower_new(collector, event, was_ended);
	g_hash_table_insert(collector->followers, follower->container, follower);
	if (start_thread(follower))
		return follower;

	g_hash_table_steal(collector->followers, follower->container);
	follower_free(follower);
	return NULL;
}

/* Fills an event from a container's labels; strings are borrowed. False for what is no app's, and
 * for one-offs whose output is their client's. */
static bool
read_labels(EngineEvent *event, const char *container, const json_t *labels)
{
	*event = (EngineEvent){.kind = ENGINE_EVENT_START,
	    .container = container,
	    .app = json_text_of(labels, LABEL_APP, ""),
	    .service = json_text_of(labels, LABEL_SERVICE, ""),
	    .release = json_text_of(labels, LABEL_RELEASE, ""),
	    .deployment = json_text_of(labels, LABEL_SWARM_SERVICE, ""),
	    .process = engine_process_id(json_text_of(labels, LABEL_SWARM_TASK, container))};

	return *event->app && *container && !json_object_get(labels, LABEL_ATTACHED);
}

static bool
follow_listed(Collector *collector, const json_t *container)
{
	EngineEvent event;
	const char *state = json_text_of(container, "State", "");
	if (strcmp(state, "created") == 0)
		return true;
	if (!read_labels(
		&event, json_text_of(container, "Id", ""), json_object_get(container, "Labels")))
		return true;

	LOCKED(&collector->lock);
	return ensure(collector, &event, strcmp(state, "running") != 0) != NULL;
}

bool
collector_follow_all(Collector *collector, GError **error)
{
	g_autofree char *filters = engine_label_filter(collector->rack, NULL);
	json_auto_t *containers = docker_call(
	    collector->docker, "GET", NULL, error, "/containers/json?all=1&%s", filters);
	if (!containers)
		return false;

	pthread_mutex_lock(&collector->lock);
	g_hash_table_foreach_remove(collector->followers, is_over, &(bool){true});
	pthread_mutex_unlock(&collector->lock);

	gsize index;
	json_t *container;
	json_array_foreach(containers, index, container)
	{
		if (!follow_listed(collector, container))
			return error_set(error, CARRACK_ERROR_UNAVAILABLE,
			    "no thread for the output of container %s",
			    json_text_of(container, "Id", ""));
	}
	return true;
}

static Follower *
note_event(Collector *collector, const EngineEvent *event)
{
	LOCKED(&collector->lock);
	Follower *follower = ensure(collector, event, false);
	if (!follower || event->kind == ENGINE_EVENT_START)
		return NULL;
	if (event->kind == ENGINE_EVENT_OUT_OF_MEMORY) {
		follower->was_out_of_memory = true;
		return NULL;
	}

	/* One that was found dead is told of too when its death is news. */
	follower->is_told &= !follower->was_ended;
	follower->has_died = true;
	follower->exit_code = event->exit_code;
	pthread_cond_broadcast(&collector->changed);
	return follower->is_done && follower_claim_telling(follower) ? follower : NULL;
}

void
collector_event(Collector *collector, const EngineEvent *event)
{
	if (event->kind == ENGINE_EVENT_RECONNECTED)
		return;

	Follower *follower = note_event(collector, event);
	if (follower)
		follower_tell_end(follower);
}

/* Follows a container that no event has told of yet. */
static bool
follow_unknown(Collector *collector, const char *id)
{
	json_auto_t *container =
	    docker_call(collector->docker, "GET", NULL, NULL, "/containers/%s/json", id);
	const json_t *labels = json_at(container, "Config", "Labels", NULL);
	EngineEvent event;
	if (!labels || !read_labels(&event, json_text_of(container, "Id", ""), labels))
		return false;

	bool is_running = json_bool_of(json_at(container, "State", NULL), "Running", false);
	LOCKED(&collector->lock);
	return ensure(collector, &event, !is_running) != NULL;
}

static bool
is_known(Collector *collector, const char *container)
{
	LOCKED(&collector->lock);

	return g_hash_table_contains(collector->followers, container);
}

bool
collector_knows_dead(Collector *collector, const char *container)
{
	LOCKED(&collector->lock);
	const Follower *follower = g_hash_table_lookup(collector->followers, container);

	return follower && follower->has_died;
}

bool
collector_settle(Collector *collector, const char *container, unsigned timeout_ms)
{
	gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
	if (!is_known(collector, container) && !follow_unknown(collector, container))
		return true;

	LOCKED(&collector->lock);
	const Follower *follower;
	while ((follower = g_hash_table_lookup(collector->followers, container)) &&
	       !follower->is_done) {
		if (!collector_wait(collector, deadline))
			return false;
	}
	return true;
}

/* True while output of the app is still being read. With `forget`, none of it is kept any more. */
static bool
has_output(Collector *collector, const char *app, bool forget)
{
	GHashTableIter iter;
	gpointer value;
	bool found = false;

	g_hash_table_iter_init(&iter, collector->followers);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		Follower *follower = value;
		if (strcmp(follower->app, app) != 0)
			continue;
		found |= !follower->is_done;
		follower->is_forgotten |= forget;
	}
	return found;
}

void
collector_forget_app(Collector *collector, const char *app, unsigned timeout_ms)
{
	gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
	LOCKED(&collector->lock);

	while (has_output(collector, app, false) && collector_wait(collector, deadline))
		;
	has_output(collector, app, true);
}

static void
destroy(Collector *collector)
{
	g_hash_table_unref(collector->followers);
	pthread_cond_destroy(&collector->changed);
	pthread_mutex_destroy(&collector->lock);
	g_object_unref(collector->closing);
	g_free(collector->rack);
	g_free(collector);
}

Collector *
collector_new(Docker *docker, Logs *logs, const char *rack, GError **error)
{
	Collector *collector = g_new0(Collector, 1);
	pthread_condattr_t attributes;
	collector->docker = docker;
	collector->logs = logs;
	collector->rack = g_strdup(rack);
	collector->closing = g_cancellable_new();
	collector->followers = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, follower_end);
	pthread_mutex_init(&collector->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&collector->changed, &attributes);
	pthread_condattr_destroy(&attributes);

	int errnum = pthread_create(&collector->writer, NULL, collector_write, collector);
	if (errnum == 0)
		return collector;
	error_set_errno(error, errnum, "thread that stores logs");
	destroy(collector);
	return NULL;
}

static void
cancel_streams(Collector *collector)
{
	LOCKED(&collector->lock);
	GHashTableIter iter;
	gpointer value;

	g_cancellable_cancel(collector->closing);
	g_hash_table_iter_init(&iter, collector->followers);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		Follower *follower = value;
		if (follower->stream)
			g_cancellable_cancel(follower->stream);
	}
	pthread_cond_broadcast(&collector->changed);
}

static void
join_followers(Collector *collector)
{
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, collector->followers);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		join(value);
}

static void
end_writer(Collector *collector)
{
	pthread_mutex_lock(&collector->lock);
	collector->is_writer_closing = true;
	pthread_cond_broadcast(&collector->changed);
	pthread_mutex_unlock(&collector->lock);
	pthread_join(collector->writer, NULL);
}

void
collector_free(Collector *collector)
{
	if (!collector)
		return;

	/* With the streams cancelled each follower stores what it has, then ends. The writer looks
	 * at the table to the last, so the table goes after it. */
	cancel_streams(collector);
	join_followers(collector);
	end_writer(collector);
	destroy(collector);
}
