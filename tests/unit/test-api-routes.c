/*
 * What holds for every route: who may, what is unknown, limits, headers. The table itself is asked
 * for the routes, so that a new one is covered without being named here.
 */
#include "api.h"
#include "api/routes.h"
#include "base/limits.h"

#include <string.h>

/* A path that fits a pattern: every variable replaced by «x». */
static char *
example_of(const char *pattern)
{
	g_autoptr(GString) path = g_string_new(NULL);
	for (; *pattern; pattern++) {
		if (*pattern != '{') {
			g_string_append_c(path, *pattern);
			continue;
		}
		g_string_append_c(path, 'x');
		pattern = strchr(pattern, '}');
	}
	return g_string_free(g_steal_pointer(&path), FALSE);
}

static const char *
headers_of(const Route *route)
{
	if (route->kind == ROUTE_LINES)
		return "Accept: application/x-ndjson\r\n";
	if (route_is_socket(route))
		return "Connection: Upgrade\r\nUpgrade: websocket\r\n"
		       "Sec-WebSocket-Version: 13\r\n"
		       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
	return "";
}

/* The whole answer to this route with an Authorization line (or «»). */
static char *
ask(TestApi *test, const Route *route, const char *authorization)
{
	g_autofree char *path = example_of(route->pattern);
	const char *close = route_is_socket(route) ? "" : "Connection: close\r\n";
	g_autofree char *text =
	    g_strconcat(route->method, " ", path, "? HTTP/1.1\r\nHost: rack\r\n", close,
		headers_of(route), authorization, "Content-Length: 0\r\n\r\n", NULL);
	return test_raw(test, text);
}

