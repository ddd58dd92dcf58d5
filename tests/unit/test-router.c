/*
 * The router part against a real HAProxy: what clients see while backends are made, switched,
 * drained and restored. Every request is sent once; one that gets no answer is a failure.
 */
#include "base/error.h"
#include "router-fixture.h"
#include "swarm/haproxy-runtime.h"

#include <string.h>
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

/* Drain, wait, remove: what a deploy does with an old process. */
static void
retire(Fixture *fixture, const char *app, const char *process)
{
	g_autoptr(GError) error = NULL;

	ROUTER(fixture)->drain(fixture->router, app, "web", process, &error);
	g_assert_no_error(error);
	bool is_drained = false;
	ROUTER(fixture)->wait_drained(
	    fixture->router, app, "web", process, 5, &is_drained, NULL, &error);
	g_assert_no_error(error);
	g_assert_true(is_drained);
	ROUTER(fixture)->remove(fixture->router, app, "web", process, &error);
	g_assert_no_error(error);
}

static void
assert_answer(Fixture *fixture, const char *host, unsigned status, const char *word)
{
	g_autofree char *answer = client_get(fixture, host, "/");

	g_assert_nonnull(answer);
	if (answer_status(answer) != status || !strstr(answer, word))
		g_test_message("%s: %s", host, answer);
	g_assert_cmpuint(answer_status(answer), ==, status);
	g_assert_nonnull(strstr(answer, word));
}

static gint64
worker_pid(Fixture *fixture)
{
	g_autofree char *path = g_build_filename(fixture->folder, "haproxy.sock", NULL);
	g_autoptr(GError) error = NULL;
	HaproxyInfo info = {0};

	haproxy_info(path, &info, &error);
	g_assert_no_error(error);
	return info.pid;
}

static void
unknown_host(Fixture *fixture, gconstpointer data)
{
	int fd = client_connect(fixture);
	ensure_app(fixture, "shop", "shop.test");
	add_server(fixture, "shop", "p1", fixture_serve(fixture, "shop-one"));

	assert_answer(fixture, "nobody.test", 404, "Nothing is deployed here");
	assert_answer(fixture, "shop.test.evil.test", 404, "Nothing is deployed here");
	g_autofree char *answer = client_send(fd, "GET / HTTP/1.0\r\n\r\n");
	g_assert_cmpuint(answer_status(answer), ==, 404);
	close(fd);
}

static void
empty_backend(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	ensure_app(fixture, "shop", "shop.test");

	assert_answer(fixture, "shop.test", 503, "retry-after: 1\r\n");
	g_assert_cmpint(
	    ROUTER(fixture)->request(fixture->router, "shop.test", "/", &error), ==, 503);
	g_assert_no_error(error);
}

static void
host_conflict(Fixture *fixture, gconstpointer data)
{
	const char *const taken[] = {"WWW.Shop.test.", NULL};
	const char *const own[] = {"rack.rack.test", NULL};
	g_autoptr(GError) error = NULL;
	g_autoptr(GError) of_rack = NULL;
	g_autoptr(GError) of_service = NULL;
	ensure_app(fixture, "a", "www.shop.test");

	g_assert_false(fixture_ensure(fixture, "b", "web", &error, taken[0], NULL));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_CONFLICT);
	g_assert_cmpstr(error->message, ==, "www.shop.test is used by app a");
	g_assert_false(
	    ROUTER(fixture)->check_hosts(fixture->router, "a", "other", taken, &of_service));
	g_assert_cmpstr(of_service->message, ==, "www.shop.test is used by app a");
	g_assert_true(ROUTER(fixture)->check_hosts(fixture->router, "a", "web", taken, NULL));
	g_assert_false(ROUTER(fixture)->check_hosts(fixture->router, "a", "web", own, &of_rack));
	g_assert_error(of_rack, CARRACK_ERROR, CARRACK_ERROR_CONFLICT);
}

