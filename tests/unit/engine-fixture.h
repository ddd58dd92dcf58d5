/*
 * A real engine for tests: the machine's Docker as a swarm of one, logs in a temp folder, apps of
 * the rack `enginehelp`. Waiting is for a condition with a deadline.
 */
#pragma once

#include "swarm/provider.h"

#define FIXTURE_RACK "enginehelp"
#define FIXTURE_RELEASE "RAAAAAAAAAA"

typedef struct {
	Docker *docker;
	Logs *logs;
	Engine *engine;
	char *folder;
	char *image;
	const char *app;
	pthread_mutex_t lock;
	GPtrArray *events; /* of char *: «die web PROCESS 7» */
} Fixture;

void
fixture_open(Fixture *fixture, gconstpointer app);

/* The app is removed with all it has. */
void
fixture_close(Fixture *fixture, gconstpointer app);

/* Frees the engine (and its collector) and makes a new one that watches. */
void
fixture_restart_engine(Fixture *fixture);

/* A spec of the app's service `web` that runs perl. */
EngineSpec
fixture_spec(Fixture *fixture, const Env *env, const char *const *command);

/* Creates it; the caller frees the id. */
char *
fixture_create(Fixture *fixture, const EngineSpec *spec);

/* Waits up to 30 s for a process of the deployment in this state; the caller frees it. */
Process *
fixture_wait(Fixture *fixture, const char *deployment, ProcessState state);

/* Waits until this many processes run. */
void
fixture_wait_running(Fixture *fixture, const char *deployment, unsigned count);

/* Waits for an event that begins so; the caller frees it. */
char *
fixture_wait_event(Fixture *fixture, const char *prefix);

/* GET of a process's port, the body; the caller frees it. Waits until it listens. */
HttpAnswer *
fixture_get(Fixture *fixture, const Process *process);

/* Texts of an app's lines of one kind, in order. */
GPtrArray *
fixture_lines(Fixture *fixture, const char *kind);

/* Waits until there are this many. */
GPtrArray *
fixture_wait_lines(Fixture *fixture, const char *kind, unsigned count);

/* Between two looks at a condition. False when `deadline` (of fixture_deadline) has passed. */
bool
fixture_again(gint64 deadline);

gint64
fixture_deadline(unsigned seconds);
