/*
 * Part: the engine. Runs sets of identical processes (a deployment: one service of one release),
 * places them by cpu and memory, restarts them, and tells what happens to them.
 */
#pragma once

#include "base/env.h"
#include "base/http.h"

typedef struct Engine Engine;
typedef struct EngineStream EngineStream;

typedef enum {
	ENGINE_MOUNT_MEMORY,  /* a file system in memory */
	ENGINE_MOUNT_VOLUME,  /* kept over releases, made when it is not there */
	ENGINE_MOUNT_MACHINE, /* a folder of the machine, which must be there */
} EngineMountKind;

/* A place among a process's files that is not the image's. */
typedef struct {
	EngineMountKind kind;
	const char *source; /* a volume's name within the app, or the machine's folder */
	const char *target; /* NULL ends an array */
	gint64 size;        /* of one in memory, bytes; 0: the engine's own */
	unsigned mode;      /* of one in memory; 0: the engine's own */
	bool is_read_only;
} EngineMount;

/* A limit of the kernel, as «nofile»; -1 is none. */
typedef struct {
	const char *name; /* NULL ends an array */
	gint64 soft;
	gint64 hard;
} EngineLimit;

/* How a process is run, besides its command. Zero and NULL: as the image says. An engine that
 * cannot do one of them refuses the spec and names it; it never passes over it. */
typedef struct {
	const char *const *entrypoint; /* argv instead of the image's */
	const char *user;              /* «name», «1000», «1000:1000» */
	const char *folder;            /* that it starts in */
	const char *stop_signal;
	const char *const *groups;
	const char *const *capabilities_added; /* without CAP_ */
	const char *const *capabilities_dropped;
	const char *const *hosts; /* «name:address» */
	const EngineLimit *limits;
	const EngineMount *mounts;
	bool is_read_only; /* all but its mounts */
} EngineSettings;

/* What is to run. Strings are borrowed for the call. */
typedef struct {
	const char *app;
	const char *service;
	const char *release;
	const char *image;          /* by digest or id, never by tag */
	const char *const *command; /* argv, or NULL */
	const Env *env;             /* byte-exact */
	unsigned count;
	unsigned cpu;          /* 1024 = one core, reserved; 0: none */
	unsigned memory;       /* MiB, reserved and the limit; 0: none */
	unsigned memory_limit; /* MiB, when memory is 0; 0: none */
	unsigned port;         /* 0: none */
	unsigned termination;  /* seconds from SIGTERM to SIGKILL */
	bool has_init;
	const EngineSettings *settings; /* NULL: none */
} EngineSpec;

/* Of one-offs that the rack starts by itself. Their `service` is a name that is no service's. */
#define ROLE_RELEASE "release"
#define ROLE_TIMER "timer"

/* A one-off: a process with a command of its own, as the service would run it. It is never replaced
 * and gets no requests. */
typedef struct {
	const EngineSpec *spec; /* its `command` is the one-off's */
	const char *role;       /* what it is for, kept with the process: ROLE_…, or NULL */
	bool without_entrypoint;
	bool is_attached; /* talked to through a stream; what it writes is not in the logs */
	bool has_terminal;
	unsigned height; /* of the terminal; 0: unknown */
	unsigned width;
	gint64 deadline; /* real time; kept with the process, for whoever stops it then; 0: none */
} EngineOneOff;

/* A command in a process that runs. */
typedef struct {
	const char *const *command;
	bool with_entrypoint; /* the image's entrypoint before it */
	bool has_terminal;
	unsigned height;
	unsigned width;
} EngineExec;

