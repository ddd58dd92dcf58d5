/*
 * Percent-encoding. Strict where Go's parser (which the wire's clients are written with) would drop
 * a pair in silence: a value that cannot be read is an error, not an absent value.
 */
#include "api/form.h"

#include <string.h>

/* Calls `take` for every pair, in order. */
typedef void (*TakePair)(gpointer data, char *name, char *value);

char *
form_decode(const char *text, gsize length, bool plus, const char *what, GError **error)
{
	g_autoptr(GString) decoded = g_string_sized_new(length);
	for (gsize i = 0; i < length; i++) {
		char byte = text[i];
		if (byte == '+' && plus)
			byte = ' ';
		bool is_escape = byte == '%';
		bool is_whole = is_escape && i + 2 < length && g_ascii_isxdigit(text[i + 1]) &&
				g_ascii_isxdigit(text[i + 2]);
		if (is_escape && !is_whole) {
			error_set(error, CARRACK_ERROR_INVALID,
			    "%s: a percent sign must be followed by two hex digits", what);
			return NULL;
		}
		if (is_escape) {
			byte = (char)(g_ascii_xdigit_value(text[i + 1]) * 16 +
				      g_ascii_xdigit_value(text[i + 2]));
			i += 2;
		}
		if (!byte) {
			error_set(error, CARRACK_ERROR_INVALID, "%s: holds a NUL byte", what);
			return NULL;
		}
		g_string_append_c(decoded, byte);
	}
	return g_string_free(g_steal_pointer(&decoded), FALSE);
}

static bool
parse_pair(
    const char *pair, gsize length, const char *what, TakePair take, gpointer data, GError **error)
{
	const char *equals = memchr(pair, '=', length);
	gsize name_length = equals ? (gsize)(equals - pair) : length;
	gsize value_start = equals ? name_length + 1 : length;
	g_autofree char *name = form_decode(pair, name_length, true, what, error);
	if (!name)
		return false;
	char *value = form_decode(pair + value_start, length - value_start, true, what, error);
	if (!value)
		return false;

	take(data, g_steal_pointer(&name), value);
	return true;
}

static bool
parse_pairs(
    const char *text, gsize length, const char *what, TakePair take, gpointer data, GError **error)
{
	const char *end = text + length;
	while (text < end) {
		const char *separator = memchr(text, '&', end - text);
		gsize pair_length = (separator ? separator : end) - text;
		if (pair_length > 0 && !parse_pair(text, pair_length, what, take, data, error))
			return false;
		text += pair_length + 1;
	}
	return true;
}

static void
take_into_table(gpointer data, char *name, char *value)
{
	if (g_hash_table_contains(data, name)) {
		g_free(name);
		g_free(value);
		return;
	}
	g_hash_table_insert(data, name, value);
}

GHashTable *
form_parse(const char *text, gsize length, const char *what, GError **error)
{
	g_autoptr(GHashTable) table =
	    g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	if (!parse_pairs(text, length, what, take_into_table, table, error))
		return NULL;

	return g_steal_pointer(&table);
}

static void
take_into_object(gpointer data, char *name, char *value)
{
	/* jansson takes UTF-8 only; a name that is not is left out by it. */
	json_object_set_new(data, name, json_text_value(value));
	g_free(name);
	g_free(value);
}

json_t *
form_parse_map(const char *text, const char *what, GError **error)
{
	json_auto_t *map = json_object();
	if (!parse_pairs(text, strlen(text), what, take_into_object, map, error))
		return NULL;

	return g_steal_pointer(&map);
}
