/*
 * State and thread of the fake engine. Every process goes pending, starting, running at its time;
 * one that ends by itself is replaced, as Swarm does.
 */
#include "base/text.h"
#include "fake/engine.h"

#include <string.h>

void
behaviour_copy(FakeBehaviour *to, const FakeBehaviour *from)
{
	*to = *from;
	to->pending = g_strdup(from->pending);
	to->lines = g_strdup(from->lines);
	to->listening = g_strdup(from->listening);
	to->image = g_strdup(from->image);
}

void
behaviour_clear(FakeBehaviour *behaviour)
{
	g_free((char *)behaviour->pending);
	g_free((char *)behaviour->lines);
	g_free((char *)behaviour->listening);
	g_free((char *)behaviour->image);
}

static void
task_free(gpointer data)
{
	Task *task = data;
	fake_server_free(task->server);
	process_free(task->process);
	g_free(task);
}

Deployment *
deployment_new(FakeEngine *fake, const EngineSpec *spec)
{
	Deployment *deployment = g_new0(Deployment, 1);
	EngineDeployment *public = g_new0(EngineDeployment, 1);
	public->id = text_random_hex(12);
	public->app = g_strdup(spec->app);
	public->service = g_strdup(spec->service);
	public->release = g_strdup(spec->release);
	public->name = g_strdup_printf("%s-%s-%s", spec->app, spec->service, spec->release);
	public->image = g_strdup(spec->image);
	public->env_hash = env_hash(spec->env);
	public->count = spec->count;
	public->cpu = spec->cpu;
	public->memory = spec->memory ? spec->memory : spec->memory_limit;
	public->port = spec->port;
	public->created = g_get_real_time();
	deployment->deployment = public;
	deployment->tasks = g_ptr_array_new_with_free_func(task_free);

	const FakeBehaviour *behaviour = g_hash_table_lookup(fake->behaviours, spec->service);
	if (!behaviour)
		behaviour = g_hash_table_lookup(fake->behaviours, "");
	if (behaviour)
		behaviour_copy(&deployment->behaviour, behaviour);
	return deployment;
}

void
deployment_free(gpointer data)
{
	Deployment *deployment = data;
	g_ptr_array_unref(deployment->tasks);
	engine_deployment_free(deployment->deployment);
	behaviour_clear(&deployment->behaviour);
	g_free(deployment);
}

Deployment *
deployment_find(FakeEngine *fake, const char *id)
{
	for (guint i = 0; i < fake->deployments->len; i++) {
		Deployment *deployment = g_ptr_array_index(fake->deployments, i);
		if (!strcmp(deployment->deployment->id, id))
			return deployment;
	}
	return NULL;
}

Task *
task_find(FakeEngine *fake, const char *process, Deployment **deployment)
{
	for (guint i = 0; i < fake->deployments->len; i++) {
		*deployment = g_ptr_array_index(fake->deployments, i);
		for (guint j = 0; j < (*deployment)->tasks->len; j++) {
			Task *task = g_ptr_array_index((*deployment)->tasks, j);
			if (!strcmp(task->process->id, process))
				return task;
		}
	}
	return NULL;
}

static void
plan(FakeEngine *fake, Task *task, Step step, unsigned delay_ms)
{
	task->step = step;
	task->due = g_get_monotonic_time() + delay_ms * 1000LL;
	pthread_cond_broadcast(&fake->changed);
}

void
task_add(FakeEngine *fake, Deployment *deployment)
{
	const EngineDeployment *public = deployment->deployment;
	const FakeBehaviour *behaviour = &deployment->behaviour;
	Task *task = g_new0(Task, 1);
	Process *process = g_new0(Process, 1);
	process->id = text_random_hex(6);
	process->deployment = g_strdup(public->id);
	process->app = g_strdup(public->app);
	process->service = g_strdup(public->service);
	process->release = g_strdup(public->release);
	process->node = g_strdup("node1");
	process->container = g_strdup("");
	process->image = g_strdup(behaviour->image ? behaviour->image : public->image);
	process->env_hash = g_strdup(public->env_hash);
	process->command = g_strdup("");
	process->reason = g_strdup(behaviour->pending ? behaviour->pending : "");
	process->state = PROCESS_PENDING;
	process->is_wanted = true;
	process->port = public->port;
	process->cpu = public->cpu;
	process->memory = public->memory;
	task->process = process;
	g_ptr_array_add(deployment->tasks, task);
	if (!behaviour->pending)
		plan(fake, task, STEP_START, behaviour->start_ms);
}

