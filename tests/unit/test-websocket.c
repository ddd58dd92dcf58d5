/*
 * Unit tests of base/websocket: our client against our server over a real connection, and our
 * server against frames written byte by byte.
 */
#include "base/error.h"
#include "base/limits.h"
#include "base/lock.h"
#include "base/websocket.h"
#include "small-server.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void
assert_event(WebSocket *socket, WebSocketEvent expected, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *bytes = NULL;
	WebSocketEvent event;
	gsize length = 0;

	g_assert_true(websocket_receive(socket, &event, &bytes, &length, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpint(event, ==, expected);
	g_assert_cmpstr(bytes, ==, text);
	g_assert_cmpuint(length, ==, text ? strlen(text) : 0);
}

static void
assert_fails(WebSocket *socket, int code)
{
	g_autoptr(GError) error = NULL;
	char *bytes = (char *)"untouched";
	WebSocketEvent event;
	gsize length;

	g_assert_false(websocket_receive(socket, &event, &bytes, &length, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, code);
	g_assert_cmpstr(bytes, ==, "untouched");
}

/* Below: the server's side against raw frames. */

typedef struct {
	WebSocket *socket;
	int peer;
} Raw;

static void
raw_set_up(Raw *raw, gconstpointer data)
{
	int pair[2];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
	struct timeval limit = {.tv_sec = 10};
	setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	raw->socket = websocket_new_server(pair[0], false);
	raw->peer = pair[1];
}

static void
raw_tear_down(Raw *raw, gconstpointer data)
{
	if (raw->peer >= 0)
		close(raw->peer);
	websocket_free(raw->socket);
}

/* A masked frame with a 7-bit or 16-bit length. `first` is FIN, RSV and opcode. */
static void
write_frame(int fd, guint8 first, const void *bytes, gsize length)
{
	const guint8 mask[4] = {0x12, 0x34, 0x56, 0x78};
	g_autoptr(GByteArray) frame = g_byte_array_new();
	guint8 small[] = {first, (guint8)(0x80 | length)};
	guint8 large[] = {first, 0x80 | 126, (guint8)(length >> 8), (guint8)length};

	if (length < 126)
		g_byte_array_append(frame, small, sizeof small);
	else
		g_byte_array_append(frame, large, sizeof large);
	g_byte_array_append(frame, mask, sizeof mask);
	for (gsize i = 0; i < length; i++) {
		guint8 byte = ((const guint8 *)bytes)[i] ^ mask[i % 4];
		g_byte_array_append(frame, &byte, 1);
	}
	g_assert_true(small_server_write(fd, frame->data, frame->len));
}

static void
expect_bytes(int fd, const void *expected, gsize length)
{
	g_autofree guint8 *bytes = g_malloc(length);

	g_assert_true(small_server_read(fd, bytes, length));
	g_assert_cmpmem(bytes, length, expected, length);
}

static void
fragments_are_joined_around_control_frames(Raw *raw, gconstpointer data)
{
	write_frame(raw->peer, 0x01, "one ", 4);
	write_frame(raw->peer, 0x89, "are you there", 13);
	write_frame(raw->peer, 0x00, "two ", 4);
	write_frame(raw->peer, 0x8A, "", 0);
	write_frame(raw->peer, 0x80, "three", 5);

	assert_event(raw->socket, WEBSOCKET_TEXT, "one two three");
	expect_bytes(raw->peer,
	    "\x8A\x0D"
	    "are you there",
	    15);
}

static void
text_need_not_be_utf8(Raw *raw, gconstpointer data)
{
	write_frame(raw->peer, 0x81, "\xff\xfe\x80", 3);
	write_frame(raw->peer, 0x81, "", 0);

	assert_event(raw->socket, WEBSOCKET_TEXT, "\xff\xfe\x80");
	assert_event(raw->socket, WEBSOCKET_TEXT, "");
}

static void
any_binary_message_is_an_end(Raw *raw, gconstpointer data)
{
	write_frame(raw->peer, 0x82, "", 0);
	write_frame(raw->peer, 0x82, "lost", 4);
	write_frame(raw->peer, 0x81, "still here", 10);

	assert_event(raw->socket, WEBSOCKET_END, NULL);
	assert_event(raw->socket, WEBSOCKET_END, NULL);
	assert_event(raw->socket, WEBSOCKET_TEXT, "still here");
}

static void
a_server_sends_one_plain_frame_a_message(Raw *raw, gconstpointer data)
{
	g_autofree char *text = g_strnfill(300, 'x');

	g_assert_true(websocket_send(raw->socket, "hi\xff", 3, NULL, NULL));
	expect_bytes(raw->peer, "\x81\x03hi\xff", 5);
	g_assert_true(websocket_send(raw->socket, text, 300, NULL, NULL));
	expect_bytes(raw->peer, "\x81\x7E\x01\x2C", 4);
	expect_bytes(raw->peer, text, 300);
	g_assert_true(websocket_send_end(raw->socket, NULL, NULL));
	expect_bytes(raw->peer, "\x82\x00", 2);
}

static void
a_close_is_echoed_and_stays(Raw *raw, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	write_frame(raw->peer, 0x88, "\x03\xe9going away", 12);
	assert_event(raw->socket, WEBSOCKET_CLOSED, NULL);
	assert_event(raw->socket, WEBSOCKET_CLOSED, NULL);
	expect_bytes(raw->peer, "\x88\x02\x03\xe9", 4);
	g_assert_true(websocket_is_gone(raw->socket));
	g_assert_false(websocket_send(raw->socket, "x", 1, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
}

static void
a_connection_that_ends_is_a_close(Raw *raw, gconstpointer data)
{
	g_assert_true(small_server_write(raw->peer, "\x81\x85\x01", 3));
	close(raw->peer);
	raw->peer = -1;

	assert_event(raw->socket, WEBSOCKET_CLOSED, NULL);
	g_assert_true(websocket_is_gone(raw->socket));
	g_assert_false(websocket_send(raw->socket, "x", 1, NULL, NULL));
}

static void
assert_refused(const void *bytes, gsize length, guint16 close_code, int code)
{
	Raw raw;
	guint8 close_frame[] = {0x88, 2, (guint8)(close_code >> 8), (guint8)close_code};

	raw_set_up(&raw, NULL);
	g_assert_true(small_server_write(raw.peer, bytes, length));
	assert_fails(raw.socket, code);
	expect_bytes(raw.peer, close_frame, sizeof close_frame);
	assert_event(raw.socket, WEBSOCKET_CLOSED, NULL);
	raw_tear_down(&raw, NULL);
}

#define PROTOCOL(bytes) assert_refused(bytes, sizeof(bytes) - 1, 1002, CARRACK_ERROR_INVALID)

static void
broken_frames_are_refused(void)
{
	PROTOCOL("\x81\x01x");                      /* not masked */
	PROTOCOL("\xC1\x80mask");                   /* a reserved bit */
	PROTOCOL("\x83\x80mask");                   /* an unknown opcode */
	PROTOCOL("\x8B\x80mask");                   /* an unknown control frame */
	PROTOCOL("\x80\x80mask");                   /* a fragment of nothing */
	PROTOCOL("\x01\x80mask\x81\x80mask");       /* a message inside a message */
	PROTOCOL("\x09\x80mask");                   /* a ping in fragments */
	PROTOCOL("\x89\xFE\x00\x80mask");           /* a ping of 128 bytes */
	PROTOCOL("\x81\xFE\x00\x05mask");           /* a length that is not minimal */
	PROTOCOL("\x81\xFF\xFF\0\0\0\0\0\0\0mask"); /* a negative length */
}

static void
messages_over_the_limit_are_refused(void)
{
	const char over[] = "\x81\xFF\0\0\0\0\0\x10\0\x01mask!";
	const char huge[] = "\x81\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFFmask!";

	assert_refused(over, sizeof over - 1, 1009, CARRACK_ERROR_TOO_LARGE);
	assert_refused(huge, sizeof huge - 1, 1009, CARRACK_ERROR_TOO_LARGE);
}

static void *
write_fragments(void *data)
{
	int fd = GPOINTER_TO_INT(data);
	g_autofree char *piece = g_strnfill(60000, 'x');

	write_frame(fd, 0x01, piece, 60000);
	for (gsize total = 60000; total < LIMIT_WEBSOCKET_MESSAGE_BYTES; total += 60000)
		write_frame(fd, 0x00, piece, 60000);
	return NULL;
}

static void
fragments_over_the_limit_are_refused(Raw *raw, gconstpointer data)
{
	pthread_t thread;

	pthread_create(&thread, NULL, write_fragments, GINT_TO_POINTER(raw->peer));
	assert_fails(raw->socket, CARRACK_ERROR_TOO_LARGE);
	/* The last fragment may be under way; its reader has gone. */
	shutdown(raw->peer, SHUT_RD);
	pthread_join(thread, NULL);
}

static void
a_message_too_large_to_receive_is_not_sent(Raw *raw, gconstpointer data)
{
	g_autofree char *text = g_malloc0(LIMIT_WEBSOCKET_MESSAGE_BYTES + 1);
	g_autoptr(GError) error = NULL;

	g_assert_false(
	    websocket_send(raw->socket, text, LIMIT_WEBSOCKET_MESSAGE_BYTES + 1, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_TOO_LARGE);
	g_assert_true(websocket_send(raw->socket, "x", 1, NULL, NULL));
}

static void *
cancel_soon(void *data)
{
	g_usleep(100000); /* the moment does not matter, only that the call is running */
	g_cancellable_cancel(data);
	return NULL;
}

static void
a_stalled_reader_blocks_the_sender(Raw *raw, gconstpointer data)
{
	g_autoptr(GCancellable) cancel = g_cancellable_new();
	g_autoptr(GError) error = NULL;
	g_autofree char *text = g_malloc0(64 * 1024);
	pthread_t thread;
	gsize sent = 0;

	pthread_create(&thread, NULL, cancel_soon, cancel);
	while (websocket_send(raw->socket, text, 64 * 1024, cancel, &error))
		sent += 64 * 1024;
	pthread_join(thread, NULL);

	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
	g_assert_cmpuint(sent, <, 4 * 1024 * 1024);
	/* A frame was cut: what came after it could not be read. */
	g_assert_false(websocket_send(raw->socket, "x", 1, NULL, NULL));
}

static void *
send_one_large(void *data)
{
	g_autofree char *text = g_strnfill(LIMIT_WEBSOCKET_MESSAGE_BYTES, 'x');

	g_assert_true(websocket_send(data, text, LIMIT_WEBSOCKET_MESSAGE_BYTES, NULL, NULL));
	return NULL;
}

static void
a_stalled_sender_does_not_stall_the_receiver(Raw *raw, gconstpointer data)
{
	pthread_t thread;

	pthread_create(&thread, NULL, send_one_large, raw->socket);
	guint8 head[10];
	g_assert_true(small_server_read(raw->peer, head, sizeof head));

	/* The sender is in the middle of its message now, and nobody reads it. */
	write_frame(raw->peer, 0x89, "p", 1);
	write_frame(raw->peer, 0x81, "\x03", 1);
	assert_event(raw->socket, WEBSOCKET_TEXT, "\x03");

	/* The pong follows the message. */
	g_autofree char *rest = g_malloc(LIMIT_WEBSOCKET_MESSAGE_BYTES);
	g_assert_true(small_server_read(raw->peer, rest, LIMIT_WEBSOCKET_MESSAGE_BYTES));
	pthread_join(thread, NULL);
	expect_bytes(raw->peer, "\x8A\x01p", 3);
}

static void
a_sender_alone_sees_that_the_peer_has_gone(Raw *raw, gconstpointer data)
{
	g_assert_false(websocket_is_gone(raw->socket));
	write_frame(raw->peer, 0x89, "p", 1);
	g_assert_false(websocket_is_gone(raw->socket));
	expect_bytes(raw->peer, "\x8A\x01p", 3);

	write_frame(raw->peer, 0x81, "kept", 4);
	g_assert_false(websocket_is_gone(raw->socket));
	assert_event(raw->socket, WEBSOCKET_TEXT, "kept");

	write_frame(raw->peer, 0x88, "", 0);
	g_assert_true(websocket_is_gone(raw->socket));
	expect_bytes(raw->peer, "\x88\x00", 2);
}

static void
a_cancelled_receive_can_be_repeated(Raw *raw, gconstpointer data)
{
	g_autoptr(GCancellable) cancel = g_cancellable_new();
	g_autoptr(GError) error = NULL;
	char *bytes = NULL;
	WebSocketEvent event;
	gsize length;
	pthread_t thread;

	g_assert_true(small_server_write(raw->peer, "\x81\x83\0\0\0\0a", 7));
	pthread_create(&thread, NULL, cancel_soon, cancel);
	g_assert_false(websocket_receive(raw->socket, &event, &bytes, &length, cancel, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
	pthread_join(thread, NULL);

	g_assert_true(small_server_write(raw->peer, "bc", 2));
	assert_event(raw->socket, WEBSOCKET_TEXT, "abc");
}

static void
a_borrowed_descriptor_stays_open(void)
{
	int pair[2];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
	close(pair[1]);
	websocket_free(websocket_new_server(pair[0], true));
	g_assert_cmpint(close(pair[0]), ==, 0);
}

static void
the_accept_key_is_that_of_the_rfc(void)
{
	g_autofree char *key = websocket_accept_key("dGhlIHNhbXBsZSBub25jZQ==");

	g_assert_cmpstr(key, ==, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/* Below: client and server. */

typedef struct {
	SmallServer *server;
	HttpClient *client;
	pthread_mutex_t lock;
	char *head;        /* of the last handshake */
	GString *received; /* by the server, until the end frame */
} Pair;

static void
keep(Pair *pair, const char *bytes, gsize length)
{
	LOCKED(&pair->lock);

	g_string_append_len(pair->received, bytes, (gssize)length);
}

/* Echoes until the end, then says how it went. */
static void
serve(WebSocket *socket, Pair *pair)
{
	for (;;) {
		g_autofree char *bytes = NULL;
		WebSocketEvent event;
		gsize length;
		if (!websocket_receive(socket, &event, &bytes, &length, NULL, NULL) ||
		    event == WEBSOCKET_CLOSED)
			return;
		if (event == WEBSOCKET_END)
			break;
		keep(pair, bytes, length);
		if (!websocket_send(socket, bytes, length, NULL, NULL))
			return;
	}
	/* The client may still be told something after its end. */
	websocket_send(socket, "after your end", 14, NULL, NULL);
	websocket_send_end(socket, NULL, NULL);
}

static char *
header_of(const char *head, const char *name)
{
	g_autofree char *start = g_strdup_printf("\r\n%s: ", name);
	const char *place = strstr(head, start);
	if (!place)
		return NULL;

	place += strlen(start);
	return g_strndup(place, strcspn(place, "\r"));
}

static void
handle(int fd, gpointer data)
{
	Pair *pair = data;
	g_autoptr(GString) head = g_string_new(NULL);
	if (!small_server_read_head(fd, head))
		return;
	{
		LOCKED(&pair->lock);
		g_free(pair->head);
		pair->head = g_strdup(head->str);
	}

	g_autofree char *key = header_of(head->str, "Sec-WebSocket-Key");
	bool lies = g_str_has_prefix(head->str, "GET /liar");
	g_autofree char *accept = websocket_accept_key(lies ? "another key" : key);
	g_autofree char *answer =
	    g_strdup_printf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
			    "Connection: Upgrade\r\nsec-websocket-accept: %s\r\n\r\n",
		accept);
	small_server_say(fd, answer);

	if (g_str_has_prefix(head->str, "GET /chatter"))
		small_server_write(fd, "\x89\x04ping\x01\x02he\x80\x03llo\x82\x01x", 18);
	if (g_str_has_prefix(head->str, "GET /masked"))
		small_server_write(fd, "\x81\x81maskx", 7);
	g_autoptr(WebSocket) socket = websocket_new_server(fd, true);
	serve(socket, pair);
}

static void
pair_set_up(Pair *pair, gconstpointer data)
{
	pthread_mutex_init(&pair->lock, NULL);
	pair->received = g_string_new(NULL);
	pair->server = small_server_tcp(handle, pair);
	g_autofree char *url =
	    g_strdup_printf("http://127.0.0.1:%u", small_server_port(pair->server));
	pair->client = http_client_new(&(HttpOptions){
	    .base_url = url, .user = "convox", .password = "s3cret", .user_agent = "test/1"});
}

static void
pair_tear_down(Pair *pair, gconstpointer data)
{
	http_client_free(pair->client);
	small_server_free(pair->server);
	g_string_free(pair->received, TRUE);
	g_free(pair->head);
	pthread_mutex_destroy(&pair->lock);
}

static WebSocket *
connect_to(Pair *pair, const char *path)
{
	const char *const headers[] = {"Version: 1", "Session: ", NULL};
	g_autoptr(GError) error = NULL;
	WebSocket *socket = websocket_connect(pair->client, path, headers, NULL, &error);

	g_assert_no_error(error);
	return socket;
}

static void
the_handshake_is_that_of_the_wire(Pair *pair, gconstpointer data)
{
	g_autoptr(WebSocket) socket = connect_to(pair, "/apps/a/logs");
	g_autofree char *host = header_of(pair->head, "Host");
	g_autofree char *origin = header_of(pair->head, "Origin");
	g_autofree char *expected = g_strconcat("http://", host, NULL);

	g_assert_true(g_str_has_prefix(pair->head, "GET /apps/a/logs HTTP/1.1\r\n"));
	g_assert_cmpstr(origin, ==, expected);
	g_assert_nonnull(strstr(pair->head, "\r\nConnection: Upgrade\r\n"));
	g_assert_nonnull(strstr(pair->head, "\r\nUpgrade: websocket\r\n"));
	g_assert_nonnull(strstr(pair->head, "\r\nSec-WebSocket-Version: 13\r\n"));
	g_assert_nonnull(strstr(pair->head, "\r\nAuthorization: Basic Y29udm94OnMzY3JldA==\r\n"));
	g_assert_nonnull(strstr(pair->head, "\r\nUser-Agent: test/1\r\n"));
	g_assert_nonnull(strstr(pair->head, "\r\nVersion: 1\r\n"));
	g_assert_null(strstr(pair->head, "Sec-WebSocket-Extensions"));
	g_assert_null(strstr(pair->head, "Sec-WebSocket-Protocol"));
}

static void
all_bytes_pass_both_ways_and_so_do_ends(Pair *pair, gconstpointer data)
{
	g_autoptr(WebSocket) socket = connect_to(pair, "/");
	char all[256];
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;

	g_assert_true(websocket_send(socket, all, sizeof all, NULL, NULL));
	g_autofree char *bytes = NULL;
	WebSocketEvent event;
	gsize length;
	g_assert_true(websocket_receive(socket, &event, &bytes, &length, NULL, NULL));
	g_assert_cmpint(event, ==, WEBSOCKET_TEXT);
	g_assert_cmpmem(bytes, length, all, sizeof all);
	g_assert_cmpint(bytes[length], ==, 0);

	g_assert_true(websocket_send_end(socket, NULL, NULL));
	assert_event(socket, WEBSOCKET_TEXT, "after your end");
	assert_event(socket, WEBSOCKET_END, NULL);
	assert_event(socket, WEBSOCKET_CLOSED, NULL);
	g_assert_cmpmem(pair->received->str, pair->received->len, all, sizeof all);
}

static void
the_largest_message_passes(Pair *pair, gconstpointer data)
{
	g_autoptr(WebSocket) socket = connect_to(pair, "/");
	g_autofree char *text = g_strnfill(LIMIT_WEBSOCKET_MESSAGE_BYTES, 'x');

	g_assert_true(websocket_send(socket, text, LIMIT_WEBSOCKET_MESSAGE_BYTES, NULL, NULL));
	assert_event(socket, WEBSOCKET_TEXT, text);
}

static void
what_comes_with_the_handshake_is_not_lost(Pair *pair, gconstpointer data)
{
	g_autoptr(WebSocket) socket = connect_to(pair, "/chatter");

	assert_event(socket, WEBSOCKET_TEXT, "hello");
	assert_event(socket, WEBSOCKET_END, NULL);
	g_assert_false(websocket_is_gone(socket));
}

static void
a_server_that_masks_is_refused(Pair *pair, gconstpointer data)
{
	g_autoptr(WebSocket) socket = connect_to(pair, "/masked");

	assert_fails(socket, CARRACK_ERROR_INVALID);
}

static void
a_wrong_accept_key_is_no_websocket(Pair *pair, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(websocket_connect(pair->client, "/liar", NULL, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
}

#define FLOOD 2000

static void *
send_flood(void *data)
{
	for (int i = 0; i < FLOOD; i++) {
		g_autofree char *text = g_strdup_printf("message %d", i);
		g_assert_true(websocket_send(data, text, strlen(text), NULL, NULL));
	}
	g_assert_true(websocket_send_end(data, NULL, NULL));
	return NULL;
}

static void
one_thread_sends_while_another_receives(Pair *pair, gconstpointer data)
{
	g_autoptr(WebSocket) socket = connect_to(pair, "/");
	pthread_t thread;

	pthread_create(&thread, NULL, send_flood, socket);
	for (int i = 0; i < FLOOD; i++) {
		g_autofree char *text = g_strdup_printf("message %d", i);
		assert_event(socket, WEBSOCKET_TEXT, text);
	}
	assert_event(socket, WEBSOCKET_TEXT, "after your end");
	assert_event(socket, WEBSOCKET_END, NULL);
	pthread_join(thread, NULL);
}

#define RAW(path, function) g_test_add(path, Raw, NULL, raw_set_up, function, raw_tear_down)
#define PAIR(path, function) g_test_add(path, Pair, NULL, pair_set_up, function, pair_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	RAW("/websocket/fragments-are-joined-around-control-frames",
	    fragments_are_joined_around_control_frames);
	RAW("/websocket/text-need-not-be-utf8", text_need_not_be_utf8);
	RAW("/websocket/any-binary-message-is-an-end", any_binary_message_is_an_end);
	RAW("/websocket/a-server-sends-one-plain-frame-a-message",
	    a_server_sends_one_plain_frame_a_message);
	RAW("/websocket/a-close-is-echoed-and-stays", a_close_is_echoed_and_stays);
	RAW("/websocket/a-connection-that-ends-is-a-close", a_connection_that_ends_is_a_close);
	g_test_add_func("/websocket/broken-frames-are-refused", broken_frames_are_refused);
	g_test_add_func(
	    "/websocket/messages-over-the-limit-are-refused", messages_over_the_limit_are_refused);
	RAW("/websocket/fragments-over-the-limit-are-refused",
	    fragments_over_the_limit_are_refused);
	RAW("/websocket/a-message-too-large-to-receive-is-not-sent",
	    a_message_too_large_to_receive_is_not_sent);
	RAW("/websocket/a-stalled-reader-blocks-the-sender", a_stalled_reader_blocks_the_sender);
	RAW("/websocket/a-stalled-sender-does-not-stall-the-receiver",
	    a_stalled_sender_does_not_stall_the_receiver);
	RAW("/websocket/a-sender-alone-sees-that-the-peer-has-gone",
	    a_sender_alone_sees_that_the_peer_has_gone);
	RAW("/websocket/a-cancelled-receive-can-be-repeated", a_cancelled_receive_can_be_repeated);
	g_test_add_func(
	    "/websocket/a-borrowed-descriptor-stays-open", a_borrowed_descriptor_stays_open);
	g_test_add_func(
	    "/websocket/the-accept-key-is-that-of-the-rfc", the_accept_key_is_that_of_the_rfc);
	PAIR("/websocket/the-handshake-is-that-of-the-wire", the_handshake_is_that_of_the_wire);
	PAIR("/websocket/all-bytes-pass-both-ways-and-so-do-ends",
	    all_bytes_pass_both_ways_and_so_do_ends);
	PAIR("/websocket/the-largest-message-passes", the_largest_message_passes);
	PAIR("/websocket/what-comes-with-the-handshake-is-not-lost",
	    what_comes_with_the_handshake_is_not_lost);
	PAIR("/websocket/a-server-that-masks-is-refused", a_server_that_masks_is_refused);
	PAIR("/websocket/a-wrong-accept-key-is-no-websocket", a_wrong_accept_key_is_no_websocket);
	PAIR("/websocket/one-thread-sends-while-another-receives",
	    one_thread_sends_while_another_receives);
	return g_test_run();
}
