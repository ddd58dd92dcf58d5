/*
 * Matching of paths against patterns, a segment at a time.
 */
#include "api/path.h"

#include "api/form.h"

#include <string.h>

typedef struct {
	const char *name; /* in the pattern */
	gsize name_length;
	const char *suffix; /* literal text after the variable */
	gsize suffix_length;
} Variable;

static bool
take_variable(
    GHashTable *variables, const char *name, gsize name_length, const char *text, gsize length)
{
	char *value = form_decode(text, length, false, "path", NULL);
	if (!value)
		return false;

	g_hash_table_replace(variables, g_strndup(name, name_length), value);
	return true;
}

static bool
read_variable(const char *segment, gsize length, Variable *variable)
{
	const char *close = segment[0] == '{' ? memchr(segment, '}', length) : NULL;
	if (!close)
		return false;

	variable->name = segment + 1;
	variable->name_length = close - segment - 1;
	variable->suffix = close + 1;
	variable->suffix_length = segment + length - variable->suffix;
	return true;
}

static bool
match_segment(const char *pattern,
    gsize pattern_length,
    const char *text,
    gsize length,
    GHashTable *variables)
{
	Variable variable;
	if (!read_variable(pattern, pattern_length, &variable))
		return pattern_length == length && !memcmp(pattern, text, length);
	if (length <= variable.suffix_length ||
	    memcmp(text + length - variable.suffix_length, variable.suffix, variable.suffix_length))
		return false;

	return take_variable(
	    variables, variable.name, variable.name_length, text, length - variable.suffix_length);
}

bool
path_match(const char *pattern, const char *path, GHashTable *variables)
{
	while (*pattern == '/' && *path == '/') {
		pattern++;
		path++;
		gsize pattern_length = strcspn(pattern, "/");
		gsize length = strcspn(path, "/");
		bool is_rest = g_str_has_suffix(pattern, "...}") && pattern[0] == '{' &&
			       !pattern[pattern_length];
		if (is_rest)
			return take_variable(variables, pattern + 1,
			    pattern_length - strlen("{...}"), path, strlen(path));
		if (!match_segment(pattern, pattern_length, path, length, variables))
			return false;
		pattern += pattern_length;
		path += length;
	}
	return !*pattern && !*path;
}
