/*
 * Log streams: frames, prefixes, following, ends.
 */
#include "api.h"
#include "base/text.h"

#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <sys/resource.h>

static TestApi *
with_app(void)
{
	TestApi *test = test_api_new();
	g_autoptr(HttpAnswer) answer = test_call(test, "POST", "/apps", "name=shop");
	g_assert_cmpint(answer->status, ==, 200);
	return test;
}

static void
test_prefix(void)
{
	g_autoptr(TestApi) test = with_app();
	gint64 now = g_get_real_time();
	g_autofree char *stamp = text_time_seconds(now);
	test_log(test, "shop", "p1", now - 600 * G_USEC_PER_SEC, "old");
	test_log(test, "shop", "p1", now, "one");
	test_log(test, "shop", "p2", now, "t\xffwo");
	logs_system(test->provider->logs, "shop", "scale", "100%% done");

	const char *headers[] = {"Follow: false", "Prefix: true", NULL};
	g_autoptr(GError) error = NULL;
	g_autoptr(WebSocket) socket =
	    websocket_connect(test->client, "/apps/shop/logs", headers, NULL, &error);
	g_assert_no_error(error);
	bool ended;
	g_autofree char *text = test_read_all(socket, &ended);
	g_autofree char *expected =
	    g_strdup_printf("%s service/web/p1 one\n%s service/web/p2 t\xffwo\n", stamp, stamp);
	g_assert_true(g_str_has_prefix(text, expected));
	g_assert_true(g_str_has_suffix(text, "Z system/scale 100% done\n"));
	g_assert_true(ended);
	/* After the end frame the server closes. */
	WebSocketEvent event;
	g_autofree char *bytes = NULL;
	gsize length;
	g_assert_true(websocket_receive(socket, &event, &bytes, &length, NULL, &error));
	g_assert_cmpint(event, ==, WEBSOCKET_CLOSED);
}

static void
expect_lines(TestApi *test, const char *path, const char *header, const char *expected)
{
	const char *headers[] = {"Follow: false", header, NULL};
	g_autoptr(WebSocket) socket = websocket_connect(test->client, path, headers, NULL, NULL);
	g_assert_nonnull(socket);
	g_autofree char *text = test_read_all(socket, NULL);
	g_assert_cmpstr(text, ==, expected);
}

static void
test_choice(void)
{
	g_autoptr(TestApi) test = with_app();
	gint64 now = g_get_real_time();
	test_log(test, "shop", "p1", now - 3600LL * G_USEC_PER_SEC, "old one");
	test_log(test, "shop", "p1", now - 1000, "error: one");
	test_log(test, "shop", "p2", now, "two");
	expect_lines(test, "/apps/shop/logs", NULL, "error: one\ntwo\n");
	expect_lines(test, "/apps/shop/logs", "Since: 2h0m0s", "old one\nerror: one\ntwo\n");
	expect_lines(test, "/apps/shop/logs", "Filter: err", "error: one\n");
	expect_lines(test, "/apps/shop/logs", "Tail: 1", "two\n");
	expect_lines(test, "/apps/shop/logs", "Tail: 3", "old one\nerror: one\ntwo\n");
	expect_lines(test, "/apps/shop/services/web/logs", NULL, "error: one\ntwo\n");
	expect_lines(test, "/apps/shop/services/api/logs", NULL, "");
	expect_lines(test, "/apps/shop/processes/p2/logs", NULL, "two\n");
	expect_lines(test, "/apps/nope/logs", NULL, "ERROR: no such app: nope\n");
	expect_lines(test, "/apps/shop/logs", "Since: soon",
	    "ERROR: since: «soon» is neither a duration (5m, 1h30m) nor a time "
	    "(2026-04-20T10:11:12Z)\n");
	logs_system(test->provider->logs, LOGS_SYSTEM, "api", "event=start");
	expect_lines(test, "/system/logs", NULL, "event=start\n");
}

