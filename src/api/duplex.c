/*
 * Two threads: this one brings what the command writes to the client, a second one brings what the
 * client sends to the command. Neither holds more than a piece, so a side that does not read stops
 * the other side and nothing is piled up.
 *
 * A client that vanishes is noticed by the second thread, also while the command takes no input:
 * then it looks at the connection once a second. The command is ended then.
 */
#include "api/duplex.h"

#include "base/wait.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define EXIT_MARK "F1E49A85-0AD7-4AEF-A618-C249C6E6568D:"
#define EXIT_FAILED 125
#define PIECE 16384
#define LOOK_MS 1000
#define SIZE_MOST 10000u

/* What a frame is about, in the tagged form: its first byte. */
enum {
	TAG_INPUT = '0',
	TAG_OUT = '1',
	TAG_ERR = '2',
	TAG_EXIT = 'x',
	TAG_FAIL = 'e',
	TAG_SIZE = 's'
};

typedef struct {
	WebSocket *socket;
	EngineStream *stream;
	GCancellable *cancel; /* the end of both directions */
	bool is_tagged;
	bool takes_input;
	int is_gone; /* atomic: the peer has left before the end */
} Duplex;

static bool
is_tagged(const Request *request)
{
	const char *form = request_header(request, "carrack-stream");

	return form && strcmp(form, "1") == 0;
}

static bool
send_tagged(WebSocket *socket,
    char tag,
    const void *bytes,
    gsize length,
    GCancellable *cancel,
    GError **error)
{
	g_autofree char *frame = g_malloc(length + 1);
	frame[0] = tag;
	memcpy(frame + 1, bytes, length);
	return websocket_send(socket, frame, length + 1, cancel, error);
}

/* From the client */

/* Waits while the command takes nothing. False when there is nothing to wait for any more. */
static bool
wait_room(Duplex *duplex)
{
	EngineStream *stream = duplex->stream;
	for (;;) {
		int room = stream->ops->wait_room(stream, LOOK_MS, duplex->cancel, NULL);
		if (room != 0)
			return room > 0;
		if (websocket_is_gone(duplex->socket)) {
			g_atomic_int_set(&duplex->is_gone, 1);
			return false;
		}
	}
}

/* A command that has closed its input, or ended, drops what still comes. */
static void
give_input(Duplex *duplex, const char *bytes, gsize length)
{
	EngineStream *stream = duplex->stream;
	while (length > 0 && duplex->takes_input) {
		gsize piece = MIN(length, (gsize)ENGINE_STREAM_PIECE);
		duplex->takes_input = wait_room(duplex) && stream->ops->write(stream, bytes, piece,
							       duplex->cancel, NULL);
		bytes += piece;
		length -= piece;
	}
}

static void
change_size(Duplex *duplex, const char *text)
{
	unsigned height, width;
	if (sscanf(text, "%u %u", &height, &width) == 2 && height > 0 && width > 0 &&
	    height <= SIZE_MOST && width <= SIZE_MOST)
		duplex->stream->ops->resize(duplex->stream, height, width, NULL);
}

static void
take_message(Duplex *duplex, const char *bytes, gsize length)
{
	if (!duplex->is_tagged)
		give_input(duplex, bytes, length);
	else if (length > 0 && bytes[0] == TAG_INPUT)
		give_input(duplex, bytes + 1, length - 1);
	else if (length > 0 && bytes[0] == TAG_SIZE)
		change_size(duplex, bytes + 1);
}

static gpointer
feed(gpointer data)
{
	Duplex *duplex = data;
	WebSocketEvent event = WEBSOCKET_TEXT;
	while (event != WEBSOCKET_CLOSED && !g_atomic_int_get(&duplex->is_gone)) {
		g_autofree char *bytes = NULL;
		gsize length = 0;
		if (!websocket_receive(
			duplex->socket, &event, &bytes, &length, duplex->cancel, NULL))
			break;
		if (event == WEBSOCKET_TEXT)
			take_message(duplex, bytes, length);
		if (event == WEBSOCKET_END && duplex->takes_input) {
			duplex->stream->ops->end_input(duplex->stream);
			duplex->takes_input = false;
		}
	}
	if (!g_cancellable_is_cancelled(duplex->cancel))
		g_atomic_int_set(&duplex->is_gone, 1);
	g_cancellable_cancel(duplex->cancel);
	return NULL;
}

/* To the client */

static bool
give_output(Duplex *duplex, GError **error)
{
	EngineStream *stream = duplex->stream;
	char buffer[PIECE];
	bool is_error = false;
	gssize count;
	while ((count = stream->ops->read(
		    stream, buffer, sizeof(buffer), &is_error, duplex->cancel, error)) > 0) {
		char tag = is_error ? TAG_ERR : TAG_OUT;
		bool sent = duplex->is_tagged ? send_tagged(duplex->socket, tag, buffer,
						    (gsize)count, duplex->cancel, error)
					      : websocket_send(duplex->socket, buffer, (gsize)count,
						    duplex->cancel, error);
		if (!sent) {
			g_atomic_int_set(&duplex->is_gone, 1);
			return false;
		}
	}
	return count == 0;
}

