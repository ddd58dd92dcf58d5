/*
 * Patterns of paths: «/apps/{app}/builds/{id}.tgz», «/apps/{app}/objects/{key...}». Paths are
 * matched as they came, without cleaning: «//» and a slash at the end are significant.
 */
#pragma once

#include "base/error.h"

/* True if `path` (still percent-encoded) fits `pattern`; `variables` then gets the decoded values.
 * {name} is one segment that is not empty, {name...} all the rest, slashes and emptiness included.
 */
bool
path_match(const char *pattern, const char *path, GHashTable *variables);
