/*
 * One command to one of HAProxy's sockets and its answer; a connection each, because 2.6 closes the
 * runtime socket after a command and keeps the master's open until we half-close.
 */
#include "swarm/haproxy-runtime.h"
#include "base/error.h"
#include "base/limits.h"

#include <gio/gunixsocketaddress.h>
#include <string.h>

#define COMMAND_SECONDS 2
#define RELOAD_SECONDS 20
#define POLL_MILLISECONDS 5

static bool
read_answer(GInputStream *input, GString *answer, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + COMMAND_SECONDS * G_USEC_PER_SEC;
	char buffer[16384];

	for (;;) {
		gssize count = g_input_stream_read(input, buffer, sizeof(buffer), NULL, error);
		if (count < 0)
			return false;
		if (count == 0)
			return true;
		g_string_append_len(answer, buffer, count);
		if (answer->len > LIMIT_ENGINE_ANSWER_BYTES)
			return error_set(error, CARRACK_ERROR_UPSTREAM, "the answer has no end");
		if (g_get_monotonic_time() > deadline)
			return error_set(
			    error, CARRACK_ERROR_UPSTREAM, "no whole answer in two seconds");
	}
}

static bool
exchange(const char *socket_path, const char *command, GString *answer, GError **error)
{
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_socket_client_set_timeout(client, COMMAND_SECONDS);
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(socket_path);
	g_autoptr(GSocketConnection) connection =
	    g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, error);
	if (!connection)
		return false;

	g_autofree char *line = g_strconcat(command, "\n", NULL);
	GOutputStream *output = g_io_stream_get_output_stream(G_IO_STREAM(connection));
	if (!g_output_stream_write_all(output, line, strlen(line), NULL, NULL, error))
		return false;
	/* Without this the master waits for more commands and never ends its answer. */
	if (!g_socket_shutdown(g_socket_connection_get_socket(connection), FALSE, TRUE, error))
		return false;

	return read_answer(g_io_stream_get_input_stream(G_IO_STREAM(connection)), answer, error);
}

char *
haproxy_ask(const char *socket_path, const char *command, GError **error)
{
	g_autoptr(GString) answer = g_string_new(NULL);
	g_autoptr(GError) cause = NULL;

	if (!exchange(socket_path, command, answer, &cause)) {
		error_set(error, CARRACK_ERROR_UPSTREAM, "router: «%s» got no answer: %s", command,
		    cause->message);
		return NULL;
	}
	return g_strdup(g_strstrip(answer->str));
}

/* For commands that answer only when something is wrong. */
static bool
order(const char *socket_path, const char *command, GError **error)
{
	g_autofree char *answer = haproxy_ask(socket_path, command, error);
	if (!answer)
		return false;
	if (*answer)
		return error_set(
		    error, CARRACK_ERROR_UPSTREAM, "router: «%s» was refused: %s", command, answer);

	return true;
}

bool
haproxy_info(const char *socket_path, HaproxyInfo *info, GError **error)
{
	g_autofree char *answer = haproxy_ask(socket_path, "show info", error);

	return answer && haproxy_parse_info(answer, info, error);
}

GPtrArray *
haproxy_states(const char *socket_path, const char *backend, GError **error)
{
	g_autofree char *command =
	    g_strdup_printf("show servers state%s%s", backend ? " " : "", backend ? backend : "");
	g_autofree char *answer = haproxy_ask(socket_path, command, error);

	return answer ? haproxy_parse_states(answer, error) : NULL;
}

GPtrArray *
haproxy_loads(const char *socket_path, const char *backend, GError **error)
{
	g_autofree char *command = g_strdup_printf("show servers conn %s", backend);
	g_autofree char *answer = haproxy_ask(socket_path, command, error);

	return answer ? haproxy_parse_loads(answer, error) : NULL;
}

bool
haproxy_set_address(const char *socket_path,
    const char *backend,
    const char *server,
    const char *address,
    unsigned port,
    GError **error)
{
	g_autofree char *command =
	    g_strdup_printf("set server %s/%s addr %s port %u", backend, server, address, port);
	g_autofree char *answer = haproxy_ask(socket_path, command, error);
	if (!answer)
		return false;

	/* «IP changed from … to …, port changed from …», «no need to change the addr, …» */
	bool is_done = g_str_has_prefix(answer, "IP changed") ||
		       g_str_has_prefix(answer, "no need to change the addr");
	if (!is_done)
		return error_set(
		    error, CARRACK_ERROR_UPSTREAM, "router: «%s» was refused: %s", command, answer);
	return true;
}

bool
haproxy_set_state(const char *socket_path,
    const char *backend,
    const char *server,
    const char *state,
    GError **error)
{
	g_autofree char *command =
	    g_strdup_printf("set server %s/%s state %s", backend, server, state);

	return order(socket_path, command, error);
}

bool
haproxy_cut(const char *socket_path, const char *backend, const char *server, GError **error)
{
	g_autofree char *command =
	    g_strdup_printf("shutdown sessions server %s/%s", backend, server);

	return order(socket_path, command, error);
}

