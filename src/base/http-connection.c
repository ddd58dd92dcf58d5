/*
 * Upgraded connections: we write the handshake and read its answer ourselves, because libcurl takes
 * a foreign «101» for the final answer of a call. What it does do is connect: unix socket, TLS,
 * certificates, proxies.
 *
 * Reading and writing wait in poll and hold the line's lock only for one attempt, so that one
 * thread can write while another reads.
 */
#include "base/error.h"
#include "base/http-head.h"
#include "base/http-line.h"
#include "base/wait.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define HEAD_BYTES (64 * 1024)
#define REFUSAL_BYTES (64 * 1024) /* of the body that explains why an upgrade was refused */
#define REFUSAL_MS 5000
/* TLS may want to write in order to read, and the other way round: look again now and then. */
#define TLS_WAIT_MS 1000

struct HttpConnection {
	HttpLine *line;
	GString *ahead; /* read from the peer, not yet taken */
	HttpHead *head;
	char *place;
	int fd;
	bool is_tls, has_ended;
};

static void
append_authorization(GString *head, const HttpClient *client)
{
	if (!client->user)
		return;

	g_autofree char *pair =
	    g_strconcat(client->user, ":", client->password ? client->password : "", NULL);
	g_autofree char *encoded = g_base64_encode((const guchar *)pair, strlen(pair));
	g_string_append_printf(head, "Authorization: Basic %s\r\n", encoded);
}

static GString *
handshake(const HttpClient *client, const HttpRequest *request, const char *protocol)
{
	GString *head = g_string_new(NULL);
	const char *method = request->method ? request->method : "GET";

	g_string_append_printf(head, "%s %s%s HTTP/1.1\r\nHost: %s\r\n", method, client->base_path,
	    request->path, client->host);
	g_string_append_printf(head, "Connection: Upgrade\r\nUpgrade: %s\r\n", protocol);
	append_authorization(head, client);
	if (client->user_agent && !http_head_has(request->headers, "User-Agent"))
		g_string_append_printf(head, "User-Agent: %s\r\n", client->user_agent);
	for (const char *const *line = request->headers; line && *line; line++)
		g_string_append_printf(head, "%s\r\n", *line);

	bool has_length = request->body || !g_str_equal(method, "GET");
	if (has_length)
		g_string_append_printf(head, "Content-Length: %" G_GSIZE_FORMAT "\r\n",
		    request->body ? request->body_length : 0);
	g_string_append(head, "\r\n");
	if (request->body)
		g_string_append_len(head, request->body, (gssize)request->body_length);
	return head;
}

/* Receives once, waiting until `deadline` (0: for ever). As http_connection_read. */
static gssize
receive(HttpConnection *connection,
    void *buffer,
    gsize size,
    gint64 deadline,
    GCancellable *cancel,
    GError **error)
{
	for (;;) {
		gssize count = http_line_receive(connection->line, buffer, size, error);
		if (count != HTTP_LINE_NOT_NOW)
			return count;

		int left = wait_left(deadline);
		int pause =
		    connection->is_tls && (left < 0 || left > TLS_WAIT_MS) ? TLS_WAIT_MS : left;
		if (wait_fd(connection->fd, POLLIN, pause, cancel, error) < 0)
			return -1;
		if (wait_left(deadline) == 0) {
			error_set(error, CARRACK_ERROR_UNAVAILABLE, "no answer from %s in time",
			    connection->place);
			return -1;
		}
	}
}

static gssize
receive_ahead(HttpConnection *connection, gint64 deadline, GCancellable *cancel, GError **error)
{
	char buffer[4096];

	gssize count = receive(connection, buffer, sizeof buffer, deadline, cancel, error);
	if (count > 0)
		g_string_append_len(connection->ahead, buffer, count);
	return count;
}

/* Reads one head off the connection; what follows it stays in `ahead`. */
static bool
receive_head(HttpConnection *connection, gint64 deadline, GCancellable *cancel, GError **error)
{
	const char *end;

	while (!(end = strstr(connection->ahead->str, "\r\n\r\n"))) {
		if (connection->ahead->len > HEAD_BYTES)
			return error_set(error, CARRACK_ERROR_UPSTREAM,
			    "%s: the head of the answer is too long", connection->place);
		gssize count = receive_ahead(connection, deadline, cancel, error);
		if (count < 0)
			return false;
		if (count == 0)
			return error_set(error, CARRACK_ERROR_UPSTREAM,
			    "%s closed the connection without an answer", connection->place);
	}

	gsize length = (gsize)(end - connection->ahead->str);
	g_autofree char *text = g_strndup(connection->ahead->str, length);
	g_string_erase(connection->ahead, 0, (gssize)length + 4);
	g_clear_pointer(&connection->head, http_head_free);
	connection->head = http_head_parse(text, error);
	if (!connection->head)
		g_prefix_error(error, "%s: ", connection->place);
	return connection->head != NULL;
}

