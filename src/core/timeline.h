/*
 * Timelines: every step of a build or a promote with start, end, state and detail; written through
 * to the store as it happens, and waited on by those who watch. One build or release has one
 * timeline; a release's begins with its build's.
 */
#pragma once

#include "core/store.h"

typedef struct Timelines Timelines;
typedef struct Timeline Timeline;

Timelines *
timelines_new(Store *store);

void
timelines_free(Timelines *timelines);

/* Starts (or starts anew) the timeline of a build or release. `parent` (may be NULL) is the build
 * whose steps come first. One owner, who must end it; freeing one that has not ended ends it as
 * failed. */
Timeline *
timeline_begin(Timelines *timelines, const char *app, const char *id, const char *parent);

void
timeline_free(Timeline *timeline);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Timeline, timeline_free)

/* Opens a step («start», «health», …), of a service or NULL. An open step of the same name and
 * service is its own. */
void
timeline_open(Timeline *timeline, const char *step, const char *service, const char *detail);

/* New detail of an open step. */
void
timeline_detail(Timeline *timeline, const char *step, const char *service, const char *detail);

/* Closes a step: state is «done», «failed» or «skipped». `detail` NULL keeps the one it has. */
void
timeline_close(Timeline *timeline,
    const char *step,
    const char *service,
    const char *state,
    const char *detail);

/* Ends the whole: «succeeded» or «failed»; open steps take «failed» with it, or «done». `cause` is
 * one line, or NULL; `failure` (may be NULL) is an object with code, exit, lines, hint. */
void
timeline_end(Timeline *timeline, const char *state, const char *cause, json_t *failure);

/* Ends as succeeded what an earlier life of the rack has left open though it was done. */
void
timeline_settle(Timelines *timelines, const char *app, const char *id);

/* Leaves it open for the rack's next life, which begins it anew. */
void
timeline_suspend(Timeline *timeline);

/* {"id", "version", "state": running|succeeded|failed|none, "cause", "failure", "started", "ended",
 * "steps": [{"name", "service", "state": open|done|failed|skipped, "started", "ended", "detail"}]}.
 * Waits up to `wait_ms` until the version is over `after`. Never NULL without an error; a timeline
 * that never began has state none. */
json_t *
timeline_json(Timelines *timelines,
    const char *app,
    const char *id,
    gint64 after,
    unsigned wait_ms,
    GCancellable *cancel,
    GError **error);
