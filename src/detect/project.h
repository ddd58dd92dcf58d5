/*
 * The files of a folder as they tell what it is: read once, up to a limit, and never through FIFOs
 * or devices. All paths are relative to it.
 */
#pragma once

#include "base/json.h"

#include <gio/gio.h>
#include <stdbool.h>

typedef struct Project Project;

/* NOT_FOUND when there is no such folder. */
Project *
project_open(const char *folder, GError **error);

void
project_free(Project *project);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Project, project_free)

/* True for a regular file. */
bool
project_has(const Project *project, const char *path);

bool
project_has_folder(const Project *project, const char *path);

/* The first of `paths` (NULL-terminated) that is a file, or NULL. */
const char *
project_first(const Project *project, const char *const *paths);

/* A file's text; «» when there is none, or when it is over LIMIT_MANIFEST_BYTES. Borrowed. */
const char *
project_text(const Project *project, const char *path);

/* A file as a JSON object; an empty one when there is none. The caller owns it. */
json_t *
project_json(const Project *project, const char *path, GError **error);

/* The first group of a regular expression (multi-line) in a file, or NULL. The caller frees it. */
char *
project_match(const Project *project, const char *path, const char *expression);

bool
project_matches(const Project *project, const char *path, const char *expression);

/* Names of the files of a folder («.» or below) with that ending, sorted; of char *. */
GPtrArray *
project_files(const Project *project, const char *folder, const char *ending);

/* Names of the folders of a folder but hidden ones, sorted; of char *. */
GPtrArray *
project_folders(const Project *project, const char *folder);
