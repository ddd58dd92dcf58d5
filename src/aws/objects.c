/*
 * Objects in the rack's bucket: objects/APP/KEY. S3 shows an object whole or not at all. What is
 * written goes through a file of the task's own disk first, since S3 wants to know where a stream
 * ends before the writer does; so does what is fetched, since readers want to seek.
 */
#include "aws/provider.h"
#include "aws/s3.h"

#include "base/error.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "objects/"

typedef struct {
	Objects part;
	AwsRack *rack;
} S3Objects;

struct ObjectWriter {
	S3Objects *objects;
	char *key; /* in the bucket */
	char *path;
	int fd;
};

/* The key in the bucket, or NULL when the names are refused. The caller frees it. */
static char *
bucket_key(const char *app, const char *key, GError **error)
{
	return objects_check_name(app, key, error) ? g_strdup_printf(PREFIX "%s/%s", app, key)
						   : NULL;
}

static char *
prefix_of(const char *app, const char *prefix, GError **error)
{
	return objects_check_app(app, error) ? g_strdup_printf(PREFIX "%s/%s", app, prefix) : NULL;
}

static S3Object
object_of(const S3Objects *self, const char *key)
{
	return (S3Object){self->rack->objects, key};
}

/* Writing */

static void
writer_abort(ObjectWriter *writer)
{
	if (writer->fd >= 0)
		close(writer->fd);
	if (writer->path)
		g_unlink(writer->path);
	g_free(writer->path);
	g_free(writer->key);
	g_free(writer);
}

/* A file for the moment; `fd` and `path` are the caller's. */
static bool
open_draft(char **path, int *fd, GError **error)
{
	*path = g_build_filename(g_get_tmp_dir(), "carrack-object-XXXXXX", NULL);
	*fd = g_mkstemp(*path);
	if (*fd >= 0)
		return true;

	error_set_errno(error, errno, "object: draft %s", *path);
	g_clear_pointer(path, g_free);
	return false;
}

static ObjectWriter *
create(Objects *part, const char *app, const char *key, GError **error)
{
	g_autofree char *name = bucket_key(app, key, error);
	if (!name)
		return NULL;

	ObjectWriter *writer = g_new0(ObjectWriter, 1);
	writer->objects = (S3Objects *)part;
	writer->key = g_steal_pointer(&name);
	if (!open_draft(&writer->path, &writer->fd, error)) {
		writer_abort(writer);
		return NULL;
	}
	return writer;
}

static bool
write_all(int fd, const char *bytes, gsize length, GError **error)
{
	while (length > 0) {
		gssize count = write(fd, bytes, length);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return error_set_errno(error, errno, "object: write");
		bytes += count;
		length -= (gsize)count;
	}
	return true;
}

static bool
write_piece(ObjectWriter *writer, const void *bytes, gsize length, GError **error)
{
	return write_all(writer->fd, bytes, length, error);
}

static gssize
read_draft(gpointer data, void *buffer, gsize size, GError **error)
{
	const ObjectWriter *writer = data;
	for (;;) {
		gssize count = read(writer->fd, buffer, size);
		if (count >= 0)
			return count;
		if (errno != EINTR) {
			error_set_errno(error, errno, "object: read");
			return -1;
		}
	}
}

static bool
commit(ObjectWriter *writer, GError **error)
{
	S3Object object = object_of(writer->objects, writer->key);
	bool done =
	    lseek(writer->fd, 0, SEEK_SET) == 0 || error_set_errno(error, errno, "object: seek");
	done = done && s3_put_stream(writer->objects->rack->client, &object, read_draft, writer,
			   NULL, NULL, NULL, error);
	writer_abort(writer);
	return done;
}

/* Reading */

typedef struct {
	int fd;
} Download;

static bool
take_piece(gpointer data, const void *bytes, gsize length, GError **error)
{
	const Download *download = data;
	return write_all(download->fd, bytes, length, error);
}

static char *
fetch(Objects *part, const char *app, const char *key, GError **error)
{
	S3Objects *self = (S3Objects *)part;
	g_autofree char *name = bucket_key(app, key, error);
	char *path = NULL;
	Download download;
	if (!name || !open_draft(&path, &download.fd, error))
		return NULL;

	g_autoptr(GError) cause = NULL;
	S3Object object = object_of(self, name);
	bool done = s3_get(self->rack->client, &object, take_piece, &download, NULL, &cause);
	close(download.fd);
	if (done)
		return path;

	g_unlink(path);
	g_free(path);
	/* The bucket's name for it means nothing to people. */
	if (g_error_matches(cause, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND))
		error_set(error, CARRACK_ERROR_NOT_FOUND, "no such object: %s", key);
	else
		g_propagate_error(error, g_steal_pointer(&cause));
	return NULL;
}

static void
release(Objects *part, const char *path)
{
	g_unlink(path);
}

static bool
exists(Objects *part, const char *app, const char *key)
{
	S3Objects *self = (S3Objects *)part;
	g_autofree char *name = bucket_key(app, key, NULL);
	if (!name)
		return false;

	S3Object object = object_of(self, name);
	return s3_head(self->rack->client, &object, NULL, NULL, NULL);
}

static bool
remove_object(Objects *part, const char *app, const char *key, GError **error)
{
	S3Objects *self = (S3Objects *)part;
	g_autofree char *name = bucket_key(app, key, error);
	if (!name)
		return false;

	S3Object object = object_of(self, name);
	return s3_delete(self->rack->client, &object, NULL, error);
}

static GPtrArray *
list(Objects *part, const char *app, const char *prefix, GError **error)
{
	S3Objects *self = (S3Objects *)part;
	g_autofree char *from = prefix_of(app, prefix ? prefix : "", error);
	g_autofree char *folder = from ? prefix_of(app, "", error) : NULL;
	json_auto_t *found =
	    folder ? s3_list(self->rack->client, self->rack->objects, from, 0, NULL, error) : NULL;
	if (!found)
		return NULL;

	GPtrArray *keys = g_ptr_array_new_with_free_func(g_free);
	gsize index;
	json_t *object;
	json_array_foreach(found, index, object)
	{
		const char *key = json_text_of(object, "key", "");
		g_ptr_array_add(keys, g_strdup(key + strlen(folder)));
	}
	return keys;
}

/* One by one: carrackd's role may not see versions, which s3_delete_prefix looks for and this
 * bucket does not have. */
static bool
remove_app(Objects *part, const char *app, GError **error)
{
	S3Objects *self = (S3Objects *)part;
	g_autofree char *prefix = prefix_of(app, "", error);
	json_auto_t *found =
	    prefix ? s3_list(self->rack->client, self->rack->objects, prefix, 0, NULL, error)
		   : NULL;
	if (!found)
		return false;

	gsize index;
	json_t *object;
	json_array_foreach(found, index, object)
	{
		S3Object one = object_of(self, json_text_of(object, "key", ""));
		if (!s3_delete(self->rack->client, &one, NULL, error))
			return false;
	}
	return true;
}

static gint64
free_space(Objects *part)
{
	return G_MAXINT64;
}

static void
objects_free(Objects *part)
{
	g_free(part);
}

static const ObjectsOps operations = {
    .create = create,
    .write = write_piece,
    .commit = commit,
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
objects_s3_new(AwsRack *rack, GError **error)
{
	S3Objects *self = g_new0(S3Objects, 1);
	self->part.ops = &operations;
	self->rack = rack;
	return &self->part;
}
