/*
 * Fewer processes of a deployment. The engine picks which ones go and tells SIGTERM to them a
 * second or more after it has decided; in between they are taken out of the router, so that their
 * requests in flight end well.
 */
#include "core/rollout.h"

#define LOOK_MS 50
#define SPARE_SECONDS 30

static bool
is_alive(const Process *process)
{
	return process->state == PROCESS_STARTING || process->state == PROCESS_RUNNING ||
	       process->state == PROCESS_STOPPING;
}

/* One look: those on their way out are drained, those that are gone leave the router. Returns how
 * many live. */
static gint
shrink_look(Rack *rack, const EngineDeployment *deployment, GError **error)
{
	Engine *engine = rack->provider->engine;
	Router *router = rack->provider->router;
	g_autoptr(GPtrArray) processes = engine->ops->processes(engine, deployment->id, error);
	if (!processes)
		return -1;

	gint alive = 0;
	for (guint i = 0; i < processes->len; i++) {
		const Process *process = processes->pdata[i];
		if (!is_alive(process)) {
			if (deployment->port)
				router->ops->remove(router, deployment->app, deployment->service,
				    process->id, NULL);
			continue;
		}
		alive++;
		bool is_leaving = !process->is_wanted || process->state == PROCESS_STOPPING;
		if (is_leaving && deployment->port)
			router->ops->drain(
			    router, deployment->app, deployment->service, process->id, NULL);
	}
	return alive;
}

bool
deployment_shrink(
    Rack *rack, const EngineDeployment *deployment, unsigned count, unsigned drain, GError **error)
{
	Engine *engine = rack->provider->engine;
	if (!engine->ops->scale(engine, deployment->id, count, error))
		return false;

	gint64 until = g_get_monotonic_time() + (gint64)(drain + SPARE_SECONDS) * G_USEC_PER_SEC;
	for (;;) {
		gint alive = shrink_look(rack, deployment, error);
		if (alive < 0)
			return false;
		if (alive <= (gint)count)
			return true;
		if (g_get_monotonic_time() > until)
			return error_set(error, CARRACK_ERROR_UPSTREAM,
			    "service %s: processes did not end in %u s", deployment->service,
			    drain + SPARE_SECONDS);
		g_usleep(LOOK_MS * 1000);
	}
}
