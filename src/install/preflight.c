/*
 * What has to be right before an installation changes anything: an engine that answers and is new
 * enough, room on the machine, a clock that certificates can live with, ports. Each complaint is
 * one line that says what to do. Nothing here changes the machine.
 */
#include "install/steps.h"

#include "base/error.h"
#include "base/text.h"
#include "install/racks.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define MIB (1024ULL * 1024)
#define MEMORY_MINIMUM_MIB 450
#define MEMORY_FREE_MINIMUM_MIB 128
#define DISK_FREE_MINIMUM_MIB 1024
#define CLOCK_MINIMUM 1735689600 /* 2025: nothing of this was written before */
#define REGISTRY_PORTS_TRIED 100

Docker *
preflight_engine(const char *socket_path, GError **error)
{
	if (access(socket_path, F_OK) != 0) {
		error_set(error, CARRACK_ERROR_UNAVAILABLE,
		    "no Docker engine: %s does not exist; install Docker and start it "
		    "(Debian: apt-get install docker.io)",
		    socket_path);
		return NULL;
	}
	if (access(socket_path, R_OK | W_OK) != 0) {
		error_set(error, CARRACK_ERROR_FORBIDDEN,
		    "not root and not in the group docker: no right to use %s", socket_path);
		return NULL;
	}
	return docker_new(socket_path, error);
}

/* The environment of the API's service, or of the router when an installation got no further. */
static json_t *
found_environment(Docker *docker, const char *rack)
{
	g_autofree char *api = name_of_part(rack, PART_API);
	g_autofree char *router = name_of_part(rack, PART_ROUTER);
	json_auto_t *service = docker_call(docker, "GET", NULL, NULL, "/services/%s", api);
	json_t *environment =
	    json_at(service, "Spec", "TaskTemplate", "ContainerSpec", "Env", NULL);
	if (environment)
		return json_incref(environment);

	json_auto_t *container =
	    docker_call(docker, "GET", NULL, NULL, "/containers/%s/json", router);
	environment = json_at(container, "Config", "Env", NULL);
	return environment ? json_incref(environment) : NULL;
}

static bool
read_found(Install *install, GError **error)
{
	json_auto_t *environment = found_environment(install->docker, install->settings->rack);
	if (!environment)
		return true;

	g_auto(GStrv) lines = racks_lines(environment);
	install->found = swarm_settings_new();
	return swarm_settings_apply(install->found, (const char *const *)lines, error) &&
	       swarm_settings_apply(install->settings, (const char *const *)lines, error);
}

bool
preflight_look(Install *install, GError **error)
{
	install->info = docker_call(install->docker, "GET", NULL, error, "/info");
	if (!install->info)
		return false;

	/* Twice: the name that is wished for decides which rack's settings lie under the wishes. */
	const char *const *wishes = (const char *const *)install->wishes;
	if (!swarm_settings_apply(install->settings, wishes, error) ||
	    !read_found(install, error) || !swarm_settings_apply(install->settings, wishes, error))
		return false;

	install->others = racks_others(install->docker, install->settings->rack);
	json_auto_t *left = remove_inventory(install, true, error);
	if (!left)
		return false;
	install->has_old_data = json_object_get(left, "volumes") != NULL;
	return true;
}

bool
preflight_name(const Install *install, GError **error)
{
	const char *rack = install->settings->rack;
	g_autofree char *folder = name_of_folder(rack);
	bool is_foreign = !install->found && g_file_test(folder, G_FILE_TEST_EXISTS) &&
			  !remove_is_our_folder(folder);
	if (is_foreign)
		return error_set(error, CARRACK_ERROR_CONFLICT,
		    "a rack cannot be named %s here: %s belongs to something else; choose another "
		    "name with --name",
		    rack, folder);
	return true;
}

static guint64
memory_kib(const char *text, const char *name)
{
	const char *line = strstr(text, name);
	return line ? g_ascii_strtoull(line + strlen(name), NULL, 10) : 0;
}

static bool
check_memory(GError **error)
{
	g_autofree char *text = NULL;
	if (!g_file_get_contents("/proc/meminfo", &text, NULL, NULL))
		return true;

	guint64 all = memory_kib(text, "MemTotal:") / 1024;
	guint64 available = memory_kib(text, "MemAvailable:") / 1024;
	if (all < MEMORY_MINIMUM_MIB)
		return error_set(error, CARRACK_ERROR_UNAVAILABLE,
		    "this machine has %u MiB of memory; a rack needs %d", (unsigned)all,
		    MEMORY_MINIMUM_MIB);
	if (available < MEMORY_FREE_MINIMUM_MIB)
		return error_set(error, CARRACK_ERROR_UNAVAILABLE,
		    "%u MiB of memory are available; an installation needs %d", (unsigned)available,
		    MEMORY_FREE_MINIMUM_MIB);
	return true;
}

