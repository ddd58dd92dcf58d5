/*
 * Both ends of a command, over a hijacked connection of the engine: an exec, or a one-off's
 * container that was attached to. Without a terminal the engine sends frames that tell stdout from
 * stderr, with one the bytes as they are.
 *
 * What the engine says about a command that it cannot run comes as that command's output, with exit
 * code 126 whatever the reason; here it becomes a line of stderr and 126 or 127, as a shell has it.
 */
#include "swarm/engine-private.h"

#include "base/wait.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define BUFFER_BYTES 32768
#define REFUSED "OCI runtime "
#define REASON_MARK "unable to start container process: "
#define LOOK_MS 20
#define RESIZE_TRIES 50
#define LOOKS 50

typedef struct {
	bool is_error;
	gsize length;
} Part;

typedef struct {
	EngineStream base;
	SwarmEngine *engine;
	HttpConnection *connection; /* NULL: it could not be run */
	char *container;
	char *exec;
	bool has_terminal;
	bool has_begun; /* something has been read */
	bool was_refused;
	int refused_code;
	DockerFrames frames;
	GByteArray *bytes; /* read and not yet taken: what `parts` says, one after the other */
	gsize taken;
	GArray *parts; /* of Part */
	guint part;    /* the one that is being taken */
} Stream;

static bool
take_piece(gpointer data, unsigned number, const void *bytes, gsize length, GError **error)
{
	Stream *stream = data;
	Part part = {.is_error = number == 2, .length = length};
	g_byte_array_append(stream->bytes, bytes, (guint)length);
	g_array_append_val(stream->parts, part);
	return true;
}

static void
clear_taken(Stream *stream)
{
	g_byte_array_set_size(stream->bytes, 0);
	g_array_set_size(stream->parts, 0);
	stream->taken = 0;
	stream->part = 0;
}

/* «… exec: "/nope": stat /nope: no such file or directory: unknown» */
static void
refuse(Stream *stream, const char *text)
{
	const char *reason = strstr(text, REASON_MARK);
	g_autofree char *line = g_strdup(reason ? reason + strlen(REASON_MARK) : text);
	char *end = strstr(line, ": unknown");
	if (end)
		*end = 0;
	g_strstrip(line);

	bool is_missing = strstr(line, "no such file") || strstr(line, "not found");
	g_autofree char *said = g_strdup_printf("cannot run the command: %s\n", line);
	clear_taken(stream);
	take_piece(stream, 2, said, strlen(said), NULL);
	stream->was_refused = true;
	stream->refused_code = is_missing ? 127 : 126;
}

static json_t *
inspect_exec(const Stream *stream, GError **error)
{
	return docker_call(
	    stream->engine->docker, "GET", NULL, error, "/exec/%s/json", stream->exec);
}

/* The engine notes both, a process's number and that there is none, a moment after it has begun to
 * send. */
static bool
has_never_run(const Stream *stream)
{
	for (unsigned look = 0; look < LOOKS; look++) {
		json_auto_t *exec = inspect_exec(stream, NULL);
		const json_t *code = json_object_get(exec, "ExitCode");
		if (!exec || json_int_of(exec, "Pid", 0) != 0)
			return false;
		if (json_is_integer(code) && !json_bool_of(exec, "Running", false))
			return json_integer_value(code) != 0;
		if (!engine_pause(stream->engine, LOOK_MS))
			return false;
	}
	return false;
}

/* The command's own words may begin like the engine's: only one that never ran has no number. */
static void
look_for_refusal(Stream *stream)
{
	gsize length = MIN(stream->bytes->len, strlen(REFUSED));
	bool is_first = !stream->has_begun && stream->bytes->len > 0;
	stream->has_begun = stream->has_begun || is_first;
	if (!is_first || !stream->exec || length < strlen(REFUSED) ||
	    memcmp(stream->bytes->data, REFUSED, length) != 0 || !has_never_run(stream))
		return;

	g_autofree char *text = g_strndup((const char *)stream->bytes->data, stream->bytes->len);
	refuse(stream, text);
}

/* Reads once more from the engine. The count, 0 at the end, -1 with an error. */
static gssize
fill(Stream *stream, GCancellable *cancel, GError **error)
{
	g_autofree char *buffer = g_malloc(BUFFER_BYTES);
	gssize count =
	    http_connection_read(stream->connection, buffer, BUFFER_BYTES, cancel, error);
	if (count <= 0)
		return count;

	clear_taken(stream);
	if (stream->has_terminal)
		take_piece(stream, 1, buffer, (gsize)count, NULL);
	else if (!docker_frames_feed(
		     &stream->frames, buffer, (gsize)count, take_piece, stream, error))
		return -1;
	look_for_refusal(stream);
	return count;
}

static gssize
stream_read(EngineStream *base,
    void *buffer,
    gsize size,
    bool *is_error,
    GCancellable *cancel,
    GError **error)
{
	Stream *stream = (Stream *)base;
	while (stream->part == stream->parts->len) {
		gssize count = stream->connection ? fill(stream, cancel, error) : 0;
		if (count <= 0)
			return count;
	}

	Part *part = &g_array_index(stream->parts, Part, stream->part);
	gsize count = MIN(size, part->length);
	memcpy(buffer, stream->bytes->data + stream->taken, count);
	*is_error = part->is_error;
	stream->taken += count;
	part->length -= count;
	stream->part += part->length == 0;
	return (gssize)count;
}

