/*
 * Part: objects. Blobs by app and key (a path without «..»), in files or S3.
 */
#pragma once

#include "base/http.h"

/* Of a key. S3 takes 1024, of which the app's name and the store's own take some. */
#define OBJECTS_KEY_BYTES 900

typedef struct Objects Objects;
typedef struct ObjectWriter ObjectWriter;

typedef struct {
	/* A new object that is invisible until it is closed. */
	ObjectWriter *(*create)(Objects *objects, const char *app, const char *key, GError **error);
	bool (*write)(ObjectWriter *writer, const void *bytes, gsize length, GError **error);
	/* Makes it visible (atomically, replacing an older one). Frees the writer in any case. */
	bool (*commit)(ObjectWriter *writer, GError **error);
	/* Forgets it. Frees the writer. */
	void (*abort)(ObjectWriter *writer);
	/* The path of a local file that holds the object, to be read soon; the caller frees it (for
	 * S3: a downloaded copy, which release() removes). NOT_FOUND: «no such object: KEY». */
	char *(*fetch)(Objects *objects, const char *app, const char *key, GError **error);
	void (*release)(Objects *objects, const char *path);
	bool (*exists)(Objects *objects, const char *app, const char *key);
	bool (*remove)(Objects *objects, const char *app, const char *key, GError **error);
	/* Keys that begin with `prefix`, sorted; char *, freed with the array. */
	GPtrArray *(*list)(Objects *objects, const char *app, const char *prefix, GError **error);
	/* All of an app's. */
	bool (*remove_app)(Objects *objects, const char *app, GError **error);
	/* Free bytes where objects are kept; G_MAXINT64 when that is no limit. */
	gint64 (*free_space)(Objects *objects);
	void (*free)(Objects *objects);
} ObjectsOps;

struct Objects {
	const ObjectsOps *ops;
};

/* An app's name and a key as every store of objects takes them: a plain path,
 * at most 255 bytes between slashes. */
bool
objects_check_name(const char *app, const char *key, GError **error);

bool
objects_check_app(const char *app, GError **error);

/* Splits object://APP/KEY. Both are the caller's. */
bool
objects_parse_url(const char *url, char **app, char **key, GError **error);
