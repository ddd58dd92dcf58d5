/*
 * Reading under suspicion, a member at a time: see tar.c for what names are and why the locale is
 * set.
 */
#include "base/tar-reader.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/walk.h"

#include <archive_entry.h>
#include <errno.h>
#include <string.h>

static la_ssize_t
read_source(ArchiveReader *archive, void *data, const void **bytes)
{
	TarReader *reader = data;
	if (reader->error != NULL)
		return -1;

	gssize count = tar_source_read(reader->source, bytes, &reader->error);
	if (count < 0)
		archive_set_error(archive, EIO, "%s", reader->error->message);
	return count;
}

bool
tar_reader_error(TarReader *reader, GError **error)
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

bool
tar_reader_open(TarReader *reader, const char *file, GError **error)
{
	reader->source = tar_source_open(file, error);
	if (reader->source == NULL)
		return false;

	reader->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	reader->archive = archive_read_new();
	archive_read_support_filter_zstd(reader->archive);
	archive_read_support_format_tar(reader->archive);
	if (archive_read_open(reader->archive, reader, NULL, read_source, NULL) == ARCHIVE_OK)
		return true;

	if (reader->error != NULL)
		return tar_reader_error(reader, error);
	return error_set(error, CARRACK_ERROR_INVALID, "the archive is no tar, gzip or zstd tar");
}

void
tar_reader_clear(TarReader *reader)
{
	archive_read_free(reader->archive);
	g_clear_pointer(&reader->source, tar_source_free);
	g_clear_pointer(&reader->path, g_free);
	g_clear_error(&reader->error);
	if (reader->locale != (locale_t)0)
		freelocale(reader->locale);
}

static int
next_header(TarReader *reader)
{
	locale_t before = (locale_t)0;
	if (reader->locale != (locale_t)0)
		before = uselocale(reader->locale);
	int result = archive_read_next_header(reader->archive, &reader->entry);
	if (reader->locale != (locale_t)0)
		uselocale(before);
	return result;
}

char *
tar_reader_path(const TarReader *reader, const char *name, GError **error)
{
	while (reader->is_rooted && *name == '/')
		name++;

	return tar_member_path(name, error);
}

/* Reads the next header and its path. `at_end` when there is none. */
bool
tar_reader_next(TarReader *reader, bool *at_end, GError **error)
{
	int result = next_header(reader);
	*at_end = result == ARCHIVE_EOF;
	if (*at_end)
		return reader->error == NULL || tar_reader_error(reader, error);
	if (result != ARCHIVE_OK)
		return tar_reader_error(reader, error);
	if (archive_filter_bytes(reader->archive, 0) > LIMIT_TAR_UNPACKED_BYTES)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "archive: it unpacks to more than %lld bytes", LIMIT_TAR_UNPACKED_BYTES);

	const char *name = archive_entry_pathname(reader->entry);
	g_autofree char *path = tar_reader_path(reader, name != NULL ? name : "", error);
	if (path == NULL)
		return false;

	g_free(reader->path);
	reader->path = g_steal_pointer(&path);
	return true;
}

bool
tar_reader_kind(const TarReader *reader, TarKind *kind, GError **error)
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

bool
tar_reader_add(TarReader *reader, TarMembers *members, TarKind *kind, GError **error)
{
	if (!tar_reader_kind(reader, kind, error))
		return false;

	g_autofree char *target = NULL;
	if (*kind == TAR_HARD_LINK) {
		target = tar_reader_path(reader, archive_entry_hardlink(reader->entry), error);
		if (target == NULL) {
			g_autofree char *display = walk_display_path(reader->path);
			g_prefix_error(error, "%s is a hard link: ", display);
			return false;
		}
	}
	return tar_members_add(members, reader->path, *kind, target, error);
}

/* Under the C locale (tar.c); a warning only says that a name is stored as raw bytes. */
bool
tar_write_header(ArchiveWriter *archive, ArchiveEntry *entry)
{
	locale_t plain = newlocale(LC_CTYPE_MASK, "C", (locale_t)0);
	locale_t before = uselocale(plain);
	int result = archive_write_header(archive, entry);
	uselocale(before);
	freelocale(plain);
	return result == ARCHIVE_OK || result == ARCHIVE_WARN;
}
