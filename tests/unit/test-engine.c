/*
 * The engine part against the real engine: what is asked for runs as it was asked for, and what
 * goes wrong is told with its reason. Output is in test-collector.c.
 */
#include "engine-fixture.h"

#include <string.h>

/* Answers every request with its own environment, as the kernel has it. */
static const char server[] =
    "use IO::Socket::INET; $SIG{TERM} = sub { exit 0 };"
    "my $l = IO::Socket::INET->new(LocalPort => 3000, Listen => 9, ReuseAddr => 1) or die;"
    "open my $f, '<', '/proc/self/environ'; local $/; my $e = <$f>;"
    "while (my $c = $l->accept) { { local $/ = \"\\r\\n\\r\\n\"; <$c> }"
    " print $c \"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: \""
    " . length($e) . \"\\r\\n\\r\\n$e\"; close $c }";
static const char *const serve[] = {"perl", "-e", server, NULL};
static const char *const wait_for_ever[] = {"perl", "-e", "sleep 1000", NULL};

static void
locate(Fixture *fixture, Process *process)
{
	g_autoptr(GError) error = NULL;
	bool located = fixture->engine->ops->locate(fixture->engine, process, &error);

	g_assert_no_error(error);
	g_assert_true(located);
}

static void
assert_listens(Fixture *fixture, const Process *process)
{
	g_autoptr(GPtrArray) ports = fixture->engine->ops->listening(fixture->engine, process);

	g_assert_cmpuint(ports->len, ==, 1);
	g_assert_cmpstr(ports->pdata[0], ==, "0.0.0.0:3000");
}

static void
test_runs(Fixture *fixture, gconstpointer data)
{
	g_autoptr(Env) env = env_new();
	g_autofree char *hash = env_hash(env);
	EngineSpec spec = fixture_spec(fixture, env, serve);
	g_autofree char *deployment = fixture_create(fixture, &spec);
	g_autoptr(Process) process = fixture_wait(fixture, deployment, PROCESS_RUNNING);

	g_assert_cmpuint(strlen(process->id), ==, 12);
	g_assert_cmpstr(process->deployment, ==, deployment);
	g_assert_cmpstr(process->app, ==, fixture->app);
	g_assert_cmpstr(process->service, ==, "web");
	g_assert_cmpstr(process->release, ==, FIXTURE_RELEASE);
	g_assert_cmpstr(process->env_hash, ==, hash);
	g_assert_cmpuint(process->port, ==, 3000);
	g_assert_true(process->is_wanted);
	g_assert_cmpint(ABS(g_get_real_time() - process->started), <, 60 * G_USEC_PER_SEC);

	locate(fixture, process);
	g_assert_cmpstr(process->image, ==, fixture->image);
	g_autoptr(HttpAnswer) answer = fixture_get(fixture, process);
	g_assert_cmpuint(answer->status, ==, 200);
	assert_listens(fixture, process);
}

