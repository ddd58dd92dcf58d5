/*
 * How a process is run, in the engine's two dialects: a Swarm service's ContainerSpec, and a
 * container of our own with its HostConfig. Both are made from the same settings, so that a one-off
 * finds what its service's processes find.
 */
#include "swarm/engine-private.h"

static void
set_text(json_t *object, const char *name, const char *text)
{
	if (text)
		json_object_set_new(object, name, json_text_value(text));
}

static void
set_texts(json_t *object, const char *name, const char *const *texts)
{
	if (!texts || !texts[0])
		return;

	json_t *list = json_array();
	for (; *texts; texts++)
		json_array_append_new(list, json_text_value(*texts));
	json_object_set_new(object, name, list);
}

static void
set_limits(json_t *object, const EngineLimit *limits)
{
	json_t *list = json_array();
	for (; limits && limits->name; limits++)
		json_array_append_new(
		    list, json_pack("{s:s, s:I, s:I}", "Name", limits->name, "Soft",
			      (json_int_t)limits->soft, "Hard", (json_int_t)limits->hard));
	if (json_array_size(list) > 0)
		json_object_set(object, "Ulimits", list);
	json_decref(list);
}

char *
engine_volume_name(const SwarmEngine *engine, const char *app, const char *volume)
{
	return g_strdup_printf("%s.%s.%s", engine->rack, app, volume);
}

static json_t *
volume_json(const SwarmEngine *engine, const char *app, const EngineMount *mount)
{
	g_autofree char *name = engine_volume_name(engine, app, mount->source);

	return json_pack("{s:s, s:s, s:s, s:b, s:{s:{s:s, s:s}}}", "Type", "volume", "Source", name,
	    "Target", mount->target, "ReadOnly", (int)mount->is_read_only, "VolumeOptions",
	    "Labels", LABEL_RACK, engine->rack, LABEL_APP, app);
}

static json_t *
memory_json(const EngineMount *mount)
{
	json_t *options = json_object();
	if (mount->size > 0)
		json_object_set_new(options, "SizeBytes", json_integer(mount->size));
	if (mount->mode > 0)
		json_object_set_new(options, "Mode", json_integer(mount->mode));

	return json_pack(
	    "{s:s, s:s, s:o}", "Type", "tmpfs", "Target", mount->target, "TmpfsOptions", options);
}

static json_t *
mount_json(const SwarmEngine *engine, const char *app, const EngineMount *mount)
{
	switch (mount->kind) {
	case ENGINE_MOUNT_VOLUME:
		return volume_json(engine, app, mount);
	case ENGINE_MOUNT_MACHINE:
		return json_pack("{s:s, s:s, s:s, s:b}", "Type", "bind", "Source", mount->source,
		    "Target", mount->target, "ReadOnly", (int)mount->is_read_only);
	default:
		return memory_json(mount);
	}
}

static void
set_mounts(const SwarmEngine *engine, json_t *object, const EngineSpec *spec)
{
	json_t *list = json_array();
	const EngineMount *mount = spec->settings->mounts;
	for (; mount && mount->target; mount++)
		json_array_append_new(list, mount_json(engine, spec->app, mount));
	if (json_array_size(list) > 0)
		json_object_set(object, "Mounts", list);
	json_decref(list);
}

/* «name:address» → «address name», a line of /etc/hosts. */
static void
set_host_lines(json_t *object, const char *const *hosts)
{
	json_t *list = json_array();
	for (; hosts && *hosts; hosts++) {
		g_auto(GStrv) parts = g_strsplit(*hosts, ":", 2);
		json_array_append_new(list, json_sprintf("%s %s", parts[1], parts[0]));
	}
	if (json_array_size(list) > 0)
		json_object_set(object, "Hosts", list);
	json_decref(list);
}

void
engine_settings_service(const SwarmEngine *engine, json_t *container, const EngineSpec *spec)
{
	const EngineSettings *settings = spec->settings;
	if (!settings)
		return;

	set_texts(container, "Command", settings->entrypoint);
	set_text(container, "User", settings->user);
	set_text(container, "Dir", settings->folder);
	set_text(container, "StopSignal", settings->stop_signal);
	set_texts(container, "Groups", settings->groups);
	set_texts(container, "CapabilityAdd", settings->capabilities_added);
	set_texts(container, "CapabilityDrop", settings->capabilities_dropped);
	set_host_lines(container, settings->hosts);
	set_limits(container, settings->limits);
	set_mounts(engine, container, spec);
	if (settings->is_read_only)
		json_object_set_new(container, "ReadOnly", json_true());
}

void
engine_settings_container(const SwarmEngine *engine, json_t *body, const EngineSpec *spec)
{
	const EngineSettings *settings = spec->settings;
	json_t *host = json_object_get(body, "HostConfig");
	if (!settings)
		return;

	if (!json_object_get(body, "Entrypoint"))
		set_texts(body, "Entrypoint", settings->entrypoint);
	set_text(body, "User", settings->user);
	set_text(body, "WorkingDir", settings->folder);
	set_text(body, "StopSignal", settings->stop_signal);
	set_texts(host, "GroupAdd", settings->groups);
	set_texts(host, "CapAdd", settings->capabilities_added);
	set_texts(host, "CapDrop", settings->capabilities_dropped);
	set_texts(host, "ExtraHosts", settings->hosts);
	set_limits(host, settings->limits);
	set_mounts(engine, host, spec);
	if (settings->is_read_only)
		json_object_set_new(host, "ReadonlyRootfs", json_true());
}
