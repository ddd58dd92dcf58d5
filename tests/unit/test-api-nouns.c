/*
 * Apps, builds, releases and the rack over the wire: exact bytes where clients print or compare
 * them, members where they only read.
 */
#include "api.h"
#include "base/text.h"

#include <string.h>

static TestApi *
with_app(void)
{
	TestApi *test = test_api_new();
	g_autoptr(HttpAnswer) answer = test_call(test, "POST", "/apps", "name=shop");
	g_assert_cmpint(answer->status, ==, 200);
	return test;
}

static const char *
member(json_t *value, const char *name)
{
	return json_text_of(value, name, "(absent)");
}

static void
test_apps(void)
{
	static const char shop[] = "{\n"
				   "  \"generation\": \"2\",\n"
				   "  \"locked\": false,\n"
				   "  \"name\": \"shop\",\n"
				   "  \"release\": \"\",\n"
				   "  \"router\": \"fake.test\",\n"
				   "  \"status\": \"running\",\n"
				   "  \"parameters\": {}\n"
				   "}\n";
	g_autoptr(TestApi) test = test_api_new();
	test_expect(test, "GET", "/apps?", NULL, 200, "[]\n");
	test_expect(test, "POST", "/apps?", "name=shop", 200, shop);
	test_expect(test, "GET", "/apps/shop?", NULL, 200, shop);
	test_expect(test, "POST", "/apps", "name=shop", 409, "app name already in use: shop\n");
	g_autoptr(HttpAnswer) bad = test_call(test, "POST", "/apps", "name=Shop_1");
	g_assert_cmpint(bad->status, ==, 400);

	g_autoptr(HttpAnswer) other = test_call(test, "POST", "/apps", "name=api&generation=2");
	g_assert_cmpint(other->status, ==, 200);
	json_auto_t *list = test_get(test, "/apps?");
	g_assert_cmpint(json_array_size(list), ==, 2);
	g_assert_cmpstr(member(json_array_get(list, 0), "name"), ==, "api");
	test_expect(test, "GET", "/apps/shop/budget?", NULL, 200,
	    "{\n  \"config\": null,\n  \"state\": null\n}\n");
}

static bool
is_deleted(gpointer data)
{
	g_autoptr(HttpAnswer) answer = test_call(data, "GET", "/apps/shop?", NULL);
	return answer->status == 404 && !strcmp(answer->body, "no such app: shop\n");
}

static void
test_lock(void)
{
	g_autoptr(TestApi) test = with_app();
	test_expect(test, "PUT", "/apps/shop?", "lock=true", 200, "ok\n");
	json_auto_t *locked = test_get(test, "/apps/shop");
	g_assert_true(json_bool_of(locked, "locked", false));
	g_autoptr(HttpAnswer) refused = test_call(test, "DELETE", "/apps/shop?", NULL);
	g_assert_cmpint(refused->status, ==, 403);

	test_expect(test, "PUT", "/apps/shop?", "parameters=StabilitySeconds%3D3", 200, "ok\n");
	json_auto_t *changed = test_get(test, "/apps/shop");
	g_assert_true(json_bool_of(changed, "locked", false));
	g_assert_cmpstr(
	    member(json_object_get(changed, "parameters"), "StabilitySeconds"), ==, "3");

	test_expect(test, "PUT", "/apps/shop?", "lock=false", 200, "ok\n");
	test_expect(test, "POST", "/apps/shop/cancel?", NULL, 403, "app is not updating\n");
	test_expect(test, "DELETE", "/apps/shop?", NULL, 200, "ok\n");
	test_wait(is_deleted, test);
}

static char *
release(TestApi *test, const char *form)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(HttpAnswer) answer = test_call(test, "POST", "/apps/shop/releases?", form);
	if (answer->status != 200)
		g_test_message("%s", answer->body);
	g_assert_cmpint(answer->status, ==, 200);
	json_auto_t *value = json_parse(answer->body, answer->length, "release", &error);
	g_assert_no_error(error);
	g_assert_true(text_is_id(member(value, "id"), 'R'));
	return g_strdup(member(value, "id"));
}

static json_t *
get_release(TestApi *test, const char *id)
{
	g_autofree char *path = g_strdup_printf("/apps/shop/releases/%s?", id);
	return test_get(test, path);
}

