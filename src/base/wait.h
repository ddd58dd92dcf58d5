/*
 * Waiting on a descriptor and on a cancellable at once: what every blocking call of base does
 * between two attempts.
 */
#pragma once

#include <gio/gio.h>

/* Waits until `fd` is ready for `events` (POLLIN, POLLOUT, …) or broken. Returns 1 then, 0 after
 * `timeout_ms` (-1: none), -1 with `error` set when cancelled. */
int
wait_fd(int fd, short events, int timeout_ms, GCancellable *cancel, GError **error);

/* The time until `deadline` (g_get_monotonic_time; 0: none) as wait_fd takes it: -1, or at least 0.
 */
int
wait_left(gint64 deadline);
