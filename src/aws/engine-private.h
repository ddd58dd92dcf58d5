/*
 * What the files of the ECS engine share: engine.c (deployments), engine-spec.c and
 * engine-settings.c (from a spec to ECS's JSON), engine-secrets.c (environments), engine-view.c
 * (what ECS was last seen to hold), engine-processes.c, engine-one-offs.c, engine-files.c,
 * engine-capacity.c, engine-stack.c (an app's stack), engine-events.c.
 */
#pragma once

#include "aws/provider.h"
#include "base/lock.h"

/* On services, tasks and task definitions, so that nothing has to be asked twice to be known. */
#define TAG_RACK "carrack"
#define TAG_APP "carrack:app"
#define TAG_SERVICE "carrack:service"
#define TAG_RELEASE "carrack:release"
#define TAG_ENV "carrack:env" /* env_hash() */
#define TAG_IMAGE "carrack:image"
#define TAG_PORT "carrack:port"
#define TAG_CPU "carrack:cpu"
#define TAG_MEMORY "carrack:memory"
#define TAG_KIND "carrack:kind"         /* KIND_ONE_OFF, or none */
#define TAG_ROLE "carrack:role"         /* of a one-off: ROLE_… */
#define TAG_ATTACHED "carrack:attached" /* of a one-off with a client */
#define TAG_DEADLINE "carrack:deadline" /* of a one-off: microseconds since 1970 */
#define KIND_ONE_OFF "one-off"

/* What ECS was last seen to hold of one deployment, or of the whole cluster. Views are never freed
 * before the engine. */
typedef struct {
	pthread_mutex_t lock; /* held while AWS is asked, so that many askers are one */
	gint64 asked;         /* monotonic */
	int is_changed;       /* atomic: by a call of ours, ask at once */
	int is_stale;         /* atomic: by an event, ask when a second has passed */
	json_t *tasks;        /* DescribeTasks' array; values in it are never changed */
	json_t *service;      /* DescribeServices', or NULL */
} EngineView;

typedef struct {
	char *task;
	char *execution;
} EngineRoles;

typedef struct {
	Engine base;
	AwsRack *rack;
	Router *router; /* NULL in tests of the engine alone */
	Logs *logs;
	GCancellable *closing;
	int has_events; /* atomic: ECS's events do arrive */

	pthread_mutex_t lock;
	GHashTable *views;       /* deployment, «» for the cluster → EngineView */
	GHashTable *roles;       /* app → EngineRoles */
	GHashTable *definitions; /* ARN → DescribeTaskDefinition's, which never changes */
	GHashTable *machines;    /* container instance → address */
	GHashTable *forgotten;   /* ARNs of one-offs' tasks that ECS still shows */
	gint64 answered;         /* monotonic: when ECS last gave an answer */

	pthread_t watcher;
	bool is_watching;
	void (*event)(gpointer data, const EngineEvent *event);
	gpointer event_data;
} EcsEngine;

/* A call of ECS. */
json_t *
ecs_call(EcsEngine *engine, const char *operation, const json_t *input, GError **error);

/* Waits; false at once when the engine is being freed. */
bool
ecs_pause(EcsEngine *engine, unsigned milliseconds);

/* engine-spec.c */

/* «APP-SERVICE-RELEASE», from the second attempt on with «-N». The caller frees it. */
char *
ecs_service_name(const EngineSpec *spec, unsigned attempt);

/* The least pair of a Fargate task that holds both; false with an error when none does. */
bool
ecs_fargate_size(
    unsigned cpu, unsigned memory, unsigned *task_cpu, unsigned *task_memory, GError **error);

/* What the spec asks for that ECS cannot give is an error that names it. */
bool
ecs_spec_check(const EcsEngine *engine, const EngineSpec *spec, GError **error);

/* A tag of a service, task or definition, or NULL. Borrowed. */
const char *
ecs_tag(const json_t *object, const char *name);

unsigned
ecs_tag_number(const json_t *object, const char *name);

json_t *
ecs_tags(const EcsEngine *engine, const EngineSpec *spec, const EngineOneOff *one_off);

/* The input of RegisterTaskDefinition. `one_off` may be NULL; takes nothing over. */
json_t *
ecs_definition(const EcsEngine *engine,
    const EngineSpec *spec,
    const EngineOneOff *one_off,
    const EngineRoles *roles,
    const json_t *environment,
    GError **error);

/* The input of CreateService. `group` may be NULL. */
json_t *
ecs_service(const EcsEngine *engine,
    const EngineSpec *spec,
    const char *name,
    const char *definition,
    const char *group);

/* Adds where tasks run: capacity provider, and on Fargate the network. */
void
ecs_add_place(const EcsEngine *engine, json_t *input);

/* engine-settings.c */

bool
ecs_settings_check(const EcsEngine *engine, const EngineSpec *spec, GError **error);

/* Adds what the spec's settings say to a container's definition and volumes to its task's. */
void
ecs_settings_add(const EngineSpec *spec, json_t *container, json_t *definition);

/* engine-secrets.c */

/* Makes the secrets of an environment. The answer is {"secrets", "environment"} of a container's
 * definition; the caller owns it. */
