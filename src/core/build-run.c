/*
 * The work of one build, downwards: the source archive is checked, its manifest read, an image made
 * for each distinct build, and a release created once every image is stored. Whatever fails is the
 * build's reason; nothing else was touched by then.
 */
#include "base/tar.h"
#include "base/text.h"
#include "core/build-private.h"
#include "manifest/dockerfile.h"
#include "manifest/files.h"

#include <string.h>

typedef struct {
	Rack *rack;
	BuildQueue *queue;
	Timeline *timeline;
	GCancellable *cancel;
	Build *build;
	char *archive;
	GPtrArray *paths; /* of the archive */
	Env *env;         /* the app's, with the build's own arguments over it */
	Manifest *manifest;
	GHashTable *images; /* what makes an image distinct → BuilderImage */
} BuildRun;

static void
log_line(gpointer data, const char *line, gsize length)
{
	BuildRun *run = data;
	build_log(run->queue, run->build->app, run->build->id, line, length);
}

static bool
has_path(const BuildRun *run, const char *path)
{
	for (guint i = 0; i < run->paths->len; i++) {
		if (strcmp(run->paths->pdata[i], path) == 0)
			return true;
	}
	return false;
}

/* The folder of a path in the archive, in its plain form: «.», «./api/» → «», «api». */
static char *
path_join(const char *folder, const char *file)
{
	g_autofree char *joined = g_strconcat("/", folder, "/", file, NULL);
	g_autofree char *plain = g_canonicalize_filename(joined, "/");
	return g_strdup(plain + 1);
}

static bool
run_fetch(BuildRun *run, GError **error)
{
	Objects *objects = run->rack->provider->objects;
	g_autofree char *app = NULL;
	g_autofree char *key = NULL;
	if (!objects_parse_url(run->build->source, &app, &key, error))
		return false;

	run->archive = objects->ops->fetch(objects, app, key, error);
	return run->archive != NULL;
}

/* The environment that a build sees: the latest release's, then --build-args. */
static bool
run_env(BuildRun *run, GError **error)
{
	g_autoptr(GError) failure = NULL;
	g_autoptr(Release) latest =
	    release_latest(run->rack->provider->store, run->build->app, &failure);
	if (failure) {
		g_propagate_error(error, g_steal_pointer(&failure));
		return false;
	}
	run->env = latest ? env_copy(latest->env) : env_new();
	return true;
}

/* Adds «NAME=value» entries; a bare «NAME» takes what the environment has. */
static bool
arguments_add(Env *arguments, const char *entry, GError **error)
{
	const char *equals = strchr(entry, '=');
	if (!equals)
		return true;

	g_autofree char *name = g_strndup(entry, equals - entry);
	return env_set(arguments, name, equals + 1, error);
}

/* The texts of the archive's files that may say what the app is, read in one go. */
typedef struct {
	BuildRun *run;
	TarWanted *known; /* by manifest_file_names */
	gsize known_count;
} ManifestReading;

/* The text that was found, or a look for a file whose name only the manifest said. */
static char *
read_member(gpointer data, const char *path, gsize *length, GError **error)
{
	const ManifestReading *reading = data;
	for (gsize i = 0; i < reading->known_count; i++) {
		if (strcmp(reading->known[i].path, path) == 0) {
			*length = reading->known[i].length;
			return g_strdup(reading->known[i].text);
		}
	}
	if (!has_path(reading->run, path))
		return NULL;

	TarWanted wanted = {.path = path};
	const BuildRun *run = reading->run;
	if (!tar_scan(run->archive, &wanted, 1, NULL, run->cancel, error))
		return NULL;
	*length = wanted.length;
	return wanted.text;
}

static char *
manifest_text(BuildRun *run, char **file, GError **error)
{
	const char *const *names = manifest_file_names();
	gsize count = g_strv_length((GStrv)names);
	g_autofree TarWanted *known = g_new0(TarWanted, count);
	for (gsize i = 0; i < count; i++)
		known[i].path = names[i];
	bool is_scanned = tar_scan(run->archive, known, count, run->paths, run->cancel, error);
	ManifestReading reading = {run, known, count};
	const char *wanted = *run->build->manifest_file ? run->build->manifest_file : NULL;
	char *text = is_scanned ? manifest_read(wanted, read_member, &reading, file, error) : NULL;
	for (gsize i = 0; i < count; i++)
		g_free(known[i].text);
	return text;
}

static bool
run_manifest(BuildRun *run, GError **error)
{
	g_autofree char *file = NULL;
	g_autofree char *text = manifest_text(run, &file, error);
	if (!text)
		return false;

	build_log_text(run->queue, run->build->app, run->build->id, "Manifest: %s", file);
	run->manifest = manifest_parse(text, strlen(text), file, run->env, error);
	g_autoptr(App) app =
	    run->manifest ? app_load(run->rack->provider->store, run->build->app, error) : NULL;
	if (!app || !manifest_check_rack(run->manifest, app_has_power(app), error))
		return false;
	for (guint i = 0; i < run->manifest->warnings->len; i++)
		build_log_text(run->queue, run->build->app, run->build->id, "WARNING: %s",
		    (const char *)run->manifest->warnings->pdata[i]);

	g_free(run->build->manifest);
	run->build->manifest = g_steal_pointer(&text);
	return manifest_check_env(run->manifest, run->env, error);
}

