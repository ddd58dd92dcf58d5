/*
 * A local image into the registry: pushed, read back by its digest, described. An image is good
 * only when all of that has happened: a push that the registry has forgotten is found here and not
 * at the next start of a process.
 *
 * The local tag stays. The engine drops an image's digest references together with the last tag of
 * their repository (20.10 image_delete.go), and with them the layers that the next build's cache
 * needs; remove_app takes all of it away.
 */
#include "swarm/builder-private.h"

#include <string.h>

typedef struct {
	BuildText *text;
	char *digest;
	char *failure;
} Push;

static void
push_clear(Push *push)
{
	g_free(push->digest);
	g_free(push->failure);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Push, push_clear)

static bool
take_line(gpointer data, json_t *line, GError **error)
{
	Push *push = data;
	json_t *detail = json_object_get(line, "errorDetail");
	const char *digest = json_text_of(json_object_get(line, "aux"), "Digest", NULL);

	if (detail) {
		g_free(push->failure);
		push->failure = g_strdup(json_text_of(detail, "message", "no reason is given"));
	}
	if (digest) {
		g_free(push->digest);
		push->digest = g_strdup(digest);
	}
	return true;
}

/* Returns the digest; the caller frees it. */
static char *
push(DockerBuilder *builder,
    const char *repository,
    const char *tag,
    GCancellable *cancel,
    GError **error)
{
	/* The engine wants the header even from those who have nothing to say: {} in base64. */
	static const char *const headers[] = {"X-Registry-Auth: e30=", NULL};
	g_autofree char *path = g_strdup_printf("/images/%s/push?tag=%s", repository, tag);
	g_auto(Push) push = {0};
	DockerLines lines = {.take = take_line, .data = &push};
	HttpRequest request = {.method = "POST",
	    .path = path,
	    .headers = headers,
	    .write = docker_lines_feed,
	    .write_data = &lines};
	g_autoptr(HttpAnswer) answer = docker_request(builder->docker, &request, cancel, error);
	docker_lines_clear(&lines);
	if (!answer)
		return NULL;
	if (push.failure || !push.digest) {
		error_set(error, CARRACK_ERROR_UPSTREAM, "%s",
		    push.failure ? push.failure : "the engine tells no digest");
		return NULL;
	}
	return g_steal_pointer(&push.digest);
}

static bool
read_back(DockerBuilder *builder, const char *app, const char *digest, GError **error)
{
	g_autoptr(GError) inner = NULL;
	if (registry_has(builder, app, digest, &inner))
		return true;

	if (inner) {
		g_propagate_error(error, g_steal_pointer(&inner));
		return false;
	}
	return error_set(error, CARRACK_ERROR_UPSTREAM,
	    "the registry did not keep it: %s cannot be read back", digest);
}

/* The lowest TCP port of EXPOSE, 0 when there is none. */
static unsigned
exposed_port(const json_t *image)
{
	const char *name;
	json_t *value;
	guint64 lowest = 0;

	json_object_foreach(json_at(image, "Config", "ExposedPorts", NULL), name, value)
	{
		g_auto(GStrv) parts = g_strsplit(name, "/", 2);
		guint64 port = 0;
		if (!parts[0] || (parts[1] && strcmp(parts[1], "tcp")) ||
		    !g_ascii_string_to_unsigned(parts[0], 10, 1, 65535, &port, NULL))
			continue;
		if (!lowest || port < lowest)
			lowest = port;
	}
	return (unsigned)lowest;
}

json_t *
builder_inspect(DockerBuilder *builder, const char *image, GError **error)
{
	/* Slashes, colons and @ stand as they are in the engine's paths. */
	g_autofree char *escaped = g_uri_escape_string(image, "/:@", FALSE);

	return docker_call(builder->docker, "GET", NULL, error, "/images/%s/json", escaped);
}

BuilderImage *
builder_store(DockerBuilder *builder,
    const char *app,
    const char *tag,
    BuildText *text,
    GCancellable *cancel,
    GError **error)
{
	g_autofree char *repository = g_strdup_printf("%s/%s", builder->registry, app);
	build_text_line(text, "Running: docker push %s:%s", repository, tag);
	g_autofree char *digest = push(builder, repository, tag, cancel, error);
	if (!digest || !read_back(builder, app, digest, error)) {
		g_prefix_error(error, "push of %s:%s: ", repository, tag);
		return NULL;
	}
	build_text_line(text, "Pushed: %s", digest);

	g_autoptr(BuilderImage) image = g_new0(BuilderImage, 1);
	image->reference = g_strdup_printf("%s@%s", repository, digest);
	json_auto_t *description = builder_inspect(builder, image->reference, error);
	if (!description)
		return NULL;

	image->digest = g_steal_pointer(&digest);
	image->port = exposed_port(description);
	return g_steal_pointer(&image);
}
