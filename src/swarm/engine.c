/*
 * The engine part on Docker Swarm. A deployment is one Swarm service named after app, service and
 * release, so that two releases can run side by side; Swarm only keeps its processes running. Which
 * one gets requests is decided elsewhere, hence no ingress, no VIP, no rolling update of Swarm's.
 */
#include "swarm/engine-private.h"

#include "base/lock.h"
#include "base/text.h"
#include "swarm/provider.h"

#include <string.h>

#define NAMES_TRIED 99
#define UPDATES_TRIED 5
#define SETTLE_US (3 * G_USEC_PER_SEC)
#define FORGET_MS 10000

/* Helpers of all engine files */

char *
engine_filter(const char *name, const char *value)
{
	json_auto_t *filters = json_pack("{s:[s]}", name, value);
	g_autofree char *text = json_text(filters, false);
	g_autofree char *escaped = http_escape(text);

	return g_strconcat("filters=", escaped, NULL);
}

char *
engine_label_filter(const char *rack, const char *app)
{
	g_autofree char *rack_label = g_strconcat(LABEL_RACK "=", rack, NULL);
	if (!app)
		return engine_filter("label", rack_label);

	g_autofree char *app_label = g_strconcat(LABEL_APP "=", app, NULL);
	json_auto_t *filters = json_pack("{s:[s, s]}", "label", rack_label, app_label);
	g_autofree char *text = json_text(filters, false);
	g_autofree char *escaped = http_escape(text);
	return g_strconcat("filters=", escaped, NULL);
}

unsigned
engine_cpu(const json_t *task_template)
{
	const json_t *reserved = json_at(task_template, "Resources", "Reservations", NULL);

	return (unsigned)((json_int_of(reserved, "NanoCPUs", 0) * 1024 + 500000000) / 1000000000);
}

unsigned
engine_memory(const json_t *task_template)
{
	const json_t *reserved = json_at(task_template, "Resources", "Reservations", NULL);

	return (unsigned)(json_int_of(reserved, "MemoryBytes", 0) / MEBIBYTE);
}

bool
engine_pause(SwarmEngine *engine, unsigned milliseconds)
{
	GPollFD closing;
	if (!g_cancellable_make_pollfd(engine->closing, &closing))
		return false;

	g_poll(&closing, 1, (int)milliseconds);
	g_cancellable_release_fd(engine->closing);
	return !g_cancellable_is_cancelled(engine->closing);
}

/* Deployments */

static bool
check_image(const char *image, GError **error)
{
	if (!strstr(image, "sha256:"))
		return error_set(error, CARRACK_ERROR_INVALID,
		    "image %s is not named by digest or id (…sha256:…)", image);
	return true;
}

/* The name of a release that was deployed before may still be taken by what is going away. */
static char *
create(Engine *base, const EngineSpec *spec, GError **error)
{
	SwarmEngine *engine = (SwarmEngine *)base;
	if (!check_image(spec->image, error))
		return NULL;
	g_autofree char *network = engine_network_ensure(engine, spec->app, error);
	if (!network)
		return NULL;

	for (unsigned attempt = 1; attempt <= NAMES_TRIED; attempt++) {
		g_autoptr(GError) failure = NULL;
		g_autofree char *name = engine_service_name(spec, attempt);
		json_auto_t *body = engine_service_spec(engine, spec, name, network);
		json_auto_t *service =
		    docker_call(engine->docker, "POST", body, &failure, "/services/create");
		if (service)
			return g_strdup(json_text_of(service, "ID", ""));
		if (g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_CONFLICT))
			continue;
		g_propagate_prefixed_error(
		    error, g_steal_pointer(&failure), "service %s: ", spec->service);
		return NULL;
	}
	error_set(error, CARRACK_ERROR_CONFLICT, "release %s of service %s runs %u times already",
	    spec->release, spec->service, NAMES_TRIED);
	return NULL;
}

static bool
try_scale(SwarmEngine *engine, const char *deployment, unsigned count, GError **error)
{
	g_autofree char *id = http_escape(deployment);
	json_auto_t *service = docker_call(engine->docker, "GET", NULL, error, "/services/%s", id);
	if (!service)
		return false;

	json_t *spec = json_object_get(service, "Spec");
	json_t *replicated = json_at(spec, "Mode", "Replicated", NULL);
	if (!replicated)
		return error_set(
		    error, CARRACK_ERROR_UPSTREAM, "engine: %s is not scalable", deployment);
	json_object_set_new(replicated, "Replicas", json_integer(count));

	gint64 version = json_int_of(json_object_get(service, "Version"), "Index", 0);
	json_auto_t *updated = docker_call(engine->docker, "POST", spec, error,
	    "/services/%s/update?version=%" G_GINT64_FORMAT, id, version);
	return updated != NULL;
}