static void
wildcard(Fixture *fixture, gconstpointer data)
{
	ensure_app(fixture, "a", "*.x.test");
	ensure_app(fixture, "b", "api.x.test");
	add_server(fixture, "a", "p1", fixture_serve(fixture, "app-a"));
	add_server(fixture, "b", "p2", fixture_serve(fixture, "app-b"));

	assert_answer(fixture, "api.x.test", 200, "app-b");
	assert_answer(fixture, "foo.x.test", 200, "app-a");
	assert_answer(fixture, "FOO.X.test.:8080", 200, "app-a");
	assert_answer(fixture, "a.b.x.test", 404, "");
	assert_answer(fixture, "x.test", 404, "");
}

/* Requests that a front door has to tell apart, and headers that a client may not forge. */
static void
strict_requests(Fixture *fixture, gconstpointer data)
{
	static const struct {
		const char *head;
		unsigned status;
	} cases[] = {
	    {"GET http://shop.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n", 200},
	    {"GET HTTP://shop.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n", 200},
	    {"GET / HTTP/1.0\r\nHost: shop.test\r\n\r\n", 200},
	    {"GET / HTTP/1.1\r\nHost: shop.test\r\nHost: other.test\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\nHost: shop.test\r\nX A: b\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\nHost: shop.test\r\nX-A : b\r\n\r\n", 400},
	    {"GET /\xc3\xa9 HTTP/1.1\r\nHost: shop.test\r\n\r\n", 400},
	    {"GET / HTTP/1.7\r\nHost: shop.test\r\n\r\n", 400},
	    {"CONNECT shop.test:80 HTTP/1.1\r\nHost: shop.test:80\r\n\r\n", 405},
	    {"GET / HTTP/1.1\r\nHost: shop.test, other.test\r\n\r\n", 404},
	};
	ensure_app(fixture, "shop", "shop.test");
	add_server(fixture, "shop", "p1", fixture_serve(fixture, "shop-one"));

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		int fd = client_connect(fixture);
		g_autofree char *answer = client_send(fd, cases[i].head);
		g_test_message("%s", cases[i].head);
		g_assert_cmpuint(answer_status(answer), ==, cases[i].status);
		close(fd);
	}
}

static void
forged_headers(Fixture *fixture, gconstpointer data)
{
	g_autofree char *port = g_strdup_printf("x-forwarded-port: %u", fixture->options.http_port);
	ensure_app(fixture, "shop", "shop.test");
	add_server(fixture, "shop", "p1", fixture_serve(fixture, "shop-one"));

	int fd = client_connect(fixture);
	g_autofree char *answer = client_send(fd,
	    "GET /headers HTTP/1.1\r\nHost: Shop.test\r\nX-Forwarded-For: 1.2.3.4\r\n"
	    "X-Forwarded-Proto: https\r\nX-Real-IP: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\n\r\n");
	close(fd);
	g_assert_nonnull(strstr(answer, "x-forwarded-for: 127.0.0.1\r\n"));
	g_assert_nonnull(strstr(answer, "x-forwarded-proto: http\r\n"));
	g_assert_nonnull(strstr(answer, port));
	g_assert_nonnull(strstr(answer, "x-request-id: "));
	g_assert_nonnull(strstr(answer, "host: Shop.test\r\n"));
	g_assert_null(strstr(answer, "1.2.3.4"));
}

static void
assert_nothing_lost(Traffic *first, Traffic *second, unsigned at_least)
{
	unsigned total = 0;
	unsigned more = 0;
	g_assert_cmpuint(traffic_stop(first, &total), ==, 0);
	g_assert_cmpuint(traffic_stop(second, &more), ==, 0);

	g_test_message("%u and %u requests", total, more);
	g_assert_cmpuint(total, >=, at_least);
	g_assert_cmpuint(more, >=, at_least);
}

static void
switches(Fixture *fixture, gconstpointer data)
{
	ensure_app(fixture, "shop", "shop.test");
	add_server(fixture, "shop", "p0", fixture_serve(fixture, "zero"));
	Traffic *kept = traffic_start(fixture, "shop.test", true);
	Traffic *fresh = traffic_start(fixture, "shop.test", false);

	for (unsigned i = 1; i <= 20; i++) {
		g_autofree char *old = g_strdup_printf("p%u", i - 1);
		g_autofree char *new = g_strdup_printf("p%u", i);
		add_server(fixture, "shop", new, fixture_serve(fixture, new));
		retire(fixture, "shop", old);
		g_subprocess_force_exit(fixture->servers->pdata[i - 1]);
	}
	assert_nothing_lost(kept, fresh, 40);
	assert_answer(fixture, "shop.test", 200, "p20");
}

