/*
 * The collector against the real engine: every byte that a process writes is stored once and in
 * order, whatever is restarted, rotated, removed or failing meanwhile.
 */
#include "engine-fixture.h"

#include "base/limits.h"
#include "base/lock.h"

#include <gio/gunixsocketaddress.h>
#include <string.h>

static char *
start(Fixture *fixture, const char *program)
{
	const char *command[] = {"perl", "-e", program, NULL};
	g_autoptr(Env) env = env_new();
	EngineSpec spec = fixture_spec(fixture, env, command);

	return fixture_create(fixture, &spec);
}

static void
assert_line(const GPtrArray *lines, guint index, const char *text, gsize length)
{
	gsize size;
	g_assert_cmpuint(lines->len, >, index);
	const char *bytes = g_bytes_get_data(lines->pdata[index], &size);

	g_assert_cmpmem(bytes, size, text, length);
}

/* Lines «line 1», «line 2», … up to `count`, each once and in order. */
static void
assert_counted(Fixture *fixture, unsigned count)
{
	g_autoptr(GPtrArray) lines = fixture_wait_lines(fixture, "service", count);

	for (guint i = 0; i < lines->len; i++) {
		gsize size;
		const char *bytes = g_bytes_get_data(lines->pdata[i], &size);
		g_autofree char *text = g_strndup(bytes, size);
		guint64 number = g_ascii_strtoull(text + strlen("line "), NULL, 10);
		if (number != i + 1)
			g_test_message("line %u is «%.40s»", i + 1, text);
		g_assert_cmpuint(number, ==, i + 1);
	}
	g_assert_cmpuint(lines->len, ==, count);
}

static void
test_bytes(Fixture *fixture, gconstpointer data)
{
	static const unsigned lengths[] = {16384, 16385, 32768, 100008};
	g_autofree char *deployment = start(fixture,
	    "$| = 1; print qq(nul \\0 mid\\n), qq(bad \\377\\376\\n), qq(cr\\rover\\r\\n), qq(\\n),"
	    "'a' x 16384, qq(\\n), 'a' x 16385, qq(\\n), 'a' x 32768, qq(\\n), 'a' x 100008,"
	    "qq(\\n), 'b' x 1500000, qq(\\nend\\n); sleep 1000");
	g_autoptr(GPtrArray) lines = fixture_wait_lines(fixture, "service", 11);
	g_autofree char *text = g_strnfill(100008, 'a');

	g_assert_cmpuint(lines->len, ==, 11);
	assert_line(lines, 0, "nul \0 mid", 9);
	assert_line(lines, 1, "bad \377\376", 6);
	assert_line(lines, 2, "cr\rover\r", 8);
	assert_line(lines, 3, "", 0);
	for (unsigned i = 0; i < G_N_ELEMENTS(lengths); i++)
		assert_line(lines, 4 + i, text, lengths[i]);
	g_assert_cmpuint(g_bytes_get_size(lines->pdata[8]), ==, LIMIT_LOG_LINE_BYTES);
	assert_line(lines, 10, "end", 3);
}

static void
test_last_words(Fixture *fixture, gconstpointer data)
{
	g_autofree char *deployment =
	    start(fixture, "print qq(one\\n); print STDERR 'last words'; exit 3");
	g_autoptr(Process) process = fixture_wait(fixture, deployment, PROCESS_FAILED);
	g_autofree char *end = g_strdup_printf("process %s exited with 3", process->id);

	g_autoptr(GPtrArray) told = fixture_wait_lines(fixture, "system", 1);
	assert_line(told, 0, end, strlen(end));
	/* The line about the end comes after what explains it. */
	g_autoptr(GPtrArray) lines = fixture_wait_lines(fixture, "service", 2);
	bool has_words = false;
	for (guint i = 0; i < 2; i++) {
		gsize size;
		const char *bytes = g_bytes_get_data(lines->pdata[i], &size);
		has_words |= size == 10 && memcmp(bytes, "last words", 10) == 0;
	}
	g_assert_true(has_words);
}

static void
test_restarts(Fixture *fixture, gconstpointer data)
{
	g_autofree char *deployment = start(fixture,
	    "$| = 1; for (1 .. 20000) { print qq(line $_\\n); select undef, undef, undef, 0.02"
	    " if $_ % 100 == 0 } sleep 1000");

	for (unsigned i = 1; i <= 6; i++) {
		g_autoptr(GPtrArray) lines = fixture_wait_lines(fixture, "service", i * 2500);
		fixture_restart_engine(fixture);
	}
	assert_counted(fixture, 20000);
}

/* What was written while nobody listened, by a process that has died since. */
static void
test_dead_meanwhile(Fixture *fixture, gconstpointer data)
{
	fixture->engine->ops->free(fixture->engine);
	SwarmOptions options = {.rack = FIXTURE_RACK};
	fixture->engine = engine_swarm_new(fixture->docker, fixture->logs, &options, NULL);
	g_autofree char *deployment =
	    start(fixture, "for (1 .. 3) { print qq(line $_\\n) } exit 1 if !-e '/x'");
	g_autoptr(Process) process = fixture_wait(fixture, deployment, PROCESS_FAILED);

	g_autoptr(GPtrArray) before = fixture_lines(fixture, "service");
	g_assert_cmpuint(before->len, ==, 0);
	fixture_restart_engine(fixture);
	g_autoptr(GPtrArray) after = fixture_wait_lines(fixture, "service", 3);
	assert_line(after, 0, "line 1", 6);
}

