/*
 * What a volume of a manifest is: kept data of the app or of a service, or a folder of the machine.
 */
#pragma once

#include "manifest/decode.h"
#include "manifest/manifest.h"

typedef struct {
	const char *source; /* or NULL */
	const char *target;
	bool is_read_only;
	bool is_compose; /* any path from the root is the machine's, and one alone the service's */
} VolumeEntry;

/* Adds the mount to the service; problems, and what asks for power, are noted at `node`. */
void
volumes_add(
    Decoder *decoder, const YamlNode *node, ManifestService *service, const VolumeEntry *entry);

/* True when the service keeps data, so that two of its processes must not write at once. */
bool
volumes_keep_data(const ManifestService *service);

/* A field decoder for convox.yml: «path», «source:path» → the service's volumes and mounts. */
void
volumes_decode(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
