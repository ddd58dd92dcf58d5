/*
 * One service of a manifest: its keys, their spellings, their defaults.
 */
#pragma once

#include "manifest/decode.h"
#include "manifest/manifest.h"

/* Reads a service (a map, or null for all defaults). Never NULL: problems are with `decoder`. */
ManifestService *
service_decode(Decoder *decoder, const char *name, const YamlNode *node);

/* The table of a service's keys, up to one without a name. */
const Field *
service_keys(void);

/* A service with nothing but defaults; lists are NULL until service_fill. */
ManifestService *
service_new(const char *name);

/* Gives what is still not set its default. */
void
service_fill(ManifestService *service);

/* An empty list of ManifestPort. */
GPtrArray *
service_ports_new(void);

void
service_add_port(ManifestService *service, unsigned number, const char *protocol);

void
service_free(ManifestService *service);
