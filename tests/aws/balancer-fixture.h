/*
 * A router over MiniStack's balancer and a store in memory, small HTTP servers as processes, and
 * what ECS would do: register them. The environment says where the balancer is (test_router.py).
 */
#pragma once

#include "aws/provider.h"
#include "fake/fake.h"
#include "unit/small-server.h"

/* A process: answers with its name. */
typedef struct {
	char *name;
	SmallServer *server;
	unsigned port;
	gint status;   /* atomic: of all its answers */
	gint delay_ms; /* atomic: before an answer to /slow */
} Web;

typedef struct {
	FakeWorld *world;
	Provider *provider; /* its store is used */
	AwsRack *rack;
	Router *router;
	GPtrArray *webs; /* Web * */
} Fixture;

void
fixture_set_up(Fixture *fixture, gconstpointer data);

void
fixture_tear_down(Fixture *fixture, gconstpointer data);

/* Another router over the same store: carrackd has been restarted. */
void
fixture_restart(Fixture *fixture);

/* A wish with which most tests begin: http, health on /, drain of a second. */
RouterBackend
fixture_wish(const char *app, const char *const *hosts);

/* ensure() of APP/web, which must succeed. */
void
fixture_ensure(Fixture *fixture, const char *app, const char *first, ...) G_GNUC_NULL_TERMINATED;

Web *
fixture_serve(Fixture *fixture, const char *name);

/* What the engine does at create: the group for a release. The caller frees it. */
char *
fixture_group(Fixture *fixture, const char *app, const char *release);

/* What ECS does when a task runs, and when it has ended. */
void
fixture_register(Fixture *fixture, const char *group, const Web *web);

void
fixture_deregister(Fixture *fixture, const char *group, const Web *web);

/* A release of one process: group, registration, add. The caller frees the group's ARN. */
char *
fixture_release(Fixture *fixture, const char *app, const char *release, Web *web);

void
fixture_add(Fixture *fixture, const char *app, const Web *web);

/* Status of a request through the balancer; `body` (may be NULL) is freed by the caller. */
int
fixture_get(Fixture *fixture, const char *host, char **body);

void
fixture_assert(Fixture *fixture, const char *host, int status, const char *word);

/* An ELBv2 call of the test's own; the list at `items` of its answer. */
json_t *
fixture_call(Fixture *fixture, const char *operation, json_t *input, const char *items);

/* All calls of this action so far; NULL: of all actions. */
unsigned
fixture_calls(Fixture *fixture, const char *action);

/* The rules of the listener but the default one, in order. */
json_t *
fixture_rules(Fixture *fixture);

/* Weight of a group in a rule, -1 when it is not there. */
int
fixture_weight(Fixture *fixture, const char *group);

/* RouterOps of APP/web, which must succeed. */
void
fixture_drain(Fixture *fixture, const char *app, const char *process);

bool
fixture_wait_drained(Fixture *fixture, const char *app, const char *process, unsigned seconds);

void
fixture_remove(Fixture *fixture, const char *app, const char *process);

GPtrArray *
fixture_servers(Fixture *fixture, const char *app);

/* A target's state as the balancer tells it, «none» when it is not there. Borrowed. */
const char *
fixture_state(Fixture *fixture, const char *group, const Web *web);

void
fixture_wait_state(Fixture *fixture, const char *group, const Web *web, const char *wish);

typedef struct Traffic Traffic;

/* Asks on and on, never twice for the same. */
Traffic *
traffic_start(Fixture *fixture, const char *host, const char *path);

/* Requests that were not answered with 200, and the number of all. */
unsigned
traffic_stop(Traffic *traffic, unsigned *total);

/* router-switch-test.c */
void
add_switch_tests(void);

#define ROUTER(fixture) (fixture)->router->ops

#define TEST(path, function)                                                                       \
	g_test_add("/balancer/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)
