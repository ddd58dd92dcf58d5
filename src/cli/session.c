/*
 * The tagged form of the rack's two-way streams (docs/api.md): this thread takes what comes, a
 * second one waits for stdin and for signals.
 *
 * On a terminal all keys go to the command, Ctrl-C too; Enter ~ . leaves when nothing else helps.
 * Without one, a signal ends this program at once: the connection closes and the rack ends the
 * command. The exit status is 128 and the signal's number then.
 */
#include "cli/session.h"

#include "base/websocket.h"
#include "cli/terminal.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define PIECE 16384

typedef struct {
	Call *call;
	WebSocket *socket;
	bool has_terminal;
	bool input_is_open;
	bool after_newline; /* of what was typed; for the escape */
	bool after_tilde;
	int signals;
	int is_over; /* atomic */
	int wake[2]; /* a pipe: the session has ended */
	GCancellable *over;
} Talk;

char *
session_command_json(const char *const *command, GError **error)
{
	json_auto_t *list = json_array();
	for (const char *const *word = command; *word; word++) {
		json_t *value = json_string(*word);
		if (!value) {
			usage_error(error, "an argument of the command is not UTF-8");
			return NULL;
		}
		json_array_append_new(list, value);
	}

	char *text = json_dumps(list, JSON_COMPACT | JSON_ENSURE_ASCII);
	char *copy = g_strdup(text);
	free(text);
	return copy;
}

/* From here */

/* Ends the program as the signal would have. */
static void
end_by_signal(int number)
{
	terminal_restore();
	_exit(128 + number);
}

/* «Enter ~ .» at the keyboard: the way out of a session that hangs. */
static bool
is_escape(Talk *talk, const char *bytes, gsize length)
{
	for (gsize i = 0; i < length; i++) {
		if (talk->after_tilde && bytes[i] == '.')
			return true;
		talk->after_tilde = talk->after_newline && bytes[i] == '~';
		talk->after_newline = bytes[i] == '\r' || bytes[i] == '\n';
	}
	return false;
}

static void
end_input(Talk *talk)
{
	websocket_send_end(talk->socket, talk->over, NULL);
	talk->input_is_open = false;
}

static void
read_input(Talk *talk)
{
	char frame[PIECE + 1] = {'0'};
	gssize count = read(STDIN_FILENO, frame + 1, PIECE);
	if (count < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (count <= 0) {
		end_input(talk);
		return;
	}

	if (talk->has_terminal && is_escape(talk, frame + 1, (gsize)count))
		end_by_signal(SIGHUP);
	/* When the connection is gone, the other thread says so. */
	if (!websocket_send(talk->socket, frame, (gsize)count + 1, talk->over, NULL))
		talk->input_is_open = false;
}

static void
send_size(Talk *talk)
{
	unsigned height, width;
	if (!talk->has_terminal || !terminal_size(&height, &width))
		return;

	g_autofree char *text = g_strdup_printf("s%u %u", height, width);
	websocket_send(talk->socket, text, strlen(text), talk->over, NULL);
}

static void
take_signal(Talk *talk)
{
	struct signalfd_siginfo info;
	if (read(talk->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH)
		send_size(talk);
	else
		end_by_signal((int)info.ssi_signo);
}

/* A terminal or pipe whose other end is gone is readable, and then at its end. */
static void *
speak(void *data)
{
	Talk *talk = data;
	while (!g_atomic_int_get(&talk->is_over)) {
		struct pollfd places[] = {{talk->signals, POLLIN, 0}, {talk->wake[0], POLLIN, 0},
		    {talk->input_is_open ? STDIN_FILENO : -1, POLLIN, 0}};
		if (poll(places, G_N_ELEMENTS(places), -1) < 0)
			continue;
		if (places[0].revents)
			take_signal(talk);
		if (places[2].revents & POLLNVAL)
			end_input(talk);
		else if (places[2].revents)
			read_input(talk);
	}
	return NULL;
}

/* To here */

static bool
write_all(int file, const char *bytes, gsize length)
{
	while (length > 0) {
		gssize count = write(file, bytes, length);
		if (count < 0 && errno == EAGAIN)
			poll(&(struct pollfd){file, POLLOUT, 0}, 1, -1);
		else if (count < 0 && errno != EINTR)
			return false;
		bytes += MAX(count, 0);
		length -= (gsize)MAX(count, 0);
	}
	return true;
}

typedef enum { TALK_GOES_ON, TALK_ENDED, TALK_FAILED } TalkState;

/* Nobody reads our stdout any more: the command is ended, as a local one would by SIGPIPE. */
static TalkState
pass_on(int file, const char *bytes, gsize length, GError **error)
{
	if (write_all(file, bytes, length))
		return TALK_GOES_ON;
	if (errno == EPIPE)
		end_by_signal(SIGPIPE);

	error_set_errno(error, errno, "%s", file == STDOUT_FILENO ? "stdout" : "stderr");
	return TALK_FAILED;
}

static TalkState
take_frame(Talk *talk, const char *bytes, gsize length, GError **error)
{
	switch (length > 0 ? bytes[0] : 0) {
	case '1':
		return pass_on(STDOUT_FILENO, bytes + 1, length - 1, error);
	case '2':
		return pass_on(STDERR_FILENO, bytes + 1, length - 1, error);
	case 'x':
		talk->call->exit_status = (int)g_ascii_strtoll(bytes + 1, NULL, 10) & 0xff;
		return TALK_ENDED;
	case 'e':
		error_set(error, CARRACK_ERROR_UPSTREAM, "%s", bytes + 1);
		return TALK_FAILED;
	case 'E':
		/* A refusal of the rack, before the form of the stream was agreed on. */
		client_refusal(talk->call->client, bytes, error);
		return TALK_FAILED;
	default:
		return TALK_GOES_ON;
	}
}

static bool
hear(Talk *talk, GError **error)
{
	TalkState state = TALK_GOES_ON;
	while (state == TALK_GOES_ON) {
		WebSocketEvent event;
		g_autofree char *bytes = NULL;
		gsize length = 0;
		g_autoptr(GError) lost = NULL;
		bool received =
		    websocket_receive(talk->socket, &event, &bytes, &length, NULL, &lost);
		if (!received || event != WEBSOCKET_TEXT)
			return error_set(error, CARRACK_ERROR_UNAVAILABLE,
			    "the connection to rack %s is lost; the command has been ended",
			    client_name(talk->call->client));
		state = take_frame(talk, bytes, length, error);
	}
	return state == TALK_ENDED;
}

/* The whole */

static void
watch_signals(Talk *talk)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGQUIT);
	sigaddset(&signals, SIGWINCH);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	talk->signals = signalfd(-1, &signals, SFD_CLOEXEC);
}

