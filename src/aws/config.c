/*
 * The two INI files of AWS's tools, in their dialect: «[profile x]» in the one is «[x]» in the
 * other, keys in any case, comments by «#» and «;», and indented lines below a key without a value
 * belong to that key and are settings that we do not have.
 */
#include "aws/config.h"

#include <string.h>

#define FILE_BYTES (1024 * 1024)

struct AwsConfig {
	char **environment;
	GHashTable *profiles; /* name → (key → value) */
};

static GHashTable *
profiles_new(void)
{
	return g_hash_table_new_full(
	    g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_hash_table_unref);
}

static GHashTable *
profile_named(GHashTable *profiles, const char *name)
{
	GHashTable *profile = g_hash_table_lookup(profiles, name);

	if (!profile) {
		profile = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
		g_hash_table_insert(profiles, g_strdup(name), profile);
	}
	return profile;
}

/* The profile that a «[…]» line begins, or NULL: sections for other things are passed over. */
static GHashTable *
begin_section(GHashTable *profiles, char *line, bool is_config)
{
	char *end = strchr(line, ']');
	if (end)
		*end = '\0';

	char *name = g_strstrip(line + 1);
	if (!is_config || g_str_equal(name, "default"))
		return profile_named(profiles, name);
	if (!g_str_has_prefix(name, "profile") || !strchr(" \t", name[7]))
		return NULL;

	name = g_strstrip(name + 7);
	gsize length = strlen(name);
	bool quoted = length > 1 && *name == '"' && name[length - 1] == '"';
	g_autofree char *bare = quoted ? g_strndup(name + 1, length - 2) : g_strdup(name);
	return profile_named(profiles, bare);
}

/* A comment behind a value needs a blank before it: «#» may be part of a secret. */
static void
cut_comment(char *value)
{
	for (char *place = value; *place; place++) {
		bool blank = *place == ' ' || *place == '\t';
		if (blank && (place[1] == '#' || place[1] == ';')) {
			*place = '\0';
			return;
		}
	}
}

static void
read_setting(GHashTable *profile, char *line)
{
	char *equals = strchr(line, '=');
	if (!equals)
		return;

	*equals = '\0';
	g_autofree char *key = g_ascii_strdown(g_strstrip(line), -1);
	cut_comment(equals + 1);
	g_hash_table_insert(profile, g_steal_pointer(&key), g_strdup(g_strstrip(equals + 1)));
}

static void
read_lines(GHashTable *profiles, const char *text, bool is_config)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	GHashTable *profile = NULL;

	for (char **line = lines; *line; line++) {
		bool indented = **line == ' ' || **line == '\t';
		char *content = g_strstrip(*line);
		if (*content == '\0' || *content == '#' || *content == ';')
			continue;
		if (*content == '[')
			profile = begin_section(profiles, content, is_config);
		else if (profile && !indented)
			read_setting(profile, content);
	}
}

static char *
path_of(const AwsConfig *config, const char *variable, const char *usual)
{
	const char *path = aws_config_variable(config, variable);
	const char *home = aws_config_variable(config, "HOME");
	const char *below = path && g_str_has_prefix(path, "~/") ? path + 2 : NULL;

	if (path && !below)
		return g_strdup(path);
	return g_build_filename(
	    home ? home : g_get_home_dir(), below ? below : ".aws", below ? NULL : usual, NULL);
}

static bool
read_file(GHashTable *profiles, const char *path, bool is_config, GError **error)
{
	g_autofree char *text = NULL;
	g_autoptr(GError) problem = NULL;
	gsize length;

	/* A file that is not there holds no settings. */
	if (!g_file_get_contents(path, &text, &length, &problem)) {
		bool absent = g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOENT) ||
			      g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOTDIR);
		return absent || error_set(error, CARRACK_ERROR_INVALID, "cannot read %s: %s", path,
				     problem->message);
	}
	if (length > FILE_BYTES)
		return error_set(
		    error, CARRACK_ERROR_TOO_LARGE, "%s is over %d bytes", path, FILE_BYTES);
	if (!g_utf8_validate(text, (gssize)length, NULL))
		return error_set(error, CARRACK_ERROR_INVALID, "%s is not a UTF-8 text", path);

	read_lines(profiles, text, is_config);
	explicit_bzero(text, length);
	return true;
}

bool
aws_config_reload(AwsConfig *config, GError **error)
{
	g_autoptr(GHashTable) profiles = profiles_new();
	g_autofree char *settings = path_of(config, "AWS_CONFIG_FILE", "config");
	g_autofree char *keys = path_of(config, "AWS_SHARED_CREDENTIALS_FILE", "credentials");

	if (!read_file(profiles, settings, true, error) || !read_file(profiles, keys, false, error))
		return false;

	g_clear_pointer(&config->profiles, g_hash_table_unref);
	config->profiles = g_steal_pointer(&profiles);
	return true;
}

AwsConfig *
aws_config_new(const char *const *environment, GError **error)
{
	g_autoptr(AwsConfig) config = g_new0(AwsConfig, 1);

	config->environment = environment ? g_strdupv((char **)environment) : g_get_environ();
	if (!aws_config_reload(config, error))
		return NULL;
	return g_steal_pointer(&config);
}

void
aws_config_free(AwsConfig *config)
{
	if (!config)
		return;

	g_strfreev(config->environment);
	g_clear_pointer(&config->profiles, g_hash_table_unref);
	g_free(config);
}

const char *
aws_config_variable(const AwsConfig *config, const char *name)
{
	const char *value = g_environ_getenv(config->environment, name);

	return value && *value ? value : NULL;
}

char **
aws_config_environment(const AwsConfig *config)
{
	return config->environment;
}

bool
aws_config_has_profile(const AwsConfig *config, const char *profile)
{
	return g_hash_table_contains(config->profiles, profile);
}

const char *
aws_config_value(const AwsConfig *config, const char *profile, const char *key)
{
	GHashTable *values = g_hash_table_lookup(config->profiles, profile);
	const char *value = values ? g_hash_table_lookup(values, key) : NULL;

	return value && *value ? value : NULL;
}
