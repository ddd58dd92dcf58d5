/*
 * Processes as the engine's tasks tell of them: one call for a whole deployment or app. Where a
 * process is reached and why it died is not in a task: engine-containers.c.
 */
#include "swarm/engine-private.h"

#include "base/text.h"

#include <string.h>

typedef enum { TASK_WAITING, TASK_STARTING, TASK_RUNNING, TASK_FAILED, TASK_ENDED } TaskPhase;

static const struct {
	const char *name;
	TaskPhase phase;
} task_states[] = {
    {"new", TASK_WAITING},
    {"allocated", TASK_WAITING},
    {"pending", TASK_WAITING},
    {"assigned", TASK_WAITING},
    {"accepted", TASK_STARTING},
    {"preparing", TASK_STARTING},
    {"ready", TASK_STARTING},
    {"starting", TASK_STARTING},
    {"running", TASK_RUNNING},
    {"failed", TASK_FAILED},
    {"rejected", TASK_FAILED},
    {"complete", TASK_ENDED},
    {"shutdown", TASK_ENDED},
    {"remove", TASK_ENDED},
    {"orphaned", TASK_ENDED},
};

const char *
engine_process_id(const char *task)
{
	gsize length = strlen(task);

	return length > 12 ? task + length - 12 : task;
}

static TaskPhase
task_phase(const char *state)
{
	for (gsize i = 0; i < G_N_ELEMENTS(task_states); i++) {
		if (strcmp(task_states[i].name, state) == 0)
			return task_states[i].phase;
	}
	return TASK_ENDED;
}

/* Desired states up to running mean that it is to go on; `ready` waits for the restart delay. */
static bool
is_desired(const json_t *task)
{
	TaskPhase desired = task_phase(json_text_of(task, "DesiredState", ""));

	return desired <= TASK_RUNNING;
}

static ProcessState
process_state(TaskPhase phase, bool desired)
{
	switch (phase) {
	case TASK_WAITING:
		return desired ? PROCESS_PENDING : PROCESS_COMPLETE;
	case TASK_STARTING:
		return desired ? PROCESS_STARTING : PROCESS_STOPPING;
	case TASK_RUNNING:
		return desired ? PROCESS_RUNNING : PROCESS_STOPPING;
	case TASK_FAILED:
		return PROCESS_FAILED;
	case TASK_ENDED:
	default:
		return PROCESS_COMPLETE;
	}
}

static gint64
time_of(const json_t *object, const char *member)
{
	gint64 time = 0;
	text_parse_time(json_text_of(object, member, ""), &time, NULL);
	return time;
}

static char *
join_command(const json_t *arguments)
{
	GString *text = g_string_new(NULL);
	gsize index;
	json_t *argument;

	json_array_foreach((json_t *)arguments, index, argument)
	    g_string_append_printf(text, "%s%s", index > 0 ? " " : "", json_string_value(argument));
	return g_string_free(text, FALSE);
}

/* What a task's spec and labels say. */
static void
read_spec(Process *process, const json_t *task)
{
	const json_t *template = json_object_get(task, "Spec");
	const json_t *container = json_object_get(template, "ContainerSpec");
	const json_t *labels = json_object_get(container, "Labels");

	process->app = g_strdup(json_text_of(labels, LABEL_APP, ""));
	process->service = g_strdup(json_text_of(labels, LABEL_SERVICE, ""));
	process->release = g_strdup(json_text_of(labels, LABEL_RELEASE, ""));
	process->env_hash = g_strdup(json_text_of(labels, LABEL_ENV, ""));
	process->port = (unsigned)g_ascii_strtoull(json_text_of(labels, LABEL_PORT, "0"), NULL, 10);
	process->image = g_strdup(json_text_of(container, "Image", ""));
	process->command = join_command(json_object_get(container, "Args"));
	process->cpu = engine_cpu(template);
	process->memory = engine_memory(template);
}

/* The engine's words: of a waiting one also what it waits for. */
static char *
read_reason(ProcessState state, const json_t *status)
{
	const char *text = json_text_of(status, "Err", "");
	if (!*text && state == PROCESS_PENDING)
		text = json_text_of(status, "Message", "");

	return g_strdup(text);
}

static Process *
read_task(const json_t *task)
{
	const json_t *status = json_object_get(task, "Status");
	const json_t *container = json_object_get(status, "ContainerStatus");
	TaskPhase phase = task_phase(json_text_of(status, "State", ""));
	Process *process = g_new0(Process, 1);

	read_spec(process, task);
	process->id = g_strdup(engine_process_id(json_text_of(task, "ID", "")));
	process->deployment = g_strdup(json_text_of(task, "ServiceID", ""));
	process->node = g_strdup(json_text_of(task, "NodeID", ""));
	process->container = g_strdup(json_text_of(container, "ContainerID", ""));
	process->exit_code = (int)json_int_of(container, "ExitCode", 0);
	process->is_wanted = is_desired(task) && phase <= TASK_RUNNING;
	process->state = process_state(phase, is_desired(task));
	process->reason = read_reason(process->state, status);
	process->started =
	    phase == TASK_RUNNING ? time_of(status, "Timestamp") : time_of(task, "CreatedAt");
	return process;
}