static void
test_follow(void)
{
	g_autoptr(TestApi) test = with_app();
	test_log(test, "shop", "p1", g_get_real_time(), "before");
	g_autoptr(WebSocket) socket = test_socket(test, "/apps/shop/logs", "Prefix: false");
	g_autofree char *first = test_read_frame(socket);
	g_assert_cmpstr(first, ==, "before\n");
	for (unsigned i = 0; i < 100; i++) {
		g_autofree char *line = g_strdup_printf("line %u", i);
		test_log(test, "shop", "p1", g_get_real_time(), line);
		g_autofree char *frame = test_read_frame(socket);
		g_assert_cmpint(strlen(frame), ==, strlen(line) + 1);
		g_assert_true(g_str_has_prefix(frame, line));
	}

	/* The end of the client's input is not the end of the stream. */
	g_assert_true(websocket_send_end(socket, NULL, NULL));
	test_log(test, "shop", "p1", g_get_real_time(), "after");
	g_autofree char *after = test_read_frame(socket);
	g_assert_cmpstr(after, ==, "after\n");
}

static void
test_long_line(void)
{
	g_autoptr(TestApi) test = with_app();
	g_autofree char *line = g_strnfill(1 << 20, 'x');
	test_log(test, "shop", "p1", g_get_real_time(), line);
	const char *headers[] = {"Follow: false", "Prefix: true", NULL};
	g_autoptr(WebSocket) socket =
	    websocket_connect(test->client, "/apps/shop/logs", headers, NULL, NULL);
	bool ended;
	g_autofree char *text = test_read_all(socket, &ended);
	g_assert_true(ended);
	g_assert_true(g_str_has_suffix(text, "xxx\n"));
	g_assert_cmpint(strlen(text), >, 1 << 20);
}

static void
test_deleted_app(void)
{
	g_autoptr(TestApi) test = with_app();
	g_autoptr(WebSocket) socket = test_socket(test, "/apps/shop/logs", NULL);
	test_log(test, "shop", "p1", g_get_real_time(), "one");
	g_autofree char *first = test_read_frame(socket);
	test_expect(test, "DELETE", "/apps/shop?", NULL, 200, "ok\n");
	bool ended;
	g_autofree char *rest = test_read_all(socket, &ended);
	g_assert_true(ended);
}

static gpointer
free_api(gpointer data)
{
	TestApi *test = data;
	g_clear_pointer(&test->api, api_free);
	return NULL;
}

static void
test_stop(void)
{
	g_autoptr(TestApi) test = with_app();
	g_autoptr(WebSocket) one = test_socket(test, "/apps/shop/logs", NULL);
	g_autoptr(WebSocket) two = test_socket(test, "/system/logs", NULL);
	GThread *thread = g_thread_new("stop", free_api, test);
	g_autofree char *rest = test_read_all(one, NULL);
	g_autofree char *other = test_read_all(two, NULL);
	g_assert_cmpstr(rest, ==, "");
	g_thread_join(thread);
}

/* Many followers that vanish leave room for others: none of them counts any more. */
static void
test_gone(void)
{
	g_autoptr(TestApi) test = with_app();
	for (unsigned i = 0; i < 450; i++) {
		g_autoptr(WebSocket) socket = test_socket(test, "/apps/shop/logs", NULL);
		if (i % 50)
			continue;
		test_log(test, "shop", "p1", g_get_real_time(), "seen");
		g_autofree char *frame = test_read_frame(socket);
		g_assert_cmpstr(frame, ==, "seen\n");
	}
}

#define STREAMS 384

/* Streams do not take the room that ordinary requests need. */
static void
test_many(void)
{
	struct rlimit files;
	g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &files), ==, 0);
	files.rlim_cur = MIN(4096, files.rlim_max);
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &files), ==, 0);
	g_autoptr(TestApi) test = with_app();
	test_log(test, "shop", "p1", g_get_real_time(), "seen");
	g_autoptr(GPtrArray) sockets =
	    g_ptr_array_new_with_free_func((GDestroyNotify)websocket_free);
	for (unsigned i = 0; i < STREAMS; i++) {
		g_ptr_array_add(sockets, test_socket(test, "/apps/shop/logs", NULL));
		g_autofree char *frame = test_read_frame(g_ptr_array_index(sockets, i));
		g_assert_cmpstr(frame, ==, "seen\n");
	}
	expect_lines(
	    test, "/apps/shop/logs", NULL, "ERROR: too many streams are open: 384 of 384\n");
	test_expect(test, "GET", "/auth?", NULL, 200, "ok\n");
}

