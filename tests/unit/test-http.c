/*
 * Unit tests of base/http over plain sockets, TCP and unix. TLS is in test-http-tls.c.
 */
#include "base/error.h"
#include "base/http.h"
#include "small-server.h"

#include <glib/gstdio.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UPLOAD_BYTES (50 * 1024 * 1024)

static void
answer(int fd, const char *status, const char *body)
{
	g_autofree char *text = g_strdup_printf("HTTP/1.1 %s\r\nContent-Type: text/plain\r\n"
						"Content-Length: %" G_GSIZE_FORMAT "\r\n\r\n%s",
	    status, strlen(body), body);

	small_server_say(fd, text);
}

/* Reads a chunked body and answers with its length and the sum of its bytes. */
static void
count_body(int fd)
{
	guint64 total = 0, sum = 0;
	g_autofree guint8 *chunk = NULL;
	gsize room = 0;

	for (;;) {
		g_autoptr(GString) line = g_string_new(NULL);
		char byte;
		while (!g_str_has_suffix(line->str, "\r\n") && small_server_read(fd, &byte, 1))
			g_string_append_c(line, byte);
		gsize size = g_ascii_strtoull(line->str, NULL, 16);
		if (size + 2 > room)
			chunk = g_realloc(chunk, room = size + 2);
		if (!small_server_read(fd, chunk, size + 2) || size == 0)
			break;
		for (gsize i = 0; i < size; i++)
			sum += chunk[i];
		total += size;
	}

	g_autofree char *text =
	    g_strdup_printf("%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, total, sum);
	answer(fd, "200 OK", text);
}

static void
echo_until_end(int fd)
{
	char buffer[4096];
	gssize count;

	while ((count = recv(fd, buffer, sizeof buffer, 0)) > 0) {
		if (!small_server_write(fd, buffer, (gsize)count))
			return;
	}
	small_server_say(fd, "bye");
}

static void
wait_for_end(int fd)
{
	char byte;

	while (small_server_read(fd, &byte, 1))
		continue;
}

static void
refuse_in_chunks(int fd)
{
	small_server_say(fd, "HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n"
			     "b\r\n{\"message\":\r\n10\r\n\"not running\"}\n \r\n0\r\n\r\n");
	wait_for_end(fd);
}

static void
big_body(int fd)
{
	g_autofree char *body = g_strnfill(3 * 1024 * 1024, 'x');

	answer(fd, "200 OK", body);
}

static void
mirror_body(int fd, const char *head)
{
	const char *length_text = strstr(head, "Content-Length: ");
	gsize length = length_text ? g_ascii_strtoull(length_text + 16, NULL, 10) : 0;
	g_autofree char *body = g_malloc0(length + 1);

	small_server_read(fd, body, length);
	g_autofree char *text = g_strconcat(head, body, NULL);
	answer(fd, "200 OK", text);
}

static const struct {
	const char *path;
	void (*handle)(int fd);
	bool goes_on; /* another request may follow */
} routes[] = {
    {"/count", count_body, true},
    {"/big", big_body, true},
    {"/hang", wait_for_end, false},
    {"/refused", refuse_in_chunks, false},
    {"/nothing", NULL, false},
};

static bool
handle_special(int fd, const char *path)
{
	if (g_str_has_prefix(path, "/missing")) {
		answer(fd, "404 Not Found", "no such thing");
	} else if (g_str_has_prefix(path, "/cut")) {
		small_server_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
		return false;
	} else if (g_str_has_prefix(path, "/junk")) {
		small_server_say(fd, "\x15\x03 this is not http\r\n\r\n");
		return false;
	} else if (g_str_has_prefix(path, "/redirect")) {
		small_server_say(
		    fd, "HTTP/1.1 302 Found\r\nLocation: /big\r\nContent-Length: 0\r\n\r\n");
	} else if (g_str_has_prefix(path, "/upgrade")) {
		/* The first bytes of the stream come together with the head. */
		small_server_say(fd, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 UPGRADED\r\n"
				     "X-Kind: raw\r\n\r\nhello");
		echo_until_end(fd);
		return false;
	}
	return true;
}

static void
handle(int fd, gpointer data)
{
	g_autoptr(GString) head = g_string_new(NULL);

	while (small_server_read_head(fd, head)) {
		const char *path = strchr(head->str, ' ') + 1;
		if (g_str_has_prefix(path, "/base"))
			path += strlen("/base");
		gsize i = 0;
		while (i < G_N_ELEMENTS(routes) && !g_str_has_prefix(path, routes[i].path))
			i++;
		if (i < G_N_ELEMENTS(routes)) {
			if (routes[i].handle)
				routes[i].handle(fd);
			if (!routes[i].goes_on)
				return;
		} else if (g_str_has_prefix(path, "/mirror")) {
			mirror_body(fd, head->str);
		} else if (!handle_special(fd, path)) {
			return;
		}
	}
}

typedef struct {
	SmallServer *server;
	HttpClient *client;
	char *place; /* 127.0.0.1:port */
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
	fixture->server = small_server_tcp(handle, NULL);
	fixture->place = g_strdup_printf("127.0.0.1:%u", small_server_port(fixture->server));
	g_autofree char *url = g_strdup_printf("http://%s", fixture->place);
	fixture->client = http_client_new(&(HttpOptions){
	    .base_url = url, .user = "convox", .password = "s3cret:x", .user_agent = "test/1"});
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	http_client_free(fixture->client);
	small_server_free(fixture->server);
	g_free(fixture->place);
}

static HttpAnswer *
get(Fixture *fixture, const char *path)
{
	g_autoptr(GError) error = NULL;
	HttpAnswer *found = http_call(fixture->client, &(HttpRequest){.path = path}, NULL, &error);

	g_assert_no_error(error);
	return found;
}

static void
assert_fails(
    Fixture *fixture, const HttpRequest *request, int code, const char *format, const char *place)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(HttpAnswer) found = http_call(fixture->client, request, NULL, &error);
	g_autoptr(GString) text = g_string_new(format);
	g_string_replace(text, "PLACE", place, 0);

	g_assert_null(found);
	g_assert_error(error, CARRACK_ERROR, code);
	g_assert_cmpstr(error->message, ==, text->str);
}

