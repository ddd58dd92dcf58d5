/*
 * A service's keys. `service_fields` is the list of all that exist in either Convox generation, and
 * says of each whether this rack acts on it.
 *
 * Defaults are Convox's where its two generations agree. Where they differ: sticky is off and init
 * is on, as in the later one. Two of its quirks are not kept: `scale:` with nothing below it is the
 * default and not zero processes, and a health check with interval 1 has a timeout of 1, not of 0.
 */
#include "manifest/service.h"

#include "manifest/nlb.h"
#include "manifest/process.h"
#include "manifest/scale.h"
#include "manifest/service-keys.h"
#include "manifest/service-values.h"
#include "manifest/volumes.h"

#include <string.h>

#define DEFAULT_TIMEOUT 60

static const Field deployment_fields[] = {
    {"minimum", decode_number, offsetof(ManifestService, deployment_minimum), 0, 100},
    {"maximum", decode_number, offsetof(ManifestService, deployment_maximum), 1, 1000},
    {NULL},
};

static void
decode_deployment(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	decode_map(decoder, node, deployment_fields, target);
}

static const Field termination_fields[] = {
    {"grace", decode_number, offsetof(ManifestService, termination), 0, SERVICE_LONGEST_SECONDS},
    {NULL},
};

static void
decode_termination(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	decode_map(decoder, node, termination_fields, target);
}

/* Convox reads `drain: 0` as not given. */
static void
decode_drain(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	decode_number(decoder, node, field, target);
	ManifestService *service = target;
	if (service->drain == 0)
		service->drain = 30;
}

/* Zero is the default, as with Convox. */
static void
decode_timeout(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	decode_number(decoder, node, field, target);
	ManifestService *service = target;
	if (service->timeout == 0)
		service->timeout = DEFAULT_TIMEOUT;
}

static const Field tls_fields[] = {
    {"redirect", decode_bool, offsetof(ManifestService, redirects_to_tls)},
    {NULL},
};

static void
decode_tls(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ManifestService *service = target;
	decode_map(decoder, node, tls_fields, target);
	if (!service->redirects_to_tls)
		decode_answer(decoder, node, RACK_IGNORES, NULL);
}

static void
decode_whitelist(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	value_decode(decoder, node, field, target);
	if (g_strcmp0(yaml_text(node), "") != 0)
		decode_answer(decoder, node, RACK_REFUSES,
		    "this rack does not filter by address, and the service would be open to all");
}

static void
decode_privileged(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ManifestService *service = target;
	decode_bool(decoder, node, field, target);
	if (service->is_privileged)
		decode_answer(decoder, node, RACK_REFUSES,
		    "a process cannot be privileged: Swarm's services are not");
}

/* Users, capabilities and a file system that is not written to are acted on; the rest is said. */
static void
decode_security(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	static const char *const passed_over[] = {
	    "runAsNonRoot", "allowPrivilegeEscalation", "seccompProfile"};
	value_decode(decoder, node, field, target);
	if (yaml_kind(node) != YAML_MAP)
		return;

	for (gsize i = 0; i < G_N_ELEMENTS(passed_over); i++) {
		const YamlNode *member = yaml_member(node, passed_over[i]);
		if (member != NULL)
			decode_answer(decoder, member, RACK_IGNORES, NULL);
	}
	const YamlNode *capabilities = yaml_member(node, "capabilities");
	bool has_some = capabilities != NULL && yaml_kind(capabilities) == YAML_MAP;
	const YamlNode *added = has_some ? yaml_member(capabilities, "add") : NULL;
	if (added != NULL && yaml_size(added) > 0)
		decode_answer(decoder, added, RACK_ASKS, SERVICE_ASKS_POWER);
}

#define KEPT(key, generation, table)                                                               \
	{                                                                                          \
		key, value_decode, offsetof(ManifestService, more),                                \
		    .answer = RACK_IGNORES, .only = generation, .value = table                     \
	}

