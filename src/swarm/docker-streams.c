/*
 * The two shapes of the engine's streams: frames of 8 bytes {stream, 0, 0, 0, length as big-endian
 * 32 bits} and their bytes (exec, logs), and lines of JSON (build, push, pull, events).
 *
 * Both are fed in pieces of any size. Frames are never held: what came is handed on at once. A line
 * is held until it is whole, up to LIMIT_ENGINE_LINE_BYTES.
 */
#include "swarm/docker.h"

#include <string.h>

#define LIMIT_ENGINE_LINE_BYTES (4 * 1024 * 1024)

/* Takes what it can of a frame's header. Returns the count of bytes used. */
static gsize
feed_header(DockerFrames *frames, const unsigned char *bytes, gsize length)
{
	gsize used = MIN(length, sizeof(frames->header) - frames->header_length);
	memcpy(frames->header + frames->header_length, bytes, used);
	frames->header_length += used;
	if (frames->header_length == sizeof(frames->header)) {
		const unsigned char *size = frames->header + 4;
		frames->stream = frames->header[0];
		frames->left =
		    (gsize)size[0] << 24 | (gsize)size[1] << 16 | (gsize)size[2] << 8 | size[3];
	}
	return used;
}

static bool
check_header(const DockerFrames *frames, GError **error)
{
	const unsigned char *header = frames->header;
	if (header[0] > 3 || header[1] || header[2] || header[3])
		return error_set(error, CARRACK_ERROR_UPSTREAM,
		    "engine: stream is not framed (it begins %02x%02x%02x%02x)", header[0],
		    header[1], header[2], header[3]);
	return true;
}

bool
docker_frames_feed(DockerFrames *frames,
    const void *bytes,
    gsize length,
    DockerTake take,
    gpointer data,
    GError **error)
{
	const unsigned char *next = bytes;
	const unsigned char *end = next + length;

	while (next < end) {
		if (frames->header_length < sizeof(frames->header)) {
			next += feed_header(frames, next, end - next);
			if (frames->header_length < sizeof(frames->header))
				break;
			if (!check_header(frames, error))
				return false;
		}

		gsize piece = MIN(frames->left, (gsize)(end - next));
		frames->left -= piece;
		if (frames->left == 0)
			frames->header_length = 0;
		if (piece > 0 && !take(data, frames->stream, next, piece, error))
			return false;
		next += piece;
	}
	return true;
}

static bool
take_line(DockerLines *lines, const char *text, gsize length, GError **error)
{
	while (length > 0 && g_ascii_isspace(text[length - 1]))
		length--;
	if (length == 0)
		return true;

	/* What a build step writes may hold NUL, which json_parse refuses. */
	json_auto_t *value = json_loadb(text, length, JSON_ALLOW_NUL, NULL);
	if (!value)
		value = json_parse(text, length, "engine", error);
	return value && lines->take(lines->data, value, error);
}

/* Whole lines are parsed where they lie; only the cut one at the end is kept for the next piece. */
bool
docker_lines_feed(gpointer data, const void *bytes, gsize length, GError **error)
{
	DockerLines *lines = data;
	const char *next = bytes;
	const char *end = next + length;
	const char *newline;

	while ((newline = memchr(next, '\n', end - next))) {
		const char *text = next;
		gsize size = newline - next;
		next = newline + 1;
		if (lines->buffer && lines->buffer->len > 0) {
			g_string_append_len(lines->buffer, text, size);
			text = lines->buffer->str;
			size = lines->buffer->len;
		}
		bool taken = take_line(lines, text, size, error);
		if (lines->buffer)
			g_string_truncate(lines->buffer, 0);
		if (!taken)
			return false;
	}

	if (!lines->buffer)
		lines->buffer = g_string_new(NULL);
	if (lines->buffer->len + (end - next) > LIMIT_ENGINE_LINE_BYTES)
		return error_set(error, CARRACK_ERROR_TOO_LARGE,
		    "engine: a line of its stream is over %d bytes", LIMIT_ENGINE_LINE_BYTES);
	g_string_append_len(lines->buffer, next, end - next);
	return true;
}

void
docker_lines_clear(DockerLines *lines)
{
	if (lines->buffer)
		g_string_free(lines->buffer, TRUE);
	lines->buffer = NULL;
}
