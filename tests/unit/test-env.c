/*
 * Unit tests of base/env: that no way in or out changes a byte, and what is refused.
 */
#include "base/env.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"

#include <string.h>

static Env *
parse_file(const char *text)
{
	g_autoptr(GError) error = NULL;
	Env *env = env_parse_file(text, strlen(text), ".env", &error);

	g_assert_no_error(error);
	g_assert_nonnull(env);
	return env;
}

static void
assert_file_refused(const char *text, const char *message)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Env) env = env_parse_file(text, strlen(text), "bad.env", &error);

	g_assert_null(env);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_cmpstr(error->message, ==, message);
}

static void
assert_same(const Env *one, const Env *other)
{
	g_autofree char *one_hash = env_hash(one), *other_hash = env_hash(other);
	g_autofree char *change = env_describe_change(one, other);

	g_assert_cmpstr(one_hash, ==, other_hash);
	g_assert_null(change);
}

static void
the_first_equals_sign_splits(void)
{
	const char *value = "-Dfile.encoding=UTF-8 -Da=b=c";
	g_autoptr(Env) wire = env_parse_wire("OPTS=-Dfile.encoding=UTF-8 -Da=b=c", NULL);
	g_autoptr(Env) file = parse_file("OPTS=-Dfile.encoding=UTF-8 -Da=b=c\n");
	g_autofree char *text = env_text(wire);

	g_assert_cmpstr(env_get(wire, "OPTS"), ==, value);
	g_assert_cmpstr(env_get(file, "OPTS"), ==, value);
	g_assert_cmpstr(text, ==, "OPTS=-Dfile.encoding=UTF-8 -Da=b=c");
}

static void
values_that_are_set_are_literal(void)
{
	const char *const values[] = {"bar'", "'bar", "ba'r", "\"x\"", "'x'", "a\\nb\\\\c",
	    "one\ntwo=2\nthree", "  a   b\tcd  xx  ", "{{.Service.Name}}", "{{/* gone */}}kept",
	    "{{`x`}}{{\"y\"}}", "$HOME ${X} `id`", "", "\r", "#no comment", "a #b", "\x01\x7f",
	    "grün 漢字 \xF0\x9F\x9A\xA2", "back\\", "\"", "a\n", "\xEF\xBB\xBF"};
	g_autoptr(Env) env = env_new();

	for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
		g_autofree char *name = g_strdup_printf("V%" G_GSIZE_FORMAT, i);
		g_assert_true(env_set(env, name, values[i], NULL));
		g_assert_cmpstr(env_get(env, name), ==, values[i]);
	}

	json_auto_t *json = env_json(env);
	g_autoptr(Env) from_json = env_from_json(json, NULL);
	assert_same(env, from_json);
	g_autofree char *file = env_file_text(env);
	g_autoptr(Env) from_file = parse_file(file);
	assert_same(env, from_file);
}

static void
the_listing_quotes_only_what_it_must(void)
{
	g_autoptr(Env) env = env_new();
	g_assert_true(env_set(env, "A", "plain value", NULL));
	g_assert_true(env_set(env, "B", " blank", NULL));
	g_assert_true(env_set(env, "C", "two\nlines\\", NULL));
	g_assert_true(env_set(env, "D", "say \"hi\"", NULL));
	g_assert_true(env_set(env, "E", "back\\slash", NULL));
	g_assert_true(env_set(env, "#F", "1", NULL));
	g_autofree char *text = env_file_text(env);

	g_assert_cmpstr(text, ==,
	    "export #F=1\nA=plain value\nB=\" blank\"\nC=\"two\\nlines\\\\\"\n"
	    "D=\"say \\\"hi\\\"\"\nE=back\\slash\n");
}

static void
a_newline_forges_no_variable_on_the_wire(void)
{
	g_autoptr(Env) before = env_new();
	g_assert_true(env_set(before, "ML", "one\ntwo=2\nthree", NULL));
	g_assert_true(env_set(before, "BS", "a\\nb", NULL));
	g_autofree char *text = env_text(before);
	g_assert_cmpstr(text, ==, "BS=a\\nb\nML=one\\ntwo=2\\nthree");

	/* What a client does that adds one variable and sends all of them. */
	g_autofree char *sent = g_strconcat(text, "\nNEW=1", NULL);
	g_autoptr(Env) after = env_parse_wire(sent, NULL);
	env_restore_newlines(after, before);
	g_autofree char *change = env_describe_change(before, after);
	g_assert_cmpstr(change, ==, "env add:NEW");
	g_assert_cmpstr(env_get(after, "ML"), ==, "one\ntwo=2\nthree");
	g_assert_cmpstr(env_get(after, "BS"), ==, "a\\nb");
}

