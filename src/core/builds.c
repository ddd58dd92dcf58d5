/*
 * The build queue: one build at a time (BUILD_CONCURRENCY), in the order of the calls. A running
 * build's log lives in memory, where its followers read it, and becomes an object when it ends.
 * Nothing of a live build is handed out by pointer: followers look it up again under the lock each
 * time.
 */
#include "core/build-private.h"

#include "base/text.h"

#include <stdarg.h>
#include <string.h>

#define BUILD_CONCURRENCY 1
#define BUILD_LOG_BYTES (8 * 1024 * 1024)

typedef struct {
	char *app;
	char *id;
	GString *log;
	bool is_cut;
	GCancellable *cancel;
	char *cancel_reason;
} LiveBuild;

struct BuildQueue {
	Rack *rack;
	GThreadPool *pool;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	GHashTable *live; /* «app/id» → LiveBuild */
};

static void
live_free(gpointer data)
{
	LiveBuild *live = data;
	g_free(live->app);
	g_free(live->id);
	g_string_free(live->log, TRUE);
	g_object_unref(live->cancel);
	g_free(live->cancel_reason);
	g_free(live);
}

static char *
live_key(const char *app, const char *id)
{
	return g_strconcat(app, "/", id, NULL);
}

static LiveBuild *
live_find(BuildQueue *queue, const char *app, const char *id)
{
	g_autofree char *key = live_key(app, id);
	return g_hash_table_lookup(queue->live, key);
}

char *
build_log_key(const char *id)
{
	return g_strconcat("build/", id, "/logs", NULL);
}

void
build_log(BuildQueue *queue, const char *app, const char *id, const char *line, gsize length)
{
	LOCKED(&queue->lock);
	LiveBuild *live = live_find(queue, app, id);
	if (!live || live->is_cut)
		return;

	if (live->log->len + length > BUILD_LOG_BYTES) {
		live->is_cut = true;
		line = "log cut at 8 MiB";
		length = strlen(line);
	}
	g_string_append_len(live->log, line, (gssize)length);
	g_string_append_c(live->log, '\n');
	pthread_cond_broadcast(&queue->changed);
}

void
build_log_text(BuildQueue *queue, const char *app, const char *id, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	va_end(arguments);

	build_log(queue, app, id, text, strlen(text));
}

char *
build_log_copy(BuildQueue *queue, const char *app, const char *id)
{
	LOCKED(&queue->lock);
	LiveBuild *live = live_find(queue, app, id);
	if (!live)
		return g_strdup("");

	char *text = g_malloc(live->log->len + 1);
	memcpy(text, live->log->str, live->log->len + 1);
	for (gsize i = 0; i < live->log->len; i++) {
		if (live->log->str[i] == '\0')
			text[i] = ' ';
	}
	return text;
}

char *
build_cancel_reason(BuildQueue *queue, const char *app, const char *id)
{
	LOCKED(&queue->lock);
	LiveBuild *live = live_find(queue, app, id);
	return g_strdup(live && live->cancel_reason ? live->cancel_reason : "cancelled");
}

static void
queue_forget(BuildQueue *queue, const char *app, const char *id)
{
	LOCKED(&queue->lock);
	g_autofree char *key = live_key(app, id);
	g_hash_table_remove(queue->live, key);
	pthread_cond_broadcast(&queue->changed);
}

static void
queue_work(gpointer data, gpointer user_data)
{
	g_autofree char *key = data;
	BuildQueue *queue = user_data;
	char *slash = strchr(key, '/');
	*slash = '\0';
	const char *id = slash + 1;
	g_autoptr(GCancellable) cancel = NULL;
	{
		LOCKED(&queue->lock);
		LiveBuild *live = live_find(queue, key, id);
		if (live)
			cancel = g_object_ref(live->cancel);
	}
	if (cancel)
		build_run(queue->rack, queue, key, id, cancel);
	queue_forget(queue, key, id);
}

