/*
 * Waiting for new processes: the engine has no events for tasks, so the tasks of the deployments in
 * question are asked for (0.4 ms a call), while the health checks run in threads of their own. Any
 * ending, any refusal to place and any passed deadline is a failure at once.
 */
#include "core/rollout.h"

#include "base/text.h"

#include <string.h>

#define LOOK_MS 20
#define LOOK_LATER_MS 100
#define LOOK_LATER_AFTER (5 * G_USEC_PER_SEC)
#define START_SECONDS 120  /* from created to running, without room being the reason */
#define GRACE_SECONDS 30   /* when the manifest names none */
#define LEAVING_SECONDS 20 /* how long room may be held by processes that are about to go */

void
rollout_pause(Rollout *rollout, int milliseconds)
{
	GPollFD fd = {0};
	if (!g_cancellable_make_pollfd(rollout->operation->cancel, &fd))
		return;

	g_poll(&fd, 1, milliseconds);
	g_cancellable_release_fd(rollout->operation->cancel);
}

bool
rollout_may_go_on(Rollout *rollout, GError **error)
{
	if (g_cancellable_is_cancelled(rollout->operation->cancel)) {
		g_autofree char *reason = operation_reason(rollout->rack, rollout->operation);
		bool was_superseded = g_str_has_prefix(reason, "superseded");
		rollout->failure =
		    failure_plain(was_superseded ? "superseded" : "cancelled", NULL, reason, error);
		return false;
	}
	if (g_get_monotonic_time() > rollout->deadline) {
		rollout->failure = failure_plain(
		    "deadline", NULL, "deadline: the deploy took longer than it may", error);
		return false;
	}
	return true;
}

static unsigned
grace_of(const ManifestService *service)
{
	unsigned grace = service->health.grace ? service->health.grace : GRACE_SECONDS;
	return grace + 2 * service->health.interval;
}

static char *
age_text(const RolloutPart *part)
{
	gint64 seconds = (g_get_monotonic_time() - part->begun) / G_USEC_PER_SEC;
	return seconds < 2 ? g_strdup("at boot")
			   : g_strdup_printf("after %" G_GINT64_FORMAT " s", seconds);
}

/* Nobody tells a new process to stop, so any ending of one is a failure, with 0 as well. */
static bool
has_failed(const Process *process)
{
	return process->state == PROCESS_FAILED || process->state == PROCESS_COMPLETE;
}

/* Room that is held by processes which are on their way out is not a lack of room. */
static bool
somebody_is_leaving(Rack *rack)
{
	Engine *engine = rack->provider->engine;
	g_autoptr(GPtrArray) all = engine->ops->processes_of_app(engine, NULL, true, NULL);
	for (guint i = 0; all && i < all->len; i++) {
		const Process *process = all->pdata[i];
		if (process->state == PROCESS_STOPPING || !process->is_wanted)
			return true;
	}
	return false;
}

static bool
check_pending(Rollout *rollout, RolloutPart *part, const Process *process, GError **error)
{
	gint64 age = g_get_monotonic_time() - part->begun;
	if (strstr(process->reason, "no suitable node")) {
		if (age < LEAVING_SECONDS * G_USEC_PER_SEC && somebody_is_leaving(rollout->rack))
			return true;
		rollout->failure = failure_no_capacity(rollout->rack, part->plan, error);
		return false;
	}
	if (age < START_SECONDS * G_USEC_PER_SEC)
		return true;

	g_autofree char *cause =
	    g_strdup_printf("service %s: not started after %d s: %s", part->plan->service->name,
		START_SECONDS, *process->reason ? process->reason : "no reason given");
	rollout->failure = failure_plain("not-started", part->plan->service->name, cause, error);
	return false;
}

static void
part_add_healthy(RolloutPart *part, Process *process)
{
	g_hash_table_replace(part->healthy, process->id, process);
}

