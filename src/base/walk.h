/*
 * A walk through a folder for packing it: entries come sorted by bytes, what is left out is left
 * out here, and no FIFO, socket or device is ever opened.
 */
#pragma once

#include "base/tar.h"

#include <sys/stat.h>

typedef struct {
	const char *path; /* «a/b», raw bytes */
	const struct stat *status;
	const char *target; /* of a symbolic link, else NULL */
	int fd;             /* of a regular file, open for reading, else -1; the walk closes it */
} WalkEntry;

typedef bool (*WalkVisit)(gpointer data, const WalkEntry *entry, GError **error);

/* Visits everything below `folder` that `options` does not leave out, a folder before what it
 * holds. Ends with the first error of `visit`; CARRACK_ERROR_TOO_LARGE over LIMIT_TAR_ENTRIES. */
bool
walk_folder(const char *folder,
    const TarPackOptions *options,
    WalkVisit visit,
    gpointer data,
    GCancellable *cancel,
    GError **error);

/* A path as text that can stand in a message: valid UTF-8 without control characters. The caller
 * frees it. */
char *
walk_display_path(const char *path);
