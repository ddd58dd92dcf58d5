/*
 * Images that are named, not built. A local image that no registry has under this name is taken as
 * it is; any other is asked for, so that a moved tag is seen, and the local copy serves when nobody
 * answers (which the log says).
 */
#include "swarm/builder-private.h"

#include <string.h>

typedef struct {
	char *repository; /* «debian», «quay.io/x/y», «host:5000/z» */
	char *tag;        /* «bookworm», or «sha256:…» */
} ImageName;

static void
image_name_clear(ImageName *name)
{
	g_free(name->repository);
	g_free(name->tag);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImageName, image_name_clear)

/* A name without tag is `latest`: without any, the engine would pull every tag there is. */
static ImageName
parse_name(const char *image)
{
	const char *at = strchr(image, '@');
	const char *slash = strrchr(image, '/');
	const char *colon = strchr(slash ? slash : image, ':');
	const char *end = at ? at : colon;

	if (!end)
		return (ImageName){g_strdup(image), g_strdup("latest")};
	return (ImageName){g_strndup(image, (gsize)(end - image)), g_strdup(end + 1)};
}

/* The short form that the engine shows: «docker.io/library/debian» is «debian». */
static const char *
familiar(const char *repository)
{
	static const char *const defaults[] = {"docker.io/library/", "docker.io/"};

	for (gsize i = 0; i < G_N_ELEMENTS(defaults); i++) {
		if (g_str_has_prefix(repository, defaults[i]))
			return repository + strlen(defaults[i]);
	}
	return repository;
}

/* Did it come from, or go to, a registry under this name? */
static bool
is_known_to_registry(const json_t *image, const char *repository)
{
	const char *name = familiar(repository);
	gsize index;
	json_t *digest;

	json_array_foreach(json_object_get(image, "RepoDigests"), index, digest)
	{
		const char *text = json_string_value(digest);
		const char *at = text ? strchr(text, '@') : NULL;
		if (at && strlen(name) == (gsize)(at - text) && !strncmp(text, name, at - text))
			return true;
	}
	return false;
}

static bool
take_line(gpointer data, json_t *line, GError **error)
{
	const json_t *detail = json_object_get(line, "errorDetail");

	if (!detail)
		return true;
	return error_set(error, CARRACK_ERROR_UPSTREAM, "engine: %s",
	    json_text_of(detail, "message", "no reason is given"));
}

static bool
is_in_registry(const char *repository, const char *host)
{
	return g_str_has_prefix(repository, host) && repository[strlen(host)] == '/';
}

static bool
pull(DockerBuilder *builder, const ImageName *name, GCancellable *cancel, GError **error)
{
	g_autofree char *repository = http_escape(name->repository);
	g_autofree char *tag = http_escape(name->tag);
	g_autofree char *path =
	    g_strdup_printf("/images/create?fromImage=%s&tag=%s", repository, tag);
	DockerLines lines = {.take = take_line};
	bool is_ours = is_in_registry(name->repository, builder->host);
	g_autofree char *header = docker_login_header(is_ours ? &builder->login : NULL);
	const char *const headers[] = {header, NULL};
	HttpRequest request = {.method = "POST",
	    .path = path,
	    .headers = headers,
	    .write = docker_lines_feed,
	    .write_data = &lines};
	g_autoptr(HttpAnswer) answer = docker_request(builder->docker, &request, cancel, error);

	docker_lines_clear(&lines);
	return answer != NULL;
}

/* «Not there» in the words of registries, which may come as another status or within the stream. */
static bool
says_not_found(const GError *error)
{
	return g_error_matches(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND) ||
	       strstr(error->message, "manifest unknown") ||
	       strstr(error->message, "repository does not exist");
}

static bool
pull_failed(const char *image, GError *failure, GError **error)
{
	if (says_not_found(failure))
		error_set(error, CARRACK_ERROR_NOT_FOUND, "image %s: not found", image);
	else
		g_set_error(
		    error, failure->domain, failure->code, "image %s: %s", image, failure->message);
	g_error_free(failure);
	return false;
}

static char *
id_of(const json_t *image)
{
	return g_strdup(json_text_of(image, "Id", ""));
}

char *
builder_fetch(DockerBuilder *builder,
    const char *image,
    BuildText *text,
    GCancellable *cancel,
    GError **error)
{
	g_auto(ImageName) name = parse_name(image);
	g_autofree char *full =
	    g_strdup_printf("%s%c%s", name.repository, strchr(name.tag, ':') ? '@' : ':', name.tag);
	json_auto_t *local = builder_inspect(builder, full, NULL);
	bool is_pinned = strchr(name.tag, ':') != NULL;
	if (local && (is_pinned || !is_known_to_registry(local, name.repository)))
		return id_of(local);

	build_text_line(text, "Running: docker pull %s", full);
	GError *failure = NULL;
	bool is_pulled = pull(builder, &name, cancel, &failure);
	if (!is_pulled && (!local || g_cancellable_is_cancelled(cancel))) {
		pull_failed(image, failure, error);
		return NULL;
	}
	if (!is_pulled) {
		build_text_line(text, "WARNING: %s; the local copy is used", failure->message);
		g_error_free(failure);
	}

	json_auto_t *here = builder_inspect(builder, full, error);
	return here ? id_of(here) : NULL;
}
