/*
 * The HTTP client: libcurl with one small multi handle per running call, so that a call can wait on
 * its connection and on its cancellable in one poll. Handles go back to a pool and keep their
 * connections. Redirects are not followed, proxies are not used for this machine, and only http and
 * https are spoken: an address from outside cannot reach a file or another protocol.
 *
 * The password is handed to libcurl and nowhere else: no error text here contains a header, a body
 * or an address with a user in it.
 */
#include "base/http.h"

#include "base/error.h"
#include "base/http-head.h"
#include "base/http-line.h"
#include "base/limits.h"
#include "base/lock.h"
#include "base/wait.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECT_TIMEOUT_MS 5000
#define IDLE_LINES 16
#define HEADER_LINES 200 /* of an answer; what comes after them is dropped */

/* libcurl's own answers to a failed certificate check (X509_V_ERR_…), without OpenSSL's header. */
#define X509_OK 0
#define X509_UNSPECIFIED 1
#define X509_NOT_YET_VALID 9
#define X509_HAS_EXPIRED 10
#define X509_HOSTNAME_MISMATCH 62

/* libcurl keeps connections in the multi handle, so the pair stays together. */
struct HttpLine {
	CURL *easy;
	CURLM *multi;
	pthread_mutex_t lock; /* of a raw line: libcurl allows one call at a time on a handle */
	char *place;
};

/* One call while it runs. */
typedef struct {
	HttpClient *client;
	const HttpRequest *request;
	CURL *easy;
	struct curl_slist *headers;
	GString *body;
	GPtrArray *lines; /* of the head */
	GError *failure;  /* of a callback */
	char problem[CURL_ERROR_SIZE];
} Call;

void
http_line_free(HttpLine *line)
{
	if (!line)
		return;

	curl_multi_remove_handle(line->multi, line->easy);
	curl_easy_cleanup(line->easy);
	curl_multi_cleanup(line->multi);
	pthread_mutex_destroy(&line->lock);
	g_free(line->place);
	g_free(line);
}

static HttpLine *
line_new(void)
{
	HttpLine *line = g_new0(HttpLine, 1);

	line->easy = curl_easy_init();
	line->multi = curl_multi_init();
	pthread_mutex_init(&line->lock, NULL);
	g_assert(line->easy && line->multi);
	return line;
}

static HttpLine *
take_line(HttpClient *client)
{
	LOCKED(&client->lock);

	if (client->idle->len == 0)
		return line_new();
	return g_ptr_array_steal_index(client->idle, client->idle->len - 1);
}

static void
give_line(HttpClient *client, HttpLine *line)
{
	curl_easy_reset(line->easy);
	{
		LOCKED(&client->lock);
		if (client->idle->len < IDLE_LINES) {
			g_ptr_array_add(client->idle, line);
			return;
		}
	}
	http_line_free(line);
}

static char *
url_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	if (curl_url_get(url, part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK)
		return NULL;

	char *copy = g_strdup(text);
	curl_free(text);
	return copy;
}

/* Link-local addresses count: metadata of the machine, which no proxy can reach. */
static bool
names_this_machine(const char *host)
{
	return g_str_equal(host, "localhost") || g_str_has_suffix(host, ".localhost") ||
	       g_str_has_prefix(host, "127.") || g_str_has_prefix(host, "169.254.") ||
	       g_str_equal(host, "[::1]") || g_str_equal(host, "[fd00:ec2::254]");
}

/* Takes base_url apart. A user in it is refused: the address is shown in errors. */
static void
read_base_url(HttpClient *client)
{
	CURLU *url = curl_url();
	bool read =
	    curl_url_set(url, CURLUPART_URL, client->base_url, CURLU_DISALLOW_USER) == CURLUE_OK;
	g_autofree char *scheme = read ? url_part(url, CURLUPART_SCHEME) : NULL;
	g_autofree char *host = read ? url_part(url, CURLUPART_HOST) : NULL;
	g_autofree char *port = read ? url_part(url, CURLUPART_PORT) : NULL;
	g_autofree char *path = read ? url_part(url, CURLUPART_PATH) : NULL;
	curl_url_cleanup(url);

	bool known = scheme && (g_str_equal(scheme, "http") || g_str_equal(scheme, "https"));
	if (!known || !host || !port || !path)
		return;

	client->is_tls = g_str_equal(scheme, "https");
	client->is_local = client->unix_socket || names_this_machine(host);
	client->place = client->unix_socket ? g_strdup(client->unix_socket)
					    : g_strdup_printf("%s:%s", host, port);
	bool usual = g_str_equal(port, client->is_tls ? "443" : "80");
	g_autofree char *full = usual ? g_strdup(host) : g_strdup_printf("%s:%s", host, port);
	client->host = g_ascii_strdown(full, -1);
	bool rooted = g_str_equal(path, "/");
	client->base_path = g_strdup(rooted ? "" : path);
}