static void
test_rotation(Fixture *fixture, gconstpointer data)
{
	g_autofree char *deployment =
	    start(fixture, "$| = 1; my $x = 'x' x 100; for (1 .. 250000) { print qq(line $_ $x\\n);"
			   " select undef, undef, undef, 0.01 if $_ % 200 == 0 } sleep 1000");

	assert_counted(fixture, 250000);
}

static void
test_remove_at_once(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *deployment =
	    start(fixture, "for (1 .. 1000) { print qq(line $_\\n) } exit 1");
	g_autoptr(Process) process = fixture_wait(fixture, deployment, PROCESS_FAILED);

	g_assert_true(fixture->engine->ops->remove(fixture->engine, deployment, &error));
	g_autoptr(GPtrArray) lines = fixture_lines(fixture, "service");
	g_assert_cmpuint(lines->len, >=, 1000);
}

static void
test_words_at_termination(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *deployment = start(fixture,
	    "$| = 1; $SIG{TERM} = sub { for (2 .. 500) { print qq(line $_\\n) } exit };"
	    "print qq(line 1\\n); sleep 1000");
	g_autoptr(GPtrArray) first = fixture_wait_lines(fixture, "service", 1);

	g_assert_true(fixture->engine->ops->remove(fixture->engine, deployment, &error));
	assert_counted(fixture, 500);
}

static void
test_streams_are_ordered(Fixture *fixture, gconstpointer data)
{
	g_autofree char *deployment = start(fixture,
	    "$| = 1; for (1 .. 50) { if ($_ % 2) { print qq(line $_\\n) } else {"
	    " print STDERR qq(line $_\\n) } select undef, undef, undef, 0.01 } sleep 1000");

	assert_counted(fixture, 50);
}

/* A logs part whose every third append fails. */
typedef struct {
	Logs base;
	LogsOps ops;
	Logs *real;
	unsigned calls;
} Failing;

static bool
failing_append(Logs *base, const char *app, const LogLine *lines, gsize count, GError **error)
{
	Failing *failing = (Failing *)base;
	if (++failing->calls % 3 == 0)
		return error_set(error, CARRACK_ERROR_UNAVAILABLE, "disk full");
	return failing->real->ops->append(failing->real, app, lines, count, error);
}

static bool
failing_query(Logs *base,
    const char *app,
    const LogQuery *query,
    LogTake take,
    gpointer take_data,
    GCancellable *cancel,
    GError **error)
{
	Logs *real = ((Failing *)base)->real;
	return real->ops->query(real, app, query, take, take_data, cancel, error);
}

static gint64
failing_newest(Logs *base, const char *app, const char *process)
{
	Logs *real = ((Failing *)base)->real;
	return real->ops->newest(real, app, process);
}

static void
test_failing_store(Fixture *fixture, gconstpointer data)
{
	Failing failing = {.real = fixture->logs,
	    .ops = {.append = failing_append, .query = failing_query, .newest = failing_newest}};
	failing.base.ops = &failing.ops;
	fixture->logs = &failing.base;
	fixture_restart_engine(fixture);

	g_autofree char *deployment = start(fixture,
	    "$| = 1; for (1 .. 3000) { print qq(line $_\\n); select undef, undef, undef, 0.1"
	    " if $_ % 100 == 0 } sleep 1000");
	assert_counted(fixture, 3000);
	g_assert_cmpuint(failing.calls, >, 3);

	fixture->logs = failing.real;
	fixture_restart_engine(fixture);
}

/* The engine's socket through one that can be cut. */
typedef struct {
	GSocketService *service;
	pthread_mutex_t lock;
	GCancellable *cut;
	char *path;
} Relay;

static bool
pump(GSocket *from, GSocket *to)
{
	char bytes[65536];
	gssize length = g_socket_receive(from, bytes, sizeof(bytes), NULL, NULL);
	if (length <= 0)
		return false;

	for (gssize sent = 0; sent < length;) {
		gssize count = g_socket_send(to, bytes + sent, length - sent, NULL, NULL);
		if (count < 0)
			return false;
		sent += count;
	}
	return true;
}

static void
pump_both(GSocket *one, GSocket *other, GCancellable *cut)
{
	GPollFD waits[3] = {{.fd = g_socket_get_fd(one), .events = G_IO_IN},
	    {.fd = g_socket_get_fd(other), .events = G_IO_IN}};
	g_cancellable_make_pollfd(cut, &waits[2]);
	bool goes_on = true;

	while (goes_on && g_poll(waits, 3, -1) > 0 && !waits[2].revents) {
		if (waits[0].revents)
			goes_on = pump(one, other);
		if (goes_on && waits[1].revents)
			goes_on = pump(other, one);
	}
	g_cancellable_release_fd(cut);
}

