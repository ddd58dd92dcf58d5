/*
 * YAML by libyaml's events, built into our own nodes. Events rather than its documents, because a
 * limit then ends the work at once: 200,000 opening brackets cost 32 levels.
 *
 * An alias becomes a copy of what it stands for, so that every node has one parent and thus one
 * path; the copies count against LIMIT_YAML_NODES, which is what makes a bomb of aliases harmless.
 * Merge keys (`<<`, quoted or not, of one map or a list of maps, the first that has a key wins) are
 * resolved here as well.
 */
#include "manifest/yaml.h"

#include "base/error.h"
#include "base/limits.h"
#include "manifest/yaml-node.h"

#include <string.h>
#include <yaml.h>

typedef struct {
	yaml_parser_t parser;
	YamlDocument *document;
	GHashTable *anchors; /* name → YamlNode */
	const char *text;
	gsize length;
	Interpolation *interpolation;
	InterpolationLookup lookup;
	gpointer lookup_data;
} Loader;

/* Where a node is to stand. */
typedef struct {
	const YamlNode *parent;
	const char *key;
	unsigned index;
} Place;

static YamlNode *
load_node(Loader *loader, const yaml_event_t *event, const Place *place, GError **error);

/* Always returns false. */
static bool
refuse(const YamlNode *node, CarrackError code, const char *message, GError **error)
{
	g_autofree char *text = yaml_node_message(node, message);
	return error_set(error, code, "%s", text);
}

/* Errors of the parser */

static const char *
line_start(const Loader *loader, gsize line)
{
	const char *start = loader->text;
	const char *end = loader->text + loader->length;
	for (; line > 0 && start != NULL; line--) {
		start = memchr(start, '\n', (gsize)(end - start));
		if (start != NULL)
			start++;
	}
	return start;
}

/* The column of a tab among the blanks that a line begins with, 0 if there is none. */
static unsigned
tab_column(const Loader *loader, gsize line)
{
	const char *byte = line_start(loader, line);
	const char *end = loader->text + loader->length;
	for (unsigned column = 1; byte != NULL && byte < end; byte++, column++) {
		if (*byte == '\t')
			return column;
		if (*byte != ' ')
			return 0;
	}
	return 0;
}

static bool
parser_error_at_offset(const Loader *loader, GError **error)
{
	unsigned line = 1;
	unsigned column = 1;
	gsize offset = MIN(loader->parser.problem_offset, loader->length);
	for (gsize i = 0; i < offset; i++) {
		bool is_break = loader->text[i] == '\n';
		line += is_break;
		column = is_break ? 1 : column + ((loader->text[i] & 0xc0) != 0x80);
	}
	return error_set(error, CARRACK_ERROR_INVALID, "%s:%u:%u: %s", loader->document->file, line,
	    column, loader->parser.problem);
}

static bool
parser_error(const Loader *loader, GError **error)
{
	const yaml_parser_t *parser = &loader->parser;
	if (parser->error == YAML_READER_ERROR)
		return parser_error_at_offset(loader, error);

	const char *file = loader->document->file;
	gsize line = parser->problem_mark.line + 1;
	gsize column = parser->problem_mark.column + 1;
	unsigned tab = tab_column(loader, parser->problem_mark.line);
	if (tab > 0)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "%s:%zu:%u: a tab is used to indent; YAML allows blanks only", file, line, tab);

	const char *problem = parser->problem != NULL ? parser->problem : "not readable as YAML";
	if (parser->context == NULL)
		return error_set(
		    error, CARRACK_ERROR_INVALID, "%s:%zu:%zu: %s", file, line, column, problem);

	bool is_alias = strstr(parser->context, "alias") != NULL;
	return error_set(error, CARRACK_ERROR_INVALID, "%s:%zu:%zu: %s %s (begun on line %zu)%s",
	    file, line, column, problem, parser->context, parser->context_mark.line + 1,
	    is_alias ? "; write a lone * in quotes" : "");
}

static bool
next_event(Loader *loader, yaml_event_t *event, GError **error)
{
	if (yaml_parser_parse(&loader->parser, event) == 1)
		return true;

	memset(event, 0, sizeof(*event));
	return parser_error(loader, error);
}

/* Nodes */