/* The body of a refusal, as much as comes within a while: it may lack an end. */
static char *
refusal_text(HttpConnection *connection, GCancellable *cancel)
{
	gint64 deadline = g_get_monotonic_time() + REFUSAL_MS * G_TIME_SPAN_MILLISECOND;
	const char *length_text = http_head_value(connection->head, "Content-Length");
	const char *encoding = http_head_value(connection->head, "Transfer-Encoding");
	bool chunked = encoding && g_ascii_strcasecmp(encoding, "chunked") == 0;
	guint64 wanted = length_text ? g_ascii_strtoull(length_text, NULL, 10) : G_MAXUINT64;

	while (connection->ahead->len < MIN(wanted, REFUSAL_BYTES)) {
		bool complete = chunked && g_str_has_suffix(connection->ahead->str, "0\r\n\r\n");
		if (complete || receive_ahead(connection, deadline, cancel, NULL) <= 0)
			break;
	}

	g_autoptr(GString) plain =
	    chunked ? http_head_dechunk(connection->ahead->str, connection->ahead->len)
		    : g_string_new_len(connection->ahead->str, (gssize)connection->ahead->len);
	return g_strstrip(g_utf8_make_valid(plain->str, -1));
}

/* Always returns false. */
static bool
refuse(HttpConnection *connection, GCancellable *cancel, GError **error)
{
	unsigned status = connection->head->status;
	g_autofree char *text = refusal_text(connection, cancel);

	if (*text)
		return error_set(error, error_from_status(status), "%s", text);
	return error_set(error, error_from_status(status), "%s answered with status %u",
	    connection->place, status);
}

static bool
shake_hands(HttpConnection *connection,
    HttpClient *client,
    const HttpRequest *request,
    const char *protocol,
    GCancellable *cancel,
    GError **error)
{
	gint64 deadline =
	    request->timeout_ms > 0
		? g_get_monotonic_time() + request->timeout_ms * G_TIME_SPAN_MILLISECOND
		: 0;

	g_autoptr(GString) head = handshake(client, request, protocol);
	bool sent = http_connection_write(connection, head->str, head->len, cancel, error);
	explicit_bzero(head->str, head->len);
	if (!sent)
		return false;

	do {
		if (!receive_head(connection, deadline, cancel, error))
			return false;
	} while (connection->head->status < 200 && connection->head->status != 101);
	return connection->head->status == 101 || refuse(connection, cancel, error);
}

HttpConnection *
http_upgrade(HttpClient *client,
    const HttpRequest *request,
    const char *protocol,
    GCancellable *cancel,
    GError **error)
{
	if (!http_check_request(client, request, error) || error_cancelled(cancel, error))
		return NULL;

	HttpLine *line = http_line_connect(client, request, cancel, error);
	if (!line)
		return NULL;

	g_autoptr(HttpConnection) connection = g_new0(HttpConnection, 1);
	connection->line = line;
	connection->ahead = g_string_new(NULL);
	connection->place = g_strdup(client->place);
	connection->is_tls = client->is_tls;
	connection->fd = http_line_fd(line);
	if (!shake_hands(connection, client, request, protocol, cancel, error))
		return NULL;
	return g_steal_pointer(&connection);
}

const char *
http_connection_header(const HttpConnection *connection, const char *name)
{
	return http_head_value(connection->head, name);
}

static gsize
take_ahead(HttpConnection *connection, void *buffer, gsize size)
{
	gsize count = MIN(size, connection->ahead->len);

	memcpy(buffer, connection->ahead->str, count);
	g_string_erase(connection->ahead, 0, (gssize)count);
	return count;
}

gssize
http_connection_read(
    HttpConnection *connection, void *buffer, gsize size, GCancellable *cancel, GError **error)
{
	if (connection->ahead->len > 0)
		return (gssize)take_ahead(connection, buffer, size);
	if (connection->has_ended)
		return 0;

	return receive(connection, buffer, size, 0, cancel, error);
}

bool
http_connection_pending(HttpConnection *connection)
{
	if (connection->ahead->len > 0 || connection->has_ended)
		return true;

	char buffer[4096];
	gssize count = http_line_receive(connection->line, buffer, sizeof buffer, NULL);
	if (count > 0)
		g_string_append_len(connection->ahead, buffer, count);
	connection->has_ended = count == 0;
	return count != HTTP_LINE_NOT_NOW;
}

bool
http_connection_write(HttpConnection *connection,
    const void *bytes,
    gsize length,
    GCancellable *cancel,
    GError **error)
{
	const char *rest = bytes;
	int pause = connection->is_tls ? TLS_WAIT_MS : -1;

	if (error_cancelled(cancel, error))
		return false;
	while (length > 0) {
		gssize count = http_line_send(connection->line, rest, length, error);
		if (count == -1)
			return false;
		if (count > 0) {
			rest += count;
			length -= (gsize)count;
		} else if (wait_fd(connection->fd, POLLOUT, pause, cancel, error) < 0) {
			return false;
		}
	}
	return true;
}

int
http_connection_fd(HttpConnection *connection)
{
	return connection->fd;
}

void
http_connection_half_close(HttpConnection *connection)
{
	if (!connection->is_tls)
		shutdown(connection->fd, SHUT_WR);
}

void
http_connection_free(HttpConnection *connection)
{
	if (!connection)
		return;

	http_line_free(connection->line);
	g_string_free(connection->ahead, TRUE);
	http_head_free(connection->head);
	g_free(connection->place);
	g_free(connection);
}
