/*
 * Timers: commands of the live release that come due by a schedule. Once a minute each app's timers
 * are looked at; one that has come due since it last ran is run, once, however often it has come
 * due meanwhile (carrackd was stopped, the clock was set). When it last ran is stored before its
 * process is started, so a crash may lose a run and never doubles one.
 *
 * A run is a one-off (one-offs.c), named as its timer in lists and logs. While one runs the next is
 * left out, unless `concurrency` says otherwise; those left out are counted and told.
 */
#include "base/text.h"
#include "core/rack-private.h"
#include "manifest/schedule.h"

#include <string.h>

#define KIND "timer"
#define MINUTE G_TIME_SPAN_MINUTE
/* What was stored lies further in the future than any run can: the clock had been wrong. */
#define FUTURE (2 * G_TIME_SPAN_HOUR)

typedef struct {
	Rack *rack;
	const App *app;
	const ManifestTimer *timer;
	StoreDocument *document; /* what is stored of it, or NULL */
	gint64 now;
	gint64 due;
	gint64 skipped; /* so far */
} Due;

/* What is stored: when it last ran, by which schedule, and how many runs have been left out. */
static bool
write_record(const Due *due, gint64 last)
{
	Store *store = due->rack->provider->store;
	gint64 version = due->document ? due->document->version : 0;
	json_auto_t *body = json_pack("{s:I, s:s, s:I}", "last", (json_int_t)last, "schedule",
	    due->timer->schedule, "skipped", (json_int_t)due->skipped);
	return store->ops->put(
	    store, KIND, due->app->name, due->timer->name, body, version, NULL, NULL);
}

/* A timer that is new, or has another schedule, begins with this minute. */
static gint64
last_of(const Due *due)
{
	gint64 begin = due->now / MINUTE * MINUTE - 1;
	const json_t *body = due->document ? due->document->body : NULL;
	gint64 last = json_int_of(body, "last", begin);
	bool is_same = strcmp(json_text_of(body, "schedule", ""), due->timer->schedule) == 0;
	return is_same && last < due->now + FUTURE ? last : begin;
}

/* Processes of this timer that run now. NULL when the engine does not say. */
static GPtrArray *
running(const Due *due)
{
	Engine *engine = due->rack->provider->engine;
	g_autoptr(GPtrArray) all = engine->ops->one_offs(engine, due->app->name, NULL);
	if (!all)
		return NULL;

	GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)process_free);
	for (guint i = all->len; i > 0; i--) {
		const Process *process = all->pdata[i - 1];
		bool is_own = g_strcmp0(process->role, ROLE_TIMER) == 0 &&
			      strcmp(process->service, due->timer->name) == 0;
		if (is_own && process->state < PROCESS_STOPPING)
			g_ptr_array_add(found, g_ptr_array_steal_index(all, i - 1));
	}
	return found;
}

static void
start_one(const Due *due, unsigned index)
{
	const ManifestTimer *timer = due->timer;
	g_autoptr(Env) more = env_new();
	g_autofree char *number = g_strdup_printf("%u", index);
	if (timer->parallel > 0)
		env_set(more, "TIMER_INDEX", number, NULL);
	RunOptions options = {
	    .service = timer->service,
	    .name = timer->name,
	    .role = ROLE_TIMER,
	    .command = (const char *const *)timer->command,
	    .env = more,
	    .who = "its schedule",
	};
	g_autoptr(GError) error = NULL;
	g_autofree char *process =
	    rack_process_run(due->rack, due->app->name, &options, NULL, &error);
	if (!process)
		logs_system(due->rack->provider->logs, due->app->name, timer->name,
		    "timer %s could not be run: %s", timer->name, error->message);
}

static void
stop_all(const Due *due, const GPtrArray *processes)
{
	Engine *engine = due->rack->provider->engine;
	for (guint i = 0; i < processes->len; i++) {
		const Process *process = processes->pdata[i];
		logs_system(due->rack->provider->logs, due->app->name, due->timer->name,
		    "process %s is stopped: timer %s is due again", process->id, due->timer->name);
		engine->ops->stop(engine, due->app->name, process->id, NULL);
	}
}

