/*
 * A service's keys. `service_fields` is the list of all that exist in either Convox generation: a
 * line without a decoder is one that the rack does not honour yet.
 *
 * Defaults are Convox's where its two generations agree. Where they differ: sticky is off and init
 * is on, as in the later one. Two of its quirks are not kept: `scale:` with nothing below it is the
 * default and not zero processes, and a health check with interval 1 has a timeout of 1, not of 0.
 */
#include "manifest/service.h"

#include "manifest/service-values.h"

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

static const Field service_fields[] = {
    {"build", service_decode_build, offsetof(ManifestService, build)},
    {"image", service_decode_image, offsetof(ManifestService, image)},
    {"command", service_decode_command, offsetof(ManifestService, command)},
    {"test", decode_nothing}, /* `convox test` reads it on the client's side */
    {"port", service_decode_port},
    {"health", service_decode_health, offsetof(ManifestService, health)},
    {"environment", service_decode_environment, offsetof(ManifestService, environment)},
    {"scale", service_decode_scale},
    {"domain", service_decode_domains, offsetof(ManifestService, domains)},
    {"deployment", decode_deployment},
    {"drain", decode_drain, offsetof(ManifestService, drain), 0, SERVICE_LONGEST_SECONDS},
    {"termination", decode_termination},
    {"internal", decode_bool, offsetof(ManifestService, is_internal)},
    {"singleton", decode_bool, offsetof(ManifestService, is_singleton)},
    {"sticky", decode_bool, offsetof(ManifestService, is_sticky)},
    {"init", decode_bool, offsetof(ManifestService, has_init)},
    {"accessControl", NULL},
    {"agent", NULL},
    {"annotations", NULL},
    {"certificate", NULL},
    {"configMounts", NULL},
    {"disableHostUsers", NULL},
    {"dnsConfig", NULL},
    {"grpcHealthEnabled", NULL},
    {"imagePullSecrets", NULL},
    {"ingressAnnotations", NULL},
    {"initContainer", NULL},
    {"internalAndExternal", NULL},
    {"internalRouter", NULL},
    {"labels", NULL},
    {"lifecycle", NULL},
    {"links", NULL},
    {"liveness", NULL},
    {"nlb", NULL},
    {"nodeAffinityLabels", NULL},
    {"nodeSelectorLabels", NULL},
    {"policies", NULL},
    {"ports", NULL},
    {"privileged", NULL},
    {"resources", NULL},
    {"securityContext", NULL},
    {"startupProbe", NULL},
    {"tags", NULL},
    {"timeout", NULL},
    {"tls", NULL},
    {"volumeOptions", NULL},
    {"volumes", NULL},
    {"whitelist", NULL},
    {NULL},
};

static ManifestService *
new_service(const char *name)
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
	return service;
}

/* An image wins over a build, as it always did; that it does is said. */
static void
complete_build(Decoder *decoder, const YamlNode *node, ManifestService *service)
{
	ManifestBuild *build = &service->build;
	if (build->arguments == NULL)
		build->arguments = g_new0(char *, 1);
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
complete_deployment(Decoder *decoder, const YamlNode *node, ManifestService *service)
{
	bool is_singleton = service->is_singleton;
	if (service->deployment_minimum == SERVICE_UNSET)
		service->deployment_minimum = is_singleton ? 0 : 50;
	if (service->deployment_maximum == SERVICE_UNSET)
		service->deployment_maximum = is_singleton ? 100 : 200;
	/* Neither a new process may be started nor an old one stopped. */
	if (service->deployment_minimum == 100 && service->deployment_maximum <= 100)
		yaml_problem(decoder->problems, node,
		    "deployment minimum %u and maximum %u leave no room to replace a process",
		    service->deployment_minimum, service->deployment_maximum);
}

static void
complete(Decoder *decoder, const YamlNode *node, ManifestService *service)
{
	complete_build(decoder, node, service);
	complete_deployment(decoder, node, service);
	ManifestHealth *health = &service->health;
	if (health->path == NULL)
		health->path = g_strdup("/");
	if (health->timeout == SERVICE_UNSET)
		health->timeout = health->interval > 1 ? health->interval - 1 : 1;
	if (service->environment == NULL)
		service->environment = g_new0(char *, 1);
	if (service->domains == NULL)
		service->domains = g_new0(char *, 1);
}

ManifestService *
service_decode(Decoder *decoder, const char *name, const YamlNode *node)
{
	ManifestService *service = new_service(name);
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
	g_strfreev(service->environment);
	g_strfreev(service->domains);
	g_free(service);
}
