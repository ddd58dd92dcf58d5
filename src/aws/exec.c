/*
 * A command in a container of a task, through ECS Exec: ExecuteCommand opens a session, and its
 * data channel (exec-channel.c) carries a terminal's bytes both ways. ECS Exec itself tells no exit
 * code, has no end of input and no stderr apart, so the command runs under a wrapper
 * (exec-wrapper.c), which needs a shell in the container.
 *
 * An end without the wrapper's word on the exit code is a failure, never a code.
 */
#include "aws/exec-private.h"

#include "aws/client-private.h"
#include "aws/exec-entrypoint.h"
#include "base/error.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/text.h"

#include <string.h>

#define OUTPUT_BYTES (1024 * 1024) /* decoded and not read yet; over that the task waits */
#define BLOCK_BYTES (64 * 1024)    /* of input, for one credit */
#define WINDOW_MESSAGES 64         /* of a terminal's input, unacknowledged */
#define CONNECT_SECONDS 30         /* the agent comes up a moment after its container */
#define KILL_MS 1000

typedef struct {
	bool is_error;
	GBytes *bytes;
	gsize taken;
} Part;

typedef struct {
	EngineStream base;
	AwsChannel *channel; /* set under the lock, then never changed */
	char *token;
	bool has_terminal;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	ExecDecoder decoder; /* the receiver's; its flags under the lock */
	GQueue parts;
	gsize queued;
	GByteArray *input; /* not sent yet, without a terminal */
	bool is_input_over, has_sent_end, has_sent_leave, is_killed, is_closing, has_ended;
	char *text; /* what the other side has said at the end */
	GError *failure;
} Stream;

static void
part_free(gpointer data)
{
	Part *part = data;
	g_bytes_unref(part->bytes);
	g_free(part);
}

static void
take_part(gpointer data, bool is_error, const guint8 *bytes, gsize length)
{
	Stream *stream = data;
	Part *part = g_new0(Part, 1);
	part->is_error = is_error;
	part->bytes = g_bytes_new(bytes, length);
	g_queue_push_tail(&stream->parts, part);
	stream->queued += length;
}

/* Sends a block of what waits, or the end, when one was asked for. The lock is held. */
static void
flush_input(Stream *stream)
{
	static const char end[] = "0\n";
	bool is_over = stream->is_input_over || stream->decoder.has_ended;
	guint length = MIN(stream->input->len, BLOCK_BYTES);
	if (stream->decoder.has_ended)
		length = 0;
	if (!stream->channel || stream->decoder.credits == 0 || stream->has_sent_end ||
	    (length == 0 && !is_over))
		return;

	stream->decoder.credits--;
	if (length == 0) {
		stream->has_sent_end = true;
		aws_channel_send(stream->channel, CHANNEL_DATA_OUTPUT, end, strlen(end));
		return;
	}
	g_autofree char *head = g_strdup_printf("%u\n", length);
	g_byte_array_prepend(stream->input, (const guint8 *)head, (guint)strlen(head));
	length += (guint)strlen(head);
	aws_channel_send(stream->channel, CHANNEL_DATA_OUTPUT, stream->input->data, length);
	g_byte_array_remove_range(stream->input, 0, length);
}

/* The wrapper stays until we have its last word. The lock is held. */
static void
let_go(Stream *stream)
{
	bool is_over = stream->decoder.has_status || stream->decoder.missing;
	if (!stream->channel || !is_over || stream->has_sent_leave)
		return;
	stream->has_sent_leave = true;
	aws_channel_send(stream->channel, CHANNEL_DATA_OUTPUT, "\n", 1);
}

/* What the channel tells, from its threads */

static void
on_output(gpointer data, const guint8 *bytes, gsize length)
{
	Stream *stream = data;
	LOCKED(&stream->lock);
	exec_decoder_feed(&stream->decoder, bytes, length, take_part, stream);
	flush_input(stream);
	let_go(stream);
	pthread_cond_broadcast(&stream->changed);
	while (stream->queued > OUTPUT_BYTES && !stream->is_closing)
		pthread_cond_wait(&stream->changed, &stream->lock);
}

