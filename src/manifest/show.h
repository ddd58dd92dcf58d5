/*
 * A manifest as JSON: every spelling resolved, every default filled in.
 */
#pragma once

#include "manifest/manifest.h"

/* Lists `services`, `resources`, `timers`, `balancers` in file order, then the other keys. Members
 * have the names of the manifest's keys; what is not given and has no default is null. A service's
 * `environment` is what its processes get of `env` (may be NULL). The caller owns it. */
json_t *
manifest_json(const Manifest *manifest, const Env *env);