static void
reloads(Fixture *fixture, gconstpointer data)
{
	static const char *const apps[] = {"one", "two", "three", "four", "five"};
	g_autoptr(GError) error = NULL;
	ensure_app(fixture, "shop", "shop.test");
	add_server(fixture, "shop", "p0", fixture_serve(fixture, "shop-one"));
	Traffic *kept = traffic_start(fixture, "shop.test", true);
	Traffic *fresh = traffic_start(fixture, "shop.test", false);

	for (gsize i = 0; i < G_N_ELEMENTS(apps); i++) {
		g_autofree char *host = g_strconcat(apps[i], ".test", NULL);
		gint64 before = worker_pid(fixture);
		ensure_app(fixture, apps[i], host);
		gint64 after = worker_pid(fixture);
		g_assert_cmpint(before, !=, after);
		assert_answer(fixture, host, 503, "");
	}
	/* A fifth process does not fit: the backend grows by itself. */
	for (unsigned i = 1; i <= 4; i++) {
		g_autofree char *name = g_strdup_printf("p%u", i);
		add_server(fixture, "shop", name, fixture_serve(fixture, name));
	}
	assert_nothing_lost(kept, fresh, 20);
	g_autoptr(GPtrArray) servers =
	    ROUTER(fixture)->servers(fixture->router, "shop", "web", &error);
	g_assert_no_error(error);
	g_assert_cmpuint(servers->len, ==, 5);
}

/* The connection was idle over the reload, so it belongs to a worker that knows only the old
 * process. */
static void
idle_over_reload(Fixture *fixture, gconstpointer data)
{
	const char *request = "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n";
	ensure_app(fixture, "shop", "shop.test");
	add_server(fixture, "shop", "old", fixture_serve(fixture, "the-old"));
	int fd = client_connect(fixture);
	g_autofree char *first = client_send(fd, request);
	g_assert_nonnull(strstr(first, "the-old"));

	ensure_app(fixture, "other", "other.test");
	add_server(fixture, "shop", "new", fixture_serve(fixture, "the-new"));
	retire(fixture, "shop", "old");
	g_subprocess_force_exit(fixture->servers->pdata[0]);
	g_autofree char *second = client_send(fd, request);
	g_assert_cmpuint(answer_status(second), ==, 200);
	g_assert_nonnull(strstr(second, "the-new"));
	close(fd);
}

static void
drain_and_back(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	ensure_app(fixture, "shop", "shop.test");
	add_server(fixture, "shop", "p1", fixture_serve(fixture, "shop-one"));

	ROUTER(fixture)->drain(fixture->router, "shop", "web", "p1", &error);
	g_assert_no_error(error);
	assert_answer(fixture, "shop.test", 503, "");
	ROUTER(fixture)->ready(fixture->router, "shop", "web", "p1", &error);
	g_assert_no_error(error);
	assert_answer(fixture, "shop.test", 200, "shop-one");
}

/* After a restart both apps are empty, and each gets its own processes again although HAProxy has
 * forgotten everything. */
static void
restart(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GError) told = NULL;
	ensure_app(fixture, "a", "a.test");
	ensure_app(fixture, "b", "b.test");
	add_server(fixture, "a", "p1", fixture_serve(fixture, "app-a"));
	add_server(fixture, "b", "p2", fixture_serve(fixture, "app-b"));
	g_assert_true(ROUTER(fixture)->ping(fixture->router, NULL));

	fixture_stop_haproxy(fixture);
	g_assert_false(ROUTER(fixture)->ping(fixture->router, NULL));
	router_boot(&fixture->options, &error);
	g_assert_no_error(error);
	fixture_start_haproxy(fixture);
	assert_answer(fixture, "a.test", 503, "retry-after: 1");
	assert_answer(fixture, "b.test", 503, "retry-after: 1");
	g_assert_false(ROUTER(fixture)->ping(fixture->router, &told));
	g_assert_error(told, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);

	ROUTER(fixture)->restore(fixture->router, &error);
	g_assert_no_error(error);
	assert_answer(fixture, "a.test", 200, "app-a");
	assert_answer(fixture, "b.test", 200, "app-b");
	g_assert_true(ROUTER(fixture)->ping(fixture->router, NULL));
}

