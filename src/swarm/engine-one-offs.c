/*
 * One-offs: containers of our own on this node, on the app's network, beside Swarm's. Why not Swarm
 * services: docs/why/0010.
 *
 * An attached one is talked to before it starts, so that nothing of what it writes is lost, and has
 * no log; a detached one writes into the log that the collector reads. The command line of a
 * container is an argument vector and its environment is not expanded, unlike a Swarm service's.
 */
#include "swarm/engine-private.h"

#include "base/text.h"

#include <string.h>

#define NANO_CPUS 1000000000LL
#define SETTLE_MS 5000
#define STOP_SECONDS 2
#define CALL_MS 60000
/* Three keys in a row that nobody types: the engine cannot be told to have none. */
#define DETACH_KEYS "ctrl-^,ctrl-_,ctrl-^"

static json_t *
environment(const Env *env)
{
	json_t *list = json_array();
	g_autofree const char **names = env_names(env);

	for (const char **name = names; *name; name++) {
		g_autofree char *entry = g_strconcat(*name, "=", env_get(env, *name), NULL);
		json_array_append_new(list, json_string(entry));
	}
	return list;
}

static json_t *
words(const char *const *command)
{
	json_t *list = json_array();
	for (; command && *command; command++)
		json_array_append_new(list, json_string(*command));
	return list;
}

static json_t *
labels(const SwarmEngine *engine, const EngineOneOff *one_off)
{
	json_t *all = engine_labels(engine, one_off->spec);
	json_object_set_new(all, LABEL_KIND, json_string(KIND_ONE_OFF));
	if (one_off->role)
		json_object_set_new(all, LABEL_ROLE, json_string(one_off->role));
	if (one_off->is_attached)
		json_object_set_new(all, LABEL_ATTACHED, json_string("1"));
	if (one_off->deadline)
		json_object_set_new(
		    all, LABEL_DEADLINE, json_sprintf("%" G_GINT64_FORMAT, one_off->deadline));
	return all;
}

static json_t *
host_config(const EngineOneOff *one_off, const char *network)
{
	const EngineSpec *spec = one_off->spec;
	unsigned memory = spec->memory ? spec->memory : spec->memory_limit;
	json_t *log = one_off->is_attached ? json_pack("{s:s}", "Type", "none")
					   : engine_log_driver("Type", "Config");

	return json_pack("{s:s, s:b, s:I, s:o}", "NetworkMode", network, "Init", spec->has_init,
	    "Memory", (json_int_t)memory * MEBIBYTE, "LogConfig", log);
}

/* Without the image's entrypoint the command takes its place. */
static json_t *
container_spec(const SwarmEngine *engine, const EngineOneOff *one_off, const char *network)
{
	const EngineSpec *spec = one_off->spec;
	bool is_attached = one_off->is_attached;
	const char *member = one_off->without_entrypoint ? "Entrypoint" : "Cmd";

	json_t *body =
	    json_pack("{s:s, s:o, s:o, s:o, s:b, s:b, s:b, s:b, s:b, s:b, s:{s:[s]}, s:i, s:o}",
		"Image", spec->image, "Labels", labels(engine, one_off), "Env",
		environment(spec->env), member, words(spec->command), "Tty",
		(int)(is_attached && one_off->has_terminal), "OpenStdin", (int)is_attached,
		"StdinOnce", (int)is_attached, "AttachStdin", (int)is_attached, "AttachStdout",
		(int)is_attached, "AttachStderr", (int)is_attached, "Healthcheck", "Test", "NONE",
		"StopTimeout", STOP_SECONDS, "HostConfig", host_config(one_off, network));
	engine_settings_container(engine, body, spec);
	return body;
}

