/*
 * The resolved manifest. Its shape is for programs: the same members for every service, whatever
 * the file says and whether it is a convox.yml or a compose file.
 */
#include "manifest/show.h"

#include "manifest/process.h"

#define GRACE_SECONDS 30 /* as the rack's own, docs/manifest.md */

static json_t *
texts(GStrv list)
{
	json_t *array = json_array();
	for (char **text = list; text != NULL && *text != NULL; text++)
		json_array_append_new(array, json_text_value(*text));
	return array;
}

static json_t *
texts_or_null(GStrv list)
{
	return list != NULL ? texts(list) : json_null();
}

static json_t *
build_json(const ManifestBuild *build)
{
	if (build->path == NULL)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o}", "path", json_text_value(build->path), "manifest",
	    json_text_value(build->manifest), "args", texts(build->arguments), "target",
	    json_text_value(build->target));
}

static json_t *
port_json(unsigned port, const char *scheme)
{
	if (port == 0)
		return json_null();
	return json_pack("{s:i, s:o}", "port", (int)port, "scheme",
	    json_text_value(scheme != NULL ? scheme : "http"));
}

static json_t *
health_json(const Manifest *manifest, const ManifestHealth *health)
{
	unsigned fallback = manifest->generation != 0 ? health->interval : GRACE_SECONDS;
	return json_pack("{s:o, s:i, s:i, s:i, s:b, s:o}", "path", json_text_value(health->path),
	    "grace", (int)(health->grace != 0 ? health->grace : fallback), "interval",
	    (int)health->interval, "timeout", (int)health->timeout, "disable", health->is_disabled,
	    "port", port_json(health->port, health->port_scheme));
}

/* With a GPU the third generation reserves neither. */
static unsigned
default_size(const Manifest *manifest, const ManifestService *service, unsigned size)
{
	json_t *gpu = json_object_get(service->scaling, "gpu");
	bool has_gpu = manifest->generation == 3 && json_int_of(gpu, "count", 0) > 0;
	return has_gpu ? 0 : size;
}

static json_t *
scale_json(const Manifest *manifest, const ManifestService *service)
{
	unsigned cpu = manifest->generation == 3 ? 250 : MANIFEST_DEFAULT_CPU;
	if (service->cpu != 0)
		cpu = service->cpu;
	else
		cpu = default_size(manifest, service, cpu);
	unsigned memory = service->memory != 0
			      ? service->memory
			      : default_size(manifest, service, MANIFEST_DEFAULT_MEMORY);
	json_t *scale =
	    json_pack("{s:{s:i, s:i}, s:i, s:i}", "count", "min", (int)service->count_minimum,
		"max", (int)service->count_maximum, "cpu", (int)cpu, "memory", (int)memory);
	if (manifest->generation == 2)
		json_object_set_new(
		    scale, "cooldown", json_pack("{s:i, s:i}", "up", 60, "down", 60));
	json_object_update(scale, service->scaling);
	json_object_del(scale, "min");
	json_object_del(scale, "max");
	return scale;
}

static json_t *
ports_json(const GPtrArray *ports)
{
	json_t *list = json_array();
	for (guint i = 0; i < ports->len; i++) {
		const ManifestPort *port = ports->pdata[i];
		json_t *entry =
		    json_pack("{s:i, s:s}", "port", (int)port->port, "protocol", port->protocol);
		if (port->published != 0)
			json_object_set_new(entry, "published", json_integer(port->published));
		if (port->address != NULL)
			json_object_set_new(entry, "address", json_text_value(port->address));
		json_array_append_new(list, entry);
	}
	return list;
}

static json_t *
environment_json(const ManifestService *service, const Env *env)
{
	g_autoptr(Env) none = env_new();
	g_autoptr(Env) own = manifest_service_env(service, env != NULL ? env : none);
	return env_json(own);
}

static json_t *
agent_json(const Manifest *manifest, const ManifestService *service)
{
	return json_pack("{s:b, s:o}", "enabled", service->is_agent, "ports",
	    service->is_agent && manifest->generation != 3 ? ports_json(service->ports)
							   : json_array());
}

