/*
 * YAML with positions: a document is loaded within limits, refuses duplicate keys, merges `<<`, and
 * every node knows its line, column and path, so that errors can say convox.yml:9:11:
 * services.web.port: …  The only file that knows libyaml.
 */
#pragma once

#include "manifest/interpolate.h"

typedef struct YamlDocument YamlDocument;
typedef struct YamlNode YamlNode;

typedef enum { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP } YamlKind;

/* Loads one document. `file` names it in errors. Tabs as indentation, more than one document,
 * LIMIT_MANIFEST_BYTES, LIMIT_YAML_DEPTH and LIMIT_YAML_NODES (aliases counted each time they are
 * used) are refused. An empty text is a null node. */
YamlDocument *
yaml_load(const char *text, gsize length, const char *file, GError **error);

/* The same with each `${NAME}` in scalars and keys replaced by what `lookup` says. */
YamlDocument *
yaml_load_interpolated(const char *text,
    gsize length,
    const char *file,
    InterpolationLookup lookup,
    gpointer data,
    GError **error);

void
yaml_document_free(YamlDocument *document);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(YamlDocument, yaml_document_free)

const YamlNode *
yaml_root(const YamlDocument *document);

YamlKind
yaml_kind(const YamlNode *node);

/* Plain scalars may be numbers, booleans and null; quoted ones are text. */
bool
yaml_is_quoted(const YamlNode *node);

/* True if some of its text came by `${NAME}`: what is empty then was not written so. */
bool
yaml_is_filled(const YamlNode *node);

/* The scalar as it is written. Borrowed. NULL for other kinds. */
const char *
yaml_text(const YamlNode *node);

unsigned
yaml_size(const YamlNode *node);

const YamlNode *
yaml_item(const YamlNode *list, unsigned index);

/* Members in file order, merged ones after the map's own. */
const char *
yaml_key(const YamlNode *map, unsigned index);

/* The key itself as a node, for its position. */
const YamlNode *
yaml_key_node(const YamlNode *map, unsigned index);

const YamlNode *
yaml_member(const YamlNode *map, const char *key);

unsigned
yaml_line(const YamlNode *node);

unsigned
yaml_column(const YamlNode *node);

/* «file:line:column: path: message» appended to `problems` (of char *). */
void
yaml_problem(GPtrArray *problems, const YamlNode *node, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
