/*
 * How a process is run, as ECS says it: user, folder, capabilities, limits, mounts. What ECS has no
 * word for, or Fargate not, is refused by name before anything is made.
 *
 * Volumes are refused: a process may run on any machine of the rack, and a folder of one of them
 * would be another one's tomorrow.
 */
#include "aws/engine-private.h"

#include <string.h>

#define MEBIBYTE (1024 * 1024)
#define MEMORY_MOUNT_MIB 64 /* of a file system in memory that names no size */

static bool
refuse(const EngineSpec *spec, const char *what, GError **error)
{
	return error_set(error, CARRACK_ERROR_INVALID, "service %s: %s", spec->service, what);
}

static bool
check_mounts(const EcsEngine *engine, const EngineSpec *spec, GError **error)
{
	const EngineMount *mount = spec->settings->mounts;
	for (; mount && mount->target; mount++) {
		if (mount->kind == ENGINE_MOUNT_VOLUME)
			return error_set(error, CARRACK_ERROR_INVALID,
			    "service %s: volume %s: a rack on AWS keeps no volumes, since its "
			    "processes run on any machine; use a resource or objects",
			    spec->service, mount->target);
		if (engine->rack->is_fargate)
			return error_set(error, CARRACK_ERROR_INVALID,
			    "service %s: %s: Fargate mounts nothing there", spec->service,
			    mount->target);
	}
	return true;
}

static bool
has_any(const char *const *list)
{
	return list && *list;
}

static bool
check_fargate(const EngineSpec *spec, GError **error)
{
	const EngineSettings *settings = spec->settings;
	const EngineLimit *limit = settings->limits;
	if (has_any(settings->hosts))
		return refuse(spec, "Fargate has no hosts of one's own", error);
	if (has_any(settings->capabilities_added))
		return refuse(spec, "Fargate adds no capabilities", error);
	for (; limit && limit->name; limit++) {
		if (strcmp(limit->name, "nofile") != 0)
			return error_set(error, CARRACK_ERROR_INVALID,
			    "service %s: limit %s: Fargate knows nofile only", spec->service,
			    limit->name);
	}
	return true;
}

bool
ecs_settings_check(const EcsEngine *engine, const EngineSpec *spec, GError **error)
{
	const EngineSettings *settings = spec->settings;
	if (!settings)
		return true;
	if (settings->stop_signal)
		return refuse(spec,
		    "a stop signal of its own: ECS sends what the image says (STOPSIGNAL)", error);
	if (has_any(settings->groups))
		return refuse(spec, "further groups: ECS knows user and group only", error);
	if (engine->rack->is_fargate && !check_fargate(spec, error))
		return false;

	return check_mounts(engine, spec, error);
}

static json_t *
words(const char *const *list)
{
	json_t *array = json_array();
	for (; *list; list++)
		json_array_append_new(array, json_text_value(*list));
	return array;
}

static void
add_capabilities(const EngineSettings *settings, json_t *container)
{
	json_t *capabilities = json_object();
	if (has_any(settings->capabilities_added))
		json_object_set_new(capabilities, "add", words(settings->capabilities_added));
	if (has_any(settings->capabilities_dropped))
		json_object_set_new(capabilities, "drop", words(settings->capabilities_dropped));
	json_object_set_new(
	    json_object_get(container, "linuxParameters"), "capabilities", capabilities);
}

static void
add_hosts(const EngineSettings *settings, json_t *container)
{
	json_t *hosts = json_array();
	for (const char *const *host = settings->hosts; *host; host++) {
		g_auto(GStrv) parts = g_strsplit(*host, ":", 2);
		json_array_append_new(hosts, json_pack("{s:s, s:s}", "hostname", parts[0],
						 "ipAddress", parts[1] ? parts[1] : ""));
	}
	json_object_set_new(container, "extraHosts", hosts);
}

/* A limit that the settings name replaces ours. */
static void
add_limits(const EngineLimit *limits, json_t *container)
{
	json_t *all = json_object_get(container, "ulimits");
	for (const EngineLimit *limit = limits; limit && limit->name; limit++) {
		if (strcmp(limit->name, "nofile") == 0)
			json_array_remove(all, 0);
		json_array_append_new(
		    all, json_pack("{s:s, s:I, s:I}", "name", limit->name, "softLimit",
			     (json_int_t)limit->soft, "hardLimit", (json_int_t)limit->hard));
	}
}

static void
add_memory_mount(const EngineMount *mount, json_t *container)
{
	json_t *parameters = json_object_get(container, "linuxParameters");
	gint64 size = mount->size ? (mount->size + MEBIBYTE - 1) / MEBIBYTE : MEMORY_MOUNT_MIB;
	json_t *entry = json_pack("{s:s, s:I, s:[]}", "containerPath", mount->target, "size",
	    (json_int_t)size, "mountOptions");
	json_t *options = json_object_get(entry, "mountOptions");
	if (mount->mode)
		json_array_append_new(options, json_sprintf("mode=%o", mount->mode));
	if (mount->is_read_only)
		json_array_append_new(options, json_string("ro"));
	if (!json_object_get(parameters, "tmpfs"))
		json_object_set_new(parameters, "tmpfs", json_array());
	json_array_append_new(json_object_get(parameters, "tmpfs"), entry);
}

static void
add_machine_mount(const EngineMount *mount, json_t *points, json_t *volumes)
{
	g_autofree char *name =
	    g_strdup_printf("machine-%" G_GSIZE_FORMAT, json_array_size(volumes));
	json_array_append_new(volumes,
	    json_pack("{s:s, s:{s:s}}", "name", name, "host", "sourcePath", mount->source));
	json_array_append_new(
	    points, json_pack("{s:s, s:s, s:b}", "sourceVolume", name, "containerPath",
			mount->target, "readOnly", (int)mount->is_read_only));
}

static void
add_mounts(const EngineMount *mounts, json_t *container, json_t *definition)
{
	json_auto_t *points = json_array();
	json_auto_t *volumes = json_array();
	for (const EngineMount *mount = mounts; mount && mount->target; mount++) {
		if (mount->kind == ENGINE_MOUNT_MEMORY)
			add_memory_mount(mount, container);
		else
			add_machine_mount(mount, points, volumes);
	}
	if (json_array_size(points) == 0)
		return;
	json_object_set(container, "mountPoints", points);
	json_object_set(definition, "volumes", volumes);
}

void
ecs_settings_add(const EngineSpec *spec, json_t *container, json_t *definition)
{
	const EngineSettings *settings = spec->settings;
	if (!settings)
		return;
	if (settings->user)
		json_object_set_new(container, "user", json_text_value(settings->user));
	if (settings->folder)
		json_object_set_new(
		    container, "workingDirectory", json_text_value(settings->folder));
	if (settings->is_read_only)
		json_object_set_new(container, "readonlyRootFilesystem", json_true());
	if (has_any(settings->capabilities_added) || has_any(settings->capabilities_dropped))
		add_capabilities(settings, container);
	if (has_any(settings->hosts))
		add_hosts(settings, container);
	add_limits(settings->limits, container);
	add_mounts(settings->mounts, container, definition);
}
