/*
 * The release command over the fake provider, whose one-offs are real processes of this machine:
 * that it runs before anything else, once, and that its failure leaves the old release alone.
 */
#include "rack-fixture.h"

#include <glib/gstdio.h>
#include <string.h>

#define WEB                                                                                        \
	"services:\n  web:\n    build: .\n    port: 3000\n    environment: [\"*\"]\n    drain: "   \
	"1\n"                                                                                      \
	"    health: {path: /health, grace: 1, interval: 1, timeout: 1}\n"
/* The command is the environment's, so that a release with another one needs no other manifest. */
#define WITH_COMMAND WEB "release: [sh, -c, 'eval \"$RUN\"']\n"

static char *
release(Fixture *fixture, const char *manifest, const char *command)
{
	g_autofree char *env = g_strconcat("RUN=", command, NULL);
	return fixture_release(fixture, "shop", manifest, env);
}

static char *
first(Fixture *fixture)
{
	fixture_app(fixture, "shop");
	char *made = release(fixture, WITH_COMMAND, "true");
	json_auto_t *timeline = fixture_promote(fixture, "shop", made);
	g_assert_cmpstr(json_text_of(timeline, "state", ""), ==, "succeeded");
	return made;
}

static void
assert_live(Fixture *fixture, const char *release)
{
	g_autoptr(App) app = fixture_load(fixture, "shop");
	g_assert_cmpstr(app->release, ==, release);
	g_assert_cmpuint(fixture_count(fixture, "shop", ""), ==, 1);
	g_assert_cmpint(fixture_request(fixture, "shop-web.fake.test", "/"), ==, 200);
}

static json_t *
step_of(const json_t *timeline, const char *name, gsize *place)
{
	gsize index;
	json_t *step;
	json_array_foreach(json_object_get(timeline, "steps"), index, step)
	{
		*place = index;
		if (strcmp(json_text_of(step, "name", ""), name) == 0)
			return step;
	}
	return NULL;
}

static void
runs_before_anything_starts(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *old = first(fixture);
	unsigned created = fake_created(fixture->provider);
	g_autofree char *folder = g_dir_make_tmp(NULL, NULL);
	g_autofree char *file = g_build_filename(folder, "runs", NULL);
	g_autofree char *command = g_strdup_printf("echo $RELEASE $SERVICE >> %s; sleep 0.3", file);
	g_autofree char *new = release(fixture, NULL, command);
	g_autoptr(GError) error = NULL;
	PromoteOptions options = {.who = "a test"};
	rack_release_promote(fixture->rack, "shop", new, &options, &error);
	g_assert_no_error(error);
	fixture_until(g_file_test(file, G_FILE_TEST_EXISTS));
	g_assert_cmpuint(fake_created(fixture->provider), ==, created);

	json_auto_t *timeline = fixture_wait(fixture, "shop", new);
	fixture_wait_idle(fixture, "shop");
	g_assert_cmpstr(json_text_of(timeline, "state", ""), ==, "succeeded");
	fixture_until(fixture_count(fixture, "shop", old) == 0);
	assert_live(fixture, new);
	gsize at, start;
	g_assert_cmpstr(json_text_of(step_of(timeline, "release", &at), "state", ""), ==, "done");
	g_assert_nonnull(step_of(timeline, "start", &start));
	g_assert_cmpuint(at, <, start);

	/* Once, with the new environment; and not again for new processes of the same release. */
	rack_service_restart(fixture->rack, "shop", "web", &error);
	g_assert_no_error(error);
	fixture_wait_idle(fixture, "shop");
	g_autofree char *text = NULL;
	g_autofree char *expected = g_strdup_printf("%s web\n", new);
	g_file_get_contents(file, &text, NULL, NULL);
	g_assert_cmpstr(text, ==, expected);
	g_unlink(file);
	g_rmdir(folder);
}

