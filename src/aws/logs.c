/*
 * Logs in CloudWatch: a group an app, a stream a process. Processes' lines come there by ECS's log
 * driver; what carrackd itself has to say is written beside them, in streams of the same form
 * (logs-write.c). How long lines are kept is the group's setting, and a group goes with its app's
 * stack, so pruning and removing are done already.
 */
#include "aws/logs-private.h"

#include "base/error.h"

static bool
take_time(gpointer data, const LogLine *line, GError **error)
{
	*(gint64 *)data = line->time;
	return true;
}

static gint64
newest(Logs *part, const char *app, const char *process)
{
	LogQuery query = {.process = process, .tail = 1};
	gint64 time = 0;

	cloudwatch_query(part, app, &query, take_time, &time, NULL, NULL);
	return time;
}

static bool
prune(Logs *part, GError **error)
{
	return true;
}

static bool
remove_app(Logs *part, const char *app, GError **error)
{
	return true;
}

/* The caller sees to it that nobody calls any more; queries that still run are ended. */
static void
logs_free(Logs *part)
{
	CloudLogs *logs = (CloudLogs *)part;

	pthread_mutex_lock(&logs->lock);
	logs->is_closing = true;
	g_autoptr(GPtrArray) running = g_ptr_array_new_with_free_func(g_object_unref);
	for (guint i = 0; i < logs->readings->len; i++)
		g_ptr_array_add(running, g_object_ref(logs->readings->pdata[i]));
	pthread_mutex_unlock(&logs->lock);

	/* Without the lock, which their handlers take. */
	for (guint i = 0; i < running->len; i++)
		g_cancellable_cancel(running->pdata[i]);

	pthread_mutex_lock(&logs->lock);
	while (logs->readings->len > 0)
		pthread_cond_wait(&logs->changed, &logs->lock);
	pthread_mutex_unlock(&logs->lock);

	g_ptr_array_unref(logs->readings);
	g_hash_table_unref(logs->tails);
	pthread_mutex_destroy(&logs->lock);
	pthread_cond_destroy(&logs->changed);
	g_free(logs);
}

static const LogsOps operations = {
    .append = cloudwatch_append,
    .query = cloudwatch_query,
    .newest = newest,
    .prune = prune,
    .remove_app = remove_app,
    .free = logs_free,
};

Logs *
logs_cloudwatch_new(AwsRack *rack, GError **error)
{
	CloudLogs *logs = g_new0(CloudLogs, 1);
	pthread_condattr_t monotonic;

	logs->part.ops = &operations;
	logs->rack = rack;
	logs->tails = g_hash_table_new(g_str_hash, g_str_equal);
	logs->readings = g_ptr_array_new();
	pthread_mutex_init(&logs->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&logs->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return &logs->part;
}
