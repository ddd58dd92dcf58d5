/*
 * The order of a rollout: create, wait until healthy, route, drain the old ones, watch, prove. Old
 * processes stay until the proof is there, so that going back is a change in the router and nothing
 * else; only a service that may not run beside its old self (singleton, or no room by
 * deployment.maximum) gives that up, step by step.
 */
#include "core/rollout.h"

#include "base/text.h"

#include <string.h>

#define STABILITY_SECONDS 5
#define DEADLINE_SECONDS 1800

static void
part_free(gpointer data)
{
	RolloutPart *part = data;
	g_free(part->fresh);
	g_ptr_array_unref(part->stale);
	g_hash_table_unref(part->probes);
	g_hash_table_unref(part->healthy);
	g_hash_table_unref(part->routed);
	g_ptr_array_unref(part->drained);
	g_free(part);
}

static unsigned
stale_count(const RolloutPart *part)
{
	unsigned count = 0;
	for (guint i = 0; i < part->stale->len; i++)
		count += ((const EngineDeployment *)part->stale->pdata[i])->count;
	return count;
}

static unsigned
percent_of(unsigned count, unsigned percent, bool up)
{
	return (count * percent + (up ? 99 : 0)) / 100;
}

static RolloutPart *
part_new(const PlanService *plan)
{
	RolloutPart *part = g_new0(RolloutPart, 1);
	part->plan = plan;
	part->stale = g_ptr_array_new_with_free_func((GDestroyNotify)engine_deployment_free);
	part->probes =
	    g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)probe_free);
	part->healthy =
	    g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)process_free);
	part->routed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	part->drained = g_ptr_array_new_with_free_func(g_free);
	return part;
}

static RolloutPart *
part_of(Rollout *rollout, const char *service)
{
	for (guint i = 0; i < rollout->parts->len; i++) {
		RolloutPart *part = rollout->parts->pdata[i];
		if (strcmp(part->plan->service->name, service) == 0)
			return part;
	}
	return NULL;
}

/* Deployments there are now, each to the part it belongs to. */
static bool
rollout_find(Rollout *rollout, const char *only, GError **error)
{
	Engine *engine = rollout->rack->provider->engine;
	g_autoptr(GPtrArray) all = engine->ops->deployments(engine, rollout->plan->app, error);
	if (!all)
		return false;

	g_ptr_array_set_free_func(all, NULL);
	for (guint i = 0; i < all->len; i++) {
		EngineDeployment *deployment = all->pdata[i];
		RolloutPart *part = part_of(rollout, deployment->service);
		if (retiring_has(rollout->rack, deployment->id))
			engine_deployment_free(deployment);
		else if (part)
			g_ptr_array_add(part->stale, deployment);
		else if (!only)
			g_ptr_array_add(rollout->gone, deployment);
		else
			engine_deployment_free(deployment);
	}
	return true;
}

static unsigned
stability_of(Rack *rack, const char *name)
{
	g_autoptr(App) app = app_load(rack->provider->store, name, NULL);
	gint64 seconds = STABILITY_SECONDS;
	const char *text = app ? json_text_of(app->parameters, "StabilitySeconds", NULL) : NULL;
	if (text)
		text_parse_int(text, "StabilitySeconds", 0, 600, &seconds, NULL);
	return (unsigned)seconds;
}

Rollout *
rollout_new(Rack *rack,
    Operation *operation,
    Timeline *timeline,
    Plan *plan,
    const char *only,
    GError **error)
{
	g_autoptr(Rollout) rollout = g_new0(Rollout, 1);
	rollout->rack = rack;
	rollout->operation = operation;
	rollout->timeline = timeline;
	rollout->plan = plan;
	rollout->parts = g_ptr_array_new_with_free_func(part_free);
	rollout->gone = g_ptr_array_new_with_free_func((GDestroyNotify)engine_deployment_free);
	rollout->deadline = g_get_monotonic_time() + (gint64)DEADLINE_SECONDS * G_USEC_PER_SEC;
	rollout->stability_seconds = stability_of(rack, plan->app);
	for (guint i = 0; i < plan->services->len; i++) {
		const PlanService *service = plan->services->pdata[i];
		if (!only || strcmp(service->service->name, only) == 0)
			g_ptr_array_add(rollout->parts, part_new(service));
	}
	if (!rollout_find(rollout, only, error))
		return NULL;

	return g_steal_pointer(&rollout);
}

