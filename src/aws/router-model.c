/*
 * What a backend is, and its document: kind «backend», scope «», id APP/SERVICE. Host names and
 * settings come from manifests; what the balancer would refuse is refused here, by name and with
 * what is allowed. Nothing here talks to the balancer.
 */
#include "aws/router-private.h"
#include "base/error.h"
#include "base/limits.h"

#include <string.h>

#define KIND_BACKEND "backend"
#define HOST_CHARACTERS 128 /* of a host condition */
#define LABEL_CHARACTERS 63
#define PATH_CHARACTERS 1024
#define INTERVAL_DEFAULT 5
#define INTERVAL_LEAST 5
#define INTERVAL_MOST 300
#define TIMEOUT_DEFAULT 3
#define TIMEOUT_LEAST 2
#define TIMEOUT_MOST 120
#define DRAIN_MOST 3600

/* Host names */

static bool
is_label(const char *label)
{
	gsize length = strlen(label);
	return length > 0 && length <= LABEL_CHARACTERS &&
	       strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-") == length &&
	       label[0] != '-' && label[length - 1] != '-';
}

/* The balancer wants a dot, and letters alone after the last one; an IDN's last label is the
 * exception that it does not take. */
static bool
is_host(const char *name)
{
	const char *rest = g_str_has_prefix(name, "*.") ? name + 2 : name;
	g_auto(GStrv) labels = g_strsplit(rest, ".", -1);
	guint count = g_strv_length(labels);
	for (guint i = 0; i < count; i++) {
		if (!is_label(labels[i]))
			return false;
	}
	return count > 1 && !strpbrk(labels[count - 1], "0123456789-");
}

static char *
host_of(const char *host, GError **error)
{
	g_autofree char *name = g_ascii_strdown(host, -1);
	if (g_str_has_suffix(name, "."))
		name[strlen(name) - 1] = '\0';
	if (strlen(name) > HOST_CHARACTERS) {
		error_set(error, CARRACK_ERROR_INVALID,
		    "host «%s» has %zu characters: the balancer takes at most %d", host,
		    strlen(name), HOST_CHARACTERS);
		return NULL;
	}
	if (!is_host(name)) {
		error_set(error, CARRACK_ERROR_INVALID,
		    "host «%s» is not a host name that the balancer takes («www.example.com», "
		    "«*.example.com»: letters, digits, dashes, letters alone after the last dot)",
		    host);
		return NULL;
	}
	return g_steal_pointer(&name);
}

GStrv
balancer_hosts(const char *const *hosts, GError **error)
{
	return router_hosts(hosts, host_of, error);
}

/* Settings */

static bool
check_path(const char *path, GError **error)
{
	gsize length = strlen(path);
	bool is_plain = path[0] == '/' && length <= PATH_CHARACTERS;
	for (gsize i = 0; is_plain && i < length; i++)
		is_plain = path[i] > ' ' && path[i] < 127;
	if (is_plain)
		return true;

	return error_set(error, CARRACK_ERROR_INVALID,
	    "health path «%s» has to begin with / and be at most %d printable ASCII characters",
	    path, PATH_CHARACTERS);
}

static unsigned
within(unsigned wish, unsigned fallback, unsigned least, unsigned most)
{
	return CLAMP(wish ? wish : fallback, least, most);
}

/* The codes that are healthy, as probe_is_good says (core/probe.h). A path that nobody declared is
 * only there to be asked: any answer of the program will do. */
static const char *
codes_of(bool is_grpc, bool is_declared)
{
	if (is_grpc)
		return is_declared ? "0" : "0-99";
	return is_declared ? "200-399,401" : "200-499";
}

json_t *
balancer_settings(const RouterBackend *wish, GError **error)
{
	const char *scheme = wish->scheme ? wish->scheme : "http";
	bool is_grpc = g_str_equal(scheme, "grpc");
	bool is_https = g_str_equal(scheme, "https");
	if (!is_grpc && !is_https && !g_str_equal(scheme, "http")) {
		error_set(error, CARRACK_ERROR_INVALID,
		    "service %s: scheme %s is not one of the balancer's: http, https, grpc",
		    wish->service, scheme);
		return NULL;
	}
	if (wish->health_path && !check_path(wish->health_path, error))
		return NULL;

	const char *fallback = is_grpc ? "/AWS.ALB/healthcheck" : "/";
	unsigned interval =
	    within(wish->health_interval, INTERVAL_DEFAULT, INTERVAL_LEAST, INTERVAL_MOST);
	unsigned timeout =
	    within(wish->health_timeout, TIMEOUT_DEFAULT, TIMEOUT_LEAST, TIMEOUT_MOST);
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:b}", "protocol",
	    is_https ? "HTTPS" : "HTTP", "version", is_grpc ? "GRPC" : "HTTP1", "path",
	    wish->health_path ? wish->health_path : fallback, "codes",
	    codes_of(is_grpc, wish->health_path != NULL), "interval", (int)interval, "timeout",
	    (int)MIN(timeout, interval - 1), "drain", (int)MIN(wish->drain, DRAIN_MOST), "sticky",
	    wish->is_sticky);
}