static void
a_windows_file_loses_its_bom_and_line_ends_only(void)
{
	g_autoptr(Env) env =
	    parse_file("\xEF\xBB\xBF"
		       "FIRST=one\r\nSECOND=two\r\n\r\n# note\r\n"
		       "URL=http://db.test:5432/a?b=c\r\nKEEP=\"l1\\r\\nl2\"\r\nLAST=no-newline");
	g_autofree char *text = env_text(env);

	g_assert_cmpuint(env_size(env), ==, 5);
	g_assert_cmpstr(env_get(env, "FIRST"), ==, "one");
	g_assert_cmpstr(env_get(env, "URL"), ==, "http://db.test:5432/a?b=c");
	g_assert_cmpstr(env_get(env, "KEEP"), ==, "l1\r\nl2");
	g_assert_cmpstr(env_get(env, "LAST"), ==, "no-newline");
}

static void
quotes_are_those_of_env_files(void)
{
	g_autoptr(Env) env =
	    parse_file("A=\"one\ntwo\nthree\"\nB=\"x\\ny\"\nC='x\\ny'\nD=x\\ny\n"
		       "E=\"say \\\"hi\\\"\"\nF=\"\"\nG=''\nH=\"tab\\t\\\\\\d$X\"\n"
		       "I='a\"b'\nJ='x'y\nK=\"x\"y\nL=\"x\" # note\nM='y'\t# note\n");

	g_assert_cmpstr(env_get(env, "A"), ==, "one\ntwo\nthree");
	g_assert_cmpstr(env_get(env, "B"), ==, "x\ny");
	g_assert_cmpstr(env_get(env, "C"), ==, "x\\ny");
	g_assert_cmpstr(env_get(env, "D"), ==, "x\\ny");
	g_assert_cmpstr(env_get(env, "E"), ==, "say \"hi\"");
	g_assert_cmpstr(env_get(env, "F"), ==, "");
	g_assert_cmpstr(env_get(env, "G"), ==, "");
	g_assert_cmpstr(env_get(env, "H"), ==, "tab\t\\\\d$X");
	g_assert_cmpstr(env_get(env, "I"), ==, "a\"b");
	g_assert_cmpstr(env_get(env, "J"), ==, "'x'y");
	g_assert_cmpstr(env_get(env, "K"), ==, "\"x\"y");
	g_assert_cmpstr(env_get(env, "L"), ==, "x");
	g_assert_cmpstr(env_get(env, "M"), ==, "y");
}

static void
blanks_comments_and_export_are_those_of_env_files(void)
{
	g_autoptr(Env) env =
	    parse_file("  # A=0\nexport B=1\n  C = 2  \nD=a#b\nE=a b # note\nF=\n"
		       "G=#x\nH=a\nH=b\nexport=3\n\t\nI= # note\nJ=$HOME ${A:-x}\n");

	g_assert_null(env_get(env, "A"));
	g_assert_cmpstr(env_get(env, "B"), ==, "1");
	g_assert_cmpstr(env_get(env, "C"), ==, "2");
	g_assert_cmpstr(env_get(env, "D"), ==, "a#b");
	g_assert_cmpstr(env_get(env, "E"), ==, "a b");
	g_assert_cmpstr(env_get(env, "F"), ==, "");
	g_assert_cmpstr(env_get(env, "G"), ==, "#x");
	g_assert_cmpstr(env_get(env, "H"), ==, "b");
	g_assert_cmpstr(env_get(env, "export"), ==, "3");
	g_assert_cmpstr(env_get(env, "I"), ==, "");
	g_assert_cmpstr(env_get(env, "J"), ==, "$HOME ${A:-x}");
}

