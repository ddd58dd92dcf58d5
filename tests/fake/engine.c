/*
 * The engine part of the fake, over deployments.c.
 */
#include "fake/engine.h"

#include <string.h>

/* With the lock held. */
static bool
is_down(FakeEngine *fake, GError **error)
{
	if (fake->down)
		error_set(error, CARRACK_ERROR_UNAVAILABLE, "%s", fake->down);
	return fake->down != NULL;
}

static char *
create(Engine *engine, const EngineSpec *spec, GError **error)
{
	FakeEngine *fake = (FakeEngine *)engine;
	LOCKED(&fake->lock);
	if (is_down(fake, error))
		return NULL;

	Deployment *deployment = deployment_new(fake, spec);
	g_ptr_array_add(fake->deployments, deployment);
	fake->created++;
	for (unsigned i = 0; i < spec->count; i++)
		task_add(fake, deployment);
	return g_strdup(deployment->deployment->id);
}

/* Ends the newest of the living until `count` are left. */
static void
scale_down(FakeEngine *fake, Deployment *deployment, unsigned living, unsigned count)
{
	for (guint i = deployment->tasks->len; i > 0 && living > count; i--) {
		Task *task = g_ptr_array_index(deployment->tasks, i - 1);
		if (!task_lives(task))
			continue;
		task_end(fake, deployment, task, PROCESS_COMPLETE, 0);
		living--;
	}
}

static bool
scale(Engine *engine, const char *id, unsigned count, GError **error)
{
	FakeEngine *fake = (FakeEngine *)engine;
	LOCKED(&fake->lock);
	if (is_down(fake, error))
		return false;
	Deployment *deployment = deployment_find(fake, id);
	if (!deployment)
		return error_set(error, CARRACK_ERROR_NOT_FOUND, "no such deployment: %s", id);

	unsigned living = 0;
	for (guint i = 0; i < deployment->tasks->len; i++)
		living += task_lives(g_ptr_array_index(deployment->tasks, i));
	deployment->deployment->count = count;
	for (; living < count; living++)
		task_add(fake, deployment);
	scale_down(fake, deployment, living, count);
	return true;
}

static void
remove_locked(FakeEngine *fake, Deployment *deployment)
{
	scale_down(fake, deployment, G_MAXUINT, 0);
	g_ptr_array_remove(fake->deployments, deployment);
}

static bool
remove_deployment(Engine *engine, const char *id, GError **error)
{
	FakeEngine *fake = (FakeEngine *)engine;
	LOCKED(&fake->lock);
	if (is_down(fake, error))
		return false;

	Deployment *deployment = deployment_find(fake, id);
	if (deployment)
		remove_locked(fake, deployment);
	return true;
}

static EngineDeployment *
deployment_copy(const EngineDeployment *from)
{
	EngineDeployment *copy = g_new0(EngineDeployment, 1);
	*copy = *from;
	copy->id = g_strdup(from->id);
	copy->name = g_strdup(from->name);
	copy->app = g_strdup(from->app);
	copy->service = g_strdup(from->service);
	copy->release = g_strdup(from->release);
	copy->image = g_strdup(from->image);
	copy->env_hash = g_strdup(from->env_hash);
	return copy;
}

static GPtrArray *
deployments(Engine *engine, const char *app, GError **error)
{
	FakeEngine *fake = (FakeEngine *)engine;
	LOCKED(&fake->lock);
	if (is_down(fake, error))
		return NULL;

	GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)engine_deployment_free);
	for (guint i = 0; i < fake->deployments->len; i++) {
		Deployment *deployment = g_ptr_array_index(fake->deployments, i);
		if (!app || !strcmp(deployment->deployment->app, app))
			g_ptr_array_add(found, deployment_copy(deployment->deployment));
	}
	return found;
}

Process *
process_copy(const Process *from)
{
	Process *copy = g_new0(Process, 1);
	*copy = *from;
	copy->id = g_strdup(from->id);
	copy->deployment = g_strdup(from->deployment);
	copy->app = g_strdup(from->app);
	copy->service = g_strdup(from->service);
	copy->release = g_strdup(from->release);
	copy->node = g_strdup(from->node);
	copy->container = g_strdup(from->container);
	copy->image = g_strdup(from->image);
	copy->env_hash = g_strdup(from->env_hash);
	copy->address = NULL;
	copy->command = g_strdup(from->command);
	copy->reason = g_strdup(from->reason);
	copy->role = g_strdup(from->role);
	copy->exit_code = 0;
	copy->was_out_of_memory = false;
	return copy;
}

static void
add_processes(GPtrArray *found, const Deployment *deployment, bool living)
{
	for (guint i = 0; i < deployment->tasks->len; i++) {
		Task *task = g_ptr_array_index(deployment->tasks, i);
		if (!living || task_lives(task))
			g_ptr_array_add(found, process_copy(task->process));
	}
}