static void
on_moved(gpointer data)
{
	Stream *stream = data;
	LOCKED(&stream->lock);
	pthread_cond_broadcast(&stream->changed);
}

static void
on_ended(gpointer data, const char *text, const GError *failure)
{
	Stream *stream = data;
	LOCKED(&stream->lock);
	stream->has_ended = true;
	stream->text = g_strdup(text);
	stream->failure = failure ? g_error_copy(failure) : NULL;
	pthread_cond_broadcast(&stream->changed);
}

/* Waiting */

static void
on_cancelled(GCancellable *cancel, gpointer data)
{
	Stream *stream = data;
	LOCKED(&stream->lock);
	pthread_cond_broadcast(&stream->changed);
}

typedef bool (*Condition)(const Stream *stream);

/* Returns with the lock held: 1 when it holds, 0 after `milliseconds` (-1: never), -1 when
 * cancelled. */
static int
wait_locked(Stream *stream, Condition holds, int milliseconds, GCancellable *cancel, GError **error)
{
	gint64 until = g_get_monotonic_time() + milliseconds * G_TIME_SPAN_MILLISECOND;
	struct timespec deadline = {
	    .tv_sec = until / G_USEC_PER_SEC, .tv_nsec = (until % G_USEC_PER_SEC) * 1000};
	pthread_mutex_lock(&stream->lock);
	while (!holds(stream)) {
		if (error_cancelled(cancel, error))
			return -1;
		if (milliseconds < 0)
			pthread_cond_wait(&stream->changed, &stream->lock);
		else if (g_get_monotonic_time() >= until)
			return 0;
		else
			pthread_cond_timedwait(&stream->changed, &stream->lock, &deadline);
	}
	return 1;
}

/* Waits, and hands the lock over on return. */
static int
wait_until(Stream *stream, Condition holds, int milliseconds, GCancellable *cancel, GError **error)
{
	gulong handler =
	    cancel ? g_cancellable_connect(cancel, G_CALLBACK(on_cancelled), stream, NULL) : 0;
	int result = wait_locked(stream, holds, milliseconds, cancel, error);
	pthread_mutex_unlock(&stream->lock);
	if (handler)
		g_cancellable_disconnect(cancel, handler);
	return result;
}

static bool
is_over(const Stream *stream)
{
	return stream->decoder.has_status || stream->decoder.missing || stream->decoder.is_broken ||
	       stream->has_ended || stream->is_killed;
}

static bool
has_something(const Stream *stream)
{
	return stream->parts.length > 0 || is_over(stream);
}

static bool
has_room(const Stream *stream)
{
	if (is_over(stream) || stream->decoder.has_ended)
		return true;
	return stream->has_terminal ? aws_channel_unacknowledged(stream->channel) < WINDOW_MESSAGES
				    : stream->input->len < BLOCK_BYTES;
}

/* Why there is no exit code, with the lock held. Always false. */
static bool
tell_failure(const Stream *stream, GError **error)
{
	g_autofree char *said =
	    g_strdup(stream->decoder.has_begun ? stream->text : stream->decoder.held->str);
	if (said)
		g_strstrip(said);
	if (stream->is_killed)
		return error_set(error, CARRACK_ERROR_UNAVAILABLE, "the command was killed");
	if (stream->decoder.missing)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "the container has no %s, which a command without a terminal needs on AWS",
		    stream->decoder.missing);
	if (stream->decoder.is_broken)
		return error_set(error, CARRACK_ERROR_UPSTREAM,
		    "the command's output is not what its wrapper writes");
	if (stream->failure) {
		g_propagate_error(error, g_error_copy(stream->failure));
		return false;
	}
	if (!stream->decoder.has_begun)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "the container cannot run /bin/sh, which commands need on AWS: %s",
		    said && *said ? said : stream->text);
	return error_set(error, CARRACK_ERROR_UNAVAILABLE,
	    "the session ended before the command's exit code came: %s",
	    said && *said ? said : "no reason was told");
}

