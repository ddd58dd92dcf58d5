/*
 * Listings of S3, and deleting by them. Names come URL-encoded, since XML cannot hold every key.
 */
#include "aws/client-private.h"
#include "aws/s3-private.h"
#include "aws/xml.h"

#include <string.h>

#define LIST_PAGE 1000

/* One page of a listing. */
static json_t *
ask_page(AwsClient *client,
    const char *bucket,
    const json_t *query,
    const char *name,
    GCancellable *cancel,
    GError **error)
{
	const AwsRequest request = {.name = name, .bucket = bucket, .path = "/", .query = query};
	g_autoptr(HttpAnswer) answer = aws_rest(client, s3_service(), &request, cancel, error);
	if (!answer)
		return NULL;

	json_t *content = aws_xml(answer->body, answer->length, "aws s3 listing", NULL, error);
	if (json_is_object(content))
		return content;
	json_decref(content);
	return content ? json_object() : NULL;
}

/* A key of a page; «+» is a blank in this encoding. */
static json_t *
decoded(const json_t *page, const char *key)
{
	if (!g_str_equal(json_text_of(page, "EncodingType", ""), "url"))
		return json_text_value(key);

	g_autofree char *text = g_strdup(key);
	g_autofree char *plain = g_uri_unescape_string(g_strdelimit(text, "+", ' '), NULL);

	return json_text_value(plain ? plain : text);
}

static json_t *
entry_of(const json_t *page, const json_t *content)
{
	const char *key = json_text_of(content, "Key", "");
	gint64 size = g_ascii_strtoll(json_text_of(content, "Size", "0"), NULL, 10);

	return json_pack("{s:o, s:I, s:s, s:s}", "key", decoded(page, key), "size",
	    (json_int_t)size, "etag", json_text_of(content, "ETag", ""), "modified",
	    json_text_of(content, "LastModified", ""));
}

json_t *
s3_list(AwsClient *client,
    const char *bucket,
    const char *prefix,
    gsize maximum,
    GCancellable *cancel,
    GError **error)
{
	json_auto_t *found = json_array();
	json_auto_t *tokens = json_object();
	json_auto_t *query =
	    json_pack("{s:i, s:s, s:s}", "list-type", 2, "encoding-type", "url", "prefix", prefix);
	gsize limit = maximum > 0 ? maximum : G_MAXSIZE;

	for (;;) {
		gsize wanted = MIN(limit - json_array_size(found), LIST_PAGE);
		json_object_set_new(query, "max-keys", json_integer((json_int_t)wanted));
		json_auto_t *page = ask_page(client, bucket, query, "ListObjectsV2", cancel, error);
		if (!page)
			return NULL;
		json_auto_t *contents = aws_items(page, "Contents");
		for (gsize i = 0; i < json_array_size(contents); i++)
			json_array_append_new(found, entry_of(page, json_array_get(contents, i)));

		const char *token = json_text_of(page, "NextContinuationToken", "");
		if (!*token || json_array_size(found) >= limit)
			return json_incref(found);
		if (json_object_get(tokens, token)) {
			error_set(error, CARRACK_ERROR_UPSTREAM,
			    "aws s3 ListObjectsV2: the answer leads back to a page that was read "
			    "already");
			return NULL;
		}
		json_object_set_new(tokens, token, json_true());
		json_object_set_new(query, "continuation-token", json_string(token));
	}
}

/* Deletes versions that a page of ListObjectVersions names. */
static bool
delete_versions(AwsClient *client,
    const char *bucket,
    const json_t *page,
    const json_t *entries,
    GCancellable *cancel,
    GError **error)
{
	for (gsize i = 0; i < json_array_size(entries); i++) {
		const json_t *entry = json_array_get(entries, i);
		json_auto_t *key = decoded(page, json_text_of(entry, "Key", ""));
		g_autofree char *path = s3_path(json_string_value(key));
		const char *version = json_text_of(entry, "VersionId", "null");
		json_auto_t *query = json_pack("{s:s}", "versionId", version);
		const AwsRequest request = {.name = "DeleteObject",
		    .method = "DELETE",
		    .bucket = bucket,
		    .path = path,
		    .query = query};
		g_autoptr(HttpAnswer) answer =
		    aws_rest(client, s3_service(), &request, cancel, error);
		if (!answer)
			return false;
	}
	return true;
}

bool
s3_delete_prefix(
    AwsClient *client, const char *bucket, const char *prefix, GCancellable *cancel, GError **error)
{
	/* Always the first page: what it names is gone the next time. */
	json_auto_t *query = json_pack("{s:s, s:s, s:s, s:i}", "versions", "", "encoding-type",
	    "url", "prefix", prefix, "max-keys", LIST_PAGE);
	json_auto_t *before = json_object();

	for (;;) {
		json_auto_t *page =
		    ask_page(client, bucket, query, "ListObjectVersions", cancel, error);
		if (!page)
			return false;
		json_auto_t *versions = aws_items(page, "Version");
		json_auto_t *markers = aws_items(page, "DeleteMarker");
		if (json_array_size(versions) + json_array_size(markers) == 0)
			return true;
		if (json_equal(page, before))
			return error_set(error, CARRACK_ERROR_UPSTREAM,
			    "aws s3 DeleteObject: %s is still there after it was deleted", prefix);
		if (!delete_versions(client, bucket, page, versions, cancel, error) ||
		    !delete_versions(client, bucket, page, markers, cancel, error))
			return false;
		json_object_clear(before);
		json_object_update(before, page);
	}
}
