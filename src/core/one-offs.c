/*
 * One-offs: processes of a service's image and environment with a command of their own. They run
 * beside the service, get no requests, are never replaced, and are cleared away after their end,
 * which is recorded with its exit code.
 *
 * Who waits for the end: the client of an attached one, and of a detached one the look that the
 * supervisor takes after every death. Time limits are kept with the process by the engine, so they
 * hold over a restart of carrackd; an attached one-off does not outlive its client's carrackd.
 */
#include "base/text.h"
#include "core/rack-private.h"

#include <string.h>

#define KIND "one-off"
#define RECORDS_KEPT 100 /* of an app */
#define SETTLE_ROUNDS 60
#define SETTLE_LOOK_US 50000

static bool
table_has(Rack *rack, GHashTable *table, const char *process)
{
	LOCKED(&rack->lock);
	return g_hash_table_contains(table, process);
}

static void
table_change(Rack *rack, GHashTable *table, const char *process, bool is_in)
{
	LOCKED(&rack->lock);
	if (is_in)
		g_hash_table_add(table, g_strdup(process));
	else
		g_hash_table_remove(table, process);
}

/* Records */

json_t *
one_off_record(Rack *rack, const char *app, const char *process)
{
	Store *store = rack->provider->store;
	g_autoptr(StoreDocument) document = store->ops->get(store, KIND, app, process, NULL);

	return document ? json_incref(document->body) : NULL;
}

static void
prune_records(Rack *rack, const char *app)
{
	Store *store = rack->provider->store;
	g_autoptr(GPtrArray) all = store->ops->list(store, KIND, app, 0, NULL, NULL);
	for (guint i = RECORDS_KEPT; all && i < all->len; i++) {
		const StoreDocument *document = all->pdata[i];
		store->ops->remove(store, KIND, app, document->id, NULL);
	}
}

/* Of an app that is going nothing is kept. */
static void
record(Rack *rack, const Process *process, int exit_code)
{
	g_autoptr(App) app = app_load(rack->provider->store, process->app, NULL);
	if (!app || strcmp(app->status, "deleting") == 0)
		return;

	Store *store = rack->provider->store;
	json_auto_t *body = process_json(process);
	g_autofree char *ended = text_time(g_get_real_time());
	bool was_good = exit_code == 0;
	json_object_set_new(body, "status",
	    json_string(process_state_name(was_good ? PROCESS_COMPLETE : PROCESS_FAILED)));
	json_object_set_new(body, "exit", json_integer(exit_code));
	json_object_set_new(body, "ended", json_string(ended));
	store->ops->put(store, KIND, process->app, process->id, body, STORE_ANY, NULL, NULL);
	prune_records(rack, process->app);
}

/* Ends */

static int
final_code(Rack *rack, const char *process, int exit_code)
{
	LOCKED(&rack->lock);
	return g_hash_table_remove(rack->timed_out, process) ? ONE_OFF_TIMED_OUT : exit_code;
}

/* Recorded before it is cleared away: a crash between the two repeats both. */
static void
clear_away(Rack *rack, const Process *process, int exit_code)
{
	Engine *engine = rack->provider->engine;
	g_autoptr(GError) error = NULL;
	record(rack, process, exit_code);
	if (!engine->ops->forget(engine, process, &error))
		logs_system(rack->provider->logs, process->app, "run",
		    "process %s is not cleared away: %s", process->id, error->message);
}

Process *
one_off_find(Rack *rack, const char *app, const char *process)
{
	Engine *engine = rack->provider->engine;
	g_autoptr(GPtrArray) all = engine->ops->one_offs(engine, app, NULL);
	for (guint i = 0; all && i < all->len; i++) {
		if (strcmp(((const Process *)all->pdata[i])->id, process) == 0)
			return g_ptr_array_steal_index(all, i);
	}
	return NULL;
}

int
rack_process_run_end(Rack *rack, const char *app, const char *id, int exit_code)
{
	int code = final_code(rack, id, exit_code);
	g_autoptr(Process) process = one_off_find(rack, app, id);
	if (process)
		clear_away(rack, process, code);
	table_change(rack, rack->attached, id, false);
	logs_system(rack->provider->logs, app, "run", "process %s ended with %d", id, code);
	return code;
}

