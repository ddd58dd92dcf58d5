/*
 * The router part over HAProxy. Only a change of structure (a new backend, more slots, another
 * check) writes a configuration and replaces the worker; processes come and go through the runtime
 * socket, host names through its maps. Who sits in which slot is remembered here, behind one lock
 * that is held over every change and never while waiting for sessions to end.
 */
#include "base/error.h"
#include "swarm/router-private.h"

#include <string.h>

#define REQUEST_MILLISECONDS 10000

static Backend *
need_backend(const HaproxyRouter *self, const char *app, const char *service, GError **error)
{
	Backend *backend = router_backend(self, app, service, NULL);
	if (!backend)
		error_set(error, CARRACK_ERROR_NOT_FOUND, "the router has no backend %s/%s", app,
		    service);
	return backend;
}

/* The file follows the slots, so that a reload by hand brings back nobody who has left. HAProxy
 * already has the change: a full disk must not undo it. */
static void
note_occupants(HaproxyRouter *self)
{
	router_files_save_occupants(&self->options, self->backends, NULL);
}

/* Host names */

static bool
host_is_free(const HaproxyRouter *self,
    const char *app,
    const char *service,
    const char *host,
    GError **error)
{
	g_autofree char *own = g_strconcat("rack.", self->options.domain, NULL);
	if (g_ascii_strcasecmp(own, host) == 0)
		return error_set(
		    error, CARRACK_ERROR_CONFLICT, "%s is used by the rack itself", host);

	for (unsigned i = 0; i < self->backends->len; i++) {
		const Backend *other = self->backends->pdata[i];
		bool is_own = g_str_equal(other->app, app) && g_str_equal(other->service, service);
		if (!is_own && g_strv_contains((const char *const *)other->hosts, host))
			return error_set(error, CARRACK_ERROR_CONFLICT, "%s is used by app %s",
			    host, other->app);
	}
	return true;
}

static bool
hosts_are_free(const HaproxyRouter *self,
    const char *app,
    const char *service,
    const char *const *hosts,
    GError **error)
{
	g_auto(GStrv) names = backend_hosts(hosts, error);

	for (GStrv name = names; name && *name; name++) {
		if (!host_is_free(self, app, service, *name, error))
			return false;
	}
	return names != NULL;
}

static bool
check_hosts(
    Router *router, const char *app, const char *service, const char *const *hosts, GError **error)
{
	HaproxyRouter *self = (HaproxyRouter *)router;
	LOCKED(&self->lock);

	return hosts_are_free(self, app, service, hosts, error);
}

/* The map that a host belongs to, and its key there. */
static char *
map_of(const HaproxyRouter *self, const char *host, const char **key)
{
	bool is_wildcard = g_str_has_prefix(host, "*.");

	*key = host + (is_wildcard ? 2 : 0);
	return g_build_filename(
	    self->options.router_folder, is_wildcard ? ROUTER_WILDCARDS : ROUTER_HOSTS, NULL);
}

static bool
drop_hosts(HaproxyRouter *self, GStrv hosts, GStrv kept, GError **error)
{
	for (; *hosts; hosts++) {
		const char *key = NULL;
		g_autofree char *map = map_of(self, *hosts, &key);
		if (kept && g_strv_contains((const char *const *)kept, *hosts))
			continue;
		if (!haproxy_map_remove(self->socket, map, key, error))
			return router_doubt(self);
	}
	return true;
}

static bool
put_hosts(HaproxyRouter *self, const Backend *backend, GStrv present, GError **error)
{
	for (GStrv host = backend->hosts; *host; host++) {
		const char *key = NULL;
		g_autofree char *map = map_of(self, *host, &key);
		if (g_strv_contains((const char *const *)present, *host))
			continue;
		if (!haproxy_map_put(self->socket, map, key, backend->name, error))
			return router_doubt(self);
	}
	return true;
}

/* Hosts that are gone go first: after a failure in between, a name answers 404 rather than with the
 * wrong app. */
static bool
change_hosts(HaproxyRouter *self, Backend *backend, GStrv hosts, GError **error)
{
	g_auto(GStrv) before = g_steal_pointer(&backend->hosts);
	backend->hosts = g_strdupv(hosts);

	bool is_done = router_files_save_hosts(&self->options, self->backends, error) &&
		       drop_hosts(self, before, backend->hosts, error) &&
		       put_hosts(self, backend, before, error);
	if (is_done)
		return true;

	g_strfreev(backend->hosts);
	backend->hosts = g_steal_pointer(&before);
	router_files_save_hosts(&self->options, self->backends, NULL);
	return false;
}

