/*
 * The router part over the rack's Application Load Balancer. The balancer and ECS go on without
 * carrackd; what has to be known between two of its lives is in the store. Calls are made only for
 * changes: an idle rack is answered for from memory, and every ten minutes the balancer's rules are
 * compared with ours, so that what somebody took away by hand comes back.
 */
#include "aws/router-private.h"
#include "base/error.h"

#include <string.h>

#define REQUEST_MILLISECONDS 10000
#define CHECK_SECONDS 600
#define CHECK_AGAIN_SECONDS 60 /* when it could not be checked */
#define SETTLE_SECONDS 30
#define HTTPS_PORT 443

/* Documents */

static Backend *
backend_named(BalancerRouter *self, const char *name)
{
	for (guint i = 0; i < self->backends->len; i++) {
		Backend *backend = self->backends->pdata[i];
		if (g_str_equal(backend->name, name))
			return backend;
	}
	return NULL;
}

/* With the router's lock held. */
static Backend *
backend_of(BalancerRouter *self, const char *app, const char *service)
{
	g_autofree char *name = g_strconcat(app, "/", service, NULL);
	Backend *backend = backend_named(self, name);
	if (backend)
		return backend;

	backend = balancer_backend_new(app, service);
	g_ptr_array_add(self->backends, backend);
	return backend;
}

static bool
load_one(BalancerRouter *self, const StoreDocument *document, GError **error)
{
	const char *slash = strchr(document->id, '/');
	if (!slash)
		return error_set(error, CARRACK_ERROR_INTERNAL,
		    "document backend %s is not named APP/SERVICE", document->id);

	g_autofree char *app = g_strndup(document->id, slash - document->id);
	return balancer_backend_read(backend_of(self, app, slash + 1), document, error);
}

bool
balancer_load(BalancerRouter *self, GError **error)
{
	LOCKED(&self->lock);
	if (self->is_loaded)
		return true;

	g_autoptr(GPtrArray) documents =
	    self->store->ops->list(self->store, "backend", "", 0, NULL, error);
	if (!documents)
		return false;
	for (guint i = 0; i < documents->len; i++) {
		if (!load_one(self, documents->pdata[i], error))
			return false;
	}
	self->is_loaded = true;
	return true;
}

bool
balancer_backend_is_there(const Backend *backend)
{
	return backend->version > 0 && !backend->is_going;
}

Backend *
balancer_backend(BalancerRouter *self, const char *app, const char *service)
{
	g_autofree char *name = g_strconcat(app, "/", service, NULL);
	Backend *backend = NULL;
	{
		LOCKED(&self->lock);
		backend = backend_named(self, name);
	}
	if (!backend)
		return NULL;
	LOCKED(&backend->lock);
	return balancer_backend_is_there(backend) ? backend : NULL;
}

Backend *
balancer_need_backend(BalancerRouter *self, const char *app, const char *service, GError **error)
{
	if (!balancer_load(self, error))
		return NULL;

	Backend *backend = balancer_backend(self, app, service);
	if (!backend)
		error_set(error, CARRACK_ERROR_NOT_FOUND, "the router has no backend %s/%s", app,
		    service);
	return backend;
}

/* A copy, since the list may grow meanwhile; its elements stay. */
static GPtrArray *
all_backends(BalancerRouter *self)
{
	LOCKED(&self->lock);
	GPtrArray *all = g_ptr_array_new();
	g_ptr_array_extend(all, self->backends, NULL, NULL);
	return all;
}

/* Ensuring */

static bool
check_hosts(
    Router *router, const char *app, const char *service, const char *const *hosts, GError **error)
{
	BalancerRouter *self = (BalancerRouter *)router;
	g_auto(GStrv) names = balancer_hosts(hosts, error);
	if (!names || !balancer_load(self, error))
		return false;

	Backend *backend = NULL;
	{
		LOCKED(&self->lock);
		backend = backend_of(self, app, service);
	}
	LOCKED(&backend->lock);
	g_autoptr(GPtrArray) rules =
	    balancer_rules_plan(backend->rules, (const char *const *)names);
	return balancer_table_check(
	    self, backend->name, (const char *const *)names, balancer_rules_new(rules), error);
}

static void
take_rules(Backend *backend, GPtrArray *rules)
{
	g_ptr_array_unref(backend->rules);
	backend->rules = rules;
}

/* Hosts, priorities and the intention are noted before the first call, so that whatever stops us,
 * the next one finds where it was. */
static bool
note_wish(BalancerRouter *self, Backend *backend, GStrv hosts, const json_t *wish, GError **error)
{
	const char *const *names = (const char *const *)hosts;
	g_autoptr(GPtrArray) rules = balancer_rules_plan(backend->rules, names);
	if (!balancer_table_claim(self, backend->name, names, rules, error))
		return false;

	take_rules(backend, g_steal_pointer(&rules));
	g_strfreev(backend->hosts);
	backend->hosts = g_strdupv(hosts);
	json_decref(backend->wish);
	backend->wish = json_deep_copy(wish);
	backend->is_whole = false;
	backend->is_going = false;
	backend->touched = g_get_monotonic_time();
	return balancer_backend_save(self, backend, error);
}

