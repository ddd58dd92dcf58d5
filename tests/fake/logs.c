/*
 * The logs of the fake: all lines in a list; followers wait on a condition variable.
 */
#include "fake/private.h"

#include <string.h>

typedef struct {
	char *app;
	LogLine line; /* its strings are owned */
} Entry;

typedef struct {
	Logs logs;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	GPtrArray *entries; /* in order of arrival */
	gint64 last_id;
} FakeLogs;

static void
entry_free(gpointer data)
{
	Entry *entry = data;
	g_free(entry->app);
	g_free((char *)entry->line.kind);
	g_free((char *)entry->line.service);
	g_free((char *)entry->line.process);
	g_free((char *)entry->line.release);
	g_free((char *)entry->line.text);
	g_free(entry);
}

static Entry *
entry_new(const char *app, const LogLine *line)
{
	Entry *entry = g_new0(Entry, 1);
	char *text = g_malloc(line->length + 1);
	memcpy(text, line->text, line->length);
	text[line->length] = 0;
	entry->app = g_strdup(app);
	entry->line = *line;
	entry->line.kind = g_strdup(line->kind);
	entry->line.service = g_strdup(line->service ? line->service : "");
	entry->line.process = g_strdup(line->process ? line->process : "");
	entry->line.release = g_strdup(line->release ? line->release : "");
	entry->line.text = text;
	return entry;
}

static bool
append(Logs *logs, const char *app, const LogLine *lines, gsize count, GError **error)
{
	FakeLogs *fake = (FakeLogs *)logs;
	LOCKED(&fake->lock);
	for (gsize i = 0; i < count; i++) {
		Entry *entry = entry_new(app, &lines[i]);
		entry->line.id = ++fake->last_id;
		g_ptr_array_add(fake->entries, entry);
	}
	pthread_cond_broadcast(&fake->changed);
	return true;
}

static bool
is_same(const char *wanted, const char *is)
{
	return !wanted || !strcmp(wanted, is);
}

static bool
matches(const Entry *entry, const char *app, const LogQuery *query)
{
	const LogLine *line = &entry->line;
	if (strcmp(entry->app, app) || (query->since && line->time < query->since) ||
	    (query->until && line->time >= query->until))
		return false;
	if (query->filter &&
	    !memmem(line->text, line->length, query->filter, strlen(query->filter)))
		return false;

	return is_same(query->service, line->service) && is_same(query->process, line->process) &&
	       is_same(query->release, line->release) && is_same(query->kind, line->kind);
}

/* Copies of what matches and came after `last`, which moves on. */
static GPtrArray *
collect(FakeLogs *fake, const char *app, const LogQuery *query, gint64 *last)
{
	GPtrArray *found = g_ptr_array_new_with_free_func(entry_free);
	LOCKED(&fake->lock);
	for (guint i = 0; i < fake->entries->len; i++) {
		Entry *entry = g_ptr_array_index(fake->entries, i);
		if (entry->line.id > *last && matches(entry, app, query))
			g_ptr_array_add(found, entry_new(app, &entry->line));
	}
	*last = fake->last_id;
	return found;
}

static int
compare(gconstpointer one, gconstpointer other)
{
	const Entry *left = *(Entry *const *)one;
	const Entry *right = *(Entry *const *)other;
	if (left->line.time != right->line.time)
		return left->line.time < right->line.time ? -1 : 1;

	return left->line.id < right->line.id ? -1 : 1;
}

/* Sets `ended` when `take` has had enough. */
static bool
give(GPtrArray *found, guint first, LogTake take, gpointer data, bool *ended, GError **error)
{
	for (guint i = first; i < found->len; i++) {
		Entry *entry = g_ptr_array_index(found, i);
		GError *failure = NULL;
		if (take(data, &entry->line, &failure))
			continue;
		*ended = true;
		if (!failure)
			return true;
		g_propagate_error(error, failure);
		return false;
	}
	return true;
}

