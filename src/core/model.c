/*
 * Apps, builds and releases as documents: one table of text members each way for every noun, so
 * that a new member is one line. Times are kept as microseconds, the environment apart from the
 * release (lists stay small), under the kind «environment».
 */
#include "core/model.h"

#include "base/text.h"

#include <string.h>

#define KIND_APP "app"
#define KIND_BUILD "build"
#define KIND_RELEASE "release"
#define KIND_RELEASE_BODY "release-body"

/* A member of a struct that is text in the document. */
typedef struct {
	const char *name;
	gsize offset;
} TextMember;

#define TEXT(type, member)                                                                         \
	{                                                                                          \
#member, offsetof(type, member)                                                    \
	}

static const TextMember app_members[] = {
    TEXT(App, generation),
    TEXT(App, release),
    TEXT(App, status),
    TEXT(App, reason),
};

static const TextMember build_members[] = {
    TEXT(Build, status),
    TEXT(Build, description),
    TEXT(Build, git_sha),
    TEXT(Build, manifest_file),
    TEXT(Build, manifest),
    TEXT(Build, source),
    TEXT(Build, logs),
    TEXT(Build, release),
    TEXT(Build, reason),
    TEXT(Build, entrypoint),
};

static const TextMember release_members[] = {
    TEXT(Release, build),
    TEXT(Release, description),
    TEXT(Release, state),
    TEXT(Release, cause),
};

static char **
member_at(gpointer thing, const TextMember *member)
{
	return (char **)(void *)((char *)thing + member->offset);
}

static void
members_read(gpointer thing, const TextMember *members, gsize count, const json_t *body)
{
	for (gsize i = 0; i < count; i++) {
		char **text = member_at(thing, &members[i]);
		g_free(*text);
		*text = g_strdup(json_text_of(body, members[i].name, ""));
	}
}

static json_t *
members_write(gpointer thing, const TextMember *members, gsize count)
{
	json_t *body = json_object();
	for (gsize i = 0; i < count; i++) {
		const char *text = *member_at(thing, &members[i]);
		json_object_set_new(body, members[i].name, json_text_value(text ? text : ""));
	}
	return body;
}

static void
members_clear(gpointer thing, const TextMember *members, gsize count)
{
	for (gsize i = 0; i < count; i++)
		g_clear_pointer(member_at(thing, &members[i]), g_free);
}

static json_t *
copy_or(const json_t *body, const char *member, json_t *fallback)
{
	json_t *value = json_object_get(body, member);
	if (!value)
		return fallback;

	json_decref(fallback);
	return json_incref(value);
}

/* Apps */

static App *
app_from(const StoreDocument *document)
{
	App *app = g_new0(App, 1);
	app->name = g_strdup(document->id);
	members_read(app, app_members, G_N_ELEMENTS(app_members), document->body);
	app->is_locked = json_bool_of(document->body, "locked", false);
	app->created = json_int_of(document->body, "created", 0);
	app->parameters = copy_or(document->body, "parameters", json_object());
	app->scale = copy_or(document->body, "scale", json_object());
	app->live = copy_or(document->body, "live", json_object());
	app->version = document->version;
	return app;
}

App *
app_load(Store *store, const char *name, GError **error)
{
	g_autoptr(StoreDocument) document = store->ops->get(store, KIND_APP, "", name, error);
	if (!document)
		return NULL;

	return app_from(document);
}

bool
app_save(Store *store, App *app, GError **error)
{
	json_auto_t *body = members_write(app, app_members, G_N_ELEMENTS(app_members));
	json_object_set_new(body, "locked", json_boolean(app->is_locked));
	json_object_set_new(body, "created", json_integer(app->created));
	json_object_set(body, "parameters", app->parameters);
	json_object_set(body, "scale", app->scale);
	json_object_set(body, "live", app->live);
	return store->ops->put(
	    store, KIND_APP, "", app->name, body, app->version, &app->version, error);
}

static int
app_compare(gconstpointer one, gconstpointer other)
{
	const App *const *a = one;
	const App *const *b = other;
	return strcmp((*a)->name, (*b)->name);
}

GPtrArray *
app_list(Store *store, GError **error)
{
	g_autoptr(GPtrArray) documents = store->ops->list(store, KIND_APP, "", 0, NULL, error);
	if (!documents)
		return NULL;

	GPtrArray *apps = g_ptr_array_new_with_free_func((GDestroyNotify)app_free);
	for (guint i = 0; i < documents->len; i++)
		g_ptr_array_add(apps, app_from(documents->pdata[i]));
	g_ptr_array_sort(apps, app_compare);
	return apps;
}