bool
task_lives(const Task *task)
{
	return task->process->state <= PROCESS_STOPPING;
}

void
event_queue(
    FakeEngine *fake, EngineEventKind kind, Deployment *deployment, Task *task, int exit_code)
{
	Event *event = g_new0(Event, 1);
	event->kind = kind;
	event->app = g_strdup(deployment ? deployment->deployment->app : NULL);
	event->service = g_strdup(deployment ? deployment->deployment->service : NULL);
	event->release = g_strdup(deployment ? deployment->deployment->release : NULL);
	event->deployment = g_strdup(deployment ? deployment->deployment->id : NULL);
	event->process = g_strdup(task ? task->process->id : NULL);
	event->exit_code = exit_code;
	g_queue_push_tail(&fake->events, event);
	pthread_cond_broadcast(&fake->changed);
}

void
event_queue_one_off(FakeEngine *fake, const Process *process)
{
	Event *event = g_new0(Event, 1);
	event->kind = ENGINE_EVENT_DIE;
	event->app = g_strdup(process->app);
	event->service = g_strdup(process->service);
	event->release = g_strdup(process->release);
	event->deployment = g_strdup("");
	event->process = g_strdup(process->id);
	event->exit_code = process->exit_code;
	event->is_one_off = true;
	g_queue_push_tail(&fake->events, event);
	pthread_cond_broadcast(&fake->changed);
}

void
task_end(FakeEngine *fake, Deployment *deployment, Task *task, ProcessState state, int exit_code)
{
	Process *process = task->process;
	bool ran = process->state == PROCESS_RUNNING;
	process->state = state;
	process->is_wanted = false;
	process->exit_code = exit_code;
	if (state == PROCESS_FAILED) {
		g_free(process->reason);
		process->reason = g_strdup_printf("task: non-zero exit (%d)", exit_code);
	}
	task->step = STEP_NONE;
	g_clear_pointer(&task->server, fake_server_free);
	if (process->was_out_of_memory)
		event_queue(fake, ENGINE_EVENT_OUT_OF_MEMORY, deployment, task, 0);
	if (ran)
		event_queue(fake, ENGINE_EVENT_DIE, deployment, task, exit_code);
	pthread_cond_broadcast(&fake->changed);
}

void
reserved(FakeEngine *fake, gint64 *cpu, gint64 *memory)
{
	*cpu = *memory = 0;
	for (guint i = 0; i < fake->deployments->len; i++) {
		Deployment *deployment = g_ptr_array_index(fake->deployments, i);
		for (guint j = 0; j < deployment->tasks->len; j++) {
			Task *task = g_ptr_array_index(deployment->tasks, j);
			bool is_placed = task->process->state == PROCESS_STARTING ||
					 task->process->state == PROCESS_RUNNING;
			*cpu += is_placed ? task->process->cpu : 0;
			*memory += is_placed ? task->process->memory : 0;
		}
	}
}

static bool
fits(FakeEngine *fake, const Task *task)
{
	gint64 cpu, memory;
	reserved(fake, &cpu, &memory);
	return cpu + task->process->cpu <= fake->cpu &&
	       memory + task->process->memory <= fake->memory;
}

static void
write_lines(FakeEngine *fake, Deployment *deployment, Task *task)
{
	const Process *process = task->process;
	g_autoptr(GPtrArray) lines = fake_lines(deployment->behaviour.lines);
	for (guint i = 0; i < lines->len; i++) {
		const char *text = g_ptr_array_index(lines, i);
		LogLine line = {.time = g_get_real_time(),
		    .kind = "service",
		    .service = process->service,
		    .process = process->id,
		    .release = process->release,
		    .text = text,
		    .length = strlen(text)};
		fake->logs->ops->append(fake->logs, process->app, &line, 1, NULL);
	}
}

