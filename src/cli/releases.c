/*
 * The verbs `releases …`, and what deploy and env need of releases (releases.h).
 */
#include "cli/releases.h"

#include "base/text.h"
#include "cli/timeline.h"
#include "cli/verbs.h"

#include <string.h>

static char *
releases_path(const char *app, const char *limit)
{
	g_autofree char *path = client_path("apps", app, "releases", NULL);
	g_autoptr(GString) query = g_string_new(NULL);
	client_form(query, "limit", limit);

	return g_strdup_printf("%s%s%s", path, query->len ? "?" : "", query->str);
}

static json_t *
release_get(Call *call, const char *release, GError **error)
{
	const char *app = call_app(call, error);
	Client *client = app ? call_client(call, error) : NULL;
	if (!client)
		return NULL;

	g_autofree char *path = client_path("apps", app, "releases", release, NULL);
	return client_get(client, path, call->cancel, error);
}

json_t *
release_newest(Call *call, GError **error)
{
	const char *app = call_app(call, error);
	Client *client = app ? call_client(call, error) : NULL;
	if (!client)
		return NULL;

	g_autofree char *path = releases_path(app, "1");
	json_auto_t *list = client_get(client, path, call->cancel, error);
	if (!list)
		return NULL;
	const char *id = json_text_of(json_array_get(list, 0), "id", "");
	return *id ? release_get(call, id, error) : json_null();
}

Env *
release_env(const json_t *release, GError **error)
{
	const json_t *exact = json_object_get(release, "environment");
	if (json_is_object(exact))
		return env_from_json(exact, error);

	return env_parse_wire(json_text_of(release, "env", ""), error);
}

Env *
env_latest(Call *call, GError **error)
{
	json_auto_t *release = release_newest(call, error);
	return release ? release_env(release, error) : NULL;
}

/* Creating */

/* A rack of ours takes the environment as JSON, which holds every byte; others take lines. */
static bool
add_env(Call *call, GString *form, const Env *env, GError **error)
{
	json_auto_t *system = client_get(call_client(call, NULL), "/system", call->cancel, error);
	if (!system)
		return false;

	if (json_bool_of(system, "carrack", false)) {
		json_auto_t *object = env_json(env);
		g_autofree char *text = json_text(object, false);
		client_form(form, "environment", text);
		return true;
	}
	g_autofree const char **names = env_names(env);
	for (gsize i = 0; names[i]; i++) {
		if (strchr(env_get(env, names[i]), '\n'))
			return error_set(error, CARRACK_ERROR_INVALID,
			    "%s: this rack takes no values with line breaks", names[i]);
	}
	g_autofree char *text = env_text(env);
	client_form(form, "env", text);
	return true;
}

static char *
release_post(Call *call, const char *form, GError **error)
{
	g_autofree char *path = releases_path(call->app, NULL);
	json_t *answer;
	if (!client_send(call_client(call, NULL), "POST", path, form, &answer, call->cancel, error))
		return NULL;

	char *id = g_strdup(json_text_of(answer, "id", ""));
	json_decref(answer);
	return id;
}

char *
release_create(Call *call, const char *build, const Env *env, GError **error)
{
	if (!call_app(call, error) || !call_client(call, error))
		return NULL;

	g_autoptr(GString) form = g_string_new(NULL);
	client_form(form, "build", build);
	if (env && !add_env(call, form, env, error))
		return NULL;
	return release_post(call, form->str, error);
}

/* Promoting */

static bool
post_promote(Call *call, const char *release, GError **error)
{
	g_autofree char *path =
	    client_path("apps", call->app, "releases", release, "promote", NULL);
	const char *form = call_has(call, "force") ? "force=true" : NULL;

	return client_send(call_client(call, NULL), "POST", path, form, NULL, call->cancel, error);
}

/* On a rack without timelines the app's status and its live release are the proof. */
static bool
wait_for_release(Call *call, const char *release, GError **error)
{
	if (!timeline_wait_for_app(call, call->app, error))
		return false;

	g_autofree char *path = client_path("apps", call->app, NULL);
	json_auto_t *app = client_get(call_client(call, NULL), path, call->cancel, error);
	if (!app)
		return false;
	const char *live = json_text_of(app, "release", "");
	if (strcmp(live, release) == 0)
		return true;
	return error_set(error, CARRACK_ERROR_UPSTREAM, "release %s is not live: %s still is",
	    release, *live ? live : "none");
}

bool
release_promote(Call *call, const char *release, GError **error)
{
	gint64 before = 0;
	g_autoptr(GError) failure = NULL;

	output_action(call->output, "Promoting %s", release);
	bool has_timeline = timeline_version(call, call->app, release, &before, &failure);
	if (failure && !g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND)) {
		g_propagate_error(error, g_steal_pointer(&failure));
		return false;
	}
	if (!post_promote(call, release, error))
		return false;

	bool is_live = true;
	if (!call_has(call, "no-wait"))
		is_live = has_timeline ? timeline_follow(call, call->app, release, before, error)
				       : wait_for_release(call, release, error);
	if (is_live)
		output_done(call->output, NULL);
	return is_live;
}

