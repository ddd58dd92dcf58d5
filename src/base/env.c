/*
 * An environment as a tree from name to value, so that every walk is in the order of the names.
 *
 * All ways in (argument, wire, file, JSON) end in env_set, which alone decides what is allowed;
 * none of them changes a value. Values may be secrets: no error here quotes one.
 */
#include "base/env.h"

#include "base/error.h"
#include "base/limits.h"

#include <string.h>

struct Env {
	GTree *values;
	gsize bytes; /* of all «NAME=value» with their NUL, as the kernel counts them */
};

static int
compare_names(gconstpointer one, gconstpointer other, gpointer data)
{
	return strcmp(one, other);
}

Env *
env_new(void)
{
	Env *env = g_new0(Env, 1);

	env->values = g_tree_new_full(compare_names, NULL, g_free, g_free);
	return env;
}

void
env_free(Env *env)
{
	if (!env)
		return;

	g_tree_unref(env->values);
	g_free(env);
}

static const char *
node_name(GTreeNode *node)
{
	return g_tree_node_key(node);
}

static const char *
node_value(GTreeNode *node)
{
	return g_tree_node_value(node);
}

static gsize
entry_bytes(const char *name, const char *value)
{
	return strlen(name) + 1 + strlen(value) + 1;
}

static void
put(Env *env, const char *name, const char *value)
{
	env_unset(env, name);
	g_tree_insert(env->values, g_strdup(name), g_strdup(value));
	env->bytes += entry_bytes(name, value);
}

Env *
env_copy(const Env *env)
{
	Env *copy = env_new();

	for (GTreeNode *node = g_tree_node_first(env->values); node; node = g_tree_node_next(node))
		put(copy, node_name(node), node_value(node));
	return copy;
}

/* A name for an error: control bytes as escapes, at most 64 bytes of it. */
static char *
quoted_name(const char *name)
{
	g_autofree char *valid = g_utf8_make_valid(name, MIN((gssize)strlen(name), 64));
	char high_bytes[129] = {0};
	for (int i = 0; i < 128; i++)
		high_bytes[i] = (char)(128 + i);

	g_autofree char *escaped = g_strescape(valid, high_bytes);
	return g_strdup_printf("\"%s\"", escaped);
}

static bool
check_name(const char *name, GError **error)
{
	gsize length = strlen(name);
	bool good = length > 0;
	for (gsize i = 0; i < length; i++)
		good = good && g_ascii_isgraph(name[i]) && name[i] != '=';
	if (good && length <= LIMIT_ENV_NAME_BYTES)
		return true;

	g_autofree char *quoted = quoted_name(name);
	if (good)
		return error_set(error, CARRACK_ERROR_TOO_LARGE,
		    "env name %s… is %" G_GSIZE_FORMAT " bytes; the limit is %d", quoted, length,
		    LIMIT_ENV_NAME_BYTES);
	return error_set(error, CARRACK_ERROR_INVALID,
	    "env name %s is not allowed: use one or more printable ASCII characters, no blank and "
	    "no \"=\"",
	    quoted);
}

static bool
check_size(const Env *env, const char *name, const char *value, GError **error)
{
	gsize entry = strlen(name) + 1 + strlen(value);
	if (entry > LIMIT_ENV_ENTRY_BYTES)
		return error_set(error, CARRACK_ERROR_TOO_LARGE,
		    "env %s: name and value together are %" G_GSIZE_FORMAT
		    " bytes; the limit is %d",
		    name, entry, LIMIT_ENV_ENTRY_BYTES);

	const char *before = env_get(env, name);
	gsize total = env->bytes + entry + 1 - (before ? entry_bytes(name, before) : 0);
	if (total > LIMIT_ENV_BYTES)
		return error_set(error, CARRACK_ERROR_TOO_LARGE,
		    "env %s: with it, all variables together are %" G_GSIZE_FORMAT
		    " bytes; the limit is %d",
		    name, total, LIMIT_ENV_BYTES);
	return true;
}

bool
env_set(Env *env, const char *name, const char *value, GError **error)
{
	if (!check_name(name, error) || !check_size(env, name, value, error))
		return false;
	if (!g_utf8_validate(value, -1, NULL))
		return error_set(error, CARRACK_ERROR_INVALID,
		    "env %s: the value is not UTF-8 text; encode binary data, as base64 for "
		    "example",
		    name);

	put(env, name, value);
	return true;
}

bool
env_unset(Env *env, const char *name)
{
	const char *value = env_get(env, name);
	if (!value)
		return false;

	env->bytes -= entry_bytes(name, value);
	return g_tree_remove(env->values, name);
}

const char *
env_get(const Env *env, const char *name)
{
	return g_tree_lookup(env->values, name);
}

unsigned
env_size(const Env *env)
{
	return (unsigned)g_tree_nnodes(env->values);
}

const char **
env_names(const Env *env)
{
	const char **names = g_new0(const char *, env_size(env) + 1);
	gsize i = 0;

	for (GTreeNode *node = g_tree_node_first(env->values); node; node = g_tree_node_next(node))
		names[i++] = node_name(node);
	return names;
}

/* A line break written as it is would forge another variable; as «\n» it cannot. */
static char *
wire_value(const char *value)
{
	g_auto(GStrv) lines = g_strsplit(value, "\n", -1);

	return g_strjoinv("\\n", lines);
}

