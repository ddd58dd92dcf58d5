/*
 * Fuzzes the readers of the engine's streams: frames, lines of output, lines of JSON. Beyond not
 * crashing, what comes out must not depend on the pieces that the bytes came in. The first byte of
 * the input is the size of a piece.
 */
#include "swarm/output.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static bool
append_line(gpointer data, const OutputLine *line, GError **error)
{
	GString *text = data;
	g_string_append_printf(text, "%u %d %s ", line->stream, line->is_continued, line->stamp);
	g_string_append_len(text, line->text, line->length);
	g_string_append_c(text, '\n');
	return true;
}

static bool
append_value(gpointer data, json_t *value, GError **error)
{
	g_autofree char *text = json_text(value, false);
	g_string_append(data, text);
	return true;
}

/* All that the reader makes of the bytes, an error's code at the end. */
static char *
read_in_pieces(HttpWrite feed, gpointer reader, GString *text, GBytes *bytes, gsize piece)
{
	g_autoptr(GError) error = NULL;
	gsize size;
	const char *data = g_bytes_get_data(bytes, &size);

	for (gsize at = 0; at < size; at += piece) {
		if (!feed(reader, data + at, MIN(piece, size - at), &error))
			break;
	}
	g_string_append_printf(text, "error %d", error ? error->code : -1);
	return g_string_free(text, FALSE);
}

static char *
read_output(GBytes *bytes, gsize piece)
{
	GString *text = g_string_new(NULL);
	Output output = {.take = append_line, .data = text};
	char *all = read_in_pieces(output_feed, &output, text, bytes, piece);

	output_clear(&output);
	return all;
}

static char *
read_lines(GBytes *bytes, gsize piece)
{
	GString *text = g_string_new(NULL);
	DockerLines lines = {.take = append_value, .data = text};
	char *all = read_in_pieces(docker_lines_feed, &lines, text, bytes, piece);

	docker_lines_clear(&lines);
	return all;
}

static void
require_same(char *one, char *other)
{
	if (strcmp(one, other) != 0)
		abort();
	g_free(one);
	g_free(other);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;

	gsize piece = MAX(data[0], 1);
	g_autoptr(GBytes) bytes = g_bytes_new(data + 1, size - 1);
	require_same(read_output(bytes, size), read_output(bytes, piece));
	require_same(read_lines(bytes, size), read_lines(bytes, piece));
	return 0;
}