static char *
read_lines(TestApi *test, const char *path)
{
	g_autofree char *text = g_strconcat("GET ", path,
	    " HTTP/1.1\r\nHost: rack\r\nAccept: application/x-ndjson\r\nConnection: close\r\n"
	    "Authorization: Basic OnMzY3JldC1wYXNz\r\n\r\n",
	    NULL);
	return test_raw(test, text);
}

static void
test_json_lines(void)
{
	g_autoptr(TestApi) test = with_app();
	gint64 time;
	g_assert_true(text_parse_time("2026-04-20T10:11:12.5Z", &time, NULL));
	test_log(test, "shop", "p1", time, "say \"hi\"");
	test_log(test, "shop", "p2", time + 1000000, "b\xff");
	g_autofree char *answer =
	    read_lines(test, "/apps/shop/logs?since=2026-04-20T10:11:00Z&follow=false?");
	g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 200 "));
	g_assert_nonnull(strstr(answer, "Content-Type: application/x-ndjson\r\n"));
	g_assert_nonnull(strstr(answer,
	    "{\"time\":\"2026-04-20T10:11:12.5Z\",\"kind\":\"service\",\"service\":\"web\","
	    "\"process\":\"p1\",\"release\":\"RAAAAAAAAAA\",\"text\":\"say \\\"hi\\\"\"}\n"));
	g_assert_nonnull(strstr(answer, "\"text\":\"Yv8=\",\"encoding\":\"base64\"}\n"));

	g_autofree char *one = read_lines(test,
	    "/apps/shop/logs?since=2026-04-20T10:11:00Z&until=2026-04-20T10:11:13Z&process=p1");
	g_assert_nonnull(strstr(one, "\"p1\""));
	g_assert_null(strstr(one, "\"p2\""));
	g_autofree char *unknown = read_lines(test, "/apps/nope/logs");
	g_assert_true(g_str_has_prefix(unknown, "HTTP/1.1 404 "));
	g_assert_true(g_str_has_suffix(unknown, "no such app: nope\n"));
}

static void
test_json_follow(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(TestApi) test = with_app();
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(test->socket_path);
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_autoptr(GSocketConnection) connection =
	    g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, &error);
	g_assert_no_error(error);
	const char *text = "GET /apps/shop/logs HTTP/1.1\r\nHost: rack\r\n"
			   "Accept: application/x-ndjson\r\n"
			   "Authorization: Basic OnMzY3JldC1wYXNz\r\n\r\n";
	GIOStream *stream = G_IO_STREAM(connection);
	g_assert_true(g_output_stream_write_all(
	    g_io_stream_get_output_stream(stream), text, strlen(text), NULL, NULL, NULL));
	g_autoptr(GDataInputStream) input =
	    g_data_input_stream_new(g_io_stream_get_input_stream(stream));
	for (unsigned i = 0; i < 3; i++) {
		test_log(test, "shop", "p1", g_get_real_time(), "tick");
		g_autofree char *line = g_strdup("");
		while (!strstr(line, "tick")) {
			g_free(line);
			line = g_data_input_stream_read_line(input, NULL, NULL, NULL);
			g_assert_nonnull(line);
		}
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/api-logs/lines-carry-a-prefix", test_prefix);
	g_test_add_func("/api-logs/options-choose-lines", test_choice);
	g_test_add_func("/api-logs/followers-get-lines-at-once", test_follow);
	g_test_add_func("/api-logs/long-lines-come-whole", test_long_line);
	g_test_add_func("/api-logs/followers-end-with-their-app", test_deleted_app);
	g_test_add_func("/api-logs/streams-end-with-the-api", test_stop);
	g_test_add_func("/api-logs/vanished-peers-free-their-stream", test_gone);
	g_test_add_func("/api-logs/streams-leave-room-for-requests", test_many);
	g_test_add_func("/api-logs/programs-get-json-lines", test_json_lines);
	g_test_add_func("/api-logs/json-lines-follow", test_json_follow);
	return g_test_run();
}
