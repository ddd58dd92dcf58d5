/*
 * Unit tests of cli/source and of env's listing: what of a folder is sent, what is refused before
 * anything is, and that a listing is read back to the same.
 */
#include "base/error.h"
#include "cli/releases.h"
#include "cli/source.h"
#include "folders.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
	char *folder;
	Env *env;
} Place;

static void
set_up(Place *place, gconstpointer data)
{
	place->folder = g_dir_make_tmp("test-source-XXXXXX", NULL);
	place->env = env_new();
}

static void
tear_down(Place *place, gconstpointer data)
{
	folder_remove(place->folder);
	env_free(place->env);
	g_free(place->folder);
}

static void
write_file(const Place *place, const char *path, const char *text)
{
	g_autofree char *full = g_build_filename(place->folder, path, NULL);
	g_autofree char *parent = g_path_get_dirname(full);
	g_assert_cmpint(g_mkdir_with_parents(parent, 0700), ==, 0);
	g_assert_true(g_file_set_contents(full, text, -1, NULL));
}

static bool
append(gpointer data, const void *bytes, gsize length, GError **error)
{
	g_byte_array_append(data, bytes, (guint)length);
	return true;
}

static int
compare(gconstpointer one, gconstpointer other)
{
	return strcmp(*(const char *const *)one, *(const char *const *)other);
}

/* The files that are sent, joined by blanks. Folders are left away. */
static char *
sent(const Place *place, Source *source)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	TarPackOptions options = {NULL};
	g_assert_true(source_pack(source, &options, append, bytes, NULL, &error));
	g_assert_no_error(error);

	g_autofree char *archive = g_build_filename(g_get_tmp_dir(), "test-source.tgz", NULL);
	g_assert_true(g_file_set_contents(archive, (const char *)bytes->data, bytes->len, &error));
	g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
	g_assert_true(tar_scan(archive, NULL, 0, paths, NULL, &error));
	g_unlink(archive);

	g_autoptr(GPtrArray) files = g_ptr_array_new();
	for (guint i = 0; i < paths->len; i++) {
		g_autofree char *full = g_build_filename(place->folder, paths->pdata[i], NULL);
		if (!g_file_test(full, G_FILE_TEST_IS_DIR))
			g_ptr_array_add(files, paths->pdata[i]);
	}
	g_ptr_array_sort(files, compare);
	g_ptr_array_add(files, NULL);
	return g_strjoinv(" ", (GStrv)files->pdata);
}

static Source *
open_source(const Place *place, const char *manifest, GError **error)
{
	SourceOptions options = {.manifest_file = manifest, .env = place->env};
	return source_open(place->folder, &options, error);
}

static void
expect_sent(const Place *place, const char *expected)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Source) source = open_source(place, NULL, &error);
	g_assert_no_error(error);
	g_autofree char *files = sent(place, source);
	g_assert_cmpstr(files, ==, expected);
}

static void
expect_refused(const Place *place, const char *manifest, const char *message)
{
	g_autoptr(GError) error = NULL;
	g_assert_null(open_source(place, manifest, &error));
	g_assert_nonnull(error);
	if (!strstr(error->message, message))
		g_assert_cmpstr(error->message, ==, message);
}

static void
git_stays_at_home(Place *place, gconstpointer data)
{
	write_file(place, "Dockerfile", "FROM x\n");
	write_file(place, "a", "");
	write_file(place, ".git/config", "secret");
	write_file(place, "lib/.git", "gitdir: elsewhere");
	write_file(place, "lib/b", "");
	expect_sent(place, "Dockerfile a lib/b");
}

static void
git_comes_along_when_it_is_wanted(Place *place, gconstpointer data)
{
	write_file(place, "Dockerfile", "FROM x\n");
	write_file(place, ".git/HEAD", "ref");
	write_file(place, ".dockerignore", "\xEF\xBB\xBF!.git\r\n");
	expect_sent(place, ".dockerignore .git/HEAD Dockerfile");
}