/* A unix socket is ready for writing while at most a quarter of its buffer is taken, so a piece
 * fits. */
static int
stream_wait_room(EngineStream *base, int milliseconds, GCancellable *cancel, GError **error)
{
	Stream *stream = (Stream *)base;
	if (!stream->connection) {
		error_set(error, CARRACK_ERROR_UNAVAILABLE, "the command has ended");
		return -1;
	}

	return wait_fd(
	    http_connection_fd(stream->connection), POLLOUT, milliseconds, cancel, error);
}

static bool
stream_write(
    EngineStream *base, const void *bytes, gsize length, GCancellable *cancel, GError **error)
{
	Stream *stream = (Stream *)base;

	return stream->connection &&
	       http_connection_write(stream->connection, bytes, length, cancel, error);
}

static void
stream_end_input(EngineStream *base)
{
	Stream *stream = (Stream *)base;
	if (stream->connection)
		http_connection_half_close(stream->connection);
}

/* The engine refuses the size of a terminal whose command is only about to start. */
static bool
stream_resize(EngineStream *base, unsigned height, unsigned width, GError **error)
{
	Stream *stream = (Stream *)base;
	if (!stream->has_terminal || !stream->connection)
		return true;

	bool is_exec = stream->exec != NULL;
	g_autoptr(GError) failure = NULL;
	for (unsigned attempt = 0; attempt < RESIZE_TRIES; attempt++) {
		g_clear_error(&failure);
		json_auto_t *done = docker_call(stream->engine->docker, "POST", NULL, &failure,
		    "/%s/%s/resize?h=%u&w=%u", is_exec ? "exec" : "containers",
		    is_exec ? stream->exec : stream->container, height, width);
		if (done || !engine_pause(stream->engine, LOOK_MS))
			return true;
	}
	g_propagate_error(error, g_steal_pointer(&failure));
	return false;
}

/* The engine notes an exec's end a moment after its output's. */
static bool
exec_code(Stream *stream, int *exit_code, GCancellable *cancel, GError **error)
{
	for (;;) {
		json_auto_t *exec = inspect_exec(stream, error);
		if (!exec || error_cancelled(cancel, error))
			return false;
		if (!json_bool_of(exec, "Running", false)) {
			*exit_code = (int)json_int_of(exec, "ExitCode", 0);
			return true;
		}
		if (!engine_pause(stream->engine, LOOK_MS))
			return error_set(error, CARRACK_ERROR_UNAVAILABLE, "the rack stops");
	}
}

static bool
container_code(Stream *stream, int *exit_code, GCancellable *cancel, GError **error)
{
	g_autofree char *path = g_strdup_printf("/containers/%s/wait", stream->container);
	HttpRequest request = {.method = "POST", .path = path};
	g_autoptr(HttpAnswer) answer =
	    docker_request(stream->engine->docker, &request, cancel, error);
	json_auto_t *value =
	    answer ? json_parse(answer->body, answer->length, "engine", error) : NULL;
	if (!value)
		return false;

	*exit_code = (int)json_int_of(value, "StatusCode", 0);
	return true;
}

static bool
stream_exit_code(EngineStream *base, int *exit_code, GCancellable *cancel, GError **error)
{
	Stream *stream = (Stream *)base;
	if (stream->was_refused) {
		*exit_code = stream->refused_code;
		return true;
	}
	return stream->exec ? exec_code(stream, exit_code, cancel, error)
			    : container_code(stream, exit_code, cancel, error);
}

static void
stream_kill(EngineStream *base)
{
	Stream *stream = (Stream *)base;
	if (!stream->connection)
		return;
	/* The engine sees no end of a process whose output it cannot hand on. */
	shutdown(http_connection_fd(stream->connection), SHUT_RDWR);
	if (stream->exec) {
		engine_exec_kill(stream->engine, stream->container, stream->exec);
		return;
	}

	json_auto_t *stopped = docker_call(stream->engine->docker, "POST", NULL, NULL,
	    "/containers/%s/stop?t=1", stream->container);
}

static void
stream_free(EngineStream *base)
{
	Stream *stream = (Stream *)base;
	http_connection_free(stream->connection);
	g_free(stream->container);
	g_free(stream->exec);
	g_byte_array_unref(stream->bytes);
	g_array_unref(stream->parts);
	g_free(stream);
}

static const EngineStreamOps operations = {
    .read = stream_read,
    .wait_room = stream_wait_room,
    .write = stream_write,
    .end_input = stream_end_input,
    .resize = stream_resize,
    .exit_code = stream_exit_code,
    .kill = stream_kill,
    .free = stream_free,
};

EngineStream *
engine_stream_new(SwarmEngine *engine,
    HttpConnection *connection,
    const EngineStreamSource *source,
    const char *refusal)
{
	Stream *stream = g_new0(Stream, 1);
	stream->base.ops = &operations;
	stream->engine = engine;
	stream->connection = connection;
	stream->container = g_strdup(source->container);
	stream->exec = g_strdup(source->exec);
	stream->has_terminal = source->has_terminal;
	stream->bytes = g_byte_array_new();
	stream->parts = g_array_new(FALSE, FALSE, sizeof(Part));
	if (refusal)
		refuse(stream, refusal);
	return &stream->base;
}
