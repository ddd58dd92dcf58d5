/*
 * A project's files in memory, for the tests of manifests that are more than one file.
 */
#pragma once

#include "manifest/manifest.h"

/* Reads the manifest of a project of `files` (path, text, path, text, …, NULL); `wanted` as for
 * manifest_read. */
Manifest *
manifest_of_files(
    const char *const *files, const char *wanted, const Env *env, char **file, GError **error);