json_t *
rollout_before(const Rollout *rollout)
{
	json_t *before = json_object();
	for (guint i = 0; i < rollout->parts->len; i++) {
		const RolloutPart *part = rollout->parts->pdata[i];
		for (guint j = 0; j < part->stale->len; j++) {
			const EngineDeployment *stale = part->stale->pdata[j];
			json_object_set_new(before, stale->id, json_integer(stale->count));
		}
	}
	for (guint i = 0; i < rollout->gone->len; i++) {
		const EngineDeployment *gone = rollout->gone->pdata[i];
		json_object_set_new(before, gone->id, json_integer(gone->count));
	}
	return before;
}

/* Starting */

static bool
part_create(Rollout *rollout, RolloutPart *part, unsigned count, GError **error)
{
	const char *name = part->plan->service->name;
	unsigned slots = stale_count(part) + part->plan->count;
	bool routes_first = rollout->rack->provider->routes_first;
	timeline_open(rollout->timeline, "start", name, NULL);
	if (routes_first && !plan_route(rollout->rack, rollout->plan, part->plan, slots, error))
		return false;

	part->begun = g_get_monotonic_time();
	part->wanted = count;
	part->fresh = plan_create(rollout->rack, rollout->plan, part->plan, count, error);
	if (!part->fresh)
		return false;

	/* While the processes start: structure first, so that switching is a matter of slots alone.
	 */
	return routes_first || plan_route(rollout->rack, rollout->plan, part->plan, slots, error);
}

static bool
rollout_create(Rollout *rollout, GError **error)
{
	for (guint i = 0; i < rollout->parts->len; i++) {
		RolloutPart *part = rollout->parts->pdata[i];
		const ManifestService *service = part->plan->service;
		unsigned count = part->plan->count;
		unsigned old = stale_count(part);
		unsigned allowed =
		    MAX(percent_of(MAX(count, old), service->deployment_maximum, false), 1);
		part->is_rolling = old > 0 && count > 0 && old + count > allowed;
		unsigned first = part->is_rolling ? (allowed > old ? allowed - old : 0) : count;
		if (!part_create(rollout, part, MIN(first, count), error))
			return false;
	}
	return true;
}

/* Routing */

static bool
part_route(Rollout *rollout, RolloutPart *part, GError **error)
{
	Router *router = rollout->rack->provider->router;
	const char *service = part->plan->service->name;
	if (!part->plan->service->port)
		return true;

	GHashTableIter iterator;
	gpointer value;
	g_hash_table_iter_init(&iterator, part->healthy);
	while (g_hash_table_iter_next(&iterator, NULL, &value)) {
		const Process *process = value;
		if (g_hash_table_contains(part->routed, process->id))
			continue;
		if (!router->ops->add(router, rollout->plan->app, service, process->id,
			process->address, process->port, error)) {
			g_prefix_error(error, "service %s: router: ", service);
			return false;
		}
		g_hash_table_add(part->routed, g_strdup(process->id));
	}
	return true;
}

/* What serves now and is not new: it gets no new requests from here on, and is remembered for the
 * way back. */
static void
part_drain(Rollout *rollout, RolloutPart *part)
{
	Router *router = rollout->rack->provider->router;
	const char *service = part->plan->service->name;
	if (!part->plan->service->port)
		return;

	g_autoptr(GPtrArray) servers =
	    router->ops->servers(router, rollout->plan->app, service, NULL);
	for (guint i = 0; servers && i < servers->len; i++) {
		const RouterServer *server = servers->pdata[i];
		bool is_old = server->state == SERVER_READY &&
			      !g_hash_table_contains(part->routed, server->process);
		if (!is_old)
			continue;
		router->ops->drain(router, rollout->plan->app, service, server->process, NULL);
		g_ptr_array_add(part->drained, g_strdup(server->process));
	}
}

static bool
rollout_switch(Rollout *rollout, GError **error)
{
	timeline_open(rollout->timeline, "switch", NULL, NULL);
	for (guint i = 0; i < rollout->parts->len; i++) {
		if (!part_route(rollout, rollout->parts->pdata[i], error))
			return false;
	}
	/* All new ones serve before any old one is taken out. */
	rollout->is_switched = true;
	for (guint i = 0; i < rollout->parts->len; i++) {
		RolloutPart *part = rollout->parts->pdata[i];
		part_drain(rollout, part);
		standby_begin(rollout->rack, part->fresh, rollout->plan->app,
		    part->plan->service->name, part->drained);
		timeline_close(rollout->timeline, "start", part->plan->service->name, "done", NULL);
	}
	timeline_close(rollout->timeline, "switch", NULL, "done", "the new processes serve");
	return true;
}

/* Step by step, for services that may not run twice */