/* The engine refuses an update that another has overtaken; the next try reads it anew. */
static bool
scale(Engine *base, const char *deployment, unsigned count, GError **error)
{
	g_autoptr(GError) failure = NULL;

	for (unsigned attempt = 0; attempt < UPDATES_TRIED; attempt++) {
		g_clear_error(&failure);
		if (try_scale((SwarmEngine *)base, deployment, count, &failure))
			return true;
		if (!strstr(failure->message, "out of sequence"))
			break;
	}
	g_propagate_error(error, g_steal_pointer(&failure));
	return false;
}

/* What has died with the deployment goes with it; its last lines are the reason for the death. */
static void
settle(SwarmEngine *engine, const char *deployment)
{
	gint64 deadline = g_get_monotonic_time() + SETTLE_US;
	g_autoptr(GPtrArray) processes = engine_processes(&engine->base, deployment, NULL);

	for (guint i = 0; processes && i < processes->len; i++) {
		const Process *process = processes->pdata[i];
		gint64 left = (deadline - g_get_monotonic_time()) / 1000;
		bool has_ended = process->state == PROCESS_FAILED ||
				 process->state == PROCESS_COMPLETE ||
				 collector_knows_dead(engine->collector, process->container);
		if (has_ended && *process->container && left > 0)
			collector_settle(engine->collector, process->container, (unsigned)left);
	}
}

static bool
remove_deployment(Engine *base, const char *deployment, GError **error)
{
	SwarmEngine *engine = (SwarmEngine *)base;
	g_autofree char *id = http_escape(deployment);
	g_autoptr(GError) failure = NULL;

	settle(engine, deployment);
	json_auto_t *removed =
	    docker_call(engine->docker, "DELETE", NULL, &failure, "/services/%s", id);
	if (removed || g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND))
		return true;

	g_propagate_error(error, g_steal_pointer(&failure));
	return false;
}

static EngineDeployment *
read_deployment(const json_t *service)
{
	const json_t *spec = json_object_get(service, "Spec");
	const json_t *labels = json_object_get(spec, "Labels");
	const json_t *template = json_object_get(spec, "TaskTemplate");
	EngineDeployment *deployment = g_new0(EngineDeployment, 1);

	deployment->id = g_strdup(json_text_of(service, "ID", ""));
	deployment->name = g_strdup(json_text_of(spec, "Name", ""));
	deployment->app = g_strdup(json_text_of(labels, LABEL_APP, ""));
	deployment->service = g_strdup(json_text_of(labels, LABEL_SERVICE, ""));
	deployment->release = g_strdup(json_text_of(labels, LABEL_RELEASE, ""));
	deployment->env_hash = g_strdup(json_text_of(labels, LABEL_ENV, ""));
	deployment->port =
	    (unsigned)g_ascii_strtoull(json_text_of(labels, LABEL_PORT, "0"), NULL, 10);
	deployment->image =
	    g_strdup(json_text_of(json_object_get(template, "ContainerSpec"), "Image", ""));
	deployment->count =
	    (unsigned)json_int_of(json_at(spec, "Mode", "Replicated", NULL), "Replicas", 0);
	deployment->cpu = engine_cpu(template);
	deployment->memory = engine_memory(template);
	text_parse_time(json_text_of(service, "CreatedAt", ""), &deployment->created, NULL);
	return deployment;
}

static GPtrArray *
deployments(Engine *base, const char *app, GError **error)
{
	SwarmEngine *engine = (SwarmEngine *)base;
	g_autofree char *filters = engine_label_filter(engine->rack, app);
	json_auto_t *services =
	    docker_call(engine->docker, "GET", NULL, error, "/services?%s", filters);
	if (!services)
		return NULL;

	GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)engine_deployment_free);
	gsize index;
	json_t *service;
	json_array_foreach(services, index, service)
	{
		if (json_object_get(json_at(service, "Spec", "Labels", NULL), LABEL_SERVICE))
			g_ptr_array_add(list, read_deployment(service));
	}
	return list;
}

static bool
remove_app(Engine *base, const char *app, GError **error)
{
	SwarmEngine *engine = (SwarmEngine *)base;
	g_autoptr(GPtrArray) list = deployments(base, app, error);
	if (!list)
		return false;

	for (guint i = 0; i < list->len; i++) {
		const EngineDeployment *deployment = list->pdata[i];
		if (!remove_deployment(base, deployment->id, error))
			return false;
	}
	if (!engine_one_offs_remove(engine, app, error) ||
	    !engine_network_remove(engine, app, error))
		return false;

	collector_forget_app(engine->collector, app, FORGET_MS);
	return true;
}