static const Field service_fields[] = {
    {"build", service_decode_build, offsetof(ManifestService, build)},
    {"image", service_decode_image, offsetof(ManifestService, image)},
    {"command", service_decode_command, offsetof(ManifestService, command)},
    {"test", decode_text, offsetof(ManifestService, test)},
    {"port", service_decode_port},
    {"health", service_decode_health, offsetof(ManifestService, health)},
    {"environment", service_decode_environment, offsetof(ManifestService, environment)},
    {"scale", scale_decode},
    {"domain", service_decode_domains, offsetof(ManifestService, domains)},
    {"deployment", decode_deployment},
    {"drain", decode_drain, offsetof(ManifestService, drain), 0, SERVICE_LONGEST_SECONDS},
    {"termination", decode_termination},
    {"internal", decode_bool, offsetof(ManifestService, is_internal)},
    {"singleton", decode_bool, offsetof(ManifestService, is_singleton)},
    {"sticky", decode_bool, offsetof(ManifestService, is_sticky)},
    {"init", decode_bool, offsetof(ManifestService, has_init)},
    {"agent", service_decode_agent, offsetof(ManifestService, is_agent), .answer = RACK_IGNORES},
    {"internalAndExternal", decode_bool, offsetof(ManifestService, is_internal_and_external),
	.only = 2},
    {"internalRouter", decode_bool, offsetof(ManifestService, is_internal_router), .only = 3},
    {"links", service_decode_texts, offsetof(ManifestService, links), .only = 2},
    {"ports", service_decode_ports, .only = 3},
    {"privileged", decode_privileged, offsetof(ManifestService, is_privileged)},
    {"resources", service_decode_texts, offsetof(ManifestService, resources),
	.answer = RACK_IGNORES},
    {"timeout", decode_timeout, offsetof(ManifestService, timeout), 0, SERVICE_LONGEST_SECONDS,
	.answer = RACK_IGNORES, .only = 3},
    {"tls", decode_tls, .only = 3},
    {"volumes", volumes_decode, offsetof(ManifestService, volumes)},
    {"whitelist", decode_whitelist, offsetof(ManifestService, more), .only = 3,
	.value = &service_whitelist},
    KEPT("accessControl", 3, &service_access_control),
    KEPT("annotations", 3, &service_annotations),
    KEPT("certificate", 3, &service_certificate),
    KEPT("configMounts", 3, &service_config_mounts),
    KEPT("disableHostUsers", 3, &service_flag),
    KEPT("dnsConfig", 3, &service_dns_config),
    KEPT("grpcHealthEnabled", 3, &service_flag),
    KEPT("imagePullSecrets", 3, &service_pull_secrets),
    KEPT("ingressAnnotations", 3, &service_annotations),
    KEPT("initContainer", 3, &service_init_container),
    KEPT("labels", 3, &service_labels),
    KEPT("lifecycle", 3, &service_lifecycle),
    KEPT("liveness", 3, &service_liveness),
    KEPT("nlb", 2, &service_nlb),
    KEPT("nodeAffinityLabels", 3, &service_node_affinity),
    KEPT("nodeSelectorLabels", 3, &service_text_map),
    KEPT("policies", 2, &service_policies),
    {"securityContext", decode_security, offsetof(ManifestService, more), .only = 3,
	.value = &service_security_context},
    KEPT("startupProbe", 3, &service_startup_probe),
    KEPT("tags", 2, &service_text_map),
    KEPT("volumeOptions", 3, &service_volume_options),
    {NULL},
};

const Field *
service_keys(void)
{
	return service_fields;
}

ManifestService *
service_new(const char *name)
{
	ManifestService *service = g_new0(ManifestService, 1);
	service->name = g_strdup(name);
	service->port_scheme = g_strdup("http");
	service->health.interval = 5;
	service->health.timeout = SERVICE_UNSET;
	service->count_minimum = service->count_maximum = 1;
	service->deployment_minimum = service->deployment_maximum = SERVICE_UNSET;
	service->drain = 30;
	service->termination = 30;
	service->has_init = true;
	service->redirects_to_tls = true;
	service->timeout = DEFAULT_TIMEOUT;
	service->ports = service_ports_new();
	process_init(&service->process);
	return service;
}

/* An image wins over a build, as it always did; that it does is said. */
static void
complete_build(Decoder *decoder, const YamlNode *node, ManifestService *service)
{
	ManifestBuild *build = &service->build;
	if (service->image != NULL) {
		const YamlNode *ignored = yaml_member(node, "build");
		if (ignored != NULL)
			yaml_problem(decoder->warnings, ignored,
			    "ignored, because the service has an image");
		g_clear_pointer(&build->path, g_free);
		g_clear_pointer(&build->manifest, g_free);
		g_clear_pointer(&build->target, g_free);
		return;
	}
	if (build->path == NULL)
		build->path = g_strdup(".");
	if (build->manifest == NULL)
		build->manifest = g_strdup("Dockerfile");
}

