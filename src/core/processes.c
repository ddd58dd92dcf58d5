/*
 * Processes: as the wire shows them, and what is done in one that runs: commands, files. One-offs
 * are processes too; their life is one-offs.c.
 */
#include "base/text.h"
#include "core/rack-private.h"

#include <string.h>

/* What the rack starts by itself is told from what people run. */
static const char *
kind_of(const Process *process)
{
	bool has_role = process->role && *process->role;

	if (process->is_one_off)
		return has_role ? process->role : "one-off";
	return "service";
}

json_t *
process_json(const Process *process)
{
	g_autofree char *started = text_time(process->started);
	json_t *ports = json_array();
	if (process->port)
		json_array_append_new(ports, json_sprintf("%u:%u", process->port, process->port));
	json_t *value =
	    json_pack("{s:s, s:s, s:s, s:o, s:f, s:s, s:o, s:s, s:f, s:s, s:o, s:s, s:s, s:s}",
		"id", process->id, "kind", kind_of(process), "app", process->app, "command",
		json_text_value(process->command), "cpu", 0.0, "host",
		process->address ? process->address : "", "image", json_text_value(process->image),
		"instance", process->node, "memory", 0.0, "name", process->service, "ports", ports,
		"release", process->release, "started", started, "status",
		process_state_name(process->state));
	bool has_ended = process->state == PROCESS_FAILED || process->state == PROCESS_COMPLETE;
	if (has_ended)
		json_object_set_new(value, "exit", json_integer(process->exit_code));
	return value;
}

static int
process_compare(gconstpointer one, gconstpointer other)
{
	const Process *const *a = one;
	const Process *const *b = other;
	int order = strcmp((*a)->service, (*b)->service);
	return order ? order : strcmp((*a)->id, (*b)->id);
}

static bool
is_meant(const char *wanted, const char *value)
{
	return !wanted || !*wanted || strcmp(wanted, value) == 0;
}

json_t *
rack_processes(
    Rack *rack, const char *name, const char *service, const char *release, GError **error)
{
	g_autoptr(App) app = app_load(rack->provider->store, name, error);
	if (!app)
		return NULL;
	Engine *engine = rack->provider->engine;
	g_autoptr(GPtrArray) processes = engine->ops->processes_of_app(engine, name, true, error);
	if (!processes)
		return NULL;

	g_ptr_array_sort(processes, process_compare);
	json_t *list = json_array();
	for (guint i = 0; i < processes->len; i++) {
		const Process *process = processes->pdata[i];
		if (is_meant(service, process->service) && is_meant(release, process->release))
			json_array_append_new(list, process_json(process));
	}
	return list;
}

/* One that lives or is still known to the engine; NULL without an error otherwise. */
static bool
find(Rack *rack, const char *app, const char *id, Process **found, GError **error)
{
	Engine *engine = rack->provider->engine;
	g_autoptr(GPtrArray) processes = engine->ops->processes_of_app(engine, app, false, error);
	if (!processes)
		return false;

	*found = NULL;
	for (guint i = 0; i < processes->len && !*found; i++) {
		const Process *process = processes->pdata[i];
		if (strcmp(process->id, id) == 0)
			*found = g_ptr_array_steal_index(processes, i);
	}
	return true;
}

json_t *
rack_process(Rack *rack, const char *name, const char *id, GError **error)
{
	g_autoptr(App) app = app_load(rack->provider->store, name, error);
	g_autoptr(Process) process = NULL;
	if (!app || !find(rack, name, id, &process, error))
		return NULL;
	if (process && !process->is_one_off)
		return process_json(process);

	/* What is recorded of a one-off knows its end better: a time limit's, for one. */
	json_t *record = one_off_record(rack, name, id);
	if (record)
		return record;
	/* One that ended a moment ago and is not recorded yet: its exit code is with the one-offs.
	 */
	bool is_living = process && process->state == PROCESS_RUNNING;
	g_autoptr(Process) one_off = is_living ? NULL : one_off_find(rack, name, id);
	if (one_off || process)
		return process_json(one_off ? one_off : process);
	/* It was recorded and cleared away between the two looks. */
	record = one_off_record(rack, name, id);
	if (record)
		return record;
	error_set(error, CARRACK_ERROR_NOT_FOUND, "no such process: %s", id);
	return NULL;
}

bool
rack_process_stop(Rack *rack, const char *name, const char *id, GError **error)
{
	json_auto_t *known = rack_process(rack, name, id, error);
	if (!known)
		return false;

	/* Its requests in flight end first as far as the router can tell: no new ones from here on.
	 */
	Router *router = rack->provider->router;
	router->ops->drain(router, name, json_text_of(known, "name", ""), id, NULL);
	Engine *engine = rack->provider->engine;
	return engine->ops->stop(engine, name, id, error);
}

/* Inside a process */

static bool
is_better(const Process *process, const char *name, const Process *found)
{
	if (process->state != PROCESS_RUNNING)
		return false;
	if (strcmp(process->id, name) == 0)
		return true;

	bool is_of_service = !process->is_one_off && strcmp(process->service, name) == 0;
	return is_of_service && (!found || process->started > found->started);
}

/* A running process by its id, or the newest of a service by the service's name. */
static Process *
find_running(Rack *rack, const char *app, const char *name, GError **error)
{
	Engine *engine = rack->provider->engine;
	g_autoptr(GPtrArray) processes = engine->ops->processes_of_app(engine, app, false, error);
	if (!processes)
		return NULL;

	const Process *found = NULL;
	const Process *ended = NULL;
	guint place = 0;
	for (guint i = 0; i < processes->len; i++) {
		const Process *process = processes->pdata[i];
		if (strcmp(process->id, name) == 0)
			ended = process;
		if (is_better(process, name, found)) {
			found = process;
			place = i;
		}
	}
	if (found)
		return g_ptr_array_steal_index(processes, place);
	if (ended)
		error_set(error, CARRACK_ERROR_FORBIDDEN, "process %s is not running (%s)", name,
		    process_state_name(ended->state));
	else
		error_set(error, CARRACK_ERROR_NOT_FOUND, "no such process: %s", name);
	return NULL;
}

