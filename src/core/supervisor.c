/*
 * The supervisor keeps the router in step with the processes. A process that dies leaves the router
 * on its event; one that comes up is asked until it is healthy and then let in; what does not
 * belong to the live release is taken away. Each app that needs a look gets one in a thread of its
 * own, never two at once, and none while a deploy holds the app.
 */
#include "core/probe.h"
#include "core/rack-private.h"

#include <string.h>

#define ONE_OFFS "" /* in the place of an app: the one-offs of all */
#define LOOK_MS 50
#define LOOK_LATER_MS 500
#define LOOK_EARLY (10 * G_USEC_PER_SEC)
#define LOOK_LIMIT (120 * G_USEC_PER_SEC)
#define ROUND_SECONDS 30 /* everything is looked at that often, events or not */
#define PRUNE_SECONDS 3600

struct Supervisor {
	Rack *rack;
	GThreadPool *pool;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	GHashTable *waiting; /* apps whose look is queued */
	GHashTable *looking; /* apps that are being looked at */
	gint64 one_offs_due; /* real time; G_MAXINT64: nothing is due */
	bool is_stopping;
	GThread *monitor;
};

static bool
is_stopping(Supervisor *supervisor)
{
	LOCKED(&supervisor->lock);
	return supervisor->is_stopping;
}

/* One app's look */

typedef struct {
	Supervisor *supervisor;
	Plan *plan;
	const App *app;
	GHashTable *probes; /* process id → Probe */
} Look;

static const char *
live_of(const App *app, const char *service)
{
	return json_text_of(app->live, service, "");
}

static void
remove_leftover(Rack *rack, const EngineDeployment *deployment)
{
	Engine *engine = rack->provider->engine;
	Router *router = rack->provider->router;
	g_autoptr(GPtrArray) processes = engine->ops->processes(engine, deployment->id, NULL);
	for (guint i = 0; processes && i < processes->len; i++) {
		const Process *process = processes->pdata[i];
		router->ops->remove(
		    router, deployment->app, deployment->service, process->id, NULL);
	}
	engine->ops->remove(engine, deployment->id, NULL);
}

/*
 * Deployments that are not live: what a crash or a failed removal has left behind. The order
 * matters: they are listed before the lock and the app are read, so that what a deploy creates
 * meanwhile is never in the list.
 */
static void
look_leftovers(Rack *rack, const char *name)
{
	Engine *engine = rack->provider->engine;
	g_autoptr(GPtrArray) deployments = engine->ops->deployments(engine, name, NULL);
	if (!deployments || operation_is_running(rack, name))
		return;
	g_autoptr(App) app = app_load(rack->provider->store, name, NULL);
	if (!app)
		return;

	for (guint i = 0; i < deployments->len; i++) {
		const EngineDeployment *deployment = deployments->pdata[i];
		if (strcmp(live_of(app, deployment->service), deployment->id) != 0 &&
		    !retiring_has(rack, deployment->id))
			remove_leftover(rack, deployment);
	}
}

/*
 * The engine has lost a deployment that should be live (the rack was installed anew over its old
 * state, somebody removed the Swarm service by hand): the service is rolled out again. True when
 * that was necessary.
 */
static bool
look_missing(Rack *rack, const App *app, const Plan *plan)
{
	Engine *engine = rack->provider->engine;
	g_autoptr(GPtrArray) deployments = engine->ops->deployments(engine, app->name, NULL);
	if (!deployments)
		return false;

	g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; i < deployments->len; i++)
		g_hash_table_add(known, ((const EngineDeployment *)deployments->pdata[i])->id);
	for (guint i = 0; i < plan->services->len; i++) {
		const PlanService *service = plan->services->pdata[i];
		const char *name = service->service->name;
		if (g_hash_table_contains(known, live_of(app, name)))
			continue;

		logs_system(rack->provider->logs, app->name, "supervisor",
		    "service %s is gone from the engine: starting it again", name);
		return service_replace(rack, app->name, name, "restore", NULL);
	}
	return false;
}

