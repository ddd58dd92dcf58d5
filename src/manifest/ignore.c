/*
 * The list of patterns: reading the file, and the order in which patterns decide. Both follow
 * moby's ignorefile and patternmatcher to the letter; pattern.c says what a single one matches.
 *
 * One thing is BuildKit's rather than the old engine's: a folder that is left out is entered when
 * an exception with wildcards may match below it (`*` and `!**` `/keep`), where the old client
 * looked at exceptions that begin with the folder's own name only and lost the others.
 */
#include "manifest/ignore.h"

#include "base/error.h"
#include "manifest/pattern.h"

#include <string.h>

typedef struct {
	Pattern *pattern;
	bool is_exception;
} Rule;

struct Ignore {
	GArray *rules;
};

static void
rule_clear(gpointer data)
{
	Rule *rule = data;
	g_clear_pointer(&rule->pattern, pattern_free);
}

void
ignore_free(Ignore *ignore)
{
	if (ignore == NULL)
		return;

	g_array_unref(ignore->rules);
	g_free(ignore);
}

/* Blanks as Go's unicode.IsSpace has them. */
static bool
is_blank(gunichar character)
{
	return character == '\v' || character == 0x85 || g_unichar_isspace(character);
}

static char *
trim(const char *text)
{
	const char *end = text + strlen(text);
	while (text < end && is_blank(g_utf8_get_char_validated(text, end - text)))
		text = g_utf8_next_char(text);
	while (end > text) {
		const char *before = g_utf8_find_prev_char(text, end);
		if (before == NULL || !is_blank(g_utf8_get_char_validated(before, end - before)))
			break;
		end = before;
	}
	return g_strndup(text, (gsize)(end - text));
}

/* Go's path.Clean. */
static char *
clean(const char *path)
{
	bool is_absolute = *path == '/';
	g_auto(GStrv) parts = g_strsplit(path, "/", -1);
	g_autoptr(GPtrArray) kept = g_ptr_array_new();
	for (char **part = parts; *part != NULL; part++) {
		if (**part == '\0' || strcmp(*part, ".") == 0)
			continue;
		bool is_up = strcmp(*part, "..") == 0;
		bool can_go_up = kept->len > 0 && strcmp(kept->pdata[kept->len - 1], "..") != 0;
		if (is_up && can_go_up)
			g_ptr_array_set_size(kept, (int)kept->len - 1);
		else if (!is_up || !is_absolute)
			g_ptr_array_add(kept, *part);
	}
	if (kept->len == 0)
		return g_strdup(is_absolute ? "/" : ".");

	g_ptr_array_add(kept, NULL);
	g_autofree char *joined = g_strjoinv("/", (char **)kept->pdata);
	return g_strconcat(is_absolute ? "/" : "", joined, NULL);
}

/* A line as a clean pattern, `!` kept before it; NULL for comments and empty lines. */
static char *
read_line(const char *line)
{
	if (*line == '#')
		return NULL;

	g_autofree char *text = trim(line);
	if (*text == '\0')
		return NULL;

	bool is_exception = *text == '!';
	g_autofree char *rest = trim(text + is_exception);
	g_autofree char *path = *rest != '\0' ? clean(rest) : g_strdup("");
	const char *relative = path[0] == '/' && path[1] != '\0' ? path + 1 : path;
	g_autofree char *pattern = g_strconcat(is_exception ? "!" : "", relative, NULL);
	/* moby cleans once more when it takes the list; `!/` becomes a lone `!` by that. */
	g_autofree char *again = trim(pattern);
	return clean(again);
}

static bool
add_line(Ignore *ignore, const char *line, const char *place, GError **error)
{
	g_autofree char *text = read_line(line);
	if (text == NULL)
		return true;
	if (strcmp(text, "!") == 0)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "%s: a lone ! is no exception, name what to keep", place);

	Rule rule = {.is_exception = *text == '!'};
	rule.pattern = pattern_new(text + rule.is_exception);
	if (rule.pattern == NULL)
		return error_set(
		    error, CARRACK_ERROR_INVALID, "%s: syntax error in pattern", place);

	g_array_append_val(ignore->rules, rule);
	return true;
}

Ignore *
ignore_parse(const char *text, gsize length, const char *file, GError **error)
{
	g_autoptr(Ignore) ignore = g_new0(Ignore, 1);
	ignore->rules = g_array_new(FALSE, FALSE, sizeof(Rule));
	g_array_set_clear_func(ignore->rules, rule_clear);
	if (memchr(text, '\0', length) != NULL) {
		error_set(error, CARRACK_ERROR_INVALID, "%s: a NUL is not allowed", file);
		return NULL;
	}
	g_autofree char *copy = g_strndup(text, length);
	bool has_mark = g_str_has_prefix(copy, "\xef\xbb\xbf");
	g_auto(GStrv) lines = g_strsplit(copy + (has_mark ? 3 : 0), "\n", -1);
	for (unsigned i = 0; lines[i] != NULL; i++) {
		g_autofree char *place = g_strdup_printf("%s line %u", file, i + 1);
		if (!add_line(ignore, lines[i], place, error))
			return NULL;
	}
	return g_steal_pointer(&ignore);
}

/* A pattern that matches a folder takes what is in it along. */
static bool
matches_path_or_parent(const Pattern *pattern, const char *path)
{
	if (pattern_matches(pattern, path, strlen(path)))
		return true;

	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		if (pattern_matches(pattern, path, (gsize)(slash - path)))
			return true;
	}
	return false;
}

bool
ignore_matches(const Ignore *ignore, const char *path)
{
	bool is_ignored = false;
	for (guint i = 0; i < ignore->rules->len; i++) {
		const Rule *rule = &g_array_index(ignore->rules, Rule, i);
		if (rule->is_exception == is_ignored && matches_path_or_parent(rule->pattern, path))
			is_ignored = !rule->is_exception;
	}
	return is_ignored;
}

bool
ignore_may_reach_inside(const Ignore *ignore, const char *path)
{
	for (guint i = 0; i < ignore->rules->len; i++) {
		const Rule *rule = &g_array_index(ignore->rules, Rule, i);
		if (rule->is_exception && pattern_may_match_below(rule->pattern, path))
			return true;
	}
	return false;
}
