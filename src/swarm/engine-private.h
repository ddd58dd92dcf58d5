/*
 * What the engine's files share: engine.c (deployments as a whole), engine-spec.c (from a spec to
 * the engine's JSON), engine-processes.c (tasks and their containers), engine-events.c.
 */
#pragma once

#include "core/engine.h"
#include "core/logs.h"
#include "swarm/collector.h"
#include "swarm/docker.h"

/* On services and containers alike. */
#define LABEL_RACK "carrack.rack"
#define LABEL_APP "carrack.app"
#define LABEL_SERVICE "carrack.service"
#define LABEL_RELEASE "carrack.release"
#define LABEL_ENV "carrack.env" /* env_hash() */
#define LABEL_PORT "carrack.port"
#define LABEL_PART "carrack.part"         /* of the rack itself: api, router, registry */
#define LABEL_KIND "carrack.kind"         /* KIND_ONE_OFF, or none */
#define LABEL_ATTACHED "carrack.attached" /* of a one-off with a client; its output is its own */
#define LABEL_DEADLINE "carrack.deadline" /* of a one-off: microseconds since 1970 */
#define LABEL_ROLE "carrack.role"         /* of a one-off that the rack started by itself */
#define KIND_ONE_OFF "one-off"

/* On containers, from Swarm. */
#define LABEL_SWARM_TASK "com.docker.swarm.task.id"
#define LABEL_SWARM_SERVICE "com.docker.swarm.service.id"
#define LABEL_SWARM_NODE "com.docker.swarm.node.id"

#define MEBIBYTE (1024 * 1024)

typedef struct {
	Engine base;
	Docker *docker;
	char *rack;
	char *host_proc;
	Collector *collector;
	GCancellable *closing;
	pthread_mutex_t networks; /* held while one is looked for and created */
	pthread_t watcher;
	bool is_watching;
	void (*event)(gpointer data, const EngineEvent *event);
	gpointer event_data;
} SwarmEngine;

/* The last 12 characters of a task's id: the wire's process id. A part of `task`. */
const char *
engine_process_id(const char *task);

/* «filters=…» for what carries the rack's label, and the app's unless it is NULL. */
char *
engine_label_filter(const char *rack, const char *app);

/* «filters=…» with one name and one value. */
char *
engine_filter(const char *name, const char *value);

/* Reserved, in the units of EngineSpec. */
unsigned
engine_cpu(const json_t *task_template);

unsigned
engine_memory(const json_t *task_template);

/* Waits; false at once when the engine is being freed. */
bool
engine_pause(SwarmEngine *engine, unsigned milliseconds);

/* engine-spec.c */

/* A value that Swarm's template expansion turns back into the one given. The caller frees it. */
char *
engine_escape_template(const char *value);

/* A Swarm service's name: at most 63 characters. `attempt` counts from 1. The caller frees it. */
char *
engine_service_name(const EngineSpec *spec, unsigned attempt);

/* The body of /services/create. */
json_t *
engine_service_spec(
    const SwarmEngine *engine, const EngineSpec *spec, const char *name, const char *network);

/* engine-settings.c */

/* Both add what the spec's settings say, if it has any. */
void
engine_settings_service(const SwarmEngine *engine, json_t *container, const EngineSpec *spec);

void
engine_settings_container(const SwarmEngine *engine, json_t *body, const EngineSpec *spec);

/* The engine's name of an app's volume. The caller frees it. */
char *
engine_volume_name(const SwarmEngine *engine, const char *app, const char *volume);

/* engine-network.c */

/* The id of the app's network, created if there is none. The caller frees it. */
char *
engine_network_ensure(SwarmEngine *engine, const char *app, GError **error);

/* Removes it when its last endpoint has gone; waits for that. Not an error when it is gone. */
bool
engine_network_remove(SwarmEngine *engine, const char *app, GError **error);

/* engine-processes.c: the functions of EngineOps of these names */

GPtrArray *
engine_processes(Engine *engine, const char *deployment, GError **error);

GPtrArray *
engine_processes_of_app(Engine *engine, const char *app, bool living, GError **error);

GPtrArray *
engine_system_processes(Engine *engine, GError **error);

/* engine-containers.c */

bool
engine_locate(Engine *engine, Process *process, GError **error);

bool
engine_stop(Engine *engine, const char *app, const char *process, GError **error);

GPtrArray *
engine_last_lines(Engine *engine, const Process *process, unsigned count, GError **error);

GPtrArray *
engine_listening(Engine *engine, const Process *process);

/* The container of a process, for an exec or files; FORBIDDEN while it has none. Borrowed. */
const char *
engine_container(const Process *process, GError **error);

/* engine-spec.c */

/* What a process runs as, for a container that is not Swarm's. */
json_t *
engine_labels(const SwarmEngine *engine, const EngineSpec *spec);

json_t *
engine_log_driver(const char *name_member, const char *options_member);

/* engine-one-offs.c */

char *
engine_run(Engine *engine, const EngineOneOff *one_off, EngineStream **stream, GError **error);

GPtrArray *
engine_one_offs(Engine *engine, const char *app, GError **error);

bool
engine_forget(Engine *engine, const Process *one_off, GError **error);

/* Stops and removes all one-offs of an app. */
bool
engine_one_offs_remove(SwarmEngine *engine, const char *app, GError **error);

/* The container of a one-off, or NULL. The caller frees it. */
char *
engine_one_off_container(SwarmEngine *engine, const char *app, const char *process);

/* engine-exec.c */

EngineStream *
engine_exec(Engine *engine, const Process *process, const EngineExec *exec, GError **error);

/* The end of an exec'd command and of what it has started; there is no call of the engine for it.
 */
void
engine_exec_kill(SwarmEngine *engine, const char *container, const char *exec);

/* engine-stream.c */

typedef struct {
	const char *container; /* of an attached one-off */
	const char *exec;      /* or the id of an exec in it, or NULL */
	bool has_terminal;
} EngineStreamSource;

/* Takes over the connection. With NULL instead, the command could not be run: `refusal` is the
 * engine's text, which the stream tells. */
EngineStream *
engine_stream_new(SwarmEngine *engine,
    HttpConnection *connection,
    const EngineStreamSource *source,
    const char *refusal);

/* engine-files.c */

bool
engine_archive_get(Engine *engine,
    const Process *process,
    const char *path,
    HttpWrite write,
    gpointer write_data,
    GCancellable *cancel,
    GError **error);

bool
engine_archive_put(Engine *engine,
    const Process *process,
    HttpRead read,
    gpointer read_data,
    GCancellable *cancel,
    GError **error);

/* engine-events.c */

void
engine_watch(Engine *engine, void (*event)(gpointer data, const EngineEvent *event), gpointer data);