static bool
has_server(const GPtrArray *servers, const char *process)
{
	for (guint i = 0; servers && i < servers->len; i++) {
		const RouterServer *server = servers->pdata[i];
		if (strcmp(server->process, process) == 0)
			return true;
	}
	return false;
}

/* True when the process serves, or will never have to. */
static bool
look_process(Look *look, const PlanService *service, Process *process, const GPtrArray *servers)
{
	Rack *rack = look->supervisor->rack;
	Engine *engine = rack->provider->engine;
	Router *router = rack->provider->router;
	const char *name = service->service->name;
	if (process->state != PROCESS_RUNNING)
		return process->state != PROCESS_PENDING && process->state != PROCESS_STARTING;
	if (has_server(servers, process->id))
		return true;

	Probe *probe = g_hash_table_lookup(look->probes, process->id);
	if (!engine->ops->locate(engine, process, NULL) || !process->address)
		return false;
	if (!probe) {
		probe =
		    probe_start(service->service, service->host, process->address, process->port);
		g_hash_table_insert(look->probes, g_strdup(process->id), probe);
		return false;
	}
	if (!probe_is_healthy(probe))
		return false;

	return router->ops->add(
	    router, look->app->name, name, process->id, process->address, process->port, NULL);
}

static bool
is_alive(const GPtrArray *processes, const char *id)
{
	for (guint i = 0; i < processes->len; i++) {
		const Process *process = processes->pdata[i];
		if (strcmp(process->id, id) == 0)
			return process->state == PROCESS_RUNNING ||
			       process->state == PROCESS_STOPPING;
	}
	return false;
}

/* One that is not of the live release may still be finishing what it has begun. */
static bool
is_draining(Rack *rack, const char *app, const RouterServer *server)
{
	Engine *engine = rack->provider->engine;
	if (server->state != SERVER_DRAIN)
		return false;

	g_autoptr(GPtrArray) all = engine->ops->processes_of_app(engine, app, true, NULL);
	return !all || is_alive(all, server->process);
}

/*
 * Servers whose process is gone. One without a name has been serving since before carrackd started:
 * it stays until all processes are known again, since one of them may be its owner.
 */
static void
look_dead_servers(Look *look, const char *service, const GPtrArray *processes, bool is_settled)
{
	Rack *rack = look->supervisor->rack;
	Router *router = rack->provider->router;
	const char *app = look->app->name;
	g_autoptr(GPtrArray) servers = router->ops->servers(router, app, service, NULL);
	for (guint i = 0; servers && i < servers->len; i++) {
		const RouterServer *server = servers->pdata[i];
		bool is_unclaimed = !*server->process;
		bool is_dead = is_unclaimed ? is_settled
					    : !is_alive(processes, server->process) &&
						  !is_draining(rack, app, server);
		if (is_dead)
			router->ops->remove(router, app, service, server->process, NULL);
	}
}

/* True when every process of the service that should serve does. */
static bool
look_service(Look *look, const PlanService *service)
{
	Rack *rack = look->supervisor->rack;
	Engine *engine = rack->provider->engine;
	Router *router = rack->provider->router;
	const char *name = service->service->name;
	const char *deployment = live_of(look->app, name);
	if (!service->service->port || !*deployment)
		return true;
	if (!plan_route(rack, look->plan, service, service->count, NULL))
		return false;

	g_autoptr(GPtrArray) processes = engine->ops->processes(engine, deployment, NULL);
	if (!processes)
		return false;

	bool is_settled = true;
	unsigned running = 0;
	for (guint i = 0; i < processes->len; i++) {
		Process *process = processes->pdata[i];
		if (!process->is_wanted)
			continue;
		/* Servers are read anew each time, since a process may have been adopted just
		 * before. */
		g_autoptr(GPtrArray) servers =
		    router->ops->servers(router, look->app->name, name, NULL);
		running += process->state == PROCESS_RUNNING;
		is_settled = look_process(look, service, process, servers) && is_settled;
	}
	is_settled = is_settled && running >= service->count;
	look_dead_servers(look, name, processes, is_settled);
	return is_settled;
}

