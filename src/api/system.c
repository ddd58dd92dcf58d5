/*
 * The rack itself: what it is, its own processes, how much room there is.
 */
#include "api/handlers.h"
#include "base/text.h"

bool
system_auth(Request *request, GError **error)
{
	return true;
}

json_t *
system_get(Request *request, GError **error)
{
	return rack_system(request->rack, error);
}

/* The wire's Process, of one that belongs to no app. */
static json_t *
own_process_json(const Process *process)
{
	g_autofree char *started = text_time(process->started);
	return json_pack("{s:s, s:s, s:o, s:f, s:s, s:s, s:s, s:f, s:s, s:[], s:s, s:s, s:s}", "id",
	    process->id, "app", process->app, "command", json_text_value(process->command), "cpu",
	    0.0, "host", "", "image", process->image ? process->image : "", "instance",
	    process->node ? process->node : "", "memory", 0.0, "name", process->service, "ports",
	    "release", process->release ? process->release : "", "started", started, "status",
	    process_state_name(process->state));
}

static bool
append_apps(Request *request, json_t *list, GError **error)
{
	g_autoptr(GPtrArray) apps = app_list(request_provider(request)->store, error);
	if (!apps)
		return false;

	for (guint i = 0; i < apps->len; i++) {
		const App *app = g_ptr_array_index(apps, i);
		json_auto_t *processes =
		    rack_processes(request->rack, app->name, NULL, NULL, error);
		if (!processes)
			return false;
		json_array_extend(list, processes);
	}
	return true;
}

json_t *
system_processes(Request *request, GError **error)
{
	Engine *engine = request_provider(request)->engine;
	g_autoptr(GPtrArray) own = engine->ops->system_processes(engine, error);
	if (!own)
		return NULL;

	json_auto_t *list = json_array();
	for (guint i = 0; i < own->len; i++)
		json_array_append_new(list, own_process_json(g_ptr_array_index(own, i)));
	if (request_bool(request, "all", false) && !append_apps(request, list, error))
		return NULL;

	return json_incref(list);
}

/* There is one: the version that runs. */
json_t *
system_releases(Request *request, GError **error)
{
	g_autofree char *never = text_time(0);
	return json_pack("[{s:s, s:s, s:s, s:s, s:s, s:s, s:s}]", "id",
	    request_provider(request)->version, "app", "", "build", "", "env", "", "manifest", "",
	    "description", "", "created", never);
}

typedef struct {
	gint64 count;
	gint64 cpu;
	gint64 memory;
} Reserved;

static bool
sum_reserved(Engine *engine, Reserved *sum, GError **error)
{
	g_autoptr(GPtrArray) all = engine->ops->processes_of_app(engine, NULL, true, error);
	if (!all)
		return false;

	for (guint i = 0; i < all->len; i++) {
		const Process *process = g_ptr_array_index(all, i);
		sum->count++;
		sum->cpu += process->cpu;
		sum->memory += process->memory;
	}
	return true;
}

json_t *
system_capacity(Request *request, GError **error)
{
	Engine *engine = request_provider(request)->engine;
	EngineCapacity capacity;
	Reserved sum = {0};
	if (!engine->ops->capacity(engine, &capacity, error) || !sum_reserved(engine, &sum, error))
		return NULL;

	unsigned nodes = MAX(capacity.nodes, 1);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i}", "cluster-cpu",
	    (json_int_t)capacity.cpu, "cluster-memory", (json_int_t)capacity.memory, "instance-cpu",
	    (json_int_t)(capacity.cpu / nodes), "instance-memory",
	    (json_int_t)(capacity.memory / nodes), "process-count", (json_int_t)sum.count,
	    "process-cpu", (json_int_t)sum.cpu, "process-memory", (json_int_t)sum.memory,
	    "process-width", 0);
}