static YamlNode *
new_node(Loader *loader, YamlKind kind, unsigned line, unsigned column, const Place *place)
{
	YamlNode *node = g_new0(YamlNode, 1);
	node->kind = kind;
	node->line = line;
	node->column = column;
	node->file = loader->document->file;
	node->parent = place->parent;
	node->key = place->key;
	node->index = place->index;
	node->depth = place->parent != NULL ? place->parent->depth + 1 : 0;
	if (kind == YAML_LIST || kind == YAML_MAP)
		node->values = g_ptr_array_new();
	if (kind == YAML_MAP)
		node->keys = g_ptr_array_new();
	g_ptr_array_add(loader->document->nodes, node);
	return node;
}

static YamlNode *
event_node(Loader *loader, YamlKind kind, const yaml_event_t *event, const Place *place)
{
	return new_node(loader, kind, (unsigned)event->start_mark.line + 1,
	    (unsigned)event->start_mark.column + 1, place);
}

static bool
check_limits(const Loader *loader, const YamlNode *node, bool is_copy, GError **error)
{
	const char *message = NULL;
	if (node->depth > LIMIT_YAML_DEPTH)
		message = "too deep: more than " G_STRINGIFY(LIMIT_YAML_DEPTH) " levels";
	else if (loader->document->nodes->len > LIMIT_YAML_NODES && is_copy)
		message = "too many aliases: they stand for more than " G_STRINGIFY(
		    LIMIT_YAML_NODES) " values";
	else if (loader->document->nodes->len > LIMIT_YAML_NODES)
		message = "too large: more than " G_STRINGIFY(LIMIT_YAML_NODES) " values";

	return message == NULL || refuse(node, CARRACK_ERROR_TOO_LARGE, message, error);
}

static bool
is_null_text(const char *text)
{
	static const char *const spellings[] = {"", "~", "null", "Null", "NULL", NULL};
	return g_strv_contains(spellings, text);
}

static YamlNode *
load_scalar(Loader *loader, const yaml_event_t *event, const Place *place, GError **error)
{
	YamlNode *node = event_node(loader, YAML_SCALAR, event, place);
	const char *text = (const char *)event->data.scalar.value;
	const char *tag = (const char *)event->data.scalar.tag;
	if (strlen(text) != event->data.scalar.length) {
		refuse(node, CARRACK_ERROR_INVALID, "a NUL in text is not allowed", error);
		return NULL;
	}

	if (loader->interpolation != NULL)
		node->text = interpolation_fill(
		    loader->interpolation, text, loader->lookup, loader->lookup_data);
	else
		node->text = g_strdup(text);
	node->is_filled = strcmp(node->text, text) != 0;
	node->is_quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE ||
			  g_strcmp0(tag, YAML_STR_TAG) == 0 || g_strcmp0(tag, "!") == 0;
	if (!node->is_quoted)
		g_strstrip(node->text);
	if (!node->is_quoted && is_null_text(node->text))
		node->kind = YAML_NULL;
	return node;
}

static YamlNode *
copy_node(Loader *loader, const YamlNode *from, const Place *place, GError **error);

static bool
copy_children(Loader *loader, const YamlNode *from, YamlNode *to, GError **error)
{
	for (guint i = 0; i < from->values->len; i++) {
		Place place = {.parent = to, .index = i};
		YamlNode *key = NULL;
		if (from->kind == YAML_MAP) {
			key = copy_node(loader, from->keys->pdata[i], &place, error);
			if (key == NULL)
				return false;
			place.key = key->text;
		}
		YamlNode *value = copy_node(loader, from->values->pdata[i], &place, error);
		if (value == NULL)
			return false;
		if (key != NULL)
			yaml_map_add(to, key, value);
		else
			yaml_list_add(to, value);
	}
	return true;
}

static YamlNode *
copy_node(Loader *loader, const YamlNode *from, const Place *place, GError **error)
{
	YamlNode *copy = new_node(loader, from->kind, from->line, from->column, place);
	copy->text = g_strdup(from->text);
	copy->is_quoted = from->is_quoted;
	copy->is_filled = from->is_filled;
	if (!check_limits(loader, copy, true, error))
		return NULL;
	if (from->values != NULL && !copy_children(loader, from, copy, error))
		return NULL;

	return copy;
}

static YamlNode *
load_alias(Loader *loader, const yaml_event_t *event, const Place *place, GError **error)
{
	const char *anchor = (const char *)event->data.alias.anchor;
	const YamlNode *target = g_hash_table_lookup(loader->anchors, anchor);
	if (target != NULL && !target->is_open)
		return copy_node(loader, target, place, error);

	g_autofree char *message =
	    target == NULL
		? g_strdup_printf("unknown alias *%s", anchor)
		: g_strdup_printf("the alias *%s stands inside of what it names", anchor);
	refuse(event_node(loader, YAML_NULL, event, place), CARRACK_ERROR_INVALID, message, error);
	return NULL;
}

