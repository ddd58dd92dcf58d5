/*
 * Reading a .env file: the rules of Docker Compose's format without its expansion, because a «$»
 * in a password is a «$».
 *
 * A line is `NAME=value`, with an optional `export` before it; a line that begins with «#» is a
 * comment, and so is «#» after a blank behind an unquoted or quoted value. Blanks around an
 * unquoted value are dropped. Quotes are taken off only as a pair around the whole value; a value
 * that merely begins with a quoted piece is left as it is. All or nothing: any error gives no
 * environment.
 */
#include "base/env.h"

#include "base/error.h"

#include <string.h>

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

typedef struct {
	const char *rest; /* what is not read yet; NUL-terminated */
	const char *file;
	unsigned line; /* of `rest`, from 1 */
} Reader;

static bool
fail_at(const Reader *reader, GError **error, const char *text)
{
	return error_set(
	    error, CARRACK_ERROR_INVALID, "%s:%u: %s", reader->file, reader->line, text);
}

/* The end of the line that begins or goes on at `text`, without its CR. */
static const char *
line_end(const char *text)
{
	const char *end = strchrnul(text, '\n');

	return end > text && end[-1] == '\r' ? end - 1 : end;
}

static const char *
skip_blanks(const char *text)
{
	return text + strspn(text, " \t");
}

static void
move_to(Reader *reader, const char *place)
{
	for (; reader->rest < place; reader->rest++)
		reader->line += *reader->rest == '\n';
}

static void
move_to_next_line(Reader *reader)
{
	const char *end = strchrnul(reader->rest, '\n');

	move_to(reader, *end == '\n' ? end + 1 : end);
}

/* True if nothing but a comment stands between `text` and the end of its line. */
static bool
only_comment(const char *text)
{
	const char *next = skip_blanks(text);

	return next >= line_end(text) || (*next == '#' && next > text);
}

/* The end of an unquoted value: before a comment and the blanks in front of it. */
static char *
plain_value(const char *text)
{
	const char *start = skip_blanks(text);
	const char *end = line_end(text);

	for (const char *place = text + 1; place < end; place++) {
		bool comment = *place == '#' && (place[-1] == ' ' || place[-1] == '\t');
		if (comment)
			end = place;
	}
	while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return g_strndup(start, end > start ? (gsize)(end - start) : 0);
}

static char
unescaped(char letter)
{
	switch (letter) {
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case '"':
	case '\\':
		return letter;
	default:
		return 0;
	}
}

/* Returns the closing quote, or NULL, and the value with its escapes undone. */
static const char *
scan_double_quotes(const char *opening, GString *value)
{
	for (const char *place = opening + 1; *place; place++) {
		if (*place == '"')
			return place;
		char byte = *place == '\\' ? unescaped(place[1]) : 0;
		if (byte)
			place++;
		g_string_append_c(value, byte ? byte : *place);
	}
	return NULL;
}

static const char *
scan_single_quotes(const char *opening, GString *value)
{
	const char *end = line_end(opening);
	const char *closing = memchr(opening + 1, '\'', (gsize)(end - opening - 1));

	if (closing)
		g_string_append_len(value, opening + 1, closing - opening - 1);
	return closing;
}

/* Reads a value that begins with a quote at `opening` and leaves the reader on its last line. */
static char *
quoted_value(Reader *reader, const char *opening, GError **error)
{
	g_autoptr(GString) value = g_string_new(NULL);
	const char *closing = *opening == '"' ? scan_double_quotes(opening, value)
					      : scan_single_quotes(opening, value);
	if (!closing) {
		fail_at(reader, error, "the quote that opens here is never closed");
		return NULL;
	}

	if (only_comment(closing + 1)) {
		move_to(reader, closing);
		return g_strdup(value->str);
	}
	if (closing < line_end(opening))
		return plain_value(opening);

	move_to(reader, closing);
	fail_at(reader, error, "text follows the closing quote");
	return NULL;
}

static char *
take_name(Reader *reader, const char *end, GError **error)
{
	const char *start = skip_blanks(reader->rest);
	const char *equals = memchr(start, '=', (gsize)(end - start));
	if (!equals) {
		fail_at(reader, error, "no \"=\" in this line; use NAME=value");
		return NULL;
	}

	bool exported = g_str_has_prefix(start, "export") && (start[6] == ' ' || start[6] == '\t');
	if (exported)
		start = skip_blanks(start + 6);
	g_autofree char *name = g_strndup(start, (gsize)MAX(equals - start, 0));
	reader->rest = equals + 1;
	return g_strdup(g_strchomp(name));
}

static bool
take_line(Reader *reader, Env *env, GError **error)
{
	unsigned line = reader->line;
	g_autofree char *name = take_name(reader, line_end(reader->rest), error);
	if (!name)
		return false;

	const char *start = skip_blanks(reader->rest);
	bool quoted = *start == '"' || *start == '\'';
	g_autofree char *value =
	    quoted ? quoted_value(reader, start, error) : plain_value(reader->rest);
	if (!value)
		return false;

	if (!env_set(env, name, value, error)) {
		g_prefix_error(error, "%s:%u: ", reader->file, line);
		return false;
	}
	return true;
}

static bool
is_nothing(const char *line)
{
	const char *start = skip_blanks(line);

	return start >= line_end(line) || *start == '#';
}

Env *
env_parse_file(const char *text, gsize length, const char *file, GError **error)
{
	g_autofree char *copy = g_strndup(text, length);
	g_autoptr(Env) env = env_new();
	Reader reader = {copy, file, 1};

	if (g_str_has_prefix(copy, BYTE_ORDER_MARK))
		reader.rest += strlen(BYTE_ORDER_MARK);

	for (; *reader.rest; move_to_next_line(&reader)) {
		if (!is_nothing(reader.rest) && !take_line(&reader, env, error))
			return NULL;
	}

	if (reader.rest < copy + length) {
		fail_at(&reader, error, "a NUL byte, which no variable can hold");
		return NULL;
	}
	return g_steal_pointer(&env);
}
