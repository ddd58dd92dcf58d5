/*
 * Convox replaces `${NAME}` in the raw text, so that a value with `: ` or a line break rewrites the
 * manifest around it and every later position is off. Here a mark takes its place while the text is
 * parsed: one character of plane 15 that stands for its number, then filling letters up to the same
 * count of characters. Any context where text may stand takes a mark (`{count: ${N}}`, keys, quoted
 * text, comments); the results are the same as long as a value is text or a number.
 *
 * The rest is Convox's: anything up to the next `}` is the name, there is no escape and no default,
 * `$NAME` is not touched. Unlike there, a name ends with its line.
 */
#include "manifest/interpolate.h"

#include "base/error.h"

#include <string.h>

#define MARK_FIRST 0xf0000U
#define MARK_LAST 0xffffdU
#define FILLING 'x'

typedef struct {
	char *name;
	glong characters; /* of «${NAME}» */
} Mark;

struct Interpolation {
	GString *text;
	GArray *marks;
};

static void
mark_clear(gpointer data)
{
	Mark *mark = data;
	g_free(mark->name);
}

void
interpolation_free(Interpolation *interpolation)
{
	if (interpolation == NULL)
		return;

	g_string_free(interpolation->text, TRUE);
	g_array_unref(interpolation->marks);
	g_free(interpolation);
}

static bool
is_mark(gunichar character)
{
	return character >= MARK_FIRST && character <= MARK_LAST;
}

static bool
refuse(const char *file, const char *text, const char *at, const char *reason, GError **error)
{
	unsigned line = 1;
	const char *start = text;
	for (const char *byte = text; byte < at; byte++) {
		if (*byte == '\n') {
			line++;
			start = byte + 1;
		}
	}
	glong column = g_utf8_strlen(start, at - start) + 1;
	return error_set(error, CARRACK_ERROR_INVALID, "%s:%u:%ld: %s", file, line, column, reason);
}

/* The end of the «${…}» that begins at `at`, behind its brace; NULL when there is none. */
static const char *
reference_end(const char *at, const char *end)
{
	if (end - at < 3 || at[0] != '$' || at[1] != '{')
		return NULL;

	for (const char *byte = at + 2; byte < end && *byte != '\n' && *byte != '\r'; byte++) {
		if (*byte == '}')
			return byte + 1;
	}
	return NULL;
}

static void
append_mark(Interpolation *interpolation, const char *at, const char *end)
{
	Mark mark = {
	    .name = g_strndup(at + 2, (gsize)(end - at) - 3),
	    .characters = g_utf8_strlen(at, end - at),
	};
	g_string_append_unichar(interpolation->text, MARK_FIRST + interpolation->marks->len);
	for (glong i = 1; i < mark.characters; i++)
		g_string_append_c(interpolation->text, FILLING);
	g_array_append_val(interpolation->marks, mark);
}

Interpolation *
interpolation_new(const char *text, gsize length, const char *file, GError **error)
{
	g_autoptr(Interpolation) interpolation = g_new0(Interpolation, 1);
	interpolation->text = g_string_sized_new(length);
	interpolation->marks = g_array_new(FALSE, FALSE, sizeof(Mark));
	g_array_set_clear_func(interpolation->marks, mark_clear);

	const char *end = text + length;
	for (const char *at = text, *next; at < end; at = next) {
		const char *behind = reference_end(at, end);
		next = behind != NULL ? behind : g_utf8_next_char(at);
		bool is_full = interpolation->marks->len > MARK_LAST - MARK_FIRST;
		if (behind != NULL && is_full) {
			refuse(file, text, at, "too many ${…} in one file", error);
			return NULL;
		}
		if (behind == NULL && is_mark(g_utf8_get_char(at))) {
			refuse(file, text, at, "private-use characters are not allowed", error);
			return NULL;
		}
		if (behind != NULL)
			append_mark(interpolation, at, behind);
		else
			g_string_append_len(interpolation->text, at, next - at);
	}
	return g_steal_pointer(&interpolation);
}

const char *
interpolation_text(const Interpolation *interpolation, gsize *length)
{
	*length = interpolation->text->len;
	return interpolation->text->str;
}

char *
interpolation_fill(const Interpolation *interpolation,
    const char *scalar,
    InterpolationLookup lookup,
    gpointer data)
{
	g_autoptr(GString) filled = g_string_new(NULL);
	const char *next;
	for (const char *at = scalar; *at != '\0'; at = next) {
		gunichar character = g_utf8_get_char(at);
		next = g_utf8_next_char(at);
		/* An escape (\U000F0000) can name a mark that does not exist. */
		if (!is_mark(character) || character - MARK_FIRST >= interpolation->marks->len) {
			g_string_append_len(filled, at, next - at);
			continue;
		}
		const Mark *mark =
		    &g_array_index(interpolation->marks, Mark, character - MARK_FIRST);
		const char *value = lookup != NULL ? lookup(data, mark->name) : NULL;
		g_string_append(filled, value != NULL ? value : "");
		for (glong i = 1; i < mark->characters && *next == FILLING; i++)
			next++;
	}
	return g_string_free(g_steal_pointer(&filled), FALSE);
}