static bool
is_living(const Process *process)
{
	return process->state != PROCESS_FAILED && process->state != PROCESS_COMPLETE;
}

static GPtrArray *
list_tasks(SwarmEngine *engine, const char *filters, bool living, GError **error)
{
	json_auto_t *tasks = docker_call(engine->docker, "GET", NULL, error, "/tasks?%s", filters);
	if (!tasks)
		return NULL;

	GPtrArray *processes = g_ptr_array_new_with_free_func((GDestroyNotify)process_free);
	gsize index;
	json_t *task;
	json_array_foreach(tasks, index, task)
	{
		g_autoptr(Process) process = read_task(task);
		if (*process->app && (!living || is_living(process)))
			g_ptr_array_add(processes, g_steal_pointer(&process));
	}
	return processes;
}

GPtrArray *
engine_processes(Engine *base, const char *deployment, GError **error)
{
	g_autofree char *filters = engine_filter("service", deployment);

	return list_tasks((SwarmEngine *)base, filters, false, error);
}

/* The command of a process that runs its image's own: only its container knows it. People read it,
 * so a container that cannot be asked (another node's) leaves it empty. */
static void
fill_commands(SwarmEngine *engine, const char *filters, GPtrArray *processes)
{
	json_auto_t *containers =
	    docker_call(engine->docker, "GET", NULL, NULL, "/containers/json?%s", filters);
	g_autoptr(GHashTable) commands = g_hash_table_new(g_str_hash, g_str_equal);
	gsize index;
	json_t *container;
	json_array_foreach(containers, index, container)
	    g_hash_table_insert(commands, (gpointer)json_text_of(container, "Id", ""),
		(gpointer)json_text_of(container, "Command", ""));
	for (guint i = 0; i < processes->len; i++) {
		Process *process = processes->pdata[i];
		const char *command = g_hash_table_lookup(commands, process->container);
		if (*process->command || !command)
			continue;
		g_free(process->command);
		process->command = g_strdup(command);
	}
}

static bool
add_one_offs(Engine *base, const char *app, bool living, GPtrArray *processes, GError **error)
{
	g_autoptr(GPtrArray) one_offs = engine_one_offs(base, app, error);
	if (!one_offs)
		return false;

	while (one_offs->len > 0) {
		g_autoptr(Process) process = g_ptr_array_steal_index(one_offs, 0);
		if (!living || is_living(process))
			g_ptr_array_add(processes, g_steal_pointer(&process));
	}
	return true;
}

GPtrArray *
engine_processes_of_app(Engine *base, const char *app, bool living, GError **error)
{
	SwarmEngine *engine = (SwarmEngine *)base;
	g_autofree char *filters = engine_label_filter(engine->rack, app);
	g_autoptr(GPtrArray) processes = list_tasks(engine, filters, living, error);
	if (processes && living && app)
		fill_commands(engine, filters, processes);
	return processes && add_one_offs(base, app, living, processes, error)
		   ? g_steal_pointer(&processes)
		   : NULL;
}

/* The rack's own containers: api and registry are Swarm's, the router stands alone. */
static Process *
read_part(const char *rack, const json_t *container)
{
	const json_t *labels = json_object_get(container, "Labels");
	const char *id = json_text_of(container, "Id", "");
	Process *process = g_new0(Process, 1);

	process->id = g_strdup(engine_process_id(json_text_of(labels, LABEL_SWARM_TASK, id)));
	process->deployment = g_strdup(json_text_of(labels, LABEL_SWARM_SERVICE, ""));
	process->app = g_strdup(rack);
	process->service = g_strdup(json_text_of(labels, LABEL_PART, ""));
	process->release = g_strdup("");
	process->node = g_strdup(json_text_of(labels, LABEL_SWARM_NODE, ""));
	process->container = g_strdup(id);
	process->image = g_strdup(json_text_of(container, "Image", ""));
	process->env_hash = g_strdup("");
	process->command = g_strdup(json_text_of(container, "Command", ""));
	process->reason = g_strdup("");
	process->state = PROCESS_RUNNING;
	process->is_wanted = true;
	process->started = json_int_of(container, "Created", 0) * G_USEC_PER_SEC;
	return process;
}

GPtrArray *
engine_system_processes(Engine *base, GError **error)
{
	SwarmEngine *engine = (SwarmEngine *)base;
	g_autofree char *filters = engine_label_filter(engine->rack, NULL);
	json_auto_t *containers =
	    docker_call(engine->docker, "GET", NULL, error, "/containers/json?%s", filters);
	if (!containers)
		return NULL;

	GPtrArray *processes = g_ptr_array_new_with_free_func((GDestroyNotify)process_free);
	gsize index;
	json_t *container;
	json_array_foreach(containers, index, container)
	{
		const json_t *labels = json_object_get(container, "Labels");
		if (json_object_get(labels, LABEL_PART))
			g_ptr_array_add(processes, read_part(engine->rack, container));
	}
	return processes;
}
