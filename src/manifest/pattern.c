/*
 * moby's patternmatcher makes a regular expression of Go's from a pattern and has three shortcuts
 * without one (exact, prefix, suffix), each with corners that are visible to users. A pattern is
 * therefore turned into that same expression here, which uses only a small part of the language:
 * one-character sets, "anything but a slash" and "anything" repeated, "folders or none", `^`. It is
 * run as a set of states that advances by characters, so no pattern takes more than linear time,
 * and the states left after «folder/» tell whether anything below can match.
 *
 * Where Go works with characters, so does this: a byte that is no UTF-8 counts as one U+FFFD. Of
 * the escapes in patterns, `\d`, `\s`, `\w` and their opposites mean sets, as they do there. Not
 * taken over: what only happens because moby forgets to escape `|`, `{`, `}` (they are plain
 * characters here) and lets other escapes of expressions through (refused here).
 */
#include "manifest/pattern.h"

#include "manifest/glob.h"

#include <string.h>

typedef enum { PATTERN_EXACT, PATTERN_PREFIX, PATTERN_SUFFIX, PATTERN_EXPRESSION } PatternKind;

typedef struct {
	gunichar first;
	gunichar last;
} Range;

typedef enum {
	STEP_SET,     /* one character of `ranges` */
	STEP_FOLDERS, /* any folders or none: the string in read_step */
	STEP_BEGIN,   /* ^ */
} StepKind;

typedef struct {
	StepKind kind;
	bool is_repeated; /* * */
	bool is_negated;
	GArray *ranges; /* of Range */
} Step;

struct Pattern {
	PatternKind kind;
	char *text;
	GArray *steps; /* of Step; the expression has one more state than steps */
};

static void
step_clear(gpointer data)
{
	Step *step = data;
	g_clear_pointer(&step->ranges, g_array_unref);
}

void
pattern_free(Pattern *pattern)
{
	if (pattern == NULL)
		return;

	g_free(pattern->text);
	g_array_unref(pattern->steps);
	g_free(pattern);
}

/* From a pattern to an expression, as moby does it */

static void
append_stars(const char **at, const char *end, bool is_first, GString *expression, Pattern *pattern)
{
	if (*at == end || **at != '*') {
		g_string_append(expression, "[^/]*");
		pattern->kind = PATTERN_EXPRESSION;
		return;
	}
	(*at)++;
	if (*at < end && **at == '/')
		(*at)++;
	if (*at < end) {
		g_string_append(expression, "(.*/)?");
		pattern->kind = PATTERN_EXPRESSION;
	} else if (pattern->kind == PATTERN_EXACT) {
		pattern->kind = PATTERN_PREFIX;
	} else {
		g_string_append(expression, ".*");
		pattern->kind = PATTERN_EXPRESSION;
	}
	if (is_first)
		pattern->kind = PATTERN_SUFFIX;
}

/* Sets the pattern's kind on the way. */
static char *
make_expression(Pattern *pattern)
{
	g_autoptr(GString) expression = g_string_new("^");
	const char *end = pattern->text + strlen(pattern->text);
	const char *at = pattern->text;
	if (g_str_has_prefix(at, "\xef\xbb\xbf")) /* Go's scanner skips the mark */
		at += 3;
	for (bool is_first = true; at < end; is_first = false) {
		gunichar character = glob_next_character(&at, end);
		if (character == '*') {
			append_stars(&at, end, is_first, expression, pattern);
		} else if (character == '?') {
			g_string_append(expression, "[^/]");
			pattern->kind = PATTERN_EXPRESSION;
		} else if (character < 0x80 && strchr(".+()|{}$", (int)character) != NULL) {
			g_string_append_printf(expression, "\\%c", (char)character);
		} else if (character == '\\' && at < end) {
			g_string_append_c(expression, '\\');
			g_string_append_unichar(expression, glob_next_character(&at, end));
			pattern->kind = PATTERN_EXPRESSION;
		} else {
			g_string_append_unichar(expression, character);
			if (character == '[' || character == ']')
				pattern->kind = PATTERN_EXPRESSION;
		}
	}
	g_string_append_c(expression, '$');
	return g_string_free(g_steal_pointer(&expression), FALSE);
}