static void
a_call_says_what_it_was_told(Fixture *fixture, gconstpointer data)
{
	const char *const headers[] = {"Version: 1", "Session:", NULL};
	HttpRequest request = {.method = "POST",
	    .path = "/mirror//a/../b?x=%20",
	    .headers = headers,
	    .body = "body\0x",
	    .body_length = 6};
	g_autoptr(HttpAnswer) found = http_call(fixture->client, &request, NULL, NULL);

	g_assert_nonnull(found);
	g_assert_cmpuint(found->status, ==, 200);
	g_assert_cmpstr(found->content_type, ==, "text/plain");
	g_assert_true(g_str_has_prefix(found->body, "POST /mirror//a/../b?x=%20 HTTP/1.1\r\n"));
	g_assert_nonnull(strstr(found->body, "\r\nVersion: 1\r\n"));
	g_assert_nonnull(strstr(found->body, "\r\nSession:\r\n"));
	g_assert_nonnull(strstr(found->body, "\r\nUser-Agent: test/1\r\n"));
	g_assert_nonnull(strstr(found->body, "\r\nContent-Length: 6\r\n"));
	g_assert_nonnull(strstr(found->body, "\r\nAuthorization: Basic Y29udm94OnMzY3JldDp4\r\n"));
	g_assert_null(strstr(found->body, "Content-Type"));
	g_assert_null(strstr(found->body, "Expect"));
	g_assert_true(g_str_has_suffix(found->body, "\r\n\r\nbody"));
}

static void
methods_without_a_body_say_so(Fixture *fixture, gconstpointer data)
{
	HttpRequest put = {.method = "PUT", .path = "/mirror"};
	HttpRequest delete = {.method = "DELETE", .path = "/mirror"};
	g_autoptr(HttpAnswer) one = http_call(fixture->client, &put, NULL, NULL);
	g_autoptr(HttpAnswer) other = http_call(fixture->client, &delete, NULL, NULL);

	g_assert_true(g_str_has_prefix(one->body, "PUT /mirror HTTP/1.1\r\n"));
	g_assert_nonnull(strstr(one->body, "\r\nContent-Length: 0\r\n"));
	g_assert_true(g_str_has_prefix(other->body, "DELETE /mirror HTTP/1.1\r\n"));
	g_assert_null(strstr(other->body, "Content-Length"));
}

static void
connections_are_kept(Fixture *fixture, gconstpointer data)
{
	for (int i = 0; i < 20; i++) {
		g_autoptr(HttpAnswer) found = get(fixture, i % 2 ? "/missing" : "/mirror");
		g_assert_cmpuint(found->status, ==, i % 2 ? 404 : 200);
	}
	g_assert_cmpuint(small_server_connections(fixture->server), ==, 1);
}

