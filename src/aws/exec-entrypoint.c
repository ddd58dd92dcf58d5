/*
 * The entrypoint of a container: by DescribeTasks its definition and image, by
 * DescribeTaskDefinition an entrypoint of its own, else the image's configuration from the rack's
 * registry (manifest, then the blob that it names). An image of another registry is refused, since
 * its configuration cannot be read.
 */
#include "aws/exec-entrypoint.h"

#include "aws/engine-private.h"

#include <string.h>

#define CONFIG_BYTES (4 * 1024 * 1024)
#define DOWNLOAD_MS 30000
#define INDEX_DEPTH 2

static json_t *
call(AwsRack *rack,
    AwsServiceIndex service,
    const char *operation,
    json_t *input,
    GCancellable *cancel,
    GError **error)
{
	json_auto_t *owned = input;

	return aws_json(rack->client, &aws_services[service], operation, owned, cancel, error);
}

/* The member of `list` with this `name`, or NULL. Borrowed. */
static const json_t *
named(const json_t *list, const char *name)
{
	gsize index;
	json_t *item;

	json_array_foreach(list, index, item)
	{
		if (strcmp(json_text_of(item, "name", ""), name) == 0)
			return item;
	}
	return NULL;
}

/* One file of the registry, by digest. */
static json_t *
download(
    AwsRack *rack, const char *repository, const char *digest, GCancellable *cancel, GError **error)
{
	json_auto_t *answer = call(rack, AWS_ECR, "GetDownloadUrlForLayer",
	    json_pack("{s:s, s:s}", "repositoryName", repository, "layerDigest", digest), cancel,
	    error);
	const char *url = json_text_of(answer, "downloadUrl", "");
	const char *host = strstr(url, "://");
	if (!host) {
		if (answer)
			error_set(
			    error, CARRACK_ERROR_UPSTREAM, "ECR gave no address of %s", digest);
		return NULL;
	}

	gsize length = (gsize)(host + 3 - url) + strcspn(host + 3, "/");
	g_autofree char *base = g_strndup(url, length);
	HttpOptions options = {.base_url = base};
	g_autoptr(HttpClient) client = http_client_new(&options);
	HttpRequest request = {
	    .path = url + length, .max_answer = CONFIG_BYTES, .timeout_ms = DOWNLOAD_MS};
	g_autoptr(HttpAnswer) got = http_call(client, &request, cancel, error);
	if (got && got->status == 200)
		return json_parse(got->body, got->length, digest, error);
	if (got)
		error_set(
		    error, CARRACK_ERROR_UPSTREAM, "ECR answered %u for %s", got->status, digest);
	return NULL;
}

static json_t *
manifest_of(
    AwsRack *rack, const char *repository, const char *digest, GCancellable *cancel, GError **error)
{
	json_auto_t *answer = call(rack, AWS_ECR, "BatchGetImage",
	    json_pack("{s:s, s:[{s:s}], s:[s, s, s, s]}", "repositoryName", repository, "imageIds",
		"imageDigest", digest, "acceptedMediaTypes",
		"application/vnd.docker.distribution.manifest.v2+json",
		"application/vnd.oci.image.manifest.v1+json",
		"application/vnd.docker.distribution.manifest.list.v2+json",
		"application/vnd.oci.image.index.v1+json"),
	    cancel, error);
	const json_t *images = json_object_get(answer, "images");
	const char *text = json_text_of(json_array_get(images, 0), "imageManifest", NULL);
	if (text)
		return json_parse(text, strlen(text), "the image's manifest", error);
	if (answer)
		error_set(error, CARRACK_ERROR_NOT_FOUND, "%s@%s is not in the registry",
		    repository, digest);
	return NULL;
}

/* An index also lists what is no image: statements on how one was built. */
static const json_t *
first_image(const json_t *manifests)
{
	gsize index;
	json_t *item;

	json_array_foreach(manifests, index, item)
	{
		const json_t *platform = json_object_get(item, "platform");
		if (strcmp(json_text_of(platform, "architecture", ""), "unknown") != 0)
			return item;
	}
	return NULL;
}

/* The configuration's digest; an index's first image that runs on a machine has the same
 * entrypoint as the others. */
