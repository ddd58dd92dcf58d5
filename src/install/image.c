/*
 * The rack's image: the binaries beside this one on top of a layer of Debian packages, built by the
 * engine from a context of four files. Its tag is a hash of that context, so an image that is there
 * is the right one and nothing is built.
 */
#include "install/steps.h"

#include "base/error.h"
#include "base/tar.h"
#include "base/text.h"
#include "install/resources.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define BASE_IMAGE "debian:bookworm-slim"
#define TAIL_LINES 6
#define BUILD_TIMEOUT_MS (15 * 60 * 1000)

typedef struct {
	char *folder; /* temporary */
	char *tag;    /* carrack/rack:HASH */
} Context;

static void
context_clear(Context *context)
{
	static const char *const files[] = {"Dockerfile", "rack/etc/carrack/registry.yml",
	    "rack/etc/carrack", "rack/etc", "rack/usr/local/bin/carrackd",
	    "rack/usr/local/bin/carrack", "rack/usr/local/bin", "rack/usr/local", "rack/usr",
	    "rack", ""};
	for (gsize i = 0; context->folder && i < G_N_ELEMENTS(files); i++) {
		g_autofree char *path = g_build_filename(context->folder, files[i], NULL);
		g_remove(path);
	}
	g_free(context->folder);
	g_free(context->tag);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Context, context_clear)

/* Installed side by side; in a build folder each in the folder of its source. */
static char *
find_binary(const char *name, GError **error)
{
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
	g_autofree char *folder = g_path_get_dirname(self ? self : "/usr/local/bin/carrack");
	static const char *const places[] = {".", "../bin", "../sbin", "../daemon", "../cli"};
	for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
		g_autofree char *path = g_build_filename(folder, places[i], name, NULL);
		if (g_file_test(path, G_FILE_TEST_IS_REGULAR) && access(path, X_OK) == 0)
			return g_steal_pointer(&path);
	}
	error_set(error, CARRACK_ERROR_NOT_FOUND,
	    "%s is not beside this program in %s; install both", name, folder);
	return NULL;
}

static bool
context_add(Context *context,
    GChecksum *sum,
    const char *path,
    const char *bytes,
    gsize length,
    GError **error)
{
	g_autofree char *target = g_build_filename(context->folder, path, NULL);
	g_autofree char *folder = g_path_get_dirname(target);
	bool is_program = g_str_has_prefix(path, "rack/usr/");
	g_autoptr(GError) cause = NULL;
	g_checksum_update(sum, (const guchar *)bytes, (gssize)length);
	if (g_mkdir_with_parents(folder, 0755) != 0)
		return error_set_errno(error, errno, "cannot make %s", folder);
	if (!g_file_set_contents_full(target, bytes, (gssize)length, G_FILE_SET_CONTENTS_NONE,
		is_program ? 0755 : 0644, &cause))
		return error_set(error, CARRACK_ERROR_INTERNAL, "%s", cause->message);

	return true;
}

static bool
context_add_resource(
    Context *context, GChecksum *sum, const char *name, const char *path, GError **error)
{
	g_autofree char *resource = g_strconcat("/carrack/", name, NULL);
	g_autoptr(GBytes) bytes = g_resource_lookup_data(
	    resources_get_resource(), resource, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
	return context_add(
	    context, sum, path, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), error);
}

static bool
context_add_binary(Context *context, GChecksum *sum, const char *name, GError **error)
{
	g_autofree char *source = find_binary(name, error);
	g_autofree char *path = g_build_filename("rack/usr/local/bin", name, NULL);
	g_autofree char *bytes = NULL;
	gsize length = 0;
	g_autoptr(GError) cause = NULL;
	if (!source)
		return false;
	if (!g_file_get_contents(source, &bytes, &length, &cause))
		return error_set(error, CARRACK_ERROR_INTERNAL, "%s", cause->message);

	return context_add(context, sum, path, bytes, length, error);
}

static bool
context_fill(Context *context, GError **error)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	g_autoptr(GError) cause = NULL;
	context->folder = g_dir_make_tmp("carrack-image-XXXXXX", &cause);
	if (!context->folder)
		return error_set(error, CARRACK_ERROR_INTERNAL, "%s", cause->message);
	if (!context_add_resource(context, sum, "rack.Dockerfile", "Dockerfile", error) ||
	    !context_add_resource(
		context, sum, "registry.yml", "rack/etc/carrack/registry.yml", error) ||
	    !context_add_binary(context, sum, "carrack", error) ||
	    !context_add_binary(context, sum, "carrackd", error))
		return false;

	context->tag = g_strdup_printf("carrack/rack:%.12s", g_checksum_get_string(sum));
	return true;
}

/* What the engine says while it builds or pulls. */
typedef struct {
	GQueue tail; /* of char *, the last lines */
	char *failure;
	Progress *progress;
} EngineTalk;

