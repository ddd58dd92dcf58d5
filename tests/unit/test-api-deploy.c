/*
 * A whole deploy over the wire, request by request as a client makes it: upload, build with its
 * log, promote, timeline, processes, scale, cancel.
 */
#include "api.h"
#include "base/tar.h"
#include "base/text.h"

#include <glib/gstdio.h>
#include <string.h>

static const char manifest[] = "services:\n"
			       "  web:\n"
			       "    build: .\n"
			       "    port: 3000\n";

static bool
append(gpointer data, const void *bytes, gsize length, GError **error)
{
	g_byte_array_append(data, bytes, length);
	return true;
}

/* A project's folder as the archive that a client uploads. */
static GByteArray *
pack(TestApi *test)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = g_build_filename(test->folder, "project", NULL);
	g_autofree char *yml = g_build_filename(folder, "convox.yml", NULL);
	g_autofree char *docker = g_build_filename(folder, "Dockerfile", NULL);
	g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
	g_assert_true(g_file_set_contents(yml, manifest, -1, NULL));
	g_assert_true(g_file_set_contents(docker, "FROM scratch\nEXPOSE 3000\n", -1, NULL));
	GByteArray *archive = g_byte_array_new();
	tar_pack(folder, &(TarPackOptions){0}, append, archive, NULL, &error);
	g_assert_no_error(error);
	g_remove(yml);
	g_remove(docker);
	g_rmdir(folder);
	return archive;
}

static json_t *
post(TestApi *test, const char *path, const void *body, gsize length, bool is_form)
{
	g_autoptr(GError) error = NULL;
	const char *headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
	HttpRequest request = {.method = "POST",
	    .path = path,
	    .body = body,
	    .body_length = length,
	    .headers = is_form ? headers : NULL,
	    .timeout_ms = 60000};
	g_autoptr(HttpAnswer) answer = http_call(test->client, &request, NULL, &error);
	g_assert_no_error(error);
	if (answer->status != 200)
		g_test_message("%s: %s", path, answer->body);
	g_assert_cmpint(answer->status, ==, 200);
	return json_parse(answer->body, answer->length, path, NULL);
}

static TestApi *
with_app(void)
{
	TestApi *test = test_api_new();
	g_autoptr(HttpAnswer) answer = test_call(test, "POST", "/apps", "name=shop");
	g_assert_cmpint(answer->status, ==, 200);
	g_autoptr(HttpAnswer) quick =
	    test_call(test, "PUT", "/apps/shop", "parameters=StabilitySeconds%3D0");
	g_assert_cmpint(quick->status, ==, 200);
	return test;
}

static json_t *
start_build(TestApi *test)
{
	g_autoptr(GByteArray) archive = pack(test);
	json_auto_t *object =
	    post(test, "/apps/shop/objects/tmp/a.tgz?", archive->data, archive->len, false);
	g_autofree char *url = http_escape(json_text_of(object, "Url", ""));
	g_autofree char *form = g_strconcat("url=", url, NULL);
	return post(test, "/apps/shop/builds?", form, strlen(form), true);
}

/* The release that the build made. */
static char *
build(TestApi *test)
{
	json_auto_t *started = start_build(test);
	const char *id = json_text_of(started, "id", "");
	g_autofree char *logs = g_strdup_printf("/apps/shop/builds/%s/logs", id);
	g_autoptr(WebSocket) socket = test_socket(test, logs, NULL);
	bool ended;
	g_autofree char *live = test_read_all(socket, &ended);
	g_assert_true(ended);
	g_assert_nonnull(strstr(live, "Building: "));

	g_autofree char *path = g_strdup_printf("/apps/shop/builds/%s?", id);
	json_auto_t *done = test_get(test, path);
	if (strcmp(json_text_of(done, "status", ""), "complete"))
		g_test_message("%s\n%s", json_text_of(done, "reason", ""), live);
	g_assert_cmpstr(json_text_of(done, "status", ""), ==, "complete");
	g_autoptr(WebSocket) again = test_socket(test, logs, NULL);
	g_autofree char *kept = test_read_all(again, NULL);
	g_assert_cmpstr(kept, ==, live);
	return g_strdup(json_text_of(done, "release", ""));
}

/* Long-polls until the timeline's end. */
static json_t *
wait_for(TestApi *test, const char *release)
{
	gint64 after = 0;
	for (;;) {
		g_autofree char *path = g_strdup_printf(
		    "/apps/shop/releases/%s/timeline?after=%" G_GINT64_FORMAT "&wait=30s", release,
		    after);
		json_t *timeline = test_get(test, path);
		gint64 version = json_int_of(timeline, "version", 0);
		g_assert_cmpint(version, >, after);
		after = version;
		if (strcmp(json_text_of(timeline, "state", ""), "running"))
			return timeline;
		json_decref(timeline);
	}
}

