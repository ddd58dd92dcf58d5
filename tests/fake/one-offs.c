/*
 * One-offs and commands of the fake engine: real processes of this machine, run with the argument
 * vector that is asked for, in a session of their own. An image's entrypoint is none here; a
 * terminal is a pseudo-terminal. Files are those of this machine: a process has no root of its own.
 */
#include "fake/engine.h"

#include "base/text.h"
#include "base/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
	EngineStream base;
	pid_t pid;
	int in; /* -1 when it has ended */
	int out;
	int err; /* -1 on a terminal */
	bool has_terminal;
} Stream;

/* Starting */

typedef struct {
	int in[2];
	int out[2];
	int err[2];
} Pipes;

static void
run_child(const char *const *command, char *const *environment)
{
	execvpe(command[0], (char *const *)command, environment);
	int code = errno == ENOENT ? 127 : 126;
	dprintf(STDERR_FILENO, "cannot run the command: %s: %s\n", command[0], g_strerror(errno));
	_exit(code);
}

static GStrv
environment_of(const Env *env)
{
	GStrv environment = g_get_environ();
	g_autofree const char **names = env ? env_names(env) : NULL;
	for (gsize i = 0; names && names[i]; i++)
		environment = g_environ_setenv(environment, names[i], env_get(env, names[i]), TRUE);
	return environment;
}

static void
start_plain(Stream *stream, const char *const *command, char *const *environment)
{
	Pipes pipes;
	g_assert_cmpint(pipe2(pipes.in, O_CLOEXEC), ==, 0);
	g_assert_cmpint(pipe2(pipes.out, O_CLOEXEC), ==, 0);
	g_assert_cmpint(pipe2(pipes.err, O_CLOEXEC), ==, 0);

	stream->pid = fork();
	if (stream->pid == 0) {
		setsid();
		signal(SIGPIPE, SIG_DFL);
		dup2(pipes.in[0], STDIN_FILENO);
		dup2(pipes.out[1], STDOUT_FILENO);
		dup2(pipes.err[1], STDERR_FILENO);
		run_child(command, environment);
	}
	close(pipes.in[0]);
	close(pipes.out[1]);
	close(pipes.err[1]);
	stream->in = pipes.in[1];
	stream->out = pipes.out[0];
	stream->err = pipes.err[0];
}

static void
start_terminal(Stream *stream,
    const char *const *command,
    char *const *environment,
    unsigned height,
    unsigned width)
{
	struct winsize size = {.ws_row = (unsigned short)height, .ws_col = (unsigned short)width};
	stream->pid = forkpty(&stream->out, NULL, NULL, &size);
	if (stream->pid == 0) {
		signal(SIGPIPE, SIG_DFL);
		run_child(command, environment);
	}
	fcntl(stream->out, F_SETFD, FD_CLOEXEC);
	stream->in = fcntl(stream->out, F_DUPFD_CLOEXEC, 0);
	stream->err = -1;
}

/* Reading and writing */

/* Once from one of the two; 0: that one is at its end. A terminal whose command has gone is an
 * error of EIO. */
static gssize
take(int *fd, void *buffer, gsize size)
{
	gssize count = read(*fd, buffer, size);
	if (count > 0)
		return count;

	close(*fd);
	*fd = -1;
	return 0;
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
	GPollFD waits[3];
	bool can_cancel = cancel && g_cancellable_make_pollfd(cancel, &waits[2]);
	gssize count = 0;
	while (count == 0 && (stream->out >= 0 || stream->err >= 0)) {
		if (error_cancelled(cancel, error)) {
			count = -1;
			break;
		}
		waits[0] = (GPollFD){.fd = stream->out, .events = G_IO_IN};
		waits[1] = (GPollFD){.fd = stream->err, .events = G_IO_IN};
		g_poll(waits, can_cancel ? 3 : 2, -1);
		*is_error = !(stream->out >= 0 && waits[0].revents);
		int *from = *is_error ? &stream->err : &stream->out;
		if (*from >= 0 && waits[*is_error].revents)
			count = take(from, buffer, size);
	}
	if (can_cancel)
		g_cancellable_release_fd(cancel);
	return count;
}

