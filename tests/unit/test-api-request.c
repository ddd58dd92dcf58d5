/*
 * Decoding and matching of what comes from outside, without a server.
 */
#include "api/auth.h"
#include "api/form.h"
#include "api/path.h"
#include "api/request.h"

#include <string.h>

static void
expect_decoded(const char *text, bool plus, const char *expected)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *decoded = form_decode(text, strlen(text), plus, "form", &error);
	g_assert_cmpstr(decoded, ==, expected);
	g_assert_true(!expected == !!error);
}

static void
test_decode(void)
{
	expect_decoded("a%20b+c", true, "a b c");
	expect_decoded("a%20b+c", false, "a b+c");
	expect_decoded("%41%0a%c3%A9", true, "A\n\xc3\xa9");
	expect_decoded("%", true, NULL);
	expect_decoded("%4", true, NULL);
	expect_decoded("%zz", true, NULL);
	expect_decoded("a%00b", true, NULL);
}

static void
test_form(void)
{
	g_autoptr(GError) error = NULL;
	const char *text = "A=1&&B=a%3Db&C&=x&A=2&D=";
	g_autoptr(GHashTable) form = form_parse(text, strlen(text), "form", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(g_hash_table_lookup(form, "A"), ==, "1");
	g_assert_cmpstr(g_hash_table_lookup(form, "B"), ==, "a=b");
	g_assert_cmpstr(g_hash_table_lookup(form, "C"), ==, "");
	g_assert_cmpstr(g_hash_table_lookup(form, "D"), ==, "");
	g_assert_cmpstr(g_hash_table_lookup(form, ""), ==, "x");
	g_assert_null(g_hash_table_lookup(form, "E"));

	json_auto_t *map = form_parse_map("A=1&B=x+y", "parameters", &error);
	json_auto_t *expected = json_pack("{s:s, s:s}", "A", "1", "B", "x y");
	g_assert_true(json_equal(map, expected));
	g_assert_null(form_parse("A=%zz", 5, "form", &error));
	g_assert_cmpstr(
	    error->message, ==, "form: a percent sign must be followed by two hex digits");
}

/* `expected`: «name=value,name=value» in any order, or NULL for no match. */
static void
expect_match(const char *pattern, const char *path, const char *name, const char *value)
{
	g_autoptr(GHashTable) variables =
	    g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	bool matches = path_match(pattern, path, variables);
	g_assert_true(matches == (value != NULL));
	if (matches && name)
		g_assert_cmpstr(g_hash_table_lookup(variables, name), ==, value);
}

static void
test_path(void)
{
	expect_match("/apps", "/apps", NULL, "");
	expect_match("/apps", "/apps/", NULL, NULL);
	expect_match("/apps", "/app", NULL, NULL);
	expect_match("/apps", "//apps", NULL, NULL);
	expect_match("/apps", "apps", NULL, NULL);
	expect_match("/apps", "", NULL, NULL);
	expect_match("/apps/{app}", "/apps/shop", "app", "shop");
	expect_match("/apps/{app}", "/apps/a%20b%2Fc", "app", "a b/c");
	expect_match("/apps/{app}", "/apps/", "app", NULL);
	expect_match("/apps/{app}", "/apps/a%00", "app", NULL);
	expect_match("/apps/{app}", "/apps/a/b", "app", NULL);
	expect_match("/apps/{app}/builds/{b}.tgz", "/apps/a/builds/B1.tgz", "b", "B1");
	expect_match("/apps/{app}/builds/{b}.tgz", "/apps/a/builds/.tgz", "b", NULL);
	expect_match("/apps/{app}/builds/{b}.tgz", "/apps/a/builds/B1", "b", NULL);
	expect_match("/o/{key...}", "/o/a/b//c/", "key", "a/b//c/");
	expect_match("/o/{key...}", "/o/", "key", "");
	expect_match("/o/{key...}", "/o", "key", NULL);
	expect_match("/o/{key...}", "/o/https://x/v1/", "key", "https://x/v1/");
}

static void
test_options(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Request) request = request_new(NULL, "POST", "/apps?limit=5&x=query&b=true?");
	request_add_header(request, "Content-Type", "application/x-www-form-urlencoded");
	request_add_header(request, "Since", "5m0s");
	request_add_header(request, "Content-Length", "10");
	request_add_header(request, "X", "header");
	g_string_append(request->body, "x=form&n=12a");
	g_assert_true(request_parse_query(request, &error));
	g_assert_true(request_parse_form(request, &error));

	g_assert_cmpstr(request->path, ==, "/apps");
	g_assert_cmpint(request->length, ==, 10);
	g_assert_cmpstr(request_option(request, "x"), ==, "form");
	g_assert_cmpstr(request_value(request, "since"), ==, "5m0s");
	g_assert_null(request_option(request, "since"));
	g_assert_true(request_bool(request, "b", false));
	gint64 number = 7;
	g_assert_true(request_int(request, "absent", 1, 9, &number, &error));
	g_assert_cmpint(number, ==, 7);
	g_assert_true(request_int(request, "limit", 1, 9, &number, &error));
	g_assert_cmpint(number, ==, 5);
	g_assert_false(request_int(request, "n", 1, 9, &number, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_clear_error(&error);

	gint64 time = 0;
	g_assert_true(request_time(request, "since", &time, &error));
	gint64 ago = g_get_real_time() - time;
	g_assert_cmpint(ago, >=, 300 * G_USEC_PER_SEC);
	g_assert_cmpint(ago, <, 310 * G_USEC_PER_SEC);
	g_assert_false(request_time(request, "x", &time, &error));
}

static bool
is_let_in(const char *text, const char *password, Role role)
{
	g_autofree char *encoded = g_base64_encode((const guchar *)text, strlen(text));
	g_autofree char *header = g_strconcat("Basic ", encoded, NULL);
	return auth_check(header, password, role, NULL);
}

static void
test_auth(void)
{
	g_assert_true(is_let_in("convox:p@s", "p@s", ROLE_ADMIN));
	g_assert_true(is_let_in(":p@s", "p@s", ROLE_WRITE));
	g_assert_true(is_let_in("convox:p%40s", "p@s", ROLE_READ));
	g_assert_true(is_let_in("convox:p%40s", "p%40s", ROLE_READ));
	g_assert_true(is_let_in("x:a:b", "a:b", ROLE_READ));
	g_assert_false(is_let_in("convox:p@s", "p@s", ROLE_UNSET));
	g_assert_false(is_let_in("convox:p@sx", "p@s", ROLE_READ));
	g_assert_false(is_let_in("convox:", "p@s", ROLE_READ));
	g_assert_false(is_let_in("p@s", "p@s", ROLE_READ));
	g_assert_false(is_let_in("convox:", "", ROLE_READ));
	g_assert_false(auth_check(NULL, "p", ROLE_READ, NULL));
	g_assert_false(auth_check("Basic", "p", ROLE_READ, NULL));
	g_assert_false(auth_check("Basic ", "p", ROLE_READ, NULL));
	g_assert_false(auth_check("Bearer eDpw", "p", ROLE_READ, NULL));
	g_assert_true(auth_check("basic eDpw", "p", ROLE_READ, NULL));
	g_assert_true(auth_check(NULL, "p", ROLE_PUBLIC, NULL));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/api-request/escapes-are-decoded-once-and-strictly", test_decode);
	g_test_add_func("/api-request/forms-keep-the-first-of-equal-names", test_form);
	g_test_add_func("/api-request/paths-are-matched-as-they-came", test_path);
	g_test_add_func("/api-request/options-come-from-form-query-header", test_options);
	g_test_add_func("/api-request/only-the-password-opens", test_auth);
	return g_test_run();
}
