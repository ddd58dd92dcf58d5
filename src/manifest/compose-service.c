/*
 * The keys of a compose service: those that a rack has an answer to, those that it passes over with
 * a warning, and those that would give a container power over the machine. Of the latter an app
 * whose parameter HostAccess is Yes gets what Swarm can do; the rest is refused when it comes to a
 * deploy.
 */
#include "manifest/compose-private.h"

#include <string.h>

static void
refuse(Decoder *decoder, const YamlNode *node, const Field *field)
{
	g_autofree char *reason = g_strdup_printf("%s gives power over the machine, and Swarm's "
						  "services cannot have it",
	    field->name);
	decode_answer(decoder, node, RACK_REFUSES, reason);
}

static void
refuse_any(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	if (yaml_kind(node) == YAML_SCALAR || yaml_size(node) > 0)
		refuse(decoder, node, field);
}

static void
decode_privileged(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	const Field whole = {.name = field->name};
	decode_bool(decoder, node, &whole, &own->service->is_privileged);
	if (own->service->is_privileged)
		refuse(decoder, node, field);
}

/* network_mode, pid, ipc, …: only what is not the container's own. */
static void
decode_namespace(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	static const char *const own[] = {
	    "bridge", "default", "none", "private", "shareable", "", NULL};
	const char *text = decode_scalar(decoder, node, "a name");
	if (text == NULL)
		return;
	if (g_strv_contains(own, text))
		decode_answer(decoder, node, RACK_IGNORES, NULL);
	else
		refuse(decoder, node, field);
}

static void
ask_capabilities(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	compose_capabilities_added(decoder, node, field, target);
	if (yaml_size(node) > 0)
		decode_answer(decoder, node, RACK_ASKS, SERVICE_ASKS_POWER);
}

static void
decode_image(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	const Field whole = {.name = field->name};
	service_decode_image(decoder, node, &whole, &own->service->image);
}

#define IGNORED(key)                                                                               \
	{                                                                                          \
		key, decode_nothing, .answer = RACK_IGNORES                                        \
	}

static const Field fields[] = {
    {"build", compose_build},
    {"command", compose_command},
    {"cpu_shares", compose_cpu_shares},
    {"cpus", compose_cpus},
    {"depends_on", compose_depends},
    {"deploy", compose_deploy},
    {"dockerfile", compose_dockerfile, .offset = 1},
    {"entrypoint", compose_entrypoint},
    {"env_file", compose_env_file},
    {"environment", compose_environment},
    {"expose", compose_expose},
    {"extends", decode_nothing},
    {"extra_hosts", compose_hosts},
    {"group_add", compose_groups},
    {"healthcheck", compose_healthcheck},
    {"image", decode_image},
    {"init", compose_init},
    {"labels", compose_labels},
    {"links", compose_depends},
    {"mem_limit", compose_memory_limit},
    {"mem_reservation", compose_memory},
    {"ports", compose_ports},
    {"profiles", decode_nothing},
    {"read_only", compose_read_only},
    {"restart", compose_restart},
    {"scale", compose_count},
    {"shm_size", compose_shared_memory},
    {"stop_grace_period", compose_grace},
    {"stop_signal", compose_stop_signal},
    {"tmpfs", compose_memory_files},
    {"ulimits", compose_limits},
    {"user", compose_user},
    {"volumes", compose_volumes},
    {"working_dir", compose_folder},
    {"cap_add", ask_capabilities},
    {"cap_drop", compose_capabilities_dropped},
    {"cgroup", decode_namespace},
    {"cgroup_parent", refuse_any},
    {"device_cgroup_rules", refuse_any},
    {"devices", refuse_any},
    {"ipc", decode_namespace},
    {"network_mode", decode_namespace},
    {"pid", decode_namespace},
    {"privileged", decode_privileged},
    {"security_opt", refuse_any},
    {"userns_mode", decode_namespace},
    {"uts", decode_namespace},
    {"networks", decode_nothing, .answer = RACK_IGNORES},
    IGNORED("annotations"),
    IGNORED("attach"),
    IGNORED("blkio_config"),
    IGNORED("configs"),
    IGNORED("container_name"),
    IGNORED("cpu_count"),
    IGNORED("cpu_percent"),
    IGNORED("cpu_period"),
    IGNORED("cpu_quota"),
    IGNORED("cpu_rt_period"),
    IGNORED("cpu_rt_runtime"),
    IGNORED("cpuset"),
    IGNORED("credential_spec"),
    IGNORED("develop"),
    IGNORED("dns"),
    IGNORED("dns_opt"),
    IGNORED("dns_search"),
    IGNORED("domainname"),
    IGNORED("external_links"),
    IGNORED("gpus"),
    IGNORED("hostname"),
    IGNORED("isolation"),
    IGNORED("log_driver"),
    IGNORED("log_opt"),
    IGNORED("logging"),
    IGNORED("mac_address"),
    IGNORED("mem_swappiness"),
    IGNORED("memswap_limit"),
    IGNORED("net"),
    IGNORED("oom_kill_disable"),
    IGNORED("oom_score_adj"),
    IGNORED("pids_limit"),
    IGNORED("platform"),
    IGNORED("pull_policy"),
    IGNORED("stdin_open"),
    IGNORED("tty"),
    IGNORED("post_start"),
    IGNORED("pre_stop"),
    IGNORED("runtime"),
    IGNORED("secrets"),
    IGNORED("storage_opt"),
    IGNORED("sysctls"),
    IGNORED("volume_driver"),
    IGNORED("volumes_from"),
    {NULL},
};

const Field *
compose_service_keys(void)
{
	return fields;
}

void
compose_read_service(ComposeService *service, const YamlNode *node)
{
	if (yaml_kind(node) != YAML_NULL)
		decode_map(service->compose->decoder, node, fields, service);
}

static void
add_name(Decoder *decoder, const YamlNode *node, ComposeService *own)
{
	const char *text = decode_scalar(decoder, node, "the name of a service");
	const char *alias = text != NULL ? strchr(text, ':') : NULL;
	if (text != NULL)
		g_ptr_array_add(own->depends, (gpointer)node);
	if (alias != NULL && strncmp(text, alias + 1, (gsize)(alias - text)) != 0)
		decode_answer(decoder, node, RACK_IGNORES,
		    "a service is reached by its own name only, so the other one is unknown");
}

/* A list of names (`links` may add an alias), or a map of conditions. Services of a rack start
 * together and wait for one another by themselves, so all that is left of it is that they exist. */
void
compose_depends(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	for (unsigned i = 0; i < yaml_size(node); i++) {
		if (yaml_kind(node) == YAML_LIST)
			add_name(decoder, yaml_item(node, i), target);
		else
			g_ptr_array_add(
			    ((ComposeService *)target)->depends, (gpointer)yaml_key_node(node, i));
	}
	bool is_order = strcmp(field->name, "depends_on") == 0 && yaml_size(node) > 0;
	if (is_order)
		decode_answer(decoder, node, RACK_IGNORES,
		    "services start together here, so the order is not kept");
	if (yaml_kind(node) == YAML_SCALAR)
		yaml_problem(decoder->problems, node, "must be a list of services");
}