/* The verbs */

/* What the release is now: «active», or that it failed; the history of others is told by none. */
static const char *
status_of(const json_t *release, const char *live)
{
	const char *state = json_text_of(release, "state", "");
	bool is_telling = strcmp(state, "failed") == 0 || strcmp(state, "promoting") == 0;

	if (strcmp(json_text_of(release, "id", ""), live) == 0)
		return "active";
	return is_telling ? state : "";
}

static void
add_release(Table *table, const json_t *release, const char *live)
{
	table_text(table, json_text_of(release, "id", ""));
	table_text(table, status_of(release, live));
	table_text(table, json_text_of(release, "build", ""));
	table_time(table, json_text_of(release, "created", NULL));
	table_text(table, json_text_of(release, "description", ""));
}

bool
releases_list(Call *call, GError **error)
{
	gint64 limit;
	const char *app = call_app(call, error);
	Client *client = app && call_number(call, "limit", 1, 1000, &limit, error)
			     ? call_client(call, error)
			     : NULL;
	if (!client)
		return false;

	g_autofree char *app_path = client_path("apps", app, NULL);
	g_autofree char *path = releases_path(app, call_flag(call, "limit"));
	json_auto_t *details = client_get(client, app_path, call->cancel, error);
	json_auto_t *list = details ? client_get(client, path, call->cancel, error) : NULL;
	if (!list)
		return false;

	g_autoptr(Table) table = table_new("ID STATUS BUILD CREATED DESCRIPTION");
	gsize index;
	json_t *release;
	json_array_foreach(list, index, release)
	    add_release(table, release, json_text_of(details, "release", ""));
	table_print(table, call->output);
	return true;
}

/* RFC 3339 in seconds. */
static char *
created_of(const json_t *release)
{
	gint64 created = output_time(json_text_of(release, "created", NULL));
	return created ? text_time_seconds(created) : g_strdup("");
}

bool
releases_info(Call *call, GError **error)
{
	json_auto_t *release = release_get(call, call->arguments[0], error);
	g_autoptr(Env) env = release ? release_env(release, error) : NULL;
	if (!env)
		return false;

	g_autofree char *created = created_of(release);
	g_autofree char *listing = env_listing(env);
	const char *cause = json_text_of(release, "cause", "");
	g_autoptr(Info) info = info_new();
	info_text(info, "Id", json_text_of(release, "id", ""));
	info_text(info, "Build", json_text_of(release, "build", ""));
	info_value(info, "Created", created, json_text_value(json_text_of(release, "created", "")));
	info_text(info, "Description", json_text_of(release, "description", ""));
	info_value(info, "Env", listing, env_json(env));
	if (*cause)
		info_text(info, "Cause", cause);
	info_print(info, call->output);
	return true;
}

bool
releases_manifest(Call *call, GError **error)
{
	json_auto_t *release = release_get(call, call->arguments[0], error);
	if (!release)
		return false;

	const char *manifest = json_text_of(release, "manifest", "");
	json_auto_t *answer = json_pack("{s:s}", "manifest", manifest);
	output_json(call->output, answer);
	if (output_is_json(call->output))
		return true;
	output_foreign(call->output, false, manifest, strlen(manifest));
	if (*manifest && !g_str_has_suffix(manifest, "\n"))
		output_data(call->output, "\n", 1);
	return true;
}

static bool
answer_release(Call *call, const char *release)
{
	json_auto_t *answer = json_pack("{s:s, s:s}", "app", call->app, "release", release);

	output_json(call->output, answer);
	output_id(call->output, release);
	return true;
}

bool
releases_promote(Call *call, GError **error)
{
	call_watch_interrupt(call);
	if (!call_app(call, error) || !call_client(call, error))
		return false;
	call_announce_app(call);

	g_autofree char *release = g_strdup(call->arguments[0]);
	if (!release) {
		json_auto_t *newest = release_newest(call, error);
		if (!newest)
			return false;
		release = g_strdup(json_text_of(newest, "id", ""));
	}
	if (!*release)
		return error_set(
		    error, CARRACK_ERROR_NOT_FOUND, "app %s has no releases to promote", call->app);
	return release_promote(call, release, error) && answer_release(call, release);
}

bool
releases_rollback(Call *call, GError **error)
{
	const char *wanted = call->arguments[0];

	call_watch_interrupt(call);
	json_auto_t *release = release_get(call, wanted, error);
	g_autoptr(Env) env = release ? release_env(release, error) : NULL;
	if (!env)
		return false;
	call_announce_app(call);

	output_action(call->output, "Rolling back to %s", wanted);
	g_autofree char *made =
	    release_create(call, json_text_of(release, "build", ""), env, error);
	if (!made)
		return false;
	output_done(call->output, made);
	return release_promote(call, made, error) && answer_release(call, made);
}
