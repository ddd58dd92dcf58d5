/*
 * The deploy lock: one operation an app at a time, with who, what and since when, so that a refusal
 * can say it. An operation is cancelled by its cancellable; whoever holds it cleans up and ends it.
 */
#include "base/text.h"
#include "core/rack-private.h"

#include <string.h>

static void
operation_free(gpointer data)
{
	Operation *operation = data;
	g_free(operation->app);
	g_free(operation->kind);
	g_free(operation->release);
	g_free(operation->who);
	g_free(operation->cancel_reason);
	g_object_unref(operation->cancel);
	g_free(operation);
}

GHashTable *
operations_new(void)
{
	return g_hash_table_new_full(g_str_hash, g_str_equal, NULL, operation_free);
}

/* With the lock held. */
static void
cancel_locked(Operation *operation, const char *reason)
{
	if (!operation->cancel_reason)
		operation->cancel_reason = g_strdup(reason);
	g_cancellable_cancel(operation->cancel);
}

static bool
refuse_busy(const Operation *running, GError **error)
{
	g_autofree char *since = text_ago(running->since, g_get_real_time());
	return error_set(error, CARRACK_ERROR_FORBIDDEN,
	    "app is currently updating: %s%s%s by %s, begun %s", running->kind,
	    *running->release ? " of " : "", running->release, running->who, since);
}

Operation *
operation_begin(Rack *rack,
    const char *app,
    const char *kind,
    const char *release,
    const char *who,
    bool supersede,
    GError **error)
{
	LOCKED(&rack->lock);
	for (;;) {
		if (rack->is_stopping) {
			error_set(error, CARRACK_ERROR_UNAVAILABLE, "the rack is stopping");
			return NULL;
		}
		Operation *running = g_hash_table_lookup(rack->operations, app);
		if (!running)
			break;
		if (!supersede && !running->is_ending) {
			refuse_busy(running, error);
			return NULL;
		}
		g_autofree char *reason = g_strdup_printf("superseded by %s", release);
		if (!running->is_ending)
			cancel_locked(running, reason);
		pthread_cond_wait(&rack->idle, &rack->lock);
	}

	Operation *operation = g_new0(Operation, 1);
	operation->app = g_strdup(app);
	operation->kind = g_strdup(kind);
	operation->release = g_strdup(release ? release : "");
	operation->who = g_strdup(who ? who : "the API");
	operation->since = g_get_real_time();
	operation->cancel = g_cancellable_new();
	g_hash_table_insert(rack->operations, operation->app, operation);
	return operation;
}

void
operation_ending(Rack *rack, Operation *operation)
{
	LOCKED(&rack->lock);
	operation->is_ending = true;
}

void
retiring_mark(Rack *rack, const GPtrArray *deployments, bool is_retiring)
{
	LOCKED(&rack->lock);
	for (guint i = 0; i < deployments->len; i++) {
		const EngineDeployment *deployment = deployments->pdata[i];
		if (is_retiring)
			g_hash_table_add(rack->retiring, g_strdup(deployment->id));
		else
			g_hash_table_remove(rack->retiring, deployment->id);
	}
}

bool
retiring_has(Rack *rack, const char *deployment)
{
	LOCKED(&rack->lock);
	return g_hash_table_contains(rack->retiring, deployment);
}

void
operation_end(Rack *rack, Operation *operation)
{
	LOCKED(&rack->lock);
	g_hash_table_remove(rack->operations, operation->app);
	pthread_cond_broadcast(&rack->idle);
}

bool
operation_cancel(Rack *rack, const char *app, const char *reason)
{
	LOCKED(&rack->lock);
	Operation *running = g_hash_table_lookup(rack->operations, app);
	if (!running)
		return false;

	cancel_locked(running, reason);
	return true;
}

bool
operation_is_running(Rack *rack, const char *app)
{
	LOCKED(&rack->lock);
	return g_hash_table_contains(rack->operations, app);
}

char *
operation_reason(Rack *rack, Operation *operation)
{
	LOCKED(&rack->lock);
	return g_strdup(operation->cancel_reason ? operation->cancel_reason : "cancelled");
}

bool
rack_is_stopping(Rack *rack)
{
	LOCKED(&rack->lock);
	return rack->is_stopping;
}

void
operations_cancel_all(Rack *rack)
{
	LOCKED(&rack->lock);
	rack->is_stopping = true;
	GHashTableIter iterator;
	gpointer operation;
	g_hash_table_iter_init(&iterator, rack->operations);
	while (g_hash_table_iter_next(&iterator, NULL, &operation))
		cancel_locked(operation, "the rack is stopping");
	while (g_hash_table_size(rack->operations) > 0)
		pthread_cond_wait(&rack->idle, &rack->lock);
}