static gboolean
relay_run(GThreadedSocketService *service, GSocketConnection *client, GObject *source, Relay *relay)
{
	g_autoptr(GSocketClient) connector = g_socket_client_new();
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new("/var/run/docker.sock");
	g_autoptr(GSocketConnection) engine =
	    g_socket_client_connect(connector, G_SOCKET_CONNECTABLE(address), NULL, NULL);
	pthread_mutex_lock(&relay->lock);
	g_autoptr(GCancellable) cut = g_object_ref(relay->cut);
	pthread_mutex_unlock(&relay->lock);

	pump_both(
	    g_socket_connection_get_socket(client), g_socket_connection_get_socket(engine), cut);
	return TRUE;
}

static void *
relay_loop(gpointer data)
{
	g_main_loop_run(data);
	return NULL;
}

static void
relay_open(Relay *relay, const Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	relay->path = g_build_filename(fixture->folder, "relay.sock", NULL);
	relay->service = g_threaded_socket_service_new(100);
	relay->cut = g_cancellable_new();
	pthread_mutex_init(&relay->lock, NULL);
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(relay->path);
	g_socket_listener_add_address(G_SOCKET_LISTENER(relay->service), address,
	    G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL, NULL, &error);
	g_assert_no_error(error);
	g_signal_connect(relay->service, "run", G_CALLBACK(relay_run), relay);
}

/* Every connection breaks; new ones are good. */
static void
relay_cut(Relay *relay)
{
	LOCKED(&relay->lock);
	g_cancellable_cancel(relay->cut);
	g_object_unref(relay->cut);
	relay->cut = g_cancellable_new();
}

static void
relay_close(Relay *relay)
{
	g_socket_service_stop(relay->service);
	relay_cut(relay);
	g_object_unref(relay->service);
	g_object_unref(relay->cut);
	g_free(relay->path);
}

static unsigned
count_events(Fixture *fixture, const char *prefix)
{
	unsigned count = 0;
	LOCKED(&fixture->lock);

	for (guint i = 0; i < fixture->events->len; i++)
		count += g_str_has_prefix(fixture->events->pdata[i], prefix);
	return count;
}

static void
test_cuts(Fixture *fixture, gconstpointer data)
{
	Relay relay = {0};
	g_autoptr(GError) error = NULL;
	g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
	relay_open(&relay, fixture);
	GThread *thread = g_thread_new("relay", relay_loop, loop);
	Docker *direct = fixture->docker;
	fixture->docker = docker_new(relay.path, &error);
	g_assert_no_error(error);
	fixture_restart_engine(fixture);
	g_autofree char *deployment = start(fixture,
	    "$| = 1; for (1 .. 20000) { print qq(line $_\\n); select undef, undef, undef, 0.02"
	    " if $_ % 100 == 0 } exit 4");

	for (unsigned i = 1; i <= 6; i++) {
		g_autoptr(GPtrArray) lines = fixture_wait_lines(fixture, "service", i * 2500);
		relay_cut(&relay);
	}
	g_autofree char *die = g_strdup_printf("die %s web ", fixture->app);
	g_autofree char *died = fixture_wait_event(fixture, die);
	g_assert_true(g_str_has_suffix(died, " 4"));
	g_assert_cmpuint(count_events(fixture, "reconnected"), >=, 4);

	g_assert_true(fixture->engine->ops->remove(fixture->engine, deployment, &error));
	g_autoptr(GPtrArray) lines = fixture_lines(fixture, "service");
	for (guint i = 0; i < 20000; i++) {
		g_autofree char *text = g_strdup_printf("line %u", i + 1);
		assert_line(lines, i, text, strlen(text));
	}

	Docker *relayed = fixture->docker;
	fixture->docker = direct;
	fixture_restart_engine(fixture);
	docker_free(relayed);
	g_main_loop_quit(loop);
	g_thread_join(thread);
	relay_close(&relay);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *path;
		const char *app;
		void (*test)(Fixture *fixture, gconstpointer data);
	} tests[] = {
	    {"/collector/every-byte-is-stored", "bytes", test_bytes},
	    {"/collector/last-words-come-before-the-end-is-told", "words", test_last_words},
	    {"/collector/the-two-streams-are-in-order", "order", test_streams_are_ordered},
	    {"/collector/a-restart-neither-loses-nor-doubles", "restart", test_restarts},
	    {"/collector/what-died-while-it-was-down-is-read", "dead", test_dead_meanwhile},
	    {"/collector/a-cut-connection-neither-loses-nor-doubles", "cut", test_cuts},
	    {"/collector/rotation-neither-loses-nor-doubles", "rotation", test_rotation},
	    {"/collector/a-removed-deployment-keeps-its-last-lines", "removed",
		test_remove_at_once},
	    {"/collector/words-at-termination-are-stored", "term", test_words_at_termination},
	    {"/collector/a-failing-store-loses-nothing", "failing", test_failing_store},
	};

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].path, Fixture, tests[i].app, fixture_open, tests[i].test,
		    fixture_close);
	return g_test_run();
}
