/*
 * The log drain's function: what Kinesis brings, the messages that come of it, and where they go
 * over real sockets. Linked with its own sources only.
 */
#include "log-drain.h"
#include "tls-server.h"

#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

static char *
packed(const char *text)
{
	z_stream stream = {.next_in = (Bytef *)text, .avail_in = (uInt)strlen(text)};
	guchar out[64 * 1024];

	g_assert_cmpint(
	    deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), ==, Z_OK);
	stream.next_out = out;
	stream.avail_out = sizeof out;
	g_assert_cmpint(deflate(&stream, Z_FINISH), ==, Z_STREAM_END);
	deflateEnd(&stream);
	return g_base64_encode(out, stream.total_out);
}

static json_t *
event_of(const char *const *contents)
{
	json_t *records = json_array();

	for (unsigned i = 0; contents[i]; i++) {
		g_autofree char *data =
		    contents[i][0] == '{' ? packed(contents[i]) : g_strdup(contents[i]);
		json_array_append_new(records, json_pack("{s{ss,ss}}", "kinesis", "sequenceNumber",
						   i == 0 ? "100" : "101", "data", data));
	}
	return json_pack("{so}", "Records", records);
}

static void
collect(gpointer data, const Line *line)
{
	g_string_append_printf(data, "%s|%s|%s|%" G_GINT64_FORMAT "|%.*s\n", line->rack, line->app,
	    line->stream, line->time, (int)line->length, line->text);
}

#define SHOP                                                                                       \
	"{\"messageType\":\"DATA_MESSAGE\",\"logGroup\":\"/carrack/r/app/shop\","                  \
	"\"logStream\":\"service/web/0a1b\",\"logEvents\":["                                       \
	"{\"id\":\"1\",\"timestamp\":1700000000123,\"message\":\"one\"},"                          \
	"{\"id\":\"2\",\"timestamp\":1700000000124,\"message\":\"two \\u00fc\"}]}"

static void
test_batch(void)
{
	static const char *const contents[] = {SHOP, "bm90IGd6aXA=", "%%%",
	    "{\"messageType\":\"CONTROL_MESSAGE\",\"logEvents\":[]}", "{\"other\":1}", NULL};
	json_auto_t *event = event_of(contents);
	g_autoptr(GString) lines = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	const char *first = NULL;
	unsigned bad = 0;

	g_assert_true(batch_read(event, "r", collect, lines, &bad, &first, &error));
	g_assert_no_error(error);
	g_assert_cmpstr(lines->str, ==,
	    "r|shop|service/web/0a1b|1700000000123|one\n"
	    "r|shop|service/web/0a1b|1700000000124|two \xc3\xbc\n");
	g_assert_cmpuint(bad, ==, 3);
	g_assert_cmpstr(first, ==, "100");
}

static void
test_cut(void)
{
	g_autofree char *whole = packed(SHOP);
	g_autoptr(GString) lines = g_string_new(NULL);
	const char *first = NULL;
	unsigned bad = 0;

	for (gsize length = 0; length < strlen(whole); length += 4) {
		g_autofree char *part = g_strndup(whole, length);
		const char *const contents[] = {part, NULL};
		json_auto_t *event = event_of(contents);
		g_assert_true(batch_read(event, "r", collect, lines, &bad, &first, NULL));
		g_assert_cmpuint(bad, ==, 1);
	}
	g_assert_cmpstr(lines->str, ==, "");
}

static void
test_no_records(void)
{
	json_auto_t *event = json_pack("{ss}", "Records", "none");
	g_autoptr(GError) error = NULL;
	const char *first = NULL;
	unsigned bad = 0;

	g_assert_false(batch_read(event, "r", collect, NULL, &bad, &first, &error));
	g_assert_cmpstr(error->message, ==, "the event has no Records");
}

