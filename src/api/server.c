/*
 * The server: libmicrohttpd with a thread a connection on a unix socket. An exchange is one request
 * and its answer: begun when the headers are there (route, authentication, limits), fed with the
 * body, finished by calling the route's handler. The only file that knows libmicrohttpd.
 *
 * TLS, HTTP strictness and the ports are HAProxy's, in front of the socket.
 */
#include "api/api.h"

#include "api/answer.h"
#include "api/handshake.h"
#include "api/listen.h"
#include "api/routes.h"
#include "api/stream.h"
#include "base/limits.h"
#include "base/lock.h"
#include "base/text.h"

#include <microhttpd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STACK_BYTES ((size_t)512 * 1024)
#define CONNECTION_MEMORY ((size_t)128 * 1024) /* bounds a request's head */
#define IDLE_SECONDS 120u
/* Behind a balancer that keeps connections for an hour: it must never find one closed by us. */
#define IDLE_SECONDS_BALANCED 3660u
/* Streams leave room for ordinary requests. */
#define LIMIT_STREAMS (LIMIT_CONNECTIONS * 3 / 4)
/* Of a body that is refused anyway: so much is read and dropped, since clients read the answer only
 * after they have sent all. */
#define LIMIT_DISCARDED (256LL * LIMIT_BODY_BYTES)

struct Api {
	Rack *rack;
	char *password;
	char *socket_path; /* NULL when listening on a port */
	unsigned idle_seconds;
	struct MHD_Daemon *daemon;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	GHashTable *exchanges; /* those with a request, to be cancelled at the end */
	unsigned streams;
	unsigned sockets; /* upgraded or about to be */
	bool is_stopping;
};

typedef struct {
	Api *api;
	char *target;
	Request *request; /* NULL until the headers are there */
	const Route *route;
	GError *refusal; /* found before the handler could run */
	gint64 received;
	LineStream *lines;
	bool is_stream; /* counted in api->streams */
	bool is_socket; /* counted in api->sockets */
} Exchange;

static void
exchange_register(Exchange *exchange)
{
	LOCKED(&exchange->api->lock);
	g_hash_table_add(exchange->api->exchanges, exchange);
	if (exchange->api->is_stopping)
		g_cancellable_cancel(exchange->request->cancel);
}

static void
exchange_forget(Exchange *exchange)
{
	Api *api = exchange->api;
	LOCKED(&api->lock);
	g_hash_table_remove(api->exchanges, exchange);
	api->streams -= exchange->is_stream;
	api->sockets -= exchange->is_socket;
	pthread_cond_signal(&api->ended);
}

static bool
exchange_count_stream(Exchange *exchange, GError **error)
{
	Api *api = exchange->api;
	LOCKED(&api->lock);
	if (api->streams >= LIMIT_STREAMS)
		return error_set(error, CARRACK_ERROR_UNAVAILABLE,
		    "too many streams are open: %u of %u", api->streams, LIMIT_STREAMS);

	api->streams++;
	exchange->is_stream = true;
	return true;
}

static void
exchange_count_socket(Exchange *exchange)
{
	LOCKED(&exchange->api->lock);
	exchange->api->sockets++;
	exchange->is_socket = true;
}

static void
exchange_free(Exchange *exchange)
{
	line_stream_free(exchange->lines);
	exchange_forget(exchange);
	request_free(exchange->request);
	g_clear_error(&exchange->refusal);
	g_free(exchange->target);
	g_free(exchange);
}

/* Called with the target as it stands in the request line, before anything else is read. */
static void *
on_target(void *data, const char *target, struct MHD_Connection *connection)
{
	Exchange *exchange = g_new0(Exchange, 1);
	exchange->api = data;
	exchange->target = g_strdup(target);
	return exchange;
}

static void
on_completed(void *data,
    struct MHD_Connection *connection,
    void **context,
    enum MHD_RequestTerminationCode code)
{
	if (*context)
		exchange_free(*context);
	*context = NULL;
}