/* In memory */

void
balancer_rule_free(Rule *rule)
{
	if (!rule)
		return;

	g_free(rule->arn);
	g_free(rule->applied);
	g_ptr_array_unref(rule->hosts);
	g_free(rule);
}

Rule *
balancer_rule_copy(const Rule *rule)
{
	Rule *copy = g_new0(Rule, 1);
	copy->priority = rule->priority;
	copy->arn = g_strdup(rule->arn);
	copy->applied = g_strdup(rule->applied);
	copy->hosts = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; i < rule->hosts->len; i++)
		g_ptr_array_add(copy->hosts, g_strdup(rule->hosts->pdata[i]));
	return copy;
}

void
balancer_target_free(Target *target)
{
	g_free(target->id);
	g_free(target->state);
	g_free(target->why);
	g_free(target->process);
	g_free(target);
}

static void
group_clear(Group *group)
{
	g_free(group->name);
	g_free(group->arn);
	g_free(group->release);
	json_decref(group->settings);
	g_clear_pointer(&group->targets, g_ptr_array_unref);
	memset(group, 0, sizeof *group);
}

static GPtrArray *
targets_new(void)
{
	return g_ptr_array_new_with_free_func((GDestroyNotify)balancer_target_free);
}

static void
backend_reset(Backend *backend)
{
	for (unsigned i = 0; i < GROUPS; i++) {
		group_clear(&backend->groups[i]);
		backend->groups[i].targets = targets_new();
		backend->groups[i].release = g_strdup("");
	}
	backend->groups[0].weight = 100;
	backend->hosts = g_new0(char *, 1);
	backend->rules = g_ptr_array_new_with_free_func((GDestroyNotify)balancer_rule_free);
	backend->loose = targets_new();
	backend->fresh = NO_GROUP;
	backend->was_fresh = NO_GROUP;
}

Backend *
balancer_backend_new(const char *app, const char *service)
{
	Backend *backend = g_new0(Backend, 1);
	backend->app = g_strdup(app);
	backend->service = g_strdup(service);
	backend->name = g_strconcat(app, "/", service, NULL);
	pthread_mutex_init(&backend->lock, NULL);
	backend_reset(backend);
	return backend;
}

static void
backend_empty(Backend *backend)
{
	g_strfreev(backend->hosts);
	json_decref(backend->wish);
	g_ptr_array_unref(backend->rules);
	g_ptr_array_unref(backend->loose);
	g_clear_pointer(&backend->outgoing, g_free);
	for (unsigned i = 0; i < GROUPS; i++)
		group_clear(&backend->groups[i]);
	backend->wish = NULL;
}

void
balancer_backend_clear(Backend *backend)
{
	backend_empty(backend);
	backend_reset(backend);
	backend->version = 0;
	backend->is_stale = false;
	backend->is_whole = false;
	backend->is_going = false;
}

void
balancer_backend_free(Backend *backend)
{
	backend_empty(backend);
	pthread_mutex_destroy(&backend->lock);
	g_free(backend->app);
	g_free(backend->service);
	g_free(backend->name);
	g_free(backend);
}

/* The document */

static json_t *
texts_json(gpointer *texts, gsize count)
{
	json_t *list = json_array();
	for (gsize i = 0; i < count; i++)
		json_array_append_new(list, json_string(texts[i]));
	return list;
}

static json_t *
rules_json(const GPtrArray *rules)
{
	json_t *list = json_array();
	for (guint i = 0; i < rules->len; i++) {
		const Rule *rule = rules->pdata[i];
		json_array_append_new(
		    list, json_pack("{s:i, s:s?, s:o, s:s}", "priority", (int)rule->priority, "arn",
			      rule->arn, "hosts", texts_json(rule->hosts->pdata, rule->hosts->len),
			      "applied", rule->applied ? rule->applied : ""));
	}
	return list;
}