static void
test_message(void)
{
	g_autoptr(GString) out = g_string_new(NULL);
	Line line = {.rack = "prod",
	    .app = "shop",
	    .stream = "service/web/0a1b",
	    .time = 1700000000003,
	    .text = "GET / 200\r\n",
	    .length = strlen("GET / 200\r\n")};

	message_append(out, &line);
	g_assert_cmpstr(
	    out->str, ==, "63 <14>1 2023-11-14T22:13:20.003Z prod shop web/0a1b - - GET / 200");
}

static void
test_header_fields(void)
{
	g_autoptr(GString) out = g_string_new(NULL);
	Line line = {.rack = "", .app = "a b\xc3\xbc", .stream = "x", .text = "", .length = 0};

	message_append(out, &line);
	g_assert_cmpstr(out->str, ==, "45 <14>1 1970-01-01T00:00:00.000Z - a_b__ x - - ");
}

static void
test_destinations(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) destinations = destinations_parse(
	    "{\"*\":[\"syslog+tls://logs.test\"],\"shop\":[\"https://me:s%40fe@in.test/v1?a=b\"]}",
	    &error);
	g_assert_no_error(error);

	const Destination *all = g_ptr_array_index(destinations, 0);
	const Destination *shop = g_ptr_array_index(destinations, 1);
	g_assert_cmpstr(all->port, ==, "6514");
	g_assert_cmpstr(shop->path, ==, "/v1?a=b");
	g_assert_cmpstr(shop->authorization, ==, "Basic bWU6c0BmZQ==");

	g_autoptr(GString) message = g_string_new("1 x");
	destinations_add(destinations, "shop", message);
	destinations_add(destinations, "other", message);
	g_assert_cmpuint(all->count, ==, 2);
	g_assert_cmpuint(shop->count, ==, 1);
}

static void
test_bad_destinations(void)
{
	static const char *const texts[] = {"", "[]", "{\"a\":1}", "{\"a\":[1]}",
	    "{\"a\":[\"logs.test:514\"]}", "{\"a\":[\"ftp://secret@logs.test\"]}",
	    "{\"a\":[\"syslog://\"]}", "{\"a\":[],\"a\":[]}"};

	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(GPtrArray) destinations = destinations_parse(texts[i], &error);
		g_assert_null(destinations);
		g_assert_true(g_str_has_prefix(error->message, "DRAINS"));
		g_assert_null(strstr(error->message, "secret"));
	}
}

typedef struct {
	pthread_mutex_t lock;
	pthread_cond_t came;
	GString *bytes;
	bool is_over;
	const char *answer; /* or NULL */
} Receiver;

static void
receive(int fd, gpointer data)
{
	Receiver *receiver = data;
	char bytes[4096];
	ssize_t got;

	while ((got = read(fd, bytes, sizeof bytes)) > 0) {
		pthread_mutex_lock(&receiver->lock);
		g_string_append_len(receiver->bytes, bytes, got);
		pthread_mutex_unlock(&receiver->lock);
		if (receiver->answer) {
			small_server_say(fd, receiver->answer);
			break;
		}
	}
	pthread_mutex_lock(&receiver->lock);
	receiver->is_over = true;
	pthread_cond_signal(&receiver->came);
	pthread_mutex_unlock(&receiver->lock);
}

static char *
received(Receiver *receiver)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += 10;
	pthread_mutex_lock(&receiver->lock);
	while (!receiver->is_over)
		g_assert_cmpint(
		    pthread_cond_timedwait(&receiver->came, &receiver->lock, &deadline), ==, 0);
	char *bytes = g_strdup(receiver->bytes->str);
	pthread_mutex_unlock(&receiver->lock);
	g_string_free(receiver->bytes, TRUE);
	return bytes;
}

static void
tell(const char *app, const char *host, const char *why)
{
	g_test_message("%s %s: %s", app, host, why);
}

static GPtrArray *
one_pending(const char *before, unsigned port, const char *after)
{
	g_autofree char *drains = g_strdup_printf("{\"*\":[%s:%u%s\"]}", before, port, after);
	g_autoptr(GString) message = g_string_new("5 hello");
	GPtrArray *destinations = destinations_parse(drains, NULL);

	destinations_add(destinations, "shop", message);
	return destinations;
}