/* Structure */

static int
compare_backends(gconstpointer one, gconstpointer other)
{
	const Backend *first = *(Backend *const *)one;
	const Backend *second = *(Backend *const *)other;

	return strcmp(first->name, second->name);
}

/* Puts `backend` in place of the one of the same name, if there is one, and reloads. When that
 * fails, memory and files are as before. Takes over `backend`. */
static bool
apply(HaproxyRouter *self, Backend *backend, GError **error)
{
	unsigned index = self->backends->len;
	Backend *before = router_backend(self, backend->app, backend->service, &index);
	if (before)
		self->backends->pdata[index] = backend;
	else
		g_ptr_array_add(self->backends, backend);

	if (router_reload(self, error)) {
		backend_free(before);
		g_ptr_array_sort(self->backends, compare_backends);
		return true;
	}

	if (before) {
		self->backends->pdata[index] = before;
		backend_free(backend);
	} else {
		g_ptr_array_remove_index(self->backends, index);
	}
	router_files_save(&self->options, self->backends, NULL);
	return false;
}

static bool
ensure(Router *router, const RouterBackend *wish, GError **error)
{
	HaproxyRouter *self = (HaproxyRouter *)router;
	LOCKED(&self->lock);
	g_autoptr(Backend) next = backend_new(wish, error);
	if (!next || !hosts_are_free(self, wish->app, wish->service, wish->hosts, error))
		return false;

	Backend *present = router_backend(self, wish->app, wish->service, NULL);
	if (present)
		backend_grow(next, present->slots->len);
	bool is_same = present && backend_same_structure(present, next);
	bool has_same_hosts = present && g_strv_equal((const char *const *)present->hosts,
					     (const char *const *)next->hosts);
	if (is_same && has_same_hosts)
		return true;
	if (!router_sync(self, error))
		return false;
	if (is_same)
		return change_hosts(self, present, next->hosts, error);

	/* Only now: router_sync may have found out who sits in the slots. */
	if (present)
		backend_inherit(next, present);
	return apply(self, g_steal_pointer(&next), error);
}

static bool
forget(Router *router, const char *app, const char *service, GError **error)
{
	HaproxyRouter *self = (HaproxyRouter *)router;
	LOCKED(&self->lock);
	unsigned index = 0;
	if (!router_backend(self, app, service, &index))
		return true;

	g_autoptr(Backend) backend = g_ptr_array_steal_index(self->backends, index);
	g_ptr_array_sort(self->backends, compare_backends);
	if (!router_files_save(&self->options, self->backends, error)) {
		g_ptr_array_add(self->backends, g_steal_pointer(&backend));
		g_ptr_array_sort(self->backends, compare_backends);
		return false;
	}
	/* No reload: without hosts nobody gets in, and the next reload takes the rest away. */
	if (!drop_hosts(self, backend->hosts, NULL, error))
		return false;
	for (unsigned i = 0; i < backend->slots->len; i++) {
		if (!router_slot_close(self, backend, backend->slots->pdata[i], error))
			return false;
	}
	return true;
}

/* Servers */

static bool
check_address(const char *process, const char *address, unsigned port, GError **error)
{
	g_autoptr(GInetAddress) parsed = g_inet_address_new_from_string(address);

	if (!parsed || port == 0 || port > G_MAXUINT16)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "process %s: «%s» port %u is not an address that the router can reach", process,
		    address, port);
	return true;
}

/* A backend that is full gets twice as many slots. */
static Slot *
take_slot(HaproxyRouter *self, Backend **backend, GError **error)
{
	Slot *slot = backend_slot_free(*backend);
	if (slot)
		return slot;

	RouterBackend wish = {.app = (*backend)->app,
	    .service = (*backend)->service,
	    .hosts = (const char *const *)(*backend)->hosts,
	    .scheme = (*backend)->scheme,
	    .health_path = (*backend)->health_path,
	    .health_host = (*backend)->health_host,
	    .health_interval = (*backend)->health_interval,
	    .health_timeout = (*backend)->health_timeout,
	    .slots = (*backend)->slots->len * 2,
	    .is_sticky = (*backend)->is_sticky};
	Backend *larger = backend_new(&wish, error);
	if (!larger)
		return NULL;
	backend_inherit(larger, *backend);
	if (!apply(self, larger, error))
		return NULL;

	*backend = larger;
	return backend_slot_free(larger);
}

