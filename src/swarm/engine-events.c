/*
 * The engine's container events of the rack, in one thread: to the collector and to whoever
 * watches.
 *
 * The engine remembers its last 256 events, so a stream that broke goes on from the last event
 * seen; what it forgot (it was restarted) is made up for by RECONNECTED.
 */
#include "swarm/engine-private.h"

#include <string.h>

#define PAUSE_FIRST_MS 100
#define PAUSE_MOST_MS 5000

typedef struct {
	SwarmEngine *engine;
	gint64 since; /* nanoseconds; events from then on are wanted */
} Watch;

static void
dispatch(SwarmEngine *engine, const EngineEvent *event, bool is_attached)
{
	engine->event(engine->event_data, event);
	/* What an attached one-off writes is its client's and not in the logs. */
	if (!is_attached)
		collector_event(engine->collector, event);
}

static bool
read_kind(const char *action, EngineEventKind *kind)
{
	static const struct {
		const char *action;
		EngineEventKind kind;
	} kinds[] = {
	    {"start", ENGINE_EVENT_START},
	    {"die", ENGINE_EVENT_DIE},
	    {"oom", ENGINE_EVENT_OUT_OF_MEMORY},
	};

	for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
		if (strcmp(kinds[i].action, action) == 0) {
			*kind = kinds[i].kind;
			return true;
		}
	}
	return false;
}

/* The attributes of a container event hold all its labels. */
static bool
take_event(gpointer data, json_t *line, GError **error)
{
	Watch *watch = data;
	const json_t *actor = json_object_get(line, "Actor");
	const json_t *attributes = json_object_get(actor, "Attributes");
	const char *container = json_text_of(actor, "ID", "");
	const char *exit_code = json_text_of(attributes, "exitCode", "0");
	EngineEvent event = {.app = json_text_of(attributes, LABEL_APP, ""),
	    .service = json_text_of(attributes, LABEL_SERVICE, ""),
	    .release = json_text_of(attributes, LABEL_RELEASE, ""),
	    .deployment = json_text_of(attributes, LABEL_SWARM_SERVICE, ""),
	    .process = engine_process_id(json_text_of(attributes, LABEL_SWARM_TASK, container)),
	    .container = container,
	    .is_one_off = json_object_get(attributes, LABEL_KIND) != NULL,
	    .exit_code = (int)g_ascii_strtoll(exit_code, NULL, 10)};

	watch->since = MAX(watch->since, json_int_of(line, "timeNano", 0) + 1);
	if (read_kind(json_text_of(line, "Action", ""), &event.kind) && *event.app)
		dispatch(
		    watch->engine, &event, json_object_get(attributes, LABEL_ATTACHED) != NULL);
	return true;
}

static char *
events_path(const Watch *watch)
{
	g_autofree char *label = g_strconcat(LABEL_RACK "=", watch->engine->rack, NULL);
	json_auto_t *filters = json_pack("{s:[s], s:[s, s, s], s:[s]}", "type", "container",
	    "event", "start", "die", "oom", "label", label);
	g_autofree char *text = json_text(filters, false);
	g_autofree char *escaped = http_escape(text);

	return g_strdup_printf("/events?since=%" G_GINT64_FORMAT ".%09d&filters=%s",
	    watch->since / 1000000000, (int)(watch->since % 1000000000), escaped);
}

/* Everything that is there is looked at after `since` was set and before the stream begins, so
 * nothing falls between. Returns when the stream ends. */
static bool
stream(Watch *watch, GError **error)
{
	SwarmEngine *engine = watch->engine;
	if (!collector_follow_all(engine->collector, error))
		return false;
	dispatch(engine,
	    &(EngineEvent){.kind = ENGINE_EVENT_RECONNECTED,
		.app = "",
		.service = "",
		.release = "",
		.deployment = "",
		.process = "",
		.container = ""},
	    false);

	DockerLines lines = {.take = take_event, .data = watch};
	g_autofree char *path = events_path(watch);
	HttpRequest request = {.path = path, .write = docker_lines_feed, .write_data = &lines};
	g_autoptr(HttpAnswer) answer =
	    docker_request(engine->docker, &request, engine->closing, error);
	docker_lines_clear(&lines);
	return answer != NULL;
}

static void *
watch_events(gpointer data)
{
	SwarmEngine *engine = data;
	Watch watch = {.engine = engine, .since = g_get_real_time() * 1000};
	unsigned pause = PAUSE_FIRST_MS;

	do {
		gint64 began = g_get_monotonic_time();
		stream(&watch, NULL);
		bool was_long = g_get_monotonic_time() - began > PAUSE_MOST_MS * 1000;
		pause = was_long ? PAUSE_FIRST_MS : MIN(pause * 2, PAUSE_MOST_MS);
	} while (engine_pause(engine, pause));
	return NULL;
}

void
engine_watch(Engine *base, void (*event)(gpointer data, const EngineEvent *event), gpointer data)
{
	SwarmEngine *engine = (SwarmEngine *)base;

	engine->event = event;
	engine->event_data = data;
	engine->is_watching = pthread_create(&engine->watcher, NULL, watch_events, engine) == 0;
}
