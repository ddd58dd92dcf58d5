/*
 * The rack's inside, for the files of core/ alone.
 */
#pragma once

#include "base/limits.h"
#include "base/lock.h"
#include "core/rack.h"
#include "manifest/manifest.h"

/* What keeps an app busy: the deploy lock. One an app at a time. */
typedef struct {
	char *app;
	char *kind;    /* promote, restart, scale, delete */
	char *release; /* or «» */
	char *who;
	gint64 since;
	unsigned attempt; /* of the same promote, counted over the rack's lives */
	GCancellable *cancel;
	char *cancel_reason; /* «cancelled by X», set before cancel; under the rack's lock */
	bool is_ending;      /* its outcome is (about to be) written: the next one waits for it */
} Operation;

typedef struct BuildQueue BuildQueue;
typedef struct Supervisor Supervisor;

struct Rack {
	Provider *provider;
	Timelines *timelines;
	pthread_mutex_t lock;
	pthread_cond_t idle;    /* an operation has ended */
	GHashTable *operations; /* app → Operation, owned */
	GHashTable
	    *retiring; /* deployments that finish their requests, and then go by themselves */
	GHashTable *standbys; /* deployment in its window → who serves when it dies */
	bool is_stopping;
	GThreadPool *workers;  /* promotes, restarts and deletions: a thread each */
	GHashTable *attached;  /* one-offs whose end a client waits for */
	int attaching;         /* how many of them are being started */
	GHashTable *died;      /* one-offs whose end was told of, and is to be seen yet */
	GHashTable *timed_out; /* one-offs that were stopped for their time */
	gint64 timers_minute;  /* that the timers were looked at in */
	bool is_timing;        /* they are being looked at */
	BuildQueue *builds;
	Supervisor *supervisor;
};

/* operations.c */

GHashTable *
operations_new(void);

/* Refuses new ones, cancels those that run and waits for their end. */
void
operations_cancel_all(Rack *rack);

/* Takes the app's deploy lock. FORBIDDEN «app is currently updating: …» with who, what and since
 * when while another holds it; with `supersede`, that one is cancelled and waited for instead.
 * Borrowed until operation_end. */
Operation *
operation_begin(Rack *rack,
    const char *app,
    const char *kind,
    const char *release,
    const char *who,
    bool supersede,
    GError **error);

/* Its outcome is about to be written: whoever comes now waits for the end instead of being refused.
 */
void
operation_ending(Rack *rack, Operation *operation);

void
operation_end(Rack *rack, Operation *operation);

/* Marks deployments (of EngineDeployment) as retiring, so that nobody else cares for them; or not
 * any more. */
void
retiring_mark(Rack *rack, const GPtrArray *deployments, bool is_retiring);

bool
retiring_has(Rack *rack, const char *deployment);

/* standby.c */

GHashTable *
standbys_new(void);

/* From here on a death in the deployment calls these processes of the service back. */
void
standby_begin(Rack *rack,
    const char *deployment,
    const char *app,
    const char *service,
    const GPtrArray *processes);

/* True when they have been called. */
bool
standby_end(Rack *rack, const char *deployment);

/* A process of the deployment has died: those that stand by serve again. */
void
standby_call(Rack *rack, const char *deployment);

/* operations.c again */

/* True when one runs; the operation is cancelled with this reason. */
bool
operation_cancel(Rack *rack, const char *app, const char *reason);

bool
operation_is_running(Rack *rack, const char *app);

/* What the operation was cancelled for; «cancelled» when nobody said. The caller frees it. */
char *
operation_reason(Rack *rack, Operation *operation);

/* Runs `work` in a thread of its own. */
void
rack_run(Rack *rack, void (*work)(gpointer data), gpointer data);

/* apps.c */

/* Loads, changes and writes an app until no other writer came between. */
bool
app_change(Rack *rack,
    const char *name,
    void (*change)(App *app, gpointer data),
    gpointer data,
    GError **error);

