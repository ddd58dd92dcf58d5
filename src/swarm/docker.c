/*
 * Calls of the Docker engine over its unix socket. Everything that the engine says of itself (its
 * version, its errors) is understood here, so that the files above deal with JSON values and our
 * own errors only.
 *
 * A call is bounded by CALL_TIMEOUT_MS; streams go through docker_request, which has no bound but
 * the one that the caller sets.
 */
#include "swarm/docker.h"

#include <stdarg.h>
#include <string.h>

#define CALL_TIMEOUT_MS 60000
#define ERROR_TEXT_BYTES 4096

struct Docker {
	HttpClient *client;
	char *prefix; /* «/v1.41» */
};

/* «1.41» as 1 * 1000 + 41; 0 when it is not a version. */
static unsigned
version_number(const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, ".", 2);
	guint64 major = 0, minor = 0;

	if (g_strv_length(parts) != 2 ||
	    !g_ascii_string_to_unsigned(parts[0], 10, 0, 999, &major, NULL) ||
	    !g_ascii_string_to_unsigned(parts[1], 10, 0, 999, &minor, NULL))
		return 0;
	return (unsigned)(major * 1000 + minor);
}

/* The engine answers errors as {"message": …}, but plain text where it refuses the version. */
static char *
error_text(const HttpAnswer *answer)
{
	json_auto_t *value = json_parse(answer->body, answer->length, "engine", NULL);
	const char *message = json_text_of(value, "message", answer->body);
	g_autofree char *valid = g_utf8_make_valid(message, strnlen(message, ERROR_TEXT_BYTES));

	return g_strdup(g_strstrip(valid));
}

/* A 500 of the engine is not a fault of ours, hence UPSTREAM. */
static bool
refuse(const HttpAnswer *answer, GError **error)
{
	g_autofree char *text = error_text(answer);
	if (strstr(text, "not a swarm manager"))
		return error_set(error, CARRACK_ERROR_UNAVAILABLE,
		    "engine: this node is not a swarm manager (docker swarm init makes it one)");

	CarrackError code =
	    answer->status == 500 ? CARRACK_ERROR_UPSTREAM : error_from_status(answer->status);
	if (!*text)
		return error_set(error, code, "engine: status %u", answer->status);

	return error_set(error, code, "engine: %s", text);
}

HttpAnswer *
docker_request(Docker *docker, const HttpRequest *request, GCancellable *cancel, GError **error)
{
	HttpRequest versioned = *request;
	g_autofree char *path = g_strconcat(docker->prefix, request->path, NULL);
	versioned.path = path;

	g_autoptr(HttpAnswer) answer = http_call(docker->client, &versioned, cancel, error);
	if (!answer)
		return NULL;
	if (answer->status >= 400) {
		refuse(answer, error);
		return NULL;
	}
	return g_steal_pointer(&answer);
}

HttpConnection *
docker_upgrade(Docker *docker, const HttpRequest *request, GCancellable *cancel, GError **error)
{
	HttpRequest versioned = *request;
	g_autofree char *path = g_strconcat(docker->prefix, request->path, NULL);
	versioned.path = path;

	return http_upgrade(docker->client, &versioned, "tcp", cancel, error);
}

static json_t *
call(Docker *docker, const char *method, const char *path, const json_t *body, GError **error)
{
	static const char *const headers[] = {"Content-Type: application/json", NULL};
	g_autofree char *text = body ? json_text(body, false) : NULL;
	HttpRequest request = {.method = method,
	    .path = path,
	    .headers = body ? headers : NULL,
	    .body = text,
	    .body_length = text ? strlen(text) : 0,
	    .timeout_ms = CALL_TIMEOUT_MS};
	g_autoptr(HttpAnswer) answer = docker_request(docker, &request, NULL, error);
	if (!answer)
		return NULL;
	if (answer->length == 0)
		return json_null();

	return json_parse(answer->body, answer->length, "engine", error);
}

json_t *
docker_call(
    Docker *docker, const char *method, const json_t *body, GError **error, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *path = g_strdup_vprintf(format, arguments);
	va_end(arguments);

	return call(docker, method, path, body, error);
}

static bool
negotiate(Docker *docker, GError **error)
{
	json_auto_t *version = call(docker, "GET", "/version", NULL, error);
	if (!version)
		return false;

	const char *newest = json_text_of(version, "ApiVersion", "");
	const char *oldest = json_text_of(version, "MinAPIVersion", "");
	if (version_number(newest) < version_number(DOCKER_API_MINIMUM))
		return error_set(error, CARRACK_ERROR_UPSTREAM,
		    "engine too old: it speaks API %s, %s or newer is needed (Docker 20.10)",
		    *newest ? newest : "of no version", DOCKER_API_MINIMUM);
	if (version_number(oldest) > version_number(DOCKER_API_MAXIMUM))
		return error_set(error, CARRACK_ERROR_UPSTREAM,
		    "engine too new: it speaks API %s or newer, %s is the newest known here",
		    oldest, DOCKER_API_MAXIMUM);

	bool is_newer = version_number(newest) > version_number(DOCKER_API_MAXIMUM);
	g_free(docker->prefix);
	docker->prefix = g_strconcat("/v", is_newer ? DOCKER_API_MAXIMUM : newest, NULL);
	return true;
}

Docker *
docker_new(const char *socket_path, GError **error)
{
	g_autoptr(Docker) docker = g_new0(Docker, 1);
	docker->prefix = g_strdup("");
	docker->client = http_client_new(&(HttpOptions){.base_url = "http://engine",
	    .unix_socket = socket_path,
	    .user_agent = "carrack/" CARRACK_VERSION});

	if (!negotiate(docker, error)) {
		g_prefix_error(error, "docker socket %s: ", socket_path);
		return NULL;
	}
	return g_steal_pointer(&docker);
}

void
docker_free(Docker *docker)
{
	if (!docker)
		return;

	http_client_free(docker->client);
	g_free(docker->prefix);
	g_free(docker);
}
