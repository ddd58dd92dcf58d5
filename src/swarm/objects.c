/*
 * Objects as files: FOLDER/APP/KEY. A new object is written to FOLDER/.new, flushed, and renamed
 * into its place, so a reader sees the old one or the new one, whole. Drafts that a crash has left
 * go at the next start; each living one is locked by its writer (flock), which tells them apart.
 *
 * Limits: a key is at most OBJECTS_KEY_BYTES, a part between slashes 255 (the file system's), and a
 * key cannot be both an object and the folder of another.
 */
#include "base/limits.h"
#include "base/lock.h"
#include "swarm/provider.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define DRAFTS ".new"

typedef struct {
	Objects part;
	pthread_mutex_t lock; /* folders come and go under it; never held while bytes are written */
	char *folder;
	char *drafts;
} FileObjects;

struct ObjectWriter {
	FileObjects *objects;
	char *key;
	char *draft;
	char *path;
	gint64 length;
	int fd;
};

/* The file of an object, or NULL when the names are refused. The caller frees it. */
static char *
object_path(FileObjects *objects, const char *app, const char *key, GError **error)
{
	if (!objects_check_name(app, key, error))
		return NULL;

	return g_build_filename(objects->folder, app, key, NULL);
}

static gint64
free_space(Objects *part)
{
	FileObjects *objects = (FileObjects *)part;
	struct statvfs disk;

	if (statvfs(objects->folder, &disk))
		return G_MAXINT64;

	return (gint64)disk.f_bavail * (gint64)disk.f_frsize;
}

static bool
writer_error(ObjectWriter *writer, int errnum, const char *doing, GError **error)
{
	if (errnum != ENOSPC && errnum != EDQUOT)
		return error_set_errno(error, errnum, "object %s: %s", writer->key, doing);

	g_autofree char *left = g_format_size_full(
	    (guint64)free_space(&writer->objects->part), G_FORMAT_SIZE_IEC_UNITS);
	return error_set(error, CARRACK_ERROR_UNAVAILABLE,
	    "object %s: no space left in %s after %" G_GINT64_FORMAT
	    " bytes (%s free now, without this object); free some or use a larger disk",
	    writer->key, writer->objects->folder, writer->length, left);
}

static void
writer_free(ObjectWriter *writer)
{
	if (writer->fd >= 0)
		close(writer->fd);
	g_free(writer->key);
	g_free(writer->draft);
	g_free(writer->path);
	g_free(writer);
}

static void
writer_abort(ObjectWriter *writer)
{
	if (writer->draft)
		g_unlink(writer->draft);
	writer_free(writer);
}

static ObjectWriter *
create(Objects *part, const char *app, const char *key, GError **error)
{
	FileObjects *objects = (FileObjects *)part;
	g_autofree char *path = object_path(objects, app, key, error);
	if (!path)
		return NULL;

	ObjectWriter *writer = g_new0(ObjectWriter, 1);
	writer->objects = objects;
	writer->key = g_strdup(key);
	writer->path = g_steal_pointer(&path);
	g_autofree char *template = g_build_filename(objects->drafts, "XXXXXX", NULL);
	writer->fd = g_mkstemp_full(template, O_RDWR | O_CLOEXEC, 0600);
	if (writer->fd < 0) {
		writer_error(writer, errno, "create", error);
		writer_free(writer);
		return NULL;
	}
	writer->draft = g_steal_pointer(&template);
	flock(writer->fd, LOCK_EX | LOCK_NB);
	return writer;
}

static bool
writer_write(ObjectWriter *writer, const void *bytes, gsize length, GError **error)
{
	const char *next = bytes;

	if (writer->length + (gint64)length > LIMIT_OBJECT_BYTES)
		return error_set(error, CARRACK_ERROR_TOO_LARGE,
		    "object %s is larger than %lld bytes", writer->key, LIMIT_OBJECT_BYTES);

	while (length > 0) {
		gssize written = write(writer->fd, next, length);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0) {
			int errnum = errno;
			/* Make room before it is said how much room there is. */
			if (ftruncate(writer->fd, 0))
				return error_set_errno(error, errno, "object %s", writer->key);
			return writer_error(writer, errnum, "write", error);
		}
		writer->length += written;
		next += written;
		length -= (gsize)written;
	}
	return true;
}

