/*
 * Objects over the wire: streamed both ways, visible only when whole.
 */
#include "api.h"
#include "base/text.h"

#include <string.h>
#include <unistd.h>

#define LARGE ((gsize)64 * 1024 * 1024)

/* AddressSanitizer keeps what has been freed. */
#ifdef __SANITIZE_ADDRESS__
#define LIMIT_GROWTH_KIB (1024 * 1024)
#else
#define LIMIT_GROWTH_KIB (16 * 1024)
#endif

static TestApi *
with_app(void)
{
	TestApi *test = test_api_new();
	g_autoptr(HttpAnswer) answer = test_call(test, "POST", "/apps", "name=shop");
	g_assert_cmpint(answer->status, ==, 200);
	return test;
}

static gint64
resident_kib(void)
{
	g_autofree char *text = NULL;
	g_assert_true(g_file_get_contents("/proc/self/status", &text, NULL, NULL));
	const char *line = strstr(text, "VmHWM:");
	return g_ascii_strtoll(line + strlen("VmHWM:"), NULL, 10);
}

/* A stream of bytes that depend on their place. */
typedef struct {
	gsize at;
	gsize size;
	gsize fail_at; /* 0: never */
	bool is_same;
} Pattern;

static void
fill(guint8 *buffer, gsize at, gsize size)
{
	for (gsize i = 0; i < size; i++)
		buffer[i] = (guint8)((at + i) * 31 >> 3);
}

static gssize
pattern_read(gpointer data, void *buffer, gsize size, GError **error)
{
	Pattern *pattern = data;
	if (pattern->fail_at && pattern->at >= pattern->fail_at) {
		error_set(error, CARRACK_ERROR_INTERNAL, "cut here");
		return -1;
	}
	gsize count = MIN(size, pattern->size - pattern->at);
	fill(buffer, pattern->at, count);
	pattern->at += count;
	return count;
}

static bool
pattern_check(gpointer data, const void *bytes, gsize length, GError **error)
{
	Pattern *pattern = data;
	g_autofree guint8 *expected = g_malloc(length);
	fill(expected, pattern->at, length);
	pattern->is_same = pattern->is_same && !memcmp(expected, bytes, length);
	pattern->at += length;
	return true;
}

static HttpAnswer *
upload(TestApi *test, const char *path, Pattern *pattern, gint64 declared, GError **error)
{
	HttpRequest request = {.method = "POST",
	    .path = path,
	    .read = pattern_read,
	    .read_data = pattern,
	    .read_length = declared,
	    .timeout_ms = 60000};
	return http_call(test->client, &request, NULL, error);
}

static void
test_large(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(TestApi) test = with_app();
	gint64 before = resident_kib();
	Pattern sent = {.size = LARGE};
	g_autoptr(HttpAnswer) answer =
	    upload(test, "/apps/shop/objects/tmp/a.tgz?", &sent, LARGE, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(answer->body, ==, "{\n  \"Url\": \"object://shop/tmp/a.tgz\"\n}\n");
	Pattern chunked = {.size = LARGE};
	g_autoptr(HttpAnswer) again = upload(test, "/apps/shop/objects/b", &chunked, 0, &error);
	g_assert_no_error(error);
	g_assert_cmpint(again->status, ==, 200);

	Pattern got = {.is_same = true};
	HttpRequest request = {.path = "/apps/shop/objects/tmp/a.tgz",
	    .write = pattern_check,
	    .write_data = &got,
	    .timeout_ms = 60000};
	g_autoptr(HttpAnswer) file = http_call(test->client, &request, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpint(file->status, ==, 200);
	g_assert_cmpint(got.at, ==, LARGE);
	g_assert_true(got.is_same);
	g_test_message("high water grew by %" G_GINT64_FORMAT " KiB", resident_kib() - before);
	g_assert_cmpint(resident_kib() - before, <, LIMIT_GROWTH_KIB);
}

static bool
is_forgotten(gpointer data)
{
	TestApi *test = data;
	g_autoptr(HttpAnswer) answer = test_call(test, "GET", "/apps/shop/objects/cut", NULL);
	return answer->status == 404;
}

static void
test_cut(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(TestApi) test = with_app();
	Pattern cut = {.size = 1 << 20, .fail_at = 1 << 18};
	g_assert_null(upload(test, "/apps/shop/objects/cut", &cut, 1 << 20, &error));
	test_wait(is_forgotten, test);
	test_expect(test, "GET", "/apps/shop/objects?", NULL, 200, "[]\n");
}

static void
test_keys(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(TestApi) test = with_app();
	g_autoptr(HttpAnswer) random = test_call(test, "POST", "/apps/shop/objects/?", NULL);
	g_assert_cmpint(random->status, ==, 200);
	g_autoptr(GRegex) expected = g_regex_new(
	    "^\\{\n  \"Url\": \"object://shop/tmp/[0-9a-f]{30}\"\n\\}\n$", 0, 0, &error);
	g_assert_no_error(error);
	g_assert_true(g_regex_match(expected, random->body, 0, NULL));

	test_expect(test, "POST", "/apps/shop/objects/a//b%20c", NULL, 200,
	    "{\n  \"Url\": \"object://shop/a//b c\"\n}\n");
	test_expect(test, "GET", "/apps/shop/objects?prefix=a", NULL, 200, "[\n  \"a//b c\"\n]\n");
	test_expect(test, "GET", "/apps/shop/objects/a//b%20c", NULL, 200, "");
	test_expect(test, "POST", "/apps/shop/objects/a/%2E%2E/b", NULL, 400,
	    "object key «a/../b» must not begin with / or hold ..\n");
	test_expect(test, "POST", "/apps/nope/objects/a", NULL, 404, "no such app: nope\n");
	test_expect(test, "DELETE", "/apps/shop/objects/a//b%20c", NULL, 200, "ok\n");
	test_expect(
	    test, "GET", "/apps/shop/objects/a//b%20c", NULL, 404, "no such object: a//b c\n");
	g_autoptr(HttpAnswer) head = test_call(test, "HEAD", "/apps/shop/objects/zz", NULL);
	g_assert_cmpint(head->status, ==, 404);
}

static void
test_room(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(TestApi) test = with_app();
	fake_objects_space(test->provider, 1000);
	Pattern sent = {.size = 2 << 20};
	g_autoptr(HttpAnswer) answer =
	    upload(test, "/apps/shop/objects/a", &sent, sent.size, &error);
	g_assert_no_error(error);
	g_assert_cmpint(answer->status, ==, 503);
	g_assert_cmpstr(
	    answer->body, ==, "no room for an object of 2097152 bytes: 1000 are free\n");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/api-objects/uploads-stream-with-flat-memory", test_large);
	g_test_add_func("/api-objects/a-cut-upload-leaves-nothing", test_cut);
	g_test_add_func("/api-objects/keys-are-paths", test_keys);
	g_test_add_func("/api-objects/no-room-is-told-before-the-upload", test_room);
	return g_test_run();
}
