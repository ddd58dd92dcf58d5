/*
 * XML by GMarkup, which knows no DTD, no entities of a document's own and no other files. While an
 * element is open its children are gathered in an object; what it is (text, list, object) shows
 * when it ends. A list's children share one name, so an object with one member is enough to see it.
 */
#include "aws/xml.h"

#include <string.h>

typedef struct {
	char *name;
	json_t *children; /* by name: an array of what came under it */
	GString *text;
} Element;

typedef struct {
	GQueue *open; /* Element, innermost first */
	char *root;
	json_t *value; /* of the root, once it has ended */
	unsigned elements;
	const char *what;
} Reader;

static void
element_free(Element *element)
{
	g_free(element->name);
	json_decref(element->children);
	g_string_free(element->text, TRUE);
	g_free(element);
}

static bool
is_list_name(const char *name)
{
	return g_str_equal(name, "member") || g_str_equal(name, "item");
}

static json_t *
text_or_object(const Element *element)
{
	if (json_object_size(element->children) == 0)
		return json_string(element->text->str);

	json_t *object = json_object();
	const char *name;
	json_t *values;
	json_object_foreach(element->children, name, values)
	{
		bool lone = json_array_size(values) == 1;
		json_object_set(object, name, lone ? json_array_get(values, 0) : values);
	}
	return object;
}

static json_t *
value_of(const Element *element)
{
	const char *name = json_object_iter_key(json_object_iter(element->children));

	if (json_object_size(element->children) == 1 && is_list_name(name))
		return json_incref(json_object_get(element->children, name));
	return text_or_object(element);
}

static void
on_start(GMarkupParseContext *context,
    const char *name,
    const char **attribute_names,
    const char **attribute_values,
    gpointer data,
    GError **error)
{
	Reader *reader = data;

	if (g_queue_get_length(reader->open) >= XML_DEPTH || ++reader->elements > XML_ELEMENTS) {
		g_set_error(error, G_MARKUP_ERROR, G_MARKUP_ERROR_INVALID_CONTENT,
		    "more than %d elements inside one another or %d in all", XML_DEPTH,
		    XML_ELEMENTS);
		return;
	}

	/* GMarkup would read on. */
	if (reader->value) {
		g_set_error_literal(error, G_MARKUP_ERROR, G_MARKUP_ERROR_INVALID_CONTENT,
		    "there is more than one element at the top");
		return;
	}

	Element *element = g_new0(Element, 1);
	element->name = g_strdup(name);
	element->children = json_object();
	element->text = g_string_new(NULL);
	g_queue_push_head(reader->open, element);
}

static void
append_child(Element *parent, const char *name, json_t *value)
{
	json_t *values = json_object_get(parent->children, name);

	if (!values) {
		values = json_array();
		json_object_set_new(parent->children, name, values);
	}
	json_array_append_new(values, value);
}

static void
on_end(GMarkupParseContext *context, const char *name, gpointer data, GError **error)
{
	Reader *reader = data;
	Element *element = g_queue_pop_head(reader->open);
	Element *parent = g_queue_peek_head(reader->open);
	json_t *value = value_of(element);

	if (parent) {
		append_child(parent, name, value);
	} else {
		reader->root = g_strdup(name);
		reader->value = value;
	}
	element_free(element);
}

static void
on_text(GMarkupParseContext *context, const char *text, gsize length, gpointer data, GError **error)
{
	Reader *reader = data;
	Element *element = g_queue_peek_head(reader->open);

	if (element)
		g_string_append_len(element->text, text, (gssize)length);
}

/* Instructions, comments and, unfortunately, DTDs come here too; CDATA is text by a flag. */
static void
on_other(
    GMarkupParseContext *context, const char *text, gsize length, gpointer data, GError **error)
{
	if (length >= 2 && memcmp(text, "<!", 2) == 0 && !g_str_has_prefix(text, "<!--"))
		g_set_error_literal(error, G_MARKUP_ERROR, G_MARKUP_ERROR_INVALID_CONTENT,
		    "a document type is not accepted");
}

static const GMarkupParser callbacks = {
    .start_element = on_start,
    .end_element = on_end,
    .text = on_text,
    .passthrough = on_other,
};

static void
reader_clear(Reader *reader)
{
	g_queue_free_full(reader->open, (GDestroyNotify)element_free);
	g_free(reader->root);
	json_decref(reader->value);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reader, reader_clear)

json_t *
aws_xml(const char *text, gsize length, const char *what, char **root, GError **error)
{
	g_auto(Reader) reader = {.open = g_queue_new(), .what = what};
	g_autoptr(GMarkupParseContext) context =
	    g_markup_parse_context_new(&callbacks, G_MARKUP_TREAT_CDATA_AS_TEXT, &reader, NULL);
	g_autoptr(GError) problem = NULL;

	bool whole = memchr(text, '\0', length) == NULL;
	bool read = whole &&
		    g_markup_parse_context_parse(context, text, (gssize)length, &problem) &&
		    g_markup_parse_context_end_parse(context, &problem);
	if (!read || !reader.value) {
		g_autofree char *reason = g_utf8_make_valid(problem ? problem->message : "", -1);
		error_set(error, CARRACK_ERROR_UPSTREAM, "%s: the answer is not XML: %.200s", what,
		    problem ? reason : "it holds a NUL");
		return NULL;
	}
	if (root)
		*root = g_steal_pointer(&reader.root);
	return g_steal_pointer(&reader.value);
}

static void
append_element(GString *text, const char *name, const json_t *value);

static void
append_members(GString *text, const json_t *object)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)object, name, value)
	{
		const char *dot = strchr(name, '.');
		g_autofree char *outer = dot ? g_strndup(name, (gsize)(dot - name)) : NULL;
		if (!dot) {
			append_element(text, name, value);
			continue;
		}
		g_string_append_printf(text, "<%s>", outer);
		for (gsize i = 0; i < json_array_size(value); i++)
			append_element(text, dot + 1, json_array_get(value, i));
		g_string_append_printf(text, "</%s>", outer);
	}
}

static void
append_content(GString *text, const json_t *value)
{
	if (json_is_object(value)) {
		append_members(text, value);
	} else if (json_is_array(value)) {
		for (gsize i = 0; i < json_array_size(value); i++)
			append_element(text, "member", json_array_get(value, i));
	} else if (json_is_string(value)) {
		g_autofree char *escaped = g_markup_escape_text(json_string_value(value), -1);
		g_string_append(text, escaped);
	} else if (!json_is_null(value)) {
		g_autofree char *scalar = json_dumps(value, JSON_ENCODE_ANY);
		g_string_append(text, scalar);
	}
}

static void
append_element(GString *text, const char *name, const json_t *value)
{
	g_string_append_printf(text, "<%s>", name);
	append_content(text, value);
	g_string_append_printf(text, "</%s>", name);
}

char *
aws_xml_text(const char *root, const char *name_space, const json_t *content)
{
	GString *text = g_string_new(NULL);

	g_string_append_printf(text, "<%s xmlns=\"%s\">", root, name_space);
	append_content(text, content);
	g_string_append_printf(text, "</%s>", root);
	return g_string_free(text, FALSE);
}
