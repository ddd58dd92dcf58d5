/*
 * See the header. Connections are shut down when the server is freed, so that a handler that waits
 * in a read comes back.
 */
#include "small-server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct {
	SmallServer *server;
	pthread_t thread;
	int fd;
} Connection;

struct SmallServer {
	int fd;
	pthread_t thread;
	pthread_mutex_t lock;
	GPtrArray *connections; /* Connection */
	SmallServerHandler handler;
	gpointer data;
};

static void *
run_connection(void *data)
{
	Connection *connection = data;
	SmallServer *server = connection->server;

	server->handler(connection->fd, server->data);

	pthread_mutex_lock(&server->lock);
	close(connection->fd);
	connection->fd = -1;
	pthread_mutex_unlock(&server->lock);
	return NULL;
}

static void *
run_server(void *data)
{
	SmallServer *server = data;

	for (;;) {
		int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			return NULL;

		Connection *connection = g_new0(Connection, 1);
		connection->server = server;
		connection->fd = fd;
		pthread_mutex_lock(&server->lock);
		g_ptr_array_add(server->connections, connection);
		pthread_create(&connection->thread, NULL, run_connection, connection);
		pthread_mutex_unlock(&server->lock);
	}
}

static SmallServer *
start(int fd, SmallServerHandler handler, gpointer data)
{
	SmallServer *server = g_new0(SmallServer, 1);

	g_assert_cmpint(listen(fd, 64), ==, 0);
	server->fd = fd;
	server->handler = handler;
	server->data = data;
	server->connections = g_ptr_array_new_with_free_func(g_free);
	pthread_mutex_init(&server->lock, NULL);
	pthread_create(&server->thread, NULL, run_server, server);
	return server;
}

SmallServer *
small_server_tcp(SmallServerHandler handler, gpointer data)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
	return start(fd, handler, data);
}

SmallServer *
small_server_unix(const char *path, SmallServerHandler handler, gpointer data)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_strlcpy(address.sun_path, path, sizeof address.sun_path);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
	return start(fd, handler, data);
}

unsigned
small_server_port(const SmallServer *server)
{
	struct sockaddr_in address = {0};
	socklen_t length = sizeof address;

	g_assert_cmpint(getsockname(server->fd, (struct sockaddr *)&address, &length), ==, 0);
	return ntohs(address.sin_port);
}

unsigned
small_server_connections(SmallServer *server)
{
	pthread_mutex_lock(&server->lock);
	unsigned count = server->connections->len;
	pthread_mutex_unlock(&server->lock);
	return count;
}

void
small_server_free(SmallServer *server)
{
	if (!server)
		return;

	shutdown(server->fd, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->fd);

	pthread_mutex_lock(&server->lock);
	for (guint i = 0; i < server->connections->len; i++) {
		Connection *connection = g_ptr_array_index(server->connections, i);
		if (connection->fd >= 0)
			shutdown(connection->fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&server->lock);

	for (guint i = 0; i < server->connections->len; i++) {
		Connection *connection = g_ptr_array_index(server->connections, i);
		pthread_join(connection->thread, NULL);
	}
	g_ptr_array_unref(server->connections);
	pthread_mutex_destroy(&server->lock);
	g_free(server);
}

bool
small_server_read(int fd, void *buffer, gsize length)
{
	guint8 *place = buffer;

	while (length > 0) {
		gssize count = recv(fd, place, length, 0);
		if (count <= 0)
			return false;
		place += count;
		length -= (gsize)count;
	}
	return true;
}

bool
small_server_read_head(int fd, GString *head)
{
	char byte;

	g_string_truncate(head, 0);
	while (!g_str_has_suffix(head->str, "\r\n\r\n")) {
		if (!small_server_read(fd, &byte, 1))
			return false;
		g_string_append_c(head, byte);
	}
	return true;
}

bool
small_server_write(int fd, const void *bytes, gsize length)
{
	const guint8 *place = bytes;

	while (length > 0) {
		gssize count = send(fd, place, length, MSG_NOSIGNAL);
		if (count <= 0)
			return false;
		place += count;
		length -= (gsize)count;
	}
	return true;
}

bool
small_server_say(int fd, const char *text)
{
	return small_server_write(fd, text, strlen(text));
}
