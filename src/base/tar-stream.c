/*
 * Sending an archive on: what lies under a prefix, written anew with that taken off and a place put
 * before it (tar.c says why anew).
 */
#include "base/tar.h"

#include "base/error.h"
#include "base/tar-reader.h"
#include "base/walk.h"

#include <archive_entry.h>
#include <string.h>

#define PIECE (64 * 1024)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ArchiveEntry, archive_entry_free)

struct TarStream {
	TarReader reader;
	ArchiveWriter *writer;
	char *prefix;
	gsize prefix_length;
	char *place;     /* put before what is left, or NULL */
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
	tar_reader_clear(&stream->reader);
	g_free(stream->prefix);
	g_free(stream->place);
	g_byte_array_unref(stream->out);
	g_free(stream);
}

static bool
open_writer(TarStream *stream, GError **error)
{
	stream->writer = archive_write_new();
	archive_write_set_format_pax_restricted(stream->writer);
	archive_write_set_bytes_per_block(stream->writer, 0);
	if (archive_write_open(stream->writer, stream, NULL, stream_write, NULL) == ARCHIVE_OK)
		return true;

	return error_set(error, CARRACK_ERROR_INTERNAL, "opening an archive for writing: %s",
	    archive_error_string(stream->writer));
}

TarStream *
tar_stream_open_placed(const char *file, const TarPlacing *placing, GError **error)
{
	g_autofree char *prefix = tar_member_path(placing->prefix, error);
	g_autofree char *place =
	    prefix && placing->place ? tar_member_path(placing->place, error) : NULL;
	if (prefix == NULL || (placing->place && place == NULL))
		return NULL;

	g_autoptr(TarStream) stream = g_new0(TarStream, 1);
	stream->out = g_byte_array_new();
	stream->prefix_length = strlen(prefix);
	stream->prefix = g_steal_pointer(&prefix);
	stream->place = g_steal_pointer(&place);
	stream->reader.is_rooted = placing->is_rooted;
	if (!open_writer(stream, error) || !tar_reader_open(&stream->reader, file, error))
		return NULL;

	return g_steal_pointer(&stream);
}

TarStream *
tar_stream_open(const char *file, const char *prefix, GError **error)
{
	TarPlacing placing = {.prefix = prefix};

	return tar_stream_open_placed(file, &placing, error);
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

/* Where a path from below the prefix is to lie. The caller frees it. */
static char *
placed(const TarStream *stream, const char *rest)
{
	if (!stream->place || !*stream->place)
		return g_strdup(rest);
	return *rest ? g_strconcat(stream->place, "/", rest, NULL) : g_strdup(stream->place);
}

static bool
stream_link_target(TarStream *stream, ArchiveEntry *to, GError **error)
{
	g_autofree char *path =
	    tar_reader_path(&stream->reader, archive_entry_hardlink(stream->reader.entry), error);
	if (path == NULL)
		return false;

	const char *target = below_prefix(stream, path);
	if (target == NULL || *target == '\0') {
		g_autofree char *display = walk_display_path(stream->reader.path);
		return error_set(error, CARRACK_ERROR_INVALID,
		    "archive member %s: a hard link to a file outside %s cannot be built from",
		    display, stream->prefix);
	}
	g_autofree char *whole = placed(stream, target);
	archive_entry_set_hardlink(to, whole);
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
	if (tar_write_header(stream->writer, to))
		return true;

	g_autofree char *display = walk_display_path(path);
	return error_set(error, CARRACK_ERROR_INTERNAL, "copying archive member %s: %s", display,
	    archive_error_string(stream->writer));
}

static bool
stream_member(TarStream *stream, GError **error)
{
	TarKind kind;
	if (!tar_reader_kind(&stream->reader, &kind, error))
		return false;

	const char *path = below_prefix(stream, stream->reader.path);
	if (path == NULL || kind == TAR_SPECIAL)
		return true;
	bool is_whole = *path == '\0';
	if (is_whole && kind != TAR_FOLDER && !stream->place)
		return error_set(
		    error, CARRACK_ERROR_INVALID, "%s is not a folder", stream->prefix);

	g_autofree char *name = placed(stream, path);
	return *name == '\0' || stream_header(stream, name, kind, error);
}

static bool
stream_copy(TarStream *stream, GError **error)
{
	gsize wanted = (gsize)MIN(stream->left, (gint64)sizeof(stream->buffer));
	la_ssize_t count = archive_read_data(stream->reader.archive, stream->buffer, wanted);
	if (count <= 0)
		return tar_reader_error(&stream->reader, error);
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
	if (!tar_reader_next(&stream->reader, &stream->at_end, error))
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
