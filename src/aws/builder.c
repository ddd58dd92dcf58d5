/*
 * The builder over ECS: each image is made by a task of its own, `carrackd build`, on an instance
 * that does nothing else, since whoever holds an engine's socket owns its machine. Images are
 * named REGISTRY/RACK/APP@sha256:…; the repository belongs to the app's stack and goes with it.
 *
 * The source is not copied: the task reads the object that it was uploaded as.
 */
#include "aws/builder-private.h"

#include "aws/registry.h"
#include "base/error.h"
#include "base/text.h"
#include "core/objects.h"

#include <string.h>

#define PULL_ID_BYTES 8

static BuilderImage *
run_job(EcsBuilder *builder, const EcsBuild *build, GCancellable *cancel, GError **error)
{
	if (build->job)
		return builder_run(builder, build, cancel, error);

	error_set(error, CARRACK_ERROR_INVALID,
	    "build failed: a name in it is not UTF-8, so it cannot be handed to a build task");
	return NULL;
}

/* The key of the archive in the bucket, as aws/objects.c has it. The caller frees it. */
static char *
archive_key(const BuilderSource *source, GError **error)
{
	g_autofree char *app = NULL;
	g_autofree char *key = NULL;

	if (!objects_parse_url(source->source ? source->source : "", &app, &key, error))
		return NULL;
	return g_strdup_printf("objects/%s/%s", app, key);
}

static BuilderImage *
build(Builder *part,
    const BuilderSource *source,
    BuilderLog log,
    gpointer log_data,
    GCancellable *cancel,
    GError **error)
{
	g_autofree char *object = archive_key(source, error);
	if (!object)
		return NULL;

	json_auto_t *job = build_job_of_source(source, object);
	g_autofree char *folder = g_strdup_printf("builds/%s/%s", source->build, source->service);
	EcsBuild run = {folder, job, log, log_data};
	return run_job((EcsBuilder *)part, &run, cancel, error);
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
	json_auto_t *job = build_job_of_image(app, service, image);
	g_autofree char *id = text_random_hex(PULL_ID_BYTES);
	g_autofree char *folder = g_strdup_printf("builds/pull-%s/%s", id, service);
	EcsBuild run = {folder, job, log, log_data};

	return run_job((EcsBuilder *)part, &run, cancel, error);
}

/* Takes «REGISTRY/RACK/APP@sha256:…» apart; false when it is no image of this rack. */
static bool
parse_reference(const AwsRack *rack, const char *reference, char **repository, char **digest)
{
	g_autofree char *prefix = g_strconcat(rack->registry, "/", rack->name, "/", NULL);
	const char *at = strchr(reference, '@');
	const char *begin = reference + strlen(rack->registry) + 1;
	if (!at || !g_str_has_prefix(reference, prefix))
		return false;

	*repository = g_strndup(begin, (gsize)(at - begin));
	*digest = g_strdup(at + 1);
	return true;
}

static bool
has_image(Builder *part, const char *reference, GError **error)
{
	AwsRack *rack = ((EcsBuilder *)part)->rack;
	g_autofree char *repository = NULL;
	g_autofree char *digest = NULL;
	GError *cause = NULL;
	if (parse_reference(rack, reference, &repository, &digest)) {
		g_autofree char *found =
		    aws_registry_digest(rack->client, repository, digest, NULL, &cause);
		if (found)
			return true;
	}
	if (cause && !g_error_matches(cause, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND)) {
		g_propagate_error(error, cause);
		return false;
	}
	g_clear_error(&cause);
	return error_set(error, CARRACK_ERROR_NOT_FOUND,
	    "image of %s is gone from the rack's registry; rebuild", reference);
}

/* The repository is part of the app's stack, which the engine deletes. */
static bool
remove_app(Builder *part, const char *app, GError **error)
{
	return true;
}

static void
builder_free(Builder *part)
{
	g_free(part);
}

static const BuilderOps operations = {
    .build = build,
    .pull = pull,
    .has_image = has_image,
    .remove_app = remove_app,
    .free = builder_free,
};

Builder *
builder_ecs_new(AwsRack *rack, Objects *objects, GError **error)
{
	EcsBuilder *builder = g_new0(EcsBuilder, 1);

	builder->part.ops = &operations;
	builder->rack = rack;
	return &builder->part;
}
