/*
 * Apps: created empty, changed on condition that nobody else changed them meanwhile, deleted with
 * all that is theirs. A deletion that is cut off goes on at the next start.
 */
#include "base/text.h"
#include "core/rack-private.h"

#include <string.h>

#define CHANGE_TRIES 20

/* Creating, where that takes a while */

typedef struct {
	Rack *rack;
	char *app;
	Operation *operation;
} Creation;

static void
change_created(App *app, gpointer data)
{
	const GError *failure = data;
	g_free(app->status);
	g_free(app->reason);
	app->status = g_strdup(failure ? "failed" : "running");
	app->reason = g_strdup(failure ? failure->message : "");
}

/* One that is cut off by the rack's own end goes on at the next start. */
static void
creation_run(gpointer data)
{
	g_autofree Creation *creation = data;
	g_autofree char *app = creation->app;
	Rack *rack = creation->rack;
	Engine *engine = rack->provider->engine;
	g_autoptr(GError) failure = NULL;
	g_autoptr(GError) error = NULL;
	engine->ops->add_app(engine, app, creation->operation->cancel, &failure);
	bool is_cut_off = failure && rack_is_stopping(rack);
	if (!is_cut_off && !app_change(rack, app, change_created, failure, &error))
		logs_system(rack->provider->logs, LOGS_SYSTEM, "api",
		    "event=create-failed app=%s reason=\"%s\"", app, error->message);
	operation_end(rack, creation->operation);
}

static void
creation_start(Rack *rack, const char *app)
{
	Operation *operation = operation_begin(rack, app, "create", "", NULL, false, NULL);
	if (!operation)
		return;

	Creation *creation = g_new0(Creation, 1);
	*creation = (Creation){rack, g_strdup(app), operation};
	rack_run(rack, creation_run, creation);
}

App *
rack_app_create(Rack *rack, const char *name, const char *generation, GError **error)
{
	if (!text_check_name(name, "app name", error))
		return NULL;
	if (generation && *generation && strcmp(generation, "1") != 0 &&
	    strcmp(generation, "2") != 0) {
		error_set(
		    error, CARRACK_ERROR_INVALID, "generation «%s» is neither 1 nor 2", generation);
		return NULL;
	}

	g_autoptr(App) app = g_new0(App, 1);
	app->name = g_strdup(name);
	app->generation = g_strdup(generation && *generation ? generation : "2");
	app->release = g_strdup("");
	bool is_slow = rack->provider->engine->ops->add_app != NULL;
	app->status = g_strdup(is_slow ? "creating" : "running");
	app->reason = g_strdup("");
	app->parameters = json_object();
	app->scale = json_object();
	app->live = json_object();
	app->created = g_get_real_time();

	g_autoptr(GError) failure = NULL;
	if (!app_save(rack->provider->store, app, &failure)) {
		if (g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_CONFLICT))
			error_set(
			    error, CARRACK_ERROR_CONFLICT, "app name already in use: %s", name);
		else
			g_propagate_error(error, g_steal_pointer(&failure));
		return NULL;
	}
	if (is_slow)
		creation_start(rack, name);
	return g_steal_pointer(&app);
}

bool
app_change(Rack *rack,
    const char *name,
    void (*change)(App *app, gpointer data),
    gpointer data,
    GError **error)
{
	Store *store = rack->provider->store;
	for (unsigned tries = 0;; tries++) {
		g_autoptr(App) app = app_load(store, name, error);
		if (!app)
			return false;

		change(app, data);
		g_autoptr(GError) failure = NULL;
		if (app_save(store, app, &failure))
			return true;
		bool is_conflict = g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_CONFLICT);
		if (!is_conflict || tries == CHANGE_TRIES) {
			g_propagate_error(error, g_steal_pointer(&failure));
			return false;
		}
	}
}

static void
change_status(App *app, gpointer data)
{
	g_free(app->status);
	app->status = g_strdup(data);
}

bool
app_set_status(Rack *rack, const char *name, const char *status, GError **error)
{
	g_autofree char *copy = g_strdup(status);
	return app_change(rack, name, change_status, copy, error);
}

typedef struct {
	const bool *locked;
	const json_t *parameters;
} AppUpdate;

static void
change_update(App *app, gpointer data)
{
	const AppUpdate *update = data;
	if (update->locked)
		app->is_locked = *update->locked;
	if (update->parameters)
		json_object_update(app->parameters, (json_t *)update->parameters);
}

/* The parameters that the rack knows; others belong to nobody and would be lost in silence. */
static const struct {
	const char *name;
	gint64 maximum; /* 0: Yes or No */
} parameters_known[] = {
    {"HostAccess", 0},
    {"StabilitySeconds", 600},
};

bool
app_has_power(const App *app)
{
	return strcmp(json_text_of(app->parameters, "HostAccess", "No"), "Yes") == 0;
}