/* From the expression to steps */

static void
add_range(GArray *ranges, gunichar first, gunichar last)
{
	Range range = {first, last};
	g_array_append_val(ranges, range);
}

typedef struct {
	const char *name;
	const char *ranges; /* pairs */
} NamedSet;

static const NamedSet named_sets[] = {
    {"alnum", "09AZaz"},
    {"alpha", "AZaz"},
    {"ascii", "\x01\x7f"},
    {"blank", "\t\t  "},
    {"cntrl", "\x01\x1f\x7f\x7f"},
    {"digit", "09"},
    {"graph", "!~"},
    {"lower", "az"},
    {"print", " ~"},
    {"punct", "!/:@[`{~"},
    {"space", "\t\r  "},
    {"upper", "AZ"},
    {"word", "09AZaz__"},
    {"xdigit", "09AFaf"},
};

static void
add_set(GArray *ranges, const char *pairs, bool is_negated)
{
	gunichar next = 0;
	for (; *pairs != '\0'; pairs += 2) {
		if (!is_negated)
			add_range(ranges, (guchar)pairs[0], (guchar)pairs[1]);
		else if ((guchar)pairs[0] > next)
			add_range(ranges, next, (guchar)pairs[0] - 1);
		next = (gunichar)(guchar)pairs[1] + 1;
	}
	if (is_negated)
		add_range(ranges, next, 0x10ffff);
}

/* `\d` and the like. */
static bool
add_class_escape(GArray *ranges, char letter)
{
	static const struct {
		char letter;
		const char *pairs;
	} classes[] = {{'d', "09"}, {'s', "\t\n\f\r  "}, {'w', "09AZ__az"}};

	for (gsize i = 0; i < G_N_ELEMENTS(classes); i++) {
		if (g_ascii_tolower(letter) != classes[i].letter)
			continue;
		add_set(ranges, classes[i].pairs, g_ascii_isupper(letter));
		return true;
	}
	return false;
}

/* An escape for one character, behind its backslash. */
static bool
read_escape(const char **at, const char *end, gunichar *character)
{
	static const char letters[] = "aftnrv";
	static const char values[] = "\a\f\t\n\r\v";
	if (*at == end)
		return false;

	*character = glob_next_character(at, end);
	const char *letter =
	    *character > 0 && *character < 0x80 ? strchr(letters, (int)*character) : NULL;
	if (letter != NULL)
		*character = (guchar)values[letter - letters];
	else if (*character >= 0x80 || g_ascii_isalnum((char)*character))
		return false;
	return true;
}

static bool
read_class_character(const char **at, const char *end, gunichar *character)
{
	if (*at == end)
		return false;
	if (**at != '\\') {
		*character = glob_next_character(at, end);
		return true;
	}
	(*at)++;
	return read_escape(at, end, character);
}

/* `[:alpha:]` in brackets. 1: read, 0: none stands here, -1: an unknown name. */
static int
read_named_set(const char **at, const char *end, GArray *ranges)
{
	if (end - *at < 3 || (*at)[0] != '[' || (*at)[1] != ':')
		return 0;
	const char *close = g_strstr_len(*at + 2, end - *at - 2, ":]");
	if (close == NULL)
		return 0;

	const char *name = *at + 2;
	bool is_negated = *name == '^';
	name += is_negated;
	gsize length = close > name ? (gsize)(close - name) : 0;
	*at = close + 2;
	for (gsize i = 0; i < G_N_ELEMENTS(named_sets); i++) {
		if (strlen(named_sets[i].name) != length ||
		    strncmp(named_sets[i].name, name, length) != 0)
			continue;
		add_set(ranges, named_sets[i].ranges, is_negated);
		return 1;
	}
	return -1;
}