static json_t *
groups_json(const Backend *backend)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < GROUPS; i++) {
		const Group *group = &backend->groups[i];
		json_t *settings = group->settings ? json_incref(group->settings) : json_object();
		json_array_append_new(list,
		    json_pack("{s:s?, s:s?, s:s, s:i, s:i, s:o}", "name", group->name, "arn",
			group->arn, "release", group->release, "generation", (int)group->generation,
			"weight", (int)group->weight, "settings", settings));
	}
	return list;
}

bool
balancer_backend_save(BalancerRouter *self, Backend *backend, GError **error)
{
	json_auto_t *body = json_pack("{s:o, s:o, s:o, s:o, s:b, s:b, s:i, s:s?}", "hosts",
	    texts_json((gpointer *)backend->hosts, g_strv_length(backend->hosts)), "wish",
	    backend->wish ? json_incref(backend->wish) : json_object(), "rules",
	    rules_json(backend->rules), "groups", groups_json(backend), "whole", backend->is_whole,
	    "going", backend->is_going, "fresh", backend->was_fresh, "outgoing", backend->outgoing);
	g_autoptr(GError) failure = NULL;
	if (self->store->ops->put(self->store, KIND_BACKEND, "", backend->name, body,
		backend->version, &backend->version, &failure))
		return true;

	backend->is_stale = g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_CONFLICT);
	g_propagate_error(error, g_steal_pointer(&failure));
	return false;
}

static void
read_texts(GPtrArray *texts, const json_t *list)
{
	size_t index;
	json_t *text;
	json_array_foreach((json_t *)list, index, text)
	{
		g_ptr_array_add(texts, g_strdup(json_string_value(text)));
	}
}

static void
read_rules(Backend *backend, const json_t *list)
{
	size_t index;
	json_t *entry;
	json_array_foreach((json_t *)list, index, entry)
	{
		Rule *rule = g_new0(Rule, 1);
		rule->priority = (unsigned)json_int_of(entry, "priority", 0);
		rule->arn = g_strdup(json_text_of(entry, "arn", NULL));
		rule->applied = g_strdup(json_text_of(entry, "applied", ""));
		rule->hosts = g_ptr_array_new_with_free_func(g_free);
		read_texts(rule->hosts, json_object_get(entry, "hosts"));
		g_ptr_array_add(backend->rules, rule);
	}
}

static void
read_group(Group *group, const json_t *entry)
{
	json_t *settings = json_object_get(entry, "settings");
	group->name = g_strdup(json_text_of(entry, "name", NULL));
	group->arn = g_strdup(json_text_of(entry, "arn", NULL));
	g_free(group->release);
	group->release = g_strdup(json_text_of(entry, "release", ""));
	group->generation = (unsigned)json_int_of(entry, "generation", 0);
	group->weight = (unsigned)json_int_of(entry, "weight", 0);
	group->settings = json_object_size(settings) ? json_incref(settings) : NULL;
}

bool
balancer_backend_read(Backend *backend, const StoreDocument *document, GError **error)
{
	const json_t *body = document->body;
	json_t *groups = json_object_get(body, "groups");
	if (json_array_size(groups) != GROUPS)
		return error_set(error, CARRACK_ERROR_INTERNAL,
		    "document backend %s has %zu groups instead of %d", document->id,
		    json_array_size(groups), GROUPS);

	balancer_backend_clear(backend);
	backend->version = document->version;
	backend->is_whole = json_bool_of(body, "whole", false);
	backend->is_going = json_bool_of(body, "going", false);
	backend->was_fresh = (int)json_int_of(body, "fresh", NO_GROUP);
	backend->wish = json_incref(json_object_get(body, "wish"));
	backend->outgoing = g_strdup(json_text_of(body, "outgoing", NULL));
	g_autoptr(GPtrArray) hosts = g_ptr_array_new();
	read_texts(hosts, json_object_get(body, "hosts"));
	g_ptr_array_add(hosts, NULL);
	g_strfreev(backend->hosts);
	backend->hosts = (GStrv)g_ptr_array_free(g_steal_pointer(&hosts), FALSE);
	read_rules(backend, json_object_get(body, "rules"));
	for (unsigned i = 0; i < GROUPS; i++)
		read_group(&backend->groups[i], json_array_get(groups, i));
	return true;
}

bool
balancer_backend_fresh(BalancerRouter *self, Backend *backend, GError **error)
{
	if (!backend->is_stale)
		return true;

	g_autoptr(GError) failure = NULL;
	g_autoptr(StoreDocument) document =
	    self->store->ops->get(self->store, KIND_BACKEND, "", backend->name, &failure);
	if (document)
		return balancer_backend_read(backend, document, error);
	if (!g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND)) {
		g_propagate_error(error, g_steal_pointer(&failure));
		return false;
	}
	balancer_backend_clear(backend);
	return true;
}
