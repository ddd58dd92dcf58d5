/*
 * Values of keys that are only checked and kept: read by tables into JSON with all spellings
 * resolved. What the rack itself acts on has a member of its own in a struct (decode.h).
 */
#pragma once

#include "base/json.h"
#include "manifest/decode.h"

typedef struct Value Value;

/* Reads `node` (never null); NULL after noting a problem. The caller owns the value. */
typedef json_t *(*ValueRead)(Decoder *decoder, const YamlNode *node, const Value *value);

struct Value {
	const char *name;
	ValueRead read;
	const Value *members; /* of a map, up to one without a name; of a list: its item */
	json_int_t minimum;   /* of numbers */
	json_int_t maximum;
	const char *choices; /* of texts: «a b c»; NULL: any */
	bool is_required;
};

/* A map by `members`, in their order; unknown keys are warnings. */
json_t *
value_map(Decoder *decoder, const YamlNode *node, const Value *value);

/* A list of what `members` reads. */
json_t *
value_list(Decoder *decoder, const YamlNode *node, const Value *value);

/* Any names, each with what `members` reads. */
json_t *
value_names(Decoder *decoder, const YamlNode *node, const Value *value);

/* Texts: `choices` say which. */
json_t *
value_text(Decoder *decoder, const YamlNode *node, const Value *value);

json_t *
value_number(Decoder *decoder, const YamlNode *node, const Value *value);

/* A number that may have a fraction. */
json_t *
value_real(Decoder *decoder, const YamlNode *node, const Value *value);

json_t *
value_bool(Decoder *decoder, const YamlNode *node, const Value *value);

/* Name → text, where numbers and truth values are text as well. */
json_t *
value_text_map(Decoder *decoder, const YamlNode *node, const Value *value);

/* What another program understands: taken as it is. */
json_t *
value_any(Decoder *decoder, const YamlNode *node, const Value *value);

/* A field decoder: `field->value` read into a JSON object that is the field's place (made when it
 * is NULL), under the field's name. */
void
value_decode(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
