/*
 * Commands and one-offs against the real engine.
 */
#include "engine-fixture.h"

#include <string.h>

static const char *const wait_for_ever[] = {"perl", "-e", "sleep 1000", NULL};

static Process *
running(Fixture *fixture)
{
	g_autoptr(Env) env = env_new();
	EngineSpec spec = fixture_spec(fixture, env, wait_for_ever);
	g_autofree char *deployment = fixture_create(fixture, &spec);
	return fixture_wait(fixture, deployment, PROCESS_RUNNING);
}

/* stdout and stderr of a stream to its end, and its exit code. */
static int
read_all(EngineStream *stream, GString *out, GString *err)
{
	g_autoptr(GError) error = NULL;
	char buffer[1000];
	bool is_error;
	gssize count;
	int code = -1;
	while ((count = stream->ops->read(
		    stream, buffer, sizeof(buffer), &is_error, NULL, &error)) > 0)
		g_string_append_len(is_error ? err : out, buffer, count);
	g_assert_no_error(error);
	g_assert_true(stream->ops->exit_code(stream, &code, NULL, &error));
	g_assert_no_error(error);
	return code;
}

static void
expect(EngineStream *stream, const char *out, const char *err, int code)
{
	g_autoptr(GString) got_out = g_string_new(NULL);
	g_autoptr(GString) got_err = g_string_new(NULL);
	g_assert_cmpint(read_all(stream, got_out, got_err), ==, code);
	g_assert_cmpstr(got_out->str, ==, out);
	if (err)
		g_assert_cmpstr(got_err->str, ==, err);
	else
		g_assert_cmpuint(got_err->len, >, 0);
}

static EngineStream *
exec_in(Fixture *fixture, const Process *process, const char *const *command)
{
	g_autoptr(GError) error = NULL;
	EngineExec exec = {.command = command};
	EngineStream *stream = fixture->engine->ops->exec(fixture->engine, process, &exec, &error);
	g_assert_no_error(error);
	return stream;
}

static void
test_exec(Fixture *fixture, gconstpointer data)
{
	static const struct {
		const char *command[4];
		const char *out;
		const char *err;
		int code;
	} cases[] = {
	    {{"sh", "-c", "echo out; echo err >&2; exit 3"}, "out\n", "err\n", 3},
	    {{"sh", "-c", "kill -9 $$"}, "", "", 137},
	    {{"true"}, "", "", 0},
	    {{"/nope"}, "", NULL, 127},
	    {{"no-such-command"}, "", NULL, 127},
	    {{"/etc/passwd"}, "", NULL, 126},
	    {{"echo", "OCI runtime exec failed: not so"}, "OCI runtime exec failed: not so\n", "",
		0},
	};
	g_autoptr(Process) process = running(fixture);
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(EngineStream) stream = exec_in(fixture, process, cases[i].command);
		expect(stream, cases[i].out, cases[i].err, cases[i].code);
	}
}

static void
test_input(Fixture *fixture, gconstpointer data)
{
	static const char *const command[] = {"sh", "-c", "cat; sleep 0.2; echo late", NULL};
	g_autoptr(Process) process = running(fixture);
	for (unsigned round = 0; round < 20; round++) {
		g_autoptr(EngineStream) stream = exec_in(fixture, process, command);
		g_assert_cmpint(stream->ops->wait_room(stream, 1000, NULL, NULL), ==, 1);
		g_assert_true(stream->ops->write(stream, "in ", 3, NULL, NULL));
		stream->ops->end_input(stream);
		expect(stream, "in late\n", "", 0);
	}
}

/* The count of processes on this machine with this argument. */
static unsigned
count_of(const char *mark)
{
	unsigned count = 0;
	g_autoptr(GDir) folder = g_dir_open("/proc", 0, NULL);
	const char *name;
	while ((name = g_dir_read_name(folder))) {
		g_autofree char *file = g_build_filename("/proc", name, "cmdline", NULL);
		g_autofree char *text = NULL;
		gsize length;
		if (g_ascii_isdigit(*name) && g_file_get_contents(file, &text, &length, NULL) &&
		    g_str_equal(text, "sleep") && length > 6 && g_str_equal(text + 6, mark))
			count++;
	}
	return count;
}

static void
wait_count(const char *mark, unsigned wanted)
{
	gint64 deadline = fixture_deadline(10);
	while (count_of(mark) != wanted && fixture_again(deadline))
		;
	g_assert_cmpuint(count_of(mark), ==, wanted);
}