/* Looks */

static bool
has_ended(const Process *process)
{
	return process->state == PROCESS_FAILED || process->state == PROCESS_COMPLETE;
}

typedef struct {
	Rack *rack;
	char *app;
	char *process;
} Stop;

static void
stop_run(gpointer data)
{
	Stop *stop = data;
	Engine *engine = stop->rack->provider->engine;
	engine->ops->stop(engine, stop->app, stop->process, NULL);
	g_free(stop->app);
	g_free(stop->process);
	g_free(stop);
}

/* Stopping waits for the process's own goodbye; others' time must not wait for that. At the end of
 * the rack's life the next one does it. */
static void
stop_soon(Rack *rack, const Process *process)
{
	Stop *stop = g_new0(Stop, 1);
	*stop = (Stop){rack, g_strdup(process->app), g_strdup(process->id)};
	LOCKED(&rack->lock);
	if (!rack->is_stopping)
		rack_run(rack, stop_run, g_steal_pointer(&stop));
	if (stop) {
		g_free(stop->app);
		g_free(stop->process);
		g_free(stop);
	}
}

static void
stop_for_time(Rack *rack, const Process *process)
{
	table_change(rack, rack->timed_out, process->id, true);
	logs_system(rack->provider->logs, process->app, "run",
	    "process %s is stopped: its time is over", process->id);
	stop_soon(rack, process);
}

/* One whose client's handler of this life is there or about to be. */
static bool
has_client(Rack *rack, const Process *process)
{
	LOCKED(&rack->lock);
	return process->is_attached &&
	       (rack->attaching > 0 || g_hash_table_contains(rack->attached, process->id));
}

static void
look_at_ended(Rack *rack, const Process *process)
{
	Engine *engine = rack->provider->engine;
	json_auto_t *known = one_off_record(rack, process->app, process->id);
	if (has_client(rack, process))
		return;
	if (known)
		engine->ops->forget(engine, process, NULL);
	else
		clear_away(rack, process, final_code(rack, process->id, process->exit_code));
}

static void
look_at(Rack *rack, const Process *process)
{
	bool is_over = process->deadline && process->deadline <= g_get_real_time();
	if (has_ended(process))
		look_at_ended(rack, process);
	else if (is_over && !table_has(rack, rack->timed_out, process->id))
		stop_for_time(rack, process);
	else if (process->is_attached && !has_client(rack, process))
		stop_soon(rack, process);
	else if (process->deadline && !is_over)
		supervisor_due(rack->supervisor, process->deadline);
}

void
one_offs_died(Rack *rack, const char *process)
{
	table_change(rack, rack->died, process, true);
}

/* True when a death that was told of is not to be seen yet. */
static bool
is_told_dead(Rack *rack, const Process *process)
{
	if (!has_ended(process))
		return table_has(rack, rack->died, process->id);

	table_change(rack, rack->died, process->id, false);
	return false;
}

/* The engine tells of a death a moment before its lists do. */
void
one_offs_look(Rack *rack)
{
	Engine *engine = rack->provider->engine;
	bool is_settled = false;
	for (unsigned round = 0; round < SETTLE_ROUNDS && !is_settled; round++) {
		g_autoptr(GPtrArray) all = engine->ops->one_offs(engine, NULL, NULL);
		is_settled = true;
		for (guint i = 0; all && i < all->len; i++) {
			const Process *process = all->pdata[i];
			look_at(rack, process);
			is_settled = !is_told_dead(rack, process) && is_settled;
		}
		if (!is_settled)
			g_usleep(SETTLE_LOOK_US);
	}
	LOCKED(&rack->lock);
	if (is_settled)
		g_hash_table_remove_all(rack->died);
}

/* Starting */

