/*
 * Decoding of YAML maps by tables of fields: one line a key says how its value is read and where it
 * goes. All problems and warnings of a run are collected.
 */
#pragma once

#include "manifest/yaml.h"

typedef struct {
	GPtrArray *problems; /* of char * */
	GPtrArray *warnings; /* of char * */
	GPtrArray *refusals; /* of char *: what a rack must not pass over; NULL: as warnings */
	GPtrArray *powers;   /* of char *: what only an app with HostAccess may have; the same */
	unsigned generation; /* of Convox, 2 or 3, when only its keys and defaults count; else 0 */
	bool is_strict;      /* unknown keys are problems */
} Decoder;

typedef struct Field Field;
struct Value;

/* What becomes of a key that is given. */
typedef enum {
	RACK_HONOURS,
	RACK_IGNORES, /* a warning */
	RACK_REFUSES, /* to pass over it would do harm */
	RACK_ASKS,    /* it is power over the machine: the app's parameter HostAccess decides */
} RackAnswer;

/* Reads `node` (never null) into the field's place of the struct `target`. */
typedef void (*FieldDecode)(
    Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

struct Field {
	const char *name;
	FieldDecode decode;
	gsize offset;
	unsigned minimum; /* of numbers */
	unsigned maximum;
	RackAnswer answer;
	unsigned only;             /* the generation that has the key; 0: both */
	const struct Value *value; /* for value_decode */
};

/* Reads each key of a map by `fields` (up to one without a name); unknown keys are warnings. A null
 * value is the same as no key. */
void
decode_map(Decoder *decoder, const YamlNode *map, const Field *fields, gpointer target);

/* Notes a key that is none of `names`, with the nearest of them. */
void
decode_unknown(Decoder *decoder, const YamlNode *key, const char *name, const char *const *names);

/* Notes that a key is passed over, or refused. */
void
decode_answer(Decoder *decoder, const YamlNode *node, RackAnswer answer, const char *reason);

/* Field decoders. The place's type: unsigned, bool, char * (freed and replaced). */
void
decode_number(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

void
decode_bool(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

void
decode_text(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

/* Accepts any value and drops it: the key is another program's. */
void
decode_nothing(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

/* The scalar's text, borrowed; NULL after noting a problem that says what is `wanted`. */
const char *
decode_scalar(Decoder *decoder, const YamlNode *node, const char *wanted);

/* What a node is, for messages: «a map». */
const char *
decode_kind_name(const YamlNode *node);
