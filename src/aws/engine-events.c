/*
 * What happens to tasks, in one thread: ECS's events from the rack's queue, and a look at the
 * cluster every so often, which finds what no event has told of. Both say what a task is now, so
 * each change is told once whoever sees it first, and an event that comes twice says nothing new.
 *
 * Where events arrive the look is a safety net; until the first one has come it is all there is,
 * and taken every other second.
 */
#include "aws/engine-private.h"

#include <string.h>

#define WAIT_SECONDS 20 /* the most that SQS waits */
#define WAIT_SHORT_SECONDS 2
#define LOOK_US (2 * G_USEC_PER_SEC)
#define LOOK_QUIET_US (120 * G_USEC_PER_SEC)
#define PAUSE_MS 2000
#define SEEN_MOST 20000

typedef enum { SEEN_NOT, SEEN_RUNNING, SEEN_ENDED } Seen;

typedef struct {
	EcsEngine *engine;
	GHashTable *seen; /* task → Seen */
	gint64 looked;
	bool is_lost; /* the last look failed: what was missed is unknown */
} Watch;

static void
tell(const Watch *watch, EngineEventKind kind, const Process *process)
{
	EcsEngine *engine = watch->engine;
	const EngineEvent event = {.kind = kind,
	    .app = process->app,
	    .service = process->service,
	    .release = process->release,
	    .deployment = process->deployment,
	    .process = process->id,
	    .container = process->container,
	    .is_one_off = process->is_one_off,
	    .exit_code = process->exit_code};

	engine->event(engine->event_data, &event);
}

static void
tell_reconnected(const Watch *watch)
{
	const EngineEvent event = {.kind = ENGINE_EVENT_RECONNECTED,
	    .app = "",
	    .service = "",
	    .release = "",
	    .deployment = "",
	    .process = "",
	    .container = ""};

	watch->engine->event(watch->engine->event_data, &event);
}

static Seen
seen_of(const Process *process)
{
	if (process->state == PROCESS_RUNNING || process->state == PROCESS_STOPPING)
		return SEEN_RUNNING;
	/* One that found no place had no process that could die. */
	return ecs_has_ended(process) ? SEEN_ENDED : SEEN_NOT;
}

/* A task never goes back, so a view that is older than an event changes nothing. */
static void
see(Watch *watch, const json_t *task, bool is_told)
{
	g_autoptr(Process) process = ecs_read_task(watch->engine, task);
	if (!process)
		return;
	Seen now = seen_of(process);
	Seen before = GPOINTER_TO_INT(g_hash_table_lookup(watch->seen, process->container));
	if (now <= before)
		return;

	g_hash_table_replace(watch->seen, g_strdup(process->container), GINT_TO_POINTER(now));
	if (!is_told)
		return;
	ecs_view_expire(watch->engine, process->deployment, false);
	if (now == SEEN_RUNNING)
		tell(watch, ENGINE_EVENT_START, process);
	if (now == SEEN_ENDED && process->was_out_of_memory)
		tell(watch, ENGINE_EVENT_OUT_OF_MEMORY, process);
	if (now == SEEN_ENDED)
		tell(watch, ENGINE_EVENT_DIE, process);
}

static void
see_all(Watch *watch, const json_t *tasks, bool is_told)
{
	gsize index;
	json_t *task;
	json_array_foreach((json_t *)tasks, index, task) see(watch, task, is_told);
}

/* The look */

static bool
look(Watch *watch, bool is_told)
{
	json_auto_t *tasks = ecs_view_tasks(watch->engine, NULL, NULL);
	watch->looked = g_get_monotonic_time();
	if (!tasks)
		return false;

	if (g_hash_table_size(watch->seen) > SEEN_MOST) {
		g_hash_table_remove_all(watch->seen);
		is_told = false;
	}
	see_all(watch, tasks, is_told);
	return true;
}

static void
look_when_due(Watch *watch)
{
	bool is_quiet = g_atomic_int_get(&watch->engine->has_events);
	gint64 age = g_get_monotonic_time() - watch->looked;
	if (age < (is_quiet ? LOOK_QUIET_US : LOOK_US))
		return;

	bool was_lost = watch->is_lost;
	watch->is_lost = !look(watch, true);
	if (was_lost && !watch->is_lost)
		tell_reconnected(watch);
}

/* Events */

