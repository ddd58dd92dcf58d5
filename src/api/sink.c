/*
 * Sinks by their table. The two kinds live with the transports, in server.c and stream.c.
 */
#include "api/sink.h"

void
sink_begin(Sink *sink)
{
	if (sink->begin)
		sink->begin(sink);
}

bool
sink_write(Sink *sink, const void *bytes, gsize length, GError **error)
{
	return sink->write(sink, bytes, length, error);
}

bool
sink_is_gone(Sink *sink)
{
	return sink->is_gone(sink);
}