static void
redirects_are_answers(Fixture *fixture, gconstpointer data)
{
	g_autoptr(HttpAnswer) found = get(fixture, "/redirect");

	g_assert_cmpuint(found->status, ==, 302);
	g_assert_cmpstr(found->body, ==, "");
}

typedef struct {
	gsize left, peak;
	gsize taken;
	GCancellable *cancel;
} Flow;

static gsize
resident_bytes(void)
{
	g_autofree char *text = NULL;
	g_assert_true(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));

	const char *resident = strchr(text, ' ') + 1;
	return g_ascii_strtoull(resident, NULL, 10) * (gsize)sysconf(_SC_PAGESIZE);
}

static gssize
give_ones(gpointer data, void *buffer, gsize size, GError **error)
{
	Flow *flow = data;
	gsize count = MIN(size, flow->left);

	memset(buffer, 1, count);
	flow->left -= count;
	flow->peak = MAX(flow->peak, resident_bytes());
	return (gssize)count;
}

static void
an_upload_is_streamed_in_constant_memory(Fixture *fixture, gconstpointer data)
{
	Flow flow = {.left = UPLOAD_BYTES};
	HttpRequest request = {
	    .method = "POST", .path = "/count", .read = give_ones, .read_data = &flow};
	gsize before = resident_bytes();
	g_autoptr(HttpAnswer) found = http_call(fixture->client, &request, NULL, NULL);

	g_assert_nonnull(found);
	g_assert_cmpstr(found->body, ==, "52428800 52428800");
	g_assert_cmpuint(flow.peak - MIN(before, flow.peak), <, 16 * 1024 * 1024);
}

static gssize
fail_to_read(gpointer data, void *buffer, gsize size, GError **error)
{
	error_set(error, CARRACK_ERROR_NOT_FOUND, "the file went away");
	return -1;
}

static void
a_failed_source_ends_the_call_with_its_error(Fixture *fixture, gconstpointer data)
{
	HttpRequest request = {.method = "POST", .path = "/count", .read = fail_to_read};

	assert_fails(fixture, &request, CARRACK_ERROR_NOT_FOUND, "the file went away", "");
}

static bool
take(gpointer data, const void *bytes, gsize length, GError **error)
{
	Flow *flow = data;

	flow->taken += length;
	if (flow->left > 0 && flow->taken > flow->left)
		return error_set(error, CARRACK_ERROR_FORBIDDEN, "enough");
	return true;
}

static void
an_answer_is_streamed_if_it_is_a_good_one(Fixture *fixture, gconstpointer data)
{
	Flow flow = {0};
	HttpRequest good = {.path = "/big", .write = take, .write_data = &flow, .max_answer = 100};
	HttpRequest bad = good;
	bad.path = "/missing";
	g_autoptr(HttpAnswer) found = http_call(fixture->client, &good, NULL, NULL);
	g_autoptr(HttpAnswer) missing = http_call(fixture->client, &bad, NULL, NULL);

	g_assert_cmpuint(flow.taken, ==, 3 * 1024 * 1024);
	g_assert_cmpstr(found->body, ==, "");
	g_assert_cmpstr(missing->body, ==, "no such thing");

	flow = (Flow){.left = 1024 * 1024};
	assert_fails(fixture, &good, CARRACK_ERROR_FORBIDDEN, "enough", "");
}

static void
an_answer_over_the_limit_is_refused(Fixture *fixture, gconstpointer data)
{
	HttpRequest request = {.path = "/big", .max_answer = 1024 * 1024};

	assert_fails(fixture, &request, CARRACK_ERROR_TOO_LARGE,
	    "the answer of PLACE is over 1048576 bytes", fixture->place);
}

static void
broken_answers_are_named(Fixture *fixture, gconstpointer data)
{
	assert_fails(fixture, &(HttpRequest){.path = "/cut"}, CARRACK_ERROR_UPSTREAM,
	    "the connection to PLACE broke off in the middle", fixture->place);
	assert_fails(fixture, &(HttpRequest){.path = "/nothing"}, CARRACK_ERROR_UPSTREAM,
	    "PLACE closed the connection without an answer", fixture->place);
	assert_fails(fixture, &(HttpRequest){.path = "/junk"}, CARRACK_ERROR_UPSTREAM,
	    "PLACE: the answer is not HTTP/1.1", fixture->place);
}

