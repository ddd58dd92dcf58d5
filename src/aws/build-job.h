/*
 * What carrackd and its build task tell one another through the rack's bucket. carrackd writes
 * FOLDER/job.json and starts the task with the folder's name in its environment; the task writes
 * FOLDER/result.json as the last thing it does. Arguments of a build may be secrets, so they are in
 * the job and never in what ECS shows of a task.
 */
#pragma once

#include "core/builder.h"

/* Of the task's environment, besides CARRACK_RACK, CARRACK_OBJECTS and CARRACK_REGISTRY. */
#define BUILD_JOB_VARIABLE "CARRACK_JOB"

#define BUILD_JOB_BYTES (16 * 1024 * 1024)

/* «builds/BUILD/SERVICE/job.json»; the caller frees it. */
char *
build_job_key(const char *folder);

char *
build_result_key(const char *folder);

/* A build of an archive that is the object `object` of the bucket. NULL: its texts are no UTF-8. */
json_t *
build_job_of_source(const BuilderSource *source, const char *object);

/* A pull. NULL: its texts are no UTF-8. */
json_t *
build_job_of_image(const char *app, const char *service, const char *image);

/* A job as the task reads it. Texts are borrowed from `value`. */
typedef struct {
	json_t *value;
	const char *object; /* «» when it is a pull */
	const char *image;  /* «» when it is a build */
	BuilderSource source;
	Env *arguments; /* those of the source */
} BuildJob;

BuildJob *
build_job_read(const char *text, gsize length, GError **error);

void
build_job_free(BuildJob *job);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BuildJob, build_job_free)

/* Either an image or a failure. */
typedef struct {
	BuilderImage *image;
	GError *failure;
	guint64 lines; /* of the log, as many as there have to be */
} BuildResult;

/* `image` or `failure` is NULL. */
json_t *
build_result_value(const BuilderImage *image, const GError *failure, guint64 lines);

BuildResult *
build_result_read(const char *text, gsize length, GError **error);

void
build_result_free(BuildResult *result);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BuildResult, build_result_free)
