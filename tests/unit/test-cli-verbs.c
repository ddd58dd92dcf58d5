/*
 * Unit tests of cli/verbs and cli/call: the tables hold what they promise, command lines are taken
 * apart as they say, and the manual page tells the same.
 */
#include "cli/verbs.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static const Verb *
verb_named(const char *words)
{
	g_auto(GStrv) list = g_strsplit(words, " ", -1);
	int count;
	const Verb *verb = verb_find((int)g_strv_length(list), list, &count);

	g_assert_nonnull(verb);
	g_assert_cmpstr(verb->words, ==, words);
	return verb;
}

/* Parses a line of words separated by blanks. */
static bool
parse(Call *call, const char *words, const char *line, GError **error)
{
	g_auto(GStrv) arguments = g_strsplit(line, " ", -1);

	*call =
	    (Call){.verb = verb_named(words), .output = output_new(STDOUT_FILENO, STDERR_FILENO)};
	return call_parse(call, *line ? (int)g_strv_length(arguments) : 0, arguments, error);
}

static void
end(Call *call)
{
	output_free(call->output);
	call_clear(call);
}

static void
expect_usage(const char *words, const char *line, const char *message)
{
	g_autoptr(GError) error = NULL;
	Call call;

	g_assert_false(parse(&call, words, line, &error));
	g_assert_error(error, USAGE_ERROR, 0);
	g_assert_cmpstr(error->message, ==, message);
	end(&call);
}

static void
rows_are_in_the_order_of_the_alphabet(void)
{
	for (const Verb *verb = verb_table(); verb[1].words; verb++)
		g_assert_cmpstr(verb[0].words, <, verb[1].words);
	for (const Flag *flag = flag_table(); flag[1].name; flag++)
		g_assert_cmpstr(flag[0].name, <, flag[1].name);
}

static void
every_flag_of_a_verb_is_in_the_table(void)
{
	for (const Verb *verb = verb_table(); verb->words; verb++) {
		g_auto(GStrv) names = g_strsplit(verb->flags, " ", -1);
		for (gsize i = 0; names[i]; i++)
			g_assert_nonnull(flag_named(names[i]));
	}
}

static void
no_verb_has_one_letter_for_two_flags(void)
{
	for (const Verb *verb = verb_table(); verb->words; verb++) {
		g_auto(GStrv) names = g_strsplit(verb->flags, " ", -1);
		bool seen[256] = {false};
		for (gsize i = 0; names[i]; i++) {
			unsigned char letter = (unsigned char)flag_named(names[i])->letter;
			g_assert_false(letter && seen[letter]);
			seen[letter] = true;
		}
	}
}

static void
every_verb_says_json_help_and_what_it_does(void)
{
	for (const Verb *verb = verb_table(); verb->words; verb++) {
		g_assert_true((verb->run == NULL) != (verb->main == NULL));
		g_assert_cmpuint(strlen(verb->summary), >, 0);
		g_assert_nonnull(verb->arguments);
		g_assert_nonnull(verb->examples);
		g_assert_nonnull(strstr(verb->flags, "help"));
		if (verb->run)
			g_assert_nonnull(strstr(verb->flags, "json"));
	}
}

static void
expect_found(const char *line, const char *words)
{
	g_auto(GStrv) list = g_strsplit(line, " ", -1);
	int count;
	const Verb *verb = verb_find((int)g_strv_length(list), list, &count);

	g_assert_cmpstr(verb ? verb->words : NULL, ==, words);
}

static void
the_longest_verb_wins(void)
{
	expect_found("apps params set A=1", "apps params set");
	expect_found("apps params x", "apps params");
	expect_found("apps x", "apps");
	expect_found("nosuch", NULL);
	expect_found("params set", NULL);
}

static void
flags_stand_anywhere_before_two_dashes(void)
{
	g_autoptr(GError) error = NULL;
	Call call;

	g_assert_true(parse(&call, "env set", "A=1 -a blog B=2 --promote -- --id -x", &error));
	g_assert_no_error(error);
	g_autofree char *arguments = g_strjoinv(" ", call.arguments);
	g_assert_cmpstr(arguments, ==, "A=1 B=2 --id -x");
	g_assert_cmpstr(call_flag(&call, "app"), ==, "blog");
	g_assert_true(call_has(&call, "promote"));
	g_assert_false(call_has(&call, "id"));
	end(&call);
}

static void
both_forms_of_a_value_are_one(void)
{
	g_autoptr(GError) error = NULL;
	Call call;

	g_assert_true(parse(&call, "logs", "--since=5m --filter -x -a bl=og", &error));
	g_assert_no_error(error);
	g_assert_cmpstr(call_flag(&call, "since"), ==, "5m");
	g_assert_cmpstr(call_flag(&call, "filter"), ==, "-x");
	g_assert_cmpstr(call_flag(&call, "app"), ==, "bl=og");
	end(&call);
}