static void
errors_name_the_file_and_the_line(void)
{
	assert_file_refused("A=1\n\n\n\n\n\n\n\nK=\"never closed\nB=2\n",
	    "bad.env:9: the quote that opens here is never closed");
	assert_file_refused(
	    "A=1\nB='x\ny'\n", "bad.env:2: the quote that opens here is never closed");
	assert_file_refused("A=\"1\n2\" junk\n", "bad.env:2: text follows the closing quote");
	assert_file_refused("A=1\nnothing\n", "bad.env:2: no \"=\" in this line; use NAME=value");
	assert_file_refused("A=\"1\n2\"\na b=1\n",
	    "bad.env:3: env name \"a b\" is not allowed: use one or more printable ASCII "
	    "characters, no blank and no \"=\"");

	g_autoptr(GError) error = NULL;
	g_assert_null(env_parse_file("A=1\nB=x\0y", 9, "bad.env", &error));
	g_assert_cmpstr(error->message, ==, "bad.env:2: a NUL byte, which no variable can hold");
}

static void
odd_names_are_data_and_impossible_ones_are_refused(void)
{
	const char *const good[] = {
	    "a-b", "cluster.name", "_X", "x1", "lower", "1X", "3SCALE_URL", "a/b", "[x]", "'q'"};
	const char *const wrong[] = {
	    "", "a b", "=v", "a=b", "a\nb", "naïve", "tab\t", "\x7f", " ", "a\x01", "\xff"};
	g_autoptr(Env) env = env_new();

	for (gsize i = 0; i < G_N_ELEMENTS(good); i++)
		g_assert_true(env_set(env, good[i], "v", NULL));
	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_false(env_set(env, wrong[i], "v", &error));
		g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
		g_assert_null(strchr(error->message, '\n'));
		g_assert_true(g_utf8_validate(error->message, -1, NULL));
		g_assert_nonnull(strstr(error->message, "printable ASCII"));
	}
	g_assert_cmpuint(env_size(env), ==, G_N_ELEMENTS(good));
}

static void
an_error_quotes_the_name_and_never_the_value(void)
{
	g_autoptr(Env) env = env_new();
	g_autoptr(GError) name_error = NULL, value_error = NULL;

	g_assert_false(env_set(env, "naïve\n", "SECRET", &name_error));
	g_assert_nonnull(strstr(name_error->message, "\"naïve\\n\""));
	g_assert_false(env_set(env, "A", "SECRET\xff", &value_error));
	g_assert_nonnull(strstr(value_error->message, "env A: "));
	g_assert_null(strstr(value_error->message, "SECRET"));
}

static void
the_wire_refuses_blank_names_and_drops_lines_without_equals(void)
{
	g_autoptr(Env) env = env_parse_wire("A=1\n\nnothing\nB=2=3\nA=4\n", NULL);
	g_autofree char *text = env_text(env);
	g_autoptr(Env) empty = env_parse_wire("", NULL);
	g_autofree char *empty_text = env_text(empty);

	g_assert_cmpstr(text, ==, "A=4\nB=2=3");
	g_assert_cmpstr(empty_text, ==, "");
	g_assert_null(env_parse_wire("A=1\n=v", NULL));
	g_assert_null(env_parse_wire(" =v", NULL));
	g_assert_null(env_parse_wire("a b=v", NULL));
}

static void
the_kernels_limit_is_ours(void)
{
	g_autoptr(Env) env = env_new();
	g_autoptr(GError) error = NULL;
	g_autofree char *fits = g_strnfill(LIMIT_ENV_ENTRY_BYTES - 4, 'x');
	g_autofree char *over = g_strnfill(LIMIT_ENV_ENTRY_BYTES - 3, 'x');

	g_assert_true(env_set(env, "BIG", fits, NULL));
	g_assert_false(env_set(env, "BIG", over, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_TOO_LARGE);
	g_assert_cmpstr(error->message, ==,
	    "env BIG: name and value together are 131072 bytes; the limit is 131071");
	g_assert_cmpstr(env_get(env, "BIG"), ==, fits);
}

static void
a_whole_environment_has_a_limit(void)
{
	g_autoptr(Env) env = env_new();
	g_autofree char *value = g_strnfill(100000, 'x');
	g_autoptr(GError) error = NULL;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 7; i++) {
			g_autofree char *name = g_strdup_printf("V%d", i);
			g_assert_true(env_set(env, name, value, NULL));
		}
	}
	g_assert_false(env_set(env, "V7", value, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_TOO_LARGE);
	g_assert_true(env_unset(env, "V0"));
	g_assert_true(env_set(env, "V7", value, NULL));

	g_autofree char *long_name = g_strnfill(256, 'N');
	g_assert_false(env_set(env, long_name, "", NULL));
}