static void
test_deployments(Fixture *fixture, gconstpointer data)
{
	g_autoptr(Env) env = env_new();
	g_autoptr(GError) error = NULL;
	EngineSpec spec = fixture_spec(fixture, env, wait_for_ever);
	spec.cpu = 100;
	spec.memory = 64;
	g_autofree char *one = fixture_create(fixture, &spec);
	g_autofree char *other = fixture_create(fixture, &spec);
	g_assert_cmpstr(one, !=, other);

	g_autoptr(GPtrArray) list =
	    fixture->engine->ops->deployments(fixture->engine, fixture->app, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(list->len, ==, 2);
	const EngineDeployment *deployment = list->pdata[0];
	g_assert_cmpstr(deployment->service, ==, "web");
	g_assert_cmpstr(deployment->release, ==, FIXTURE_RELEASE);
	g_assert_cmpstr(deployment->image, ==, fixture->image);
	g_assert_cmpuint(deployment->count, ==, 1);
	g_assert_cmpuint(deployment->cpu, ==, 100);
	g_assert_cmpuint(deployment->memory, ==, 64);
	g_assert_cmpuint(deployment->port, ==, 3000);
	g_assert_cmpint(deployment->created, >, 0);
}

static void
test_tag_is_refused(Fixture *fixture, gconstpointer data)
{
	g_autoptr(Env) env = env_new();
	g_autoptr(GError) error = NULL;
	EngineSpec spec = fixture_spec(fixture, env, NULL);
	spec.image = "debian:bookworm-slim";

	g_assert_null(fixture->engine->ops->create(fixture->engine, &spec, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
}

static void
test_exit_at_boot(Fixture *fixture, gconstpointer data)
{
	static const char *const command[] = {
	    "perl", "-e", "print qq(one\\ntwo\\n); print STDERR qq(no newline); exit 7", NULL};
	g_autoptr(Env) env = env_new();
	g_autoptr(GError) error = NULL;
	EngineSpec spec = fixture_spec(fixture, env, command);
	g_autofree char *deployment = fixture_create(fixture, &spec);
	g_autoptr(Process) process = fixture_wait(fixture, deployment, PROCESS_FAILED);

	g_assert_cmpint(process->exit_code, ==, 7);
	g_assert_cmpstr(process->reason, ==, "task: non-zero exit (7)");
	g_assert_false(process->is_wanted);
	locate(fixture, process);
	g_assert_cmpint(process->exit_code, ==, 7);
	g_assert_false(process->was_out_of_memory);

	g_autoptr(GPtrArray) lines =
	    fixture->engine->ops->last_lines(fixture->engine, process, 2, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(lines->len, ==, 2);
	g_assert_cmpstr(lines->pdata[1], ==, "no newline");
	g_autofree char *prefix = g_strdup_printf("die %s web %s 7", fixture->app, process->id);
	g_autofree char *event = fixture_wait_event(fixture, prefix);
}

static void
test_bad_command(Fixture *fixture, gconstpointer data)
{
	static const char *const command[] = {"/no/such/file", NULL};
	g_autoptr(Env) env = env_new();
	EngineSpec spec = fixture_spec(fixture, env, command);
	spec.has_init = false;
	g_autofree char *deployment = fixture_create(fixture, &spec);
	g_autoptr(Process) process = fixture_wait(fixture, deployment, PROCESS_FAILED);

	g_assert_nonnull(strstr(process->reason, "no such file or directory"));
	locate(fixture, process);
	g_assert_cmpint(process->exit_code, ==, 127);
}

static void
test_out_of_memory(Fixture *fixture, gconstpointer data)
{
	static const char *const command[] = {
	    "perl", "-e", "my @a; push @a, 'x' x 1000000 while 1", NULL};
	g_autoptr(Env) env = env_new();
	EngineSpec spec = fixture_spec(fixture, env, command);
	spec.memory_limit = 0;
	spec.memory = 24;
	g_autofree char *deployment = fixture_create(fixture, &spec);
	g_autoptr(Process) process = fixture_wait(fixture, deployment, PROCESS_FAILED);

	locate(fixture, process);
	g_assert_true(process->was_out_of_memory);
	g_assert_cmpint(process->exit_code, ==, 137);
	g_assert_cmpuint(process->memory, ==, 24);
	g_autofree char *prefix = g_strdup_printf("oom %s web ", fixture->app);
	g_autofree char *event = fixture_wait_event(fixture, prefix);
	g_autoptr(GPtrArray) lines = fixture_wait_lines(fixture, "system", 1);
	g_autofree char *text = g_strdup_printf("process %s killed: out of memory", process->id);
	g_assert_cmpmem(g_bytes_get_data(lines->pdata[0], NULL), g_bytes_get_size(lines->pdata[0]),
	    text, strlen(text));
}

static void
test_no_room(Fixture *fixture, gconstpointer data)
{
	g_autoptr(Env) env = env_new();
	g_autoptr(GError) error = NULL;
	EngineSpec spec = fixture_spec(fixture, env, wait_for_ever);
	spec.memory = 10000000;
	spec.cpu = 2048;
	g_autofree char *deployment = fixture_create(fixture, &spec);

	gint64 deadline = fixture_deadline(20);
	g_autoptr(Process) process = NULL;
	do {
		g_clear_pointer(&process, process_free);
		process = fixture_wait(fixture, deployment, PROCESS_PENDING);
	} while (!strstr(process->reason, "insufficient resources") && fixture_again(deadline));
	g_assert_cmpstr(process->reason, ==, "no suitable node (insufficient resources on 1 node)");
	g_assert_true(process->is_wanted);
	g_assert_false(fixture->engine->ops->locate(fixture->engine, process, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
}

static void
test_capacity(Fixture *fixture, gconstpointer data)
{
	g_autoptr(Env) env = env_new();
	g_autoptr(GError) error = NULL;
	Engine *engine = fixture->engine;
	EngineCapacity before, after;
	g_assert_true(engine->ops->capacity(engine, &before, &error));
	g_assert_cmpuint(before.nodes, >=, 1);
	g_assert_cmpint(before.cpu, ==, 1024 * g_get_num_processors());
	g_assert_cmpint(before.memory_free, <=, before.memory);

	EngineSpec spec = fixture_spec(fixture, env, wait_for_ever);
	spec.memory = 777;
	spec.cpu = 10;
	g_autofree char *deployment = fixture_create(fixture, &spec);
	fixture_wait_running(fixture, deployment, 1);
	g_assert_true(engine->ops->capacity(engine, &after, &error));
	g_test_message("free memory %" G_GINT64_FORMAT " → %" G_GINT64_FORMAT, before.memory_free,
	    after.memory_free);
	g_assert_cmpint(after.memory_free, <, after.memory);
	g_assert_cmpint(after.cpu_free, <, after.cpu);
}

static void
set(Env *env, const char *name, const char *value)
{
	g_autoptr(GError) error = NULL;
	env_set(env, name, value, &error);
	g_assert_no_error(error);
}

/* The value of a name in /proc/self/environ. */
static const char *
seen_value(const HttpAnswer *answer, const char *name)
{
	gsize length = strlen(name);

	for (const char *entry = answer->body; entry < answer->body + answer->length;
	     entry += strlen(entry) + 1) {
		if (strncmp(entry, name, length) == 0 && entry[length] == '=')
			return entry + length + 1;
	}
	return NULL;
}

static void
test_env(Fixture *fixture, gconstpointer data)
{
	g_autoptr(Env) env = env_new();
	g_autofree char *long_value = g_strnfill(131071 - 5, 'v');
	g_autofree char *braces = g_strnfill(60000, '{');
	set(env, "LONG", long_value);
	set(env, "BRACES", braces);
	set(env, "NODE", "{{.Node.ID}}");
	set(env, "OPEN", "{{");
	set(env, "CLOSE", "}}");
	set(env, "MIXED", "a{{{{b{{{c}}}{{/* x */}}{{- \"q\" -}}");
	set(env, "TEST", "{{test}}");
	set(env, "EMPTY", "");
	set(env, "LINES", "one\ntwo\r\n\tthree\n");
	set(env, "QUOTES", " '\"`$HOME\\ \\n%s ");
	set(env, "UTF8", "größe 🚢");
	set(env, "a-b", "dash");
	set(env, "cluster.name", "x=y=z");
	set(env, "1X", "digit");
	set(env, "PATH", "/usr/sbin:/usr/bin:/sbin:/bin:/mine");

	EngineSpec spec = fixture_spec(fixture, env, serve);
	g_autofree char *deployment = fixture_create(fixture, &spec);
	g_autoptr(Process) process = fixture_wait(fixture, deployment, PROCESS_RUNNING);
	locate(fixture, process);
	g_autoptr(HttpAnswer) answer = fixture_get(fixture, process);
	g_autofree const char **names = env_names(env);
	for (const char **name = names; *name; name++)
		g_assert_cmpstr(seen_value(answer, *name), ==, env_get(env, *name));
}

static void
test_largest_env_scales(Fixture *fixture, gconstpointer data)
{
	g_autoptr(Env) env = env_new();
	g_autoptr(GError) error = NULL;
	g_autofree char *value = g_strnfill(100000, 'v');
	for (unsigned i = 0; i < 7; i++) {
		g_autofree char *name = g_strdup_printf("LONG%u", i);
		set(env, name, value);
	}
	EngineSpec spec = fixture_spec(fixture, env, wait_for_ever);
	g_autofree char *deployment = fixture_create(fixture, &spec);
	fixture_wait_running(fixture, deployment, 1);

	fixture->engine->ops->scale(fixture->engine, deployment, 2, &error);
	g_assert_no_error(error);
	fixture_wait_running(fixture, deployment, 2);
}

static void
test_events(Fixture *fixture, gconstpointer data)
{
	g_autoptr(Env) env = env_new();
	g_autofree char *connected = fixture_wait_event(fixture, "reconnected");
	EngineSpec spec = fixture_spec(fixture, env, serve);
	g_autofree char *deployment = fixture_create(fixture, &spec);
	g_autoptr(Process) process = fixture_wait(fixture, deployment, PROCESS_RUNNING);
	g_autofree char *start = g_strdup_printf("start %s web %s 0", fixture->app, process->id);
	g_autofree char *started = fixture_wait_event(fixture, start);

	json_auto_t *killed = docker_call(fixture->docker, "POST", NULL, NULL,
	    "/containers/%s/kill?signal=KILL", process->container);
	g_assert_nonnull(killed);
	g_autofree char *die = g_strdup_printf("die %s web %s 137", fixture->app, process->id);
	g_autofree char *died = fixture_wait_event(fixture, die);
}

static void
test_scale_and_remove(Fixture *fixture, gconstpointer data)
{
	g_autoptr(Env) env = env_new();
	g_autoptr(GError) error = NULL;
	Engine *engine = fixture->engine;
	EngineSpec spec = fixture_spec(fixture, env, serve);
	g_autofree char *deployment = fixture_create(fixture, &spec);
	fixture_wait_running(fixture, deployment, 1);
	g_autoptr(Process) first = fixture_wait(fixture, deployment, PROCESS_RUNNING);

	g_assert_true(engine->ops->scale(engine, deployment, 3, &error));
	fixture_wait_running(fixture, deployment, 3);
	g_autoptr(GPtrArray) living =
	    engine->ops->processes_of_app(engine, fixture->app, true, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(living->len, ==, 3);
	bool is_same = false;
	for (guint i = 0; i < living->len; i++)
		is_same |= strcmp(((Process *)living->pdata[i])->id, first->id) == 0;
	g_assert_true(is_same);

	g_assert_true(engine->ops->scale(engine, deployment, 0, &error));
	fixture_wait_running(fixture, deployment, 0);
	g_assert_true(engine->ops->remove(engine, deployment, &error));
	g_assert_true(engine->ops->remove(engine, deployment, &error));
	g_autoptr(GPtrArray) list = engine->ops->deployments(engine, fixture->app, &error);
	g_assert_cmpuint(list->len, ==, 0);
	g_assert_false(engine->ops->scale(engine, deployment, 1, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
}

static void
test_stop(Fixture *fixture, gconstpointer data)
{
	g_autoptr(Env) env = env_new();
	g_autoptr(GError) error = NULL;
	Engine *engine = fixture->engine;
	EngineSpec spec = fixture_spec(fixture, env, serve);
	g_autofree char *deployment = fixture_create(fixture, &spec);
	g_autoptr(Process) first = fixture_wait(fixture, deployment, PROCESS_RUNNING);

	engine->ops->stop(engine, fixture->app, first->id, &error);
	g_assert_no_error(error);
	gint64 deadline = fixture_deadline(20);
	g_autoptr(Process) second = fixture_wait(fixture, deployment, PROCESS_RUNNING);
	while (strcmp(second->id, first->id) == 0 && fixture_again(deadline)) {
		process_free(second);
		second = fixture_wait(fixture, deployment, PROCESS_RUNNING);
	}
	g_assert_cmpstr(second->id, !=, first->id);

	g_assert_false(engine->ops->stop(engine, fixture->app, "000000000000", &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
	g_assert_cmpstr(error->message, ==, "no such process: 000000000000");
}

static void
test_services_find_each_other(Fixture *fixture, gconstpointer data)
{
	static const char *const ask[] = {"perl", "-MIO::Socket::INET", "-e",
	    "while (1) { my $s = IO::Socket::INET->new('web:3000'); if ($s) { print 'found'; exit }"
	    " select undef, undef, undef, 0.1 }",
	    NULL};
	g_autoptr(Env) env = env_new();
	EngineSpec spec = fixture_spec(fixture, env, serve);
	g_autofree char *deployment = fixture_create(fixture, &spec);
	spec.service = "asker";
	spec.command = ask;
	g_autofree char *other = fixture_create(fixture, &spec);

	g_autoptr(Process) process = fixture_wait(fixture, other, PROCESS_COMPLETE);
	g_assert_cmpint(process->exit_code, ==, 0);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *path;
		const char *app;
		void (*test)(Fixture *fixture, gconstpointer data);
	} tests[] = {
	    {"/engine/a-process-runs-and-answers-at-its-address", "runs", test_runs},
	    {"/engine/deployments-are-told-as-they-were-asked-for", "list", test_deployments},
	    {"/engine/an-image-by-tag-is-refused", "tag", test_tag_is_refused},
	    {"/engine/an-exit-at-boot-is-told-with-its-code", "exit", test_exit_at_boot},
	    {"/engine/a-command-that-is-not-there-is-told", "command", test_bad_command},
	    {"/engine/out-of-memory-is-told", "oom", test_out_of_memory},
	    {"/engine/no-room-is-pending-with-the-reason", "room", test_no_room},
	    {"/engine/capacity-counts-reservations", "capacity", test_capacity},
	    {"/engine/env-arrives-byte-exact", "env", test_env},
	    {"/engine/a-very-large-env-can-be-scaled", "large", test_largest_env_scales},
	    {"/engine/events-tell-of-start-and-death", "events", test_events},
	    {"/engine/scale-keeps-what-runs-and-remove-is-idempotent", "scale",
		test_scale_and_remove},
	    {"/engine/a-stopped-process-is-replaced", "stop", test_stop},
	    {"/engine/services-find-each-other-by-name", "names", test_services_find_each_other},
	};

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].path, Fixture, tests[i].app, fixture_open, tests[i].test,
		    fixture_close);
	return g_test_run();
}
