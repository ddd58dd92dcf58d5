/*
 * A small reader of ECMA-48 sequences: ESC [ parameters final, ESC ] … (BEL or ESC \), ESC and one
 * more. Bytes over 0x7f pass, since most of them are UTF-8; C1 controls as bytes are not valid
 * UTF-8 and terminals in UTF-8 mode ignore them.
 */
#include "cli/clean.h"

#include <string.h>

#define ESCAPE '\033'
#define BELL '\007'

/* The length of a sequence of ESC [: parameters, then one final byte. */
static gsize
control_length(const char *bytes, gsize length)
{
	gsize at = 2;

	while (at < length && (bytes[at] < 0x40 || bytes[at] > 0x7e))
		at++;
	return MIN(at + 1, length);
}

/* The length of a text for the terminal, as ESC ] 0;title BEL. */
static gsize
string_length(const char *bytes, gsize length)
{
	for (gsize at = 2; at < length; at++) {
		if (bytes[at] == BELL)
			return at + 1;
		if (bytes[at] == ESCAPE && at + 1 < length && bytes[at + 1] == '\\')
			return at + 2;
	}
	return length;
}

static gsize
sequence_length(const char *bytes, gsize length)
{
	if (length < 2)
		return length;
	if (bytes[1] == '[')
		return control_length(bytes, length);
	if (bytes[1] && strchr("]P_^X", bytes[1]))
		return string_length(bytes, length);

	return 2;
}

static bool
is_colour(const char *sequence, gsize length)
{
	if (length < 3 || sequence[1] != '[' || sequence[length - 1] != 'm')
		return false;
	for (gsize i = 2; i < length - 1; i++) {
		if (!g_ascii_isdigit(sequence[i]) && sequence[i] != ';' && sequence[i] != ':')
			return false;
	}
	return true;
}

char *
clean_text(const char *bytes, gsize length, bool has_colours, gsize *count)
{
	GString *text = g_string_sized_new(length);

	for (gsize at = 0; at < length;) {
		if (bytes[at] == ESCAPE) {
			gsize size = sequence_length(bytes + at, length - at);
			if (has_colours && is_colour(bytes + at, size))
				g_string_append_len(text, bytes + at, (gssize)size);
			at += size;
			continue;
		}
		if (!g_ascii_iscntrl(bytes[at]) || bytes[at] == '\n' || bytes[at] == '\t')
			g_string_append_c(text, bytes[at]);
		at++;
	}
	if (count)
		*count = text->len;
	return g_string_free(text, FALSE);
}
