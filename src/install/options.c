/*
 * Flags by GOptionContext. Those that are settings become lines of an environment, so that one
 * reader (swarm/settings.h) checks flags, variables and what the running rack has alike.
 */
#include "install/options.h"

#include "base/error.h"

#include <string.h>

typedef struct {
	const char *flag;
	const char *variable;
	const char *help;
	const char *value;
} SettingFlag;

static const SettingFlag settings[] = {
    {"name", "CARRACK_RACK", "Name of the rack (carrack)", "NAME"},
    {"domain", "CARRACK_DOMAIN", "Apps are APP-SERVICE.DOMAIN (localhost)", "DOMAIN"},
    {"http-port", "CARRACK_HTTP_PORT", "Port of the apps (80)", "PORT"},
    {"https-port", "CARRACK_HTTPS_PORT", "Port of the apps with TLS (443)", "PORT"},
    {"api-port", "CARRACK_API_PORT", "Port of the API on this machine (5443)", "PORT"},
    {"registry-port", "CARRACK_REGISTRY_PORT", "Port of the registry on this machine (5000)",
	"PORT"},
};

void
install_options_clear(InstallOptions *options)
{
	g_strfreev(options->wishes);
	g_free(options->advertise);
}

void
uninstall_options_clear(UninstallOptions *options)
{
	g_free(options->name);
}

char *
option_docker_socket(void)
{
	const char *own = g_getenv("CARRACK_DOCKER_SOCKET");
	const char *host = g_getenv("DOCKER_HOST");
	if (own && *own)
		return g_strdup(own);
	if (host && g_str_has_prefix(host, "unix://"))
		return g_strdup(host + strlen("unix://"));

	return g_strdup("/var/run/docker.sock");
}

static bool
asks_for_help(GStrv arguments)
{
	const char *const *words = (const char *const *)arguments;
	return g_strv_contains(words, "--help") || g_strv_contains(words, "-h");
}

/* Parses the arguments of `verb` against `entries`; what is left over is an error. */
static bool
parse(GOptionContext *context, const char *verb, GStrv arguments, bool *is_done, GError **error)
{
	g_autofree char *program = g_strconcat("carrack ", verb, NULL);
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
	g_autoptr(GError) cause = NULL;
	g_strv_builder_add(builder, program);
	g_strv_builder_addv(builder, (const char **)arguments);
	g_auto(GStrv) words = g_strv_builder_end(builder);

	g_set_prgname(program);
	g_option_context_set_help_enabled(context, FALSE);
	*is_done = asks_for_help(arguments);
	if (*is_done) {
		g_autofree char *help = g_option_context_get_help(context, TRUE, NULL);
		g_print("%s", help);
		return true;
	}
	if (!g_option_context_parse_strv(context, &words, &cause))
		return error_set(error, CARRACK_ERROR_INVALID, "%s", cause->message);
	if (words[1])
		return error_set(error, CARRACK_ERROR_INVALID,
		    "unknown rack type «%s»: without a type, the rack is on this machine",
		    words[1]);
	return true;
}

bool
install_options_read(InstallOptions *options, GStrv arguments, bool *is_done, GError **error)
{
	enum { COUNT = G_N_ELEMENTS(settings) };
	char *values[COUNT] = {NULL};
	GOptionEntry entries[COUNT + 4] = {
	    {"advertise-addr", 0, 0, G_OPTION_ARG_STRING, &options->advertise,
		"Address by which other machines reach this one, for a new swarm", "ADDRESS"},
	    {"new-password", 0, 0, G_OPTION_ARG_NONE, &options->new_password,
		"Replace the rack's password", NULL},
	    {"rebuild", 0, 0, G_OPTION_ARG_NONE, &options->rebuild,
		"Build the image anew, with the newest packages", NULL},
	};
	for (gsize i = 0; i < COUNT; i++)
		entries[3 + i] = (GOptionEntry){settings[i].flag, 0, 0, G_OPTION_ARG_STRING,
		    &values[i], settings[i].help, settings[i].value};

	g_autoptr(GOptionContext) context = g_option_context_new("— a rack on this machine");
	g_option_context_set_summary(context,
	    "Installs the rack, or puts right and updates the one that is here. Settings that are\n"
	    "not given stay as they are; each can also come from the environment (CARRACK_RACK,\n"
	    "CARRACK_DOMAIN, CARRACK_HTTP_PORT, …).");
	g_option_context_add_main_entries(context, entries, NULL);
	bool is_good = parse(context, "install", arguments, is_done, error);
	options->wishes = g_get_environ();
	for (gsize i = 0; i < COUNT; i++) {
		if (values[i])
			options->wishes = g_environ_setenv(
			    options->wishes, settings[i].variable, values[i], TRUE);
		g_free(values[i]);
	}
	return is_good;
}

bool
uninstall_options_read(UninstallOptions *options, GStrv arguments, bool *is_done, GError **error)
{
	const GOptionEntry entries[] = {
	    {"name", 0, 0, G_OPTION_ARG_STRING, &options->name,
		"Name of the rack (CARRACK_RACK, else carrack)", "NAME"},
	    {"data", 0, 0, G_OPTION_ARG_NONE, &options->data,
		"Delete the data too: releases, images, logs, certificates", NULL},
	    {"yes", 'y', 0, G_OPTION_ARG_NONE, &options->yes, "Do not ask", NULL},
	    {"leave-swarm", 0, 0, G_OPTION_ARG_NONE, &options->leave_swarm,
		"Leave the swarm as well", NULL},
	    {NULL},
	};
	g_autoptr(GOptionContext) context = g_option_context_new("— the rack on this machine");
	g_option_context_set_summary(context,
	    "Lists what goes, asks, and removes it. Volumes with data stay without --data.");
	g_option_context_add_main_entries(context, entries, NULL);
	return parse(context, "uninstall", arguments, is_done, error);
}
