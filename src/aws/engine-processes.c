/*
 * Processes as tasks tell of them. What a process belongs to is in its task's tags; its address is
 * the task's own on Fargate, and its machine's with the port that Docker chose on instances.
 */
#include "aws/engine-private.h"

#include "base/text.h"

#include <string.h>

#define ID_DIGITS 12
#define LINES_LATE_MS 1000 /* lines come to the logs a moment after they were written */
#define LINES_TRIES 4
#define JUST_ENDED (20 * G_USEC_PER_SEC)

char *
ecs_process_id(const char *task)
{
	const char *slash = strrchr(task, '/');
	g_autoptr(GString) id = g_string_new(NULL);
	for (const char *at = slash ? slash + 1 : task; *at && id->len < ID_DIGITS; at++) {
		if (*at != '-')
			g_string_append_c(id, *at);
	}
	return g_string_free(g_steal_pointer(&id), FALSE);
}

bool
ecs_has_ended(const Process *process)
{
	return process->state == PROCESS_FAILED || process->state == PROCESS_COMPLETE;
}

/* Reading a task */

static char *
tag_of(const json_t *task, const char *name)
{
	const char *value = ecs_tag(task, name);

	return g_strdup(value ? value : "");
}

/* AWS puts containers of its own (its guards) beside ours. */
static const json_t *
own_container(const json_t *task, const char *name)
{
	const json_t *containers = json_object_get(task, "containers");
	gsize index;
	json_t *container;
	json_array_foreach((json_t *)containers, index, container)
	{
		if (strcmp(json_text_of(container, "name", ""), name) == 0)
			return container;
	}
	return json_array_get(containers, 0);
}

static char *
own_address(const json_t *task)
{
	gsize index, place;
	json_t *attachment, *detail;
	json_array_foreach(json_object_get(task, "attachments"), index, attachment)
	{
		json_array_foreach(json_object_get(attachment, "details"), place, detail)
		{
			const char *name = json_text_of(detail, "name", "");
			if (strcmp(name, "privateIPv4Address") == 0)
				return g_strdup(json_text_of(detail, "value", NULL));
		}
	}
	return NULL;
}

static unsigned
host_port(const json_t *container, unsigned port)
{
	gsize index;
	json_t *binding;
	json_array_foreach(json_object_get(container, "networkBindings"), index, binding)
	{
		gint64 host = json_int_of(binding, "hostPort", 0);
		if (json_int_of(binding, "containerPort", 0) == port && host)
			return (unsigned)host;
	}
	return port;
}

static char *
command_of(const json_t *words)
{
	GString *text = g_string_new(NULL);
	gsize index;
	json_t *word;
	json_array_foreach((json_t *)words, index, word)
	    g_string_append_printf(text, "%s%s", index > 0 ? " " : "", json_string_value(word));
	return g_string_free(text, FALSE);
}

static ProcessState
living_state(const char *status, bool is_desired)
{
	static const struct {
		const char *status;
		ProcessState state;
	} states[] = {
	    {"PROVISIONING", PROCESS_PENDING},
	    {"PENDING", PROCESS_STARTING},
	    {"ACTIVATING", PROCESS_STARTING},
	    {"RUNNING", PROCESS_RUNNING},
	};

	for (gsize i = 0; is_desired && i < G_N_ELEMENTS(states); i++) {
		if (strcmp(states[i].status, status) == 0)
			return states[i].state;
	}
	return PROCESS_STOPPING;
}

/* A container that has ended has ended, though its task takes some more seconds to go. */
static void
read_state(Process *process, const json_t *task, const json_t *container)
{
	const char *status = json_text_of(task, "lastStatus", "");
	bool is_desired = strcmp(json_text_of(task, "desiredStatus", ""), "RUNNING") == 0;
	bool has_ended = strcmp(status, "STOPPED") == 0 ||
			 strcmp(json_text_of(container, "lastStatus", ""), "STOPPED") == 0;
	gint64 started = ecs_time(task, "startedAt");

	process->started = started ? started : ecs_time(task, "createdAt");
	process->is_wanted = is_desired;
	if (has_ended) {
		ecs_read_end(process, task, container);
		return;
	}
	process->state = living_state(status, is_desired);
	if (process->state == PROCESS_PENDING) {
		g_free(process->reason);
		process->reason = g_strdup("waiting for a place");
	}
}

static void
read_tags(Process *process, const json_t *task)
{
	const char *kind = ecs_tag(task, TAG_KIND);
	const char *deadline = ecs_tag(task, TAG_DEADLINE);

	process->app = tag_of(task, TAG_APP);
	process->service = tag_of(task, TAG_SERVICE);
	process->release = tag_of(task, TAG_RELEASE);
	process->env_hash = tag_of(task, TAG_ENV);
	process->role = tag_of(task, TAG_ROLE);
	process->is_one_off = kind && strcmp(kind, KIND_ONE_OFF) == 0;
	process->is_attached = ecs_tag(task, TAG_ATTACHED) != NULL;
	process->deadline = deadline ? g_ascii_strtoll(deadline, NULL, 10) : 0;
	process->cpu = ecs_tag_number(task, TAG_CPU);
	process->memory = ecs_tag_number(task, TAG_MEMORY);
	process->port = ecs_tag_number(task, TAG_PORT);
}

