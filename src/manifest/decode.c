/*
 * The machine behind the tables of fields. It never stops at a problem: whoever fixes a manifest
 * wants to know all of them.
 *
 * A key that nobody knows is a warning, as both Convox generations ignore such keys and real
 * manifests carry some; `x-…` is the place that people agreed on for their own data.
 */
#include "manifest/decode.h"

#include "base/text.h"

#include <string.h>

const char *
decode_kind_name(const YamlNode *node)
{
	switch (yaml_kind(node)) {
	case YAML_SCALAR:
		return "a single value";
	case YAML_LIST:
		return "a list";
	case YAML_MAP:
		return "a map";
	default:
		return "nothing";
	}
}

static const Field *
find_field(const Field *fields, const char *name)
{
	for (const Field *field = fields; field->name != NULL; field++) {
		if (strcmp(field->name, name) == 0)
			return field;
	}
	return NULL;
}

void
decode_unknown(Decoder *decoder, const YamlNode *key, const char *name, const char *const *names)
{
	if (g_str_has_prefix(name, "x-"))
		return;

	GPtrArray *to = decoder->is_strict ? decoder->problems : decoder->warnings;
	const char *nearest = text_nearest(name, names);
	if (nearest != NULL)
		yaml_problem(to, key, "unknown key, did you mean %s", nearest);
	else
		yaml_problem(to, key, "unknown key, ignored");
}

static void
find_unknown(Decoder *decoder, const YamlNode *key, const Field *fields, const char *name)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	for (const Field *field = fields; field->name != NULL; field++)
		g_ptr_array_add(names, (gpointer)field->name);
	g_ptr_array_add(names, NULL);
	decode_unknown(decoder, key, name, (const char *const *)names->pdata);
}

void
decode_answer(Decoder *decoder, const YamlNode *node, RackAnswer answer, const char *reason)
{
	GPtrArray *to = answer == RACK_REFUSES ? decoder->refusals
			: answer == RACK_ASKS  ? decoder->powers
					       : decoder->warnings;
	if (answer != RACK_HONOURS)
		yaml_problem(to != NULL ? to : decoder->warnings, node, "%s",
		    reason != NULL ? reason : "not supported yet, ignored");
}

/* «privileged: false» and an empty list ask for nothing. */
static bool
asks_for_something(const YamlNode *value)
{
	static const char *const no[] = {"false", "no", "off", "0", "", NULL};
	const char *text = yaml_text(value);
	if (text != NULL)
		return !g_strv_contains(no, text);
	return yaml_size(value) > 0;
}

static void
decode_member(Decoder *decoder,
    const YamlNode *key,
    const YamlNode *value,
    const Field *field,
    gpointer target)
{
	bool is_other =
	    field->only != 0 && decoder->generation != 0 && field->only != decoder->generation;
	if (is_other) {
		yaml_problem(decoder->warnings, key, "only generation %u has this key, ignored",
		    field->only);
		return;
	}
	if (yaml_kind(value) == YAML_NULL)
		return;
	if (asks_for_something(value))
		decode_answer(decoder, key, field->answer, NULL);
	field->decode(decoder, value, field, target);
}

void
decode_map(Decoder *decoder, const YamlNode *map, const Field *fields, gpointer target)
{
	if (yaml_kind(map) != YAML_MAP) {
		yaml_problem(
		    decoder->problems, map, "must be a map, not %s", decode_kind_name(map));
		return;
	}
	for (unsigned i = 0; i < yaml_size(map); i++) {
		const char *name = yaml_key(map, i);
		const YamlNode *key = yaml_key_node(map, i);
		const Field *field = find_field(fields, name);
		if (field == NULL)
			find_unknown(decoder, key, fields, name);
		else
			decode_member(decoder, key, yaml_member(map, name), field, target);
	}
}

const char *
decode_scalar(Decoder *decoder, const YamlNode *node, const char *wanted)
{
	const char *text = yaml_text(node);
	if (text == NULL)
		yaml_problem(
		    decoder->problems, node, "must be %s, not %s", wanted, decode_kind_name(node));
	return text;
}

void
decode_number(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	const char *text = decode_scalar(decoder, node, "a number");
	if (text == NULL)
		return;

	guint64 value;
	if (g_ascii_string_to_unsigned(text, 10, field->minimum, field->maximum, &value, NULL))
		*(unsigned *)((char *)target + field->offset) = (unsigned)value;
	else
		yaml_problem(decoder->problems, node, "«%s» is not a whole number from %u to %u",
		    text, field->minimum, field->maximum);
}

void
decode_bool(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	static const char *const yes[] = {"true", "yes", "on", "y", NULL};
	static const char *const no[] = {"false", "no", "off", "n", NULL};
	const char *text = decode_scalar(decoder, node, "true or false");
	if (text == NULL)
		return;

	g_autofree char *lower = g_ascii_strdown(text, -1);
	bool is_yes = g_strv_contains(yes, lower);
	if (yaml_is_quoted(node) || (!is_yes && !g_strv_contains(no, lower)))
		yaml_problem(decoder->problems, node, "must be true or false%s, not «%s»",
		    yaml_is_quoted(node) ? " without quotes" : "", text);
	else
		*(bool *)((char *)target + field->offset) = is_yes;
}

void
decode_text(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	const char *text = decode_scalar(decoder, node, "text");
	if (text == NULL)
		return;

	char **place = (char **)((char *)target + field->offset);
	g_free(*place);
	*place = g_strdup(text);
}

void
decode_nothing(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
}
