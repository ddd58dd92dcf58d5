/*
 * Part: the router. Host names to backends, backends to processes. A backend is one service of one
 * app; its servers are the addresses of processes that have been proven healthy by us before they
 * come here.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef struct Router Router;

typedef enum { SERVER_READY, SERVER_DRAIN } ServerState;

/* A server of a backend, as the router has it now. */
typedef struct {
	char *address;
	unsigned port;
	char *process; /* the process it was added for */
	ServerState state;
	bool is_up; /* its own checks say so */
	unsigned sessions;
} RouterServer;

/* What a backend has to be. Strings are borrowed for the call. */
typedef struct {
	const char *app;
	const char *service;
	const char *const
	    *hosts;         /* lower case, exact or «*.x.test»; none: no way in from outside */
	const char *scheme; /* http, https, grpc */
	const char *health_path;  /* the router's own later checks; NULL: connect only */
	const char *health_host;  /* Host header of those */
	unsigned health_interval; /* seconds */
	unsigned health_timeout;
	unsigned drain; /* seconds that requests in flight get */
	unsigned slots; /* servers that must fit at once */
	bool is_sticky;
} RouterBackend;

typedef struct {
	/* Makes the backend and its host names be so. Cheap when nothing changes; a change of
	 * structure reloads the router without losing a request. A host that another app has is
	 * CARRACK_ERROR_CONFLICT: «www.shop.test is used by app a». */
	bool (*ensure)(Router *router, const RouterBackend *backend, GError **error);
	/* Fails as ensure does, but changes nothing. */
	bool (*check_hosts)(Router *router,
	    const char *app,
	    const char *service,
	    const char *const *hosts,
	    GError **error);
	/* Gives the backend one more server and sends requests to it; returns when the router has
	 * confirmed it UP. */
	bool (*add)(Router *router,
	    const char *app,
	    const char *service,
	    const char *process,
	    const char *address,
	    unsigned port,
	    GError **error);
	/* No new requests for it; those in flight go on. Unknown processes are not an error. */
	bool (*drain)(Router *router,
	    const char *app,
	    const char *service,
	    const char *process,
	    GError **error);
	/* Back to serving after drain. */
	bool (*ready)(Router *router,
	    const char *app,
	    const char *service,
	    const char *process,
	    GError **error);
	/* Waits until a draining server has no session left (`is_drained`) or `seconds` have
	 * passed. */
	bool (*wait_drained)(Router *router,
	    const char *app,
	    const char *service,
	    const char *process,
	    unsigned seconds,
	    bool *is_drained,
	    GCancellable *cancel,
	    GError **error);
	/* Ends the sessions that a draining server still has. */
	bool (*cut)(Router *router,
	    const char *app,
	    const char *service,
	    const char *process,
	    GError **error);
	/* Out at once (its process has died, or has been drained). */
	bool (*remove)(Router *router,
	    const char *app,
	    const char *service,
	    const char *process,
	    GError **error);
	/* Elements are RouterServer *. */
	GPtrArray *(*servers)(Router *router, const char *app, const char *service, GError **error);
	/* Backends that exist: elements are char *, «app/service». */
	GPtrArray *(*backends)(Router *router, GError **error);
	/* The service is no more: its host names answer 404. */
	bool (*forget)(Router *router, const char *app, const char *service, GError **error);
	/* Sends GET `path` with this Host through the router's own front door; the status, or -1.
	 * For proofs. */
	int (*request)(Router *router, const char *host, const char *path, GError **error);
	/* After a (re)start of either side: makes the router hold all its backends, with no server
	 * in any. */
	bool (*restore)(Router *router, GError **error);
	bool (*ping)(Router *router, GError **error);
	void (*free)(Router *router);
} RouterOps;

struct Router {
	const RouterOps *ops;
};

/* All of `hosts` (NULL: none) as `read` has them, sorted, each once. `read` gives a name in lower
 * case or refuses it. The caller frees both. */
GStrv
router_hosts(
    const char *const *hosts, char *(*read)(const char *host, GError **error), GError **error);

void
router_server_free(RouterServer *server);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(RouterServer, router_server_free)
