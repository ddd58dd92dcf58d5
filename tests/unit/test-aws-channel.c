/*
 * Unit tests of ECS Exec's messages (aws/exec-message.c) and of the wrapper's output
 * (aws/exec-wrapper.c). Messages are held against bytes that are put together here by the published
 * offsets, not by the code under test.
 */
#include "aws/exec-private.h"
#include "base/limits.h"

#include <string.h>

#define HEAD_BYTES 120
#define ID "00112233-4455-6677-8899-aabbccddeeff"

/* «input_stream_data» number 5, flags 3, ID, payload type 1, payload «hé\n» and its SHA-256. */
static const char written[] = "00000074"
			      "696e7075745f73747265616d5f64617461202020202020202020202020202020"
			      "00000001"
			      "0000018bcfe56800"
			      "0000000000000005"
			      "0000000000000003"
			      "8899aabbccddeeff0011223344556677"
			      "83a4652c785a15ae6ece8b56f6191092984ffc6efac8d6b828646d9df79a0e6e"
			      "00000001"
			      "00000004"
			      "68c3a90a";

#define DIGEST_AT 80

/* The bytes that `hex` names; the caller frees them. */
static GByteArray *
message_of(const char *hex)
{
	GByteArray *bytes = g_byte_array_new();
	for (; hex[0] && hex[1]; hex += 2) {
		guint8 byte =
		    (guint8)(g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]));
		g_byte_array_append(bytes, &byte, 1);
	}
	return bytes;
}

static bool
reads(const GByteArray *bytes, gsize length, ChannelMessage *message)
{
	g_autoptr(GError) error = NULL;
	/* In a place of just this size, so that a sanitizer sees a read beyond. */
	g_autofree guint8 *copy = g_memdup2(bytes->data, length);
	ChannelMessage read = {.sequence = -7};
	bool is_good = channel_message_read(copy, length, &read, &error);

	g_assert_true(is_good == !error);
	if (!is_good) {
		g_assert_true(g_error_matches(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM));
		g_assert_cmpint(read.sequence, ==, -7);
	} else if (message) {
		*message = read;
		message->payload = NULL;
	}
	return is_good;
}

static void
published_bytes_are_read(void)
{
	g_autoptr(GByteArray) bytes = message_of(written);
	g_autoptr(GError) error = NULL;
	ChannelMessage message;

	g_assert_true(channel_message_read(bytes->data, bytes->len, &message, &error));
	g_assert_no_error(error);
	g_assert_cmpint(message.kind, ==, CHANNEL_INPUT);
	g_assert_cmpint(message.sequence, ==, 5);
	g_assert_cmpuint(message.flags, ==, 3);
	g_assert_cmpstr(message.id, ==, ID);
	g_assert_cmpuint(message.data, ==, CHANNEL_DATA_OUTPUT);
	g_assert_cmpmem(message.payload, message.length, "h\xc3\xa9\n", 4);
}

static void
a_message_has_the_published_bytes(void)
{
	g_autoptr(GByteArray) expected = message_of(written);
	ChannelMessage message = {.kind = CHANNEL_INPUT,
	    .sequence = 5,
	    .flags = 3,
	    .id = ID,
	    .data = CHANNEL_DATA_OUTPUT,
	    .payload = (const guint8 *)"h\xc3\xa9\n",
	    .length = 4};
	g_autoptr(GBytes) bytes = channel_message_bytes(&message);
	gsize length;
	g_autofree guint8 *made =
	    g_memdup2(g_bytes_get_data(bytes, &length), g_bytes_get_size(bytes));

	/* The time is that of now. */
	g_assert_cmpuint(length, ==, expected->len);
	memcpy(made + 40, expected->data + 40, 8);
	g_assert_cmpmem(made, length, expected->data, expected->len);
}

