/*
 * Unit tests of src/detect: what small trees are taken for, the files that are made of them (golden
 * texts in golden/detect, written anew with DETECT_GOLDEN=write), and what is refused.
 */
#include "detect-trees.h"

#include "base/error.h"
#include "detect/detect.h"
#include "folders.h"
#include "manifest/dockerfile.h"
#include "manifest/manifest.h"

#include <string.h>
#include <sys/stat.h>

typedef struct {
	char *folder;
	Images *images;
} Place;

static void
set_up(Place *place, gconstpointer data)
{
	place->folder = g_dir_make_tmp("test-detect-XXXXXX", NULL);
	place->images = images_new();
}

static void
tear_down(Place *place, gconstpointer data)
{
	folder_remove(place->folder);
	images_free(place->images);
	g_free(place->folder);
}

static void
write_file(const Place *place, const char *path, const char *text)
{
	const Tree tree = {"", {path, text, NULL}};
	tree_write(&tree, place->folder);
}

static Detection *
detect(const Place *place, const char *language)
{
	g_autoptr(GError) error = NULL;
	Detection *detection = detect_folder(place->folder, language, place->images, &error);
	g_assert_no_error(error);
	return detection;
}

/* The error without the folder's name before it. */
static void
expect_error(const Place *place, const char *language, CarrackError code, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_assert_null(detect_folder(place->folder, language, place->images, &error));
	g_assert_error(error, CARRACK_ERROR, (int)code);
	g_assert_true(g_str_has_prefix(error->message, place->folder));
	g_assert_cmpstr(error->message + strlen(place->folder) + strlen(": "), ==, text);
}

static void
expect_line(const Place *place, const char *line)
{
	g_autoptr(Detection) detection = detect(place, NULL);
	const char *dockerfile = detection_text(detection, "Dockerfile");
	g_auto(GStrv) lines = g_strsplit(dockerfile, "\n", -1);
	g_test_message("%s", dockerfile);
	g_assert_true(g_strv_contains((const char *const *)lines, line));
}

/* Golden texts */

static char *
described(const Detection *detection)
{
	GString *text = g_string_new(detection->title);
	g_string_append(text, "\n");
	for (guint i = 0; i < detection->reasons->len; i++)
		g_string_append_printf(text, "  %s\n", (char *)detection->reasons->pdata[i]);
	for (guint i = 0; i < detection->files->len; i++) {
		const DetectedFile *file = detection->files->pdata[i];
		g_string_append_printf(text, "\n==> %s\n%s", file->path, file->text);
	}
	return g_string_free(text, FALSE);
}

static void
the_files_are_as_written_down(Place *place, gconstpointer data)
{
	const Tree *tree = data;
	tree_write(tree, place->folder);
	g_autoptr(Detection) detection = detect(place, NULL);
	g_autofree char *text = described(detection);
	g_autofree char *file =
	    g_test_build_filename(G_TEST_DIST, "golden", "detect", tree->name, NULL);
	g_autofree char *expected = NULL;

	if (g_strcmp0(g_getenv("DETECT_GOLDEN"), "write") == 0)
		g_assert_true(g_file_set_contents(file, text, -1, NULL));
	g_assert_true(g_file_get_contents(file, &expected, NULL, NULL));
	g_assert_cmpstr(text, ==, expected);
}

static void
expect_rules_of_images(const char *dockerfile)
{
	g_auto(GStrv) lines = g_strsplit(dockerfile, "\n", -1);
	for (gsize i = 0; lines[i]; i++) {
		if (!g_str_has_prefix(lines[i], "FROM "))
			continue;
		g_assert_nonnull(strchr(lines[i], ':'));
		g_assert_null(strstr(lines[i], ":latest"));
	}
	g_assert_nonnull(strstr(dockerfile, "\nUSER 1000:1000\n"));
	g_assert_nonnull(strstr(dockerfile, "\nCMD [\""));
	g_assert_null(strchr(dockerfile, '\r'));
	g_assert_false(strstr(dockerfile, "{if-") || strstr(dockerfile, "{port}"));
}

