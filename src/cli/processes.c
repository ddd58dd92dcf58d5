/*
 * The verbs `ps …`, and the rack's own list of processes.
 */
#include "cli/processes.h"
#include "cli/verbs.h"

#include <string.h>

/* One-offs are told apart here: they are none of the service's own. */
static char *
status_text(const json_t *process)
{
	const char *status = json_text_of(process, "status", "");
	const char *kind = json_text_of(process, "kind", "service");
	if (strcmp(kind, "service") == 0)
		return g_strdup(status);

	return g_strdup_printf("%s (%s)", status, kind);
}

static void
add_process(Table *table, const json_t *process, bool has_app)
{
	g_autofree char *status = status_text(process);
	table_text(table, json_text_of(process, "id", ""));
	if (has_app)
		table_text(table, json_text_of(process, "app", ""));
	table_text(table, json_text_of(process, "name", ""));
	table_text(table, status);
	table_text(table, json_text_of(process, "release", ""));
	table_time(table, json_text_of(process, "started", NULL));
	table_text(table, json_text_of(process, "command", ""));
}

bool
processes_print(Call *call, const char *path, bool has_app, GError **error)
{
	Client *client = call_client(call, error);
	json_auto_t *processes = client ? client_get(client, path, call->cancel, error) : NULL;
	if (!processes)
		return false;

	g_autoptr(Table) table = table_new(has_app ? "ID APP SERVICE STATUS RELEASE STARTED COMMAND"
						   : "ID SERVICE STATUS RELEASE STARTED COMMAND");
	gsize index;
	json_t *process;
	json_array_foreach(processes, index, process) add_process(table, process, has_app);
	table_print(table, call->output);
	return true;
}

bool
processes_list(Call *call, GError **error)
{
	const char *app = call_app(call, error);
	if (!app)
		return false;

	g_autofree char *base = client_path("apps", app, "processes", NULL);
	g_autoptr(GString) query = g_string_new(NULL);
	client_form(query, "release", call_flag(call, "release"));
	client_form(query, "service", call_flag(call, "service"));
	g_autofree char *path = g_strdup_printf("%s%s%s", base, query->len ? "?" : "", query->str);
	return processes_print(call, path, false, error);
}

static char *
process_path(Call *call, GError **error)
{
	if (!call_app(call, error) || !call_client(call, error))
		return NULL;

	return client_path("apps", call->app, "processes", call->arguments[0], NULL);
}

bool
processes_info(Call *call, GError **error)
{
	g_autofree char *path = process_path(call, error);
	json_auto_t *process = path ? client_get(call->client, path, call->cancel, error) : NULL;
	if (!process)
		return false;

	g_autoptr(Info) info = info_new();
	info_text(info, "Id", json_text_of(process, "id", ""));
	info_text(info, "App", json_text_of(process, "app", ""));
	info_text(info, "Command", json_text_of(process, "command", ""));
	info_text(info, "Instance", json_text_of(process, "instance", ""));
	info_text(info, "Release", json_text_of(process, "release", ""));
	info_text(info, "Service", json_text_of(process, "name", ""));
	info_time(info, "Started", json_text_of(process, "started", NULL));
	g_autofree char *status = status_text(process);
	info_text(info, "Status", status);
	if (json_object_get(process, "exit")) {
		json_int_t code = json_int_of(process, "exit", 0);
		g_autofree char *exit = g_strdup_printf("%" JSON_INTEGER_FORMAT, code);
		info_value(info, "Exit", exit, json_integer(code));
	}
	info_print(info, call->output);
	return true;
}

bool
processes_stop(Call *call, GError **error)
{
	const char *id = call->arguments[0];
	g_autofree char *path = process_path(call, error);
	if (!path)
		return false;
	call_announce_app(call);

	output_action(call->output, "Stopping %s", id);
	if (!client_send(call->client, "DELETE", path, NULL, NULL, call->cancel, error))
		return false;
	output_done(call->output, NULL);
	json_auto_t *answer = json_pack("{s:s, s:s}", "app", call->app, "stopped", id);
	output_json(call->output, answer);
	return true;
}
