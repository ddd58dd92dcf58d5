/*
 * What tests do to the fake engine and its processes.
 */
#include "fake/engine.h"

void
fake_behave(Provider *provider, const char *service, const FakeBehaviour *behaviour)
{
	FakeEngine *fake = (FakeEngine *)provider->engine;
	LOCKED(&fake->lock);
	if (!behaviour) {
		g_hash_table_remove(fake->behaviours, service ? service : "");
		return;
	}

	FakeBehaviour *copy = g_new0(FakeBehaviour, 1);
	behaviour_copy(copy, behaviour);
	g_hash_table_replace(fake->behaviours, g_strdup(service ? service : ""), copy);
}

static bool
end_process(Provider *provider, const char *process, bool out_of_memory, int exit_code)
{
	FakeEngine *fake = (FakeEngine *)provider->engine;
	Deployment *deployment;
	LOCKED(&fake->lock);
	Task *task = task_find(fake, process, &deployment);
	if (!task || task->process->state != PROCESS_RUNNING)
		return false;

	task->process->was_out_of_memory = out_of_memory;
	task_end(fake, deployment, task, PROCESS_FAILED, exit_code);
	task_add(fake, deployment);
	return true;
}

bool
fake_crash(Provider *provider, const char *process, int exit_code)
{
	return end_process(provider, process, false, exit_code);
}

void
fake_apps_take(Provider *provider, unsigned milliseconds, const char *failure)
{
	FakeEngine *fake = (FakeEngine *)provider->engine;
	LOCKED(&fake->lock);
	fake->app_ms = milliseconds;
	g_free(fake->app_failure);
	fake->app_failure = g_strdup(failure);
	fake->operations.add_app = milliseconds > 0 ? fake_add_app : NULL;
}

bool
fake_kill_out_of_memory(Provider *provider, const char *process)
{
	return end_process(provider, process, true, 137);
}

bool
fake_health(Provider *provider, const char *process, unsigned status)
{
	FakeEngine *fake = (FakeEngine *)provider->engine;
	Deployment *deployment;
	LOCKED(&fake->lock);
	Task *task = task_find(fake, process, &deployment);
	if (!task || !task->server)
		return false;

	fake_server_status(task->server, status);
	return true;
}

void
fake_capacity(Provider *provider, gint64 cpu, gint64 memory)
{
	FakeEngine *fake = (FakeEngine *)provider->engine;
	LOCKED(&fake->lock);
	fake->cpu = cpu;
	fake->memory = memory;
}

void
fake_reconnect(Provider *provider)
{
	FakeEngine *fake = (FakeEngine *)provider->engine;
	LOCKED(&fake->lock);
	event_queue(fake, ENGINE_EVENT_RECONNECTED, NULL, NULL, 0);
}

void
fake_engine_down(Provider *provider, const char *text)
{
	FakeEngine *fake = (FakeEngine *)provider->engine;
	LOCKED(&fake->lock);
	g_free(fake->down);
	fake->down = g_strdup(text);
}

unsigned
fake_created(Provider *provider)
{
	FakeEngine *fake = (FakeEngine *)provider->engine;
	LOCKED(&fake->lock);
	return fake->created;
}
