/*
 * A bucket for the template, which is too long for CloudFormation's own calls (docs/why/0005).
 * It is made when a call needs it and deleted at the end. Its name is new each time, because a name
 * that was deleted is not to be had again at once; what a killed program has left is found by the
 * beginning of the name and the tag.
 */
#include "install/aws-steps.h"

#include "aws/s3.h"
#include "aws/xml.h"
#include "base/text.h"

#include <string.h>

#define KEY "rack.yaml"
#define S3_NAMESPACE "http://s3.amazonaws.com/doc/2006-03-01/"

static char *
prefix_of(const Cloud *cloud)
{
	return g_strdup_printf("carrack-%s-%s-", cloud->wish->name, cloud->account);
}

/* A sub-resource of a bucket («?tagging»), which S3 wants with a checksum. */
static bool
put_setting(
    Cloud *cloud, const char *operation, const char *setting, const char *body, GError **error)
{
	g_autofree guchar *digest = g_malloc(16);
	gsize length = 16;
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_MD5);
	g_checksum_update(sum, (const guchar *)body, (gssize)strlen(body));
	g_checksum_get_digest(sum, digest, &length);
	g_autofree char *text = g_base64_encode(digest, length);
	g_autofree char *header = g_strconcat("Content-MD5: ", text, NULL);
	const char *const headers[] = {header, "Content-Type: application/xml", NULL};
	json_auto_t *query = json_pack("{s:s}", setting, "");
	AwsRequest request = {.name = operation,
	    .method = "PUT",
	    .bucket = cloud->bucket,
	    .path = "/",
	    .query = query,
	    .headers = headers,
	    .body = body,
	    .body_length = strlen(body)};
	g_autoptr(HttpAnswer) answer =
	    aws_rest(cloud->client, &aws_services[AWS_S3], &request, NULL, error);
	return answer != NULL;
}

static bool
tag(Cloud *cloud, GError **error)
{
	json_auto_t *tags = json_pack(
	    "{s:{s:{s:s, s:s}}}", "TagSet", "Tag", "Key", CLOUD_TAG, "Value", cloud->wish->name);
	g_autofree char *body = aws_xml_text("Tagging", S3_NAMESPACE, tags);
	return put_setting(cloud, "PutBucketTagging", "tagging", body, error);
}

static bool
make(Cloud *cloud, GError **error)
{
	const char *region = aws_client_region(cloud->client);
	bool is_first = strcmp(region, "us-east-1") == 0;
	g_autofree char *prefix = prefix_of(cloud);
	g_autofree char *random = text_random_hex(4);
	g_autofree char *name = g_strconcat(prefix, random, NULL);
	json_auto_t *place = json_pack("{s:s}", "LocationConstraint", region);
	g_autofree char *body = aws_xml_text("CreateBucketConfiguration", S3_NAMESPACE, place);
	AwsRequest request = {.name = "CreateBucket",
	    .method = "PUT",
	    .bucket = name,
	    .path = "/",
	    .body = is_first ? NULL : body,
	    .body_length = is_first ? 0 : strlen(body)};
	g_autoptr(HttpAnswer) answer =
	    aws_rest(cloud->client, &aws_services[AWS_S3], &request, NULL, error);
	if (!answer)
		return false;

	cloud->bucket = g_steal_pointer(&name);
	return tag(cloud, error);
}

char *
bucket_url(Cloud *cloud, GError **error)
{
	if (!cloud->bucket && !make(cloud, error))
		return NULL;
	S3Object object = {cloud->bucket, KEY};
	if (!s3_put(cloud->client, &object, cloud->text, strlen(cloud->text), NULL, NULL, error))
		return NULL;

	const char *region = aws_client_region(cloud->client);
	const char *suffix = aws_client_dns_suffix(cloud->client);
	g_autofree char *endpoint = aws_client_endpoint(cloud->client, &aws_services[AWS_S3]);
	if (g_str_has_suffix(endpoint, suffix))
		return g_strdup_printf("https://%s.s3.%s.%s/" KEY, cloud->bucket, region, suffix);
	return g_strdup_printf("%s/%s/" KEY, endpoint, cloud->bucket);
}

static bool
is_tagged_ours(Cloud *cloud, const char *name)
{
	json_auto_t *query = json_pack("{s:s}", "tagging", "");
	AwsRequest request = {
	    .name = "GetBucketTagging", .bucket = name, .path = "/", .query = query};
	g_autofree char *wanted = g_strdup_printf("<Value>%s</Value>", cloud->wish->name);
	g_autoptr(HttpAnswer) answer =
	    aws_rest(cloud->client, &aws_services[AWS_S3], &request, NULL, NULL);
	return answer && strstr(answer->body, wanted);
}

static bool delete (Cloud *cloud, const char *name, GError **error)
{
	S3Object object = {name, KEY};
	AwsRequest request = {
	    .name = "DeleteBucket", .method = "DELETE", .bucket = name, .path = "/"};
	if (!s3_delete(cloud->client, &object, NULL, error))
		return false;
	g_autoptr(HttpAnswer) answer =
	    aws_rest(cloud->client, &aws_services[AWS_S3], &request, NULL, error);
	return answer != NULL;
}

/* Names of all buckets; an empty list when they may not be listed. */
static json_t *
buckets(Cloud *cloud)
{
	AwsRequest request = {.name = "ListBuckets", .path = "/"};
	g_autoptr(HttpAnswer) answer =
	    aws_rest(cloud->client, &aws_services[AWS_S3], &request, NULL, NULL);
	json_auto_t *content =
	    answer ? aws_xml(answer->body, answer->length, "ListBuckets", NULL, NULL) : NULL;
	return aws_items(content, "Buckets.Bucket");
}

void
bucket_remove(Cloud *cloud)
{
	g_autofree char *prefix = prefix_of(cloud);
	json_auto_t *list = buckets(cloud);
	size_t i;
	json_t *bucket;
	json_array_foreach(list, i, bucket)
	{
		const char *name = json_text_of(bucket, "Name", "");
		bool is_ours = g_strcmp0(name, cloud->bucket) == 0 ||
			       (g_str_has_prefix(name, prefix) && is_tagged_ours(cloud, name));
		g_autoptr(GError) cause = NULL;
		if (is_ours && !delete (cloud, name, &cause))
			progress_note(
			    cloud->progress, "bucket %s is left: %s", name, cause->message);
	}
	g_clear_pointer(&cloud->bucket, g_free);
}