HttpClient *
http_client_new(const HttpOptions *options)
{
	HttpClient *client = g_new0(HttpClient, 1);

	curl_global_init(CURL_GLOBAL_DEFAULT);
	client->base_url = g_strdup(options->base_url);
	client->unix_socket = g_strdup(options->unix_socket);
	client->user = g_strdup(options->user);
	client->password = g_strdup(options->password);
	client->ca_file = g_strdup(options->ca_file);
	client->user_agent = g_strdup(options->user_agent);
	client->insecure = options->insecure;
	g_autofree char *place = g_strconcat("::", options->connect_to, NULL);
	if (options->connect_to)
		client->connect_to = curl_slist_append(NULL, place);
	client->connect_timeout_ms =
	    options->connect_timeout_ms > 0 ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
	pthread_mutex_init(&client->lock, NULL);
	client->idle = g_ptr_array_new_with_free_func((GDestroyNotify)http_line_free);
	read_base_url(client);
	return client;
}

static void
forget_secret(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	g_free(secret);
}

void
http_client_free(HttpClient *client)
{
	if (!client)
		return;

	g_ptr_array_unref(client->idle);
	pthread_mutex_destroy(&client->lock);
	g_free(client->base_url);
	g_free(client->unix_socket);
	curl_slist_free_all(client->connect_to);
	g_free(client->user);
	forget_secret(client->password);
	g_free(client->ca_file);
	g_free(client->user_agent);
	g_free(client->place);
	g_free(client->host);
	g_free(client->base_path);
	g_free(client);
}

char *
http_client_origin(const HttpClient *client)
{
	return g_strdup_printf(
	    "%s://%s", client->is_tls ? "https" : "http", client->host ? client->host : "");
}

void
http_answer_free(HttpAnswer *answer)
{
	if (!answer)
		return;

	g_free(answer->body);
	g_free(answer->content_type);
	g_strfreev(answer->headers);
	g_free(answer);
}

const char *
http_answer_header(const HttpAnswer *answer, const char *name)
{
	HttpHead head = {.lines = answer->headers};

	return http_head_value(&head, name);
}

char *
http_escape(const char *text)
{
	return g_uri_escape_string(text, NULL, FALSE);
}

bool
http_check_request(const HttpClient *client, const HttpRequest *request, GError **error)
{
	if (!client->place)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "the address to call is not of the form https://host:port, without a user");

	const char *method = request->method ? request->method : "GET";
	bool good_path = request->path && (request->path[0] == '/' || request->path[0] == '\0');
	for (const char *place = request->path; good_path && *place; place++)
		good_path = g_ascii_isgraph(*place);
	if (!good_path)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "%s: the path to call begins with a slash and is percent-encoded",
		    client->place);
	if (strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(method))
		return error_set(error, CARRACK_ERROR_INVALID,
		    "%s: a method is written in capital letters", client->place);
	return http_head_check_lines(request->headers, error);
}

