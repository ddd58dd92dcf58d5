/*
 * All routes, in the order they are tried: the first that fits wins, so a pattern with a suffix
 * stands before the one without.
 *
 * The role is a parameter of the macros that is pasted into the constant's name: a row without one
 * does not compile, and tests/unit/test-api-routes.c asks every row for what it says.
 */
#include "api/routes.h"

#include "api/handlers.h"
#include "api/path.h"

#include <string.h>

#define JSON(METHOD, PATTERN, ROLE, HANDLER)                                                       \
	{                                                                                          \
		.method = METHOD, .pattern = PATTERN, .role = ROLE_##ROLE, .kind = ROUTE_JSON,     \
		.json = HANDLER                                                                    \
	}
#define ACT(METHOD, PATTERN, ROLE, HANDLER)                                                        \
	{                                                                                          \
		.method = METHOD, .pattern = PATTERN, .role = ROLE_##ROLE, .kind = ROUTE_OK,       \
		.act = HANDLER                                                                     \
	}
#define SOCKET(PATTERN, ROLE, HANDLER)                                                             \
	{                                                                                          \
		.method = "GET", .pattern = PATTERN, .role = ROLE_##ROLE, .kind = ROUTE_WEBSOCKET, \
		.stream = HANDLER                                                                  \
	}
#define DUPLEX(PATTERN, ROLE, HANDLER)                                                             \
	{                                                                                          \
		.method = "GET", .pattern = PATTERN, .role = ROLE_##ROLE, .kind = ROUTE_DUPLEX,    \
		.duplex = HANDLER                                                                  \
	}
#define TAR(PATTERN, ROLE, HANDLER)                                                                \
	{                                                                                          \
		.method = "GET", .pattern = PATTERN, .role = ROLE_##ROLE, .kind = ROUTE_TAR,       \
		.stream = HANDLER                                                                  \
	}
#define TAKE(PATTERN, ROLE, RECEIVE, HANDLER)                                                      \
	{                                                                                          \
		.method = "POST", .pattern = PATTERN, .role = ROLE_##ROLE, .kind = ROUTE_OK,       \
		.receive = RECEIVE, .act = HANDLER                                                 \
	}
#define LINES(PATTERN, ROLE, HANDLER)                                                              \
	{                                                                                          \
		.method = "GET", .pattern = PATTERN, .role = ROLE_##ROLE, .kind = ROUTE_LINES,     \
		.stream = HANDLER                                                                  \
	}
#define FILE_OF(PATTERN, ROLE, HANDLER)                                                            \
	{                                                                                          \
		.method = "GET", .pattern = PATTERN, .role = ROLE_##ROLE, .kind = ROUTE_FILE,      \
		.file = HANDLER                                                                    \
	}
#define UPLOAD(PATTERN, ROLE, RECEIVE, HANDLER)                                                    \
	{                                                                                          \
		.method = "POST", .pattern = PATTERN, .role = ROLE_##ROLE, .kind = ROUTE_JSON,     \
		.receive = RECEIVE, .json = HANDLER                                                \
	}
#define CHECK(PATTERN, ROLE)                                                                       \
	{                                                                                          \
		.method = "GET", .pattern = PATTERN, .role = ROLE_##ROLE, .kind = ROUTE_CHECK      \
	}
#define ABSENT(METHOD, PATTERN, ROLE, TEXT)                                                        \
	{                                                                                          \
		.method = METHOD, .pattern = PATTERN, .role = ROLE_##ROLE, .kind = ROUTE_ABSENT,   \
		.absent = TEXT                                                                     \
	}

