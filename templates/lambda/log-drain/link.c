/*
 * A connection, plain or TLS. The system's certificates are looked for where Amazon Linux and
 * Debian keep them, since OpenSSL's own idea of the place is that of the machine that linked the
 * program.
 */
#include "log-drain.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_SECONDS 1

struct Link {
	int socket;
	SSL_CTX *context;
	SSL *tls; /* NULL: plain */
};

static const char *const certificate_files[] = {
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/certs/ca-certificates.crt",
};

static bool
await(int socket, short events, int seconds)
{
	struct pollfd wait = {.fd = socket, .events = events};
	gint64 deadline = g_get_monotonic_time() + (gint64)seconds * G_USEC_PER_SEC;
	int result;

	do {
		gint64 left = (deadline - g_get_monotonic_time()) / 1000;
		result = poll(&wait, 1, (int)MAX(left, 0));
	} while (result < 0 && errno == EINTR);
	return result > 0;
}

/* Bytes that nobody has read (TLS 1.3's tickets are some) would turn close() into a reset, which
 * takes what we sent with it. So the end is awaited for a moment. */
static void
drain_input(int socket)
{
	char bytes[4096];
	gint64 deadline = g_get_monotonic_time() + LINGER_SECONDS * G_USEC_PER_SEC;

	while (g_get_monotonic_time() < deadline && await(socket, POLLIN, LINGER_SECONDS))
		if (recv(socket, bytes, sizeof bytes, 0) <= 0)
			return;
}

void
link_close(Link *link)
{
	if (!link)
		return;
	if (link->tls)
		SSL_shutdown(link->tls);
	SSL_free(link->tls);
	SSL_CTX_free(link->context);
	if (link->socket >= 0) {
		if (shutdown(link->socket, SHUT_WR) == 0)
			drain_input(link->socket);
		close(link->socket);
	}
	g_free(link);
}

/* A connected socket that does not block, or -1 with errno. */
static int
connect_to(const struct addrinfo *address)
{
	int type = address->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK;
	int result = 0;
	socklen_t size = sizeof result;
	int descriptor = socket(address->ai_family, type, address->ai_protocol);
	if (descriptor < 0)
		return -1;

	if (connect(descriptor, address->ai_addr, address->ai_addrlen) == 0)
		return descriptor;
	if (errno == EINPROGRESS) {
		if (!await(descriptor, POLLOUT, CONNECT_SECONDS))
			result = ETIMEDOUT;
		else
			getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &result, &size);
	} else {
		result = errno;
	}
	if (result == 0)
		return descriptor;

	close(descriptor);
	errno = result;
	return -1;
}

static int
open_socket(const char *host, const char *port, GError **error)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *found = NULL;
	int descriptor = -1;

	int result = getaddrinfo(host, port, &hints, &found);
	if (result != 0) {
		drain_error_set(error, "%s: %s", host, gai_strerror(result));
		return -1;
	}
	for (struct addrinfo *each = found; each && descriptor < 0; each = each->ai_next)
		descriptor = connect_to(each);
	if (descriptor < 0)
		drain_error_set(error, "%s port %s: %s", host, port, g_strerror(errno));
	freeaddrinfo(found);
	return descriptor;
}

static bool
tls_error(const char *doing, GError **error)
{
	unsigned long code = ERR_get_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return drain_error_set(error, "%s: %s", doing, reason ? reason : "the connection ended");
}

/* Waits for what TLS needs next; false when that was no wish to wait, or nothing came in time. */
static bool
tls_await(Link *link, int result)
{
	switch (SSL_get_error(link->tls, result)) {
	case SSL_ERROR_WANT_READ:
		return await(link->socket, POLLIN, TALK_SECONDS);
	case SSL_ERROR_WANT_WRITE:
		return await(link->socket, POLLOUT, TALK_SECONDS);
	default:
		return false;
	}
}

/* SSL_CERT_FILE, when set, is all that is trusted. */
static bool
load_certificates(SSL_CTX *context)
{
	const char *file = g_getenv("SSL_CERT_FILE");
	if (file)
		return SSL_CTX_load_verify_locations(context, file, NULL) == 1;

	for (gsize i = 0; i < G_N_ELEMENTS(certificate_files); i++)
		if (SSL_CTX_load_verify_locations(context, certificate_files[i], NULL) == 1)
			return true;
	return false;
}

static bool
start_tls(Link *link, const char *host, GError **error)
{
	link->context = SSL_CTX_new(TLS_client_method());
	if (!link->context || !load_certificates(link->context))
		return tls_error("reading the certificates that are trusted", error);
	SSL_CTX_set_min_proto_version(link->context, TLS1_2_VERSION);
	SSL_CTX_set_verify(link->context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(link->context, SSL_MODE_ENABLE_PARTIAL_WRITE);
	ERR_clear_error(); /* of the files that were not there */

	link->tls = SSL_new(link->context);
	if (!link->tls || SSL_set_fd(link->tls, link->socket) != 1 ||
	    SSL_set1_host(link->tls, host) != 1 || SSL_set_tlsext_host_name(link->tls, host) != 1)
		return tls_error("TLS", error);

	int result;
	while ((result = SSL_connect(link->tls)) != 1)
		if (!tls_await(link, result))
			return tls_error("TLS", error);
	return true;
}

Link *
link_open(const char *host, const char *port, bool is_tls, GError **error)
{
	g_autoptr(Link) link = g_new0(Link, 1);

	link->socket = open_socket(host, port, error);
	if (link->socket < 0 || (is_tls && !start_tls(link, host, error)))
		return NULL;

	return g_steal_pointer(&link);
}

static bool
again(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* The number of bytes written, 0 for «try again», -1 on error. */
static gssize
write_some(Link *link, const char *bytes, gsize length, GError **error)
{
	if (link->tls) {
		int written = SSL_write(link->tls, bytes, (int)MIN(length, G_MAXINT));
		if (written > 0 || tls_await(link, written))
			return MAX(written, 0);
		tls_error("sending", error);
		return -1;
	}

	ssize_t written = send(link->socket, bytes, length, MSG_NOSIGNAL);
	if (written >= 0)
		return written;
	if (again() && await(link->socket, POLLOUT, TALK_SECONDS))
		return 0;
	drain_error_set(error, "sending: %s", g_strerror(again() ? ETIMEDOUT : errno));
	return -1;
}

bool
link_write(Link *link, const char *bytes, gsize length, GError **error)
{
	while (length > 0) {
		gssize written = write_some(link, bytes, length, error);
		if (written < 0)
			return false;
		bytes += written;
		length -= (gsize)written;
	}
	return true;
}

gssize
link_read(Link *link, char *bytes, gsize size, GError **error)
{
	for (;;) {
		if (link->tls) {
			int got = SSL_read(link->tls, bytes, (int)MIN(size, G_MAXINT));
			if (got > 0)
				return got;
			if (SSL_get_error(link->tls, got) == SSL_ERROR_ZERO_RETURN)
				return 0;
			if (tls_await(link, got))
				continue;
			tls_error("reading", error);
			return -1;
		}

		ssize_t got = recv(link->socket, bytes, size, 0);
		if (got >= 0)
			return got;
		if (again() && await(link->socket, POLLIN, TALK_SECONDS))
			continue;
		drain_error_set(error, "reading: %s", g_strerror(again() ? ETIMEDOUT : errno));
		return -1;
	}
}