static GPtrArray *
processes(Engine *engine, const char *id, GError **error)
{
	FakeEngine *fake = (FakeEngine *)engine;
	LOCKED(&fake->lock);
	if (is_down(fake, error))
		return NULL;

	GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)process_free);
	Deployment *deployment = deployment_find(fake, id);
	if (deployment)
		add_processes(found, deployment, false);
	return found;
}

static GPtrArray *
processes_of_app(Engine *engine, const char *app, bool living, GError **error)
{
	FakeEngine *fake = (FakeEngine *)engine;
	LOCKED(&fake->lock);
	if (is_down(fake, error))
		return NULL;

	GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)process_free);
	for (guint i = 0; i < fake->deployments->len; i++) {
		Deployment *deployment = g_ptr_array_index(fake->deployments, i);
		if (!app || !strcmp(deployment->deployment->app, app))
			add_processes(found, deployment, living);
	}
	for (guint i = 0; i < fake->one_offs->len; i++) {
		const Process *process = ((OneOff *)g_ptr_array_index(fake->one_offs, i))->process;
		bool is_meant = !app || !strcmp(process->app, app);
		if (is_meant && (!living || process->state == PROCESS_RUNNING))
			g_ptr_array_add(found, process_copy(process));
	}
	return found;
}

/* With the lock held. */
static Task *
task_of(FakeEngine *fake, const char *id, Deployment **deployment, GError **error)
{
	Task *task = is_down(fake, error) ? NULL : task_find(fake, id, deployment);
	if (!task && !fake->down)
		error_set(error, CARRACK_ERROR_NOT_FOUND, "no such process: %s", id);
	return task;
}

static bool
locate(Engine *engine, Process *process, GError **error)
{
	FakeEngine *fake = (FakeEngine *)engine;
	Deployment *deployment;
	LOCKED(&fake->lock);
	Task *task = task_of(fake, process->id, &deployment, error);
	if (!task)
		return false;

	process->state = task->process->state;
	process->exit_code = task->process->exit_code;
	process->was_out_of_memory = task->process->was_out_of_memory;
	g_free(process->image);
	process->image = g_strdup(task->process->image);
	if (task->process->state != PROCESS_RUNNING)
		return true;

	g_free(process->address);
	process->address = g_strdup("127.0.0.1");
	/* Nobody listens on port 1: a silent process refuses connections. */
	if (process->port)
		process->port = task->server ? fake_server_port(task->server) : 1;
	return true;
}

static bool
stop(Engine *engine, const char *app, const char *id, GError **error)
{
	FakeEngine *fake = (FakeEngine *)engine;
	Deployment *deployment;
	LOCKED(&fake->lock);
	if (one_off_stop(fake, id))
		return true;
	Task *task = task_of(fake, id, &deployment, error);
	if (!task)
		return false;
	if (strcmp(task->process->app, app) || !task_lives(task))
		return error_set(error, CARRACK_ERROR_NOT_FOUND, "no such process: %s", id);

	task_end(fake, deployment, task, PROCESS_COMPLETE, 0);
	task_add(fake, deployment);
	return true;
}

static GPtrArray *
last_lines(Engine *engine, const Process *process, unsigned count, GError **error)
{
	FakeEngine *fake = (FakeEngine *)engine;
	Deployment *deployment;
	LOCKED(&fake->lock);
	Task *task = task_of(fake, process->id, &deployment, error);
	if (!task)
		return NULL;

	bool has_run = task->process->container[0];
	GPtrArray *lines = fake_lines(has_run ? deployment->behaviour.lines : NULL);
	if (lines->len > count)
		g_ptr_array_remove_range(lines, 0, lines->len - count);
	return lines;
}

static GPtrArray *
listening(Engine *engine, const Process *process)
{
	FakeEngine *fake = (FakeEngine *)engine;
	Deployment *deployment;
	GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
	LOCKED(&fake->lock);
	Task *task = task_find(fake, process->id, &deployment);
	if (task && deployment->behaviour.listening)
		g_ptr_array_add(found, g_strdup(deployment->behaviour.listening));
	else if (task && task->server)
		g_ptr_array_add(
		    found, g_strdup_printf("127.0.0.1:%u", fake_server_port(task->server)));
	return found;
}

static bool
capacity(Engine *engine, EngineCapacity *capacity, GError **error)
{
	FakeEngine *fake = (FakeEngine *)engine;
	gint64 cpu, memory;
	LOCKED(&fake->lock);
	if (is_down(fake, error))
		return false;

	reserved(fake, &cpu, &memory);
	*capacity = (EngineCapacity){.nodes = 1,
	    .cpu = fake->cpu,
	    .memory = fake->memory,
	    .cpu_free = fake->cpu - cpu,
	    .memory_free = fake->memory - memory};
	return true;
}

