/*
 * Packing and reading of archives; the rules are apart: walk.c (what of a folder is packed),
 * tar-members.c (what an archive from outside may hold), tar-source.c (its bytes).
 *
 * Names are raw bytes in both directions. Writing happens under the C locale: there the library
 * stores a name that is not ASCII as it is, marked hdrcharset=BINARY. A pax name of another writer
 * is UTF-8 by definition and is converted to the locale's characters, so reading happens under
 * C.UTF-8 whatever the process runs under (a decomposed letter comes out composed; a name that is
 * not UTF-8 is refused).
 *
 * What is sent on to a builder is always written anew, so that no other reader ever sees the
 * stranger's bytes and understands them differently.
 */
#include "base/tar.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/tar-reader.h"
#include "base/walk.h"

#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PIECE (64 * 1024)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ArchiveEntry, archive_entry_free)

/* Packing */

typedef struct {
	const TarPackOptions *options;
	HttpWrite write;
	gpointer write_data;
	GError **error; /* of the call; set by `write` itself when that fails */
	bool stopped;   /* nothing may be written any more: the archive must not look whole */
	bool write_failed;
	ArchiveWriter *archive;
	ArchiveEntry *entry;
	GCancellable *cancel;
	guint64 files;
	guint64 bytes;
	guint8 buffer[PIECE];
} Pack;

static la_ssize_t
pack_write(ArchiveWriter *archive, void *data, const void *bytes, size_t length)
{
	Pack *pack = data;
	if (pack->stopped)
		return -1;
	if (!pack->write(pack->write_data, bytes, length, pack->error)) {
		pack->stopped = pack->write_failed = true;
		archive_set_error(archive, ECANCELED, "the receiver stopped");
		return -1;
	}
	return (la_ssize_t)length;
}

static bool
pack_error(const Pack *pack, const char *path, GError **error)
{
	if (pack->write_failed)
		return false;

	g_autofree char *display = walk_display_path(path);
	return error_set(error, CARRACK_ERROR_INTERNAL, "packing %s: %s", display,
	    archive_error_string(pack->archive));
}

static bool
pack_header(Pack *pack, const WalkEntry *from, GError **error)
{
	ArchiveEntry *entry = archive_entry_clear(pack->entry);
	archive_entry_set_pathname(entry, from->path);
	archive_entry_set_filetype(entry, from->status->st_mode & S_IFMT);
	archive_entry_set_perm(entry, from->status->st_mode & 07777);
	/* Whole seconds, as docker sends them: a fraction needs an extended header of 1 KiB. */
	archive_entry_set_mtime(entry, from->status->st_mtim.tv_sec, 0);
	archive_entry_set_size(entry, from->fd >= 0 ? from->status->st_size : 0);
	if (from->target != NULL)
		archive_entry_set_symlink(entry, from->target);
	if (!tar_write_header(pack->archive, entry))
		return pack_error(pack, from->path, error);

	return true;
}

static bool
shrank(const WalkEntry *from, gint64 left, GError **error)
{
	g_autofree char *display = walk_display_path(from->path);
	gint64 size = from->status->st_size;
	return error_set(error, CARRACK_ERROR_CONFLICT,
	    "%s shrank from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
	    " bytes while it was packed; try again when nothing writes to it",
	    display, size, size - left);
}

/* The size stands in the header before the bytes: a file that grows is packed up to that size, one
 * that shrinks ends the archive. */
static bool
pack_bytes(Pack *pack, const WalkEntry *from, GError **error)
{
	gint64 left = from->status->st_size;
	while (left > 0) {
		if (error_cancelled(pack->cancel, error))
			return false;

		gsize wanted = (gsize)MIN(left, (gint64)sizeof(pack->buffer));
		ssize_t count = read(from->fd, pack->buffer, wanted);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return error_set_errno(error, errno, "reading %s", from->path);
		if (count == 0)
			return shrank(from, left, error);
		if (archive_write_data(pack->archive, pack->buffer, (size_t)count) != count)
			return pack_error(pack, from->path, error);

		left -= count;
	}
	return true;
}

static void
count_packed(Pack *pack, guint64 size)
{
	pack->files++;
	pack->bytes += size;
	if (pack->options->progress != NULL)
		pack->options->progress(pack->options->progress_data, pack->files, pack->bytes);
}

static bool
pack_text(Pack *pack, const TarText *from, GError **error)
{
	gsize length = strlen(from->text);
	ArchiveEntry *entry = archive_entry_clear(pack->entry);
	archive_entry_set_pathname(entry, from->path);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_size(entry, (la_int64_t)length);
	if (!tar_write_header(pack->archive, entry) ||
	    archive_write_data(pack->archive, from->text, length) != (la_ssize_t)length)
		return pack_error(pack, from->path, error);

	count_packed(pack, length);
	return true;
}

static bool
pack_texts(Pack *pack, GError **error)
{
	for (gsize i = 0; i < pack->options->text_count; i++) {
		if (!pack_text(pack, &pack->options->texts[i], error))
			return false;
	}
	return true;
}

static bool
pack_visit(gpointer data, const WalkEntry *from, GError **error)
{
	Pack *pack = data;
	if (!pack_header(pack, from, error))
		return false;
	if (from->fd < 0)
		return true;
	if (!pack_bytes(pack, from, error))
		return false;

	count_packed(pack, (guint64)from->status->st_size);
	return true;
}

