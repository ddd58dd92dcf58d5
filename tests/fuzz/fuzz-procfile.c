/*
 * Fuzzes Procfiles. Behind a NUL byte stands the Dockerfile. No command may hold the end of a line,
 * and every service has a command.
 */
#include "manifest/files.h"
#include "manifest/show.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

typedef struct {
	const char *procfile;
	const char *dockerfile;
} Project;

static char *
read_one(gpointer data, const char *path, gsize *length, GError **error)
{
	const Project *project = data;
	const char *text = NULL;
	if (strcmp(path, "Procfile") == 0)
		text = project->procfile;
	if (strcmp(path, "Dockerfile") == 0)
		text = project->dockerfile;
	*length = text != NULL ? strlen(text) : 0;
	return g_strdup(text);
}

static void
use_service(const ManifestService *service)
{
	bool is_sound = service->command != NULL && g_strv_length(service->command) == 3 &&
			*service->command[2] != '\0' &&
			strpbrk(service->command[2], "\n") == NULL &&
			(service->port > 0) == (strcmp(service->name, "web") == 0) &&
			strcmp(service->name, "release") != 0;
	if (!is_sound)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	g_autofree char *all = g_strndup((const char *)bytes, size);
	gsize length = strlen(all);
	g_autofree char *second =
	    length < size ? g_strndup((const char *)bytes + length + 1, size - length - 1)
			  : g_strdup("FROM a\n");
	Project project = {all, second};
	g_autofree char *file = NULL;
	g_autoptr(GError) error = NULL;
	g_autofree char *text = manifest_read(NULL, read_one, &project, &file, NULL);
	if (text == NULL)
		return 0;

	g_autoptr(Manifest) manifest = manifest_parse(text, strlen(text), file, NULL, &error);
	if ((manifest == NULL) != (error != NULL && *error->message != '\0'))
		abort();
	for (guint i = 0; manifest != NULL && i < manifest->services->len; i++)
		use_service(manifest->services->pdata[i]);
	json_auto_t *shown = manifest != NULL ? manifest_json(manifest, NULL) : NULL;
	return 0;
}
