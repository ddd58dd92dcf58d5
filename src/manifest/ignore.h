/*
 * .dockerignore exactly as the engine reads it: patterns in order, the last that matches decides,
 * `!` brings back, `**`, a parent that matches takes its children along, BOM and CRLF tolerated.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef struct Ignore Ignore;

/* `file` is for errors («.dockerignore line 2: syntax error in pattern»). */
Ignore *
ignore_parse(const char *text, gsize length, const char *file, GError **error);

void
ignore_free(Ignore *ignore);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Ignore, ignore_free)

/* True if the path («a/b») is left out. */
bool
ignore_matches(const Ignore *ignore, const char *path);

/* True if a folder that is itself left out may hold something that an exception brings back. */
bool
ignore_may_reach_inside(const Ignore *ignore, const char *path);
