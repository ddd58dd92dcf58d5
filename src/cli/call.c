/*
 * Arguments, flags, the rack and the app of one run of a verb (call.h). GOptionContext reads the
 * flags; it gives every value as it is, so that bytes of any encoding survive.
 */
#include "cli/call.h"

#include "base/text.h"
#include "cli/verbs.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define APP_FILE_BYTES 1024

G_DEFINE_QUARK(carrack - usage - error - quark, usage_error)

bool
usage_error(GError **error, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	va_end(arguments);

	g_set_error_literal(error, USAGE_ERROR, 0, text);
	return false;
}

/* Flags */

/* Where GOptionContext puts what it finds for one flag. */
typedef struct {
	const Flag *flag;
	gboolean is_set;
	char *value;
	GStrv values;
} Slot;

static void
slot_clear(gpointer data)
{
	Slot *slot = data;

	g_free(slot->value);
	g_strfreev(slot->values);
}

static GArray *
slots_of(const Verb *verb)
{
	GArray *slots = g_array_new(FALSE, TRUE, sizeof(Slot));
	g_auto(GStrv) names = g_strsplit(verb->flags, " ", -1);

	g_array_set_clear_func(slots, slot_clear);
	for (gsize i = 0; names[i]; i++) {
		Slot slot = {.flag = flag_named(names[i])};
		if (slot.flag)
			g_array_append_val(slots, slot);
	}
	return slots;
}

static GOptionEntry
entry_of(Slot *slot)
{
	const Flag *flag = slot->flag;
	GOptionEntry entry = {.long_name = flag->name, .short_name = flag->letter};

	if (!flag->argument) {
		entry.arg = G_OPTION_ARG_NONE;
		entry.arg_data = &slot->is_set;
	} else if (flag->is_list) {
		entry.arg = G_OPTION_ARG_FILENAME_ARRAY;
		entry.arg_data = &slot->values;
	} else {
		entry.arg = G_OPTION_ARG_FILENAME;
		entry.arg_data = &slot->value;
	}
	return entry;
}

static void
take_slots(Call *call, GArray *slots)
{
	for (guint i = 0; i < slots->len; i++) {
		Slot *slot = &g_array_index(slots, Slot, i);
		const char *one[] = {slot->is_set ? "true" : slot->value, NULL};
		GStrv values = slot->values ? g_strdupv(slot->values) : g_strdupv((GStrv)one);
		if (values[0])
			g_hash_table_insert(call->flags, (gpointer)slot->flag->name, values);
		else
			g_strfreev(values);
	}
}

/* GLib begins its messages with a capital and quotes in its own way. */
static bool
set_option_error(const GError *failure, GError **error)
{
	g_autofree char *text = g_strdup(failure->message);
	const char *unknown = "Unknown option ";

	if (g_str_has_prefix(text, unknown))
		return usage_error(error, "unknown flag: %s", text + strlen(unknown));
	*text = g_ascii_tolower(*text);
	return usage_error(error, "%s", text);
}

static bool
parse_flags(Call *call, GArray *slots, GStrv *arguments, GError **error)
{
	g_autoptr(GArray) entries = g_array_new(TRUE, TRUE, sizeof(GOptionEntry));
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_auto(GStrv) rest = NULL;
	g_autoptr(GError) failure = NULL;

	for (guint i = 0; i < slots->len; i++) {
		GOptionEntry entry = entry_of(&g_array_index(slots, Slot, i));
		g_array_append_val(entries, entry);
	}
	GOptionEntry remaining = {
	    .long_name = G_OPTION_REMAINING, .arg = G_OPTION_ARG_FILENAME_ARRAY, .arg_data = &rest};
	g_array_append_val(entries, remaining);

	g_option_context_set_help_enabled(context, FALSE);
	g_option_context_add_main_entries(context, (GOptionEntry *)entries->data, NULL);
	if (!g_option_context_parse_strv(context, arguments, &failure))
		return set_option_error(failure, error);

	call->arguments = rest ? g_steal_pointer(&rest) : g_new0(char *, 1);
	call->argument_count = g_strv_length(call->arguments);
	return true;
}

