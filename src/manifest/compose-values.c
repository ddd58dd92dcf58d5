/*
 * Build, commands, environment, ports and volumes of a compose service. Everything is the text that
 * stands in the file: `9022:22` is a pair of ports and not a number of base 60, and `A: 0644` the
 * text 0644.
 */
#include "manifest/compose-private.h"
#include "manifest/words.h"

#include <string.h>

static const char *
folder_of(const ComposeService *own, char **folder)
{
	*folder = g_path_get_dirname(own->file);
	return *folder;
}

typedef void (*EachPair)(gpointer data, const YamlNode *node, const char *name, const char *value);

static void
split_pair(const YamlNode *item, const char *text, EachPair each, gpointer data)
{
	const char *equals = strchr(text, '=');
	g_autofree char *name =
	    g_strndup(text, equals != NULL ? (gsize)(equals - text) : strlen(text));
	each(data, item, name, equals != NULL ? equals + 1 : NULL);
}

/* Calls `each` for «NAME=value» or «NAME» of a list, or a name and its value of a map; no value is
 * NULL. */
static void
each_pair(Decoder *decoder, const YamlNode *node, EachPair each, gpointer data)
{
	bool is_map = yaml_kind(node) == YAML_MAP;
	if (!is_map && yaml_kind(node) != YAML_LIST)
		yaml_problem(decoder->problems, node,
		    "must be a map or a list of NAME=value, not %s", decode_kind_name(node));
	for (unsigned i = 0; i < yaml_size(node); i++) {
		const YamlNode *item =
		    is_map ? yaml_member(node, yaml_key(node, i)) : yaml_item(node, i);
		bool is_empty = is_map && yaml_kind(item) == YAML_NULL;
		const char *text = is_empty ? NULL : decode_scalar(decoder, item, "text");
		if (is_map && (is_empty || text != NULL))
			each(data, item, yaml_key(node, i), text);
		else if (text != NULL)
			split_pair(item, text, each, data);
	}
}

/* Build */

typedef struct {
	Decoder *decoder;
	GPtrArray *entries;
} Arguments;

static void
add_argument(gpointer data, const YamlNode *node, const char *name, const char *value)
{
	Arguments *arguments = data;
	if (*name == '\0')
		yaml_problem(arguments->decoder->problems, node, "write NAME or NAME=value");
	else
		g_ptr_array_add(arguments->entries,
		    value != NULL ? g_strconcat(name, "=", value, NULL) : g_strdup(name));
}

static void
decode_arguments(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	Arguments arguments = {decoder, g_ptr_array_new()};
	each_pair(decoder, node, add_argument, &arguments);
	g_ptr_array_add(arguments.entries, NULL);
	g_strfreev(own->service->build.arguments);
	own->service->build.arguments = (GStrv)g_ptr_array_free(arguments.entries, FALSE);
}

static void
decode_context(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	g_autofree char *folder = NULL;
	const char *text = decode_scalar(decoder, node, "a folder");
	if (text == NULL)
		return;
	if (strstr(text, "://") != NULL) {
		yaml_problem(decoder->problems, node,
		    "«%s»: a context is a folder of the project, not a URL", text);
		return;
	}
	char **place = &own->service->build.path;
	g_free(*place);
	*place = service_inside_path(folder_of(own, &folder), *text != '\0' ? text : ".");
	if (*place == NULL)
		yaml_problem(
		    decoder->problems, node, "the build context «%s» is outside the project", text);
}

void
compose_dockerfile(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	const char *text = decode_scalar(decoder, node, "the name of a Dockerfile");
	if (text == NULL)
		return;
	if (own->service->build.manifest != NULL && strcmp(field->name, "dockerfile") == 0 &&
	    field->offset != 0)
		yaml_problem(decoder->problems, node, "the Dockerfile stands here and in build");
	g_free(own->service->build.manifest);
	own->service->build.manifest = g_strdup(text);
}

static void
decode_target(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	const Field whole = {.name = field->name};
	decode_text(decoder, node, &whole, &own->service->build.target);
}

static void
refuse_inline(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	yaml_problem(decoder->problems, node, "write it into a file and name that by dockerfile");
}

static const Field build_fields[] = {
    {"context", decode_context},
    {"dockerfile", compose_dockerfile},
    {"args", decode_arguments},
    {"target", decode_target},
    {"dockerfile_inline", refuse_inline},
    {"labels", decode_nothing},
    {"additional_contexts", decode_nothing, .answer = RACK_IGNORES},
    {"cache_from", decode_nothing},
    {"cache_to", decode_nothing, .answer = RACK_IGNORES},
    {"entitlements", decode_nothing, .answer = RACK_IGNORES},
    {"extra_hosts", decode_nothing, .answer = RACK_IGNORES},
    {"isolation", decode_nothing, .answer = RACK_IGNORES},
    {"network", decode_nothing, .answer = RACK_IGNORES},
    {"no_cache", decode_nothing},
    {"platforms", decode_nothing, .answer = RACK_IGNORES},
    {"privileged", decode_nothing, .answer = RACK_REFUSES},
    {"pull", decode_nothing},
    {"secrets", decode_nothing, .answer = RACK_IGNORES},
    {"shm_size", decode_nothing, .answer = RACK_IGNORES},
    {"ssh", decode_nothing, .answer = RACK_IGNORES},
    {"tags", decode_nothing},
    {"ulimits", decode_nothing, .answer = RACK_IGNORES},
    {NULL},
};

void
compose_build(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	if (yaml_kind(node) == YAML_SCALAR) {
		decode_context(decoder, node, &build_fields[0], target);
		return;
	}
	decode_map(decoder, node, build_fields, target);
	if (own->service->build.path == NULL)
		own->service->build.path = g_path_get_dirname(own->file);
}