static curl_socket_t
open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* What calls and upgrades have in common. */
static void
set_client_options(HttpClient *client, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(
	    easy, CURLOPT_QUICK_EXIT, 1L); /* a cancel does not wait for the resolver */
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)client->connect_timeout_ms);
	if (client->is_local)
		curl_easy_setopt(easy, CURLOPT_PROXY, "");
	if (client->unix_socket)
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, client->unix_socket);
	if (client->connect_to)
		curl_easy_setopt(easy, CURLOPT_CONNECT_TO, client->connect_to);
	if (client->user_agent)
		curl_easy_setopt(easy, CURLOPT_USERAGENT, client->user_agent);
	if (client->user) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(easy, CURLOPT_USERNAME, client->user);
		curl_easy_setopt(easy, CURLOPT_PASSWORD, client->password ? client->password : "");
	}
	/* The system's certificates stay trusted through libcurl's default CAPATH. */
	if (client->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, client->ca_file);
	if (client->insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

static size_t
on_read(char *buffer, size_t size, size_t count, void *data)
{
	Call *call = data;

	gssize length =
	    call->request->read(call->request->read_data, buffer, size * count, &call->failure);
	return length < 0 ? CURL_READFUNC_ABORT : (size_t)length;
}

static bool
keep_answer(Call *call, const char *bytes, gsize length)
{
	gsize limit = call->request->max_answer;
	if (limit == 0)
		limit = LIMIT_ENGINE_ANSWER_BYTES;
	if (call->body->len + length > limit)
		return error_set(&call->failure, CARRACK_ERROR_TOO_LARGE,
		    "the answer of %s is over %" G_GSIZE_FORMAT " bytes", call->client->place,
		    limit);

	g_string_append_len(call->body, bytes, (gssize)length);
	return true;
}

static size_t
on_answer(char *bytes, size_t size, size_t count, void *data)
{
	Call *call = data;
	const HttpRequest *request = call->request;
	long status = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	bool streamed = request->write && status / 100 == 2;
	bool taken = streamed
			 ? request->write(request->write_data, bytes, size * count, &call->failure)
			 : keep_answer(call, bytes, size * count);
	return taken ? size * count : CURL_WRITEFUNC_ERROR;
}

/* A line of the head. Heads of «100 Continue» come before the real one. */
static size_t
on_header(char *bytes, size_t size, size_t count, void *data)
{
	Call *call = data;
	g_autofree char *line = g_strchomp(g_strndup(bytes, size * count));

	if (g_str_has_prefix(line, "HTTP/"))
		g_ptr_array_set_size(call->lines, 0);
	else if (*line && call->lines->len < HEADER_LINES)
		g_ptr_array_add(call->lines, g_steal_pointer(&line));
	return size * count;
}

static void
set_body(Call *call)
{
	const HttpRequest *request = call->request;
	CURL *easy = call->easy;

	if (request->read) {
		curl_off_t length = request->read_length > 0 ? request->read_length : -1;
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(easy, CURLOPT_READDATA, call);
		curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, length);
		/* A stream cannot be sent again should a kept connection turn out to be dead. */
		curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
		return;
	}

	bool has_body = request->body || (request->method && !g_str_equal(request->method, "GET") &&
					     !g_str_equal(request->method, "DELETE"));
	if (has_body) {
		curl_off_t length = request->body ? (curl_off_t)request->body_length : 0;
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, length);
		curl_easy_setopt(
		    easy, CURLOPT_POSTFIELDS, request->body ? request->body : (void *)"");
	}
}

/* libcurl drops a header without a value unless it is written with a semicolon. */
static void
set_headers(Call *call)
{
	const char *const *lines = call->request->headers;

	for (const char *const *line = lines; line && *line; line++) {
		const char *colon = strchr(*line, ':');
		bool empty = colon[1 + strspn(colon + 1, " \t")] == '\0';
		g_autofree char *name = g_strndup(*line, (gsize)(colon - *line));
		g_autofree char *bare = g_strconcat(name, ";", NULL);
		call->headers = curl_slist_append(call->headers, empty ? bare : *line);
	}

	/* Neither curl's guess of a form nor the second that it waits for «100 Continue». */
	if (!http_head_has(lines, "Content-Type"))
		call->headers = curl_slist_append(call->headers, "Content-Type:");
	call->headers = curl_slist_append(call->headers, "Expect:");
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
}

static void
set_call_options(Call *call)
{
	const HttpRequest *request = call->request;
	CURL *easy = call->easy;
	g_autofree char *url = g_strconcat(call->client->base_url, request->path, NULL);

	set_client_options(call->client, easy);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->problem);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
	set_body(call);
	set_headers(call);
	if (request->method && g_str_equal(request->method, "HEAD"))
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(
		    easy, CURLOPT_CUSTOMREQUEST, request->method ? request->method : "GET");
}

