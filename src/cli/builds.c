/*
 * The verbs `build` and `builds …`. Everything that can be known before anything is sent is checked
 * first: the app, the manifest, the Dockerfiles, the environment that the manifest asks for.
 */
#include "cli/builds.h"

#include "cli/git.h"
#include "cli/init.h"
#include "cli/releases.h"
#include "cli/upload.h"
#include "cli/verbs.h"

#include <string.h>

#define STATUS_MS 500

void
build_result_clear(BuildResult *result)
{
	g_free(result->id);
	g_free(result->release);
}

static char *
builds_path(const Call *call, const char *build, const char *what)
{
	return client_path("apps", call->app, "builds", build, what, NULL);
}

/* Before anything is sent */

static void
announce(Call *call, const char *folder, const Source *source, const Detection *generated)
{
	const Manifest *manifest = source_manifest(source);
	g_autoptr(GPtrArray) submodules = source_empty_submodules(source);
	g_autofree char *what =
	    generated
		? g_strdup_printf("no Dockerfile in %s: taken for %s; carrack init writes one",
		      folder, generated->title)
		: g_strdup_printf("%s in %s", source_file(source), folder);

	output_note(call->output, "%s app %s on rack %s (%s)",
	    strcmp(call->verb->words, "deploy") == 0 ? "Deploying" : "Building", call->app,
	    client_name(call->client), what);
	for (guint i = 0; i < manifest->warnings->len; i++)
		output_note(call->output, "warning: %s", (char *)manifest->warnings->pdata[i]);
	for (guint i = 0; i < submodules->len; i++)
		output_note(call->output,
		    "warning: submodule %s is empty: run git submodule update --init",
		    (char *)submodules->pdata[i]);
}

/* A Dockerfile alone can be built as it is, but what shall serve when it exposes nothing? */
static bool
check_serves(const Call *call, const Source *source, GError **error)
{
	const Manifest *manifest = source_manifest(source);
	const ManifestService *first =
	    manifest->services->len ? manifest->services->pdata[0] : NULL;
	bool is_deploy = strcmp(call->verb->words, "deploy") == 0;
	bool is_alone = strcmp(source_file(source), "Dockerfile") == 0;
	if (!is_deploy || !is_alone || (first && first->port))
		return true;

	return error_set(error, CARRACK_ERROR_INVALID,
	    "Dockerfile exposes no port: write EXPOSE with the one that the app listens on, or a "
	    "convox.yml "
	    "(a service without `port` is a worker)");
}

static Source *
open_source(Call *call, const char *folder, GError **error)
{
	if (!call_app_of_folder(call, folder, error) || !call_client(call, error))
		return NULL;

	/* An app is never created by a deploy: a misspelt name must not make one. */
	g_autofree char *path = client_path("apps", call->app, NULL);
	json_auto_t *app = client_get(call->client, path, call->cancel, error);
	g_autoptr(Env) env = app ? env_latest(call, error) : NULL;
	if (!env)
		return NULL;

	g_autoptr(Detection) generated = NULL;
	if (!init_for_build(call, folder, &generated, error))
		return NULL;
	SourceOptions options = {
	    .manifest_file = call_flag(call, "manifest"),
	    .env = env,
	    .is_strict = call_has(call, "strict"),
	    .generated = generated,
	};
	g_autoptr(Source) source = source_open(folder, &options, error);
	if (!source || !check_serves(call, source, error) ||
	    !manifest_check_env(source_manifest(source), env, error))
		return NULL;
	announce(call, folder, source, generated);
	return g_steal_pointer(&source);
}

/* Starting */

static void
add_switch(const Call *call, GString *form, const char *flag)
{
	client_form(form, flag, call_has(call, flag) ? "true" : NULL);
}

static bool
add_arguments(const Call *call, GString *form, GError **error)
{
	const char *const *arguments = call_flags(call, "build-args");
	if (!arguments)
		return true;

	/* The wire separates them by commas and has no way to write one. */
	for (gsize i = 0; arguments[i]; i++) {
		if (strchr(arguments[i], ','))
			return usage_error(
			    error, "--build-args %s: a value cannot hold a comma", arguments[i]);
	}
	g_autofree char *list = g_strjoinv(",", (GStrv)arguments);
	client_form(form, "build-args", list);
	return true;
}

