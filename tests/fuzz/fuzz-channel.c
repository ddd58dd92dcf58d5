/*
 * Fuzzes what comes over ECS Exec's data channel: a message, which if taken must be written and
 * read again the same, and the wrapper's output, which must say the same however it is cut.
 */
#include "aws/exec-private.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
check_message(const uint8_t *bytes, size_t size)
{
	g_autoptr(GError) error = NULL;
	ChannelMessage message;
	bool is_good = channel_message_read(bytes, size, &message, &error);
	if (is_good != !error)
		abort();
	if (!is_good || message.kind == CHANNEL_OTHER)
		return;

	g_autoptr(GBytes) written = channel_message_bytes(&message);
	gsize length;
	const guint8 *data = g_bytes_get_data(written, &length);
	ChannelMessage again;
	/* A head that is longer than ours may make ours short, never long. */
	if (!channel_message_read(data, length, &again, NULL) || again.kind != message.kind ||
	    again.sequence != message.sequence || again.flags != message.flags ||
	    again.data != message.data || strcmp(again.id, message.id) != 0 ||
	    again.length != message.length ||
	    (again.length > 0 && memcmp(again.payload, message.payload, again.length) != 0))
		abort();
}

static void
take(gpointer data, bool is_error, const guint8 *bytes, gsize length)
{
	GByteArray **outputs = data;

	g_byte_array_append(outputs[is_error], bytes, (guint)length);
}

static void
feed(ExecDecoder *decoder, GByteArray **outputs, const uint8_t *bytes, size_t size, size_t step)
{
	for (size_t at = 0; at < size; at += step) {
		if (!exec_decoder_feed(decoder, bytes + at, MIN(step, size - at), take, outputs))
			break;
	}
}

static bool
is_same(const GByteArray *one, const GByteArray *other)
{
	return one->len == other->len &&
	       (one->len == 0 || memcmp(one->data, other->data, one->len) == 0);
}

static void
check_output(const uint8_t *bytes, size_t size, bool has_terminal)
{
	ExecDecoder whole, cut;
	GByteArray *of_whole[] = {g_byte_array_new(), g_byte_array_new()};
	GByteArray *of_cut[] = {g_byte_array_new(), g_byte_array_new()};
	exec_decoder_init(&whole, "tok", has_terminal);
	exec_decoder_init(&cut, "tok", has_terminal);
	feed(&whole, of_whole, bytes, size, MAX(size, 1));
	feed(&cut, of_cut, bytes, size, 1);
	if (!is_same(of_whole[0], of_cut[0]) || !is_same(of_whole[1], of_cut[1]) ||
	    whole.has_status != cut.has_status || whole.credits != cut.credits ||
	    whole.is_broken != cut.is_broken || (whole.has_status && whole.is_broken))
		abort();
	if (whole.has_status && (whole.status != cut.status || whole.status < 0))
		abort();

	exec_decoder_clear(&whole);
	exec_decoder_clear(&cut);
	for (unsigned i = 0; i < 2; i++) {
		g_byte_array_unref(of_whole[i]);
		g_byte_array_unref(of_cut[i]);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	check_message(bytes, size);
	check_output(bytes, size, false);
	check_output(bytes, size, true);
	return 0;
}