/* Runs what the easy handle is set up for. False: cancelled. */
static bool
perform(HttpLine *line, GCancellable *cancel, CURLcode *result, GError **error)
{
	GPollFD wake = {.fd = -1};
	bool has_wake = g_cancellable_make_pollfd(cancel, &wake);
	struct curl_waitfd extra = {wake.fd, CURL_WAIT_POLLIN, 0};
	/* Without a descriptor for the cancellable it is looked at now and then. */
	int pause_ms = cancel && !has_wake ? 50 : 1000;
	int running = 1;

	*result = CURLE_FAILED_INIT;
	curl_multi_add_handle(line->multi, line->easy);
	while (running > 0 && !g_cancellable_is_cancelled(cancel)) {
		curl_multi_perform(line->multi, &running);
		if (running > 0)
			curl_multi_poll(line->multi, &extra, has_wake ? 1 : 0, pause_ms, NULL);
	}

	int left;
	const CURLMsg *message = curl_multi_info_read(line->multi, &left);
	if (message)
		*result = message->data.result;
	if (has_wake)
		g_cancellable_release_fd(cancel);
	return message || !error_cancelled(cancel, error);
}

static char *
reason_of(int errnum)
{
	g_autofree char *text = g_strdup(g_strerror(errnum));

	text[0] = g_ascii_tolower(text[0]);
	return g_steal_pointer(&text);
}

static const char *
certificate_problem(long verify_result)
{
	switch (verify_result) {
	case X509_OK:
	case X509_UNSPECIFIED: /* libcurl itself compares the names, before it asks OpenSSL */
	case X509_HOSTNAME_MISMATCH:
		return "its certificate is for another host name";
	case X509_HAS_EXPIRED:
		return "its certificate has expired";
	case X509_NOT_YET_VALID:
		return "its certificate is not valid yet; compare the clocks";
	default:
		return "its certificate is from an unknown issuer";
	}
}

static bool
fail_to_connect(Call *call, CarrackError code, const char *reason, GError **error)
{
	return error_set(error, code, "cannot connect to %s: %s", call->client->place, reason);
}

static bool
fail_by_timeout(Call *call, GError **error)
{
	curl_off_t sent_after = 0;
	curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &sent_after);
	unsigned limit = call->client->connect_timeout_ms;
	bool in_time = call->request->timeout_ms == 0 || call->request->timeout_ms > limit;

	if (sent_after > 0)
		return error_set(error, CARRACK_ERROR_UNAVAILABLE, "no answer from %s within %g s",
		    call->client->place, call->request->timeout_ms / 1000.0);

	g_autofree char *reason = g_strdup_printf(
	    "no answer within %g s", (in_time ? limit : call->request->timeout_ms) / 1000.0);
	return fail_to_connect(call, CARRACK_ERROR_UNAVAILABLE, reason, error);
}

static bool
fail_by_certificate(Call *call, GError **error)
{
	long verify_result = 0;

	curl_easy_getinfo(call->easy, CURLINFO_SSL_VERIFYRESULT, &verify_result);
	return fail_to_connect(
	    call, CARRACK_ERROR_UPSTREAM, certificate_problem(verify_result), error);
}

static bool
fail_by_refusal(Call *call, GError **error)
{
	long errnum = 0;
	curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &errnum);
	g_autofree char *reason = errnum ? reason_of((int)errnum) : g_strdup("no answer");

	return fail_to_connect(call, CARRACK_ERROR_UNAVAILABLE, reason, error);
}

/* libcurl's results in our domain. Always returns false. */
static bool
fail(Call *call, CURLcode result, GError **error)
{
	const char *place = call->client->place;
	const char *problem = call->problem[0] ? call->problem : curl_easy_strerror(result);

	switch (result) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return fail_to_connect(
		    call, CARRACK_ERROR_UNAVAILABLE, "no address is known for this name", error);
	case CURLE_COULDNT_CONNECT:
		return fail_by_refusal(call, error);
	case CURLE_OPERATION_TIMEDOUT:
		return fail_by_timeout(call, error);
	case CURLE_PEER_FAILED_VERIFICATION:
		return fail_by_certificate(call, error);
	case CURLE_SSL_CACERT_BADFILE:
		return error_set(error, CARRACK_ERROR_INVALID,
		    "%s: not a file of trusted certificates", call->client->ca_file);
	case CURLE_SSL_CONNECT_ERROR:
		return fail_to_connect(call, CARRACK_ERROR_UPSTREAM,
		    "it does not answer with TLS; is it an http:// address?", error);
	case CURLE_GOT_NOTHING:
		return error_set(error, CARRACK_ERROR_UPSTREAM,
		    "%s closed the connection without an answer", place);
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_PARTIAL_FILE:
		return error_set(error, CARRACK_ERROR_UPSTREAM,
		    "the connection to %s broke off in the middle", place);
	case CURLE_UNSUPPORTED_PROTOCOL: /* what it makes of a head without a status line */
	case CURLE_WEIRD_SERVER_REPLY:
		return error_set(
		    error, CARRACK_ERROR_UPSTREAM, "%s: the answer is not HTTP/1.1", place);
	default:
		return error_set(error, CARRACK_ERROR_UPSTREAM, "%s: %s", place, problem);
	}
}