static void
add_flags(json_t *object, const ManifestService *service)
{
	const struct {
		const char *name;
		bool is_set;
	} flags[] = {
	    {"internal", service->is_internal || service->is_internal_and_external},
	    {"internalAndExternal", service->is_internal_and_external},
	    {"singleton", service->is_singleton},
	    {"sticky", service->is_sticky},
	    {"init", service->has_init},
	    {"privileged", service->is_privileged},
	};
	for (gsize i = 0; i < G_N_ELEMENTS(flags); i++)
		json_object_set_new(object, flags[i].name, json_boolean(flags[i].is_set));
}

static void
add_lists(json_t *object, const ManifestService *service)
{
	json_object_set_new(object, "domain", texts(service->domains));
	json_object_set_new(object, "links", texts(service->links));
	json_object_set_new(object, "resources", texts(service->resources));
	json_object_set_new(object, "volumes", texts(service->volumes));
	json_object_set_new(object, "ports", ports_json(service->ports));
}

static void
add_times(json_t *object, const ManifestService *service)
{
	json_object_set_new(object, "deployment",
	    json_pack("{s:i, s:i}", "minimum", (int)service->deployment_minimum, "maximum",
		(int)service->deployment_maximum));
	json_object_set_new(object, "drain", json_integer(service->drain));
	json_object_set_new(
	    object, "termination", json_pack("{s:i}", "grace", (int)service->termination));
	json_object_set_new(object, "timeout", json_integer(service->timeout));
	json_object_set_new(
	    object, "tls", json_pack("{s:b}", "redirect", service->redirects_to_tls));
}

static json_t *
service_json(const Manifest *manifest, const ManifestService *service, const Env *env)
{
	json_t *object = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
	    json_text_value(service->name), "build", build_json(&service->build), "image",
	    json_text_value(service->image), "entrypoint", texts_or_null(service->entrypoint),
	    "command", texts_or_null(service->command), "port",
	    port_json(service->port, service->port_scheme), "health",
	    health_json(manifest, &service->health), "scale", scale_json(manifest, service),
	    "environment", environment_json(service, env));
	json_object_set_new(object, "process", process_show(&service->process));
	add_lists(object, service);
	add_times(object, service);
	add_flags(object, service);
	json_object_set_new(object, "agent", agent_json(manifest, service));
	json_object_set_new(object, "test", json_text_value(service->test));
	json_object_update(object, service->more);
	return object;
}

static json_t *
resource_json(const ManifestResource *resource)
{
	return json_pack("{s:o, s:o, s:o, s:O}", "name", json_text_value(resource->name), "type",
	    json_text_value(resource->type), "image", json_text_value(resource->image), "options",
	    resource->options);
}

static json_t *
timer_json(const ManifestTimer *timer)
{
	json_t *object = json_pack("{s:o, s:o, s:o, s:o, s:o}", "name",
	    json_text_value(timer->name), "schedule", json_text_value(timer->schedule), "command",
	    texts_or_null(timer->command), "service", json_text_value(timer->service),
	    "concurrency", json_text_value(timer->concurrency));
	json_object_set_new(object, "parallelCount", json_integer(timer->parallel));
	json_object_update(object, timer->more);
	return object;
}

static json_t *
release_json(const ManifestRelease *release)
{
	if (release->command == NULL)
		return json_null();
	return json_pack("{s:o, s:o}", "command", texts(release->command), "service",
	    json_text_value(release->service));
}

json_t *
manifest_json(const Manifest *manifest, const Env *env)
{
	json_t *services = json_array();
	json_t *resources = json_array();
	json_t *timers = json_array();
	for (guint i = 0; i < manifest->services->len; i++)
		json_array_append_new(
		    services, service_json(manifest, manifest->services->pdata[i], env));
	for (guint i = 0; i < manifest->resources->len; i++)
		json_array_append_new(resources, resource_json(manifest->resources->pdata[i]));
	for (guint i = 0; i < manifest->timers->len; i++)
		json_array_append_new(timers, timer_json(manifest->timers->pdata[i]));

	json_t *object = json_pack("{s:s, s:o, s:o, s:o, s:O, s:o}", "file", manifest->file,
	    "services", services, "resources", resources, "timers", timers, "balancers",
	    manifest->balancers, "release", release_json(&manifest->release));
	json_object_update(object, manifest->more);
	return object;
}
