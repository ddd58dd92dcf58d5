/*
 * carrackd's options: all from the environment (docs/reference), the password from a file. Strings
 * live as long as the struct.
 */
#pragma once

#include "swarm/provider.h"
#include "swarm/settings.h"

typedef struct {
	SwarmOptions swarm; /* borrows from the members below */
	SwarmSettings *settings;
	GStrv environment;
	char *socket_path;
	char *password; /* NULL unless asked for */
} DaemonOptions;

/* Reads `environment` (taken over). With `password`, one is demanded: a readable file named by
 * CARRACK_PASSWORD_FILE that holds at least eight characters. */
DaemonOptions *
daemon_options_new(GStrv environment, bool password, GError **error);

void
daemon_options_free(DaemonOptions *options);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DaemonOptions, daemon_options_free)