static char *
create(SwarmEngine *engine, const EngineOneOff *one_off, GError **error)
{
	const EngineSpec *spec = one_off->spec;
	g_autofree char *network = engine_network_ensure(engine, spec->app, error);
	if (!network)
		return NULL;

	g_autofree char *random = text_random_hex(6);
	g_autofree char *name = g_strdup_printf("%s-%s-run-%s", spec->app, spec->service, random);
	json_auto_t *body = container_spec(engine, one_off, network);
	json_auto_t *made =
	    docker_call(engine->docker, "POST", body, error, "/containers/create?name=%s", name);
	return made ? g_strdup(json_text_of(made, "Id", "")) : NULL;
}

static bool
remove_container(SwarmEngine *engine, const char *container, GError **error)
{
	g_autoptr(GError) failure = NULL;
	json_auto_t *removed = docker_call(
	    engine->docker, "DELETE", NULL, &failure, "/containers/%s?force=1&v=1", container);
	if (removed || g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND) ||
	    g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_CONFLICT))
		return true;

	g_propagate_error(error, g_steal_pointer(&failure));
	return false;
}

static bool
start(SwarmEngine *engine, const char *container, GError **error)
{
	json_auto_t *started =
	    docker_call(engine->docker, "POST", NULL, error, "/containers/%s/start", container);

	return started != NULL;
}

static HttpConnection *
attach(SwarmEngine *engine, const char *container, GError **error)
{
	g_autofree char *path = g_strdup_printf("/containers/%s/attach?stream=1&stdin=1&stdout=1"
						"&stderr=1&detachKeys=" DETACH_KEYS,
	    container);
	HttpRequest request = {.method = "POST", .path = path, .timeout_ms = CALL_MS};

	return docker_upgrade(engine->docker, &request, NULL, error);
}

/* A command that cannot be run is its client's business: the stream says so, with 126 or 127. */
static bool
start_attached(SwarmEngine *engine,
    const EngineOneOff *one_off,
    const char *container,
    EngineStream **stream,
    GError **error)
{
	EngineStreamSource source = {.container = container, .has_terminal = one_off->has_terminal};
	g_autoptr(HttpConnection) connection = attach(engine, container, error);
	if (!connection)
		return false;

	g_autoptr(GError) failure = NULL;
	if (start(engine, container, &failure)) {
		*stream = engine_stream_new(engine, g_steal_pointer(&connection), &source, NULL);
		if (one_off->has_terminal && one_off->height && one_off->width)
			(*stream)->ops->resize(*stream, one_off->height, one_off->width, NULL);
		return true;
	}
	if (!strstr(failure->message, "OCI runtime")) {
		g_propagate_error(error, g_steal_pointer(&failure));
		return false;
	}
	*stream = engine_stream_new(engine, NULL, &source, failure->message);
	return true;
}

char *
engine_run(Engine *base, const EngineOneOff *one_off, EngineStream **stream, GError **error)
{
	SwarmEngine *engine = (SwarmEngine *)base;
	g_autofree char *container = create(engine, one_off, error);
	if (!container)
		return NULL;

	bool started = one_off->is_attached
			   ? start_attached(engine, one_off, container, stream, error)
			   : start(engine, container, error);
	if (!started) {
		g_prefix_error(error, "the command cannot be run: ");
		remove_container(engine, container, NULL);
		return NULL;
	}
	return g_strdup(engine_process_id(container));
}

/* Lists */

/* «Exited (137) 2 seconds ago»: a list has the code nowhere else. */
static int
code_of(const char *status)
{
	const char *place = strchr(status, '(');

	return place ? (int)g_ascii_strtoll(place + 1, NULL, 10) : 0;
}

static ProcessState
state_of(const char *state, int exit_code)
{
	if (strcmp(state, "created") == 0)
		return PROCESS_STARTING;
	if (strcmp(state, "running") == 0 || strcmp(state, "paused") == 0)
		return PROCESS_RUNNING;

	return exit_code == 0 ? PROCESS_COMPLETE : PROCESS_FAILED;
}

static gint64
deadline_of(const json_t *container_labels)
{
	return g_ascii_strtoll(json_text_of(container_labels, LABEL_DEADLINE, "0"), NULL, 10);
}