char *
haproxy_map(const char *socket_path, const char *map, GError **error)
{
	g_autofree char *command = g_strdup_printf("show map %s", map);
	g_autofree char *answer = haproxy_ask(socket_path, command, error);
	if (!answer)
		return NULL;
	if (g_str_has_prefix(answer, "Unknown map")) {
		error_set(error, CARRACK_ERROR_UPSTREAM, "router: «%s»: %s", command, answer);
		return NULL;
	}
	return haproxy_parse_map(answer);
}

bool
haproxy_map_put(
    const char *socket_path, const char *map, const char *key, const char *value, GError **error)
{
	/* «add map» makes a second entry of a key that is there, and the first one wins. */
	if (!haproxy_map_remove(socket_path, map, key, error))
		return false;
	g_autofree char *command = g_strdup_printf("add map %s %s %s", map, key, value);

	return order(socket_path, command, error);
}

bool
haproxy_map_remove(const char *socket_path, const char *map, const char *key, GError **error)
{
	g_autofree char *command = g_strdup_printf("del map %s %s", map, key);
	g_autofree char *answer = haproxy_ask(socket_path, command, error);
	if (!answer)
		return false;
	if (*answer && !g_str_has_prefix(answer, "Key not found"))
		return error_set(
		    error, CARRACK_ERROR_UPSTREAM, "router: «%s» was refused: %s", command, answer);

	return true;
}

HaproxyProcesses *
haproxy_processes(const char *master_socket, GError **error)
{
	g_autofree char *answer = haproxy_ask(master_socket, "show proc", error);

	return answer ? haproxy_parse_processes(answer, error) : NULL;
}

static char *
ask_old(const char *master_socket, gint64 worker, const char *command, GError **error)
{
	g_autofree char *line = g_strdup_printf("@!%" G_GINT64_FORMAT " %s", worker, command);

	return haproxy_ask(master_socket, line, error);
}

GPtrArray *
haproxy_old_loads(const char *master_socket, gint64 worker, const char *backend, GError **error)
{
	g_autofree char *command = g_strdup_printf("show servers conn %s", backend);
	g_autofree char *answer = ask_old(master_socket, worker, command, error);
	if (!answer)
		return NULL;

	/* «Can't find the target», «Can't find backend»: words for nothing being there. */
	GPtrArray *loads = haproxy_parse_loads(answer, NULL);
	return loads ? loads : g_ptr_array_new();
}

void
haproxy_old_cut(const char *master_socket, gint64 worker, const char *backend, const char *server)
{
	/* «shutdown sessions server» answers «Proxy is disabled» there; single sessions can be cut.
	 */
	g_autofree char *answer = ask_old(master_socket, worker, "show sess", NULL);
	g_autoptr(GPtrArray) ids = haproxy_parse_sessions(answer ? answer : "", backend, server);

	for (unsigned i = 0; i < ids->len; i++) {
		g_autofree char *command =
		    g_strdup_printf("shutdown session %s", (const char *)ids->pdata[i]);
		g_autofree char *result = ask_old(master_socket, worker, command, NULL);
	}
}

/* True once the worker takes no new connections: both workers hold the same listening sockets for a
 * moment, the runtime socket too. */
static bool
is_stopping(const char *master_socket, gint64 worker)
{
	g_autofree char *answer = ask_old(master_socket, worker, "show info", NULL);
	HaproxyInfo info = {0};

	return !answer || !haproxy_parse_info(answer, &info, NULL) || info.is_stopping;
}

static bool
has_new_worker(const HaproxyProcesses *before, const HaproxyProcesses *after)
{
	return after && after->worker && after->worker != before->worker;
}

bool
haproxy_reload(const char *master_socket, const char *socket_path, GError **error)
{
	g_autoptr(HaproxyProcesses) before = haproxy_processes(master_socket, error);
	if (!before)
		return false;

	/* The master executes itself anew: the answer may be cut, and its socket refuses
	 * connections meanwhile. */
	g_autofree char *answer = haproxy_ask(master_socket, "reload", NULL);
	gint64 deadline = g_get_monotonic_time() + RELOAD_SECONDS * G_USEC_PER_SEC;
	while (g_get_monotonic_time() < deadline) {
		g_poll(NULL, 0, POLL_MILLISECONDS);
		g_autoptr(HaproxyProcesses) after = haproxy_processes(master_socket, NULL);
		if (after && after->failed > before->failed)
			return error_set(error, CARRACK_ERROR_UPSTREAM,
			    "router: «reload»: the new worker did not start; the former one goes "
			    "on");
		if (!has_new_worker(before, after) || !is_stopping(master_socket, before->worker))
			continue;
		HaproxyInfo info = {0};
		if (haproxy_info(socket_path, &info, NULL) && info.pid == after->worker)
			return true;
	}
	return error_set(error, CARRACK_ERROR_UPSTREAM,
	    "router: «reload» did not end in %d seconds", RELOAD_SECONDS);
}
