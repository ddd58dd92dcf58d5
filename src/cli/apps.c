/*
 * The verbs `apps …`.
 */
#include "cli/prompt.h"
#include "cli/timeline.h"
#include "cli/verbs.h"

#include <string.h>

#define DELETION_MS 300

/* The app's path; the app and the rack are known afterwards. The caller frees it. */
static char *
app_path(Call *call, GError **error)
{
	const char *app = call_app_argument(call, error);
	if (!app || !call_client(call, error))
		return NULL;

	return client_path("apps", app, NULL);
}

static json_t *
app_get(Call *call, GError **error)
{
	g_autofree char *path = app_path(call, error);
	return path ? client_get(call->client, path, call->cancel, error) : NULL;
}

/* What a verb without another answer says in JSON: the app as it is now. */
static bool
answer_app(Call *call, GError **error)
{
	if (!output_is_json(call->output))
		return true;

	g_autofree char *path = client_path("apps", call->app, NULL);
	json_auto_t *app = client_get(call->client, path, call->cancel, error);
	if (!app)
		return false;
	output_json(call->output, app);
	return true;
}

static bool
wait_if_wanted(Call *call, GError **error)
{
	return call_has(call, "no-wait") || timeline_wait_for_app(call, call->app, error);
}

bool
apps_list(Call *call, GError **error)
{
	Client *client = call_client(call, error);
	json_auto_t *apps = client ? client_get(client, "/apps", call->cancel, error) : NULL;
	if (!apps)
		return false;

	g_autoptr(Table) table = table_new("APP STATUS RELEASE");
	gsize index;
	json_t *app;
	json_array_foreach(apps, index, app)
	{
		table_text(table, json_text_of(app, "name", ""));
		table_text(table, json_text_of(app, "status", ""));
		table_text(table, json_text_of(app, "release", ""));
	}
	table_print(table, call->output);
	return true;
}

bool
apps_create(Call *call, GError **error)
{
	const char *app = call_app_argument(call, error);
	Client *client = app ? call_client(call, error) : NULL;
	if (!client)
		return false;
	call_announce_app(call);

	g_autoptr(GString) form = g_string_new(NULL);
	client_form(form, "name", app);
	output_action(call->output, "Creating %s", app);
	if (!client_send(client, "POST", "/apps", form->str, NULL, call->cancel, error) ||
	    !wait_if_wanted(call, error))
		return false;
	output_done(call->output, NULL);
	return answer_app(call, error);
}

/* A deletion is done when the app is not found any more. */
static bool
wait_until_gone(Call *call, const char *path, GError **error)
{
	for (;;) {
		g_autoptr(GError) failure = NULL;
		json_auto_t *app = client_get(call->client, path, call->cancel, &failure);
		if (g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND))
			return true;
		if (failure) {
			g_propagate_error(error, g_steal_pointer(&failure));
			return false;
		}
		if (strcmp(json_text_of(app, "status", ""), "deleting") != 0)
			return error_set(error, CARRACK_ERROR_UPSTREAM,
			    "app %s was not deleted: its status is %s", call->app,
			    json_text_of(app, "status", ""));
		if (!call_pause(call, DELETION_MS, error))
			return false;
	}
}

bool
apps_delete(Call *call, GError **error)
{
	g_autofree char *path = app_path(call, error);
	if (!path)
		return false;
	json_auto_t *app = client_get(call->client, path, call->cancel, error);
	g_autofree char *what =
	    g_strdup_printf("This deletes app %s of rack %s, its releases and its logs", call->app,
		client_name(call->client));
	if (!app || !prompt_confirm(call, what, call->app, error))
		return false;

	output_action(call->output, "Deleting %s", call->app);
	if (!client_send(call->client, "DELETE", path, NULL, NULL, call->cancel, error))
		return false;
	if (!call_has(call, "no-wait") && !wait_until_gone(call, path, error))
		return false;
	output_done(call->output, NULL);
	output_json(call->output, app);
	return true;
}