static void
test_syslog(void)
{
	Receiver receiver = {.lock = PTHREAD_MUTEX_INITIALIZER,
	    .came = PTHREAD_COND_INITIALIZER,
	    .bytes = g_string_new(NULL)};
	g_autoptr(SmallServer) server = small_server_tcp(receive, &receiver);
	g_autoptr(GPtrArray) destinations =
	    one_pending("\"syslog://127.0.0.1", small_server_port(server), "");

	Outcome outcome = destinations_send(destinations, tell);
	g_autofree char *bytes = received(&receiver);
	g_assert_cmpuint(outcome.sent, ==, 1);
	g_assert_cmpstr(bytes, ==, "5 hello");
	g_assert_cmpuint(((Destination *)g_ptr_array_index(destinations, 0))->count, ==, 0);
}

static void
test_http(void)
{
	Receiver receiver = {
	    .bytes = g_string_new(NULL), .answer = "HTTP/1.1 204 No Content\r\n\r\n"};
	g_autoptr(SmallServer) server = small_server_tcp(receive, &receiver);
	g_autoptr(GPtrArray) destinations =
	    one_pending("\"http://a:b@127.0.0.1", small_server_port(server), "/in");

	Outcome outcome = destinations_send(destinations, tell);
	g_autofree char *bytes = received(&receiver);
	g_assert_cmpuint(outcome.sent, ==, 1);
	g_assert_true(g_str_has_prefix(bytes, "POST /in HTTP/1.1\r\n"));
	g_assert_nonnull(strstr(bytes, "\r\nLogplex-Msg-Count: 1\r\n"));
	g_assert_nonnull(strstr(bytes, "\r\nAuthorization: Basic YTpi\r\n"));
}

static void
test_http_refused(void)
{
	Receiver receiver = {.lock = PTHREAD_MUTEX_INITIALIZER,
	    .came = PTHREAD_COND_INITIALIZER,
	    .bytes = g_string_new(NULL),
	    .answer = "HTTP/1.1 503 Busy\r\n\r\n"};
	g_autoptr(SmallServer) server = small_server_tcp(receive, &receiver);
	g_autoptr(GPtrArray) destinations =
	    one_pending("\"http://127.0.0.1", small_server_port(server), "/in");
	g_autoptr(GError) error = NULL;

	g_assert_false(destination_send(g_ptr_array_index(destinations, 0), &error));
	g_assert_cmpstr(error->message, ==, "HTTP 503");
	g_free(received(&receiver));
}

static void
test_tls(void)
{
	const TlsCertificate certificate = {"IP:127.0.0.1,DNS:localhost", -60, 3600};
	g_autoptr(TlsServer) server = tls_server_new(&certificate);
	g_autofree char *file = g_strdup_printf("%s/log-drain-%d.pem", g_get_tmp_dir(), getpid());
	g_autoptr(GPtrArray) destinations =
	    one_pending("\"https://localhost", tls_server_port(server), "/in");
	Destination *destination = g_ptr_array_index(destinations, 0);
	g_autoptr(GError) error = NULL;
	g_autoptr(GError) refusal = NULL;

	tls_server_write_certificate(server, file);
	g_setenv("SSL_CERT_FILE", file, TRUE);
	g_assert_true(destination_send(destination, &error));
	g_assert_no_error(error);

	g_setenv("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt", TRUE);
	g_assert_false(destination_send(destination, &refusal));
	g_assert_nonnull(strstr(refusal->message, "certificate verify failed"));
	g_unsetenv("SSL_CERT_FILE");
	unlink(file);
}

static void
test_one_of_two(void)
{
	Receiver receiver = {.lock = PTHREAD_MUTEX_INITIALIZER,
	    .came = PTHREAD_COND_INITIALIZER,
	    .bytes = g_string_new(NULL)};
	g_autoptr(SmallServer) server = small_server_tcp(receive, &receiver);
	g_autoptr(GPtrArray) destinations = one_pending(
	    "\"syslog://127.0.0.1:1\",\"syslog://127.0.0.1", small_server_port(server), "");

	Outcome outcome = destinations_send(destinations, tell);
	g_free(received(&receiver));
	g_assert_cmpuint(outcome.sent, ==, 1);
	g_assert_cmpuint(outcome.lost, ==, 1);
	g_assert_cmpint(((Destination *)g_ptr_array_index(destinations, 0))->paused_until, >, 0);
}

