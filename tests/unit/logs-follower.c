/*
 * See the header.
 */
#include "logs-follower.h"

#include "base/lock.h"

static bool
follower_take(gpointer data, const LogLine *line, GError **error)
{
	Follower *follower = data;
	int number = (int)g_ascii_strtoll(line->text, NULL, 10);
	gint64 delay = g_get_real_time() - line->time;
	LOCKED(&follower->lock);

	g_array_append_val(follower->numbers, number);
	g_array_append_val(follower->delays, delay);
	pthread_cond_broadcast(&follower->changed);
	while (follower->is_held)
		pthread_cond_wait(&follower->changed, &follower->lock);
	return true;
}

static gpointer
follower_run(gpointer data)
{
	Follower *follower = data;
	GError *error = NULL;
	bool ok = follower->logs->ops->query(follower->logs, follower->app, &follower->query,
	    follower_take, follower, follower->cancel, &error);
	LOCKED(&follower->lock);

	follower->ok = ok;
	follower->error = error;
	follower->has_ended = true;
	pthread_cond_broadcast(&follower->changed);
	return NULL;
}

Follower *
follower_new(Logs *logs, const char *app, LogQuery query, unsigned seconds)
{
	Follower *follower = g_new0(Follower, 1);

	follower->logs = logs;
	follower->app = app;
	follower->query = query;
	follower->query.follow = true;
	follower->seconds = seconds;
	follower->cancel = g_cancellable_new();
	follower->numbers = g_array_new(FALSE, FALSE, sizeof(int));
	follower->delays = g_array_new(FALSE, FALSE, sizeof(gint64));
	pthread_mutex_init(&follower->lock, NULL);
	pthread_cond_init(&follower->changed, NULL);
	pthread_create(&follower->thread, NULL, follower_run, follower);
	return follower;
}

void
follower_wait(Follower *follower, guint count)
{
	gint64 end = g_get_real_time() + follower->seconds * G_TIME_SPAN_SECOND;
	struct timespec deadline = {.tv_sec = end / G_TIME_SPAN_SECOND};
	LOCKED(&follower->lock);

	while (follower->numbers->len < count && !follower->has_ended) {
		if (pthread_cond_timedwait(&follower->changed, &follower->lock, &deadline))
			break;
	}
	if (count == G_MAXUINT)
		g_assert_true(follower->has_ended);
	else
		g_assert_cmpuint(follower->numbers->len, >=, count);
}

void
follower_hold(Follower *follower, bool is_held)
{
	LOCKED(&follower->lock);
	follower->is_held = is_held;
	pthread_cond_broadcast(&follower->changed);
}

void
follower_free(Follower *follower)
{
	g_cancellable_cancel(follower->cancel);
	pthread_join(follower->thread, NULL);
	g_object_unref(follower->cancel);
	g_array_unref(follower->numbers);
	g_array_unref(follower->delays);
	g_clear_error(&follower->error);
	pthread_mutex_destroy(&follower->lock);
	pthread_cond_destroy(&follower->changed);
	g_free(follower);
}