static void
json_values_are_strings(void)
{
	const char *const wrong[] = {"[]", "{\"A\": 1}", "{\"A\": null}", "{\"\": \"v\"}",
	    "{\"A\": {\"B\": \"c\"}}", "{\"a b\": \"v\"}"};

	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
		json_auto_t *value = json_parse(wrong[i], strlen(wrong[i]), "x", NULL);
		g_autoptr(GError) error = NULL;
		g_assert_null(env_from_json(value, &error));
		g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	}
}

static void
names_come_in_order(void)
{
	g_autoptr(Env) env = env_parse_wire("b=1\na=2\nB=3\n_=4", NULL);
	g_autofree const char **names = env_names(env);
	g_autofree char *text = g_strjoinv(" ", (char **)names);

	g_assert_cmpstr(text, ==, "B _ a b");
}

static void
changes_are_described_by_name(void)
{
	g_autoptr(Env) before = env_parse_wire("A=1\nB=2\nC=3\nD=4", NULL);
	g_autoptr(Env) after = env_copy(before);
	g_assert_true(env_set(after, "Z", "1", NULL));
	g_assert_true(env_set(after, "Y", "1", NULL));
	g_assert_true(env_set(after, "B", "x", NULL));
	g_assert_true(env_unset(after, "C"));
	g_assert_false(env_unset(after, "C"));
	g_autofree char *change = env_describe_change(before, after);

	g_assert_cmpstr(change, ==, "env add:Y add:Z change:B remove:C");
}

static void
a_hash_is_of_all_names_and_values(void)
{
	g_autoptr(Env) one = env_parse_wire("A=1\nB=2", NULL);
	g_autoptr(Env) same = env_parse_wire("B=2\nA=1", NULL);
	g_autoptr(Env) other = env_parse_wire("A=1B=2", NULL);
	g_autofree char *one_hash = env_hash(one), *same_hash = env_hash(same);
	g_autofree char *other_hash = env_hash(other), *plain = text_sha256("A\0001\0B\0002\0", 8);

	g_assert_cmpstr(one_hash, ==, same_hash);
	g_assert_cmpstr(one_hash, ==, plain);
	g_assert_cmpstr(one_hash, !=, other_hash);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/env/the-first-equals-sign-splits", the_first_equals_sign_splits);
	g_test_add_func("/env/values-that-are-set-are-literal", values_that_are_set_are_literal);
	g_test_add_func(
	    "/env/the-listing-quotes-only-what-it-must", the_listing_quotes_only_what_it_must);
	g_test_add_func("/env/a-newline-forges-no-variable-on-the-wire",
	    a_newline_forges_no_variable_on_the_wire);
	g_test_add_func("/env/a-windows-file-loses-its-bom-and-line-ends-only",
	    a_windows_file_loses_its_bom_and_line_ends_only);
	g_test_add_func("/env/quotes-are-those-of-env-files", quotes_are_those_of_env_files);
	g_test_add_func("/env/blanks-comments-and-export-are-those-of-env-files",
	    blanks_comments_and_export_are_those_of_env_files);
	g_test_add_func(
	    "/env/errors-name-the-file-and-the-line", errors_name_the_file_and_the_line);
	g_test_add_func("/env/odd-names-are-data-and-impossible-ones-are-refused",
	    odd_names_are_data_and_impossible_ones_are_refused);
	g_test_add_func("/env/an-error-quotes-the-name-and-never-the-value",
	    an_error_quotes_the_name_and_never_the_value);
	g_test_add_func("/env/the-wire-refuses-blank-names-and-drops-lines-without-equals",
	    the_wire_refuses_blank_names_and_drops_lines_without_equals);
	g_test_add_func("/env/the-kernels-limit-is-ours", the_kernels_limit_is_ours);
	g_test_add_func("/env/a-whole-environment-has-a-limit", a_whole_environment_has_a_limit);
	g_test_add_func("/env/json-values-are-strings", json_values_are_strings);
	g_test_add_func("/env/names-come-in-order", names_come_in_order);
	g_test_add_func("/env/changes-are-described-by-name", changes_are_described_by_name);
	g_test_add_func(
	    "/env/a-hash-is-of-all-names-and-values", a_hash_is_of_all_names_and_values);
	return g_test_run();
}