static void
add_git(const Call *call, GString *form, const char *folder)
{
	g_autofree char *subject = NULL;
	g_autofree char *commit = git_commit(folder, &subject);
	g_autofree char *described =
	    subject ? g_strdup_printf("build %.10s %s", commit, subject) : NULL;
	const char *given = call_flag(call, "description");

	client_form(form, "description", given ? given : described);
	client_form(form, "git-sha", commit);
}

static bool
start_build(Call *call, const char *folder, const char *url, BuildResult *result, GError **error)
{
	g_autoptr(GString) form = g_string_new(NULL);
	client_form(form, "url", url);
	client_form(form, "manifest", call_flag(call, "manifest"));
	add_switch(call, form, "development");
	add_switch(call, form, "no-cache");
	add_git(call, form, folder);
	if (!add_arguments(call, form, error))
		return false;

	g_autofree char *path = builds_path(call, NULL, NULL);
	json_t *answer;
	output_action(call->output, "Starting build");
	if (!client_send(call->client, "POST", path, form->str, &answer, call->cancel, error))
		return false;
	result->id = g_strdup(json_text_of(answer, "id", ""));
	json_decref(answer);
	output_done(call->output, NULL);
	return true;
}

/* Following */

typedef struct {
	Output *output;
	gsize seen;  /* bytes of the log that have been shown */
	gsize place; /* in this stream, which begins anew when it is opened again */
} LogView;

static bool
show_log(gpointer data, const void *bytes, gsize length, GError **error)
{
	LogView *view = data;
	gsize end = view->place + length;

	if (end > view->seen) {
		gsize known = view->seen > view->place ? view->seen - view->place : 0;
		output_foreign(view->output, true, (const char *)bytes + known, length - known);
		output_flush(view->output);
		view->seen = end;
	}
	view->place = end;
	return true;
}

/* The build when it has ended. */
static json_t *
follow_build(Call *call, const char *id, GError **error)
{
	g_autofree char *log_path = builds_path(call, id, "logs");
	g_autofree char *path = builds_path(call, id, NULL);
	LogView view = {.output = call->output};

	for (;;) {
		view.place = 0;
		if (!client_stream(
			call->client, log_path, NULL, show_log, &view, call->cancel, error))
			return NULL;
		json_t *build = client_get(call->client, path, call->cancel, error);
		const char *status = json_text_of(build, "status", "");
		bool goes_on = strcmp(status, "created") == 0 || strcmp(status, "running") == 0;
		if (!build || !goes_on)
			return build;
		json_decref(build);
		if (!call_pause(call, STATUS_MS, error))
			return NULL;
	}
}

/* Ctrl-C while the rack builds: nobody wants the result any more. */
static void
cancel_build(Call *call, const char *id, GError **error)
{
	g_autofree char *path = client_path("apps", call->app, "cancel", NULL);
	g_autoptr(GError) failure = NULL;

	g_clear_error(error);
	if (client_send(call->client, "POST", path, NULL, NULL, NULL, &failure))
		error_set(
		    error, CARRACK_ERROR_UNAVAILABLE, "interrupted: build %s is cancelled", id);
	else
		error_set(error, CARRACK_ERROR_UNAVAILABLE,
		    "interrupted: build %s could not be cancelled: %s", id, failure->message);
}

static bool
finish_build(Call *call, BuildResult *result, GError **error)
{
	json_auto_t *build = follow_build(call, result->id, error);
	if (!build) {
		if (call_is_interrupted(call))
			cancel_build(call, result->id, error);
		return false;
	}

	const char *status = json_text_of(build, "status", "");
	const char *reason = json_text_of(build, "reason", "");
	result->release = g_strdup(json_text_of(build, "release", ""));
	if (strcmp(status, "complete") == 0 && *result->release)
		return true;
	if (*reason)
		return error_set(error, CARRACK_ERROR_UPSTREAM, "build failed: %s", reason);
	return error_set(error, CARRACK_ERROR_UPSTREAM, "build failed");
}

