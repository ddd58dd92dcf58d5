/*
 * `carrack install`: looks, checks, and only then changes something; each step makes sure of one
 * part. What a first installation has made is taken away again when a step fails; after that, and
 * in an update, things stay and running it again repairs them.
 */
#include "install/install.h"

#include "base/error.h"
#include "install/account.h"
#include "install/options.h"
#include "install/steps.h"

#include <string.h>

void
install_clear(Install *install)
{
	docker_free(install->docker);
	progress_free(install->progress);
	swarm_settings_free(install->settings);
	swarm_settings_free(install->found);
	g_clear_pointer(&install->others, g_ptr_array_unref);
	json_decref(install->info);
	g_free(install->docker_socket);
	g_free(install->image);
	g_free(install->layers);
	g_free(install->secret);
	g_free(install->secret_name);
	g_free(install->password);
}

static bool
check(Install *install, GError **error)
{
	progress_step(install->progress, "checking this machine");
	install->docker = preflight_engine(install->docker_socket, error);
	if (!install->docker)
		return false;

	g_autofree char *known = NULL;
	if (!preflight_look(install, error) || !preflight_name(install, error) ||
	    !preflight_machine(install, error) || !preflight_ports(install, error))
		return false;

	known = account_password(install->settings->rack, error);
	return known != NULL;
}

static bool
make(Install *install, GError **error)
{
	progress_step(install->progress, "swarm");
	if (!swarm_ensure(install, error))
		return false;
	progress_step(install->progress, "password");
	if (!password_ensure(install, error))
		return false;
	progress_step(
	    install->progress, "registry on 127.0.0.1:%u", install->settings->registry_port);
	if (!registry_ensure(install, error))
		return false;
	/* Before the API: its container is what makes the run folder on the host. */
	progress_step(install->progress, "router on ports %u and %u", install->settings->http_port,
	    install->settings->https_port);
	if (!router_ensure(install, error))
		return false;
	progress_step(install->progress, "API on 127.0.0.1:%u", install->settings->api_port);
	return api_ensure(install, error);
}

/* Nothing half-made stays of an installation that was the first. */
static void
undo(Install *install)
{
	g_autoptr(GError) error = NULL;
	bool is_gone = remove_everything(install, !install->has_old_data, &error) &&
		       account_remove(install->settings->rack, &error) &&
		       (!install->has_made_swarm || remove_swarm(install->docker, &error));
	if (!is_gone)
		progress_note(install->progress, "left behind, `carrack uninstall` removes it: %s",
		    error->message);
}

static bool
run(Install *install, GError **error)
{
	if (!check(install, error))
		return false;

	progress_step(install->progress, "image");
	if (!image_ensure(install, error))
		return false;
	if (!make(install, error)) {
		progress_end(install->progress, false);
		if (!install->found)
			undo(install);
		return false;
	}
	progress_step(install->progress, "waiting for answers");
	if (!proof_wait(install, error))
		return false;

	progress_step(install->progress, "cleaning up");
	remove_unused(install);
	progress_end(install->progress, true);
	return true;
}

static void
print_result(const Install *install)
{
	const SwarmSettings *settings = install->settings;
	const char *state = !install->found        ? "is installed"
			    : install->has_changed ? "is updated"
						   : "is as it should be";
	const char *password = install->password ? install->password : "PASSWORD";
	g_autofree char *url = account_url(settings, password);
	g_autofree char *port = settings->https_port == 443
				    ? g_strdup("")
				    : g_strdup_printf(":%u", settings->https_port);
	g_print("rack %s %s\n\n", settings->rack, state);
	g_print("  on this machine   RACK_URL=%s\n", url);
	g_print("  from elsewhere    RACK_URL=https://convox:%s@rack.%s%s\n", password,
	    settings->domain, port);
	if (!install->password)
		g_print("\nthe password is not in the configuration of this user; "
			"`carrack install --new-password` sets a new one\n");
}

int
install_verb(int argc, char **argv)
{
	bool is_done = false;
	g_auto(InstallOptions) options = {0};
	g_auto(Install) install = {0};
	g_autoptr(GError) error = NULL;
	install.progress = progress_new();
	if (!install_options_read(&options, argv, &is_done, &error)) {
		g_printerr("carrack install: %s\n", error->message);
		return 2;
	}
	if (is_done)
		return 0;

	install.began = g_get_real_time();
	install.settings = swarm_settings_new();
	install.docker_socket = option_docker_socket();
	install.wishes = options.wishes;
	install.advertise = options.advertise;
	install.wants_new_password = options.new_password;
	install.wants_rebuild = options.rebuild;
	if (!run(&install, &error)) {
		progress_end(install.progress, false);
		g_printerr("carrack install: %s\n", error->message);
		return 1;
	}
	print_result(&install);
	return 0;
}
