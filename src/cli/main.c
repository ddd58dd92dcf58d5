/*
 * `carrack`: one installation command, one deploy command, and the small verbs around them. This
 * file makes the process fit for it; everything else begins in verbs.c.
 */
#include "cli/verbs.h"

#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* A socket must never get the number of a stream that was closed before we began. */
static void
keep_streams_apart(void)
{
	for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
		if (fcntl(stream, F_GETFD) < 0)
			/* Opened for reading, so that writing to a closed stdout still fails. */
			(void)!open("/dev/null", O_RDONLY);
	}
}

static void
end_interrupted(int number)
{
	_exit(128 + number);
}

int
main(int argc, char **argv)
{
	keep_streams_apart();
	/* A reader that has gone is an error of write(), which ends a verb in its own way. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, end_interrupted);

	/* Columns are measured in characters, and names are UTF-8 whatever the locale says. */
	setlocale(LC_CTYPE, "");
	if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		setlocale(LC_CTYPE, "C.UTF-8");

	return verbs_main(argc - 1, argv + 1);
}
