/*
 * The order of manifests, and what belongs to each. Every file is read through a callback, so the
 * same rules hold for a folder (before anything is sent) and for an archive (when it is built).
 */
#include "manifest/files.h"

#include "base/error.h"
#include "base/limits.h"
#include "manifest/bundle.h"
#include "manifest/compose.h"
#include "manifest/manifest.h"

#include <string.h>

#define DOCKERFILE "Dockerfile"

typedef enum { KIND_CONVOX, KIND_COMPOSE, KIND_PROCFILE, KIND_DOCKERFILE } Kind;

static const char *const names[] = {
    "convox.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
    "compose.yml",
    "compose.yaml",
    "Procfile",
    DOCKERFILE,
    NULL,
};

const char *const *
manifest_file_names(void)
{
	return names;
}

static Kind
kind_of(const char *file)
{
	g_autofree char *name = g_path_get_basename(file);
	g_autofree char *lower = g_ascii_strdown(name, -1);
	if (g_str_has_prefix(lower, "procfile"))
		return KIND_PROCFILE;
	if (strcmp(file, DOCKERFILE) == 0)
		return KIND_DOCKERFILE;
	return strstr(lower, "compose") != NULL ? KIND_COMPOSE : KIND_CONVOX;
}

/* NULL without an error when it is not there. */
static char *
read_text(const char *path, ManifestRead read, gpointer data, GError **error)
{
	gsize length = 0;
	g_autofree char *text = read(data, path, &length, error);
	if (text == NULL)
		return NULL;
	if (length > LIMIT_MANIFEST_BYTES) {
		error_set(error, CARRACK_ERROR_TOO_LARGE, "%s: %zu bytes are more than %d", path,
		    length, LIMIT_MANIFEST_BYTES);
		return NULL;
	}
	if (strlen(text) != length) {
		error_set(
		    error, CARRACK_ERROR_INVALID, "%s: control characters are not allowed", path);
		return NULL;
	}
	return g_steal_pointer(&text);
}

static char *
beside(const char *file, const char *name)
{
	g_autofree char *folder = g_path_get_dirname(file);
	return strcmp(folder, ".") == 0 ? g_strdup(name) : g_build_filename(folder, name, NULL);
}

/* Processes have no image of their own: they run what the Dockerfile makes. */
static char *
bundle_procfile(
    const char *file, const char *text, ManifestRead read, gpointer data, GError **error)
{
	g_autoptr(GError) failure = NULL;
	g_autofree char *path = beside(file, DOCKERFILE);
	g_autofree char *dockerfile = read_text(path, read, data, &failure);
	if (dockerfile == NULL) {
		if (failure != NULL)
			g_propagate_error(error, g_steal_pointer(&failure));
		else
			error_set(error, CARRACK_ERROR_INVALID,
			    "%s: there is no Dockerfile beside it to build from", file);
		return NULL;
	}
	g_autoptr(Bundle) bundle = bundle_new("procfile", file, text);
	bundle_add(bundle, DOCKERFILE, dockerfile);
	return bundle_write(bundle);
}

typedef struct {
	Bundle *bundle;
	ManifestRead read;
	gpointer data;
} Adding;

static bool
add_file(gpointer data, const char *path, GError **error)
{
	Adding *adding = data;
	g_autoptr(GError) failure = NULL;
	if (bundle_file(adding->bundle, path) != NULL)
		return true;

	g_autofree char *text = read_text(path, adding->read, adding->data, &failure);
	if (failure != NULL) {
		g_propagate_error(error, g_steal_pointer(&failure));
		return false;
	}
	if (text != NULL)
		bundle_add(adding->bundle, path, text);
	return true;
}

static char *
bundle_compose(const char *file, const char *text, ManifestRead read, gpointer data, GError **error)
{
	g_autoptr(Bundle) bundle = bundle_new("compose", file, text);
	Adding adding = {bundle, read, data};
	return compose_find_files(bundle, add_file, &adding, error) ? bundle_write(bundle) : NULL;
}

static char *
read_kind(const char *file, const char *text, ManifestRead read, gpointer data, GError **error)
{
	switch (kind_of(file)) {
	case KIND_COMPOSE:
		return bundle_compose(file, text, read, data, error);
	case KIND_PROCFILE:
		return bundle_procfile(file, text, read, data, error);
	case KIND_DOCKERFILE:
		return manifest_for_dockerfile(text, error);
	default:
		return g_strdup(text);
	}
}

char *
manifest_read(const char *wanted, ManifestRead read, gpointer data, char **file, GError **error)
{
	const char *const one[] = {wanted, NULL};
	for (const char *const *name = wanted != NULL ? one : names; *name != NULL; name++) {
		g_autoptr(GError) failure = NULL;
		g_autofree char *text = read_text(*name, read, data, &failure);
		if (failure != NULL) {
			g_propagate_error(error, g_steal_pointer(&failure));
			return NULL;
		}
		if (text == NULL)
			continue;
		*file = g_strdup(*name);
		return read_kind(*name, text, read, data, error);
	}
	if (wanted != NULL)
		error_set(error, CARRACK_ERROR_NOT_FOUND, "manifest %s: no such file", wanted);
	else
		error_set(error, CARRACK_ERROR_NOT_FOUND,
		    "no convox.yml, no docker-compose.yml, no Procfile and no Dockerfile there");
	return NULL;
}
