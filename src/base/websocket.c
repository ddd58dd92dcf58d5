/*
 * WebSockets: wslay reads and writes single frames, we join them to messages.
 *
 * The two directions share nothing but the connection. Sending holds `sending` for a whole frame.
 * Receiving holds `receiving`. Answers that the receiver owes (pongs, the close) are notes: they
 * are sent when that is possible without waiting, by whoever is there, because a receiver that
 * waited behind a stalled sender would not see the Ctrl-C that ends the stall.
 *
 * wslay's event layer is not used: it refuses text that is not UTF-8, and it queues.
 */
#include "base/websocket.h"

#include "base/error.h"
#include "base/http-head.h"
#include "base/limits.h"
#include "base/lock.h"
#include "base/wait.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

#define CONTROL_BYTES 125
#define LINGER_MS 500
#define NOT_NOW (-2)

/* RFC 6455, section 1.3 */
#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

/* A control frame that we owe the peer. Only the latest ping needs an answer (section 5.5.3). */
typedef struct {
	guint8 opcode; /* 0: none */
	guint8 bytes[CONTROL_BYTES];
	gsize length;
} Note;

typedef struct {
	wslay_frame_context_ptr frames;
	GCancellable *cancel; /* of the call that runs */
	GError *failure;
	bool broken; /* a frame was cut: nothing can follow it */
} Sender;

typedef struct {
	wslay_frame_context_ptr frames;
	GCancellable *cancel;
	GError *failure;
	bool waits, is_blocked;
	/* the frame that is being read */
	bool in_frame;
	guint8 opcode;
	guint64 left;
	GByteArray *control;
	/* the message that is being joined, and whether it is complete */
	guint8 message_opcode; /* 0: none */
	GString *message;
	bool is_ready;
} Receiver;

struct WebSocket {
	int fd;
	bool is_borrowed;
	bool takes_binary;
	HttpConnection *connection; /* of a client; NULL: server */
	pthread_mutex_t sending, receiving, noting;
	Sender sender;
	Receiver receiver;
	Note pong, close;
	int closed; /* atomic */
};

static bool
is_closed(WebSocket *socket)
{
	return g_atomic_int_get(&socket->closed) != 0;
}

static bool
transport_send(WebSocket *socket, const void *bytes, gsize length, bool more, GError **error)
{
	GCancellable *cancel = socket->sender.cancel;
	if (socket->connection)
		return http_connection_write(socket->connection, bytes, length, cancel, error);

	int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0);
	for (const char *rest = bytes; length > 0;) {
		gssize count = send(socket->fd, rest, length, flags);
		if (count > 0) {
			rest += count;
			length -= (gsize)count;
		} else if (errno == EAGAIN) {
			if (wait_fd(socket->fd, POLLOUT, -1, cancel, error) < 0)
				return false;
		} else if (errno != EINTR) {
			return error_set(
			    error, CARRACK_ERROR_UNAVAILABLE, "the websocket's peer has gone");
		}
	}
	return true;
}

/* The count, 0 when the peer has gone in whatever way, -1 with an error (cancelled), NOT_NOW. */
static gssize
transport_receive(WebSocket *socket, void *buffer, gsize size, GError **error)
{
	Receiver *receiver = &socket->receiver;

	if (socket->connection) {
		if (!receiver->waits && !http_connection_pending(socket->connection))
			return NOT_NOW;
		gssize count =
		    http_connection_read(socket->connection, buffer, size, receiver->cancel, NULL);
		if (count < 0)
			return error_cancelled(receiver->cancel, error) ? -1 : 0;
		return count;
	}

	for (;;) {
		gssize count = recv(socket->fd, buffer, size, MSG_DONTWAIT);
		if (count >= 0)
			return count;
		if (errno != EAGAIN && errno != EINTR)
			return 0;
		if (errno == EAGAIN && !receiver->waits)
			return NOT_NOW;
		if (wait_fd(socket->fd, POLLIN, -1, receiver->cancel, error) < 0)
			return -1;
	}
}

static ssize_t
on_send(const uint8_t *bytes, size_t length, int flags, void *data)
{
	WebSocket *socket = data;
	bool more = flags & WSLAY_MSG_MORE;

	bool sent = transport_send(socket, bytes, length, more, &socket->sender.failure);
	return sent ? (ssize_t)length : -1;
}

