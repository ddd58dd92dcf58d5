/*
 * What only a process's container knows, on the node that it runs on: its address, why it died,
 * what it listens on, its last words.
 *
 * The address is the one on docker_gwbridge, where the router reaches any container of this node
 * whatever network its app has.
 */
#include "swarm/engine-private.h"

#include "base/limits.h"
#include "swarm/output.h"

#include <string.h>

#define STOP_MARGIN_MS 15000
#define SETTLE_MS 2000
#define ONE_OFF_GRACE 2 /* nobody's requests are in flight there */
#define TCP_LISTEN 0x0a
#define RESOLVER_ADDRESS "127.0.0.11" /* the engine's own, inside every container */

static json_t *
inspect(SwarmEngine *engine, const Process *process, GError **error)
{
	return docker_call(
	    engine->docker, "GET", NULL, error, "/containers/%s/json", process->container);
}

/* «172.18.0.5» of the gateway endpoint that belongs to the sandbox, or NULL. */
static char *
find_gateway(const json_t *network, const char *sandbox)
{
	g_autofree char *name = g_strdup_printf("gateway_%.12s", sandbox);
	const char *id;
	json_t *endpoint;

	json_object_foreach(json_object_get(network, "Containers"), id, endpoint)
	{
		if (strcmp(json_text_of(endpoint, "Name", ""), name) != 0)
			continue;
		const char *address = json_text_of(endpoint, "IPv4Address", "");
		return g_strndup(address, strcspn(address, "/"));
	}
	return NULL;
}

static bool
locate_address(SwarmEngine *engine, Process *process, const json_t *container, GError **error)
{
	const char *sandbox =
	    json_text_of(json_object_get(container, "NetworkSettings"), "SandboxID", "");
	json_auto_t *bridge =
	    docker_call(engine->docker, "GET", NULL, error, "/networks/docker_gwbridge");
	if (!bridge)
		return false;

	char *address = *sandbox ? find_gateway(bridge, sandbox) : NULL;
	if (!address)
		return error_set(
		    error, CARRACK_ERROR_UNAVAILABLE, "process %s has no address yet", process->id);
	g_free(process->address);
	process->address = address;
	return true;
}

static void
read_container(Process *process, const json_t *container)
{
	const json_t *state = json_object_get(container, "State");
	const char *image = json_text_of(json_object_get(container, "Config"), "Image", "");

	if (*image) {
		g_free(process->image);
		process->image = g_strdup(image);
	}
	process->was_out_of_memory = json_bool_of(state, "OOMKilled", false);
	if (!json_bool_of(state, "Running", false))
		process->exit_code = (int)json_int_of(state, "ExitCode", process->exit_code);
}

bool
engine_locate(Engine *base, Process *process, GError **error)
{
	SwarmEngine *engine = (SwarmEngine *)base;
	bool has_ended = process->state == PROCESS_FAILED || process->state == PROCESS_COMPLETE;
	if (!*process->container)
		return has_ended || error_set(error, CARRACK_ERROR_UNAVAILABLE,
					"process %s has no container yet", process->id);

	g_autoptr(GError) failure = NULL;
	json_auto_t *container = inspect(engine, process, &failure);
	/* The engine clears ended containers away; what the task has told must do then. */
	if (has_ended && g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND))
		return true;
	if (!container) {
		g_propagate_prefixed_error(
		    error, g_steal_pointer(&failure), "process %s: ", process->id);
		return false;
	}

	read_container(process, container);
	return has_ended || locate_address(engine, process, container, error);
}

/* The task of the app whose id ends so. */
static json_t *
find_task(SwarmEngine *engine, const char *app, const char *process, GError **error)
{
	g_autofree char *filters = engine_label_filter(engine->rack, app);
	json_auto_t *tasks = docker_call(engine->docker, "GET", NULL, error, "/tasks?%s", filters);
	if (!tasks)
		return NULL;

	gsize index;
	json_t *task;
	json_array_foreach(tasks, index, task)
	{
		const char *id = json_text_of(task, "ID", "");
		if (strcmp(engine_process_id(id), process) == 0)
			return json_incref(task);
	}
	error_set(error, CARRACK_ERROR_NOT_FOUND, "no such process: %s", process);
	return NULL;
}

const char *
engine_container(const Process *process, GError **error)
{
	if (*process->container && process->state == PROCESS_RUNNING)
		return process->container;

	error_set(error, CARRACK_ERROR_FORBIDDEN, "process %s is not running (%s)", process->id,
	    process_state_name(process->state));
	return NULL;
}

static bool
stop_container(SwarmEngine *engine, const char *container, gint64 grace, GError **error)
{
	g_autofree char *path =
	    g_strdup_printf("/containers/%s/stop?t=%" G_GINT64_FORMAT, container, grace);
	HttpRequest request = {.method = "POST",
	    .path = path,
	    .timeout_ms = (unsigned)(grace * 1000 + STOP_MARGIN_MS)};
	g_autoptr(HttpAnswer) answer =
	    docker_request(engine->docker, &request, engine->closing, error);
	return answer != NULL;
}

