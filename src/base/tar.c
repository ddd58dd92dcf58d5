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
#include "base/tar-members.h"
#include "base/tar-source.h"
#include "base/walk.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#define PIECE (64 * 1024)

typedef struct archive ArchiveReader;
typedef struct archive ArchiveWriter;
typedef struct archive_entry ArchiveEntry;

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ArchiveEntry, archive_entry_free)

/* Under the C locale (see above); a warning only says that a name is stored as raw bytes. */
static bool
write_header(ArchiveWriter *archive, ArchiveEntry *entry)
{
	locale_t plain = newlocale(LC_CTYPE_MASK, "C", (locale_t)0);
	locale_t before = uselocale(plain);
	int result = archive_write_header(archive, entry);
	uselocale(before);
	freelocale(plain);
	return result == ARCHIVE_OK || result == ARCHIVE_WARN;
}

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
	if (!write_header(pack->archive, entry))
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

	pack->files++;
	pack->bytes += (guint64)from->status->st_size;
	if (pack->options->progress != NULL)
		pack->options->progress(pack->options->progress_data, pack->files, pack->bytes);
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
		      walk_folder(folder, pack->options, pack_visit, pack, cancel, error);
	if (packed && archive_write_close(pack->archive) != ARCHIVE_OK)
		packed = pack_error(pack, folder, error);
	/* The library completes an archive when it is freed, also one that failed. */
	pack->stopped = true;
	archive_write_free(pack->archive);
	return packed;
}

/* Reading */

typedef struct {
	TarSource *source;
	ArchiveReader *archive;
	ArchiveEntry *entry; /* the one that was read last, owned by `archive` */
	locale_t locale;
	char *path;    /* its clean path */
	GError *error; /* from `source`, inside the library's callback */
} Reader;

static la_ssize_t
reader_read(ArchiveReader *archive, void *data, const void **bytes)
{
	Reader *reader = data;
	if (reader->error != NULL)
		return -1;

	gssize count = tar_source_read(reader->source, bytes, &reader->error);
	if (count < 0)
		archive_set_error(archive, EIO, "%s", reader->error->message);
	return count;
}

static bool
reader_error(Reader *reader, GError **error)
{
	if (reader->error != NULL) {
		g_propagate_error(error, g_steal_pointer(&reader->error));
		return false;
	}
	const char *reason = archive_error_string(reader->archive);
	g_autofree char *display = walk_display_path(reader->path != NULL ? reader->path : "");
	return error_set(error, CARRACK_ERROR_INVALID, "archive is damaged after %s: %s",
	    *display != '\0' ? display : "its start", reason != NULL ? reason : "unreadable");
}

static bool
reader_open(Reader *reader, const char *file, GError **error)
{
	reader->source = tar_source_open(file, error);
	if (reader->source == NULL)
		return false;

	reader->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	reader->archive = archive_read_new();
	archive_read_support_filter_zstd(reader->archive);
	archive_read_support_format_tar(reader->archive);
	if (archive_read_open(reader->archive, reader, NULL, reader_read, NULL) == ARCHIVE_OK)
		return true;

	if (reader->error != NULL)
		return reader_error(reader, error);
	return error_set(error, CARRACK_ERROR_INVALID, "the archive is no tar, gzip or zstd tar");
}

static void
reader_clear(Reader *reader)
{
	archive_read_free(reader->archive);
	g_clear_pointer(&reader->source, tar_source_free);
	g_clear_pointer(&reader->path, g_free);
	g_clear_error(&reader->error);
	if (reader->locale != (locale_t)0)
		freelocale(reader->locale);
}

static int
reader_next_header(Reader *reader)
{
	locale_t before = (locale_t)0;
	if (reader->locale != (locale_t)0)
		before = uselocale(reader->locale);
	int result = archive_read_next_header(reader->archive, &reader->entry);
	if (reader->locale != (locale_t)0)
		uselocale(before);
	return result;
}

/* Reads the next header and its path. `at_end` when there is none. */
static bool
reader_next(Reader *reader, bool *at_end, GError **error)
{
	int result = reader_next_header(reader);
	*at_end = result == ARCHIVE_EOF;
	if (*at_end)
		return reader->error == NULL || reader_error(reader, error);
	if (result != ARCHIVE_OK)
		return reader_error(reader, error);
	if (archive_filter_bytes(reader->archive, 0) > LIMIT_TAR_UNPACKED_BYTES)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "archive: it unpacks to more than %lld bytes", LIMIT_TAR_UNPACKED_BYTES);

	const char *name = archive_entry_pathname(reader->entry);
	g_autofree char *path = tar_member_path(name != NULL ? name : "", error);
	if (path == NULL)
		return false;

	g_free(reader->path);
	reader->path = g_steal_pointer(&path);
	return true;
}

