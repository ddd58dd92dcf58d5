/*
 * The router of the fake: backends and servers in tables; a request really asks the first ready
 * server of the host's backend.
 */
#include "fake/private.h"

#include <string.h>

typedef struct {
	char *app;
	char *service;
	GStrv hosts;
	GPtrArray *servers; /* of RouterServer */
} Backend;

typedef struct {
	Router router;
	pthread_mutex_t lock;
	GPtrArray *backends;
	char *down;
	bool is_lost; /* until restore */
} FakeRouter;

static void
backend_free(gpointer data)
{
	Backend *backend = data;
	g_free(backend->app);
	g_free(backend->service);
	g_strfreev(backend->hosts);
	g_ptr_array_unref(backend->servers);
	g_free(backend);
}

static bool
is_down(FakeRouter *fake, GError **error)
{
	if (fake->down)
		error_set(error, CARRACK_ERROR_UPSTREAM, "%s", fake->down);
	return fake->down != NULL;
}

static Backend *
find(FakeRouter *fake, const char *app, const char *service)
{
	for (guint i = 0; i < fake->backends->len; i++) {
		Backend *backend = g_ptr_array_index(fake->backends, i);
		if (!strcmp(backend->app, app) && !strcmp(backend->service, service))
			return backend;
	}
	return NULL;
}

static bool
has_host(const Backend *backend, const char *host)
{
	return backend->hosts && g_strv_contains((const char *const *)backend->hosts, host);
}

static Backend *
by_host(FakeRouter *fake, const char *host)
{
	const char *dot = strchr(host, '.');
	g_autofree char *wild = g_strconcat("*", dot ? dot : "", NULL);
	Backend *found = NULL;
	for (guint i = 0; i < fake->backends->len; i++) {
		Backend *backend = g_ptr_array_index(fake->backends, i);
		if (has_host(backend, host))
			return backend;
		if (has_host(backend, wild))
			found = backend;
	}
	return found;
}

/* With the lock held. */
static bool
check_locked(FakeRouter *fake,
    const char *app,
    const char *service,
    const char *const *hosts,
    GError **error)
{
	for (; hosts && *hosts; hosts++) {
		for (guint i = 0; i < fake->backends->len; i++) {
			Backend *backend = g_ptr_array_index(fake->backends, i);
			bool is_own =
			    !strcmp(backend->app, app) && !strcmp(backend->service, service);
			if (is_own || !has_host(backend, *hosts))
				continue;
			if (strcmp(backend->app, app))
				return error_set(error, CARRACK_ERROR_CONFLICT,
				    "%s is used by app %s", *hosts, backend->app);
			return error_set(error, CARRACK_ERROR_CONFLICT, "%s is used by service %s",
			    *hosts, backend->service);
		}
	}
	return true;
}

static bool
check_hosts(
    Router *router, const char *app, const char *service, const char *const *hosts, GError **error)
{
	FakeRouter *fake = (FakeRouter *)router;
	LOCKED(&fake->lock);
	return check_locked(fake, app, service, hosts, error);
}

static bool
ensure(Router *router, const RouterBackend *wanted, GError **error)
{
	FakeRouter *fake = (FakeRouter *)router;
	LOCKED(&fake->lock);
	if (is_down(fake, error) ||
	    !check_locked(fake, wanted->app, wanted->service, wanted->hosts, error))
		return false;

	Backend *backend = find(fake, wanted->app, wanted->service);
	if (!backend) {
		backend = g_new0(Backend, 1);
		backend->app = g_strdup(wanted->app);
		backend->service = g_strdup(wanted->service);
		backend->servers =
		    g_ptr_array_new_with_free_func((GDestroyNotify)router_server_free);
		g_ptr_array_add(fake->backends, backend);
	}
	GStrv hosts = g_strdupv((char **)wanted->hosts);
	g_strfreev(backend->hosts);
	backend->hosts = hosts;
	return true;
}

static RouterServer *
server_of(Backend *backend, const char *process)
{
	for (guint i = 0; backend && i < backend->servers->len; i++) {
		RouterServer *server = g_ptr_array_index(backend->servers, i);
		if (!strcmp(server->process, process))
			return server;
	}
	return NULL;
}

