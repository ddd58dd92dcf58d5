/*
 * Objects of S3 other than storing streams (s3-upload.c). Downloads are read in pieces: each fits
 * into memory and can be asked for again, which a stream could not, and If-Match on the first
 * piece's ETag keeps two versions of an object from being mixed.
 */
#include "aws/s3.h"

#include "aws/client-private.h"
#include "aws/s3-private.h"
#include "aws/xml.h"
#include "base/text.h"

#include <string.h>

#define PIECE_BYTES (8 * 1024 * 1024)

const AwsService *
s3_service(void)
{
	return &aws_services[AWS_S3];
}

char *
s3_path(const char *key)
{
	g_autofree char *escaped = g_uri_escape_string(key, "/", FALSE);

	return g_strconcat("/", escaped, NULL);
}

char **
s3_put_headers(const S3PutOptions *options)
{
	g_autoptr(GStrvBuilder) lines = g_strv_builder_new();
	const char *type = options ? options->content_type : NULL;
	g_autofree char *content_type =
	    g_strconcat("Content-Type: ", type ? type : "application/octet-stream", NULL);

	g_strv_builder_add(lines, content_type);
	if (options && options->kms_key) {
		g_autofree char *key = g_strconcat(
		    "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id: ", options->kms_key, NULL);
		g_strv_builder_add(lines, "X-Amz-Server-Side-Encryption: aws:kms");
		g_strv_builder_add(lines, key);
	}
	if (options && options->headers)
		g_strv_builder_addv(lines, (const char **)options->headers);
	return g_strv_builder_end(lines);
}

bool
s3_put(AwsClient *client,
    const S3Object *object,
    const void *bytes,
    gsize length,
    const S3PutOptions *options,
    GCancellable *cancel,
    GError **error)
{
	g_autofree char *path = s3_path(object->key);
	g_auto(GStrv) lines = s3_put_headers(options);
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
	g_strv_builder_addv(builder, (const char **)lines);
	if (options && options->only_if_new)
		g_strv_builder_add(builder, "If-None-Match: *");
	g_auto(GStrv) headers = g_strv_builder_end(builder);

	const AwsRequest request = {
	    .name = "PutObject",
	    .method = "PUT",
	    .bucket = object->bucket,
	    .path = path,
	    .headers = (const char *const *)headers,
	    .body = bytes ? bytes : "",
	    .body_length = length,
	    .timeout_ms = S3_TRANSFER_MS,
	};
	g_autoptr(HttpAnswer) answer = aws_rest(client, s3_service(), &request, cancel, error);
	return answer != NULL;
}

/* A download while it goes on. */
typedef struct {
	const S3Object *object;
	char *path;
	char *etag;
	guint64 offset;
	guint64 total; /* known after the first piece */
} Download;

static void
download_clear(Download *download)
{
	g_free(download->path);
	g_free(download->etag);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Download, download_clear)

/* Takes total and ETag from the first answer: «Content-Range: bytes 0-9/100», or, of a server that
 * does not know ranges, all of it at once. */
static void
note_first(Download *download, const HttpAnswer *answer)
{
	const char *range = http_answer_header(answer, "Content-Range");
	const char *slash = range ? strchr(range, '/') : NULL;
	bool whole = answer->status != 206 || !slash;

	download->total = whole ? answer->length : g_ascii_strtoull(slash + 1, NULL, 10);
	download->etag = g_strdup(http_answer_header(answer, "ETag"));
}

static HttpAnswer *
ask_piece(AwsClient *client, const Download *download, GCancellable *cancel, GError **error)
{
	g_autofree char *range =
	    g_strdup_printf("Range: bytes=%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT,
		download->offset, download->offset + PIECE_BYTES - 1);
	g_autofree char *match =
	    download->etag ? g_strconcat("If-Match: ", download->etag, NULL) : NULL;
	const char *const headers[] = {range, match, NULL};
	const AwsRequest request = {
	    .name = "GetObject",
	    .bucket = download->object->bucket,
	    .path = download->path,
	    .headers = headers,
	    .timeout_ms = S3_TRANSFER_MS,
	};

	return aws_rest(client, s3_service(), &request, cancel, error);
}