static void
renew_router(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;

	ROUTER(fixture)->free(fixture->router);
	fixture->router = router_haproxy_new(&fixture->options, &error);
	g_assert_no_error(error);
	ROUTER(fixture)->restore(fixture->router, &error);
	g_assert_no_error(error);
}

static void
adopts(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	unsigned port = fixture_serve(fixture, "shop-one");
	ensure_app(fixture, "shop", "shop.test");
	add_server(fixture, "shop", "p1", port);
	add_server(fixture, "shop", "p2", fixture_serve(fixture, "shop-two"));
	gint64 before = worker_pid(fixture);
	Traffic *kept = traffic_start(fixture, "shop.test", true);
	Traffic *fresh = traffic_start(fixture, "shop.test", false);

	renew_router(fixture);
	g_autoptr(GPtrArray) found =
	    ROUTER(fixture)->servers(fixture->router, "shop", "web", &error);
	g_assert_no_error(error);
	g_assert_cmpuint(found->len, ==, 2);
	const RouterServer *first = found->pdata[0];
	g_assert_cmpstr(first->process, ==, "");
	g_assert_cmpuint(first->port, ==, port);
	add_server(fixture, "shop", "again", port);
	ROUTER(fixture)->remove(fixture->router, "shop", "web", "", &error);
	g_assert_no_error(error);

	g_autoptr(GPtrArray) left =
	    ROUTER(fixture)->servers(fixture->router, "shop", "web", &error);
	g_assert_cmpuint(left->len, ==, 1);
	g_assert_cmpstr(((RouterServer *)left->pdata[0])->process, ==, "again");
	assert_nothing_lost(kept, fresh, 1);
	gint64 after = worker_pid(fixture);
	g_assert_cmpint(before, ==, after);
}

static void
hosts_change(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	ensure_app(fixture, "a", "old.test");
	add_server(fixture, "a", "p1", fixture_serve(fixture, "app-a"));
	gint64 before = worker_pid(fixture);

	ensure_app(fixture, "a", "old.test");
	fixture_ensure(fixture, "a", "web", &error, "new.test", "*.wild.test", NULL);
	g_assert_no_error(error);
	assert_answer(fixture, "new.test", 200, "app-a");
	assert_answer(fixture, "x.wild.test", 200, "app-a");
	assert_answer(fixture, "old.test", 404, "");
	gint64 after = worker_pid(fixture);
	g_assert_cmpint(before, ==, after);

	/* What a boot would read is the same. */
	renew_router(fixture);
	assert_answer(fixture, "new.test", 200, "app-a");
	gint64 later = worker_pid(fixture);
	g_assert_cmpint(before, ==, later);
}

static void
forgets(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	ensure_app(fixture, "a", "a.test");
	ensure_app(fixture, "b", "b.test");
	add_server(fixture, "a", "p1", fixture_serve(fixture, "app-a"));

	ROUTER(fixture)->forget(fixture->router, "a", "web", &error);
	g_assert_no_error(error);
	assert_answer(fixture, "a.test", 404, "");
	g_autoptr(GPtrArray) names = ROUTER(fixture)->backends(fixture->router, &error);
	g_assert_cmpuint(names->len, ==, 1);
	g_assert_cmpstr(names->pdata[0], ==, "b/web");
	fixture_ensure(fixture, "b", "web", &error, "a.test", NULL);
	g_assert_no_error(error);
	assert_answer(fixture, "a.test", 503, "");
}

