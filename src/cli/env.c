/*
 * The verbs `env …`. An argument was unquoted by the shell and is taken as it is; only files
 * (stdin, the editor) have quotes of their own. A change is a new release with the whole
 * environment.
 */
#include "base/limits.h"
#include "cli/releases.h"
#include "cli/verbs.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES (4 * LIMIT_ENV_BYTES)

/* Listing */

/* True if env_parse_file would not read the value back as it is. */
static bool
needs_quotes(const char *value)
{
	gsize length = strlen(value);
	if (length == 0)
		return false;
	if (value[0] == ' ' || value[length - 1] == ' ' || strpbrk(value, "\"'") ||
	    strstr(value, " #"))
		return true;

	for (gsize i = 0; i < length; i++) {
		if (g_ascii_iscntrl(value[i]))
			return true;
	}
	return false;
}

static void
add_quoted(GString *text, const char *value)
{
	g_string_append_c(text, '"');
	for (; *value; value++) {
		switch (*value) {
		case '\n':
			g_string_append(text, "\\n");
			break;
		case '\r':
			g_string_append(text, "\\r");
			break;
		case '\t':
			g_string_append(text, "\\t");
			break;
		case '"':
		case '\\':
			g_string_append_c(text, '\\');
			g_string_append_c(text, *value);
			break;
		default:
			g_string_append_c(text, *value);
		}
	}
	g_string_append_c(text, '"');
}

char *
env_listing(const Env *env)
{
	GString *text = g_string_new(NULL);
	g_autofree const char **names = env_names(env);

	for (gsize i = 0; names[i]; i++) {
		const char *value = env_get(env, names[i]);
		g_string_append_printf(text, "%s%s=", i ? "\n" : "", names[i]);
		if (needs_quotes(value))
			add_quoted(text, value);
		else
			g_string_append(text, value);
	}
	return g_string_free(text, FALSE);
}

bool
env_list(Call *call, GError **error)
{
	g_autoptr(Env) env = env_latest(call, error);
	if (!env)
		return false;

	if (output_is_json(call->output)) {
		json_auto_t *object = env_json(env);
		output_json(call->output, object);
		return true;
	}
	g_autofree char *listing = env_listing(env);
	output_foreign(call->output, false, listing, strlen(listing));
	if (*listing)
		output_data(call->output, "\n", 1);
	return true;
}

bool
env_get_one(Call *call, GError **error)
{
	const char *name = call->arguments[0];
	g_autoptr(Env) env = env_latest(call, error);
	if (!env)
		return false;
	const char *value = env_get(env, name);
	if (!value)
		return error_set(error, CARRACK_ERROR_NOT_FOUND, "env not found: %s", name);

	json_auto_t *answer = json_pack("{s:s, s:s}", "name", name, "value", value);
	output_json(call->output, answer);
	if (output_is_json(call->output))
		return true;
	output_data(call->output, value, strlen(value));
	output_data(call->output, "\n", 1);
	return true;
}

/* Changing */

/* «Setting A, B... OK», «Release: R», and the promote that was asked for. */
static bool
make_release(Call *call, const Env *env, GError **error)
{
	g_autofree char *release = release_create(call, NULL, env, error);
	if (!release)
		return false;

	output_done(call->output, NULL);
	output_talk(call->output, "Release: %s", release);
	if (call_has(call, "promote") && !release_promote(call, release, error))
		return false;
	json_auto_t *answer = json_pack("{s:s, s:s}", "app", call->app, "release", release);
	output_json(call->output, answer);
	output_id(call->output, release);
	return true;
}

/* --no-wait says nothing without --promote; a mistake that is better told. */
static bool
begin_change(Call *call, GError **error)
{
	if (call_has(call, "no-wait") && !call_has(call, "promote"))
		return usage_error(
		    error, "--no-wait needs --promote: without it nothing is waited for");
	if (call_has(call, "promote"))
		call_watch_interrupt(call);

	return call_app(call, error) && call_client(call, error);
}

static bool
set_argument(Env *env, const char *argument, GError **error)
{
	const char *equals = strchr(argument, '=');
	if (!equals)
		return usage_error(error, "%s: write it as NAME=value", argument);

	g_autofree char *name = g_strndup(argument, (gsize)(equals - argument));
	return env_set(env, name, equals + 1, error);
}

static Env *
env_of_arguments(const Call *call, GError **error)
{
	g_autoptr(Env) env = env_new();

	for (unsigned i = 0; i < call->argument_count; i++) {
		if (!set_argument(env, call->arguments[i], error))
			return NULL;
	}
	return g_steal_pointer(&env);
}

static bool
read_stdin(GString *text, GError **error)
{
	char buffer[4096];
	gssize count;

	do {
		count = read(STDIN_FILENO, buffer, sizeof(buffer));
		if (count > 0)
			g_string_append_len(text, buffer, count);
	} while ((count > 0 && text->len <= FILE_BYTES) || (count < 0 && errno == EINTR));

	if (count < 0)
		return error_set_errno(error, errno, "stdin");
	if (text->len > FILE_BYTES)
		return error_set(error, CARRACK_ERROR_TOO_LARGE,
		    "stdin holds more than %d bytes of variables", FILE_BYTES);
	return true;
}

static Env *
env_of_stdin(GError **error)
{
	if (isatty(STDIN_FILENO)) {
		usage_error(error, "env set takes NAME=value arguments, or variables on stdin");
		return NULL;
	}
	g_autoptr(GString) text = g_string_new(NULL);
	if (!read_stdin(text, error))
		return NULL;

	g_autoptr(Env) env = env_parse_file(text->str, text->len, "stdin", error);
	if (env && env_size(env) == 0) {
		error_set(error, CARRACK_ERROR_INVALID, "nothing to set: stdin holds no variables");
		return NULL;
	}
	return g_steal_pointer(&env);
}

