/*
 * One-offs: tasks by RunTask, each with a definition and an environment of its own, which go when
 * it is forgotten. ECS shows an ended task for about an hour, so its end has to be recorded by then
 * (core does at the event of its death); a definition that is inactive says that it was.
 *
 * An attached one is a task that waits, in which its command is run over ECS Exec: whatever
 * happens between its start and its client's first byte, nothing of what it writes is lost. The
 * image needs a `sleep` for it.
 */
#include "aws/engine-private.h"

#include "base/text.h"

#include <string.h>

#define LOOK_MS 1000
#define START_SECONDS 300 /* a machine may have to come first */

/* Starting */

static json_t *
run_input(const EcsEngine *engine, const EngineOneOff *one_off, const char *definition)
{
	const EngineSpec *spec = one_off->spec;
	g_autofree char *token = text_random_hex(16);
	g_autofree char *starter = g_strdup_printf("%s/%s", engine->rack->name, spec->app);
	json_t *input = json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:b, s:o}", "cluster",
	    engine->rack->cluster, "taskDefinition", definition, "count", 1, "group", KIND_ONE_OFF,
	    "startedBy", starter, "clientToken", token, "enableExecuteCommand", 1, "tags",
	    ecs_tags(engine, spec, one_off));

	ecs_add_place(engine, input);
	return input;
}

/* The task's ARN. */
static char *
start(EcsEngine *engine, const EngineOneOff *one_off, const char *definition, GError **error)
{
	json_auto_t *input = run_input(engine, one_off, definition);
	json_auto_t *answer = ecs_call(engine, "RunTask", input, error);
	if (!answer)
		return NULL;
	json_auto_t *tasks = aws_items(answer, "tasks");
	json_auto_t *failures = aws_items(answer, "failures");
	const char *arn = json_text_of(json_array_get(tasks, 0), "taskArn", NULL);
	if (!arn)
		error_set(error, CARRACK_ERROR_UNAVAILABLE, "no suitable node (%s)",
		    json_text_of(json_array_get(failures, 0), "reason", "ECS started no task"));

	ecs_view_expire(engine, NULL, true);
	return g_strdup(arn);
}

static json_t *
describe(EcsEngine *engine, const char *task, GError **error)
{
	json_auto_t *input = json_pack("{s:s, s:[s], s:[s]}", "cluster", engine->rack->cluster,
	    "tasks", task, "include", "TAGS");
	json_auto_t *answer = ecs_call(engine, "DescribeTasks", input, error);
	json_auto_t *tasks = answer ? aws_items(answer, "tasks") : NULL;

	return json_incref(json_array_get(tasks, 0));
}

/* ECS Exec works when its agent runs; where nothing is told of one, the task's word has to do. */
static bool
can_exec(const json_t *task)
{
	const json_t *container = json_array_get(json_object_get(task, "containers"), 0);
	gsize index;
	json_t *agent;
	json_array_foreach(json_object_get(container, "managedAgents"), index, agent)
	{
		if (strcmp(json_text_of(agent, "lastStatus", ""), "RUNNING") != 0)
			return false;
	}
	return true;
}

static bool
wait_running(EcsEngine *engine, const char *arn, GError **error)
{
	gint64 until = g_get_monotonic_time() + START_SECONDS * G_USEC_PER_SEC;
	do {
		g_autoptr(GError) failure = NULL;
		json_auto_t *task = describe(engine, arn, &failure);
		if (failure) {
			g_propagate_error(error, g_steal_pointer(&failure));
			return false;
		}
		/* A moment after its start ECS may not know it yet. */
		g_autoptr(Process) process = task ? ecs_read_task(engine, task) : NULL;
		if (process && ecs_has_ended(process))
			return error_set(error, CARRACK_ERROR_UPSTREAM, "its task ended: %s",
			    *process->reason ? process->reason : "its image has no sleep");
		if (process && process->state == PROCESS_RUNNING && can_exec(task))
			return true;
	} while (g_get_monotonic_time() < until && ecs_pause(engine, LOOK_MS));

	return error_set(
	    error, CARRACK_ERROR_UNAVAILABLE, "its task does not run after %d s", START_SECONDS);
}

static EngineStream *
open_stream(EcsEngine *engine, const EngineOneOff *one_off, const char *task, GError **error)
{
	const EngineSpec *spec = one_off->spec;
	const EngineSettings *settings = spec->settings;
	bool has_own = !one_off->without_entrypoint && settings && settings->entrypoint;
	g_autoptr(GPtrArray) words = g_ptr_array_new();
	for (gsize i = 0; has_own && settings->entrypoint[i]; i++)
		g_ptr_array_add(words, (gpointer)settings->entrypoint[i]);
	for (gsize i = 0; spec->command && spec->command[i]; i++)
		g_ptr_array_add(words, (gpointer)spec->command[i]);
	g_ptr_array_add(words, NULL);

	const EngineExec exec = {.command = (const char *const *)words->pdata,
	    .with_entrypoint = !one_off->without_entrypoint && !has_own,
	    .has_terminal = one_off->has_terminal,
	    .height = one_off->height,
	    .width = one_off->width};
	return aws_exec_open(engine->rack, task, spec->service, &exec, engine->closing, error);
}