static ssize_t
on_receive(uint8_t *buffer, size_t size, int flags, void *data)
{
	WebSocket *socket = data;
	Receiver *receiver = &socket->receiver;

	gssize count = transport_receive(socket, buffer, size, &receiver->failure);
	if (count == 0)
		g_atomic_int_set(&socket->closed, 1);
	receiver->is_blocked = count == NOT_NOW;
	return count > 0 ? count : -1;
}

static int
on_mask(uint8_t *buffer, size_t length, void *data)
{
	return getrandom(buffer, length, 0) == (gssize)length ? 0 : -1;
}

static WebSocket *
websocket_new(int fd)
{
	static const struct wslay_frame_callbacks callbacks = {on_send, on_receive, on_mask};
	WebSocket *socket = g_new0(WebSocket, 1);

	socket->fd = fd;
	pthread_mutex_init(&socket->sending, NULL);
	pthread_mutex_init(&socket->receiving, NULL);
	pthread_mutex_init(&socket->noting, NULL);
	socket->receiver.message = g_string_new(NULL);
	socket->receiver.control = g_byte_array_new();
	bool ready = wslay_frame_context_init(&socket->sender.frames, &callbacks, socket) == 0 &&
		     wslay_frame_context_init(&socket->receiver.frames, &callbacks, socket) == 0;
	g_assert(ready);
	return socket;
}

WebSocket *
websocket_new_server(int fd, bool borrowed)
{
	WebSocket *socket = websocket_new(fd);

	socket->is_borrowed = borrowed;
	return socket;
}

/* Sends one frame; the caller holds `sending`. */
static bool
send_frame(WebSocket *socket, guint8 opcode, const void *bytes, gsize length, GError **error)
{
	Sender *sender = &socket->sender;
	struct wslay_frame_iocb frame = {
	    .fin = 1,
	    .opcode = opcode,
	    .mask = socket->connection != NULL,
	    .payload_length = length,
	    .data = bytes,
	    .data_length = length,
	};

	if (sender->broken || is_closed(socket))
		return error_set(error, CARRACK_ERROR_UNAVAILABLE, "the websocket's peer has gone");
	if (wslay_frame_send(sender->frames, &frame) == (gssize)length)
		return true;

	sender->broken = true;
	if (sender->failure)
		g_propagate_error(error, g_steal_pointer(&sender->failure));
	else
		error_set(error, CARRACK_ERROR_INTERNAL, "websocket: a frame was not sent");
	return false;
}

static bool
take_note(WebSocket *socket, Note *note)
{
	LOCKED(&socket->noting);
	Note *owed = socket->pong.opcode ? &socket->pong : &socket->close;

	*note = *owed;
	owed->opcode = 0;
	return note->opcode != 0;
}

static bool
has_notes(WebSocket *socket)
{
	LOCKED(&socket->noting);

	return socket->pong.opcode || socket->close.opcode;
}

static bool
is_writable(WebSocket *socket)
{
	struct pollfd place = {socket->fd, POLLOUT, 0};

	return poll(&place, 1, 0) == 1 && (place.revents & POLLOUT);
}

/* Sends what is owed if nobody else is sending and the kernel has room. Whoever was sending looks
 * again after its message, so no note is left behind. */
static void
flush_notes(WebSocket *socket)
{
	while (has_notes(socket)) {
		if (pthread_mutex_trylock(&socket->sending) != 0)
			return;

		bool room = is_writable(socket);
		Note note;
		socket->sender.cancel = NULL;
		if (room && take_note(socket, &note))
			room = send_frame(socket, note.opcode, note.bytes, note.length, NULL);
		pthread_mutex_unlock(&socket->sending);
		if (!room)
			return;
	}
}

static void
owe(WebSocket *socket, Note *place, guint8 opcode, const guint8 *bytes, gsize length)
{
	{
		LOCKED(&socket->noting);
		place->opcode = opcode;
		place->length = MIN(length, CONTROL_BYTES);
		if (place->length > 0)
			memcpy(place->bytes, bytes, place->length);
	}
	flush_notes(socket);
}

static void
owe_close(WebSocket *socket, guint16 code)
{
	guint8 bytes[] = {(guint8)(code >> 8), (guint8)code};

	owe(socket, &socket->close, WSLAY_CONNECTION_CLOSE, bytes, sizeof bytes);
}

