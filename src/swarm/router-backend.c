/*
 * What a backend has to be, checked: host names, paths and names come from manifests, and whatever
 * passes here goes into HAProxy's configuration and commands as it is. So the characters that are
 * allowed are listed, and everything else is refused by name.
 */
#include "swarm/router-backend.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"

#include <string.h>

#define HOST_BYTES 253
#define LABEL_BYTES 63
#define HEALTH_PATH_BYTES 1024
#define HEALTH_INTERVAL 5
#define HEALTH_TIMEOUT 3

/* HAProxy retries a connection up to three times, so for a while a request may still be on its way
 * to whoever has just left a slot. */
#define SLOT_REST (3 * G_USEC_PER_SEC)

static const char *const schemes[] = {"http", "https", "grpc", "tcp", NULL};

static void
slot_free(gpointer data)
{
	Slot *slot = data;

	g_free(slot->process);
	g_free(slot->address);
	g_free(slot);
}

void
slot_fill(Slot *slot, const char *process, const char *address, unsigned port, SlotState state)
{
	g_autofree char *new_process = g_strdup(process);
	g_autofree char *new_address = g_strdup(address);

	g_free(slot->process);
	g_free(slot->address);
	slot->process = g_steal_pointer(&new_process);
	slot->address = g_steal_pointer(&new_address);
	slot->port = port;
	slot->state = state;
}

void
slot_clear(Slot *slot)
{
	slot_fill(slot, NULL, NULL, 0, SLOT_FREE);
	slot->freed = g_get_monotonic_time();
}

void
backend_free(Backend *backend)
{
	if (!backend)
		return;

	g_free(backend->name);
	g_free(backend->app);
	g_free(backend->service);
	g_strfreev(backend->hosts);
	g_free(backend->scheme);
	g_free(backend->health_path);
	g_free(backend->health_host);
	g_ptr_array_unref(backend->slots);
	g_free(backend);
}

static bool
is_label(const char *label)
{
	gsize length = strlen(label);

	return length > 0 && length <= LABEL_BYTES &&
	       strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") == length &&
	       label[0] != '-' && label[length - 1] != '-';
}

char *
backend_host(const char *host, GError **error)
{
	g_autofree char *name = g_ascii_strdown(host, -1);
	if (g_str_has_suffix(name, "."))
		name[strlen(name) - 1] = '\0';

	const char *rest = g_str_has_prefix(name, "*.") ? name + 2 : name;
	g_auto(GStrv) labels = g_strsplit(rest, ".", -1);
	bool is_valid = labels[0] && strlen(name) <= HOST_BYTES;
	for (GStrv label = labels; is_valid && *label; label++)
		is_valid = is_label(*label);
	if (!is_valid) {
		error_set(error, CARRACK_ERROR_INVALID,
		    "host «%s» is not a host name («www.example.com», «*.example.com»)", host);
		return NULL;
	}
	return g_steal_pointer(&name);
}

GStrv
backend_hosts(const char *const *hosts, GError **error)
{
	return router_hosts(hosts, backend_host, error);
}

static bool
check_health(const RouterBackend *wish, GError **error)
{
	const char *path = wish->health_path;
	bool is_path = !path || (path[0] == '/' && strlen(path) <= HEALTH_PATH_BYTES);
	for (const char *c = path ? path : ""; is_path && *c; c++)
		is_path = g_ascii_isgraph(*c) && !strchr("\"'\\$", *c);
	if (!is_path)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "service %s: health path «%s» must begin with «/» and have no blank, quote, "
		    "backslash or dollar (at most %d bytes)",
		    wish->service, path, HEALTH_PATH_BYTES);

	const char *host = wish->health_host ? wish->health_host : "";
	for (const char *c = host; *c; c++) {
		if (!g_ascii_isalnum(*c) && !strchr(".-_:[]", *c))
			return error_set(error, CARRACK_ERROR_INVALID,
			    "service %s: health host «%s» is not a host name", wish->service, host);
	}
	return true;
}

static bool
check_wish(const RouterBackend *wish, GError **error)
{
	if (!text_check_name(wish->app, "app name", error) ||
	    !text_check_name(wish->service, "service name", error))
		return false;

	const char *scheme = wish->scheme ? wish->scheme : "http";
	bool is_routed = wish->hosts && wish->hosts[0];
	if (!g_strv_contains(schemes, scheme) || (is_routed && g_str_equal(scheme, "tcp")))
		return error_set(error, CARRACK_ERROR_INVALID,
		    "service %s: scheme «%s» cannot be routed by host name (http, https, grpc can)",
		    wish->service, scheme);
	if (wish->slots > 4 * LIMIT_SCALE)
		return error_set(error, CARRACK_ERROR_TOO_LARGE,
		    "service %s: %u slots are more than %u", wish->service, wish->slots,
		    4 * LIMIT_SCALE);

	return check_health(wish, error);
}

