/*
 * Commands: in a process that runs, and as one-offs. A command comes as `Command-Json`, an argument
 * vector that arrives as it was written, or as the wire's `Command`, one text that `sh -c` reads in
 * the process, as clients of the wire expect.
 */
#include "api/duplex.h"
#include "api/form.h"
#include "api/handlers.h"
#include "base/limits.h"

#include <string.h>

#define SIZE_MOST 10000
#define TIMEOUT_MOST (30 * 24 * 3600)
#define MEMORY_MOST (16 * 1024 * 1024)

static GStrv
words_of_json(const char *text, GError **error)
{
	json_auto_t *list = json_parse(text, strlen(text), "command-json", error);
	if (!list)
		return NULL;

	g_autoptr(GStrvBuilder) words = g_strv_builder_new();
	gsize index;
	json_t *word;
	json_array_foreach(list, index, word)
	{
		if (!json_is_string(word))
			break;
		g_strv_builder_add(words, json_string_value(word));
	}
	if (json_array_size(list) > 0 && index == json_array_size(list) &&
	    *json_string_value(json_array_get(list, 0)))
		return g_strv_builder_end(words);

	error_set(error, CARRACK_ERROR_INVALID,
	    "command-json: a list of strings is wanted, the first of them not empty");
	return NULL;
}

/* The caller frees it with g_strfreev. */
static GStrv
read_command(Request *request, GError **error)
{
	const char *json = request_value(request, "command-json");
	if (json)
		return words_of_json(json, error);

	const char *text = request_required(request, "command", error);
	const char *words[] = {"sh", "-c", text, NULL};
	return text ? g_strdupv((GStrv)words) : NULL;
}

static bool
read_number(Request *request, const char *name, gint64 most, unsigned *number, GError **error)
{
	gint64 value = 0;
	if (!request_int(request, name, 0, most, &value, error))
		return false;

	*number = (unsigned)value;
	return true;
}

static EngineStream *
start_exec(Request *request, GError **error)
{
	g_auto(GStrv) command = read_command(request, error);
	g_autoptr(App) app = command ? request_app(request, error) : NULL;
	EngineExec exec = {.command = (const char *const *)command,
	    .with_entrypoint = request_bool(request, "entrypoint", false),
	    .has_terminal = request_bool(request, "tty", true)};
	if (!app || !read_number(request, "height", SIZE_MOST, &exec.height, error) ||
	    !read_number(request, "width", SIZE_MOST, &exec.width, error))
		return NULL;

	const char *process = request_variable(request, "process");
	return rack_process_exec(request->rack, app->name, process, &exec, error);
}

/* What there is to tell at the end: an error, an exit code, or nothing to a client that has gone.
 */
static bool
tell_end(Request *request, WebSocket *socket, const GError *failure, const int *exit_code)
{
	if (failure)
		duplex_tell_error(request, socket, failure);
	else if (exit_code)
		duplex_tell_exit(request, socket, *exit_code);
	return exit_code != NULL;
}

bool
exec_process(Request *request, WebSocket *socket, GError **error)
{
	g_autoptr(GError) failure = NULL;
	g_autoptr(EngineStream) stream = start_exec(request, &failure);
	int exit_code = 0;
	bool has_ended = stream && duplex_run(request, socket, stream, &exit_code, &failure);

	return tell_end(request, socket, failure, has_ended ? &exit_code : NULL);
}

/* One-offs */

/* «Environment» is a map, as the wire has maps. */
static bool
read_env(Request *request, Env **env, GError **error)
{
	const char *text = request_value(request, "environment");
	*env = NULL;
	if (!text)
		return true;

	json_auto_t *map = form_parse_map(text, "environment", error);
	*env = map ? env_from_json(map, error) : NULL;
	return *env != NULL;
}

typedef struct {
	GStrv command;
	Env *env;
	char *who;
	RunOptions options;
} Run;

static void
run_clear(Run *run)
{
	g_strfreev(run->command);
	env_free(run->env);
	g_free(run->who);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

static bool
read_run(Request *request, Run *run, GError **error)
{
	RunOptions *options = &run->options;
	run->command = read_command(request, error);
	if (!run->command || !read_env(request, &run->env, error))
		return false;

	run->who = request_actor(request);
	*options = (RunOptions){
	    .service = request_variable(request, "service"),
	    .release = request_value(request, "release"),
	    .command = (const char *const *)run->command,
	    .without_entrypoint = !request_bool(request, "entrypoint", true),
	    .env = run->env,
	    .who = run->who,
	};
	return read_number(request, "timeout", TIMEOUT_MOST, &options->timeout_seconds, error) &&
	       read_number(request, "memory", MEMORY_MOST, &options->memory, error) &&
	       read_number(request, "height", SIZE_MOST, &options->height, error) &&
	       read_number(request, "width", SIZE_MOST, &options->width, error);
}

json_t *
exec_run(Request *request, GError **error)
{
	g_auto(Run) run = {0};
	g_autoptr(App) app = request_app(request, error);
	if (!app || !read_run(request, &run, error))
		return NULL;

	g_autofree char *id = rack_process_run(request->rack, app->name, &run.options, NULL, error);
	return id ? rack_process(request->rack, app->name, id, error) : NULL;
}

static char *
start_attached(Request *request, EngineStream **stream, GError **error)
{
	g_auto(Run) run = {0};
	if (!read_run(request, &run, error))
		return NULL;

	const char *app = request_variable(request, "app");
	run.options.is_attached = true;
	run.options.has_terminal = request_bool(request, "tty", true);
	return rack_process_run(request->rack, app, &run.options, stream, error);
}

/* The one-off is recorded and cleared away whatever happens to its client. */
bool
exec_run_attached(Request *request, WebSocket *socket, GError **error)
{
	EngineStream *stream = NULL;
	g_autoptr(GError) failure = NULL;
	g_autofree char *id = start_attached(request, &stream, &failure);
	int exit_code = 0;
	if (!id)
		return tell_end(request, socket, failure, NULL);

	bool has_ended = duplex_run(request, socket, stream, &exit_code, &failure);
	engine_stream_free(stream);
	const char *app = request_variable(request, "app");
	exit_code = rack_process_run_end(request->rack, app, id, has_ended ? exit_code : 137);
	return tell_end(request, socket, failure, has_ended ? &exit_code : NULL);
}
