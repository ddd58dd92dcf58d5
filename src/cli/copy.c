/*
 * The verb `cp`: files between this machine and a process, by way of an archive in a temporary file
 * on this side, since names are checked before anything is written.
 *
 * As `cp -r` has it: a target that ends in a slash, or that is a folder here, takes the source
 * under its own name; otherwise the source gets the target's name.
 */
#include "base/tar.h"
#include "cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* «PROCESS:/path» in two; false for a path of this machine. */
static bool
split_place(const char *text, char **process, char **path)
{
	const char *colon = strchr(text, ':');
	const char *slash = strchr(text, '/');
	if (!colon || colon == text || (slash && slash < colon))
		return false;

	*process = g_strndup(text, (gsize)(colon - text));
	*path = g_strdup(colon + 1);
	return true;
}

static bool
write_file(gpointer data, const void *bytes, gsize length, GError **error)
{
	int file = *(int *)data;
	const char *rest = bytes;
	while (length > 0) {
		gssize count = write(file, rest, length);
		if (count < 0 && errno != EINTR)
			return error_set_errno(error, errno, "temporary file");
		rest += MAX(count, 0);
		length -= (gsize)MAX(count, 0);
	}
	return true;
}

/* A temporary file that goes when it is let go. */
typedef struct {
	char *path;
	int file;
} Archive;

static void
archive_clear(Archive *archive)
{
	if (archive->file >= 0)
		close(archive->file);
	if (archive->path)
		g_unlink(archive->path);
	g_free(archive->path);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Archive, archive_clear)

static bool
archive_open(Archive *archive, GError **error)
{
	g_autoptr(GError) cause = NULL;
	archive->file = g_file_open_tmp("carrack-cp-XXXXXX", &archive->path, &cause);

	return archive->file >= 0 ||
	       error_set(error, CARRACK_ERROR_UNAVAILABLE, "temporary file: %s", cause->message);
}

static char *
last_part(const char *path)
{
	g_autofree char *clean = g_canonicalize_filename(path, NULL);

	return g_path_get_basename(clean);
}

static bool
ends_in_slash(const char *path)
{
	return g_str_has_suffix(path, "/") || g_str_has_suffix(path, "/.");
}

static char *
files_path(const Call *call, const char *process)
{
	return client_path("apps", call->app, "processes", process, "files", NULL);
}

/* From a process */

static bool
download(Call *call, const char *process, const char *path, const char *target, GError **error)
{
	if (*path != '/')
		return usage_error(error, "%s:%s: give an absolute path", process, path);
	g_auto(Archive) archive = {.file = -1};
	if (!archive_open(&archive, error))
		return false;

	g_autofree char *files = files_path(call, process);
	g_autofree char *escaped = http_escape(path);
	g_autofree char *whole = g_strconcat(files, "?file=", escaped, NULL);
	g_autofree char *clean = g_canonicalize_filename(path, "/");
	g_autofree char *name = g_path_get_basename(clean);
	bool is_into = ends_in_slash(target) || g_file_test(target, G_FILE_TEST_IS_DIR);
	g_autofree char *place = is_into ? g_build_filename(target, name, NULL) : g_strdup(target);
	return client_download(
		   call->client, whole, write_file, &archive.file, call->cancel, error) &&
	       tar_check(archive.path, false, call->cancel, error) &&
	       tar_unpack(archive.path, clean + 1, place, call->cancel, error);
}

/* To a process */

/* Of a file's folder everything else is left out. */
static bool
is_other(gpointer data, const char *path, bool is_folder, bool *enter)
{
	*enter = false;
	return strcmp(path, data) != 0;
}

static void
warn(gpointer data, const char *line)
{
	output_note(((Call *)data)->output, "%s", line);
}

/* Packs a file or folder; `prefix` is where it lies in the archive. */
static bool
pack(Call *call, const char *source, Archive *archive, char **prefix, GError **error)
{
	bool is_folder = g_file_test(source, G_FILE_TEST_IS_DIR);
	g_autofree char *name = last_part(source);
	g_autofree char *clean = g_canonicalize_filename(source, NULL);
	g_autofree char *folder = g_path_get_dirname(clean);
	TarPackOptions options = {.ignored = is_folder ? NULL : is_other,
	    .ignored_data = name,
	    .warn = warn,
	    .warn_data = call};
	if (!is_folder && !g_file_test(source, G_FILE_TEST_EXISTS))
		return error_set_errno(error, ENOENT, "%s", source);
	if (!tar_pack(is_folder ? clean : folder, &options, write_file, &archive->file,
		call->cancel, error))
		return false;

	*prefix = g_strdup(is_folder ? "" : name);
	return true;
}

static bool
upload(Call *call, const char *source, const char *process, const char *path, GError **error)
{
	if (*path != '/')
		return usage_error(error, "%s:%s: give an absolute path", process, path);
	g_auto(Archive) archive = {.file = -1};
	g_autofree char *prefix = NULL;
	if (!archive_open(&archive, error) || !pack(call, source, &archive, &prefix, error))
		return false;

	g_autofree char *name = last_part(source);
	g_autofree char *inside =
	    ends_in_slash(path) ? g_build_filename(path, name, NULL) : g_strdup(path);
	g_autofree char *clean = g_canonicalize_filename(inside, "/");
	TarPlacing placing = {.prefix = prefix, .place = clean + 1};
	g_autoptr(TarStream) stream = tar_stream_open_placed(archive.path, &placing, error);
	g_autofree char *files = files_path(call, process);
	return stream && client_upload(call->client, files, tar_stream_read, stream, NULL,
			     call->cancel, error);
}

bool
copy(Call *call, GError **error)
{
	g_autofree char *process = NULL;
	g_autofree char *path = NULL;
	const char *from = call->arguments[0];
	const char *to = call->arguments[1];
	if (!call_app(call, error) || !call_client(call, error))
		return false;

	call_watch_interrupt(call);
	if (split_place(to, &process, &path)) {
		g_autofree char *other = NULL;
		g_autofree char *other_path = NULL;
		if (!split_place(from, &other, &other_path))
			return upload(call, from, process, path, error);
		return usage_error(error, "cp: one of the two places must be on this machine");
	}
	if (split_place(from, &process, &path))
		return download(call, process, path, to, error);
	return usage_error(error, "cp: one of the two places must be PROCESS:/path");
}