static bool
remove_outgoing(BalancerRouter *self, Backend *backend, GError **error)
{
	Group old = {.arn = g_steal_pointer(&backend->outgoing)};
	bool is_gone = balancer_group_remove(self, &old, error);
	backend->outgoing = old.arn;
	return is_gone;
}

/* Makes what is missing and gives up what is not wished any more. */
static bool
make_whole(BalancerRouter *self, Backend *backend, GError **error)
{
	for (unsigned i = 0; i < GROUPS && backend->hosts[0]; i++) {
		if (!backend->groups[i].arn &&
		    !balancer_group_make(self, backend, i, backend->wish, error))
			return false;
	}
	if (!balancer_rules_apply(self, backend, error) || !remove_outgoing(self, backend, error))
		return false;

	bool has_groups = backend->groups[0].arn || backend->groups[1].arn;
	if (!balancer_table_keep(self, backend->name, (const char *const *)backend->hosts,
		backend->rules, has_groups, error))
		return false;
	backend->is_whole = true;
	return balancer_backend_save(self, backend, error);
}

/* New settings alone change nothing on the balancer: they are for the group of the next deployment,
 * and the one that serves keeps what it was made with. */
static bool
change_settings(BalancerRouter *self, Backend *backend, const json_t *wish, GError **error)
{
	json_decref(backend->wish);
	backend->wish = json_deep_copy(wish);
	return balancer_backend_save(self, backend, error);
}

static bool
ensure(Router *router, const RouterBackend *wish, GError **error)
{
	BalancerRouter *self = (BalancerRouter *)router;
	g_auto(GStrv) hosts = balancer_hosts(wish->hosts, error);
	json_auto_t *settings = hosts ? balancer_settings(wish, error) : NULL;
	if (!settings || !balancer_load(self, error))
		return false;

	Backend *backend = NULL;
	{
		LOCKED(&self->lock);
		backend = backend_of(self, wish->app, wish->service);
	}
	LOCKED(&backend->lock);
	if (!balancer_backend_fresh(self, backend, error))
		return false;
	bool has_same_hosts =
	    g_strv_equal((const char *const *)hosts, (const char *const *)backend->hosts);
	bool is_made = balancer_backend_is_there(backend) && backend->is_whole && has_same_hosts;
	if (is_made && json_equal(settings, backend->wish))
		return true;
	if (is_made)
		return change_settings(self, backend, settings, error);

	return note_wish(self, backend, hosts, settings, error) && make_whole(self, backend, error);
}

/* Forgetting */

/* Rules, then groups, then what says that they exist. */
static bool
forget_backend(BalancerRouter *self, Backend *backend, GError **error)
{
	static const char *const none[] = {NULL};
	backend->is_going = true;
	backend->is_whole = false;
	if (!balancer_backend_save(self, backend, error) ||
	    !balancer_rules_remove(self, backend, error) ||
	    !balancer_table_keep(self, backend->name, none, backend->rules, true, error))
		return false;
	for (unsigned i = 0; i < GROUPS; i++) {
		if (!balancer_group_remove(self, &backend->groups[i], error))
			return false;
	}
	if (!remove_outgoing(self, backend, error) ||
	    !balancer_table_keep(self, backend->name, none, backend->rules, false, error) ||
	    !self->store->ops->remove(self->store, "backend", "", backend->name, error))
		return false;

	balancer_backend_clear(backend);
	return true;
}

static bool
forget(Router *router, const char *app, const char *service, GError **error)
{
	BalancerRouter *self = (BalancerRouter *)router;
	if (!balancer_load(self, error))
		return false;

	Backend *backend = NULL;
	{
		LOCKED(&self->lock);
		backend = backend_of(self, app, service);
	}
	LOCKED(&backend->lock);
	if (!balancer_backend_fresh(self, backend, error))
		return false;
	return backend->version == 0 || forget_backend(self, backend, error);
}

/* Looking */

static GPtrArray *
backends(Router *router, GError **error)
{
	BalancerRouter *self = (BalancerRouter *)router;
	if (!balancer_load(self, error))
		return NULL;

	g_autoptr(GPtrArray) all = all_backends(self);
	GPtrArray *list = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; i < all->len; i++) {
		Backend *backend = all->pdata[i];
		LOCKED(&backend->lock);
		/* One that is half forgotten counts, so that whoever deletes the app goes on. */
		if (backend->version > 0)
			g_ptr_array_add(list, g_strdup(backend->name));
	}
	return list;
}

