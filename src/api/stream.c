/*
 * The two sinks and the threads behind them. See the header.
 */
#include "api/stream.h"

#include "base/lock.h"
#include "base/websocket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A line may be as long as a message, and has a prefix too. Clients see a stream of bytes. */
#define LARGEST_FRAME ((gsize)256 * 1024)

typedef struct {
	Sink sink;
	WebSocket *socket;
	Request *request;
} SocketSink;

static bool
socket_write(Sink *sink, const void *bytes, gsize length, GError **error)
{
	SocketSink *own = (SocketSink *)sink;
	const char *rest = bytes;
	while (length > 0) {
		gsize piece = MIN(length, LARGEST_FRAME);
		if (!websocket_send(own->socket, rest, piece, own->request->cancel, error))
			return false;
		rest += piece;
		length -= piece;
	}
	return true;
}

static bool
socket_is_gone(Sink *sink)
{
	return g_cancellable_is_cancelled(((SocketSink *)sink)->request->cancel);
}

/* Answers pings, and ends the stream when the peer goes. What a client says is of no interest. */
static gpointer
listen_for_end(gpointer data)
{
	SocketSink *own = data;
	WebSocketEvent event = WEBSOCKET_TEXT;
	while (event != WEBSOCKET_CLOSED) {
		g_autofree char *bytes = NULL;
		gsize length = 0;
		if (!websocket_receive(
			own->socket, &event, &bytes, &length, own->request->cancel, NULL))
			break;
	}
	g_cancellable_cancel(own->request->cancel);
	return NULL;
}

static void
tell(SocketSink *own, const GError *error)
{
	g_autofree char *text = g_strdup_printf("ERROR: %s\n", error->message);
	websocket_send(own->socket, text, strlen(text), own->request->cancel, NULL);
}

static bool
run_socket(SocketSink *own, const Route *route, const GError *refusal, GError **error)
{
	if (refusal) {
		g_propagate_error(error, g_error_copy(refusal));
		return false;
	}
	return route->stream(own->request, &own->sink, error);
}

/* The handler reads the socket itself. */
static void
run_duplex(int fd, Request *request, const Route *route, const GError *refusal)
{
	g_autoptr(WebSocket) socket = websocket_new_server(fd, true);
	SocketSink own = {.socket = socket, .request = request};
	g_autoptr(GError) error = NULL;
	if (refusal)
		tell(&own, refusal);
	else if (!route->duplex(request, socket, &error) && error)
		tell(&own, error);
	websocket_send_end(socket, request->cancel, NULL);
}

void
stream_websocket(int fd, Request *request, const Route *route, const GError *refusal)
{
	if (route->kind == ROUTE_DUPLEX) {
		run_duplex(fd, request, route, refusal);
		return;
	}

	g_autoptr(WebSocket) socket = websocket_new_server(fd, true);
	SocketSink own = {.sink = {.write = socket_write, .is_gone = socket_is_gone},
	    .socket = socket,
	    .request = request};
	g_autoptr(GError) error = NULL;
	GThread *listener = g_thread_try_new("websocket", listen_for_end, &own, &error);
	bool good = listener && run_socket(&own, route, refusal, &error);
	if (!good && error)
		tell(&own, error);
	websocket_send_end(socket, request->cancel, NULL);

	/* Clients wait for the connection's end, and never close it themselves. */
	shutdown(fd, SHUT_RDWR);
	if (listener)
		g_thread_join(listener);
}

struct LineStream {
	Sink sink;
	Request *request;
	const Route *route;
	GThread *thread;
	GError *error; /* the handler's; read after `is_settled` */
	pthread_mutex_t lock;
	pthread_cond_t settled;
	bool is_settled; /* begun or ended */
	bool has_begun;
	int peer;
	int out; /* the handler's end */
	int in;  /* the server's, until taken */
};

static void
settle(LineStream *stream, bool has_begun)
{
	LOCKED(&stream->lock);
	stream->has_begun = stream->has_begun || has_begun;
	stream->is_settled = true;
	pthread_cond_signal(&stream->settled);
}

static void
line_begin(Sink *sink)
{
	settle((LineStream *)sink, true);
}

static bool
line_write(Sink *sink, const void *bytes, gsize length, GError **error)
{
	LineStream *stream = (LineStream *)sink;
	const char *rest = bytes;
	while (length > 0) {
		gssize count = send(stream->out, rest, length, MSG_NOSIGNAL);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return error_set(error, CARRACK_ERROR_UNAVAILABLE, "the client has gone");
		rest += count;
		length -= count;
	}
	return true;
}

static bool
line_is_gone(Sink *sink)
{
	const LineStream *stream = (LineStream *)sink;
	struct pollfd poll_fd = {.fd = stream->peer, .events = POLLRDHUP};
	return poll(&poll_fd, 1, 0) > 0;
}

static gpointer
run(gpointer data)
{
	LineStream *stream = data;
	stream->route->stream(stream->request, &stream->sink, &stream->error);
	shutdown(stream->out, SHUT_RDWR);
	settle(stream, false);
	return NULL;
}

static void
wait_settled(LineStream *stream)
{
	LOCKED(&stream->lock);
	while (!stream->is_settled)
		pthread_cond_wait(&stream->settled, &stream->lock);
}

LineStream *
line_stream_new(Request *request, const Route *route, int peer, GError **error)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		error_set_errno(error, errno, "stream");
		return NULL;
	}

	LineStream *stream = g_new0(LineStream, 1);
	stream->sink = (Sink){.begin = line_begin, .write = line_write, .is_gone = line_is_gone};
	stream->request = request;
	stream->route = route;
	stream->peer = peer;
	stream->out = pair[0];
	stream->in = pair[1];
	pthread_mutex_init(&stream->lock, NULL);
	pthread_cond_init(&stream->settled, NULL);
	stream->thread = g_thread_try_new("stream", run, stream, &stream->error);
	if (stream->thread)
		wait_settled(stream);
	if (stream->has_begun)
		return stream;

	/* It failed before it began, so its thread is over but for its return. */
	if (stream->thread)
		g_thread_join(g_steal_pointer(&stream->thread));
	if (!stream->error)
		error_set(error, CARRACK_ERROR_INTERNAL, "the stream ended before it began");
	else
		g_propagate_error(error, g_steal_pointer(&stream->error));
	line_stream_free(stream);
	return NULL;
}

int
line_stream_take_fd(LineStream *stream)
{
	int fd = stream->in;
	stream->in = -1;
	return fd;
}

void
line_stream_free(LineStream *stream)
{
	if (!stream)
		return;

	g_cancellable_cancel(stream->request->cancel);
	shutdown(stream->out, SHUT_RDWR);
	if (stream->thread)
		g_thread_join(stream->thread);
	close(stream->out);
	if (stream->in >= 0)
		close(stream->in);
	g_clear_error(&stream->error);
	pthread_cond_destroy(&stream->settled);
	pthread_mutex_destroy(&stream->lock);
	g_free(stream);
}
