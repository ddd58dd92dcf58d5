/*
 * The wrapper that a command runs under, and the reading of what it writes.
 *
 * ECS Exec gives a terminal that is clean for UTF-8 only (the agent replaces other bytes) and tells
 * no exit code. So without a terminal of its own a command has pipes, and the wrapper turns what
 * comes out of them into characters: base64 for stdout, pairs of sixteen other characters for
 * stderr, so that the two may mix anywhere, «>» when a block of input is wanted, «^» when the
 * command has ended, «[CODE]» when all is written. Input are blocks, «LENGTH\n» and the bytes as
 * they are; a block of length 0 is its end. A block is sent only when it was asked for, so neither
 * the terminal's nor the agent's buffers ever fill with what the command does not read.
 *
 * With a terminal the bytes go through as they are, and «TOKEN[CODE]» is the end.
 */
#include "aws/exec-private.h"

#include <string.h>

#define HELD_BYTES 4096
#define CODE_DIGITS 3

/* The characters of stderr, a nibble each. None is of base64 or a mark. */
static const char nibbles[] = "!\"#$%&()*,.:;<@_";

/* $0 is the token. The commands are builtins of every sh, but for the five that are looked for.
 * `exec` keeps the words from meaning a builtin. The last read leaves the terminal open until we
 * have the code: the agent does not wait for what is still in it. */
static const char piped_script[] =
    "m=\n"
    "for t in stty dd base64 od tr; do command -v $t >/dev/null 2>&1 || m=\"$m $t\"; done\n"
    "if [ -n \"$m\" ]; then printf '%s!%s!' \"$0\" \"$m\"; read -r n; exit 1; fi\n"
    "stty raw -echo\n"
    "exec 3<&0 4>&1\n"
    "take() {\n"
    "while printf '>' >&4 && read -r n <&3 && [ \"${n:-0}\" -gt 0 ]; do\n"
    "dd bs=\"$n\" count=1 iflag=fullblock <&3 2>/dev/null\n"
    "done\n"
    "}\n"
    "run() { (exec \"$@\" 3<&- 4>&- 5>&- 6>&-); printf %s $? >&5; printf '^' >&4; }\n"
    "out() {\n"
    "while b=$(dd bs=49152 count=1 2>/dev/null | base64) && [ -n \"$b\" ]; do\n"
    "printf '%s\\n' \"$b\" >&4\n"
    "done\n"
    "}\n"
    "err() {\n"
    "while b=$(dd bs=16384 count=1 2>/dev/null | od -An -v -tx1 | tr -d ' \\n' |\n"
    "tr 0123456789abcdef '!\"#$%&()*,.:;<@_') && [ -n \"$b\" ]; do\n"
    "printf '%s\\n' \"$b\" >&4\n"
    "done\n"
    "}\n"
    "printf '%s=' \"$0\"\n"
    "s=$({ { take 5>&- 6>&- | run \"$@\" 2>&1 >&6 | err 5>&- 6>&-; } 6>&1 | out 5>&-; } 5>&1)\n"
    "printf '[%s]' \"$s\"\n"
    "read -r n\n";

/* $1 and $2 are the size. The signals of the keyboard are the command's. */
static const char terminal_script[] = "trap : INT QUIT\n"
				      "[ $1 -eq 0 ] || stty rows $1 cols $2 2>/dev/null\n"
				      "shift 2\n"
				      "printf '%s=' \"$0\"\n"
				      "(exec \"$@\")\n"
				      "s=$?\n"
				      "stty sane -echo 2>/dev/null\n"
				      "printf '%s[%s]' \"$0\" $s\n"
				      "read -r n\n";

/* As a shell's word; «{{» would be a parameter of the session's document. */
static void
append_word(GString *line, const char *word)
{
	g_string_append(line, " '");
	for (const char *at = word; *at; at++) {
		if (*at == '\'')
			g_string_append(line, "'\\''");
		else if (at[0] == '{' && at[1] == '{')
			g_string_append(line, "{''");
		else
			g_string_append_c(line, *at);
	}
	g_string_append_c(line, '\'');
}

char *
exec_wrapper_line(const EngineExec *exec, const char *const *command, const char *token)
{
	GString *line = g_string_new("/bin/sh -c");
	append_word(line, exec->has_terminal ? terminal_script : piped_script);
	append_word(line, token);
	if (exec->has_terminal)
		g_string_append_printf(line, " %u %u", exec->height, exec->width);
	for (; *command; command++)
		append_word(line, *command);
	return g_string_free(line, FALSE);
}

void
exec_decoder_init(ExecDecoder *decoder, const char *token, bool has_terminal)
{
	*decoder = (ExecDecoder){
	    .token = token, .has_terminal = has_terminal, .held = g_string_new(NULL), .nibble = -1};
}

void
exec_decoder_clear(ExecDecoder *decoder)
{
	if (decoder->held)
		g_string_free(decoder->held, TRUE);
	decoder->held = NULL;
	g_clear_pointer(&decoder->missing, g_free);
}

/* Before the token: what the agent says about a shell that it cannot start. */
static void
feed_beginning(ExecDecoder *decoder, guint8 byte)
{
	GString *held = decoder->held;
	gsize length = strlen(decoder->token);
	if (held->len >= HELD_BYTES)
		g_string_erase(held, 0, HELD_BYTES / 2);
	g_string_append_c(held, (char)byte);
	bool has_mark = held->len > length &&
			memcmp(held->str + held->len - 1 - length, decoder->token, length) == 0;
	if (!has_mark || (byte != '=' && byte != '!'))
		return;

	decoder->has_begun = true;
	decoder->in_missing = byte == '!';
	g_string_truncate(held, 0);
}

