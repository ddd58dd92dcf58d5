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

/* The digest of what is pushed, or of what was pushed before. The caller frees it. */
static char *
push(DockerBuilder *builder,
    const char *app,
    const char *tag,
    BuildText *text,
    GCancellable *cancel,
    GError **error)
{
	g_autofree char *repository = g_strdup_printf("%s/%s", builder->registry, app);
	GError *cause = NULL;
	char *known = builder->keeps_tags ? registry_digest(builder, app, tag, &cause) : NULL;
	if (known || cause) {
		if (cause)
			g_propagate_error(error, cause);
		return known;
	}

	build_text_line(text, "Running: docker push %s:%s", repository, tag);
	DockerPush push = {.repository = repository, .tag = tag, .login = &builder->login};
	return docker_push(builder->docker, &push, cancel, error);
}

BuilderImage *
builder_store(DockerBuilder *builder,
    const char *app,
    const char *tag,
    BuildText *text,
    GCancellable *cancel,
    GError **error)
{
	g_autofree char *name = g_strdup_printf("%s/%s:%s", builder->registry, app, tag);
	g_autofree char *digest = push(builder, app, tag, text, cancel, error);
	if (!digest || !read_back(builder, app, digest, error)) {
		g_prefix_error(error, "push of %s: ", name);
		return NULL;
	}
	build_text_line(text, "Pushed: %s", digest);

	json_auto_t *description = builder_inspect(builder, name, error);
	if (!description)
		return NULL;

	BuilderImage *image = g_new0(BuilderImage, 1);
	image->reference = g_strdup_printf("%s/%s@%s", builder->registry, app, digest);
	image->digest = g_steal_pointer(&digest);
	image->port = exposed_port(description);
	return image;
}