static void
queue_push(BuildQueue *queue, const char *app, const char *id)
{
	LiveBuild *live = g_new0(LiveBuild, 1);
	live->app = g_strdup(app);
	live->id = g_strdup(id);
	live->log = g_string_new(NULL);
	live->cancel = g_cancellable_new();

	LOCKED(&queue->lock);
	g_hash_table_insert(queue->live, live_key(app, id), live);
	g_thread_pool_push(queue->pool, live_key(app, id), NULL);
}

BuildQueue *
build_queue_new(Rack *rack)
{
	BuildQueue *queue = g_new0(BuildQueue, 1);
	queue->rack = rack;
	queue->pool = g_thread_pool_new(queue_work, queue, BUILD_CONCURRENCY, FALSE, NULL);
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->changed, NULL);
	queue->live = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, live_free);
	return queue;
}

static bool
queue_cancel_matching(BuildQueue *queue, const char *app, const char *reason)
{
	LOCKED(&queue->lock);
	bool found = false;
	GHashTableIter iterator;
	gpointer value;
	g_hash_table_iter_init(&iterator, queue->live);
	while (g_hash_table_iter_next(&iterator, NULL, &value)) {
		LiveBuild *live = value;
		if (app && strcmp(live->app, app) != 0)
			continue;
		if (!live->cancel_reason)
			live->cancel_reason = g_strdup(reason);
		g_cancellable_cancel(live->cancel);
		found = true;
	}
	return found;
}

bool
build_queue_cancel(BuildQueue *queue, const char *app, const char *reason)
{
	return queue_cancel_matching(queue, app, reason);
}

void
build_queue_free(BuildQueue *queue)
{
	if (!queue)
		return;

	queue_cancel_matching(queue, NULL, "the rack is stopping");
	g_thread_pool_free(queue->pool, FALSE, TRUE);
	g_hash_table_unref(queue->live);
	pthread_cond_destroy(&queue->changed);
	pthread_mutex_destroy(&queue->lock);
	g_free(queue);
}

Build *
rack_build_create(Rack *rack, const char *app, const BuildOptions *options, GError **error)
{
	g_autoptr(App) known = app_load(rack->provider->store, app, error);
	if (!known || !app_check_ready(known, error))
		return NULL;
	g_autofree char *source_app = NULL;
	g_autofree char *source_key = NULL;
	if (!objects_parse_url(options->source, &source_app, &source_key, error))
		return NULL;
	if (strcmp(source_app, app) != 0) {
		error_set(error, CARRACK_ERROR_INVALID, "source %s belongs to another app",
		    options->source);
		return NULL;
	}

	g_autoptr(Build) build = g_new0(Build, 1);
	build->id = text_id('B');
	build->app = g_strdup(app);
	/* The wire has no word for a build that waits: «created» would end the clients' waiting. */
	build->status = g_strdup("running");
	build->description = g_strdup(options->description ? options->description : "");
	build->git_sha = g_strdup(options->git_sha);
	build->manifest_file = g_strdup(options->manifest ? options->manifest : "");
	build->source = g_strdup(options->source);
	build->images = json_object();
	build->arguments = json_array();
	for (gsize i = 0; options->arguments && options->arguments[i]; i++)
		json_array_append_new(build->arguments, json_text_value(options->arguments[i]));
	build->is_development = options->is_development;
	build->without_cache = options->without_cache;
	build->created = g_get_real_time();
	if (!build_save(rack->provider->store, build, error))
		return NULL;

	queue_push(rack->builds, app, build->id);
	return g_steal_pointer(&build);
}

void
build_queue_recover(BuildQueue *queue)
{
	Store *store = queue->rack->provider->store;
	g_autoptr(GPtrArray) apps = app_list(store, NULL);
	for (guint i = 0; apps && i < apps->len; i++) {
		const App *app = apps->pdata[i];
		g_autoptr(GPtrArray) builds = build_list(store, app->name, 20, NULL);
		/* Oldest first, so that the queue is in the order of the calls again. */
		for (guint j = builds ? builds->len : 0; j > 0; j--) {
			Build *build = builds->pdata[j - 1];
			if (strcmp(build->status, "running") != 0)
				continue;
			if (build->started == 0) {
				queue_push(queue, app->name, build->id);
				continue;
			}
			g_free(build->status);
			build->status = g_strdup("failed");
			g_free(build->reason);
			build->reason = g_strdup("carrackd restarted while it ran; deploy again");
			build->ended = g_get_real_time();
			build_save(store, build, NULL);
		}
	}
}