/* Where the Dockerfile is: beside the context, or (a common habit) named from the project's root.
 */
static char *
dockerfile_of(const BuildRun *run, const ManifestService *service, GError **error)
{
	g_autofree char *inside = path_join(service->build.path, service->build.manifest);
	if (has_path(run, inside))
		return g_steal_pointer(&inside);

	error_set(error, CARRACK_ERROR_INVALID, "service %s: no Dockerfile at %s in the source",
	    service->name, inside);
	return NULL;
}

/* Only what the Dockerfile asks for by ARG reaches the build: an app's secrets stay out of layers.
 */
static Env *
arguments_for(BuildRun *run, const ManifestService *service, const char *dockerfile, GError **error)
{
	TarWanted wanted = {.path = dockerfile};
	if (!tar_scan(run->archive, &wanted, 1, NULL, run->cancel, error))
		return NULL;

	g_autofree char *text = wanted.text ? wanted.text : g_strdup("");
	g_autoptr(Env) known = env_copy(run->env);
	for (gsize i = 0; service->build.arguments[i]; i++) {
		if (!arguments_add(known, service->build.arguments[i], error))
			return NULL;
	}
	gsize index;
	json_t *entry;
	json_array_foreach(run->build->arguments, index, entry)
	{
		if (!arguments_add(known, json_string_value(entry), error))
			return NULL;
	}

	g_auto(GStrv) declared = dockerfile_arguments(text);
	g_autoptr(Env) arguments = env_new();
	for (gsize i = 0; declared[i]; i++) {
		const char *value = env_get(known, declared[i]);
		if (value && !env_set(arguments, declared[i], value, error))
			return NULL;
	}
	return g_steal_pointer(&arguments);
}

static BuilderImage *
image_build(BuildRun *run, const ManifestService *service, GError **error)
{
	g_autofree char *dockerfile = dockerfile_of(run, service, error);
	if (!dockerfile)
		return NULL;
	g_autoptr(Env) arguments = arguments_for(run, service, dockerfile, error);
	if (!arguments)
		return NULL;

	g_autofree char *path = path_join(service->build.path, "");
	build_log_text(
	    run->queue, run->build->app, run->build->id, "Building: %s", *path ? path : ".");
	BuilderSource source = {
	    .app = run->build->app,
	    .build = run->build->id,
	    .service = service->name,
	    .archive = run->archive,
	    .source = run->build->source,
	    .path = path,
	    .dockerfile = service->build.manifest,
	    .target = service->build.target,
	    .arguments = arguments,
	    .without_cache = run->build->without_cache,
	};
	Builder *builder = run->rack->provider->builder;
	return builder->ops->build(builder, &source, log_line, run, run->cancel, error);
}

static BuilderImage *
image_make(BuildRun *run, const ManifestService *service, GError **error)
{
	Builder *builder = run->rack->provider->builder;
	if (!service->image)
		return image_build(run, service, error);

	return builder->ops->pull(builder, run->build->app, service->name, service->image, log_line,
	    run, run->cancel, error);
}

/* Services with the same build share one image. */
static char *
image_key(const ManifestService *service)
{
	if (service->image)
		return g_strconcat("image\n", service->image, NULL);

	const ManifestBuild *build = &service->build;
	g_autofree char *arguments = g_strjoinv("\n", build->arguments);
	return g_strjoin("\n", "build", build->path, build->manifest,
	    build->target ? build->target : "", arguments, NULL);
}

static bool
run_image(BuildRun *run, const ManifestService *service, GError **error)
{
	g_autofree char *key = image_key(service);
	const BuilderImage *image = g_hash_table_lookup(run->images, key);
	if (!image) {
		timeline_open(run->timeline, "image", service->name,
		    service->image ? service->image : "building");
		BuilderImage *made = image_make(run, service, error);
		if (!made)
			return false;

		timeline_close(run->timeline, "image", service->name, "done", made->digest);
		g_hash_table_insert(run->images, g_steal_pointer(&key), made);
		image = made;
	}

	json_object_set_new(run->build->images, service->name,
	    json_pack("{s:s, s:s, s:i}", "reference", image->reference, "digest", image->digest,
		"port", (int)image->port));
	return true;
}

static bool
run_images(BuildRun *run, GError **error)
{
	GPtrArray *services = run->manifest->services;
	for (guint i = 0; i < services->len; i++) {
		if (!run_image(run, services->pdata[i], error))
			return false;
	}
	return true;
}

