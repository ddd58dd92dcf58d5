/*
 * The parts brought to where their specs want them: created when missing, updated when their hash
 * differs, left alone otherwise. Each step can be interrupted and taken again.
 */
#include "install/steps.h"

#include "base/error.h"
#include "base/text.h"
#include "install/account.h"
#include "install/specs.h"

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#define UPDATE_ATTEMPTS 5

/* The address from which this machine would speak to the world; NULL without a route. A connected
 * datagram socket asks the kernel and sends nothing. */
static char *
outward_address(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
	socklen_t length = sizeof(address);
	char text[INET_ADDRSTRLEN] = "";
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return NULL;

	inet_pton(AF_INET, "192.0.2.1", &address.sin_addr);
	bool is_known = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
			getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
			inet_ntop(AF_INET, &address.sin_addr, text, sizeof(text));
	close(fd);
	return is_known ? g_strdup(text) : NULL;
}

bool
swarm_ensure(Install *install, GError **error)
{
	const char *state =
	    json_text_of(json_object_get(install->info, "Swarm"), "LocalNodeState", "");
	if (strcmp(state, "active") == 0)
		return true;

	g_autofree char *found = install->advertise ? NULL : outward_address();
	const char *address = install->advertise ? install->advertise : found ? found : "127.0.0.1";
	/* A second between heartbeats: a dead node is noticed after 2.6 s instead of 14. */
	json_auto_t *body =
	    json_pack("{s:s, s:s, s:{s:{s:I}}}", "ListenAddr", "0.0.0.0:2377", "AdvertiseAddr",
		address, "Spec", "Dispatcher", "HeartbeatPeriod", (json_int_t)1000000000);
	json_auto_t *node = docker_call(install->docker, "POST", body, error, "/swarm/init");
	if (!node) {
		g_prefix_error(error, "swarm on %s: ", address);
		return false;
	}

	install->has_made_swarm = true;
	progress_note(install->progress, "a swarm of one on %s", address);
	json_decref(install->info);
	install->info = docker_call(install->docker, "GET", NULL, error, "/info");
	return install->info != NULL;
}

/* The secret that the API's service uses, or any that an interrupted installation left. */
static bool
find_secret(Install *install, GError **error)
{
	const char *rack = install->settings->rack;
	g_autofree char *api = name_of_part(rack, PART_API);
	g_autofree char *filter = name_filter(LABEL_RACK, rack);
	json_auto_t *service = docker_call(install->docker, "GET", NULL, NULL, "/services/%s", api);
	json_auto_t *secrets =
	    docker_call(install->docker, "GET", NULL, error, "/secrets%s", filter);
	if (!secrets)
		return false;

	json_t *used = json_array_get(
	    json_at(service, "Spec", "TaskTemplate", "ContainerSpec", "Secrets", NULL), 0);
	const char *wanted = json_text_of(used, "SecretID", "");
	size_t i;
	json_t *secret;
	json_array_foreach(secrets, i, secret)
	{
		const char *id = json_text_of(secret, "ID", "");
		json_t *labels = json_at(secret, "Spec", "Labels", NULL);
		bool is_password = strcmp(json_text_of(labels, LABEL_PART, ""), PART_PASSWORD) == 0;
		if (!is_password || (*wanted && strcmp(wanted, id) != 0))
			continue;
		g_free(install->secret);
		g_free(install->secret_name);
		install->secret = g_strdup(id);
		install->secret_name =
		    g_strdup(json_text_of(json_object_get(secret, "Spec"), "Name", ""));
	}
	return true;
}

static bool
create_secret(Install *install, GError **error)
{
	/* Secrets cannot be changed: a new password is a new secret under a name of its own. */
	g_autofree char *suffix = text_random_hex(4);
	g_autofree char *data =
	    g_base64_encode((const guchar *)install->password, strlen(install->password));
	g_autofree char *first = name_of_part(install->settings->rack, PART_PASSWORD);
	g_autofree char *name =
	    install->secret ? g_strdup_printf("%s-%s", first, suffix) : g_strdup(first);
	json_auto_t *body = json_pack("{s:s, s:s, s:{s:s, s:s}}", "Name", name, "Data", data,
	    "Labels", LABEL_PART, PART_PASSWORD, LABEL_RACK, install->settings->rack);
	json_auto_t *made = docker_call(install->docker, "POST", body, error, "/secrets/create");
	if (!made)
		return false;

	g_free(install->secret);
	g_free(install->secret_name);
	install->secret = g_strdup(json_text_of(made, "ID", ""));
	install->secret_name = g_steal_pointer(&name);
	return true;
}

bool
password_ensure(Install *install, GError **error)
{
	g_autofree char *known = account_password(install->settings->rack, error);
	if (!known || !find_secret(install, error))
		return false;

	bool is_lost = install->secret && !*known && !install->wants_new_password;
	if (is_lost)
		return true;

	bool is_new = install->wants_new_password || !*known;
	install->password = is_new ? text_random_password(32) : g_steal_pointer(&known);
	/* The configuration first: if this is interrupted, the next run finds the password there.
	 */
	if (!account_write(install->settings, install->password, !install->found, error))
		return false;
	if (install->secret && !install->wants_new_password)
		return true;

	return create_secret(install, error);
}

static SpecInput
spec_input(const Install *install, const json_t *host)
{
	return (SpecInput){
	    .settings = install->settings,
	    .docker_socket = install->docker_socket,
	    .image = install->image,
	    .layers = install->layers,
	    .node = json_text_of(json_object_get(install->info, "Swarm"), "NodeID", ""),
	    .host_network = json_text_of(host, "Id", "host"),
	    .secret = install->secret,
	    .secret_name = install->secret_name,
	};
}