/* A user, a tag, words instead of a line for a shell; and a manifest that this rack reads, with the
 * port that the Dockerfile exposes. */
static void
every_dockerfile_keeps_the_rules(Place *place, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	tree_write(data, place->folder);
	g_autoptr(Detection) detection = detect(place, NULL);
	const char *dockerfile = detection_text(detection, "Dockerfile");
	const char *text = detection_text(detection, "convox.yml");

	g_autoptr(Manifest) manifest =
	    manifest_parse(text, strlen(text), "convox.yml", NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(manifest->warnings->len, ==, 0);
	g_assert_cmpuint(manifest_service(manifest, "web")->port, ==, dockerfile_port(dockerfile));
	g_assert_cmpuint(dockerfile_port_count(dockerfile), ==, 1);
	expect_rules_of_images(dockerfile);
}

/* The choice */

static void
a_folder_without_anything_known_hears_what_was_looked_for(Place *place, gconstpointer data)
{
	write_file(place, "notes.txt", "");
	write_file(place, "package.json", "{\"scripts\": {\"build\": \"x\"}}");
	expect_error(place, NULL, CARRACK_ERROR_NOT_FOUND,
	    "the language is not known; looked for\n"
	    "  node: package.json with a start script, or with server.js, index.js, app.js beside "
	    "it; here package.json has no start script, and there is no server.js\n"
	    "  python: requirements.txt, pyproject.toml, Pipfile, setup.py, manage.py, main.py, "
	    "app.py\n"
	    "  ruby: Gemfile, config.ru, app.rb, server.rb, main.rb\n"
	    "  go: go.mod\n"
	    "  php: composer.json, index.php, public/index.php, web/index.php\n"
	    "  java: pom.xml, build.gradle, build.gradle.kts, or one jar\n"
	    "  static: index.html, here or in public, dist, _site, site, docs");
}

static void
where_two_languages_fit_the_user_says_which(Place *place, gconstpointer data)
{
	tree_write(tree_named("go-root"), place->folder);
	tree_write(tree_named("python-plain"), place->folder);
	expect_error(place, NULL, CARRACK_ERROR_INVALID,
	    "several languages fit: say which with --language\n"
	    "  python: main.py is there\n"
	    "  go: go.mod is there");
	g_autoptr(Detection) detection = detect(place, "go");
	g_assert_cmpstr(detection->language, ==, "go");
}

static void
a_language_that_does_not_fit_is_refused(Place *place, gconstpointer data)
{
	tree_write(tree_named("go-root"), place->folder);
	expect_error(place, "php", CARRACK_ERROR_NOT_FOUND,
	    "the folder does not look like it; looked for\n"
	    "  php: composer.json, index.php, public/index.php, web/index.php");
	expect_error(place, "perl", CARRACK_ERROR_INVALID,
	    "language perl: there is none of that name; there are node, python, ruby, go, php, "
	    "java, static");
}

static void
pages_beside_an_app_are_not_static_files(Place *place, gconstpointer data)
{
	tree_write(tree_named("static-here"), place->folder);
	tree_write(tree_named("go-root"), place->folder);
	g_autoptr(Detection) detection = detect(place, NULL);
	g_assert_cmpstr(detection->language, ==, "go");
}

static void
a_folder_that_is_not_there_is_an_error(Place *place, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_assert_null(detect_folder("/nowhere/at/all", NULL, place->images, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
}

static void
a_fifo_is_never_read(Place *place, gconstpointer data)
{
	static const char *const names[] = {"package.json", "Procfile", "go.mod"};
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *fifo = g_build_filename(place->folder, names[i], NULL);
		g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
	}
	write_file(place, "index.html", "");
	g_autoptr(Detection) detection = detect(place, NULL);
	g_assert_cmpstr(detection->language, ==, "static");
}

/* What is wrong in files */

static void
a_broken_package_json_is_named_with_its_line(Place *place, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	write_file(place, "package.json", "{\n  \"name\": oops\n}\n");
	g_assert_null(detect_folder(place->folder, NULL, place->images, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_test_message("%s", error->message);
	g_assert_nonnull(strstr(error->message, "package.json"));
	g_assert_nonnull(strstr(error->message, "2"));
}

static void
a_line_of_a_procfile_that_is_no_process_is_named(Place *place, gconstpointer data)
{
	tree_write(tree_named("node-plain"), place->folder);
	write_file(place, "Procfile", "web: node a.js\nWorker_1: node b.js\n");
	g_autoptr(GError) error = NULL;
	g_assert_null(detect_folder(place->folder, NULL, place->images, &error));
	g_assert_nonnull(strstr(error->message, "Procfile:2: process name"));

	write_file(place, "Procfile", "release: node a.js\n");
	expect_error(place, NULL, CARRACK_ERROR_INVALID, "Procfile names no process but release");
}

/* The shell in the process reads it, not the manifest. */
static void
what_a_procfile_has_in_braces_survives(Place *place, gconstpointer data)
{
	tree_write(tree_named("procfile"), place->folder);
	g_autoptr(Detection) detection = detect(place, NULL);
	const char *text = detection_text(detection, "convox.yml");
	g_autoptr(Manifest) manifest = manifest_parse(text, strlen(text), "convox.yml", NULL, NULL);
	const ManifestService *web = manifest_service(manifest, "web");
	g_assert_cmpstr(web->command[2], ==, "node web.js --port ${PORT:-1} \"$HOME\"");
	g_assert_cmpuint(manifest_service(manifest, "mail-out")->port, ==, 0);
	g_assert_cmpstr(manifest->release.command[2], ==, "node migrate.js");
}

static void
several_programs_of_a_module_are_named(Place *place, gconstpointer data)
{
	tree_write(tree_named("go-procfile"), place->folder);
	write_file(place, "Procfile", "");
	expect_error(place, NULL, CARRACK_ERROR_INVALID,
	    "several programs: cmd/mail, cmd/web; a Procfile can say which is run, as web: "
	    "bin/mail");
}

static void
what_would_not_build_is_refused(Place *place, gconstpointer data)
{
	write_file(place, "pom.xml", "<modules>\n<module>a</module></modules>");
	expect_error(place, NULL, CARRACK_ERROR_INVALID,
	    "pom.xml has several modules: that needs a Dockerfile of its own");
	write_file(place, "package.json", "{\"scripts\": {\"start\": \"node a.js\"}}");
	write_file(place, "yarn.lock", "# yarn\n\n__metadata:\n  version: 8\n");
	expect_error(place, "node", CARRACK_ERROR_INVALID,
	    "yarn.lock is of Yarn 2 or later: that needs a Dockerfile of its own");
}

static void
flask_without_an_application_says_where_it_looked(Place *place, gconstpointer data)
{
	write_file(place, "requirements.txt", "flask\n");
	write_file(place, "web.py", "application = 1\n");
	expect_error(place, NULL, CARRACK_ERROR_INVALID,
	    "no line «app = Flask(…)» in main.py, app.py, server.py, wsgi.py, another file of the "
	    "folder or of a package in it: a Procfile can say what is run");
}

/* Base images */

static void
an_image_goes_for_the_language_or_for_a_name(Place *place, gconstpointer data)
{
	tree_write(tree_named("go-root"), place->folder);
	g_assert_true(images_set_argument(place->images, "r.example.com:5000/go@sha256:0a", NULL));
	g_assert_true(images_set_argument(place->images, "go-run=small:1", NULL));
	expect_line(place, "FROM r.example.com:5000/go@sha256:0a AS build");
	expect_line(place, "FROM small:1");
}

static void
an_image_serves_the_stage_that_builds_too(Place *place, gconstpointer data)
{
	tree_write(tree_named("ruby-sinatra"), place->folder);
	g_assert_true(images_set(place->images, "ruby", "ours:1", NULL));
	expect_line(place, "FROM ours:1 AS build");
	expect_line(place, "FROM ours:1");
	g_assert_true(images_set(place->images, "ruby-build", "theirs:2", NULL));
	expect_line(place, "FROM theirs:2 AS build");
}

static bool
read_images(Place *place, const char *text, GError **error)
{
	g_autofree char *file = g_build_filename(place->folder, "images", NULL);
	g_assert_true(g_file_set_contents(file, text, -1, NULL));
	return images_read(place->images, file, error);
}

static void
a_file_of_images_is_lines_of_names(Place *place, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	tree_write(tree_named("php-plain"), place->folder);
	g_assert_true(read_images(place, "# ours\n\n php\t\tours:8 # why\ngo golang:1\n", &error));
	g_assert_no_error(error);
	expect_line(place, "FROM ours:8");
}

static void
expect_bad_images(Place *place, const char *text, const char *part)
{
	g_autoptr(GError) error = NULL;
	g_assert_false(read_images(place, text, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_test_message("%s", error->message);
	g_assert_nonnull(strstr(error->message, part));
}

static void
a_bad_line_of_images_is_named(Place *place, gconstpointer data)
{
	expect_bad_images(place, "php a:1\nperl b:1\n",
	    "images:2: base image perl: there is none of that name; there are node, node-build, ");
	expect_bad_images(place, "php\n", "images:1: the line is not NAME IMAGE");
	expect_bad_images(place, "php a b\n", "«a b» is not the name of an image");
	expect_bad_images(place, "php -x\n", "«-x» is not the name of an image");
}

#define TEST(path, function) g_test_add("/detect/" path, Place, NULL, set_up, function, tear_down)

static void
add_choices(void)
{
	TEST("a-folder-without-anything-known-hears-what-was-looked-for",
	    a_folder_without_anything_known_hears_what_was_looked_for);
	TEST("where-two-languages-fit-the-user-says-which",
	    where_two_languages_fit_the_user_says_which);
	TEST("a-language-that-does-not-fit-is-refused", a_language_that_does_not_fit_is_refused);
	TEST("pages-beside-an-app-are-not-static-files", pages_beside_an_app_are_not_static_files);
	TEST("a-folder-that-is-not-there-is-an-error", a_folder_that_is_not_there_is_an_error);
	TEST("a-fifo-is-never-read", a_fifo_is_never_read);
	TEST("a-broken-package-json-is-named-with-its-line",
	    a_broken_package_json_is_named_with_its_line);
}

static void
add_details(void)
{
	TEST("a-line-of-a-procfile-that-is-no-process-is-named",
	    a_line_of_a_procfile_that_is_no_process_is_named);
	TEST("what-a-procfile-has-in-braces-survives", what_a_procfile_has_in_braces_survives);
	TEST("several-programs-of-a-module-are-named", several_programs_of_a_module_are_named);
	TEST("what-would-not-build-is-refused", what_would_not_build_is_refused);
	TEST("flask-without-an-application-says-where-it-looked",
	    flask_without_an_application_says_where_it_looked);
	TEST("an-image-goes-for-the-language-or-for-a-name",
	    an_image_goes_for_the_language_or_for_a_name);
	TEST(
	    "an-image-serves-the-stage-that-builds-too", an_image_serves_the_stage_that_builds_too);
	TEST("a-file-of-images-is-lines-of-names", a_file_of_images_is_lines_of_names);
	TEST("a-bad-line-of-images-is-named", a_bad_line_of_images_is_named);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (const Tree *tree = trees; tree->name; tree++) {
		g_autofree char *golden = g_strconcat("/detect/files-of/", tree->name, NULL);
		g_autofree char *rules = g_strconcat("/detect/rules-in/", tree->name, NULL);
		g_test_add(golden, Place, tree, set_up, the_files_are_as_written_down, tear_down);
		g_test_add(rules, Place, tree, set_up, every_dockerfile_keeps_the_rules, tear_down);
	}
	add_choices();
	add_details();
	return g_test_run();
}
