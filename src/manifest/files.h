/*
 * Which file of a project says what its app is: convox.yml, else a compose file, else a Procfile
 * with its Dockerfile, else a Dockerfile alone. The first that is there decides, and when it is
 * broken that is an error, never a reason to take the next.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

/* Reads a file of the project by its path. NULL without an error when it is not there; the caller
 * frees it. */
typedef char *(*ManifestRead)(gpointer data, const char *path, gsize *length, GError **error);

/* The names that are looked for, in order; NULL-terminated. */
const char *const *
manifest_file_names(void);

/* The manifest as one text that manifest_parse reads, and in `*file` the name of what was taken.
 * `wanted` (or NULL) names one file; its name says of which kind it is: «*compose*», «Procfile*»,
 * «Dockerfile», and all others are like convox.yml. The caller frees both. */
char *
manifest_read(const char *wanted, ManifestRead read, gpointer data, char **file, GError **error);
