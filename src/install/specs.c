/*
 * Bodies of the engine's create calls for the three parts. Pure: no engine, no files but the ones
 * inside this program.
 */
#include "install/specs.h"

#include "base/text.h"
#include "install/names.h"
#include "install/resources.h"

#include <string.h>

#define SECOND 1000000000LL
#define MIB (1024LL * 1024)

static json_t *
labels_of(const SpecInput *input, const char *part)
{
	return json_pack("{s:s, s:s}", LABEL_PART, part, LABEL_RACK, input->settings->rack);
}

static json_t *
environment_of(const SpecInput *input)
{
	g_auto(GStrv) lines = swarm_settings_environment(input->settings);
	json_t *list = json_array();
	for (char **line = lines; *line; line++)
		json_array_append_new(list, json_string(*line));
	return list;
}

/* The engine's own default keeps every line for ever. */
static json_t *
log_driver(const char *name_member, const char *options_member)
{
	return json_pack("{s:s, s:{s:s, s:s}}", name_member, "json-file", options_member,
	    "max-size", "10m", "max-file", "3");
}

static json_t *
mount(const char *type, const char *source, const char *target, bool read_only)
{
	return json_pack("{s:s, s:s, s:s, s:b}", "Type", type, "Source", source, "Target", target,
	    "ReadOnly", (int)read_only);
}

/* Puts the hash of `spec`, as it is now, into the labels found at `spec` itself. */
static void
seal(json_t *spec, const char *extra)
{
	g_autofree char *text = json_text(spec, false);
	g_autofree char *whole = g_strconcat(text, extra, NULL);
	g_autofree char *hash = text_sha256(whole, strlen(whole));
	json_object_set_new(json_object_get(spec, "Labels"), LABEL_SPEC, json_string(hash));

	/* Tasks carry the container's labels only; the proof looks there. */
	json_t *container = json_at(spec, "TaskTemplate", "ContainerSpec", NULL);
	if (container)
		json_object_set_new(
		    json_object_get(container, "Labels"), LABEL_SPEC, json_string(hash));
}

const char *
spec_hash(const json_t *spec)
{
	return json_text_of(json_object_get(spec, "Labels"), LABEL_SPEC, "");
}

static json_t *
task_template(const SpecInput *input, json_t *container, gint64 memory)
{
	g_autofree char *node = g_strconcat("node.id==", input->node, NULL);
	return json_pack("{s:o, s:{s:{s:I}}, s:{s:s, s:I}, s:{s:[s, s]}, s:[{s:s}], s:o}",
	    "ContainerSpec", container, "Resources", "Reservations", "MemoryBytes",
	    (json_int_t)memory, "RestartPolicy", "Condition", "any", "Delay", (json_int_t)SECOND,
	    "Placement", "Constraints", "node.role==manager", node, "Networks", "Target",
	    input->host_network, "LogDriver", log_driver("Name", "Options"));
}

static json_t *
service(const SpecInput *input, const char *part, json_t *task)
{
	g_autofree char *name = name_of_part(input->settings->rack, part);
	return json_pack("{s:s, s:o, s:o, s:{s:{s:i}}, s:{s:i, s:s, s:I, s:s}, s:{s:s}}", "Name",
	    name, "Labels", labels_of(input, part), "TaskTemplate", task, "Mode", "Replicated",
	    "Replicas", 1, "UpdateConfig", "Parallelism", 1, "Order", "stop-first", "Monitor",
	    (json_int_t)(SECOND / 2), "FailureAction", "continue", "EndpointSpec", "Mode", "dnsrr");
}