static void
wake(GCancellable *cancel, gpointer data)
{
	FakeLogs *fake = data;
	LOCKED(&fake->lock);
	pthread_cond_broadcast(&fake->changed);
}

/* Until something arrived after `last`, or about a second. */
static void
wait_for_more(FakeLogs *fake, gint64 last, GCancellable *cancel)
{
	gint64 until = g_get_monotonic_time() + G_USEC_PER_SEC;
	LOCKED(&fake->lock);
	while (fake->last_id == last && !g_cancellable_is_cancelled(cancel)) {
		if (!fake_condition_wait(&fake->changed, &fake->lock, until))
			return;
	}
}

static bool
follow(FakeLogs *fake,
    const char *app,
    const LogQuery *query,
    gint64 last,
    LogTake take,
    gpointer data,
    GCancellable *cancel,
    GError **error)
{
	bool ended = false;
	while (!ended) {
		wait_for_more(fake, last, cancel);
		if (error_cancelled(cancel, error))
			return false;
		g_autoptr(GPtrArray) found = collect(fake, app, query, &last);
		if (!give(found, 0, take, data, &ended, error))
			return false;
		bool is_over = found->len == 0 && query->still && !query->still(query->still_data);
		ended = ended || is_over;
	}
	return true;
}

static bool
query_lines(Logs *logs,
    const char *app,
    const LogQuery *query,
    LogTake take,
    gpointer data,
    GCancellable *cancel,
    GError **error)
{
	FakeLogs *fake = (FakeLogs *)logs;
	gint64 last = 0;
	bool ended = false;
	g_autoptr(GPtrArray) found = collect(fake, app, query, &last);
	g_ptr_array_sort(found, compare);
	guint first = query->tail && found->len > query->tail ? found->len - query->tail : 0;
	if (!give(found, first, take, data, &ended, error))
		return false;
	if (ended || !query->follow)
		return true;

	gulong handler = cancel ? g_cancellable_connect(cancel, G_CALLBACK(wake), fake, NULL) : 0;
	bool good = follow(fake, app, query, last, take, data, cancel, error);
	if (cancel)
		g_cancellable_disconnect(cancel, handler);
	return good;
}

static gint64
newest(Logs *logs, const char *app, const char *process)
{
	FakeLogs *fake = (FakeLogs *)logs;
	gint64 time = 0;
	LOCKED(&fake->lock);
	for (guint i = 0; i < fake->entries->len; i++) {
		Entry *entry = g_ptr_array_index(fake->entries, i);
		if (!strcmp(entry->app, app) && !strcmp(entry->line.process, process))
			time = MAX(time, entry->line.time);
	}
	return time;
}

static bool
prune(Logs *logs, GError **error)
{
	return true;
}

static bool
remove_app(Logs *logs, const char *app, GError **error)
{
	FakeLogs *fake = (FakeLogs *)logs;
	LOCKED(&fake->lock);
	for (guint i = fake->entries->len; i > 0; i--) {
		Entry *entry = g_ptr_array_index(fake->entries, i - 1);
		if (!strcmp(entry->app, app))
			g_ptr_array_remove_index(fake->entries, i - 1);
	}
	return true;
}

static void
free_handle(Logs *logs)
{
}

static const LogsOps operations = {
    .append = append,
    .query = query_lines,
    .newest = newest,
    .prune = prune,
    .remove_app = remove_app,
    .free = free_handle,
};

Logs *
fake_logs_new(void)
{
	FakeLogs *fake = g_new0(FakeLogs, 1);
	fake->logs.ops = &operations;
	pthread_mutex_init(&fake->lock, NULL);
	fake_condition_init(&fake->changed);
	fake->entries = g_ptr_array_new_with_free_func(entry_free);
	return &fake->logs;
}

void
fake_logs_destroy(Logs *logs)
{
	FakeLogs *fake = (FakeLogs *)logs;
	g_ptr_array_unref(fake->entries);
	pthread_cond_destroy(&fake->changed);
	pthread_mutex_destroy(&fake->lock);
	g_free(fake);
}
