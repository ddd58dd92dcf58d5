/*
 * The verb `init`: writes what makes a folder an app, and says what it was taken for and why. What
 * is there is never written over without --force. `deploy` and `build` use the same texts without
 * writing them.
 */
#include "cli/init.h"

#include "cli/config.h"
#include "cli/verbs.h"
#include "manifest/files.h"

#include <string.h>
#include <sys/stat.h>

#define IMAGES_FILE "images"

/* Base images */

static bool
read_images_of(Images *images, const char *folder, GError **error)
{
	g_autofree char *file = g_build_filename(folder, IMAGES_FILE, NULL);

	return !g_file_test(file, G_FILE_TEST_EXISTS) || images_read(images, file, error);
}

static bool
read_flags(Call *call, Images *images, GError **error)
{
	const char *const *given = call_flags(call, "base");
	g_autoptr(GError) failure = NULL;

	for (gsize i = 0; given && given[i]; i++) {
		if (!images_set_argument(images, given[i], &failure))
			return usage_error(error, "--base: %s", failure->message);
	}
	return true;
}

/* From the most general to the most particular. */
static Images *
read_images(Call *call, const char *folder, GError **error)
{
	g_autoptr(Images) images = images_new();
	g_autofree char *general = config_folder();
	g_autofree char *own = g_build_filename(folder, ".carrack", NULL);
	const char *named = g_getenv("CARRACK_IMAGES");

	bool is_read = read_images_of(images, general, error) &&
		       read_images_of(images, own, error) &&
		       (!named || !*named || images_read(images, named, error)) &&
		       read_flags(call, images, error);
	return is_read ? g_steal_pointer(&images) : NULL;
}

/* For build and deploy */

static bool
is_there(const char *folder, const char *name)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);
	struct stat status;

	return lstat(path, &status) == 0;
}

/* The file that says what the folder is, or NULL. A Procfile alone does not: it needs an image. */
static const char *
manifest_in(const char *folder)
{
	for (const char *const *name = manifest_file_names(); *name; name++) {
		if (strcmp(*name, "Procfile") != 0 && is_there(folder, *name))
			return *name;
	}
	return NULL;
}

bool
init_for_build(Call *call, const char *folder, Detection **detection, GError **error)
{
	const char *named = call_flag(call, "manifest");
	const char *file = named ? named : manifest_in(folder);
	if (file && (call_has(call, "language") || call_has(call, "base")))
		return usage_error(error,
		    "--%s is for folders without a Dockerfile, but %s says what is built",
		    call_has(call, "language") ? "language" : "base", file);
	if (file || !g_file_test(folder, G_FILE_TEST_IS_DIR))
		return true;

	g_autoptr(Images) images = read_images(call, folder, error);
	if (!images)
		return false;
	*detection = detect_folder(folder, call_flag(call, "language"), images, error);
	if (!*detection)
		g_prefix_error(error, "no convox.yml, no docker-compose.yml and no Dockerfile in ");
	return *detection != NULL;
}

/* The verb */

typedef struct {
	json_t *written;
	json_t *kept;
} Written;

static void
written_clear(Written *written)
{
	json_decref(written->written);
	json_decref(written->kept);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Written, written_clear)

/* A convox.yml would go before a compose file that is there. */
static bool
check_no_compose(const Call *call, const char *folder, GError **error)
{
	const char *file = manifest_in(folder);
	bool is_compose = file && strstr(file, "compose") != NULL;
	if (!is_compose || call_has(call, "force"))
		return true;

	return error_set(error, CARRACK_ERROR_CONFLICT,
	    "%s: %s is there already and says what is run; --force writes a convox.yml, which goes "
	    "before it",
	    folder, file);
}

static bool
write_file(
    Call *call, const char *folder, const DetectedFile *file, Written *written, GError **error)
{
	g_autofree char *path = g_build_filename(folder, file->path, NULL);
	g_autoptr(GError) failure = NULL;
	if (is_there(folder, file->path) && !call_has(call, "force")) {
		output_note(
		    call->output, "%s is there already: kept (--force writes over it)", file->path);
		json_array_append_new(written->kept, json_string(file->path));
		return true;
	}

	output_action(call->output, "Writing %s", file->path);
	if (!g_file_set_contents(path, file->text, -1, &failure))
		return error_set(error, CARRACK_ERROR_INTERNAL, "%s", failure->message);
	output_done(call->output, NULL);
	json_array_append_new(written->written, json_string(file->path));
	return true;
}

static json_t *
reasons_json(const Detection *detection)
{
	json_t *list = json_array();
	for (guint i = 0; i < detection->reasons->len; i++)
		json_array_append_new(list, json_text_value(detection->reasons->pdata[i]));
	return list;
}

static void
tell_reasons(const Call *call, const Detection *detection)
{
	output_talk(call->output, "%s", detection->title);
	for (guint i = 0; i < detection->reasons->len; i++) {
		g_autofree char *line = g_strconcat("  ", detection->reasons->pdata[i], NULL);
		output_line(call->output, line);
	}
}

static bool
write_files(
    Call *call, const char *folder, const Detection *detection, Written *written, GError **error)
{
	for (guint i = 0; i < detection->files->len; i++) {
		if (!write_file(call, folder, detection->files->pdata[i], written, error))
			return false;
	}
	if (json_array_size(written->kept) > 0 && json_array_size(written->written) > 0)
		output_note(call->output,
		    "what is kept was not looked at: convox.yml and Dockerfile must name one port");
	if (json_array_size(written->written) > 0)
		return true;

	return error_set(error, CARRACK_ERROR_CONFLICT,
	    "%s: nothing is written, as all files are there; --force writes over them", folder);
}

bool
init(Call *call, GError **error)
{
	const char *folder = call->argument_count > 0 ? call->arguments[0] : ".";
	g_auto(Written) written = {json_array(), json_array()};
	g_autoptr(Images) images = read_images(call, folder, error);
	g_autoptr(Detection) detection =
	    images ? detect_folder(folder, call_flag(call, "language"), images, error) : NULL;
	if (!detection || !check_no_compose(call, folder, error))
		return false;

	tell_reasons(call, detection);
	if (!write_files(call, folder, detection, &written, error))
		return false;
	json_auto_t *answer = json_pack("{s:s, s:s, s:o, s:O, s:O}", "language",
	    detection->language, "title", detection->title, "reasons", reasons_json(detection),
	    "written", written.written, "kept", written.kept);
	output_json(call->output, answer);
	return true;
}
