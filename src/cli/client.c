/*
 * One HttpClient over the rack's socket or its address (client.h). Every failure names the rack,
 * because the usual mistake is to talk to another one than was meant.
 */
#include "cli/client.h"

#include "base/error.h"

#include <gio/gunixsocketaddress.h>
#include <stdarg.h>
#include <string.h>

#define AGENT "carrack/" CARRACK_VERSION
#define ERROR_MARK "ERROR: "

struct Client {
	HttpClient *http;
	char *name;
	char *address;
	bool is_insecure;
	unsigned timeout_ms;
	char *actor; /* a header that says who acts, for locks and refusals; or NULL */
};

/* True when somebody listens there and lets us in. */
static bool
socket_answers(const char *path)
{
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
	g_autoptr(GSocket) probe =
	    g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, 0, NULL);

	return probe && g_socket_connect(probe, address, NULL, NULL);
}

static GUri *
parse_url(const ConfigRack *rack, GError **error)
{
	g_autoptr(GError) failure = NULL;
	g_autoptr(GUri) url = g_uri_parse(rack->url, G_URI_FLAGS_HAS_PASSWORD, &failure);
	const char *scheme = url ? g_uri_get_scheme(url) : "";
	bool is_http = strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0;

	if (is_http && g_uri_get_host(url) && *g_uri_get_host(url))
		return g_steal_pointer(&url);

	/* Not the URL itself: it may hold a password. */
	error_set(error, CARRACK_ERROR_INVALID, "%s: not a URL like https://user:password@host",
	    *rack->name ? rack->name : "RACK_URL");
	return NULL;
}

/* Names of other alphabets are left out: a header is ASCII. */
static char *
actor_header(void)
{
	const char *user = g_get_user_name();

	for (const char *place = user; *place; place++) {
		if (!g_ascii_isgraph(*place))
			return NULL;
	}
	return g_strconcat("Convox-Actor: ", user, NULL);
}

/* What is connected to, without a slash at the end, user or password. */
static char *
base_of(GUri *url)
{
	g_autofree char *base = g_uri_to_string_partial(
	    url, G_URI_HIDE_USERINFO | G_URI_HIDE_QUERY | G_URI_HIDE_FRAGMENT);
	gsize length = strlen(base);

	while (length > 0 && base[length - 1] == '/')
		length--;
	return g_strndup(base, length);
}

Client *
client_new(const ConfigRack *rack, GError **error)
{
	g_autoptr(GUri) url = parse_url(rack, error);
	if (!url)
		return NULL;
	g_autofree char *base = base_of(url);
	bool is_local = rack->socket && socket_answers(rack->socket);

	Client *client = g_new0(Client, 1);
	client->address = g_strdup(strstr(base, "://") + strlen("://"));
	client->name = g_strdup(*rack->name ? rack->name : client->address);
	client->is_insecure = rack->insecure && !is_local;
	HttpOptions options = {
	    .base_url = is_local ? "http://carrack" : base,
	    .unix_socket = is_local ? rack->socket : NULL,
	    .user = g_uri_get_user(url),
	    .password = g_uri_get_password(url),
	    .ca_file = rack->ca,
	    .insecure = rack->insecure,
	    .user_agent = AGENT,
	};
	client->http = http_client_new(&options);
	client->actor = actor_header();
	return client;
}

static Client *
client_of_config(const char *wanted, GError **error)
{
	g_autoptr(Config) config = config_load(error);
	if (!config)
		return NULL;
	if (!wanted)
		wanted = config_current(config);
	if (!wanted) {
		error_set(error, CARRACK_ERROR_NOT_FOUND,
		    "no rack is selected: run «carrack install» or «carrack login», or set "
		    "RACK_URL");
		return NULL;
	}

	ConfigRack rack;
	if (!config_find(config, wanted, &rack, error))
		return NULL;
	return client_new(&rack, error);
}

