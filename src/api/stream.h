/*
 * Streams over their two transports. A WebSocket's stream runs in the connection's own thread; a
 * stream of lines in a thread that writes into a socket pair, whose other end the server reads.
 * Both are ended by the request's cancellable.
 */
#pragma once

#include "api/routes.h"

/* Runs a WebSocket route to its end on the upgraded connection `fd` (borrowed; shut down here).
 * With a `refusal` the peer is only told so: clients of the wire cannot read a refused handshake.
 */
void
stream_websocket(int fd, Request *request, const Route *route, const GError *refusal);

typedef struct LineStream LineStream;

/* Starts the route's handler and waits until it begins or fails. `peer` is the client's connection
 * (borrowed). NULL with the handler's error. */
LineStream *
line_stream_new(Request *request, const Route *route, int peer, GError **error);

/* What the handler writes can be read here until the end; the caller closes it. */
int
line_stream_take_fd(LineStream *stream);

/* Ends the handler and waits for it. */
void
line_stream_free(LineStream *stream);