static bool
add(Router *router,
    const char *app,
    const char *service,
    const char *process,
    const char *address,
    unsigned port,
    GError **error)
{
	FakeRouter *fake = (FakeRouter *)router;
	LOCKED(&fake->lock);
	if (is_down(fake, error))
		return false;
	Backend *backend = find(fake, app, service);
	if (!backend || fake->is_lost)
		return error_set(
		    error, CARRACK_ERROR_NOT_FOUND, "no such backend: %s/%s", app, service);

	RouterServer *server = server_of(backend, process);
	if (!server) {
		server = g_new0(RouterServer, 1);
		server->process = g_strdup(process);
		g_ptr_array_add(backend->servers, server);
	}
	g_free(server->address);
	server->address = g_strdup(address);
	server->port = port;
	server->state = SERVER_READY;
	server->is_up = true;
	return true;
}

static bool
set_state(
    Router *router, const char *app, const char *service, const char *process, ServerState state)
{
	FakeRouter *fake = (FakeRouter *)router;
	LOCKED(&fake->lock);
	RouterServer *server = server_of(find(fake, app, service), process);
	if (server)
		server->state = state;
	return true;
}

static bool
drain(Router *router, const char *app, const char *service, const char *process, GError **error)
{
	return set_state(router, app, service, process, SERVER_DRAIN);
}

static bool
ready(Router *router, const char *app, const char *service, const char *process, GError **error)
{
	return set_state(router, app, service, process, SERVER_READY);
}

/* No session of the fake outlives its request. */
static bool
wait_drained(Router *router,
    const char *app,
    const char *service,
    const char *process,
    unsigned seconds,
    bool *is_drained,
    GCancellable *cancel,
    GError **error)
{
	*is_drained = true;
	return !error_cancelled(cancel, error);
}

static bool
cut(Router *router, const char *app, const char *service, const char *process, GError **error)
{
	return true;
}

static bool
remove_server(
    Router *router, const char *app, const char *service, const char *process, GError **error)
{
	FakeRouter *fake = (FakeRouter *)router;
	LOCKED(&fake->lock);
	Backend *backend = find(fake, app, service);
	RouterServer *server = server_of(backend, process);
	if (server)
		g_ptr_array_remove(backend->servers, server);
	return true;
}

static GPtrArray *
servers(Router *router, const char *app, const char *service, GError **error)
{
	FakeRouter *fake = (FakeRouter *)router;
	GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)router_server_free);
	LOCKED(&fake->lock);
	Backend *backend = find(fake, app, service);
	for (guint i = 0; backend && i < backend->servers->len; i++) {
		const RouterServer *server = g_ptr_array_index(backend->servers, i);
		RouterServer *copy = g_new0(RouterServer, 1);
		*copy = *server;
		copy->address = g_strdup(server->address);
		copy->process = g_strdup(server->process);
		g_ptr_array_add(found, copy);
	}
	return found;
}

static GPtrArray *
backends(Router *router, GError **error)
{
	FakeRouter *fake = (FakeRouter *)router;
	GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
	LOCKED(&fake->lock);
	for (guint i = 0; i < fake->backends->len; i++) {
		const Backend *backend = g_ptr_array_index(fake->backends, i);
		g_ptr_array_add(found, g_strconcat(backend->app, "/", backend->service, NULL));
	}
	return found;
}

static bool
forget(Router *router, const char *app, const char *service, GError **error)
{
	FakeRouter *fake = (FakeRouter *)router;
	LOCKED(&fake->lock);
	Backend *backend = find(fake, app, service);
	if (backend)
		g_ptr_array_remove(fake->backends, backend);
	return true;
}

