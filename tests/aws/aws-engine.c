/*
 * The ECS engine from a command line, for the tests in Python: a request a line on standard input,
 * as JSON {"do": NAME, …}, an answer a line on standard output, {"value": …} or {"error": …}. It
 * lives as long as its input, so that what the engine remembers and watches is tested as well.
 */
#include "aws/provider.h"
#include "base/lock.h"

#include <stdio.h>
#include <string.h>

#define LINE_BYTES (4 * 1024 * 1024)

typedef struct {
	Engine *engine;
	pthread_mutex_t lock;
	json_t *events; /* that have come and were not asked for yet */
	EngineStream *stream;
} Session;

static json_t *
process_json(const Process *process)
{
	return json_pack(
	    "{s:s, s:s, s:s, s:s, s:s, s:s, s:s?, s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:i, "
	    "s:i, s:i, s:I}",
	    "id", process->id, "deployment", process->deployment, "app", process->app, "service",
	    process->service, "release", process->release, "image", process->image, "address",
	    process->address, "env_hash", process->env_hash, "command", process->command, "reason",
	    process->reason, "state", process_state_name(process->state), "wanted",
	    (int)process->is_wanted, "oom", (int)process->was_out_of_memory, "one_off",
	    (int)process->is_one_off, "exit", process->exit_code, "port", (int)process->port,
	    "memory", (int)process->memory, "started", (json_int_t)process->started);
}

static json_t *
processes_json(GPtrArray *processes)
{
	if (!processes)
		return NULL;

	json_t *list = json_array();
	for (guint i = 0; i < processes->len; i++)
		json_array_append_new(list, process_json(processes->pdata[i]));
	g_ptr_array_unref(processes);
	return list;
}

static char **
words_of(const json_t *array)
{
	if (!array)
		return NULL;

	char **words = g_new0(char *, json_array_size(array) + 1);
	for (gsize i = 0; i < json_array_size(array); i++)
		words[i] = g_strdup(json_string_value(json_array_get(array, i)));
	return words;
}

/* A spec of a request; the caller frees what `command` and `env` own. */
static EngineSpec
spec_of(const json_t *request, const Env *env, char **command)
{
	return (EngineSpec){.app = json_text_of(request, "app", "shop"),
	    .service = json_text_of(request, "service", "web"),
	    .release = json_text_of(request, "release", "RAAAAAAAAAA"),
	    .image = json_text_of(request, "image", ""),
	    .command = (const char *const *)command,
	    .env = env,
	    .count = (unsigned)json_int_of(request, "count", 1),
	    .cpu = (unsigned)json_int_of(request, "cpu", 0),
	    .memory = (unsigned)json_int_of(request, "memory", 0),
	    .memory_limit = 512,
	    .port = (unsigned)json_int_of(request, "port", 0),
	    .termination = (unsigned)json_int_of(request, "termination", 3),
	    .has_init = json_bool_of(request, "init", true)};
}

static Env *
env_of(const json_t *request, GError **error)
{
	const json_t *values = json_object_get(request, "env");

	return values ? env_from_json(values, error) : env_new();
}

static json_t *
do_create(Session *session, const json_t *request, GError **error)
{
	g_autoptr(Env) env = env_of(request, error);
	g_auto(GStrv) command = words_of(json_object_get(request, "command"));
	if (!env)
		return NULL;
	EngineSpec spec = spec_of(request, env, command);
	g_autofree char *id = session->engine->ops->create(session->engine, &spec, error);

	return id ? json_string(id) : NULL;
}

static json_t *
do_run(Session *session, const json_t *request, GError **error)
{
	g_autoptr(Env) env = env_of(request, error);
	g_auto(GStrv) command = words_of(json_object_get(request, "command"));
	if (!env)
		return NULL;
	EngineSpec spec = spec_of(request, env, command);
	EngineOneOff one_off = {.spec = &spec,
	    .role = json_text_of(request, "role", NULL),
	    .without_entrypoint = json_bool_of(request, "without_entrypoint", false),
	    .is_attached = json_bool_of(request, "attached", false),
	    .deadline = json_int_of(request, "deadline", 0)};
	g_autofree char *id =
	    session->engine->ops->run(session->engine, &one_off, &session->stream, error);

	return id ? json_string(id) : NULL;
}