char *
env_text(const Env *env)
{
	GString *text = g_string_new(NULL);

	for (GTreeNode *node = g_tree_node_first(env->values); node;
	     node = g_tree_node_next(node)) {
		g_autofree char *value = wire_value(node_value(node));
		if (text->len > 0)
			g_string_append_c(text, '\n');
		g_string_append_printf(text, "%s=%s", node_name(node), value);
	}
	return g_string_free(text, FALSE);
}

Env *
env_parse_wire(const char *text, GError **error)
{
	g_autoptr(Env) env = env_new();
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (char **line = lines; *line; line++) {
		char *equals = strchr(*line, '=');
		if (!equals)
			continue;
		*equals = '\0';
		if (!env_set(env, g_strstrip(*line), equals + 1, error))
			return NULL;
	}
	return g_steal_pointer(&env);
}

void
env_restore_newlines(Env *env, const Env *before)
{
	for (GTreeNode *node = g_tree_node_first(before->values); node;
	     node = g_tree_node_next(node)) {
		const char *now = env_get(env, node_name(node));
		g_autofree char *shown = wire_value(node_value(node));
		bool only_shown = now && strchr(node_value(node), '\n') && g_str_equal(now, shown);
		if (only_shown)
			put(env, node_name(node), node_value(node));
	}
}

static const struct {
	char letter;
	char byte;
} escapes[] = {{'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'"', '"'}, {'\\', '\\'}};

/* What a reader of env files could take for something else. */
static bool
needs_quotes(const char *value)
{
	gsize length = strlen(value);
	if (length == 0)
		return false;

	bool odd = g_ascii_isspace(value[0]) || g_ascii_isspace(value[length - 1]) ||
		   strpbrk(value, "\"'") || strstr(value, " #") || strstr(value, "\t#");
	for (gsize i = 0; i < length; i++)
		odd = odd || g_ascii_iscntrl(value[i]);
	return odd;
}

static void
append_quoted(GString *text, const char *value)
{
	g_string_append_c(text, '"');
	for (; *value; value++) {
		char letter = 0;
		for (gsize i = 0; i < G_N_ELEMENTS(escapes) && !letter; i++)
			letter = escapes[i].byte == *value ? escapes[i].letter : 0;
		if (letter)
			g_string_append_c(text, '\\');
		g_string_append_c(text, letter ? letter : *value);
	}
	g_string_append_c(text, '"');
}

char *
env_file_text(const Env *env)
{
	GString *text = g_string_new(NULL);

	for (GTreeNode *node = g_tree_node_first(env->values); node;
	     node = g_tree_node_next(node)) {
		/* A name may begin with «#», which would be a comment. */
		if (node_name(node)[0] == '#')
			g_string_append(text, "export ");
		g_string_append_printf(text, "%s=", node_name(node));
		if (needs_quotes(node_value(node)))
			append_quoted(text, node_value(node));
		else
			g_string_append(text, node_value(node));
		g_string_append_c(text, '\n');
	}
	return g_string_free(text, FALSE);
}

json_t *
env_json(const Env *env)
{
	json_t *object = json_object();

	for (GTreeNode *node = g_tree_node_first(env->values); node; node = g_tree_node_next(node))
		json_object_set_new(object, node_name(node), json_string(node_value(node)));
	return object;
}

Env *
env_from_json(const json_t *object, GError **error)
{
	g_autoptr(Env) env = env_new();
	const char *name;
	json_t *value;

	if (!json_is_object(object)) {
		error_set(error, CARRACK_ERROR_INVALID,
		    "env: not an object of names and values like {\"NAME\": \"value\"}");
		return NULL;
	}

	json_object_foreach((json_t *)object, name, value)
	{
		if (!check_name(name, error))
			return NULL;
		if (!json_is_string(value)) {
			error_set(error, CARRACK_ERROR_INVALID,
			    "env %s: the value is not a string; write it in quotes", name);
			return NULL;
		}
		if (!env_set(env, name, json_string_value(value), error))
			return NULL;
	}
	return g_steal_pointer(&env);
}

/* Appends « <verb>:NAME» for each name of `one` that the other lacks, or has with another value. */
static void
append_names(GString *text, const char *verb, const Env *one, const Env *other, bool changed)
{
	for (GTreeNode *node = g_tree_node_first(one->values); node;
	     node = g_tree_node_next(node)) {
		const char *value = env_get(other, node_name(node));
		bool listed = changed ? value && !g_str_equal(value, node_value(node)) : !value;
		if (listed)
			g_string_append_printf(text, " %s:%s", verb, node_name(node));
	}
}

char *
env_describe_change(const Env *before, const Env *after)
{
	GString *text = g_string_new("env");

	append_names(text, "add", after, before, false);
	append_names(text, "change", after, before, true);
	append_names(text, "remove", before, after, false);

	bool same = g_str_equal(text->str, "env");
	return g_string_free(text, same);
}

char *
env_hash(const Env *env)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);

	/* The NULs keep A=B,C apart from A=,B=C. */
	for (GTreeNode *node = g_tree_node_first(env->values); node;
	     node = g_tree_node_next(node)) {
		const char *name = node_name(node), *value = node_value(node);
		g_checksum_update(sum, (const guchar *)name, (gssize)strlen(name) + 1);
		g_checksum_update(sum, (const guchar *)value, (gssize)strlen(value) + 1);
	}
	return g_strdup(g_checksum_get_string(sum));
}
