/*
 * The machine behind the tables of values. As in decode.c, a problem is noted and the rest is read
 * all the same.
 */
#include "manifest/value.h"

#include <math.h>
#include <string.h>

static const Value *
find_value(const Value *members, const char *name)
{
	for (const Value *member = members; member->name != NULL; member++) {
		if (strcmp(member->name, name) == 0)
			return member;
	}
	return NULL;
}

static void
check_keys(Decoder *decoder, const YamlNode *map, const Value *members)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	for (const Value *member = members; member->name != NULL; member++)
		g_ptr_array_add(names, (gpointer)member->name);
	g_ptr_array_add(names, NULL);
	for (unsigned i = 0; i < yaml_size(map); i++) {
		const char *name = yaml_key(map, i);
		if (find_value(members, name) == NULL)
			decode_unknown(decoder, yaml_key_node(map, i), name,
			    (const char *const *)names->pdata);
	}
}

static bool
check_kind(Decoder *decoder, const YamlNode *node, YamlKind kind, const char *wanted)
{
	if (yaml_kind(node) == kind)
		return true;

	yaml_problem(decoder->problems, node, "must be %s, not %s", wanted, decode_kind_name(node));
	return false;
}

json_t *
value_map(Decoder *decoder, const YamlNode *node, const Value *value)
{
	if (!check_kind(decoder, node, YAML_MAP, "a map"))
		return NULL;

	check_keys(decoder, node, value->members);
	json_t *object = json_object();
	for (const Value *member = value->members; member->name != NULL; member++) {
		const YamlNode *found = yaml_member(node, member->name);
		bool is_given = found != NULL && yaml_kind(found) != YAML_NULL;
		json_t *read = is_given ? member->read(decoder, found, member) : NULL;
		if (read != NULL)
			json_object_set_new(object, member->name, read);
		else if (!is_given && member->is_required)
			yaml_problem(decoder->problems, node, "the key %s is needed", member->name);
	}
	return object;
}

json_t *
value_list(Decoder *decoder, const YamlNode *node, const Value *value)
{
	if (!check_kind(decoder, node, YAML_LIST, "a list"))
		return NULL;

	json_t *list = json_array();
	for (unsigned i = 0; i < yaml_size(node); i++) {
		const YamlNode *item = yaml_item(node, i);
		if (yaml_kind(item) == YAML_NULL) {
			yaml_problem(decoder->problems, item, "an entry of the list is empty");
			continue;
		}
		json_t *read = value->members->read(decoder, item, value->members);
		if (read != NULL)
			json_array_append_new(list, read);
	}
	return list;
}

json_t *
value_names(Decoder *decoder, const YamlNode *node, const Value *value)
{
	if (!check_kind(decoder, node, YAML_MAP, "a map"))
		return NULL;

	json_t *object = json_object();
	for (unsigned i = 0; i < yaml_size(node); i++) {
		const YamlNode *found = yaml_member(node, yaml_key(node, i));
		bool is_given = yaml_kind(found) != YAML_NULL;
		json_t *read =
		    is_given ? value->members->read(decoder, found, value->members) : json_object();
		if (read != NULL)
			json_object_set_new(object, yaml_key(node, i), read);
	}
	return object;
}

json_t *
value_text(Decoder *decoder, const YamlNode *node, const Value *value)
{
	const char *text = decode_scalar(decoder, node, "text");
	if (text == NULL)
		return NULL;
	if (value->choices == NULL)
		return json_text_value(text);

	g_auto(GStrv) choices = g_strsplit(value->choices, " ", -1);
	if (g_strv_contains((const char *const *)choices, text))
		return json_text_value(text);

	g_autofree char *list = g_strjoinv(", ", choices);
	yaml_problem(decoder->problems, node, "«%s» is not one of %s", text, list);
	return NULL;
}

json_t *
value_number(Decoder *decoder, const YamlNode *node, const Value *value)
{
	const char *text = decode_scalar(decoder, node, "a number");
	if (text == NULL)
		return NULL;

	gint64 number;
	if (g_ascii_string_to_signed(text, 10, value->minimum, value->maximum, &number, NULL))
		return json_integer(number);

	yaml_problem(decoder->problems, node,
	    "«%s» is not a whole number from %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT,
	    text, value->minimum, value->maximum);
	return NULL;
}

json_t *
value_real(Decoder *decoder, const YamlNode *node, const Value *value)
{
	const char *text = decode_scalar(decoder, node, "a number");
	if (text == NULL)
		return NULL;

	char *end;
	double number = g_ascii_strtod(text, &end);
	bool is_number = end != text && *end == '\0' && isfinite(number);
	if (is_number && number >= (double)value->minimum && number <= (double)value->maximum)
		return number == floor(number) ? json_integer((json_int_t)number)
					       : json_real(number);

	yaml_problem(decoder->problems, node,
	    "«%s» is not a number from %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT, text,
	    value->minimum, value->maximum);
	return NULL;
}

json_t *
value_bool(Decoder *decoder, const YamlNode *node, const Value *value)
{
	static const Field whole = {.name = "", .offset = 0};
	guint before = decoder->problems->len;
	bool is_set = false;
	decode_bool(decoder, node, &whole, &is_set);
	return decoder->problems->len == before ? json_boolean(is_set) : NULL;
}

json_t *
value_text_map(Decoder *decoder, const YamlNode *node, const Value *value)
{
	if (!check_kind(decoder, node, YAML_MAP, "a map of names and texts"))
		return NULL;

	json_t *object = json_object();
	for (unsigned i = 0; i < yaml_size(node); i++) {
		const YamlNode *found = yaml_member(node, yaml_key(node, i));
		const char *text =
		    yaml_kind(found) == YAML_NULL ? "" : decode_scalar(decoder, found, "text");
		if (text != NULL)
			json_object_set_new(object, yaml_key(node, i), json_text_value(text));
	}
	return object;
}

static json_t *
any_scalar(const YamlNode *node)
{
	const char *text = yaml_text(node);
	gint64 number;
	if (yaml_is_quoted(node))
		return json_text_value(text);
	if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
		return json_boolean(*text == 't');
	if (g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, &number, NULL))
		return json_integer(number);
	return json_text_value(text);
}

static json_t *
any_node(const YamlNode *node)
{
	if (yaml_kind(node) == YAML_NULL)
		return json_null();
	if (yaml_kind(node) == YAML_SCALAR)
		return any_scalar(node);

	/* The document's depth is limited (LIMIT_YAML_DEPTH). */
	bool is_map = yaml_kind(node) == YAML_MAP;
	json_t *result = is_map ? json_object() : json_array();
	for (unsigned i = 0; i < yaml_size(node); i++) {
		if (is_map)
			json_object_set_new(result, yaml_key(node, i),
			    any_node(yaml_member(node, yaml_key(node, i))));
		else
			json_array_append_new(result, any_node(yaml_item(node, i)));
	}
	return result;
}

json_t *
value_any(Decoder *decoder, const YamlNode *node, const Value *value)
{
	return any_node(node);
}

void
value_decode(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	json_t **place = (json_t **)((char *)target + field->offset);
	json_t *read = field->value->read(decoder, node, field->value);
	if (read == NULL)
		return;
	if (*place == NULL)
		*place = json_object();
	json_object_set_new(*place, field->name, read);
}
