/*
 * Somebody who follows logs in a thread of their own, for tests of every kind of logs. Lines begin
 * with their number.
 */
#pragma once

#include "core/logs.h"

#include <pthread.h>

typedef struct {
	Logs *logs;
	const char *app;
	LogQuery query;
	unsigned seconds; /* that follower_wait waits at most */
	GCancellable *cancel;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	GArray *numbers; /* int, of the lines seen */
	GArray *delays;  /* gint64, from a line's time to its sight */
	bool is_held;    /* does not read on */
	bool has_ended;
	bool ok;
	GError *error;
} Follower;

Follower *
follower_new(Logs *logs, const char *app, LogQuery query, unsigned seconds);

/* Waits until it has seen so many lines (or has ended, when `count` is G_MAXUINT). */
void
follower_wait(Follower *follower, guint count);

/* Lets it read on, or not. */
void
follower_hold(Follower *follower, bool is_held);

void
follower_free(Follower *follower);