/* Both ends of a command. One thread reads while another writes. */
typedef struct {
	/* What it writes: the count, 0 at its end, -1 with `error` set. `is_error` tells stderr
	 * from stdout (never on a terminal). */
	gssize (*read)(EngineStream *stream,
	    void *buffer,
	    gsize size,
	    bool *is_error,
	    GCancellable *cancel,
	    GError **error);
	/* Waits until ENGINE_STREAM_PIECE bytes of input can be written without waiting. 1 then, 0
	 * after `milliseconds`, -1 with `error` set when it takes no input any more. */
	int (*wait_room)(
	    EngineStream *stream, int milliseconds, GCancellable *cancel, GError **error);
	bool (*write)(EngineStream *stream,
	    const void *bytes,
	    gsize length,
	    GCancellable *cancel,
	    GError **error);
	/* End of input; the command goes on. */
	void (*end_input)(EngineStream *stream);
	/* Of the terminal; nothing without one. */
	bool (*resize)(EngineStream *stream, unsigned height, unsigned width, GError **error);
	/* Waits for its end, after `read` has told of the end of what it writes. 126: it could not
	 * be run, 127: there is no such command, 128 and more: ended by a signal. */
	bool (*exit_code)(
	    EngineStream *stream, int *exit_code, GCancellable *cancel, GError **error);
	/* Ends the command and what it has started, within three seconds. */
	void (*kill)(EngineStream *stream);
	void (*free)(EngineStream *stream);
} EngineStreamOps;

#define ENGINE_STREAM_PIECE 4096

struct EngineStream {
	const EngineStreamOps *ops;
};

void
engine_stream_free(EngineStream *stream);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EngineStream, engine_stream_free)

/* A deployment as the engine has it. */
typedef struct {
	char *id;
	char *name;
	char *app;
	char *service;
	char *release;
	char *image;
	char *env_hash; /* env_hash() of the spec's env */
	unsigned count; /* wanted */
	unsigned cpu;
	unsigned memory;
	unsigned port;
	gint64 created;
} EngineDeployment;

typedef enum {
	PROCESS_PENDING, /* not placed yet; `reason` says why */
	PROCESS_STARTING,
	PROCESS_RUNNING,
	PROCESS_STOPPING,
	PROCESS_FAILED,   /* ended by itself, or could not start */
	PROCESS_COMPLETE, /* ended with 0, or was told to stop */
} ProcessState;

/* One process: a task and its container. */
typedef struct {
	char *id; /* 12 characters, the wire's process id */
	char *deployment;
	char *app;
	char *service;
	char *release;
	char *node;
	char *container; /* «» until there is one */
	char *image;     /* what it really runs, as the engine tells it */
	char *env_hash;  /* of its deployment */
	char *address;   /* reachable from the router; NULL until known (engine_ops.locate) */
	char *command;   /* for people */
	char *reason;    /* the engine's words on pending and failed, or «» */
	char *role;      /* of a one-off: ROLE_…; else «» or NULL */
	ProcessState state;
	bool is_wanted; /* the engine means to keep it running */
	bool was_out_of_memory;
	bool is_one_off;
	bool is_attached; /* a one-off whose end is its client's */
	gint64 deadline;  /* of a one-off, or 0 */
	int exit_code;    /* of an ended one */
	unsigned port;
	unsigned cpu;
	unsigned memory;
	gint64 started;
} Process;

typedef enum {
	ENGINE_EVENT_START,
	ENGINE_EVENT_DIE,
	ENGINE_EVENT_OUT_OF_MEMORY,
	ENGINE_EVENT_RECONNECTED, /* events may have been missed: look at everything anew */
} EngineEventKind;

typedef struct {
	EngineEventKind kind;
	const char *app;
	const char *service;
	const char *release;
	const char *deployment;
	const char *process; /* the wire's process id */
	const char *container;
	bool is_one_off;
	int exit_code;
} EngineEvent;

typedef struct {
	unsigned nodes;
	gint64 cpu;      /* 1024 = one core, over all nodes */
	gint64 memory;   /* MiB */
	gint64 cpu_free; /* not reserved, on the node with the most */
	gint64 memory_free;
} EngineCapacity;

