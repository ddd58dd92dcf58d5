/*
 * A project's files in memory (manifest-files.h).
 */
#include "manifest-files.h"

#include "manifest/files.h"

#include <string.h>

static char *
read_one(gpointer data, const char *path, gsize *length, GError **error)
{
	for (const char *const *file = data; *file != NULL; file += 2) {
		if (strcmp(file[0], path) == 0) {
			*length = strlen(file[1]);
			return g_strdup(file[1]);
		}
	}
	return NULL;
}

Manifest *
manifest_of_files(
    const char *const *files, const char *wanted, const Env *env, char **file, GError **error)
{
	g_autofree char *text = manifest_read(wanted, read_one, (gpointer)files, file, error);
	return text != NULL ? manifest_parse(text, strlen(text), *file, env, error) : NULL;
}
