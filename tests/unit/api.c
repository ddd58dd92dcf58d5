/*
 * See the header.
 */
#include "api.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>

TestApi *
test_api_new(void)
{
	g_autoptr(GError) error = NULL;
	TestApi *test = g_new0(TestApi, 1);
	test->folder = g_dir_make_tmp("test-api-XXXXXX", &error);
	g_assert_no_error(error);
	test->socket_path = g_build_filename(test->folder, "api.sock", NULL);
	test->provider = fake_provider_new();
	test->rack = rack_new(test->provider);
	g_assert_true(rack_start(test->rack, &error));
	ApiOptions options = {.socket_path = test->socket_path, .password = PASSWORD};
	test->api = api_new(test->rack, &options, &error);
	g_assert_no_error(error);
	HttpOptions http = {.base_url = "http://rack",
	    .unix_socket = test->socket_path,
	    .user = "any",
	    .password = PASSWORD};
	test->client = http_client_new(&http);
	return test;
}

void
test_api_free(TestApi *test)
{
	if (!test)
		return;

	http_client_free(test->client);
	api_free(test->api);
	rack_free(test->rack);
	g_assert_false(g_file_test(test->socket_path, G_FILE_TEST_EXISTS));
	g_rmdir(test->folder);
	g_free(test->folder);
	g_free(test->socket_path);
	g_free(test);
}

HttpAnswer *
test_call(TestApi *test, const char *method, const char *path, const char *form)
{
	g_autoptr(GError) error = NULL;
	const char *headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
	HttpRequest request = {.method = method,
	    .path = path,
	    .headers = form ? headers : NULL,
	    .body = form,
	    .body_length = form ? strlen(form) : 0,
	    .timeout_ms = 60000};
	HttpAnswer *answer = http_call(test->client, &request, NULL, &error);
	g_assert_no_error(error);
	return answer;
}

void
test_expect(TestApi *test,
    const char *method,
    const char *path,
    const char *form,
    unsigned status,
    const char *body)
{
	g_autoptr(HttpAnswer) answer = test_call(test, method, path, form);
	g_assert_cmpstr(answer->body, ==, body);
	g_assert_cmpint(answer->status, ==, status);
}

json_t *
test_get(TestApi *test, const char *path)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(HttpAnswer) answer = test_call(test, "GET", path, NULL);
	if (answer->status != 200)
		g_test_message("%s: %s", path, answer->body);
	g_assert_cmpint(answer->status, ==, 200);
	g_assert_cmpstr(answer->content_type, ==, "application/json");
	json_t *value = json_parse(answer->body, answer->length, path, &error);
	g_assert_no_error(error);
	return value;
}

char *
test_raw(TestApi *test, const char *bytes)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(test->socket_path);
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_socket_client_set_timeout(client, 20);
	g_autoptr(GSocketConnection) connection =
	    g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, &error);
	g_assert_no_error(error);
	/* What is refused early is not read to its end. */
	g_output_stream_write_all(g_io_stream_get_output_stream(G_IO_STREAM(connection)), bytes,
	    strlen(bytes), NULL, NULL, NULL);

	g_autoptr(GString) answer = g_string_new(NULL);
	GInputStream *input = g_io_stream_get_input_stream(G_IO_STREAM(connection));
	char buffer[4096];
	gssize count;
	while ((count = g_input_stream_read(input, buffer, sizeof(buffer), NULL, NULL)) > 0)
		g_string_append_len(answer, buffer, count);
	return g_string_free(g_steal_pointer(&answer), FALSE);
}

WebSocket *
test_socket(TestApi *test, const char *path, const char *header)
{
	g_autoptr(GError) error = NULL;
	const char *headers[] = {header, NULL};
	WebSocket *socket = websocket_connect(test->client, path, headers, NULL, &error);
	g_assert_no_error(error);
	return socket;
}

static WebSocketEvent
receive(WebSocket *socket, GString *text)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *bytes = NULL;
	gsize length = 0;
	WebSocketEvent event;
	bool good = websocket_receive(socket, &event, &bytes, &length, NULL, &error);
	g_assert_no_error(error);
	g_assert_true(good);
	if (event == WEBSOCKET_TEXT)
		g_string_append_len(text, bytes, length);
	return event;
}

char *
test_read_all(WebSocket *socket, bool *ended)
{
	g_autoptr(GString) text = g_string_new(NULL);
	WebSocketEvent event;
	while ((event = receive(socket, text)) == WEBSOCKET_TEXT)
		;
	if (ended)
		*ended = event == WEBSOCKET_END;
	return g_string_free(g_steal_pointer(&text), FALSE);
}

char *
test_read_frame(WebSocket *socket)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_assert_cmpint(receive(socket, text), ==, WEBSOCKET_TEXT);
	return g_string_free(g_steal_pointer(&text), FALSE);
}

void
test_log(TestApi *test, const char *app, const char *process, gint64 time, const char *text)
{
	g_autoptr(GError) error = NULL;
	Logs *logs = test->provider->logs;
	LogLine line = {.time = time,
	    .kind = "service",
	    .service = "web",
	    .process = process,
	    .release = "RAAAAAAAAAA",
	    .text = text,
	    .length = strlen(text)};
	logs->ops->append(logs, app, &line, 1, &error);
	g_assert_no_error(error);
}

void
test_wait(bool (*check)(gpointer data), gpointer data)
{
	gint64 until = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
	while (!check(data)) {
		g_assert_cmpint(g_get_monotonic_time(), <, until);
		g_usleep(2000);
	}
}