static bool
load_list(Loader *loader, YamlNode *list, GError **error)
{
	for (;;) {
		yaml_event_t event;
		if (!next_event(loader, &event, error))
			return false;

		bool at_end = event.type == YAML_SEQUENCE_END_EVENT;
		Place place = {.parent = list, .index = list->values->len};
		YamlNode *item = at_end ? NULL : load_node(loader, &event, &place, error);
		yaml_event_delete(&event);
		if (at_end || item == NULL)
			return at_end;
		yaml_list_add(list, item);
	}
}

static bool
merge_map(YamlNode *map, YamlNode *from, GError **error)
{
	if (from->kind != YAML_MAP)
		return refuse(
		    from, CARRACK_ERROR_INVALID, "<< takes a map or a list of maps", error);

	for (guint i = 0; i < from->keys->len; i++)
		yaml_map_add(map, from->keys->pdata[i], from->values->pdata[i]);
	return true;
}

static bool
merge(YamlNode *map, YamlNode *from, GError **error)
{
	if (from->kind != YAML_LIST)
		return merge_map(map, from, error);

	for (guint i = 0; i < from->values->len; i++) {
		if (!merge_map(map, from->values->pdata[i], error))
			return false;
	}
	return true;
}

static bool
map_add_own(YamlNode *map, YamlNode *key, YamlNode *value, GError **error)
{
	if (yaml_map_add(map, key, value))
		return true;

	const YamlNode *first = map->keys->pdata[yaml_member(map, key->text)->index];
	g_autofree char *message = g_strdup_printf(
	    "the key «%s» stands twice: here and on line %u", key->text, first->line);
	return refuse(key, CARRACK_ERROR_INVALID, message, error);
}

/* Reads a key's value and adds both; what a merge key names is kept for the end. */
static bool
load_member(
    Loader *loader, YamlNode *map, const yaml_event_t *event, GPtrArray *merges, GError **error)
{
	Place place = {.parent = map, .index = map->keys->len};
	if (event->type != YAML_SCALAR_EVENT)
		return refuse(map, CARRACK_ERROR_INVALID, "a key must be text", error);

	YamlNode *key = load_scalar(loader, event, &place, error);
	if (key == NULL)
		return false;

	key->key = place.key = key->text;
	yaml_event_t value_event;
	if (!next_event(loader, &value_event, error))
		return false;

	YamlNode *value = load_node(loader, &value_event, &place, error);
	yaml_event_delete(&value_event);
	if (value == NULL)
		return false;
	if (strcmp(key->text, "<<") != 0)
		return map_add_own(map, key, value, error);

	g_ptr_array_add(merges, value);
	return true;
}

static bool
load_map(Loader *loader, YamlNode *map, GError **error)
{
	g_autoptr(GPtrArray) merges = g_ptr_array_new();
	bool at_end = false;
	while (!at_end) {
		yaml_event_t event;
		if (!next_event(loader, &event, error))
			return false;

		at_end = event.type == YAML_MAPPING_END_EVENT;
		bool good = at_end || load_member(loader, map, &event, merges, error);
		yaml_event_delete(&event);
		if (!good)
			return false;
	}
	for (guint i = 0; i < merges->len; i++) {
		if (!merge(map, merges->pdata[i], error))
			return false;
	}
	return true;
}

static const yaml_char_t *
event_anchor(const yaml_event_t *event)
{
	if (event->type == YAML_SCALAR_EVENT)
		return event->data.scalar.anchor;
	if (event->type == YAML_SEQUENCE_START_EVENT)
		return event->data.sequence_start.anchor;
	return event->data.mapping_start.anchor;
}

static YamlNode *
load_node(Loader *loader, const yaml_event_t *event, const Place *place, GError **error)
{
	if (event->type == YAML_ALIAS_EVENT)
		return load_alias(loader, event, place, error);

	YamlKind kind = event->type == YAML_MAPPING_START_EVENT ? YAML_MAP : YAML_LIST;
	YamlNode *node = event->type == YAML_SCALAR_EVENT ? load_scalar(loader, event, place, error)
							  : event_node(loader, kind, event, place);
	if (node == NULL || !check_limits(loader, node, false, error))
		return NULL;

	const yaml_char_t *anchor = event_anchor(event);
	if (anchor != NULL)
		g_hash_table_insert(loader->anchors, g_strdup((const char *)anchor), node);
	if (node->values == NULL)
		return node;

	node->is_open = true;
	bool good =
	    kind == YAML_MAP ? load_map(loader, node, error) : load_list(loader, node, error);
	node->is_open = false;
	return good ? node : NULL;
}