static bool
is_running(gpointer data)
{
	json_auto_t *app = test_get(data, "/apps/shop?");
	return !strcmp(json_text_of(app, "status", ""), "running");
}

static void
promote(TestApi *test, const char *release, const char *state)
{
	g_autofree char *path = g_strdup_printf("/apps/shop/releases/%s/promote?", release);
	test_expect(test, "POST", path, NULL, 200, "ok\n");
	json_auto_t *timeline = wait_for(test, release);
	if (strcmp(json_text_of(timeline, "state", ""), state))
		g_test_message("%s", json_text_of(timeline, "cause", ""));
	g_assert_cmpstr(json_text_of(timeline, "state", ""), ==, state);
	test_wait(is_running, test);
}

static json_t *
only_process(TestApi *test)
{
	json_auto_t *list = test_get(test, "/apps/shop/processes?service=web");
	g_assert_cmpint(json_array_size(list), ==, 1);
	return json_incref(json_array_get(list, 0));
}

static bool
has_two(gpointer data)
{
	json_auto_t *list = test_get(data, "/apps/shop/processes?");
	return json_array_size(list) == 2;
}

static void
test_deploy(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(TestApi) test = with_app();
	g_autofree char *release = build(test);
	promote(test, release, "succeeded");
	json_auto_t *app = test_get(test, "/apps/shop?");
	g_assert_cmpstr(json_text_of(app, "release", ""), ==, release);
	json_auto_t *services = test_get(test, "/apps/shop/services?");
	g_assert_cmpstr(
	    json_text_of(json_array_get(services, 0), "domain", ""), ==, "shop-web.fake.test");
	Router *router = test->provider->router;
	g_assert_cmpint(router->ops->request(router, "shop-web.fake.test", "/", &error), ==, 200);

	json_auto_t *process = only_process(test);
	g_assert_cmpstr(json_text_of(process, "release", ""), ==, release);
	g_autofree char *path =
	    g_strdup_printf("/apps/shop/processes/%s?", json_text_of(process, "id", ""));
	json_auto_t *same = test_get(test, path);
	g_assert_cmpstr(json_text_of(same, "name", ""), ==, "web");
	test_expect(test, "DELETE", path, NULL, 200, "ok\n");
	test_expect(test, "PUT", "/apps/shop/services/web?", "count=2", 200, "ok\n");
	test_wait(has_two, test);
	test_wait(is_running, test);
	test_expect(test, "POST", "/apps/shop/services/web/restart?", NULL, 200, "ok\n");
	test_wait(is_running, test);
}

static void
test_failure(void)
{
	g_autoptr(TestApi) test = with_app();
	g_autofree char *release = build(test);
	fake_behave(test->provider, "web",
	    &(FakeBehaviour){.exits = true, .exit_code = 3, .lines = "cannot open the shop"});
	promote(test, release, "failed");
	g_autofree char *path = g_strdup_printf("/apps/shop/releases/%s?", release);
	json_auto_t *after = test_get(test, path);
	g_assert_cmpstr(json_text_of(after, "state", ""), ==, "failed");
	g_assert_nonnull(strstr(json_text_of(after, "cause", ""), "3"));
}

static void
test_cancel_build(void)
{
	g_autoptr(TestApi) test = with_app();
	fake_builds_block(test->provider, true);
	json_auto_t *started = start_build(test);
	g_assert_true(fake_builds_wait_blocked(test->provider, 1, 10000));
	g_autofree char *logs =
	    g_strdup_printf("/apps/shop/builds/%s/logs", json_text_of(started, "id", ""));
	g_autoptr(WebSocket) socket = test_socket(test, logs, NULL);
	g_autofree char *first = test_read_frame(socket);
	g_assert_cmpstr(first, !=, "");
	test_expect(test, "POST", "/apps/shop/cancel?", NULL, 200, "ok\n");
	bool ended;
	g_autofree char *rest = test_read_all(socket, &ended);
	g_assert_true(ended);
	g_autofree char *path =
	    g_strdup_printf("/apps/shop/builds/%s?", json_text_of(started, "id", ""));
	json_auto_t *build_after = test_get(test, path);
	g_assert_cmpstr(json_text_of(build_after, "status", ""), ==, "failed");
	g_assert_cmpstr(json_text_of(build_after, "reason", ""), ==, "cancelled by api");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/api-deploy/a-deploy-is-served-and-proven", test_deploy);
	g_test_add_func("/api-deploy/a-failure-tells-its-cause", test_failure);
	g_test_add_func("/api-deploy/a-build-can-be-cancelled", test_cancel_build);
	return g_test_run();
}
