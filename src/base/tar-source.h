/*
 * The bytes of an archive file in order: gzip is unpacked here, with its checksums proven; other
 * bytes pass as they are.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef struct TarSource TarSource;

TarSource *
tar_source_open(const char *file, GError **error);

void
tar_source_free(TarSource *source);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TarSource, tar_source_free)

/* The next piece, which is borrowed until the next call. Returns its length, 0 at the end, -1 with
 * `error` set. */
gssize
tar_source_read(TarSource *source, const void **bytes, GError **error);

/* Reads what is left and fails if the archive was cut: a tar ends with a block of zeros. */
bool
tar_source_finish(TarSource *source, GCancellable *cancel, GError **error);
