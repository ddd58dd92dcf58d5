/*
 * The engine's streams: frames, JSON lines, and the lines of output made from log messages, fed in
 * pieces of every size. What a real engine sends is in test-engine.c.
 */
#include "base/error.h"
#include "base/limits.h"
#include "swarm/output.h"

#include <string.h>

#define STAMP_ONE "2026-11-25T03:45:48.595112265Z"
#define STAMP_TWO "2026-11-25T03:45:48.595149400Z"

/* A frame appended to a stream. */
static void
add_frame(GByteArray *stream, unsigned number, const char *bytes, gsize length)
{
	guint8 header[8] = {number, 0, 0, 0, length >> 24, length >> 16, length >> 8, length};

	g_byte_array_append(stream, header, sizeof(header));
	g_byte_array_append(stream, (const guint8 *)bytes, length);
}

static void
add_message(GByteArray *stream, unsigned number, const char *stamp, const char *text)
{
	g_autofree char *message = g_strconcat(stamp, " ", text, NULL);

	add_frame(stream, number, message, strlen(message));
}

static bool
append_marked(gpointer data, unsigned stream, const void *bytes, gsize length, GError **error)
{
	GString *text = data;
	for (gsize i = 0; i < length; i++)
		g_string_append_printf(text, "%u%c", stream, ((const char *)bytes)[i]);
	return true;
}

static void
test_frames_in_pieces(void)
{
	g_autoptr(GByteArray) stream = g_byte_array_new();
	add_frame(stream, 1, "ab", 2);
	add_frame(stream, 2, "", 0);
	add_frame(stream, 2, "cde", 3);
	add_frame(stream, 1, "f", 1);

	for (guint piece = 1; piece <= stream->len; piece++) {
		DockerFrames frames = {0};
		g_autoptr(GString) text = g_string_new(NULL);
		g_autoptr(GError) error = NULL;
		for (guint at = 0; at < stream->len; at += piece) {
			gsize length = MIN(piece, stream->len - at);
			g_assert_true(docker_frames_feed(
			    &frames, stream->data + at, length, append_marked, text, &error));
		}
		g_assert_cmpstr(text->str, ==, "1a1b2c2d2e1f");
	}
}

