/*
 * The settings of a Swarm rack, as they stand in the environment of its parts (CARRACK_RACK,
 * CARRACK_HTTP_PORT, …): the installer writes them there, carrackd reads them, and the installer
 * reads them back from the running service so that a second run changes nothing by itself.
 */
#pragma once

#include "base/env.h"

typedef struct {
	char *rack;
	char *domain;
	unsigned http_port;
	unsigned https_port;
	unsigned api_port;
	unsigned registry_port;
} SwarmSettings;

/* The defaults: rack carrack, domain localhost, ports 80, 443, 5443, 5000. */
SwarmSettings *
swarm_settings_new(void);

void
swarm_settings_free(SwarmSettings *settings);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(SwarmSettings, swarm_settings_free)

/* Takes over what `environment` («NAME=value» each, NULL-terminated; may be NULL) says; empty
 * values and other names are passed over. The error names the variable and what is allowed; nothing
 * is changed then. */
bool
swarm_settings_apply(SwarmSettings *settings, const char *const *environment, GError **error);

/* Fails when two of the ports are the same: «CARRACK_HTTP_PORT and CARRACK_API_PORT are both 80».
 */
bool
swarm_settings_check_ports(const SwarmSettings *settings, GError **error);

/* All settings as «NAME=value», sorted by name. The caller frees it with g_strfreev. */
GStrv
swarm_settings_environment(const SwarmSettings *settings);
