/*
 * Keys of a service that only other racks act on (probes, annotations, volumes of a cloud, …):
 * checked as Convox checks them and kept as JSON.
 */
#pragma once

#include "manifest/manifest.h"
#include "manifest/value.h"

extern const Value service_access_control;
extern const Value service_annotations;
extern const Value service_certificate;
extern const Value service_config_mounts;
extern const Value service_dns_config;
extern const Value service_flag;
extern const Value service_init_container;
extern const Value service_lifecycle;
extern const Value service_liveness;
extern const Value service_node_affinity;
extern const Value service_policies;
extern const Value service_pull_secrets;
extern const Value service_security_context;
extern const Value service_startup_probe;
extern const Value service_text_map;
extern const Value service_volume_options;
extern const Value service_whitelist;
extern const Value service_labels;

/* Fills in what one of them takes over from another. */
void
service_keys_complete(ManifestService *service);