/* Sends a frame and what is owed behind it: a sender waits for room anyway. */
static bool
send_frame_and_notes(
    WebSocket *socket, guint8 opcode, const void *bytes, gsize length, GError **error)
{
	Note note;
	bool sent = send_frame(socket, opcode, bytes, length, error);

	while (sent && take_note(socket, &note))
		sent = send_frame(socket, note.opcode, note.bytes, note.length, error);
	return sent;
}

static bool
send_message(WebSocket *socket,
    guint8 opcode,
    const void *bytes,
    gsize length,
    GCancellable *cancel,
    GError **error)
{
	if (error_cancelled(cancel, error))
		return false;

	bool sent;
	{
		LOCKED(&socket->sending);
		socket->sender.cancel = cancel;
		sent = send_frame_and_notes(socket, opcode, bytes, length, error);
	}
	/* A note of just now, whose receiver found the lock taken. */
	flush_notes(socket);
	return sent;
}

static bool
send_data(WebSocket *socket,
    guint8 opcode,
    const void *bytes,
    gsize length,
    GCancellable *cancel,
    GError **error)
{
	if (length > LIMIT_WEBSOCKET_MESSAGE_BYTES)
		return error_set(error, CARRACK_ERROR_TOO_LARGE,
		    "a websocket message of %" G_GSIZE_FORMAT " bytes; the limit is %d", length,
		    LIMIT_WEBSOCKET_MESSAGE_BYTES);

	return send_message(socket, opcode, bytes, length, cancel, error);
}

bool
websocket_send(
    WebSocket *socket, const void *bytes, gsize length, GCancellable *cancel, GError **error)
{
	return send_data(socket, WSLAY_TEXT_FRAME, bytes, length, cancel, error);
}

bool
websocket_send_binary(
    WebSocket *socket, const void *bytes, gsize length, GCancellable *cancel, GError **error)
{
	return send_data(socket, WSLAY_BINARY_FRAME, bytes, length, cancel, error);
}

bool
websocket_ping(WebSocket *socket, GCancellable *cancel, GError **error)
{
	return send_message(socket, WSLAY_PING, NULL, 0, cancel, error);
}

void
websocket_take_binary(WebSocket *socket)
{
	socket->takes_binary = true;
}

bool
websocket_send_end(WebSocket *socket, GCancellable *cancel, GError **error)
{
	return send_message(socket, WSLAY_BINARY_FRAME, NULL, 0, cancel, error);
}

/* Tells the peer why, and lets nothing more in. Always returns false. */
static bool
refuse(WebSocket *socket, guint16 close_code, CarrackError code, const char *text)
{
	owe_close(socket, close_code);
	g_atomic_int_set(&socket->closed, 1);
	return error_set(&socket->receiver.failure, code, "websocket: %s", text);
}

static bool
refuse_protocol(WebSocket *socket, const char *text)
{
	return refuse(socket, WSLAY_CODE_PROTOCOL_ERROR, CARRACK_ERROR_INVALID, text);
}

/* The rules of section 5 that wslay leaves to its event layer. */
static bool
begin_frame(WebSocket *socket, const struct wslay_frame_iocb *frame)
{
	Receiver *receiver = &socket->receiver;
	bool is_control = wslay_is_ctrl_frame(frame->opcode);
	bool continues = frame->opcode == WSLAY_CONTINUATION_FRAME;
	bool known = frame->opcode <= WSLAY_BINARY_FRAME ||
		     (frame->opcode >= WSLAY_CONNECTION_CLOSE && frame->opcode <= WSLAY_PONG);

	if (!known || frame->rsv != 0)
		return refuse_protocol(socket, "a frame of an unknown kind");
	if (frame->mask != (socket->connection == NULL))
		return refuse_protocol(socket, "clients mask their frames, servers do not");
	if (!is_control && continues != (receiver->message_opcode != 0))
		return refuse_protocol(socket, "fragments of messages out of order");
	if (!is_control &&
	    frame->payload_length > LIMIT_WEBSOCKET_MESSAGE_BYTES - receiver->message->len)
		return refuse(socket, WSLAY_CODE_MESSAGE_TOO_BIG, CARRACK_ERROR_TOO_LARGE,
		    "a message over " G_STRINGIFY(LIMIT_WEBSOCKET_MESSAGE_BYTES) " bytes");

	receiver->in_frame = true;
	receiver->opcode = frame->opcode;
	receiver->left = frame->payload_length;
	if (!is_control && !continues)
		receiver->message_opcode = frame->opcode;
	return true;
}

