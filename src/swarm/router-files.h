/*
 * What the router has on disk, all below its folder: HAProxy's configuration and maps, its pages
 * and certificates, and state.json, the set of backends from which everything else can be made
 * again. Every file is replaced whole, so a reader never sees half of one.
 */
#pragma once

#include "swarm/haproxy-config.h"

#define HAPROXY_PROGRAM "/usr/sbin/haproxy"

/* Folders must be absolute and of letters, digits, «.», «_», «-»; the domain a host name. */
bool
router_files_check_options(const SwarmOptions *options, GError **error);

/* Makes the folders, pages, the list of certificates and, if there is none, a self-signed default
 * certificate. */
bool
router_files_prepare(const SwarmOptions *options, GError **error);

/* The Backend * of state.json, all slots free; empty when there is no file. */
GPtrArray *
router_files_load(const SwarmOptions *options, GError **error);

/* Has HAProxy check the configuration of these backends, then replaces state.json, both maps and
 * haproxy.cfg. Nothing is replaced when the check fails. */
bool
router_files_save(const SwarmOptions *options, const GPtrArray *backends, GError **error);

/* Replaces only state.json and the maps: hosts have changed, the structure has not. */
bool
router_files_save_hosts(const SwarmOptions *options, const GPtrArray *backends, GError **error);

/* Replaces only haproxy.cfg, unchecked and without waiting for the disk: occupants have changed. */
bool
router_files_save_occupants(const SwarmOptions *options, const GPtrArray *backends, GError **error);
