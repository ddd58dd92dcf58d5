/*
 * Unit tests of manifest/yaml: positions, limits, what is refused and with which words.
 */
#include "base/error.h"
#include "base/limits.h"
#include "manifest/yaml.h"

#include <string.h>

static YamlDocument *
load(const char *text)
{
	g_autoptr(GError) error = NULL;
	YamlDocument *document = yaml_load(text, strlen(text), "convox.yml", &error);
	g_assert_no_error(error);
	return document;
}

static void
assert_refused(const char *text, const char *message)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(YamlDocument) document = yaml_load(text, strlen(text), "convox.yml", &error);
	g_assert_null(document);
	g_assert_nonnull(error);
	g_assert_cmpstr(error->message, ==, message);
}

static void
assert_refused_with(const char *text, const char *part)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(YamlDocument) document = yaml_load(text, strlen(text), "convox.yml", &error);
	g_assert_null(document);
	g_assert_nonnull(error);
	if (strstr(error->message, part) == NULL)
		g_test_fail_printf("«%s» lacks «%s»", error->message, part);
}

static const YamlNode *
at(const YamlDocument *document, const char *one, const char *two, const char *three)
{
	const YamlNode *node = yaml_root(document);
	const char *const keys[] = {one, two, three};
	for (gsize i = 0; i < G_N_ELEMENTS(keys) && keys[i] != NULL; i++) {
		node = yaml_member(node, keys[i]);
		g_assert_nonnull(node);
	}
	return node;
}

static void
nodes_know_place_and_path(void)
{
	g_autoptr(YamlDocument) document = load("services:\n  web:\n    args: [a, {b: c}]\n");
	const YamlNode *list = at(document, "services", "web", "args");
	const YamlNode *node = yaml_member(yaml_item(list, 1), "b");
	g_assert_cmpuint(yaml_line(node), ==, 3);
	g_assert_cmpuint(yaml_column(node), ==, 19);

	g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
	yaml_problem(problems, node, "is %s", yaml_text(node));
	g_assert_cmpstr(problems->pdata[0], ==, "convox.yml:3:19: services.web.args[1].b: is c");
}

static void
scalars_keep_their_spelling(void)
{
	g_autoptr(YamlDocument) document =
	    load("a: 22:22\nb: 010\nc: No\nd: '~'\ne: ~\nf:\ng: |\n  two\n  lines\n");
	g_assert_cmpstr(yaml_text(at(document, "a", NULL, NULL)), ==, "22:22");
	g_assert_cmpstr(yaml_text(at(document, "b", NULL, NULL)), ==, "010");
	g_assert_cmpstr(yaml_text(at(document, "c", NULL, NULL)), ==, "No");
	g_assert_false(yaml_is_quoted(at(document, "c", NULL, NULL)));
	g_assert_cmpstr(yaml_text(at(document, "d", NULL, NULL)), ==, "~");
	g_assert_true(yaml_is_quoted(at(document, "d", NULL, NULL)));
	g_assert_cmpint(yaml_kind(at(document, "e", NULL, NULL)), ==, YAML_NULL);
	g_assert_cmpint(yaml_kind(at(document, "f", NULL, NULL)), ==, YAML_NULL);
	g_assert_cmpstr(yaml_text(at(document, "g", NULL, NULL)), ==, "two\nlines\n");
}

static void
an_empty_text_is_null(void)
{
	g_autoptr(YamlDocument) empty = load("");
	g_autoptr(YamlDocument) comment = load("# nothing\n");
	g_assert_cmpint(yaml_kind(yaml_root(empty)), ==, YAML_NULL);
	g_assert_cmpint(yaml_kind(yaml_root(comment)), ==, YAML_NULL);
}

static void
a_byte_order_mark_and_crlf_are_no_text(void)
{
	g_autoptr(YamlDocument) document = load("\xef\xbb\xbf"
						"a: 1\r\nb: 2\r\n");
	g_assert_cmpstr(yaml_text(at(document, "a", NULL, NULL)), ==, "1");
	g_assert_cmpuint(yaml_line(at(document, "b", NULL, NULL)), ==, 2);
}

static void
an_indenting_tab_is_named_with_its_place(void)
{
	assert_refused("services:\n  web:\n\tbuild: .\n",
	    "convox.yml:3:1: a tab is used to indent; YAML allows blanks only");
	assert_refused("services:\n  web:\n  \tbuild: .\n    port: 1\n",
	    "convox.yml:3:3: a tab is used to indent; YAML allows blanks only");
}