json_t *
app_json(const App *app, const char *router)
{
	json_t *value = json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:O}", "generation",
	    app->generation, "locked", app->is_locked, "name", app->name, "release", app->release,
	    "router", router, "status", app->status, "parameters", app->parameters);
	if (*app->reason)
		json_object_set_new(value, "reason", json_text_value(app->reason));
	return value;
}

bool
app_check_ready(const App *app, GError **error)
{
	if (strcmp(app->status, "deleting") == 0)
		return error_set(
		    error, CARRACK_ERROR_FORBIDDEN, "app %s is being deleted", app->name);
	if (strcmp(app->status, "creating") == 0)
		return error_set(
		    error, CARRACK_ERROR_FORBIDDEN, "app %s is still being created", app->name);
	if (strcmp(app->status, "failed") == 0)
		return error_set(error, CARRACK_ERROR_FORBIDDEN,
		    "app %s could not be created: %s; delete it and create it again", app->name,
		    app->reason);
	return true;
}

void
app_free(App *app)
{
	if (!app)
		return;

	g_free(app->name);
	members_clear(app, app_members, G_N_ELEMENTS(app_members));
	json_decref(app->parameters);
	json_decref(app->scale);
	json_decref(app->live);
	g_free(app);
}

/* Builds */

static Build *
build_from(const StoreDocument *document, const char *app)
{
	const json_t *body = document->body;
	Build *build = g_new0(Build, 1);
	build->id = g_strdup(document->id);
	build->app = g_strdup(app);
	members_read(build, build_members, G_N_ELEMENTS(build_members), body);
	build->images = copy_or(body, "images", json_object());
	build->arguments = copy_or(body, "arguments", json_array());
	build->is_development = json_bool_of(body, "development", false);
	build->without_cache = json_bool_of(body, "without_cache", false);
	build->created = json_int_of(body, "created", 0);
	build->started = json_int_of(body, "started", 0);
	build->ended = json_int_of(body, "ended", 0);
	build->version = document->version;
	return build;
}

Build *
build_load(Store *store, const char *app, const char *id, GError **error)
{
	g_autoptr(StoreDocument) document = store->ops->get(store, KIND_BUILD, app, id, error);
	if (!document)
		return NULL;

	return build_from(document, app);
}

bool
build_save(Store *store, Build *build, GError **error)
{
	json_auto_t *body = members_write(build, build_members, G_N_ELEMENTS(build_members));
	json_object_set(body, "images", build->images);
	json_object_set(body, "arguments", build->arguments);
	json_object_set_new(body, "development", json_boolean(build->is_development));
	json_object_set_new(body, "without_cache", json_boolean(build->without_cache));
	json_object_set_new(body, "created", json_integer(build->created));
	json_object_set_new(body, "started", json_integer(build->started));
	json_object_set_new(body, "ended", json_integer(build->ended));
	return store->ops->put(
	    store, KIND_BUILD, build->app, build->id, body, build->version, &build->version, error);
}

GPtrArray *
build_list(Store *store, const char *app, unsigned limit, GError **error)
{
	g_autoptr(GPtrArray) documents =
	    store->ops->list(store, KIND_BUILD, app, limit, NULL, error);
	if (!documents)
		return NULL;

	GPtrArray *builds = g_ptr_array_new_with_free_func((GDestroyNotify)build_free);
	for (guint i = 0; i < documents->len; i++)
		g_ptr_array_add(builds, build_from(documents->pdata[i], app));
	return builds;
}

json_t *
build_json(const Build *build)
{
	g_autofree char *started = text_time(build->started ? build->started : build->created);
	g_autofree char *ended = text_time(build->ended);
	json_t *value = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "id", build->id, "app",
	    build->app, "process", "", "status", build->status, "started", started, "ended", ended);
	const char *const texts[][2] = {
	    {"description", build->description},
	    {"entrypoint", build->entrypoint},
	    {"git-sha", build->git_sha},
	    {"logs", build->logs},
	    {"manifest", build->manifest},
	    {"release", build->release},
	    {"reason", build->reason},
	};
	for (gsize k = 0; k < G_N_ELEMENTS(texts); k++)
		json_object_set_new(
		    value, texts[k][0], json_text_value(texts[k][1] ? texts[k][1] : ""));
	json_object_set_new(value, "repository", json_string(""));
	json_object_set(value, "images", build->images);
	return value;
}

