/*
 * Joins what the engine has split. Its logger cuts a line every 16 KiB into messages that carry the
 * time of the first and no newline; each message is one frame. The log driver `local` of 20.10
 * leaves the newline out even after the last message of a cut line, so its end is known by being
 * short, or by another time in the next message.
 *
 * A line over LIMIT_LOG_LINE_BYTES goes on as a line of its own; the first says so at its end.
 */
#include "swarm/output.h"

#include "base/limits.h"

#include <string.h>

#define PIECE_BYTES 16384 /* defaultBufSize of moby's daemon/logger/copier.go */
#define KEPT_BYTES 65536  /* a larger buffer is not kept for the next line */
#define CUT_MARK " [line over 1 MiB, goes on in the next]"
#define CUT_BYTES (LIMIT_LOG_LINE_BYTES - (sizeof(CUT_MARK) - 1))

static OutputPart *
part_of(Output *output)
{
	return &output->parts[output->frames.stream == 2];
}

static bool
hand_on(Output *output, OutputPart *part, GError **error)
{
	OutputLine line = {.stamp = part->stamp,
	    .stream = part == &output->parts[0] ? 1 : 2,
	    .is_continued = part->is_continued,
	    .text = part->text->str,
	    .length = part->text->len};
	bool taken = output->take(output->data, &line, error);

	if (part->text->allocated_len > KEPT_BYTES) {
		g_string_free(part->text, TRUE);
		part->text = g_string_new(NULL);
	}
	g_string_truncate(part->text, 0);
	return taken;
}

static bool
end_line(Output *output, OutputPart *part, GError **error)
{
	bool is_only_the_end = part->is_continued && part->text->len == 0;
	bool taken = !part->is_open || is_only_the_end || hand_on(output, part, error);

	part->is_open = false;
	part->is_continued = false;
	return taken;
}

/* The buffer is full and more is coming: its end makes room for the mark and opens the next line.
 */
static bool
cut_line(Output *output, OutputPart *part, GError **error)
{
	char rest[sizeof(CUT_MARK) - 1];
	memcpy(rest, part->text->str + CUT_BYTES, sizeof(rest));
	memcpy(part->text->str + CUT_BYTES, CUT_MARK, sizeof(rest));
	bool taken = hand_on(output, part, error);

	part->is_continued = true;
	g_string_append_len(part->text, rest, sizeof(rest));
	return taken;
}

static bool
append(Output *output, OutputPart *part, const char *text, gsize length, GError **error)
{
	while (part->text->len + length > LIMIT_LOG_LINE_BYTES) {
		gsize fits = LIMIT_LOG_LINE_BYTES - part->text->len;
		g_string_append_len(part->text, text, fits);
		if (!cut_line(output, part, error))
			return false;
		text += fits;
		length -= fits;
	}
	g_string_append_len(part->text, text, length);
	return true;
}

/* The message's time is known: it goes on with the open line, or begins one. */
static bool
begin_message(Output *output, GError **error)
{
	OutputPart *part = part_of(output);
	output->has_stamp = true;
	output->stamp[output->stamp_length] = '\0';
	if (part->is_open && strcmp(part->stamp, output->stamp) != 0 &&
	    !end_line(output, part, error))
		return false;

	if (!part->text)
		part->text = g_string_new(NULL);
	part->is_open = true;
	memcpy(part->stamp, output->stamp, sizeof(part->stamp));
	return true;
}

/* Takes the time off the front of a message. Returns the count of bytes used, -1 with `error`. */
static gssize
feed_stamp(Output *output, const char *bytes, gsize length, GError **error)
{
	for (gsize i = 0; i < length; i++) {
		if (bytes[i] == ' ')
			return begin_message(output, error) ? (gssize)i + 1 : -1;
		if (output->stamp_length == OUTPUT_STAMP_BYTES) {
			error_set(error, CARRACK_ERROR_UPSTREAM,
			    "engine: a line of output has no time in front");
			return -1;
		}
		output->stamp[output->stamp_length++] = bytes[i];
	}
	return (gssize)length;
}

/* `ends` says that `text` is the end of the message. */
static bool
feed_text(Output *output, const char *text, gsize length, bool ends, GError **error)
{
	OutputPart *part = part_of(output);
	output->piece_length += length;
	bool has_newline = ends && length > 0 && text[length - 1] == '\n';
	if (!append(output, part, text, length - has_newline, error))
		return false;
	if (!ends)
		return true;

	bool goes_on = !has_newline && output->piece_length >= PIECE_BYTES;
	return goes_on || end_line(output, part, error);
}

static void
reset_message(Output *output)
{
	output->has_stamp = false;
	output->stamp_length = 0;
	output->piece_length = 0;
}

static bool
take(gpointer data, unsigned stream, const void *bytes, gsize length, GError **error)
{
	Output *output = data;
	/* 3 is the engine telling of trouble with the log itself, without a time. */
	if (stream != 1 && stream != 2)
		return true;

	const char *text = bytes;
	bool ends = output->frames.left == 0;
	if (!output->has_stamp) {
		gssize used = feed_stamp(output, text, length, error);
		if (used < 0)
			return false;
		text += used;
		length -= used;
	}

	bool taken = !output->has_stamp || feed_text(output, text, length, ends, error);
	if (ends)
		reset_message(output);
	return taken;
}

bool
output_feed(gpointer data, const void *bytes, gsize length, GError **error)
{
	Output *output = data;

	return docker_frames_feed(&output->frames, bytes, length, take, output, error);
}

bool
output_end(Output *output, GError **error)
{
	return end_line(output, &output->parts[0], error) &&
	       end_line(output, &output->parts[1], error);
}

void
output_clear(Output *output)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(output->parts); i++) {
		if (output->parts[i].text)
			g_string_free(output->parts[i].text, TRUE);
		output->parts[i].text = NULL;
	}
}