static int
stream_wait_room(EngineStream *base, int milliseconds, GCancellable *cancel, GError **error)
{
	Stream *stream = (Stream *)base;
	if (stream->in < 0) {
		error_set(error, CARRACK_ERROR_UNAVAILABLE, "the input has ended");
		return -1;
	}
	return wait_fd(stream->in, POLLOUT, milliseconds, cancel, error);
}

static bool
stream_write(
    EngineStream *base, const void *bytes, gsize length, GCancellable *cancel, GError **error)
{
	Stream *stream = (Stream *)base;
	const char *rest = bytes;
	while (length > 0) {
		gssize count = write(stream->in, rest, length);
		if (count < 0)
			return error_set_errno(error, errno, "input");
		rest += count;
		length -= (gsize)count;
	}
	return true;
}

static void
stream_end_input(EngineStream *base)
{
	Stream *stream = (Stream *)base;
	if (stream->in >= 0)
		close(stream->in);
	stream->in = -1;
}

static bool
stream_resize(EngineStream *base, unsigned height, unsigned width, GError **error)
{
	Stream *stream = (Stream *)base;
	struct winsize size = {.ws_row = (unsigned short)height, .ws_col = (unsigned short)width};
	if (stream->has_terminal && stream->in >= 0)
		ioctl(stream->in, TIOCSWINSZ, &size);
	return true;
}

static bool
stream_exit_code(EngineStream *base, int *exit_code, GCancellable *cancel, GError **error)
{
	Stream *stream = (Stream *)base;
	int status = 0;
	while (waitpid(stream->pid, &status, WNOHANG) == 0) {
		if (error_cancelled(cancel, error))
			return false;
		g_usleep(1000);
	}
	*exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	stream->pid = 0;
	return true;
}

static void
stream_kill(EngineStream *base)
{
	Stream *stream = (Stream *)base;
	if (stream->pid > 0)
		kill(-stream->pid, SIGKILL);
}