bool
app_set_status(Rack *rack, const char *name, const char *status, GError **error);

/* Goes on with creations and deletions that an earlier life began. */
void
apps_recover(Rack *rack);

/* builds.c */
BuildQueue *
build_queue_new(Rack *rack);

/* Queues again what waited and fails what ran in an earlier life. */
void
build_queue_recover(BuildQueue *queue);

bool
build_queue_cancel(BuildQueue *queue, const char *app, const char *reason);

void
build_queue_free(BuildQueue *queue);

/* True once the rack is told to stop: what runs is left to its next life. */
bool
rack_is_stopping(Rack *rack);

/* promote.c */

/* Undoes what an earlier life left unfinished. Promotes that are to be tried once more are
 * returned, «app/release/who/attempt» each, for promote_resume. */
GPtrArray *
promote_recover(Rack *rack);

void
promote_resume(Rack *rack, GPtrArray *promotes);

/* New processes of the live release for one service (NULL: all) take over; returns when accepted.
 */
bool
service_replace(Rack *rack, const char *app, const char *service, const char *kind, GError **error);

/* processes.c */
json_t *
process_json(const Process *process);

/* one-offs.c */

/* What is known of an ended one-off, as the wire's process; NULL when there is nothing. */
json_t *
one_off_record(Rack *rack, const char *app, const char *process);

/* As the engine knows it, with the exit code of an ended one; NULL when there is no such. */
Process *
one_off_find(Rack *rack, const char *app, const char *process);

/* The engine has told of the end of one. */
void
one_offs_died(Rack *rack, const char *process);

/* Looks at all one-offs: stops those whose time is over or whose client is gone with an earlier
 * life, records and clears away those that have ended. */
void
one_offs_look(Rack *rack);

/* timers.c */

/* Runs what has come due up to `now` (real time). */
void
timers_look(Rack *rack, gint64 now);

/* Once a second: has a minute begun? The look is taken in a thread of its own. */
void
timers_tick(Rack *rack);

/* supervisor.c */

/* One-offs are looked at then at the latest (real time). */
void
supervisor_due(Supervisor *supervisor, gint64 time);

Supervisor *
supervisor_new(Rack *rack);

/* Begins to hear events, and looks at every app once. */
void
supervisor_start(Supervisor *supervisor);

/* Ends its threads; events that still come are only read. */
void
supervisor_stop(Supervisor *supervisor);

/* Looks at an app's processes and routes soon. */
void
supervisor_wake(Supervisor *supervisor, const char *app);

void
supervisor_free(Supervisor *supervisor);

/* plan.c: what a release means in processes */

typedef struct {
	const ManifestService *service;
	char *image;
	Env *env; /* what the process gets */
	char *env_hash;
	EngineSettings settings; /* its arrays of structs are owned, its texts the manifest's */
	unsigned count;
	unsigned cpu;
	unsigned memory;
	GStrv hosts; /* lower case; the rack's own name for it first */
	char *host; /* the first, or the rack's own name for an internal service: what health checks
		       say */
} PlanService;

typedef struct {
	char *app;
	Release *release;
	Build *build;
	Manifest *manifest;
	GPtrArray *services; /* of PlanService */
} Plan;

/* Everything that a release needs, checked: manifest, env, images, host names. */
Plan *
plan_make(Rack *rack, const App *app, const char *release, GError **error);

/* True when the app's parameter HostAccess gives it power over the machine. */
bool
app_has_power(const App *app);

void
plan_free(Plan *plan);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plan, plan_free)

const PlanService *
plan_service(const Plan *plan, const char *name);

/* Creates a deployment of the service with `count` processes; its id. */
char *
plan_create(
    Rack *rack, const Plan *plan, const PlanService *service, unsigned count, GError **error);

/* Makes the router know the service (nothing without a port). `slots` must fit at once. */
bool
plan_route(
    Rack *rack, const Plan *plan, const PlanService *service, unsigned slots, GError **error);
