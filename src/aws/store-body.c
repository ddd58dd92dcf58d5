/*
 * Bodies of documents. An item of DynamoDB holds 400 KB and its bytes are paid for, an environment
 * may be twice that: small bodies are text, larger ones compressed, and what is then still too
 * large lies in an object that the item names. The object is written before the item and removed
 * after it, so that a crash leaves an object too many and never a name without one.
 */
#include "aws/store-private.h"

#include "base/error.h"

#include <string.h>

#define PACK_OVER 300000
#define OBJECT_OVER 350000
#define OBJECTS_OF "carrack.documents" /* in the place of an app */

static GBytes *
convert(GConverter *converter, const void *bytes, gsize length, GError **error)
{
	g_autoptr(GError) cause = NULL;
	g_autoptr(GInputStream) source =
	    g_memory_input_stream_new_from_data(bytes, (gssize)length, NULL);
	g_autoptr(GInputStream) stream = g_converter_input_stream_new(source, converter);
	g_autoptr(GOutputStream) target = g_memory_output_stream_new_resizable();
	if (g_output_stream_splice(
		target, stream, G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET, NULL, &cause) < 0) {
		error_set(error, CARRACK_ERROR_INTERNAL, "store: %s", cause->message);
		return NULL;
	}
	return g_memory_output_stream_steal_as_bytes(G_MEMORY_OUTPUT_STREAM(target));
}

static GBytes *
pack(const char *text, GError **error)
{
	g_autoptr(GZlibCompressor) compressor =
	    g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB, 6);
	return convert(G_CONVERTER(compressor), text, strlen(text), error);
}

static GBytes *
unpack(const void *bytes, gsize length, GError **error)
{
	g_autoptr(GZlibDecompressor) decompressor =
	    g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB);
	return convert(G_CONVERTER(decompressor), bytes, length, error);
}

/* Objects */

static bool
object_write(DynamoStore *store, const char *key, GBytes *bytes, GError **error)
{
	const ObjectsOps *ops = store->objects->ops;
	gsize length = 0;
	const void *data = g_bytes_get_data(bytes, &length);
	ObjectWriter *writer = ops->create(store->objects, OBJECTS_OF, key, error);
	if (!writer)
		return false;
	if (!ops->write(writer, data, length, error)) {
		ops->abort(writer);
		return false;
	}
	return ops->commit(writer, error);
}

static GBytes *
object_read(DynamoStore *store, const char *key, GError **error)
{
	const ObjectsOps *ops = store->objects->ops;
	g_autofree char *path = ops->fetch(store->objects, OBJECTS_OF, key, error);
	if (!path)
		return NULL;

	g_autoptr(GError) cause = NULL;
	char *data = NULL;
	gsize length = 0;
	bool was_read = g_file_get_contents(path, &data, &length, &cause);
	ops->release(store->objects, path);
	if (!was_read) {
		error_set(error, CARRACK_ERROR_INTERNAL, "store: %s", cause->message);
		return NULL;
	}
	return g_bytes_new_take(data, length);
}

/* Where an item's body lies; the names of scopes, kinds and ids need no escaping. */
static char *
object_key(const DocumentName *name, const char *mark)
{
	g_autofree char *partition = store_partition(name->scope);
	return g_strdup_printf("%s/%s/%s/%s", partition, name->kind, name->id, mark);
}

/* Both ways */

static bool
put_packed(DynamoStore *store,
    const DocumentName *name,
    const char *mark,
    const char *text,
    json_t *item,
    GError **error)
{
	g_autoptr(GBytes) packed = pack(text, error);
	if (!packed)
		return false;
	if (g_bytes_get_size(packed) <= OBJECT_OVER) {
		g_autofree char *encoded =
		    g_base64_encode(g_bytes_get_data(packed, NULL), g_bytes_get_size(packed));
		json_object_set_new(item, "packed", json_pack("{s:s}", "B", encoded));
		return true;
	}

	g_autofree char *key = object_key(name, mark);
	json_object_set_new(item, "object", store_text(key));
	return object_write(store, key, packed, error);
}

