/*
 * What ECS was last seen to hold, since core asks far more often than AWS answers. A view belongs
 * to a deployment or to the whole cluster, and is read anew when it is over a second old: over five
 * while ECS's events arrive and none has told of a change. A call of ours that changed something
 * makes the next question ask at once.
 *
 * A look is ListTasks twice and DescribeTasks for a hundred tasks at a time; ended ones do not
 * change and are described once. DescribeServices comes on top while processes are missing.
 */
#include "aws/engine-private.h"

#include <string.h>

#define PACE_US G_USEC_PER_SEC
#define PACE_QUIET_US (5 * G_USEC_PER_SEC)
#define FRESH_US (30 * G_USEC_PER_SEC)
#define DESCRIBED_AT_ONCE 100

void
ecs_view_free(gpointer data)
{
	EngineView *view = data;

	pthread_mutex_destroy(&view->lock);
	json_decref(view->tasks);
	json_decref(view->service);
	g_free(view);
}

static EngineView *
view_of(EcsEngine *engine, const char *deployment)
{
	const char *name = deployment ? deployment : "";
	LOCKED(&engine->lock);
	EngineView *view = g_hash_table_lookup(engine->views, name);
	if (view)
		return view;

	view = g_new0(EngineView, 1);
	pthread_mutex_init(&view->lock, NULL);
	g_hash_table_insert(engine->views, g_strdup(name), view);
	return view;
}

static bool
is_fresh(EcsEngine *engine, EngineView *view)
{
	gint64 age = g_get_monotonic_time() - view->asked;
	if (!view->tasks || g_atomic_int_get(&view->is_changed))
		return false;

	bool is_quiet = g_atomic_int_get(&engine->has_events) && !g_atomic_int_get(&view->is_stale);
	return age < (is_quiet ? PACE_QUIET_US : PACE_US);
}

/* Asking */

static bool
add_arns(
    EcsEngine *engine, const char *deployment, const char *status, GHashTable *arns, GError **error)
{
	const AwsList list = {.service = &aws_services[AWS_ECS],
	    .operation = "ListTasks",
	    .token_in = "nextToken",
	    .token_out = "nextToken",
	    .items = "taskArns"};
	g_autoptr(GError) failure = NULL;
	json_auto_t *input = json_pack("{s:s, s:s, s:s*}", "cluster", engine->rack->cluster,
	    "desiredStatus", status, "serviceName", deployment);
	json_auto_t *found =
	    aws_list(engine->rack->client, &list, input, 0, engine->closing, &failure);
	/* A deployment that is gone has no processes. */
	if (!found && deployment && aws_error_is(failure, "ServiceNotFoundException"))
		return true;
	if (!found) {
		g_propagate_error(error, g_steal_pointer(&failure));
		return false;
	}

	gsize index;
	json_t *arn;
	json_array_foreach(found, index, arn)
	    g_hash_table_add(arns, g_strdup(json_string_value(arn)));
	return true;
}

/* Tasks that had ended when they were last seen and are still listed; they leave `arns`. */
static json_t *
take_ended(const json_t *before, GHashTable *arns)
{
	json_t *kept = json_array();
	gsize index;
	json_t *task;
	json_array_foreach((json_t *)before, index, task)
	{
		bool has_ended = strcmp(json_text_of(task, "lastStatus", ""), "STOPPED") == 0;
		if (has_ended && g_hash_table_remove(arns, json_text_of(task, "taskArn", "")))
			json_array_append(kept, task);
	}
	return kept;
}

static bool
describe(EcsEngine *engine, GHashTable *arns, json_t *tasks, GError **error)
{
	const AwsBatch batch = {
	    &aws_services[AWS_ECS], "DescribeTasks", "tasks", DESCRIBED_AT_ONCE};
	json_auto_t *names = json_array();
	json_auto_t *input =
	    json_pack("{s:s, s:[s]}", "cluster", engine->rack->cluster, "include", "TAGS");
	GHashTableIter iterator;
	gpointer arn;
	g_hash_table_iter_init(&iterator, arns);
	while (g_hash_table_iter_next(&iterator, &arn, NULL))
		json_array_append_new(names, json_string(arn));

	json_auto_t *answer =
	    aws_batches(engine->rack->client, &batch, input, names, engine->closing, error);
	if (!answer)
		return false;
	json_auto_t *described = aws_items(answer, "tasks");
	json_array_extend(tasks, described);
	return true;
}

