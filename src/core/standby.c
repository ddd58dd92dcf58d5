/*
 * During a rollout's window the processes that served before stand by: drained, but alive. When a
 * new process dies then, the rollout is as good as lost; so the ones that stand by serve again on
 * the engine's event, before the dead one is taken out and before anybody has found out why.
 * Without this, requests would get 503 for as long as that takes.
 */
#include "core/rack-private.h"

#include <string.h>

typedef struct {
	char *app;
	char *service;
	GStrv processes;
	bool is_called;
} Standby;

static void
standby_free(gpointer data)
{
	Standby *standby = data;
	g_free(standby->app);
	g_free(standby->service);
	g_strfreev(standby->processes);
	g_free(standby);
}

GHashTable *
standbys_new(void)
{
	return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, standby_free);
}

void
standby_begin(Rack *rack,
    const char *deployment,
    const char *app,
    const char *service,
    const GPtrArray *processes)
{
	g_autoptr(GStrvBuilder) names = g_strv_builder_new();
	for (guint i = 0; i < processes->len; i++)
		g_strv_builder_add(names, processes->pdata[i]);
	Standby *standby = g_new0(Standby, 1);
	standby->app = g_strdup(app);
	standby->service = g_strdup(service);
	standby->processes = g_strv_builder_end(names);

	LOCKED(&rack->lock);
	g_hash_table_insert(rack->standbys, g_strdup(deployment), standby);
}

bool
standby_end(Rack *rack, const char *deployment)
{
	LOCKED(&rack->lock);
	const Standby *standby = g_hash_table_lookup(rack->standbys, deployment);
	bool was_called = standby && standby->is_called;
	g_hash_table_remove(rack->standbys, deployment);
	return was_called;
}

/* A copy of who stands by for the deployment, marked as called; NULL when nobody does. */
static Standby *
take_call(Rack *rack, const char *deployment)
{
	LOCKED(&rack->lock);
	Standby *standby = g_hash_table_lookup(rack->standbys, deployment);
	if (!standby)
		return NULL;

	standby->is_called = true;
	Standby *copy = g_new0(Standby, 1);
	copy->app = g_strdup(standby->app);
	copy->service = g_strdup(standby->service);
	copy->processes = g_strdupv(standby->processes);
	return copy;
}

void
standby_call(Rack *rack, const char *deployment)
{
	Router *router = rack->provider->router;
	Standby *standby = take_call(rack, deployment);
	if (!standby)
		return;

	for (char **process = standby->processes; *process; process++)
		router->ops->ready(router, standby->app, standby->service, *process, NULL);
	standby_free(standby);
}