static bool
look_services(Look *look)
{
	bool is_settled = true;
	for (guint i = 0; i < look->plan->services->len; i++)
		is_settled = look_service(look, look->plan->services->pdata[i]) && is_settled;
	return is_settled;
}

/* Looks until all is as it should be, a deploy takes the app over, or it has taken too long (the
 * next round goes on). */
static void
look_app(Supervisor *supervisor, const char *name)
{
	Rack *rack = supervisor->rack;
	g_autoptr(App) app = app_load(rack->provider->store, name, NULL);
	if (!app || !*app->release || strcmp(app->status, "deleting") == 0)
		return;
	g_autoptr(GError) error = NULL;
	g_autoptr(Plan) plan = plan_make(rack, app, app->release, &error);
	if (!plan) {
		logs_system(rack->provider->logs, name, "supervisor",
		    "release %s cannot be looked after: %s", app->release, error->message);
		return;
	}

	look_leftovers(rack, name);
	if (operation_is_running(rack, name) || look_missing(rack, app, plan))
		return;

	Look look = {supervisor, plan, app, NULL};
	look.probes =
	    g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)probe_free);
	gint64 begun = g_get_monotonic_time();
	while (!operation_is_running(rack, name) && !is_stopping(supervisor) &&
	       g_get_monotonic_time() - begun < LOOK_LIMIT) {
		if (look_services(&look))
			break;
		bool is_early = g_get_monotonic_time() - begun < LOOK_EARLY;
		g_usleep((is_early ? LOOK_MS : LOOK_LATER_MS) * 1000);
	}
	g_hash_table_unref(look.probes);
}

static void
look_run(gpointer data, gpointer user_data)
{
	g_autofree char *app = data;
	Supervisor *supervisor = user_data;
	{
		LOCKED(&supervisor->lock);
		g_hash_table_remove(supervisor->waiting, app);
		g_hash_table_add(supervisor->looking, g_strdup(app));
	}
	if (strcmp(app, ONE_OFFS) == 0)
		one_offs_look(supervisor->rack);
	else if (!operation_is_running(supervisor->rack, app) && !is_stopping(supervisor))
		look_app(supervisor, app);

	LOCKED(&supervisor->lock);
	g_hash_table_remove(supervisor->looking, app);
	/* Somebody asked for a look meanwhile: what this one saw may be old. */
	if (!supervisor->is_stopping && g_hash_table_contains(supervisor->waiting, app))
		g_thread_pool_push(supervisor->pool, g_strdup(app), NULL);
}

void
supervisor_wake(Supervisor *supervisor, const char *app)
{
	LOCKED(&supervisor->lock);
	if (supervisor->is_stopping || g_hash_table_contains(supervisor->waiting, app))
		return;

	g_hash_table_add(supervisor->waiting, g_strdup(app));
	if (!g_hash_table_contains(supervisor->looking, app))
		g_thread_pool_push(supervisor->pool, g_strdup(app), NULL);
}

static void
wake_all(Supervisor *supervisor)
{
	g_autoptr(GPtrArray) apps = app_list(supervisor->rack->provider->store, NULL);
	for (guint i = 0; apps && i < apps->len; i++) {
		const App *app = apps->pdata[i];
		if (*app->release)
			supervisor_wake(supervisor, app->name);
	}
}

/* From the engine's own thread: quick, and never waiting for a deploy. */
static void
on_event(gpointer data, const EngineEvent *event)
{
	Supervisor *supervisor = data;
	Router *router = supervisor->rack->provider->router;
	if (event->is_one_off) {
		if (event->kind == ENGINE_EVENT_DIE) {
			one_offs_died(supervisor->rack, event->process);
			supervisor_wake(supervisor, ONE_OFFS);
		}
		return;
	}
	switch (event->kind) {
	case ENGINE_EVENT_DIE:
		standby_call(supervisor->rack, event->deployment);
		router->ops->remove(router, event->app, event->service, event->process, NULL);
		supervisor_wake(supervisor, event->app);
		break;
	case ENGINE_EVENT_START:
		supervisor_wake(supervisor, event->app);
		break;
	case ENGINE_EVENT_RECONNECTED:
		wake_all(supervisor);
		supervisor_wake(supervisor, ONE_OFFS);
		break;
	case ENGINE_EVENT_OUT_OF_MEMORY:
		break;
	}
}