static void
tabs_elsewhere_are_accepted(void)
{
	g_autoptr(YamlDocument) document = load("build:\t.\nlist:\n  - \"A=a\tb\"\n");
	g_assert_cmpstr(yaml_text(at(document, "build", NULL, NULL)), ==, ".");
	g_assert_cmpstr(yaml_text(yaml_item(at(document, "list", NULL, NULL), 0)), ==, "A=a\tb");
}

static void
duplicate_keys_are_refused_with_both_lines(void)
{
	assert_refused("services:\n  web:\n    build: .\n\n  web:\n    build: two\n",
	    "convox.yml:5:3: services.web: the key «web» stands twice: here and on line 2");
	assert_refused_with("a: {b: 1, b: 2}\n", "a.b: the key «b» stands twice");
}

static void
merge_keys_give_way_to_own_ones(void)
{
	g_autoptr(YamlDocument) document = load("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\n"
						"c:\n  <<: [*a, *b]\n  x: own\nd:\n  \"<<\": *a\n");
	const YamlNode *c = at(document, "c", NULL, NULL);
	g_assert_cmpuint(yaml_size(c), ==, 3);
	g_assert_cmpstr(yaml_key(c, 0), ==, "x");
	g_assert_cmpstr(yaml_text(yaml_member(c, "x")), ==, "own");
	g_assert_cmpstr(yaml_text(yaml_member(c, "y")), ==, "1");
	g_assert_cmpstr(yaml_text(yaml_member(c, "z")), ==, "2");
	g_assert_null(yaml_member(c, "<<"));
	g_assert_cmpstr(yaml_text(at(document, "d", "y", NULL)), ==, "1");
	assert_refused("a: {<<: 1}\n", "convox.yml:1:9: a.<<: << takes a map or a list of maps");
}

static void
merged_nodes_have_the_path_of_where_they_are_used(void)
{
	g_autoptr(YamlDocument) document = load("a: &a {x: 1}\nb:\n  <<: *a\n");
	g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
	yaml_problem(problems, at(document, "b", "x", NULL), "here");
	g_assert_cmpstr(problems->pdata[0], ==, "convox.yml:1:11: b.x: here");
}

