/*
 * Failures in words. Each looks once at what the engine knows (exit code, memory, last lines, open
 * ports), so that the one line that a user gets says what to change.
 */
#include "core/failure.h"

#include <string.h>

#define LAST_LINES 20

static json_t *
failure_make(const char *code, const char *service, const char *cause, const char *hint)
{
	return json_pack("{s:s, s:o, s:s, s:o}", "code", code, "cause", json_text_value(cause),
	    "service", service ? service : "", "hint", json_text_value(hint ? hint : ""));
}

static json_t *
last_lines(Rack *rack, const Process *process)
{
	json_t *lines = json_array();
	Engine *engine = rack->provider->engine;
	g_autoptr(GPtrArray) texts = engine->ops->last_lines(engine, process, LAST_LINES, NULL);
	for (guint i = 0; texts && i < texts->len; i++)
		json_array_append_new(lines, json_text_value(texts->pdata[i]));
	return lines;
}

static void
failure_add_process(json_t *failure, Rack *rack, const Process *process)
{
	json_object_set_new(failure, "process", json_string(process->id));
	json_object_set_new(failure, "lines", last_lines(rack, process));
}

json_t *
failure_plain(const char *code, const char *service, const char *cause, GError **error)
{
	error_set(error, CARRACK_ERROR_UPSTREAM, "%s", cause);
	return failure_make(code, service, cause, NULL);
}

typedef struct {
	const char *code;
	const char *hint;
	char *cause;
} Ending;

static Ending
ending_of(const Process *process, const char *when)
{
	const char *service = process->service;
	if (process->was_out_of_memory)
		return (Ending){"out-of-memory", "raise scale.memory of the service",
		    g_strdup_printf("service %s: out of memory %s", service, when)};
	if (strstr(process->reason, "No such image"))
		return (Ending){"image-not-found", "deploy again to build it anew",
		    g_strdup_printf("service %s: image not found: %s", service, process->image)};
	if (strstr(process->reason, "starting container failed") ||
	    strstr(process->reason, "executable file not found"))
		return (Ending){"start-failed", "check the command of the service and its image",
		    g_strdup_printf("service %s: cannot start: %s", service, process->reason)};
	if (process->state == PROCESS_FAILED && process->exit_code == 0 && *process->reason)
		return (Ending){"start-failed", NULL,
		    g_strdup_printf("service %s: cannot start: %s", service, process->reason)};
	if (process->exit_code == 0)
		return (Ending){"exited-zero", "a service must keep running",
		    g_strdup_printf("service %s: exited with 0 %s", service, when)};

	return (Ending){"exited", NULL,
	    g_strdup_printf("service %s: exited %d %s", service, process->exit_code, when)};
}

json_t *
failure_ended(Rack *rack, Process *process, const char *when, GError **error)
{
	Engine *engine = rack->provider->engine;
	engine->ops->locate(engine, process, NULL);
	Ending ending = ending_of(process, when);
	g_autofree char *cause = ending.cause;
	error_set(error, CARRACK_ERROR_UPSTREAM, "%s", cause);
	json_t *failure = failure_make(ending.code, process->service, cause, ending.hint);
	json_object_set_new(failure, "exit", json_integer(process->exit_code));
	failure_add_process(failure, rack, process);
	return failure;
}

/* «3000» out of «0.0.0.0:3000», «[::]:3000». */
static const char *
port_of(const char *address)
{
	const char *colon = strrchr(address, ':');
	return colon ? colon + 1 : address;
}

static char *
listening_text(Rack *rack, const Process *process)
{
	Engine *engine = rack->provider->engine;
	g_autoptr(GPtrArray) addresses = engine->ops->listening(engine, process);
	g_autoptr(GString) text = g_string_new(NULL);
	for (guint i = 0; addresses && i < addresses->len; i++) {
		const char *address = addresses->pdata[i];
		bool is_loopback = g_str_has_prefix(address, "127.");
		/* Docker's own resolver listens inside every container that has a network. */
		if (g_str_has_prefix(address, "127.0.0.11:"))
			continue;
		g_autofree char *own = g_strdup_printf("%u", process->port);
		bool is_right_port = strcmp(port_of(address), own) == 0;
		if (is_right_port && !is_loopback)
			continue;
		g_string_append_printf(
		    text, "%s%s", text->len ? ", " : "", is_loopback ? address : port_of(address));
	}
	return g_string_free(g_steal_pointer(&text), FALSE);
}

json_t *
failure_unhealthy(
    Rack *rack, const Process *process, Probe *probe, unsigned seconds, GError **error)
{
	g_autofree char *last = probe_last(probe);
	g_autofree char *cause = NULL;
	const char *code = "unhealthy";
	const char *hint = "see the last lines; health.grace gives it more time";
	if (probe_never_connected(probe)) {
		code = "nothing-listens";
		g_autofree char *other = listening_text(rack, process);
		hint = *other
			   ? "make the process listen on 0.0.0.0 at the port of the manifest (PORT)"
			   : hint;
		cause = *other ? g_strdup_printf("service %s: %s; the process listens on %s",
				     process->service, last, other)
			       : g_strdup_printf(
				     "service %s: %s after %u s", process->service, last, seconds);
	} else {
		cause =
		    g_strdup_printf("service %s: %s after %u s", process->service, last, seconds);
	}
	error_set(error, CARRACK_ERROR_UPSTREAM, "%s", cause);
	json_t *failure = failure_make(code, process->service, cause, hint);
	failure_add_process(failure, rack, process);
	return failure;
}

json_t *
failure_no_capacity(Rack *rack, const PlanService *service, GError **error)
{
	Engine *engine = rack->provider->engine;
	EngineCapacity capacity = {0};
	engine->ops->capacity(engine, &capacity, NULL);
	g_autofree char *cause = g_strdup_printf(
	    "service %s: no capacity: a process needs %u MB and "
	    "%.2f cpu; %" G_GINT64_FORMAT " MB and %.2f cpu are free on %u node%s",
	    service->service->name, service->memory, service->cpu / 1024.0, capacity.memory_free,
	    capacity.cpu_free / 1024.0, capacity.nodes, capacity.nodes == 1 ? "" : "s");
	error_set(error, CARRACK_ERROR_UPSTREAM, "%s", cause);
	return failure_make("no-capacity", service->service->name, cause,
	    "lower scale.memory, scale.cpu or the count, or add a node");
}
