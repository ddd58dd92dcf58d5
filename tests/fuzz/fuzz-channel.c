/*
 * Fuzzes a data channel's message, and what a wrapper has written as its payload: a message that is
 * read has to come back from its own bytes; the decoder takes anything.
 */
#include "aws/exec-private.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
take(gpointer data, bool is_error, const guint8 *bytes, gsize length)
{
	gsize *taken = data;
	*taken += length;
}

static void
decode(const uint8_t *bytes, size_t size, bool has_terminal)
{
	ExecDecoder decoder;
	gsize taken = 0;
	exec_decoder_init(&decoder, "token", has_terminal);
	exec_decoder_feed(&decoder, (const guint8 *)"token=", strlen("token="), take, &taken);
	exec_decoder_feed(&decoder, bytes, size, take, &taken);
	if (taken > size || (decoder.has_status && decoder.status > 999))
		abort();
	exec_decoder_clear(&decoder);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	ChannelMessage message, again;
	g_autoptr(GError) error = NULL;
	decode(bytes, size, false);
	decode(bytes, size, true);
	if (!channel_message_read(bytes, size, &message, &error))
		return error ? 0 : (abort(), 0);
	if (message.kind == CHANNEL_OTHER)
		return 0;

	g_autoptr(GBytes) written = channel_message_bytes(&message);
	if (!channel_message_read(
		g_bytes_get_data(written, NULL), g_bytes_get_size(written), &again, NULL) ||
	    again.sequence != message.sequence || strcmp(again.id, message.id) != 0 ||
	    again.length != message.length)
		abort();
	return 0;
}
