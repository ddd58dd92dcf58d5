/*
 * carrackd's options from the environment. Folders default to where the installer mounts them. The
 * password is not taken from a variable where anyone who may inspect the container sees those; ECS
 * shows only where a secret comes from.
 */
#include "daemon/options.h"

#include "aws/provider.h"
#include "base/error.h"

#include <string.h>

#define PASSWORD_MINIMUM 8

void
daemon_options_free(DaemonOptions *options)
{
	if (!options)
		return;

	swarm_settings_free(options->settings);
	g_strfreev(options->environment);
	g_free(options->socket_path);
	g_free(options->password);
	g_free(options);
}

static const char *
value_or(GStrv environment, const char *name, const char *fallback)
{
	const char *value = g_environ_getenv(environment, name);
	return value && *value ? value : fallback;
}

static char *
password_of(const char *text, const char *where, GError **error)
{
	g_autofree char *password = g_strchomp(g_strdup(text));
	if (strlen(password) >= PASSWORD_MINIMUM)
		return g_steal_pointer(&password);

	error_set(error, CARRACK_ERROR_INVALID, "%s: the password is shorter than %d characters",
	    where, PASSWORD_MINIMUM);
	return NULL;
}

static char *
read_password_file(GStrv environment, GError **error)
{
	const char *file = value_or(environment, "CARRACK_PASSWORD_FILE", NULL);
	g_autofree char *text = NULL;
	g_autoptr(GError) cause = NULL;
	if (!file) {
		error_set(error, CARRACK_ERROR_INVALID,
		    "no password: CARRACK_PASSWORD_FILE has to name a file that holds one");
		return NULL;
	}
	if (!g_file_get_contents(file, &text, NULL, &cause)) {
		error_set(
		    error, CARRACK_ERROR_INVALID, "CARRACK_PASSWORD_FILE: %s", cause->message);
		return NULL;
	}
	g_autofree char *where = g_strdup_printf("CARRACK_PASSWORD_FILE %s", file);
	return password_of(text, where, error);
}

static char *
read_password(const DaemonOptions *options, GError **error)
{
	if (!options->is_aws)
		return read_password_file(options->environment, error);

	return password_of(
	    value_or(options->environment, "CARRACK_PASSWORD", ""), "CARRACK_PASSWORD", error);
}

static bool
read_provider(DaemonOptions *options, GError **error)
{
	const char *name = value_or(options->environment, "CARRACK_PROVIDER", "swarm");
	options->is_aws = strcmp(name, "aws") == 0;
	if (options->is_aws)
		options->port = options->settings->api_port;
	return options->is_aws || strcmp(name, "swarm") == 0 ||
	       error_set(error, CARRACK_ERROR_INVALID,
		   "CARRACK_PROVIDER is «%s»: it has to be swarm or aws", name);
}

static void
fill_swarm(DaemonOptions *options)
{
	GStrv environment = options->environment;
	const SwarmSettings *settings = options->settings;
	options->swarm = (SwarmOptions){
	    .rack = settings->rack,
	    .domain = settings->domain,
	    .data_folder = value_or(environment, "CARRACK_DATA_FOLDER", "/var/lib/carrack"),
	    .run_folder = value_or(environment, "CARRACK_RUN_FOLDER", "/run/carrack"),
	    .router_folder =
		value_or(environment, "CARRACK_ROUTER_FOLDER", "/var/lib/carrack-router"),
	    .docker_socket = value_or(environment, "CARRACK_DOCKER_SOCKET", "/var/run/docker.sock"),
	    .host_proc = value_or(environment, "CARRACK_HOST_PROC", "/host/proc"),
	    .http_port = settings->http_port,
	    .https_port = settings->https_port,
	    .api_port = settings->api_port,
	    .registry_port = settings->registry_port,
	};
}

DaemonOptions *
daemon_options_new(GStrv environment, bool password, GError **error)
{
	g_autoptr(DaemonOptions) options = g_new0(DaemonOptions, 1);
	options->environment = environment;
	options->settings = swarm_settings_new();
	if (!swarm_settings_apply(options->settings, (const char *const *)environment, error) ||
	    !read_provider(options, error))
		return NULL;
	if (password) {
		options->password = read_password(options, error);
		if (!options->password)
			return NULL;
	}

	fill_swarm(options);
	options->socket_path = g_build_filename(options->swarm.run_folder, "api.sock", NULL);
	return g_steal_pointer(&options);
}

Provider *
daemon_options_open(const DaemonOptions *options, GError **error)
{
	if (!options->is_aws)
		return swarm_provider_new(&options->swarm, error);

	AwsRack *rack = aws_rack_new((const char *const *)options->environment, error);
	return rack ? aws_provider_new(rack, error) : NULL;
}
