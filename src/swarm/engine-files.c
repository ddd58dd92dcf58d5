/*
 * Files of a process, as archives of the engine's. It reads and writes a container's files also
 * where they are volumes.
 */
#include "swarm/engine-private.h"

static char *
archive_path(const char *container, const char *path)
{
	g_autofree char *escaped = http_escape(path);

	return g_strdup_printf("/containers/%s/archive?path=%s", container, escaped);
}

bool
engine_archive_get(Engine *base,
    const Process *process,
    const char *path,
    HttpWrite write,
    gpointer write_data,
    GCancellable *cancel,
    GError **error)
{
	SwarmEngine *engine = (SwarmEngine *)base;
	const char *container = engine_container(process, error);
	if (!container)
		return false;

	g_autoptr(GError) failure = NULL;
	g_autofree char *target = archive_path(container, path);
	HttpRequest request = {.path = target, .write = write, .write_data = write_data};
	g_autoptr(HttpAnswer) answer = docker_request(engine->docker, &request, cancel, &failure);
	if (answer)
		return true;
	if (g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND))
		return error_set(
		    error, CARRACK_ERROR_NOT_FOUND, "process %s has no file %s", process->id, path);

	g_propagate_error(error, g_steal_pointer(&failure));
	return false;
}

bool
engine_archive_put(Engine *base,
    const Process *process,
    HttpRead read,
    gpointer read_data,
    GCancellable *cancel,
    GError **error)
{
	static const char *const headers[] = {"Content-Type: application/x-tar", NULL};
	SwarmEngine *engine = (SwarmEngine *)base;
	const char *container = engine_container(process, error);
	if (!container)
		return false;

	/* The engine would remove a folder to put a file in its place. */
	g_autofree char *root = archive_path(container, "/");
	g_autofree char *target = g_strconcat(root, "&noOverwriteDirNonDir=1", NULL);
	HttpRequest request = {.method = "PUT",
	    .path = target,
	    .headers = headers,
	    .read = read,
	    .read_data = read_data};
	g_autoptr(HttpAnswer) answer = docker_request(engine->docker, &request, cancel, error);
	return answer != NULL;
}