static void
what_is_written_is_read_the_same(void)
{
	g_autofree guint8 *payload = g_malloc(CHANNEL_PAYLOAD_BYTES);
	for (unsigned i = 0; i < CHANNEL_PAYLOAD_BYTES; i++)
		payload[i] = (guint8)i;
	static const gsize lengths[] = {0, 1, 255, CHANNEL_PAYLOAD_BYTES};
	for (unsigned kind = CHANNEL_INPUT; kind < CHANNEL_OTHER; kind++) {
		for (unsigned i = 0; i < G_N_ELEMENTS(lengths); i++) {
			ChannelMessage message = {.kind = kind,
			    .sequence = G_MAXINT64 - kind,
			    .flags = G_MAXUINT64,
			    .id = ID,
			    .data = 0xfedcba98,
			    .payload = payload,
			    .length = lengths[i]};
			g_autoptr(GBytes) bytes = channel_message_bytes(&message);
			gsize length;
			const guint8 *data = g_bytes_get_data(bytes, &length);
			ChannelMessage read;
			g_assert_true(channel_message_read(data, length, &read, NULL));
			g_assert_cmpint(read.kind, ==, kind);
			g_assert_cmpint(read.sequence, ==, message.sequence);
			g_assert_true(read.flags == message.flags);
			g_assert_cmpstr(read.id, ==, ID);
			g_assert_cmpuint(read.data, ==, message.data);
			g_assert_cmpmem(read.payload, read.length, payload, lengths[i]);
		}
	}
}

static void
a_cut_message_is_refused_wherever_it_is_cut(void)
{
	g_autoptr(GByteArray) bytes = message_of(written);

	g_assert_true(reads(bytes, bytes->len, NULL));
	for (gsize length = 0; length < bytes->len; length++)
		g_assert_false(reads(bytes, length, NULL));
}

static void
a_wrong_digest_is_refused(void)
{
	g_autoptr(GByteArray) bytes = message_of(written);

	for (guint i = DIGEST_AT; i < DIGEST_AT + 32; i++) {
		bytes->data[i] ^= 1;
		g_assert_false(reads(bytes, bytes->len, NULL));
		bytes->data[i] ^= 1;
	}
	bytes->data[bytes->len - 1] ^= 0x80;
	g_assert_false(reads(bytes, bytes->len, NULL));
}

static void
lengths_that_lie_are_refused(void)
{
	static const guint32 lies[] = {
	    0, 1, 115, 117, 119, 120, 121, 124, 0x7fffffff, 0xfffffffc, 0xfffffffd, 0xffffffff};
	static const gsize places[] = {0, 116};
	for (gsize p = 0; p < G_N_ELEMENTS(places); p++) {
		for (gsize i = 0; i < G_N_ELEMENTS(lies); i++) {
			g_autoptr(GByteArray) bytes = message_of(written);
			guint32 lie = GUINT32_TO_BE(lies[i]);
			memcpy(bytes->data + places[p], &lie, 4);
			/* 120 says «no payload» four bytes before the end: that is true. */
			bool is_true = places[p] == 0 && lies[i] == 120;
			if (!is_true)
				g_assert_false(reads(bytes, bytes->len, NULL));
		}
	}
}

static void
an_oversize_message_is_refused(void)
{
	ChannelMessage message = {.kind = CHANNEL_OUTPUT,
	    .id = ID,
	    .payload = g_malloc0(LIMIT_WEBSOCKET_MESSAGE_BYTES),
	    .length = LIMIT_WEBSOCKET_MESSAGE_BYTES - HEAD_BYTES};
	g_autoptr(GError) error = NULL;
	for (unsigned over = 0; over < 2; over++, message.length++) {
		g_autoptr(GBytes) bytes = channel_message_bytes(&message);
		ChannelMessage read;
		bool is_good = channel_message_read(g_bytes_get_data(bytes, NULL),
		    g_bytes_get_size(bytes), &read, over ? &error : NULL);
		g_assert_true(is_good == (over == 0));
	}
	g_assert_true(g_error_matches(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM));
	g_free((gpointer)message.payload);
}