/* The same tree gives the same bytes: no time in gzip's header. */
static bool
pack_open(Pack *pack, GError **error)
{
	ArchiveWriter *archive = pack->archive;
	bool is_open = archive_write_set_format_pax_restricted(archive) == ARCHIVE_OK &&
		       archive_write_add_filter_gzip(archive) == ARCHIVE_OK &&
		       archive_write_set_options(
			   archive, "gzip:compression-level=1,gzip:!timestamp") == ARCHIVE_OK &&
		       archive_write_set_bytes_per_block(archive, 0) == ARCHIVE_OK &&
		       archive_write_open(archive, pack, NULL, pack_write, NULL) == ARCHIVE_OK;

	return is_open || pack_error(pack, "the archive", error);
}

bool
tar_pack(const char *folder,
    const TarPackOptions *options,
    HttpWrite write_bytes,
    gpointer write_data,
    GCancellable *cancel,
    GError **error)
{
	static const TarPackOptions no_options = {0};
	g_autoptr(ArchiveEntry) entry = archive_entry_new();
	g_autofree Pack *pack = g_new0(Pack, 1);
	pack->options = options != NULL ? options : &no_options;
	pack->write = write_bytes;
	pack->write_data = write_data;
	pack->error = error;
	pack->cancel = cancel;
	pack->archive = archive_write_new();
	pack->entry = entry;

	bool packed = pack_open(pack, error) &&
		      walk_folder(folder, pack->options, pack_visit, pack, cancel, error) &&
		      pack_texts(pack, error);
	if (packed && archive_write_close(pack->archive) != ARCHIVE_OK)
		packed = pack_error(pack, folder, error);
	/* The library completes an archive when it is freed, also one that failed. */
	pack->stopped = true;
	archive_write_free(pack->archive);
	return packed;
}

static bool
read_wanted(TarReader *reader, TarWanted *wanted, GError **error)
{
	gint64 size = archive_entry_size(reader->entry);
	if (size > LIMIT_MANIFEST_BYTES)
		return error_set(error, CARRACK_ERROR_TOO_LARGE, "%s is larger than %d bytes",
		    wanted->path, LIMIT_MANIFEST_BYTES);

	g_autofree char *text = g_malloc0((gsize)size + 1);
	gsize length = 0;
	while (length < (gsize)size) {
		la_ssize_t count =
		    archive_read_data(reader->archive, text + length, (gsize)size - length);
		if (count <= 0)
			return tar_reader_error(reader, error);
		length += (gsize)count;
	}
	g_free(wanted->text);
	wanted->text = g_steal_pointer(&text);
	wanted->length = length;
	return true;
}

static TarWanted *
find_wanted(TarWanted *wanted, gsize count, const char *path)
{
	for (gsize i = 0; i < count; i++) {
		if (strcmp(wanted[i].path, path) == 0)
			return &wanted[i];
	}
	return NULL;
}

typedef struct {
	TarReader reader;
	TarMembers *members;
	TarWanted *wanted;
	gsize wanted_count;
	GPtrArray *paths;
	guint64 bytes;
} Scan;

static bool
scan_member(Scan *scan, GError **error)
{
	TarReader *reader = &scan->reader;
	TarKind kind;
	if (!tar_reader_add(reader, scan->members, &kind, error))
		return false;

	scan->bytes += kind == TAR_FILE ? (guint64)archive_entry_size(reader->entry) : 0;
	if (scan->bytes > LIMIT_TAR_UNPACKED_BYTES) {
		g_autofree char *display = walk_display_path(reader->path);
		return error_set(error, CARRACK_ERROR_INVALID,
		    "archive member %s: the archive unpacks to more than %lld bytes", display,
		    LIMIT_TAR_UNPACKED_BYTES);
	}
	if (scan->paths != NULL && *reader->path != '\0')
		g_ptr_array_add(scan->paths, g_strdup(reader->path));

	TarWanted *wanted = find_wanted(scan->wanted, scan->wanted_count, reader->path);
	return wanted == NULL || kind != TAR_FILE || read_wanted(reader, wanted, error);
}

static bool
scan_all(Scan *scan, const char *file, GCancellable *cancel, GError **error)
{
	if (!tar_reader_open(&scan->reader, file, error))
		return false;

	for (;;) {
		bool at_end;
		if (error_cancelled(cancel, error) ||
		    !tar_reader_next(&scan->reader, &at_end, error))
			return false;
		if (at_end)
			return tar_source_finish(scan->reader.source, cancel, error);
		if (!scan_member(scan, error))
			return false;
	}
}

bool
tar_check(const char *file, bool is_rooted, GCancellable *cancel, GError **error)
{
	g_autoptr(TarMembers) members = tar_members_new();
	Scan scan = {.reader = {.is_rooted = is_rooted}, .members = members};
	bool is_good = scan_all(&scan, file, cancel, error);

	tar_reader_clear(&scan.reader);
	return is_good;
}

bool
tar_scan(const char *file,
    TarWanted *wanted,
    gsize wanted_count,
    GPtrArray *paths,
    GCancellable *cancel,
    GError **error)
{
	g_autoptr(TarMembers) members = tar_members_new();
	Scan scan = {
	    .members = members, .wanted = wanted, .wanted_count = wanted_count, .paths = paths};
	bool scanned = scan_all(&scan, file, cancel, error);
	tar_reader_clear(&scan.reader);
	for (gsize i = 0; i < wanted_count && !scanned; i++)
		g_clear_pointer(&wanted[i].text, g_free);

	return scanned;
}