static bool
member_kind(const Reader *reader, TarKind *kind, GError **error)
{
	if (archive_entry_hardlink(reader->entry) != NULL) {
		*kind = TAR_HARD_LINK;
		return true;
	}
	switch (archive_entry_filetype(reader->entry)) {
	case AE_IFREG:
		*kind = TAR_FILE;
		return true;
	case AE_IFDIR:
		*kind = TAR_FOLDER;
		return true;
	case AE_IFLNK:
		*kind = TAR_LINK;
		return true;
	case AE_IFIFO:
	case AE_IFSOCK:
		*kind = TAR_SPECIAL;
		return true;
	default:
		break;
	}
	g_autofree char *display = walk_display_path(reader->path);
	return error_set(error, CARRACK_ERROR_INVALID,
	    "archive member %s: devices and other special files are not allowed", display);
}

static bool
member_add(Reader *reader, TarMembers *members, TarKind *kind, GError **error)
{
	if (!member_kind(reader, kind, error))
		return false;

	g_autofree char *target = NULL;
	if (*kind == TAR_HARD_LINK) {
		target = tar_member_path(archive_entry_hardlink(reader->entry), error);
		if (target == NULL) {
			g_autofree char *display = walk_display_path(reader->path);
			g_prefix_error(error, "%s is a hard link: ", display);
			return false;
		}
	}
	return tar_members_add(members, reader->path, *kind, target, error);
}

static bool
read_wanted(Reader *reader, TarWanted *wanted, GError **error)
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
			return reader_error(reader, error);
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
	Reader reader;
	TarMembers *members;
	TarWanted *wanted;
	gsize wanted_count;
	GPtrArray *paths;
	guint64 bytes;
} Scan;

static bool
scan_member(Scan *scan, GError **error)
{
	Reader *reader = &scan->reader;
	TarKind kind;
	if (!member_add(reader, scan->members, &kind, error))
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
	if (!reader_open(&scan->reader, file, error))
		return false;

	for (;;) {
		bool at_end;
		if (error_cancelled(cancel, error) || !reader_next(&scan->reader, &at_end, error))
			return false;
		if (at_end)
			return tar_source_finish(scan->reader.source, cancel, error);
		if (!scan_member(scan, error))
			return false;
	}
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
	reader_clear(&scan.reader);
	for (gsize i = 0; i < wanted_count && !scanned; i++)
		g_clear_pointer(&wanted[i].text, g_free);

	return scanned;
}

/* Sending on */

struct TarStream {
	Reader reader;
	ArchiveWriter *writer;
	char *prefix;
	gsize prefix_length;
	GByteArray *out; /* made and not yet taken */
	gsize taken;
	gint64 left; /* of the member that is being copied */
	bool at_end;
	guint8 buffer[PIECE];
};

static la_ssize_t
stream_write(ArchiveWriter *archive, void *data, const void *bytes, size_t length)
{
	TarStream *stream = data;
	g_byte_array_append(stream->out, bytes, (guint)length);
	return (la_ssize_t)length;
}

void
tar_stream_free(TarStream *stream)
{
	if (stream == NULL)
		return;

	archive_write_free(stream->writer);
	reader_clear(&stream->reader);
	g_free(stream->prefix);
	g_byte_array_unref(stream->out);
	g_free(stream);
}

TarStream *
tar_stream_open(const char *file, const char *prefix, GError **error)
{
	g_autofree char *clean = tar_member_path(prefix, error);
	if (clean == NULL)
		return NULL;

	g_autoptr(TarStream) stream = g_new0(TarStream, 1);
	stream->out = g_byte_array_new();
	stream->prefix_length = strlen(clean);
	stream->prefix = g_steal_pointer(&clean);
	stream->writer = archive_write_new();
	archive_write_set_format_pax_restricted(stream->writer);
	archive_write_set_bytes_per_block(stream->writer, 0);
	if (archive_write_open(stream->writer, stream, NULL, stream_write, NULL) != ARCHIVE_OK) {
		error_set(error, CARRACK_ERROR_INTERNAL, "opening an archive for writing: %s",
		    archive_error_string(stream->writer));
		return NULL;
	}
	if (!reader_open(&stream->reader, file, error))
		return NULL;

	return g_steal_pointer(&stream);
}

