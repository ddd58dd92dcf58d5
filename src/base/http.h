/*
 * HTTP as a client: the engine over its unix socket, the rack's API from the CLI. The only file
 * that knows libcurl.
 *
 * A client holds its connections open and may be used from many threads at once; connections out of
 * http_upgrade are used by one thread that reads and one that writes. Calls block; a
 * cancelled GCancellable ends them within milliseconds with CARRACK_ERROR_UNAVAILABLE.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef struct HttpClient HttpClient;
typedef struct HttpConnection HttpConnection;

typedef struct {
	const char
	    *base_url; /* «http://engine», «https://rack.example.com/base»; no slash at the end */
	const char *unix_socket; /* connect here instead, or NULL */
	/* «host:port» to connect to; the Host header and TLS still say base_url's. Or NULL. */
	const char *connect_to;
	const char *user; /* Basic authentication, or NULL */
	const char *password;
	const char *ca_file; /* trusted besides the system's, or NULL */
	bool insecure;       /* do not verify the server's certificate */
	const char *user_agent;
	unsigned connect_timeout_ms; /* 0: 5000 */
} HttpOptions;

/* Fills `buffer` with up to `size` bytes of a body. Returns the count, 0 at the end, -1 with
 * `error` set. */
typedef gssize (*HttpRead)(gpointer data, void *buffer, gsize size, GError **error);

/* Takes a piece of an answer. Returning false ends the call with `error`. */
typedef bool (*HttpWrite)(gpointer data, const void *bytes, gsize length, GError **error);

typedef struct {
	const char *method;         /* NULL: GET */
	const char *path;           /* after base_url, query included, already encoded */
	const char *const *headers; /* NULL-terminated «Name: value» lines, or NULL */
	const void *body;
	gsize body_length;
	HttpRead read; /* instead of `body`: streamed, chunked unless read_length > 0 */
	gpointer read_data;
	gint64 read_length;
	HttpWrite write; /* the body of a 2xx answer goes here instead of into the answer */
	gpointer write_data;
	gsize max_answer;    /* 0: LIMIT_ENGINE_ANSWER_BYTES; a larger answer is
				CARRACK_ERROR_TOO_LARGE */
	unsigned timeout_ms; /* of the whole call; 0: none */
} HttpRequest;

typedef struct {
	unsigned status;
	char *body; /* NUL-terminated, never NULL */
	gsize length;
	char *content_type; /* or NULL */
	char **headers;     /* «Name: value» lines */
} HttpAnswer;

HttpClient *
http_client_new(const HttpOptions *options);

void
http_client_free(HttpClient *client);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpClient, http_client_free)

void
http_answer_free(HttpAnswer *answer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpAnswer, http_answer_free)

/* Performs one call. Any status is an answer, not an error; NULL means that none came (UNAVAILABLE:
 * could not connect, timed out, cancelled; UPSTREAM: broken answer; TOO_LARGE). Never retries. */
HttpAnswer *
http_call(HttpClient *client, const HttpRequest *request, GCancellable *cancel, GError **error);

/* The value of the first header with this name (in any case), or NULL. Borrowed. */
const char *
http_answer_header(const HttpAnswer *answer, const char *name);

/* «https://host:port» of base_url, in lower case and without the scheme's own port: what a client
 * says in Origin. The caller frees it. */
char *
http_client_origin(const HttpClient *client);

/* Percent-encodes everything but RFC 3986's unreserved characters. The caller frees it. */
char *
http_escape(const char *text);

/* A raw connection after `GET path` (or another method, with its body) with `Upgrade: protocol`,
 * for WebSockets and the engine's hijacked streams. The answer must be 101 (another status: the
 * body as an error of error_from_status). TLS, CA and Basic auth as for calls. */
HttpConnection *
http_upgrade(HttpClient *client,
    const HttpRequest *request,
    const char *protocol,
    GCancellable *cancel,
    GError **error);

/* A header of the 101, or NULL. Borrowed. */
const char *
http_connection_header(const HttpConnection *connection, const char *name);

/* Blocks until some bytes came. Returns the count, 0 at the end, -1 with `error` set. */
gssize
http_connection_read(
    HttpConnection *connection, void *buffer, gsize size, GCancellable *cancel, GError **error);

/* Blocks until all is written. */
bool
http_connection_write(HttpConnection *connection,
    const void *bytes,
    gsize length,
    GCancellable *cancel,
    GError **error);

/* To poll on. Owned by the connection. Bytes may wait inside the TLS layer: see
 * http_connection_pending. */
int
http_connection_fd(HttpConnection *connection);

/* True when a read would return at once: with bytes, the end or an error. For the thread that
 * reads. */
bool
http_connection_pending(HttpConnection *connection);

/* Ends our sending side (plain sockets only). */
void
http_connection_half_close(HttpConnection *connection);

void
http_connection_free(HttpConnection *connection);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpConnection, http_connection_free)