/* Commands */

/* Words are split as a shell does, but no shell runs: `sh -c` must be written. */
static void
decode_words(Decoder *decoder, const YamlNode *node, GStrv *place)
{
	g_auto(GStrv) words = NULL;
	if (yaml_kind(node) == YAML_LIST) {
		const Field whole = {.name = ""};
		service_decode_texts(decoder, node, &whole, &words);
	} else {
		g_autoptr(GError) local = NULL;
		const char *text = decode_scalar(decoder, node, "text or a list of words");
		words = text != NULL ? words_split(text, &local) : NULL;
		if (local != NULL)
			yaml_problem(decoder->problems, node, "%s", local->message);
	}
	g_strfreev(*place);
	*place = words != NULL && words[0] != NULL ? g_steal_pointer(&words) : NULL;
}

void
compose_command(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	decode_words(decoder, node, &own->service->command);
}

void
compose_entrypoint(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	decode_words(decoder, node, &own->service->entrypoint);
}

/* Environment */

static void
add_variable(gpointer data, const YamlNode *node, const char *name, const char *value)
{
	ComposeService *own = data;
	g_autoptr(GError) local = NULL;
	g_autofree char *stripped = g_strstrip(g_strdup(name));
	if (!env_set(own->variables, stripped, value != NULL ? value : "", &local)) {
		yaml_problem(own->compose->decoder->problems, node, "%s", local->message);
		return;
	}
	g_hash_table_remove(own->bare, stripped);
	if (value != NULL)
		return;
	env_unset(own->variables, stripped);
	g_hash_table_add(own->bare, g_steal_pointer(&stripped));
}

void
compose_environment(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	each_pair(decoder, node, add_variable, target);
}

static void
merge_env_file(Decoder *decoder, const YamlNode *node, const char *path, ComposeService *own)
{
	const char *text = bundle_file(own->compose->bundle, path);
	g_autoptr(GError) local = NULL;
	g_autoptr(Env) read =
	    text != NULL ? env_parse_file(text, strlen(text), path, &local) : NULL;
	if (read == NULL) {
		yaml_problem(decoder->problems, node, "%s", local->message);
		return;
	}
	g_autofree const char **names = env_names(read);
	for (const char **name = names; *name != NULL; name++)
		env_set(own->file_variables, *name, env_get(read, *name), NULL);
}

static void
add_env_file(Decoder *decoder, const YamlNode *node, ComposeService *own)
{
	const YamlNode *path = yaml_kind(node) == YAML_MAP ? yaml_member(node, "path") : node;
	const YamlNode *needed = yaml_kind(node) == YAML_MAP ? yaml_member(node, "required") : NULL;
	const char *text = path != NULL ? decode_scalar(decoder, path, "a file") : NULL;
	g_autofree char *folder = NULL;
	if (path == NULL)
		yaml_problem(decoder->problems, node, "the key path is needed");
	if (text == NULL)
		return;

	bool is_optional = needed != NULL && g_strcmp0(yaml_text(needed), "false") == 0;
	g_autofree char *inside = service_inside_path(folder_of(own, &folder), text);
	if (inside == NULL)
		yaml_problem(decoder->problems, path, "«%s» is outside the project", text);
	else if (bundle_file(own->compose->bundle, inside) != NULL)
		merge_env_file(decoder, path, inside, own);
	else if (!is_optional)
		yaml_problem(decoder->problems, path, "there is no file %s", inside);
}

void
compose_env_file(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	bool is_list = yaml_kind(node) == YAML_LIST;
	for (unsigned i = 0; is_list && i < yaml_size(node); i++)
		add_env_file(decoder, yaml_item(node, i), target);
	if (!is_list)
		add_env_file(decoder, node, target);
}

static void
add_defaults(GStrvBuilder *entries, const Env *defaults, const Env *over)
{
	g_autofree const char **names = env_names(defaults);
	for (const char **name = names; *name != NULL; name++) {
		bool is_hidden = over != NULL && env_get(over, *name) != NULL;
		g_autofree char *entry = g_strconcat(*name, "=", env_get(defaults, *name), NULL);
		if (!is_hidden)
			g_strv_builder_add(entries, entry);
	}
}

void
compose_apply_environment(ComposeService *own)
{
	g_autoptr(GStrvBuilder) entries = g_strv_builder_new();
	g_autoptr(GPtrArray) bare = g_ptr_array_new();
	GHashTableIter iterator;
	gpointer name;
	add_defaults(entries, own->file_variables, own->variables);
	add_defaults(entries, own->variables, NULL);
	g_hash_table_iter_init(&iterator, own->bare);
	while (g_hash_table_iter_next(&iterator, &name, NULL))
		g_ptr_array_add(bare, g_strdup(name));
	g_ptr_array_add(bare, NULL);
	own->service->environment = g_strv_builder_end(entries);
	own->service->optional = (GStrv)g_ptr_array_steal(bare, NULL);
}

/* Labels are kept until all keys are known. */

typedef struct {
	ComposeService *own;
	GHashTable *seen;
} Labels;

static void
add_label(gpointer data, const YamlNode *node, const char *name, const char *value)
{
	const Labels *labels = data;
	if (!g_hash_table_add(labels->seen, g_strdup(name))) {
		yaml_problem(labels->own->compose->decoder->problems, node,
		    "the label «%s» stands twice", name);
		return;
	}
	ComposeLabel *label = g_new0(ComposeLabel, 1);
	label->value = g_strdup(value != NULL ? value : "");
	label->node = node;
	g_hash_table_replace(labels->own->labels, g_strdup(name), label);
}

void
compose_labels(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	Labels labels = {target, seen};
	each_pair(decoder, node, add_label, &labels);
}
