/*
 * Progress on stderr. Only this file and the two verbs write to the user.
 */
#include "install/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

struct Progress {
	char *step;
	gint64 started;
	bool is_terminal;
	bool is_silent;
};

Progress *
progress_new(void)
{
	Progress *progress = g_new0(Progress, 1);
	progress->is_terminal = isatty(STDERR_FILENO) && !g_getenv("NO_COLOR");
	return progress;
}

Progress *
progress_new_silent(void)
{
	Progress *progress = g_new0(Progress, 1);
	progress->is_silent = true;
	return progress;
}

void
progress_free(Progress *progress)
{
	if (!progress)
		return;

	g_free(progress->step);
	g_free(progress);
}

void
progress_end(Progress *progress, bool is_good)
{
	double seconds = (double)(g_get_monotonic_time() - progress->started) / G_USEC_PER_SEC;
	if (!progress->step)
		return;

	if (progress->is_terminal)
		g_printerr("\r\033[K%s %s (%.1f s)\n",
		    is_good ? "\033[32m✓\033[0m" : "\033[31m✗\033[0m", progress->step, seconds);
	g_clear_pointer(&progress->step, g_free);
}

void
progress_step(Progress *progress, const char *format, ...)
{
	va_list arguments;
	progress_end(progress, true);
	va_start(arguments, format);
	progress->step = g_strdup_vprintf(format, arguments);
	va_end(arguments);

	progress->started = g_get_monotonic_time();
	if (!progress->is_silent)
		g_printerr(progress->is_terminal ? "  %s …" : "%s\n", progress->step);
}

void
progress_note(Progress *progress, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	va_end(arguments);

	if (!progress->is_terminal) {
		if (!progress->is_silent)
			g_printerr("  %s\n", text);
		return;
	}
	g_printerr("\r\033[K  %s\n", text);
	if (progress->step)
		g_printerr("  %s …", progress->step);
}

/* A line that is longer could not be rewritten. */
static glong
terminal_width(void)
{
	struct winsize size = {0};
	bool is_known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20;
	return is_known ? size.ws_col : 80;
}

void
progress_detail(Progress *progress, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	va_end(arguments);

	if (!progress->is_terminal || !progress->step) {
		progress_note(progress, "%s", text);
		return;
	}
	g_autofree char *line = g_strdup_printf("  %s … %s", progress->step, text);
	g_autofree char *cut =
	    g_utf8_substring(line, 0, MIN(g_utf8_strlen(line, -1), terminal_width() - 1));
	g_printerr("\r\033[K%s", cut);
}
