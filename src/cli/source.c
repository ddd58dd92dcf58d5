/*
 * Reading and checking a folder before it is sent (source.h). All paths here are relative to it,
 * without «./».
 */
#include "cli/source.h"

#include "base/error.h"
#include "base/limits.h"
#include "manifest/files.h"
#include "manifest/ignore.h"

#include <string.h>

#define IGNORE_FILE ".dockerignore"
#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

struct Source {
	char *folder;
	char *file;
	Manifest *manifest;
	Ignore *ignore;
	GPtrArray *needed;     /* files that are always sent; of char * */
	GPtrArray *contexts;   /* build folders other than the whole; of char * */
	GHashTable *generated; /* path → text, of files that are not there; never NULL */
};

static char *
path_in(const Source *source, const char *path)
{
	return g_build_filename(source->folder, path, NULL);
}

static bool
is_file(const Source *source, const char *path)
{
	g_autofree char *full = path_in(source, path);
	return g_hash_table_contains(source->generated, path) ||
	       g_file_test(full, G_FILE_TEST_IS_REGULAR);
}

/* «./api/» and «api» are one path; «» is the folder itself. The caller frees it. */
static char *
plain_path(const char *path)
{
	g_autofree char *whole = g_canonicalize_filename(path, "/");
	return g_strdup(whole + 1);
}

static bool
read_text(const Source *source, const char *path, char **text, gsize *length, GError **error)
{
	g_autofree char *full = path_in(source, path);
	g_autoptr(GError) failure = NULL;
	const char *generated = g_hash_table_lookup(source->generated, path);
	if (generated) {
		*text = g_strdup(generated);
		*length = strlen(generated);
		return true;
	}
	if (!g_file_get_contents(full, text, length, &failure))
		return error_set(error, CARRACK_ERROR_INVALID, "%s", failure->message);
	if (*length <= LIMIT_MANIFEST_BYTES)
		return true;

	g_clear_pointer(text, g_free);
	return error_set(error, CARRACK_ERROR_TOO_LARGE, "%s: %zu bytes are more than %d", path,
	    *length, LIMIT_MANIFEST_BYTES);
}

/* Reading of the manifest: which files of a folder it is made of. */
typedef struct {
	const char *folder;
	GPtrArray *needed;     /* or NULL */
	GHashTable *generated; /* or NULL */
} Reading;

static char *
read_beside(gpointer data, const char *path, gsize *length, GError **error)
{
	const Reading *reading = data;
	g_autofree char *full = g_build_filename(reading->folder, path, NULL);
	g_autoptr(GError) failure = NULL;
	const char *generated =
	    reading->generated ? g_hash_table_lookup(reading->generated, path) : NULL;
	char *text = NULL;
	if (generated) {
		*length = strlen(generated);
		return g_strdup(generated);
	}
	if (!g_file_test(full, G_FILE_TEST_IS_REGULAR))
		return NULL;
	if (!g_file_get_contents(full, &text, length, &failure)) {
		error_set(error, CARRACK_ERROR_INVALID, "%s", failure->message);
		return NULL;
	}
	if (reading->needed)
		g_ptr_array_add(reading->needed, plain_path(path));
	return text;
}

static bool
check_wanted(const char *folder, const char *wanted, GError **error)
{
	if (wanted && (g_str_has_prefix(wanted, "/") || strstr(wanted, "..")))
		return error_set(error, CARRACK_ERROR_INVALID,
		    "manifest %s: give a path inside the folder that is built", wanted);
	return true;
}

static char *
read_text_of(const Reading *reading, const char *wanted, char **file, GError **error)
{
	g_autoptr(GError) failure = NULL;
	char *text = check_wanted(reading->folder, wanted, error)
			 ? manifest_read(wanted, read_beside, (gpointer)reading, file, &failure)
			 : NULL;
	if (failure && g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND) && wanted)
		error_set(
		    error, CARRACK_ERROR_NOT_FOUND, "%s in %s", failure->message, reading->folder);
	else if (failure && g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND))
		error_set(
		    error, CARRACK_ERROR_NOT_FOUND, "%s: %s", reading->folder, failure->message);
	else if (failure)
		g_propagate_error(error, g_steal_pointer(&failure));
	return text;
}

char *
source_manifest_text(const char *folder, const char *manifest_file, char **file, GError **error)
{
	Reading reading = {.folder = folder};
	return read_text_of(&reading, manifest_file, file, error);
}