static void
test_env(void)
{
	g_autoptr(TestApi) test = with_app();
	g_autofree char *first = release(test, "env=B%3Dtwo%0AA%3D1%0AD%3Da%3Db");
	json_auto_t *one = get_release(test, first);
	g_assert_cmpstr(member(one, "env"), ==, "A=1\nB=two\nD=a=b");
	g_assert_cmpstr(member(one, "description"), ==, "env add:A add:B add:D");
	g_assert_cmpstr(member(one, "state"), ==, "created");

	/* Values of the object form are byte-exact. */
	g_autofree char *second = release(test,
	    "environment=%7B%22PEM%22%3A%22a%5Cnb%20%3D%20%24%7BX%7D%22%2C%22A%22%3A%221%22%7D&"
	    "description=by+hand");
	json_auto_t *two = get_release(test, second);
	g_assert_cmpstr(member(json_object_get(two, "environment"), "PEM"), ==, "a\nb = ${X}");
	g_assert_cmpstr(member(two, "description"), ==, "by hand");

	/* Without env: the latest one's. With an empty one: none. */
	g_autofree char *third = release(test, "description=same");
	json_auto_t *three = get_release(test, third);
	g_assert_true(
	    json_equal(json_object_get(two, "environment"), json_object_get(three, "environment")));
	g_autofree char *fourth = release(test, "env=");
	json_auto_t *four = get_release(test, fourth);
	g_assert_cmpstr(member(four, "env"), ==, "");

	g_autofree char *odd = release(test, "description=caf%e9");
	json_auto_t *fifth = get_release(test, odd);
	g_assert_cmpstr(member(fifth, "description"), ==, "caf\xef\xbf\xbd");

	json_auto_t *latest = test_get(test, "/apps/shop/releases?limit=1?");
	g_assert_cmpint(json_array_size(latest), ==, 1);
	g_assert_cmpstr(member(json_array_get(latest, 0), "id"), ==, odd);
	json_auto_t *all = test_get(test, "/apps/shop/releases?");
	g_assert_cmpint(json_array_size(all), ==, 5);

	test_expect(test, "POST", "/apps/shop/releases", "env=A%3D1&environment=%7B%7D", 400,
	    "env and environment exclude one another\n");
	g_autoptr(HttpAnswer) bad =
	    test_call(test, "POST", "/apps/shop/releases", "environment=%7B%22A%22%3A1%7D");
	g_assert_cmpint(bad->status, ==, 400);
	g_autoptr(HttpAnswer) broken =
	    test_call(test, "POST", "/apps/shop/releases", "environment=%7B");
	g_assert_cmpint(broken->status, ==, 400);
	test_expect(test, "GET", "/apps/shop/releases/RXXXXXXXXXX?", NULL, 404,
	    "no such release: RXXXXXXXXXX\n");
	test_expect(test, "GET", "/apps/shop/releases?limit=0", NULL, 400,
	    "limit: \"0\" is not a whole number between 1 and 1000\n");
}