static bool
sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;

	bool ok = fsync(fd) == 0;
	close(fd);
	return ok;
}

/* Flushes the entries of all folders from the object's up to ours. */
static bool
sync_folders(FileObjects *objects, const char *path)
{
	g_autofree char *folder = g_path_get_dirname(path);

	while (strlen(folder) >= strlen(objects->folder)) {
		if (!sync_folder(folder))
			return false;
		char *above = g_path_get_dirname(folder);
		g_free(folder);
		folder = above;
	}
	return true;
}

static bool
put_in_place(ObjectWriter *writer, GError **error)
{
	g_autofree char *folder = g_path_get_dirname(writer->path);
	LOCKED(&writer->objects->lock);
	bool ok =
	    g_mkdir_with_parents(folder, 0700) == 0 && rename(writer->draft, writer->path) == 0;
	int errnum = errno;
	if (!ok && (errnum == EISDIR || errnum == ENOTDIR || errnum == EEXIST))
		return error_set(error, CARRACK_ERROR_CONFLICT,
		    "object %s: a part of this key is the key of another object", writer->key);
	if (!ok)
		return writer_error(writer, errnum, "store", error);

	g_clear_pointer(&writer->draft, g_free);
	return sync_folders(writer->objects, writer->path) ||
	       writer_error(writer, errno, "sync", error);
}

static bool
writer_commit(ObjectWriter *writer, GError **error)
{
	bool ok = fsync(writer->fd) == 0 || writer_error(writer, errno, "sync", error);

	ok = ok && put_in_place(writer, error);
	writer_abort(writer);
	return ok;
}

static bool
exists(Objects *part, const char *app, const char *key)
{
	g_autofree char *path = object_path((FileObjects *)part, app, key, NULL);

	return path && g_file_test(path, G_FILE_TEST_IS_REGULAR);
}

static char *
fetch(Objects *part, const char *app, const char *key, GError **error)
{
	g_autofree char *path = object_path((FileObjects *)part, app, key, error);
	if (!path)
		return NULL;
	if (!g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
		error_set(error, CARRACK_ERROR_NOT_FOUND, "no such object: %s", key);
		return NULL;
	}
	return g_steal_pointer(&path);
}

static void
release(Objects *part, const char *path)
{
	/* The file is the object itself, not a copy. */
}

static bool
remove_object(Objects *part, const char *app, const char *key, GError **error)
{
	FileObjects *objects = (FileObjects *)part;
	g_autofree char *path = object_path(objects, app, key, error);
	if (!path)
		return false;

	LOCKED(&objects->lock);
	if (unlink(path) && errno != ENOENT && errno != ENOTDIR && errno != EISDIR)
		return error_set_errno(error, errno, "remove object %s", key);

	/* Folders that have become empty go too, up to ours. */
	g_autofree char *folder = g_path_get_dirname(path);
	while (strlen(folder) > strlen(objects->folder) && rmdir(folder) == 0) {
		char *above = g_path_get_dirname(folder);
		g_free(folder);
		folder = above;
	}
	return true;
}

/* Could a key under `folder` (with its slash) begin with the prefix? */
static bool
may_hold(const char *folder, const char *prefix)
{
	return g_str_has_prefix(folder, prefix) || g_str_has_prefix(prefix, folder);
}