static char *
names_text(const Env *env)
{
	g_autofree const char **names = env_names(env);
	return g_strjoinv(", ", (GStrv)names);
}

static bool
merge(Env *env, const Env *changes, GError **error)
{
	g_autofree const char **names = env_names(changes);

	for (gsize i = 0; names[i]; i++) {
		if (!env_set(env, names[i], env_get(changes, names[i]), error))
			return false;
	}
	return true;
}

bool
env_set_many(Call *call, GError **error)
{
	/* Stdin only without arguments: in CI it may be a pipe that never ends. */
	g_autoptr(Env) changes =
	    call->argument_count > 0 ? env_of_arguments(call, error) : env_of_stdin(error);
	if (!changes || !begin_change(call, error))
		return false;
	call_announce_app(call);

	g_autofree char *names = names_text(changes);
	output_action(call->output, "Setting %s", names);
	g_autoptr(Env) env = call_has(call, "replace") ? env_new() : env_latest(call, error);
	if (!env || !merge(env, changes, error))
		return false;
	return make_release(call, env, error);
}

/* Takes the names that are there away and returns them, sorted; notes the others. */
static char *
unset_names(Call *call, Env *env)
{
	g_autoptr(Env) removed = env_new();

	for (unsigned i = 0; i < call->argument_count; i++) {
		const char *name = call->arguments[i];
		if (env_unset(env, name))
			env_set(removed, name, "", NULL);
		else
			output_note(call->output, "%s is not set", name);
	}
	return names_text(removed);
}

bool
env_unset_many(Call *call, GError **error)
{
	if (!begin_change(call, error))
		return false;
	g_autoptr(Env) env = env_latest(call, error);
	if (!env)
		return false;

	g_autofree char *names = unset_names(call, env);
	if (!*names) {
		output_note(call->output, "nothing to unset; no release was made");
		return true;
	}
	call_announce_app(call);
	output_action(call->output, "Unsetting %s", names);
	return make_release(call, env, error);
}

/* The editor */

static char *
edit_file_new(const char *text, GError **error)
{
	g_autofree char *file = NULL;
	g_autoptr(GError) failure = NULL;
	/* 0600 from the start. */
	int descriptor = g_file_open_tmp("carrack-XXXXXX.env", &file, &failure);
	if (descriptor < 0) {
		error_set(error, CARRACK_ERROR_INTERNAL, "%s", failure->message);
		return NULL;
	}

	close(descriptor);
	if (g_file_set_contents_full(file, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, &failure))
		return g_steal_pointer(&file);
	g_unlink(file);
	error_set(error, CARRACK_ERROR_INTERNAL, "%s", failure->message);
	return NULL;
}

static bool
run_editor(const char *file, GError **error)
{
	const char *editor = g_getenv("VISUAL");
	if (!editor || !*editor)
		editor = g_getenv("EDITOR");
	if (!editor || !*editor)
		return error_set(
		    error, CARRACK_ERROR_INVALID, "no editor: set EDITOR, or use env set");

	g_autoptr(GError) failure = NULL;
	g_auto(GStrv) words = NULL;
	if (!g_shell_parse_argv(editor, NULL, &words, &failure))
		return error_set(error, CARRACK_ERROR_INVALID, "EDITOR: %s", failure->message);
	g_autoptr(GPtrArray) arguments = g_ptr_array_new();
	for (gsize i = 0; words[i]; i++)
		g_ptr_array_add(arguments, words[i]);
	g_ptr_array_add(arguments, (gpointer)file);
	g_ptr_array_add(arguments, NULL);

	g_autoptr(GSubprocess) process = g_subprocess_newv(
	    (const char *const *)arguments->pdata, G_SUBPROCESS_FLAGS_STDIN_INHERIT, &failure);
	if (!process || !g_subprocess_wait_check(process, NULL, &failure))
		return error_set(
		    error, CARRACK_ERROR_INVALID, "editor %s: %s", words[0], failure->message);
	return true;
}

/* The environment as it comes out of the editor. */
static Env *
edit(const char *before, GError **error)
{
	g_autofree char *file = edit_file_new(before, error);
	if (!file)
		return NULL;

	g_autofree char *text = NULL;
	gsize length;
	g_autoptr(GError) failure = NULL;
	bool is_edited = run_editor(file, error);
	bool is_read = is_edited && g_file_get_contents(file, &text, &length, &failure);
	g_unlink(file);
	if (!is_edited)
		return NULL;
	if (!is_read) {
		error_set(error, CARRACK_ERROR_INTERNAL, "%s", failure->message);
		return NULL;
	}
	return env_parse_file(text, length, "environment", error);
}

bool
env_edit(Call *call, GError **error)
{
	if (!begin_change(call, error))
		return false;
	g_autoptr(Env) before = env_latest(call, error);
	if (!before)
		return false;
	call_announce_app(call);

	g_autofree char *listing = env_listing(before);
	g_autofree char *text = g_strconcat(listing, *listing ? "\n" : "", NULL);
	g_autoptr(Env) after = edit(text, error);
	if (!after)
		return false;
	g_autofree char *change = env_describe_change(before, after);
	if (!change) {
		output_note(call->output, "nothing has changed; no release was made");
		return true;
	}
	output_action(call->output, "Setting the environment");
	return make_release(call, after, error);
}