static void
kinds_end_with_blanks_or_nuls(void)
{
	g_autoptr(GByteArray) bytes = message_of(written);
	ChannelMessage message;

	memset(bytes->data + 4, 0, 32);
	memcpy(bytes->data + 4, "output_stream_data", 18);
	g_assert_true(reads(bytes, bytes->len, &message));
	g_assert_cmpint(message.kind, ==, CHANNEL_OUTPUT);
	bytes->data[4] = 'O';
	g_assert_true(reads(bytes, bytes->len, &message));
	g_assert_cmpint(message.kind, ==, CHANNEL_OTHER);
}

/* The wrapper's output */

typedef struct {
	GString *out;
	GString *err;
} Taken;

static void
take(gpointer data, bool is_error, const guint8 *bytes, gsize length)
{
	Taken *taken = data;

	g_string_append_len(
	    is_error ? taken->err : taken->out, (const char *)bytes, (gssize)length);
}

/* Feeds `text` in pieces of `step` bytes; «good» as exec_decoder_feed. */
static bool
feed(ExecDecoder *decoder, Taken *taken, const char *text, gsize step)
{
	gsize length = strlen(text);
	bool is_good = true;

	for (gsize at = 0; at < length && is_good; at += step)
		is_good = exec_decoder_feed(
		    decoder, (const guint8 *)text + at, MIN(step, length - at), take, taken);
	return is_good;
}

static void
clear(ExecDecoder *decoder, Taken *taken)
{
	exec_decoder_clear(decoder);
	g_string_free(taken->out, TRUE);
	g_string_free(taken->err, TRUE);
	*taken = (Taken){NULL, NULL};
}

#define STEPS 9

static void
both_outputs_and_the_code_come_however_they_are_cut(void)
{
	static const char text[] = "noise tok\r\ntok=>aGF!$@!s\nbG8=\n>@!*_^AP8=[137]after";
	for (gsize step = 1; step < STEPS; step++) {
		ExecDecoder decoder;
		Taken taken = {g_string_new(NULL), g_string_new(NULL)};
		exec_decoder_init(&decoder, "tok", false);
		g_assert_true(feed(&decoder, &taken, text, step));
		g_assert_cmpmem(taken.out->str, taken.out->len, "hallo\0\xff", 7);
		g_assert_cmpmem(taken.err->str, taken.err->len, "\x03\xe0\xe0\x8f", 4);
		g_assert_true(decoder.has_ended && decoder.has_status);
		g_assert_cmpint(decoder.status, ==, 137);
		g_assert_cmpuint(decoder.credits, ==, 2);
		clear(&decoder, &taken);
	}
}

static void
every_byte_of_stdout_is_decoded(void)
{
	guint8 all[256];
	for (unsigned i = 0; i < sizeof(all); i++)
		all[i] = (guint8)i;
	for (gsize length = 250; length <= sizeof(all); length++) {
		ExecDecoder decoder;
		Taken taken = {g_string_new(NULL), g_string_new(NULL)};
		g_autofree char *encoded = g_base64_encode(all, length);
		exec_decoder_init(&decoder, "tok", false);
		g_assert_true(feed(&decoder, &taken, "tok=", 1));
		g_assert_true(feed(&decoder, &taken, encoded, 7));
		g_assert_cmpmem(taken.out->str, taken.out->len, all, length);
		clear(&decoder, &taken);
	}
}

/* What is no wrapper's must never end as a status. */
static void
garbled_output_is_no_status(void)
{
	static const char *const bad[] = {"tok=^[0000]", "tok=^[]", "tok=^[1x]", "tok=[0]",
	    "tok=YQ^[0]", "tok=!^[0]", "tok=\x01", "tok=~",
	    "tok=====", "tok=Y===", "tok==YQ=", "tok=YQ=a"};
	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
		ExecDecoder decoder;
		Taken taken = {g_string_new(NULL), g_string_new(NULL)};
		exec_decoder_init(&decoder, "tok", false);
		g_test_message("%s", bad[i]);
		g_assert_false(feed(&decoder, &taken, bad[i], 3));
		g_assert_false(decoder.has_status);
		clear(&decoder, &taken);
	}
}