/* The engine's own stop waits 10 s for any container; ours has its time from the spec. */
bool
engine_stop(Engine *base, const char *app, const char *process, GError **error)
{
	SwarmEngine *engine = (SwarmEngine *)base;
	g_autofree char *one_off = engine_one_off_container(engine, app, process);
	if (one_off)
		return stop_container(engine, one_off, ONE_OFF_GRACE, error);
	json_auto_t *task = find_task(engine, app, process, error);
	if (!task)
		return false;

	const char *container =
	    json_text_of(json_at(task, "Status", "ContainerStatus", NULL), "ContainerID", "");
	const char *state = json_text_of(json_object_get(task, "Status"), "State", "");
	if (!*container || strcmp(state, "running") != 0)
		return error_set(error, CARRACK_ERROR_FORBIDDEN, "process %s is not running (%s)",
		    process, state);

	const json_t *spec = json_at(task, "Spec", "ContainerSpec", NULL);
	gint64 grace = json_int_of(spec, "StopGracePeriod", 10 * 1000000000LL) / 1000000000;
	return stop_container(engine, container, grace, error);
}

/* Last lines */

typedef struct {
	GPtrArray *lines;
	unsigned count;
} LastLines;

static bool
keep_line(gpointer data, const OutputLine *line, GError **error)
{
	LastLines *last = data;
	if (last->lines->len == last->count)
		g_ptr_array_remove_index(last->lines, 0);
	g_ptr_array_add(last->lines, g_strndup(line->text, line->length));
	return true;
}

/* `source` is «containers/ID» or «tasks/ID». The engine counts the parts of a long line each, so
 * more than the wanted lines are asked for. */
static GPtrArray *
read_last_lines(SwarmEngine *engine, const char *source, unsigned count, GError **error)
{
	g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
	LastLines last = {.lines = lines, .count = MAX(count, 1)};
	Output output = {.take = keep_line, .data = &last};
	g_autofree char *path =
	    g_strdup_printf("/%s/logs?stdout=1&stderr=1&timestamps=1&tail=%u", source, count + 64);
	HttpRequest request = {
	    .path = path, .write = output_feed, .write_data = &output, .timeout_ms = 10000};

	g_autoptr(HttpAnswer) answer =
	    docker_request(engine->docker, &request, engine->closing, error);
	bool is_whole = answer && output_end(&output, error);
	output_clear(&output);
	return is_whole ? g_steal_pointer(&lines) : NULL;
}

GPtrArray *
engine_last_lines(Engine *base, const Process *process, unsigned count, GError **error)
{
	SwarmEngine *engine = (SwarmEngine *)base;
	if (!*process->container)
		return g_ptr_array_new_with_free_func(g_free);

	g_autofree char *local = g_strconcat("containers/", process->container, NULL);
	GPtrArray *lines = read_last_lines(engine, local, count, NULL);
	if (lines)
		return lines;

	/* On another node, or gone: the manager can still ask for the task's. */
	json_auto_t *task = find_task(engine, process->app, process->id, error);
	if (!task)
		return NULL;
	g_autofree char *remote = g_strconcat("tasks/", json_text_of(task, "ID", ""), NULL);
	return read_last_lines(engine, remote, count, error);
}

/* Ports */

/* The kernel prints addresses as 32-bit words in its own byte order. */
static char *
read_address(const char *hex)
{
	guint8 bytes[16];
	gsize length = strlen(hex) / 2;
	if (length != 4 && length != 16)
		return NULL;

	for (gsize i = 0; i < length; i += 4) {
		g_autofree char *word = g_strndup(hex + i * 2, 8);
		guint32 value = (guint32)g_ascii_strtoull(word, NULL, 16);
		memcpy(bytes + i, &value, sizeof(value));
	}
	g_autoptr(GInetAddress) address = g_inet_address_new_from_bytes(
	    bytes, length == 4 ? G_SOCKET_FAMILY_IPV4 : G_SOCKET_FAMILY_IPV6);
	return g_inet_address_to_string(address);
}

/* «0: 0100007F:1F90 00000000:0000 0A …» */
static char *
read_listener(const char *line)
{
	char local[33], remote[33];
	unsigned port, remote_port, state;
	if (sscanf(line, " %*u: %32[0-9A-F]:%x %32[0-9A-F]:%x %x", local, &port, remote,
		&remote_port, &state) != 5 ||
	    state != TCP_LISTEN)
		return NULL;

	g_autofree char *address = read_address(local);
	if (!address || strcmp(address, RESOLVER_ADDRESS) == 0)
		return NULL;
	return g_strdup_printf(strchr(address, ':') ? "[%s]:%u" : "%s:%u", address, port);
}

static void
read_listeners(GPtrArray *listeners, const char *file)
{
	g_autofree char *text = NULL;
	if (!g_file_get_contents(file, &text, NULL, NULL))
		return;

	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line; line++) {
		char *listener = read_listener(*line);
		if (listener)
			g_ptr_array_add(listeners, listener);
	}
}

GPtrArray *
engine_listening(Engine *base, const Process *process)
{
	SwarmEngine *engine = (SwarmEngine *)base;
	GPtrArray *listeners = g_ptr_array_new_with_free_func(g_free);
	json_auto_t *container = *process->container ? inspect(engine, process, NULL) : NULL;
	gint64 pid = json_int_of(json_object_get(container, "State"), "Pid", 0);
	if (pid == 0)
		return listeners;

	for (const char *const *file = (const char *const[]){"tcp", "tcp6", NULL}; *file; file++) {
		g_autofree char *path = g_strdup_printf(
		    "%s/%" G_GINT64_FORMAT "/net/%s", engine->host_proc, pid, *file);
		read_listeners(listeners, path);
	}
	return listeners;
}
