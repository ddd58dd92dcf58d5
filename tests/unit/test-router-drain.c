/*
 * Draining against a real HAProxy: what a process that gets no new requests has begun is waited
 * for, through reloads too, and is ended only when that is asked for.
 */
#include "router-fixture.h"

#include <unistd.h>

#define ROUTER(fixture) (fixture)->router->ops

static void
add_server(Fixture *fixture, const char *app, const char *process, unsigned port)
{
	g_autoptr(GError) error = NULL;

	ROUTER(fixture)->add(fixture->router, app, "web", process, "127.0.0.1", port, &error);
	g_assert_no_error(error);
}

static void
ensure_app(Fixture *fixture, const char *app, const char *host)
{
	g_autoptr(GError) error = NULL;

	fixture_ensure(fixture, app, "web", &error, host, NULL);
	g_assert_no_error(error);
}

typedef struct {
	int fd;
	pthread_t thread;
	char *answer;
} Slow;

static void *
run_slow(void *data)
{
	Slow *slow = data;

	/* Not GET: one that is cut would be sent again, to another process. */
	slow->answer = client_send(
	    slow->fd, "POST /slow/1500 HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\n\r\n");
	return NULL;
}

static void
wait_for_session(Fixture *fixture)
{
	gint64 deadline = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;

	for (;;) {
		g_autoptr(GPtrArray) servers =
		    ROUTER(fixture)->servers(fixture->router, "shop", "web", NULL);
		const RouterServer *server = servers->pdata[0];
		if (server->sessions > 0)
			return;
		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
		g_poll(NULL, 0, 5);
	}
}

static void
start_slow(Fixture *fixture, Slow *slow)
{
	ensure_app(fixture, "shop", "shop.test");
	add_server(fixture, "shop", "old", fixture_serve(fixture, "the-old"));
	slow->fd = client_connect(fixture);
	g_assert_cmpint(pthread_create(&slow->thread, NULL, run_slow, slow), ==, 0);
	wait_for_session(fixture);
	/* Now the request is in a worker that is being replaced. */
	ensure_app(fixture, "other", "other.test");
}

/* The time it took, with what the server began in `is_drained`. */
static gint64
drain_old(Fixture *fixture, unsigned seconds, bool *is_drained)
{
	g_autoptr(GError) error = NULL;
	gint64 begin = g_get_monotonic_time();

	ROUTER(fixture)->drain(fixture->router, "shop", "web", "old", &error);
	g_assert_no_error(error);
	ROUTER(fixture)->wait_drained(
	    fixture->router, "shop", "web", "old", seconds, is_drained, NULL, &error);
	g_assert_no_error(error);
	return g_get_monotonic_time() - begin;
}

static void
drain_waits(Fixture *fixture, gconstpointer data)
{
	Slow slow = {0};
	start_slow(fixture, &slow);

	bool is_drained = false;
	g_assert_cmpint(drain_old(fixture, 10, &is_drained), >, G_USEC_PER_SEC / 2);
	g_assert_true(is_drained);
	pthread_join(slow.thread, NULL);
	g_assert_cmpuint(answer_status(slow.answer), ==, 200);
	close(slow.fd);
	g_free(slow.answer);
}

typedef struct {
	Fixture *fixture;
	gint64 took;
	bool is_drained;
} Wait;

static void *
run_wait(void *data)
{
	Wait *wait = data;

	wait->took = drain_old(wait->fixture, 10, &wait->is_drained);
	return NULL;
}

/* Each reload makes one more replaced worker, and the master deaf for a moment. */
static void
drain_waits_through_reloads(Fixture *fixture, gconstpointer data)
{
	Slow slow = {0};
	Wait wait = {.fixture = fixture};
	pthread_t thread;
	start_slow(fixture, &slow);

	g_assert_cmpint(pthread_create(&thread, NULL, run_wait, &wait), ==, 0);
	for (unsigned i = 0; i < 5; i++) {
		g_autofree char *app = g_strdup_printf("more%u", i);
		g_autofree char *host = g_strdup_printf("more%u.test", i);
		ensure_app(fixture, app, host);
	}
	pthread_join(thread, NULL);
	pthread_join(slow.thread, NULL);
	g_assert_true(wait.is_drained);
	g_assert_cmpint(wait.took, >, G_USEC_PER_SEC / 2);
	g_assert_cmpuint(answer_status(slow.answer), ==, 200);
	close(slow.fd);
	g_free(slow.answer);
}

static void
drain_only_looks(Fixture *fixture, gconstpointer data)
{
	Slow slow = {0};
	start_slow(fixture, &slow);

	bool is_drained = true;
	drain_old(fixture, 0, &is_drained);
	g_assert_false(is_drained);
	pthread_join(slow.thread, NULL);
	g_assert_cmpuint(answer_status(slow.answer), ==, 200);
	close(slow.fd);
	g_free(slow.answer);
}

static void
cut_ends_sessions(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	Slow slow = {0};
	start_slow(fixture, &slow);

	bool is_drained = true;
	g_assert_cmpint(drain_old(fixture, 0, &is_drained), <, G_USEC_PER_SEC);
	ROUTER(fixture)->cut(fixture->router, "shop", "web", "old", &error);
	g_assert_no_error(error);
	pthread_join(slow.thread, NULL);
	g_assert_cmpuint(answer_status(slow.answer), !=, 200);
	close(slow.fd);
	g_free(slow.answer);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(Fixture *fixture, gconstpointer data);
	} tests[] = {
	    {"/router/drain-waits-for-a-request-in-a-replaced-worker", drain_waits},
	    {"/router/waiting-cuts-nothing", drain_only_looks},
	    {"/router/drain-waits-through-reloads", drain_waits_through_reloads},
	    {"/router/cut-ends-what-a-draining-process-still-does", cut_ends_sessions},
	};
	if (argc > 1 && g_str_equal(argv[1], "--serve"))
		return fixture_serve_main(argc, argv);

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(
		    tests[i].name, Fixture, NULL, fixture_set_up, tests[i].run, fixture_tear_down);
	return g_test_run();
}
