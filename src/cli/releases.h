/*
 * Releases as other verbs need them: the newest one, its environment, a new one, and promoting.
 */
#pragma once

#include "base/env.h"
#include "cli/call.h"

/* The newest release in full; JSON null when the app has none. */
json_t *
release_newest(Call *call, GError **error);

/* Byte-exact where the rack tells it so. */
Env *
release_env(const json_t *release, GError **error);

/* The environment of the newest release; empty without one. */
Env *
env_latest(Call *call, GError **error);

/* A new release with this build and environment (each may be NULL: as before). The caller frees its
 * id. */
char *
release_create(Call *call, const char *build, const Env *env, GError **error);

/* Promotes it and, unless --no-wait was given, waits for the result with the timeline. */
bool
release_promote(Call *call, const char *release, GError **error);

/* The environment as lines that `env set` reads back to the same: values are quoted only where they
 * must be. The caller frees it. */
char *
env_listing(const Env *env);
