/*
 * Services: list, scale, restart.
 */
#include "api/handlers.h"
#include "base/limits.h"

#define LARGEST_CPU (1024 * 1024)
#define LARGEST_MEMORY (64 * 1024 * 1024)

json_t *
services_list(Request *request, GError **error)
{
	g_autoptr(App) app = request_app(request, error);
	if (!app)
		return NULL;

	return rack_services(request->rack, app->name, error);
}

bool
services_update(Request *request, GError **error)
{
	ServiceUpdate update = {.count = -1, .cpu = -1, .memory = -1};
	g_autoptr(App) app = request_app(request, error);
	if (!app || !request_int(request, "count", 0, LIMIT_SCALE, &update.count, error) ||
	    !request_int(request, "cpu", 0, LARGEST_CPU, &update.cpu, error) ||
	    !request_int(request, "memory", 0, LARGEST_MEMORY, &update.memory, error))
		return false;
	if (update.count < 0 && update.cpu < 0 && update.memory < 0)
		return error_set(
		    error, CARRACK_ERROR_INVALID, "nothing to change: give count, cpu or memory");

	return rack_service_update(
	    request->rack, app->name, request_variable(request, "service"), &update, error);
}

bool
services_restart(Request *request, GError **error)
{
	g_autoptr(App) app = request_app(request, error);
	if (!app)
		return false;

	return rack_service_restart(
	    request->rack, app->name, request_variable(request, "service"), error);
}
