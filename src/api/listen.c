/*
 * Opens what the API listens on. The only place that knows socket addresses.
 */
#include "api/listen.h"

#include "base/error.h"
#include "base/limits.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int
open_socket(int family)
{
	return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int
listen_on_path(const char *path, GError **error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address.sun_path)) {
		error_set(error, CARRACK_ERROR_INVALID,
		    "socket %s: a path of a socket may have %zu bytes", path,
		    sizeof(address.sun_path) - 1);
		return -1;
	}

	memcpy(address.sun_path, path, strlen(path));
	int fd = open_socket(AF_UNIX);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, 0660) < 0 || listen(fd, LIMIT_CONNECTIONS) < 0) {
		error_set_errno(error, errno, "socket %s", path);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* Both families on one socket; a machine without IPv6 refuses the first. */
static int
bind_port(unsigned port)
{
	int on = 1;
	int off = 0;
	struct sockaddr_in6 both = {.sin6_family = AF_INET6, .sin6_port = htons((guint16)port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((guint16)port)};
	int fd = open_socket(AF_INET6);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
		if (bind(fd, (struct sockaddr *)&both, sizeof(both)) == 0)
			return fd;
		close(fd);
	}
	fd = open_socket(AF_INET);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&four, sizeof(four)) == 0)
		return fd;

	int cause = errno;
	close(fd);
	errno = cause;
	return -1;
}

int
listen_on_port(unsigned port, GError **error)
{
	int fd = bind_port(port);
	if (fd >= 0 && listen(fd, LIMIT_CONNECTIONS) == 0)
		return fd;

	error_set_errno(error, errno, "port %u", port);
	if (fd >= 0)
		close(fd);
	return -1;
}
