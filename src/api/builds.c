/*
 * Builds: queue one, list, read, amend, watch. The source has been uploaded as an object before.
 */
#include "api/handlers.h"
#include "api/timeline.h"
#include "base/limits.h"

#include <string.h>

#define DEFAULT_LIST 10

static const char *
id_of(const Request *request)
{
	return request_variable(request, "build");
}

static Build *
load(const Request *request, GError **error)
{
	g_autoptr(App) app = request_app(request, error);
	if (!app)
		return NULL;

	return build_load(request_provider(request)->store, app->name, id_of(request), error);
}

json_t *
builds_list(Request *request, GError **error)
{
	gint64 limit = DEFAULT_LIST;
	g_autoptr(App) app = request_app(request, error);
	if (!app || !request_int(request, "limit", 1, LIMIT_LIST, &limit, error))
		return NULL;
	g_autoptr(GPtrArray) builds =
	    build_list(request_provider(request)->store, app->name, (unsigned)limit, error);
	if (!builds)
		return NULL;

	json_t *list = json_array();
	for (guint i = 0; i < builds->len; i++)
		json_array_append_new(list, build_json(g_ptr_array_index(builds, i)));
	return list;
}

/* A list option has no escaping: its items cannot hold a comma. */
static GStrv
arguments_of(const Request *request)
{
	const char *text = request_option(request, "build-args");
	return text && text[0] ? g_strsplit(text, ",", -1) : NULL;
}

static const char *
text_or(const char *text, const char *fallback)
{
	return text && text[0] ? text : fallback;
}

json_t *
builds_create(Request *request, GError **error)
{
	g_auto(GStrv) arguments = arguments_of(request);
	BuildOptions options = {
	    .source = text_or(request_option(request, "url"), ""),
	    .description = text_or(request_option(request, "description"), ""),
	    .manifest = text_or(request_option(request, "manifest"), NULL),
	    .git_sha = text_or(request_option(request, "git-sha"), ""),
	    .arguments = (const char *const *)arguments,
	    .is_development = request_bool(request, "development", false),
	    .without_cache = request_bool(request, "no-cache", false),
	};
	g_autoptr(Build) created =
	    rack_build_create(request->rack, request_variable(request, "app"), &options, error);
	if (!created)
		return NULL;

	/* As it is stored: complete, and every text in UTF-8. */
	Store *store = request_provider(request)->store;
	g_autoptr(Build) build = build_load(store, created->app, created->id, error);
	return build ? build_json(build) : NULL;
}

json_t *
builds_get(Request *request, GError **error)
{
	g_autoptr(Build) build = load(request, error);
	if (!build)
		return NULL;

	return build_json(build);
}

json_t *
builds_update(Request *request, GError **error)
{
	BuildUpdate update = {
	    .ended = request_option(request, "ended"),
	    .started = request_option(request, "started"),
	    .entrypoint = request_option(request, "entrypoint"),
	    .logs = request_option(request, "logs"),
	    .manifest = request_option(request, "manifest"),
	    .release = request_option(request, "release"),
	    .status = request_option(request, "status"),
	};
	g_autoptr(Build) build = rack_build_update(
	    request->rack, request_variable(request, "app"), id_of(request), &update, error);
	if (!build)
		return NULL;

	return build_json(build);
}

json_t *
builds_timeline(Request *request, GError **error)
{
	g_autoptr(Build) build = load(request, error);
	if (!build)
		return NULL;

	return timeline_answer(request, build->app, build->id, error);
}

static bool
write_line(gpointer data, const LogLine *line, GError **error)
{
	g_autofree char *text = g_malloc(line->length + 1);
	memcpy(text, line->text, line->length);
	text[line->length] = '\n';
	return sink_write(data, text, line->length + 1, error);
}

bool
builds_logs(Request *request, Sink *sink, GError **error)
{
	g_autoptr(Build) build = load(request, error);
	if (!build)
		return false;

	sink_begin(sink);
	return rack_build_logs(
	    request->rack, build->app, build->id, write_line, sink, request->cancel, error);
}