static void
end_control_frame(WebSocket *socket)
{
	Receiver *receiver = &socket->receiver;
	const guint8 *bytes = receiver->control->data;
	gsize length = receiver->control->len;

	if (receiver->opcode == WSLAY_PING) {
		owe(socket, &socket->pong, WSLAY_PONG, bytes, length);
	} else if (receiver->opcode == WSLAY_CONNECTION_CLOSE) {
		/* The status is echoed, the reason is not (section 5.5.1). */
		owe(socket, &socket->close, WSLAY_CONNECTION_CLOSE, bytes, length >= 2 ? 2 : 0);
		g_atomic_int_set(&socket->closed, 1);
	}
	g_byte_array_set_size(receiver->control, 0);
}

static bool
take_frame_piece(WebSocket *socket, const struct wslay_frame_iocb *frame)
{
	Receiver *receiver = &socket->receiver;
	if (!receiver->in_frame && !begin_frame(socket, frame))
		return false;

	bool is_control = wslay_is_ctrl_frame(receiver->opcode);
	if (is_control)
		g_byte_array_append(receiver->control, frame->data, (guint)frame->data_length);
	else
		g_string_append_len(
		    receiver->message, (const char *)frame->data, (gssize)frame->data_length);
	receiver->left -= frame->data_length;
	if (receiver->left > 0)
		return true;

	receiver->in_frame = false;
	if (is_control)
		end_control_frame(socket);
	else
		receiver->is_ready = frame->fin;
	return true;
}

/* Reads until a message is complete, the peer has closed, or (unless `waits`) nothing is there.
 * False: `failure` is set. The caller holds `receiving`. */
static bool
pump(WebSocket *socket)
{
	Receiver *receiver = &socket->receiver;

	receiver->is_blocked = false;
	while (!receiver->is_ready && !receiver->is_blocked && !is_closed(socket)) {
		struct wslay_frame_iocb frame = {0};
		gssize count = wslay_frame_recv(receiver->frames, &frame);
		if (receiver->failure)
			return false;
		if (count >= 0 && !take_frame_piece(socket, &frame))
			return false;
		bool wants_more = count == WSLAY_ERR_WANT_READ;
		if (count < 0 && !wants_more)
			return refuse_protocol(socket, "a frame that is not well-formed");
	}
	return true;
}

/* Hands over what pump has found. */
static void
take_event(WebSocket *socket, WebSocketEvent *event, char **bytes, gsize *length)
{
	Receiver *receiver = &socket->receiver;
	bool is_text = receiver->is_ready && receiver->message_opcode == WSLAY_TEXT_FRAME;
	bool is_binary = receiver->is_ready && !is_text && socket->takes_binary;

	*bytes = NULL;
	*length = 0;
	if (is_text || is_binary) {
		*event = is_text ? WEBSOCKET_TEXT : WEBSOCKET_BINARY;
		*length = receiver->message->len;
		*bytes = g_string_free(receiver->message, FALSE);
		receiver->message = g_string_new(NULL);
	} else {
		*event = receiver->is_ready ? WEBSOCKET_END : WEBSOCKET_CLOSED;
		g_string_truncate(receiver->message, 0);
	}
	receiver->message_opcode = 0;
	receiver->is_ready = false;
}

bool
websocket_receive(WebSocket *socket,
    WebSocketEvent *event,
    char **bytes,
    gsize *length,
    GCancellable *cancel,
    GError **error)
{
	LOCKED(&socket->receiving);
	Receiver *receiver = &socket->receiver;

	if (error_cancelled(cancel, error))
		return false;
	flush_notes(socket);
	receiver->cancel = cancel;
	receiver->waits = true;
	if (receiver->failure || !pump(socket)) {
		g_propagate_error(error, g_steal_pointer(&receiver->failure));
		return false;
	}

	take_event(socket, event, bytes, length);
	return true;
}