Client *
client_open(const char *wanted, GError **error)
{
	const char *url = g_getenv("RACK_URL");
	const char *rack = g_getenv("CARRACK_RACK");

	if (url && *url) {
		const ConfigRack given = {.name = "", .url = url, .ca = g_getenv("CARRACK_CA")};
		return client_new(&given, error);
	}
	if (!wanted && rack && *rack)
		wanted = rack;
	return client_of_config(wanted, error);
}

void
client_free(Client *client)
{
	if (!client)
		return;

	http_client_free(client->http);
	g_free(client->name);
	g_free(client->address);
	g_free(client->actor);
	g_free(client);
}

const char *
client_name(const Client *client)
{
	return client->name;
}

const char *
client_address(const Client *client)
{
	return client->address;
}

bool
client_is_insecure(const Client *client)
{
	return client->is_insecure;
}

void
client_set_timeout(Client *client, unsigned milliseconds)
{
	client->timeout_ms = milliseconds;
}

char *
client_path(const char *part, ...)
{
	GString *path = g_string_new(NULL);
	va_list parts;

	va_start(parts, part);
	for (; part; part = va_arg(parts, const char *)) {
		g_autofree char *encoded = http_escape(part);
		g_string_append_printf(path, "/%s", encoded);
	}
	va_end(parts);
	return g_string_free(path, FALSE);
}

void
client_form(GString *form, const char *name, const char *value)
{
	if (!value)
		return;

	g_autofree char *encoded = http_escape(value);
	g_string_append_printf(form, "%s%s=%s", form->len ? "&" : "", name, encoded);
}

/* {"error": "…"}, or plain text, or nothing but a status. */
static char *
refusal_text(const HttpAnswer *answer)
{
	json_auto_t *body = json_parse(answer->body, answer->length, "answer", NULL);
	const char *said = json_text_of(body, "error", "");
	g_autofree char *plain = g_strstrip(g_strdup(*said ? said : answer->body));

	return *plain ? g_steal_pointer(&plain)
		      : g_strdup_printf("the rack answers with status %u", answer->status);
}

static bool
set_refusal(const Client *client, unsigned status, const char *text, GError **error)
{
	if (status == 401)
		return error_set(
		    error, CARRACK_ERROR_UNAUTHORIZED, "wrong password for rack %s", client->name);

	return error_set(error, error_from_status(status), "%s", text);
}

/* Ctrl-C is no fault of the rack. */
static bool
set_unreached(const Client *client, GCancellable *cancel, GError **error)
{
	if (!g_cancellable_is_cancelled(cancel))
		g_prefix_error(error, "rack %s: ", client->name);
	return false;
}

static bool
answer_json(const HttpAnswer *answer, json_t **value, GError **error)
{
	g_autofree char *text = g_strstrip(g_strdup(answer->body));
	if (!*text || strcmp(text, "ok") == 0) {
		*value = json_null();
		return true;
	}

	*value = json_parse(answer->body, answer->length, "the rack's answer", error);
	return *value != NULL;
}

static bool
call(Client *client,
    HttpRequest *request,
    const char *content_type,
    json_t **value,
    GCancellable *cancel,
    GError **error)
{
	const char *headers[] = {
	    content_type ? content_type : client->actor, content_type ? client->actor : NULL, NULL};
	request->headers = headers;
	request->timeout_ms = client->timeout_ms;
	g_autoptr(HttpAnswer) answer = http_call(client->http, request, cancel, error);
	if (!answer)
		return set_unreached(client, cancel, error);
	if (answer->status >= 300) {
		g_autofree char *text = refusal_text(answer);
		return set_refusal(client, answer->status, text, error);
	}

	return value ? answer_json(answer, value, error) : true;
}

json_t *
client_get(Client *client, const char *path, GCancellable *cancel, GError **error)
{
	HttpRequest request = {.path = path};
	json_t *value;

	return call(client, &request, NULL, &value, cancel, error) ? value : NULL;
}

