/*
 * Unit tests of manifest/ignore. The expected values are those of moby's patternmatcher 0.6 and of
 * docker builds.
 */
#include "base/error.h"
#include "manifest/ignore.h"

#include <string.h>

static Ignore *
parse(const char *text)
{
	g_autoptr(GError) error = NULL;
	Ignore *ignore = ignore_parse(text, strlen(text), ".dockerignore", &error);
	g_assert_no_error(error);
	return ignore;
}

static void
assert_refused(const char *text, const char *message)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Ignore) ignore = ignore_parse(text, strlen(text), ".dockerignore", &error);
	g_assert_null(ignore);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_cmpstr(error->message, ==, message);
}

/* What a walk over `paths` keeps, folders entered only as far as is said. */
static void
assert_keeps(const char *text, const char *const *paths, const char *expected)
{
	g_autoptr(Ignore) ignore = parse(text);
	g_autoptr(GString) kept = g_string_new(NULL);
	for (; *paths != NULL; paths++) {
		bool reached = true;
		for (const char *slash = strchr(*paths, '/'); slash != NULL && reached;
		     slash = strchr(slash + 1, '/')) {
			g_autofree char *folder = g_strndup(*paths, (gsize)(slash - *paths));
			reached = !ignore_matches(ignore, folder) ||
				  ignore_may_reach_inside(ignore, folder);
		}
		if (reached && !ignore_matches(ignore, *paths))
			g_string_append_printf(kept, "%s%s", kept->len > 0 ? " " : "", *paths);
	}
	g_assert_cmpstr(kept->str, ==, expected);
}

static void
an_exception_reaches_into_ignored_folders(void)
{
	const char *const paths[] = {".dockerignore", ".env", "Dockerfile", "itin/src/m.scala",
	    "itin/target/app.jar", "itin/target/other.jar", NULL};
	assert_keeps("**\n!itin/target/app.jar\n", paths, "itin/target/app.jar");
}

static void
patterns_are_anchored_at_the_root(void)
{
	const char *const paths[] = {
	    "bin/x", "dist/a", "rel/app/bin/y", "src/dist/b", "sub/tmp/b", "tmp/a", NULL};
	assert_keeps("bin\n/tmp\ndist/\n", paths, "rel/app/bin/y src/dist/b sub/tmp/b");
}

static void
a_slash_at_the_end_of_an_exception_does_not_count(void)
{
	const char *const paths[] = {
	    ".env", ".git/HEAD", "Procfile", "foo/app/main", "foo/other", NULL};
	assert_keeps("*\n.*\n!foo/app/\n!Procfile\n", paths, "Procfile foo/app/main");
}

static void
the_last_pattern_that_matches_decides(void)
{
	const char *const paths[] = {"README-secret.md", "README.md", "sub/y.md", "x.md", NULL};
	assert_keeps("*.md\n!README*.md\nREADME-secret.md\n", paths, "README.md sub/y.md");
}

static void
exceptions_with_wildcards_reach_into_folders(void)
{
	const char *const paths[] = {"a/b/keep.go", "a/b/x.c", "main.go", "node/x", NULL};
	assert_keeps("*\n!**/*.go\n", paths, "a/b/keep.go main.go");
	assert_keeps("*\n!*/b/keep*\n", paths, "a/b/keep.go");
}

static void
files_from_windows_are_read(void)
{
	const char *const paths[] = {"keep", "node_modules/a/i.js", "space name", "x.log", NULL};
	assert_keeps(
	    "\xef\xbb\xbfnode_modules\r\n*.log\r\n\r\n  # not a comment?  \r\nspace name\r\n",
	    paths, "keep");
}

static void
only_the_first_byte_makes_a_comment(void)
{
	const char *const paths[] = {"# x", "a", NULL};
	assert_keeps("#a\n  # x\n", paths, "a");
}

