/*
 * Processes: list, read, stop.
 */
#include "api/handlers.h"

json_t *
processes_list(Request *request, GError **error)
{
	g_autoptr(App) app = request_app(request, error);
	if (!app)
		return NULL;

	const char *service = request_option(request, "service");
	const char *release = request_option(request, "release");
	return rack_processes(request->rack, app->name, service, release, error);
}

json_t *
processes_get(Request *request, GError **error)
{
	g_autoptr(App) app = request_app(request, error);
	if (!app)
		return NULL;

	return rack_process(request->rack, app->name, request_variable(request, "process"), error);
}

bool
processes_stop(Request *request, GError **error)
{
	g_autoptr(App) app = request_app(request, error);
	if (!app)
		return false;

	return rack_process_stop(
	    request->rack, app->name, request_variable(request, "process"), error);
}