static void
cancel_other(GCancellable *cancellable, gpointer other)
{
	g_cancellable_cancel(other);
}

bool
duplex_run(
    Request *request, WebSocket *socket, EngineStream *stream, int *exit_code, GError **error)
{
	g_autoptr(GCancellable) cancel = g_cancellable_new();
	Duplex duplex = {.socket = socket,
	    .stream = stream,
	    .cancel = cancel,
	    .is_tagged = is_tagged(request),
	    .takes_input = true};
	g_autoptr(GError) failure = NULL;
	gulong link = g_cancellable_connect(
	    request->cancel, G_CALLBACK(cancel_other), g_object_ref(cancel), g_object_unref);
	GThread *feeder = g_thread_try_new("exec", feed, &duplex, &failure);
	bool has_ended = feeder && give_output(&duplex, &failure) &&
			 stream->ops->exit_code(stream, exit_code, cancel, &failure);
	if (!has_ended)
		stream->ops->kill(stream);

	bool is_gone = !has_ended && g_atomic_int_get(&duplex.is_gone);
	g_cancellable_cancel(cancel);
	if (feeder)
		g_thread_join(feeder);
	g_cancellable_disconnect(request->cancel, link);
	if (!has_ended && !is_gone)
		g_propagate_error(error, g_steal_pointer(&failure));
	return has_ended;
}

/* The marker has a frame of its own: clients look for it at the start of what they read. */
void
duplex_tell_exit(const Request *request, WebSocket *socket, int exit_code)
{
	g_autofree char *text = is_tagged(request) ? g_strdup_printf("%c%d", TAG_EXIT, exit_code)
						   : g_strdup_printf(EXIT_MARK "%d\n", exit_code);
	websocket_send(socket, text, strlen(text), request->cancel, NULL);
}

void
duplex_tell_error(const Request *request, WebSocket *socket, const GError *failure)
{
	g_autofree char *text = is_tagged(request)
				    ? g_strdup_printf("%c%s", TAG_FAIL, failure->message)
				    : g_strdup_printf("ERROR: %s\n", failure->message);
	websocket_send(socket, text, strlen(text), request->cancel, NULL);
	duplex_tell_exit(request, socket, EXIT_FAILED);
}

/* A connection for the client */

typedef struct {
	WebSocket *socket;
	GCancellable *cancel;
	int peer;
} Relay;

static bool
send_to_peer(Relay *relay, const char *bytes, gsize length)
{
	while (length > 0) {
		int room = wait_fd(relay->peer, POLLOUT, LOOK_MS, relay->cancel, NULL);
		if (room < 0 || (room == 0 && websocket_is_gone(relay->socket)))
			return false;
		gssize count =
		    room ? send(relay->peer, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
		if (count < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		bytes += MAX(count, 0);
		length -= (gsize)MAX(count, 0);
	}
	return true;
}

static gpointer
relay_to_peer(gpointer data)
{
	Relay *relay = data;
	WebSocketEvent event = WEBSOCKET_TEXT;
	bool goes_on = true;
	while (goes_on) {
		g_autofree char *bytes = NULL;
		gsize length = 0;
		goes_on = websocket_receive(
			      relay->socket, &event, &bytes, &length, relay->cancel, NULL) &&
			  event != WEBSOCKET_CLOSED;
		if (goes_on && event == WEBSOCKET_END)
			shutdown(relay->peer, SHUT_WR);
		if (goes_on && event == WEBSOCKET_TEXT)
			goes_on = send_to_peer(relay, bytes, length);
	}
	g_cancellable_cancel(relay->cancel);
	return NULL;
}

static void
relay_to_client(Relay *relay)
{
	char buffer[PIECE];
	for (;;) {
		if (wait_fd(relay->peer, POLLIN, -1, relay->cancel, NULL) < 0)
			return;
		gssize count = recv(relay->peer, buffer, sizeof(buffer), MSG_DONTWAIT);
		if (count < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (count <= 0 ||
		    !websocket_send(relay->socket, buffer, (gsize)count, relay->cancel, NULL))
			return;
	}
}

void
duplex_relay(Request *request, WebSocket *socket, int peer)
{
	g_autoptr(GCancellable) cancel = g_cancellable_new();
	Relay relay = {.socket = socket, .cancel = cancel, .peer = peer};
	gulong link = g_cancellable_connect(
	    request->cancel, G_CALLBACK(cancel_other), g_object_ref(cancel), g_object_unref);
	GThread *feeder = g_thread_try_new("proxy", relay_to_peer, &relay, NULL);
	if (feeder)
		relay_to_client(&relay);

	g_cancellable_cancel(cancel);
	if (feeder)
		g_thread_join(feeder);
	g_cancellable_disconnect(request->cancel, link);
}
