/*
 * Releases: list, create (merged over the latest by the rack), read, promote, watch.
 */
#include "api/handlers.h"
#include "api/timeline.h"
#include "base/limits.h"

#include <string.h>

#define DEFAULT_LIST 10
#define LONGEST_PROMOTE (24 * 3600)

static Release *
load(const Request *request, GError **error)
{
	g_autoptr(App) app = request_app(request, error);
	if (!app)
		return NULL;

	return release_load(request_provider(request)->store, app->name,
	    request_variable(request, "release"), error);
}

json_t *
releases_list(Request *request, GError **error)
{
	gint64 limit = DEFAULT_LIST;
	g_autoptr(App) app = request_app(request, error);
	if (!app || !request_int(request, "limit", 1, LIMIT_LIST, &limit, error))
		return NULL;
	g_autoptr(GPtrArray) releases =
	    release_list(request_provider(request)->store, app->name, (unsigned)limit, error);
	if (!releases)
		return NULL;

	json_t *list = json_array();
	for (guint i = 0; i < releases->len; i++)
		json_array_append_new(list, release_json(g_ptr_array_index(releases, i)));
	return list;
}

/* The wire's lines cannot hold a newline: a value that comes back as it was shown is the one that
 * was there. */
static bool
env_of_lines(const Request *request, const char *text, Env **env, GError **error)
{
	g_autoptr(Env) parsed = env_parse_wire(text, error);
	if (!parsed)
		return false;

	g_autoptr(GError) failure = NULL;
	g_autoptr(Release) latest = release_latest(
	    request_provider(request)->store, request_variable(request, "app"), &failure);
	if (failure) {
		g_propagate_error(error, g_steal_pointer(&failure));
		return false;
	}
	if (latest)
		env_restore_newlines(parsed, latest->env);
	*env = g_steal_pointer(&parsed);
	return true;
}

/* The environment asked for, as lines or as an object (whose values may hold newlines). NULL in
 * `env` when neither is there. */
static bool
env_of(const Request *request, Env **env, GError **error)
{
	const char *text = request_option(request, "env");
	const char *object = request_option(request, "environment");
	*env = NULL;
	if (text && object)
		return error_set(
		    error, CARRACK_ERROR_INVALID, "env and environment exclude one another");
	if (text)
		return env_of_lines(request, text, env, error);
	if (!object)
		return true;

	json_auto_t *value = json_parse(object, strlen(object), "environment", error);
	if (!value) {
		g_clear_error(error);
		return error_set(error, CARRACK_ERROR_INVALID, "environment: not a JSON object");
	}
	return (*env = env_from_json(value, error)) != NULL;
}

static const char *
text_or_null(const char *text)
{
	return text && text[0] ? text : NULL;
}

json_t *
releases_create(Request *request, GError **error)
{
	g_autoptr(Env) env = NULL;
	if (!env_of(request, &env, error))
		return NULL;

	ReleaseOptions options = {
	    .build = text_or_null(request_option(request, "build")),
	    .env = env,
	    .description = text_or_null(request_option(request, "description")),
	    .parent = text_or_null(request_option(request, "parent-release")),
	};
	g_autoptr(Release) created =
	    rack_release_create(request->rack, request_variable(request, "app"), &options, error);
	if (!created)
		return NULL;

	/* As it is stored: every text in UTF-8. */
	Store *store = request_provider(request)->store;
	g_autoptr(Release) release = release_load(store, created->app, created->id, error);
	return release ? release_json(release) : NULL;
}

json_t *
releases_get(Request *request, GError **error)
{
	g_autoptr(Release) release = load(request, error);
	if (!release)
		return NULL;

	return release_json(release);
}

bool
releases_promote(Request *request, GError **error)
{
	gint64 timeout = 0;
	if (!request_int(request, "timeout", 0, LONGEST_PROMOTE, &timeout, error))
		return false;

	g_autofree char *who = request_actor(request);
	PromoteOptions options = {
	    .force = request_bool(request, "force", false),
	    .who = who,
	    .timeout_seconds = (unsigned)timeout,
	};
	return rack_release_promote(request->rack, request_variable(request, "app"),
	    request_variable(request, "release"), &options, error);
}

json_t *
releases_timeline(Request *request, GError **error)
{
	g_autoptr(Release) release = load(request, error);
	if (!release)
		return NULL;

	return timeline_answer(request, release->app, release->id, error);
}
