/*
 * The objects of the fake: files in a temporary folder, a folder an app, keys escaped into one name
 * each.
 */
#include "fake/private.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
	Objects objects;
	pthread_mutex_t lock;
	char *folder;
	gint64 space;
} FakeObjects;

struct ObjectWriter {
	char *path;
	char *temporary;
	int fd;
};

static char *
path_of(FakeObjects *fake, const char *app, const char *key)
{
	g_autofree char *name = g_uri_escape_string(key, NULL, false);
	return g_build_filename(fake->folder, app, name, NULL);
}

static void
writer_free(ObjectWriter *writer)
{
	if (writer->fd >= 0)
		close(writer->fd);
	g_free(writer->path);
	g_free(writer->temporary);
	g_free(writer);
}

static ObjectWriter *
create(Objects *objects, const char *app, const char *key, GError **error)
{
	FakeObjects *fake = (FakeObjects *)objects;
	if (strstr(key, "..") || !key[0]) {
		error_set(error, CARRACK_ERROR_INVALID, "object key «%s»: must not hold ..", key);
		return NULL;
	}

	g_autofree char *folder = g_build_filename(fake->folder, app, NULL);
	g_mkdir_with_parents(folder, 0700);
	ObjectWriter *writer = g_new0(ObjectWriter, 1);
	writer->path = path_of(fake, app, key);
	writer->temporary = g_build_filename(fake->folder, "writing-XXXXXX", NULL);
	writer->fd = g_mkstemp(writer->temporary);
	g_assert_cmpint(writer->fd, >=, 0);
	return writer;
}

static bool
write_piece(ObjectWriter *writer, const void *bytes, gsize length, GError **error)
{
	const char *rest = bytes;
	while (length > 0) {
		gssize count = write(writer->fd, rest, length);
		if (count < 0)
			return error_set(
			    error, CARRACK_ERROR_INTERNAL, "cannot write %s", writer->path);
		rest += count;
		length -= count;
	}
	return true;
}

static bool
commit(ObjectWriter *writer, GError **error)
{
	bool good = g_rename(writer->temporary, writer->path) == 0;
	if (!good)
		error_set(error, CARRACK_ERROR_INTERNAL, "cannot store %s", writer->path);
	writer_free(writer);
	return good;
}

static void
abort_writer(ObjectWriter *writer)
{
	g_unlink(writer->temporary);
	writer_free(writer);
}

static char *
fetch(Objects *objects, const char *app, const char *key, GError **error)
{
	char *path = path_of((FakeObjects *)objects, app, key);
	if (g_file_test(path, G_FILE_TEST_EXISTS))
		return path;

	error_set(error, CARRACK_ERROR_NOT_FOUND, "no such object: %s", key);
	g_free(path);
	return NULL;
}

static void
release(Objects *objects, const char *path)
{
}

static bool
exists(Objects *objects, const char *app, const char *key)
{
	g_autofree char *path = path_of((FakeObjects *)objects, app, key);
	return g_file_test(path, G_FILE_TEST_EXISTS);
}

static bool
remove_object(Objects *objects, const char *app, const char *key, GError **error)
{
	g_autofree char *path = path_of((FakeObjects *)objects, app, key);
	if (g_unlink(path) == 0)
		return true;

	return error_set(error, CARRACK_ERROR_NOT_FOUND, "no such object: %s", key);
}

static int
compare(gconstpointer one, gconstpointer other)
{
	return strcmp(*(char *const *)one, *(char *const *)other);
}

static GPtrArray *
list(Objects *objects, const char *app, const char *prefix, GError **error)
{
	FakeObjects *fake = (FakeObjects *)objects;
	GPtrArray *keys = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *folder = g_build_filename(fake->folder, app, NULL);
	g_autoptr(GDir) entries = g_dir_open(folder, 0, NULL);
	const char *name;
	while (entries && (name = g_dir_read_name(entries))) {
		g_autofree char *key = g_uri_unescape_string(name, NULL);
		if (g_str_has_prefix(key, prefix ? prefix : ""))
			g_ptr_array_add(keys, g_steal_pointer(&key));
	}
	g_ptr_array_sort(keys, compare);
	return keys;
}

static bool
remove_app(Objects *objects, const char *app, GError **error)
{
	FakeObjects *fake = (FakeObjects *)objects;
	g_autoptr(GPtrArray) keys = list(objects, app, "", error);
	for (guint i = 0; i < keys->len; i++)
		remove_object(objects, app, g_ptr_array_index(keys, i), NULL);
	g_autofree char *folder = g_build_filename(fake->folder, app, NULL);
	g_rmdir(folder);
	return true;
}

static gint64
free_space(Objects *objects)
{
	FakeObjects *fake = (FakeObjects *)objects;
	LOCKED(&fake->lock);
	return fake->space;
}

static void
free_handle(Objects *objects)
{
}

static const ObjectsOps operations = {
    .create = create,
    .write = write_piece,
    .commit = commit,
    .abort = abort_writer,
    .fetch = fetch,
    .release = release,
    .exists = exists,
    .remove = remove_object,
    .list = list,
    .remove_app = remove_app,
    .free_space = free_space,
    .free = free_handle,
};

Objects *
fake_objects_new(void)
{
	FakeObjects *fake = g_new0(FakeObjects, 1);
	fake->objects.ops = &operations;
	fake->folder = g_dir_make_tmp("fake-objects-XXXXXX", NULL);
	g_assert_nonnull(fake->folder);
	fake->space = G_MAXINT64;
	pthread_mutex_init(&fake->lock, NULL);
	return &fake->objects;
}

void
fake_objects_destroy(Objects *objects)
{
	FakeObjects *fake = (FakeObjects *)objects;
	g_autoptr(GDir) apps = g_dir_open(fake->folder, 0, NULL);
	const char *app;
	while (apps && (app = g_dir_read_name(apps))) {
		g_autofree char *path = g_build_filename(fake->folder, app, NULL);
		remove_app(objects, app, NULL);
		g_remove(path);
	}
	g_rmdir(fake->folder);
	g_free(fake->folder);
	pthread_mutex_destroy(&fake->lock);
	g_free(fake);
}

void
fake_objects_space(Provider *provider, gint64 bytes)
{
	FakeObjects *fake = (FakeObjects *)provider->objects;
	LOCKED(&fake->lock);
	fake->space = bytes;
}
