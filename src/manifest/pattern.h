/*
 * One pattern of .dockerignore, with the exact meaning that the engine's own matcher gives it.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef struct Pattern Pattern;

/* `text` is a clean pattern without `!`. NULL if its syntax is wrong. */
Pattern *
pattern_new(const char *text);

void
pattern_free(Pattern *pattern);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pattern, pattern_free)

/* True if the first `length` bytes of `path` match as a whole. */
bool
pattern_matches(const Pattern *pattern, const char *path, gsize length);

/* True if some path that begins with the folder `path` and a slash could match. */
bool
pattern_may_match_below(const Pattern *pattern, const char *path);
