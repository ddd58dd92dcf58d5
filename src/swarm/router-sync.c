/*
 * Makes HAProxy and memory agree: after a start of either, and after a command whose outcome is
 * unknown. Memory wins, but for the first time in carrackd's life: then the slots that are alive in
 * HAProxy are taken over as they are, without a name («unclaimed»), so that traffic goes on until
 * the caller has found their processes again.
 *
 * A slot of HAProxy that nobody can account for is closed: its address may be another app's.
 */
#include "base/error.h"
#include "swarm/router-private.h"

#include <string.h>

#define CONFIRM_SECONDS 2
#define CONFIRM_POLL_MILLISECONDS 5
#define EMPTY_PORT 1

Backend *
router_backend(const HaproxyRouter *self, const char *app, const char *service, unsigned *index)
{
	for (unsigned i = 0; i < self->backends->len; i++) {
		Backend *backend = self->backends->pdata[i];
		if (!g_str_equal(backend->app, app) || !g_str_equal(backend->service, service))
			continue;
		if (index)
			*index = i;
		return backend;
	}
	return NULL;
}

Slot *
router_slot(HaproxyRouter *self,
    const char *app,
    const char *service,
    const char *process,
    Backend **backend)
{
	*backend = router_backend(self, app, service, NULL);
	return *backend ? backend_slot_of(*backend, process) : NULL;
}

bool
router_doubt(HaproxyRouter *self)
{
	g_clear_pointer(&self->identity, g_free);
	return false;
}

