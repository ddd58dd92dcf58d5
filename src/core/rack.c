/*
 * The rack's life: its parts come up in the order in which they need each other, and go the other
 * way round.
 */
#include "core/rack-private.h"

#include "base/text.h"

typedef struct {
	void (*work)(gpointer data);
	gpointer data;
} Job;

static void
job_run(gpointer data, gpointer user_data)
{
	g_autofree Job *job = data;
	job->work(job->data);
}

void
rack_run(Rack *rack, void (*work)(gpointer data), gpointer data)
{
	Job *job = g_new0(Job, 1);
	*job = (Job){work, data};
	g_thread_pool_push(rack->workers, job, NULL);
}

Rack *
rack_new(Provider *provider)
{
	Rack *rack = g_new0(Rack, 1);
	rack->provider = provider;
	rack->timelines = timelines_new(provider->store);
	pthread_mutex_init(&rack->lock, NULL);
	pthread_cond_init(&rack->idle, NULL);
	rack->operations = operations_new();
	rack->standbys = standbys_new();
	rack->retiring = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	rack->attached = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	rack->died = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	rack->timed_out = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	rack->workers = g_thread_pool_new(job_run, NULL, -1, FALSE, NULL);
	rack->builds = build_queue_new(rack);
	rack->supervisor = supervisor_new(rack);
	return rack;
}

bool
rack_start(Rack *rack, GError **error)
{
	Router *router = rack->provider->router;
	if (!router->ops->restore(router, error)) {
		g_prefix_error(error, "router: ");
		return false;
	}
	g_autoptr(GPtrArray) promotes = promote_recover(rack);
	apps_recover(rack);
	build_queue_recover(rack->builds);
	supervisor_start(rack->supervisor);
	promote_resume(rack, promotes);
	return true;
}

void
rack_free(Rack *rack)
{
	if (!rack)
		return;

	build_queue_free(rack->builds);
	operations_cancel_all(rack);
	g_thread_pool_free(rack->workers, FALSE, TRUE);
	supervisor_stop(rack->supervisor);
	timelines_free(rack->timelines);
	/* The engine's thread may still call the supervisor: the engine goes first. */
	provider_free(rack->provider);
	supervisor_free(rack->supervisor);
	g_hash_table_unref(rack->operations);
	g_hash_table_unref(rack->retiring);
	g_hash_table_unref(rack->standbys);
	g_hash_table_unref(rack->attached);
	g_hash_table_unref(rack->died);
	g_hash_table_unref(rack->timed_out);
	pthread_cond_destroy(&rack->idle);
	pthread_mutex_destroy(&rack->lock);
	g_free(rack);
}

Provider *
rack_provider(Rack *rack)
{
	return rack->provider;
}

Timelines *
rack_timelines(Rack *rack)
{
	return rack->timelines;
}

json_t *
rack_system(Rack *rack, GError **error)
{
	const Provider *provider = rack->provider;
	g_autoptr(GError) away = NULL;
	bool is_well = provider->engine->ops->ping(provider->engine, &away);
	EngineCapacity capacity = {.nodes = 1};
	if (is_well)
		provider->engine->ops->capacity(provider->engine, &capacity, NULL);
	g_autofree char *domain = g_strconcat("rack.", provider->domain, NULL);
	return json_pack(
	    "{s:b, s:I, s:s, s:s, s:{}, s:{}, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i}",
	    "carrack", 1, "count", (json_int_t)capacity.nodes, "domain", provider->domain, "name",
	    provider->name, "outputs", "parameters", "provider", provider->kind, "rack-domain",
	    domain, "region", provider->region ? provider->region : "", "router-internal", "",
	    "status", is_well ? "running" : "unknown", "type", "", "version", provider->version,
	    "http-port", (int)provider->http_port, "https-port", (int)provider->https_port);
}
