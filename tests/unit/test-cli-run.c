/*
 * The program as a whole: the real binary against the real API over the provider in memory. Golden
 * texts of what scripts read, exit statuses, and that a start loads no more than it needs.
 *
 * The first argument is the binary.
 */
#include "api.h"

#include "base/text.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

/* Where main leaves the program's path for the tests. */
#define BINARY "TEST_CARRACK"

typedef struct {
	TestApi *api;
	char *folder; /* of the project, also of the configuration */
	char *out;    /* of the last run */
	char *err;
	int status;
} World;

static void
write_file(const World *world, const char *path, const char *text)
{
	g_autofree char *full = g_build_filename(world->folder, path, NULL);
	g_assert_true(g_file_set_contents(full, text, -1, NULL));
}

static void
set_up(World *world, gconstpointer data)
{
	world->api = test_api_new();
	world->folder = g_dir_make_tmp("test-run-XXXXXX", NULL);
	g_autofree char *config = g_strdup_printf(
	    "{\"current\": \"local\", \"racks\": {\"local\": {\"url\": \"http://convox:" PASSWORD
	    "@127.0.0.1:1\", \"socket\": \"%s\"}}}",
	    world->api->socket_path);
	write_file(world, "config.json", config);
	write_file(world, "convox.yml", "services:\n  web:\n    build: .\n    port: 3000\n");
	write_file(world, "Dockerfile", "FROM scratch\n");
}

static void
tear_down(World *world, gconstpointer data)
{
	static const char *const files[] = {"config.json", "convox.yml", "Dockerfile"};
	for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *full = g_build_filename(world->folder, files[i], NULL);
		g_unlink(full);
	}
	g_assert_cmpint(g_rmdir(world->folder), ==, 0);
	g_free(world->folder);
	g_free(world->out);
	g_free(world->err);
	test_api_free(world->api);
}

static GSubprocessLauncher *
launcher(const World *world, GSubprocessFlags flags)
{
	static const char *const unset[] = {
	    "RACK_URL", "CARRACK_RACK", "CARRACK_APP", "LD_TRACE_LOADED_OBJECTS"};
	GSubprocessLauncher *made = g_subprocess_launcher_new(flags);

	g_subprocess_launcher_set_cwd(made, world->folder);
	for (gsize i = 0; i < G_N_ELEMENTS(unset); i++)
		g_subprocess_launcher_unsetenv(made, unset[i]);
	g_subprocess_launcher_setenv(made, "CARRACK_CONFIG", world->folder, TRUE);
	return made;
}

static GSubprocess *
spawn(GSubprocessLauncher *from, const char *line)
{
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) words = NULL;
	g_autofree char *whole = g_strconcat(g_getenv(BINARY), " ", line, NULL);
	g_assert_true(g_shell_parse_argv(whole, NULL, &words, &error));
	GSubprocess *process =
	    g_subprocess_launcher_spawnv(from, (const char *const *)words, &error);
	g_assert_no_error(error);
	return process;
}

/* Runs a command line (quoted as in a shell) with this text on stdin. */
static void
run_with(World *world, const char *line, const char *input)
{
	g_autoptr(GSubprocessLauncher) from =
	    launcher(world, G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
				G_SUBPROCESS_FLAGS_STDERR_PIPE);
	g_autoptr(GSubprocess) process = spawn(from, line);

	g_clear_pointer(&world->out, g_free);
	g_clear_pointer(&world->err, g_free);
	g_assert_true(
	    g_subprocess_communicate_utf8(process, input, NULL, &world->out, &world->err, NULL));
	g_assert_true(g_subprocess_get_if_exited(process));
	world->status = g_subprocess_get_exit_status(process);
	g_test_message("carrack %s\n%s%s=> %d", line, world->out, world->err, world->status);
}

static void
run(World *world, const char *line)
{
	run_with(world, line, "");
}

/* Runs and compares stdout; the run must have succeeded. */
static void
expect(World *world, const char *line, const char *out)
{
	run(world, line);
	g_assert_cmpstr(world->out, ==, out);
	g_assert_cmpint(world->status, ==, 0);
}

/* Runs what must fail with nothing on stdout and one line on stderr. */
static void
expect_failure(World *world, const char *line, int status, const char *err)
{
	g_autofree char *whole = g_strconcat("ERROR: ", err, "\n", NULL);
	run(world, line);
	g_assert_cmpstr(world->err, ==, whole);
	g_assert_cmpstr(world->out, ==, "");
	g_assert_cmpint(world->status, ==, status);
}