Backend *
backend_new(const RouterBackend *wish, GError **error)
{
	if (!check_wish(wish, error))
		return NULL;
	g_auto(GStrv) hosts = backend_hosts(wish->hosts, error);
	if (!hosts)
		return NULL;

	Backend *backend = g_new0(Backend, 1);
	backend->name = g_strdup_printf("b_%s_%s", wish->app, wish->service);
	backend->app = g_strdup(wish->app);
	backend->service = g_strdup(wish->service);
	backend->hosts = g_steal_pointer(&hosts);
	backend->scheme = g_strdup(wish->scheme ? wish->scheme : "http");
	backend->health_path = g_strdup(wish->health_path);
	backend->health_host =
	    g_strdup(wish->health_host && *wish->health_host ? wish->health_host : "localhost");
	backend->health_interval = wish->health_interval ? wish->health_interval : HEALTH_INTERVAL;
	backend->health_timeout = wish->health_timeout ? wish->health_timeout : HEALTH_TIMEOUT;
	backend->is_sticky = wish->is_sticky;
	backend->slots = g_ptr_array_new_with_free_func(slot_free);

	/* Powers of two, so that a service that is scaled up step by step seldom needs a reload. */
	unsigned count = BACKEND_SLOTS_MINIMUM;
	while (count < wish->slots)
		count *= 2;
	backend_grow(backend, count);
	return backend;
}

bool
backend_same_structure(const Backend *one, const Backend *other)
{
	return one->slots->len == other->slots->len && one->is_sticky == other->is_sticky &&
	       one->health_interval == other->health_interval &&
	       one->health_timeout == other->health_timeout &&
	       g_str_equal(one->scheme, other->scheme) &&
	       g_strcmp0(one->health_path, other->health_path) == 0 &&
	       g_str_equal(one->health_host, other->health_host);
}

void
backend_inherit(Backend *backend, const Backend *earlier)
{
	backend_grow(backend, earlier->slots->len);
	for (unsigned i = 0; i < earlier->slots->len; i++) {
		const Slot *from = earlier->slots->pdata[i];
		Slot *to = backend->slots->pdata[i];
		slot_fill(to, from->process, from->address, from->port, from->state);
		to->freed = from->freed;
	}
}

void
backend_grow(Backend *backend, unsigned count)
{
	while (backend->slots->len < count)
		g_ptr_array_add(backend->slots, g_new0(Slot, 1));
}

json_t *
backend_json(const Backend *backend)
{
	json_t *hosts = json_array();
	for (GStrv host = backend->hosts; *host; host++)
		json_array_append_new(hosts, json_string(*host));

	return json_pack("{s:s, s:s, s:o, s:s, s:s?, s:s, s:i, s:i, s:b, s:i}", "app", backend->app,
	    "service", backend->service, "hosts", hosts, "scheme", backend->scheme, "health-path",
	    backend->health_path, "health-host", backend->health_host, "health-interval",
	    (int)backend->health_interval, "health-timeout", (int)backend->health_timeout, "sticky",
	    backend->is_sticky, "slots", (int)backend->slots->len);
}

Backend *
backend_from_json(const json_t *object, GError **error)
{
	g_autoptr(GPtrArray) hosts = g_ptr_array_new();
	const json_t *list = json_object_get(object, "hosts");
	for (gsize i = 0; i < json_array_size(list); i++) {
		const char *host = json_string_value(json_array_get(list, i));
		if (host)
			g_ptr_array_add(hosts, (gpointer)host);
	}
	g_ptr_array_add(hosts, NULL);

	RouterBackend wish = {.app = json_text_of(object, "app", ""),
	    .service = json_text_of(object, "service", ""),
	    .hosts = (const char *const *)hosts->pdata,
	    .scheme = json_text_of(object, "scheme", "http"),
	    .health_path = json_string_value(json_object_get(object, "health-path")),
	    .health_host = json_text_of(object, "health-host", ""),
	    .health_interval = json_int_of(object, "health-interval", 0),
	    .health_timeout = json_int_of(object, "health-timeout", 0),
	    .slots = json_int_of(object, "slots", 0),
	    .is_sticky = json_bool_of(object, "sticky", false)};
	return backend_new(&wish, error);
}

Slot *
backend_slot_of(const Backend *backend, const char *process)
{
	for (unsigned i = 0; i < backend->slots->len; i++) {
		Slot *slot = backend->slots->pdata[i];
		if (slot->state != SLOT_FREE && g_str_equal(slot->process, process))
			return slot;
	}
	return NULL;
}

Slot *
backend_slot_at(const Backend *backend, const char *address, unsigned port)
{
	for (unsigned i = 0; i < backend->slots->len; i++) {
		Slot *slot = backend->slots->pdata[i];
		if (slot->state != SLOT_FREE && slot->port == port &&
		    g_str_equal(slot->address, address))
			return slot;
	}
	return NULL;
}

Slot *
backend_slot_free(const Backend *backend)
{
	gint64 now = g_get_monotonic_time();
	Slot *best = NULL;

	for (unsigned i = 0; i < backend->slots->len; i++) {
		Slot *slot = backend->slots->pdata[i];
		if (slot->state != SLOT_FREE)
			continue;
		if (!slot->freed || now - slot->freed > SLOT_REST)
			return slot;
		if (!best || slot->freed < best->freed)
			best = slot;
	}
	return best;
}

char *
backend_slot_name(const Backend *backend, const Slot *slot)
{
	unsigned index = 0;

	g_ptr_array_find(backend->slots, slot, &index);
	return g_strdup_printf("s%u", index + 1);
}
