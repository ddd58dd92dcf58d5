/*
 * Files of a process, by the tar in its image over an exec: ECS has no call for them. An image
 * without tar is told of as such.
 */
#include "aws/engine-private.h"

#include <string.h>

#define COMPLAINT_BYTES 1024
#define ROOM_MS 1000
#define NO_COMMAND 127

/* What tar writes: the archive to `write` (may be NULL), complaints into `text`. */
static bool
read_all(EngineStream *stream,
    HttpWrite write,
    gpointer write_data,
    GString *text,
    GCancellable *cancel,
    GError **error)
{
	char buffer[ENGINE_STREAM_PIECE];
	bool is_error;
	gssize count;
	while ((count = stream->ops->read(
		    stream, buffer, sizeof(buffer), &is_error, cancel, error)) > 0) {
		if (!is_error && write) {
			if (!write(write_data, buffer, (gsize)count, error))
				return false;
			continue;
		}
		gsize room = COMPLAINT_BYTES - MIN(text->len, COMPLAINT_BYTES);
		g_string_append_len(text, buffer, (gssize)MIN((gsize)count, room));
	}
	return count == 0;
}

static bool
check_end(const Process *process, const char *said, int code, GError **error)
{
	g_autofree char *text = g_strstrip(g_utf8_make_valid(said, -1));
	if (code == 0)
		return true;
	if (code == NO_COMMAND)
		return error_set(error, CARRACK_ERROR_FORBIDDEN,
		    "process %s: its image has no tar, by which files are copied on AWS",
		    process->id);
	if (strstr(text, "No such file") || strstr(text, "Cannot stat") ||
	    strstr(text, "can't stat"))
		return error_set(
		    error, CARRACK_ERROR_NOT_FOUND, "process %s: %s", process->id, text);

	return error_set(error, CARRACK_ERROR_UPSTREAM, "process %s: tar ended with %d: %s",
	    process->id, code, text);
}

static bool
wait_end(EngineStream *stream,
    const Process *process,
    const GString *text,
    GCancellable *cancel,
    GError **error)
{
	int code = 0;

	return stream->ops->exit_code(stream, &code, cancel, error) &&
	       check_end(process, text->str, code, error);
}

bool
ecs_archive_get(Engine *base,
    const Process *process,
    const char *path,
    HttpWrite write,
    gpointer write_data,
    GCancellable *cancel,
    GError **error)
{
	g_autofree char *folder = g_path_get_dirname(path);
	g_autofree char *name = g_path_get_basename(path);
	bool is_root = strcmp(name, "/") == 0;
	const char *const command[] = {
	    "tar", "-c", "-f", "-", "-C", folder, "--", is_root ? "." : name, NULL};
	const EngineExec exec = {.command = command};
	g_autoptr(EngineStream) stream = ecs_exec(base, process, &exec, error);
	if (!stream)
		return false;

	g_autoptr(GString) text = g_string_new(NULL);
	stream->ops->end_input(stream);
	if (read_all(stream, write, write_data, text, cancel, error))
		return wait_end(stream, process, text, cancel, error);
	stream->ops->kill(stream);
	return false;
}

/* True at the end of the input, and when tar takes no more of it: then its end tells why. */
static bool
send_all(
    EngineStream *stream, HttpRead read, gpointer read_data, GCancellable *cancel, GError **error)
{
	char buffer[ENGINE_STREAM_PIECE];
	gssize count;
	while ((count = read(read_data, buffer, sizeof(buffer), error)) > 0) {
		int room;
		while ((room = stream->ops->wait_room(stream, ROOM_MS, cancel, NULL)) == 0)
			;
		if (error_cancelled(cancel, error))
			return false;
		if (room < 0 || !stream->ops->write(stream, buffer, (gsize)count, cancel, NULL))
			return true;
	}
	return count == 0;
}

bool
ecs_archive_put(Engine *base,
    const Process *process,
    HttpRead read,
    gpointer read_data,
    GCancellable *cancel,
    GError **error)
{
	static const char *const command[] = {"tar", "-x", "-f", "-", "-C", "/", NULL};
	const EngineExec exec = {.command = command};
	g_autoptr(EngineStream) stream = ecs_exec(base, process, &exec, error);
	if (!stream)
		return false;

	g_autoptr(GString) text = g_string_new(NULL);
	if (!send_all(stream, read, read_data, cancel, error)) {
		stream->ops->kill(stream);
		return false;
	}
	stream->ops->end_input(stream);
	return read_all(stream, NULL, NULL, text, cancel, error) &&
	       wait_end(stream, process, text, cancel, error);
}