static const char *
deployment_of(const json_t *request)
{
	return json_text_of(request, "deployment", "");
}

static const char *
app_of(const json_t *request)
{
	return json_text_of(request, "app", NULL);
}

static json_t *
truth(bool is_good)
{
	return is_good ? json_true() : NULL;
}

static json_t *
do_scale(Session *session, const json_t *request, GError **error)
{
	unsigned count = (unsigned)json_int_of(request, "count", 1);

	return truth(
	    session->engine->ops->scale(session->engine, deployment_of(request), count, error));
}

static json_t *
do_remove(Session *session, const json_t *request, GError **error)
{
	return truth(session->engine->ops->remove(session->engine, deployment_of(request), error));
}

static json_t *
do_deployments(Session *session, const json_t *request, GError **error)
{
	g_autoptr(GPtrArray) all =
	    session->engine->ops->deployments(session->engine, app_of(request), error);
	if (!all)
		return NULL;

	json_t *list = json_array();
	for (guint i = 0; i < all->len; i++) {
		const EngineDeployment *one = all->pdata[i];
		json_array_append_new(
		    list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:I}", "id",
			      one->id, "app", one->app, "service", one->service, "release",
			      one->release, "image", one->image, "env_hash", one->env_hash, "count",
			      (int)one->count, "memory", (int)one->memory, "port", (int)one->port,
			      "created", (json_int_t)one->created));
	}
	return list;
}

static json_t *
do_processes(Session *session, const json_t *request, GError **error)
{
	return processes_json(
	    session->engine->ops->processes(session->engine, deployment_of(request), error));
}

static json_t *
do_processes_of_app(Session *session, const json_t *request, GError **error)
{
	bool living = json_bool_of(request, "living", true);

	return processes_json(session->engine->ops->processes_of_app(
	    session->engine, app_of(request), living, error));
}

static json_t *
do_one_offs(Session *session, const json_t *request, GError **error)
{
	return processes_json(
	    session->engine->ops->one_offs(session->engine, app_of(request), error));
}

static json_t *
do_system_processes(Session *session, const json_t *request, GError **error)
{
	return processes_json(session->engine->ops->system_processes(session->engine, error));
}

/* The process with this id, taken out of all. */
static Process *
find(Session *session, const json_t *request, GError **error)
{
	const char *id = json_text_of(request, "process", "");
	g_autoptr(GPtrArray) all =
	    session->engine->ops->processes_of_app(session->engine, app_of(request), false, error);
	for (guint i = 0; all && i < all->len; i++) {
		if (strcmp(((const Process *)all->pdata[i])->id, id) == 0)
			return g_ptr_array_steal_index(all, i);
	}
	if (all)
		error_set(error, CARRACK_ERROR_NOT_FOUND, "no such process: %s", id);
	return NULL;
}

static json_t *
do_locate(Session *session, const json_t *request, GError **error)
{
	g_autoptr(Process) process = find(session, request, error);
	bool is_found = process && session->engine->ops->locate(session->engine, process, error);

	return is_found ? process_json(process) : NULL;
}

static json_t *
do_forget(Session *session, const json_t *request, GError **error)
{
	g_autoptr(Process) process = find(session, request, error);

	return process ? truth(session->engine->ops->forget(session->engine, process, error))
		       : NULL;
}

static json_t *
do_last_lines(Session *session, const json_t *request, GError **error)
{
	g_autoptr(Process) process = find(session, request, error);
	g_autoptr(GPtrArray) lines =
	    process ? session->engine->ops->last_lines(session->engine, process, 5, error) : NULL;
	if (!lines)
		return NULL;

	json_t *list = json_array();
	for (guint i = 0; i < lines->len; i++)
		json_array_append_new(list, json_text_value(lines->pdata[i]));
	return list;
}

static json_t *
do_stop(Session *session, const json_t *request, GError **error)
{
	return truth(session->engine->ops->stop(
	    session->engine, app_of(request), json_text_of(request, "process", ""), error));
}

static json_t *
do_add_app(Session *session, const json_t *request, GError **error)
{
	return truth(session->engine->ops->add_app(session->engine, app_of(request), NULL, error));
}