/* The stream's operations */

static gssize
stream_read(EngineStream *base,
    void *buffer,
    gsize size,
    bool *is_error,
    GCancellable *cancel,
    GError **error)
{
	Stream *stream = (Stream *)base;
	if (wait_until(stream, has_something, -1, cancel, error) < 0)
		return -1;

	LOCKED(&stream->lock);
	Part *part = g_queue_peek_head(&stream->parts);
	if (!part)
		return stream->decoder.has_status || tell_failure(stream, error) ? 0 : -1;
	gsize length;
	const guint8 *bytes = g_bytes_get_data(part->bytes, &length);
	gsize count = MIN(size, length - part->taken);
	memcpy(buffer, bytes + part->taken, count);
	*is_error = part->is_error;
	part->taken += count;
	stream->queued -= count;
	if (part->taken == length)
		part_free(g_queue_pop_head(&stream->parts));
	pthread_cond_broadcast(&stream->changed);
	return (gssize)count;
}

static bool
check_input(Stream *stream, GError **error)
{
	LOCKED(&stream->lock);
	if (!is_over(stream) && !stream->decoder.has_ended)
		return true;
	return error_set(error, CARRACK_ERROR_UNAVAILABLE, "the command has ended");
}

static int
stream_wait_room(EngineStream *base, int milliseconds, GCancellable *cancel, GError **error)
{
	Stream *stream = (Stream *)base;
	int result = wait_until(stream, has_room, milliseconds, cancel, error);
	return result == 1 && !check_input(stream, error) ? -1 : result;
}

static bool
stream_write(
    EngineStream *base, const void *bytes, gsize length, GCancellable *cancel, GError **error)
{
	Stream *stream = (Stream *)base;
	const guint8 *rest = bytes;
	while (length > 0) {
		if (stream_wait_room(base, -1, cancel, error) < 0)
			return false;
		gsize piece = MIN(length, ENGINE_STREAM_PIECE);
		LOCKED(&stream->lock);
		if (stream->has_terminal) {
			aws_channel_send(stream->channel, CHANNEL_DATA_OUTPUT, rest, piece);
		} else {
			g_byte_array_append(stream->input, rest, (guint)piece);
			flush_input(stream);
		}
		rest += piece;
		length -= piece;
	}
	return true;
}

/* A terminal has no end of input; its character for it is the client's to type. */
static void
stream_end_input(EngineStream *base)
{
	Stream *stream = (Stream *)base;
	LOCKED(&stream->lock);
	stream->is_input_over = true;
	flush_input(stream);
}

static void
send_size(Stream *stream, unsigned height, unsigned width)
{
	g_autofree char *size = g_strdup_printf("{\"cols\":%u,\"rows\":%u}", width, height);
	aws_channel_send(stream->channel, CHANNEL_DATA_SIZE, size, strlen(size));
}

static bool
stream_resize(EngineStream *base, unsigned height, unsigned width, GError **error)
{
	Stream *stream = (Stream *)base;
	if (stream->has_terminal)
		send_size(stream, height, width);
	return true;
}

static bool
stream_exit_code(EngineStream *base, int *exit_code, GCancellable *cancel, GError **error)
{
	Stream *stream = (Stream *)base;
	if (wait_until(stream, is_over, -1, cancel, error) < 0)
		return false;

	LOCKED(&stream->lock);
	if (!stream->decoder.has_status)
		return tell_failure(stream, error);
	*exit_code = stream->decoder.status;
	return true;
}

/* The end of the session hangs its terminal up. */
static void
stream_kill(EngineStream *base)
{
	Stream *stream = (Stream *)base;
	{
		LOCKED(&stream->lock);
		if (is_over(stream))
			return;
		stream->is_killed = true;
		stream->is_closing = true;
		pthread_cond_broadcast(&stream->changed);
	}
	aws_channel_terminate(stream->channel, KILL_MS);
}