static void
test_kill(Fixture *fixture, gconstpointer data)
{
	static const char *const command[] = {
	    "sh", "-c", "trap '' TERM HUP; sleep 3717 & sleep 3717; true", NULL};
	g_autoptr(Process) process = running(fixture);
	g_autoptr(EngineStream) stream = exec_in(fixture, process, command);
	wait_count("3717", 2);
	gint64 began = g_get_monotonic_time();
	stream->ops->kill(stream);
	wait_count("3717", 0);
	g_assert_cmpint(g_get_monotonic_time() - began, <, 3 * G_USEC_PER_SEC);
}

static EngineStream *
run(Fixture *fixture, const char *const *command, char **id)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Env) env = env_new();
	env_set(env, "VALUE", "{{.Service.Name}} and $HOME", NULL);
	EngineSpec spec = fixture_spec(fixture, env, command);
	EngineOneOff one_off = {.spec = &spec, .is_attached = true};
	EngineStream *stream = NULL;
	*id = fixture->engine->ops->run(fixture->engine, &one_off, &stream, &error);
	g_assert_no_error(error);
	return stream;
}

static void
forget_all(Fixture *fixture)
{
	g_autoptr(GPtrArray) all =
	    fixture->engine->ops->one_offs(fixture->engine, fixture->app, NULL);
	for (guint i = 0; i < all->len; i++)
		g_assert_true(fixture->engine->ops->forget(fixture->engine, all->pdata[i], NULL));
}

static void
test_run(Fixture *fixture, gconstpointer data)
{
	static const char *const shell[] = {
	    "sh", "-c", "printf '%s|' \"$VALUE\"; cat; echo err >&2; exit 42", NULL};
	static const char *const missing[] = {"/nope", NULL};
	g_autofree char *id = NULL;
	g_autoptr(EngineStream) stream = run(fixture, shell, &id);
	g_assert_true(stream->ops->write(stream, "in", 2, NULL, NULL));
	stream->ops->end_input(stream);
	expect(stream, "{{.Service.Name}} and $HOME|in", "err\n", 42);

	g_autofree char *other = NULL;
	g_autoptr(EngineStream) nothing = run(fixture, missing, &other);
	expect(nothing, "", NULL, 127);
	forget_all(fixture);
	g_autoptr(GPtrArray) left =
	    fixture->engine->ops->one_offs(fixture->engine, fixture->app, NULL);
	g_assert_cmpuint(left->len, ==, 0);
	/* What an attached one writes is not in the logs. */
	g_autoptr(GPtrArray) lines = fixture_lines(fixture, "service");
	g_assert_cmpuint(lines->len, ==, 0);
}

static void
test_detached(Fixture *fixture, gconstpointer data)
{
	static const char *const command[] = {"sh", "-c", "echo words; exit 5", NULL};
	g_autoptr(GError) error = NULL;
	g_autoptr(Env) env = env_new();
	EngineSpec spec = fixture_spec(fixture, env, command);
	EngineOneOff one_off = {.spec = &spec, .deadline = 12345};
	g_autofree char *id = fixture->engine->ops->run(fixture->engine, &one_off, NULL, &error);
	g_assert_no_error(error);
	g_autofree char *prefix = g_strdup_printf("die %s web %s 5", fixture->app, id);
	g_autofree char *event = fixture_wait_event(fixture, prefix);
	g_autoptr(GPtrArray) lines = fixture_wait_lines(fixture, "service", 1);

	gint64 deadline = fixture_deadline(10);
	const Process *process;
	g_autoptr(GPtrArray) all = NULL;
	do {
		g_clear_pointer(&all, g_ptr_array_unref);
		all = fixture->engine->ops->one_offs(fixture->engine, fixture->app, NULL);
		g_assert_cmpuint(all->len, ==, 1);
		process = all->pdata[0];
	} while (process->state == PROCESS_RUNNING && fixture_again(deadline));
	g_assert_cmpstr(process->id, ==, id);
	g_assert_cmpint(process->state, ==, PROCESS_FAILED);
	g_assert_cmpint(process->exit_code, ==, 5);
	g_assert_cmpint(process->deadline, ==, 12345);
	g_assert_true(process->is_one_off);
	forget_all(fixture);
}

#define TEST(path, app, function)                                                                  \
	g_test_add(path, Fixture, app, fixture_open, function, fixture_close)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	TEST("/engine-exec/output-and-exit-code-are-exact", "exec", test_exec);
	TEST("/engine-exec/end-of-input-is-not-the-end", "input", test_input);
	TEST("/engine-exec/a-kill-reaches-what-it-started", "kill", test_kill);
	TEST("/engine-exec/an-attached-one-off-loses-nothing", "run", test_run);
	TEST("/engine-exec/a-detached-one-off-writes-to-the-logs", "detached", test_detached);
	return g_test_run();
}
