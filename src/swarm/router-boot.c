/*
 * What the router's container does before it becomes HAProxy. Every backend that state.json knows
 * is there from the first moment, and empty: its hosts answer 503 with Retry-After until carrackd
 * has learned the processes anew. An address from before a restart may be another app's by now.
 */
#include "base/error.h"
#include "swarm/router-files.h"

bool
router_boot(const SwarmOptions *options, GError **error)
{
	if (!router_files_prepare(options, error))
		return false;
	g_autoptr(GPtrArray) backends = router_files_load(options, error);
	if (!backends)
		return false;

	return router_files_save(options, backends, error);
}

GStrv
router_command(const SwarmOptions *options)
{
	g_autoptr(GStrvBuilder) arguments = g_strv_builder_new();
	g_autofree char *socket =
	    g_strdup_printf("%s/" ROUTER_MASTER_SOCKET ",mode,600", options->run_folder);
	g_autofree char *config = g_build_filename(options->router_folder, ROUTER_CONFIG, NULL);

	g_strv_builder_add_many(arguments, HAPROXY_PROGRAM, "-W", "-S", socket, "-f", config, NULL);
	return g_strv_builder_end(arguments);
}