static void
bombs_end_at_the_limits(void)
{
	g_autoptr(GString) bomb = g_string_new("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
	for (unsigned i = 1; i < 9; i++) {
		g_string_append_printf(bomb, "a%u: &a%u [", i, i);
		for (unsigned k = 0; k < 9; k++)
			g_string_append_printf(bomb, "%s*a%u", k > 0 ? "," : "", i - 1);
		g_string_append(bomb, "]\n");
	}
	assert_refused_with(bomb->str, "too many aliases");

	g_autofree char *deep = g_strnfill(200000, '[');
	assert_refused_with(deep, "too deep: more than 32 levels");

	g_autofree char *large = g_strnfill(LIMIT_MANIFEST_BYTES + 1, ' ');
	assert_refused_with(large, "too large");

	g_autoptr(GString) wide = g_string_new("[");
	for (unsigned i = 0; i < LIMIT_YAML_NODES; i++)
		g_string_append(wide, "a,");
	g_string_append_c(wide, ']');
	assert_refused_with(wide->str, "too large: more than 100000 values");
}

static void
an_alias_inside_of_itself_is_refused(void)
{
	assert_refused("services: &s\n  web: *s\n",
	    "convox.yml:2:8: services.web: the alias *s stands inside of what it names");
	assert_refused("a: *b\n", "convox.yml:1:4: a: unknown alias *b");
}

static void
broken_yaml_says_where(void)
{
	assert_refused("services: [\n",
	    "convox.yml:2:1: did not find expected node content while parsing a flow node (begun "
	    "on line 2)");
	assert_refused_with("a: 1\n---\nb: 2\n", "convox.yml:2:1: a second document");
	assert_refused_with("a: \x01\n", "convox.yml:1:4: control characters are not allowed");
	assert_refused_with("a: 1\nb: \xff\n", "convox.yml:2:1: the line is not UTF-8 text");
	assert_refused_with("a: \"x\\0y\"\n", "convox.yml:1:4: a: a NUL in text is not allowed");
	assert_refused_with("? [a]\n: b\n", "a key must be text");
	assert_refused_with("e:\n  - *\nb: 1\n", "write a lone * in quotes");
}

static const char *
lookup(gpointer data, const char *name)
{
	return strcmp(name, "GOOD") == 0 ? data : NULL;
}

static YamlDocument *
load_filled(const char *text, const char *value)
{
	g_autoptr(GError) error = NULL;
	YamlDocument *document = yaml_load_interpolated(
	    text, strlen(text), "convox.yml", lookup, (gpointer)value, &error);
	g_assert_no_error(error);
	return document;
}

static void
variables_are_filled_in_anywhere(void)
{
	g_autoptr(YamlDocument) document = load_filled(
	    "a: {n: ${GOOD}, m: x${GOOD}${NO}y} # ${comment: [\n"
	    "b: '${GOOD}'\n${GOOD}: key\nc: ${NO}\nd: make ${NO} test\ne: $GOOD ${GOOD\n",
	    "7");
	g_assert_cmpstr(yaml_text(at(document, "a", "n", NULL)), ==, "7");
	g_assert_cmpstr(yaml_text(at(document, "a", "m", NULL)), ==, "x7y");
	g_assert_cmpstr(yaml_text(at(document, "b", NULL, NULL)), ==, "7");
	g_assert_cmpstr(yaml_text(at(document, "7", NULL, NULL)), ==, "key");
	g_assert_cmpint(yaml_kind(at(document, "c", NULL, NULL)), ==, YAML_NULL);
	g_assert_true(yaml_is_filled(at(document, "c", NULL, NULL)));
	g_assert_cmpstr(yaml_text(at(document, "d", NULL, NULL)), ==, "make  test");
	g_assert_cmpstr(yaml_text(at(document, "e", NULL, NULL)), ==, "$GOOD ${GOOD");
}

static void
a_value_cannot_change_the_structure(void)
{
	const char *evil = "x\n    EVIL: 1 # \" ' }";
	g_autoptr(YamlDocument) document =
	    load_filled("a:\n  b: ${GOOD}\n  c: \"${GOOD}\"\n", evil);
	g_assert_cmpuint(yaml_size(at(document, "a", NULL, NULL)), ==, 2);
	g_assert_cmpstr(yaml_text(at(document, "a", "b", NULL)), ==, evil);
	g_assert_cmpstr(yaml_text(at(document, "a", "c", NULL)), ==, evil);
}

static void
positions_are_those_of_the_file_as_written(void)
{
	g_autoptr(YamlDocument) document =
	    load_filled("a: {b: ${GOOD}, é: ${NO}, c: here}\n", "a very long value");
	g_assert_cmpuint(yaml_column(at(document, "a", "c", NULL)), ==, 30);
}

static void
marks_of_our_own_are_refused_in_the_text(void)
{
	const char *text = "a: 1\nb: \U000f0000\n";
	g_autoptr(GError) error = NULL;
	g_autoptr(YamlDocument) document =
	    yaml_load_interpolated(text, strlen(text), "convox.yml", lookup, NULL, &error);
	g_assert_null(document);
	g_assert_cmpstr(
	    error->message, ==, "convox.yml:2:4: private-use characters are not allowed");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/yaml/nodes-know-place-and-path", nodes_know_place_and_path);
	g_test_add_func("/yaml/scalars-keep-their-spelling", scalars_keep_their_spelling);
	g_test_add_func("/yaml/an-empty-text-is-null", an_empty_text_is_null);
	g_test_add_func(
	    "/yaml/a-byte-order-mark-and-crlf-are-no-text", a_byte_order_mark_and_crlf_are_no_text);
	g_test_add_func("/yaml/an-indenting-tab-is-named-with-its-place",
	    an_indenting_tab_is_named_with_its_place);
	g_test_add_func("/yaml/tabs-elsewhere-are-accepted", tabs_elsewhere_are_accepted);
	g_test_add_func("/yaml/duplicate-keys-are-refused-with-both-lines",
	    duplicate_keys_are_refused_with_both_lines);
	g_test_add_func("/yaml/merge-keys-give-way-to-own-ones", merge_keys_give_way_to_own_ones);
	g_test_add_func("/yaml/merged-nodes-have-the-path-of-where-they-are-used",
	    merged_nodes_have_the_path_of_where_they_are_used);
	g_test_add_func("/yaml/bombs-end-at-the-limits", bombs_end_at_the_limits);
	g_test_add_func(
	    "/yaml/an-alias-inside-of-itself-is-refused", an_alias_inside_of_itself_is_refused);
	g_test_add_func("/yaml/broken-yaml-says-where", broken_yaml_says_where);
	g_test_add_func("/yaml/variables-are-filled-in-anywhere", variables_are_filled_in_anywhere);
	g_test_add_func(
	    "/yaml/a-value-cannot-change-the-structure", a_value_cannot_change_the_structure);
	g_test_add_func("/yaml/positions-are-those-of-the-file-as-written",
	    positions_are_those_of_the_file_as_written);
	g_test_add_func("/yaml/marks-of-our-own-are-refused-in-the-text",
	    marks_of_our_own_are_refused_in_the_text);
	return g_test_run();
}