bool
store_body_put(DynamoStore *store,
    const DocumentName *name,
    const char *mark,
    const json_t *body,
    json_t *item,
    GError **error)
{
	g_autofree char *text = json_text(body, false);
	if (strlen(text) > PACK_OVER)
		return put_packed(store, name, mark, text, item, error);

	json_object_set_new(item, "body", store_text(text));
	return true;
}

/* The body's text, NUL-terminated or not. */
static GBytes *
body_of(DynamoStore *store, const json_t *item, GError **error)
{
	const char *text = store_attribute(item, "body", "S");
	const char *packed = store_attribute(item, "packed", "B");
	const char *object = store_attribute(item, "object", "S");
	if (text)
		return g_bytes_new(text, strlen(text));
	if (packed) {
		gsize length = 0;
		g_autofree guchar *bytes = g_base64_decode(packed, &length);
		return unpack(bytes, length, error);
	}
	if (object) {
		g_autoptr(GBytes) bytes = object_read(store, object, error);
		return bytes ? unpack(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), error)
			     : NULL;
	}
	error_set(error, CARRACK_ERROR_INTERNAL, "store: %s has no body",
	    store_attribute(item, "name", "S"));
	return NULL;
}

static StoreDocument *
document_of(DynamoStore *store, const json_t *item, GError **error)
{
	g_autoptr(GBytes) text = body_of(store, item, error);
	if (!text)
		return NULL;

	const char *name = store_attribute(item, "name", "S");
	const char *version = store_attribute(item, "version", "N");
	g_autofree char *what = g_strdup_printf("%s in the store", name);
	json_t *body =
	    json_parse(g_bytes_get_data(text, NULL), g_bytes_get_size(text), what, error);
	if (!body)
		return NULL;

	StoreDocument *document = g_new0(StoreDocument, 1);
	document->id = g_strdup(strchr(name, '/') + 1);
	document->body = body;
	document->version = g_ascii_strtoll(version ? version : "0", NULL, 10);
	return document;
}

static json_t *
key_of(const json_t *item)
{
	return json_pack("{s:O, s:O}", "scope", json_object_get(item, "scope"), "name",
	    json_object_get(item, "name"));
}

/* An object that is not there belonged to a document that was written or removed after its item was
 * read: then the item says something else now. */
bool
store_body_get(DynamoStore *store, const json_t *item, StoreDocument **document, GError **error)
{
	json_auto_t *read = json_incref((json_t *)item);
	*document = NULL;
	for (;;) {
		g_autoptr(GError) cause = NULL;
		*document = document_of(store, read, &cause);
		if (*document)
			return true;

		json_auto_t *before = read;
		read = NULL;
		bool is_gone = g_error_matches(cause, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
		if (is_gone && !store_read_item(store, key_of(before), &read, error))
			return false;
		if (is_gone && !read)
			return true;
		if (!is_gone || g_strcmp0(store_attribute(read, "write", "S"),
				    store_attribute(before, "write", "S")) == 0) {
			g_propagate_error(error, g_steal_pointer(&cause));
			return false;
		}
	}
}

void
store_body_drop(DynamoStore *store, const json_t *item)
{
	const char *object = store_attribute(item, "object", "S");
	if (object)
		store->objects->ops->remove(store->objects, OBJECTS_OF, object, NULL);
}

bool
store_body_drop_scope(DynamoStore *store, const char *scope, GError **error)
{
	const ObjectsOps *ops = store->objects->ops;
	g_autofree char *partition = store_partition(scope);
	g_autofree char *prefix = g_strconcat(partition, "/", NULL);
	g_autoptr(GPtrArray) keys = ops->list(store->objects, OBJECTS_OF, prefix, error);
	if (!keys)
		return false;

	for (guint i = 0; i < keys->len; i++) {
		if (!ops->remove(store->objects, OBJECTS_OF, keys->pdata[i], error))
			return false;
	}
	return true;
}
