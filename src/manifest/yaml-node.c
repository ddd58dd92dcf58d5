/*
 * Nodes of a YAML document: what can be asked of them, and how a problem with one is put. Nothing
 * here knows the parser. All nodes belong to their document and are freed with it.
 */
#include "manifest/yaml-node.h"

void
yaml_node_free(gpointer data)
{
	YamlNode *node = data;
	g_free(node->text);
	g_clear_pointer(&node->keys, g_ptr_array_unref);
	g_clear_pointer(&node->values, g_ptr_array_unref);
	g_clear_pointer(&node->members, g_hash_table_unref);
	g_free(node);
}

void
yaml_document_free(YamlDocument *document)
{
	if (document == NULL)
		return;

	g_ptr_array_unref(document->nodes);
	g_free(document->file);
	g_free(document);
}

static char *
node_path(const YamlNode *node)
{
	g_autoptr(GString) path = g_string_new(NULL);
	for (; node->parent != NULL; node = node->parent) {
		g_autofree char *step = node->key != NULL ? g_strdup_printf(".%s", node->key)
							  : g_strdup_printf("[%u]", node->index);
		g_string_prepend(path, step);
	}
	for (gsize i = 0; i < path->len; i++) {
		if (g_ascii_iscntrl(path->str[i]))
			path->str[i] = '?';
	}
	if (path->len > 0 && path->str[0] == '.')
		g_string_erase(path, 0, 1);
	return g_string_free(g_steal_pointer(&path), FALSE);
}

char *
yaml_node_message(const YamlNode *node, const char *message)
{
	g_autofree char *path = node_path(node);
	return g_strdup_printf("%s:%u:%u: %s%s%s", node->file, node->line, node->column, path,
	    *path != '\0' ? ": " : "", message);
}

void
yaml_problem(GPtrArray *problems, const YamlNode *node, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *message = g_strdup_vprintf(format, arguments);
	va_end(arguments);

	g_ptr_array_add(problems, yaml_node_message(node, message));
}

void
yaml_list_add(YamlNode *list, YamlNode *value)
{
	value->parent = list;
	value->key = NULL;
	value->index = list->values->len;
	g_ptr_array_add(list->values, value);
}

bool
yaml_map_add(YamlNode *map, YamlNode *key, YamlNode *value)
{
	key->parent = value->parent = map;
	key->key = value->key = key->text;
	if (map->members == NULL)
		map->members = g_hash_table_new(g_str_hash, g_str_equal);
	if (g_hash_table_contains(map->members, key->text))
		return false;

	key->index = value->index = map->keys->len;
	g_hash_table_insert(map->members, key->text, value);
	g_ptr_array_add(map->keys, key);
	g_ptr_array_add(map->values, value);
	return true;
}

const YamlNode *
yaml_root(const YamlDocument *document)
{
	return document->root;
}

YamlKind
yaml_kind(const YamlNode *node)
{
	return node->kind;
}

bool
yaml_is_quoted(const YamlNode *node)
{
	return node->is_quoted;
}

bool
yaml_is_filled(const YamlNode *node)
{
	return node->is_filled;
}

const char *
yaml_text(const YamlNode *node)
{
	return node->kind == YAML_SCALAR ? node->text : NULL;
}

unsigned
yaml_size(const YamlNode *node)
{
	return node->values != NULL ? node->values->len : 0;
}

const YamlNode *
yaml_item(const YamlNode *list, unsigned index)
{
	return list->values->pdata[index];
}

const char *
yaml_key(const YamlNode *map, unsigned index)
{
	return yaml_key_node(map, index)->text;
}

const YamlNode *
yaml_key_node(const YamlNode *map, unsigned index)
{
	return map->keys->pdata[index];
}

const YamlNode *
yaml_member(const YamlNode *map, const char *key)
{
	return map->members != NULL ? g_hash_table_lookup(map->members, key) : NULL;
}

unsigned
yaml_line(const YamlNode *node)
{
	return node->line;
}

unsigned
yaml_column(const YamlNode *node)
{
	return node->column;
}
