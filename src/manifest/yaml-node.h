/*
 * What a YAML node consists of, for the two files that make and read nodes.
 */
#pragma once

#include "manifest/yaml.h"

struct YamlNode {
	YamlKind kind;
	bool is_quoted;
	bool is_filled; /* some of its text came from a variable */
	bool is_open;   /* its end has not been read: an alias to it would be part of itself */
	unsigned line;
	unsigned column;
	char *text;
	GPtrArray *keys; /* of a map: YamlNode */
	GPtrArray *values;
	GHashTable *members; /* of a map: key text → value; NULL while it has none */
	const char *file;
	const YamlNode *parent;
	const char *key; /* in the parent, NULL in a list */
	unsigned index;
	unsigned depth;
};

struct YamlDocument {
	char *file;
	GPtrArray *nodes; /* all of them */
	YamlNode *root;
};

void
yaml_node_free(gpointer data);

/* «file:line:column: path: message». The caller frees it. */
char *
yaml_node_message(const YamlNode *node, const char *message);

void
yaml_list_add(YamlNode *list, YamlNode *value);

/* False if the key is there already. */
bool
yaml_map_add(YamlNode *map, YamlNode *key, YamlNode *value);