static void
stream_free(EngineStream *base)
{
	Stream *stream = (Stream *)base;
	stream_end_input(base);
	if (stream->out >= 0)
		close(stream->out);
	if (stream->err >= 0)
		close(stream->err);
	if (stream->pid > 0)
		waitpid(stream->pid, NULL, 0);
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
stream_new(const EngineExec *exec, const Env *env)
{
	Stream *stream = g_new0(Stream, 1);
	stream->base.ops = &operations;
	stream->has_terminal = exec->has_terminal;
	g_auto(GStrv) environment = environment_of(env);
	if (exec->has_terminal)
		start_terminal(stream, exec->command, environment, exec->height, exec->width);
	else
		start_plain(stream, exec->command, environment);
	return stream;
}

EngineStream *
fake_exec(Engine *engine, const Process *process, const EngineExec *exec, GError **error)
{
	if (process->state != PROCESS_RUNNING) {
		error_set(error, CARRACK_ERROR_FORBIDDEN, "process %s is not running (%s)",
		    process->id, process_state_name(process->state));
		return NULL;
	}
	return &stream_new(exec, NULL)->base;
}

/* One-offs */

static OneOff *
find(FakeEngine *fake, const char *id)
{
	for (guint i = 0; i < fake->one_offs->len; i++) {
		OneOff *one_off = g_ptr_array_index(fake->one_offs, i);
		if (strcmp(one_off->process->id, id) == 0)
			return one_off;
	}
	return NULL;
}

static Process *
process_of(const EngineOneOff *from)
{
	const EngineSpec *spec = from->spec;
	g_autofree char *command = g_strjoinv(" ", (GStrv)spec->command);
	Process *process = g_new0(Process, 1);
	process->id = text_random_hex(6);
	process->deployment = g_strdup("");
	process->app = g_strdup(spec->app);
	process->service = g_strdup(spec->service);
	process->release = g_strdup(spec->release);
	process->node = g_strdup("node1");
	process->container = text_random_hex(32);
	process->image = g_strdup(spec->image);
	process->env_hash = env_hash(spec->env);
	process->command = g_steal_pointer(&command);
	process->reason = g_strdup("");
	process->role = g_strdup(from->role ? from->role : "");
	process->state = PROCESS_RUNNING;
	process->is_wanted = true;
	process->is_one_off = true;
	process->is_attached = from->is_attached;
	process->deadline = from->deadline;
	process->started = g_get_real_time();
	return process;
}

/* Notes the end of one, and tells of it. */
static void
end(OneOff *one_off, int exit_code)
{
	FakeEngine *fake = one_off->fake;
	LOCKED(&fake->lock);
	Process *process = one_off->process;
	process->exit_code = exit_code;
	process->state = exit_code ? PROCESS_FAILED : PROCESS_COMPLETE;
	process->is_wanted = false;
	event_queue_one_off(fake, process);
}

static void
write_line(OneOff *one_off, const char *text, gsize length)
{
	const Process *process = one_off->process;
	Logs *logs = one_off->fake->logs;
	LogLine line = {.time = g_get_real_time(),
	    .kind = "service",
	    .service = process->service,
	    .process = process->id,
	    .release = process->release,
	    .text = text,
	    .length = length};
	logs->ops->append(logs, process->app, &line, 1, NULL);
}

/* Whole lines go to the logs. */
static void
write_lines(OneOff *one_off, GString *text, bool is_end)
{
	char *newline;
	while ((newline = memchr(text->str, '\n', text->len))) {
		gsize length = (gsize)(newline - text->str);
		write_line(one_off, text->str, length);
		g_string_erase(text, 0, (gssize)length + 1);
	}
	if (is_end && text->len > 0)
		write_line(one_off, text->str, text->len);
}

/* A detached one: its output to the logs, to its end. */
static gpointer
follow(gpointer data)
{
	OneOff *one_off = data;
	EngineStream *stream = one_off->stream;
	g_autoptr(GString) text = g_string_new(NULL);
	char buffer[ENGINE_STREAM_PIECE];
	bool is_error;
	gssize count;
	int code = 0;
	while ((count = stream_read(stream, buffer, sizeof(buffer), &is_error, NULL, NULL)) > 0) {
		g_string_append_len(text, buffer, count);
		write_lines(one_off, text, false);
	}
	write_lines(one_off, text, true);
	stream_exit_code(stream, &code, NULL, NULL);
	end(one_off, code);
	return NULL;
}

/* An attached one's stream: as any, but the end of the process is the one-off's. */
typedef struct {
	Stream plain;
	OneOff *one_off;
} Attached;

static bool
attached_exit_code(EngineStream *base, int *exit_code, GCancellable *cancel, GError **error)
{
	Attached *attached = (Attached *)base;
	if (!stream_exit_code(base, exit_code, cancel, error))
		return false;
	end(attached->one_off, *exit_code);
	return true;
}

static void
attached_free(EngineStream *base)
{
	Attached *attached = (Attached *)base;
	if (attached->plain.pid > 0)
		end(attached->one_off, 137);
	stream_free(base);
}

static const EngineStreamOps attached_operations = {
    .read = stream_read,
    .wait_room = stream_wait_room,
    .write = stream_write,
    .end_input = stream_end_input,
    .resize = stream_resize,
    .exit_code = attached_exit_code,
    .kill = stream_kill,
    .free = attached_free,
};

char *
fake_run(Engine *engine, const EngineOneOff *from, EngineStream **stream, GError **error)
{
	FakeEngine *fake = (FakeEngine *)engine;
	EngineExec exec = {.command = from->spec->command,
	    .has_terminal = from->has_terminal,
	    .height = from->height,
	    .width = from->width};
	OneOff *one_off = g_new0(OneOff, 1);
	one_off->fake = fake;
	one_off->process = process_of(from);
	char *id = g_strdup(one_off->process->id);
	Stream *made = stream_new(&exec, from->spec->env);
	one_off->pid = made->pid;
	if (from->is_attached) {
		Attached *attached = g_new0(Attached, 1);
		attached->plain = *made;
		attached->plain.base.ops = &attached_operations;
		attached->one_off = one_off;
		g_free(made);
		*stream = &attached->plain.base;
	} else {
		stream_end_input(&made->base);
		one_off->stream = &made->base;
	}

	LOCKED(&fake->lock);
	g_ptr_array_add(fake->one_offs, one_off);
	if (one_off->stream)
		one_off->follower = g_thread_new("one-off", follow, one_off);
	return id;
}

void
one_off_free(gpointer data)
{
	OneOff *one_off = data;
	if (one_off->follower) {
		if (one_off->process->state == PROCESS_RUNNING)
			kill(-one_off->pid, SIGKILL);
		g_thread_join(one_off->follower);
	}
	engine_stream_free(one_off->stream);
	process_free(one_off->process);
	g_free(one_off);
}

bool
one_off_stop(FakeEngine *fake, const char *id)
{
	OneOff *one_off = find(fake, id);
	bool is_running = one_off && one_off->process->state == PROCESS_RUNNING;
	/* In its first moment it has no session of its own yet. */
	if (is_running && kill(-one_off->pid, SIGTERM) != 0)
		kill(one_off->pid, SIGTERM);
	return one_off != NULL;
}

GPtrArray *
fake_one_offs(Engine *engine, const char *app, GError **error)
{
	FakeEngine *fake = (FakeEngine *)engine;
	GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)process_free);
	LOCKED(&fake->lock);
	for (guint i = 0; i < fake->one_offs->len; i++) {
		const OneOff *one_off = g_ptr_array_index(fake->one_offs, i);
		if (app && strcmp(one_off->process->app, app) != 0)
			continue;
		Process *copy = process_copy(one_off->process);
		copy->exit_code = one_off->process->exit_code;
		g_ptr_array_add(found, copy);
	}
	return found;
}