/* A running process: found, asked, and once healthy kept. Takes over `process`. */
static bool
check_running(Rollout *rollout, RolloutPart *part, Process *process, GError **error)
{
	g_autoptr(Process) owned = process;
	const ManifestService *service = part->plan->service;
	Engine *engine = rollout->rack->provider->engine;
	if (g_hash_table_contains(part->healthy, owned->id))
		return true;
	/* Between two looks the container may be gone again: the next look tells what happened. */
	if (!engine->ops->locate(engine, owned, NULL))
		return true;
	if (!service->port) {
		part_add_healthy(part, g_steal_pointer(&owned));
		return true;
	}

	Probe *probe = g_hash_table_lookup(part->probes, owned->id);
	if (!probe) {
		if (!owned->address)
			return true;
		probe = probe_start(service, part->plan->host, owned->address, owned->port);
		g_hash_table_insert(part->probes, g_strdup(owned->id), probe);
	}
	if (probe_is_healthy(probe)) {
		g_hash_table_remove(part->probes, owned->id);
		part_add_healthy(part, g_steal_pointer(&owned));
		return true;
	}

	gint64 age = (g_get_real_time() - owned->started) / G_USEC_PER_SEC;
	if (age <= grace_of(service))
		return true;
	rollout->failure = failure_unhealthy(rollout->rack, owned, probe, grace_of(service), error);
	return false;
}

static bool
check_process(Rollout *rollout, RolloutPart *part, Process *process, GError **error)
{
	if (has_failed(process)) {
		g_autoptr(Process) owned = process;
		g_autofree char *when = age_text(part);
		rollout->failure = failure_ended(rollout->rack, owned, when, error);
		return false;
	}
	if (process->state == PROCESS_PENDING || process->state == PROCESS_STARTING) {
		g_autoptr(Process) owned = process;
		return check_pending(rollout, part, owned, error);
	}
	if (process->state == PROCESS_RUNNING && process->is_wanted)
		return check_running(rollout, part, process, error);

	process_free(process);
	return true;
}

/* One look at the processes of a part. */
static bool
part_look(Rollout *rollout, RolloutPart *part, GError **error)
{
	Engine *engine = rollout->rack->provider->engine;
	g_autoptr(GPtrArray) processes = engine->ops->processes(engine, part->fresh, error);
	if (!processes) {
		g_prefix_error(error, "the engine went away: ");
		return false;
	}
	g_ptr_array_set_free_func(processes, NULL);
	bool good = true;
	for (guint i = 0; i < processes->len; i++) {
		if (good)
			good = check_process(rollout, part, processes->pdata[i], error);
		else
			process_free(processes->pdata[i]);
	}
	return good;
}

static bool
part_await(Rollout *rollout, RolloutPart *part, bool *is_ready, GError **error)
{
	if (!part->fresh || g_hash_table_size(part->healthy) >= part->wanted)
		return true;
	if (!part_look(rollout, part, error))
		return false;

	unsigned healthy = g_hash_table_size(part->healthy);
	g_autofree char *detail = g_strdup_printf("%u of %u healthy", healthy, part->plan->count);
	timeline_detail(rollout->timeline, "start", part->plan->service->name, detail);
	if (healthy < part->wanted)
		*is_ready = false;
	return true;
}

bool
rollout_await(Rollout *rollout, GError **error)
{
	gint64 begun = g_get_monotonic_time();
	for (;;) {
		if (!rollout_may_go_on(rollout, error))
			return false;

		bool is_ready = true;
		for (guint i = 0; i < rollout->parts->len; i++) {
			if (!part_await(rollout, rollout->parts->pdata[i], &is_ready, error))
				return false;
		}
		if (is_ready)
			return true;

		bool is_early = g_get_monotonic_time() - begun < LOOK_LATER_AFTER;
		rollout_pause(rollout, is_early ? LOOK_MS : LOOK_LATER_MS);
	}
}

/* The window */

static bool
part_is_steady(Rollout *rollout, RolloutPart *part, GError **error)
{
	Engine *engine = rollout->rack->provider->engine;
	g_autoptr(GPtrArray) processes = engine->ops->processes(engine, part->fresh, error);
	if (!processes)
		return false;

	for (guint i = 0; i < processes->len; i++) {
		Process *process = processes->pdata[i];
		bool is_known = g_hash_table_contains(part->healthy, process->id);
		if (!has_failed(process) && !(is_known && process->state != PROCESS_RUNNING))
			continue;

		g_autofree char *when = age_text(part);
		rollout->failure = failure_ended(rollout->rack, process, when, error);
		return false;
	}
	return true;
}