static bool
run_release(BuildRun *run, GError **error)
{
	Build *build = run->build;
	/* The release copies the manifest from the stored build, so that goes first. */
	if (!build_save(run->rack->provider->store, build, error))
		return false;

	ReleaseOptions options = {.build = build->id, .description = build->description};
	g_autoptr(Release) release = rack_release_create(run->rack, build->app, &options, error);
	if (!release)
		return false;

	g_free(build->release);
	build->release = g_strdup(release->id);
	timeline_close(run->timeline, "release", NULL, "done", release->id);
	return true;
}

static bool
run_step(
    BuildRun *run, const char *step, bool (*work)(BuildRun *run, GError **error), GError **error)
{
	if (error_cancelled(run->cancel, error))
		return false;

	timeline_open(run->timeline, step, NULL, NULL);
	if (!work(run, error))
		return false;

	timeline_close(run->timeline, step, NULL, "done", NULL);
	return true;
}

static bool
run_work(BuildRun *run, GError **error)
{
	return run_step(run, "source", run_fetch, error) && run_env(run, error) &&
	       run_step(run, "manifest", run_manifest, error) && run_images(run, error) &&
	       run_release(run, error);
}

/* The log becomes an object before the status changes, so that whoever sees the end can read it. */
static void
run_keep_log(BuildRun *run)
{
	g_autofree char *text = build_log_copy(run->queue, run->build->app, run->build->id);
	g_autofree char *key = build_log_key(run->build->id);
	Objects *objects = run->rack->provider->objects;
	ObjectWriter *writer = objects->ops->create(objects, run->build->app, key, NULL);
	if (!writer)
		return;
	if (!objects->ops->write(writer, text, strlen(text), NULL)) {
		objects->ops->abort(writer);
		return;
	}
	if (objects->ops->commit(writer, NULL)) {
		g_free(run->build->logs);
		run->build->logs = g_strconcat("object://", run->build->app, "/", key, NULL);
	}
}

/* The first line of an error is the reason; all of it goes into the log. */
static void
run_failed(BuildRun *run, const GError *error)
{
	Build *build = run->build;
	g_autofree char *why = g_cancellable_is_cancelled(run->cancel)
				   ? build_cancel_reason(run->queue, build->app, build->id)
				   : g_strdup(error->message);
	g_auto(GStrv) lines = g_strsplit(why, "\n", -1);
	for (gsize i = 0; lines[i]; i++)
		build_log_text(run->queue, build->app, build->id, "ERROR: %s", lines[i]);
	g_free(build->reason);
	build->reason = g_strdup(lines[0] ? lines[0] : "");
	g_free(build->status);
	build->status = g_strdup("failed");
	logs_system(run->rack->provider->logs, build->app, "build", "build %s failed: %s",
	    build->id, build->reason);
}

static void
run_end(BuildRun *run, const GError *failure)
{
	Build *build = run->build;
	if (failure) {
		run_failed(run, failure);
	} else {
		g_free(build->status);
		build->status = g_strdup("complete");
	}
	build->ended = g_get_real_time();
	run_keep_log(run);
	g_autoptr(GError) error = NULL;
	if (!build_save(run->rack->provider->store, build, &error))
		logs_system(run->rack->provider->logs, LOGS_SYSTEM, "build",
		    "event=build-not-stored app=%s build=%s reason=\"%s\"", build->app, build->id,
		    error->message);
	timeline_end(
	    run->timeline, failure ? "failed" : "succeeded", failure ? build->reason : NULL, NULL);
}

/* The uploaded source is thrown away; a build never runs twice. */
static void
run_clear(BuildRun *run)
{
	Objects *objects = run->rack->provider->objects;
	if (run->archive)
		objects->ops->release(objects, run->archive);
	g_autofree char *app = NULL;
	g_autofree char *key = NULL;
	if (objects_parse_url(run->build->source, &app, &key, NULL) &&
	    g_str_has_prefix(key, "tmp/"))
		objects->ops->remove(objects, app, key, NULL);
	g_free(run->archive);
	g_ptr_array_unref(run->paths);
	g_hash_table_unref(run->images);
	env_free(run->env);
	manifest_free(run->manifest);
	timeline_free(run->timeline);
	build_free(run->build);
}

void
build_run(Rack *rack, BuildQueue *queue, const char *app, const char *id, GCancellable *cancel)
{
	g_autoptr(GError) error = NULL;
	BuildRun run = {.rack = rack, .queue = queue, .cancel = cancel};
	run.build = build_load(rack->provider->store, app, id, &error);
	if (!run.build)
		return; /* the app has been deleted meanwhile */

	run.paths = g_ptr_array_new_with_free_func(g_free);
	run.images = g_hash_table_new_full(
	    g_str_hash, g_str_equal, g_free, (GDestroyNotify)builder_image_free);
	run.timeline = timeline_begin(rack->timelines, app, id, NULL);
	run.build->started = g_get_real_time();
	if (build_save(rack->provider->store, run.build, &error))
		run_work(&run, &error);
	run_end(&run, error);
	run_clear(&run);
}