static json_t *
receive(EcsEngine *engine)
{
	bool is_quiet = g_atomic_int_get(&engine->has_events);
	json_auto_t *input =
	    json_pack("{s:s, s:i, s:i}", "QueueUrl", engine->rack->events, "MaxNumberOfMessages",
		10, "WaitTimeSeconds", is_quiet ? WAIT_SECONDS : WAIT_SHORT_SECONDS);
	json_auto_t *answer = aws_json(engine->rack->client, &aws_services[AWS_SQS],
	    "ReceiveMessage", input, engine->closing, NULL);

	return answer ? aws_items(answer, "Messages") : NULL;
}

/* The task of an event goes into `arns`; a service's placement failure makes its view old. */
static void
read_event(EcsEngine *engine, const json_t *event, GHashTable *arns)
{
	const json_t *detail = json_object_get(event, "detail");
	const char *task = json_text_of(detail, "taskArn", "");
	const char *group = json_text_of(detail, "group", "");
	const char *resource =
	    json_string_value(json_array_get(json_object_get(event, "resources"), 0));
	const char *service = resource ? strstr(resource, ":service/") : NULL;
	if (strcmp(json_text_of(event, "source", ""), "aws.ecs") != 0)
		return;

	g_atomic_int_set(&engine->has_events, 1);
	if (*task) {
		bool is_service = g_str_has_prefix(group, "service:");
		ecs_view_expire(engine, is_service ? group + strlen("service:") : NULL, false);
		g_hash_table_add(arns, g_strdup(task));
	} else if (service) {
		ecs_view_expire(engine, strrchr(service, '/') + 1, false);
	}
}

static void
drop_messages(EcsEngine *engine, const json_t *messages)
{
	json_auto_t *entries = json_array();
	gsize index;
	json_t *message;
	json_array_foreach((json_t *)messages, index, message) json_array_append_new(
	    entries, json_pack("{s:o, s:s}", "Id", json_sprintf("%d", (int)index), "ReceiptHandle",
			 json_text_of(message, "ReceiptHandle", "")));
	json_auto_t *input =
	    json_pack("{s:s, s:O}", "QueueUrl", engine->rack->events, "Entries", entries);
	json_auto_t *dropped = aws_json(engine->rack->client, &aws_services[AWS_SQS],
	    "DeleteMessageBatch", input, engine->closing, NULL);
}

/* An event tells no tags, so its task is asked for: one call for all that have come. */
static void
see_told(Watch *watch, GHashTable *arns)
{
	EcsEngine *engine = watch->engine;
	json_auto_t *names = json_array();
	GHashTableIter iterator;
	gpointer arn;
	g_hash_table_iter_init(&iterator, arns);
	while (g_hash_table_iter_next(&iterator, &arn, NULL))
		json_array_append_new(names, json_string(arn));
	if (json_array_size(names) == 0)
		return;

	json_auto_t *input = json_pack("{s:s, s:O, s:[s]}", "cluster", engine->rack->cluster,
	    "tasks", names, "include", "TAGS");
	json_auto_t *answer = ecs_call(engine, "DescribeTasks", input, NULL);
	json_auto_t *tasks = answer ? aws_items(answer, "tasks") : NULL;
	see_all(watch, tasks, true);
}

/* False when the queue cannot be asked. */
static bool
take_events(Watch *watch)
{
	EcsEngine *engine = watch->engine;
	json_auto_t *messages = receive(engine);
	if (!messages)
		return false;

	g_autoptr(GHashTable) arns = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	gsize index;
	json_t *message;
	json_array_foreach(messages, index, message)
	{
		const char *body = json_text_of(message, "Body", "");
		json_auto_t *event = json_parse(body, strlen(body), "an event", NULL);
		read_event(engine, event, arns);
	}
	see_told(watch, arns);
	if (json_array_size(messages) > 0)
		drop_messages(engine, messages);
	return true;
}

static void *
watch_tasks(gpointer data)
{
	EcsEngine *engine = data;
	Watch watch = {
	    .engine = engine, .seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};

	watch.is_lost = !look(&watch, false);
	tell_reconnected(&watch);
	while (!g_cancellable_is_cancelled(engine->closing)) {
		if (!take_events(&watch))
			ecs_pause(engine, PAUSE_MS);
		look_when_due(&watch);
	}
	g_hash_table_unref(watch.seen);
	return NULL;
}

void
ecs_watch(Engine *base, void (*event)(gpointer data, const EngineEvent *event), gpointer data)
{
	EcsEngine *engine = (EcsEngine *)base;

	engine->event = event;
	engine->event_data = data;
	engine->is_watching = pthread_create(&engine->watcher, NULL, watch_tasks, engine) == 0;
}