static void
test_none(void)
{
	g_autoptr(GPtrArray) destinations = one_pending("\"syslog://127.0.0.1", 1, "");

	Outcome outcome = destinations_send(destinations, tell);
	g_assert_cmpuint(outcome.sent, ==, 0);
	g_assert_cmpuint(outcome.lost, ==, 1);
	g_assert_cmpint(((Destination *)g_ptr_array_index(destinations, 0))->paused_until, ==, 0);
}

static void
serve_runtime(int fd, gpointer data)
{
	g_autoptr(GString) head = g_string_new(NULL);

	if (small_server_read_head(fd, head))
		small_server_say(fd, data);
}

static Invocation *
next_from(const char *answer, GError **error)
{
	g_autoptr(SmallServer) server = small_server_tcp(serve_runtime, (gpointer)answer);
	g_autofree char *address = g_strdup_printf("127.0.0.1:%u", small_server_port(server));

	return runtime_next(address, error);
}

static void
test_runtime(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Invocation) plain = next_from(
	    "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: a-1\r\nContent-Length: 2\r\n\r\n{}",
	    &error);
	g_assert_no_error(error);
	g_assert_cmpstr(plain->id, ==, "a-1");
	g_assert_cmpstr(plain->body->str, ==, "{}");

	g_autoptr(Invocation) chunked =
	    next_from("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: b\r\n"
		      "Transfer-Encoding: chunked\r\n\r\n"
		      "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
		&error);
	g_assert_no_error(error);
	g_assert_cmpstr(chunked->body->str, ==, "{}");
}

static void
test_runtime_bad(void)
{
	static const char *const answers[] = {"", "garbage\r\n\r\n", "HTTP/1.1 500 No\r\n\r\n",
	    "HTTP/1.1 200 OK\r\n\r\n{}",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}", "HTTP/1."};

	for (gsize i = 0; i < G_N_ELEMENTS(answers); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(Invocation) invocation = next_from(answers[i], &error);
		g_assert_null(invocation);
		g_assert_true(g_str_has_prefix(error->message, "runtime"));
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	json_set_alloc_funcs(g_malloc, g_free);
	g_test_add_func(
	    "/log-drain/a-batch-is-its-lines-and-what-is-none-is-passed-over", test_batch);
	g_test_add_func("/log-drain/a-cut-record-is-no-record", test_cut);
	g_test_add_func("/log-drain/an-event-without-records-is-an-error", test_no_records);
	g_test_add_func("/log-drain/a-line-is-a-message-of-rfc-5424", test_message);
	g_test_add_func("/log-drain/header-fields-hold-what-they-may", test_header_fields);
	g_test_add_func("/log-drain/destinations-are-of-one-app-or-of-all", test_destinations);
	g_test_add_func(
	    "/log-drain/a-bad-destination-is-refused-and-not-shown", test_bad_destinations);
	g_test_add_func("/log-drain/syslog-gets-all-bytes", test_syslog);
	g_test_add_func("/log-drain/http-gets-one-post", test_http);
	g_test_add_func("/log-drain/a-refusal-is-told-with-its-status", test_http_refused);
	g_test_add_func("/log-drain/tls-takes-known-certificates-only", test_tls);
	g_test_add_func(
	    "/log-drain/a-dead-destination-does-not-hold-up-the-others", test_one_of_two);
	g_test_add_func("/log-drain/nothing-is-paused-when-nobody-answers", test_none);
	g_test_add_func("/log-drain/an-invocation-comes-whole-or-in-chunks", test_runtime);
	g_test_add_func("/log-drain/a-broken-answer-is-an-error", test_runtime_bad);
	return g_test_run();
}
