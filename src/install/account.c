/*
 * The installer's side of config.json. The CLI has its own reader of the same file, since a layer
 * may not know the one above it; both keep what they do not know.
 */
#include "install/account.h"

#include "base/error.h"
#include "base/http.h"
#include "install/aws.h"
#include "install/names.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

static char *
config_path(void)
{
	const char *folder = g_getenv("CARRACK_CONFIG");
	if (folder && *folder)
		return g_build_filename(folder, "config.json", NULL);

	return g_build_filename(g_get_user_config_dir(), "carrack", "config.json", NULL);
}

/* The whole configuration, an empty object when there is none yet. */
static json_t *
read_config(const char *path, GError **error)
{
	g_autofree char *text = NULL;
	gsize length = 0;
	g_autoptr(GError) cause = NULL;
	if (!g_file_get_contents(path, &text, &length, &cause)) {
		if (g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT))
			return json_object();
		error_set(error, CARRACK_ERROR_INTERNAL, "%s", cause->message);
		return NULL;
	}

	json_t *config = json_parse(text, length, path, error);
	if (config && !json_is_object(config)) {
		json_decref(config);
		error_set(error, CARRACK_ERROR_INVALID, "%s: not a JSON object", path);
		return NULL;
	}
	return config;
}

static bool
write_config(const char *path, const json_t *config, GError **error)
{
	g_autofree char *folder = g_path_get_dirname(path);
	g_autofree char *text = json_text(config, true);
	g_autoptr(GError) cause = NULL;
	if (g_mkdir_with_parents(folder, 0700) != 0)
		return error_set_errno(error, errno, "cannot make %s", folder);
	if (!g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &cause))
		return error_set(error, CARRACK_ERROR_INTERNAL, "%s", cause->message);
	if (g_chmod(path, 0600) != 0)
		return error_set_errno(error, errno, "%s", path);

	return true;
}

/* A rack of this name on another machine has another socket, or none. */
static bool
is_of_this_machine(const json_t *entry, const char *rack)
{
	g_autofree char *socket = name_of_socket(rack);
	return strcmp(json_text_of(entry, "socket", ""), socket) == 0;
}

char *
account_password(const char *rack, GError **error)
{
	g_autofree char *path = config_path();
	json_auto_t *config = read_config(path, error);
	if (!config)
		return NULL;

	json_t *entry = json_at(config, "racks", rack, NULL);
	if (!entry)
		return g_strdup("");
	if (!is_of_this_machine(entry, rack)) {
		error_set(error, CARRACK_ERROR_CONFLICT,
		    "%s already knows another rack named %s; choose a name with --name", path,
		    rack);
		return NULL;
	}

	g_autoptr(GUri) url =
	    g_uri_parse(json_text_of(entry, "url", ""), G_URI_FLAGS_HAS_PASSWORD, NULL);
	const char *password = url ? g_uri_get_password(url) : NULL;
	return g_strdup(password ? password : "");
}

char *
account_url(const SwarmSettings *settings, const char *password)
{
	return g_strdup_printf("http://convox:%s@127.0.0.1:%u", password, settings->api_port);
}

/* The rack's entry, made when it is not there. Borrowed. */
static json_t *
entry_of(json_t *config, const char *rack)
{
	json_t *racks = json_object_get(config, "racks");
	if (!json_is_object(racks)) {
		racks = json_object();
		json_object_set_new(config, "racks", racks);
	}
	json_t *entry = json_object_get(racks, rack);
	if (!json_is_object(entry)) {
		entry = json_object();
		json_object_set_new(racks, rack, entry);
	}
	return entry;
}

static void
choose_current(json_t *config, const char *rack, bool is_new)
{
	if (is_new || !*json_text_of(config, "current", ""))
		json_object_set_new(config, "current", json_string(rack));
}

bool
account_write(const SwarmSettings *settings, const char *password, bool is_new, GError **error)
{
	g_autofree char *path = config_path();
	g_autofree char *url = account_url(settings, password);
	g_autofree char *socket = name_of_socket(settings->rack);
	json_auto_t *config = read_config(path, error);
	if (!config)
		return false;

	json_t *entry = entry_of(config, settings->rack);
	json_object_set_new(entry, "url", json_string(url));
	json_object_set_new(entry, "socket", json_string(socket));
	choose_current(config, settings->rack, is_new);
	return write_config(path, config, error);
}