/* A configuration that HAProxy refuses changes nothing. */
static void
refused(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *list =
	    g_build_filename(fixture->options.router_folder, "certificates/list", NULL);
	ensure_app(fixture, "a", "a.test");
	add_server(fixture, "a", "p1", fixture_serve(fixture, "app-a"));
	g_assert_true(g_file_set_contents(list, "/nowhere.pem\n", -1, NULL));

	g_assert_false(fixture_ensure(fixture, "b", "web", &error, "b.test", NULL));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	g_assert_nonnull(strstr(error->message, "nowhere.pem"));
	assert_answer(fixture, "a.test", 200, "app-a");
	g_autoptr(GPtrArray) names = ROUTER(fixture)->backends(fixture->router, NULL);
	g_assert_cmpuint(names->len, ==, 1);

	g_assert_true(g_file_set_contents(list, "", -1, NULL));
	ensure_app(fixture, "b", "b.test");
	assert_answer(fixture, "b.test", 503, "");
}

/* An answer over TLS; the caller frees it. */
static HttpAnswer *
ask_tls(Fixture *fixture, const char *host, const char *path)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *url = g_strdup_printf("https://127.0.0.1:%u", fixture->options.https_port);
	g_autofree char *header = g_strconcat("Host: ", host, NULL);
	const char *const headers[] = {header, NULL};
	HttpOptions options = {.base_url = url, .insecure = true};
	g_autoptr(HttpClient) client = http_client_new(&options);
	HttpRequest request = {.path = path, .headers = headers, .timeout_ms = 5000};
	HttpAnswer *answer = http_call(client, &request, NULL, &error);
	g_assert_no_error(error);
	return answer;
}

static void
api_away(Fixture *fixture, gconstpointer data)
{
	g_autoptr(HttpAnswer) answer = ask_tls(fixture, "rack.rack.test", "/");
	g_assert_cmpuint(answer->status, ==, 503);
	g_assert_nonnull(strstr(answer->body, "the rack's API is away"));
}

/* The password of the API must not travel in the clear. */
static void
api_by_plain_http(Fixture *fixture, gconstpointer data)
{
	assert_answer(fixture, "rack.rack.test", 403, "spoken to by https");
}

static void
bad_wishes(Fixture *fixture, gconstpointer data)
{
	static const char *const hosts[] = {"a b.test", "a.test\n", "*", "*.*.test", "a..test",
	    "-a.test", "a.test:80", "a{b}.test", ""};

	for (gsize i = 0; i < G_N_ELEMENTS(hosts); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_false(fixture_ensure(fixture, "a", "web", &error, hosts[i], NULL));
		g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	}
}

/* The cookie follows the process into another slot; a draining one loses its clients at once. */
static void
sticky(Fixture *fixture, gconstpointer data)
{
	static const char *const hosts[] = {"shop.test", NULL};
	g_autoptr(GError) error = NULL;
	RouterBackend wish = {.app = "shop", .service = "web", .hosts = hosts, .is_sticky = true};
	ROUTER(fixture)->ensure(fixture->router, &wish, &error);
	g_assert_no_error(error);
	unsigned port = fixture_serve(fixture, "p-one");
	add_server(fixture, "shop", "filler", fixture_free_port());
	add_server(fixture, "shop", "one", port);
	retire(fixture, "shop", "filler");
	g_autofree char *first = client_get(fixture, "shop.test", "/");
	const char *cookie = strstr(first, "set-cookie: carrack=");
	g_assert_nonnull(cookie);
	g_autofree char *head =
	    g_strdup_printf("GET / HTTP/1.1\r\nHost: shop.test\r\nCookie: carrack=%.16s\r\n\r\n",
		cookie + strlen("set-cookie: carrack="));

	add_server(fixture, "shop", "two", fixture_serve(fixture, "p-two"));
	int fd = client_connect(fixture);
	for (unsigned i = 0; i < 6; i++) {
		g_autofree char *answer = client_send(fd, head);
		g_assert_nonnull(strstr(answer, "p-one"));
	}
	ROUTER(fixture)->drain(fixture->router, "shop", "web", "one", &error);
	g_assert_no_error(error);
	g_autofree char *moved = client_send(fd, head);
	g_assert_nonnull(strstr(moved, "p-two"));
	ROUTER(fixture)->remove(fixture->router, "shop", "web", "one", &error);
	add_server(fixture, "shop", "one", port);
	g_autofree char *back = client_send(fd, head);
	g_assert_nonnull(strstr(back, "p-one"));
	close(fd);
}

