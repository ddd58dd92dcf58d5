/*
 * The rack: what the API can ask for, over whatever provider there is. Each verb lives in the file
 * of its noun (apps.c, builds.c, releases.c, promote.c, services.c, supervisor.c). All may be
 * called from many threads.
 */
#pragma once

#include "core/model.h"
#include "core/provider.h"
#include "core/timeline.h"

typedef struct Rack Rack;

/* Takes over the provider. */
Rack *
rack_new(Provider *provider);

/* Recovers what an earlier life left unfinished, then starts the build queue and the supervisor. */
bool
rack_start(Rack *rack, GError **error);

/* Ends the threads: builds are marked failed; promotes go back to the old release and are tried
 * again at the next start. */
void
rack_free(Rack *rack);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rack, rack_free)

/* Borrowed. */
Provider *
rack_provider(Rack *rack);

Timelines *
rack_timelines(Rack *rack);

/* Apps (apps.c) */

/* The name is checked; CONFLICT «app name already in use: x». */
App *
rack_app_create(Rack *rack, const char *name, const char *generation, GError **error);

/* Everything of it goes: processes, host names, images, objects, logs, history. FORBIDDEN while
 * locked or updating. */
bool
rack_app_delete(Rack *rack, const char *name, GError **error);

/* `locked` and `parameters` (object of text) may be NULL: unchanged. */
bool
rack_app_update(
    Rack *rack, const char *name, const bool *locked, const json_t *parameters, GError **error);

/* Stops the running build or promote of the app. FORBIDDEN «app is not updating» when there is
 * none. */
bool
rack_app_cancel(Rack *rack, const char *name, const char *who, GError **error);

/* Builds (builds.c) */

typedef struct {
	const char *source; /* object://APP/KEY, or «» */
	const char *description;
	const char
	    *manifest; /* file name in the archive, or NULL for convox.yml, else Dockerfile alone */
	const char *git_sha;
	const char *const *arguments; /* «NAME=value», or NULL */
	bool is_development;
	bool without_cache;
} BuildOptions;

/* Records a build and queues it; returns at once with status created or running. */
Build *
rack_build_create(Rack *rack, const char *app, const BuildOptions *options, GError **error);

/* Streams the log lines of a build: live while it runs, else what was kept. Ends with the build. */
bool
rack_build_logs(Rack *rack,
    const char *app,
    const char *id,
    LogTake take,
    gpointer data,
    GCancellable *cancel,
    GError **error);

/* Wire: PUT builds/{id}. NULL members are unchanged. */
typedef struct {
	const char *ended;
	const char *started;
	const char *entrypoint;
	const char *logs;
	const char *manifest;
	const char *release;
	const char *status;
} BuildUpdate;

Build *
rack_build_update(
    Rack *rack, const char *app, const char *id, const BuildUpdate *update, GError **error);

/* Releases (releases.c, promote.c) */

typedef struct {
	const char *build;       /* NULL: the latest release's */
	const Env *env;          /* NULL: the latest release's */
	const char *description; /* NULL: made from what changed */
	const char *parent;      /* the release to start from; NULL: the latest */
} ReleaseOptions;

Release *
rack_release_create(Rack *rack, const char *app, const ReleaseOptions *options, GError **error);

typedef struct {
	bool force;               /* while another promote runs: wait for it, then go on */
	const char *who;          /* for the lock's text */
	unsigned timeout_seconds; /* 0: the default */
} PromoteOptions;

/* Checks all that can be known before anything starts (env, manifest, images, host names, room),
 * takes the app's deploy lock and returns when the promote has been accepted; it goes on in a
 * thread of its own, told by the release's timeline and the app's status. */
bool
rack_release_promote(
    Rack *rack, const char *app, const char *id, const PromoteOptions *options, GError **error);

/* Services (services.c) */

/* The wire's services of the active release; an empty list without one. */
json_t *
rack_services(Rack *rack, const char *app, GError **error);

typedef struct {
	gint64 count; /* -1: unchanged */
	gint64 cpu;
	gint64 memory;
} ServiceUpdate;

bool
rack_service_update(
    Rack *rack, const char *app, const char *service, const ServiceUpdate *update, GError **error);

/* New processes of the same release take over from the old ones, without a gap. Returns when
 * accepted. */
bool
rack_service_restart(Rack *rack, const char *app, const char *service, GError **error);

/* Processes */

/* The wire's processes, sorted by «name-id»; `service` and `release` may be NULL. */
json_t *
rack_processes(
    Rack *rack, const char *app, const char *service, const char *release, GError **error);

json_t *
rack_process(Rack *rack, const char *app, const char *process, GError **error);

bool
rack_process_stop(Rack *rack, const char *app, const char *process, GError **error);

/* A one-off: a process of a service's image and environment with a command of its own
 * (one-offs.c). */
typedef struct {
	const char *service;
	const char *name;           /* in lists and logs; NULL: the service's */
	const char *role;           /* ROLE_…, or NULL */
	const char *release;        /* NULL: the live one */
	const char *const *command; /* argv */
	bool without_entrypoint;
	bool is_attached;
	bool has_terminal;
	unsigned height;
	unsigned width;
	unsigned timeout_seconds; /* it is stopped then, and ends with ONE_OFF_TIMED_OUT; 0: none */
	unsigned memory;          /* 0: as the service */
	const Env *env;           /* besides the service's; may be NULL */
	const char *who;
} RunOptions;

#define ONE_OFF_TIMED_OUT 124

/* Starts it; its process id, which the caller frees. With `is_attached` the caller owns `stream`
 * and calls rack_process_run_end afterwards. */
char *
rack_process_run(
    Rack *rack, const char *app, const RunOptions *options, EngineStream **stream, GError **error);

/* An attached one-off whose stream is done with: its exit code (ONE_OFF_TIMED_OUT when its time was
 * over) is recorded, and it is cleared away. */
int
rack_process_run_end(Rack *rack, const char *app, const char *process, int exit_code);

/* A command in a running process; `process` may be a service's name, which means its newest. */
EngineStream *
rack_process_exec(
    Rack *rack, const char *app, const char *process, const EngineExec *exec, GError **error);

/* Where bytes go to or come from. */
typedef struct {
	HttpRead read;
	HttpWrite write;
	gpointer data;
} RackBytes;

/* A file or folder of a running process as a tar; `path` is absolute. */
bool
rack_files_get(Rack *rack,
    const char *app,
    const char *process,
    const char *path,
    const RackBytes *to,
    GCancellable *cancel,
    GError **error);

/* Unpacks a tar at the process's root. */
bool
rack_files_put(Rack *rack,
    const char *app,
    const char *process,
    const RackBytes *from,
    GCancellable *cancel,
    GError **error);

bool
rack_files_delete(Rack *rack,
    const char *app,
    const char *process,
    const char *const *paths,
    GCancellable *cancel,
    GError **error);

/* The address of a running process of this rack by a name of its service; NOT_FOUND for every other
 * host. Names are looked up among the rack's own processes and never in DNS, so that no request can
 * reach the machine itself, its neighbours or a cloud's metadata. The caller frees it. */
char *
rack_address(Rack *rack, const char *host, GError **error);

/* The wire's System. */
json_t *
rack_system(Rack *rack, GError **error);

/* The host name of a service: APP-SERVICE.DOMAIN. The caller frees it. */
char *
rack_host(Rack *rack, const char *app, const char *service);
