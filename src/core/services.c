/*
 * Services as the wire shows them, and what a user does to them by hand: scale, restart.
 */
#include "base/text.h"
#include "core/rollout.h"

#include <string.h>

/* The certificate that serves a host, «» when only the rack's own does. Certificates: of
 * CertificateEntry; of several the one that lasts longest, exact names first. */
static const char *
certificate_of(const GPtrArray *certificates, const char *host)
{
	const CertificateEntry *best = NULL;
	bool is_best_exact = false;
	for (guint i = 0; certificates && i < certificates->len; i++) {
		const CertificateEntry *entry = certificates->pdata[i];
		bool is_exact = g_strv_contains((const char *const *)entry->domains, host);
		if (!entry->is_ready || !certificate_entry_covers(entry, host))
			continue;
		if (!best || is_exact > is_best_exact ||
		    (is_exact == is_best_exact && entry->expires > best->expires)) {
			best = entry;
			is_best_exact = is_exact;
		}
	}
	return best ? best->id : "";
}

/* Where a browser gets there. Plain HTTP, as long as the only certificate is the one that the rack
 * has signed itself. */
static char *
service_url(const Provider *provider, const char *host, bool is_secure)
{
	unsigned port = is_secure ? provider->https_port : provider->http_port;
	const char *scheme = is_secure ? "https" : "http";
	if (port == (is_secure ? 443 : 80))
		return g_strdup_printf("%s://%s", scheme, host);

	return g_strdup_printf("%s://%s:%u", scheme, host, port);
}

/* What the wire calls a service, from the live release and what was scaled by hand. */
static json_t *
service_json(
    Rack *rack, const App *app, const ManifestService *service, const GPtrArray *certificates)
{
	json_t *scale = json_object_get(app->scale, service->name);
	g_autofree char *own = rack_host(rack, app->name, service->name);
	bool has_host = service->port && !service->is_internal;
	const char *host = service->domains[0] ? service->domains[0] : own;
	const char *certificate = has_host ? certificate_of(certificates, host) : "";
	json_t *ports = json_array();
	if (service->port) {
		json_array_append_new(
		    ports, json_pack("{s:i, s:s, s:i}", "balancer", 443, "certificate", certificate,
			       "container", (int)service->port));
		json_array_append_new(
		    ports, json_pack("{s:i, s:s, s:i}", "balancer", 80, "certificate", "",
			       "container", (int)service->port));
	}
	gint64 cpu = json_int_of(scale, "cpu", service->cpu);
	gint64 memory = json_int_of(scale, "memory", service->memory);
	g_autofree char *url =
	    has_host ? service_url(rack->provider, own, *certificate_of(certificates, own) != '\0')
		     : g_strdup("");
	return json_pack("{s:I, s:I, s:s, s:I, s:s, s:n, s:o, s:s}", "count",
	    (json_int_t)json_int_of(scale, "count", service->count_minimum), "cpu",
	    (json_int_t)(cpu ? cpu : MANIFEST_DEFAULT_CPU), "domain", has_host ? own : "", "memory",
	    (json_int_t)(memory ? memory : MANIFEST_DEFAULT_MEMORY), "name", service->name, "nlb",
	    "ports", ports, "url", url);
}

/* The manifest of the live release; an empty one when there is none. */
static Manifest *
live_manifest(Rack *rack, const App *app, GError **error)
{
	if (!*app->release)
		return manifest_parse("", 0, "convox.yml", NULL, error);

	g_autoptr(Release) release =
	    release_load(rack->provider->store, app->name, app->release, error);
	if (!release)
		return NULL;

	return manifest_parse(
	    release->manifest, strlen(release->manifest), "convox.yml", release->env, error);
}

json_t *
rack_services(Rack *rack, const char *name, GError **error)
{
	g_autoptr(App) app = app_load(rack->provider->store, name, error);
	g_autoptr(Manifest) manifest = app ? live_manifest(rack, app, error) : NULL;
	if (!manifest)
		return NULL;

	Certificates *part = rack->provider->certificates;
	g_autoptr(GPtrArray) certificates = part->ops->list(part, NULL);
	json_t *services = json_array();
	for (guint i = 0; i < manifest->services->len; i++)
		json_array_append_new(
		    services, service_json(rack, app, manifest->services->pdata[i], certificates));
	return services;
}

static bool
refuse_unknown(const Manifest *manifest, const char *service, GError **error)
{
	g_autoptr(GString) known = g_string_new(NULL);
	for (guint i = 0; i < manifest->services->len; i++) {
		const ManifestService *one = manifest->services->pdata[i];
		g_string_append_printf(known, "%s%s", i ? ", " : "", one->name);
	}
	return error_set(error, CARRACK_ERROR_NOT_FOUND, "no such service: %s; services: %s",
	    service, known->len ? known->str : "none yet, deploy first");
}

typedef struct {
	const char *service;
	const ServiceUpdate *update;
} ScaleChange;

static void
scale_set(json_t *scale, const char *member, gint64 value)
{
	if (value >= 0)
		json_object_set_new(scale, member, json_integer(value));
}

