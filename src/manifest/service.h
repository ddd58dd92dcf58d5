/*
 * One service of a manifest: its keys, their spellings, their defaults.
 */
#pragma once

#include "manifest/decode.h"
#include "manifest/manifest.h"

/* Reads a service (a map, or null for all defaults). Never NULL: problems are with `decoder`. */
ManifestService *
service_decode(Decoder *decoder, const char *name, const YamlNode *node);

void
service_free(ManifestService *service);