static void
its_failure_leaves_the_old_release(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *old = first(fixture);
	unsigned created = fake_created(fixture->provider);
	g_autofree char *new = release(fixture, NULL, "echo one; echo no such table; exit 9");
	json_auto_t *timeline = fixture_promote(fixture, "shop", new);
	const json_t *failure = json_object_get(timeline, "failure");
	g_assert_cmpstr(json_text_of(timeline, "state", ""), ==, "failed");
	g_assert_cmpstr(json_text_of(timeline, "cause", ""), ==, "release command exited 9");
	g_assert_cmpstr(json_text_of(failure, "code", ""), ==, "release-command");
	g_assert_cmpint(json_int_of(failure, "exit", 0), ==, 9);
	json_t *lines = json_object_get(failure, "lines");
	g_assert_cmpuint(json_array_size(lines), ==, 2);
	g_assert_cmpstr(json_string_value(json_array_get(lines, 1)), ==, "no such table");
	gsize place;
	g_assert_cmpstr(
	    json_text_of(step_of(timeline, "release", &place), "state", ""), ==, "failed");

	g_assert_cmpuint(fake_created(fixture->provider), ==, created);
	assert_live(fixture, old);
}

static void
a_cancel_ends_it(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *old = first(fixture);
	g_autofree char *new = release(fixture, NULL, "exec sleep 60");
	g_autoptr(GError) error = NULL;
	PromoteOptions options = {.who = "a test"};
	rack_release_promote(fixture->rack, "shop", new, &options, &error);
	g_assert_no_error(error);
	fixture_until(fixture_count(fixture, "shop", new) == 1);
	json_auto_t *processes = rack_processes(fixture->rack, "shop", "release", NULL, &error);
	json_t *process = json_array_get(processes, 0);
	g_assert_cmpstr(json_text_of(process, "kind", ""), ==, "release");
	rack_app_cancel(fixture->rack, "shop", "somebody", &error);
	g_assert_no_error(error);

	json_auto_t *timeline = fixture_wait(fixture, "shop", new);
	g_assert_cmpstr(json_text_of(timeline, "cause", ""), ==, "cancelled by somebody");
	fixture_until(fixture_count(fixture, "shop", new) == 0);
	fixture_wait_idle(fixture, "shop");
	assert_live(fixture, old);
}

/* The rack dies while it runs: it is ended, and run anew with the promote. */
static void
there_are_never_two(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *old = first(fixture);
	g_autofree char *folder = g_dir_make_tmp(NULL, NULL);
	g_autofree char *command =
	    g_strdup_printf("trap 'rmdir %s/lock; exit 1' TERM; mkdir %s/lock || exit 5; "
			    "test -e %s/go || sleep 60 & wait $!; rmdir %s/lock",
		folder, folder, folder, folder);
	g_autofree char *lock = g_build_filename(folder, "lock", NULL);
	g_autofree char *go = g_build_filename(folder, "go", NULL);
	g_autofree char *new = release(fixture, NULL, command);
	g_autoptr(GError) error = NULL;
	PromoteOptions options = {.who = "a test"};
	rack_release_promote(fixture->rack, "shop", new, &options, &error);
	g_assert_no_error(error);
	fixture_until(g_file_test(lock, G_FILE_TEST_EXISTS));
	g_assert_true(g_file_set_contents(go, "", 0, NULL));
	fixture_restart(fixture);

	json_auto_t *timeline = fixture_wait(fixture, "shop", new);
	g_assert_cmpstr(json_text_of(timeline, "cause", ""), ==, "");
	g_assert_cmpstr(json_text_of(timeline, "state", ""), ==, "succeeded");
	g_unlink(go);
	g_rmdir(folder);
}

/* As a crash leaves it: nobody has ended it. */
static void
one_that_is_left_is_ended_first(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *old = first(fixture);
	static const char *const sleeps[] = {"sleep", "60", NULL};
	RunOptions options = {
	    .service = "web", .name = "release", .role = ROLE_RELEASE, .command = sleeps};
	g_autoptr(GError) error = NULL;
	g_autofree char *left = rack_process_run(fixture->rack, "shop", &options, NULL, &error);
	g_assert_no_error(error);
	g_autofree char *new = release(fixture, NULL, "true");
	json_auto_t *timeline = fixture_promote(fixture, "shop", new);
	g_assert_cmpstr(json_text_of(timeline, "state", ""), ==, "succeeded");
	json_auto_t *record = rack_process(fixture->rack, "shop", left, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(json_text_of(record, "status", ""), ==, "failed");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(name, test) g_test_add_func("/release-command/" name, test)
	ADD("runs-once-before-anything-starts", runs_before_anything_starts);
	ADD("its-failure-leaves-the-old-release", its_failure_leaves_the_old_release);
	ADD("a-cancel-ends-it", a_cancel_ends_it);
	ADD("there-are-never-two-of-it", there_are_never_two);
	ADD("one-that-is-left-is-ended-first", one_that_is_left_is_ended_first);
	return g_test_run();
}
