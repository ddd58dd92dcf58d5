/*
 * `carrack uninstall`: shows what goes, asks, removes it, and looks again that nothing is left.
 */
#include "install/install.h"

#include "base/error.h"
#include "install/account.h"
#include "install/options.h"
#include "install/steps.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void
print_inventory(const json_t *inventory, bool data)
{
	const char *kind;
	json_t *names, *name;
	size_t i;
	g_printerr("this goes:\n");
	json_object_foreach((json_t *)inventory, kind, names)
	{
		json_array_foreach(names, i, name)
		    g_printerr("  %-11s %s\n", i == 0 ? kind : "", json_string_value(name));
	}
	if (!data)
		g_printerr("volumes with data stay (--data removes them as well)\n");
}

/* True for a typed yes; an error where nobody can be asked. */
static bool
confirm(const UninstallOptions *options, GError **error)
{
	char answer[16] = "";
	if (options->yes)
		return true;
	if (!isatty(STDIN_FILENO))
		return error_set(error, CARRACK_ERROR_INVALID,
		    "not a terminal: nothing is removed without --yes");

	g_printerr("Remove it? [y/N] ");
	if (!fgets(answer, sizeof(answer), stdin) || g_ascii_tolower(answer[0]) != 'y')
		return error_set(error, CARRACK_ERROR_INVALID, "nothing was removed");
	return true;
}

static bool
run(Install *install, const UninstallOptions *options, GError **error)
{
	install->docker = preflight_engine(install->docker_socket, error);
	if (!install->docker || !preflight_look(install, error))
		return false;

	json_auto_t *inventory = remove_inventory(install, options->data, error);
	if (!inventory)
		return false;
	bool is_empty = json_object_size(inventory) == 0;
	if (is_empty)
		g_printerr(
		    "nothing of a rack named %s is on this machine\n", install->settings->rack);
	if (!is_empty)
		print_inventory(inventory, options->data);
	if (!is_empty && !confirm(options, error))
		return false;

	if (!remove_everything(install, options->data, error) ||
	    !account_remove(install->settings->rack, error))
		return false;
	if (options->leave_swarm && !remove_swarm(install->docker, error))
		return false;
	progress_end(install->progress, true);
	return true;
}

int
uninstall_verb(int argc, char **argv)
{
	bool is_done = false;
	g_auto(UninstallOptions) options = {0};
	g_auto(Install) install = {0};
	g_autoptr(GError) error = NULL;
	install.progress = progress_new();
	if (!uninstall_options_read(&options, argv, &is_done, &error)) {
		g_printerr("carrack uninstall: %s\n", error->message);
		return 2;
	}
	if (is_done)
		return 0;

	install.settings = swarm_settings_new();
	install.docker_socket = option_docker_socket();
	/* Ports of the environment are for the next installation; this rack has the ones it has. */
	const char *name = options.name ? options.name : g_getenv("CARRACK_RACK");
	g_autofree char *line = g_strconcat("CARRACK_RACK=", name ? name : "", NULL);
	char *wishes[] = {line, NULL};
	install.wishes = wishes;
	if (!run(&install, &options, &error)) {
		progress_end(install.progress, false);
		g_printerr("carrack uninstall: %s\n", error->message);
		return 1;
	}
	g_print("removed\n");
	return 0;
}
