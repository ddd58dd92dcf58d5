/*
 * The registry's own API (OCI distribution), for what the engine does not tell: whether an image
 * that was pushed can really be read back, and taking an app's images away. The registry is the
 * rack's: on this machine and without a password, or one of AWS's.
 */
#include "base/text.h"
#include "swarm/builder-private.h"

#include <string.h>

#define TIMEOUT_MS 30000
#define PAGES 100 /* of tags, at most */

static const char *const accepts[] = {
    "Accept: application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.index.v1+json",
    NULL,
};

static HttpAnswer *
ask(DockerBuilder *builder, const char *method, const char *path, GError **error)
{
	HttpRequest request = {
	    .method = method, .path = path, .headers = accepts, .timeout_ms = TIMEOUT_MS};
	HttpAnswer *answer = http_call(builder->registry_client, &request, NULL, error);
	if (!answer)
		g_prefix_error(error, "registry: ");

	return answer;
}

/* The caller frees it. */
static char *
path_of(DockerBuilder *builder, const char *app, const char *kind, const char *name)
{
	return g_strdup_printf("/v2/%s%s/%s/%s", builder->folder, app, kind, name);
}

/* An answer that is neither the one hoped for nor «there is none». */
static bool
refuse(const HttpAnswer *answer, const char *path, GError **error)
{
	return error_set(error, CARRACK_ERROR_UPSTREAM, "registry: status %u for %s: %.200s",
	    answer->status, path, answer->body);
}

static bool
has_blob(DockerBuilder *builder, const char *app, const json_t *blob, GError **error)
{
	const char *digest = json_text_of(blob, "digest", "");
	g_autofree char *path = path_of(builder, app, "blobs", digest);
	g_autoptr(HttpAnswer) answer = ask(builder, "HEAD", path, error);
	if (!answer)
		return false;
	if (answer->status == 404)
		return false;

	/* A redirect tells where else it lies. */
	return (answer->status >= 200 && answer->status < 400) || refuse(answer, path, error);
}

/* The configuration and every layer that a manifest names. */
static bool
has_blobs(DockerBuilder *builder, const char *app, const HttpAnswer *manifest, GError **error)
{
	json_auto_t *value = json_parse(manifest->body, manifest->length, "manifest", error);
	json_t *config = json_object_get(value, "config");
	json_t *layers = json_object_get(value, "layers");
	gsize index;
	json_t *layer;

	if (!value || (config && !has_blob(builder, app, config, error)))
		return false;
	json_array_foreach(layers, index, layer)
	{
		if (!has_blob(builder, app, layer, error))
			return false;
	}
	return true;
}

/* The digest that this answer is the content of. The caller frees it. */
static char *
digest_of(const HttpAnswer *manifest)
{
	g_autofree char *hash = text_sha256(manifest->body, manifest->length);

	return g_strconcat("sha256:", hash, NULL);
}

bool
registry_has(DockerBuilder *builder, const char *app, const char *digest, GError **error)
{
	g_autofree char *path = path_of(builder, app, "manifests", digest);
	g_autoptr(HttpAnswer) answer = ask(builder, "GET", path, error);
	if (!answer || answer->status == 404)
		return false;
	if (answer->status != 200)
		return refuse(answer, path, error);

	g_autofree char *found = digest_of(answer);
	return !strcmp(found, digest) && has_blobs(builder, app, answer, error);
}

char *
registry_digest(DockerBuilder *builder, const char *app, const char *tag, GError **error)
{
	g_autofree char *path = path_of(builder, app, "manifests", tag);
	g_autoptr(HttpAnswer) answer = ask(builder, "GET", path, error);
	if (!answer || answer->status == 404)
		return NULL;
	if (answer->status != 200) {
		refuse(answer, path, error);
		return NULL;
	}
	return digest_of(answer);
}

static bool
remove_tag(DockerBuilder *builder, const char *app, const char *tag, GError **error)
{
	g_autofree char *path = path_of(builder, app, "manifests", tag);
	g_autoptr(HttpAnswer) manifest = ask(builder, "GET", path, error);
	if (!manifest)
		return false;
	if (manifest->status == 404)
		return true; /* it went with another tag of the same manifest */
	if (manifest->status != 200)
		return refuse(manifest, path, error);

	g_autofree char *digest = digest_of(manifest);
	g_autofree char *exact = path_of(builder, app, "manifests", digest);
	g_autoptr(HttpAnswer) answer = ask(builder, "DELETE", exact, error);
	if (!answer)
		return false;
	if (answer->status == 405)
		return error_set(error, CARRACK_ERROR_UPSTREAM,
		    "registry: deletion is switched off (storage.delete.enabled)");

	return answer->status == 202 || answer->status == 404 || refuse(answer, exact, error);
}

/* The tags that are left; NULL without an error when the registry does not know the app. */
static json_t *
list_tags(DockerBuilder *builder, const char *app, GError **error)
{
	g_autofree char *path = path_of(builder, app, "tags", "list");
	g_autoptr(HttpAnswer) answer = ask(builder, "GET", path, error);
	if (!answer || answer->status == 404)
		return NULL;
	if (answer->status != 200) {
		refuse(answer, path, error);
		return NULL;
	}
	json_auto_t *list = json_parse(answer->body, answer->length, "registry", error);
	return json_incref(json_object_get(list, "tags"));
}

static bool
remove_tags(DockerBuilder *builder, const char *app, const json_t *tags, GError **error)
{
	gsize index;
	json_t *tag;

	json_array_foreach(tags, index, tag)
	{
		if (!remove_tag(builder, app, json_string_value(tag), error))
			return false;
	}
	return true;
}

/* A registry may list a page at a time, so it is asked until nothing is left. */
bool
registry_remove(DockerBuilder *builder, const char *app, GError **error)
{
	for (int page = 0; page < PAGES; page++) {
		g_autoptr(GError) inner = NULL;
		json_auto_t *tags = list_tags(builder, app, &inner);
		if (inner) {
			g_propagate_error(error, g_steal_pointer(&inner));
			return false;
		}
		if (json_array_size(tags) == 0)
			return true;
		if (!remove_tags(builder, app, tags, error))
			return false;
	}
	return error_set(error, CARRACK_ERROR_UPSTREAM,
	    "registry: the tags of %s are listed still after they have been deleted", app);
}
