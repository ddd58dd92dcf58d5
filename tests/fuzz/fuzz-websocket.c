/*
 * Fuzzes the server's side of a websocket with a client's bytes over a real socket. Every message
 * is sent back, as an echo would, and the reading goes on to the end.
 */
#include "base/websocket.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a socket takes without a reader, so that one thread is enough. */
#define INPUT_BYTES (32 * 1024)

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
drain(int fd)
{
	char dropped[4096];

	while (recv(fd, dropped, sizeof dropped, MSG_DONTWAIT) > 0)
		continue;
}

static void
read_to_the_end(WebSocket *socket, int peer)
{
	for (;;) {
		g_autofree char *message = NULL;
		g_autoptr(GError) error = NULL;
		WebSocketEvent event = WEBSOCKET_CLOSED;
		gsize length = 0;

		websocket_is_gone(socket);
		bool read = websocket_receive(socket, &event, &message, &length, NULL, &error);
		if (read == (error != NULL) || (message && message[length] != '\0'))
			abort();
		if (read && event == WEBSOCKET_CLOSED)
			return;
		if (message)
			websocket_send(socket, message, length, NULL, NULL);
		drain(peer);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	int pair[2];
	size_t length = size < INPUT_BYTES ? size : INPUT_BYTES;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		abort();
	if (send(pair[1], bytes, length, 0) != (ssize_t)length)
		abort();
	shutdown(pair[1], SHUT_WR);

	WebSocket *socket = websocket_new_server(pair[0], false);
	read_to_the_end(socket, pair[1]);
	close(pair[1]);
	websocket_free(socket);
	return 0;
}
