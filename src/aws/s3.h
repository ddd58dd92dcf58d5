/*
 * S3: objects of any size in constant memory, listings and URLs. Keys are any UTF-8 text and mean
 * themselves («a//b», «a/../b», «a%2Fb»); encoding and signing them is done here.
 */
#pragma once

#include "aws/client.h"

typedef struct {
	const char *bucket;
	const char *key;
} S3Object;

/* What is stored with an object. All members may be NULL. */
typedef struct {
	const char *content_type;
	const char *kms_key;        /* NULL: the bucket's own encryption */
	const char *const *headers; /* further «Name: value» lines */
	bool only_if_new;           /* CARRACK_ERROR_CONFLICT if the key is taken */
} S3PutOptions;

/* Stores bytes from memory. `options` may be NULL. */
bool
s3_put(AwsClient *client,
    const S3Object *object,
    const void *bytes,
    gsize length,
    const S3PutOptions *options,
    GCancellable *cancel,
    GError **error);

/* Stores a stream of any length, 8 MiB at a time; what was sent of a failed one is taken back. The
 * object appears whole or not at all. `length`, if not NULL, is set to the bytes stored. */
bool
s3_put_stream(AwsClient *client,
    const S3Object *object,
    HttpRead read,
    gpointer read_data,
    const S3PutOptions *options,
    guint64 *length,
    GCancellable *cancel,
    GError **error);

/* Hands an object to `write`, 8 MiB at a time. CARRACK_ERROR_CONFLICT if it is replaced meanwhile,
 * CARRACK_ERROR_NOT_FOUND. */
bool
s3_get(AwsClient *client,
    const S3Object *object,
    HttpWrite write,
    gpointer write_data,
    GCancellable *cancel,
    GError **error);

/* The whole object, NUL-terminated; CARRACK_ERROR_TOO_LARGE over `maximum` bytes. The caller frees
 * it. `length` may be NULL. */
char *
s3_get_bytes(AwsClient *client,
    const S3Object *object,
    gsize maximum,
    gsize *length,
    GCancellable *cancel,
    GError **error);

/* The object's length, if not NULL, and that it exists (else CARRACK_ERROR_NOT_FOUND). */
bool
s3_head(AwsClient *client,
    const S3Object *object,
    guint64 *length,
    GCancellable *cancel,
    GError **error);

/* Also fine when it is not there. */
bool
s3_delete(AwsClient *client, const S3Object *object, GCancellable *cancel, GError **error);

/* Deletes every object below `prefix`, all versions of it too; an empty prefix empties the bucket.
 */
bool
s3_delete_prefix(AwsClient *client,
    const char *bucket,
    const char *prefix,
    GCancellable *cancel,
    GError **error);

/* Objects below `prefix` in the order of their keys, at most `maximum` (0: all), as an array of
 * {"key", "size", "etag", "modified"} (size an integer). The caller owns it. */
json_t *
s3_list(AwsClient *client,
    const char *bucket,
    const char *prefix,
    gsize maximum,
    GCancellable *cancel,
    GError **error);

/* A URL that serves GET (or «PUT») of the object for `seconds`. The caller frees it. */
char *
s3_presign(AwsClient *client,
    const char *method,
    const S3Object *object,
    unsigned seconds,
    GCancellable *cancel,
    GError **error);
