/*
 * A process is a service of that name, run by a shell as on the platforms that the file comes from,
 * with all of the app's environment. `web` is the one that is reached from outside; its port is
 * what the Dockerfile exposes, else the app's PORT, else 5000, and PORT tells the process.
 *
 * `release` is no service: it is what runs once before a release goes live.
 */
#include "manifest/procfile.h"

#include "base/limits.h"
#include "base/text.h"
#include "manifest/dockerfile.h"
#include "manifest/service.h"

#include <string.h>

#define DEFAULT_PORT 5000
#define RELEASE "release"
#define WEB "web"

typedef struct {
	Decoder *decoder;
	const Bundle *bundle;
	const Env *env;
	Manifest *manifest;
	unsigned line;
} Procfile;

static void
note(const Procfile *procfile, GPtrArray *to, const char *name, const char *text)
{
	g_ptr_array_add(to, g_strdup_printf("%s:%u:1: %s%s%s", procfile->bundle->file,
				procfile->line, name, *name != '\0' ? ": " : "", text));
}

static unsigned
app_port(const Env *env)
{
	const char *text = env != NULL ? env_get(env, "PORT") : NULL;
	guint64 port;
	bool is_port = text != NULL && g_ascii_string_to_unsigned(text, 10, 1, 65535, &port, NULL);
	return is_port ? (unsigned)port : DEFAULT_PORT;
}

static void
give_port(const Procfile *procfile, ManifestService *service)
{
	const char *dockerfile = bundle_file(procfile->bundle, "Dockerfile");
	unsigned count = dockerfile != NULL ? dockerfile_port_count(dockerfile) : 0;
	service->port = count == 1 ? dockerfile_port(dockerfile) : app_port(procfile->env);
	if (count > 1)
		note(procfile, procfile->decoder->problems, service->name,
		    "the Dockerfile exposes several ports, so which one serves? Leave one EXPOSE");
}

static void
add_service(const Procfile *procfile, const char *name, const char *command)
{
	const char *const argv[] = {"sh", "-c", command, NULL};
	const char *const all[] = {"*", NULL};
	ManifestService *service = service_new(name);
	service->line = procfile->line;
	service->build.path = g_strdup(".");
	service->build.manifest = g_strdup("Dockerfile");
	service->command = g_strdupv((GStrv)argv);
	service->environment = g_strdupv((GStrv)all);
	if (strcmp(name, WEB) == 0)
		give_port(procfile, service);
	service_fill(service);
	g_ptr_array_add(procfile->manifest->services, service);
}

static void
set_release(const Procfile *procfile, const char *command)
{
	const char *const argv[] = {"sh", "-c", command, NULL};
	g_strfreev(procfile->manifest->release.command);
	procfile->manifest->release.command = g_strdupv((GStrv)argv);
}

static void
add_process(const Procfile *procfile, const char *name, const char *command)
{
	GPtrArray *problems = procfile->decoder->problems;
	g_autoptr(GError) local = NULL;
	if (!text_check_name(name, "process name", NULL)) {
		g_autofree char *rule = g_strdup_printf(
		    "process name «%s» does not match ^[a-z][a-z0-9-]*$, no dash at the end, at "
		    "most %d characters",
		    name, LIMIT_NAME_BYTES);
		note(procfile, problems, name, rule);
	} else if (*command == '\0') {
		note(procfile, problems, name, "there is no command behind the colon");
	} else if (manifest_service(procfile->manifest, name) != NULL) {
		note(procfile, problems, name, "the process stands twice");
	} else if (strcmp(name, RELEASE) == 0) {
		set_release(procfile, command);
	} else {
		add_service(procfile, name, command);
	}
}

static void
decode_line(const Procfile *procfile, char *line)
{
	g_strstrip(line);
	if (*line == '\0' || *line == '#')
		return;

	char *colon = strchr(line, ':');
	if (colon == NULL || colon == line) {
		note(procfile, procfile->decoder->problems, "", "the line is not NAME: COMMAND");
		return;
	}
	*colon = '\0';
	add_process(procfile, g_strchomp(line), g_strchug(colon + 1));
}

void
procfile_decode(Decoder *decoder, const Bundle *bundle, const Env *env, Manifest *manifest)
{
	Procfile procfile = {decoder, bundle, env, manifest, 1};
	const char *text = bundle->text;
	if (!g_utf8_validate(text, -1, NULL)) {
		note(&procfile, decoder->problems, "", "the file is not UTF-8 text");
		return;
	}
	if (g_str_has_prefix(text, "\xef\xbb\xbf"))
		text += 3;

	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line != NULL; line++, procfile.line++)
		decode_line(&procfile, *line);
	if (manifest->services->len == 0 && decoder->problems->len == 0) {
		procfile.line = 1;
		note(&procfile, decoder->problems, "", "the file names no process");
	}
}
