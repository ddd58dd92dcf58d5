/*
 * Messages of ECS Exec's data channel, and what the wrapper around a command writes.
 */
#include "aws/exec-private.h"
#include "base/error.h"
#include "base/limits.h"

#include <string.h>

#define ID "01234567-89ab-cdef-0123-456789abcdef"
#define HEAD 120

static GBytes *
message_of(const char *payload)
{
	ChannelMessage message = {.kind = CHANNEL_OUTPUT,
	    .sequence = 0x123456789a,
	    .flags = 3,
	    .id = ID,
	    .data = CHANNEL_DATA_OUTPUT,
	    .payload = (const guint8 *)payload,
	    .length = strlen(payload)};

	return channel_message_bytes(&message);
}

static void
expect_refused(const guint8 *bytes, gsize length, const char *part)
{
	g_autoptr(GError) error = NULL;
	ChannelMessage message;
	g_assert_false(channel_message_read(bytes, length, &message, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	g_assert_nonnull(strstr(error->message, part));
}

static void
test_round_trip(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) bytes = message_of("hello");
	gsize length;
	const guint8 *raw = g_bytes_get_data(bytes, &length);
	ChannelMessage message;
	g_assert_true(channel_message_read(raw, length, &message, &error));
	g_assert_no_error(error);
	g_assert_cmpint(message.kind, ==, CHANNEL_OUTPUT);
	g_assert_cmpint(message.sequence, ==, 0x123456789a);
	g_assert_cmpint(message.flags, ==, 3);
	g_assert_cmpstr(message.id, ==, ID);
	g_assert_cmpmem(message.payload, message.length, "hello", 5);
	/* The published places: the second half of the id first, a digest, a length. */
	g_assert_cmpmem(raw, 4, "\0\0\0\x74", 4);
	g_assert_cmpmem(raw + 4, 32, "output_stream_data              ", 32);
	g_assert_cmpmem(raw + 64, 4, "\x01\x23\x45\x67", 4);
	g_assert_cmpmem(raw + 72, 8, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8);
	g_assert_cmpmem(raw + 80, 4, "\x2c\xf2\x4d\xba", 4);
	g_assert_cmpmem(raw + 116, 4, "\0\0\0\x05", 4);
}

static void
test_cut(void)
{
	g_autoptr(GBytes) bytes = message_of("hello");
	gsize length;
	const guint8 *raw = g_bytes_get_data(bytes, &length);
	for (gsize cut = 0; cut < length; cut++) {
		g_autofree guint8 *copy = g_memdup2(raw, cut);
		expect_refused(copy, cut, cut < HEAD ? "cut in its head" : "says 5 bytes");
	}
}

static void
test_lies(void)
{
	g_autoptr(GBytes) bytes = message_of("hello");
	gsize length;
	g_autofree guint8 *raw = g_memdup2(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
	length = g_bytes_get_size(bytes);

	raw[HEAD] ^= 1;
	expect_refused(raw, length, "digest");
	raw[HEAD] ^= 1;
	raw[116] = 0xff;
	expect_refused(raw, length, "bytes and has 5");
	raw[116] = 0;
	raw[0] = 0xff;
	expect_refused(raw, length, "cut in its head");
	raw[0] = 0;
	raw[3] = 20;
	expect_refused(raw, length, "cut in its head");
}

static void
test_oversize(void)
{
	gsize length = LIMIT_WEBSOCKET_MESSAGE_BYTES + 1;
	g_autofree guint8 *raw = g_malloc0(length);
	expect_refused(raw, length, "over 1048576");
}

typedef struct {
	ExecDecoder decoder;
	GString *output, *errors;
	bool is_good;
} Reading;

static void
take(gpointer data, bool is_error, const guint8 *bytes, gsize length)
{
	Reading *reading = data;
	g_string_append_len(
	    is_error ? reading->errors : reading->output, (const char *)bytes, (gssize)length);
}

/* Byte by byte: pieces may end anywhere. */
static Reading
read_of(const char *text, bool has_terminal)
{
	Reading reading = {.output = g_string_new(NULL), .errors = g_string_new(NULL)};
	reading.is_good = true;
	exec_decoder_init(&reading.decoder, "abcabd", has_terminal);
	for (; *text && reading.is_good; text++)
		reading.is_good =
		    exec_decoder_feed(&reading.decoder, (const guint8 *)text, 1, take, &reading);
	return reading;
}

static void
clear(Reading *reading)
{
	exec_decoder_clear(&reading->decoder);
	g_string_free(reading->output, TRUE);
	g_string_free(reading->errors, TRUE);
}

static void
test_streams_mix(void)
{
	/* «hello» and «!» in stderr's characters, 0x21, each cut by the other and by a credit */
	Reading reading = read_of("noise abcabd=>aG#Vs>b\nG8=\"^[143]behind", false);
	g_assert_true(reading.is_good && reading.decoder.has_status && reading.decoder.has_ended);
	g_assert_cmpstr(reading.output->str, ==, "hello");
	g_assert_cmpstr(reading.errors->str, ==, "!");
	g_assert_cmpint(reading.decoder.status, ==, 143);
	g_assert_cmpint(reading.decoder.credits, ==, 2);
	clear(&reading);
}

static void
test_no_code(void)
{
	static const char *const texts[] = {"abcabd=aGVs", "abcabd=^", "abcabd=^[1", "abcabd=^[]",
	    "abcabd=^[1234]", "abcabd=[0]", "abcabd=a^[0]", "abcabd=^[-1]", "abcabd=\x80^[0]",
	    "abcabd=a===^[0]", "abcab=^[0]", "abcabd=!^[0]"};
	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		Reading reading = read_of(texts[i], false);
		g_assert_false(reading.is_good && reading.decoder.has_status);
		clear(&reading);
	}
}

static void
test_missing(void)
{
	Reading reading = read_of("abcabd! base64 od!", false);
	g_assert_cmpstr(reading.decoder.missing, ==, "base64 od");
	g_assert_false(reading.decoder.has_status);
	clear(&reading);
}

static void
test_terminal(void)
{
	Reading reading = read_of("abcabd=x abcabcab abcabd] abcabcabd[7]", true);
	g_assert_true(reading.is_good && reading.decoder.has_status);
	g_assert_cmpstr(reading.output->str, ==, "x abcabcab abcabd] abc");
	g_assert_cmpint(reading.decoder.status, ==, 7);
	clear(&reading);
}

/* The agent splits the line as a shell does. */
static void
test_words(void)
{
	const char *const command[] = {"a b", "it's", "{{x}}", "{{{", "\n", "", NULL};
	const EngineExec exec = {.has_terminal = false};
	g_autofree char *line = exec_wrapper_line(&exec, command, "token");
	g_assert_null(strstr(line, "{{"));
	g_auto(GStrv) words = NULL;
	int count = 0;
	g_assert_true(g_shell_parse_argv(line, &count, &words, NULL));
	g_assert_cmpint(count, ==, 4 + 6);
	g_assert_cmpstr(words[3], ==, "token");
	for (int i = 0; i < 6; i++)
		g_assert_cmpstr(words[4 + i], ==, command[i]);
}

int
main(int count, char **words)
{
	g_test_init(&count, &words, NULL);
	g_test_add_func("/exec/a-message-comes-back-as-it-was", test_round_trip);
	g_test_add_func("/exec/a-cut-message-is-refused-wherever-it-is-cut", test_cut);
	g_test_add_func("/exec/a-message-that-lies-is-refused", test_lies);
	g_test_add_func("/exec/an-oversize-message-is-refused", test_oversize);
	g_test_add_func("/exec/stdout-and-stderr-may-mix-anywhere", test_streams_mix);
	g_test_add_func("/exec/there-is-no-code-without-the-whole-mark", test_no_code);
	g_test_add_func("/exec/missing-tools-are-told", test_missing);
	g_test_add_func("/exec/a-terminal-ends-with-the-mark-alone", test_terminal);
	g_test_add_func("/exec/words-are-the-command's-own", test_words);
	return g_test_run();
}
