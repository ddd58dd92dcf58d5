/*
 * Archives: a folder packed as a gzip tar stream in constant memory, and an archive from outside
 * read with suspicion. The only file that knows libarchive.
 */
#pragma once

#include "base/http.h"

/* A file of an archive that its folder does not have. */
typedef struct {
	const char *path;
	const char *text;
} TarText;

typedef struct {
	/* Called for each path («a/b», no leading «./») with its kind; true leaves the path out. A
	 * folder that is left out is still entered when `enter` says so (a later exception may
	 * bring a file back). May be NULL. */
	bool (*ignored)(gpointer data, const char *path, bool is_folder, bool *enter);
	gpointer ignored_data;
	/* Called after each file with the totals so far. May be NULL. */
	void (*progress)(gpointer data, guint64 files, guint64 bytes);
	gpointer progress_data;
	/* Called with one line for each thing that is left out (sockets, devices, FIFOs, unreadable
	 * files). May be NULL. */
	void (*warn)(gpointer data, const char *line);
	gpointer warn_data;
	/* Packed at the end. */
	const TarText *texts;
	gsize text_count;
} TarPackOptions;

/* Packs `folder` (entries sorted by bytes, symbolic links kept, owner 0:0, modes and times as they
 * are, hard links as copies) as a gzip-1 tar into `write`. */
bool
tar_pack(const char *folder,
    const TarPackOptions *options,
    HttpWrite write,
    gpointer write_data,
    GCancellable *cancel,
    GError **error);

typedef struct {
	const char *path; /* wanted file, without «./» */
	char *text; /* filled by tar_scan, NUL-terminated; NULL: not in the archive. The caller
		       frees it. */
	gsize length;
} TarWanted;

/* Reads a whole archive file (tar, gzip or zstd tar) once and refuses it (CARRACK_ERROR_INVALID,
 * naming the member) for: an absolute path, `..`, a member written through a link, a hard link to
 * outside, a device, more entries or bytes than base/limits.h allows, a cut or damaged end. Fills
 * `wanted` (files over LIMIT_MANIFEST_BYTES are TOO_LARGE) and, if not NULL, `paths` with every
 * path. */
bool
tar_scan(const char *file,
    TarWanted *wanted,
    gsize wanted_count,
    GPtrArray *paths,
    GCancellable *cancel,
    GError **error);

/* The same without a look inside. With `is_rooted` an absolute path is taken for one from the root
 * that all names mean. */
bool
tar_check(const char *file, bool is_rooted, GCancellable *cancel, GError **error);

typedef struct TarStream TarStream;

/* How members are placed elsewhere. */
typedef struct {
	const char *prefix; /* only what lies under it, with it taken off; «» for all */
	const char
	    *place;     /* then put before it; a file at `prefix` itself lies there. NULL: none */
	bool is_rooted; /* as tar_check */
} TarPlacing;

/* Opens an archive file that tar_scan has accepted as an uncompressed tar stream of what lies under
 * `prefix` («» for all, «api» for a folder), with that prefix taken off; setuid bits are cleared,
 * FIFOs and sockets dropped. */
TarStream *
tar_stream_open(const char *file, const char *prefix, GError **error);

TarStream *
tar_stream_open_placed(const char *file, const TarPlacing *placing, GError **error);

/* An HttpRead over a TarStream (`data`). */
gssize
tar_stream_read(gpointer data, void *buffer, gsize size, GError **error);

void
tar_stream_free(TarStream *stream);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TarStream, tar_stream_free)

/* Unpacks what lies at `prefix` of an archive file that tar_check has accepted as `target`: a file
 * becomes that file, a folder that folder, over what is there. Devices, FIFOs and setuid bits are
 * dropped, symbolic links kept; nothing is written through a link at the last place of a path. */
bool
tar_unpack(
    const char *file, const char *prefix, const char *target, GCancellable *cancel, GError **error);