/* Once a second: has the router been restarted behind our back? */
static void
monitor_router(Supervisor *supervisor)
{
	Rack *rack = supervisor->rack;
	Router *router = rack->provider->router;
	if (router->ops->ping(router, NULL))
		return;

	g_autoptr(GError) error = NULL;
	if (router->ops->restore(router, &error)) {
		logs_system(rack->provider->logs, LOGS_SYSTEM, "router", "event=router-restored");
		wake_all(supervisor);
	}
}

/* Waits a second, less when a one-off's time is over before. False when the supervisor stops. */
static bool
monitor_wait(Supervisor *supervisor, bool *is_due)
{
	LOCKED(&supervisor->lock);
	gint64 second = g_get_real_time() + G_USEC_PER_SEC;
	while (!supervisor->is_stopping) {
		gint64 until = MIN(second, supervisor->one_offs_due);
		struct timespec time = {
		    .tv_sec = until / G_USEC_PER_SEC, .tv_nsec = until % G_USEC_PER_SEC * 1000};
		if (until <= g_get_real_time())
			break;
		pthread_cond_timedwait(&supervisor->wake, &supervisor->lock, &time);
	}
	*is_due = supervisor->one_offs_due <= g_get_real_time();
	if (*is_due)
		supervisor->one_offs_due = G_MAXINT64;
	return !supervisor->is_stopping;
}

void
supervisor_due(Supervisor *supervisor, gint64 time)
{
	LOCKED(&supervisor->lock);
	if (time >= supervisor->one_offs_due)
		return;

	supervisor->one_offs_due = time;
	pthread_cond_broadcast(&supervisor->wake);
}

static gpointer
monitor_run(gpointer data)
{
	Supervisor *supervisor = data;
	Logs *logs = supervisor->rack->provider->logs;
	bool is_due;
	for (unsigned second = 1; monitor_wait(supervisor, &is_due); second++) {
		if (is_due || second % ROUND_SECONDS == 0)
			supervisor_wake(supervisor, ONE_OFFS);
		monitor_router(supervisor);
		timers_tick(supervisor->rack);
		if (second % ROUND_SECONDS == 0)
			wake_all(supervisor);
		if (second % PRUNE_SECONDS == 0)
			logs->ops->prune(logs, NULL);
	}
	return NULL;
}

Supervisor *
supervisor_new(Rack *rack)
{
	Supervisor *supervisor = g_new0(Supervisor, 1);
	supervisor->rack = rack;
	supervisor->one_offs_due = G_MAXINT64;
	supervisor->pool = g_thread_pool_new(look_run, supervisor, -1, FALSE, NULL);
	supervisor->waiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	supervisor->looking = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	pthread_mutex_init(&supervisor->lock, NULL);
	pthread_cond_init(&supervisor->wake, NULL);
	return supervisor;
}

void
supervisor_start(Supervisor *supervisor)
{
	Engine *engine = supervisor->rack->provider->engine;
	engine->ops->watch(engine, on_event, supervisor);
	supervisor->monitor = g_thread_new("monitor", monitor_run, supervisor);
	wake_all(supervisor);
}

void
supervisor_stop(Supervisor *supervisor)
{
	{
		LOCKED(&supervisor->lock);
		supervisor->is_stopping = true;
		pthread_cond_broadcast(&supervisor->wake);
	}
	if (supervisor->monitor)
		g_thread_join(g_steal_pointer(&supervisor->monitor));
	if (supervisor->pool)
		g_thread_pool_free(supervisor->pool, FALSE, TRUE);
	supervisor->pool = NULL;
}

void
supervisor_free(Supervisor *supervisor)
{
	if (!supervisor)
		return;

	g_hash_table_unref(supervisor->waiting);
	g_hash_table_unref(supervisor->looking);
	pthread_cond_destroy(&supervisor->wake);
	pthread_mutex_destroy(&supervisor->lock);
	g_free(supervisor);
}
