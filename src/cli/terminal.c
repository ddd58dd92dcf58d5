/*
 * The settings of before are kept here, since they must be found again from wherever the program
 * ends: the thread that hears signals, the session's end, exit().
 */
#include "cli/terminal.h"

#include "base/lock.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

typedef struct {
	pthread_mutex_t lock;
	struct termios before;
	bool is_raw;
} Terminal;

static Terminal *
terminal(void)
{
	/* nocheck:static: the one lock-guarded table of this module */
	static Terminal one = {.lock = PTHREAD_MUTEX_INITIALIZER};

	return &one;
}

bool
terminal_make_raw(void)
{
	Terminal *own = terminal();
	LOCKED(&own->lock);
	struct termios settings;
	if (own->is_raw || tcgetattr(STDIN_FILENO, &settings) < 0)
		return own->is_raw;

	own->before = settings;
	cfmakeraw(&settings);
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &settings) < 0)
		return false;
	own->is_raw = true;
	atexit(terminal_restore);
	return true;
}

void
terminal_restore(void)
{
	Terminal *own = terminal();
	LOCKED(&own->lock);
	if (own->is_raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &own->before);
	own->is_raw = false;
}

bool
terminal_size(unsigned *height, unsigned *width)
{
	struct winsize size;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
		return false;

	*height = size.ws_row;
	*width = size.ws_col;
	return true;
}
