/*
 * Unit tests of base/json: strictness, defaults, and that errors do not tell what was in the text.
 */
#include "base/error.h"
#include "base/json.h"

#include <string.h>

static void
assert_refused(const char *text)
{
	g_autoptr(GError) error = NULL;
	json_auto_t *value = json_parse(text, strlen(text), "body", &error);

	g_assert_null(value);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_true(g_str_has_prefix(error->message, "body:"));
	g_assert_null(strstr(error->message, "SECRET"));
}

static void
parsing_is_strict(void)
{
	g_autofree char *deep = g_strnfill(100000, '[');

	assert_refused("");
	assert_refused("{\"SECRET\": 1, \"SECRET\": 2}");
	assert_refused("{\"a\": SECRET}");
	assert_refused("{\"a\": \"SECRET");
	assert_refused("{} SECRET");
	assert_refused("[01]");
	assert_refused("\"\\u0000\"");
	assert_refused("\"\xff\"");
	assert_refused("[1e9999]");
	assert_refused(deep);
}

static void
any_value_can_stand_alone(void)
{
	json_auto_t *text = json_parse("\"a\"", 3, "x", NULL);
	json_auto_t *null = json_parse("null", 4, "x", NULL);

	g_assert_cmpstr(json_string_value(text), ==, "a");
	g_assert_true(json_is_null(null));
}

static void
numbers_beyond_64_bits_are_read(void)
{
	const char *text = "{\"limit\": 18446744073709551615, \"current\": 3}";
	json_auto_t *value = json_parse(text, strlen(text), "stats", NULL);

	g_assert_nonnull(value);
	g_assert_cmpint(json_int_of(value, "limit", 0), ==, G_MAXINT64);
	g_assert_cmpint(json_int_of(value, "current", 0), ==, 3);
}

static void
text_is_compact_or_as_the_wire_has_it(void)
{
	json_auto_t *value = json_pack("{s:i, s:[s]}", "b", 1, "a", "x");
	g_autofree char *compact = json_text(value, false), *indented = json_text(value, true);
	g_autofree char *nothing = json_text(NULL, false);

	g_assert_cmpstr(compact, ==, "{\"b\":1,\"a\":[\"x\"]}");
	g_assert_cmpstr(indented, ==, "{\n  \"b\": 1,\n  \"a\": [\n    \"x\"\n  ]\n}\n");
	g_assert_cmpstr(nothing, ==, "null");
}

static void
typed_reading_names_what_is_wrong(void)
{
	json_auto_t *value = json_pack("{s:s}", "name", "web");
	g_autoptr(GError) error = NULL;
	const char *name = NULL;
	int count;

	g_assert_true(json_read(value, "service", NULL, "{s:s}", "name", &name));
	g_assert_cmpstr(name, ==, "web");
	g_assert_false(json_read(value, "service", &error, "{s:i}", "count", &count));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	g_assert_true(g_str_has_prefix(error->message, "service: "));
	g_assert_nonnull(strstr(error->message, "count"));
}

static void
members_have_defaults(void)
{
	json_auto_t *value =
	    json_pack("{s:s, s:i, s:b, s:n, s:f}", "t", "x", "i", 7, "b", 1, "n", "f", 2.5);

	g_assert_cmpstr(json_text_of(value, "t", "d"), ==, "x");
	g_assert_cmpstr(json_text_of(value, "i", "d"), ==, "d");
	g_assert_cmpstr(json_text_of(value, "n", "d"), ==, "d");
	g_assert_cmpstr(json_text_of(NULL, "t", "d"), ==, "d");
	g_assert_cmpint(json_int_of(value, "i", 1), ==, 7);
	g_assert_cmpint(json_int_of(value, "t", 1), ==, 1);
	g_assert_cmpint(json_int_of(value, "f", 1), ==, 1);
	g_assert_true(json_bool_of(value, "b", false));
	g_assert_true(json_bool_of(value, "t", true));
}

static void
nested_members_are_walked(void)
{
	json_auto_t *value = json_pack("{s:{s:{s:s}}}", "State", "Health", "Status", "healthy");

	g_assert_cmpstr(
	    json_string_value(json_at(value, "State", "Health", "Status", NULL)), ==, "healthy");
	g_assert_null(json_at(value, "State", "Missing", "Status", NULL));
	g_assert_null(json_at(value, "State", "Health", "Status", "more", NULL));
	g_assert_true(json_is_object(json_at(value, "State", NULL)));
}

static void
bad_bytes_become_replacement_characters(void)
{
	json_auto_t *bad = json_text_value("a\xff\xfe"
					   "b\xc3");
	json_auto_t *good = json_text_value("grün");
	json_auto_t *null = json_text_value(NULL);

	g_assert_cmpstr(json_string_value(bad), ==,
	    "a\xEF\xBF\xBD\xEF\xBF\xBD"
	    "b\xEF\xBF\xBD");
	g_assert_cmpstr(json_string_value(good), ==, "grün");
	g_assert_true(json_is_null(null));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/json/parsing-is-strict", parsing_is_strict);
	g_test_add_func("/json/any-value-can-stand-alone", any_value_can_stand_alone);
	g_test_add_func("/json/numbers-beyond-64-bits-are-read", numbers_beyond_64_bits_are_read);
	g_test_add_func(
	    "/json/text-is-compact-or-as-the-wire-has-it", text_is_compact_or_as_the_wire_has_it);
	g_test_add_func(
	    "/json/typed-reading-names-what-is-wrong", typed_reading_names_what_is_wrong);
	g_test_add_func("/json/members-have-defaults", members_have_defaults);
	g_test_add_func("/json/nested-members-are-walked", nested_members_are_walked);
	g_test_add_func("/json/bad-bytes-become-replacement-characters",
	    bad_bytes_become_replacement_characters);
	return g_test_run();
}