static void
talk_clear(EngineTalk *talk)
{
	g_queue_clear_full(&talk->tail, g_free);
	g_free(talk->failure);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(EngineTalk, talk_clear)

/* The engine wraps what a step wrote to stderr in the colour red. */
static char *
plain_line(const char *text)
{
	g_autoptr(GString) line = g_string_new(text);
	g_string_replace(line, "\033[91m", "", 0);
	g_string_replace(line, "\033[0m", "", 0);
	return g_strdup(g_strstrip(line->str));
}

static bool
take_line(gpointer data, json_t *line, GError **error)
{
	EngineTalk *talk = data;
	const char *text = json_text_of(line, "stream", "");
	const char *failure = json_text_of(json_object_get(line, "errorDetail"), "message", NULL);
	if (failure && !talk->failure)
		talk->failure = g_strdup(failure);

	g_autofree char *stripped = plain_line(text);
	if (*stripped)
		g_queue_push_tail(&talk->tail, g_steal_pointer(&stripped));
	if (talk->tail.length > TAIL_LINES)
		g_free(g_queue_pop_head(&talk->tail));
	return true;
}

static bool
talk_to_engine(Docker *docker, HttpRequest *request, EngineTalk *talk, GError **error)
{
	DockerLines lines = {.take = take_line, .data = talk};
	request->method = "POST";
	request->write = docker_lines_feed;
	request->write_data = &lines;
	request->timeout_ms = BUILD_TIMEOUT_MS;
	g_autoptr(HttpAnswer) answer = docker_request(docker, request, NULL, error);
	docker_lines_clear(&lines);
	if (!answer)
		return false;
	if (talk->failure)
		return error_set(error, CARRACK_ERROR_UPSTREAM, "%s", talk->failure);

	return true;
}

static bool
base_image_ensure(Install *install, GError **error)
{
	g_auto(EngineTalk) talk = {.progress = install->progress};
	g_autoptr(GError) cause = NULL;
	json_auto_t *image =
	    docker_call(install->docker, "GET", NULL, NULL, "/images/" BASE_IMAGE "/json");
	if (image)
		return true;

	progress_note(install->progress, "pulling %s", BASE_IMAGE);
	HttpRequest request = {.path = "/images/create?fromImage=debian&tag=bookworm-slim"};
	if (talk_to_engine(install->docker, &request, &talk, &cause))
		return true;

	return error_set(error, CARRACK_ERROR_UNAVAILABLE,
	    "image %s is not here and cannot be pulled; make it with tools/base-image (%s)",
	    BASE_IMAGE, cause->message);
}

static bool
collect(gpointer data, const void *bytes, gsize length, GError **error)
{
	g_byte_array_append(data, bytes, (guint)length);
	return true;
}

static bool
build(Install *install, const Context *context, GError **error)
{
	g_autoptr(GByteArray) body = g_byte_array_new();
	g_auto(EngineTalk) talk = {.progress = install->progress};
	g_autofree char *tag = http_escape(context->tag);
	g_autofree char *path = g_strdup_printf(
	    "/build?t=%s&rm=1&forcerm=1&nocache=%d&labels=%%7B%%22carrack.part%%22%%3A%%22image%%22"
	    "%%7D",
	    tag, install->wants_rebuild);
	static const char *const headers[] = {"Content-Type: application/x-tar", NULL};
	if (!base_image_ensure(install, error) ||
	    !tar_pack(context->folder, NULL, collect, body, NULL, error))
		return false;

	HttpRequest request = {
	    .path = path, .headers = headers, .body = body->data, .body_length = body->len};
	if (talk_to_engine(install->docker, &request, &talk, error))
		return true;

	for (GList *line = talk.tail.head; line; line = line->next)
		progress_note(install->progress, "%s", (const char *)line->data);
	g_prefix_error(error, "image %s: ", context->tag);
	return false;
}

/* The last layer is our binaries; the others decide whether HAProxy's container may stay. */
static bool
read_image(Install *install, const char *tag, GError **error)
{
	json_auto_t *image =
	    docker_call(install->docker, "GET", NULL, error, "/images/%s/json", tag);
	if (!image)
		return false;

	json_t *layers = json_at(image, "RootFS", "Layers", NULL);
	g_autoptr(GString) names = g_string_new(NULL);
	for (size_t i = 0; i + 1 < json_array_size(layers); i++)
		g_string_append(names, json_string_value(json_array_get(layers, i)));
	install->image = g_strdup(json_text_of(image, "Id", ""));
	install->layers = text_sha256(names->str, names->len);
	return true;
}

char *
image_name(GError **error)
{
	g_auto(Context) context = {0};
	return context_fill(&context, error) ? g_steal_pointer(&context.tag) : NULL;
}

bool
image_ensure(Install *install, GError **error)
{
	g_auto(Context) context = {0};
	if (!context_fill(&context, error))
		return false;

	bool is_here = !install->wants_rebuild && read_image(install, context.tag, NULL);
	if (is_here)
		return true;

	progress_note(install->progress, "building %s", context.tag);
	return build(install, &context, error) && read_image(install, context.tag, error);
}
