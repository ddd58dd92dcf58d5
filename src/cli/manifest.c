/*
 * `manifest show` and `manifest check`: what a manifest says with every spelling resolved and every
 * default filled in, and all that is wrong with it. Neither talks to a rack; the environment comes
 * from a file.
 */
#include "cli/source.h"
#include "cli/verbs.h"
#include "manifest/show.h"

#include <string.h>

static bool
read_generation(Call *call, unsigned *generation, GError **error)
{
	gint64 number;
	if (!call_number(call, "generation", 2, 3, &number, error))
		return false;

	*generation = number > 0 ? (unsigned)number : 0;
	return true;
}

static Env *
read_env(const Call *call, GError **error)
{
	const char *file = call_flag(call, "env-file");
	g_autofree char *text = NULL;
	gsize length;
	g_autoptr(GError) failure = NULL;
	if (!file)
		return env_new();
	if (g_file_get_contents(file, &text, &length, &failure))
		return env_parse_file(text, length, file, error);

	error_set(error, CARRACK_ERROR_NOT_FOUND, "%s", failure->message);
	return NULL;
}

/* The manifest of FILE, or of the current folder. */
static Manifest *
read_manifest(Call *call, const Env *env, GError **error)
{
	ManifestOptions options = {.env = env, .is_strict = call_has(call, "strict")};
	const char *path = call->argument_count > 0 ? call->arguments[0] : NULL;
	bool is_folder = path && g_file_test(path, G_FILE_TEST_IS_DIR);
	g_autofree char *folder =
	    is_folder || !path ? g_strdup(path ? path : ".") : g_path_get_dirname(path);
	g_autofree char *name = is_folder || !path ? NULL : g_path_get_basename(path);
	if (!read_generation(call, &options.generation, error))
		return NULL;

	g_autofree char *file = NULL;
	g_autofree char *text = source_manifest_text(folder, name, &file, error);
	return text ? manifest_parse_with(text, strlen(text), file, &options, error) : NULL;
}

static void
tell_warnings(const Call *call, const Manifest *manifest)
{
	for (guint i = 0; i < manifest->warnings->len; i++)
		output_note(call->output, "warning: %s", (char *)manifest->warnings->pdata[i]);
	for (guint i = 0; i < manifest->refusals->len; i++)
		output_note(call->output, "warning: refused by a deploy: %s",
		    (char *)manifest->refusals->pdata[i]);
	for (guint i = 0; i < manifest->powers->len; i++)
		output_note(call->output, "warning: %s", (char *)manifest->powers->pdata[i]);
}

bool
manifest_show(Call *call, GError **error)
{
	g_autoptr(Env) env = read_env(call, error);
	g_autoptr(Manifest) manifest = env ? read_manifest(call, env, error) : NULL;
	if (!manifest)
		return false;

	tell_warnings(call, manifest);
	if (!manifest_check_env(manifest, env, error))
		return false;

	json_auto_t *resolved = manifest_json(manifest, env);
	if (output_is_json(call->output)) {
		output_json(call->output, resolved);
		return true;
	}
	g_autofree char *text = json_text(resolved, true);
	output_data(call->output, text, strlen(text));
	return true;
}

bool
manifest_check(Call *call, GError **error)
{
	g_autoptr(Env) env = read_env(call, error);
	g_autoptr(Manifest) manifest = env ? read_manifest(call, env, error) : NULL;
	if (!manifest)
		return false;

	tell_warnings(call, manifest);
	if (!manifest_check_env(manifest, env, error))
		return false;

	json_auto_t *answer = json_pack("{s:s, s:i, s:i}", "file", manifest->file, "services",
	    (int)manifest->services->len, "warnings",
	    (int)(manifest->warnings->len + manifest->refusals->len));
	output_talk(call->output, "%s is fine: %u service%s", manifest->file,
	    manifest->services->len, manifest->services->len == 1 ? "" : "s");
	output_json(call->output, answer);
	return true;
}