static bool
talk_run(Talk *talk, GError **error)
{
	pthread_t speaker;
	if (pipe(talk->wake) < 0 || pthread_create(&speaker, NULL, speak, talk) != 0)
		return error_set_errno(error, errno, "the session's thread");

	bool has_ended = hear(talk, error);
	g_atomic_int_set(&talk->is_over, 1);
	g_cancellable_cancel(talk->over);
	close(talk->wake[1]);
	terminal_restore();
	pthread_join(speaker, NULL);
	close(talk->wake[0]);
	return has_ended;
}

static GPtrArray *
headers_of(const Session *session, bool has_terminal, GError **error)
{
	g_autofree char *command = session_command_json(session->command, error);
	if (!command)
		return NULL;

	unsigned height, width;
	GPtrArray *headers = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(headers, g_strdup("Carrack-Stream: 1"));
	g_ptr_array_add(headers, g_strconcat("Command-Json: ", command, NULL));
	g_ptr_array_add(headers, g_strdup_printf("Tty: %s", has_terminal ? "true" : "false"));
	if (has_terminal && terminal_size(&height, &width)) {
		g_ptr_array_add(headers, g_strdup_printf("Height: %u", height));
		g_ptr_array_add(headers, g_strdup_printf("Width: %u", width));
	}
	for (guint i = 0; session->headers && i < session->headers->len; i++)
		g_ptr_array_add(headers, g_strdup(session->headers->pdata[i]));
	g_ptr_array_add(headers, NULL);
	return headers;
}

/* A terminal on both sides; a file or pipe on either means that bytes are to stay as they are. */
bool
session_run(Call *call, const Session *session, GError **error)
{
	bool has_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	Client *client = call_client(call, error);
	g_autoptr(GPtrArray) headers = client ? headers_of(session, has_terminal, error) : NULL;
	if (!headers)
		return false;

	g_autoptr(WebSocket) socket = client_socket(
	    client, session->path, (const char *const *)headers->pdata, call->cancel, error);
	if (!socket)
		return false;

	g_autoptr(GCancellable) over = g_cancellable_new();
	Talk talk = {.call = call,
	    .socket = socket,
	    .over = over,
	    .has_terminal = has_terminal,
	    .input_is_open = true,
	    .after_newline = true};
	watch_signals(&talk);
	if (has_terminal)
		terminal_make_raw();
	bool has_ended = talk_run(&talk, error);
	close(talk.signals);
	return has_ended;
}