static void
watch(Engine *engine, void (*event)(gpointer data, const EngineEvent *event), gpointer data)
{
	FakeEngine *fake = (FakeEngine *)engine;
	LOCKED(&fake->watch_lock);
	fake->watch = event;
	fake->watch_data = data;
}

static bool
remove_app(Engine *engine, const char *app, GError **error)
{
	FakeEngine *fake = (FakeEngine *)engine;
	LOCKED(&fake->lock);
	if (is_down(fake, error))
		return false;

	for (guint i = fake->deployments->len; i > 0; i--) {
		Deployment *deployment = g_ptr_array_index(fake->deployments, i - 1);
		if (!strcmp(deployment->deployment->app, app))
			remove_locked(fake, deployment);
	}
	return true;
}

static GPtrArray *
system_processes(Engine *engine, GError **error)
{
	FakeEngine *fake = (FakeEngine *)engine;
	LOCKED(&fake->lock);
	if (is_down(fake, error))
		return NULL;

	GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)process_free);
	Process *process = g_new0(Process, 1);
	process->id = g_strdup("000000000001");
	process->deployment = g_strdup("");
	process->app = g_strdup("rack");
	process->service = g_strdup("api");
	process->release = g_strdup("");
	process->node = g_strdup("node1");
	process->container = g_strdup("");
	process->image = g_strdup("");
	process->env_hash = g_strdup("");
	process->command = g_strdup("carrackd");
	process->reason = g_strdup("");
	process->state = PROCESS_RUNNING;
	process->is_wanted = true;
	g_ptr_array_add(found, process);
	return found;
}

static bool
ping(Engine *engine, GError **error)
{
	FakeEngine *fake = (FakeEngine *)engine;
	LOCKED(&fake->lock);
	return !is_down(fake, error);
}

/* The world goes on; the watcher is gone when this returns. */
static void
free_handle(Engine *engine)
{
	watch(engine, NULL, NULL);
}

/* In steps, so that a cancel is seen soon. */
bool
fake_add_app(Engine *engine, const char *app, GCancellable *cancel, GError **error)
{
	FakeEngine *fake = (FakeEngine *)engine;
	gint64 until = g_get_monotonic_time() + (gint64)fake->app_ms * 1000;
	while (g_get_monotonic_time() < until) {
		if (g_cancellable_set_error_if_cancelled(cancel, error))
			return false;
		g_usleep(1000);
	}
	LOCKED(&fake->lock);
	return !fake->app_failure ||
	       error_set(error, CARRACK_ERROR_UPSTREAM, "%s", fake->app_failure);
}

static const EngineOps operations = {
    .create = create,
    .scale = scale,
    .remove = remove_deployment,
    .deployments = deployments,
    .processes = processes,
    .processes_of_app = processes_of_app,
    .locate = locate,
    .stop = stop,
    .last_lines = last_lines,
    .listening = listening,
    .run = fake_run,
    .one_offs = fake_one_offs,
    .forget = fake_forget,
    .exec = fake_exec,
    .archive_get = fake_archive_get,
    .archive_put = fake_archive_put,
    .capacity = capacity,
    .watch = watch,
    .remove_app = remove_app,
    .system_processes = system_processes,
    .ping = ping,
    .free = free_handle,
};

static void
behaviour_free(gpointer behaviour)
{
	behaviour_clear(behaviour);
	g_free(behaviour);
}

Engine *
fake_engine_new(Logs *logs)
{
	FakeEngine *fake = g_new0(FakeEngine, 1);
	fake->operations = operations;
	fake->engine.ops = &fake->operations;
	fake->logs = logs;
	fake->cpu = 4096;
	fake->memory = 8192;
	pthread_mutex_init(&fake->lock, NULL);
	pthread_mutex_init(&fake->watch_lock, NULL);
	fake_condition_init(&fake->changed);
	g_queue_init(&fake->events);
	fake->one_offs = g_ptr_array_new_with_free_func(one_off_free);
	fake->deployments = g_ptr_array_new_with_free_func(deployment_free);
	fake->behaviours = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, behaviour_free);
	fake->thread = g_thread_new("fake-engine", engine_run, fake);
	return &fake->engine;
}

static void
tell_to_stop(FakeEngine *fake)
{
	LOCKED(&fake->lock);
	fake->is_stopping = true;
	pthread_cond_broadcast(&fake->changed);
}

void
fake_engine_destroy(Engine *engine)
{
	FakeEngine *fake = (FakeEngine *)engine;
	tell_to_stop(fake);
	g_thread_join(fake->thread);
	g_ptr_array_unref(fake->one_offs);
	g_ptr_array_unref(fake->deployments);
	g_hash_table_unref(fake->behaviours);
	g_free(fake->down);
	g_free(fake->app_failure);
	pthread_cond_destroy(&fake->changed);
	pthread_mutex_destroy(&fake->lock);
	pthread_mutex_destroy(&fake->watch_lock);
	g_free(fake);
}
