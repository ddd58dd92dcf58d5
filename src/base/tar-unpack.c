/*
 * Unpacking onto this machine. The archive has been checked before: its names stay inside, and no
 * member is written through a link of the archive's own.
 */
#include "base/tar.h"

#include "base/error.h"
#include "base/tar-reader.h"

#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE (64 * 1024)

typedef struct {
	TarReader reader;
	const char *prefix;
	const char *target;
	GCancellable *cancel;
	bool has_found;
} Unpack;

/* The place of a member; NULL when it lies elsewhere. The caller frees it. */
static char *
place_of(const Unpack *unpack, const char *path)
{
	gsize length = strlen(unpack->prefix);
	if (length == 0)
		return g_build_filename(unpack->target, path, NULL);
	if (strncmp(path, unpack->prefix, length) != 0)
		return NULL;
	if (path[length] == 0)
		return g_strdup(unpack->target);

	return path[length] == '/' ? g_build_filename(unpack->target, path + length + 1, NULL)
				   : NULL;
}

static bool
make_parents(const char *place, GError **error)
{
	g_autofree char *folder = g_path_get_dirname(place);

	return g_mkdir_with_parents(folder, 0755) == 0 ||
	       error_set_errno(error, errno, "folder %s", folder);
}

static bool
write_all(int file, const guint8 *bytes, gsize length)
{
	while (length > 0) {
		gssize count = write(file, bytes, length);
		if (count < 0 && errno != EINTR)
			return false;
		bytes += MAX(count, 0);
		length -= (gsize)MAX(count, 0);
	}
	return true;
}

static bool
copy_bytes(Unpack *unpack, int file, const char *place, GError **error)
{
	g_autofree guint8 *buffer = g_malloc(PIECE);
	la_ssize_t count;
	while ((count = archive_read_data(unpack->reader.archive, buffer, PIECE)) > 0) {
		if (error_cancelled(unpack->cancel, error))
			return false;
		if (!write_all(file, buffer, (gsize)count))
			return error_set_errno(error, errno, "writing %s", place);
	}
	return count == 0 || tar_reader_error(&unpack->reader, error);
}

static bool
unpack_file(Unpack *unpack, const char *place, GError **error)
{
	mode_t mode = archive_entry_perm(unpack->reader.entry) & 0777;
	int file =
	    open(place, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode | S_IWUSR);
	if (file < 0)
		return error_set_errno(error, errno, "writing %s", place);

	bool is_whole = copy_bytes(unpack, file, place, error);
	fchmod(file, mode);
	if (close(file) < 0 && is_whole)
		return error_set_errno(error, errno, "writing %s", place);
	return is_whole;
}

static bool
unpack_folder(const char *place, GError **error)
{
	bool is_there = mkdir(place, 0755) == 0 || g_file_test(place, G_FILE_TEST_IS_DIR);

	return is_there || error_set_errno(error, errno, "folder %s", place);
}

static bool
unpack_link(Unpack *unpack, const char *place, GError **error)
{
	const char *to = archive_entry_symlink(unpack->reader.entry);
	if (unlink(place) < 0 && errno != ENOENT)
		return error_set_errno(error, errno, "replacing %s", place);

	return symlink(to ? to : "", place) == 0 ||
	       error_set_errno(error, errno, "symbolic link %s", place);
}

/* Its target has been unpacked before, or lies outside of what is wanted. */
static bool
unpack_hard_link(Unpack *unpack, const char *place, GError **error)
{
	g_autofree char *path =
	    tar_reader_path(&unpack->reader, archive_entry_hardlink(unpack->reader.entry), error);
	g_autofree char *from = path ? place_of(unpack, path) : NULL;
	if (!path)
		return false;
	if (!from)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "%s is a hard link to %s, which is not in the archive's part that is wanted",
		    place, path);

	unlink(place);
	return link(from, place) == 0 || error_set_errno(error, errno, "hard link %s", place);
}

static bool
unpack_member(Unpack *unpack, GError **error)
{
	TarKind kind;
	g_autofree char *place = place_of(unpack, unpack->reader.path);
	if (!tar_reader_kind(&unpack->reader, &kind, error))
		return false;
	if (!place || kind == TAR_SPECIAL)
		return true;

	unpack->has_found = true;
	if (!make_parents(place, error))
		return false;
	switch (kind) {
	case TAR_FOLDER:
		return unpack_folder(place, error);
	case TAR_LINK:
		return unpack_link(unpack, place, error);
	case TAR_HARD_LINK:
		return unpack_hard_link(unpack, place, error);
	case TAR_FILE:
	case TAR_SPECIAL:
	default:
		return unpack_file(unpack, place, error);
	}
}

static bool
unpack_all(Unpack *unpack, const char *file, GError **error)
{
	if (!tar_reader_open(&unpack->reader, file, error))
		return false;

	for (;;) {
		bool at_end;
		if (error_cancelled(unpack->cancel, error) ||
		    !tar_reader_next(&unpack->reader, &at_end, error))
			return false;
		if (at_end)
			return unpack->has_found ||
			       error_set(error, CARRACK_ERROR_NOT_FOUND,
				   "there is no %s in the archive", unpack->prefix);
		if (!unpack_member(unpack, error))
			return false;
	}
}

bool
tar_unpack(
    const char *file, const char *prefix, const char *target, GCancellable *cancel, GError **error)
{
	g_autofree char *clean = tar_member_path(prefix, error);
	if (!clean)
		return false;

	Unpack unpack = {.prefix = clean, .target = target, .cancel = cancel};
	bool is_whole = unpack_all(&unpack, file, error);
	tar_reader_clear(&unpack.reader);
	return is_whole;
}
