/*
 * Reading of a folder for detection (project.h). What cannot be read counts as not there: detection
 * only looks for reasons, and the build reads all files again.
 */
#include "detect/project.h"

#include "base/limits.h"

#include <string.h>
#include <sys/stat.h>

struct Project {
	char *folder;
	GHashTable *texts; /* path → text */
};

Project *
project_open(const char *folder, GError **error)
{
	if (!g_file_test(folder, G_FILE_TEST_IS_DIR)) {
		error_set(error, CARRACK_ERROR_NOT_FOUND, "%s: no such folder", folder);
		return NULL;
	}

	Project *project = g_new0(Project, 1);
	project->folder = g_strdup(folder);
	project->texts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	return project;
}

void
project_free(Project *project)
{
	if (!project)
		return;

	g_free(project->folder);
	g_hash_table_unref(project->texts);
	g_free(project);
}

static bool
has(const Project *project, const char *path, GFileTest test)
{
	g_autofree char *full = g_build_filename(project->folder, path, NULL);
	return g_file_test(full, test);
}

bool
project_has(const Project *project, const char *path)
{
	return has(project, path, G_FILE_TEST_IS_REGULAR);
}

bool
project_has_folder(const Project *project, const char *path)
{
	return has(project, path, G_FILE_TEST_IS_DIR);
}

const char *
project_first(const Project *project, const char *const *paths)
{
	for (; *paths; paths++) {
		if (project_has(project, *paths))
			return *paths;
	}
	return NULL;
}

static char *
read_file(const Project *project, const char *path)
{
	g_autofree char *full = g_build_filename(project->folder, path, NULL);
	struct stat status;
	char *text = NULL;
	bool is_small = stat(full, &status) == 0 && S_ISREG(status.st_mode) &&
			status.st_size <= LIMIT_MANIFEST_BYTES;

	return is_small && g_file_get_contents(full, &text, NULL, NULL) ? text : g_strdup("");
}

const char *
project_text(const Project *project, const char *path)
{
	const char *known = g_hash_table_lookup(project->texts, path);
	if (known)
		return known;

	char *text = read_file(project, path);
	g_hash_table_insert(project->texts, g_strdup(path), text);
	return text;
}

json_t *
project_json(const Project *project, const char *path, GError **error)
{
	const char *text = project_text(project, path);
	if (*text == '\0')
		return json_object();

	json_auto_t *value = json_parse(text, strlen(text), path, error);
	if (!value)
		return NULL;
	if (json_is_object(value))
		return g_steal_pointer(&value);
	error_set(error, CARRACK_ERROR_INVALID, "%s: holds no JSON object", path);
	return NULL;
}

char *
project_match(const Project *project, const char *path, const char *expression)
{
	g_autoptr(GRegex) regex = g_regex_new(expression, G_REGEX_MULTILINE | G_REGEX_RAW, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;
	g_return_val_if_fail(regex != NULL, NULL);

	if (!g_regex_match(regex, project_text(project, path), 0, &match))
		return NULL;
	char *group = g_match_info_fetch(match, 1);
	return group ? group : g_strdup("");
}

bool
project_matches(const Project *project, const char *path, const char *expression)
{
	g_autofree char *found = project_match(project, path, expression);
	return found != NULL;
}

static int
compare(gconstpointer one, gconstpointer other)
{
	return strcmp(*(const char *const *)one, *(const char *const *)other);
}

static GPtrArray *
list(const Project *project, const char *folder, const char *ending, GFileTest kind)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *full = g_build_filename(project->folder, folder, NULL);
	g_autoptr(GDir) open = g_dir_open(full, 0, NULL);
	const char *name;

	while (open && (name = g_dir_read_name(open))) {
		g_autofree char *child = g_build_filename(full, name, NULL);
		bool is_wanted = *name != '.' && g_str_has_suffix(name, ending);
		if (is_wanted && g_file_test(child, kind))
			g_ptr_array_add(names, g_strdup(name));
	}
	g_ptr_array_sort(names, compare);
	return names;
}

GPtrArray *
project_files(const Project *project, const char *folder, const char *ending)
{
	return list(project, folder, ending, G_FILE_TEST_IS_REGULAR);
}

GPtrArray *
project_folders(const Project *project, const char *folder)
{
	return list(project, folder, "", G_FILE_TEST_IS_DIR);
}