/* The slot for a process that is to be added: its own, that of its address (whoever was there is
 * gone, or has not been claimed), or a free one. */
static Slot *
choose_slot(HaproxyRouter *self, Backend **backend, const RouterServer *server, GError **error)
{
	Slot *own = backend_slot_of(*backend, server->process);
	Slot *there = backend_slot_at(*backend, server->address, server->port);
	if (there)
		return there;
	if (!own)
		return take_slot(self, backend, error);

	/* It has moved: nothing new goes to the former address. */
	return router_slot_close(self, *backend, own, error) ? own : NULL;
}

static bool
add_server(HaproxyRouter *self, Backend *backend, const RouterServer *server, GError **error)
{
	Slot *slot = choose_slot(self, &backend, server, error);
	if (!slot)
		return false;

	slot_fill(slot, server->process, server->address, server->port, SLOT_READY);
	if (router_slot_open(self, backend, slot, error)) {
		note_occupants(self);
		return true;
	}
	router_slot_close(self, backend, slot, NULL);
	slot_clear(slot);
	return false;
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
	HaproxyRouter *self = (HaproxyRouter *)router;
	LOCKED(&self->lock);
	Backend *backend = need_backend(self, app, service, error);
	if (!backend || !check_address(process, address, port, error) || !router_sync(self, error))
		return false;

	RouterServer server = {
	    .address = (char *)address, .port = port, .process = (char *)process};
	return add_server(self, backend, &server, error);
}

static bool
drain(Router *router, const char *app, const char *service, const char *process, GError **error)
{
	HaproxyRouter *self = (HaproxyRouter *)router;
	LOCKED(&self->lock);
	if (!router_sync(self, error))
		return false;
	Backend *backend = NULL;
	Slot *slot = router_slot(self, app, service, process, &backend);
	if (!slot || slot->state == SLOT_DRAIN)
		return true;

	slot->state = SLOT_DRAIN;
	if (!router_slot_drain(self, backend, slot, error))
		return false;
	note_occupants(self);
	return true;
}

static bool
ready(Router *router, const char *app, const char *service, const char *process, GError **error)
{
	HaproxyRouter *self = (HaproxyRouter *)router;
	LOCKED(&self->lock);
	if (!router_sync(self, error))
		return false;
	Backend *backend = NULL;
	Slot *slot = router_slot(self, app, service, process, &backend);
	if (!slot)
		return error_set(error, CARRACK_ERROR_NOT_FOUND,
		    "the router has no process %s of %s/%s", process, app, service);

	slot->state = SLOT_READY;
	if (!router_slot_open(self, backend, slot, error))
		return false;
	note_occupants(self);
	return true;
}

/* Memory first: whatever HAProxy answers, the process is out, and router_sync sees to it later. */
static bool
remove_server(
    Router *router, const char *app, const char *service, const char *process, GError **error)
{
	HaproxyRouter *self = (HaproxyRouter *)router;
	LOCKED(&self->lock);
	bool is_synced = router_sync(self, error);
	Backend *backend = NULL;

	for (;;) {
		Slot *slot = router_slot(self, app, service, process, &backend);
		if (!slot)
			break;
		slot_clear(slot);
		is_synced = is_synced && router_slot_close(self, backend, slot, error);
	}
	if (is_synced)
		note_occupants(self);
	return is_synced;
}

/* Looking */

static RouterServer *
describe(const Backend *backend, const Slot *slot, const GPtrArray *states, const GPtrArray *loads)
{
	g_autofree char *name = backend_slot_name(backend, slot);
	RouterServer *server = g_new0(RouterServer, 1);

	server->address = g_strdup(slot->address);
	server->port = slot->port;
	server->process = g_strdup(slot->process);
	server->state = slot->state == SLOT_READY ? SERVER_READY : SERVER_DRAIN;
	for (unsigned i = 0; i < states->len; i++) {
		const HaproxyState *state = states->pdata[i];
		if (g_str_equal(state->server, name))
			server->is_up = state->operation != 0;
	}
	for (unsigned i = 0; i < loads->len; i++) {
		const HaproxyLoad *load = loads->pdata[i];
		if (g_str_equal(load->server, name))
			server->sessions = load->used;
	}
	return server;
}

