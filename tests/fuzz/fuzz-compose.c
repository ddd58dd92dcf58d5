/*
 * Fuzzes compose files. Behind a NUL byte stands another file, which the first may take in as
 * `base.yml` or `a.env`. Whatever the texts, the answer is a manifest or an error with words, and
 * what the rack keeps of it is read back to the same.
 */
#include "manifest/files.h"
#include "manifest/show.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

typedef struct {
	const char *first;
	const char *second;
} Project;

static char *
read_one(gpointer data, const char *path, gsize *length, GError **error)
{
	const Project *project = data;
	const char *text = strcmp(path, "compose.yml") == 0 ? project->first : project->second;
	bool is_there = strcmp(path, "compose.yml") == 0 || strcmp(path, "base.yml") == 0 ||
			strcmp(path, "a.env") == 0;
	if (!is_there)
		return NULL;

	*length = strlen(text);
	return g_strdup(text);
}

static void
use_service(const ManifestService *service)
{
	bool is_sound = service->port <= 65535 && service->environment != NULL &&
			service->health.timeout > 0 && service->health.interval > 0 &&
			service->count_minimum <= service->count_maximum &&
			(service->image == NULL) == (service->build.path != NULL) &&
			(service->build.path != NULL) == (service->build.manifest != NULL);
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
			  : g_strdup("");
	Project project = {all, second};
	g_autofree char *file = NULL;
	g_autoptr(GError) error = NULL;
	g_autofree char *text = manifest_read(NULL, read_one, &project, &file, NULL);
	if (text == NULL)
		return 0;

	g_autoptr(Env) env = env_new();
	env_set(env, "A", "3000", NULL);
	env_set(env, "B", "x: [y]\n z", NULL);
	env_set(env, "COMPOSE_PROFILES", "a", NULL);
	g_autoptr(Manifest) manifest = manifest_parse(text, strlen(text), file, env, &error);
	if ((manifest == NULL) != (error != NULL && *error->message != '\0'))
		abort();
	if (manifest == NULL)
		return 0;

	for (guint i = 0; i < manifest->services->len; i++)
		use_service(manifest->services->pdata[i]);
	json_auto_t *shown = manifest_json(manifest, env);
	if (shown == NULL)
		abort();
	return 0;
}
