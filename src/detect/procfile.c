/*
 * The lines of a Procfile (procfile.h): `web` is the one that is reached from outside, `release`
 * runs once before a release goes live, every other one is a service without a port. Commands go
 * through a shell, as on the platforms that the file comes from.
 */
#include "detect/procfile.h"

#include "base/text.h"

#include <string.h>

#define PROCFILE "Procfile"
#define RELEASE "release"
#define WEB "web"

typedef struct {
	char *name;
	char *command;
	unsigned line;
} Process;

static void
process_free(gpointer data)
{
	Process *process = data;

	g_free(process->name);
	g_free(process->command);
	g_free(process);
}

static bool
check_process(const Process *process, GError **error)
{
	if (*process->command == '\0')
		return error_set(error, CARRACK_ERROR_INVALID,
		    "%s: there is no command behind the colon", process->name);
	return text_check_name(process->name, "process name", error);
}

static bool
add_line(GPtrArray *processes, char *line, unsigned number, GError **error)
{
	g_strstrip(line);
	if (*line == '\0' || *line == '#')
		return true;

	char *colon = strchr(line, ':');
	if (!colon)
		return error_set(error, CARRACK_ERROR_INVALID, "the line is not NAME: COMMAND");
	*colon = '\0';
	Process *process = g_new0(Process, 1);
	process->name = g_strdup(g_strchomp(line));
	process->command = g_strdup(g_strchug(colon + 1));
	process->line = number;
	g_ptr_array_add(processes, process);
	return check_process(process, error);
}

static GPtrArray *
read_processes(const Project *project, GError **error)
{
	g_autoptr(GPtrArray) processes = g_ptr_array_new_with_free_func(process_free);
	g_auto(GStrv) lines = g_strsplit(project_text(project, PROCFILE), "\n", -1);

	for (unsigned i = 0; lines[i]; i++) {
		if (!add_line(processes, lines[i], i + 1, error)) {
			g_prefix_error(error, "%s:%u: ", PROCFILE, i + 1);
			return NULL;
		}
	}
	return g_steal_pointer(&processes);
}

bool
procfile_is_there(const Project *project)
{
	return project_matches(project, PROCFILE, "^\\s*[^#\\s][^:\\n]*:");
}

static char *
shell_words(const char *command)
{
	json_auto_t *words = json_pack("[s, s, o]", "sh", "-c", json_text_value(command));
	return json_dumps(words, 0);
}

/* The same in YAML, which JSON is. «${» is written so that the manifest does not take it for a
 * variable of its own: the shell in the process is to read it. */
static char *
manifest_words(const char *command)
{
	g_autofree char *text = shell_words(command);
	g_auto(GStrv) parts = g_strsplit(text, "${", -1);

	return g_strjoinv("$\\u007B", parts);
}

char *
procfile_web(const Project *project)
{
	g_autoptr(GPtrArray) processes = read_processes(project, NULL);
	for (guint i = 0; processes && i < processes->len; i++) {
		const Process *process = processes->pdata[i];
		if (strcmp(process->name, WEB) == 0)
			return shell_words(process->command);
	}
	return NULL;
}

static void
write_service(GString *text, const Process *process, unsigned port)
{
	g_autofree char *words = manifest_words(process->command);

	g_string_append_printf(
	    text, "  %s:\n    build: .\n    command: %s\n", process->name, words);
	if (strcmp(process->name, WEB) == 0)
		g_string_append_printf(text, "    port: %u\n", port);
	g_string_append(text, "    environment: [\"*\"]\n");
}

char *
procfile_services(const Project *project, unsigned port, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_autofree char *release = NULL;
	g_autoptr(GPtrArray) processes = read_processes(project, error);
	if (!processes)
		return NULL;

	for (guint i = 0; i < processes->len; i++) {
		const Process *process = processes->pdata[i];
		if (strcmp(process->name, RELEASE) != 0) {
			write_service(text, process, port);
		} else {
			g_free(release);
			release = manifest_words(process->command);
		}
	}
	if (text->len == 0) {
		error_set(
		    error, CARRACK_ERROR_INVALID, "%s names no process but %s", PROCFILE, RELEASE);
		return NULL;
	}
	return g_strconcat(release ? "release: " : "", release ? release : "", release ? "\n" : "",
	    "services:\n", text->str, NULL);
}