/* Logs */

typedef struct {
	LogTake take;
	gpointer data;
	gint64 number;
} LineSink;

/* Hands on every whole line (at the end of the log, the rest as well); the count of bytes used. */
static gssize
sink_lines(LineSink *sink, const char *text, gsize length, GError **error)
{
	gsize used = 0;
	while (used < length) {
		const char *start = text + used;
		const char *newline = memchr(start, '\n', length - used);
		gsize size = newline ? (gsize)(newline - start) : length - used;
		LogLine line = {.id = ++sink->number,
		    .time = g_get_real_time(),
		    .kind = "build",
		    .service = "build",
		    .process = "",
		    .release = "",
		    .text = start,
		    .length = size};
		if (!sink->take(sink->data, &line, error))
			return -1;
		used += size + (newline ? 1 : 0);
	}
	return (gssize)used;
}

/* Waits for more than `offset` bytes of a live log. NULL: the build does not live any more. */
static char *
live_wait(BuildQueue *queue, const char *key, gsize offset, gsize *length, GCancellable *cancel)
{
	LOCKED(&queue->lock);
	for (;;) {
		LiveBuild *live = g_hash_table_lookup(queue->live, key);
		if (!live)
			return NULL;
		*length = live->log->len - offset;
		if (*length > 0 || g_cancellable_is_cancelled(cancel))
			return g_memdup2(live->log->str + offset, *length);

		struct timespec until;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 1;
		pthread_cond_timedwait(&queue->changed, &queue->lock, &until);
	}
}

static bool
logs_stored(Rack *rack, const Build *build, gsize offset, LineSink *sink, GError **error)
{
	Objects *objects = rack->provider->objects;
	g_autofree char *key = build_log_key(build->id);
	if (!objects->ops->exists(objects, build->app, key))
		return true;

	g_autofree char *path = objects->ops->fetch(objects, build->app, key, error);
	if (!path)
		return false;

	g_autofree char *text = NULL;
	gsize length = 0;
	bool is_read = g_file_get_contents(path, &text, &length, error);
	objects->ops->release(objects, path);
	if (!is_read)
		return false;

	return offset >= length || sink_lines(sink, text + offset, length - offset, error) >= 0;
}

bool
rack_build_logs(Rack *rack,
    const char *app,
    const char *id,
    LogTake take,
    gpointer data,
    GCancellable *cancel,
    GError **error)
{
	LineSink sink = {take, data, 0};
	g_autofree char *key = live_key(app, id);
	gsize offset = 0;
	while (!g_cancellable_is_cancelled(cancel)) {
		gsize length = 0;
		g_autofree char *text = live_wait(rack->builds, key, offset, &length, cancel);
		if (!text && length == 0)
			break;
		gssize used = sink_lines(&sink, text, length, error);
		if (used < 0)
			return false;
		offset += (gsize)used;
	}
	if (g_cancellable_is_cancelled(cancel))
		return true;

	g_autoptr(Build) build = build_load(rack->provider->store, app, id, error);
	return build && logs_stored(rack, build, offset, &sink, error);
}

static void
replace(char **member, const char *value)
{
	if (!value)
		return;

	g_free(*member);
	*member = g_strdup(value);
}

Build *
rack_build_update(
    Rack *rack, const char *app, const char *id, const BuildUpdate *update, GError **error)
{
	g_autoptr(Build) build = build_load(rack->provider->store, app, id, error);
	if (!build)
		return NULL;

	replace(&build->entrypoint, update->entrypoint);
	replace(&build->logs, update->logs);
	replace(&build->manifest, update->manifest);
	replace(&build->release, update->release);
	replace(&build->status, update->status);
	if (update->started && !text_parse_time(update->started, &build->started, error))
		return NULL;
	if (update->ended && !text_parse_time(update->ended, &build->ended, error))
		return NULL;
	if (!build_save(rack->provider->store, build, error))
		return NULL;

	return g_steal_pointer(&build);
}