static void
run_due(Due *due)
{
	const char *concurrency = due->timer->concurrency ? due->timer->concurrency : "forbid";
	g_autoptr(GPtrArray) before = running(due);
	bool may_join = strcmp(concurrency, "forbid") != 0;
	bool is_skipped = !before || (before->len > 0 && !may_join);
	due->skipped += is_skipped;
	if (!write_record(due, due->due))
		return;
	if (is_skipped) {
		logs_system(due->rack->provider->logs, due->app->name, due->timer->name,
		    "timer %s left out: %s (%" G_GINT64_FORMAT " left out so far)",
		    due->timer->name,
		    before ? "its last run still goes on" : "the engine does not answer",
		    due->skipped);
		return;
	}
	if (strcmp(concurrency, "replace") == 0)
		stop_all(due, before);
	for (unsigned i = 0; i < MAX(due->timer->parallel, 1); i++)
		start_one(due, i);
}

static void
look_timer(Rack *rack, const App *app, const ManifestTimer *timer, gint64 now)
{
	Store *store = rack->provider->store;
	Schedule schedule;
	g_autoptr(StoreDocument) document =
	    store->ops->get(store, KIND, app->name, timer->name, NULL);
	if (!schedule_parse(&schedule, timer->schedule, NULL))
		return;

	Due due = {rack, app, timer, document, now, 0, 0};
	due.skipped = document ? json_int_of(document->body, "skipped", 0) : 0;
	gint64 last = last_of(&due);
	due.due = schedule_last(&schedule, last, now);
	bool is_known = document && last == json_int_of(document->body, "last", -1);
	if (due.due)
		run_due(&due);
	else if (!is_known)
		write_record(&due, last);
}

/* One that comes back later must not find what it did long ago. */
static void
forget_others(Rack *rack, const App *app, const Manifest *manifest)
{
	Store *store = rack->provider->store;
	g_autoptr(GPtrArray) all = store->ops->list(store, KIND, app->name, 0, NULL, NULL);
	for (guint i = 0; all && i < all->len; i++) {
		const StoreDocument *document = all->pdata[i];
		bool is_there = false;
		for (guint j = 0; j < manifest->timers->len && !is_there; j++) {
			const ManifestTimer *timer = manifest->timers->pdata[j];
			is_there = strcmp(timer->name, document->id) == 0;
		}
		if (!is_there)
			store->ops->remove(store, KIND, app->name, document->id, NULL);
	}
}

static void
look_app(Rack *rack, const App *app, gint64 now)
{
	if (!*app->release || strcmp(app->status, "deleting") == 0)
		return;
	g_autoptr(Release) release =
	    release_load(rack->provider->store, app->name, app->release, NULL);
	g_autoptr(Manifest) manifest =
	    release ? manifest_parse(release->manifest, strlen(release->manifest), "convox.yml",
			  release->env, NULL)
		    : NULL;
	if (!manifest)
		return;

	forget_others(rack, app, manifest);
	for (guint i = 0; i < manifest->timers->len; i++)
		look_timer(rack, app, manifest->timers->pdata[i], now);
}

void
timers_look(Rack *rack, gint64 now)
{
	g_autoptr(GPtrArray) apps = app_list(rack->provider->store, NULL);
	for (guint i = 0; apps && i < apps->len && !rack_is_stopping(rack); i++)
		look_app(rack, apps->pdata[i], now);
}

static void
tick_run(gpointer data)
{
	Rack *rack = data;
	timers_look(rack, g_get_real_time());

	LOCKED(&rack->lock);
	rack->is_timing = false;
}

void
timers_tick(Rack *rack)
{
	LOCKED(&rack->lock);
	gint64 minute = g_get_real_time() / MINUTE;
	if (minute == rack->timers_minute || rack->is_timing || rack->is_stopping)
		return;

	rack->timers_minute = minute;
	rack->is_timing = true;
	rack_run(rack, tick_run, rack);
}
