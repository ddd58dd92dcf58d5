/*
 * The configuration is kept as the JSON that it is on disk, and read through small functions: there
 * is no second form of it that could forget a member.
 */
#include "cli/config.h"

#include "base/error.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

struct Config {
	char *folder;
	json_t *root;
};

char *
config_folder(void)
{
	const char *folder = g_getenv("CARRACK_CONFIG");
	if (folder && *folder)
		return g_strdup(folder);

	return g_build_filename(g_get_user_config_dir(), "carrack", NULL);
}

static char *
config_file(const Config *config)
{
	return g_build_filename(config->folder, "config.json", NULL);
}

static bool
read_file(const char *file, char **text, gsize *length, GError **error)
{
	g_autoptr(GError) failure = NULL;
	if (g_file_get_contents(file, text, length, &failure))
		return true;
	if (g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
		*text = g_strdup("{}");
		*length = 2;
		return true;
	}

	return error_set(error, CARRACK_ERROR_INTERNAL, "%s", failure->message);
}

Config *
config_load(GError **error)
{
	g_autoptr(Config) config = g_new0(Config, 1);
	config->folder = config_folder();
	g_autofree char *file = config_file(config);
	g_autofree char *text = NULL;
	gsize length;

	if (!read_file(file, &text, &length, error))
		return NULL;
	config->root = json_parse(text, length, file, error);
	if (!config->root)
		return NULL;
	if (!json_is_object(config->root)) {
		error_set(error, CARRACK_ERROR_INVALID, "%s: not a JSON object", file);
		return NULL;
	}

	return g_steal_pointer(&config);
}

void
config_free(Config *config)
{
	if (!config)
		return;

	g_free(config->folder);
	json_decref(config->root);
	g_free(config);
}

bool
config_save(const Config *config, GError **error)
{
	g_autofree char *file = config_file(config);
	g_autofree char *text = json_text(config->root, true);
	g_autoptr(GError) failure = NULL;

	if (g_mkdir_with_parents(config->folder, 0700) < 0)
		return error_set_errno(error, errno, "%s", config->folder);
	if (!g_file_set_contents_full(
		file, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &failure))
		return error_set(error, CARRACK_ERROR_INTERNAL, "%s", failure->message);
	/* A file that was there before keeps its mode. */
	if (g_chmod(file, 0600) < 0)
		return error_set_errno(error, errno, "%s", file);

	return true;
}

static json_t *
config_racks(const Config *config)
{
	return json_at(config->root, "racks", NULL);
}

const char *
config_current(const Config *config)
{
	const char *name = json_text_of(config->root, "current", "");
	return *name ? name : NULL;
}

bool
config_set_current(Config *config, const char *name)
{
	if (!config_rack(config, name, NULL))
		return false;

	json_object_set_new(config->root, "current", json_string(name));
	return true;
}

static int
compare_names(gconstpointer one, gconstpointer other)
{
	return strcmp(*(const char *const *)one, *(const char *const *)other);
}

const char **
config_names(const Config *config)
{
	GPtrArray *names = g_ptr_array_new();
	const char *name;
	json_t *rack;

	json_object_foreach(config_racks(config), name, rack)
	    g_ptr_array_add(names, (gpointer)name);
	g_ptr_array_sort(names, compare_names);
	g_ptr_array_add(names, NULL);
	return (const char **)g_ptr_array_free(names, FALSE);
}

static const char *
text_or_null(const json_t *object, const char *member)
{
	const char *text = json_text_of(object, member, "");
	return *text ? text : NULL;
}

bool
config_rack(const Config *config, const char *name, ConfigRack *rack)
{
	json_t *racks = config_racks(config);
	const json_t *found = json_object_get(racks, name);
	if (!json_is_object(found))
		return false;
	if (!rack)
		return true;

	/* The key in the object, not the caller's text, which may be gone before the config. */
	rack->name = json_object_iter_key(json_object_iter_at(racks, name));
	rack->url = json_text_of(found, "url", "");
	rack->socket = text_or_null(found, "socket");
	rack->ca = text_or_null(found, "ca");
	rack->insecure = json_bool_of(found, "insecure", false);
	return true;
}

static char *
names_text(const char *const *names)
{
	return *names ? g_strjoinv(", ", (GStrv)names) : g_strdup("none");
}

bool
config_find(const Config *config, const char *wanted, ConfigRack *rack, GError **error)
{
	if (config_rack(config, wanted, rack))
		return true;

	g_autofree const char **names = config_names(config);
	g_autoptr(GPtrArray) matches = g_ptr_array_new();
	for (gsize i = 0; names[i]; i++) {
		if (strstr(names[i], wanted))
			g_ptr_array_add(matches, (gpointer)names[i]);
	}
	if (matches->len == 1)
		return config_rack(config, matches->pdata[0], rack);

	bool is_ambiguous = matches->len > 1;
	g_ptr_array_add(matches, NULL);
	g_autofree char *known =
	    names_text(is_ambiguous ? (const char *const *)matches->pdata : names);
	if (is_ambiguous)
		return error_set(
		    error, CARRACK_ERROR_INVALID, "ambiguous rack name: %s (%s)", wanted, known);
	return error_set(error, CARRACK_ERROR_NOT_FOUND,
	    "could not find rack: %s (known racks: %s)", wanted, known);
}

static void
set_or_remove(json_t *object, const char *member, const char *text)
{
	if (text)
		json_object_set_new(object, member, json_string(text));
	else
		json_object_del(object, member);
}

void
config_set_rack(Config *config, const ConfigRack *rack)
{
	if (!json_is_object(config_racks(config)))
		json_object_set_new(config->root, "racks", json_object());
	json_t *racks = config_racks(config);
	if (!json_is_object(json_object_get(racks, rack->name)))
		json_object_set_new(racks, rack->name, json_object());

	json_t *entry = json_object_get(racks, rack->name);
	set_or_remove(entry, "url", rack->url);
	set_or_remove(entry, "socket", rack->socket);
	set_or_remove(entry, "ca", rack->ca);
	if (rack->insecure)
		json_object_set_new(entry, "insecure", json_true());
	else
		json_object_del(entry, "insecure");
}
