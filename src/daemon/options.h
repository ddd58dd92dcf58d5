/*
 * carrackd's options: all from the environment. On a machine of its own the password is in a file;
 * on AWS the task's environment brings it, out of Secrets Manager. Strings live as long as the
 * struct.
 */
#pragma once

#include "swarm/provider.h"
#include "swarm/settings.h"

typedef struct {
	bool is_aws;   /* CARRACK_PROVIDER is «aws»; the members of swarm are the defaults then */
	unsigned port; /* TCP port of the API behind AWS's balancer; 0: socket_path */
	SwarmOptions swarm; /* borrows from the members below */
	SwarmSettings *settings;
	GStrv environment;
	char *socket_path;
	char *password; /* NULL unless asked for */
} DaemonOptions;

/* Reads `environment` (taken over). With `password`, one is demanded: at least eight characters, in
 * the file that CARRACK_PASSWORD_FILE names, or on AWS in CARRACK_PASSWORD. */
DaemonOptions *
daemon_options_new(GStrv environment, bool password, GError **error);

void
daemon_options_free(DaemonOptions *options);

/* The parts of the rack that the options ask for. */
Provider *
daemon_options_open(const DaemonOptions *options, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DaemonOptions, daemon_options_free)