static json_t *
ask_tasks(EcsEngine *engine, const char *deployment, const json_t *before, GError **error)
{
	g_autoptr(GHashTable) arns = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	if (!add_arns(engine, deployment, "RUNNING", arns, error) ||
	    !add_arns(engine, deployment, "STOPPED", arns, error))
		return NULL;

	json_auto_t *tasks = take_ended(before, arns);
	return describe(engine, arns, tasks, error) ? g_steal_pointer(&tasks) : NULL;
}

static json_t *
ask_service(EcsEngine *engine, const char *deployment, GError **error)
{
	json_auto_t *input = json_pack("{s:s, s:[s], s:[s]}", "cluster", engine->rack->cluster,
	    "services", deployment, "include", "TAGS");
	json_auto_t *answer = ecs_call(engine, "DescribeServices", input, error);
	json_auto_t *services = answer ? aws_items(answer, "services") : NULL;

	return json_incref(json_array_get(services, 0));
}

static gint64
count_living(const json_t *tasks)
{
	gint64 count = 0;
	gsize index;
	json_t *task;
	json_array_foreach((json_t *)tasks, index, task) count +=
	    strcmp(json_text_of(task, "desiredStatus", ""), "RUNNING") == 0;
	return count;
}

/* A name that was taken before may still be shown with the processes of then. */
static void
drop_older(json_t *tasks, const json_t *service)
{
	gint64 created = ecs_time(service, "createdAt");
	for (gsize i = json_array_size(tasks); i-- > 0;) {
		if (ecs_time(json_array_get(tasks, i), "createdAt") < created - G_USEC_PER_SEC)
			json_array_remove(tasks, i);
	}
}

static bool
ask(EcsEngine *engine, const char *deployment, EngineView *view, GError **error)
{
	g_atomic_int_set(&view->is_changed, 0);
	g_atomic_int_set(&view->is_stale, 0);
	json_auto_t *tasks = ask_tasks(engine, deployment, view->tasks, error);
	if (!tasks)
		return false;
	bool is_short =
	    deployment &&
	    (!view->service || count_living(tasks) < json_int_of(view->service, "desiredCount", 0));
	if (is_short) {
		json_t *service = ask_service(engine, deployment, NULL);
		if (service) {
			json_decref(view->service);
			view->service = service;
		}
	}
	if (view->service)
		drop_older(tasks, view->service);

	json_decref(view->tasks);
	view->tasks = g_steal_pointer(&tasks);
	view->asked = g_get_monotonic_time();
	return true;
}

json_t *
ecs_view_tasks(EcsEngine *engine, const char *deployment, GError **error)
{
	EngineView *view = view_of(engine, deployment);
	LOCKED(&view->lock);
	if (!is_fresh(engine, view) && !ask(engine, deployment, view, error))
		return NULL;

	return json_incref(view->tasks);
}

json_t *
ecs_view_service(EcsEngine *engine, const char *deployment)
{
	EngineView *view = view_of(engine, deployment);
	LOCKED(&view->lock);
	return json_incref(view->service);
}

void
ecs_view_learn(EcsEngine *engine, const char *deployment, json_t *service)
{
	EngineView *view = view_of(engine, deployment);
	{
		LOCKED(&view->lock);
		json_decref(view->service);
		view->service = json_incref(service);
		if (!service)
			g_clear_pointer(&view->tasks, json_decref);
	}
	ecs_view_expire(engine, deployment, true);
}

static void
expire(EngineView *view, bool by_us)
{
	g_atomic_int_set(by_us ? &view->is_changed : &view->is_stale, 1);
}

void
ecs_view_expire(EcsEngine *engine, const char *deployment, bool by_us)
{
	expire(view_of(engine, NULL), by_us);
	if (deployment && *deployment)
		expire(view_of(engine, deployment), by_us);
}

GPtrArray *
ecs_view_fresh(EcsEngine *engine)
{
	gint64 since = g_get_real_time() - FRESH_US;
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GPtrArray) views = g_ptr_array_new();
	GHashTableIter iterator;
	gpointer view;
	{
		LOCKED(&engine->lock);
		g_hash_table_iter_init(&iterator, engine->views);
		while (g_hash_table_iter_next(&iterator, NULL, &view))
			g_ptr_array_add(views, view);
	}
	for (guint i = 0; i < views->len; i++) {
		EngineView *one = views->pdata[i];
		LOCKED(&one->lock);
		if (one->service && ecs_time(one->service, "createdAt") > since)
			g_ptr_array_add(
			    names, g_strdup(json_text_of(one->service, "serviceName", "")));
	}
	return names;
}
