/*
 * One process of the fake engine: a thread with a listening socket that answers every request with
 * one status, one connection at a time.
 */
#include "fake/private.h"

#include <string.h>

struct FakeServer {
	GSocket *socket;
	GCancellable *cancel;
	GThread *thread;
	char *body;
	gint status;
	gint64 ready; /* monotonic */
	unsigned port;
};

/* True when a whole request head has come. */
static bool
read_head(FakeServer *server, GSocket *peer)
{
	g_autoptr(GString) head = g_string_new(NULL);
	while (!strstr(head->str, "\r\n\r\n")) {
		char buffer[1024];
		gssize count = g_socket_receive(peer, buffer, sizeof(buffer), server->cancel, NULL);
		if (count <= 0 || head->len > 65536)
			return false;
		g_string_append_len(head, buffer, count);
	}
	return true;
}

static void
answer(FakeServer *server, GSocket *peer)
{
	bool is_ready = g_get_monotonic_time() >= server->ready;
	int status = is_ready ? g_atomic_int_get(&server->status) : 503;
	g_autofree char *text =
	    g_strdup_printf("HTTP/1.1 %d Status\r\nContent-Type: text/plain\r\n"
			    "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
		status, strlen(server->body), server->body);
	gsize sent = 0;
	gsize length = strlen(text);
	while (sent < length) {
		gssize count =
		    g_socket_send(peer, text + sent, length - sent, server->cancel, NULL);
		if (count <= 0)
			return;
		sent += count;
	}
}

static gpointer
serve(gpointer data)
{
	FakeServer *server = data;
	while (!g_cancellable_is_cancelled(server->cancel)) {
		g_autoptr(GSocket) peer = g_socket_accept(server->socket, server->cancel, NULL);
		if (!peer)
			continue;
		g_socket_set_timeout(peer, 2);
		if (read_head(server, peer))
			answer(server, peer);
		g_socket_shutdown(peer, false, true, NULL);
	}
	return NULL;
}

FakeServer *
fake_server_new(unsigned status, unsigned ready_after_ms, const char *body)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
	g_autoptr(GSocketAddress) any = g_inet_socket_address_new(loopback, 0);
	FakeServer *server = g_new0(FakeServer, 1);
	server->socket =
	    g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, &error);
	g_assert_no_error(error);
	g_socket_bind(server->socket, any, true, &error);
	g_assert_no_error(error);
	g_socket_listen(server->socket, &error);
	g_assert_no_error(error);

	g_autoptr(GSocketAddress) bound = g_socket_get_local_address(server->socket, NULL);
	server->port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound));
	server->cancel = g_cancellable_new();
	server->body = g_strdup(body);
	server->status = status;
	server->ready = g_get_monotonic_time() + ready_after_ms * 1000LL;
	server->thread = g_thread_new("fake-process", serve, server);
	return server;
}

unsigned
fake_server_port(FakeServer *server)
{
	return server->port;
}

void
fake_server_status(FakeServer *server, unsigned status)
{
	g_atomic_int_set(&server->status, status);
}

void
fake_server_free(FakeServer *server)
{
	if (!server)
		return;

	g_cancellable_cancel(server->cancel);
	g_thread_join(server->thread);
	g_socket_close(server->socket, NULL);
	g_object_unref(server->socket);
	g_object_unref(server->cancel);
	g_free(server->body);
	g_free(server);
}
