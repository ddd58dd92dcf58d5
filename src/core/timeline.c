/*
 * Timelines in memory while they run, in the store from the first step on. A step is written
 * through when it closes (and at both ends), not at every change of detail, so that a deploy does
 * not wait for the disk more often than it must. One lock and one condition serve all who wait.
 */
#include "core/timeline.h"

#include "base/lock.h"
#include "base/text.h"

#include <string.h>

#define KIND "timeline"
#define VERSION_LEAP 1000

struct Timelines {
	Store *store;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	GHashTable *running; /* «app/id» → Timeline, borrowed */
};

struct Timeline {
	Timelines *timelines;
	char *app;
	char *id;
	json_t *body;
	bool has_ended;
};

Timelines *
timelines_new(Store *store)
{
	Timelines *timelines = g_new0(Timelines, 1);
	timelines->store = store;
	pthread_mutex_init(&timelines->lock, NULL);
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&timelines->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	timelines->running = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	return timelines;
}

void
timelines_free(Timelines *timelines)
{
	if (!timelines)
		return;

	g_hash_table_unref(timelines->running);
	pthread_cond_destroy(&timelines->changed);
	pthread_mutex_destroy(&timelines->lock);
	g_free(timelines);
}

static char *
timeline_key(const char *app, const char *id)
{
	return g_strconcat(app, "/", id, NULL);
}

static json_t *
time_now(void)
{
	g_autofree char *now = text_time(g_get_real_time());
	return json_string(now);
}

/* With the lock held. A timeline that cannot be stored is still shown live; its loss is told once.
 */
static void
timeline_store(Timeline *timeline)
{
	Store *store = timeline->timelines->store;
	g_autoptr(GError) error = NULL;
	if (!store->ops->put(
		store, KIND, timeline->app, timeline->id, timeline->body, STORE_ANY, NULL, &error))
		g_printerr("event=timeline-lost app=%s id=%s reason=\"%s\"\n", timeline->app,
		    timeline->id, error->message);
}

/* With the lock held. */
static void
timeline_changed(Timeline *timeline)
{
	gint64 version = json_int_of(timeline->body, "version", 0);
	json_object_set_new(timeline->body, "version", json_integer(version + 1));
	pthread_cond_broadcast(&timeline->timelines->changed);
}

static json_t *
steps_of(Timelines *timelines, const char *app, const char *id)
{
	Store *store = timelines->store;
	g_autoptr(StoreDocument) document = store->ops->get(store, KIND, app, id, NULL);
	json_t *steps = document ? json_object_get(document->body, "steps") : NULL;
	return steps ? json_deep_copy(steps) : json_array();
}

Timeline *
timeline_begin(Timelines *timelines, const char *app, const char *id, const char *parent)
{
	Timeline *timeline = g_new0(Timeline, 1);
	timeline->timelines = timelines;
	timeline->app = g_strdup(app);
	timeline->id = g_strdup(id);
	json_t *steps = parent ? steps_of(timelines, app, parent) : json_array();
	timeline->body = json_pack("{s:s, s:i, s:s, s:s, s:o, s:n, s:o}", "id", id, "version", 1,
	    "state", "running", "cause", "", "started", time_now(), "ended", "steps", steps);

	LOCKED(&timelines->lock);
	/* A promote that is tried again goes on counting, so that nobody waits for a version long
	 * past. */
	g_autoptr(StoreDocument) earlier =
	    timelines->store->ops->get(timelines->store, KIND, app, id, NULL);
	if (earlier)
		json_object_set_new(timeline->body, "version",
		    json_integer(json_int_of(earlier->body, "version", 0) + VERSION_LEAP));
	g_hash_table_replace(timelines->running, timeline_key(app, id), timeline);
	timeline_store(timeline);
	pthread_cond_broadcast(&timelines->changed);
	return timeline;
}

static bool
is_text(const json_t *step, const char *member, const char *wanted)
{
	return strcmp(json_text_of(step, member, ""), wanted ? wanted : "") == 0;
}

/* The newest step of that name, or NULL. */
static json_t *
step_find(Timeline *timeline, const char *name, const char *service)
{
	json_t *steps = json_object_get(timeline->body, "steps");
	for (gsize i = json_array_size(steps); i > 0; i--) {
		json_t *step = json_array_get(steps, i - 1);
		if (is_text(step, "name", name) && is_text(step, "service", service))
			return step;
	}
	return NULL;
}

static json_t *
step_add(Timeline *timeline, const char *name, const char *service)
{
	json_t *step = json_pack("{s:s, s:s, s:s, s:o, s:n, s:s}", "name", name, "service",
	    service ? service : "", "state", "open", "started", time_now(), "ended", "detail", "");
	json_array_append_new(json_object_get(timeline->body, "steps"), step);
	return step;
}

static void
step_detail(json_t *step, const char *detail)
{
	if (detail)
		json_object_set_new(step, "detail", json_text_value(detail));
}

void
timeline_open(Timeline *timeline, const char *step, const char *service, const char *detail)
{
	LOCKED(&timeline->timelines->lock);
	step_detail(step_add(timeline, step, service), detail);
	timeline_changed(timeline);
}

void
timeline_detail(Timeline *timeline, const char *step, const char *service, const char *detail)
{
	LOCKED(&timeline->timelines->lock);
	json_t *found = step_find(timeline, step, service);
	if (!found || is_text(found, "detail", detail))
		return;

	step_detail(found, detail);
	timeline_changed(timeline);
}

