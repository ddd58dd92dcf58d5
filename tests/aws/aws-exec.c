/*
 * A command in a task for the tests: `aws-exec CLUSTER TASK CONTAINER [HEIGHTxWIDTH] -- COMMAND…`.
 * Input, output and exit code are the command's; 250 and a line on stderr stand for a failure. With
 * a size there is a terminal; SIGUSR1 makes it 50x120, SIGUSR2 kills the command.
 */
#include "aws/provider.h"

#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAILURE 250

typedef struct {
	EngineStream *stream;
	GMainLoop *loop;
	int code;
} Bridge;

static gpointer
copy_input(gpointer data)
{
	Bridge *bridge = data;
	char buffer[ENGINE_STREAM_PIECE];
	gssize count;
	while ((count = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0) {
		if (!bridge->stream->ops->write(bridge->stream, buffer, (gsize)count, NULL, NULL))
			return NULL;
	}
	bridge->stream->ops->end_input(bridge->stream);
	return NULL;
}

static void
put(int fd, const char *bytes, gssize count)
{
	while (count > 0) {
		gssize done = write(fd, bytes, (gsize)count);
		g_assert_cmpint(done, >, 0);
		bytes += done;
		count -= done;
	}
}

static gpointer
copy_output(gpointer data)
{
	Bridge *bridge = data;
	EngineStream *stream = bridge->stream;
	g_autoptr(GError) error = NULL;
	char buffer[16384];
	gssize count;
	bool is_error = false;
	while ((count = stream->ops->read(
		    stream, buffer, sizeof(buffer), &is_error, NULL, &error)) > 0)
		put(is_error ? STDERR_FILENO : STDOUT_FILENO, buffer, count);
	if (count == 0)
		stream->ops->exit_code(stream, &bridge->code, NULL, &error);
	if (error) {
		fprintf(stderr, "aws-exec: %s\n", error->message);
		bridge->code = FAILURE;
	}
	g_main_loop_quit(bridge->loop);
	return NULL;
}

static gboolean
on_resize(gpointer data)
{
	Bridge *bridge = data;
	bridge->stream->ops->resize(bridge->stream, 50, 120, NULL);
	return G_SOURCE_CONTINUE;
}

static gboolean
on_kill(gpointer data)
{
	Bridge *bridge = data;
	bridge->stream->ops->kill(bridge->stream);
	return G_SOURCE_CONTINUE;
}

static void
run(Bridge *bridge)
{
	bridge->loop = g_main_loop_new(NULL, FALSE);
	g_unix_signal_add(SIGUSR1, on_resize, bridge);
	g_unix_signal_add(SIGUSR2, on_kill, bridge);
	g_thread_unref(g_thread_new("input", copy_input, bridge));
	GThread *output = g_thread_new("output", copy_output, bridge);
	g_main_loop_run(bridge->loop);
	g_thread_join(output);
}

int
main(int count, char **words)
{
	g_autoptr(GError) error = NULL;
	EngineExec exec = {0};
	int at = 4;
	g_assert_cmpint(count, >, 5);
	exec.has_terminal = strcmp(words[at], "--") != 0;
	if (exec.has_terminal)
		g_assert_cmpint(sscanf(words[at++], "%ux%u", &exec.height, &exec.width), ==, 2);
	exec.command = (const char *const *)words + at + 1;

	AwsRack rack = {.cluster = words[1]};
	rack.client = aws_client_new(NULL, NULL, &error);
	g_assert_no_error(error);
	Bridge bridge = {0};
	bridge.stream = aws_exec_open(&rack, words[2], words[3], &exec, NULL, &error);
	if (!bridge.stream) {
		fprintf(stderr, "aws-exec: %s\n", error->message);
		aws_client_free(rack.client);
		return FAILURE;
	}
	run(&bridge);
	fflush(NULL);
	/* A thread may still wait for input. */
	_exit(bridge.code);
}
