/*
 * docker-compose.yml: the old versions (1 with its services at the top level, 2.x, 3.x) and the
 * Compose Specification, as far as a service of a rack has something that corresponds.
 */
#pragma once

#include "manifest/bundle.h"
#include "manifest/decode.h"
#include "manifest/manifest.h"

/* Calls `add` with the path of each file that the compose file takes in (extends, env_file). A
 * file that is no YAML has none; compose_decode says why. */
bool
compose_find_files(const Bundle *bundle,
    bool (*add)(gpointer data, const char *path, GError **error),
    gpointer data,
    GError **error);

/* Adds the services and timers to `manifest`; problems are with `decoder`. Fails when the file is
 * no YAML. `env` (may be NULL) is the app's, for `${NAME}` and for bare names in `environment`. */
bool
compose_decode(
    Decoder *decoder, const Bundle *bundle, const Env *env, Manifest *manifest, GError **error);