static bool
read_class_item(const char **at, const char *end, GArray *ranges)
{
	int named = read_named_set(at, end, ranges);
	if (named != 0)
		return named > 0;
	if (end - *at >= 2 && **at == '\\' && add_class_escape(ranges, (*at)[1])) {
		*at += 2;
		return true;
	}
	gunichar first;
	if (!read_class_character(at, end, &first))
		return false;

	gunichar last = first;
	if (end - *at >= 2 && **at == '-' && (*at)[1] != ']') {
		(*at)++;
		if (!read_class_character(at, end, &last) || last < first)
			return false;
	}
	add_range(ranges, first, last);
	return true;
}

/* Behind the opening bracket. */
static bool
read_class(const char **at, const char *end, Step *step)
{
	step->is_negated = *at < end && **at == '^';
	*at += step->is_negated;
	for (bool is_first = true; *at == end || **at != ']' || is_first; is_first = false) {
		if (!read_class_item(at, end, step->ranges))
			return false;
	}
	(*at)++;
	return true;
}

static bool
read_escape_step(const char **at, const char *end, Step *step)
{
	if (*at < end && add_class_escape(step->ranges, **at)) {
		(*at)++;
		return true;
	}
	gunichar character;
	if (!read_escape(at, end, &character))
		return false;

	add_range(step->ranges, character, character);
	return true;
}

static bool
read_step(const char **at, const char *end, Step *step)
{
	static const char folders[] = "(.*/)?";
	if (g_str_has_prefix(*at, folders)) {
		*at += strlen(folders);
		step->kind = STEP_FOLDERS;
		return true;
	}
	gunichar character = glob_next_character(at, end);
	if (character == '^') {
		step->kind = STEP_BEGIN;
		return true;
	}
	step->kind = STEP_SET;
	step->ranges = g_array_new(FALSE, FALSE, sizeof(Range));
	bool good = true;
	if (character == '[')
		good = read_class(at, end, step);
	else if (character == '\\')
		good = read_escape_step(at, end, step);
	else if (character == '.') {
		step->is_negated = true;
		add_range(step->ranges, '\n', '\n');
	} else
		add_range(step->ranges, character, character);
	if (good && *at < end && **at == '*') {
		step->is_repeated = true;
		(*at)++;
	}
	return good;
}

static bool
compile(Pattern *pattern)
{
	g_autofree char *expression = make_expression(pattern);
	if (pattern->kind != PATTERN_EXPRESSION)
		return true;

	const char *at = expression;
	const char *end = expression + strlen(expression) - 1; /* before the $ */
	while (at < end) {
		Step step = {STEP_BEGIN};
		bool good = read_step(&at, end, &step);
		g_array_append_val(pattern->steps, step);
		if (!good)
			return false;
	}
	return true;
}

Pattern *
pattern_new(const char *text)
{
	g_autoptr(Pattern) pattern = g_new0(Pattern, 1);
	pattern->text = g_strdup(text);
	pattern->steps = g_array_new(FALSE, FALSE, sizeof(Step));
	g_array_set_clear_func(pattern->steps, step_clear);
	return glob_is_accepted(text) && compile(pattern) ? g_steal_pointer(&pattern) : NULL;
}

/* Running. State i: the next step is number i. Inside of STEP_FOLDERS's `.*` the state is i, with
 * the mark `inside`. */

typedef struct {
	guint8 *at;
	guint8 *inside;
} States;

/* Marks a state and those that follow without a character. */
static void
enter(const Pattern *pattern, States *states, guint index, bool is_begin)
{
	for (; !states->at[index]; index++) {
		states->at[index] = 1;
		if (index == pattern->steps->len)
			return;

		const Step *step = &g_array_index(pattern->steps, Step, index);
		if (step->kind == STEP_FOLDERS)
			states->inside[index] = 1;
		bool may_skip = step->kind == STEP_FOLDERS || step->is_repeated ||
				(step->kind == STEP_BEGIN && is_begin);
		if (!may_skip)
			return;
	}
}