static bool
load_root(Loader *loader, const yaml_event_t *event, GError **error)
{
	static const Place place = {.parent = NULL};
	if (event->type == YAML_DOCUMENT_START_EVENT && loader->document->root != NULL) {
		const YamlNode *second = event_node(loader, YAML_NULL, event, &place);
		return refuse(second, CARRACK_ERROR_INVALID,
		    "a second document in one file is not allowed", error);
	}
	if (event->type == YAML_STREAM_START_EVENT || event->type == YAML_STREAM_END_EVENT ||
	    event->type == YAML_DOCUMENT_START_EVENT || event->type == YAML_DOCUMENT_END_EVENT)
		return true;

	loader->document->root = load_node(loader, event, &place, error);
	return loader->document->root != NULL;
}

static bool
load_document(Loader *loader, GError **error)
{
	bool at_end = false;
	while (!at_end) {
		yaml_event_t event;
		if (!next_event(loader, &event, error))
			return false;

		at_end = event.type == YAML_STREAM_END_EVENT;
		bool good = load_root(loader, &event, error);
		yaml_event_delete(&event);
		if (!good)
			return false;
	}
	static const Place place = {.parent = NULL};
	if (loader->document->root == NULL)
		loader->document->root = new_node(loader, YAML_NULL, 1, 1, &place);
	return true;
}

static bool
check_text(const char *text, gsize length, const char *file, GError **error)
{
	if (length > LIMIT_MANIFEST_BYTES)
		return error_set(error, CARRACK_ERROR_TOO_LARGE,
		    "%s: too large: %zu bytes, at most %d are allowed", file, length,
		    LIMIT_MANIFEST_BYTES);

	const char *bad;
	if (g_utf8_validate_len(text, length, &bad))
		return true;

	unsigned line = 1;
	for (const char *byte = text; byte < bad; byte++)
		line += *byte == '\n';
	return error_set(
	    error, CARRACK_ERROR_INVALID, "%s:%u:1: the line is not UTF-8 text", file, line);
}

static bool
load(Loader *loader, GError **error)
{
	if (yaml_parser_initialize(&loader->parser) != 1)
		return error_set(error, CARRACK_ERROR_INTERNAL, "no memory for the YAML parser");

	yaml_parser_set_encoding(&loader->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
	    &loader->parser, (const unsigned char *)loader->text, loader->length);
	loader->anchors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	bool loaded = load_document(loader, error);
	g_hash_table_unref(loader->anchors);
	yaml_parser_delete(&loader->parser);
	return loaded;
}

/* libyaml looks for a byte order mark only when it is to guess the encoding. */
static void
skip_byte_order_mark(Loader *loader)
{
	static const char mark[] = "\xef\xbb\xbf";
	if (loader->length < 3 || memcmp(loader->text, mark, 3) != 0)
		return;

	loader->text += 3;
	loader->length -= 3;
}

static YamlDocument *
load_with(Loader *loader, const char *file, GError **error)
{
	g_autoptr(YamlDocument) document = g_new0(YamlDocument, 1);
	document->file = g_strdup(file);
	document->nodes = g_ptr_array_new_with_free_func(yaml_node_free);
	loader->document = document;
	skip_byte_order_mark(loader);
	return load(loader, error) ? g_steal_pointer(&document) : NULL;
}

YamlDocument *
yaml_load(const char *text, gsize length, const char *file, GError **error)
{
	if (!check_text(text, length, file, error))
		return NULL;

	Loader loader = {.text = text, .length = length};
	return load_with(&loader, file, error);
}

YamlDocument *
yaml_load_interpolated(const char *text,
    gsize length,
    const char *file,
    InterpolationLookup lookup,
    gpointer data,
    GError **error)
{
	if (!check_text(text, length, file, error))
		return NULL;

	g_autoptr(Interpolation) marked = interpolation_new(text, length, file, error);
	if (marked == NULL)
		return NULL;

	Loader loader = {.interpolation = marked, .lookup = lookup, .lookup_data = data};
	loader.text = interpolation_text(marked, &loader.length);
	return load_with(&loader, file, error);
}
