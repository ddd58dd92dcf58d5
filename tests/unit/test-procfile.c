/*
 * Unit tests of Procfiles, and of which file of a project decides.
 */
#include "base/error.h"
#include "manifest-files.h"

#include <string.h>

#define PLAIN "FROM debian\n"

static Manifest *
parse_with(const char *procfile, const char *dockerfile, const Env *env)
{
	const char *const files[] = {"Procfile", procfile, "Dockerfile", dockerfile, NULL};
	g_autofree char *file = NULL;
	g_autoptr(GError) error = NULL;
	Manifest *manifest = manifest_of_files(files, NULL, env, &file, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(file, ==, "Procfile");
	g_assert_cmpstr(manifest->file, ==, "Procfile");
	return manifest;
}

static void
assert_refused(const char *procfile, const char *dockerfile, const char *message)
{
	const char *const files[] = {"Procfile", procfile, "Dockerfile", dockerfile, NULL};
	g_autofree char *file = NULL;
	g_autoptr(GError) error = NULL;
	g_assert_null(manifest_of_files(files, NULL, NULL, &file, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_cmpstr(error->message, ==, message);
}

static void
assert_command(const Manifest *manifest, const char *name, const char *expected)
{
	const ManifestService *service = manifest_service(manifest, name);
	g_assert_nonnull(service);
	g_assert_cmpuint(g_strv_length(service->command), ==, 3);
	g_assert_cmpstr(service->command[0], ==, "sh");
	g_assert_cmpstr(service->command[1], ==, "-c");
	g_assert_cmpstr(service->command[2], ==, expected);
}

static void
windows_lines_and_a_last_one_without_end_count(void)
{
	g_autoptr(Manifest) manifest = parse_with(
	    "\xef\xbb\xbf# all\r\nweb: perl app.pl\r\n\r\n  worker : sh -c \"sleep 600\"", PLAIN,
	    NULL);
	g_assert_cmpuint(manifest->services->len, ==, 2);
	assert_command(manifest, "web", "perl app.pl");
	assert_command(manifest, "worker", "sh -c \"sleep 600\"");
	g_assert_cmpuint(manifest_service(manifest, "worker")->line, ==, 4);
}

static void
web_gets_a_port_and_all_get_the_environment(void)
{
	g_autoptr(Env) env = env_new();
	env_set(env, "PORT", "4000", NULL);
	g_autoptr(Manifest) exposed = parse_with("web: a\nw: b\n", "FROM a\nEXPOSE 3000\n", env);
	g_autoptr(Manifest) told = parse_with("web: a\n", PLAIN, env);
	g_autoptr(Manifest) neither = parse_with("web: a\n", PLAIN, NULL);
	g_assert_cmpuint(manifest_service(exposed, "web")->port, ==, 3000);
	g_assert_cmpuint(manifest_service(exposed, "w")->port, ==, 0);
	g_assert_cmpuint(manifest_service(told, "web")->port, ==, 4000);
	g_assert_cmpuint(manifest_service(neither, "web")->port, ==, 5000);

	g_autoptr(Env) own = manifest_service_env(manifest_service(exposed, "w"), env);
	g_assert_cmpstr(env_get(own, "PORT"), ==, "4000");
	g_assert_cmpstr(manifest_service(exposed, "w")->build.manifest, ==, "Dockerfile");
}

static void
release_is_no_service(void)
{
	g_autoptr(Manifest) manifest = parse_with("web: a\nrelease: bin/migrate\n", PLAIN, NULL);
	g_assert_cmpuint(manifest->services->len, ==, 1);
	g_assert_cmpstr(manifest->release.command[2], ==, "bin/migrate");
	g_assert_cmpuint(manifest->warnings->len, ==, 0);
}

static void
all_bad_lines_come_in_one_run(void)
{
	assert_refused("web: a\nworker_mail: b\nWeb: c\nfoo\nweb: d\nx:\n", PLAIN,
	    "Procfile:2:1: worker_mail: process name «worker_mail» does not match "
	    "^[a-z][a-z0-9-]*$, no dash at the end, at most 30 characters\n"
	    "Procfile:3:1: Web: process name «Web» does not match ^[a-z][a-z0-9-]*$, no dash at "
	    "the "
	    "end, at most 30 characters\n"
	    "Procfile:4:1: the line is not NAME: COMMAND\n"
	    "Procfile:5:1: web: the process stands twice\n"
	    "Procfile:6:1: x: there is no command behind the colon");
	assert_refused("# nothing\n", PLAIN, "Procfile:1:1: the file names no process");
	assert_refused("web: a\n", "FROM a\nEXPOSE 80 443\n",
	    "Procfile:1:1: web: the Dockerfile exposes several ports, so which one serves? Leave "
	    "one EXPOSE");
}

static const char *const project[] = {"convox.yml", "services: {main: {port: 3000}}\n",
    "docker-compose.yml", "services: {other: {build: ., ports: ['3000']}}\n", "Procfile",
    "web: perl app.pl\n", "Dockerfile", "FROM a\nEXPOSE 3000\n", NULL};

static void
assert_chosen(const char *const *files, const char *wanted, const char *file, const char *service)
{
	g_autofree char *chosen = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(Manifest) manifest = manifest_of_files(files, wanted, NULL, &chosen, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(chosen, ==, file);
	const ManifestService *first = manifest->services->pdata[0];
	g_assert_cmpstr(first->name, ==, service);
}

static void
the_first_file_of_the_order_decides(void)
{
	assert_chosen(project, NULL, "convox.yml", "main");
	assert_chosen(project + 2, NULL, "docker-compose.yml", "other");
	assert_chosen(project + 4, NULL, "Procfile", "web");
	assert_chosen(project + 6, NULL, "Dockerfile", "web");
	assert_chosen(project, "docker-compose.yml", "docker-compose.yml", "other");
	assert_chosen(project, "Procfile", "Procfile", "web");
}

static void
a_broken_file_is_never_passed_over(void)
{
	const char *const broken[] = {
	    "convox.yml", "services: [\n", "Dockerfile", "FROM a\nEXPOSE 1\n", NULL};
	const char *const alone[] = {"Procfile", "web: a\n", NULL};
	g_autofree char *file = NULL;
	g_autofree char *other = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(GError) lone = NULL;
	g_autoptr(GError) none = NULL;
	g_assert_null(manifest_of_files(broken, NULL, NULL, &file, &error));
	g_assert_true(g_str_has_prefix(error->message, "convox.yml:2:1: "));
	g_assert_null(manifest_of_files(alone, NULL, NULL, &other, &lone));
	g_assert_cmpstr(
	    lone->message, ==, "Procfile: there is no Dockerfile beside it to build from");
	g_assert_null(manifest_of_files(broken, "x.yml", NULL, &other, &none));
	g_assert_error(none, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(name, test) g_test_add_func("/procfile/" name, test)
	ADD("windows-lines-and-a-last-one-without-end-count",
	    windows_lines_and_a_last_one_without_end_count);
	ADD("web-gets-a-port-and-all-get-the-environment",
	    web_gets_a_port_and_all_get_the_environment);
	ADD("release-is-no-service", release_is_no_service);
	ADD("all-bad-lines-come-in-one-run", all_bad_lines_come_in_one_run);
	ADD("the-first-file-of-the-order-decides", the_first_file_of_the_order_decides);
	ADD("a-broken-file-is-never-passed-over", a_broken_file_is_never_passed_over);
	return g_test_run();
}