typedef struct {
	/* What an app needs before its first build and that takes a while to make (on AWS its
	 * stack, under a minute). Making it again is no error. May be NULL: then there is nothing.
	 */
	bool (*add_app)(Engine *engine, const char *app, GCancellable *cancel, GError **error);
	/* Creates the deployment (the app's network too, on the first) and returns its id; its
	 * processes come up by themselves. */
	char *(*create)(Engine *engine, const EngineSpec *spec, GError **error);
	/* Changes how many processes are wanted. */
	bool (*scale)(Engine *engine, const char *deployment, unsigned count, GError **error);
	/* Takes a deployment away; its processes get SIGTERM soon after. Not an error when it is
	 * gone. */
	bool (*remove)(Engine *engine, const char *deployment, GError **error);
	/* All deployments of an app (NULL: of the rack). Elements are EngineDeployment *. */
	GPtrArray *(*deployments)(Engine *engine, const char *app, GError **error);
	/* Processes of a deployment, ended ones too (they carry the reasons). Elements are Process
	 * *. One cheap call. */
	GPtrArray *(*processes)(Engine *engine, const char *deployment, GError **error);
	/* Processes of an app (NULL: of all apps), one-offs too; only those that live when
	 * `living`. */
	GPtrArray *(*processes_of_app)(
	    Engine *engine, const char *app, bool living, GError **error);
	/* Finds out where a running process is reached (fills address, image), or an ended one's
	 * exit code and was_out_of_memory. */
	bool (*locate)(Engine *engine, Process *process, GError **error);
	/* Stops one process; the engine replaces it. */
	bool (*stop)(Engine *engine, const char *app, const char *process, GError **error);
	/* The last lines a process has written, straight from the engine, oldest first; char *,
	 * freed with the array. */
	GPtrArray *(*last_lines)(
	    Engine *engine, const Process *process, unsigned count, GError **error);
	/* TCP ports that a running process listens on, as «0.0.0.0:8080»; empty when it cannot be
	 * told. */
	GPtrArray *(*listening)(Engine *engine, const Process *process);
	/* Starts a one-off and returns its process id. With `is_attached` nothing of it is lost
	 * from the first byte on, and `stream` (else unused) is the caller's. A command that cannot
	 * be run is an error unless it is attached: then its stream tells. */
	char *(*run)(
	    Engine *engine, const EngineOneOff *one_off, EngineStream **stream, GError **error);
	/* One-offs of an app (NULL: of all), ended ones with their exit code too, until they are
	 * forgotten. */
	GPtrArray *(*one_offs)(Engine *engine, const char *app, GError **error);
	/* Clears an ended one-off away when all that it has written is stored. Not an error when it
	 * is gone. */
	bool (*forget)(Engine *engine, const Process *one_off, GError **error);
	/* Runs a command in a process. FORBIDDEN when that does not run. */
	EngineStream *(*exec)(
	    Engine *engine, const Process *process, const EngineExec *exec, GError **error);
	/* A file or folder of a process as an uncompressed tar, whose names begin with the last
	 * part of `path`. NOT_FOUND when there is none. */
	bool (*archive_get)(Engine *engine,
	    const Process *process,
	    const char *path,
	    HttpWrite write,
	    gpointer write_data,
	    GCancellable *cancel,
	    GError **error);
	/* Unpacks a tar at the root of a process's files. */
	bool (*archive_put)(Engine *engine,
	    const Process *process,
	    HttpRead read,
	    gpointer read_data,
	    GCancellable *cancel,
	    GError **error);
	bool (*capacity)(Engine *engine, EngineCapacity *capacity, GError **error);
	/* Calls `event` from a thread of the engine's own until the engine is freed. Set once,
	 * before the first deployment. */
	void (*watch)(
	    Engine *engine, void (*event)(gpointer data, const EngineEvent *event), gpointer data);
	/* What belongs to the app alone (its network) goes, with all its deployments. */
	bool (*remove_app)(Engine *engine, const char *app, GError **error);
	/* The rack's own processes (wire: GET /system/processes). */
	GPtrArray *(*system_processes)(Engine *engine, GError **error);
	/* False with the reason while the engine cannot be reached. */
	bool (*ping)(Engine *engine, GError **error);
	void (*free)(Engine *engine);
} EngineOps;

struct Engine {
	const EngineOps *ops;
};

void
process_free(Process *process);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Process, process_free)

void
engine_deployment_free(EngineDeployment *deployment);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EngineDeployment, engine_deployment_free)

/* The wire's word: pending, starting, running, stopping, failed, complete. */
const char *
process_state_name(ProcessState state);
