/*
 * Part: the engine. Runs sets of identical processes (a deployment: one service of one release),
 * places them by cpu and memory, restarts them, and tells what happens to them.
 */
#pragma once

#include "base/env.h"

typedef struct Engine Engine;

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
} EngineSpec;

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
	ProcessState state;
	bool is_wanted; /* the engine means to keep it running */
	bool was_out_of_memory;
	int exit_code; /* of an ended one */
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
	/* Processes of an app (NULL: of all apps); only those that live when `living`. */
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