/* clang-format off */
static const Route routes[] = {
	CHECK("/check", PUBLIC),
	ACT("GET", "/auth", READ, system_auth),

	JSON("GET", "/system", READ, system_get),
	JSON("GET", "/system/capacity", READ, system_capacity),
	SOCKET("/system/logs", READ, logs_rack),
	LINES("/system/logs", READ, logs_rack_lines),
	JSON("GET", "/system/processes", READ, system_processes),
	JSON("GET", "/system/releases", READ, system_releases),

	JSON("GET", "/certificates", READ, certificates_list),
	JSON("POST", "/certificates", WRITE, certificates_import),
	JSON("POST", "/certificates/generate", WRITE, certificates_generate),
	ACT("DELETE", "/certificates/{certificate}", WRITE, certificates_delete),
	ABSENT("PUT", "/apps/{app}/ssl/{service}/{port}", WRITE, "the rack chooses a certificate by its host names"),

	JSON("GET", "/apps", READ, apps_list),
	JSON("POST", "/apps", WRITE, apps_create),
	JSON("GET", "/apps/{app}", READ, apps_get),
	ACT("PUT", "/apps/{app}", WRITE, apps_update),
	ACT("DELETE", "/apps/{app}", WRITE, apps_delete),
	JSON("GET", "/apps/{app}/budget", READ, apps_budget),
	ACT("POST", "/apps/{app}/cancel", WRITE, apps_cancel),
	SOCKET("/apps/{app}/logs", READ, logs_app),
	LINES("/apps/{app}/logs", READ, logs_app_lines),

	JSON("GET", "/apps/{app}/builds", READ, builds_list),
	JSON("POST", "/apps/{app}/builds", WRITE, builds_create),
	ABSENT("POST", "/apps/{app}/builds/import", WRITE, "this rack cannot import builds"),
	ABSENT("GET", "/apps/{app}/builds/{build}.tgz", READ, "this rack cannot export builds"),
	JSON("GET", "/apps/{app}/builds/{build}", READ, builds_get),
	JSON("PUT", "/apps/{app}/builds/{build}", WRITE, builds_update),
	SOCKET("/apps/{app}/builds/{build}/logs", READ, builds_logs),
	JSON("GET", "/apps/{app}/builds/{build}/timeline", READ, builds_timeline),

	JSON("GET", "/apps/{app}/objects", READ, objects_list),
	UPLOAD("/apps/{app}/objects/{key...}", WRITE, objects_receive, objects_create),
	FILE_OF("/apps/{app}/objects/{key...}", READ, objects_get),
	JSON("HEAD", "/apps/{app}/objects/{key...}", READ, objects_exists),
	ACT("DELETE", "/apps/{app}/objects/{key...}", WRITE, objects_delete),

	JSON("GET", "/apps/{app}/releases", READ, releases_list),
	JSON("POST", "/apps/{app}/releases", WRITE, releases_create),
	JSON("GET", "/apps/{app}/releases/{release}", READ, releases_get),
	ACT("POST", "/apps/{app}/releases/{release}/promote", WRITE, releases_promote),
	JSON("GET", "/apps/{app}/releases/{release}/timeline", READ, releases_timeline),

	JSON("GET", "/apps/{app}/processes", READ, processes_list),
	JSON("GET", "/apps/{app}/processes/{process}", READ, processes_get),
	ACT("DELETE", "/apps/{app}/processes/{process}", WRITE, processes_stop),
	SOCKET("/apps/{app}/processes/{process}/logs", READ, logs_process),
	DUPLEX("/apps/{app}/processes/{process}/exec", WRITE, exec_process),
	TAR("/apps/{app}/processes/{process}/files", WRITE, files_get),
	TAKE("/apps/{app}/processes/{process}/files", WRITE, files_receive, files_put),
	ACT("DELETE", "/apps/{app}/processes/{process}/files", WRITE, files_delete),

	JSON("GET", "/apps/{app}/services", READ, services_list),
	ACT("PUT", "/apps/{app}/services/{service}", WRITE, services_update),
	ACT("POST", "/apps/{app}/services/{service}/restart", WRITE, services_restart),
	SOCKET("/apps/{app}/services/{service}/logs", READ, logs_service),
	DUPLEX("/apps/{app}/services/{service}/processes", WRITE, exec_run_attached),
	JSON("POST", "/apps/{app}/services/{service}/processes", WRITE, exec_run),

	DUPLEX("/proxy/{host}/{port}", WRITE, proxy),
};
/* clang-format on */

bool
route_is_socket(const Route *route)
{
	return route->kind == ROUTE_WEBSOCKET || route->kind == ROUTE_DUPLEX;
}

static bool
wants(const Request *request, const Route *route)
{
	const char *upgrade = request_header(request, "upgrade");
	bool is_websocket = upgrade && !strcmp(upgrade, "websocket");
	if (route_is_socket(route))
		return is_websocket;
	if (route->kind == ROUTE_LINES)
		return !is_websocket && request_accepts(request, "application/x-ndjson");

	return true;
}

const Route *
route_find(Request *request)
{
	for (gsize i = 0; i < G_N_ELEMENTS(routes); i++) {
		const Route *route = &routes[i];
		g_hash_table_remove_all(request->variables);
		if (!strcmp(route->method, request->method) && wants(request, route) &&
		    path_match(route->pattern, request->path, request->variables))
			return route;
	}
	return NULL;
}

const Route *
routes_all(gsize *count)
{
	*count = G_N_ELEMENTS(routes);
	return routes;
}
