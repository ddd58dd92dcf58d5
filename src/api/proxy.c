/*
 * Connections to the rack's own processes for a client outside, a WebSocket each. Which hosts there
 * are is the rack's rule (rack_address): names of its services, looked up among its processes and
 * never in DNS. The address is the process's own, so nothing else can be reached.
 */
#include "api/duplex.h"
#include "api/handlers.h"
#include "base/text.h"
#include "base/wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_MS 10000

static bool
is_connected(int fd, GCancellable *cancel, int *problem)
{
	socklen_t size = sizeof(*problem);
	*problem = ETIMEDOUT;
	if (wait_fd(fd, POLLOUT, CONNECT_MS, cancel, NULL) != 1)
		return false;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, problem, &size);
	return *problem == 0;
}

/* -1 on failure. */
static int
connect_to(const char *address, unsigned port, GCancellable *cancel, GError **error)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int problem = EINVAL;
	int fd = -1;
	if (inet_pton(AF_INET, address, &to.sin_addr) == 1)
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		problem = errno;
	if (fd >= 0 && (problem == EINPROGRESS || problem == EINVAL) &&
	    is_connected(fd, cancel, &problem))
		return fd;

	error_set(error, CARRACK_ERROR_UPSTREAM, "nothing answers on port %u: %s", port,
	    g_strerror(problem));
	if (fd >= 0)
		close(fd);
	return -1;
}

bool
proxy(Request *request, WebSocket *socket, GError **error)
{
	gint64 port;
	const char *host = request_variable(request, "host");
	if (!text_parse_int(request_variable(request, "port"), "port", 1, 65535, &port, error))
		return false;
	g_autofree char *address = rack_address(request->rack, host, error);
	if (!address)
		return false;
	int peer = connect_to(address, (unsigned)port, request->cancel, error);
	if (peer < 0) {
		g_prefix_error(error, "%s: ", host);
		return false;
	}

	duplex_relay(request, socket, peer);
	close(peer);
	return true;
}
