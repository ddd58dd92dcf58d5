/*
 * Commands in processes that run. An exec that nobody listens to any more goes on in its container,
 * and the engine has no call to end it: that is done by signals, from this process when it sees the
 * host's processes as its own, else from a short-lived container of the rack's own image that
 * shares the namespace of processes with the one that is meant.
 */
#include "swarm/engine-private.h"
#include "swarm/process-end.h"

#include <string.h>

#define CALL_MS 60000
#define GRACE_MS 1500
#define HELPER_WAIT_MS 15000
/* Keys that nobody types in a row: the engine cannot be told to have none. */
#define DETACH_KEYS "ctrl-^,ctrl-_,ctrl-^"

/* The image's entrypoint goes before the command where that is wanted. */
static json_t *
command_of(SwarmEngine *engine, const char *container, const EngineExec *exec, GError **error)
{
	json_t *words = json_array();
	if (exec->with_entrypoint) {
		json_auto_t *known = docker_call(
		    engine->docker, "GET", NULL, error, "/containers/%s/json", container);
		json_t *entrypoint = json_at(known, "Config", "Entrypoint", NULL);
		if (!known) {
			json_decref(words);
			return NULL;
		}
		if (json_is_array(entrypoint))
			json_array_extend(words, entrypoint);
	}
	for (const char *const *word = exec->command; *word; word++)
		json_array_append_new(words, json_string(*word));
	return words;
}

static char *
create(SwarmEngine *engine, const char *container, const EngineExec *exec, GError **error)
{
	json_t *command = command_of(engine, container, exec, error);
	if (!command)
		return NULL;

	json_auto_t *body = json_pack("{s:o, s:b, s:b, s:b, s:b, s:s}", "Cmd", command,
	    "AttachStdin", 1, "AttachStdout", 1, "AttachStderr", 1, "Tty", (int)exec->has_terminal,
	    "DetachKeys", DETACH_KEYS);
	json_auto_t *made =
	    docker_call(engine->docker, "POST", body, error, "/containers/%s/exec", container);
	return made ? g_strdup(json_text_of(made, "Id", "")) : NULL;
}

static HttpConnection *
start(SwarmEngine *engine, const char *id, bool has_terminal, GError **error)
{
	static const char *const headers[] = {"Content-Type: application/json", NULL};
	g_autofree char *path = g_strdup_printf("/exec/%s/start", id);
	const char *body =
	    has_terminal ? "{\"Detach\":false,\"Tty\":true}" : "{\"Detach\":false,\"Tty\":false}";
	HttpRequest request = {.method = "POST",
	    .path = path,
	    .headers = headers,
	    .body = body,
	    .body_length = strlen(body),
	    .timeout_ms = CALL_MS};

	return docker_upgrade(engine->docker, &request, NULL, error);
}

EngineStream *
engine_exec(Engine *base, const Process *process, const EngineExec *exec, GError **error)
{
	SwarmEngine *engine = (SwarmEngine *)base;
	const char *container = engine_container(process, error);
	g_autofree char *id = container ? create(engine, container, exec, error) : NULL;
	if (!id)
		return NULL;

	EngineStreamSource source = {
	    .container = container, .exec = id, .has_terminal = exec->has_terminal};
	g_autoptr(GError) failure = NULL;
	HttpConnection *connection = start(engine, id, exec->has_terminal, &failure);
	/* Engines differ: some refuse the call instead of telling within the stream. */
	if (!connection && strstr(failure->message, "OCI runtime"))
		return engine_stream_new(engine, NULL, &source, failure->message);
	if (!connection) {
		g_propagate_error(error, g_steal_pointer(&failure));
		return NULL;
	}

	EngineStream *stream = engine_stream_new(engine, connection, &source, NULL);
	if (exec->has_terminal && exec->height && exec->width)
		stream->ops->resize(stream, exec->height, exec->width, NULL);
	return stream;
}

/* The end */

/* The image of carrackd's own container, which has `carrackd end`. NULL when this is none. */
static char *
own_image(SwarmEngine *engine)
{
	g_autofree char *filters = engine_label_filter(engine->rack, NULL);
	json_auto_t *containers =
	    docker_call(engine->docker, "GET", NULL, NULL, "/containers/json?%s", filters);
	gsize index;
	json_t *container;
	json_array_foreach(containers, index, container)
	{
		const json_t *labels = json_object_get(container, "Labels");
		if (strcmp(json_text_of(labels, LABEL_PART, ""), "api") == 0)
			return g_strdup(json_text_of(container, "ImageID", ""));
	}
	return NULL;
}

static json_t *
helper_spec(const char *image, const char *container, pid_t process)
{
	g_autofree char *number = g_strdup_printf("%d", (int)process);
	g_autofree char *namespace = g_strconcat("container:", container, NULL);

	return json_pack("{s:s, s:[s], s:[s, s], s:{s:s, s:s, s:b, s:{s:s}}}", "Image", image,
	    "Entrypoint", "/usr/local/bin/carrackd", "Cmd", "end", number, "HostConfig", "PidMode",
	    namespace, "NetworkMode", "none", "AutoRemove", 1, "LogConfig", "Type", "none");
}

static void
end_from_beside(SwarmEngine *engine, const char *container, pid_t process)
{
	g_autofree char *image = own_image(engine);
	json_auto_t *body = image ? helper_spec(image, container, process) : NULL;
	json_auto_t *made =
	    body ? docker_call(engine->docker, "POST", body, NULL, "/containers/create") : NULL;
	const char *id = json_text_of(made, "Id", "");
	if (!*id)
		return;

	json_auto_t *started =
	    docker_call(engine->docker, "POST", NULL, NULL, "/containers/%s/start", id);
	g_autofree char *path = g_strdup_printf("/containers/%s/wait", id);
	HttpRequest request = {.method = "POST", .path = path, .timeout_ms = HELPER_WAIT_MS};
	g_autoptr(HttpAnswer) ended =
	    started ? docker_request(engine->docker, &request, engine->closing, NULL) : NULL;
}

void
engine_exec_kill(SwarmEngine *engine, const char *container, const char *exec)
{
	json_auto_t *known = docker_call(engine->docker, "GET", NULL, NULL, "/exec/%s/json", exec);
	pid_t process = (pid_t)json_int_of(known, "Pid", 0);
	if (process <= 1 || !json_bool_of(known, "Running", false))
		return;
	if (strcmp(engine->host_proc, "/proc") == 0) {
		process_end(process, GRACE_MS);
		return;
	}

	pid_t inner = process_inner_id(engine->host_proc, process);
	if (inner > 1)
		end_from_beside(engine, container, inner);
}
