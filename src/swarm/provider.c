/*
 * The Swarm provider put together: one client of the engine, shared by the parts that need it, and
 * one implementation of each part. Nothing here decides anything.
 */
#include "swarm/provider.h"

#include "base/error.h"

#define LOG_DAYS 30
#define LOG_BYTES (2LL * 1024 * 1024 * 1024)

/* Clients compare the version as text with dates like 20190111211123 to tell what a rack can do,
 * and some read it as a semantic version: this form satisfies both (docs/api.md). */
#define VERSION "2026.11.0+carrack." CARRACK_VERSION

static void
close_docker(gpointer docker)
{
	docker_free(docker);
}

static bool
open_storage(Provider *provider, const SwarmOptions *options, GError **error)
{
	g_autofree char *store = g_build_filename(options->data_folder, "store.db", NULL);
	g_autofree char *objects = g_build_filename(options->data_folder, "objects", NULL);
	g_autofree char *logs = g_build_filename(options->data_folder, "logs", NULL);

	provider->store = store_sqlite_new(store, error);
	if (!provider->store)
		return false;
	provider->objects = objects_files_new(objects, error);
	if (!provider->objects)
		return false;
	provider->logs = logs_sqlite_new(logs, LOG_DAYS, LOG_BYTES, error);
	return provider->logs != NULL;
}

static bool
open_services(Provider *provider, const SwarmOptions *options, GError **error)
{
	Docker *docker = provider->closing;
	g_autofree char *registry = g_strdup_printf("127.0.0.1:%u", options->registry_port);

	provider->router = router_haproxy_new(options, error);
	if (!provider->router)
		return false;
	provider->certificates = certificates_files_new(provider->router);
	provider->builder = builder_docker_new(docker, &(BuilderRegistry){.host = registry}, error);
	if (!provider->builder)
		return false;
	provider->engine = engine_swarm_new(docker, provider->logs, options, error);
	return provider->engine != NULL;
}

Provider *
swarm_provider_new(const SwarmOptions *options, GError **error)
{
	Docker *docker = docker_new(options->docker_socket, error);
	if (!docker)
		return NULL;

	g_autoptr(Provider) provider = g_new0(Provider, 1);
	provider->kind = "swarm";
	provider->name = g_strdup(options->rack);
	provider->domain = g_strdup(options->domain);
	provider->version = g_strdup(VERSION);
	provider->region = g_strdup("");
	provider->http_port = options->http_port;
	provider->https_port = options->https_port;
	provider->close = close_docker;
	provider->closing = docker;
	if (!open_storage(provider, options, error) || !open_services(provider, options, error))
		return NULL;

	return g_steal_pointer(&provider);
}