static void
test_builds(void)
{
	g_autoptr(TestApi) test = with_app();
	test_expect(test, "GET", "/apps/shop/builds?", NULL, 200, "[]\n");
	test_expect(test, "GET", "/apps/shop/builds/BXXXXXXXXXX?", NULL, 404,
	    "no such build: BXXXXXXXXXX\n");
	g_autoptr(HttpAnswer) other =
	    test_call(test, "POST", "/apps/shop/builds?", "url=object%3A%2F%2Fother%2Fx");
	g_assert_cmpint(other->status, ==, 400);

	/* An archive that is none: the build fails with a reason. */
	g_autoptr(HttpAnswer) object =
	    test_call(test, "POST", "/apps/shop/objects/tmp/a.tgz?", "no archive");
	g_assert_cmpint(object->status, ==, 200);
	g_autoptr(HttpAnswer) answer = test_call(test, "POST", "/apps/shop/builds?",
	    "url=object%3A%2F%2Fshop%2Ftmp%2Fa.tgz&description=first&git-sha=abc&build-args=A%"
	    "3D1%2CB%3D2&wildcard-domain=true");
	g_assert_cmpint(answer->status, ==, 200);
	json_auto_t *build = json_parse(answer->body, answer->length, "build", NULL);
	g_assert_true(text_is_id(member(build, "id"), 'B'));
	g_assert_cmpstr(member(build, "description"), ==, "first");
	g_assert_cmpstr(member(build, "git-sha"), ==, "abc");

	g_autofree char *logs = g_strdup_printf("/apps/shop/builds/%s/logs", member(build, "id"));
	g_autoptr(WebSocket) socket = test_socket(test, logs, NULL);
	bool ended;
	g_autofree char *text = test_read_all(socket, &ended);
	g_assert_true(ended);
	g_assert_nonnull(strstr(text, "ERROR: "));
	g_autofree char *path = g_strdup_printf("/apps/shop/builds/%s?", member(build, "id"));
	json_auto_t *after = test_get(test, path);
	g_assert_cmpstr(member(after, "status"), ==, "failed");
	g_assert_cmpstr(member(after, "reason"), !=, "");

	g_autofree char *put = g_strdup_printf("/apps/shop/builds/%s", member(build, "id"));
	g_autoptr(HttpAnswer) updated = test_call(test, "PUT", put, "manifest=a%3A+1");
	g_assert_cmpint(updated->status, ==, 200);
	json_auto_t *amended = test_get(test, path);
	g_assert_cmpstr(member(amended, "manifest"), ==, "a: 1");
}

static void
test_system(void)
{
	g_autoptr(TestApi) test = with_app();
	json_auto_t *rack = test_get(test, "/system?");
	g_assert_cmpstr(member(rack, "version"), ==, "20260101000000");
	g_assert_cmpstr(member(rack, "name"), ==, "fake");
	g_assert_cmpstr(member(rack, "status"), ==, "running");
	json_auto_t *processes = test_get(test, "/system/processes?all=true?");
	g_assert_cmpint(json_array_size(processes), ==, 1);
	g_assert_cmpstr(member(json_array_get(processes, 0), "name"), ==, "api");
	json_auto_t *releases = test_get(test, "/system/releases?");
	g_assert_cmpstr(member(json_array_get(releases, 0), "id"), ==, "20260101000000");
	json_auto_t *capacity = test_get(test, "/system/capacity?");
	g_assert_cmpint(json_int_of(capacity, "cluster-cpu", 0), ==, 4096);

	fake_engine_down(test->provider, "the engine is away: 100% sure");
	test_expect(
	    test, "GET", "/apps/shop/processes?", NULL, 503, "the engine is away: 100% sure\n");
	test_expect(test, "GET", "/apps?", NULL, 200,
	    "[\n  {\n    \"generation\": \"2\",\n    \"locked\": false,\n    \"name\": \"shop\",\n"
	    "    \"release\": \"\",\n    \"router\": \"fake.test\",\n    \"status\": "
	    "\"running\",\n    \"parameters\": {}\n  }\n]\n");
	fake_engine_down(test->provider, NULL);
}

static void
test_services(void)
{
	g_autoptr(TestApi) test = with_app();
	test_expect(test, "GET", "/apps/shop/services?", NULL, 200, "[]\n");
	test_expect(test, "GET", "/apps/shop/processes?", NULL, 200, "[]\n");
	test_expect(test, "GET", "/apps/shop/processes/0123456789ab?", NULL, 404,
	    "no such process: 0123456789ab\n");
	test_expect(test, "PUT", "/apps/shop/services/web?", "", 400,
	    "nothing to change: give count, cpu or memory\n");
	test_expect(test, "PUT", "/apps/shop/services/web?", "count=1001", 400,
	    "count: \"1001\" is not a whole number between 0 and 1000\n");
	g_autoptr(HttpAnswer) unknown =
	    test_call(test, "POST", "/apps/shop/services/web/restart?", NULL);
	g_assert_cmpint(unknown->status, ==, 404);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/api-nouns/apps-have-exact-bytes", test_apps);
	g_test_add_func("/api-nouns/a-locked-app-stays", test_lock);
	g_test_add_func("/api-nouns/environments-are-byte-exact", test_env);
	g_test_add_func("/api-nouns/builds-say-why-they-failed", test_builds);
	g_test_add_func("/api-nouns/the-rack-tells-of-itself", test_system);
	g_test_add_func("/api-nouns/services-need-a-release", test_services);
	return g_test_run();
}