static bool
check_disk(const char *folder, GError **error)
{
	struct statvfs disk;
	if (statvfs(folder, &disk) != 0 && statvfs("/", &disk) != 0)
		return error_set_errno(error, errno, "cannot look at the disk of %s", folder);

	guint64 available = (guint64)disk.f_bavail * disk.f_frsize / MIB;
	if (available < DISK_FREE_MINIMUM_MIB)
		return error_set(error, CARRACK_ERROR_UNAVAILABLE,
		    "disk full: %s has %u MiB free; an installation needs %d", folder,
		    (unsigned)available, DISK_FREE_MINIMUM_MIB);
	return true;
}

static bool
check_clock(GError **error)
{
	gint64 now = time(NULL);
	g_autofree char *text = text_time_seconds(now * G_USEC_PER_SEC);
	if (now < CLOCK_MINIMUM)
		return error_set(error, CARRACK_ERROR_UNAVAILABLE,
		    "the clock is wrong: it says %s; set it first (certificates depend on it)",
		    text);
	return true;
}

static bool
check_swarm(const json_t *info, GError **error)
{
	json_t *swarm = json_object_get(info, "Swarm");
	const char *state = json_text_of(swarm, "LocalNodeState", "");
	bool is_manager = json_bool_of(swarm, "ControlAvailable", false);
	if (strcmp(state, "inactive") == 0 || (strcmp(state, "active") == 0 && is_manager))
		return true;
	if (strcmp(state, "active") == 0)
		return error_set(error, CARRACK_ERROR_CONFLICT,
		    "this machine is a worker of a swarm; run `carrack install` on a manager");

	return error_set(error, CARRACK_ERROR_UNAVAILABLE,
	    "the swarm that this machine is in is %s: %s", state,
	    json_text_of(swarm, "Error", "wait, unlock it or leave it"));
}

bool
preflight_machine(const Install *install, GError **error)
{
	const char *folder = json_text_of(install->info, "DockerRootDir", "/var/lib/docker");
	const char *system = json_text_of(install->info, "OSType", "linux");
	if (strcmp(system, "linux") != 0)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "the engine runs %s containers; a rack needs linux", system);

	return check_memory(error) && check_disk(folder, error) && check_clock(error) &&
	       check_swarm(install->info, error);
}

static bool
check_port(const Install *install, const char *name, unsigned port, GError **error)
{
	const SwarmSettings *found = install->found;
	bool is_ours = found && (port == found->http_port || port == found->https_port ||
				    port == found->api_port || port == found->registry_port);
	const char *rack = racks_port_owner(install->others, port);
	if (rack)
		return error_set(error, CARRACK_ERROR_CONFLICT,
		    "port %u belongs to the rack %s; choose another with %s, or update that rack "
		    "with --name %s",
		    port, rack, name, rack);
	if (is_ours)
		return true;

	g_autofree char *owner = port_owner(install->docker, port);
	if (!owner)
		return true;

	return error_set(error, CARRACK_ERROR_CONFLICT,
	    "port %u is taken by %s; stop it, or choose another with %s", port, owner, name);
}

/* Nobody types the registry's port anywhere, so a taken default is no reason to stop. */
static bool
choose_registry_port(Install *install, GError **error)
{
	SwarmSettings *settings = install->settings;
	bool is_wished = g_environ_getenv(install->wishes, "CARRACK_REGISTRY_PORT") != NULL;
	if (is_wished || install->found)
		return check_port(install, "--registry-port", settings->registry_port, error);

	unsigned first = settings->registry_port;
	for (unsigned port = first; port < first + REGISTRY_PORTS_TRIED; port++) {
		g_autofree char *owner = port_owner(install->docker, port);
		bool is_free = !owner && !racks_port_owner(install->others, port) &&
			       port != settings->http_port && port != settings->https_port &&
			       port != settings->api_port;
		settings->registry_port = port;
		if (is_free)
			return true;
	}
	return error_set(error, CARRACK_ERROR_CONFLICT,
	    "ports %u to %u are all taken; choose one for the registry with --registry-port", first,
	    first + REGISTRY_PORTS_TRIED - 1);
}

bool
preflight_ports(Install *install, GError **error)
{
	const SwarmSettings *settings = install->settings;
	return check_port(install, "--http-port", settings->http_port, error) &&
	       check_port(install, "--https-port", settings->https_port, error) &&
	       check_port(install, "--api-port", settings->api_port, error) &&
	       choose_registry_port(install, error) && swarm_settings_check_ports(settings, error);
}
