/*
 * Variables in a compose file: `$NAME`, `${NAME}`, `${NAME:-default}` and its like; `$$` is a
 * dollar. As the specification has it, values are replaced after the YAML has been read, so what a
 * variable holds can never change the structure of the file. Keys are left alone.
 *
 * A default may hold variables itself. A variable that is not set and has no default is empty, with
 * a warning; anything else behind a `$` is an error rather than text, or a password would lose its
 * dollars in silence.
 */
#include "manifest/compose-private.h"
#include "manifest/yaml-node.h"

#include <string.h>

#define NESTING 10

typedef struct {
	Compose *compose;
	const YamlNode *node;
	GString *result;
	GHashTable *unset; /* names that have been told of */
	unsigned nesting;
	bool is_wrong;
} Filler;

static void
fill(Filler *filler, const char *at, const char *end);

static bool
is_start(char byte)
{
	return g_ascii_isalpha(byte) || byte == '_';
}

static const char *
name_end(const char *at, const char *end)
{
	while (at < end && (g_ascii_isalnum(*at) || *at == '_'))
		at++;
	return at;
}

static void
refuse(Filler *filler, const char *reason)
{
	if (!filler->is_wrong)
		yaml_problem(filler->compose->decoder->problems, filler->node,
		    "invalid interpolation: %s; a lone dollar is written $$", reason);
	filler->is_wrong = true;
}

static const char *
lookup(const Filler *filler, const char *name)
{
	return filler->compose->env != NULL ? env_get(filler->compose->env, name) : NULL;
}

static void
append_variable(Filler *filler, const char *name)
{
	const char *value = lookup(filler, name);
	if (value != NULL)
		g_string_append(filler->result, value);
	else if (g_hash_table_add(filler->unset, g_strdup(name)))
		yaml_problem(filler->compose->decoder->warnings, filler->node,
		    "%s is not set, so it is empty here", name);
}

/* The brace that ends what began before `at`, or NULL. */
static const char *
closing_brace(const char *at, const char *end)
{
	unsigned open = 1;
	for (; at < end; at++) {
		bool opens = at[0] == '$' && at + 1 < end && at[1] == '{';
		if (at[0] == '$' && at + 1 < end && at[1] == '$')
			at++;
		else if (opens)
			open++;
		else if (*at == '}' && --open == 0)
			return at;
	}
	return NULL;
}

static void
fail_required(Filler *filler, const char *name, const char *at, const char *end)
{
	g_autoptr(GString) message = g_string_new(NULL);
	Filler inner = *filler;
	inner.result = message;
	fill(&inner, at, end);
	yaml_problem(filler->compose->decoder->problems, filler->node, "%s is needed%s%s", name,
	    message->len > 0 ? ": " : "", message->str);
	filler->is_wrong = true;
}

/* What follows the name in the braces: «:-default», «-default», «:+text», «:?message» … */
static void
fill_operator(Filler *filler, const char *name, const char *at, const char *end)
{
	const char *value = lookup(filler, name);
	bool counts_empty = *at == ':';
	bool is_there = value != NULL && !(counts_empty && *value == '\0');
	at += counts_empty;
	char sign = at < end ? *at : '\0';
	if (sign == '-' && is_there)
		g_string_append(filler->result, value);
	else if (sign == '-' || (sign == '+' && is_there))
		fill(filler, at + 1, end);
	else if (sign == '?' && is_there)
		g_string_append(filler->result, value);
	else if (sign == '?')
		fail_required(filler, name, at + 1, end);
	else if (sign != '+')
		refuse(filler, "a name in ${…} is followed by :-, -, :+, +, :? or ?");
}

/* From behind «${»; returns what is behind the closing brace. */
static const char *
fill_braces(Filler *filler, const char *at, const char *end)
{
	const char *close = closing_brace(at, end);
	if (close == NULL) {
		refuse(filler, "${ without }");
		return end;
	}
	const char *behind = is_start(*at) ? name_end(at, close) : at;
	g_autofree char *name = g_strndup(at, (gsize)(behind - at));
	if (behind == at)
		refuse(filler, "${…} needs the name of a variable");
	else if (behind == close)
		append_variable(filler, name);
	else
		fill_operator(filler, name, behind, close);
	return close + 1;
}

/* From behind a dollar. */
static const char *
fill_dollar(Filler *filler, const char *at, const char *end)
{
	if (at < end && *at == '$') {
		g_string_append_c(filler->result, '$');
		return at + 1;
	}
	if (at < end && *at == '{')
		return fill_braces(filler, at + 1, end);
	if (at >= end || !is_start(*at)) {
		refuse(filler, "a dollar must be followed by a name, { or another dollar");
		return end;
	}
	const char *behind = name_end(at, end);
	g_autofree char *name = g_strndup(at, (gsize)(behind - at));
	append_variable(filler, name);
	return behind;
}

static void
fill(Filler *filler, const char *at, const char *end)
{
	if (++filler->nesting > NESTING) {
		refuse(filler, "defaults in defaults, too deep");
		return;
	}
	while (at < end && !filler->is_wrong) {
		if (*at == '$')
			at = fill_dollar(filler, at + 1, end);
		else
			g_string_append_c(filler->result, *at++);
	}
	filler->nesting--;
}

static void
interpolate_scalar(Compose *compose, YamlNode *node)
{
	if (strchr(node->text, '$') == NULL)
		return;

	g_autoptr(GString) result = g_string_new(NULL);
	g_autoptr(GHashTable) unset = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	Filler filler = {.compose = compose, .node = node, .result = result, .unset = unset};
	fill(&filler, node->text, node->text + strlen(node->text));
	g_free(node->text);
	node->text = g_strdup(result->str);
	node->is_filled = true;
}

/* Depth is limited (LIMIT_YAML_DEPTH). */
void
compose_interpolate(Compose *compose, const YamlNode *node)
{
	if (node->kind == YAML_SCALAR)
		interpolate_scalar(compose, (YamlNode *)node);
	for (unsigned i = 0; i < yaml_size(node); i++) {
		bool is_foreign =
		    node->kind == YAML_MAP && g_str_has_prefix(yaml_key(node, i), "x-");
		if (!is_foreign)
			compose_interpolate(compose, node->values->pdata[i]);
	}
}