json_t *
spec_api(const SpecInput *input)
{
	const char *rack = input->settings->rack;
	g_autofree char *folder = name_of_folder(rack);
	g_autofree char *data = name_of_part(rack, PART_DATA);
	g_autofree char *router = name_of_part(rack, PART_ROUTER);
	json_t *environment = environment_of(input);
	json_array_append_new(
	    environment, json_string("CARRACK_PASSWORD_FILE=/run/secrets/carrack-password"));
	json_t *mounts = json_array();
	json_array_append_new(
	    mounts, mount("bind", input->docker_socket, "/var/run/docker.sock", false));
	json_array_append_new(mounts, mount("bind", folder, "/run/carrack", false));
	json_array_append_new(mounts, mount("bind", "/proc", "/host/proc", true));
	json_array_append_new(mounts, mount("volume", data, "/var/lib/carrack", false));
	json_array_append_new(mounts, mount("volume", router, "/var/lib/carrack-router", false));
	json_t *secret = json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:i}}", "SecretID", input->secret,
	    "SecretName", input->secret_name, "File", "Name", "carrack-password", "UID", "0", "GID",
	    "0", "Mode", 0400);

	json_t *container =
	    json_pack("{s:s, s:[s], s:o, s:o, s:o, s:[o], s:I}", "Image", input->image, "Command",
		"/usr/local/bin/carrackd", "Labels", labels_of(input, PART_API), "Env", environment,
		"Mounts", mounts, "Secrets", secret, "StopGracePeriod", (json_int_t)(10 * SECOND));
	json_t *spec = service(input, PART_API, task_template(input, container, 64 * MIB));
	seal(spec, "");
	return spec;
}

json_t *
spec_registry(const SpecInput *input)
{
	g_autofree char *address =
	    g_strdup_printf("REGISTRY_HTTP_ADDR=127.0.0.1:%u", input->settings->registry_port);
	g_autofree char *volume = name_of_part(input->settings->rack, PART_REGISTRY);
	json_t *container = json_pack("{s:[s, s, s], s:o, s:[s, s], s:[o], s:I}", "Command",
	    "docker-registry", "serve", "/etc/carrack/registry.yml", "Labels",
	    labels_of(input, PART_REGISTRY), "Env", address, "OTEL_TRACES_EXPORTER=none", "Mounts",
	    mount("volume", volume, "/var/lib/registry", false), "StopGracePeriod",
	    (json_int_t)(10 * SECOND));
	json_t *spec = service(input, PART_REGISTRY, task_template(input, container, 64 * MIB));
	seal(spec, input->layers);
	json_object_set_new(container, "Image", json_string(input->image));
	return spec;
}

/* Binds, not Mounts: the engine makes the folder anew after a reboot, when /run is empty. */
static json_t *
router_host(const char *rack)
{
	g_autofree char *folder = name_of_folder(rack);
	g_autofree char *volume = name_of_part(rack, PART_ROUTER);
	g_autofree char *run = g_strconcat(folder, ":/run/carrack", NULL);
	g_autofree char *state = g_strconcat(volume, ":/var/lib/carrack-router", NULL);
	return json_pack("{s:s, s:{s:s}, s:[s, s], s:[s], s:[s], s:[s], s:[{s:s, s:i, s:i}], s:o}",
	    "NetworkMode", "host", "RestartPolicy", "Name", "always", "Binds", run, state,
	    "CapDrop", "ALL", "CapAdd", "NET_BIND_SERVICE", "SecurityOpt", "no-new-privileges",
	    "Ulimits", "Name", "nofile", "Soft", 65536, "Hard", 65536, "LogConfig",
	    log_driver("Type", "Config"));
}

json_t *
spec_router(const SpecInput *input)
{
	g_autofree char *code = spec_router_code();
	g_autofree char *extra = g_strconcat(input->layers, code, NULL);
	json_t *spec =
	    json_pack("{s:[s, s], s:o, s:o, s:{s:[s]}, s:o}", "Cmd", "/usr/local/bin/carrackd",
		"router", "Labels", labels_of(input, PART_ROUTER), "Env", environment_of(input),
		"Healthcheck", "Test", "NONE", "HostConfig", router_host(input->settings->rack));
	seal(spec, extra);
	json_object_set_new(spec, "Image", json_string(input->image));
	return spec;
}

/* Lines of sha256sum: the names differ from build folder to build folder, the sums do not. */
char *
spec_router_code(void)
{
	g_autoptr(GString) sums = g_string_new(NULL);
	g_autoptr(GBytes) bytes = g_resource_lookup_data(
	    resources_get_resource(), "/carrack/router.sha256", G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
	g_autofree char *text =
	    bytes ? g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes)) : NULL;
	g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
	for (char **line = lines; *line; line++)
		g_string_append_len(sums, *line, MIN(strlen(*line), 64));
	return text_sha256(sums->str, sums->len);
}