static void
expect_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		g_assert_cmpstr(text, ==, part);
}

/* An app that deploys fast. */
static void
create_app(World *world)
{
	expect(world, "apps create blog", "Creating blog... OK\n");
	expect(world, "apps params set StabilitySeconds=0 -a blog", "Updating parameters... OK\n");
}

static void
apps_are_made_listed_and_deleted(World *world, gconstpointer data)
{
	expect(world, "apps", "APP  STATUS  RELEASE\n");
	create_app(world);
	expect(world, "apps", "APP   STATUS   RELEASE\nblog  running  \n");
	expect(world, "apps info blog",
	    "Name        blog\n"
	    "Status      running\n"
	    "Generation  2\n"
	    "Locked      false\n"
	    "Release\n"
	    "Router      fake.test\n");
	expect(world, "apps params -a blog", "StabilitySeconds  0\n");
	expect(world, "apps lock blog", "Locking blog... OK\n");
	run(world, "apps delete blog --yes");
	g_assert_cmpint(world->status, ==, 1);
	expect(world, "apps unlock blog", "Unlocking blog... OK\n");
	expect_failure(
	    world, "apps delete blog", 2, "apps delete needs --yes where nobody can be asked");
	expect(world, "apps delete blog --yes", "Deleting blog... OK\n");
	expect(world, "apps --json", "[]\n");
}

static void
failures_are_one_line_and_not_zero(World *world, gconstpointer data)
{
	create_app(world);
	expect_failure(world, "nosuch", 2, "unknown verb: nosuch (see carrack --help)");
	expect_failure(world, "dploy", 2, "unknown verb: dploy; did you mean «deploy»?");
	expect_failure(world, "apps inof", 2, "unknown verb: apps inof; did you mean «apps info»?");
	expect_failure(world, "--badflag", 2, "unknown flag: --badflag (see carrack --help)");
	expect_failure(world, "apps --badflag", 2, "unknown flag: --badflag");
	expect_failure(world, "apps info -a nope", 1, "no such app: nope");
	expect_failure(world, "env get NOPE -a blog", 1, "env not found: NOPE");
	expect_failure(world, "releases promote RNOPE -a blog", 1, "no such release: RNOPE");
	expect_failure(world, "deploy -a nope", 1, "no such app: nope");
	expect_failure(world, "logs -a nope", 1, "no such app: nope");
	expect_failure(world, "scale web --count x -a blog", 2,
	    "--count: \"x\" is not a whole number between 0 and 1000");
	expect_failure(world, "logs -a blog --since 5", 2,
	    "--since 5: give a duration like 10s, 5m or 1h30m, or a time like "
	    "2026-01-31T12:00:00Z");
	expect_failure(world, "apps -r nope", 1, "could not find rack: nope (known racks: local)");
}

static void
a_wrong_password_names_the_rack(World *world, gconstpointer data)
{
	g_autofree char *config =
	    g_strdup_printf("{\"current\": \"local\", \"racks\": {\"local\": {\"url\": "
			    "\"http://convox:wrong@127.0.0.1:1\", \"socket\": \"%s\"}}}",
		world->api->socket_path);
	write_file(world, "config.json", config);
	expect_failure(world, "apps", 1, "wrong password for rack local");
	expect_failure(world, "logs -a blog", 1, "wrong password for rack local");
}

static void
without_a_rack_the_way_to_one_is_told(World *world, gconstpointer data)
{
	write_file(world, "config.json", "{}");
	expect_failure(world, "apps", 1,
	    "no rack is selected: run «carrack install» or «carrack login», or set RACK_URL");
	expect(world, "version", "client: " CARRACK_VERSION "\nserver: none\n");
}

static void
a_deploy_tells_its_steps(World *world, gconstpointer data)
{
	create_app(world);
	run(world, "deploy -a blog");
	g_assert_cmpint(world->status, ==, 0);
	g_assert_cmpstr(world->err, ==, "Deploying app blog on rack local (convox.yml in .)\n");
	expect_contains(world->out, "Uploading source... OK, ");
	expect_contains(world->out, "Starting build... OK\n");
	expect_contains(world->out, "\nPromoting R");
	expect_contains(world->out, "  web       start     1 of 1 healthy");
	expect_contains(world->out, "\nOK\nhttp://blog-web.fake.test\nRelease R");
	expect(world, "services -a blog",
	    "SERVICE  DOMAIN              PORTS\n"
	    "web      blog-web.fake.test  443:3000 80:3000\n");
	expect(world, "scale -a blog",
	    "SERVICE  DESIRED  RUNNING  CPU  MEMORY\n"
	    "web      1        1        256  512\n");
	expect(world, "open -a blog", "http://blog-web.fake.test\n");
}