static bool
read_manifest(Source *source, const char *wanted, const SourceOptions *options, GError **error)
{
	Reading reading = {source->folder, source->needed, source->generated};
	g_autofree char *text = read_text_of(&reading, wanted, &source->file, error);
	if (!text)
		return false;

	ManifestOptions how = {.env = options->env, .is_strict = options->is_strict};
	source->manifest = manifest_parse_with(text, strlen(text), source->file, &how, error);
	return source->manifest && manifest_check_rack(source->manifest, true, error);
}

static bool
check_context(const Source *source, const ManifestService *service, GError **error)
{
	g_autofree char *full = path_in(source, service->build.path);
	if (g_file_test(full, G_FILE_TEST_IS_DIR))
		return true;

	const char *what =
	    g_file_test(full, G_FILE_TEST_EXISTS) ? "is a file, not a folder" : "does not exist";
	return error_set(error, CARRACK_ERROR_INVALID, "%s:%u: service %s: build path %s %s",
	    source->file, service->line, service->name, service->build.path, what);
}

/* Takes the Dockerfile of a service and its ignore file along. */
static bool
check_build(Source *source, const ManifestService *service, GError **error)
{
	if (!check_context(source, service, error))
		return false;

	g_autofree char *context = plain_path(service->build.path);
	g_autofree char *joined =
	    g_build_filename(service->build.path, service->build.manifest, NULL);
	char *dockerfile = plain_path(joined);
	g_autofree char *ignore = g_build_filename(context, IGNORE_FILE, NULL);
	bool is_there = is_file(source, dockerfile);
	g_ptr_array_add(source->needed, dockerfile);
	g_ptr_array_add(source->needed, plain_path(ignore));
	if (*context)
		g_ptr_array_add(source->contexts, g_steal_pointer(&context));
	if (is_there)
		return true;

	return error_set(error, CARRACK_ERROR_INVALID, "%s:%u: service %s: no Dockerfile at %s",
	    source->file, service->line, service->name, dockerfile);
}

static bool
check_builds(Source *source, GError **error)
{
	for (guint i = 0; i < source->manifest->services->len; i++) {
		const ManifestService *service = source->manifest->services->pdata[i];
		if (service->build.path && !check_build(source, service, error))
			return false;
	}
	return true;
}

/* The folder's own patterns after our one. They are parsed alone first, for the numbers of lines
 * in errors. */
static bool
read_ignore(Source *source, GError **error)
{
	g_autofree char *text = NULL;
	gsize length = 0;
	if (!is_file(source, IGNORE_FILE))
		text = g_strdup("");
	else if (!read_text(source, IGNORE_FILE, &text, &length, error))
		return false;

	g_autoptr(Ignore) alone = ignore_parse(text, length, IGNORE_FILE, error);
	if (!alone)
		return false;

	bool has_mark = g_str_has_prefix(text, BYTE_ORDER_MARK);
	g_autofree char *all =
	    g_strconcat("**/.git\n", text + (has_mark ? strlen(BYTE_ORDER_MARK) : 0), NULL);
	source->ignore = ignore_parse(all, strlen(all), IGNORE_FILE, error);
	return source->ignore != NULL;
}

/* What is there stays as it is. */
static void
take_generated(Source *source, const Detection *detection)
{
	for (guint i = 0; detection && i < detection->files->len; i++) {
		const DetectedFile *file = detection->files->pdata[i];
		if (!is_file(source, file->path))
			g_hash_table_insert(
			    source->generated, g_strdup(file->path), g_strdup(file->text));
	}
}

Source *
source_open(const char *folder, const SourceOptions *options, GError **error)
{
	if (!g_file_test(folder, G_FILE_TEST_IS_DIR)) {
		error_set(error, CARRACK_ERROR_NOT_FOUND, "%s: no such folder", folder);
		return NULL;
	}

	g_autoptr(Source) source = g_new0(Source, 1);
	source->folder = g_strdup(folder);
	source->needed = g_ptr_array_new_with_free_func(g_free);
	source->contexts = g_ptr_array_new_with_free_func(g_free);
	source->generated = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	g_ptr_array_add(source->needed, g_strdup(IGNORE_FILE));
	take_generated(source, options->generated);
	bool is_good = read_manifest(source, options->manifest_file, options, error) &&
		       check_builds(source, error) && read_ignore(source, error);
	return is_good ? g_steal_pointer(&source) : NULL;
}