static void
malformed_patterns_are_refused_with_their_line(void)
{
	assert_refused("ok\n[z-a]\n", ".dockerignore line 2: syntax error in pattern");
	assert_refused("[\n", ".dockerignore line 1: syntax error in pattern");
	assert_refused("a\n\nb\\\n", ".dockerignore line 3: syntax error in pattern");
	assert_refused("!\n", ".dockerignore line 1: a lone ! is no exception, name what to keep");
}

static const struct {
	const char *pattern;
	const char *path;
	bool matches;
} cases[] = {
    {"**", "a/b", true},
    {"**/", "a", true},
    {"**/**", "dir/file/", true},
    {"dir/**", "dir/file", true},
    {"dir/**", "dir", false},
    {"**/dir2/*", "dir/dir2/file", true},
    {"**/dir2/*", "dir/dir2/dir2/file", true},
    {"**file", "file", true},
    {"**file", "dir/dir/file", true},
    {"**/file", "dir/filex", false},
    {"**/file*.txt", "dir/dir/file.txt", true},
    {"a**/*.txt", "a/file/dir/file.txt", true},
    {"a/*.txt", "a/dir/file.txt", false},
    {"a[b-d]e", "ace", true},
    {"a[b-d]e", "aae", false},
    {"a[\\-x]", "ax", true},
    {"a[^b]c", "adc", true},
    {"[[:digit:]]?", "1é", true},
    {"a?c", "a/c", false},
    {"a.+b", "a.+b", true},
    {"a.+b*", "axxb", false},
    {"a{b}|c*", "a{b}|cd", true},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"a/./b/../c", "a/c", true},
    {"a/b/", "a/b/c", true},
    {"é?", "é\xff", true},
    {"*", "a\nb", true},
    {"foo**", "foobar/x", true},
    {".foo/*", ".foo/bar/x", true},
};

static void
single_patterns_match_as_the_engine_does(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Ignore) ignore = parse(cases[i].pattern);
		if (ignore_matches(ignore, cases[i].path) != cases[i].matches)
			g_test_fail_printf("%s against %s", cases[i].pattern, cases[i].path);
	}
}

static void
many_stars_take_no_long_time(void)
{
	g_autoptr(GString) pattern = g_string_new(NULL);
	g_autoptr(GString) path = g_string_new(NULL);
	for (unsigned i = 0; i < 100; i++)
		g_string_append(pattern, "**/*a*/");
	for (unsigned i = 0; i < 1000; i++)
		g_string_append(path, "aa/");
	g_string_append_c(path, 'b');
	g_autoptr(Ignore) ignore = parse(pattern->str);
	gint64 before = g_get_monotonic_time();
	g_assert_true(ignore_matches(ignore, path->str));
	g_assert_cmpint(g_get_monotonic_time() - before, <, 20 * G_USEC_PER_SEC);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ignore/an-exception-reaches-into-ignored-folders",
	    an_exception_reaches_into_ignored_folders);
	g_test_add_func(
	    "/ignore/patterns-are-anchored-at-the-root", patterns_are_anchored_at_the_root);
	g_test_add_func("/ignore/a-slash-at-the-end-of-an-exception-does-not-count",
	    a_slash_at_the_end_of_an_exception_does_not_count);
	g_test_add_func(
	    "/ignore/the-last-pattern-that-matches-decides", the_last_pattern_that_matches_decides);
	g_test_add_func("/ignore/exceptions-with-wildcards-reach-into-folders",
	    exceptions_with_wildcards_reach_into_folders);
	g_test_add_func("/ignore/files-from-windows-are-read", files_from_windows_are_read);
	g_test_add_func(
	    "/ignore/only-the-first-byte-makes-a-comment", only_the_first_byte_makes_a_comment);
	g_test_add_func("/ignore/malformed-patterns-are-refused-with-their-line",
	    malformed_patterns_are_refused_with_their_line);
	g_test_add_func("/ignore/single-patterns-match-as-the-engine-does",
	    single_patterns_match_as_the_engine_does);
	g_test_add_func("/ignore/many-stars-take-no-long-time", many_stars_take_no_long_time);
	return g_test_run();
}
