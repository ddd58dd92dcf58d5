/*
 * Apps: list, create, read, lock, parameters, delete, cancel.
 */
#include "api/handlers.h"

static json_t *
app_value(const Request *request, const App *app)
{
	return app_json(app, request_provider(request)->domain);
}

json_t *
apps_list(Request *request, GError **error)
{
	g_autoptr(GPtrArray) apps = app_list(request_provider(request)->store, error);
	if (!apps)
		return NULL;

	json_t *list = json_array();
	for (guint i = 0; i < apps->len; i++)
		json_array_append_new(list, app_value(request, g_ptr_array_index(apps, i)));
	return list;
}

json_t *
apps_create(Request *request, GError **error)
{
	const char *name = request_required(request, "name", error);
	if (!name)
		return NULL;
	const char *generation = request_option(request, "generation");
	g_autoptr(App) app =
	    rack_app_create(request->rack, name, generation ? generation : "2", error);
	if (!app)
		return NULL;

	return app_value(request, app);
}

json_t *
apps_get(Request *request, GError **error)
{
	g_autoptr(App) app = request_app(request, error);
	if (!app)
		return NULL;

	return app_value(request, app);
}

bool
apps_update(Request *request, GError **error)
{
	json_auto_t *parameters = NULL;
	if (!request_map(request, "parameters", &parameters, error))
		return false;

	bool locked = request_bool(request, "lock", false);
	bool has_lock = request_option(request, "lock") != NULL;
	return rack_app_update(request->rack, request_variable(request, "app"),
	    has_lock ? &locked : NULL, parameters, error);
}

bool
apps_delete(Request *request, GError **error)
{
	return rack_app_delete(request->rack, request_variable(request, "app"), error);
}

bool
apps_cancel(Request *request, GError **error)
{
	g_autofree char *who = request_actor(request);
	return rack_app_cancel(request->rack, request_variable(request, "app"), who, error);
}

json_t *
apps_budget(Request *request, GError **error)
{
	g_autoptr(App) app = request_app(request, error);
	if (!app)
		return NULL;

	return json_pack("{s:n, s:n}", "config", "state");
}
