/*
 * A provider in memory, for tests of core and api without an engine. Processes are small real HTTP
 * servers on 127.0.0.1; what they and the other parts do wrong is set here, by the provider they
 * belong to. Everything may be called from any thread.
 *
 * A world outlives its providers, as a machine outlives carrackd: free the rack, make another
 * provider of the same world, and start a new rack on what the old one left.
 */
#pragma once

#include "core/provider.h"

typedef struct FakeWorld FakeWorld;

FakeWorld *
fake_world_new(void);

void
fake_world_free(FakeWorld *world);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeWorld, fake_world_free)

/* One at a time; the world must outlive it. */
Provider *
fake_world_provider(FakeWorld *world);

/* A provider with a world of its own, which goes with it. Name «fake», domain «fake.test». */
Provider *
fake_provider_new(void);

/* How processes of a deployment behave; zero is good behaviour. Strings are copied. */
typedef struct {
	unsigned start_ms; /* from create to running */
	bool exits;        /* ends with exit_code, exit_after_ms after it has started */
	int exit_code;
	unsigned exit_after_ms;
	bool is_out_of_memory;   /* with exits: killed by the kernel, exit code 137 */
	bool is_silent;          /* runs, but never listens */
	unsigned health_status;  /* what HTTP requests are answered with; 0: 200 */
	unsigned ready_after_ms; /* answers 503 until then */
	const char *pending;     /* stays pending with this reason, or NULL */
	const char *lines;       /* what it writes when it starts, newlines between; or NULL */
	const char *listening;   /* what `listening` tells, or NULL for the truth */
	const char *image;       /* what it really runs, or NULL for what was asked for */
} FakeBehaviour;

/* For deployments of this service (NULL: of all that have none of their own) created from now on.
 * `behaviour` NULL: good again. */
void
fake_behave(Provider *provider, const char *service, const FakeBehaviour *behaviour);

/* Apps take this long to be created from now on, and fail then when `failure` is not NULL; with 0
 * milliseconds they are there at once again. */
void
fake_apps_take(Provider *provider, unsigned milliseconds, const char *failure);

/* Ends a running process now; the engine tells (DIE) and replaces it. False if there is no such. */
bool
fake_crash(Provider *provider, const char *process, int exit_code);

/* Kills it for want of memory: OUT_OF_MEMORY, DIE 137. */
bool
fake_kill_out_of_memory(Provider *provider, const char *process);

/* What a running process answers with from now on. */
bool
fake_health(Provider *provider, const char *process, unsigned status);

/* Of the one node; 4096 and 8192 at first. What does not fit stays pending. */
void
fake_capacity(Provider *provider, gint64 cpu, gint64 memory);

/* Sends RECONNECTED. */
void
fake_reconnect(Provider *provider);

/* While set, every call of the engine that may fail does, with this text (UNAVAILABLE). NULL: well
 * again. */
void
fake_engine_down(Provider *provider, const char *text);

/* How many deployments have been created ever. */
unsigned
fake_created(Provider *provider);

/* The same for the router: ensure, add and request fail (UPSTREAM). */
void
fake_router_down(Provider *provider, const char *text);

/* The router loses everything, as after its restart; restore brings the backends back, empty. */
void
fake_router_forget(Provider *provider);

/* Builds write `lines` (newlines between) and fail with `error` (INVALID). NULL: they succeed. */
void
fake_builds_fail(Provider *provider, const char *lines, const char *error);

/* Builds wait, until cancelled or let go. */
void
fake_builds_block(Provider *provider, bool block);

/* Waits up to `wait_ms` until so many builds stand blocked. */
bool
fake_builds_wait_blocked(Provider *provider, unsigned count, unsigned wait_ms);

/* The port that images of later builds expose; 3000 at first. */
void
fake_builds_port(Provider *provider, unsigned port);

/* Images are gone from the registry (NULL: all of them). */
void
fake_images_forget(Provider *provider, const char *reference);

/* What free_space answers. */
void
fake_objects_space(Provider *provider, gint64 bytes);