static void
what_the_build_needs_is_always_there(Place *place, gconstpointer data)
{
	write_file(place, "convox.yml",
	    "services:\n  web:\n    build:\n      path: .\n      manifest: "
	    "docker/web.Dockerfile\n");
	write_file(place, "docker/web.Dockerfile", "FROM x\n");
	write_file(place, "docker/other", "");
	write_file(place, "keep", "");
	write_file(place, ".dockerignore", "*\n!keep\n");
	expect_sent(place, ".dockerignore convox.yml docker/web.Dockerfile keep");
}

static void
an_ignored_folder_is_still_its_services_context(Place *place, gconstpointer data)
{
	write_file(
	    place, "convox.yml", "services:\n  web:\n    build: .\n  api:\n    build: ./api\n");
	write_file(place, "Dockerfile", "FROM x\n");
	write_file(place, "api/Dockerfile", "FROM x\n");
	write_file(place, "api/main", "");
	write_file(place, "tmp/x", "");
	write_file(place, ".dockerignore", "api\ntmp\n");
	expect_sent(place, ".dockerignore Dockerfile api/Dockerfile api/main convox.yml");
}

static void
a_broken_pattern_is_named_by_its_line(Place *place, gconstpointer data)
{
	write_file(place, "Dockerfile", "FROM x\n");
	write_file(place, ".dockerignore", "*.log\n[a-\n");
	expect_refused(place, NULL, ".dockerignore line 2: ");
}

static void
a_folder_with_nothing_to_build_is_refused(Place *place, gconstpointer data)
{
	expect_refused(place, NULL,
	    "no convox.yml, no docker-compose.yml, no Procfile and no Dockerfile there");
	expect_refused(place, "other.yml", "manifest other.yml: no such file in ");
}

/* Beside what is there, which stays as it is; and it is read before what the folder lacks. */
static void
what_was_generated_is_sent_as_if_it_were_there(Place *place, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	write_file(place, "main.py", "");
	write_file(place, "requirements.txt", "");
	write_file(place, "secret.txt", "");
	write_file(place, ".dockerignore", "secret.txt\n");
	g_autoptr(Detection) generated = detect_folder(place->folder, NULL, NULL, &error);
	g_assert_no_error(error);
	SourceOptions options = {.env = place->env, .generated = generated};
	g_autoptr(Source) source = source_open(place->folder, &options, &error);
	g_assert_no_error(error);
	g_autofree char *files = sent(place, source);

	g_assert_cmpstr(source_file(source), ==, "convox.yml");
	g_assert_cmpstr(files, ==, ".dockerignore Dockerfile convox.yml main.py requirements.txt");
	g_autofree char *manifest = g_build_filename(place->folder, "convox.yml", NULL);
	g_assert_false(g_file_test(manifest, G_FILE_TEST_EXISTS));
}

static void
a_missing_dockerfile_is_found_before_anything_is_sent(Place *place, gconstpointer data)
{
	write_file(place, "convox.yml", "services:\n  web:\n    build: api\n");
	expect_refused(place, NULL, "service web: build path api does not exist");
	write_file(place, "api", "");
	expect_refused(place, NULL, "service web: build path api is a file, not a folder");
	g_autofree char *path = g_build_filename(place->folder, "api", NULL);
	g_unlink(path);
	g_mkdir(path, 0700);
	expect_refused(place, NULL, "service web: no Dockerfile at api/Dockerfile");
}

static void
all_problems_of_a_manifest_are_told(Place *place, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	write_file(place, "convox.yml", "services:\n  Web:\n    port: 99999\n");

	g_assert_null(open_source(place, NULL, &error));
	g_auto(GStrv) lines = g_strsplit(error->message, "\n", -1);
	g_assert_cmpuint(g_strv_length(lines), ==, 2);
}