static Env *
env_of(const PlanService *service, const Env *more, GError **error)
{
	g_autoptr(Env) env = env_copy(service->env);
	g_autofree const char **names = more ? env_names(more) : NULL;
	for (gsize i = 0; names && names[i]; i++) {
		if (!env_set(env, names[i], env_get(more, names[i]), error))
			return NULL;
	}
	return g_steal_pointer(&env);
}

static Plan *
plan_for(Rack *rack, const char *name, const RunOptions *options, GError **error)
{
	g_autoptr(App) app = app_load(rack->provider->store, name, error);
	if (!app)
		return NULL;
	if (strcmp(app->status, "deleting") == 0) {
		error_set(error, CARRACK_ERROR_FORBIDDEN, "app %s is being deleted", name);
		return NULL;
	}
	const char *release = options->release && *options->release ? options->release : NULL;
	if (!release && !*app->release) {
		error_set(error, CARRACK_ERROR_NOT_FOUND,
		    "app %s has no live release: deploy first, or name a release", name);
		return NULL;
	}
	g_autoptr(Plan) plan = plan_make(rack, app, release ? release : app->release, error);
	/* One that has never been promoted may ask for what its app may not have. */
	if (plan && release && !manifest_check_rack(plan->manifest, app_has_power(app), error))
		return NULL;
	return g_steal_pointer(&plan);
}

static const PlanService *
service_of(const Plan *plan, const char *name, GError **error)
{
	const PlanService *service = plan_service(plan, name);
	if (!service)
		error_set(error, CARRACK_ERROR_NOT_FOUND, "no such service: %s", name);
	return service;
}

static EngineSpec
spec_of(const Plan *plan, const PlanService *service, const RunOptions *options, const Env *env)
{
	unsigned memory = options->memory ? options->memory : service->memory;
	return (EngineSpec){
	    .app = plan->app,
	    .service = options->name ? options->name : service->service->name,
	    .release = plan->release->id,
	    .image = service->image,
	    .command = options->command,
	    .env = env,
	    .count = 1,
	    .memory_limit = memory ? memory : MANIFEST_DEFAULT_MEMORY,
	    .termination = service->service->termination,
	    .has_init = service->service->has_init,
	    .settings = &service->settings,
	};
}

/* While one is being started its id is not known yet, and it may already have ended. */
static void
count_attaching(Rack *rack, int change)
{
	LOCKED(&rack->lock);
	rack->attaching += change;
}

static char *
start(Rack *rack,
    const EngineSpec *spec,
    const RunOptions *options,
    EngineStream **stream,
    GError **error)
{
	Engine *engine = rack->provider->engine;
	gint64 time = (gint64)options->timeout_seconds * G_USEC_PER_SEC;
	EngineOneOff one_off = {
	    .spec = spec,
	    .role = options->role,
	    .without_entrypoint = options->without_entrypoint,
	    .is_attached = options->is_attached,
	    .has_terminal = options->has_terminal,
	    .height = options->height,
	    .width = options->width,
	    .deadline = time ? g_get_real_time() + time : 0,
	};
	count_attaching(rack, options->is_attached ? 1 : 0);
	char *id = engine->ops->run(engine, &one_off, stream, error);
	if (id && options->is_attached)
		table_change(rack, rack->attached, id, true);
	count_attaching(rack, options->is_attached ? -1 : 0);
	if (id && one_off.deadline)
		supervisor_due(rack->supervisor, one_off.deadline);
	return id;
}

char *
rack_process_run(
    Rack *rack, const char *app, const RunOptions *options, EngineStream **stream, GError **error)
{
	g_autoptr(Plan) plan = plan_for(rack, app, options, error);
	const PlanService *service = plan ? service_of(plan, options->service, error) : NULL;
	g_autoptr(Env) env = service ? env_of(service, options->env, error) : NULL;
	if (!env)
		return NULL;

	EngineSpec spec = spec_of(plan, service, options, env);
	char *id = start(rack, &spec, options, stream, error);
	/* Not the command: it may hold a secret. */
	if (id)
		logs_system(rack->provider->logs, app, "run",
		    "process %s of service %s, release %s, run by %s", id, options->service,
		    spec.release, options->who ? options->who : "api");
	return id;
}