static void
test_frames_refuse_other_bytes(void)
{
	DockerFrames frames = {0};
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(GError) error = NULL;

	g_assert_false(docker_frames_feed(&frames, "HTTP/1.1", 8, append_marked, text, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	g_assert_cmpstr(error->message, ==, "engine: stream is not framed (it begins 48545450)");
}

static bool
append_number(gpointer data, json_t *line, GError **error)
{
	g_string_append_printf(data, "%d,", (int)json_int_of(line, "n", -1));
	return true;
}

static void
test_json_lines_in_pieces(void)
{
	static const char stream[] = "{\"n\": 1}\r\n\n{\"n\":2}\n{\"n\":3}\n";

	for (gsize piece = 1; piece < sizeof(stream); piece++) {
		g_autoptr(GString) text = g_string_new(NULL);
		g_autoptr(GError) error = NULL;
		DockerLines lines = {.take = append_number, .data = text};
		for (gsize at = 0; at < strlen(stream); at += piece)
			g_assert_true(docker_lines_feed(
			    &lines, stream + at, MIN(piece, strlen(stream) - at), &error));
		docker_lines_clear(&lines);
		g_assert_cmpstr(text->str, ==, "1,2,3,");
	}
}

static void
test_bad_json_line_is_an_error(void)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	DockerLines lines = {.take = append_number, .data = text};

	g_assert_false(docker_lines_feed(&lines, "{\"n\":1}\nnot json\n", 17, &error));
	docker_lines_clear(&lines);
	g_assert_nonnull(error);
	g_assert_cmpstr(text->str, ==, "1,");
}

static bool
append_line(gpointer data, const OutputLine *line, GError **error)
{
	GString *text = data;
	g_string_append_printf(text, "%u%s<", line->stream, line->is_continued ? "+" : "");
	g_string_append_len(text, line->text, line->length);
	g_string_append_c(text, '>');
	return true;
}

/* The lines of a stream, fed `piece` bytes at a time. */
static char *
lines_of(const GByteArray *stream, gsize piece)
{
	g_autoptr(GError) error = NULL;
	GString *text = g_string_new(NULL);
	Output output = {.take = append_line, .data = text};

	for (gsize at = 0; at < stream->len; at += piece) {
		bool fed =
		    output_feed(&output, stream->data + at, MIN(piece, stream->len - at), &error);
		g_assert_no_error(error);
		g_assert_true(fed);
	}
	g_assert_true(output_end(&output, &error));
	output_clear(&output);
	return g_string_free(text, FALSE);
}

static void
test_output_lines(void)
{
	g_autoptr(GByteArray) stream = g_byte_array_new();
	add_message(stream, 1, STAMP_ONE, "one\n");
	add_message(stream, 2, STAMP_ONE, " err \r\n");
	add_message(stream, 1, STAMP_TWO, "\n");
	add_message(stream, 1, STAMP_TWO, "no newline");

	for (gsize piece = 1; piece <= stream->len; piece++) {
		g_autofree char *lines = lines_of(stream, piece);
		g_assert_cmpstr(lines, ==, "1<one>2< err \r>1<>1<no newline>");
	}
}

/* A long line's messages: 16 KiB each, between them one of the other stream. */
static void
add_long(GByteArray *stream, unsigned parts, const char *end)
{
	g_autofree char *part = g_strnfill(16384, 'x');

	for (unsigned i = 0; i < parts; i++) {
		add_message(stream, 1, STAMP_ONE, part);
		if (i == 0)
			add_message(stream, 2, STAMP_TWO, "between\n");
	}
	add_message(stream, 1, STAMP_ONE, end);
}

/* json-file ends a cut line with a newline, `local` of 20.10 only with a short message. */
static void
test_output_joins_long_lines(void)
{
	static const char *const ends[] = {"end\n", "end", "\n", ""};

	for (gsize i = 0; i < G_N_ELEMENTS(ends); i++) {
		g_autoptr(GByteArray) stream = g_byte_array_new();
		g_autofree char *body = g_strnfill(16384 * 3, 'x');
		g_autofree char *expected = g_strdup_printf("2<between>1<%s%s>1<next>", body,
		    g_str_has_prefix(ends[i], "end") ? "end" : "");
		add_long(stream, 3, ends[i]);
		add_message(stream, 1, STAMP_TWO, "next\n");
		g_autofree char *lines = lines_of(stream, 1000);
		g_assert_cmpstr(lines, ==, expected);
	}
}

static void
test_output_with_another_time_is_another_line(void)
{
	g_autofree char *part = g_strnfill(16384, 'x');
	g_autofree char *expected = g_strdup_printf("1<%s>1<next>", part);
	g_autoptr(GByteArray) stream = g_byte_array_new();
	add_message(stream, 1, STAMP_ONE, part);
	add_message(stream, 1, STAMP_TWO, "next\n");

	g_autofree char *lines = lines_of(stream, 77);
	g_assert_cmpstr(lines, ==, expected);
}

static void
test_output_of_the_limit_is_whole(void)
{
	g_autoptr(GByteArray) stream = g_byte_array_new();
	add_long(stream, LIMIT_LOG_LINE_BYTES / 16384, "\n");

	g_autofree char *lines = lines_of(stream, 65536);
	g_assert_cmpuint(strlen(lines), ==, strlen("2<between>1<>") + LIMIT_LOG_LINE_BYTES);
}

static void
test_output_over_the_limit_goes_on(void)
{
	g_autoptr(GByteArray) stream = g_byte_array_new();
	add_long(stream, LIMIT_LOG_LINE_BYTES / 16384, "end\n");

	g_autofree char *lines = lines_of(stream, 65536);
	g_autofree char *tail = g_strdup(strstr(lines, "x ["));
	g_assert_nonnull(tail);
	g_assert_true(g_str_has_prefix(tail, "x [line over 1 MiB, goes on in the next]>1+<xxx"));
	g_assert_true(g_str_has_suffix(tail, "xend>"));
	gsize count = 0;
	for (const char *next = lines; *next; next++)
		count += *next == 'x';
	g_assert_cmpuint(count, ==, LIMIT_LOG_LINE_BYTES + 1); /* one is in the mark */
}

static void
test_output_ignores_the_engines_own_trouble(void)
{
	g_autoptr(GByteArray) stream = g_byte_array_new();
	add_frame(stream, 3, "Error grabbing logs: EOF\n", 25);
	add_message(stream, 1, STAMP_ONE, "one\n");

	g_autofree char *lines = lines_of(stream, 5);
	g_assert_cmpstr(lines, ==, "1<one>");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/docker/frames-come-in-any-pieces", test_frames_in_pieces);
	g_test_add_func("/docker/other-bytes-are-not-frames", test_frames_refuse_other_bytes);
	g_test_add_func("/docker/json-lines-come-in-any-pieces", test_json_lines_in_pieces);
	g_test_add_func("/docker/a-bad-json-line-is-an-error", test_bad_json_line_is_an_error);
	g_test_add_func("/output/messages-are-lines", test_output_lines);
	g_test_add_func("/output/long-lines-are-joined", test_output_joins_long_lines);
	g_test_add_func(
	    "/output/another-time-is-another-line", test_output_with_another_time_is_another_line);
	g_test_add_func("/output/a-line-of-the-limit-is-whole", test_output_of_the_limit_is_whole);
	g_test_add_func(
	    "/output/a-line-over-the-limit-goes-on", test_output_over_the_limit_goes_on);
	g_test_add_func("/output/the-engines-own-trouble-is-no-line",
	    test_output_ignores_the_engines_own_trouble);
	return g_test_run();
}
