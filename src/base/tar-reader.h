/*
 * What tar.c, tar-stream.c and tar-unpack.c share: an archive file read a member at a time.
 */
#pragma once

#include "base/tar-members.h"
#include "base/tar-source.h"

#include <archive.h>
#include <locale.h>

typedef struct archive ArchiveReader;
typedef struct archive ArchiveWriter;
typedef struct archive_entry ArchiveEntry;

/* Start with {0}; `is_rooted` is the caller's. */
typedef struct {
	TarSource *source;
	ArchiveReader *archive;
	ArchiveEntry *entry; /* the one that was read last, owned by `archive` */
	locale_t locale;
	char *path;     /* its clean path */
	GError *error;  /* from `source`, inside the library's callback */
	bool is_rooted; /* a slash at the start of a name means the root that all names mean */
} TarReader;

bool
tar_reader_open(TarReader *reader, const char *file, GError **error);

/* Also after a failed open. */
void
tar_reader_clear(TarReader *reader);

/* Reads the next header and its path. `at_end` when there is none. */
bool
tar_reader_next(TarReader *reader, bool *at_end, GError **error);

/* A name as a clean path. The caller frees it. */
char *
tar_reader_path(const TarReader *reader, const char *name, GError **error);

bool
tar_reader_kind(const TarReader *reader, TarKind *kind, GError **error);

/* Takes the member that was read last among `members`, whose rules it must keep. */
bool
tar_reader_add(TarReader *reader, TarMembers *members, TarKind *kind, GError **error);

/* Says what the library or the source has said. Always returns false. */
bool
tar_reader_error(TarReader *reader, GError **error);

/* Writes a header with its name as raw bytes. */
bool
tar_write_header(ArchiveWriter *archive, ArchiveEntry *entry);
