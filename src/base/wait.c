/*
 * One poll with the cancellable's descriptor beside the one that is waited for, so that a cancel
 * acts at once. Interrupted polls count as «ready»: all callers try again in a loop anyway.
 */
#include "base/wait.h"

#include "base/error.h"

#include <errno.h>
#include <poll.h>

/* Used when the process has no descriptor left for the cancellable's. */
#define BLIND_POLL_MS 50

int
wait_fd(int fd, short events, int timeout_ms, GCancellable *cancel, GError **error)
{
	if (error_cancelled(cancel, error))
		return -1;

	GPollFD wake = {.fd = -1};
	bool has_wake = g_cancellable_make_pollfd(cancel, &wake);
	bool blind = cancel && !has_wake;
	if (blind && (timeout_ms < 0 || timeout_ms > BLIND_POLL_MS))
		timeout_ms = BLIND_POLL_MS;

	struct pollfd places[] = {{fd, events, 0}, {wake.fd, POLLIN, 0}};
	int count = poll(places, 2, timeout_ms);
	bool failed = count < 0 && errno != EINTR;
	int errnum = errno;
	if (has_wake)
		g_cancellable_release_fd(cancel);

	if (error_cancelled(cancel, error))
		return -1;
	if (failed) {
		error_set_errno(error, errnum, "wait for a connection");
		return -1;
	}
	return count != 0 || blind ? 1 : 0;
}

int
wait_left(gint64 deadline)
{
	if (deadline == 0)
		return -1;

	gint64 left = deadline - g_get_monotonic_time();
	return (int)CLAMP((left + 999) / 1000, 0, G_MAXINT);
}
