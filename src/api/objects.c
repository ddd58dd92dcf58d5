/*
 * Objects: uploads stream into the objects part as they come and are visible only when whole.
 */
#include "api/handlers.h"
#include "base/limits.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* An upload that is under way; Request.upload. */
typedef struct {
	Objects *objects;
	ObjectWriter *writer;
	char *key;
	gint64 size;
} Upload;

static void
upload_free(gpointer data)
{
	Upload *upload = data;
	if (upload->writer)
		upload->objects->ops->abort(upload->writer);
	g_free(upload->key);
	g_free(upload);
}

static bool
check_key(const char *key, GError **error)
{
	g_auto(GStrv) segments = g_strsplit(key, "/", -1);
	if (g_strv_contains((const char *const *)segments, "..") || key[0] == '/')
		return error_set(error, CARRACK_ERROR_INVALID,
		    "object key «%s» must not begin with / or hold ..", key);

	return true;
}

static bool
check_size(const Request *request, GError **error)
{
	Objects *objects = request_provider(request)->objects;
	if (request->length > LIMIT_OBJECT_BYTES)
		return error_set(error, CARRACK_ERROR_TOO_LARGE,
		    "an object may have %lld bytes, this one has %" G_GINT64_FORMAT,
		    LIMIT_OBJECT_BYTES, request->length);
	gint64 space = objects->ops->free_space(objects);
	if (request->length > space)
		return error_set(error, CARRACK_ERROR_UNAVAILABLE,
		    "no room for an object of %" G_GINT64_FORMAT " bytes: %" G_GINT64_FORMAT
		    " are free",
		    request->length, space);

	return true;
}

static char *
key_of(const Request *request)
{
	const char *key = request_variable(request, "key");
	if (key[0])
		return g_strdup(key);

	g_autofree char *random = text_random_hex(15);
	return g_strconcat("tmp/", random, NULL);
}

static bool
upload_begin(Request *request, GError **error)
{
	Objects *objects = request_provider(request)->objects;
	g_autoptr(App) app = request_app(request, error);
	g_autofree char *key = key_of(request);
	if (!app || !check_key(key, error) || !check_size(request, error))
		return false;
	ObjectWriter *writer = objects->ops->create(objects, app->name, key, error);
	if (!writer)
		return false;

	Upload *upload = g_new0(Upload, 1);
	upload->objects = objects;
	upload->writer = writer;
	upload->key = g_steal_pointer(&key);
	request->upload = upload;
	request->upload_free = upload_free;
	return true;
}

bool
objects_receive(Request *request, const void *bytes, gsize length, GError **error)
{
	if (!request->upload && !upload_begin(request, error))
		return false;

	Upload *upload = request->upload;
	upload->size += length;
	if (upload->size > LIMIT_OBJECT_BYTES)
		return error_set(error, CARRACK_ERROR_TOO_LARGE, "an object may have %lld bytes",
		    LIMIT_OBJECT_BYTES);

	return length == 0 || upload->objects->ops->write(upload->writer, bytes, length, error);
}

json_t *
objects_create(Request *request, GError **error)
{
	Upload *upload = request->upload;
	ObjectWriter *writer = g_steal_pointer(&upload->writer);
	if (!upload->objects->ops->commit(writer, error))
		return NULL;

	g_autofree char *url =
	    g_strdup_printf("object://%s/%s", request_variable(request, "app"), upload->key);
	return json_pack("{s:o}", "Url", json_text_value(url));
}

int
objects_get(Request *request, GError **error)
{
	Objects *objects = request_provider(request)->objects;
	const char *key = request_variable(request, "key");
	g_autoptr(App) app = request_app(request, error);
	if (!app || !check_key(key, error))
		return -1;
	g_autofree char *path = objects->ops->fetch(objects, app->name, key, error);
	if (!path)
		return -1;

	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		error_set_errno(error, errno, "object %s", key);
	objects->ops->release(objects, path);
	return file;
}

json_t *
objects_exists(Request *request, GError **error)
{
	Objects *objects = request_provider(request)->objects;
	const char *key = request_variable(request, "key");
	g_autoptr(App) app = request_app(request, error);
	if (!app || !check_key(key, error))
		return NULL;
	if (!objects->ops->exists(objects, app->name, key)) {
		error_set(error, CARRACK_ERROR_NOT_FOUND, "no such object: %s", key);
		return NULL;
	}
	return json_true();
}

bool
objects_delete(Request *request, GError **error)
{
	Objects *objects = request_provider(request)->objects;
	const char *key = request_variable(request, "key");
	g_autoptr(App) app = request_app(request, error);
	if (!app || !check_key(key, error))
		return false;

	return objects->ops->remove(objects, app->name, key, error);
}

json_t *
objects_list(Request *request, GError **error)
{
	Objects *objects = request_provider(request)->objects;
	const char *prefix = request_option(request, "prefix");
	g_autoptr(App) app = request_app(request, error);
	if (!app)
		return NULL;
	g_autoptr(GPtrArray) keys =
	    objects->ops->list(objects, app->name, prefix ? prefix : "", error);
	if (!keys)
		return NULL;

	json_t *list = json_array();
	for (guint i = 0; i < keys->len; i++)
		json_array_append_new(list, json_text_value(g_ptr_array_index(keys, i)));
	return list;
}
