/*
 * Jobs and results of builds as JSON. A failure travels as the status that its code stands for, so
 * that a failing step is the same error here as it was there.
 */
#include "aws/build-job.h"

char *
build_job_key(const char *folder)
{
	return g_strconcat(folder, "/job.json", NULL);
}

char *
build_result_key(const char *folder)
{
	return g_strconcat(folder, "/result.json", NULL);
}

json_t *
build_job_of_source(const BuilderSource *source, const char *object)
{
	json_t *arguments = source->arguments ? env_json(source->arguments) : json_object();

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:b}", "app", source->app,
	    "build", source->build, "service", source->service, "object", object, "path",
	    source->path ? source->path : "", "dockerfile", source->dockerfile, "target",
	    source->target ? source->target : "", "arguments", arguments, "without_cache",
	    source->without_cache);
}

json_t *
build_job_of_image(const char *app, const char *service, const char *image)
{
	return json_pack("{s:s, s:s, s:s}", "app", app, "service", service, "image", image);
}

void
build_job_free(BuildJob *job)
{
	if (!job)
		return;

	env_free(job->arguments);
	json_decref(job->value);
	g_free(job);
}

static bool
read_arguments(BuildJob *job, GError **error)
{
	json_t *arguments = json_object_get(job->value, "arguments");

	job->arguments = arguments ? env_from_json(arguments, error) : env_new();
	job->source.arguments = job->arguments;
	return job->arguments != NULL;
}

BuildJob *
build_job_read(const char *text, gsize length, GError **error)
{
	g_autoptr(BuildJob) job = g_new0(BuildJob, 1);
	job->value = json_parse(text, length, "build job", error);
	if (!job->value || !read_arguments(job, error))
		return NULL;

	job->object = json_text_of(job->value, "object", "");
	job->image = json_text_of(job->value, "image", "");
	job->source.app = json_text_of(job->value, "app", "");
	job->source.build = json_text_of(job->value, "build", "");
	job->source.service = json_text_of(job->value, "service", "");
	job->source.path = json_text_of(job->value, "path", "");
	job->source.dockerfile = json_text_of(job->value, "dockerfile", "Dockerfile");
	job->source.target = json_text_of(job->value, "target", "");
	job->source.without_cache = json_bool_of(job->value, "without_cache", false);
	if (!*job->source.app || !*job->source.service || !*job->object == !*job->image) {
		error_set(error, CARRACK_ERROR_INVALID,
		    "build job: it has to name app, service, and either object or image");
		return NULL;
	}
	return g_steal_pointer(&job);
}

json_t *
build_result_value(const BuilderImage *image, const GError *failure, guint64 lines)
{
	json_t *value = json_pack("{s:I}", "lines", (json_int_t)lines);

	if (failure) {
		json_object_set_new(value, "error", json_text_value(failure->message));
		json_object_set_new(value, "status", json_integer(error_status(failure)));
		return value;
	}
	json_object_set_new(value, "reference", json_string(image->reference));
	json_object_set_new(value, "digest", json_string(image->digest));
	json_object_set_new(value, "port", json_integer(image->port));
	return value;
}

void
build_result_free(BuildResult *result)
{
	if (!result)
		return;

	builder_image_free(result->image);
	g_clear_error(&result->failure);
	g_free(result);
}

static BuilderImage *
read_image(const json_t *value)
{
	BuilderImage *image = g_new0(BuilderImage, 1);

	image->reference = g_strdup(json_text_of(value, "reference", ""));
	image->digest = g_strdup(json_text_of(value, "digest", ""));
	image->port = (unsigned)json_int_of(value, "port", 0);
	return image;
}

BuildResult *
build_result_read(const char *text, gsize length, GError **error)
{
	json_auto_t *value = json_parse(text, length, "build result", error);
	if (!value)
		return NULL;

	const char *failure = json_text_of(value, "error", NULL);
	bool has_image =
	    *json_text_of(value, "reference", "") && *json_text_of(value, "digest", "");
	if (!failure && !has_image) {
		error_set(error, CARRACK_ERROR_UPSTREAM,
		    "build result: it names neither an image nor an error");
		return NULL;
	}

	BuildResult *result = g_new0(BuildResult, 1);
	result->lines = (guint64)MAX(json_int_of(value, "lines", 0), 0);
	if (failure)
		result->failure = g_error_new_literal(CARRACK_ERROR,
		    error_from_status((unsigned)json_int_of(value, "status", 500)), failure);
	else
		result->image = read_image(value);
	return result;
}