bool
build_folder(Call *call, const char *folder, BuildResult *result, GError **error)
{
	g_autoptr(Source) source = open_source(call, folder, error);
	if (!source)
		return false;

	g_autofree char *url = NULL;
	return upload_source(call, call->app, source, &url, error) &&
	       start_build(call, folder, url, result, error) && finish_build(call, result, error);
}

/* The verbs */

bool
build(Call *call, GError **error)
{
	g_auto(BuildResult) result = {NULL};
	const char *folder = call->argument_count > 0 ? call->arguments[0] : ".";

	call_watch_interrupt(call);
	if (!build_folder(call, folder, &result, error))
		return false;

	output_talk(call->output, "Build:   %s", result.id);
	output_talk(call->output, "Release: %s", result.release);
	json_auto_t *answer = json_pack(
	    "{s:s, s:s, s:s}", "app", call->app, "build", result.id, "release", result.release);
	output_json(call->output, answer);
	output_id(call->output, result.release);
	return true;
}

bool
builds_list(Call *call, GError **error)
{
	gint64 limit;
	if (!call_number(call, "limit", 1, 1000, &limit, error) || !call_app(call, error) ||
	    !call_client(call, error))
		return false;

	g_autofree char *base = builds_path(call, NULL, NULL);
	g_autofree char *path =
	    limit > 0 ? g_strdup_printf("%s?limit=%" G_GINT64_FORMAT, base, limit) : g_strdup(base);
	json_auto_t *builds = client_get(call->client, path, call->cancel, error);
	if (!builds)
		return false;

	g_autoptr(Table) table = table_new("ID STATUS RELEASE STARTED ELAPSED DESCRIPTION");
	gsize index;
	json_t *one;
	json_array_foreach(builds, index, one)
	{
		const char *started = json_text_of(one, "started", NULL);
		table_text(table, json_text_of(one, "id", ""));
		table_text(table, json_text_of(one, "status", ""));
		table_text(table, json_text_of(one, "release", ""));
		table_time(table, started);
		table_elapsed(table, started, json_text_of(one, "ended", NULL));
		table_text(table, json_text_of(one, "description", ""));
	}
	table_print(table, call->output);
	return true;
}

static json_t *
build_get(Call *call, GError **error)
{
	if (!call_app(call, error) || !call_client(call, error))
		return NULL;

	g_autofree char *path = builds_path(call, call->arguments[0], NULL);
	return client_get(call->client, path, call->cancel, error);
}

bool
builds_info(Call *call, GError **error)
{
	json_auto_t *one = build_get(call, error);
	if (!one)
		return false;

	const char *started = json_text_of(one, "started", NULL);
	const char *reason = json_text_of(one, "reason", "");
	g_autoptr(Info) info = info_new();
	info_text(info, "Id", json_text_of(one, "id", ""));
	info_text(info, "Status", json_text_of(one, "status", ""));
	info_text(info, "Release", json_text_of(one, "release", ""));
	info_text(info, "Description", json_text_of(one, "description", ""));
	info_time(info, "Started", started);
	info_elapsed(info, "Elapsed", started, json_text_of(one, "ended", NULL));
	if (*reason)
		info_text(info, "Reason", reason);
	info_print(info, call->output);
	return true;
}

static bool
print_log(gpointer data, const void *bytes, gsize length, GError **error)
{
	Call *call = data;

	output_foreign(call->output, false, bytes, length);
	return output_flush(call->output);
}

static bool
collect_log(gpointer data, const void *bytes, gsize length, GError **error)
{
	g_string_append_len(data, bytes, (gssize)length);
	return true;
}

bool
builds_logs(Call *call, GError **error)
{
	call_watch_interrupt(call);
	json_auto_t *one = build_get(call, error);
	if (!one)
		return false;

	g_autofree char *path = builds_path(call, call->arguments[0], "logs");
	if (!output_is_json(call->output))
		return client_stream(
		    call->client, path, NULL, print_log, call, call->cancel, error);

	g_autoptr(GString) log = g_string_new(NULL);
	if (!client_stream(call->client, path, NULL, collect_log, log, call->cancel, error))
		return false;
	json_auto_t *answer =
	    json_pack("{s:s, s:o}", "build", call->arguments[0], "log", json_text_value(log->str));
	output_json(call->output, answer);
	return true;
}
