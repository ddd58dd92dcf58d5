/*
 * The verb init as a whole: the real binary in real folders. What it writes is in test-detect.c;
 * here is what it leaves alone, which images it takes, and how it ends.
 *
 * The first argument is the binary.
 */
#include "base/json.h"
#include "folders.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* Where main leaves the program's path for the tests. */
#define BINARY "TEST_CARRACK"

typedef struct {
	char *folder;
	char *out; /* of the last run */
	char *err;
	int status;
} World;

static char *
path_of(const World *world, const char *name)
{
	return g_build_filename(world->folder, name, NULL);
}

static void
write_file(const World *world, const char *name, const char *text)
{
	g_autofree char *path = path_of(world, name);
	g_autofree char *parent = g_path_get_dirname(path);
	g_assert_cmpint(g_mkdir_with_parents(parent, 0700), ==, 0);
	g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static char *
read_file(const World *world, const char *name)
{
	g_autofree char *path = path_of(world, name);
	char *text = NULL;
	g_file_get_contents(path, &text, NULL, NULL);
	return text;
}

static void
set_up(World *world, gconstpointer data)
{
	world->folder = g_dir_make_tmp("test-init-XXXXXX", NULL);
	write_file(world, "app/go.mod", "module shop\n");
	write_file(world, "app/main.go", "package main\n");
}

static void
tear_down(World *world, gconstpointer data)
{
	folder_remove(world->folder);
	g_free(world->folder);
	g_free(world->out);
	g_free(world->err);
}

/* Runs a command line in app/; `images` is what CARRACK_IMAGES names, or NULL. */
static void
run_with(World *world, const char *line, const char *images, int status)
{
	g_autoptr(GSubprocessLauncher) from = g_subprocess_launcher_new(
	    G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
	g_autofree char *whole = g_strconcat(g_getenv(BINARY), " ", line, NULL);
	g_autofree char *app = path_of(world, "app");
	g_auto(GStrv) words = NULL;
	g_autoptr(GError) error = NULL;

	g_subprocess_launcher_set_cwd(from, app);
	g_subprocess_launcher_setenv(from, "CARRACK_CONFIG", world->folder, TRUE);
	g_subprocess_launcher_unsetenv(from, "CARRACK_IMAGES");
	if (images)
		g_subprocess_launcher_setenv(from, "CARRACK_IMAGES", images, TRUE);
	g_assert_true(g_shell_parse_argv(whole, NULL, &words, &error));
	g_autoptr(GSubprocess) process =
	    g_subprocess_launcher_spawnv(from, (const char *const *)words, &error);
	g_assert_no_error(error);
	g_clear_pointer(&world->out, g_free);
	g_clear_pointer(&world->err, g_free);
	g_assert_true(
	    g_subprocess_communicate_utf8(process, NULL, NULL, &world->out, &world->err, NULL));
	g_assert_true(g_subprocess_get_if_exited(process));
	world->status = g_subprocess_get_exit_status(process);
	g_test_message("carrack %s\n%s%s=> %d", line, world->out, world->err, world->status);
	g_assert_cmpint(world->status, ==, status);
}

static void
run(World *world, const char *line, int status)
{
	run_with(world, line, NULL, status);
}

static void
expect_from(World *world, const char *image)
{
	g_autofree char *text = read_file(world, "app/Dockerfile");
	g_autofree char *line = g_strdup_printf("FROM %s AS build\n", image);
	g_assert_nonnull(text);
	if (!g_str_has_prefix(text, line))
		g_assert_cmpstr(text, ==, line);
}

static void
three_files_are_written_and_the_reasons_told(World *world, gconstpointer data)
{
	run(world, "init", 0);
	g_assert_cmpstr(world->out, ==,
	    "Go\n"
	    "  go.mod is there\n"
	    "  bin/shop is built\n"
	    "Writing convox.yml... OK\n"
	    "Writing Dockerfile... OK\n"
	    "Writing .dockerignore... OK\n");
	g_assert_cmpstr(world->err, ==, "");
	g_autofree char *manifest = read_file(world, "app/convox.yml");
	g_autofree char *ignored = read_file(world, "app/.dockerignore");
	g_assert_true(g_str_has_prefix(manifest, "# Go. All keys: man carrack.yml\nservices:\n"));
	g_assert_nonnull(strstr(ignored, "\n.env*\n"));
	expect_from(world, "golang:1.25");
}

static void
what_is_there_is_kept(World *world, gconstpointer data)
{
	write_file(world, "app/convox.yml", "mine\n");
	run(world, "init", 0);
	g_autofree char *manifest = read_file(world, "app/convox.yml");
	g_assert_cmpstr(manifest, ==, "mine\n");
	g_assert_true(g_str_has_prefix(
	    world->err, "convox.yml is there already: kept (--force writes over it)\n"));

	run(world, "init", 1);
	g_assert_nonnull(strstr(world->err,
	    "ERROR: .: nothing is written, as all files are there; --force writes over them\n"));
}

static void
a_link_to_nowhere_is_there_too(World *world, gconstpointer data)
{
	g_autofree char *link = path_of(world, "app/Dockerfile");
	g_assert_cmpint(symlink("elsewhere", link), ==, 0);
	run(world, "init", 0);
	g_assert_true(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
	g_assert_nonnull(strstr(world->err, "Dockerfile is there already: kept"));
}

static void
force_writes_over_what_is_there(World *world, gconstpointer data)
{
	write_file(world, "app/convox.yml", "mine\n");
	run(world, "init --force --json", 0);
	json_auto_t *answer = json_parse(world->out, strlen(world->out), "answer", NULL);
	g_assert_cmpstr(json_text_of(answer, "language", ""), ==, "go");
	g_assert_cmpuint(json_array_size(json_object_get(answer, "written")), ==, 3);
	g_assert_cmpuint(json_array_size(json_object_get(answer, "kept")), ==, 0);
	g_autofree char *manifest = read_file(world, "app/convox.yml");
	g_assert_cmpstr(manifest, !=, "mine\n");
}

static void
a_compose_file_is_not_outdone(World *world, gconstpointer data)
{
	write_file(world, "app/docker-compose.yml", "services: {}\n");
	run(world, "init", 1);
	g_assert_nonnull(strstr(world->err, "docker-compose.yml is there already"));
	g_autofree char *manifest = read_file(world, "app/convox.yml");
	g_assert_null(manifest);
}

/* From the configuration to the command line, each goes before the one above. */
static void
images_are_taken_from_the_nearest_place(World *world, gconstpointer data)
{
	g_autofree char *named = path_of(world, "named");
	write_file(world, "images", "go config:1\n");
	run(world, "init --force", 0);
	expect_from(world, "config:1");
	write_file(world, "app/.carrack/images", "go folder:1\n");
	run(world, "init --force", 0);
	expect_from(world, "folder:1");
	write_file(world, "named", "go variable:1\n");
	run_with(world, "init --force", named, 0);
	expect_from(world, "variable:1");
	run_with(world, "init --force --base flag:1", named, 0);
	expect_from(world, "flag:1");
}

static void
a_bad_image_is_a_wrong_usage(World *world, gconstpointer data)
{
	run(world, "init --base perl=a:1", 2);
	g_assert_true(
	    g_str_has_prefix(world->err, "ERROR: --base: base image perl: there is none"));
	run_with(world, "init", "/nowhere/images", 1);
	g_assert_nonnull(strstr(world->err, "/nowhere/images"));
	g_autofree char *text = read_file(world, "app/Dockerfile");
	g_assert_null(text);
}

static void
completion_knows_the_languages(World *world, gconstpointer data)
{
	run(world, "complete init --language p", 0);
	g_assert_cmpstr(world->out, ==, "python\nphp\n");
}

#define TEST(path, function) g_test_add("/init/" path, World, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_setenv(BINARY, argv[1], TRUE);
	TEST("three-files-are-written-and-the-reasons-told",
	    three_files_are_written_and_the_reasons_told);
	TEST("what-is-there-is-kept", what_is_there_is_kept);
	TEST("a-link-to-nowhere-is-there-too", a_link_to_nowhere_is_there_too);
	TEST("force-writes-over-what-is-there", force_writes_over_what_is_there);
	TEST("a-compose-file-is-not-outdone", a_compose_file_is_not_outdone);
	TEST("images-are-taken-from-the-nearest-place", images_are_taken_from_the_nearest_place);
	TEST("a-bad-image-is-a-wrong-usage", a_bad_image_is_a_wrong_usage);
	TEST("completion-knows-the-languages", completion_knows_the_languages);
	return g_test_run();
}