/* Paths and values are decoded by us: the library's way would lose what %2F says. */
static size_t
keep_escapes(void *data, struct MHD_Connection *connection, char *text)
{
	return strlen(text);
}

static enum MHD_Result
queue(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response)
{
	g_autofree char *id = text_random_hex(6);
	MHD_add_response_header(response, "Request-Id", id);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "X-Frame-Options", "DENY");
	enum MHD_Result result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
queue_answer(struct MHD_Connection *connection, Answer answer)
{
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(answer.length, answer.body, MHD_RESPMEM_MUST_FREE);
	MHD_add_response_header(response, "Content-Type", answer.type);
	if (answer.status == 401)
		MHD_add_response_header(response, "WWW-Authenticate", "Basic realm=\"carrack\"");
	if (answer.status == 503)
		MHD_add_response_header(response, "Retry-After", "1");
	return queue(connection, answer.status, response);
}

/* Unknown paths and methods: clients tell «this rack has no such feature» by the empty body. */
static enum MHD_Result
queue_unknown(struct MHD_Connection *connection)
{
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result = MHD_queue_response(connection, 404, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
queue_refusal(Exchange *exchange, struct MHD_Connection *connection)
{
	if (!exchange->route)
		return queue_unknown(connection);

	return queue_answer(connection, answer_error(exchange->request, exchange->refusal));
}

static enum MHD_Result
take_header(void *data, enum MHD_ValueKind kind, const char *name, const char *value)
{
	request_add_header(data, name, value ? value : "");
	return MHD_YES;
}

static bool
check(Exchange *exchange, GError **error)
{
	Request *request = exchange->request;
	const Route *route = exchange->route;
	const char *authorization = request_header(request, "authorization");
	if (!auth_check(authorization, exchange->api->password, route->role, error) ||
	    !request_parse_query(request, error))
		return false;
	if (route->receive)
		return route->receive(request, NULL, 0, error);
	if (request->length > LIMIT_BODY_BYTES)
		return error_set(error, CARRACK_ERROR_TOO_LARGE,
		    "a request's body may have %d bytes, this one has %" G_GINT64_FORMAT,
		    LIMIT_BODY_BYTES, request->length);

	return true;
}

/* The headers are there. The body of a request that is refused is read first, since an answer gets
 * lost when the connection is closed on a client that is still sending; unless the client asks
 * before it sends, or wants to send more than we would ever read. */
static enum MHD_Result
begin(Exchange *exchange, struct MHD_Connection *connection, const char *method)
{
	exchange->request = request_new(exchange->api->rack, method, exchange->target);
	MHD_get_connection_values(connection, MHD_HEADER_KIND, take_header, exchange->request);
	exchange_register(exchange);
	exchange->route = route_find(exchange->request);
	if (exchange->route)
		check(exchange, &exchange->refusal);

	bool is_refused = !exchange->route || exchange->refusal;
	bool is_waiting = request_header(exchange->request, "expect");
	bool is_large = exchange->request->length > LIMIT_DISCARDED;
	return is_refused && (is_waiting || is_large) ? queue_refusal(exchange, connection)
						      : MHD_YES;
}

/* False: the connection is to be dropped. */
static bool
receive(Exchange *exchange, const char *bytes, size_t length)
{
	Request *request = exchange->request;
	exchange->received += length;
	if (!exchange->route || exchange->refusal)
		return exchange->received <= LIMIT_DISCARDED;
	if (exchange->route->receive) {
		exchange->route->receive(request, bytes, length, &exchange->refusal);
		return true;
	}
	if (exchange->received > LIMIT_BODY_BYTES) {
		error_set(&exchange->refusal, CARRACK_ERROR_TOO_LARGE,
		    "a request's body may have %d bytes", LIMIT_BODY_BYTES);
		return true;
	}

	g_string_append_len(request->body, bytes, length);
	return true;
}

static void
on_upgrade(void *data,
    struct MHD_Connection *connection,
    void *context,
    const char *extra,
    size_t extra_length,
    MHD_socket fd,
    struct MHD_UpgradeResponseHandle *handle) /* nocheck:parameters: the library says so */
{
	/* This thread is the connection's own, so it may stay here until the stream ends. */
	Exchange *exchange = data;
	stream_websocket(fd, exchange->request, exchange->route, exchange->refusal);
	MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
}

static enum MHD_Result
upgrade(Exchange *exchange, struct MHD_Connection *connection)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *accept = handshake_accept(exchange->request, &error);
	if (!accept)
		return queue_answer(connection, answer_error(exchange->request, error));
	if (!exchange->refusal)
		exchange_count_stream(exchange, &exchange->refusal);

	exchange_count_socket(exchange);
	struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgrade, exchange);
	MHD_add_response_header(response, "Upgrade", "websocket");
	MHD_add_response_header(response, "Sec-WebSocket-Accept", accept);
	return queue(connection, MHD_HTTP_SWITCHING_PROTOCOLS, response);
}