static void
tls(Fixture *fixture, gconstpointer data)
{
	ensure_app(fixture, "shop", "shop.test");
	add_server(fixture, "shop", "p1", fixture_serve(fixture, "shop-one"));

	g_autoptr(HttpAnswer) answer = ask_tls(fixture, "shop.test", "/headers");
	g_assert_cmpuint(answer->status, ==, 200);
	g_assert_nonnull(strstr(answer->body, "x-forwarded-proto: https\r\n"));
}

/* HAProxy's own end is lost, not the one that serves: the former worker goes on, and the next good
 * reload works. */
static void
failed_reload(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *config =
	    g_build_filename(fixture->options.router_folder, "haproxy.cfg", NULL);
	g_autofree char *master = g_build_filename(fixture->folder, "haproxy-master.sock", NULL);
	g_autofree char *socket = g_build_filename(fixture->folder, "haproxy.sock", NULL);
	ensure_app(fixture, "a", "a.test");
	add_server(fixture, "a", "p1", fixture_serve(fixture, "app-a"));

	g_assert_true(g_file_set_contents(config, "nonsense\n", -1, NULL));
	g_assert_false(haproxy_reload(master, socket, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	assert_answer(fixture, "a.test", 200, "app-a");
	ensure_app(fixture, "b", "b.test");
	assert_answer(fixture, "a.test", 200, "app-a");
	assert_answer(fixture, "b.test", 503, "");
}

static void
address_of_another_family(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GError) bad = NULL;
	ensure_app(fixture, "a", "a.test");

	ROUTER(fixture)->add(fixture->router, "a", "web", "six", "::1", 4000, &error);
	g_assert_no_error(error);
	ensure_app(fixture, "b", "b.test");
	g_assert_false(
	    ROUTER(fixture)->add(fixture->router, "a", "web", "bad", "host.test; x", 80, &bad));
	g_assert_error(bad, CARRACK_ERROR, CARRACK_ERROR_INVALID);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(Fixture *fixture, gconstpointer data);
	} tests[] = {
	    {"/router/unknown-host-answers-404", unknown_host},
	    {"/router/backend-without-process-answers-503-with-retry-after", empty_backend},
	    {"/router/host-of-another-app-is-a-conflict", host_conflict},
	    {"/router/wildcard-takes-one-label-and-exact-goes-first", wildcard},
	    {"/router/malformed-requests-are-refused-at-the-door", strict_requests},
	    {"/router/forwarding-headers-of-a-client-are-not-believed", forged_headers},
	    {"/router/twenty-switches-lose-no-request", switches},
	    {"/router/reloads-lose-no-request", reloads},
	    {"/router/idle-connection-over-a-reload-reaches-the-new-process", idle_over_reload},
	    {"/router/drained-process-can-come-back", drain_and_back},
	    {"/router/restart-answers-503-until-restored", restart},
	    {"/router/new-router-adopts-who-is-in-the-slots", adopts},
	    {"/router/hosts-change-without-a-reload", hosts_change},
	    {"/router/forgotten-backend-answers-404", forgets},
	    {"/router/refused-configuration-changes-nothing", refused},
	    {"/router/api-that-is-away-is-named", api_away},
	    {"/router/api-is-not-reached-by-plain-http", api_by_plain_http},
	    {"/router/cookie-follows-the-process", sticky},
	    {"/router/tls-is-told-to-the-app", tls},
	    {"/router/reload-that-fails-leaves-the-former-worker", failed_reload},
	    {"/router/addresses-are-of-both-families", address_of_another_family},
	    {"/router/what-is-no-host-name-is-refused", bad_wishes},
	};
	if (argc > 1 && g_str_equal(argv[1], "--serve"))
		return fixture_serve_main(argc, argv);

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(
		    tests[i].name, Fixture, NULL, fixture_set_up, tests[i].run, fixture_tear_down);
	return g_test_run();
}
