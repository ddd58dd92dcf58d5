/*
 * What a release means in processes: its manifest, images, environment and scale put together and
 * checked, before anything is started. The same release and scale always give the same plan.
 */
#include "base/text.h"
#include "core/rack-private.h"

#include <string.h>

static void
plan_service_free(gpointer data)
{
	PlanService *service = data;
	g_free(service->image);
	env_free(service->env);
	g_free((EngineLimit *)service->settings.limits);
	g_free((EngineMount *)service->settings.mounts);
	g_free(service->env_hash);
	g_strfreev(service->hosts);
	g_free(service->host);
	g_free(service);
}

void
plan_free(Plan *plan)
{
	if (!plan)
		return;

	g_clear_pointer(&plan->services, g_ptr_array_unref);
	manifest_free(plan->manifest);
	build_free(plan->build);
	release_free(plan->release);
	g_free(plan->app);
	g_free(plan);
}

char *
rack_host(Rack *rack, const char *app, const char *service)
{
	return g_strdup_printf("%s-%s.%s", app, service, rack->provider->domain);
}

static GStrv
hosts_of(const ManifestService *service, const char *own)
{
	g_autoptr(GStrvBuilder) hosts = g_strv_builder_new();
	if (service->port && !service->is_internal) {
		g_strv_builder_add(hosts, own);
		g_strv_builder_addv(hosts, (const char **)service->domains);
	}
	return g_strv_builder_end(hosts);
}

static bool
env_add(Env *env, const char *name, const char *value, GError **error)
{
	return !value || env_set(env, name, value, error);
}

/* «other-service» → OTHER_SERVICE_URL, by the name that it has on the app's network. */
static bool
env_add_links(Env *env, const Plan *plan, const ManifestService *service, GError **error)
{
	for (char **link = service->links; *link; link++) {
		const ManifestService *linked = manifest_service(plan->manifest, *link);
		if (!linked || !linked->port)
			continue;
		g_autofree char *name = g_strconcat(*link, "_URL", NULL);
		g_autofree char *upper = g_ascii_strup(g_strdelimit(name, "-", '_'), -1);
		g_autofree char *url =
		    g_strdup_printf("%s://%s:%u", linked->port_scheme, linked->name, linked->port);
		if (!env_add(env, upper, url, error))
			return false;
	}
	return true;
}

/* Generated variables come first, so that the app's own may override them (docs/manifest.md). */
static Env *
process_env(Rack *rack, const Plan *plan, const ManifestService *service, GError **error)
{
	g_autofree char *port = service->port ? g_strdup_printf("%u", service->port) : NULL;
	const char *const generated[][2] = {
	    {"APP", plan->app},
	    {"BUILD", plan->build->id},
	    {"BUILD_DESCRIPTION", plan->build->description},
	    {"BUILD_GIT_SHA", plan->build->git_sha},
	    {"PORT", port},
	    {"RACK", rack->provider->name},
	    {"RELEASE", plan->release->id},
	    {"SERVICE", service->name},
	};
	g_autoptr(Env) env = env_new();
	for (gsize i = 0; i < G_N_ELEMENTS(generated); i++) {
		if (!env_add(env, generated[i][0], generated[i][1], error))
			return NULL;
	}

	if (!env_add_links(env, plan, service, error))
		return NULL;
	g_autoptr(Env) own = manifest_service_env(service, plan->release->env);
	g_autofree const char **names = env_names(own);
	for (gsize i = 0; names[i]; i++) {
		if (!env_add(env, names[i], env_get(own, names[i]), error))
			return NULL;
	}
	return g_steal_pointer(&env);
}

static const EngineLimit *
limits_of(const GPtrArray *from)
{
	EngineLimit *limits = g_new0(EngineLimit, from->len + 1);
	for (guint i = 0; i < from->len; i++) {
		const ManifestLimit *limit = from->pdata[i];
		limits[i] = (EngineLimit){limit->name, limit->soft, limit->hard};
	}
	return limits;
}

static const EngineMount *
mounts_of(const GPtrArray *from)
{
	static const EngineMountKind kinds[] = {
	    [MANIFEST_MOUNT_MEMORY] = ENGINE_MOUNT_MEMORY,
	    [MANIFEST_MOUNT_VOLUME] = ENGINE_MOUNT_VOLUME,
	    [MANIFEST_MOUNT_MACHINE] = ENGINE_MOUNT_MACHINE,
	};
	EngineMount *mounts = g_new0(EngineMount, from->len + 1);
	for (guint i = 0; i < from->len; i++) {
		const ManifestMount *mount = from->pdata[i];
		mounts[i] = (EngineMount){kinds[mount->kind], mount->source, mount->target,
		    mount->size, mount->mode, mount->is_read_only};
	}
	return mounts;
}

static EngineSettings
settings_of(const ManifestService *service)
{
	const ManifestProcess *process = &service->process;
	return (EngineSettings){
	    .entrypoint = (const char *const *)service->entrypoint,
	    .user = process->user,
	    .folder = process->folder,
	    .stop_signal = process->stop_signal,
	    .groups = (const char *const *)process->groups,
	    .capabilities_added = (const char *const *)process->capabilities_added,
	    .capabilities_dropped = (const char *const *)process->capabilities_dropped,
	    .hosts = (const char *const *)process->hosts,
	    .limits = limits_of(process->limits),
	    .mounts = mounts_of(process->mounts),
	    .is_read_only = process->is_read_only,
	};
}

static unsigned
scale_of(const App *app, const char *service, const char *member, unsigned fallback)
{
	json_t *scale = json_object_get(app->scale, service);
	return (unsigned)json_int_of(scale, member, fallback);
}