static bool
has_hung_up(WebSocket *socket)
{
	struct pollfd place = {socket->fd, POLLRDHUP, 0};

	return poll(&place, 1, 0) == 1 && (place.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

/* A sender may be the only thread there is: then this answers pings and sees a close frame, and
 * keeps at most one message for websocket_receive. */
bool
websocket_is_gone(WebSocket *socket)
{
	if (!is_closed(socket) && pthread_mutex_trylock(&socket->receiving) == 0) {
		flush_notes(socket);
		socket->receiver.cancel = NULL;
		socket->receiver.waits = false;
		if (!socket->receiver.failure)
			pump(socket);
		pthread_mutex_unlock(&socket->receiving);
	}
	return is_closed(socket) || has_hung_up(socket);
}

/* Ends our side and reads what still comes for a moment: a close with unread bytes (a ping) would
 * be a reset, which can take the last output away from the peer. */
static void
linger(WebSocket *socket)
{
	gint64 deadline = g_get_monotonic_time() + LINGER_MS * G_TIME_SPAN_MILLISECOND;
	char dropped[4096];

	flush_notes(socket);
	shutdown(socket->fd, SHUT_WR);
	while (wait_fd(socket->fd, POLLIN, wait_left(deadline), NULL, NULL) > 0) {
		if (recv(socket->fd, dropped, sizeof dropped, MSG_DONTWAIT) <= 0)
			return;
	}
}

void
websocket_free(WebSocket *socket)
{
	if (!socket)
		return;

	bool is_server = !socket->connection;
	if (is_server && !socket->sender.broken)
		linger(socket);
	if (is_server && !socket->is_borrowed)
		close(socket->fd);
	http_connection_free(socket->connection);

	wslay_frame_context_free(socket->sender.frames);
	wslay_frame_context_free(socket->receiver.frames);
	g_clear_error(&socket->sender.failure);
	g_clear_error(&socket->receiver.failure);
	g_string_free(socket->receiver.message, TRUE);
	g_byte_array_unref(socket->receiver.control);
	pthread_mutex_destroy(&socket->sending);
	pthread_mutex_destroy(&socket->receiving);
	pthread_mutex_destroy(&socket->noting);
	g_free(socket);
}

char *
websocket_accept_key(const char *key)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
	guint8 digest[20];
	gsize length = sizeof digest;

	g_checksum_update(sum, (const guchar *)key, (gssize)strlen(key));
	g_checksum_update(sum, (const guchar *)ACCEPT_GUID, (gssize)strlen(ACCEPT_GUID));
	g_checksum_get_digest(sum, digest, &length);
	return g_base64_encode(digest, length);
}

static char *
random_key(void)
{
	guint8 bytes[16];

	g_assert(getrandom(bytes, sizeof bytes, 0) == sizeof bytes);
	return g_base64_encode(bytes, sizeof bytes);
}

/* The server compares Origin with Host, so it is always sent. */
static GPtrArray *
handshake_headers(HttpClient *client, const char *key, const char *const *further)
{
	GPtrArray *headers = g_ptr_array_new_with_free_func(g_free);

	if (!http_head_has(further, "Origin")) {
		g_autofree char *origin = http_client_origin(client);
		g_ptr_array_add(headers, g_strdup_printf("Origin: %s", origin));
	}
	g_ptr_array_add(headers, g_strdup("Sec-WebSocket-Version: 13"));
	g_ptr_array_add(headers, g_strdup_printf("Sec-WebSocket-Key: %s", key));
	for (; further && *further; further++)
		g_ptr_array_add(headers, g_strdup(*further));
	g_ptr_array_add(headers, NULL);
	return headers;
}

WebSocket *
websocket_connect(HttpClient *client,
    const char *path,
    const char *const *headers,
    GCancellable *cancel,
    GError **error)
{
	g_autofree char *key = random_key();
	g_autoptr(GPtrArray) lines = handshake_headers(client, key, headers);
	HttpRequest request = {.path = path, .headers = (const char *const *)lines->pdata};
	g_autoptr(HttpConnection) connection =
	    http_upgrade(client, &request, "websocket", cancel, error);
	if (!connection)
		return NULL;

	g_autofree char *expected = websocket_accept_key(key);
	const char *accept = http_connection_header(connection, "Sec-WebSocket-Accept");
	if (g_strcmp0(accept, expected) != 0) {
		error_set(error, CARRACK_ERROR_UPSTREAM,
		    "%s: the answer is not that of a websocket server", path);
		return NULL;
	}

	WebSocket *socket = websocket_new(http_connection_fd(connection));
	socket->connection = g_steal_pointer(&connection);
	return socket;
}