/* The next piece; an object of no bytes has no range that could be asked for. */
static HttpAnswer *
next_piece(AwsClient *client, Download *download, GCancellable *cancel, GError **error)
{
	g_autoptr(GError) problem = NULL;
	HttpAnswer *answer = ask_piece(client, download, cancel, &problem);

	if (answer && download->offset == 0)
		note_first(download, answer);
	if (!answer && download->offset == 0 && aws_error_is(problem, "InvalidRange")) {
		answer = g_new0(HttpAnswer, 1);
		answer->body = g_strdup("");
	} else if (!answer) {
		g_propagate_error(error, g_steal_pointer(&problem));
	}
	return answer;
}

bool
s3_get(AwsClient *client,
    const S3Object *object,
    HttpWrite write,
    gpointer write_data,
    GCancellable *cancel,
    GError **error)
{
	g_auto(Download) download = {.object = object, .path = s3_path(object->key)};

	do {
		g_autoptr(HttpAnswer) piece = next_piece(client, &download, cancel, error);
		if (!piece)
			return false;
		if (piece->length == 0 && download.offset < download.total)
			return error_set(error, CARRACK_ERROR_UPSTREAM,
			    "aws s3 GetObject: %s ends too early", object->key);
		if (piece->length > 0 && !write(write_data, piece->body, piece->length, error))
			return false;
		download.offset += piece->length;
	} while (download.offset < download.total);
	return true;
}

typedef struct {
	GString *bytes;
	gsize maximum;
	const char *key;
} Sink;

static bool
keep_bytes(gpointer data, const void *bytes, gsize length, GError **error)
{
	Sink *sink = data;

	if (sink->bytes->len + length > sink->maximum)
		return error_set(error, CARRACK_ERROR_TOO_LARGE,
		    "the object %s is over %" G_GSIZE_FORMAT " bytes", sink->key, sink->maximum);
	g_string_append_len(sink->bytes, bytes, (gssize)length);
	return true;
}

char *
s3_get_bytes(AwsClient *client,
    const S3Object *object,
    gsize maximum,
    gsize *length,
    GCancellable *cancel,
    GError **error)
{
	g_autoptr(GString) bytes = g_string_new(NULL);
	Sink sink = {bytes, maximum, object->key};

	if (!s3_get(client, object, keep_bytes, &sink, cancel, error))
		return NULL;
	if (length)
		*length = bytes->len;
	return g_string_free(g_steal_pointer(&bytes), FALSE);
}

bool
s3_head(AwsClient *client,
    const S3Object *object,
    guint64 *length,
    GCancellable *cancel,
    GError **error)
{
	g_autofree char *path = s3_path(object->key);
	const AwsRequest request = {
	    .name = "HeadObject", .method = "HEAD", .bucket = object->bucket, .path = path};
	g_autoptr(HttpAnswer) answer = aws_rest(client, s3_service(), &request, cancel, error);
	if (!answer)
		return false;

	const char *text = http_answer_header(answer, "Content-Length");
	if (length)
		*length = text ? g_ascii_strtoull(text, NULL, 10) : 0;
	return true;
}

bool
s3_delete(AwsClient *client, const S3Object *object, GCancellable *cancel, GError **error)
{
	g_autofree char *path = s3_path(object->key);
	const AwsRequest request = {
	    .name = "DeleteObject", .method = "DELETE", .bucket = object->bucket, .path = path};
	g_autoptr(HttpAnswer) answer = aws_rest(client, s3_service(), &request, cancel, error);

	return answer != NULL;
}

char *
s3_presign(AwsClient *client,
    const char *method,
    const S3Object *object,
    unsigned seconds,
    GCancellable *cancel,
    GError **error)
{
	g_autofree char *path = s3_path(object->key);
	const AwsRequest request = {
	    .name = "Presign", .method = method, .bucket = object->bucket, .path = path};

	return aws_presign(client, s3_service(), &request, seconds, cancel, error);
}