/* What is left of a path below the prefix; NULL when it lies elsewhere. */
static const char *
below_prefix(const TarStream *stream, const char *path)
{
	if (stream->prefix_length == 0)
		return path;
	if (strncmp(path, stream->prefix, stream->prefix_length) != 0)
		return NULL;

	const char *rest = path + stream->prefix_length;
	if (*rest == '\0')
		return rest;
	return *rest == '/' ? rest + 1 : NULL;
}

static bool
stream_link_target(TarStream *stream, ArchiveEntry *to, GError **error)
{
	g_autofree char *path =
	    tar_member_path(archive_entry_hardlink(stream->reader.entry), error);
	if (path == NULL)
		return false;

	const char *target = below_prefix(stream, path);
	if (target == NULL || *target == '\0') {
		g_autofree char *display = walk_display_path(stream->reader.path);
		return error_set(error, CARRACK_ERROR_INVALID,
		    "archive member %s: a hard link to a file outside %s cannot be built from",
		    display, stream->prefix);
	}
	archive_entry_set_hardlink(to, target);
	return true;
}

static bool
stream_header(TarStream *stream, const char *path, TarKind kind, GError **error)
{
	ArchiveEntry *from = stream->reader.entry;
	g_autoptr(ArchiveEntry) to = archive_entry_new();
	archive_entry_set_pathname(to, path);
	archive_entry_set_filetype(
	    to, kind == TAR_HARD_LINK ? AE_IFREG : archive_entry_filetype(from));
	archive_entry_set_perm(to, archive_entry_perm(from) & 01777);
	archive_entry_set_mtime(to, archive_entry_mtime(from), 0);
	stream->left = kind == TAR_FILE ? archive_entry_size(from) : 0;
	archive_entry_set_size(to, stream->left);
	if (kind == TAR_LINK)
		archive_entry_set_symlink(to, archive_entry_symlink(from));
	if (kind == TAR_HARD_LINK && !stream_link_target(stream, to, error))
		return false;
	if (write_header(stream->writer, to))
		return true;

	g_autofree char *display = walk_display_path(path);
	return error_set(error, CARRACK_ERROR_INTERNAL, "copying archive member %s: %s", display,
	    archive_error_string(stream->writer));
}

static bool
stream_member(TarStream *stream, GError **error)
{
	TarKind kind;
	if (!member_kind(&stream->reader, &kind, error))
		return false;

	const char *path = below_prefix(stream, stream->reader.path);
	if (path == NULL || kind == TAR_SPECIAL)
		return true;
	if (*path == '\0' && kind != TAR_FOLDER)
		return error_set(
		    error, CARRACK_ERROR_INVALID, "%s is not a folder", stream->prefix);

	return *path == '\0' || stream_header(stream, path, kind, error);
}

static bool
stream_copy(TarStream *stream, GError **error)
{
	gsize wanted = (gsize)MIN(stream->left, (gint64)sizeof(stream->buffer));
	la_ssize_t count = archive_read_data(stream->reader.archive, stream->buffer, wanted);
	if (count <= 0)
		return reader_error(&stream->reader, error);
	if (archive_write_data(stream->writer, stream->buffer, (size_t)count) != count)
		return error_set(error, CARRACK_ERROR_INTERNAL, "copying an archive: %s",
		    archive_error_string(stream->writer));

	stream->left -= count;
	return true;
}

/* Makes some more bytes, or sets at_end. */
static bool
stream_advance(TarStream *stream, GError **error)
{
	if (stream->left > 0)
		return stream_copy(stream, error);
	if (!reader_next(&stream->reader, &stream->at_end, error))
		return false;
	if (!stream->at_end)
		return stream_member(stream, error);
	if (archive_write_close(stream->writer) != ARCHIVE_OK)
		return error_set(error, CARRACK_ERROR_INTERNAL, "ending an archive: %s",
		    archive_error_string(stream->writer));

	return true;
}

gssize
tar_stream_read(gpointer data, void *buffer, gsize size, GError **error)
{
	TarStream *stream = data;
	while (stream->taken == stream->out->len) {
		if (stream->at_end)
			return 0;
		g_byte_array_set_size(stream->out, 0);
		stream->taken = 0;
		if (!stream_advance(stream, error))
			return -1;
	}
	gsize count = MIN(size, stream->out->len - stream->taken);
	memcpy(buffer, stream->out->data + stream->taken, count);
	stream->taken += count;
	return (gssize)count;
}