static char *
deployment_of(const json_t *task)
{
	const char *group = json_text_of(task, "group", "");

	return g_strdup(g_str_has_prefix(group, "service:") ? group + strlen("service:") : "");
}

Process *
ecs_read_task(EcsEngine *engine, const json_t *task)
{
	if (!ecs_tag(task, TAG_APP))
		return NULL;

	Process *process = g_new0(Process, 1);
	const char *arn = json_text_of(task, "taskArn", "");
	read_tags(process, task);
	const json_t *container = own_container(task, process->service);
	const json_t *overrides = json_at(task, "overrides", "containerOverrides", NULL);
	process->id = ecs_process_id(arn);
	process->deployment = process->is_one_off ? g_strdup("") : deployment_of(task);
	process->container = g_strdup(arn);
	process->node = g_strdup(json_text_of(task, "containerInstanceArn", ""));
	process->image = g_strdup(json_text_of(container, "image", ""));
	process->command = command_of(json_object_get(json_array_get(overrides, 0), "command"));
	process->reason = g_strdup("");
	if (engine->rack->is_fargate)
		process->address = own_address(task);
	else
		process->port = host_port(container, process->port);
	read_state(process, task, container);
	return process;
}

/* Lists */

/* The command is in the definition alone, which never changes. */
static void
fill_command(EcsEngine *engine, Process *process, const json_t *task)
{
	if (*process->command || ecs_has_ended(process))
		return;
	json_auto_t *definition =
	    ecs_definition_of(engine, json_text_of(task, "taskDefinitionArn", ""), NULL);
	const json_t *container =
	    json_array_get(json_object_get(definition, "containerDefinitions"), 0);
	const json_t *command = json_object_get(container, "command");
	g_free(process->command);
	process->command = command_of(command ? command : json_object_get(container, "entryPoint"));
}

static Process *
unplaced(const EcsEngine *engine, const char *deployment, const json_t *service, gint64 number)
{
	Process *process = g_new0(Process, 1);
	process->state = PROCESS_PENDING;
	char *reason = ecs_read_trouble(service, &process->state);

	process->id = g_strdup_printf("unplaced%04d", (int)(number % 10000));
	process->deployment = g_strdup(deployment);
	process->app = tag_of(service, TAG_APP);
	process->service = tag_of(service, TAG_SERVICE);
	process->release = tag_of(service, TAG_RELEASE);
	process->env_hash = tag_of(service, TAG_ENV);
	process->image = tag_of(service, TAG_IMAGE);
	process->role = g_strdup("");
	process->node = g_strdup("");
	process->container = g_strdup("");
	process->command = g_strdup("");
	process->reason = reason ? reason : g_strdup("ECS has not made its task yet");
	process->is_wanted = true;
	process->cpu = ecs_tag_number(service, TAG_CPU);
	process->memory = ecs_tag_number(service, TAG_MEMORY);
	process->port = ecs_tag_number(service, TAG_PORT);
	process->started = ecs_time(service, "createdAt");
	return process;
}

/* Processes that are wanted and for which there is no task yet. */
static void
add_unplaced(EcsEngine *engine, const char *deployment, GPtrArray *processes)
{
	json_auto_t *service = ecs_view_service(engine, deployment);
	gint64 missing = json_int_of(service, "desiredCount", 0);
	for (guint i = 0; i < processes->len; i++) {
		const Process *process = processes->pdata[i];
		missing -= process->is_wanted || process->state == PROCESS_PENDING;
	}
	for (gint64 i = 0; i < missing; i++)
		g_ptr_array_add(processes, unplaced(engine, deployment, service, i));
}

GPtrArray *
ecs_processes(Engine *base, const char *deployment, GError **error)
{
	EcsEngine *engine = (EcsEngine *)base;
	json_auto_t *tasks = ecs_view_tasks(engine, deployment, error);
	if (!tasks)
		return NULL;

	GPtrArray *processes = g_ptr_array_new_with_free_func((GDestroyNotify)process_free);
	gsize index;
	json_t *task;
	json_array_foreach(tasks, index, task)
	{
		Process *process = ecs_read_task(engine, task);
		if (process)
			g_ptr_array_add(processes, process);
	}
	add_unplaced(engine, deployment, processes);
	return processes;
}

static bool
is_forgotten(EcsEngine *engine, const Process *process)
{
	LOCKED(&engine->lock);
	return process->is_one_off && g_hash_table_contains(engine->forgotten, process->container);
}