bool
apps_info(Call *call, GError **error)
{
	json_auto_t *app = app_get(call, error);
	if (!app)
		return false;

	bool is_locked = json_bool_of(app, "locked", false);
	const char *router = json_text_of(app, "router", "");
	g_autoptr(Info) info = info_new();
	info_text(info, "Name", json_text_of(app, "name", ""));
	info_text(info, "Status", json_text_of(app, "status", ""));
	info_text(info, "Generation", json_text_of(app, "generation", ""));
	info_value(info, "Locked", is_locked ? "true" : "false", json_boolean(is_locked));
	info_text(info, "Release", json_text_of(app, "release", ""));
	if (*router)
		info_text(info, "Router", router);
	info_print(info, call->output);
	return true;
}

static bool
set_lock(Call *call, bool lock, GError **error)
{
	g_autofree char *path = app_path(call, error);
	if (!path)
		return false;
	call_announce_app(call);

	output_action(call->output, "%s %s", lock ? "Locking" : "Unlocking", call->app);
	if (!client_send(call->client, "PUT", path, lock ? "lock=true" : "lock=false", NULL,
		call->cancel, error))
		return false;
	output_done(call->output, NULL);
	return answer_app(call, error);
}

bool
apps_lock(Call *call, GError **error)
{
	return set_lock(call, true, error);
}

bool
apps_unlock(Call *call, GError **error)
{
	return set_lock(call, false, error);
}

bool
apps_cancel(Call *call, GError **error)
{
	g_autofree char *path = app_path(call, error);
	if (!path)
		return false;
	call_announce_app(call);

	g_autofree char *cancel_path = g_strconcat(path, "/cancel", NULL);
	output_action(call->output, "Cancelling deployment of %s", call->app);
	if (!client_send(call->client, "POST", cancel_path, NULL, NULL, call->cancel, error) ||
	    !timeline_wait_for_app(call, call->app, error))
		return false;
	output_done(call->output, NULL);
	return answer_app(call, error);
}

bool
apps_wait(Call *call, GError **error)
{
	call_watch_interrupt(call);
	if (!call_app_argument(call, error) || !call_client(call, error))
		return false;

	output_action(call->output, "Waiting for %s", call->app);
	if (!timeline_wait_for_app(call, call->app, error))
		return false;
	output_done(call->output, NULL);
	return answer_app(call, error);
}

/* Parameters */

static int
compare_names(gconstpointer one, gconstpointer other)
{
	return strcmp(*(const char *const *)one, *(const char *const *)other);
}

bool
apps_params(Call *call, GError **error)
{
	json_auto_t *app = app_get(call, error);
	if (!app)
		return false;

	const json_t *parameters = json_object_get(app, "parameters");
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)parameters, name, value)
	    g_ptr_array_add(names, (gpointer)name);
	g_ptr_array_sort(names, compare_names);

	g_autoptr(Info) info = info_new();
	for (guint i = 0; i < names->len; i++)
		info_pair(info, names->pdata[i], json_text_of(parameters, names->pdata[i], ""));
	info_print(info, call->output);
	return true;
}

/* A map travels as a form inside the form. */
static bool
add_parameters(const Call *call, GString *form, GError **error)
{
	g_autoptr(GString) inner = g_string_new(NULL);

	for (unsigned i = 0; i < call->argument_count; i++) {
		const char *equals = strchr(call->arguments[i], '=');
		if (!equals || equals == call->arguments[i])
			return usage_error(error, "%s: write it as Key=Value", call->arguments[i]);
		g_autofree char *name =
		    g_strndup(call->arguments[i], (gsize)(equals - call->arguments[i]));
		client_form(inner, name, equals + 1);
	}
	client_form(form, "parameters", inner->str);
	return true;
}

bool
apps_params_set(Call *call, GError **error)
{
	g_autoptr(GString) form = g_string_new(NULL);
	if (!add_parameters(call, form, error))
		return false;
	const char *app = call_app(call, error);
	Client *client = app ? call_client(call, error) : NULL;
	if (!client)
		return false;
	call_announce_app(call);

	g_autofree char *path = client_path("apps", app, NULL);
	output_action(call->output, "Updating parameters");
	if (!client_send(client, "PUT", path, form->str, NULL, call->cancel, error) ||
	    !wait_if_wanted(call, error))
		return false;
	output_done(call->output, NULL);
	return answer_app(call, error);
}