static EngineDeployment *
part_largest_stale(RolloutPart *part)
{
	for (guint i = 0; i < part->stale->len; i++) {
		EngineDeployment *stale = part->stale->pdata[i];
		if (stale->count > 0)
			return stale;
	}
	return NULL;
}

static bool
part_roll_down(Rollout *rollout, RolloutPart *part, GError **error)
{
	const ManifestService *service = part->plan->service;
	EngineDeployment *stale = part_largest_stale(part);
	unsigned keep = percent_of(part->plan->count, service->deployment_minimum, true);
	unsigned healthy = g_hash_table_size(part->healthy);
	unsigned others = stale_count(part) - stale->count;
	unsigned may_keep = keep > healthy + others ? keep - healthy - others : 0;
	/* Always at least one step, or a minimum of 100 % without surplus would wait for ever. */
	unsigned target = MIN(may_keep, stale->count - 1);
	if (!deployment_shrink(rollout->rack, stale, target, service->termination, error))
		return false;

	stale->count = target;
	return true;
}

static bool
part_roll_up(Rollout *rollout, RolloutPart *part, unsigned allowed, GError **error)
{
	Engine *engine = rollout->rack->provider->engine;
	unsigned old = stale_count(part);
	unsigned target = MIN(part->plan->count, allowed > old ? allowed - old : 0);
	if (target <= part->wanted)
		return true;

	part->wanted = target;
	part->begun = g_get_monotonic_time();
	return engine->ops->scale(engine, part->fresh, target, error) &&
	       rollout_await(rollout, error) && part_route(rollout, part, error);
}

static bool
part_roll(Rollout *rollout, RolloutPart *part, GError **error)
{
	unsigned count = part->plan->count;
	unsigned allowed = MAX(percent_of(MAX(count, stale_count(part)),
				   part->plan->service->deployment_maximum, false),
	    1);
	if (!part_route(rollout, part, error))
		return false;
	while (g_hash_table_size(part->healthy) < count) {
		if (!rollout_may_go_on(rollout, error))
			return false;
		if (part_largest_stale(part) && !part_roll_down(rollout, part, error))
			return false;
		if (!part_roll_up(rollout, part, allowed, error))
			return false;
	}
	return true;
}

static bool
rollout_roll(Rollout *rollout, GError **error)
{
	for (guint i = 0; i < rollout->parts->len; i++) {
		RolloutPart *part = rollout->parts->pdata[i];
		if (part->is_rolling && !part_roll(rollout, part, error))
			return false;
	}
	return true;
}

/* Going back */

static void
part_restore_stale(Rollout *rollout, RolloutPart *part, const json_t *before)
{
	Engine *engine = rollout->rack->provider->engine;
	for (guint i = 0; i < part->stale->len; i++) {
		EngineDeployment *stale = part->stale->pdata[i];
		unsigned count = (unsigned)json_int_of(before, stale->id, stale->count);
		if (count == stale->count)
			continue;
		engine->ops->scale(engine, stale->id, count, NULL);
		stale->count = count;
	}
}

static void
part_undo(Rollout *rollout, RolloutPart *part, const json_t *before)
{
	Router *router = rollout->rack->provider->router;
	Engine *engine = rollout->rack->provider->engine;
	for (guint i = 0; i < part->drained->len; i++)
		router->ops->ready(router, rollout->plan->app, part->plan->service->name,
		    part->drained->pdata[i], NULL);
	part_restore_stale(rollout, part, before);

	GHashTableIter iterator;
	gpointer id;
	g_hash_table_iter_init(&iterator, part->routed);
	while (g_hash_table_iter_next(&iterator, &id, NULL))
		router->ops->drain(router, rollout->plan->app, part->plan->service->name, id, NULL);
	g_hash_table_remove_all(part->probes);
	if (part->fresh) {
		standby_end(rollout->rack, part->fresh);
		engine->ops->remove(engine, part->fresh, NULL);
	}
	g_hash_table_iter_init(&iterator, part->routed);
	while (g_hash_table_iter_next(&iterator, &id, NULL))
		router->ops->remove(
		    router, rollout->plan->app, part->plan->service->name, id, NULL);
}

static bool
rollout_try(Rollout *rollout, GError **error)
{
	if (!rollout_create(rollout, error) || !rollout_await(rollout, error) ||
	    !rollout_roll(rollout, error) || !rollout_switch(rollout, error))
		return false;

	timeline_open(rollout->timeline, "proof", NULL, NULL);
	if (!rollout_prove(rollout, error))
		return false;

	timeline_close(rollout->timeline, "proof", NULL, "done",
	    "image and environment of every process are the release's");
	return true;
}

