/*
 * The verbs `exec` and `run`: a command in a process that runs, and in one of its own. Its
 * arguments arrive as they were written; no shell of ours reads them.
 */
#include "cli/session.h"
#include "cli/verbs.h"

#include <string.h>

bool
exec_command(Call *call, GError **error)
{
	const char *app = call_app(call, error);
	if (!app)
		return false;

	g_autofree char *path =
	    client_path("apps", app, "processes", call->arguments[0], "exec", NULL);
	Session session = {.path = path, .command = (const char *const *)call->arguments + 1};
	return session_run(call, &session, error);
}

/* run */

typedef struct {
	const char *release;
	const char *entrypoint; /* «false», or NULL */
	char *timeout;
} RunFlags;

static bool
read_flags(Call *call, RunFlags *flags, GError **error)
{
	gint64 seconds;
	if (!call_number(call, "timeout", 1, 30 * 24 * 3600, &seconds, error))
		return false;

	*flags = (RunFlags){
	    .release = call_flag(call, "release"),
	    .entrypoint = call_has(call, "no-entrypoint") ? "false" : NULL,
	    .timeout = seconds > 0 ? g_strdup_printf("%" G_GINT64_FORMAT, seconds) : NULL,
	};
	return true;
}

static void
add_header(GPtrArray *headers, const char *name, const char *value)
{
	if (value)
		g_ptr_array_add(headers, g_strdup_printf("%s: %s", name, value));
}

static bool
run_attached(Call *call, const char *path, const RunFlags *flags, GError **error)
{
	g_autoptr(GPtrArray) headers = g_ptr_array_new_with_free_func(g_free);
	add_header(headers, "Release", flags->release);
	add_header(headers, "Timeout", flags->timeout);
	add_header(headers, "Entrypoint", flags->entrypoint);
	Session session = {
	    .path = path, .command = (const char *const *)call->arguments + 1, .headers = headers};
	return session_run(call, &session, error);
}

/* The id alone goes to stdout: `id=$(carrack run -d …)`. */
static bool
run_detached(Call *call, const char *path, const RunFlags *flags, GError **error)
{
	g_autofree char *command =
	    session_command_json((const char *const *)call->arguments + 1, error);
	Client *client = command ? call_client(call, error) : NULL;
	if (!client)
		return false;

	g_autoptr(GString) form = g_string_new(NULL);
	json_auto_t *process = NULL;
	client_form(form, "command-json", command);
	client_form(form, "release", flags->release);
	client_form(form, "timeout", flags->timeout);
	client_form(form, "entrypoint", flags->entrypoint);
	if (!client_send(client, "POST", path, form->str, &process, call->cancel, error))
		return false;
	output_json(call->output, process);
	output_print(call->output, "%s", json_text_of(process, "id", ""));
	return true;
}

bool
run_command(Call *call, GError **error)
{
	RunFlags flags;
	const char *app = call_app(call, error);
	if (!app || !read_flags(call, &flags, error))
		return false;

	g_autofree char *timeout = flags.timeout;
	g_autofree char *path =
	    client_path("apps", app, "services", call->arguments[0], "processes", NULL);
	return call_has(call, "detach") ? run_detached(call, path, &flags, error)
					: run_attached(call, path, &flags, error);
}