GPtrArray *
ecs_processes_of_app(Engine *base, const char *app, bool living, GError **error)
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
		if (!process || (app && strcmp(process->app, app) != 0) ||
		    (living && ecs_has_ended(process)) || is_forgotten(engine, process))
			continue;
		if (app && living)
			fill_command(engine, process, task);
		g_ptr_array_add(processes, g_steal_pointer(&process));
	}
	return processes;
}

/* «api» of «…:task-definition/RACK-api:3», NULL for one that is no part of the rack. */
static const char *
part_of(const EcsEngine *engine, const json_t *task)
{
	static const char *const parts[] = {"api", "build"};
	const char *slash = strrchr(json_text_of(task, "taskDefinitionArn", ""), '/');
	for (gsize i = 0; slash && i < G_N_ELEMENTS(parts); i++) {
		g_autofree char *family = g_strdup_printf("/%s-%s:", engine->rack->name, parts[i]);
		if (g_str_has_prefix(slash, family))
			return parts[i];
	}
	return NULL;
}

static Process *
read_part(const EcsEngine *engine, const json_t *task, const char *part)
{
	Process *process = g_new0(Process, 1);
	const char *arn = json_text_of(task, "taskArn", "");
	const json_t *container = own_container(task, part);

	process->id = ecs_process_id(arn);
	process->deployment = deployment_of(task);
	process->app = g_strdup(engine->rack->name);
	process->service = g_strdup(part);
	process->release = g_strdup("");
	process->node = g_strdup(json_text_of(task, "containerInstanceArn", ""));
	process->container = g_strdup(arn);
	process->image = g_strdup(json_text_of(container, "image", ""));
	process->env_hash = g_strdup("");
	process->command = g_strdup(strcmp(part, "api") == 0 ? "carrackd" : "carrackd build");
	process->reason = g_strdup("");
	process->role = g_strdup("");
	read_state(process, task, container);
	return process;
}

GPtrArray *
ecs_system_processes(Engine *base, GError **error)
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
		const char *part = part_of(engine, task);
		g_autoptr(Process) process = part ? read_part(engine, task, part) : NULL;
		if (process && !ecs_has_ended(process))
			g_ptr_array_add(processes, g_steal_pointer(&process));
	}
	return processes;
}

/* One process */

/* Exit codes were read with the list; an address of Fargate's as well. */
bool
ecs_locate(Engine *base, Process *process, GError **error)
{
	EcsEngine *engine = (EcsEngine *)base;
	if (ecs_has_ended(process) || process->address)
		return true;
	if (engine->rack->is_fargate || !*process->node)
		return error_set(
		    error, CARRACK_ERROR_UNAVAILABLE, "process %s has no address yet", process->id);

	process->address = ecs_machine_address(engine, process->node, error);
	return process->address != NULL;
}

bool
ecs_stop(Engine *base, const char *app, const char *id, GError **error)
{
	EcsEngine *engine = (EcsEngine *)base;
	g_autoptr(GPtrArray) all = ecs_processes_of_app(base, app, false, error);
	const Process *found = NULL;
	for (guint i = 0; all && i < all->len && !found; i++) {
		const Process *process = all->pdata[i];
		found = strcmp(process->id, id) == 0 ? process : NULL;
	}
	if (!found)
		return all && error_set(error, CARRACK_ERROR_NOT_FOUND, "no such process: %s", id);

	json_auto_t *input = json_pack("{s:s, s:s, s:s}", "cluster", engine->rack->cluster, "task",
	    found->container, "reason", "stopped by carrack");
	json_auto_t *stopped = ecs_call(engine, "StopTask", input, error);
	ecs_view_expire(engine, found->deployment, true);
	return stopped != NULL;
}

static bool
keep_line(gpointer data, const LogLine *line, GError **error)
{
	g_ptr_array_add(data, g_strndup(line->text, line->length));
	return true;
}

GPtrArray *
ecs_last_lines(Engine *base, const Process *process, unsigned count, GError **error)
{
	EcsEngine *engine = (EcsEngine *)base;
	const LogQuery query = {.kind = "service",
	    .release = process->release,
	    .service = process->service,
	    .process = process->id,
	    .tail = MAX(count, 1)};
	g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
	bool may_be_late = *process->container && ecs_has_ended(process) &&
			   g_get_real_time() - process->started < JUST_ENDED;

	for (unsigned tries = 1; engine->logs; tries++) {
		if (!engine->logs->ops->query(engine->logs, process->app, &query, keep_line, lines,
			engine->closing, error))
			return NULL;
		if (lines->len > 0 || !may_be_late || tries == LINES_TRIES ||
		    !ecs_pause(engine, LINES_LATE_MS))
			break;
	}
	return g_steal_pointer(&lines);
}

/* Nobody outside of a task can see that; an exec could, but not in every image. */
GPtrArray *
ecs_listening(Engine *base, const Process *process)
{
	return g_ptr_array_new_with_free_func(g_free);
}