/* Takes a rack out of the configuration; the file goes with the last thing in it. */
static bool
drop(const char *path, json_t *config, const char *rack, GError **error)
{
	json_t *racks = json_object_get(config, "racks");
	json_object_del(racks, rack);
	if (strcmp(json_text_of(config, "current", ""), rack) == 0)
		json_object_del(config, "current");
	if (json_object_size(racks) == 0)
		json_object_del(config, "racks");
	if (json_object_size(config) > 0)
		return write_config(path, config, error);

	/* Nothing but ours was in it. */
	g_autofree char *folder = g_path_get_dirname(path);
	if (g_unlink(path) != 0)
		return error_set_errno(error, errno, "%s", path);
	g_rmdir(folder);
	return true;
}

bool
account_remove(const char *rack, GError **error)
{
	g_autofree char *path = config_path();
	json_auto_t *config = read_config(path, error);
	if (!config)
		return false;

	json_t *entry = json_at(config, "racks", rack, NULL);
	return !entry || !is_of_this_machine(entry, rack) || drop(path, config, rack, error);
}

/* Written by account_write_aws for this place, or by a login to the rack's own name. */
static bool
is_on_aws(const json_t *entry, const char *region, const char *account, const char *domain)
{
	const json_t *place = json_object_get(entry, "aws");
	if (place)
		return strcmp(json_text_of(place, "region", ""), region) == 0 &&
		       strcmp(json_text_of(place, "account", ""), account) == 0;

	g_autofree char *host = g_strconcat("rack.", domain, NULL);
	g_autoptr(GUri) url =
	    g_uri_parse(json_text_of(entry, "url", ""), G_URI_FLAGS_HAS_PASSWORD, NULL);
	return url && g_strcmp0(g_uri_get_host(url), host) == 0;
}

bool
account_check_aws(
    const char *rack, const char *region, const char *account, const char *domain, GError **error)
{
	g_autofree char *path = config_path();
	json_auto_t *config = read_config(path, error);
	if (!config)
		return false;

	json_t *entry = json_at(config, "racks", rack, NULL);
	if (!entry || is_on_aws(entry, region, account, domain))
		return true;
	return error_set(error, CARRACK_ERROR_CONFLICT,
	    "%s already knows another rack named %s; choose a name with --name", path, rack);
}

bool
account_write_aws(const AccountAws *wish, bool is_new, GError **error)
{
	g_autofree char *path = config_path();
	g_autofree char *password = http_escape(wish->password);
	g_autofree char *url = g_strdup_printf("https://convox:%s@rack.%s", password, wish->domain);
	json_auto_t *config = read_config(path, error);
	if (!config)
		return false;

	json_t *entry = entry_of(config, wish->rack);
	json_object_set_new(entry, "url", json_string(url));
	json_object_set_new(entry, "aws",
	    json_pack("{s:s, s:s, s:s*}", "account", wish->account, "region", wish->region,
		"profile", wish->profile));
	choose_current(config, wish->rack, is_new);
	return write_config(path, config, error);
}

bool
account_remove_aws(const char *rack, const char *region, const char *account, GError **error)
{
	g_autofree char *path = config_path();
	json_auto_t *config = read_config(path, error);
	if (!config)
		return false;

	json_t *entry = json_at(config, "racks", rack, NULL);
	bool is_it =
	    entry && json_object_get(entry, "aws") && is_on_aws(entry, region, account, "");
	return !is_it || drop(path, config, rack, error);
}

bool
aws_known(const char *rack, char **region, char **profile)
{
	g_autofree char *path = config_path();
	json_auto_t *config = read_config(path, NULL);
	json_t *place = json_at(config, "racks", rack, "aws", NULL);
	*region = g_strdup(json_text_of(place, "region", NULL));
	*profile = g_strdup(json_text_of(place, "profile", NULL));
	return place != NULL;
}