static void
collect(const char *root, const char *folder, const char *prefix, GPtrArray *keys)
{
	g_autofree char *path = g_build_filename(root, folder, NULL);
	g_autoptr(GDir) entries = g_dir_open(path, 0, NULL);
	const char *name;

	while (entries && (name = g_dir_read_name(entries))) {
		g_autofree char *key = g_strconcat(folder, name, NULL);
		g_autofree char *file = g_build_filename(root, key, NULL);
		g_autofree char *below = g_strconcat(key, "/", NULL);
		if (g_file_test(file, G_FILE_TEST_IS_DIR) && may_hold(below, prefix))
			collect(root, below, prefix, keys);
		else if (g_file_test(file, G_FILE_TEST_IS_REGULAR) && g_str_has_prefix(key, prefix))
			g_ptr_array_add(keys, g_steal_pointer(&key));
	}
}

static int
compare_keys(gconstpointer one, gconstpointer other)
{
	return strcmp(*(char *const *)one, *(char *const *)other);
}

static GPtrArray *
list(Objects *part, const char *app, const char *prefix, GError **error)
{
	FileObjects *objects = (FileObjects *)part;
	if (!objects_check_app(app, error))
		return NULL;

	g_autofree char *root = g_build_filename(objects->folder, app, NULL);
	GPtrArray *keys = g_ptr_array_new_with_free_func(g_free);
	LOCKED(&objects->lock);
	collect(root, "", prefix ? prefix : "", keys);
	g_ptr_array_sort(keys, compare_keys);
	return keys;
}

static bool
remove_tree(const char *path, GError **error)
{
	g_autoptr(GDir) entries = g_dir_open(path, 0, NULL);
	const char *name;

	while (entries && (name = g_dir_read_name(entries))) {
		g_autofree char *file = g_build_filename(path, name, NULL);
		if (g_unlink(file) == 0)
			continue;
		if (errno != EISDIR)
			return error_set_errno(error, errno, "remove %s", file);
		if (!remove_tree(file, error))
			return false;
	}
	return g_rmdir(path) == 0 || errno == ENOENT ||
	       error_set_errno(error, errno, "remove %s", path);
}

static bool
remove_app(Objects *part, const char *app, GError **error)
{
	FileObjects *objects = (FileObjects *)part;
	if (!objects_check_app(app, error))
		return false;

	g_autofree char *root = g_build_filename(objects->folder, app, NULL);
	LOCKED(&objects->lock);
	return remove_tree(root, error);
}

static void
objects_free(Objects *part)
{
	FileObjects *objects = (FileObjects *)part;

	pthread_mutex_destroy(&objects->lock);
	g_free(objects->folder);
	g_free(objects->drafts);
	g_free(objects);
}

/* Removes the drafts that nobody writes to. */
static void
clear_drafts(const char *drafts)
{
	g_autoptr(GDir) entries = g_dir_open(drafts, 0, NULL);
	const char *name;

	while (entries && (name = g_dir_read_name(entries))) {
		g_autofree char *file = g_build_filename(drafts, name, NULL);
		int fd = open(file, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			g_unlink(file);
		close(fd);
	}
}

static const ObjectsOps ops = {
    .create = create,
    .write = writer_write,
    .commit = writer_commit,
    .abort = writer_abort,
    .fetch = fetch,
    .release = release,
    .exists = exists,
    .remove = remove_object,
    .list = list,
    .remove_app = remove_app,
    .free_space = free_space,
    .free = objects_free,
};

Objects *
objects_files_new(const char *folder, GError **error)
{
	FileObjects *objects = g_new0(FileObjects, 1);
	objects->part.ops = &ops;
	objects->folder = g_canonicalize_filename(folder, NULL);
	objects->drafts = g_build_filename(objects->folder, DRAFTS, NULL);
	pthread_mutex_init(&objects->lock, NULL);

	if (g_mkdir_with_parents(objects->drafts, 0700)) {
		error_set_errno(error, errno, "folder %s for objects", objects->drafts);
		objects_free(&objects->part);
		return NULL;
	}
	clear_drafts(objects->drafts);
	return &objects->part;
}