void
timeline_close(Timeline *timeline,
    const char *step,
    const char *service,
    const char *state,
    const char *detail)
{
	LOCKED(&timeline->timelines->lock);
	json_t *found = step_find(timeline, step, service);
	if (!found)
		found = step_add(timeline, step, service);
	json_object_set_new(found, "state", json_string(state));
	json_object_set_new(found, "ended", time_now());
	step_detail(found, detail);
	timeline_changed(timeline);
	timeline_store(timeline);
}

static void
steps_end(json_t *body, const char *state)
{
	gsize index;
	json_t *step;
	json_array_foreach(json_object_get(body, "steps"), index, step)
	{
		if (!is_text(step, "state", "open"))
			continue;
		json_object_set_new(step, "state", json_string(state));
		json_object_set_new(step, "ended", time_now());
	}
}

/* With the lock held: from now on the stored one is the truth. */
static void
timeline_forget(Timeline *timeline)
{
	g_autofree char *key = timeline_key(timeline->app, timeline->id);
	if (g_hash_table_lookup(timeline->timelines->running, key) == timeline)
		g_hash_table_remove(timeline->timelines->running, key);
}

void
timeline_end(Timeline *timeline, const char *state, const char *cause, json_t *failure)
{
	LOCKED(&timeline->timelines->lock);
	bool succeeded = strcmp(state, "succeeded") == 0;
	steps_end(timeline->body, succeeded ? "done" : "failed");
	json_object_set_new(timeline->body, "state", json_string(state));
	json_object_set_new(timeline->body, "cause", json_text_value(cause ? cause : ""));
	json_object_set_new(timeline->body, "ended", time_now());
	if (failure)
		json_object_set(timeline->body, "failure", failure);
	timeline->has_ended = true;
	/* What is stored carries the version that the last waiters have seen, so it counts up
	 * first. */
	timeline_changed(timeline);
	timeline_store(timeline);
	timeline_forget(timeline);
}

void
timeline_settle(Timelines *timelines, const char *app, const char *id)
{
	Store *store = timelines->store;
	LOCKED(&timelines->lock);
	g_autoptr(StoreDocument) document = store->ops->get(store, KIND, app, id, NULL);
	if (!document || !is_text(document->body, "state", "running"))
		return;

	/* Waiters may have seen versions that were never stored. */
	json_int_t version = json_int_of(document->body, "version", 0) + VERSION_LEAP;
	steps_end(document->body, "done");
	json_object_set_new(document->body, "state", json_string("succeeded"));
	json_object_set_new(document->body, "ended", time_now());
	json_object_set_new(document->body, "version", json_integer(version));
	store->ops->put(store, KIND, app, id, document->body, document->version, NULL, NULL);
}

void
timeline_suspend(Timeline *timeline)
{
	LOCKED(&timeline->timelines->lock);
	timeline->has_ended = true;
	timeline_changed(timeline);
	timeline_store(timeline);
	timeline_forget(timeline);
}

void
timeline_free(Timeline *timeline)
{
	if (!timeline)
		return;

	if (!timeline->has_ended)
		timeline_end(timeline, "failed", "interrupted", NULL);
	g_free(timeline->app);
	g_free(timeline->id);
	json_decref(timeline->body);
	g_free(timeline);
}

/* With the lock held: a copy of what is there now. */
static json_t *
timeline_now(Timelines *timelines, const char *app, const char *id, GError **error)
{
	g_autofree char *key = timeline_key(app, id);
	Timeline *running = g_hash_table_lookup(timelines->running, key);
	if (running)
		return json_deep_copy(running->body);

	g_autoptr(GError) failure = NULL;
	g_autoptr(StoreDocument) document =
	    timelines->store->ops->get(timelines->store, KIND, app, id, &failure);
	if (document)
		return json_incref(document->body);
	if (!g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND)) {
		g_propagate_error(error, g_steal_pointer(&failure));
		return NULL;
	}

	return json_pack("{s:s, s:i, s:s, s:s, s:n, s:n, s:[]}", "id", id, "version", 0, "state",
	    "none", "cause", "", "started", "ended", "steps");
}

static struct timespec
deadline_after(unsigned milliseconds)
{
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += milliseconds / 1000;
	at.tv_nsec += (long)(milliseconds % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

json_t *
timeline_json(Timelines *timelines,
    const char *app,
    const char *id,
    gint64 after,
    unsigned wait_ms,
    GCancellable *cancel,
    GError **error)
{
	gint64 until = g_get_monotonic_time() + (gint64)wait_ms * 1000;

	LOCKED(&timelines->lock);
	for (;;) {
		json_t *now = timeline_now(timelines, app, id, error);
		if (!now)
			return NULL;

		bool is_newer = json_int_of(now, "version", 0) > after;
		gint64 left_ms = (until - g_get_monotonic_time()) / 1000;
		if (is_newer || left_ms <= 0 || g_cancellable_is_cancelled(cancel))
			return now;

		json_decref(now);
		/* In slices, so that a cancelled request does not hold its thread for the whole
		 * wait. */
		struct timespec slice = deadline_after((unsigned)MIN(left_ms, 500));
		pthread_cond_timedwait(&timelines->changed, &timelines->lock, &slice);
	}
}
