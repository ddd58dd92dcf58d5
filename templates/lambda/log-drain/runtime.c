/*
 * Lambda's runtime interface: GET …/invocation/next blocks until there is work (for hours, so there
 * is no time-out), POST …/invocation/ID/response answers it. HTTP/1.1 over loopback with
 * «Connection: close»; only what Lambda is known to send is understood: a status, Content-Length or
 * chunks.
 */
#include "log-drain.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_BYTES (64 * 1024)
#define PATH "/2018-06-01/runtime/invocation"

typedef int Socket;

static void
socket_close(Socket *descriptor)
{
	if (*descriptor >= 0)
		close(*descriptor);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Socket, socket_close)

void
invocation_free(Invocation *invocation)
{
	if (!invocation)
		return;
	g_free(invocation->id);
	if (invocation->body)
		g_string_free(invocation->body, TRUE);
	g_free(invocation);
}

static int
open_socket(const char *address, GError **error)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	const char *colon = strrchr(address, ':');
	g_autofree char *host = colon ? g_strndup(address, (gsize)(colon - address)) : NULL;

	if (!colon || getaddrinfo(host, colon + 1, &hints, &found) != 0) {
		drain_error_set(error, "AWS_LAMBDA_RUNTIME_API: %s is no address", address);
		return -1;
	}
	int descriptor = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (descriptor >= 0 && connect(descriptor, found->ai_addr, found->ai_addrlen) != 0) {
		drain_error_set(error, "runtime at %s: %s", address, g_strerror(errno));
		close(descriptor);
		descriptor = -1;
	}
	freeaddrinfo(found);
	return descriptor;
}

static bool
send_all(int descriptor, const GString *text, GError **error)
{
	for (gsize sent = 0; sent < text->len;) {
		ssize_t written =
		    send(descriptor, text->str + sent, text->len - sent, MSG_NOSIGNAL);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return drain_error_set(error, "runtime: %s", g_strerror(errno));
		sent += (gsize)written;
	}
	return true;
}

/* All that comes until the other side closes. */
static GString *
receive_all(int descriptor, GError **error)
{
	g_autoptr(GString) answer = g_string_new(NULL);
	char bytes[16 * 1024];

	for (;;) {
		ssize_t got = recv(descriptor, bytes, sizeof bytes, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			drain_error_set(error, "runtime: %s", g_strerror(errno));
			return NULL;
		}
		if (got == 0)
			return g_steal_pointer(&answer);
		g_string_append_len(answer, bytes, got);
		if (answer->len > 2 * LIMIT_EVENT_BYTES) {
			drain_error_set(error, "runtime: the event is too large");
			return NULL;
		}
	}
}

/* The value of a header, or NULL. The caller frees it. */
static char *
header_of(const char *head, const char *name)
{
	g_auto(GStrv) lines = g_strsplit(head, "\r\n", -1);
	gsize length = strlen(name);

	for (char **line = lines; *line; line++)
		if (g_ascii_strncasecmp(*line, name, length) == 0 && (*line)[length] == ':')
			return g_strdup(g_strstrip(*line + length + 1));
	return NULL;
}

/* The body that chunks make, or NULL when they are cut. */
static GString *
join_chunks(const char *text, gsize length)
{
	g_autoptr(GString) body = g_string_new(NULL);
	const char *end = text + length;

	for (;;) {
		char *after = NULL;
		guint64 size = g_ascii_strtoull(text, &after, 16);
		const char *start = after ? g_strstr_len(after, end - after, "\r\n") : NULL;
		if (after == text || !start)
			return NULL;
		start += 2;
		if (size == 0)
			return g_steal_pointer(&body);
		if (size > (guint64)(end - start) || (guint64)(end - start) - size < 2)
			return NULL;
		g_string_append_len(body, start, (gssize)size);
		text = start + size + 2;
	}
}

/* Splits an answer with status 2xx; NULL with an error for any other. */
static GString *
answer_body(const GString *answer, char **head, GError **error)
{
	const char *end =
	    g_strstr_len(answer->str, (gssize)MIN(answer->len, HEAD_BYTES), "\r\n\r\n");
	if (!end || !g_str_has_prefix(answer->str, "HTTP/1.")) {
		drain_error_set(error, "runtime: what came back is not HTTP");
		return NULL;
	}
	if (answer->str[strlen("HTTP/1.1 ")] != '2') {
		g_autofree char *status = g_strndup(answer->str, strcspn(answer->str, "\r"));
		drain_error_set(error, "runtime: %s", status);
		return NULL;
	}

	g_autofree char *text = g_strndup(answer->str, (gsize)(end - answer->str));
	g_autofree char *encoding = header_of(text, "Transfer-Encoding");
	gsize length = answer->len - (gsize)(end + 4 - answer->str);
	GString *body = encoding && g_ascii_strcasecmp(encoding, "chunked") == 0
			    ? join_chunks(end + 4, length)
			    : g_string_new_len(end + 4, (gssize)length);
	if (!body)
		drain_error_set(error, "runtime: the answer was cut");
	else
		*head = g_steal_pointer(&text);
	return body;
}

static GString *
exchange(const char *address, const GString *request, char **head, GError **error)
{
	g_auto(Socket) descriptor = open_socket(address, error);
	if (descriptor < 0 || !send_all(descriptor, request, error))
		return NULL;
	g_autoptr(GString) answer = receive_all(descriptor, error);
	if (!answer)
		return NULL;

	return answer_body(answer, head, error);
}

Invocation *
runtime_next(const char *address, GError **error)
{
	g_autoptr(GString) request = g_string_new(NULL);
	g_autoptr(Invocation) invocation = g_new0(Invocation, 1);
	g_autofree char *head = NULL;

	g_string_printf(request,
	    "GET " PATH "/next HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", address);
	invocation->body = exchange(address, request, &head, error);
	if (!invocation->body)
		return NULL;
	invocation->id = header_of(head, "Lambda-Runtime-Aws-Request-Id");
	if (!invocation->id) {
		drain_error_set(error, "runtime: an invocation without an id");
		return NULL;
	}
	return g_steal_pointer(&invocation);
}

bool
runtime_answer(const char *address,
    const Invocation *invocation,
    const char *kind,
    const char *body,
    GError **error)
{
	g_autoptr(GString) request = g_string_new(NULL);
	g_autofree char *head = NULL;

	g_string_printf(request,
	    "POST " PATH "/%s/%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n"
	    "Content-Type: application/json\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n\r\n%s",
	    invocation->id, kind, address, strlen(body), body);
	g_autoptr(GString) answer = exchange(address, request, &head, error);
	return answer != NULL;
}