static bool
feed_status(ExecDecoder *decoder, guint8 byte)
{
	GString *held = decoder->held;
	if (g_ascii_isdigit(byte) && held->len < CODE_DIGITS) {
		g_string_append_c(held, (char)byte);
		return true;
	}
	if (byte != ']' || held->len == 0)
		return false;
	decoder->status = (int)g_ascii_strtoll(held->str, NULL, 10);
	decoder->has_status = true;
	decoder->in_status = false;
	return true;
}

static bool
feed_missing(ExecDecoder *decoder, guint8 byte)
{
	if (byte != '!') {
		g_string_append_c(decoder->held, (char)byte);
		return decoder->held->len < HELD_BYTES;
	}
	decoder->missing = g_strstrip(g_strdup(decoder->held->str));
	decoder->in_missing = false;
	return true;
}

static int
base64_value(guint8 byte)
{
	if (g_ascii_isupper(byte))
		return byte - 'A';
	if (g_ascii_islower(byte))
		return byte - 'a' + 26;
	if (g_ascii_isdigit(byte))
		return byte - '0' + 52;
	return byte == '+' ? 62 : byte == '/' ? 63 : byte == '=' ? 64 : -1;
}

/* A group of four characters; the last one or two may be «=». */
static bool
feed_base64(ExecDecoder *decoder, int value, GByteArray *bytes)
{
	decoder->group[decoder->grouped++] = (guint8)value;
	if (decoder->grouped < 4)
		return true;

	const guint8 *group = decoder->group;
	guint count = group[2] == 64 ? 1 : group[3] == 64 ? 2 : 3;
	bool is_good = group[0] < 64 && group[1] < 64 && (group[2] < 64 || group[3] == 64);
	const guint8 decoded[] = {(guint8)(group[0] << 2 | group[1] >> 4),
	    (guint8)(group[1] << 4 | (group[2] & 63) >> 2),
	    (guint8)(group[2] << 6 | (group[3] & 63))};
	decoder->grouped = 0;
	g_byte_array_append(bytes, decoded, count);
	return is_good;
}

static void
feed_nibble(ExecDecoder *decoder, int value, GByteArray *errors)
{
	if (decoder->nibble < 0) {
		decoder->nibble = value;
		return;
	}
	guint8 byte = (guint8)(decoder->nibble << 4 | value);
	decoder->nibble = -1;
	g_byte_array_append(errors, &byte, 1);
}

static bool
feed_mark(ExecDecoder *decoder, guint8 byte)
{
	switch (byte) {
	case '>':
		decoder->credits++;
		return true;
	case '^':
		decoder->has_ended = true;
		return true;
	case '[':
		decoder->in_status = true;
		g_string_truncate(decoder->held, 0);
		return decoder->has_ended && decoder->grouped == 0 && decoder->nibble < 0;
	default:
		return g_ascii_isspace(byte);
	}
}

static bool
feed_piped(ExecDecoder *decoder, guint8 byte, GByteArray *bytes, GByteArray *errors)
{
	int value = base64_value(byte);
	const char *nibble = value < 0 && byte ? strchr(nibbles, byte) : NULL;
	if (value >= 0)
		return feed_base64(decoder, value, bytes);
	if (nibble)
		feed_nibble(decoder, (int)(nibble - nibbles), errors);
	return nibble || feed_mark(decoder, byte);
}

/* What may be the beginning of the mark is held back; a token does not begin twice within itself,
 * but its first character may come again in it. */
static bool
feed_terminal(ExecDecoder *decoder, guint8 byte, GByteArray *bytes)
{
	GString *held = decoder->held;
	gsize length = strlen(decoder->token);
	g_string_append_c(held, (char)byte);
	if (held->len == length + 1 && byte == '[') {
		decoder->in_status = true;
		g_string_truncate(held, 0);
		return true;
	}
	while (held->len > 0 &&
	       (held->len > length || memcmp(held->str, decoder->token, held->len) != 0)) {
		g_byte_array_append(bytes, (const guint8 *)held->str, 1);
		g_string_erase(held, 0, 1);
	}
	return true;
}

static bool
feed_byte(ExecDecoder *decoder, guint8 byte, GByteArray *bytes, GByteArray *errors)
{
	if (decoder->has_status || decoder->missing)
		return true;
	if (!decoder->has_begun)
		feed_beginning(decoder, byte);
	else if (decoder->in_missing)
		return feed_missing(decoder, byte);
	else if (decoder->in_status)
		return feed_status(decoder, byte);
	else if (decoder->has_terminal)
		return feed_terminal(decoder, byte, bytes);
	else
		return feed_piped(decoder, byte, bytes, errors);
	return true;
}

bool
exec_decoder_feed(
    ExecDecoder *decoder, const guint8 *bytes, gsize length, ExecTake take, gpointer data)
{
	g_autoptr(GByteArray) output = g_byte_array_new();
	g_autoptr(GByteArray) errors = g_byte_array_new();
	for (gsize i = 0; i < length && !decoder->is_broken; i++)
		decoder->is_broken = !feed_byte(decoder, bytes[i], output, errors);

	if (output->len > 0)
		take(data, false, output->data, output->len);
	if (errors->len > 0)
		take(data, true, errors->data, errors->len);
	return !decoder->is_broken;
}