static void
a_list_flag_keeps_all_its_values(void)
{
	g_autoptr(GError) error = NULL;
	Call call;

	g_assert_true(parse(&call, "build", "--build-args A=1 --build-args B=2", &error));
	const char *const *values = call_flags(&call, "build-args");
	g_assert_cmpstr(values[0], ==, "A=1");
	g_assert_cmpstr(values[1], ==, "B=2");
	g_assert_null(values[2]);
	end(&call);
}

static void
bytes_that_are_not_utf_8_survive(void)
{
	g_autoptr(GError) error = NULL;
	Call call;

	g_assert_true(parse(&call, "env set", "A=\xff\xfe", &error));
	g_assert_cmpstr(call.arguments[0], ==, "A=\xff\xfe");
	end(&call);
}

static void
wrong_lines_are_usage_errors(void)
{
	expect_usage("apps", "--nope", "unknown flag: --nope");
	expect_usage("apps", "one", "apps takes no arguments, but got \"one\"");
	expect_usage("env get", "", "env get takes <name>, but got 0 arguments");
	expect_usage("env get", "A B", "env get takes <name>, but got 2 arguments");
	expect_usage("apps delete", "", "apps delete takes <app>, but got 0 arguments");
	expect_usage("logs", "--since", "missing argument for --since");
}

static void
a_number_outside_its_range_is_a_usage_error(void)
{
	g_autoptr(GError) error = NULL;
	gint64 number;
	Call call;

	g_assert_true(parse(&call, "scale", "web --count x", &error));
	g_assert_false(call_number(&call, "count", 0, 10, &number, &error));
	g_assert_error(error, USAGE_ERROR, 0);
	g_assert_true(call_number(&call, "cpu", 1, 10, &number, NULL));
	g_assert_cmpint(number, ==, -1);
	end(&call);
}

static void
assert_app_name(const char *text, const char *expected)
{
	g_autofree char *name = call_app_name_of(text);
	g_assert_cmpstr(name, ==, expected);
}

static void
any_folder_gives_a_name_that_is_allowed(void)
{
	assert_app_name("blog", "blog");
	assert_app_name("My App_2", "my-app-2");
	assert_app_name("--x--y--", "x-y");
	assert_app_name("2nd", "nd");
	assert_app_name("a.b@c", "a-b-c");
	assert_app_name("bücher", "b-cher");
	assert_app_name("/", NULL);
	assert_app_name("42", NULL);
	assert_app_name("", NULL);
}

static void
expect_app(const char *line, const char *folder, const char *expected)
{
	g_autoptr(GError) error = NULL;
	Call call;

	g_assert_true(parse(&call, "ps", line, &error));
	g_assert_cmpstr(call_app_of_folder(&call, folder, &error), ==, expected);
	end(&call);
}

static void
the_app_is_the_first_that_is_said(void)
{
	g_autofree char *parent = g_dir_make_tmp("test-app-XXXXXX", NULL);
	g_autofree char *folder = g_build_filename(parent, "My App", NULL);
	g_autofree char *ours = g_build_filename(folder, ".carrack", NULL);
	g_autofree char *theirs = g_build_filename(folder, ".convox", NULL);
	g_autofree char *our_file = g_build_filename(ours, "app", NULL);
	g_autofree char *their_file = g_build_filename(theirs, "app", NULL);
	g_mkdir(folder, 0700);
	g_mkdir(ours, 0700);
	g_mkdir(theirs, 0700);
	g_unsetenv("CARRACK_APP");

	expect_app("", folder, "my-app");
	g_assert_true(g_file_set_contents(their_file, "convoxed\n", -1, NULL));
	expect_app("", folder, "convoxed");
	g_assert_true(g_file_set_contents(our_file, " ours ", -1, NULL));
	expect_app("", folder, "ours");
	g_setenv("CARRACK_APP", "environ", TRUE);
	expect_app("", folder, "environ");
	expect_app("-a flagged", folder, "flagged");
	g_unsetenv("CARRACK_APP");

	g_unlink(our_file);
	g_unlink(their_file);
	g_rmdir(ours);
	g_rmdir(theirs);
	g_rmdir(folder);
	g_assert_cmpint(g_rmdir(parent), ==, 0);
}

static void
a_folder_without_a_name_asks_for_the_flag(void)
{
	g_autoptr(GError) error = NULL;
	Call call;

	g_assert_true(parse(&call, "ps", "", &error));
	g_assert_null(call_app_of_folder(&call, "/", &error));
	g_assert_error(error, USAGE_ERROR, 0);
	g_assert_nonnull(strstr(error->message, "--app"));
	end(&call);
}