/* How many arguments the verb's description asks for. */
static bool
check_count(const Call *call, GError **error)
{
	g_auto(GStrv) words = g_strsplit(call->verb->arguments, " ", -1);
	unsigned least = 0;
	unsigned most = 0;
	for (gsize i = 0; words[i] && *words[i]; i++) {
		least += words[i][0] == '<';
		most = strstr(words[i], "...") ? G_MAXUINT : most + 1;
	}
	if (call->argument_count >= least && call->argument_count <= most)
		return true;

	if (most == 0)
		return usage_error(error, "%s takes no arguments, but got \"%s\"",
		    call->verb->words, call->arguments[0]);
	return usage_error(error, "%s takes %s, but got %u argument%s", call->verb->words,
	    call->verb->arguments, call->argument_count, call->argument_count == 1 ? "" : "s");
}

/* True when the argument is a flag of the verb whose value comes next. */
static bool
wants_value(const Verb *verb, const char *argument)
{
	g_auto(GStrv) names = g_strsplit(verb->flags, " ", -1);
	for (gsize i = 0; names[i]; i++) {
		const Flag *flag = flag_named(names[i]);
		if (flag && flag_matches(flag, argument))
			return flag->argument && !strchr(argument, '=');
	}
	return false;
}

/* How many words of the line go before the command that it ends in: flags and the first argument.
 * What follows is never ours, whether after «--» or not. */
static int
words_before_command(const Verb *verb, int argc, char **argv)
{
	bool has_first = false;
	for (int i = 0; i < argc; i++) {
		bool is_flag = argv[i][0] == '-';
		if (strcmp(argv[i], "--") == 0 || (has_first && !is_flag))
			return i;
		has_first = has_first || !is_flag;
		i += is_flag && wants_value(verb, argv[i]);
	}
	return argc;
}

/* Moves the command of the line behind the arguments, as it is. */
static void
add_command(Call *call, int argc, char **argv)
{
	g_autoptr(GStrvBuilder) all = g_strv_builder_new();
	g_strv_builder_addv(all, (const char **)call->arguments);
	if (argc > 0 && strcmp(argv[0], "--") == 0) {
		argc--;
		argv++;
	}
	for (int i = 0; i < argc; i++)
		g_strv_builder_add(all, argv[i]);
	g_strfreev(call->arguments);
	call->arguments = g_strv_builder_end(all);
	call->argument_count = g_strv_length(call->arguments);
}

bool
call_parse_loosely(Call *call, int argc, char **argv, GError **error)
{
	g_autoptr(GArray) slots = slots_of(call->verb);
	GStrv arguments = g_new0(char *, (gsize)argc + 2);

	/* GOptionContext takes the first for the program's name. */
	arguments[0] = g_strdup("carrack");
	for (int i = 0; i < argc; i++)
		arguments[i + 1] = g_strdup(argv[i]);
	call->flags = g_hash_table_new_full(
	    g_str_hash, g_str_equal, NULL, (GDestroyNotify)(void (*)(void))g_strfreev);
	bool is_parsed = parse_flags(call, slots, &arguments, error);
	g_strfreev(arguments);
	if (!is_parsed)
		return false;

	take_slots(call, slots);
	return true;
}

bool
call_parse(Call *call, int argc, char **argv, GError **error)
{
	bool has_command = strstr(call->verb->arguments, "<command...>") != NULL;
	int count = has_command ? words_before_command(call->verb, argc, argv) : argc;
	if (!call_parse_loosely(call, count, argv, error))
		return false;
	if (has_command)
		add_command(call, argc - count, argv + count);

	return call_has(call, "help") || check_count(call, error);
}

void
call_clear(Call *call)
{
	g_strfreev(call->arguments);
	g_clear_pointer(&call->flags, g_hash_table_unref);
	client_free(call->client);
	g_free(call->app);
}

const char *const *
call_flags(const Call *call, const char *name)
{
	return g_hash_table_lookup(call->flags, name);
}

const char *
call_flag(const Call *call, const char *name)
{
	const char *const *values = call_flags(call, name);
	return values ? values[0] : NULL;
}

bool
call_has(const Call *call, const char *name)
{
	return g_hash_table_contains(call->flags, name);
}

bool
call_number(const Call *call,
    const char *name,
    gint64 minimum,
    gint64 maximum,
    gint64 *number,
    GError **error)
{
	const char *text = call_flag(call, name);
	g_autofree char *what = g_strdup_printf("--%s", name);
	g_autoptr(GError) failure = NULL;

	*number = -1;
	if (!text || text_parse_int(text, what, minimum, maximum, number, &failure))
		return true;
	return usage_error(error, "%s", failure->message);
}

/* The rack */

