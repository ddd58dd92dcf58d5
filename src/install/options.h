/*
 * What `carrack install` and `carrack uninstall` can be told: flags, and the environment that parts
 * read as well. A flag goes before the variable, the variable before what the rack has now.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef struct {
	GStrv wishes; /* «CARRACK_…=value», from environment and flags */
	char *advertise;
	gboolean new_password;
	gboolean rebuild;
} InstallOptions;

typedef struct {
	char *name; /* NULL: not given */
	gboolean data;
	gboolean yes;
	gboolean leave_swarm;
} UninstallOptions;

/* `arguments` come after the verb. Fails with CARRACK_ERROR_INVALID. --help prints, and is true
 * with `is_done`. */
bool
install_options_read(InstallOptions *options, GStrv arguments, bool *is_done, GError **error);

void
install_options_clear(InstallOptions *options);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(InstallOptions, install_options_clear)

bool
uninstall_options_read(UninstallOptions *options, GStrv arguments, bool *is_done, GError **error);

void
uninstall_options_clear(UninstallOptions *options);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(UninstallOptions, uninstall_options_clear)

/* CARRACK_DOCKER_SOCKET, else DOCKER_HOST when it is a unix socket, else the usual place. The
 * caller frees it. */
char *
option_docker_socket(void);
