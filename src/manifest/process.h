/*
 * How a process is run: the members of ManifestProcess, and what convox.yml says of them. A compose
 * file's spellings are in compose-process.c.
 */
#pragma once

#include "manifest/manifest.h"

void
process_init(ManifestProcess *process);

void
process_clear(ManifestProcess *process);

/* Texts are copied. The mount is borrowed, for the rest of its members. */
ManifestMount *
process_add_mount(
    ManifestProcess *process, ManifestMountKind kind, const char *source, const char *target);

/* What a `securityContext` (as its table reads it, or NULL) says. */
void
process_apply_security(ManifestProcess *process, const json_t *context);

/* For `manifest show`: what differs from the image, or null. */
json_t *
process_show(const ManifestProcess *process);