void
build_free(Build *build)
{
	if (!build)
		return;

	g_free(build->id);
	g_free(build->app);
	members_clear(build, build_members, G_N_ELEMENTS(build_members));
	json_decref(build->images);
	json_decref(build->arguments);
	g_free(build);
}

/* Releases */

static Release *
release_from(const StoreDocument *document, const char *app)
{
	Release *release = g_new0(Release, 1);
	release->id = g_strdup(document->id);
	release->app = g_strdup(app);
	members_read(release, release_members, G_N_ELEMENTS(release_members), document->body);
	json_t *proof = json_object_get(document->body, "proof");
	release->proof = proof ? json_incref(proof) : NULL;
	release->created = json_int_of(document->body, "created", 0);
	release->version = document->version;
	return release;
}

Release *
release_load(Store *store, const char *app, const char *id, GError **error)
{
	g_autoptr(StoreDocument) document = store->ops->get(store, KIND_RELEASE, app, id, error);
	if (!document)
		return NULL;

	g_autoptr(StoreDocument) body = store->ops->get(store, KIND_RELEASE_BODY, app, id, error);
	if (!body)
		return NULL;

	g_autoptr(Release) release = release_from(document, app);
	release->manifest = g_strdup(json_text_of(body->body, "manifest", ""));
	release->env = env_from_json(json_object_get(body->body, "env"), error);
	if (!release->env)
		return NULL;

	return g_steal_pointer(&release);
}

bool
release_save(Store *store, Release *release, GError **error)
{
	/* A release never changes what it runs: the body is written once, before the document that
	 * makes it visible. */
	if (release->version == 0) {
		json_auto_t *body = json_object();
		json_object_set_new(body, "manifest", json_text_value(release->manifest));
		json_object_set_new(body, "env", env_json(release->env));
		if (!store->ops->put(store, KIND_RELEASE_BODY, release->app, release->id, body,
			STORE_ANY, NULL, error))
			return false;
	}

	json_auto_t *document =
	    members_write(release, release_members, G_N_ELEMENTS(release_members));
	json_object_set_new(document, "created", json_integer(release->created));
	if (release->proof)
		json_object_set(document, "proof", release->proof);
	return store->ops->put(store, KIND_RELEASE, release->app, release->id, document,
	    release->version, &release->version, error);
}

GPtrArray *
release_list(Store *store, const char *app, unsigned limit, GError **error)
{
	g_autoptr(GPtrArray) documents =
	    store->ops->list(store, KIND_RELEASE, app, limit, NULL, error);
	if (!documents)
		return NULL;

	GPtrArray *releases = g_ptr_array_new_with_free_func((GDestroyNotify)release_free);
	for (guint i = 0; i < documents->len; i++)
		g_ptr_array_add(releases, release_from(documents->pdata[i], app));
	return releases;
}

Release *
release_latest(Store *store, const char *app, GError **error)
{
	g_autoptr(GPtrArray) newest = release_list(store, app, 1, error);
	if (!newest || newest->len == 0)
		return NULL;

	const Release *release = newest->pdata[0];
	return release_load(store, app, release->id, error);
}

json_t *
release_json(const Release *release)
{
	g_autofree char *created = text_time(release->created);
	g_autofree char *env = release->env ? env_text(release->env) : g_strdup("");
	json_t *value = json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", release->id, "app",
	    release->app, "build", release->build, "created", created, "state", release->state);
	const char *const texts[][2] = {
	    {"env", env},
	    {"manifest", release->manifest ? release->manifest : ""},
	    {"description", release->description},
	    {"cause", release->cause},
	};
	for (gsize k = 0; k < G_N_ELEMENTS(texts); k++)
		json_object_set_new(value, texts[k][0], json_text_value(texts[k][1]));
	if (release->env)
		json_object_set_new(value, "environment", env_json(release->env));
	if (release->proof)
		json_object_set(value, "proof", release->proof);
	return value;
}

void
release_free(Release *release)
{
	if (!release)
		return;

	g_free(release->id);
	g_free(release->app);
	members_clear(release, release_members, G_N_ELEMENTS(release_members));
	env_free(release->env);
	g_free(release->manifest);
	json_decref(release->proof);
	g_free(release);
}
