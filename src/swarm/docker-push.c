/*
 * An image to a registry, by the engine. Whether it can be read back from there is the caller's to
 * see: the engine believes what it is told.
 */
#include "swarm/docker.h"

#include <string.h>

typedef struct {
	const DockerPush *push;
	char *digest;
	char *failure;
} Run;

static void
run_clear(Run *run)
{
	g_free(run->digest);
	g_free(run->failure);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

/* The engine reads base64 in its form for URLs. */
static char *
header_of(const char *name, const json_t *value)
{
	g_autofree char *text = json_text(value, false);
	g_autofree char *encoded = g_base64_encode((const guchar *)text, strlen(text));

	g_strdelimit(encoded, "+", '-');
	g_strdelimit(encoded, "/", '_');
	return g_strconcat(name, ": ", encoded, NULL);
}

static json_t *
login_value(const DockerLogin *login)
{
	return json_pack("{s:s, s:s}", "username", login->user, "password",
	    login->password ? login->password : "");
}

char *
docker_login_header(const DockerLogin *login)
{
	json_auto_t *value = login && login->user ? login_value(login) : json_object();

	return header_of("X-Registry-Auth", value);
}

char *
docker_logins_header(const char *host, const DockerLogin *login)
{
	if (!login->user)
		return NULL;

	json_auto_t *value = json_pack("{s:o}", host, login_value(login));
	return header_of("X-Registry-Config", value);
}

static bool
take_line(gpointer data, json_t *line, GError **error)
{
	Run *run = data;
	const DockerPush *push = run->push;
	json_t *detail = json_object_get(line, "errorDetail");
	const char *digest = json_text_of(json_object_get(line, "aux"), "Digest", NULL);
	const char *layer = json_text_of(line, "id", "");

	if (detail && !run->failure)
		run->failure = g_strdup(json_text_of(detail, "message", "no reason is given"));
	if (digest) {
		g_free(run->digest);
		run->digest = g_strdup(digest);
	}
	if (push->progress && *layer)
		push->progress(push->progress_data, layer, json_text_of(line, "status", ""));
	return true;
}

char *
docker_push(Docker *docker, const DockerPush *push, GCancellable *cancel, GError **error)
{
	g_autofree char *header = docker_login_header(push->login);
	const char *const headers[] = {header, NULL};
	g_autofree char *path =
	    g_strdup_printf("/images/%s/push?tag=%s", push->repository, push->tag);
	g_auto(Run) run = {.push = push};
	DockerLines lines = {.take = take_line, .data = &run};
	HttpRequest request = {.method = "POST",
	    .path = path,
	    .headers = headers,
	    .write = docker_lines_feed,
	    .write_data = &lines,
	    .timeout_ms = push->timeout_ms};
	g_autoptr(HttpAnswer) answer = docker_request(docker, &request, cancel, error);

	docker_lines_clear(&lines);
	if (!answer)
		return NULL;
	if (run.failure || !run.digest) {
		error_set(error, CARRACK_ERROR_UPSTREAM, "%s",
		    run.failure ? run.failure : "the engine tells no digest");
		return NULL;
	}
	return g_steal_pointer(&run.digest);
}