EngineStream *
rack_process_exec(
    Rack *rack, const char *name, const char *process, const EngineExec *exec, GError **error)
{
	g_autoptr(App) app = app_load(rack->provider->store, name, error);
	g_autoptr(Process) running = app ? find_running(rack, name, process, error) : NULL;
	Engine *engine = rack->provider->engine;

	return running ? engine->ops->exec(engine, running, exec, error) : NULL;
}

static bool
check_path(const char *path, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(path, "/", -1);
	if (path[0] == '/' && !g_strv_contains((const char *const *)parts, ".."))
		return true;

	return error_set(
	    error, CARRACK_ERROR_INVALID, "file «%s»: give an absolute path without «..»", path);
}

bool
rack_files_get(Rack *rack,
    const char *app,
    const char *process,
    const char *path,
    const RackBytes *to,
    GCancellable *cancel,
    GError **error)
{
	if (!check_path(path, error))
		return false;
	g_autoptr(Process) running = find_running(rack, app, process, error);
	Engine *engine = rack->provider->engine;

	return running &&
	       engine->ops->archive_get(engine, running, path, to->write, to->data, cancel, error);
}

bool
rack_files_put(Rack *rack,
    const char *app,
    const char *process,
    const RackBytes *from,
    GCancellable *cancel,
    GError **error)
{
	g_autoptr(Process) running = find_running(rack, app, process, error);
	Engine *engine = rack->provider->engine;

	return running &&
	       engine->ops->archive_put(engine, running, from->read, from->data, cancel, error);
}

/* What a command writes, as one text of limited length. */
static bool
read_output(EngineStream *stream, GString *text, GCancellable *cancel, GError **error)
{
	char buffer[ENGINE_STREAM_PIECE];
	bool is_error;
	gssize count;
	while ((count = stream->ops->read(
		    stream, buffer, sizeof(buffer), &is_error, cancel, error)) > 0)
		g_string_append_len(text, buffer, MIN(count, 1024 - (gssize)MIN(text->len, 1024)));
	return count == 0;
}

/* The engine cannot delete: the image's own rm does, with an argument vector. */
bool
rack_files_delete(Rack *rack,
    const char *app,
    const char *process,
    const char *const *paths,
    GCancellable *cancel,
    GError **error)
{
	g_autoptr(GPtrArray) command = g_ptr_array_new();
	g_ptr_array_add(command, (gpointer) "rm");
	g_ptr_array_add(command, (gpointer) "-rf");
	g_ptr_array_add(command, (gpointer) "--");
	for (const char *const *path = paths; *path; path++) {
		if (!check_path(*path, error))
			return false;
		g_ptr_array_add(command, (gpointer)*path);
	}
	g_ptr_array_add(command, NULL);

	EngineExec exec = {.command = (const char *const *)command->pdata};
	g_autoptr(EngineStream) stream = rack_process_exec(rack, app, process, &exec, error);
	g_autoptr(GString) text = g_string_new(NULL);
	int status = 0;
	if (!stream)
		return false;
	stream->ops->end_input(stream);
	if (!read_output(stream, text, cancel, error) ||
	    !stream->ops->exit_code(stream, &status, cancel, error))
		return false;

	g_autofree char *said = g_strstrip(g_utf8_make_valid(text->str, (gssize)text->len));
	return status == 0 || error_set(error, CARRACK_ERROR_UPSTREAM,
				  "the files were not removed: %s (exit %d)", said, status);
}

/* Who can be reached by name */

/* «web.shop», «web.shop.RACK», with «.convox», «.local» or «.internal» behind it, or
 * «shop-web.DOMAIN». */
static bool
is_name_of(Rack *rack, const Process *process, const char *host)
{
	static const char *const endings[] = {"", ".convox", ".local", ".internal"};
	g_autofree char *own = rack_host(rack, process->app, process->service);
	g_autofree char *plain = g_strdup_printf("%s.%s", process->service, process->app);
	bool is_named = g_ascii_strcasecmp(host, own) == 0 ||
			g_ascii_strcasecmp(host, plain) == 0 || strcmp(host, process->id) == 0;
	for (gsize i = 0; i < G_N_ELEMENTS(endings) && !is_named; i++) {
		g_autofree char *name =
		    g_strdup_printf("%s.%s%s", plain, rack->provider->name, endings[i]);
		is_named = g_ascii_strcasecmp(host, name) == 0;
	}
	return is_named;
}

char *
rack_address(Rack *rack, const char *host, GError **error)
{
	Engine *engine = rack->provider->engine;
	g_autoptr(GPtrArray) processes = engine->ops->processes_of_app(engine, NULL, true, error);
	for (guint i = 0; processes && i < processes->len; i++) {
		Process *process = processes->pdata[i];
		bool is_meant =
		    process->state == PROCESS_RUNNING && is_name_of(rack, process, host);
		if (!is_meant || (process->is_one_off && strcmp(host, process->id) != 0))
			continue;
		if (engine->ops->locate(engine, process, NULL) && process->address)
			return g_steal_pointer(&process->address);
	}
	if (processes)
		error_set(error, CARRACK_ERROR_NOT_FOUND,
		    "no such host: %s; a running service of this rack is reached as SERVICE.APP",
		    host);
	return NULL;
}