bool
fake_forget(Engine *engine, const Process *process, GError **error)
{
	FakeEngine *fake = (FakeEngine *)engine;
	OneOff *one_off;
	{
		LOCKED(&fake->lock);
		guint place;
		one_off = find(fake, process->id);
		if (one_off && g_ptr_array_find(fake->one_offs, one_off, &place))
			g_ptr_array_steal_index(fake->one_offs, place);
	}
	if (one_off)
		one_off_free(one_off);
	return true;
}

/* Files */

static bool
hand_on(GInputStream *from, HttpWrite write, gpointer data, GCancellable *cancel, GError **error)
{
	char buffer[ENGINE_STREAM_PIECE];
	gssize count;
	while ((count = g_input_stream_read(from, buffer, sizeof(buffer), cancel, error)) > 0) {
		if (!write(data, buffer, (gsize)count, error))
			return false;
	}
	return count == 0;
}

bool
fake_archive_get(Engine *engine,
    const Process *process,
    const char *path,
    HttpWrite write,
    gpointer write_data,
    GCancellable *cancel,
    GError **error)
{
	if (!g_file_test(path, G_FILE_TEST_EXISTS))
		return error_set(
		    error, CARRACK_ERROR_NOT_FOUND, "process %s has no file %s", process->id, path);

	g_autofree char *folder = g_path_get_dirname(path);
	g_autofree char *name = g_path_get_basename(path);
	g_autoptr(GSubprocess) tar = g_subprocess_new(
	    G_SUBPROCESS_FLAGS_STDOUT_PIPE, error, "tar", "-C", folder, "-cf", "-", name, NULL);
	return tar &&
	       hand_on(g_subprocess_get_stdout_pipe(tar), write, write_data, cancel, error) &&
	       g_subprocess_wait_check(tar, NULL, error);
}

bool
fake_archive_put(Engine *engine,
    const Process *process,
    HttpRead read_bytes,
    gpointer read_data,
    GCancellable *cancel,
    GError **error)
{
	g_autoptr(GSubprocess) tar = g_subprocess_new(
	    G_SUBPROCESS_FLAGS_STDIN_PIPE, error, "tar", "-C", "/", "-xf", "-", NULL);
	GOutputStream *to = tar ? g_subprocess_get_stdin_pipe(tar) : NULL;
	char buffer[ENGINE_STREAM_PIECE];
	gssize count = -1;
	while (to && (count = read_bytes(read_data, buffer, sizeof(buffer), error)) > 0) {
		if (!g_output_stream_write_all(to, buffer, (gsize)count, NULL, cancel, error))
			return false;
	}
	return count == 0 && g_output_stream_close(to, NULL, error) &&
	       g_subprocess_wait_check(tar, NULL, error);
}
