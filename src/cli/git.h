/*
 * Which commit a folder is at, for the description of a build.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

/* The commit's id, or NULL outside a repository or without git. `subject` is its first line, NULL
 * when the folder differs from it. The caller frees both. */
char *
git_commit(const char *folder, char **subject);
