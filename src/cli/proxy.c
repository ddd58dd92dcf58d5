/*
 * The verb `proxy`: ports of this machine that lead to processes in the rack, each connection over
 * a WebSocket of its own. Only this machine can connect.
 */
#include "base/text.h"
#include "base/wait.h"
#include "base/websocket.h"
#include "cli/verbs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE 16384

typedef struct {
	Call *call;
	char *host;
	gint64 port;
	gint64 local;
	int listener;
} Tunnel;

typedef struct {
	const Tunnel *tunnel;
	WebSocket *socket;
	GCancellable *cancel;
	int peer;
} Connection;

static void
tunnel_free(gpointer data)
{
	Tunnel *tunnel = data;
	if (tunnel->listener >= 0)
		close(tunnel->listener);
	g_free(tunnel->host);
	g_free(tunnel);
}

/* One connection */

static bool
write_peer(Connection *connection, const char *bytes, gsize length)
{
	while (length > 0) {
		if (wait_fd(connection->peer, POLLOUT, -1, connection->cancel, NULL) < 0)
			return false;
		gssize count = send(connection->peer, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (count < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		bytes += MAX(count, 0);
		length -= (gsize)MAX(count, 0);
	}
	return true;
}

static void *
to_peer(void *data)
{
	Connection *connection = data;
	bool goes_on = true;
	while (goes_on) {
		WebSocketEvent event;
		g_autofree char *bytes = NULL;
		gsize length = 0;
		goes_on = websocket_receive(connection->socket, &event, &bytes, &length,
			      connection->cancel, NULL) &&
			  event == WEBSOCKET_TEXT;
		if (goes_on && g_str_has_prefix(bytes, "ERROR: "))
			output_note(connection->tunnel->call->output, "%s", g_strchomp(bytes));
		else if (goes_on)
			goes_on = write_peer(connection, bytes, length);
	}
	g_cancellable_cancel(connection->cancel);
	shutdown(connection->peer, SHUT_RDWR);
	return NULL;
}

/* A local end of stream is told; the other direction goes on. */
static void
from_peer(Connection *connection)
{
	char buffer[PIECE];
	for (;;) {
		if (wait_fd(connection->peer, POLLIN, -1, connection->cancel, NULL) < 0)
			return;
		gssize count = recv(connection->peer, buffer, sizeof(buffer), MSG_DONTWAIT);
		if (count < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (count <= 0)
			break;
		if (!websocket_send(
			connection->socket, buffer, (gsize)count, connection->cancel, NULL))
			return;
	}
	websocket_send_end(connection->socket, connection->cancel, NULL);
}

static void
relay(Connection *connection)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, to_peer, connection) != 0)
		return;

	from_peer(connection);
	pthread_join(thread, NULL);
}

static void *
serve_connection(void *data)
{
	Connection *connection = data;
	const Tunnel *tunnel = connection->tunnel;
	g_autofree char *port = g_strdup_printf("%" G_GINT64_FORMAT, tunnel->port);
	g_autofree char *path = client_path("proxy", tunnel->host, port, NULL);
	g_autoptr(GError) error = NULL;
	connection->socket =
	    client_socket(tunnel->call->client, path, NULL, connection->cancel, &error);
	if (connection->socket)
		relay(connection);
	else
		output_note(tunnel->call->output, "%s", error->message);

	websocket_free(connection->socket);
	close(connection->peer);
	g_object_unref(connection->cancel);
	g_free(connection);
	return NULL;
}

static void
accept_one(const Tunnel *tunnel)
{
	int peer = accept4(tunnel->listener, NULL, NULL, SOCK_CLOEXEC);
	if (peer < 0)
		return;

	Connection *connection = g_new0(Connection, 1);
	*connection = (Connection){.tunnel = tunnel, .peer = peer, .cancel = g_cancellable_new()};
	output_note(tunnel->call->output, "connect: %" G_GINT64_FORMAT, tunnel->local);
	pthread_t thread;
	if (pthread_create(&thread, NULL, serve_connection, connection) == 0)
		pthread_detach(thread);
}

/* Ports */

/* «[port:]host:hostport» */
static bool
read_tunnel(Tunnel *tunnel, const char *text, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(text, ":", -1);
	guint count = g_strv_length(parts);
	g_autoptr(GError) cause = NULL;
	bool is_read = (count == 2 || count == 3) && *parts[count - 2] &&
		       text_parse_int(parts[count - 1], "port", 1, 65535, &tunnel->port, &cause) &&
		       text_parse_int(parts[count == 3 ? 0 : count - 1], "port", 0, 65535,
			   &tunnel->local, &cause);
	if (!is_read)
		return usage_error(
		    error, "%s: give [PORT:]HOST:PORT, like 8080:web.shop:3000", text);

	tunnel->host = g_strdup(parts[count - 2]);
	return true;
}

static bool
listen_on(Tunnel *tunnel, GError **error)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)tunnel->local),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int one = 1;
	tunnel->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(tunnel->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(tunnel->listener, (struct sockaddr *)&address, size) < 0 ||
	    listen(tunnel->listener, 64) < 0)
		return error_set_errno(
		    error, errno, "port %" G_GINT64_FORMAT " of this machine", tunnel->local);

	getsockname(tunnel->listener, (struct sockaddr *)&address, &size);
	tunnel->local = ntohs(address.sin_port);
	return true;
}

static bool
open_tunnels(Call *call, GPtrArray *tunnels, GError **error)
{
	for (char **argument = call->arguments; *argument; argument++) {
		Tunnel *tunnel = g_new0(Tunnel, 1);
		g_ptr_array_add(tunnels, tunnel);
		tunnel->call = call;
		tunnel->listener = -1;
		if (!read_tunnel(tunnel, *argument, error) || !listen_on(tunnel, error))
			return false;
		output_talk(call->output,
		    "proxying localhost:%" G_GINT64_FORMAT " to %s:%" G_GINT64_FORMAT,
		    tunnel->local, tunnel->host, tunnel->port);
	}
	output_flush(call->output);
	return true;
}

/* Until the program is ended: connections that are open then end with it. */
static void
accept_all(const GPtrArray *tunnels)
{
	g_autofree struct pollfd *places = g_new0(struct pollfd, tunnels->len);
	for (guint i = 0; i < tunnels->len; i++)
		places[i] =
		    (struct pollfd){((const Tunnel *)tunnels->pdata[i])->listener, POLLIN, 0};
	for (;;) {
		poll(places, tunnels->len, -1);
		for (guint i = 0; i < tunnels->len; i++) {
			if (places[i].revents)
				accept_one(tunnels->pdata[i]);
		}
	}
}

bool
proxy_ports(Call *call, GError **error)
{
	g_autoptr(GPtrArray) tunnels = g_ptr_array_new_with_free_func(tunnel_free);
	if (!call_client(call, error) || !open_tunnels(call, tunnels, error))
		return false;

	accept_all(tunnels);
	return true;
}
