/*
 * Streams to S3: one PutObject if all of it fits into a part, else a multipart upload. Each part is
 * in memory while it is sent, so it is signed with its own hash and can be sent again.
 */
#include "aws/client-private.h"
#include "aws/s3-private.h"
#include "aws/xml.h"

#include <string.h>

#define FIRST_PART_BYTES (8 * 1024 * 1024)
#define MOST_PARTS 10000
#define COMPLETE_TRIES 3

typedef struct {
	AwsClient *client;
	const S3Object *object;
	const S3PutOptions *options;
	HttpRead read;
	gpointer read_data;
	char *path;
	char *id; /* of the multipart upload */
	GString *part;
	GString *list; /* of the parts sent, as XML */
	unsigned number;
	guint64 total;
} Upload;

static void
upload_clear(Upload *upload)
{
	g_free(upload->path);
	g_free(upload->id);
	if (upload->part)
		g_string_free(upload->part, TRUE);
	if (upload->list)
		g_string_free(upload->list, TRUE);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Upload, upload_clear)

/* Parts grow with the upload, so that 10,000 of them hold S3's largest object (5 TiB). */
static gsize
part_bytes(unsigned number)
{
	return (gsize)FIRST_PART_BYTES << MIN(number / 1250, 7);
}

/* Fills the part. False on failure; `ended` is set when there is no more. */
static bool
read_part(Upload *upload, bool *ended, GError **error)
{
	gsize size = part_bytes(upload->number);

	g_string_set_size(upload->part, size);
	gsize filled = 0;
	gssize count = 1;
	while (filled < size && count > 0) {
		count = upload->read(
		    upload->read_data, upload->part->str + filled, size - filled, error);
		if (count < 0)
			return false;
		filled += (gsize)count;
	}
	g_string_set_size(upload->part, filled);
	upload->total += filled;
	*ended = count == 0;
	return true;
}

static HttpAnswer *
call_upload(
    Upload *upload, const char *name, const AwsRequest *model, GCancellable *cancel, GError **error)
{
	AwsRequest request = *model;

	request.name = name;
	request.bucket = upload->object->bucket;
	request.path = upload->path;
	request.timeout_ms = S3_TRANSFER_MS;
	return aws_rest(upload->client, s3_service(), &request, cancel, error);
}

static bool
begin(Upload *upload, GCancellable *cancel, GError **error)
{
	g_auto(GStrv) headers = s3_put_headers(upload->options);
	json_auto_t *query = json_pack("{s:s}", "uploads", "");
	const AwsRequest request = {
	    .method = "POST", .query = query, .headers = (const char *const *)headers};
	g_autoptr(HttpAnswer) answer =
	    call_upload(upload, "CreateMultipartUpload", &request, cancel, error);
	json_auto_t *content = answer ? aws_xml(answer->body, answer->length,
					    "aws s3 CreateMultipartUpload", NULL, error)
				      : NULL;
	if (!content)
		return false;

	upload->id = g_strdup(json_text_of(content, "UploadId", NULL));
	return upload->id || error_set(error, CARRACK_ERROR_UPSTREAM,
				 "aws s3 CreateMultipartUpload: the answer has no UploadId");
}

static bool
send_part(Upload *upload, GCancellable *cancel, GError **error)
{
	if (upload->number >= MOST_PARTS)
		return error_set(error, CARRACK_ERROR_TOO_LARGE,
		    "aws s3 UploadPart: %s is larger than S3 keeps", upload->object->key);

	upload->number++;
	json_auto_t *query =
	    json_pack("{s:i, s:s}", "partNumber", upload->number, "uploadId", upload->id);
	const AwsRequest request = {.method = "PUT",
	    .query = query,
	    .body = upload->part->str,
	    .body_length = upload->part->len};
	g_autoptr(HttpAnswer) answer = call_upload(upload, "UploadPart", &request, cancel, error);
	if (!answer)
		return false;

	const char *etag = http_answer_header(answer, "ETag");
	g_autofree char *escaped = g_markup_escape_text(etag ? etag : "", -1);
	g_string_append_printf(upload->list,
	    "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>", upload->number, escaped);
	return true;
}

/* S3 may answer 200 and tell of a failure in the body, since it begins to answer early. */
static bool
completed(const HttpAnswer *answer, GError **error)
{
	g_autofree char *root = NULL;
	json_auto_t *content =
	    aws_xml(answer->body, answer->length, "aws s3 CompleteMultipartUpload", &root, error);
	if (!content)
		return false;
	if (!g_str_equal(root, "Error"))
		return true;

	g_autoptr(AwsFailure) failure = aws_failure_of(answer);
	failure->status = 500;
	return aws_failure_set(failure, s3_service(), "CompleteMultipartUpload", error);
}

static bool
complete(Upload *upload, GCancellable *cancel, GError **error)
{
	g_autofree char *body = g_strdup_printf(
	    "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">%s"
	    "</CompleteMultipartUpload>",
	    upload->list->str);
	json_auto_t *query = json_pack("{s:s}", "uploadId", upload->id);
	bool only_if_new = upload->options && upload->options->only_if_new;
	const char *const headers[] = {
	    "Content-Type: application/xml", only_if_new ? "If-None-Match: *" : NULL, NULL};
	const AwsRequest request = {.method = "POST",
	    .query = query,
	    .headers = headers,
	    .body = body,
	    .body_length = strlen(body)};
	bool done = false;

	for (unsigned tries = 1; tries <= COMPLETE_TRIES && !done; tries++) {
		g_clear_error(error);
		g_autoptr(HttpAnswer) answer =
		    call_upload(upload, "CompleteMultipartUpload", &request, cancel, error);
		if (!answer)
			return false;
		done = completed(answer, error);
	}
	return done;
}

/* Parts that were sent cost money until they are taken back. Done even when cancelled. */
static void
take_back(Upload *upload)
{
	json_auto_t *query = json_pack("{s:s}", "uploadId", upload->id);
	const AwsRequest request = {.method = "DELETE", .query = query};
	g_autoptr(HttpAnswer) answer =
	    call_upload(upload, "AbortMultipartUpload", &request, NULL, NULL);
}

/* From the first part, which is read already, to the end. */
static bool
send_parts(Upload *upload, GCancellable *cancel, GError **error)
{
	bool ended = false;

	if (!send_part(upload, cancel, error))
		return false;
	while (!ended) {
		if (!read_part(upload, &ended, error))
			return false;
		if (upload->part->len > 0 && !send_part(upload, cancel, error))
			return false;
	}
	return complete(upload, cancel, error);
}

bool
s3_put_stream(AwsClient *client,
    const S3Object *object,
    HttpRead read,
    gpointer read_data,
    const S3PutOptions *options,
    guint64 *length,
    GCancellable *cancel,
    GError **error)
{
	g_auto(Upload) upload = {client, object, options, read, read_data, s3_path(object->key)};
	bool ended;

	upload.part = g_string_new(NULL);
	upload.list = g_string_new(NULL);
	if (!read_part(&upload, &ended, error))
		return false;
	if (ended) {
		if (!s3_put(
			client, object, upload.part->str, upload.part->len, options, cancel, error))
			return false;
	} else {
		if (!begin(&upload, cancel, error))
			return false;
		if (!send_parts(&upload, cancel, error)) {
			take_back(&upload);
			return false;
		}
	}

	if (length)
		*length = upload.total;
	return true;
}
