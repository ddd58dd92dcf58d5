/*
 * A rollout: the processes of a plan take over from those that run now. Start-first where room and
 * the manifest's bounds allow, else step by step. Until rollout_commit nothing old has gone: a
 * failure puts everything back.
 */
#pragma once

#include "core/failure.h"
#include "core/rack-private.h"

typedef struct {
	const PlanService *plan;
	char *fresh;         /* deployment, once created */
	GPtrArray *stale;    /* of EngineDeployment: the same service from before */
	GHashTable *probes;  /* process id → Probe */
	GHashTable *healthy; /* process id → Process */
	GHashTable *routed;  /* ids of its processes that the router has */
	GPtrArray *drained;  /* ids of the processes that served before the switch */
	gint64 begun;
	unsigned wanted; /* processes that fresh has now been asked for */
	bool is_rolling;
} RolloutPart;

typedef struct {
	Rack *rack;
	Operation *operation;
	Timeline *timeline;
	Plan *plan;
	GPtrArray *parts; /* of RolloutPart */
	GPtrArray *gone;  /* of EngineDeployment: services that the plan does not have */
	json_t *failure;  /* why it failed, or NULL */
	json_t *proof;
	gint64 deadline;
	unsigned stability_seconds;
	bool is_switched;
} Rollout;

/* Finds out what runs now. `only` (or NULL) limits it to one service. */
Rollout *
rollout_new(Rack *rack,
    Operation *operation,
    Timeline *timeline,
    Plan *plan,
    const char *only,
    GError **error);

/* {"deployment id": count} of all that is there now, to be put back after a crash. */
json_t *
rollout_before(const Rollout *rollout);

/* Starts, waits, switches and proves. On failure `failure` is set and everything old serves again.
 */
bool
rollout_run(Rollout *rollout, GError **error);

/* {"service": deployment id} after success, over those that were `live` before and are still meant.
 */
json_t *
rollout_live(const Rollout *rollout, const json_t *live);

/* The old deployments, those of services that are no more included (borrowed EngineDeployment). The
 * caller frees the array. */
GPtrArray *
rollout_old(const Rollout *rollout);

/* Waits up to `seconds` (at most the service's drain) until the old ones have answered what they
 * began; true when all have. */
bool
rollout_wait_drained(Rollout *rollout, unsigned seconds);

/* Takes the old ones away, whatever they still do. */
void
rollout_remove_old(Rollout *rollout);

void
rollout_free(Rollout *rollout);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rollout, rollout_free)

/* release-command.c */

/* Runs the release's command, if it has one, to its end; without success `failure` is set and
 * nothing has been started. */
bool
release_command_run(Rollout *rollout, GError **error);

/* rollout-wait.c */

/* Waits until every part has as many healthy processes as it wants. */
bool
rollout_await(Rollout *rollout, GError **error);

/* Watches the new processes through the stability window, then gathers the evidence. */
bool
rollout_prove(Rollout *rollout, GError **error);

/* Fails with the operation's reason when it has been cancelled or is over its deadline. */
bool
rollout_may_go_on(Rollout *rollout, GError **error);

/* A short wait that a cancel ends. */
void
rollout_pause(Rollout *rollout, int milliseconds);

/* rollout-shrink.c */

/* Takes a deployment down to `count` processes, draining those that the engine picks before they
 * end. */
bool
deployment_shrink(
    Rack *rack, const EngineDeployment *deployment, unsigned count, unsigned drain, GError **error);