static bool
parameter_check(const char *name, const json_t *value, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(parameters_known); i++) {
		if (strcmp(parameters_known[i].name, name) != 0)
			continue;

		gint64 number = 0;
		const char *text = json_string_value(value);
		gint64 maximum = parameters_known[i].maximum;
		if (maximum > 0)
			return text_parse_int(text ? text : "", name, 0, maximum, &number, error);
		if (g_strcmp0(text, "Yes") == 0 || g_strcmp0(text, "No") == 0)
			return true;
		return error_set(error, CARRACK_ERROR_INVALID, "%s is Yes or No, not «%s»", name,
		    text ? text : "");
	}
	return error_set(error, CARRACK_ERROR_INVALID,
	    "unknown app parameter «%s»: known are HostAccess, StabilitySeconds", name);
}

bool
rack_app_update(
    Rack *rack, const char *name, const bool *locked, const json_t *parameters, GError **error)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)parameters, key, value)
	{
		if (!parameter_check(key, value, error))
			return false;
	}
	AppUpdate update = {locked, parameters};
	return app_change(rack, name, change_update, &update, error);
}

bool
rack_app_cancel(Rack *rack, const char *name, const char *who, GError **error)
{
	g_autoptr(App) app = app_load(rack->provider->store, name, error);
	if (!app)
		return false;

	g_autofree char *reason = g_strdup_printf("cancelled by %s", who ? who : "the API");
	bool had_build = build_queue_cancel(rack->builds, name, reason);
	bool had_operation = operation_cancel(rack, name, reason);
	if (!had_build && !had_operation)
		return error_set(error, CARRACK_ERROR_FORBIDDEN, "app is not updating");

	return true;
}

/* Deleting */

typedef struct {
	Rack *rack;
	Operation *operation;
} Deletion;

static bool
forget_routes(Rack *rack, const char *app, GError **error)
{
	Router *router = rack->provider->router;
	g_autoptr(GPtrArray) backends = router->ops->backends(router, error);
	if (!backends)
		return false;

	g_autofree char *prefix = g_strconcat(app, "/", NULL);
	for (guint i = 0; i < backends->len; i++) {
		const char *backend = backends->pdata[i];
		if (g_str_has_prefix(backend, prefix) &&
		    !router->ops->forget(router, app, backend + strlen(prefix), error))
			return false;
	}
	return true;
}

/* The app's own document goes last: until then a start finds it and goes on here. */
static bool
delete_all(Rack *rack, const char *app, GError **error)
{
	Provider *provider = rack->provider;
	return forget_routes(rack, app, error) &&
	       provider->engine->ops->remove_app(provider->engine, app, error) &&
	       provider->builder->ops->remove_app(provider->builder, app, error) &&
	       provider->objects->ops->remove_app(provider->objects, app, error) &&
	       provider->logs->ops->remove_app(provider->logs, app, error) &&
	       provider->store->ops->remove_scope(provider->store, app, error) &&
	       provider->store->ops->remove(provider->store, "app", "", app, error);
}

static void
deletion_run(gpointer data)
{
	g_autofree Deletion *deletion = data;
	Rack *rack = deletion->rack;
	g_autofree char *app = g_strdup(deletion->operation->app);
	g_autoptr(GError) error = NULL;
	if (!delete_all(rack, app, &error))
		logs_system(rack->provider->logs, LOGS_SYSTEM, "api",
		    "event=delete-failed app=%s reason=\"%s\"", app, error->message);
	operation_end(rack, deletion->operation);
}

static void
deletion_start(Rack *rack, Operation *operation)
{
	Deletion *deletion = g_new0(Deletion, 1);
	*deletion = (Deletion){rack, operation};
	rack_run(rack, deletion_run, deletion);
}

bool
rack_app_delete(Rack *rack, const char *name, GError **error)
{
	g_autoptr(App) app = app_load(rack->provider->store, name, error);
	if (!app)
		return false;
	if (app->is_locked)
		return error_set(error, CARRACK_ERROR_FORBIDDEN,
		    "app %s is locked against deletion: unlock it first", name);

	Operation *operation = operation_begin(rack, name, "delete", "", NULL, false, error);
	if (!operation)
		return false;
	build_queue_cancel(rack->builds, name, "the app is being deleted");
	if (!app_set_status(rack, name, "deleting", error)) {
		operation_end(rack, operation);
		return false;
	}

	deletion_start(rack, operation);
	return true;
}

void
apps_recover(Rack *rack)
{
	g_autoptr(GPtrArray) apps = app_list(rack->provider->store, NULL);
	for (guint i = 0; apps && i < apps->len; i++) {
		const App *app = apps->pdata[i];
		if (strcmp(app->status, "creating") == 0)
			creation_start(rack, app->name);
		if (strcmp(app->status, "deleting") != 0)
			continue;

		Operation *operation =
		    operation_begin(rack, app->name, "delete", "", "recovery", false, NULL);
		if (operation)
			deletion_start(rack, operation);
	}
}
