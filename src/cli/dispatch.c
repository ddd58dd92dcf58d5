/*
 * From the command line to a verb, and from its result to an exit status. Everything that can go
 * wrong is told here, in one place and one form.
 */
#include "base/text.h"
#include "cli/verbs.h"

#include <string.h>
#include <unistd.h>

#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define EXIT_INTERRUPTED 130

/* The verb that was probably meant, out of one or two words. */
static const char *
verb_meant(int argc, char **argv)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	for (const Verb *verb = verb_table(); verb->words; verb++) {
		if (!verb->is_hidden)
			g_ptr_array_add(names, (gpointer)verb->words);
	}
	g_ptr_array_add(names, NULL);

	bool has_second = argc > 1 && argv[1][0] != '-';
	g_autofree char *two = g_strconcat(argv[0], " ", has_second ? argv[1] : "", NULL);
	const char *const *known = (const char *const *)names->pdata;
	const char *nearest = has_second ? text_nearest(two, known) : NULL;
	return nearest ? nearest : text_nearest(argv[0], known);
}

static bool
refuse_verb(int argc, char **argv, GError **error)
{
	if (argv[0][0] == '-')
		return usage_error(error, "unknown flag: %s (see carrack --help)", argv[0]);

	bool has_second = argc > 1 && argv[1][0] != '-';
	g_autofree char *written =
	    g_strconcat(argv[0], has_second ? " " : "", has_second ? argv[1] : "", NULL);
	const char *meant = verb_meant(argc, argv);
	if (meant)
		return usage_error(error, "unknown verb: %s; did you mean «%s»?", written, meant);
	return usage_error(error, "unknown verb: %s (see carrack --help)", written);
}

/* «apps inof» finds the verb «apps», which takes no arguments: what follows is a verb misspelt. */
static bool
is_misspelt(const Verb *verb, int argc, char **argv, int word_count)
{
	if (*verb->arguments || word_count >= argc || argv[word_count][0] == '-')
		return false;

	g_autofree char *prefix = g_strconcat(verb->words, " ", NULL);
	const char *meant = verb_meant(argc, argv);
	return meant && g_str_has_prefix(meant, prefix);
}

static void
print_help(const Call *call)
{
	g_autofree char *text = help_verb(call->verb);
	output_data(call->output, text, strlen(text));
}

static bool
run_verb(Call *call, int argc, char **argv, GError **error)
{
	if (!call_parse(call, argc, argv, error))
		return false;
	if (call_has(call, "help")) {
		print_help(call);
		return true;
	}

	if (call_has(call, "json"))
		output_set_json(call->output);
	if (call_has(call, "id"))
		output_set_id(call->output);
	return call->verb->run(call, error);
}

static int
tell_failure(const Call *call, const GError *failure)
{
	bool is_interrupted = call_is_interrupted(call);
	bool is_told = !is_interrupted || strcmp(failure->message, "cancelled") != 0;

	if (is_told)
		output_error(call->output, failure->message);
	for (guint i = 0; i < call->details->len; i++)
		output_note(call->output, "%s", (char *)call->details->pdata[i]);
	if (is_interrupted)
		return EXIT_INTERRUPTED;
	if (call->verb && call->verb->failure_status)
		return call->verb->failure_status;
	return failure->domain == USAGE_ERROR ? EXIT_USAGE : EXIT_FAILED;
}

static int
finish(Call *call, GError *failure)
{
	g_autoptr(GError) lost = NULL;
	int status = failure ? tell_failure(call, failure) : call->exit_status;

	if (output_finish(call->output, &lost))
		return status;
	output_error(call->output, lost->message);
	return status ? status : EXIT_FAILED;
}

static int
run(const Verb *verb, int argc, char **argv, GError *failure)
{
	g_autoptr(Output) output = output_new(STDOUT_FILENO, STDERR_FILENO);
	g_autoptr(GCancellable) cancel = g_cancellable_new();
	g_autoptr(GPtrArray) details = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GError) error = failure;
	Call call = {.verb = verb, .output = output, .cancel = cancel, .details = details};

	if (!error)
		run_verb(&call, argc, argv, &error);
	int status = finish(&call, error);
	call_clear(&call);
	return status;
}

/* `carrack`, `carrack --help` and `carrack -v` are verbs too. */
static const char *
verb_of_flag(const char *argument)
{
	if (!argument || strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0)
		return "help";
	if (strcmp(argument, "--version") == 0 || strcmp(argument, "-v") == 0)
		return "version";

	return NULL;
}

/* How many of the first arguments are flags that most verbs have. */
static int
leading_flags(int argc, char **argv)
{
	static const char *const names[] = {"app", "json", "rack"};
	int count = 0;

	while (count < argc && argv[count][0] == '-') {
		const Flag *found = NULL;
		for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
			const Flag *flag = flag_named(names[i]);
			if (flag_matches(flag, argv[count]))
				found = flag;
		}
		if (!found)
			break;
		count += found->argument && !strchr(argv[count], '=') ? 2 : 1;
	}
	return MIN(count, argc);
}

/* `carrack -a blog ps` is `carrack ps -a blog`: flags may stand before the verb as well. */
static void
move_flags_back(int argc, char **argv)
{
	int flag_count = leading_flags(argc, argv);
	int word_count;
	if (flag_count == 0 || !verb_find(argc - flag_count, argv + flag_count, &word_count))
		return;

	g_autofree char **leading = g_memdup2(argv, (gsize)flag_count * sizeof(char *));
	memmove(argv, argv + flag_count, (gsize)word_count * sizeof(char *));
	memcpy(argv + word_count, leading, (gsize)flag_count * sizeof(char *));
}

int
verbs_main(int argc, char **argv)
{
	char *first = (char *)verb_of_flag(argc > 0 ? argv[0] : NULL);
	int word_count;
	GError *failure = NULL;

	if (first)
		return run(verb_find(1, &first, &word_count), 0, argv, NULL);
	move_flags_back(argc, argv);
	const Verb *verb = verb_find(argc, argv, &word_count);
	if (!verb || is_misspelt(verb, argc, argv, word_count)) {
		refuse_verb(argc, argv, &failure);
		return run(verb, 0, argv, failure);
	}
	if (verb->main)
		return verb->main(argc - word_count, argv + word_count);

	return run(verb, argc - word_count, argv + word_count, NULL);
}
