/*
 * WebSocket messages over a connected socket, in blocking calls. The only file that knows wslay.
 *
 * The rack's wire (docs/api.md): text frames carry raw bytes that need not be UTF-8; an empty
 * binary frame is the end of the stream in that direction. Sending blocks while the peer does not
 * read: that is the backpressure, and no message is ever queued beyond the one being sent. One
 * thread may send while another receives.
 */
#pragma once

#include "base/http.h"

typedef struct WebSocket WebSocket;

typedef enum {
	WEBSOCKET_TEXT,
	WEBSOCKET_END,    /* a binary frame: the peer will send no more data; it may still read */
	WEBSOCKET_CLOSED, /* close frame, or the connection is gone */
	WEBSOCKET_BINARY, /* after websocket_take_binary only */
} WebSocketEvent;

/* The server's side of an upgraded connection. Takes over `fd` (closed by websocket_free unless
 * `borrowed`). */
WebSocket *
websocket_new_server(int fd, bool borrowed);

/* The client's side: performs the handshake on `client` at `path` with further headers. */
WebSocket *
websocket_connect(HttpClient *client,
    const char *path,
    const char *const *headers,
    GCancellable *cancel,
    GError **error);

/* The server's side ends gently: without a close frame, but after up to half a second for the peer
 * to read what was sent. */
void
websocket_free(WebSocket *socket);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(WebSocket, websocket_free)

/* The `Sec-WebSocket-Accept` value for a client's key. The caller frees it. */
char *
websocket_accept_key(const char *key);

/* Sends one text message and waits until the kernel has it. */
bool
websocket_send(
    WebSocket *socket, const void *bytes, gsize length, GCancellable *cancel, GError **error);

/* Sends the empty binary frame. */
bool
websocket_send_end(WebSocket *socket, GCancellable *cancel, GError **error);

/* For peers that speak in binary frames: from now on one is a message like a text, and no end.
 * Before anything is received. */
void
websocket_take_binary(WebSocket *socket);

/* As websocket_send, in a binary frame. */
bool
websocket_send_binary(
    WebSocket *socket, const void *bytes, gsize length, GCancellable *cancel, GError **error);

/* Sends a ping, so that nothing between the two takes the connection for idle. */
bool
websocket_ping(WebSocket *socket, GCancellable *cancel, GError **error);

/* Waits for the next message; answers pings meanwhile. `bytes` (may be NULL-ed by the callee for
 * other events) is owned by the caller and NUL-terminated. A message over
 * LIMIT_WEBSOCKET_MESSAGE_BYTES is CARRACK_ERROR_TOO_LARGE. */
bool
websocket_receive(WebSocket *socket,
    WebSocketEvent *event,
    char **bytes,
    gsize *length,
    GCancellable *cancel,
    GError **error);

/* True when the peer has gone; for senders that wait for something else. Never blocks. If no other
 * thread receives, this answers pings and sees a close frame; at most one message is kept for
 * websocket_receive. */
bool
websocket_is_gone(WebSocket *socket);