char *
router_identity(const HaproxyInfo *info)
{
	return g_strdup_printf("%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT, info->pid, info->started);
}

static bool
learn_identity(HaproxyRouter *self, GError **error)
{
	HaproxyInfo info = {0};
	if (!haproxy_info(self->socket, &info, error))
		return false;

	g_free(self->identity);
	self->identity = router_identity(&info);
	return true;
}

bool
router_reload(HaproxyRouter *self, GError **error)
{
	if (!router_files_save(&self->options, self->backends, error))
		return false;
	if (!haproxy_reload(self->master_socket, self->socket, error))
		return router_doubt(self);

	return learn_identity(self, error);
}

/* The row of a slot, or NULL. Borrowed. */
static const HaproxyState *
find_state(const GPtrArray *states, const Backend *backend, const char *server)
{
	for (unsigned i = 0; i < states->len; i++) {
		const HaproxyState *state = states->pdata[i];
		if (g_str_equal(state->server, server) &&
		    g_str_equal(state->backend, backend->name))
			return state;
	}
	return NULL;
}

static bool
confirm_open(HaproxyRouter *self, const Backend *backend, const char *server, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + CONFIRM_SECONDS * G_USEC_PER_SEC;

	for (;;) {
		g_autoptr(GPtrArray) states = haproxy_states(self->socket, backend->name, error);
		if (!states)
			return false;
		const HaproxyState *state = find_state(states, backend, server);
		if (state && haproxy_state_is_ready(state))
			return true;
		if (g_get_monotonic_time() > deadline)
			return error_set(error, CARRACK_ERROR_UPSTREAM,
			    "router: «set server %s/%s state ready» was not confirmed in %d "
			    "seconds "
			    "(operation %u, admin %u)",
			    backend->name, server, CONFIRM_SECONDS, state ? state->operation : 0,
			    state ? state->admin : 0);
		g_poll(NULL, 0, CONFIRM_POLL_MILLISECONDS);
	}
}

bool
router_slot_open(HaproxyRouter *self, const Backend *backend, const Slot *slot, GError **error)
{
	g_autofree char *server = backend_slot_name(backend, slot);

	bool is_open = haproxy_set_address(
			   self->socket, backend->name, server, slot->address, slot->port, error) &&
		       haproxy_set_state(self->socket, backend->name, server, "ready", error) &&
		       confirm_open(self, backend, server, error);
	return is_open || router_doubt(self);
}

bool
router_slot_drain(HaproxyRouter *self, const Backend *backend, const Slot *slot, GError **error)
{
	g_autofree char *server = backend_slot_name(backend, slot);
	/* A draining server still gets the clients whose cookie names it; one in maintenance does
	 * not, and what is in flight goes on all the same. */
	const char *state = backend->is_sticky ? "maint" : "drain";

	return haproxy_set_state(self->socket, backend->name, server, state, error) ||
	       router_doubt(self);
}

bool
router_slot_close(HaproxyRouter *self, const Backend *backend, const Slot *slot, GError **error)
{
	g_autofree char *server = backend_slot_name(backend, slot);

	return haproxy_set_state(self->socket, backend->name, server, "maint", error) ||
	       router_doubt(self);
}

static bool
is_alive(const HaproxyState *state)
{
	return !haproxy_state_is_maintenance(state) && state->port != EMPTY_PORT;
}

static bool
is_at(const HaproxyState *state, const Slot *slot)
{
	return state->port == slot->port && g_strcmp0(state->address, slot->address) == 0;
}

/* Every slot in HAProxy's table, by «backend/server». */
static GHashTable *
index_states(const GPtrArray *states)
{
	GHashTable *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	for (unsigned i = 0; i < states->len; i++) {
		HaproxyState *state = states->pdata[i];
		g_hash_table_insert(
		    table, g_strdup_printf("%s/%s", state->backend, state->server), state);
	}
	return table;
}

static const HaproxyState *
state_of(GHashTable *table, const Backend *backend, const Slot *slot)
{
	g_autofree char *server = backend_slot_name(backend, slot);
	g_autofree char *key = g_strdup_printf("%s/%s", backend->name, server);

	return g_hash_table_lookup(table, key);
}

/* The first time: takes over who is alive in a slot. Later: lets go of whom nobody has claimed and
 * HAProxy has lost, because that address is not to be trusted any more. */
static void
learn_slot(HaproxyRouter *self, Slot *slot, const HaproxyState *state)
{
	bool is_there = is_alive(state) && is_at(state, slot);

	if (self->has_learned && slot->state != SLOT_FREE && !*slot->process && !is_there)
		slot_clear(slot);
	if (!self->has_learned && is_alive(state))
		slot_fill(slot, "", state->address, state->port,
		    haproxy_state_is_draining(state) ? SLOT_DRAIN : SLOT_READY);
}

/* False if HAProxy lacks a slot. */
static bool
learn_backend(HaproxyRouter *self, GHashTable *table, const Backend *backend)
{
	bool has_all = true;

	for (unsigned i = 0; i < backend->slots->len; i++) {
		Slot *slot = backend->slots->pdata[i];
		const HaproxyState *state = state_of(table, backend, slot);
		if (state)
			learn_slot(self, slot, state);
		has_all = has_all && state;
	}
	return has_all;
}

static bool
same_map(HaproxyRouter *self, const char *file, const char *wanted, bool *same, GError **error)
{
	g_autofree char *path = g_build_filename(self->options.router_folder, file, NULL);
	g_autofree char *present = haproxy_map(self->socket, path, error);
	if (!present)
		return false;

	*same = *same && g_str_equal(present, wanted);
	return true;
}

static bool
same_maps(HaproxyRouter *self, bool *same, GError **error)
{
	g_autofree char *hosts = haproxy_config_hosts(self->backends);
	g_autofree char *wildcards = haproxy_config_wildcards(self->backends);

	return same_map(self, ROUTER_HOSTS, hosts, same, error) &&
	       same_map(self, ROUTER_WILDCARDS, wildcards, same, error);
}

/* Makes one slot of HAProxy be as memory says. */
static bool
settle_slot(HaproxyRouter *self,
    const Backend *backend,
    Slot *slot,
    const HaproxyState *state,
    GError **error)
{
	bool is_there = is_alive(state) && is_at(state, slot);

	if (slot->state == SLOT_READY && is_there && !haproxy_state_is_draining(state))
		return true;
	/* Drained in a worker that is no more: nothing is left to wait for. */
	if (slot->state == SLOT_DRAIN && !is_there)
		slot_clear(slot);
	if (slot->state == SLOT_READY)
		return router_slot_open(self, backend, slot, error);
	if (slot->state == SLOT_DRAIN)
		return router_slot_drain(self, backend, slot, error);

	return !is_alive(state) || router_slot_close(self, backend, slot, error);
}

static bool
settle_backend(HaproxyRouter *self, GHashTable *table, const Backend *backend, GError **error)
{
	for (unsigned i = 0; i < backend->slots->len; i++) {
		Slot *slot = backend->slots->pdata[i];
		const HaproxyState *state = state_of(table, backend, slot);
		if (!state)
			return error_set(error, CARRACK_ERROR_UPSTREAM,
			    "router: backend %s has no slot %u after a reload", backend->name,
			    i + 1);
		if (!settle_slot(self, backend, slot, state, error))
			return false;
	}
	return true;
}

static bool
settle(HaproxyRouter *self, GError **error)
{
	g_autoptr(GPtrArray) states = haproxy_states(self->socket, NULL, error);
	if (!states)
		return false;

	g_autoptr(GHashTable) table = index_states(states);
	for (unsigned i = 0; i < self->backends->len; i++) {
		if (!settle_backend(self, table, self->backends->pdata[i], error))
			return false;
	}
	return true;
}

static bool
learn(HaproxyRouter *self, bool *same, GError **error)
{
	g_autoptr(GPtrArray) states = haproxy_states(self->socket, NULL, error);
	if (!states || !same_maps(self, same, error))
		return false;

	g_autoptr(GHashTable) table = index_states(states);
	for (unsigned i = 0; i < self->backends->len; i++) {
		bool has_all = learn_backend(self, table, self->backends->pdata[i]);
		*same = *same && has_all;
	}
	self->has_learned = true;
	return true;
}

bool
router_sync(HaproxyRouter *self, GError **error)
{
	HaproxyInfo info = {0};
	if (!haproxy_info(self->socket, &info, error))
		return router_doubt(self);
	g_autofree char *identity = router_identity(&info);
	if (g_strcmp0(identity, self->identity) == 0)
		return true;

	bool same = true;
	if (!learn(self, &same, error) || (!same && !router_reload(self, error)) ||
	    !settle(self, error))
		return router_doubt(self);
	return learn_identity(self, error);
}