static void
check_deployment(Decoder *decoder, const YamlNode *node, const ManifestService *service)
{
	/* Neither a new process may be started nor an old one stopped. */
	if (service->deployment_minimum == 100 && service->deployment_maximum <= 100)
		yaml_problem(decoder->problems, node,
		    "deployment minimum %u and maximum %u leave no room to replace a process",
		    service->deployment_minimum, service->deployment_maximum);
}

static void
fill_list(GStrv *list)
{
	if (*list == NULL)
		*list = g_new0(char *, 1);
}

void
service_fill(ManifestService *service)
{
	/* Two agents cannot have the same ports of a machine, nor two processes write into one
	 * database. */
	bool is_singleton =
	    service->is_singleton || service->is_agent || volumes_keep_data(service);
	if (service->deployment_minimum == SERVICE_UNSET)
		service->deployment_minimum = is_singleton ? 0 : 50;
	if (service->deployment_maximum == SERVICE_UNSET)
		service->deployment_maximum = is_singleton ? 100 : 200;

	ManifestHealth *health = &service->health;
	if (health->path == NULL)
		health->path = g_strdup("/");
	if (health->timeout == SERVICE_UNSET)
		health->timeout = health->interval > 1 ? health->interval - 1 : 1;
	fill_list(&service->build.arguments);
	fill_list(&service->environment);
	fill_list(&service->optional);
	fill_list(&service->domains);
	fill_list(&service->links);
	fill_list(&service->resources);
	fill_list(&service->volumes);
}

/* The routed port need not be said twice. */
static void
drop_main_port(ManifestService *service)
{
	for (guint i = service->ports->len; i > 0; i--) {
		const ManifestPort *port = service->ports->pdata[i - 1];
		if (port->port == service->port && strcmp(port->protocol, "tcp") == 0)
			g_ptr_array_remove_index(service->ports, i - 1);
	}
}

/* A router of the private network: there is none, and out in the open is what was not asked for. */
static void
complete_internal(Decoder *decoder, const YamlNode *node, ManifestService *service)
{
	if (!service->is_internal_router)
		return;

	const YamlNode *router = yaml_member(node, "internalRouter");
	if (service->is_internal)
		yaml_problem(
		    decoder->problems, router, "internal and internalRouter exclude one another");
	service->is_internal = true;
	decode_answer(decoder, router, RACK_IGNORES,
	    "this rack has no internal router: the service is internal");
}

static void
complete(Decoder *decoder, const YamlNode *node, ManifestService *service)
{
	bool is_map = yaml_kind(node) == YAML_MAP;
	complete_build(decoder, node, service);
	complete_internal(decoder, node, service);
	scale_complete(decoder, is_map ? yaml_member(node, "scale") : NULL, service);
	service_keys_complete(service);
	process_apply_security(
	    &service->process, json_object_get(service->more, "securityContext"));
	drop_main_port(service);
	service_fill(service);
	check_deployment(decoder, node, service);
}

ManifestService *
service_decode(Decoder *decoder, const char *name, const YamlNode *node)
{
	ManifestService *service = service_new(name);
	if (decoder->generation == 2) {
		service->is_sticky = true;
		service->has_init = false;
	}
	if (yaml_kind(node) != YAML_NULL)
		decode_map(decoder, node, service_fields, service);
	complete(decoder, node, service);
	return service;
}

void
service_free(ManifestService *service)
{
	if (service == NULL)
		return;

	g_free(service->name);
	g_free(service->build.path);
	g_free(service->build.manifest);
	g_free(service->build.target);
	g_strfreev(service->build.arguments);
	g_free(service->image);
	g_strfreev(service->command);
	g_free(service->port_scheme);
	g_free(service->health.path);
	g_free(service->health.port_scheme);
	g_strfreev(service->environment);
	g_strfreev(service->domains);
	g_free(service->test);
	g_strfreev(service->entrypoint);
	process_clear(&service->process);
	g_strfreev(service->optional);
	g_strfreev(service->links);
	g_strfreev(service->resources);
	g_strfreev(service->volumes);
	g_ptr_array_unref(service->ports);
	json_decref(service->scaling);
	json_decref(service->more);
	g_free(service);
}