static Process *
read_one_off(const json_t *container)
{
	const json_t *all = json_object_get(container, "Labels");
	const char *id = json_text_of(container, "Id", "");
	Process *process = g_new0(Process, 1);

	process->id = g_strdup(engine_process_id(id));
	process->deployment = g_strdup("");
	process->app = g_strdup(json_text_of(all, LABEL_APP, ""));
	process->service = g_strdup(json_text_of(all, LABEL_SERVICE, ""));
	process->release = g_strdup(json_text_of(all, LABEL_RELEASE, ""));
	process->env_hash = g_strdup(json_text_of(all, LABEL_ENV, ""));
	process->node = g_strdup("");
	process->container = g_strdup(id);
	process->image = g_strdup(json_text_of(container, "Image", ""));
	process->command = g_strdup(json_text_of(container, "Command", ""));
	process->reason = g_strdup("");
	process->role = g_strdup(json_text_of(all, LABEL_ROLE, ""));
	process->exit_code = code_of(json_text_of(container, "Status", ""));
	process->state = state_of(json_text_of(container, "State", ""), process->exit_code);
	process->is_wanted = process->state == PROCESS_RUNNING;
	process->is_one_off = true;
	process->is_attached = json_object_get(all, LABEL_ATTACHED) != NULL;
	process->deadline = deadline_of(all);
	process->started = json_int_of(container, "Created", 0) * G_USEC_PER_SEC;
	return process;
}

static char *
one_off_filter(const char *rack, const char *app)
{
	g_autofree char *rack_label = g_strconcat(LABEL_RACK "=", rack, NULL);
	g_autofree char *app_label = g_strconcat(LABEL_APP "=", app, NULL);
	json_auto_t *filters =
	    json_pack("{s:[s, s]}", "label", rack_label, LABEL_KIND "=" KIND_ONE_OFF);
	if (app)
		json_array_append_new(json_object_get(filters, "label"), json_string(app_label));
	g_autofree char *text = json_text(filters, false);
	g_autofree char *escaped = http_escape(text);
	return g_strconcat("filters=", escaped, NULL);
}

GPtrArray *
engine_one_offs(Engine *base, const char *app, GError **error)
{
	SwarmEngine *engine = (SwarmEngine *)base;
	g_autofree char *filters = one_off_filter(engine->rack, app);
	json_auto_t *containers =
	    docker_call(engine->docker, "GET", NULL, error, "/containers/json?all=1&%s", filters);
	if (!containers)
		return NULL;

	GPtrArray *processes = g_ptr_array_new_with_free_func((GDestroyNotify)process_free);
	gsize index;
	json_t *container;
	json_array_foreach(containers, index, container)
	    g_ptr_array_add(processes, read_one_off(container));
	return processes;
}

char *
engine_one_off_container(SwarmEngine *engine, const char *app, const char *id)
{
	g_autoptr(GPtrArray) all = engine_one_offs(&engine->base, app, NULL);
	for (guint i = 0; all && i < all->len; i++) {
		const Process *process = all->pdata[i];
		if (strcmp(process->id, id) == 0)
			return g_strdup(process->container);
	}
	return NULL;
}

/* Ends */

bool
engine_forget(Engine *base, const Process *one_off, GError **error)
{
	SwarmEngine *engine = (SwarmEngine *)base;
	if (!one_off->is_attached)
		collector_settle(engine->collector, one_off->container, SETTLE_MS);

	return remove_container(engine, one_off->container, error);
}

bool
engine_one_offs_remove(SwarmEngine *engine, const char *app, GError **error)
{
	g_autoptr(GPtrArray) all = engine_one_offs(&engine->base, app, error);
	for (guint i = 0; all && i < all->len; i++) {
		const Process *process = all->pdata[i];
		if (!remove_container(engine, process->container, error))
			return false;
	}
	return all != NULL;
}