static void
stream_free(EngineStream *base)
{
	Stream *stream = (Stream *)base;
	{
		LOCKED(&stream->lock);
		stream->is_closing = true;
		pthread_cond_broadcast(&stream->changed);
	}
	if (stream->channel)
		aws_channel_terminate(stream->channel, KILL_MS);
	aws_channel_free(stream->channel);
	exec_decoder_clear(&stream->decoder);
	g_queue_clear_full(&stream->parts, part_free);
	g_byte_array_unref(stream->input);
	g_free(stream->token);
	g_free(stream->text);
	g_clear_error(&stream->failure);
	pthread_cond_destroy(&stream->changed);
	pthread_mutex_destroy(&stream->lock);
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

static Stream *
stream_new(const EngineExec *exec)
{
	Stream *stream = g_new0(Stream, 1);
	stream->base.ops = &operations;
	stream->token = text_random_hex(16);
	stream->has_terminal = exec->has_terminal;
	stream->input = g_byte_array_new();
	g_queue_init(&stream->parts);
	exec_decoder_init(&stream->decoder, stream->token, exec->has_terminal);

	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&stream->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&stream->lock, NULL);
	return stream;
}

/* Opening */

static bool
pause_a_second(GCancellable *cancel)
{
	GPollFD place;
	if (!cancel || !g_cancellable_make_pollfd(cancel, &place)) {
		g_usleep(G_USEC_PER_SEC);
		return true;
	}
	g_poll(&place, 1, 1000);
	g_cancellable_release_fd(cancel);
	return !g_cancellable_is_cancelled(cancel);
}

static json_t *
execute(AwsRack *rack, const json_t *input, GCancellable *cancel, GError **error)
{
	gint64 until = g_get_monotonic_time() + CONNECT_SECONDS * G_USEC_PER_SEC;
	for (;;) {
		g_autoptr(GError) failure = NULL;
		json_t *answer = aws_json(rack->client, &aws_services[AWS_ECS], "ExecuteCommand",
		    input, cancel, &failure);
		if (answer)
			return answer;
		bool is_early = aws_error_is(failure, "TargetNotConnectedException");
		if (is_early && g_get_monotonic_time() < until && pause_a_second(cancel))
			continue;
		g_propagate_error(error, g_steal_pointer(&failure));
		return NULL;
	}
}

static bool
open_channel(
    Stream *stream, AwsRack *rack, const json_t *answer, GCancellable *cancel, GError **error)
{
	const json_t *told = json_object_get(answer, "session");
	const AwsSession session = {.url = json_text_of(told, "streamUrl", ""),
	    .token = json_text_of(told, "tokenValue", ""),
	    .ca_file = rack->client->ca_file};
	const AwsChannelEvents events = {
	    .output = on_output, .moved = on_moved, .ended = on_ended, .data = stream};
	AwsChannel *channel = aws_channel_open(&session, &events, cancel, error);
	if (!channel)
		return false;

	LOCKED(&stream->lock);
	stream->channel = channel;
	flush_input(stream);
	let_go(stream);
	return true;
}

EngineStream *
aws_exec_open(AwsRack *rack,
    const char *task,
    const char *container,
    const EngineExec *exec,
    GCancellable *cancel,
    GError **error)
{
	g_auto(GStrv) argv = exec_argv(rack, task, container, exec, cancel, error);
	if (!argv)
		return NULL;

	g_autoptr(EngineStream) base = &stream_new(exec)->base;
	Stream *stream = (Stream *)base;
	g_autofree char *line = exec_wrapper_line(exec, (const char *const *)argv, stream->token);
	json_auto_t *input = json_pack("{s:s, s:s, s:s, s:s, s:b}", "cluster", rack->cluster,
	    "task", task, "container", container, "command", line, "interactive", 1);
	if (!input) {
		error_set(
		    error, CARRACK_ERROR_INVALID, "the command for %s is not UTF-8", container);
		return NULL;
	}
	json_auto_t *answer = execute(rack, input, cancel, error);
	if (!answer || !open_channel(stream, rack, answer, cancel, error))
		return NULL;
	if (exec->has_terminal && exec->height > 0)
		send_size(stream, exec->height, exec->width);
	return g_steal_pointer(&base);
}
