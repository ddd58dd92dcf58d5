/*
 * Signatures, against the examples that AWS publishes in its documentation; the many odd cases are
 * compared with botocore in tests/aws.
 */
#include "aws/sigv4.h"
#include "base/text.h"

#include <string.h>

/* The keys and the moment of the examples. */
static const SigV4Keys s3_keys = {
    "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL};
static const SigV4Keys suite_keys = {
    "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", NULL};
#define S3_TIME "2013-05-24T00:00:00Z"
#define SUITE_TIME "2015-08-30T12:36:00Z"

static gint64
moment(const char *text)
{
	gint64 time;

	g_assert_true(text_parse_time(text, &time, NULL));
	return time;
}

static char *
signature_of(const SigV4Request *model, const char *time, const char *body, const SigV4Keys *keys)
{
	SigV4Request request = *model;
	g_autofree char *hash = text_sha256(body, strlen(body));

	request.time = moment(time);
	request.payload_hash = hash;
	if (!request.region)
		request.region = "us-east-1";
	g_auto(GStrv) lines = sigv4_sign(&request, keys);
	const char *last = lines[g_strv_length(lines) - 1];
	g_assert_true(g_str_has_prefix(last, "Authorization: AWS4-HMAC-SHA256 Credential=AKI"));
	return g_strdup(strstr(last, "Signature=") + 10);
}

static void
check(const SigV4Request *request,
    const char *time,
    const char *body,
    const SigV4Keys *keys,
    const char *expected)
{
	g_autofree char *signature = signature_of(request, time, body, keys);

	g_assert_cmpstr(signature, ==, expected);
}

static void
test_suite(void)
{
	check(&(SigV4Request){"GET", "example.amazonaws.com", "/", NULL, NULL, NULL, "service"},
	    SUITE_TIME, "", &suite_keys,
	    "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
	static const char *const headers[] = {
	    "Content-Type: application/x-www-form-urlencoded; charset=utf-8", NULL};
	check(&(SigV4Request){"GET", "iam.amazonaws.com", "/",
		  "Action=ListUsers&Version=2010-05-08", headers, NULL, "iam"},
	    SUITE_TIME, "", &suite_keys,
	    "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

static void
test_s3(void)
{
	static const char host[] = "examplebucket.s3.amazonaws.com";
	static const char *const range[] = {"Range: bytes=0-9", NULL};
	static const char *const storage[] = {
	    "Date: Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class: REDUCED_REDUNDANCY", NULL};

	check(&(SigV4Request){"GET", host, "/test.txt", NULL, range, NULL, "s3"}, S3_TIME, "",
	    &s3_keys, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
	check(&(SigV4Request){"PUT", host, "/test%24file.text", NULL, storage, NULL, "s3"}, S3_TIME,
	    "Welcome to Amazon S3.", &s3_keys,
	    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
	check(&(SigV4Request){"GET", host, "/", "lifecycle", NULL, NULL, "s3"}, S3_TIME, "",
	    &s3_keys, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
	check(&(SigV4Request){"GET", host, "/", "prefix=J&max-keys=2", NULL, NULL, "s3"}, S3_TIME,
	    "", &s3_keys, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void
test_presigned(void)
{
	const SigV4Request request = {"GET", "examplebucket.s3.amazonaws.com", "/test.txt", NULL,
	    NULL, NULL, "s3", "us-east-1", moment(S3_TIME)};
	g_autofree char *query = sigv4_presign(&request, &s3_keys, 86400);

	g_assert_cmpstr(query, ==,
	    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2F"
	    "us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&"
	    "X-Amz-SignedHeaders=host&X-Amz-Signature="
	    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

/* Both requests are the same to the service, so their signatures are. */
static void
check_same(const SigV4Request *one, const SigV4Request *other)
{
	g_autofree char *left = signature_of(one, SUITE_TIME, "", &suite_keys);
	g_autofree char *right = signature_of(other, SUITE_TIME, "", &suite_keys);

	g_assert_cmpstr(left, ==, right);
}

static void
test_headers_are_trimmed(void)
{
	static const char *const wide[] = {"X-Amz-Meta-A:   a   b\t c  ", NULL};
	static const char *const narrow[] = {"x-amz-meta-a: a b c", NULL};

	check_same(&(SigV4Request){"GET", "h", "/", NULL, wide, NULL, "service"},
	    &(SigV4Request){"GET", "h", "/", NULL, narrow, NULL, "service"});
}

static void
test_query_is_sorted(void)
{
	check_same(
	    &(SigV4Request){"GET", "h", "/", "b&a-b=1&a=2&a=1&%61b=%c3%bc", NULL, NULL, "s3"},
	    &(SigV4Request){"GET", "h", "/", "a=1&a=2&a-b=1&ab=%C3%BC&b=", NULL, NULL, "s3"});
}

static void
test_paths(void)
{
	check_same(&(SigV4Request){"GET", "h", "/a/../b/.//c/", NULL, NULL, NULL, "service"},
	    &(SigV4Request){"GET", "h", "/b/c/", NULL, NULL, NULL, "service"});

	const SigV4Request plain = {"GET", "h", "/b/c", NULL, NULL, NULL, "s3"};
	const SigV4Request dots = {"GET", "h", "/a/../b/c", NULL, NULL, NULL, "s3"};
	g_autofree char *left = signature_of(&plain, SUITE_TIME, "", &suite_keys);
	g_autofree char *right = signature_of(&dots, SUITE_TIME, "", &suite_keys);
	g_assert_cmpstr(left, !=, right);
}

static void
test_session_token(void)
{
	const SigV4Keys keys = {"AKIDEXAMPLE", "secret", "the/token+="};
	const SigV4Request request = {"GET", "h", "/", NULL, NULL, SIGV4_UNSIGNED_PAYLOAD, "s3",
	    "us-east-1", moment(SUITE_TIME)};
	g_auto(GStrv) lines = sigv4_sign(&request, &keys);
	g_autofree char *query = sigv4_presign(&request, &keys, 60);

	g_assert_cmpstr(lines[0], ==, "X-Amz-Date: 20150830T123600Z");
	g_assert_cmpstr(lines[1], ==, "X-Amz-Security-Token: the/token+=");
	g_assert_cmpstr(lines[2], ==, "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD");
	g_assert_nonnull(strstr(
	    lines[3], "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, "));
	g_assert_nonnull(strstr(query, "&X-Amz-Security-Token=the%2Ftoken%2B%3D&"));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	g_test_add_func("/sigv4/the-published-suite-agrees", test_suite);
	g_test_add_func("/sigv4/the-published-s3-examples-agree", test_s3);
	g_test_add_func("/sigv4/the-published-presigned-url-agrees", test_presigned);
	g_test_add_func("/sigv4/header-values-are-trimmed", test_headers_are_trimmed);
	g_test_add_func("/sigv4/the-query-is-sorted-by-name-then-value", test_query_is_sorted);
	g_test_add_func("/sigv4/only-s3-keeps-dot-segments", test_paths);
	g_test_add_func("/sigv4/the-session-token-is-signed", test_session_token);
	return g_test_run();
}
