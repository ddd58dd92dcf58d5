/*
 * Asking on the terminal (prompt.h), on /dev/tty, so that stdin and stdout may be anything.
 */
#include "cli/prompt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define ANSWER_BYTES 1024

typedef FILE Terminal;

static void
terminal_close(Terminal *terminal)
{
	fclose(terminal);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Terminal, terminal_close)

/* The answer without its newline; NULL when the terminal was closed. The caller frees it. */
static char *
ask(Terminal *terminal, const char *question)
{
	char answer[ANSWER_BYTES];

	fprintf(terminal, "%s", question);
	fflush(terminal);
	if (!fgets(answer, sizeof(answer), terminal))
		return NULL;
	return g_strndup(answer, strcspn(answer, "\n"));
}

bool
prompt_confirm(Call *call, const char *what, const char *name, GError **error)
{
	if (call_has(call, "yes"))
		return true;
	g_autoptr(Terminal) terminal = isatty(STDIN_FILENO) ? fopen("/dev/tty", "r+") : NULL;
	if (!terminal)
		return usage_error(
		    error, "%s needs --yes where nobody can be asked", call->verb->words);

	g_autofree char *question = g_strdup_printf("%s. Type %s to go on: ", what, name);
	g_autofree char *answer = ask(terminal, question);
	if (answer && strcmp(answer, name) == 0)
		return true;
	return error_set(error, CARRACK_ERROR_FORBIDDEN, "not confirmed: nothing was changed");
}

char *
prompt_password(const char *question, GError **error)
{
	g_autoptr(Terminal) terminal = fopen("/dev/tty", "r+");
	if (!terminal) {
		usage_error(
		    error, "give the password with --password, CARRACK_PASSWORD or on stdin");
		return NULL;
	}

	struct termios before;
	if (tcgetattr(fileno(terminal), &before) < 0) {
		error_set_errno(error, errno, "terminal");
		return NULL;
	}
	struct termios silent = before;
	silent.c_lflag &= (tcflag_t)~ECHO;
	tcsetattr(fileno(terminal), TCSAFLUSH, &silent);
	char *answer = ask(terminal, question);
	tcsetattr(fileno(terminal), TCSAFLUSH, &before);
	fprintf(terminal, "\n");
	if (!answer)
		error_set(error, CARRACK_ERROR_UNAUTHORIZED, "no password was given");
	return answer;
}