json_t *
ecs_secrets_make(EcsEngine *engine, const EngineSpec *spec, GError **error);

/* Deletes the secrets that a container's «secrets» refer to. */
bool
ecs_secrets_remove(EcsEngine *engine, const json_t *secrets, GError **error);

/* Deletes all that an app has, also what a crash has left. */
bool
ecs_secrets_remove_all(EcsEngine *engine, const char *app, GError **error);

/* engine.c */

/* Registers a definition with its secrets: the ARN, which the caller frees. */
char *
ecs_define(EcsEngine *engine, const EngineSpec *spec, const EngineOneOff *one_off, GError **error);

/* Takes a definition and its secrets away. Not an error when they are gone. */
bool
ecs_undefine(EcsEngine *engine, const char *definition, GError **error);

/* A definition as ECS has it, asked for once. The caller owns it. */
json_t *
ecs_definition_of(EcsEngine *engine, const char *arn, GError **error);

GPtrArray *
ecs_deployments(Engine *engine, const char *app, GError **error);

bool
ecs_remove(Engine *engine, const char *deployment, GError **error);

/* engine-view.c */

void
ecs_view_free(gpointer view);

/* The tasks of a deployment (NULL: of the cluster), not older than a second, or than five while
 * events arrive and nothing has happened. The caller owns the array and changes nothing in it. */
json_t *
ecs_view_tasks(EcsEngine *engine, const char *deployment, GError **error);

/* The service of a deployment as last seen, or NULL. The caller owns it. */
json_t *
ecs_view_service(EcsEngine *engine, const char *deployment);

/* Remembers what a call of ours has answered of a service, and that its tasks will change. */
void
ecs_view_learn(EcsEngine *engine, const char *deployment, json_t *service);

/* Something has happened; `by_us`: ask at once. */
void
ecs_view_expire(EcsEngine *engine, const char *deployment, bool by_us);

/* Names of services that were made in the last half minute: a list may lack them. Elements are
 * char *. */
GPtrArray *
ecs_view_fresh(EcsEngine *engine);

/* engine-processes.c */

/* The first 12 hex digits of a task's id, from its ARN. The caller frees it. */
char *
ecs_process_id(const char *task);

/* NULL when the task is none of an app's. The caller owns it. */
Process *
ecs_read_task(EcsEngine *engine, const json_t *task);

bool
ecs_has_ended(const Process *process);

GPtrArray *
ecs_processes(Engine *engine, const char *deployment, GError **error);

GPtrArray *
ecs_processes_of_app(Engine *engine, const char *app, bool living, GError **error);

GPtrArray *
ecs_system_processes(Engine *engine, GError **error);

bool
ecs_locate(Engine *engine, Process *process, GError **error);

bool
ecs_stop(Engine *engine, const char *app, const char *process, GError **error);

GPtrArray *
ecs_last_lines(Engine *engine, const Process *process, unsigned count, GError **error);

GPtrArray *
ecs_listening(Engine *engine, const Process *process);

/* engine-reasons.c: from a task that has ended to what core makes failures of */

/* A time of ECS's JSON (seconds with a fraction) in microseconds; 0 when there is none. */
gint64
ecs_time(const json_t *object, const char *member);

/* Sets state, reason, exit code and was_out_of_memory of a process that has ended. */
void
ecs_read_end(Process *process, const json_t *task, const json_t *container);

/* What a service's newest event says when it keeps tasks from being started: sets `state` and
 * returns the words (the caller frees them), or NULL. */
char *
ecs_read_trouble(const json_t *service, ProcessState *state);

/* engine-one-offs.c */

char *
ecs_run(Engine *engine, const EngineOneOff *one_off, EngineStream **stream, GError **error);

GPtrArray *
ecs_one_offs(Engine *engine, const char *app, GError **error);

bool
ecs_forget(Engine *engine, const Process *one_off, GError **error);

EngineStream *
ecs_exec(Engine *engine, const Process *process, const EngineExec *exec, GError **error);

/* engine-files.c */

bool
ecs_archive_get(Engine *engine,
    const Process *process,
    const char *path,
    HttpWrite write,
    gpointer write_data,
    GCancellable *cancel,
    GError **error);

bool
ecs_archive_put(Engine *engine,
    const Process *process,
    HttpRead read,
    gpointer read_data,
    GCancellable *cancel,
    GError **error);

/* engine-capacity.c */

bool
ecs_capacity(Engine *engine, EngineCapacity *capacity, GError **error);

/* The private address of a container instance, asked for once. The caller frees it. */
char *
ecs_machine_address(EcsEngine *engine, const char *instance, GError **error);

/* engine-stack.c */

void
ecs_roles_free(gpointer roles);

/* The roles of an app's stack, asked for once. The caller frees them. */
EngineRoles *
ecs_roles_of(EcsEngine *engine, const char *app, GError **error);

bool
ecs_add_app(Engine *engine, const char *app, GCancellable *cancel, GError **error);

bool
ecs_remove_app(Engine *engine, const char *app, GError **error);

/* engine-events.c */

void
ecs_watch(Engine *engine, void (*event)(gpointer data, const EngineEvent *event), gpointer data);