static void
remove_file(const World *world, const char *path)
{
	g_autofree char *full = g_build_filename(world->folder, path, NULL);
	g_assert_cmpint(g_unlink(full), ==, 0);
}

/* What the rack gets is not written down here. */
static void
a_folder_without_a_dockerfile_is_deployed(World *world, gconstpointer data)
{
	create_app(world);
	expect_failure(world, "build -a blog --language go", 2,
	    "--language is for folders without a Dockerfile, but convox.yml says what is built");
	remove_file(world, "convox.yml");
	remove_file(world, "Dockerfile");
	write_file(world, "server.rb", "");
	run(world, "deploy -a blog --id");
	g_assert_cmpint(world->status, ==, 0);
	g_assert_true(g_str_has_prefix(world->err,
	    "Deploying app blog on rack local (no Dockerfile in .: taken for Ruby; carrack init "
	    "writes one)\n"));
	g_autofree char *line =
	    g_strdup_printf("releases manifest %s -a blog", g_strstrip(world->out));
	run(world, line);
	g_assert_cmpstr(world->out, ==,
	    "# Ruby. All keys: man carrack.yml\n"
	    "services:\n"
	    "  web:\n"
	    "    build: .\n"
	    "    port: 3000\n"
	    "    environment: [\"*\"]\n");

	/* tear_down finds nothing but what set_up has written. */
	remove_file(world, "server.rb");
}

static void
with_id_a_deploy_prints_only_the_release(World *world, gconstpointer data)
{
	create_app(world);
	run(world, "deploy -a blog --id");
	g_assert_cmpint(world->status, ==, 0);
	g_assert_true(text_is_id(world->out, 'R'));
}

static void
a_failed_deploy_tells_why(World *world, gconstpointer data)
{
	create_app(world);
	const FakeBehaviour dies = {
	    .exits = true, .exit_code = 3, .exit_after_ms = 20, .lines = "config missing\nbye"};
	fake_behave(world->api->provider, "web", &dies);

	run(world, "deploy -a blog");
	g_assert_cmpint(world->status, ==, 1);
	expect_contains(world->err, "\nERROR: service web: exited 3");
	expect_contains(
	    world->err, "\nexit code: 3\nlast lines of web:\n  config missing\n  bye\n");
	expect(world, "ps -a blog", "ID  SERVICE  STATUS  RELEASE  STARTED  COMMAND\n");
}

static void
a_failed_build_fails(World *world, gconstpointer data)
{
	create_app(world);
	fake_builds_fail(world->api->provider, "Step 1\nboom", "step 1: exited 7");

	run(world, "deploy -a blog");
	g_assert_cmpint(world->status, ==, 1);
	expect_contains(world->out, "\nStep 1\nboom\n");
	expect_contains(world->err, "\nERROR: build failed: step 1: exited 7\n");
	expect(world, "releases -a blog", "ID  STATUS  BUILD  CREATED  DESCRIPTION\n");
}

static void
a_manifest_is_checked_before_anything_is_sent(World *world, gconstpointer data)
{
	create_app(world);
	write_file(world, "convox.yml",
	    "services:\n  web:\n    build: .\n    environment:\n      - B\n      - A\n");
	expect_failure(world, "deploy -a blog", 1, "required env: A, B");
	write_file(world, "convox.yml", "services:\n  Web:\n    port: 99999\n");
	run(world, "deploy -a blog");
	g_assert_cmpint(world->status, ==, 1);
	g_assert_cmpstr(world->out, ==, "");
	expect_contains(world->err, "ERROR: convox.yml:2:");
	expect_contains(world->err, "\nERROR: convox.yml:3:");
}

static bool
is_blocked(gpointer data)
{
	const World *world = data;
	return fake_builds_wait_blocked(world->api->provider, 1, 100);
}