bool
client_send(Client *client,
    const char *method,
    const char *path,
    const char *form,
    json_t **answer,
    GCancellable *cancel,
    GError **error)
{
	HttpRequest request = {
	    .method = method,
	    .path = path,
	    .body = form,
	    .body_length = form ? strlen(form) : 0,
	};

	return call(client, &request,
	    form ? "Content-Type: application/x-www-form-urlencoded" : NULL, answer, cancel, error);
}

bool
client_download(Client *client,
    const char *path,
    HttpWrite take,
    gpointer data,
    GCancellable *cancel,
    GError **error)
{
	HttpRequest request = {.path = path, .write = take, .write_data = data};

	return call(client, &request, NULL, NULL, cancel, error);
}

bool
client_upload(Client *client,
    const char *path,
    HttpRead read,
    gpointer data,
    json_t **answer,
    GCancellable *cancel,
    GError **error)
{
	HttpRequest request = {.method = "POST", .path = path, .read = read, .read_data = data};

	return call(
	    client, &request, "Content-Type: application/octet-stream", answer, cancel, error);
}

/* The handshake may come first and the refusal as a message of its own. */
static bool
is_refusal(const char *bytes, gsize length, bool is_first)
{
	return is_first && length > strlen(ERROR_MARK) &&
	       memcmp(bytes, ERROR_MARK, strlen(ERROR_MARK)) == 0;
}

bool
client_refusal(const Client *client, const char *message, GError **error)
{
	bool is_marked = g_str_has_prefix(message, ERROR_MARK);
	g_autofree char *text =
	    g_strstrip(g_strdup(message + (is_marked ? strlen(ERROR_MARK) : 0)));
	if (strcmp(text, "invalid authentication") == 0)
		return set_refusal(client, 401, text, error);

	return error_set(error, CARRACK_ERROR_INVALID, "%s", text);
}

static bool
receive_all(const Client *client,
    WebSocket *socket,
    HttpWrite take,
    gpointer data,
    GCancellable *cancel,
    GError **error)
{
	for (bool is_first = true;; is_first = false) {
		WebSocketEvent event;
		g_autofree char *bytes = NULL;
		gsize length = 0;

		if (!websocket_receive(socket, &event, &bytes, &length, cancel, error))
			return set_unreached(client, cancel, error);
		if (event != WEBSOCKET_TEXT)
			return true;
		if (is_refusal(bytes, length, is_first))
			return client_refusal(client, bytes, error);
		if (!take(data, bytes, length, error))
			return error == NULL || *error == NULL;
	}
}

WebSocket *
client_socket(Client *client,
    const char *path,
    const char *const *headers,
    GCancellable *cancel,
    GError **error)
{
	g_autoptr(GError) failure = NULL;
	g_autoptr(GPtrArray) all = g_ptr_array_new();
	for (const char *const *header = headers; header && *header; header++)
		g_ptr_array_add(all, (gpointer)*header);
	if (client->actor)
		g_ptr_array_add(all, client->actor);
	g_ptr_array_add(all, NULL);
	WebSocket *socket = websocket_connect(
	    client->http, path, (const char *const *)all->pdata, cancel, &failure);
	if (socket)
		return socket;

	bool is_unreached = g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
	if (g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_UNAUTHORIZED))
		set_refusal(client, 401, "", error);
	else
		g_propagate_error(error, g_steal_pointer(&failure));
	if (is_unreached)
		set_unreached(client, cancel, error);
	return NULL;
}

bool
client_stream(Client *client,
    const char *path,
    const char *const *headers,
    HttpWrite take,
    gpointer data,
    GCancellable *cancel,
    GError **error)
{
	g_autoptr(WebSocket) socket = client_socket(client, path, headers, cancel, error);

	return socket && receive_all(client, socket, take, data, cancel, error);
}