static void
an_empty_submodule_is_noticed(Place *place, gconstpointer data)
{
	write_file(place, "Dockerfile", "FROM x\n");
	write_file(place, ".gitmodules",
	    "[submodule \"a\"]\n\tpath = lib/a\n\turl = ../a\n[submodule \"b\"]\n\tpath = lib/b\n");
	write_file(place, "lib/b/file", "");
	g_autofree char *empty = g_build_filename(place->folder, "lib", "a", NULL);
	g_mkdir(empty, 0700);
	g_autoptr(Source) source = open_source(place, NULL, NULL);
	g_autoptr(GPtrArray) found = source_empty_submodules(source);

	g_assert_cmpuint(found->len, ==, 1);
	g_assert_cmpstr(found->pdata[0], ==, "lib/a");
}

static void
a_listing_is_read_back_to_the_same(Place *place, gconstpointer data)
{
	static const char *const values[] = {"", "1", "two words", " led", "trailed ", "a=b==c",
	    "one\ntwo=2\nthree", "cr\r\nlf", "tab\there", "it's", "\"quoted\"", "'", "\\",
	    "a\\nb\\\\c", "x #no comment", "#x", "a#b", "{{.Service}}", "$HOME ${X}", "\x01\x7f",
	    "schön 日本", "\\\"", "ends in \\", " \" # ' \n "};
	g_autoptr(GError) error = NULL;
	for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
		g_autofree char *name = g_strdup_printf("N%02zu.x-y", i);
		g_assert_true(env_set(place->env, name, values[i], &error));
	}

	g_autofree char *listing = env_listing(place->env);
	g_autoptr(Env) again = env_parse_file(listing, strlen(listing), "listing", &error);
	g_assert_no_error(error);
	for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
		g_autofree char *name = g_strdup_printf("N%02zu.x-y", i);
		g_assert_cmpstr(env_get(again, name), ==, values[i]);
	}
	g_assert_cmpuint(env_size(again), ==, G_N_ELEMENTS(values));
}

static void
plain_values_are_listed_as_they_are(Place *place, gconstpointer data)
{
	env_set(place->env, "A", "1", NULL);
	env_set(place->env, "B", "two", NULL);
	env_set(place->env, "C", "a\\nb", NULL);
	env_set(place->env, "D", "one\ntwo", NULL);
	g_autofree char *listing = env_listing(place->env);
	g_assert_cmpstr(listing, ==, "A=1\nB=two\nC=a\\nb\nD=\"one\\ntwo\"");
}

#define TEST(path, function) g_test_add(path, Place, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	TEST("/source/git-stays-at-home", git_stays_at_home);
	TEST("/source/git-comes-along-when-it-is-wanted", git_comes_along_when_it_is_wanted);
	TEST("/source/what-the-build-needs-is-always-there", what_the_build_needs_is_always_there);
	TEST("/source/an-ignored-folder-is-still-its-services-context",
	    an_ignored_folder_is_still_its_services_context);
	TEST(
	    "/source/a-broken-pattern-is-named-by-its-line", a_broken_pattern_is_named_by_its_line);
	TEST("/source/a-folder-with-nothing-to-build-is-refused",
	    a_folder_with_nothing_to_build_is_refused);
	TEST("/source/what-was-generated-is-sent-as-if-it-were-there",
	    what_was_generated_is_sent_as_if_it_were_there);
	TEST("/source/a-missing-dockerfile-is-found-before-anything-is-sent",
	    a_missing_dockerfile_is_found_before_anything_is_sent);
	TEST("/source/all-problems-of-a-manifest-are-told", all_problems_of_a_manifest_are_told);
	TEST("/source/an-empty-submodule-is-noticed", an_empty_submodule_is_noticed);
	TEST("/env/a-listing-is-read-back-to-the-same", a_listing_is_read_back_to_the_same);
	TEST("/env/plain-values-are-listed-as-they-are", plain_values_are_listed_as_they_are);
	return g_test_run();
}