static GPtrArray *
servers(Router *router, const char *app, const char *service, GError **error)
{
	HaproxyRouter *self = (HaproxyRouter *)router;
	LOCKED(&self->lock);
	Backend *backend = need_backend(self, app, service, error);
	if (!backend || !router_sync(self, error))
		return NULL;
	g_autoptr(GPtrArray) states = haproxy_states(self->socket, backend->name, error);
	if (!states)
		return NULL;
	g_autoptr(GPtrArray) loads = haproxy_loads(self->socket, backend->name, error);
	if (!loads)
		return NULL;

	GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)router_server_free);
	for (unsigned i = 0; i < backend->slots->len; i++) {
		const Slot *slot = backend->slots->pdata[i];
		if (slot->state != SLOT_FREE)
			g_ptr_array_add(list, describe(backend, slot, states, loads));
	}
	return list;
}

static GPtrArray *
backends(Router *router, GError **error)
{
	HaproxyRouter *self = (HaproxyRouter *)router;
	LOCKED(&self->lock);
	GPtrArray *list = g_ptr_array_new_with_free_func(g_free);

	for (unsigned i = 0; i < self->backends->len; i++) {
		const Backend *backend = self->backends->pdata[i];
		g_ptr_array_add(list, g_strdup_printf("%s/%s", backend->app, backend->service));
	}
	return list;
}

static int
request(Router *router, const char *host, const char *path, GError **error)
{
	HaproxyRouter *self = (HaproxyRouter *)router;
	g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u", self->options.http_port);
	HttpOptions options = {.base_url = url, .user_agent = "carrack-proof"};
	g_autoptr(HttpClient) client = http_client_new(&options);
	g_autofree char *header = g_strconcat("Host: ", host, NULL);
	const char *const headers[] = {header, NULL};
	HttpRequest call = {.path = path, .headers = headers, .timeout_ms = REQUEST_MILLISECONDS};

	g_autoptr(HttpAnswer) answer = http_call(client, &call, NULL, error);
	return answer ? (int)answer->status : -1;
}

static bool
restore(Router *router, GError **error)
{
	HaproxyRouter *self = (HaproxyRouter *)router;
	LOCKED(&self->lock);

	router_doubt(self);
	if (!router_sync(self, error))
		return false;
	note_occupants(self);
	return true;
}

static bool
ping(Router *router, GError **error)
{
	HaproxyRouter *self = (HaproxyRouter *)router;
	LOCKED(&self->lock);
	HaproxyInfo info = {0};
	if (!haproxy_info(self->socket, &info, error))
		return false;

	g_autofree char *identity = router_identity(&info);
	if (self->has_learned && g_strcmp0(identity, self->identity) != 0)
		return error_set(error, CARRACK_ERROR_UNAVAILABLE,
		    "the router has been restarted and is to be filled again");
	return true;
}

static void
router_free(Router *router)
{
	if (!router)
		return;

	HaproxyRouter *self = (HaproxyRouter *)router;
	g_ptr_array_unref(self->backends);
	g_free(self->identity);
	g_free(self->socket);
	g_free(self->master_socket);
	g_free((char *)self->options.run_folder);
	g_free((char *)self->options.router_folder);
	g_free((char *)self->options.domain);
	pthread_mutex_destroy(&self->lock);
	g_free(self);
}

static const RouterOps operations = {
    .ensure = ensure,
    .check_hosts = check_hosts,
    .add = add,
    .drain = drain,
    .ready = ready,
    .wait_drained = router_wait_drained,
    .cut = router_cut,
    .remove = remove_server,
    .servers = servers,
    .backends = backends,
    .forget = forget,
    .request = request,
    .restore = restore,
    .ping = ping,
    .free = router_free,
};

Router *
router_haproxy_new(const SwarmOptions *options, GError **error)
{
	if (!router_files_check_options(options, error))
		return NULL;
	g_autoptr(GPtrArray) known = router_files_load(options, error);
	if (!known)
		return NULL;

	HaproxyRouter *self = g_new0(HaproxyRouter, 1);
	self->base.ops = &operations;
	self->backends = g_steal_pointer(&known);
	self->options = (SwarmOptions){.run_folder = g_strdup(options->run_folder),
	    .router_folder = g_strdup(options->router_folder),
	    .domain = g_strdup(options->domain),
	    .http_port = options->http_port,
	    .https_port = options->https_port,
	    .api_port = options->api_port};
	self->socket = g_build_filename(options->run_folder, ROUTER_SOCKET, NULL);
	self->master_socket = g_build_filename(options->run_folder, ROUTER_MASTER_SOCKET, NULL);
	pthread_mutex_init(&self->lock, NULL);
	return &self->base;
}