static enum MHD_Result
send_lines(Exchange *exchange, struct MHD_Connection *connection)
{
	g_autoptr(GError) error = NULL;
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (exchange_count_stream(exchange, &error))
		exchange->lines =
		    line_stream_new(exchange->request, exchange->route, info->connect_fd, &error);
	if (!exchange->lines)
		return queue_answer(connection, answer_error(exchange->request, error));

	struct MHD_Response *response =
	    MHD_create_response_from_pipe(line_stream_take_fd(exchange->lines));
	bool is_archive = exchange->route->kind == ROUTE_TAR;
	MHD_add_response_header(
	    response, "Content-Type", is_archive ? "application/x-tar" : "application/x-ndjson");
	MHD_add_response_header(response, "Cache-Control", "no-store");
	return queue(connection, 200, response);
}

static enum MHD_Result
send_file(Exchange *exchange, struct MHD_Connection *connection)
{
	g_autoptr(GError) error = NULL;
	int file = exchange->route->file(exchange->request, &error);
	if (file < 0)
		return queue_answer(connection, answer_error(exchange->request, error));
	struct stat status;
	if (fstat(file, &status) < 0) {
		error_set_errno(&error, errno, "object");
		close(file);
		return queue_answer(connection, answer_error(exchange->request, error));
	}

	struct MHD_Response *response = MHD_create_response_from_fd64(status.st_size, file);
	MHD_add_response_header(response, "Content-Type", "application/octet-stream");
	return queue(connection, 200, response);
}

static Answer
call(Exchange *exchange)
{
	const Route *route = exchange->route;
	Request *request = exchange->request;
	g_autoptr(GError) error = NULL;
	if (route->kind == ROUTE_CHECK)
		return answer_text(200, "ok");
	if (route->kind == ROUTE_ABSENT) {
		g_autofree char *text = g_strconcat(route->absent, "\n", NULL);
		return answer_text(501, text);
	}
	if (!request_parse_form(request, &error))
		return answer_error(request, error);
	if (route->kind == ROUTE_OK)
		return route->act(request, &error) ? answer_text(200, "ok\n")
						   : answer_error(request, error);

	json_auto_t *value = route->json(request, &error);
	if (!value && !error)
		error_set(&error, CARRACK_ERROR_INTERNAL, "the answer cannot be written as JSON");
	return value ? answer_json(value) : answer_error(request, error);
}

static enum MHD_Result
finish(Exchange *exchange, struct MHD_Connection *connection)
{
	RouteKind kind = exchange->route ? exchange->route->kind : ROUTE_ABSENT;
	if (exchange->route && route_is_socket(exchange->route))
		return upgrade(exchange, connection);
	if (!exchange->route || exchange->refusal)
		return queue_refusal(exchange, connection);

	/* The idle time is for clients, not for handlers; a new value starts it anew. */
	MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
	if (kind == ROUTE_LINES || kind == ROUTE_TAR)
		return send_lines(exchange, connection);
	if (kind == ROUTE_FILE)
		return send_file(exchange, connection);

	Answer answer = call(exchange);
	MHD_set_connection_option(
	    connection, MHD_CONNECTION_OPTION_TIMEOUT, exchange->api->idle_seconds);
	return queue_answer(connection, answer);
}