static bool
volume_ensure(Install *install, const char *part, GError **error)
{
	g_autofree char *name = name_of_part(install->settings->rack, part);
	json_auto_t *body = json_pack("{s:s, s:{s:s, s:s}}", "Name", name, "Labels", LABEL_PART,
	    "data", LABEL_RACK, install->settings->rack);
	json_auto_t *volume = docker_call(install->docker, "POST", body, error, "/volumes/create");
	return volume != NULL;
}

/* The engine counts versions of a service and refuses a write on an old one. */
static bool
service_update(Install *install, const char *name, const json_t *spec, GError **error)
{
	for (unsigned attempt = 1;; attempt++) {
		g_autoptr(GError) cause = NULL;
		json_auto_t *present =
		    docker_call(install->docker, "GET", NULL, error, "/services/%s", name);
		if (!present)
			return false;

		gint64 version = json_int_of(json_object_get(present, "Version"), "Index", 0);
		json_auto_t *done = docker_call(install->docker, "POST", spec, &cause,
		    "/services/%s/update?version=%" G_GINT64_FORMAT, name, version);
		if (done)
			return true;
		bool is_stale = strstr(cause->message, "out of sequence") != NULL;
		if (!is_stale || attempt == UPDATE_ATTEMPTS) {
			g_propagate_prefixed_error(
			    error, g_steal_pointer(&cause), "service %s: ", name);
			return false;
		}
	}
}

static bool
service_ensure(Install *install, const char *part, const json_t *spec, GError **error)
{
	g_autofree char *name = name_of_part(install->settings->rack, part);
	g_autoptr(GError) cause = NULL;
	json_auto_t *present =
	    docker_call(install->docker, "GET", NULL, &cause, "/services/%s", name);
	if (present) {
		if (strcmp(spec_hash(json_object_get(present, "Spec")), spec_hash(spec)) == 0)
			return true;
		install->has_changed = true;
		return service_update(install, name, spec, error);
	}
	if (!g_error_matches(cause, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND)) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return false;
	}

	install->has_changed = true;
	json_auto_t *made = docker_call(install->docker, "POST", spec, error, "/services/create");
	if (!made)
		g_prefix_error(error, "service %s: ", name);
	return made != NULL;
}

static json_t *
host_network(Install *install, GError **error)
{
	return docker_call(install->docker, "GET", NULL, error, "/networks/host");
}

bool
registry_ensure(Install *install, GError **error)
{
	json_auto_t *host = host_network(install, error);
	if (!host || !volume_ensure(install, PART_REGISTRY, error))
		return false;

	SpecInput input = spec_input(install, host);
	json_auto_t *spec = spec_registry(&input);
	return service_ensure(install, PART_REGISTRY, spec, error);
}

bool
api_ensure(Install *install, GError **error)
{
	json_auto_t *host = host_network(install, error);
	if (!host || !volume_ensure(install, PART_DATA, error))
		return false;

	SpecInput input = spec_input(install, host);
	json_auto_t *spec = spec_api(&input);
	return service_ensure(install, PART_API, spec, error);
}

static bool
router_start(Install *install, GError **error)
{
	g_autofree char *name = name_of_part(install->settings->rack, PART_ROUTER);
	json_auto_t *started =
	    docker_call(install->docker, "POST", NULL, error, "/containers/%s/start", name);
	if (!started)
		g_prefix_error(error, "container %s: ", name);
	return started != NULL;
}

static bool
router_remove(Install *install, GError **error)
{
	g_autofree char *name = name_of_part(install->settings->rack, PART_ROUTER);
	json_auto_t *gone =
	    docker_call(install->docker, "DELETE", NULL, error, "/containers/%s?force=true", name);
	return gone != NULL;
}

static bool
router_create_once(Install *install, const json_t *spec, GError **error)
{
	g_autofree char *name = name_of_part(install->settings->rack, PART_ROUTER);
	json_auto_t *made =
	    docker_call(install->docker, "POST", spec, error, "/containers/create?name=%s", name);
	if (!made) {
		g_prefix_error(error, "container %s: ", name);
		return false;
	}
	return router_start(install, error);
}

/* An engine without the right to raise limits (in a container, or a small machine) cannot give the
 * files that we ask for; the router then makes do with what the engine itself has. */
static bool
router_create(Install *install, json_t *spec, GError **error)
{
	g_autoptr(GError) cause = NULL;
	install->has_changed = true;
	if (router_create_once(install, spec, &cause))
		return true;
	if (!strstr(cause->message, "rlimit")) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return false;
	}

	json_object_del(json_object_get(spec, "HostConfig"), "Ulimits");
	return router_remove(install, error) && router_create_once(install, spec, error);
}

static bool
router_replace(Install *install, json_t *spec, GError **error)
{
	progress_note(install->progress,
	    "the router itself has changed: replacing it, apps are out of reach for a moment");
	return router_remove(install, error) && router_create(install, spec, error);
}

bool
router_ensure(Install *install, GError **error)
{
	if (!volume_ensure(install, PART_ROUTER, error))
		return false;

	SpecInput input = spec_input(install, NULL);
	json_auto_t *spec = spec_router(&input);
	g_autofree char *name = name_of_part(install->settings->rack, PART_ROUTER);
	g_autoptr(GError) cause = NULL;
	json_auto_t *present =
	    docker_call(install->docker, "GET", NULL, &cause, "/containers/%s/json", name);
	if (!present && g_error_matches(cause, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND))
		return router_create(install, spec, error);
	if (!present) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return false;
	}

	bool is_same = strcmp(spec_hash(json_object_get(present, "Config")), spec_hash(spec)) == 0;
	if (!is_same)
		return router_replace(install, spec, error);
	/* Starting a running container is an answer of 304, no error. */
	return router_start(install, error);
}