static void
expect_refused(const Route *route, const char *answer)
{
	g_test_message("%s %s", route->method, route->pattern);
	if (route_is_socket(route)) {
		g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 101 "));
		g_assert_nonnull(
		    strstr(answer, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
		g_assert_nonnull(strstr(answer, "ERROR: invalid authentication\n"));
		return;
	}
	g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 401 "));
	g_assert_nonnull(strstr(answer, "WWW-Authenticate: Basic realm=\"carrack\"\r\n"));
	g_assert_nonnull(strstr(answer, "Content-Type: text/plain; charset=utf-8\r\n"));
	g_assert_nonnull(strstr(answer, "Request-Id: "));
	if (strcmp(route->method, "HEAD"))
		g_assert_true(g_str_has_suffix(answer, "\r\n\r\ninvalid authentication\n"));
}

static void
test_default_deny(void)
{
	g_autoptr(TestApi) test = test_api_new();
	gsize count;
	const Route *routes = routes_all(&count);
	unsigned public = 0;
	for (gsize i = 0; i < count; i++) {
		const Route *route = &routes[i];
		g_assert_cmpint(route->role, !=, ROLE_UNSET);
		if (route->role == ROLE_PUBLIC) {
			g_assert_cmpstr(route->pattern, ==, "/check");
			public++;
			continue;
		}
		/* Whoever changes something needs more than the right to read. */
		bool is_read = !strcmp(route->method, "GET") || !strcmp(route->method, "HEAD");
		g_assert_cmpint(route->role, >=, is_read ? ROLE_READ : ROLE_WRITE);
		g_autofree char *without = ask(test, route, "");
		expect_refused(route, without);
		g_autofree char *wrong = ask(test, route, "Authorization: Basic YW55Ondyb25n\r\n");
		expect_refused(route, wrong);
	}
	g_assert_cmpint(public, ==, 1);
}

/* Each kind has its handler, and no row hides another. */
static void
test_table(void)
{
	gsize count;
	const Route *routes = routes_all(&count);
	for (gsize i = 0; i < count; i++) {
		const Route *route = &routes[i];
		g_assert_true(!!route->json == (route->kind == ROUTE_JSON));
		g_assert_true(!!route->act == (route->kind == ROUTE_OK));
		g_assert_true(!!route->file == (route->kind == ROUTE_FILE));
		g_assert_true(!!route->absent == (route->kind == ROUTE_ABSENT));
		g_assert_true(!!route->duplex == (route->kind == ROUTE_DUPLEX));
		bool is_stream = route->kind == ROUTE_LINES || route->kind == ROUTE_TAR ||
				 route->kind == ROUTE_WEBSOCKET;
		g_assert_true(!!route->stream == is_stream);

		g_autofree char *path = example_of(route->pattern);
		g_autoptr(Request) request = request_new(NULL, route->method, path);
		if (route->kind == ROUTE_LINES)
			request_add_header(request, "Accept", "application/x-ndjson");
		if (route_is_socket(route))
			request_add_header(request, "Upgrade", "websocket");
		g_assert_true(route_find(request) == route);
	}
}

static void
test_documented(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *page = NULL;
	g_file_get_contents(API_PAGE, &page, NULL, &error);
	g_assert_no_error(error);
	gsize count;
	const Route *routes = routes_all(&count);
	for (gsize i = 0; i < count; i++) {
		g_autofree char *text =
		    g_strdup_printf("`%s %s`", routes[i].method, routes[i].pattern);
		g_test_message("%s", text);
		g_assert_nonnull(strstr(page, text));
	}
}

static void
test_check(void)
{
	g_autoptr(TestApi) test = test_api_new();
	g_autofree char *answer =
	    test_raw(test, "GET /check HTTP/1.1\r\nHost: rack\r\nConnection: close\r\n\r\n");
	g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 200 "));
	g_assert_true(g_str_has_suffix(answer, "\r\n\r\nok"));
	test_expect(test, "GET", "/auth?", NULL, 200, "ok\n");
}

static void
test_unknown(void)
{
	static const char *const lines[] = {"GET /", "GET /nothing", "GET /racks?",
	    "GET /machines?", "GET /apps/", "GET //apps", "PATCH /apps", "POST /apps/x",
	    "OPTIONS /apps", "GET /apps/x/logs", "DELETE /check", "POST /apps/x/objects",
	    "HEAD /apps"};
	g_autoptr(TestApi) test = test_api_new();
	for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
		g_autofree char *text = g_strconcat(lines[i],
		    " HTTP/1.1\r\nHost: rack\r\nConnection: close\r\n"
		    "Authorization: Basic OnMzY3JldC1wYXNz\r\nContent-Length: 3\r\n\r\nabc",
		    NULL);
		g_autofree char *answer = test_raw(test, text);
		g_test_message("%s", lines[i]);
		g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 404 "));
		g_assert_null(strstr(answer, "Request-Id"));
		g_assert_nonnull(strstr(answer, "Content-Length: 0\r\n"));
		g_assert_true(g_str_has_suffix(answer, "\r\n\r\n"));
	}
}

static void
test_errors(void)
{
	g_autoptr(TestApi) test = test_api_new();
	test_expect(test, "GET", "/apps/nope?", NULL, 404, "no such app: nope\n");
	test_expect(test, "GET", "/apps/nope/builds?limit=x?", NULL, 404, "no such app: nope\n");
	test_expect(test, "POST", "/apps", "", 400, "name is required\n");
	test_expect(test, "POST", "/apps", "name=%zz", 400,
	    "form: a percent sign must be followed by two hex digits\n");
	test_expect(test, "GET", "/apps?x=%00", NULL, 400, "query: holds a NUL byte\n");
	test_expect(
	    test, "POST", "/apps/x/builds/import", NULL, 501, "this rack cannot import builds\n");

	g_autofree char *answer = test_raw(test,
	    "GET /apps/nope HTTP/1.1\r\nHost: rack\r\nConnection: close\r\n"
	    "Accept: application/json\r\nAuthorization: Basic OnMzY3JldC1wYXNz\r\n\r\n");
	g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 404 "));
	g_assert_nonnull(strstr(answer, "Content-Type: application/json\r\n"));
	g_assert_nonnull(strstr(answer, "X-Content-Type-Options: nosniff\r\n"));
	g_assert_true(g_str_has_suffix(
	    answer, "{\n  \"error\": \"no such app: nope\",\n  \"code\": \"not-found\"\n}\n"));
}

static gssize
read_zeros(gpointer data, void *buffer, gsize size, GError **error)
{
	gsize *left = data;
	gsize count = MIN(size, *left);
	memset(buffer, 'x', count);
	*left -= count;
	return count;
}

static void
post_large(TestApi *test, gsize size, gint64 declared, unsigned status, const char *body)
{
	g_autoptr(GError) error = NULL;
	gsize left = size;
	HttpRequest request = {.method = "POST",
	    .path = "/apps",
	    .read = read_zeros,
	    .read_data = &left,
	    .read_length = declared,
	    .timeout_ms = 20000};
	g_autoptr(HttpAnswer) answer = http_call(test->client, &request, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpint(answer->status, ==, status);
	g_assert_cmpstr(answer->body, ==, body);
}

static void
test_limits(void)
{
	g_autoptr(TestApi) test = test_api_new();
	post_large(test, LIMIT_BODY_BYTES, LIMIT_BODY_BYTES, 400, "name is required\n");
	post_large(test, LIMIT_BODY_BYTES + 1, LIMIT_BODY_BYTES + 1, 413,
	    "a request's body may have 1048576 bytes, this one has 1048577\n");
	post_large(test, LIMIT_BODY_BYTES + 1, 0, 413, "a request's body may have 1048576 bytes\n");
	/* A chunked one is read to its end, or the client would never see why. */
	post_large(
	    test, 32 * LIMIT_BODY_BYTES, 0, 413, "a request's body may have 1048576 bytes\n");
	test_expect(test, "GET", "/auth", NULL, 200, "ok\n");
}

static void
test_handshake(void)
{
	g_autoptr(TestApi) test = test_api_new();
	g_autofree char *foreign = test_raw(test,
	    "GET /system/logs HTTP/1.1\r\nHost: rack\r\nConnection: Upgrade\r\n"
	    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://evil.test\r\n"
	    "\r\nGET /check HTTP/1.1\r\nHost: rack\r\nConnection: close\r\n\r\n");
	g_assert_true(g_str_has_prefix(foreign, "HTTP/1.1 403 "));
	g_assert_nonnull(strstr(foreign, "origin https://evil.test is not this host\n"));

	g_autofree char *bad = test_raw(test,
	    "GET /system/logs HTTP/1.1\r\nHost: rack\r\nConnection: Upgrade, close\r\n"
	    "Upgrade: websocket\r\nOrigin: http://rack\r\n\r\n"
	    "GET /check HTTP/1.1\r\nHost: rack\r\nConnection: close\r\n\r\n");
	g_assert_true(g_str_has_prefix(bad, "HTTP/1.1 400 "));
}

static void
test_password(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(TestApi) test = test_api_new();
	ApiOptions options = {.socket_path = "/nowhere/api.sock", .password = ""};
	g_assert_null(api_new(test->rack, &options, &error));
	g_assert_cmpstr(error->message, ==, "the API needs a password");
	g_clear_error(&error);
	options.password = "x";
	g_assert_null(api_new(test->rack, &options, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
}

static unsigned
free_port(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GSocketListener) listener = g_socket_listener_new();
	unsigned port = g_socket_listener_add_any_inet_port(listener, NULL, &error);
	g_assert_no_error(error);
	g_socket_listener_close(listener);
	return port;
}

static void
test_port(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(TestApi) test = test_api_new();
	unsigned port = free_port();
	ApiOptions options = {.port = port, .password = PASSWORD};
	g_autoptr(Api) api = api_new(test->rack, &options, &error);
	g_assert_no_error(error);

	g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u", port);
	HttpOptions http = {.base_url = url, .user = "any", .password = PASSWORD};
	HttpClient *client = http_client_new(&http);
	HttpRequest request = {.method = "GET", .path = "/auth", .timeout_ms = 60000};
	g_autoptr(HttpAnswer) answer = http_call(client, &request, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(answer->body, ==, "ok\n");
	http_client_free(client);

	g_assert_null(api_new(test->rack, &options, &error));
	g_autofree char *expected = g_strdup_printf("port %u: Address already in use", port);
	g_assert_cmpstr(error->message, ==, expected);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/api-routes/every-route-refuses-strangers", test_default_deny);
	g_test_add_func("/api-routes/every-row-is-reached", test_table);
	g_test_add_func("/api-routes/every-route-is-documented", test_documented);
	g_test_add_func("/api-routes/check-needs-no-password", test_check);
	g_test_add_func("/api-routes/unknown-is-404-with-nothing", test_unknown);
	g_test_add_func("/api-routes/errors-are-text-or-json", test_errors);
	g_test_add_func("/api-routes/bodies-have-a-limit", test_limits);
	g_test_add_func("/api-routes/foreign-origins-get-no-socket", test_handshake);
	g_test_add_func("/api-routes/no-password-no-api", test_password);
	g_test_add_func("/api-routes/a-port-instead-of-the-socket", test_port);
	return g_test_run();
}