void
source_free(Source *source)
{
	if (!source)
		return;

	g_free(source->folder);
	g_free(source->file);
	manifest_free(source->manifest);
	ignore_free(source->ignore);
	g_ptr_array_unref(source->needed);
	g_ptr_array_unref(source->contexts);
	g_hash_table_unref(source->generated);
	g_free(source);
}

const Manifest *
source_manifest(const Source *source)
{
	return source->manifest;
}

const char *
source_file(const Source *source)
{
	return source->file;
}

static bool
is_empty_folder(const Source *source, const char *path)
{
	g_autofree char *full = path_in(source, path);
	g_autoptr(GDir) folder = g_dir_open(full, 0, NULL);

	return folder && !g_dir_read_name(folder);
}

GPtrArray *
source_empty_submodules(const Source *source)
{
	GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *file = path_in(source, ".gitmodules");
	g_autofree char *text = NULL;
	if (!g_file_get_contents(file, &text, NULL, NULL))
		return paths;

	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	for (gsize i = 0; lines[i]; i++) {
		g_auto(GStrv) parts = g_strsplit(g_strstrip(lines[i]), "=", 2);
		bool is_path = parts[0] && parts[1] && strcmp(g_strstrip(parts[0]), "path") == 0;
		if (is_path && is_empty_folder(source, g_strstrip(parts[1])))
			g_ptr_array_add(paths, g_strdup(parts[1]));
	}
	return paths;
}

/* True if `path` is `folder` or lies in it. */
static bool
is_within(const char *path, const char *folder)
{
	gsize length = strlen(folder);
	return strncmp(path, folder, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static bool
is_needed(const Source *source, const char *path, bool is_folder, bool *leads_to_needed)
{
	*leads_to_needed = false;
	for (guint i = 0; i < source->needed->len; i++) {
		const char *needed = source->needed->pdata[i];
		if (strcmp(needed, path) == 0)
			return true;
		if (is_folder && is_within(needed, path))
			*leads_to_needed = true;
	}
	return false;
}

/* A service's folder that the project's .dockerignore keeps away from another service's image is
 * still the context of its own. */
static bool
is_in_ignored_context(const Source *source, const char *path)
{
	for (guint i = 0; i < source->contexts->len; i++) {
		const char *context = source->contexts->pdata[i];
		if (is_within(path, context) && ignore_matches(source->ignore, context))
			return true;
	}
	return false;
}

static bool
leads_to_context(const Source *source, const char *path)
{
	for (guint i = 0; i < source->contexts->len; i++) {
		if (is_within(source->contexts->pdata[i], path))
			return true;
	}
	return false;
}

static bool
is_left_out(gpointer data, const char *path, bool is_folder, bool *enter)
{
	const Source *source = data;
	bool leads_to_needed;

	*enter = false;
	if (is_needed(source, path, is_folder, &leads_to_needed))
		return false;
	if (!ignore_matches(source->ignore, path) || is_in_ignored_context(source, path))
		return false;

	*enter = is_folder && (leads_to_needed || leads_to_context(source, path) ||
				  ignore_may_reach_inside(source->ignore, path));
	return true;
}

/* In one order always: the same folder gives the same archive. */
static GArray *
generated_texts(const Source *source)
{
	GArray *texts = g_array_new(FALSE, FALSE, sizeof(TarText));
	g_autoptr(GList) paths = g_hash_table_get_keys(source->generated);
	paths = g_list_sort(paths, (GCompareFunc)(void (*)(void))strcmp);
	for (GList *path = paths; path; path = path->next) {
		TarText text = {path->data, g_hash_table_lookup(source->generated, path->data)};
		g_array_append_val(texts, text);
	}
	return texts;
}

bool
source_pack(Source *source,
    const TarPackOptions *options,
    HttpWrite write,
    gpointer data,
    GCancellable *cancel,
    GError **error)
{
	TarPackOptions all = *options;
	g_autoptr(GArray) texts = generated_texts(source);

	all.ignored = is_left_out;
	all.ignored_data = source;
	all.texts = (const TarText *)texts->data;
	all.text_count = texts->len;
	return tar_pack(source->folder, &all, write, data, cancel, error);
}