static bool
parts_are_steady(Rollout *rollout, GError **error)
{
	for (guint i = 0; i < rollout->parts->len; i++) {
		if (!part_is_steady(rollout, rollout->parts->pdata[i], error))
			return false;
	}
	return true;
}

/* Every process runs what the release says: image and environment. */
static bool
prove_processes(Rollout *rollout, RolloutPart *part, json_t *evidence, GError **error)
{
	GHashTableIter iterator;
	gpointer value;
	g_hash_table_iter_init(&iterator, part->healthy);
	while (g_hash_table_iter_next(&iterator, NULL, &value)) {
		const Process *process = value;
		json_array_append_new(evidence,
		    json_pack("{s:s, s:s, s:s, s:s}", "id", process->id, "service",
			process->service, "image", process->image, "env", process->env_hash));
		if (strcmp(process->image, part->plan->image) == 0 &&
		    strcmp(process->env_hash, part->plan->env_hash) == 0)
			continue;

		g_autofree char *cause =
		    g_strdup_printf("service %s: process %s does not run this release's %s",
			process->service, process->id,
			strcmp(process->image, part->plan->image) != 0 ? "image" : "environment");
		rollout->failure = failure_plain("not-the-release", process->service, cause, error);
		return false;
	}
	return true;
}

/* One request through the front door. */
static bool
prove_request(Rollout *rollout, RolloutPart *part, json_t *requests, GError **error)
{
	const PlanService *plan = part->plan;
	if (!plan->service->port || !plan->hosts[0] || plan->count == 0)
		return true;

	Router *router = rollout->rack->provider->router;
	/* As the health check does; a name with a star cannot be asked for. */
	const char *host = strchr(plan->host, '*') ? plan->hosts[0] : plan->host;
	g_autoptr(GError) reason = NULL;
	int status = router->ops->request(router, host, plan->service->health.path, &reason);
	json_array_append_new(requests, json_pack("{s:s, s:s, s:i}", "host", host, "path",
					    plan->service->health.path, "status", status));
	if (probe_is_good(plan->service, status))
		return true;

	g_autofree char *cause = g_strdup_printf("service %s: a request through the router got %s",
	    plan->service->name, reason ? reason->message : "no healthy answer");
	rollout->failure = failure_plain("router", plan->service->name, cause, error);
	return false;
}

static bool
prove_all(Rollout *rollout, GError **error)
{
	json_t *processes = json_array();
	json_t *requests = json_array();
	g_autofree char *now = text_time(g_get_real_time());
	rollout->proof = json_pack("{s:s, s:i, s:o, s:o}", "checked", now, "window_seconds",
	    (int)rollout->stability_seconds, "processes", processes, "requests", requests);
	for (guint i = 0; i < rollout->parts->len; i++) {
		RolloutPart *part = rollout->parts->pdata[i];
		if (!prove_processes(rollout, part, processes, error) ||
		    !prove_request(rollout, part, requests, error))
			return false;
	}
	return true;
}

/* True when a death has called the old processes back: the proof came too late. */
static bool
parts_end_standby(Rollout *rollout)
{
	bool was_called = false;
	for (guint i = 0; i < rollout->parts->len; i++) {
		const RolloutPart *part = rollout->parts->pdata[i];
		was_called = standby_end(rollout->rack, part->fresh) || was_called;
	}
	return was_called;
}

bool
rollout_prove(Rollout *rollout, GError **error)
{
	gint64 until = g_get_monotonic_time() + (gint64)rollout->stability_seconds * G_USEC_PER_SEC;
	do {
		if (!rollout_may_go_on(rollout, error) || !parts_are_steady(rollout, error))
			return false;
		rollout_pause(rollout, LOOK_LATER_MS);
	} while (g_get_monotonic_time() < until);

	if (!prove_all(rollout, error))
		return false;
	return !parts_end_standby(rollout) || parts_are_steady(rollout, error);
}
