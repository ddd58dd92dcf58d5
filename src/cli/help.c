/*
 * Help, made of the tables of verbs and flags alone. The overview groups verbs by their first word
 * and keeps the order of the table, which is that of the alphabet.
 */
#include "cli/verbs.h"

#include <string.h>

static void
add_columns(GString *text, const char *left, const char *right, int width)
{
	g_string_append_printf(text, "  %-*s  %s\n", width, left, right);
}

static char *
verb_usage(const Verb *verb)
{
	return g_strdup_printf("%s%s%s", verb->words, *verb->arguments ? " " : "", verb->arguments);
}

static int
usage_width(void)
{
	gsize width = 0;

	for (const Verb *verb = verb_table(); verb->words; verb++) {
		g_autofree char *usage = verb_usage(verb);
		if (!verb->is_hidden)
			width = MAX(width, strlen(usage));
	}
	return (int)width;
}

char *
help_overview(void)
{
	GString *text = g_string_new("carrack: a private platform: one command installs it, one "
				     "command deploys to it\n\nUsage: carrack VERB [ARGUMENTS] "
				     "[FLAGS]\n\nVerbs:\n");
	int width = usage_width();

	for (const Verb *verb = verb_table(); verb->words; verb++) {
		g_autofree char *usage = verb_usage(verb);
		if (!verb->is_hidden)
			add_columns(text, usage, verb->summary, width);
	}
	g_string_append(text,
	    "\nEvery verb takes --help and --json; «--» ends the flags.\n"
	    "Exit status: 0 done, 1 failed (the reason is on stderr), 2 wrong usage, 130 "
	    "interrupted.\n");
	return g_string_free(text, FALSE);
}

static char *
flag_usage(const Flag *flag)
{
	g_autofree char *letter =
	    flag->letter ? g_strdup_printf("-%c, ", flag->letter) : g_strdup("    ");

	return g_strdup_printf("%s--%s%s%s", letter, flag->name, flag->argument ? " " : "",
	    flag->argument ? flag->argument : "");
}

static void
add_flags(GString *text, const Verb *verb)
{
	g_auto(GStrv) names = g_strsplit(verb->flags, " ", -1);

	g_string_append(text, "\nFlags:\n");
	for (const Flag *flag = flag_table(); flag->name; flag++) {
		g_autofree char *usage = flag_usage(flag);
		if (g_strv_contains((const char *const *)names, flag->name))
			add_columns(text, usage, flag->summary, 27);
	}
}

char *
help_verb(const Verb *verb)
{
	g_autofree char *usage = verb_usage(verb);
	g_auto(GStrv) examples = g_strsplit(verb->examples, "\n", -1);
	GString *text = g_string_new(NULL);

	g_string_append_printf(text, "Usage: carrack %s [FLAGS]\n\n%c%s.\n", usage,
	    g_ascii_toupper(verb->summary[0]), verb->summary + 1);
	add_flags(text, verb);
	if (examples[0])
		g_string_append(text, "\nExamples:\n");
	for (gsize i = 0; examples[i]; i++)
		g_string_append_printf(text, "  carrack %s\n", examples[i]);
	return g_string_free(text, FALSE);
}

static json_t *
verb_json(const Verb *verb)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "verb", verb->words, "arguments", verb->arguments,
	    "summary", verb->summary, "flags", verb->flags);
}

static json_t *
verbs_json(const Verb *only)
{
	json_t *list = json_array();

	for (const Verb *verb = verb_table(); verb->words; verb++) {
		if (only ? verb == only : !verb->is_hidden)
			json_array_append_new(list, verb_json(verb));
	}
	return list;
}

bool
help(Call *call, GError **error)
{
	int count;
	const Verb *verb = verb_find((int)call->argument_count, call->arguments, &count);
	if (call->argument_count > 0 && count < (int)call->argument_count) {
		g_autofree char *words = g_strjoinv(" ", call->arguments);
		return usage_error(error, "no help on «%s»: no such verb", words);
	}

	if (output_is_json(call->output)) {
		json_auto_t *list = verbs_json(verb);
		output_json(call->output, list);
		return true;
	}
	g_autofree char *text = verb ? help_verb(verb) : help_overview();
	output_data(call->output, text, strlen(text));
	return true;
}
