/*
 * `carrack complete WORD...`: the shells' completion scripts call it with the words after the
 * program's name, the one that is being written last (it may be empty). Answers are lines «word» or
 * «word<TAB>what it is». Verbs and flags come from the tables; names of apps, racks, services and
 * releases from the rack, which gets 300 ms, since nobody waits longer for a tab.
 */
#include "cli/releases.h"
#include "cli/verbs.h"
#include "detect/detect.h"

#include <string.h>
#include <unistd.h>

#define ANSWER_MS 300

typedef struct {
	Call call; /* of the verb that is being written, for its app and rack */
	Output *output;
	const char *start; /* what is being written */
} Completion;

static void
offer(Completion *completion, const char *word, const char *what)
{
	if (!g_str_has_prefix(word, completion->start))
		return;

	g_autofree char *line =
	    what ? g_strdup_printf("%s\t%s\n", word, what) : g_strdup_printf("%s\n", word);
	output_data(completion->output, line, strlen(line));
}

/* The next word of every verb that begins with the words so far. */
static void
offer_verbs(Completion *completion, int argc, char **argv)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	for (const Verb *verb = verb_table(); verb->words; verb++) {
		g_auto(GStrv) words = g_strsplit(verb->words, " ", -1);
		int count = (int)g_strv_length(words);
		bool is_next = !verb->is_hidden && count > argc;
		for (int i = 0; i < argc && is_next; i++)
			is_next = strcmp(words[i], argv[i]) == 0;
		if (is_next && g_hash_table_add(seen, g_strdup(words[argc])))
			offer(completion, words[argc], count == argc + 1 ? verb->summary : NULL);
	}
}

static void
offer_flags(Completion *completion, const Verb *verb)
{
	g_auto(GStrv) names = g_strsplit(verb->flags, " ", -1);

	for (gsize i = 0; names[i]; i++) {
		const Flag *flag = flag_named(names[i]);
		g_autofree char *word = g_strconcat("--", names[i], NULL);
		if (flag)
			offer(completion, word, flag->summary);
	}
}

static void
offer_racks(Completion *completion)
{
	g_autoptr(Config) config = config_load(NULL);
	if (!config)
		return;

	g_autofree const char **names = config_names(config);
	for (gsize i = 0; names[i]; i++)
		offer(completion, names[i], NULL);
}

/* A member of each object of a list of the rack's; silent when it does not answer. */
static void
offer_list(Completion *completion, const char *path, const char *member)
{
	Client *client = call_client(&completion->call, NULL);
	if (!client)
		return;

	client_set_timeout(client, ANSWER_MS);
	json_auto_t *list = client_get(client, path, NULL, NULL);
	gsize index;
	json_t *item;
	json_array_foreach(list, index, item)
	    offer(completion, json_text_of(item, member, ""), NULL);
}

static void
offer_of_app(Completion *completion, const char *noun, const char *member)
{
	const char *app = call_app(&completion->call, NULL);
	if (!app)
		return;

	g_autofree char *path = client_path("apps", app, noun, NULL);
	offer_list(completion, path, member);
}

/* The variables of the newest release. */
static void
offer_variables(Completion *completion)
{
	g_autoptr(Env) env = env_latest(&completion->call, NULL);
	if (!env)
		return;

	g_autofree const char **names = env_names(env);
	for (gsize i = 0; names[i]; i++)
		offer(completion, names[i], NULL);
}

static void
offer_languages(Completion *completion)
{
	g_autofree const char **names = detect_languages();
	for (gsize i = 0; names[i]; i++)
		offer(completion, names[i], NULL);
}

/* What a placeholder of the tables stands for. */
static void
offer_things(Completion *completion, const char *placeholder)
{
	if (strcmp(placeholder, "language") == 0)
		offer_languages(completion);
	else if (strstr(placeholder, "app"))
		offer_list(completion, "/apps", "name");
	else if (strstr(placeholder, "rack"))
		offer_racks(completion);
	else if (strstr(placeholder, "service"))
		offer_of_app(completion, "services", "name");
	else if (strstr(placeholder, "release"))
		offer_of_app(completion, "releases", "id");
	else if (strstr(placeholder, "build"))
		offer_of_app(completion, "builds", "id");
	else if (strstr(placeholder, "process"))
		offer_of_app(completion, "processes", "id");
	else if (strstr(placeholder, "name") &&
		 g_str_has_prefix(completion->call.verb->words, "env"))
		offer_variables(completion);
}

/* The flag that the word before is, if it waits for a value. */
static const Flag *
flag_waiting(const Verb *verb, const char *word)
{
	g_auto(GStrv) names = g_strsplit(verb->flags, " ", -1);

	for (gsize i = 0; names[i]; i++) {
		const Flag *flag = flag_named(names[i]);
		if (flag && flag->argument && flag_matches(flag, word))
			return flag;
	}
	return NULL;
}

static void
offer_for_verb(Completion *completion, const Verb *verb, int argc, char **argv)
{
	const Flag *flag = argc > 0 ? flag_waiting(verb, argv[argc - 1]) : NULL;
	g_auto(GStrv) places = g_strsplit(verb->arguments, " ", -1);
	guint place_count = g_strv_length(places);

	completion->call.verb = verb;
	/* What is written so far may be wrong in itself; then only the words help. */
	if (!call_parse_loosely(&completion->call, flag ? argc - 1 : argc, argv, NULL))
		return;
	if (flag) {
		offer_things(completion, flag->name);
		return;
	}
	if (completion->start[0] == '-') {
		offer_flags(completion, verb);
		return;
	}
	guint at = completion->call.argument_count;
	if (place_count > 0 && strstr(places[place_count - 1], "..."))
		at = MIN(at, place_count - 1);
	if (at < place_count)
		offer_things(completion, places[at]);
}

static void
complete(Completion *completion, int argc, char **argv)
{
	int word_count;
	const Verb *verb = verb_find(argc, argv, &word_count);

	if (word_count == argc)
		offer_verbs(completion, argc, argv);
	if (verb)
		offer_for_verb(completion, verb, argc - word_count, argv + word_count);
}

int
complete_main(int argc, char **argv)
{
	g_autoptr(Output) output = output_new(STDOUT_FILENO, STDERR_FILENO);
	g_autoptr(GCancellable) cancel = g_cancellable_new();
	Completion completion = {
	    .call = {.output = output, .cancel = cancel},
	    .output = output,
	    .start = argc > 0 ? argv[argc - 1] : "",
	};

	complete(&completion, MAX(argc - 1, 0), argv);
	call_clear(&completion.call);
	return output_finish(output, NULL) ? 0 : 1;
}