/* Capacity */

/* Takes what tasks that hold a place on the node have reserved off what is free. */
static void
subtract_reserved(const json_t *tasks, const char *node, gint64 *cpu, gint64 *memory)
{
	static const char *const holding[] = {
	    "assigned", "accepted", "preparing", "ready", "starting", "running", NULL};
	gsize index;
	json_t *task;

	json_array_foreach((json_t *)tasks, index, task)
	{
		const char *state = json_text_of(json_object_get(task, "Status"), "State", "");
		if (strcmp(json_text_of(task, "NodeID", ""), node) != 0 ||
		    !g_strv_contains(holding, state))
			continue;
		*cpu -= engine_cpu(json_object_get(task, "Spec"));
		*memory -= engine_memory(json_object_get(task, "Spec"));
	}
}

static void
add_node(EngineCapacity *capacity, const json_t *node, const json_t *tasks)
{
	const char *state = json_text_of(json_object_get(node, "Status"), "State", "");
	const char *availability = json_text_of(json_object_get(node, "Spec"), "Availability", "");
	if (strcmp(state, "ready") != 0 || strcmp(availability, "active") != 0)
		return;

	const json_t *resources = json_at(node, "Description", "Resources", NULL);
	gint64 cpu = json_int_of(resources, "NanoCPUs", 0) * 1024 / 1000000000;
	gint64 memory = json_int_of(resources, "MemoryBytes", 0) / MEBIBYTE;
	capacity->nodes++;
	capacity->cpu += cpu;
	capacity->memory += memory;

	subtract_reserved(tasks, json_text_of(node, "ID", ""), &cpu, &memory);
	capacity->cpu_free = MAX(capacity->cpu_free, cpu);
	capacity->memory_free = MAX(capacity->memory_free, memory);
}

static bool
capacity(Engine *base, EngineCapacity *capacity, GError **error)
{
	SwarmEngine *engine = (SwarmEngine *)base;
	json_auto_t *nodes = docker_call(engine->docker, "GET", NULL, error, "/nodes");
	if (!nodes)
		return false;
	json_auto_t *tasks = docker_call(engine->docker, "GET", NULL, error, "/tasks");
	if (!tasks)
		return false;

	*capacity = (EngineCapacity){0};
	gsize index;
	json_t *node;
	json_array_foreach(nodes, index, node) add_node(capacity, node, tasks);
	return true;
}

/* The engine itself */

/* Only a manager of a swarm answers this. */
static bool
ping(Engine *base, GError **error)
{
	json_auto_t *nodes =
	    docker_call(((SwarmEngine *)base)->docker, "GET", NULL, error, "/nodes");

	return nodes != NULL;
}

static void
engine_free(Engine *base)
{
	SwarmEngine *engine = (SwarmEngine *)base;

	g_cancellable_cancel(engine->closing);
	if (engine->is_watching)
		pthread_join(engine->watcher, NULL);
	collector_free(engine->collector);
	pthread_mutex_destroy(&engine->networks);
	g_object_unref(engine->closing);
	g_free(engine->rack);
	g_free(engine->host_proc);
	g_free(engine);
}

static const EngineOps operations = {
    .create = create,
    .scale = scale,
    .remove = remove_deployment,
    .deployments = deployments,
    .processes = engine_processes,
    .processes_of_app = engine_processes_of_app,
    .locate = engine_locate,
    .stop = engine_stop,
    .last_lines = engine_last_lines,
    .listening = engine_listening,
    .run = engine_run,
    .one_offs = engine_one_offs,
    .forget = engine_forget,
    .exec = engine_exec,
    .archive_get = engine_archive_get,
    .archive_put = engine_archive_put,
    .capacity = capacity,
    .watch = engine_watch,
    .remove_app = remove_app,
    .system_processes = engine_system_processes,
    .ping = ping,
    .free = engine_free,
};

Engine *
engine_swarm_new(Docker *docker, Logs *logs, const SwarmOptions *options, GError **error)
{
	Collector *collector = collector_new(docker, logs, options->rack, error);
	if (!collector)
		return NULL;

	SwarmEngine *engine = g_new0(SwarmEngine, 1);
	engine->base.ops = &operations;
	engine->docker = docker;
	engine->rack = g_strdup(options->rack);
	engine->host_proc = g_strdup(options->host_proc ? options->host_proc : "/proc");
	engine->collector = collector;
	engine->closing = g_cancellable_new();
	pthread_mutex_init(&engine->networks, NULL);
	return &engine->base;
}