static void
a_terminals_bytes_pass_and_its_mark_does_not(void)
{
	static const char text[] = "sh: hello tok=a\001tototok\ntok(\xfftok[3]rest";
	for (gsize step = 1; step < STEPS; step++) {
		ExecDecoder decoder;
		Taken taken = {g_string_new(NULL), g_string_new(NULL)};
		exec_decoder_init(&decoder, "tok", true);
		g_assert_true(feed(&decoder, &taken, text, step));
		g_assert_cmpstr(taken.out->str, ==, "a\001tototok\ntok(\xff");
		g_assert_true(decoder.has_status);
		g_assert_cmpint(decoder.status, ==, 3);
		clear(&decoder, &taken);
	}
}

static void
missing_tools_are_named(void)
{
	ExecDecoder decoder;
	Taken taken = {g_string_new(NULL), g_string_new(NULL)};

	exec_decoder_init(&decoder, "tok", false);
	g_assert_true(feed(&decoder, &taken, "tok! stty base64!", 2));
	g_assert_cmpstr(decoder.missing, ==, "stty base64");
	g_assert_false(decoder.has_status);
	clear(&decoder, &taken);
}

/* As AWS's agent splits it, which is what GLib's shell parser does as well. */
static void
words_of_a_command_stay_whole(void)
{
	static const char *const command[] = {
	    "printf", "", "it's", "a b", "$HOME", "{{x}}", "\\", "\"", "#", "ü\n", NULL};
	EngineExec exec = {.command = command};
	g_autofree char *line = exec_wrapper_line(&exec, command, "tok");
	g_auto(GStrv) words = NULL;
	g_autoptr(GError) error = NULL;
	int count;

	g_assert_true(g_shell_parse_argv(line, &count, &words, &error));
	g_assert_no_error(error);
	g_assert_null(strstr(line, "{{"));
	g_assert_cmpint(count, ==, 4 + (int)G_N_ELEMENTS(command) - 1);
	for (int i = 4; i < count; i++)
		g_assert_cmpstr(words[i], ==, command[i - 4]);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/channel/published-bytes-are-read", published_bytes_are_read);
	g_test_add_func(
	    "/channel/a-message-has-the-published-bytes", a_message_has_the_published_bytes);
	g_test_add_func(
	    "/channel/what-is-written-is-read-the-same", what_is_written_is_read_the_same);
	g_test_add_func("/channel/a-cut-message-is-refused-wherever-it-is-cut",
	    a_cut_message_is_refused_wherever_it_is_cut);
	g_test_add_func("/channel/a-wrong-digest-is-refused", a_wrong_digest_is_refused);
	g_test_add_func("/channel/lengths-that-lie-are-refused", lengths_that_lie_are_refused);
	g_test_add_func("/channel/an-oversize-message-is-refused", an_oversize_message_is_refused);
	g_test_add_func("/channel/kinds-end-with-blanks-or-nuls", kinds_end_with_blanks_or_nuls);
	g_test_add_func("/wrapper/both-outputs-and-the-code-come-however-they-are-cut",
	    both_outputs_and_the_code_come_however_they_are_cut);
	g_test_add_func(
	    "/wrapper/every-byte-of-stdout-is-decoded", every_byte_of_stdout_is_decoded);
	g_test_add_func("/wrapper/garbled-output-is-no-status", garbled_output_is_no_status);
	g_test_add_func("/wrapper/a-terminals-bytes-pass-and-its-mark-does-not",
	    a_terminals_bytes_pass_and_its_mark_does_not);
	g_test_add_func("/wrapper/missing-tools-are-named", missing_tools_are_named);
	g_test_add_func("/wrapper/words-of-a-command-stay-whole", words_of_a_command_stay_whole);
	return g_test_run();
}