static bool
set_holds(const Step *step, gunichar character)
{
	for (guint i = 0; i < step->ranges->len; i++) {
		const Range *range = &g_array_index(step->ranges, Range, i);
		if (character >= range->first && character <= range->last)
			return !step->is_negated;
	}
	return step->is_negated;
}

static void
advance(const Pattern *pattern, const States *from, States *to, gunichar character)
{
	for (guint i = 0; i < pattern->steps->len; i++) {
		const Step *step = &g_array_index(pattern->steps, Step, i);
		bool in_folders = step->kind == STEP_FOLDERS && from->inside[i];
		if (in_folders && character != '\n')
			to->inside[i] = 1;
		if (in_folders && character == '/')
			enter(pattern, to, i + 1, false);
		if (step->kind == STEP_SET && from->at[i] && set_holds(step, character))
			enter(pattern, to, step->is_repeated ? i : i + 1, false);
	}
}

/* Runs over the whole text and leaves the states there in `states`. */
static void
run(const Pattern *pattern, const char *text, gsize length, guint8 *memory, States *states)
{
	gsize count = pattern->steps->len + 1;
	States other = {memory + 2 * count, memory + 3 * count};
	*states = (States){memory, memory + count};
	memset(memory, 0, 4 * count);
	enter(pattern, states, 0, true);
	for (const char *at = text; at < text + length;) {
		memset(other.at, 0, count);
		memset(other.inside, 0, count);
		advance(pattern, states, &other, glob_next_character(&at, text + length));
		States swap = *states;
		*states = other;
		other = swap;
	}
}

static bool
expression_matches(const Pattern *pattern, const char *path, gsize length)
{
	States states;
	g_autofree guint8 *memory = g_malloc(4 * ((gsize)pattern->steps->len + 1));
	run(pattern, path, length, memory, &states);
	return states.at[pattern->steps->len] != 0;
}

static bool
has_suffix(const char *path, gsize length, const char *suffix)
{
	gsize suffix_length = strlen(suffix);
	if (length >= suffix_length &&
	    memcmp(path + length - suffix_length, suffix, suffix_length) == 0)
		return true;

	return suffix[0] == '/' && length == suffix_length - 1 &&
	       memcmp(path, suffix + 1, length) == 0;
}

bool
pattern_matches(const Pattern *pattern, const char *path, gsize length)
{
	gsize text_length = strlen(pattern->text);
	switch (pattern->kind) {
	case PATTERN_EXACT:
		return length == text_length && memcmp(path, pattern->text, length) == 0;
	case PATTERN_PREFIX:
		return length >= text_length - 2 &&
		       memcmp(path, pattern->text, text_length - 2) == 0;
	case PATTERN_SUFFIX:
		return has_suffix(path, length, pattern->text + 2);
	default:
		return expression_matches(pattern, path, length);
	}
}

static bool
expression_may_match_below(const Pattern *pattern, const char *folder)
{
	States states;
	gsize count = (gsize)pattern->steps->len + 1;
	g_autofree guint8 *memory = g_malloc(4 * count);
	run(pattern, folder, strlen(folder), memory, &states);
	for (gsize i = 0; i + 1 < count; i++) {
		if (states.at[i] || states.inside[i])
			return true;
	}
	return false;
}

bool
pattern_may_match_below(const Pattern *pattern, const char *path)
{
	g_autofree char *folder = g_strconcat(path, "/", NULL);
	gsize prefix_length = strlen(pattern->text) - 2;
	switch (pattern->kind) {
	case PATTERN_EXACT:
		return g_str_has_prefix(pattern->text, folder);
	case PATTERN_PREFIX:
		return strncmp(folder, pattern->text, MIN(prefix_length, strlen(folder))) == 0;
	case PATTERN_SUFFIX:
		return true;
	default:
		return expression_may_match_below(pattern, folder);
	}
}
