/*
 * A real HAProxy in a temp folder on free ports, small HTTP servers as processes of their own, and
 * clients on raw sockets that never retry: what tests of the router part are made of.
 */
#pragma once

#include "swarm/provider.h"

typedef struct {
	char *folder;
	SwarmOptions options;
	GSubprocess *haproxy;
	GPtrArray *servers; /* GSubprocess * */
	Router *router;
} Fixture;

/* Boots, starts HAProxy, waits until it answers, makes the router and restores it. */
void
fixture_set_up(Fixture *fixture, gconstpointer data);

void
fixture_tear_down(Fixture *fixture, gconstpointer data);

void
fixture_start_haproxy(Fixture *fixture);

void
fixture_stop_haproxy(Fixture *fixture);

/* Starts an HTTP server that answers with `name`; returns its port when it listens.
 *   /slow/N   after N milliseconds    /headers   the request's head    all else   at once
 */
unsigned
fixture_serve(Fixture *fixture, const char *name);

/* A port that nobody listens on. */
unsigned
fixture_free_port(void);

/* Body of the test binary when it is run as such a server: «--serve PORT NAME». */
int
fixture_serve_main(int argc, char **argv);

/* ensure() of app/service with hosts. */
bool
fixture_ensure(Fixture *fixture, const char *app, const char *service, GError **error, ...)
    G_GNUC_NULL_TERMINATED;

/* Connects to the router's HTTP port. */
int
client_connect(const Fixture *fixture);

/* Sends the text and reads until the whole answer is there (Content-Length) or the peer closes;
 * NULL when it closes before. The caller frees it. */
char *
client_send(int fd, const char *text);

/* One request on a connection of its own; the whole answer. */
char *
client_get(const Fixture *fixture, const char *host, const char *path);

unsigned
answer_status(const char *answer);

/* Clients that ask on and on until told to stop, and never ask twice for the same. */
typedef struct Traffic Traffic;

Traffic *
traffic_start(const Fixture *fixture, const char *host, bool keep_alive);

/* Requests that were not answered with 200, and the number of all. */
unsigned
traffic_stop(Traffic *traffic, unsigned *total);
