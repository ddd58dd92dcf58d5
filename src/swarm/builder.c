/*
 * The builder over the Docker engine and a registry of our own. An image is named
 * REGISTRY/APP:SERVICE.BUILD while it is made, and REGISTRY/APP@sha256:… from then on; two builds
 * never share a name. The files beside this one do the steps: building, storing, pulling, and the
 * registry's API.
 */
#include "swarm/builder-private.h"

#include <string.h>

#define ID_SHOWN 12

static BuilderImage *
build(Builder *part,
    const BuilderSource *source,
    BuilderLog log,
    gpointer log_data,
    GCancellable *cancel,
    GError **error)
{
	DockerBuilder *builder = (DockerBuilder *)part;
	g_autoptr(BuildText) text = build_text_new(log, log_data);
	g_autofree char *tag = g_strdup_printf("%s.%s", source->service, source->build);
	g_autofree char *name = g_strdup_printf("%s/%s:%s", builder->registry, source->app, tag);
	if (!builder_build_image(builder, source, name, text, cancel, error))
		return NULL;

	return builder_store(builder, source->app, tag, text, cancel, error);
}

static bool
tag_image(DockerBuilder *builder, const char *id, const char *app, const char *tag, GError **error)
{
	json_auto_t *answer = docker_call(builder->docker, "POST", NULL, error,
	    "/images/%s/tag?repo=%s/%s&tag=%s", id, builder->registry, app, tag);

	return answer != NULL;
}

static BuilderImage *
pull(Builder *part,
    const char *app,
    const char *service,
    const char *image,
    BuilderLog log,
    gpointer log_data,
    GCancellable *cancel,
    GError **error)
{
	DockerBuilder *builder = (DockerBuilder *)part;
	g_autoptr(BuildText) text = build_text_new(log, log_data);
	g_autofree char *id = builder_fetch(builder, image, text, cancel, error);
	if (!id)
		return NULL;

	/* Named after its content, so that two pulls at once cannot push one another's. */
	const char *colon = strchr(id, ':');
	g_autofree char *tag =
	    g_strdup_printf("%s.%.*s", service, ID_SHOWN, colon ? colon + 1 : id);
	if (!tag_image(builder, id, app, tag, error))
		return NULL;

	return builder_store(builder, app, tag, text, cancel, error);
}

/* Takes «REGISTRY/APP@sha256:…» apart; false when it is no image of our registry. */
static bool
parse_reference(DockerBuilder *builder, const char *reference, char **app, char **digest)
{
	const char *at = strchr(reference, '@');
	gsize length = strlen(builder->registry);
	if (!at || !g_str_has_prefix(reference, builder->registry) || reference[length] != '/')
		return false;

	*app = g_strndup(reference + length + 1, (gsize)(at - reference) - length - 1);
	*digest = g_strdup(at + 1);
	return true;
}

static bool
has_image(Builder *part, const char *reference, GError **error)
{
	DockerBuilder *builder = (DockerBuilder *)part;
	GError *inner = NULL;
	json_auto_t *local = builder_inspect(builder, reference, &inner);
	if (local)
		return true;
	if (!g_error_matches(inner, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND)) {
		g_propagate_error(error, inner);
		return false;
	}
	g_clear_error(&inner);

	g_autofree char *app = NULL;
	g_autofree char *digest = NULL;
	if (parse_reference(builder, reference, &app, &digest) &&
	    registry_has(builder, app, digest, &inner))
		return true;
	if (inner) {
		g_propagate_error(error, inner);
		return false;
	}
	return error_set(error, CARRACK_ERROR_NOT_FOUND,
	    "image of %s is gone from this machine and from the registry; rebuild", reference);
}

/* Not an error when it is gone, or when a process that is about to end still holds it. */
static bool
remove_image(DockerBuilder *builder, const char *name, bool force, GError **error)
{
	g_autofree char *escaped = g_uri_escape_string(name, "/:@", FALSE);
	GError *inner = NULL;
	json_auto_t *answer = docker_call(builder->docker, "DELETE", NULL, &inner, "/images/%s%s",
	    escaped, force ? "?force=1" : "");
	if (answer || g_error_matches(inner, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND) ||
	    g_error_matches(inner, CARRACK_ERROR, CARRACK_ERROR_CONFLICT)) {
		g_clear_error(&inner);
		return true;
	}
	g_propagate_error(error, inner);
	return false;
}