static PlanService *
plan_service_make(
    Rack *rack, const App *app, const Plan *plan, const ManifestService *manifest, GError **error)
{
	const char *image =
	    json_text_of(json_object_get(plan->build->images, manifest->name), "reference", NULL);
	if (!image) {
		error_set(error, CARRACK_ERROR_INVALID, "service %s has no image in build %s",
		    manifest->name, plan->build->id);
		return NULL;
	}
	g_autoptr(Env) env = process_env(rack, plan, manifest, error);
	if (!env)
		return NULL;

	PlanService *service = g_new0(PlanService, 1);
	service->service = manifest;
	service->image = g_strdup(image);
	service->env_hash = env_hash(env);
	service->env = g_steal_pointer(&env);
	service->settings = settings_of(manifest);
	service->count = scale_of(app, manifest->name, "count", manifest->count_minimum);
	service->cpu = scale_of(app, manifest->name, "cpu", manifest->cpu);
	service->memory = scale_of(app, manifest->name, "memory", manifest->memory);
	service->host = rack_host(rack, app->name, manifest->name);
	service->hosts = hosts_of(manifest, service->host);
	if (manifest->domains[0]) {
		g_free(service->host);
		service->host = g_strdup(manifest->domains[0]);
	}
	return service;
}

static bool
image_check(Rack *rack, const Plan *plan, const PlanService *service, GError **error)
{
	Builder *builder = rack->provider->builder;
	g_autoptr(GError) failure = NULL;
	if (builder->ops->has_image(builder, service->image, &failure))
		return true;
	if (g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND))
		return error_set(error, CARRACK_ERROR_NOT_FOUND,
		    "image of release %s is gone; rebuild", plan->release->id);

	g_propagate_error(error, g_steal_pointer(&failure));
	return false;
}

/* Images and host names are looked at before anything starts: both can be lost or taken meanwhile.
 */
static bool
plan_service_check(Rack *rack, const Plan *plan, const PlanService *service, GError **error)
{
	Router *router = rack->provider->router;
	return image_check(rack, plan, service, error) &&
	       router->ops->check_hosts(router, plan->app, service->service->name,
		   (const char *const *)service->hosts, error);
}

static bool
plan_load(Rack *rack, Plan *plan, const char *release, GError **error)
{
	Store *store = rack->provider->store;
	plan->release = release_load(store, plan->app, release, error);
	if (!plan->release)
		return false;
	if (!*plan->release->build)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "release %s has nothing to run: deploy first", release);

	plan->build = build_load(store, plan->app, plan->release->build, error);
	if (!plan->build)
		return false;

	const char *file = *plan->build->manifest_file ? plan->build->manifest_file : "convox.yml";
	plan->manifest = manifest_parse(plan->release->manifest, strlen(plan->release->manifest),
	    file, plan->release->env, error);
	return plan->manifest && manifest_check_env(plan->manifest, plan->release->env, error);
}

Plan *
plan_make(Rack *rack, const App *app, const char *release, GError **error)
{
	g_autoptr(Plan) plan = g_new0(Plan, 1);
	plan->app = g_strdup(app->name);
	plan->services = g_ptr_array_new_with_free_func(plan_service_free);
	if (!plan_load(rack, plan, release, error))
		return NULL;

	GPtrArray *services = plan->manifest->services;
	for (guint i = 0; i < services->len; i++) {
		PlanService *service =
		    plan_service_make(rack, app, plan, services->pdata[i], error);
		if (!service)
			return NULL;

		g_ptr_array_add(plan->services, service);
		if (!plan_service_check(rack, plan, service, error))
			return NULL;
	}
	return g_steal_pointer(&plan);
}

const PlanService *
plan_service(const Plan *plan, const char *name)
{
	for (guint i = 0; i < plan->services->len; i++) {
		const PlanService *service = plan->services->pdata[i];
		if (strcmp(service->service->name, name) == 0)
			return service;
	}
	return NULL;
}

char *
plan_create(
    Rack *rack, const Plan *plan, const PlanService *service, unsigned count, GError **error)
{
	const ManifestService *manifest = service->service;
	EngineSpec spec = {
	    .app = plan->app,
	    .service = manifest->name,
	    .release = plan->release->id,
	    .image = service->image,
	    .command = (const char *const *)manifest->command,
	    .env = service->env,
	    .count = count,
	    .cpu = service->cpu,
	    .memory = service->memory,
	    .memory_limit = MANIFEST_DEFAULT_MEMORY,
	    .port = manifest->port,
	    .termination = manifest->termination,
	    .has_init = manifest->has_init,
	    .settings = &service->settings,
	};
	Engine *engine = rack->provider->engine;
	return engine->ops->create(engine, &spec, error);
}

bool
plan_route(Rack *rack, const Plan *plan, const PlanService *service, unsigned slots, GError **error)
{
	const ManifestService *manifest = service->service;
	if (!manifest->port)
		return true;

	RouterBackend backend = {
	    .app = plan->app,
	    .service = manifest->name,
	    .hosts = (const char *const *)service->hosts,
	    .scheme = manifest->port_scheme,
	    .health_path = manifest->health.is_declared ? manifest->health.path : NULL,
	    .health_host = service->host,
	    .health_interval = manifest->health.interval,
	    .health_timeout = manifest->health.timeout,
	    .drain = manifest->drain,
	    .slots = slots,
	    .is_sticky = manifest->is_sticky,
	};
	Router *router = rack->provider->router;
	return router->ops->ensure(router, &backend, error);
}