/* The manual page has every verb and every flag as the tables have them. */
static void
the_manual_says_what_the_tables_say(void)
{
	g_autofree char *file =
	    g_test_build_filename(G_TEST_DIST, "..", "..", "docs", "man", "carrack.1.scd", NULL);
	g_autofree char *manual = NULL;
	g_assert_true(g_file_get_contents(file, &manual, NULL, NULL));

	for (const Verb *verb = verb_table(); verb->words; verb++) {
		g_autofree char *entry = g_strdup_printf("\n*%s*%s%s\n\t%c%s.\n", verb->words,
		    *verb->arguments ? " " : "", verb->arguments, g_ascii_toupper(verb->summary[0]),
		    verb->summary + 1);
		g_test_message("%s", verb->words);
		g_assert_true((strstr(manual, entry) != NULL) != verb->is_hidden);
	}
	for (const Flag *flag = flag_table(); flag->name; flag++) {
		g_autofree char *entry = g_strdup_printf("*--%s*%s%s\n\t%c%s.\n", flag->name,
		    flag->argument ? " " : "", flag->argument ? flag->argument : "",
		    g_ascii_toupper(flag->summary[0]), flag->summary + 1);
		g_test_message("--%s", flag->name);
		g_assert_nonnull(strstr(manual, entry));
	}
}

static void
help_has_every_verb_that_is_not_hidden(void)
{
	g_autofree char *overview = help_overview();

	for (const Verb *verb = verb_table(); verb->words; verb++) {
		g_autofree char *row = g_strdup_printf("\n  %s ", verb->words);
		g_assert_true((strstr(overview, row) != NULL) != verb->is_hidden);
	}
}

static void
help_of_a_verb_is_usage_flags_and_examples(void)
{
	g_autofree char *text = help_verb(verb_named("env get"));

	g_assert_cmpstr(text, ==,
	    "Usage: carrack env get <name> [FLAGS]\n"
	    "\n"
	    "Print a variable.\n"
	    "\n"
	    "Flags:\n"
	    "  -a, --app NAME               the app (else CARRACK_APP, .carrack/app, .convox/app, "
	    "the folder's name)\n"
	    "  -h, --help                   show this help\n"
	    "      --json                   print JSON on stdout, and nothing else\n"
	    "  -r, --rack NAME              the rack (else CARRACK_RACK, the current one; RACK_URL "
	    "goes before all)\n"
	    "\n"
	    "Examples:\n"
	    "  carrack env get DATABASE_URL\n");
}

static void
add(const char *path, GTestFunc test)
{
	g_test_add_func(path, test);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add("/verbs/rows-are-in-the-order-of-the-alphabet", rows_are_in_the_order_of_the_alphabet);
	add("/verbs/every-flag-of-a-verb-is-in-the-table", every_flag_of_a_verb_is_in_the_table);
	add("/verbs/no-verb-has-one-letter-for-two-flags", no_verb_has_one_letter_for_two_flags);
	add("/verbs/every-verb-says-json-help-and-what-it-does",
	    every_verb_says_json_help_and_what_it_does);
	add("/verbs/the-longest-verb-wins", the_longest_verb_wins);
	add("/verbs/the-manual-says-what-the-tables-say", the_manual_says_what_the_tables_say);
	add("/verbs/help-has-every-verb-that-is-not-hidden",
	    help_has_every_verb_that_is_not_hidden);
	add("/verbs/help-of-a-verb-is-usage-flags-and-examples",
	    help_of_a_verb_is_usage_flags_and_examples);
	add("/call/flags-stand-anywhere-before-two-dashes", flags_stand_anywhere_before_two_dashes);
	add("/call/both-forms-of-a-value-are-one", both_forms_of_a_value_are_one);
	add("/call/a-list-flag-keeps-all-its-values", a_list_flag_keeps_all_its_values);
	add("/call/bytes-that-are-not-utf-8-survive", bytes_that_are_not_utf_8_survive);
	add("/call/wrong-lines-are-usage-errors", wrong_lines_are_usage_errors);
	add("/call/a-number-outside-its-range-is-a-usage-error",
	    a_number_outside_its_range_is_a_usage_error);
	add("/call/any-folder-gives-a-name-that-is-allowed",
	    any_folder_gives_a_name_that_is_allowed);
	add("/call/the-app-is-the-first-that-is-said", the_app_is_the_first_that_is_said);
	add("/call/a-folder-without-a-name-asks-for-the-flag",
	    a_folder_without_a_name_asks_for_the_flag);
	return g_test_run();
}