/* Called once with the headers, then with each piece of the body, then once without. */
static enum MHD_Result
on_request(void *data,
    struct MHD_Connection *connection,
    const char *url,
    const char *method,
    const char *version,
    const char *bytes,
    size_t *length,
    void **context) /* nocheck:parameters: the library says so */
{
	Exchange *exchange = *context;
	if (!exchange->request)
		return begin(exchange, connection, method);
	if (*length == 0)
		return finish(exchange, connection);

	bool goes_on = receive(exchange, bytes, *length);
	*length = 0;
	return goes_on ? MHD_YES : MHD_NO;
}

static struct MHD_Daemon *
start(Api *api, int fd)
{
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
			 MHD_USE_POLL | MHD_USE_ITC | MHD_ALLOW_UPGRADE;
	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, api, MHD_OPTION_LISTEN_SOCKET, fd,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned)LIMIT_CONNECTIONS, MHD_OPTION_THREAD_STACK_SIZE,
	    STACK_BYTES, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
	    MHD_OPTION_CONNECTION_TIMEOUT, api->idle_seconds, MHD_OPTION_URI_LOG_CALLBACK,
	    on_target, api, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
}

Api *
api_new(Rack *rack, const ApiOptions *options, GError **error)
{
	if (!options->password || !options->password[0]) {
		error_set(error, CARRACK_ERROR_INVALID, "the API needs a password");
		return NULL;
	}
	int fd = options->port ? listen_on_port(options->port, error)
			       : listen_on_path(options->socket_path, error);
	if (fd < 0)
		return NULL;

	g_autoptr(Api) api = g_new0(Api, 1);
	api->rack = rack;
	api->password = g_strdup(options->password);
	api->socket_path = options->port ? NULL : g_strdup(options->socket_path);
	api->idle_seconds = options->port ? IDLE_SECONDS_BALANCED : IDLE_SECONDS;
	api->exchanges = g_hash_table_new(NULL, NULL);
	pthread_mutex_init(&api->lock, NULL);
	pthread_cond_init(&api->ended, NULL);
	api->daemon = start(api, fd);
	if (!api->daemon) {
		close(fd);
		error_set(error, CARRACK_ERROR_INTERNAL, "the HTTP server does not start");
		return NULL;
	}
	return g_steal_pointer(&api);
}

/* Tells every exchange to end. */
static void
cancel_all(Api *api)
{
	g_autoptr(GPtrArray) cancels = g_ptr_array_new_with_free_func(g_object_unref);
	{
		LOCKED(&api->lock);
		GHashTableIter iterator;
		gpointer exchange;
		api->is_stopping = true;
		g_hash_table_iter_init(&iterator, api->exchanges);
		while (g_hash_table_iter_next(&iterator, &exchange, NULL))
			g_ptr_array_add(
			    cancels, g_object_ref(((Exchange *)exchange)->request->cancel));
	}
	for (guint i = 0; i < cancels->len; i++)
		g_cancellable_cancel(g_ptr_array_index(cancels, i));
}

/* The library must not be stopped while WebSockets are open; the rest it ends by itself. */
static void
wait_for_sockets(Api *api)
{
	LOCKED(&api->lock);
	while (api->sockets > 0)
		pthread_cond_wait(&api->ended, &api->lock);
}

void
api_free(Api *api)
{
	if (!api)
		return;

	if (api->daemon) {
		int fd = MHD_quiesce_daemon(api->daemon);
		cancel_all(api);
		wait_for_sockets(api);
		MHD_stop_daemon(api->daemon);
		close(fd);
		if (api->socket_path)
			unlink(api->socket_path);
	}
	g_hash_table_unref(api->exchanges);
	pthread_cond_destroy(&api->ended);
	pthread_mutex_destroy(&api->lock);
	g_free(api->password);
	g_free(api->socket_path);
	g_free(api);
}
