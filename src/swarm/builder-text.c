/*
 * The text of a build, as lines. The engine sends it in pieces that know nothing of lines: what it
 * says itself («Step 2/5 : RUN make») and what the step writes come in one stream, and a step may
 * end without a newline. Whatever was begun then is a line of its own, never glued to the engine's
 * next word.
 */
#include "base/limits.h"
#include "swarm/builder-private.h"

#include <stdarg.h>
#include <string.h>

#define RED "\x1b[91m"
#define PLAIN "\x1b[0m"
#define STEP "Step "
#define REMOVING "Removing intermediate container "

BuildText *
build_text_new(BuilderLog log, gpointer data)
{
	BuildText *text = g_new0(BuildText, 1);

	text->log = log;
	text->data = data;
	text->out = g_string_new(NULL);
	text->err = g_string_new(NULL);
	return text;
}

void
build_text_free(BuildText *text)
{
	if (!text)
		return;

	build_text_end_lines(text);
	g_string_free(text->out, TRUE);
	g_string_free(text->err, TRUE);
	g_free(text->step);
	g_free(text->instruction);
	g_free(text);
}

static void
give_line(BuildText *text, const char *line, gsize length)
{
	if (length > 0 && line[length - 1] == '\r')
		length--;
	if (text->log)
		text->log(text->data, line, length);
}

static void
end_line(BuildText *text, GString *begun)
{
	if (begun->len == 0)
		return;

	give_line(text, begun->str, begun->len);
	g_string_truncate(begun, 0);
}

void
build_text_end_lines(BuildText *text)
{
	end_line(text, text->out);
	end_line(text, text->err);
}

static void
add(BuildText *text, GString *begun, const char *bytes, gsize length)
{
	const char *end = bytes + length;
	const char *newline;

	while ((newline = memchr(bytes, '\n', (gsize)(end - bytes)))) {
		g_string_append_len(begun, bytes, newline - bytes);
		give_line(text, begun->str, begun->len);
		g_string_truncate(begun, 0);
		bytes = newline + 1;
	}
	g_string_append_len(begun, bytes, end - bytes);
	/* A program that never ends its line must not fill the memory. */
	if (begun->len >= LIMIT_LOG_LINE_BYTES)
		end_line(text, begun);
}

void
build_text_output(BuildText *text, unsigned stream, const char *bytes, gsize length)
{
	add(text, stream == 2 ? text->err : text->out, bytes, length);
}

void
build_text_line(BuildText *text, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *line = g_strdup_vprintf(format, arguments);
	va_end(arguments);

	build_text_end_lines(text);
	give_line(text, line, strlen(line));
}

static void
remember_step(BuildText *text, const char *step, const char *instruction)
{
	g_free(text->step);
	g_free(text->instruction);
	text->step = g_strdup(step);
	text->instruction = g_strdup(instruction);
}

void
build_text_step(BuildText *text, const char *step, const char *instruction)
{
	remember_step(text, step, instruction);
	build_text_line(text, STEP "%s : %s", step, instruction);
}

/* «Step 2/5 : RUN make», which the engine sends as a piece of its own. */
static bool
read_step(BuildText *text, const char *piece)
{
	const char *colon = g_str_has_prefix(piece, STEP) ? strstr(piece, " : ") : NULL;
	const char *number = piece + strlen(STEP);
	if (!colon || (gsize)(colon - number) != strspn(number, "0123456789/"))
		return false;

	g_autofree char *step = g_strndup(number, (gsize)(colon - number));
	remember_step(text, step, colon + 3);
	return true;
}

static bool
is_of_engine(BuildText *text, const char *piece)
{
	return read_step(text, piece) || g_str_has_prefix(piece, " ---> ") ||
	       g_str_has_prefix(piece, "Successfully built ") ||
	       g_str_has_prefix(piece, "Successfully tagged ");
}

/* Says nothing to anybody, and would stand between a failing step's last words and its end. */
static bool
is_noise(const char *piece)
{
	if (!g_str_has_prefix(piece, REMOVING))
		return false;

	const char *id = piece + strlen(REMOVING);
	return strspn(id, "0123456789abcdef") == 12 && !strcmp(id + 12, "\n");
}

void
build_text_stream(BuildText *text, const char *bytes, gsize length)
{
	gsize red = strlen(RED), plain = strlen(PLAIN);
	bool is_error = length >= red + plain && !memcmp(bytes, RED, red) &&
			!memcmp(bytes + length - plain, PLAIN, plain);

	if (is_error) {
		build_text_output(text, 2, bytes + red, length - red - plain);
		return;
	}
	if (is_noise(bytes)) {
		build_text_end_lines(text);
		return;
	}
	if (is_of_engine(text, bytes))
		build_text_end_lines(text);
	build_text_output(text, 1, bytes, length);
}
