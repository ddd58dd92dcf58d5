/*
 * Files of a process, as tar archives. What comes and what goes lies in a file in between, so that
 * it can be looked through before anybody takes it: names must stay inside, devices are refused.
 */
#include "api/handlers.h"
#include "base/limits.h"
#include "base/tar.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define PIECE 65536

/* An archive on its way; Request.upload, or a variable. */
typedef struct {
	char *path;
	int file;
	gint64 size;
} Spool;

static void
spool_free(gpointer data)
{
	Spool *spool = data;
	if (spool->file >= 0)
		close(spool->file);
	g_unlink(spool->path);
	g_free(spool->path);
	g_free(spool);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Spool, spool_free)

static Spool *
spool_new(GError **error)
{
	g_autoptr(GError) cause = NULL;
	g_autofree char *path = NULL;
	int file = g_file_open_tmp("carrack-files-XXXXXX", &path, &cause);
	if (file < 0) {
		error_set(
		    error, CARRACK_ERROR_UNAVAILABLE, "no room for the files: %s", cause->message);
		return NULL;
	}

	Spool *spool = g_new0(Spool, 1);
	spool->path = g_steal_pointer(&path);
	spool->file = file;
	return spool;
}

static bool
spool_write(gpointer data, const void *bytes, gsize length, GError **error)
{
	Spool *spool = data;
	const char *rest = bytes;
	spool->size += (gint64)length;
	if (spool->size > LIMIT_OBJECT_BYTES)
		return error_set(error, CARRACK_ERROR_TOO_LARGE, "files may have %lld bytes",
		    LIMIT_OBJECT_BYTES);

	while (length > 0) {
		gssize count = write(spool->file, rest, length);
		if (count < 0 && errno != EINTR)
			return error_set_errno(error, errno, "storing the files");
		rest += MAX(count, 0);
		length -= (gsize)MAX(count, 0);
	}
	return true;
}

static bool
send_all(Sink *sink, TarStream *archive, GError **error)
{
	g_autofree char *buffer = g_malloc(PIECE);
	gssize count;
	while ((count = tar_stream_read(archive, buffer, PIECE, error)) > 0) {
		if (!sink_write(sink, buffer, (gsize)count, error))
			return false;
	}
	return count == 0;
}

/* The folder that a path lies in, as names of the answer begin: from the root, «» for the root
 * itself. The caller frees it. */
static char *
folder_of(const char *path)
{
	g_autofree char *clean = g_canonicalize_filename(path, "/");
	g_autofree char *folder = g_path_get_dirname(clean);

	return g_strdup(folder + 1);
}

/* The engine names members after the last part of the path, the wire has them from the root. */
bool
files_get(Request *request, Sink *sink, GError **error)
{
	const char *path = request_required(request, "file", error);
	g_autoptr(App) app = path ? request_app(request, error) : NULL;
	g_autoptr(Spool) spool = app ? spool_new(error) : NULL;
	if (!spool)
		return false;

	RackBytes to = {.write = spool_write, .data = spool};
	const char *process = request_variable(request, "process");
	if (!rack_files_get(request->rack, app->name, process, path, &to, request->cancel, error) ||
	    !tar_check(spool->path, false, request->cancel, error))
		return false;
	g_autofree char *folder = folder_of(path);
	TarPlacing placing = {.prefix = "", .place = folder};
	g_autoptr(TarStream) archive = tar_stream_open_placed(spool->path, &placing, error);
	if (!archive)
		return false;

	sink_begin(sink);
	return send_all(sink, archive, error);
}

bool
files_receive(Request *request, const void *bytes, gsize length, GError **error)
{
	if (!request->upload) {
		request->upload = spool_new(error);
		request->upload_free = spool_free;
	}

	return request->upload &&
	       (length == 0 || spool_write(request->upload, bytes, length, error));
}

bool
files_put(Request *request, GError **error)
{
	const Spool *spool = request->upload;
	g_autoptr(App) app = request_app(request, error);
	if (!app || !tar_check(spool->path, true, request->cancel, error))
		return false;
	TarPlacing placing = {.prefix = "", .is_rooted = true};
	g_autoptr(TarStream) archive = tar_stream_open_placed(spool->path, &placing, error);
	if (!archive)
		return false;

	RackBytes from = {.read = tar_stream_read, .data = archive};
	const char *process = request_variable(request, "process");
	return rack_files_put(request->rack, app->name, process, &from, request->cancel, error);
}

bool
files_delete(Request *request, GError **error)
{
	const char *text = request_required(request, "files", error);
	g_autoptr(App) app = text ? request_app(request, error) : NULL;
	if (!app)
		return false;

	g_auto(GStrv) paths = g_strsplit(text, ",", -1);
	const char *process = request_variable(request, "process");
	return rack_files_delete(
	    request->rack, app->name, process, (const char *const *)paths, request->cancel, error);
}