static HttpAnswer *
answer_of(Call *call)
{
	HttpAnswer *answer = g_new0(HttpAnswer, 1);
	const char *content_type = NULL;
	long status = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &content_type);
	answer->status = (unsigned)status;
	answer->content_type = g_strdup(content_type);
	answer->length = call->body->len;
	answer->body = g_string_free(g_steal_pointer(&call->body), FALSE);
	g_ptr_array_add(call->lines, NULL);
	answer->headers = (char **)g_ptr_array_steal(call->lines, NULL);
	return answer;
}

static void
call_clear(Call *call)
{
	curl_slist_free_all(call->headers);
	g_clear_error(&call->failure);
	if (call->body)
		g_string_free(call->body, TRUE);
	if (call->lines)
		g_ptr_array_unref(call->lines);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Call, call_clear)

HttpAnswer *
http_call(HttpClient *client, const HttpRequest *request, GCancellable *cancel, GError **error)
{
	if (!http_check_request(client, request, error) || error_cancelled(cancel, error))
		return NULL;

	HttpLine *line = take_line(client);
	g_auto(Call) call = {.client = client, .request = request, .easy = line->easy};
	call.body = g_string_new(NULL);
	call.lines = g_ptr_array_new_with_free_func(g_free);
	set_call_options(&call);

	CURLcode result;
	HttpAnswer *answer = NULL;
	bool ran = perform(line, cancel, &result, error);
	if (ran && call.failure)
		g_propagate_error(error, g_steal_pointer(&call.failure));
	else if (ran && result != CURLE_OK)
		fail(&call, result, error);
	else if (ran)
		answer = answer_of(&call);

	curl_multi_remove_handle(line->multi, line->easy);
	give_line(client, line);
	return answer;
}

/* Errors of connecting as those of a call. */
static bool
perform_connect(HttpLine *line, Call *call, GCancellable *cancel, GError **error)
{
	CURLcode result;

	curl_easy_setopt(line->easy, CURLOPT_ERRORBUFFER, call->problem);
	bool ran = perform(line, cancel, &result, error);
	curl_easy_setopt(line->easy, CURLOPT_ERRORBUFFER, NULL);
	return ran && (result == CURLE_OK || fail(call, result, error));
}

HttpLine *
http_line_connect(
    HttpClient *client, const HttpRequest *request, GCancellable *cancel, GError **error)
{
	HttpLine *line = line_new();
	Call call = {.client = client, .request = request, .easy = line->easy};

	set_client_options(client, line->easy);
	curl_easy_setopt(line->easy, CURLOPT_URL, client->base_url);
	curl_easy_setopt(line->easy, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(line->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
	line->place = g_strdup(client->place);
	if (perform_connect(line, &call, cancel, error))
		return line;

	http_line_free(line);
	return NULL;
}

int
http_line_fd(HttpLine *line)
{
	curl_socket_t fd = CURL_SOCKET_BAD;

	curl_easy_getinfo(line->easy, CURLINFO_ACTIVESOCKET, &fd);
	return fd;
}

static gssize
count_or_failure(HttpLine *line, CURLcode result, size_t count, GError **error)
{
	if (result == CURLE_OK)
		return (gssize)count;
	if (result == CURLE_AGAIN)
		return HTTP_LINE_NOT_NOW;

	error_set(error, CARRACK_ERROR_UPSTREAM, "the connection to %s broke off", line->place);
	return -1;
}

gssize
http_line_receive(HttpLine *line, void *buffer, gsize size, GError **error)
{
	LOCKED(&line->lock);
	size_t count = 0;

	CURLcode result = curl_easy_recv(line->easy, buffer, size, &count);
	return count_or_failure(line, result, count, error);
}

gssize
http_line_send(HttpLine *line, const void *bytes, gsize length, GError **error)
{
	LOCKED(&line->lock);
	size_t count = 0;

	CURLcode result = curl_easy_send(line->easy, bytes, length, &count);
	return count_or_failure(line, result, count, error);
}