static bool
is_of_repository(const char *name, const char *repository)
{
	gsize length = strlen(repository);

	return g_str_has_prefix(name, repository) && (name[length] == ':' || name[length] == '@');
}

/* Takes the names away that an image has in the app's repository; `has_others` tells whether it has
 * any left. */
static bool
remove_names(DockerBuilder *builder,
    const char *repository,
    const json_t *names,
    bool *has_others,
    GError **error)
{
	gsize index;
	json_t *name;

	json_array_foreach(names, index, name)
	{
		const char *text = json_string_value(name);
		if (!text || g_str_has_prefix(text, "<none>"))
			continue;
		if (!is_of_repository(text, repository))
			*has_others = true;
		else if (!remove_image(builder, text, true, error))
			return false;
	}
	return true;
}

static bool
remove_local_image(DockerBuilder *builder, const char *app, const json_t *image, GError **error)
{
	g_autofree char *repository = g_strdup_printf("%s/%s", builder->registry, app);
	const char *label = json_text_of(json_object_get(image, "Labels"), "carrack.app", "");
	bool has_others = false;

	if (!remove_names(
		builder, repository, json_object_get(image, "RepoTags"), &has_others, error) ||
	    !remove_names(
		builder, repository, json_object_get(image, "RepoDigests"), &has_others, error))
		return false;
	/* What a build has left without a name; one that somebody else has named is his. */
	if (has_others || strcmp(label, app))
		return true;

	return remove_image(builder, json_text_of(image, "Id", ""), false, error);
}

static bool
remove_local(DockerBuilder *builder, const char *app, GError **error)
{
	json_auto_t *images = docker_call(builder->docker, "GET", NULL, error, "/images/json");
	if (!images)
		return false;

	gsize index;
	json_t *image;
	json_array_foreach(images, index, image)
	{
		if (!remove_local_image(builder, app, image, error))
			return false;
	}
	return true;
}

static bool
remove_app(Builder *part, const char *app, GError **error)
{
	DockerBuilder *builder = (DockerBuilder *)part;

	return remove_local(builder, app, error) && registry_remove(builder, app, error);
}

static void
builder_free(Builder *part)
{
	DockerBuilder *builder = (DockerBuilder *)part;

	http_client_free(builder->registry_client);
	g_free(builder->registry);
	g_free(builder->host);
	g_free(builder->folder);
	g_free((char *)builder->login.user);
	g_free((char *)builder->login.password);
	g_free(builder);
}

static const BuilderOps ops = {
    .build = build,
    .pull = pull,
    .has_image = has_image,
    .remove_app = remove_app,
    .free = builder_free,
};

Builder *
builder_docker_new(Docker *docker, const BuilderRegistry *registry, GError **error)
{
	DockerBuilder *builder = g_new0(DockerBuilder, 1);
	bool has_folder = registry->folder && *registry->folder;
	g_autofree char *url =
	    g_strconcat(registry->has_tls ? "https://" : "http://", registry->host, NULL);

	builder->part.ops = &ops;
	builder->docker = docker;
	builder->host = g_strdup(registry->host);
	builder->folder = has_folder ? g_strconcat(registry->folder, "/", NULL) : g_strdup("");
	builder->registry = has_folder ? g_strconcat(registry->host, "/", registry->folder, NULL)
				       : g_strdup(registry->host);
	builder->login.user = g_strdup(registry->login.user);
	builder->login.password = g_strdup(registry->login.password);
	builder->keeps_tags = registry->keeps_tags;
	builder->registry_client = http_client_new(&(HttpOptions){.base_url = url,
	    .user = registry->login.user,
	    .password = registry->login.password,
	    .user_agent = "carrack/" CARRACK_VERSION});
	return &builder->part;
}