static void
start(FakeEngine *fake, Deployment *deployment, Task *task)
{
	const FakeBehaviour *behaviour = &deployment->behaviour;
	Process *process = task->process;
	g_free(process->reason);
	if (!fits(fake, task)) {
		process->reason = g_strdup("no suitable node (insufficient resources on 1 node)");
		plan(fake, task, STEP_START, 20);
		return;
	}

	process->reason = g_strdup("");
	g_free(process->container);
	process->container = text_random_hex(32);
	process->state = PROCESS_RUNNING;
	process->started = g_get_real_time();
	task->step = STEP_NONE;
	bool listens = process->port > 0 && !behaviour->is_silent;
	if (listens) {
		g_autofree char *body = g_strdup_printf(
		    "%s %s %s %s\n", process->app, process->service, process->release, process->id);
		unsigned status = behaviour->health_status ? behaviour->health_status : 200;
		task->server = fake_server_new(status, behaviour->ready_after_ms, body);
	}
	write_lines(fake, deployment, task);
	event_queue(fake, ENGINE_EVENT_START, deployment, task, 0);
	if (behaviour->exits)
		plan(fake, task, STEP_EXIT, behaviour->exit_after_ms);
}

static void
exit_by_itself(FakeEngine *fake, Deployment *deployment, Task *task)
{
	const FakeBehaviour *behaviour = &deployment->behaviour;
	int exit_code = behaviour->is_out_of_memory ? 137 : behaviour->exit_code;
	task->process->was_out_of_memory = behaviour->is_out_of_memory;
	task_end(fake, deployment, task, exit_code ? PROCESS_FAILED : PROCESS_COMPLETE, exit_code);
	task_add(fake, deployment);
}

/* Does what is due; returns when the next thing is. */
static gint64
step_deployment(FakeEngine *fake, Deployment *deployment, gint64 now)
{
	gint64 next = G_MAXINT64;
	for (guint i = 0; i < deployment->tasks->len; i++) {
		Task *task = g_ptr_array_index(deployment->tasks, i);
		if (task->step == STEP_START && task->due <= now)
			start(fake, deployment, task);
		else if (task->step == STEP_EXIT && task->due <= now)
			exit_by_itself(fake, deployment, task);
		if (task->step != STEP_NONE)
			next = MIN(next, task->due);
	}
	return next;
}

/* The next event; NULL when the engine stops. */
static Event *
next_event(FakeEngine *fake)
{
	LOCKED(&fake->lock);
	while (!fake->is_stopping) {
		gint64 now = g_get_monotonic_time();
		gint64 next = now + 10 * G_USEC_PER_SEC;
		for (guint i = 0; i < fake->deployments->len; i++)
			next = MIN(next,
			    step_deployment(fake, g_ptr_array_index(fake->deployments, i), now));
		Event *event = g_queue_pop_head(&fake->events);
		if (event)
			return event;
		fake_condition_wait(&fake->changed, &fake->lock, next);
	}
	return NULL;
}

static void
event_free(Event *event)
{
	g_free(event->app);
	g_free(event->service);
	g_free(event->release);
	g_free(event->deployment);
	g_free(event->process);
	g_free(event);
}

gpointer
engine_run(gpointer data)
{
	FakeEngine *fake = data;
	Event *event;
	while ((event = next_event(fake))) {
		EngineEvent public = {.kind = event->kind,
		    .app = event->app,
		    .service = event->service,
		    .release = event->release,
		    .deployment = event->deployment,
		    .process = event->process,
		    .container = "",
		    .is_one_off = event->is_one_off,
		    .exit_code = event->exit_code};
		LOCKED(&fake->watch_lock);
		if (fake->watch)
			fake->watch(fake->watch_data, &public);
		event_free(event);
	}
	g_queue_clear_full(&fake->events, (GDestroyNotify)event_free);
	return NULL;
}