static int
request(Router *router, const char *host, const char *path, GError **error)
{
	BalancerRouter *self = (BalancerRouter *)router;
	const AwsRack *rack = self->rack;
	bool is_direct = rack->balancer_url != NULL;
	g_autofree char *url =
	    is_direct ? g_strdup(rack->balancer_url) : g_strdup_printf("https://%s", host);
	g_autofree char *place = g_strdup_printf("%s:%d", rack->balancer, HTTPS_PORT);
	HttpOptions options = {.base_url = url,
	    .connect_to = is_direct ? NULL : place,
	    .insecure = true,
	    .user_agent = "carrack-proof"};
	g_autoptr(HttpClient) client = http_client_new(&options);
	g_autofree char *header = is_direct ? g_strdup_printf("Host: %s:%d", host, HTTPS_PORT)
					    : g_strdup_printf("Host: %s", host);
	const char *const headers[] = {header, NULL};
	HttpRequest call = {.path = path, .headers = headers, .timeout_ms = REQUEST_MILLISECONDS};
	g_autoptr(HttpAnswer) answer = http_call(client, &call, NULL, error);
	return answer ? (int)answer->status : -1;
}

/* Restoring */

static void
repair(BalancerRouter *self, Backend *backend)
{
	if (backend->is_going)
		forget_backend(self, backend, NULL);
	else if (!backend->is_whole)
		make_whole(self, backend, NULL);
}

/* Whether the balancer has all our rules; with `is_repairing` what is missing is made. A backend
 * that has just been changed knows better than a list that may be older. */
static bool
compare(BalancerRouter *self, bool is_repairing, bool *is_whole, GError **error)
{
	gint64 old = g_get_monotonic_time() - SETTLE_SECONDS * G_USEC_PER_SEC;
	json_auto_t *list = balancer_rules_list(self, error);
	if (!list)
		return false;

	g_autoptr(GPtrArray) all = all_backends(self);
	*is_whole = true;
	for (guint i = 0; i < all->len; i++) {
		Backend *backend = all->pdata[i];
		LOCKED(&backend->lock);
		if (backend->version == 0 || (backend->touched && backend->touched > old))
			continue;
		backend->is_whole = balancer_rules_compare(backend, list) && backend->is_whole;
		*is_whole = *is_whole && backend->is_whole;
		if (is_repairing)
			repair(self, backend);
	}
	return true;
}

static void
note_check(BalancerRouter *self, gint64 when)
{
	LOCKED(&self->lock);
	self->checked = when;
}

static bool
restore(Router *router, GError **error)
{
	BalancerRouter *self = (BalancerRouter *)router;
	bool is_whole = false;
	if (!balancer_load(self, error) || !compare(self, true, &is_whole, error))
		return false;

	note_check(self, g_get_monotonic_time());
	return true;
}

static bool
is_check_due(BalancerRouter *self)
{
	LOCKED(&self->lock);
	gint64 age = g_get_monotonic_time() - self->checked;
	return self->checked && age > (gint64)CHECK_SECONDS * G_USEC_PER_SEC;
}

static bool
ping(Router *router, GError **error)
{
	BalancerRouter *self = (BalancerRouter *)router;
	bool is_whole = true;
	if (!balancer_load(self, error))
		return false;
	if (!is_check_due(self))
		return true;

	gint64 now = g_get_monotonic_time();
	bool is_known = compare(self, false, &is_whole, NULL);
	gint64 later = (CHECK_SECONDS - CHECK_AGAIN_SECONDS) * G_USEC_PER_SEC;
	note_check(self, is_known ? now : now - later);
	return is_whole || error_set(error, CARRACK_ERROR_UNAVAILABLE,
			       "rules of the balancer are gone and are to be made again");
}

static void
free_router(Router *router)
{
	BalancerRouter *self = (BalancerRouter *)router;
	g_ptr_array_unref(self->backends);
	balancer_table_clear(&self->table);
	pthread_mutex_destroy(&self->lock);
	g_free(self);
}

static const RouterOps operations = {
    .ensure = ensure,
    .check_hosts = check_hosts,
    .add = balancer_add,
    .drain = balancer_drain,
    .ready = balancer_ready,
    .wait_drained = balancer_wait_drained,
    .cut = balancer_cut,
    .remove = balancer_remove,
    .servers = balancer_servers,
    .backends = backends,
    .forget = forget,
    .request = request,
    .restore = restore,
    .ping = ping,
    .free = free_router,
};

/* Documents are read by the first who needs one: a store that is away now may be back then. */
Router *
router_balancer_new(AwsRack *rack, Store *store, GError **error)
{
	BalancerRouter *self = g_new0(BalancerRouter, 1);
	self->base.ops = &operations;
	self->rack = rack;
	self->store = store;
	self->backends = g_ptr_array_new_with_free_func((GDestroyNotify)balancer_backend_free);
	pthread_mutex_init(&self->lock, NULL);
	balancer_table_init(&self->table);
	return &self->base;
}