static json_t *
do_remove_app(Session *session, const json_t *request, GError **error)
{
	return truth(session->engine->ops->remove_app(session->engine, app_of(request), error));
}

static json_t *
do_ping(Session *session, const json_t *request, GError **error)
{
	return truth(session->engine->ops->ping(session->engine, error));
}

static json_t *
do_capacity(Session *session, const json_t *request, GError **error)
{
	EngineCapacity capacity;
	if (!session->engine->ops->capacity(session->engine, &capacity, error))
		return NULL;

	return json_pack("{s:i, s:I, s:I, s:I, s:I}", "nodes", (int)capacity.nodes, "cpu",
	    (json_int_t)capacity.cpu, "memory", (json_int_t)capacity.memory, "cpu_free",
	    (json_int_t)capacity.cpu_free, "memory_free", (json_int_t)capacity.memory_free);
}

static void
on_event(gpointer data, const EngineEvent *event)
{
	static const char *const kinds[] = {"start", "die", "oom", "reconnected"};
	Session *session = data;
	LOCKED(&session->lock);
	json_array_append_new(session->events,
	    json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:i}", "kind", kinds[event->kind], "app",
		event->app, "service", event->service, "deployment", event->deployment, "process",
		event->process, "one_off", (int)event->is_one_off, "exit", event->exit_code));
}

static json_t *
do_watch(Session *session, const json_t *request, GError **error)
{
	session->engine->ops->watch(session->engine, on_event, session);
	return json_true();
}

static json_t *
do_events(Session *session, const json_t *request, GError **error)
{
	LOCKED(&session->lock);
	json_t *events = session->events;
	session->events = json_array();
	return events;
}

static const struct {
	const char *name;
	json_t *(*run)(Session *session, const json_t *request, GError **error);
} commands[] = {
    {"add_app", do_add_app},
    {"capacity", do_capacity},
    {"create", do_create},
    {"deployments", do_deployments},
    {"events", do_events},
    {"forget", do_forget},
    {"last_lines", do_last_lines},
    {"locate", do_locate},
    {"one_offs", do_one_offs},
    {"ping", do_ping},
    {"processes", do_processes},
    {"processes_of_app", do_processes_of_app},
    {"remove", do_remove},
    {"remove_app", do_remove_app},
    {"run", do_run},
    {"scale", do_scale},
    {"stop", do_stop},
    {"system_processes", do_system_processes},
    {"watch", do_watch},
};

static json_t *
perform(Session *session, const json_t *request, GError **error)
{
	const char *name = json_text_of(request, "do", "");
	for (gsize i = 0; request && i < G_N_ELEMENTS(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].run(session, request, error);
	}
	error_set(error, CARRACK_ERROR_INVALID, "«%s»: no such command", name);
	return NULL;
}

static void
answer(Session *session, const char *line)
{
	g_autoptr(GError) error = NULL;
	json_auto_t *request = json_parse(line, strlen(line), "the request", &error);
	json_t *value = request ? perform(session, request, &error) : NULL;
	json_auto_t *said = value
				? json_pack("{s:o}", "value", value)
				: json_pack("{s:s, s:i}", "error", error ? error->message : "none",
				      "status", error ? (int)error_status(error) : 0);
	g_autofree char *text = json_text(said, false);
	puts(text);
	fflush(stdout);
}

int
main(void)
{
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) environment = g_get_environ();
	g_autoptr(AwsRack) rack = aws_rack_new((const char *const *)environment, &error);
	Logs *logs = rack ? logs_cloudwatch_new(rack, &error) : NULL;
	Session session = {.engine = logs ? engine_ecs_new(rack, NULL, logs, &error) : NULL,
	    .lock = PTHREAD_MUTEX_INITIALIZER,
	    .events = json_array()};
	if (!session.engine) {
		fprintf(stderr, "%s\n", error->message);
		return 1;
	}

	g_autofree char *line = g_malloc(LINE_BYTES);
	while (fgets(line, LINE_BYTES, stdin))
		answer(&session, line);
	engine_stream_free(session.stream);
	session.engine->ops->free(session.engine);
	logs->ops->free(logs);
	json_decref(session.events);
	return 0;
}