bool
rollout_run(Rollout *rollout, GError **error)
{
	json_auto_t *before = rollout_before(rollout);
	g_autoptr(GError) failure = NULL;
	if (rollout_try(rollout, &failure))
		return true;

	if (!rollout->failure)
		rollout->failure = failure_plain("engine", NULL, failure->message, NULL);
	for (guint i = 0; i < rollout->parts->len; i++)
		part_undo(rollout, rollout->parts->pdata[i], before);
	g_propagate_error(error, g_steal_pointer(&failure));
	return false;
}

json_t *
rollout_live(const Rollout *rollout, const json_t *live)
{
	json_t *after = json_object();
	const char *service;
	json_t *deployment;
	json_object_foreach((json_t *)live, service, deployment)
	{
		if (plan_service(rollout->plan, service))
			json_object_set(after, service, deployment);
	}
	for (guint i = 0; i < rollout->parts->len; i++) {
		const RolloutPart *part = rollout->parts->pdata[i];
		json_object_set_new(after, part->plan->service->name, json_string(part->fresh));
	}
	return after;
}

/* Retiring */

GPtrArray *
rollout_old(const Rollout *rollout)
{
	GPtrArray *old = g_ptr_array_new();
	for (guint i = 0; i < rollout->parts->len; i++)
		g_ptr_array_extend(
		    old, ((RolloutPart *)rollout->parts->pdata[i])->stale, NULL, NULL);
	g_ptr_array_extend(old, rollout->gone, NULL, NULL);
	return old;
}

/* Whether the old processes of a part have answered all they began until `until`, at most the
 * service's drain after `begun`. What is longer than the drain is cut. */
static bool
part_wait_drained(Rollout *rollout, const RolloutPart *part, gint64 begun, gint64 until)
{
	Router *router = rollout->rack->provider->router;
	const char *app = rollout->plan->app;
	const ManifestService *service = part->plan->service;
	gint64 limit = begun + (gint64)service->drain * G_USEC_PER_SEC;
	bool all_drained = true;
	for (guint i = 0; i < part->drained->len; i++) {
		const char *process = part->drained->pdata[i];
		gint64 left = MIN(until, limit) - g_get_monotonic_time();
		unsigned seconds = (unsigned)((MAX(left, 0) + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC);
		bool is_drained = true;
		router->ops->wait_drained(
		    router, app, service->name, process, seconds, &is_drained, NULL, NULL);
		if (!is_drained && g_get_monotonic_time() >= limit)
			is_drained = router->ops->cut(router, app, service->name, process, NULL);
		all_drained = all_drained && is_drained;
	}
	return all_drained;
}

bool
rollout_wait_drained(Rollout *rollout, unsigned seconds)
{
	gint64 begun = g_get_monotonic_time();
	gint64 until = begun + (gint64)seconds * G_USEC_PER_SEC;
	bool all_drained = true;
	for (guint i = 0; i < rollout->parts->len; i++)
		all_drained = part_wait_drained(rollout, rollout->parts->pdata[i], begun, until) &&
			      all_drained;
	return all_drained;
}

static void
part_remove_old(Rollout *rollout, const RolloutPart *part)
{
	Engine *engine = rollout->rack->provider->engine;
	Router *router = rollout->rack->provider->router;
	for (guint i = 0; i < part->drained->len; i++)
		router->ops->remove(router, rollout->plan->app, part->plan->service->name,
		    part->drained->pdata[i], NULL);
	for (guint i = 0; i < part->stale->len; i++) {
		const EngineDeployment *stale = part->stale->pdata[i];
		engine->ops->remove(engine, stale->id, NULL);
	}
}

void
rollout_remove_old(Rollout *rollout)
{
	Engine *engine = rollout->rack->provider->engine;
	Router *router = rollout->rack->provider->router;
	for (guint i = 0; i < rollout->parts->len; i++)
		part_remove_old(rollout, rollout->parts->pdata[i]);
	for (guint i = 0; i < rollout->gone->len; i++) {
		const EngineDeployment *gone = rollout->gone->pdata[i];
		router->ops->forget(router, gone->app, gone->service, NULL);
		engine->ops->remove(engine, gone->id, NULL);
	}
}

void
rollout_free(Rollout *rollout)
{
	if (!rollout)
		return;

	g_ptr_array_unref(rollout->parts);
	g_ptr_array_unref(rollout->gone);
	json_decref(rollout->failure);
	json_decref(rollout->proof);
	g_free(rollout);
}