static bool
stop_task(EcsEngine *engine, const char *task, GError **error)
{
	g_autoptr(GError) failure = NULL;
	json_auto_t *input = json_pack("{s:s, s:s, s:s}", "cluster", engine->rack->cluster, "task",
	    task, "reason", "cleared away by carrack");
	json_auto_t *stopped = ecs_call(engine, "StopTask", input, &failure);
	/* What ECS no longer knows has stopped. */
	if (stopped || strstr(failure->message, "not found"))
		return true;

	g_propagate_error(error, g_steal_pointer(&failure));
	return false;
}

char *
ecs_run(Engine *base, const EngineOneOff *one_off, EngineStream **stream, GError **error)
{
	EcsEngine *engine = (EcsEngine *)base;
	if (!ecs_spec_check(engine, one_off->spec, error))
		return NULL;
	g_autofree char *definition = ecs_define(engine, one_off->spec, one_off, error);
	if (!definition)
		return NULL;

	g_autofree char *task = start(engine, one_off, definition, error);
	EngineStream *opened = NULL;
	bool is_good = task != NULL;
	if (task && one_off->is_attached) {
		opened = wait_running(engine, task, error)
			     ? open_stream(engine, one_off, task, error)
			     : NULL;
		is_good = opened != NULL;
	}
	if (is_good) {
		if (opened)
			*stream = opened;
		return ecs_process_id(task);
	}
	g_prefix_error(error, "the command cannot be run: ");
	if (task)
		stop_task(engine, task, NULL);
	ecs_undefine(engine, definition, NULL);
	ecs_view_expire(engine, NULL, true);
	return NULL;
}

/* Lists */

/* An earlier carrackd has recorded its end and cleared it away. */
static bool
was_forgotten(EcsEngine *engine, const json_t *task, const Process *process)
{
	{
		LOCKED(&engine->lock);
		if (g_hash_table_contains(engine->forgotten, process->container))
			return true;
	}
	if (!ecs_has_ended(process))
		return false;
	json_auto_t *definition =
	    ecs_definition_of(engine, json_text_of(task, "taskDefinitionArn", ""), NULL);
	if (!definition || strcmp(json_text_of(definition, "status", ""), "INACTIVE") != 0)
		return false;

	LOCKED(&engine->lock);
	g_hash_table_add(engine->forgotten, g_strdup(process->container));
	return true;
}

GPtrArray *
ecs_one_offs(Engine *base, const char *app, GError **error)
{
	EcsEngine *engine = (EcsEngine *)base;
	json_auto_t *tasks = ecs_view_tasks(engine, NULL, error);
	if (!tasks)
		return NULL;

	GPtrArray *processes = g_ptr_array_new_with_free_func((GDestroyNotify)process_free);
	gsize index;
	json_t *task;
	json_array_foreach(tasks, index, task)
	{
		g_autoptr(Process) process = ecs_read_task(engine, task);
		bool is_meant =
		    process && process->is_one_off && (!app || strcmp(process->app, app) == 0);
		if (is_meant && !was_forgotten(engine, task, process))
			g_ptr_array_add(processes, g_steal_pointer(&process));
	}
	return processes;
}

static json_t *
find_task(EcsEngine *engine, const char *arn, GError **error)
{
	json_auto_t *tasks = ecs_view_tasks(engine, NULL, error);
	gsize index;
	json_t *task;
	json_array_foreach(tasks, index, task)
	{
		if (strcmp(json_text_of(task, "taskArn", ""), arn) == 0)
			return json_incref(task);
	}
	return tasks ? json_null() : NULL;
}

bool
ecs_forget(Engine *base, const Process *one_off, GError **error)
{
	EcsEngine *engine = (EcsEngine *)base;
	json_auto_t *task = find_task(engine, one_off->container, error);
	if (!task || json_is_null(task))
		return task != NULL;

	const char *definition = json_text_of(task, "taskDefinitionArn", "");
	bool is_living = strcmp(json_text_of(task, "lastStatus", ""), "STOPPED") != 0;
	if ((is_living && !stop_task(engine, one_off->container, error)) ||
	    !ecs_undefine(engine, definition, error))
		return false;

	ecs_view_expire(engine, NULL, true);
	LOCKED(&engine->lock);
	g_hash_table_add(engine->forgotten, g_strdup(one_off->container));
	return true;
}

/* Commands in a process */

EngineStream *
ecs_exec(Engine *base, const Process *process, const EngineExec *exec, GError **error)
{
	EcsEngine *engine = (EcsEngine *)base;
	if (process->state == PROCESS_RUNNING)
		return aws_exec_open(engine->rack, process->container, process->service, exec,
		    engine->closing, error);

	error_set(error, CARRACK_ERROR_FORBIDDEN, "process %s is not running (%s)", process->id,
	    process_state_name(process->state));
	return NULL;
}
