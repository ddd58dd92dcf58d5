/*
 * What jansson leaves to us: strict parsing whose errors tell the place but never quote the text
 * (it may be an environment full of secrets), reading with defaults, and text that may not be
 * UTF-8. Nothing here keeps state.
 */
#include "base/json.h"

#include "base/error.h"

#include <math.h>
#include <string.h>

/* jansson ends its messages with «near '<the input>'». */
static char *
message_without_input(const json_error_t *failure)
{
	const char *near = g_strrstr(failure->text, " near ");

	return near ? g_strndup(failure->text, (gsize)(near - failure->text))
		    : g_strdup(failure->text);
}

json_t *
json_parse(const char *text, gsize length, const char *what, GError **error)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
	json_error_t failure;

	json_t *value = json_loadb(text, length, flags, &failure);
	/* The engine writes «no limit» as 2^64-1, which no json_int_t holds. */
	if (!value && json_error_code(&failure) == json_error_numeric_overflow)
		value = json_loadb(text, length, flags | JSON_DECODE_INT_AS_REAL, &failure);
	if (value)
		return value;

	g_autofree char *message = message_without_input(&failure);
	error_set(error, CARRACK_ERROR_INVALID, "%s:%d:%d: not valid JSON: %s", what,
	    MAX(failure.line, 1), MAX(failure.column, 0), message);
	return NULL;
}

char *
json_text(const json_t *value, bool indented)
{
	size_t layout = indented ? JSON_INDENT(2) : JSON_COMPACT;
	g_autofree char *text = value ? json_dumps(value, JSON_ENCODE_ANY | layout) : NULL;

	if (!text)
		text = g_strdup("null");
	return indented ? g_strconcat(text, "\n", NULL) : g_steal_pointer(&text);
}

bool
json_read(json_t *value, const char *what, GError **error, const char *format, ...)
{
	json_error_t failure;
	va_list arguments;

	va_start(arguments, format);
	int result = json_vunpack_ex(value, &failure, 0, format, arguments);
	va_end(arguments);
	if (result == 0)
		return true;

	return error_set(error, CARRACK_ERROR_UPSTREAM, "%s: %s", what, failure.text);
}

const char *
json_text_of(const json_t *object, const char *member, const char *fallback)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : fallback;
}

gint64
json_int_of(const json_t *object, const char *member, gint64 fallback)
{
	const json_t *value = json_object_get(object, member);
	if (json_is_integer(value))
		return json_integer_value(value);
	if (!json_is_real(value))
		return fallback;

	/* See json_parse: a number beyond 64 bits makes all of them real. */
	double real = json_real_value(value);
	if (real >= 9223372036854775807.0)
		return G_MAXINT64;
	if (real <= -9223372036854775808.0)
		return G_MININT64;
	return floor(real) == real ? (gint64)real : fallback;
}

bool
json_bool_of(const json_t *object, const char *member, bool fallback)
{
	const json_t *value = json_object_get(object, member);

	return json_is_boolean(value) ? json_is_true(value) : fallback;
}

json_t *
json_at(const json_t *object, const char *member, ...)
{
	json_t *value = json_object_get(object, member);
	va_list arguments;

	va_start(arguments, member);
	for (const char *next = va_arg(arguments, const char *); next && value;
	     next = va_arg(arguments, const char *))
		value = json_object_get(value, next);
	va_end(arguments);
	return value;
}

json_t *
json_text_value(const char *text)
{
	if (!text)
		return json_null();

	g_autofree char *valid = g_utf8_make_valid(text, -1);
	return json_string(valid);
}