static void
an_interrupt_cancels_the_build(World *world, gconstpointer data)
{
	create_app(world);
	fake_builds_block(world->api->provider, true);
	g_autoptr(GSubprocessLauncher) from =
	    launcher(world, G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
	g_autoptr(GSubprocess) process = spawn(from, "deploy -a blog");
	test_wait(is_blocked, world);

	g_autofree char *err = NULL;
	g_subprocess_send_signal(process, SIGINT);
	g_assert_true(g_subprocess_communicate_utf8(process, NULL, NULL, NULL, &err, NULL));
	g_assert_cmpint(g_subprocess_get_exit_status(process), ==, 130);
	expect_contains(err, "ERROR: interrupted: build B");
	expect_contains(err, " is cancelled\n");
	fake_builds_block(world->api->provider, false);
}

static void
an_environment_goes_through_its_listing(World *world, gconstpointer data)
{
	create_app(world);
	run(world, "env set 'A=two words' 'B=one\ntwo' \"C='x'\" 'D=a=b' -a blog");
	g_assert_cmpint(world->status, ==, 0);
	expect_contains(world->out, "Setting A, B, C, D... OK\nRelease: R");
	expect(world, "env -a blog", "A=two words\nB=\"one\\ntwo\"\nC=\"'x'\"\nD=a=b\n");

	g_autofree char *listing = g_strdup(world->out);
	run_with(world, "env set --replace -a blog", listing);
	g_assert_cmpint(world->status, ==, 0);
	expect(world, "env -a blog", listing);
	expect(world, "env get B -a blog", "one\ntwo\n");
	expect(world, "env -a blog --json",
	    "{\n  \"A\": \"two words\",\n  \"B\": \"one\\ntwo\",\n  \"C\": \"'x'\",\n  \"D\": "
	    "\"a=b\"\n}\n");
}

static void
nothing_is_set_from_nothing(World *world, gconstpointer data)
{
	create_app(world);
	expect_failure(world, "env set -a blog", 1, "nothing to set: stdin holds no variables");
	expect_failure(world, "env set A -a blog", 2, "A: write it as NAME=value");
	expect(world, "env unset A -a blog", "");
	expect(world, "releases -a blog", "ID  STATUS  BUILD  CREATED  DESCRIPTION\n");
}

/* In CI stdin may be a pipe that never ends. */
static void
stdin_is_not_read_when_there_are_arguments(World *world, gconstpointer data)
{
	create_app(world);
	g_autoptr(GSubprocessLauncher) from =
	    launcher(world, G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE);
	g_autoptr(GSubprocess) process = spawn(from, "env set A=1 -a blog");
	/* The pipe stays open; the test's time limit is the assertion. */
	g_assert_true(g_subprocess_wait(process, NULL, NULL));
	g_assert_cmpint(g_subprocess_get_exit_status(process), ==, 0);
}

static void
logs_are_as_the_rack_has_them(World *world, gconstpointer data)
{
	gint64 now = g_get_real_time();
	g_autofree char *time = text_time_seconds(now);
	create_app(world);
	expect(world, "logs -a blog --no-follow", "");
	test_log(world->api, "blog", "p1", now - 10, "one");
	test_log(world->api, "blog", "p1", now, "two \033[31mred\033[0m");

	g_autofree char *last = g_strdup_printf("%s service/web/p1 two \033[31mred\033[0m\n", time);
	expect(world, "logs -a blog --no-follow --tail 1", last);
	g_autofree char *object = g_strdup_printf("{\"time\":\"%s\",\"kind\":\"service\",\"name\":"
						  "\"web\",\"process\":\"p1\",\"text\":\"two "
						  "\\u001B[31mred\\u001B[0m\"}\n",
	    time);
	expect(world, "logs -a blog --no-follow --tail 1 --json", object);
	run(world, "logs -a blog --no-follow --since 2020-01-01T00:00:00Z --filter one");
	expect_contains(world->out, " service/web/p1 one\n");
}

/* As `carrack … | head -1` does. */
static void
a_reader_that_goes_is_no_failure(World *world, gconstpointer data)
{
	gint64 now = g_get_real_time();
	create_app(world);
	for (unsigned i = 0; i < 5000; i++)
		test_log(world->api, "blog", "p1", now + i, "a line that is longer than nothing");

	g_autoptr(GSubprocessLauncher) from =
	    launcher(world, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
	g_autoptr(GSubprocess) process = spawn(from, "logs -a blog");
	char byte;
	GInputStream *stream = g_subprocess_get_stdout_pipe(process);
	g_assert_cmpint(g_input_stream_read(stream, &byte, 1, NULL, NULL), ==, 1);
	g_assert_true(g_input_stream_close(stream, NULL, NULL));
	/* A follower notices with its next line. */
	test_log(world->api, "blog", "p1", now + 6000, "one more");

	g_assert_true(g_subprocess_wait(process, NULL, NULL));
	g_assert_cmpint(g_subprocess_get_exit_status(process), ==, 0);
	char rest[64];
	stream = g_subprocess_get_stderr_pipe(process);
	g_assert_cmpint(g_input_stream_read(stream, rest, sizeof(rest), NULL, NULL), ==, 0);
}

static void
a_full_disk_is_a_failure(World *world, gconstpointer data)
{
	g_autoptr(GSubprocessLauncher) from = launcher(world, G_SUBPROCESS_FLAGS_STDERR_PIPE);
	g_subprocess_launcher_set_stdout_file_path(from, "/dev/full");
	g_autoptr(GSubprocess) process = spawn(from, "apps");
	g_autofree char *err = NULL;

	g_assert_true(g_subprocess_communicate_utf8(process, NULL, NULL, NULL, &err, NULL));
	g_assert_cmpint(g_subprocess_get_exit_status(process), ==, 1);
	g_assert_cmpstr(err, ==, "ERROR: stdout: No space left on device\n");
}

static void
flags_may_stand_before_the_verb(World *world, gconstpointer data)
{
	create_app(world);
	expect(world, "-a blog -r local env", "");
	expect(world, "--json --app=blog env", "{}\n");
}

static void
completion_knows_verbs_flags_and_apps(World *world, gconstpointer data)
{
	create_app(world);
	expect(world, "complete apps i", "info\tshow an app\n");
	expect(
	    world, "complete deploy --no-w", "--no-wait\treturn when the rack has accepted it\n");
	expect(world, "complete apps info ''", "blog\n");
	expect(world, "complete logs -a b", "blog\n");
	expect(world, "complete switch ''", "local\n");
	expect(world, "complete nosuch ''", "");
}

/* Forty libraries that most runs never call (base/lazy.h). */
static void
a_start_loads_neither_curl_nor_archive(World *world, gconstpointer data)
{
	g_autoptr(GSubprocessLauncher) from = launcher(world, G_SUBPROCESS_FLAGS_STDOUT_PIPE);
	g_subprocess_launcher_setenv(from, "LD_TRACE_LOADED_OBJECTS", "1", TRUE);
	g_autoptr(GSubprocess) process = spawn(from, "--help");
	g_autofree char *libraries = NULL;

	g_assert_true(g_subprocess_communicate_utf8(process, NULL, NULL, &libraries, NULL, NULL));
	expect_contains(libraries, "libglib-2.0");
	g_assert_null(strstr(libraries, "libcurl"));
	g_assert_null(strstr(libraries, "libarchive"));
}

#define TEST(path, function) g_test_add(path, World, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_setenv(BINARY, argv[1], TRUE);
	TEST("/run/apps-are-made-listed-and-deleted", apps_are_made_listed_and_deleted);
	TEST("/run/failures-are-one-line-and-not-zero", failures_are_one_line_and_not_zero);
	TEST("/run/a-wrong-password-names-the-rack", a_wrong_password_names_the_rack);
	TEST("/run/without-a-rack-the-way-to-one-is-told", without_a_rack_the_way_to_one_is_told);
	TEST("/run/a-deploy-tells-its-steps", a_deploy_tells_its_steps);
	TEST("/run/a-folder-without-a-dockerfile-is-deployed",
	    a_folder_without_a_dockerfile_is_deployed);
	TEST("/run/with-id-a-deploy-prints-only-the-release",
	    with_id_a_deploy_prints_only_the_release);
	TEST("/run/a-failed-deploy-tells-why", a_failed_deploy_tells_why);
	TEST("/run/a-failed-build-fails", a_failed_build_fails);
	TEST("/run/a-manifest-is-checked-before-anything-is-sent",
	    a_manifest_is_checked_before_anything_is_sent);
	TEST("/run/an-interrupt-cancels-the-build", an_interrupt_cancels_the_build);
	TEST("/run/an-environment-goes-through-its-listing",
	    an_environment_goes_through_its_listing);
	TEST("/run/nothing-is-set-from-nothing", nothing_is_set_from_nothing);
	TEST("/run/stdin-is-not-read-when-there-are-arguments",
	    stdin_is_not_read_when_there_are_arguments);
	TEST("/run/logs-are-as-the-rack-has-them", logs_are_as_the_rack_has_them);
	TEST("/run/a-reader-that-goes-is-no-failure", a_reader_that_goes_is_no_failure);
	TEST("/run/a-full-disk-is-a-failure", a_full_disk_is_a_failure);
	TEST("/run/flags-may-stand-before-the-verb", flags_may_stand_before_the_verb);
	TEST("/run/completion-knows-verbs-flags-and-apps", completion_knows_verbs_flags_and_apps);
	TEST("/run/a-start-loads-neither-curl-nor-archive", a_start_loads_neither_curl_nor_archive);
	return g_test_run();
}