Client *
call_client(Call *call, GError **error)
{
	if (call->client)
		return call->client;

	call->client = client_open(call_flag(call, "rack"), error);
	if (call->client && client_is_insecure(call->client))
		output_note(call->output, "warning: the certificate of rack %s is not verified",
		    client_name(call->client));
	return call->client;
}

/* The app */

char *
call_app_name_of(const char *text)
{
	GString *name = g_string_new(NULL);

	for (; *text; text++) {
		bool is_kept = g_ascii_isalpha(*text) || (g_ascii_isdigit(*text) && name->len > 0);
		bool is_gap = !is_kept && name->len > 0 && name->str[name->len - 1] != '-';
		if (is_kept)
			g_string_append_c(name, g_ascii_tolower(*text));
		else if (is_gap)
			g_string_append_c(name, '-');
	}
	while (name->len > 0 && name->str[name->len - 1] == '-')
		g_string_truncate(name, name->len - 1);

	bool is_empty = name->len == 0;
	char *result = g_string_free(name, is_empty);
	return is_empty ? NULL : result;
}

/* What a file like .carrack/app says, or NULL. */
static char *
app_of_file(const char *folder, const char *file)
{
	g_autofree char *path = g_build_filename(folder, file, NULL);
	g_autofree char *text = NULL;
	gsize length;

	if (!g_file_get_contents(path, &text, &length, NULL) || length > APP_FILE_BYTES)
		return NULL;
	g_strstrip(text);
	return *text ? g_steal_pointer(&text) : NULL;
}

static char *
app_of_folder_name(const char *folder, GError **error)
{
	g_autofree char *whole = g_canonicalize_filename(folder, NULL);
	g_autofree char *last = g_path_get_basename(whole);
	g_autofree char *name = call_app_name_of(last);
	if (name && text_check_name(name, "app name", NULL))
		return g_steal_pointer(&name);

	usage_error(error, "the folder's name (%s) makes no app name: give one with --app", last);
	return NULL;
}

static char *
app_given(Call *call, const char *folder)
{
	const char *flag = call_flag(call, "app");
	const char *variable = g_getenv("CARRACK_APP");

	if (flag)
		return g_strdup(flag);
	if (variable && *variable)
		return g_strdup(variable);
	char *name = app_of_file(folder, ".carrack/app");
	return name ? name : app_of_file(folder, ".convox/app");
}

const char *
call_app_of_folder(Call *call, const char *folder, GError **error)
{
	if (call->app)
		return call->app;

	g_autofree char *name = app_given(call, folder);
	call->is_app_guessed = name == NULL;
	if (!name)
		name = app_of_folder_name(folder, error);
	if (!name || !text_check_name(name, "app name", error))
		return NULL;

	call->app = g_steal_pointer(&name);
	return call->app;
}

const char *
call_app(Call *call, GError **error)
{
	return call_app_of_folder(call, ".", error);
}

const char *
call_app_argument(Call *call, GError **error)
{
	if (call->argument_count == 0)
		return call_app(call, error);
	if (!text_check_name(call->arguments[0], "app name", error))
		return NULL;

	g_free(call->app);
	call->app = g_strdup(call->arguments[0]);
	return call->app;
}

void
call_announce_app(const Call *call)
{
	if (call->is_app_guessed)
		output_note(
		    call->output, "app %s (the folder's name; --app names another)", call->app);
}

/* Ctrl-C */

static void *
wait_for_interrupt(void *data)
{
	GCancellable *cancel = data;
	sigset_t signals;
	int number;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigwait(&signals, &number);
	g_cancellable_cancel(cancel);
	sigwait(&signals, &number);
	_exit(130);
}

void
call_watch_interrupt(Call *call)
{
	sigset_t signals;
	pthread_t thread;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	/* The thread lives as long as the program and keeps the cancellable. */
	if (pthread_create(&thread, NULL, wait_for_interrupt, g_object_ref(call->cancel)) == 0)
		pthread_detach(thread);
}

bool
call_is_interrupted(const Call *call)
{
	return g_cancellable_is_cancelled(call->cancel);
}

bool
call_pause(Call *call, unsigned milliseconds, GError **error)
{
	GPollFD poll_on;
	if (g_cancellable_make_pollfd(call->cancel, &poll_on)) {
		g_poll(&poll_on, 1, (int)milliseconds);
		g_cancellable_release_fd(call->cancel);
	}

	return !error_cancelled(call->cancel, error);
}