static char *
config_digest(
    AwsRack *rack, const char *repository, const char *digest, GCancellable *cancel, GError **error)
{
	g_autofree char *wanted = g_strdup(digest);

	for (unsigned depth = 0; depth < INDEX_DEPTH; depth++) {
		json_auto_t *manifest = manifest_of(rack, repository, wanted, cancel, error);
		if (!manifest)
			return NULL;
		const char *config =
		    json_text_of(json_object_get(manifest, "config"), "digest", NULL);
		if (config)
			return g_strdup(config);
		const json_t *first = first_image(json_object_get(manifest, "manifests"));
		g_free(wanted);
		wanted = g_strdup(json_text_of(first, "digest", ""));
	}
	error_set(error, CARRACK_ERROR_UPSTREAM, "%s@%s has no configuration", repository, digest);
	return NULL;
}

/* «HOST/REPOSITORY@sha256:…» of the rack's registry. */
static json_t *
entrypoint_of_image(AwsRack *rack, const char *image, GCancellable *cancel, GError **error)
{
	gsize host = strlen(rack->registry);
	const char *digest = strstr(image, "@sha256:");
	bool is_ours = strncmp(image, rack->registry, host) == 0 && image[host] == '/';
	if (!is_ours || !digest) {
		error_set(error, CARRACK_ERROR_FORBIDDEN,
		    "the entrypoint of image %s cannot be read: it is not in the rack's registry "
		    "by digest",
		    image);
		return NULL;
	}

	g_autofree char *repository =
	    g_strndup(image + host + 1, (gsize)(digest - image) - host - 1);
	g_autofree char *blob = config_digest(rack, repository, digest + 1, cancel, error);
	json_auto_t *file = blob ? download(rack, repository, blob, cancel, error) : NULL;
	if (!file)
		return NULL;
	json_t *entrypoint = json_at(file, "config", "Entrypoint", NULL);
	return json_is_array(entrypoint) ? json_incref(entrypoint) : json_array();
}

/* A one-off that is talked to runs a sleep of ours as its entrypoint. */
static bool
is_held_open(const json_t *task)
{
	gsize index;
	json_t *tag;

	json_array_foreach(json_object_get(task, "tags"), index, tag)
	{
		if (strcmp(json_text_of(tag, "key", ""), TAG_ATTACHED) == 0)
			return true;
	}
	return false;
}

static json_t *
entrypoint_of(
    AwsRack *rack, const char *task, const char *container, GCancellable *cancel, GError **error)
{
	json_auto_t *tasks = call(rack, AWS_ECS, "DescribeTasks",
	    json_pack(
		"{s:s, s:[s], s:[s]}", "cluster", rack->cluster, "tasks", task, "include", "TAGS"),
	    cancel, error);
	const json_t *found = json_array_get(json_object_get(tasks, "tasks"), 0);
	if (!found) {
		if (tasks)
			error_set(error, CARRACK_ERROR_NOT_FOUND, "task %s is gone", task);
		return NULL;
	}
	const char *arn = json_text_of(found, "taskDefinitionArn", "");
	json_auto_t *answer = call(rack, AWS_ECS, "DescribeTaskDefinition",
	    json_pack("{s:s}", "taskDefinition", arn), cancel, error);
	if (!answer)
		return NULL;

	const json_t *known = json_at(answer, "taskDefinition", "containerDefinitions", NULL);
	const json_t *definition = named(known, container);
	json_t *own = json_object_get(definition, "entryPoint");
	if (json_array_size(own) > 0 && !is_held_open(found))
		return json_incref(own);
	return entrypoint_of_image(rack, json_text_of(definition, "image", ""), cancel, error);
}

GStrv
exec_argv(AwsRack *rack,
    const char *task,
    const char *container,
    const EngineExec *exec,
    GCancellable *cancel,
    GError **error)
{
	json_auto_t *entrypoint = exec->with_entrypoint
				      ? entrypoint_of(rack, task, container, cancel, error)
				      : json_array();
	if (!entrypoint)
		return NULL;

	g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
	for (gsize i = 0; i < json_array_size(entrypoint); i++)
		g_ptr_array_add(words, g_strdup(json_string_value(json_array_get(entrypoint, i))));
	for (gsize i = 0; exec->command && exec->command[i]; i++)
		g_ptr_array_add(words, g_strdup(exec->command[i]));
	if (words->len == 0) {
		error_set(error, CARRACK_ERROR_INVALID, "no command is given");
		return NULL;
	}
	g_ptr_array_add(words, NULL);
	return (GStrv)g_ptr_array_steal(words, NULL);
}