static void
change_scale(App *app, gpointer data)
{
	const ScaleChange *change = data;
	json_t *known = json_object_get(app->scale, change->service);
	json_t *scale = known ? json_copy(known) : json_object();
	scale_set(scale, "count", change->update->count);
	scale_set(scale, "cpu", change->update->cpu);
	scale_set(scale, "memory", change->update->memory);
	json_object_set_new(app->scale, change->service, scale);
}

static bool
check_range(const char *what, gint64 value, gint64 maximum, GError **error)
{
	if (value >= -1 && value <= maximum)
		return true;

	return error_set(error, CARRACK_ERROR_INVALID,
	    "%s %" G_GINT64_FORMAT " is not between 0 and %" G_GINT64_FORMAT, what, value, maximum);
}

/* Counting up or down */

typedef struct {
	Rack *rack;
	Operation *operation;
	EngineDeployment *deployment;
	unsigned count;
	unsigned drain;
} Scaling;

static void
scaling_run(gpointer data)
{
	Scaling *scaling = data;
	Rack *rack = scaling->rack;
	Engine *engine = rack->provider->engine;
	g_autofree char *app = g_strdup(scaling->operation->app);
	g_autoptr(Timeline) timeline =
	    timeline_begin(rack->timelines, app, scaling->operation->release, NULL);
	g_autofree char *detail =
	    g_strdup_printf("%u to %u", scaling->deployment->count, scaling->count);
	const char *service = scaling->deployment->service;
	timeline_open(timeline, "scale", service, detail);

	g_autoptr(GError) error = NULL;
	bool is_more = scaling->count > scaling->deployment->count;
	bool good =
	    is_more ? engine->ops->scale(engine, scaling->deployment->id, scaling->count, &error)
		    : deployment_shrink(
			  rack, scaling->deployment, scaling->count, scaling->drain, &error);
	if (!good)
		logs_system(rack->provider->logs, app, "scale", "scaling %s failed: %s", service,
		    error->message);
	operation_ending(rack, scaling->operation);
	app_set_status(rack, app, "running", NULL);
	timeline_end(timeline, good ? "succeeded" : "failed", good ? NULL : error->message, NULL);
	operation_end(rack, scaling->operation);
	supervisor_wake(rack->supervisor, app);
	engine_deployment_free(scaling->deployment);
	g_free(scaling);
}

static EngineDeployment *
live_deployment(Rack *rack, const App *app, const char *service, GError **error)
{
	Engine *engine = rack->provider->engine;
	const char *wanted = json_text_of(app->live, service, "");
	g_autoptr(GPtrArray) all = engine->ops->deployments(engine, app->name, error);
	for (guint i = 0; all && i < all->len; i++) {
		EngineDeployment *deployment = all->pdata[i];
		if (strcmp(deployment->id, wanted) == 0)
			return g_ptr_array_steal_index(all, i);
	}
	if (all)
		error_set(error, CARRACK_ERROR_NOT_FOUND, "service %s does not run; deploy again",
		    service);
	return NULL;
}

static bool
scale_count(
    Rack *rack, const App *app, const ManifestService *service, unsigned count, GError **error)
{
	EngineDeployment *deployment = live_deployment(rack, app, service->name, error);
	if (!deployment)
		return false;

	Operation *operation =
	    operation_begin(rack, app->name, "scale", app->release, NULL, false, error);
	if (!operation || !app_set_status(rack, app->name, "updating", error)) {
		if (operation)
			operation_end(rack, operation);
		engine_deployment_free(deployment);
		return false;
	}
	Scaling *scaling = g_new0(Scaling, 1);
	*scaling = (Scaling){rack, operation, deployment, count, service->termination};
	rack_run(rack, scaling_run, scaling);
	return true;
}

bool
rack_service_update(
    Rack *rack, const char *name, const char *service, const ServiceUpdate *update, GError **error)
{
	if (!check_range("count", update->count, LIMIT_SCALE, error) ||
	    !check_range("cpu", update->cpu, 1024 * 1024, error) ||
	    !check_range("memory", update->memory, 16 * 1024 * 1024, error))
		return false;
	g_autoptr(App) app = app_load(rack->provider->store, name, error);
	g_autoptr(Manifest) manifest = app ? live_manifest(rack, app, error) : NULL;
	if (!manifest)
		return false;
	const ManifestService *known = manifest_service(manifest, service);
	if (!known)
		return update->count == 0 || refuse_unknown(manifest, service, error);
	if (operation_is_running(rack, name))
		return operation_begin(rack, name, "scale", "", NULL, false, error) != NULL;

	ScaleChange change = {service, update};
	if (!app_change(rack, name, change_scale, &change, error))
		return false;
	if (update->cpu >= 0 || update->memory >= 0)
		return service_replace(rack, name, service, "scale", error);
	if (update->count < 0)
		return true;

	return scale_count(rack, app, known, (unsigned)update->count, error);
}

bool
rack_service_restart(Rack *rack, const char *name, const char *service, GError **error)
{
	g_autoptr(App) app = app_load(rack->provider->store, name, error);
	g_autoptr(Manifest) manifest = app ? live_manifest(rack, app, error) : NULL;
	if (!manifest)
		return false;
	if (!manifest_service(manifest, service))
		return refuse_unknown(manifest, service, error);

	return service_replace(rack, name, service, "restart", error);
}