static void
requests_that_would_forge_a_head_are_refused(Fixture *fixture, gconstpointer data)
{
	const char *const forged[] = {"A: b\r\nC: d", NULL};
	const char *const nameless[] = {"no colon", NULL};

	assert_fails(fixture, &(HttpRequest){.path = "/a b"}, CARRACK_ERROR_INVALID,
	    "PLACE: the path to call begins with a slash and is percent-encoded", fixture->place);
	assert_fails(fixture, &(HttpRequest){.path = "/", .method = "G E"}, CARRACK_ERROR_INVALID,
	    "PLACE: a method is written in capital letters", fixture->place);

	g_autoptr(GError) error = NULL;
	HttpRequest request = {.path = "/", .headers = forged};
	g_assert_null(http_call(fixture->client, &request, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	request.headers = nameless;
	g_assert_null(http_call(fixture->client, &request, NULL, NULL));
}

static void *
cancel_soon(void *data)
{
	g_usleep(100000); /* the moment does not matter, only that the call is running */
	g_cancellable_cancel(data);
	return NULL;
}

static void
assert_cancels_at_once(Fixture *fixture, const HttpRequest *request)
{
	g_autoptr(GCancellable) cancel = g_cancellable_new();
	g_autoptr(GError) error = NULL;
	pthread_t thread;
	gint64 started = g_get_monotonic_time();

	pthread_create(&thread, NULL, cancel_soon, cancel);
	g_autoptr(HttpAnswer) found = http_call(fixture->client, request, cancel, &error);
	gint64 took = g_get_monotonic_time() - started;
	pthread_join(thread, NULL);

	g_assert_null(found);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
	g_assert_cmpstr(error->message, ==, "cancelled");
	g_assert_cmpint(took, <, 500000);
}

static gssize
give_for_ever(gpointer data, void *buffer, gsize size, GError **error)
{
	memset(buffer, 'x', size);
	return (gssize)size;
}

static void
a_cancel_acts_at_once(Fixture *fixture, gconstpointer data)
{
	HttpRequest upload = {.method = "POST", .path = "/count", .read = give_for_ever};

	assert_cancels_at_once(fixture, &(HttpRequest){.path = "/hang"});
	assert_cancels_at_once(fixture, &upload);

	/* The client goes on working. */
	g_autoptr(HttpAnswer) found = get(fixture, "/mirror");
	g_assert_cmpuint(found->status, ==, 200);
}

static void
a_call_has_a_timeout(Fixture *fixture, gconstpointer data)
{
	HttpRequest request = {.path = "/hang", .timeout_ms = 150};

	assert_fails(fixture, &request, CARRACK_ERROR_UNAVAILABLE,
	    "no answer from PLACE within 0.15 s", fixture->place);
}

static void
assert_cannot_connect(const HttpOptions *options, int code, const char *message)
{
	g_autoptr(HttpClient) client = http_client_new(options);
	g_autoptr(GError) error = NULL;
	HttpRequest request = {.path = "/"};

	g_assert_null(http_call(client, &request, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, code);
	g_assert_cmpstr(error->message, ==, message);

	g_clear_error(&error);
	g_assert_null(http_upgrade(client, &request, "tcp", NULL, &error));
	g_assert_error(error, CARRACK_ERROR, code);
	g_assert_cmpstr(error->message, ==, message);
}

static void
a_failure_to_connect_names_place_and_reason(void)
{
	SmallServer *server = small_server_tcp(handle, NULL);
	unsigned port = small_server_port(server);
	small_server_free(server);
	g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u", port);
	g_autofree char *refused =
	    g_strdup_printf("cannot connect to 127.0.0.1:%u: connection refused", port);

	assert_cannot_connect(&(HttpOptions){.base_url = url}, CARRACK_ERROR_UNAVAILABLE, refused);
	assert_cannot_connect(
	    &(HttpOptions){.base_url = "http://engine", .unix_socket = "/nowhere/docker.sock"},
	    CARRACK_ERROR_UNAVAILABLE,
	    "cannot connect to /nowhere/docker.sock: no such file or directory");
	assert_cannot_connect(&(HttpOptions){.base_url = "http://no-such-host.invalid"},
	    CARRACK_ERROR_UNAVAILABLE,
	    "cannot connect to no-such-host.invalid:80: no address is known for this name");
}

static void
addresses_with_a_password_are_not_repeated(void)
{
	const char *const wrong[] = {
	    "https://user:s3cret@host", "ftp://host/s3cret", "s3cret", "", "file:///etc/s3cret"};

	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++)
		assert_cannot_connect(&(HttpOptions){.base_url = wrong[i]}, CARRACK_ERROR_INVALID,
		    "the address to call is not of the form https://host:port, without a user");
}

static void
a_unix_socket_works_alike(void)
{
	g_autofree char *folder = g_dir_make_tmp("carrack-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(folder, "api.sock", NULL);
	{
		g_autoptr(SmallServer) server = small_server_unix(path, handle, NULL);
		g_autoptr(HttpClient) client = http_client_new(
		    &(HttpOptions){.base_url = "http://engine/base", .unix_socket = path});
		for (int i = 0; i < 3; i++) {
			HttpRequest request = {.path = "/mirror"};
			g_autoptr(HttpAnswer) found = http_call(client, &request, NULL, NULL);
			g_assert_true(
			    g_str_has_prefix(found->body, "GET /base/mirror HTTP/1.1\r\n"));
		}
		g_assert_cmpuint(small_server_connections(server), ==, 1);
	}
	g_unlink(path);
	g_rmdir(folder);
}

static void
read_exactly(HttpConnection *connection, const char *expected)
{
	char buffer[64];

	while (*expected) {
		gsize size = MIN(strlen(expected), sizeof buffer);
		gssize count = http_connection_read(connection, buffer, size, NULL, NULL);
		g_assert_cmpint(count, >, 0);
		g_assert_cmpmem(buffer, count, expected, count);
		expected += count;
	}
}

static void
an_upgrade_gives_a_raw_connection(Fixture *fixture, gconstpointer data)
{
	HttpRequest request = {.method = "POST", .path = "/upgrade", .body = "", .body_length = 0};
	g_autoptr(GError) error = NULL;
	g_autoptr(HttpConnection) connection =
	    http_upgrade(fixture->client, &request, "tcp", NULL, &error);

	g_assert_no_error(error);
	g_assert_cmpstr(http_connection_header(connection, "x-kind"), ==, "raw");
	g_assert_null(http_connection_header(connection, "X-Other"));
	g_assert_true(http_connection_pending(connection));
	read_exactly(connection, "hello");
	g_assert_false(http_connection_pending(connection));
	g_assert_true(http_connection_write(connection, "ping", 4, NULL, NULL));
	read_exactly(connection, "ping");

	http_connection_half_close(connection);
	read_exactly(connection, "bye");
	char byte;
	g_assert_cmpint(http_connection_read(connection, &byte, 1, NULL, NULL), ==, 0);
	g_assert_cmpint(http_connection_read(connection, &byte, 1, NULL, NULL), ==, 0);
}

static void
a_refused_upgrade_is_an_error_of_its_status(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) chunked = NULL, plain = NULL, none = NULL, hang = NULL;

	g_assert_null(http_upgrade(
	    fixture->client, &(HttpRequest){.path = "/refused"}, "tcp", NULL, &chunked));
	g_assert_error(chunked, CARRACK_ERROR, CARRACK_ERROR_CONFLICT);
	g_assert_cmpstr(chunked->message, ==, "{\"message\":\"not running\"}");

	g_assert_null(
	    http_upgrade(fixture->client, &(HttpRequest){.path = "/missing"}, "tcp", NULL, &plain));
	g_assert_error(plain, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
	g_assert_cmpstr(plain->message, ==, "no such thing");

	g_assert_null(
	    http_upgrade(fixture->client, &(HttpRequest){.path = "/nothing"}, "tcp", NULL, &none));
	g_assert_error(none, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);

	g_assert_null(http_upgrade(fixture->client,
	    &(HttpRequest){.path = "/hang", .timeout_ms = 100}, "tcp", NULL, &hang));
	g_assert_error(hang, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
}

static void
a_read_and_a_stalled_write_can_be_cancelled(Fixture *fixture, gconstpointer data)
{
	g_autoptr(HttpConnection) connection =
	    http_upgrade(fixture->client, &(HttpRequest){.path = "/upgrade"}, "tcp", NULL, NULL);
	read_exactly(connection, "hello");

	g_autoptr(GCancellable) first = g_cancellable_new(), second = g_cancellable_new();
	g_autoptr(GError) read_error = NULL, write_error = NULL;
	pthread_t thread;
	char byte;
	pthread_create(&thread, NULL, cancel_soon, first);
	g_assert_cmpint(http_connection_read(connection, &byte, 1, first, &read_error), ==, -1);
	pthread_join(thread, NULL);
	g_assert_error(read_error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);

	/* Nobody reads the echo, so both directions fill up. */
	gsize size = 64 * 1024 * 1024;
	g_autofree char *bytes = g_malloc0(size);
	pthread_create(&thread, NULL, cancel_soon, second);
	g_assert_false(http_connection_write(connection, bytes, size, second, &write_error));
	pthread_join(thread, NULL);
	g_assert_error(write_error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
}

typedef struct {
	HttpClient *client;
	int failures;
} Crowd;

static void *
call_many_times(void *data)
{
	Crowd *crowd = data;

	for (int i = 0; i < 50; i++) {
		HttpRequest request = {.path = "/mirror"};
		g_autoptr(HttpAnswer) found = http_call(crowd->client, &request, NULL, NULL);
		if (!found || found->status != 200)
			g_atomic_int_inc(&crowd->failures);
	}
	return NULL;
}

static void
many_threads_share_a_client(Fixture *fixture, gconstpointer data)
{
	Crowd crowd = {.client = fixture->client};
	pthread_t threads[8];

	for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
		pthread_create(&threads[i], NULL, call_many_times, &crowd);
	for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
		pthread_join(threads[i], NULL);
	g_assert_cmpint(crowd.failures, ==, 0);
	g_assert_cmpuint(small_server_connections(fixture->server), <=, 8);
}

static void
escaping_leaves_only_unreserved_characters(void)
{
	g_autofree char *text = http_escape("aZ09-._~/ ?&=+%ä\n");

	g_assert_cmpstr(text, ==, "aZ09-._~%2F%20%3F%26%3D%2B%25%C3%A4%0A");
}

static void
an_origin_is_scheme_and_host(void)
{
	g_autoptr(HttpClient) usual =
	    http_client_new(&(HttpOptions){.base_url = "https://Rack.Example.com:443/base"});
	g_autoptr(HttpClient) other =
	    http_client_new(&(HttpOptions){.base_url = "http://rack.example.com:8080"});
	g_autofree char *one = http_client_origin(usual), *two = http_client_origin(other);

	g_assert_cmpstr(one, ==, "https://rack.example.com");
	g_assert_cmpstr(two, ==, "http://rack.example.com:8080");
}

#define ADD(path, function) g_test_add(path, Fixture, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("/http/a-call-says-what-it-was-told", a_call_says_what_it_was_told);
	ADD("/http/methods-without-a-body-say-so", methods_without_a_body_say_so);
	ADD("/http/connections-are-kept", connections_are_kept);
	ADD("/http/redirects-are-answers", redirects_are_answers);
	ADD("/http/an-upload-is-streamed-in-constant-memory",
	    an_upload_is_streamed_in_constant_memory);
	ADD("/http/a-failed-source-ends-the-call-with-its-error",
	    a_failed_source_ends_the_call_with_its_error);
	ADD("/http/an-answer-is-streamed-if-it-is-a-good-one",
	    an_answer_is_streamed_if_it_is_a_good_one);
	ADD("/http/an-answer-over-the-limit-is-refused", an_answer_over_the_limit_is_refused);
	ADD("/http/broken-answers-are-named", broken_answers_are_named);
	ADD("/http/requests-that-would-forge-a-head-are-refused",
	    requests_that_would_forge_a_head_are_refused);
	ADD("/http/a-cancel-acts-at-once", a_cancel_acts_at_once);
	ADD("/http/a-call-has-a-timeout", a_call_has_a_timeout);
	g_test_add_func("/http/a-failure-to-connect-names-place-and-reason",
	    a_failure_to_connect_names_place_and_reason);
	g_test_add_func("/http/addresses-with-a-password-are-not-repeated",
	    addresses_with_a_password_are_not_repeated);
	g_test_add_func("/http/a-unix-socket-works-alike", a_unix_socket_works_alike);
	ADD("/http/an-upgrade-gives-a-raw-connection", an_upgrade_gives_a_raw_connection);
	ADD("/http/a-refused-upgrade-is-an-error-of-its-status",
	    a_refused_upgrade_is_an_error_of_its_status);
	ADD("/http/a-read-and-a-stalled-write-can-be-cancelled",
	    a_read_and_a_stalled_write_can_be_cancelled);
	ADD("/http/many-threads-share-a-client", many_threads_share_a_client);
	g_test_add_func("/http/escaping-leaves-only-unreserved-characters",
	    escaping_leaves_only_unreserved_characters);
	g_test_add_func("/http/an-origin-is-scheme-and-host", an_origin_is_scheme_and_host);
	return g_test_run();
}
