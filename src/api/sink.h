/*
 * Where a stream's handler writes to: a WebSocket, or an HTTP answer without a known length.
 */
#pragma once

#include "base/error.h"

typedef struct Sink Sink;

struct Sink {
	/* Everything that can be refused has been checked: the answer may begin. */
	void (*begin)(Sink *sink);
	/* Blocks until the peer has room: the backpressure. */
	bool (*write)(Sink *sink, const void *bytes, gsize length, GError **error);
	/* True when the peer has gone. Never blocks. */
	bool (*is_gone)(Sink *sink);
};

void
sink_begin(Sink *sink);

/* Writes whole lines; one WebSocket text frame. */
bool
sink_write(Sink *sink, const void *bytes, gsize length, GError **error);

bool
sink_is_gone(Sink *sink);