/* Where a request for this host goes; 0, or the status that it gets without going anywhere. */
static int
choose(FakeRouter *fake, const char *host, char **address, unsigned *port)
{
	LOCKED(&fake->lock);
	Backend *backend = by_host(fake, host);
	if (!backend)
		return 404;

	for (guint i = 0; i < backend->servers->len; i++) {
		RouterServer *server = g_ptr_array_index(backend->servers, i);
		if (server->state != SERVER_READY)
			continue;
		*address = g_strdup(server->address);
		*port = server->port;
		return 0;
	}
	return 503;
}

/* 502 when the server does not answer as one. */
static int
ask(const char *address, unsigned port, const char *host, const char *path)
{
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_socket_client_set_timeout(client, 5);
	g_autoptr(GSocketConnection) connection =
	    g_socket_client_connect_to_host(client, address, port, NULL, NULL);
	if (!connection)
		return 502;

	g_autofree char *text =
	    g_strdup_printf("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host);
	char head[13] = "";
	gsize count = 0;
	GIOStream *stream = G_IO_STREAM(connection);
	if (!g_output_stream_write_all(
		g_io_stream_get_output_stream(stream), text, strlen(text), NULL, NULL, NULL) ||
	    !g_input_stream_read_all(
		g_io_stream_get_input_stream(stream), head, sizeof(head) - 1, &count, NULL, NULL) ||
	    count < sizeof(head) - 1)
		return 502;

	return (int)g_ascii_strtoll(head + strlen("HTTP/1.1 "), NULL, 10);
}

static int
request(Router *router, const char *host, const char *path, GError **error)
{
	FakeRouter *fake = (FakeRouter *)router;
	g_autofree char *address = NULL;
	unsigned port = 0;
	{
		LOCKED(&fake->lock);
		if (is_down(fake, error))
			return -1;
	}
	int status = choose(fake, host, &address, &port);
	return status ? status : ask(address, port, host, path);
}

static bool
restore(Router *router, GError **error)
{
	FakeRouter *fake = (FakeRouter *)router;
	LOCKED(&fake->lock);
	if (is_down(fake, error))
		return false;

	fake->is_lost = false;
	for (guint i = 0; i < fake->backends->len; i++) {
		Backend *backend = g_ptr_array_index(fake->backends, i);
		g_ptr_array_set_size(backend->servers, 0);
	}
	return true;
}

static bool
ping(Router *router, GError **error)
{
	FakeRouter *fake = (FakeRouter *)router;
	LOCKED(&fake->lock);
	if (fake->is_lost)
		return error_set(error, CARRACK_ERROR_UNAVAILABLE,
		    "the router has been restarted and is to be filled again");
	return !is_down(fake, error);
}

static void
free_handle(Router *router)
{
}

static const RouterOps operations = {
    .ensure = ensure,
    .check_hosts = check_hosts,
    .add = add,
    .drain = drain,
    .ready = ready,
    .wait_drained = wait_drained,
    .cut = cut,
    .remove = remove_server,
    .servers = servers,
    .backends = backends,
    .forget = forget,
    .request = request,
    .restore = restore,
    .ping = ping,
    .free = free_handle,
};

Router *
fake_router_new(void)
{
	FakeRouter *fake = g_new0(FakeRouter, 1);
	fake->router.ops = &operations;
	pthread_mutex_init(&fake->lock, NULL);
	fake->backends = g_ptr_array_new_with_free_func(backend_free);
	return &fake->router;
}

void
fake_router_destroy(Router *router)
{
	FakeRouter *fake = (FakeRouter *)router;
	g_ptr_array_unref(fake->backends);
	g_free(fake->down);
	pthread_mutex_destroy(&fake->lock);
	g_free(fake);
}

void
fake_router_down(Provider *provider, const char *text)
{
	FakeRouter *fake = (FakeRouter *)provider->router;
	LOCKED(&fake->lock);
	g_free(fake->down);
	fake->down = g_strdup(text);
}

void
fake_router_forget(Provider *provider)
{
	FakeRouter *fake = (FakeRouter *)provider->router;
	LOCKED(&fake->lock);
	fake->is_lost = true;
	for (guint i = 0; i < fake->backends->len; i++) {
		Backend *backend = g_ptr_array_index(fake->backends, i);
		g_ptr_array_set_size(backend->servers, 0);
	}
}
