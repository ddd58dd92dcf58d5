/*
 * What the files of the fake engine share: deployments.c keeps the state and its thread, engine.c
 * is the part over it, controls.c what tests do to it.
 */
#pragma once

#include "fake/private.h"

typedef enum { STEP_NONE, STEP_START, STEP_EXIT } Step;

/* One process, living or ended. */
typedef struct {
	Process *process;
	FakeServer *server; /* NULL unless it runs and listens */
	Step step;
	gint64 due; /* monotonic time of the step */
} Task;

typedef struct {
	EngineDeployment *deployment;
	FakeBehaviour behaviour; /* its strings are owned */
	GPtrArray *tasks;
} Deployment;

typedef struct {
	EngineEventKind kind;
	char *app;
	char *service;
	char *release;
	char *deployment;
	char *process;
	int exit_code;
	bool is_one_off;
} Event;

typedef struct {
	Engine engine;
	EngineOps operations;
	Logs *logs;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	GThread *thread;
	bool is_stopping;
	GPtrArray *deployments;
	GPtrArray *one_offs;    /* of OneOff */
	GHashTable *behaviours; /* service or «» to FakeBehaviour */
	GQueue events;
	char *down;
	unsigned app_ms; /* how long an app takes to be created */
	char *app_failure;
	unsigned created;
	gint64 cpu;
	gint64 memory;
	pthread_mutex_t watch_lock; /* held while the watcher runs */
	void (*watch)(gpointer data, const EngineEvent *event);
	gpointer watch_data;
} FakeEngine;

/* All with the lock held. */

/* Copies with the strings. */
void
behaviour_copy(FakeBehaviour *to, const FakeBehaviour *from);

void
behaviour_clear(FakeBehaviour *behaviour);

Deployment *
deployment_new(FakeEngine *fake, const EngineSpec *spec);

void
deployment_free(gpointer deployment);

/* NULL when there is none. */
Deployment *
deployment_find(FakeEngine *fake, const char *id);

/* The task and its deployment, or NULL. */
Task *
task_find(FakeEngine *fake, const char *process, Deployment **deployment);

/* One more process, which will start by itself. */
void
task_add(FakeEngine *fake, Deployment *deployment);

bool
task_lives(const Task *task);

/* Ends a living one as `state`; tells about it when it ran. */
void
task_end(FakeEngine *fake, Deployment *deployment, Task *task, ProcessState state, int exit_code);

void
event_queue(
    FakeEngine *fake, EngineEventKind kind, Deployment *deployment, Task *task, int exit_code);

/* Sum over living processes. */
void
reserved(FakeEngine *fake, gint64 *cpu, gint64 *memory);

/* As a listing tells it: without what only locate knows. */
Process *
process_copy(const Process *from);

/* one-offs.c */

typedef struct {
	FakeEngine *fake;
	Process *process;
	pid_t pid;
	EngineStream *stream; /* of a detached one */
	GThread *follower;
} OneOff;

void
one_off_free(gpointer one_off);

/* Takes as long as it is told to; one of the operations while apps take a while. */
bool
fake_add_app(Engine *engine, const char *app, GCancellable *cancel, GError **error);

/* True if it is one; with the lock held. */
bool
one_off_stop(FakeEngine *fake, const char *id);

/* Tells of its end. */
void
event_queue_one_off(FakeEngine *fake, const Process *process);

/* The functions of EngineOps of these names, without the lock. */
char *
fake_run(Engine *engine, const EngineOneOff *one_off, EngineStream **stream, GError **error);

GPtrArray *
fake_one_offs(Engine *engine, const char *app, GError **error);

bool
fake_forget(Engine *engine, const Process *process, GError **error);

EngineStream *
fake_exec(Engine *engine, const Process *process, const EngineExec *exec, GError **error);

bool
fake_archive_get(Engine *engine,
    const Process *process,
    const char *path,
    HttpWrite write,
    gpointer write_data,
    GCancellable *cancel,
    GError **error);

bool
fake_archive_put(Engine *engine,
    const Process *process,
    HttpRead read_bytes,
    gpointer read_data,
    GCancellable *cancel,
    GError **error);

/* The thread: starts and ends what is due, hands out events. */
gpointer
engine_run(gpointer fake);
