/*
 * One build by the engine: the source goes in as a tar stream, lines come out. The classic builder
 * is preferred, because it alone takes limits: a build gets most of the machine's memory and cores
 * but not all, and the lowest share of what is wanted by others too. What only BuildKit can build
 * goes there, without limits (its API has none).
 *
 * Closing the connection ends the engine's build, and that is what a cancel does.
 */
#include "base/limits.h"
#include "base/tar.h"
#include "swarm/builder-private.h"

#include <string.h>

#define MEBIBYTE ((gint64)1024 * 1024)
#define MEMORY_LEFT (1024 * MEBIBYTE) /* to apps and the rack itself */
#define MEMORY_PERCENT 75
#define MEMORY_LEAST (512 * MEBIBYTE)
#define CPU_PERIOD 100000
#define CPU_SHARES 128        /* of the usual 1024 */
#define INSTRUCTION_SHOWN 160 /* characters of it in an error */
#define STATUS_KILLED 137

typedef struct {
	BuildText *text;
	BuildTrace trace;
	char *image;   /* id, «» until there is one */
	char *failure; /* the engine's words */
	gint64 status; /* of the failed step, 0: not told */
	gint64 memory; /* that it may use */
} BuildRun;

static void
build_run_clear(BuildRun *run)
{
	build_trace_clear(&run->trace);
	g_free(run->image);
	g_free(run->failure);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BuildRun, build_run_clear)

static gint64
memory_for_builds(gint64 total)
{
	return MAX(MIN(total - MEMORY_LEFT, total / 100 * MEMORY_PERCENT), MEMORY_LEAST);
}

static void
add_parameter(GString *query, const char *name, const char *value)
{
	g_autofree char *escaped = http_escape(value);

	g_string_append_printf(query, "&%s=%s", name, escaped);
}

static void
add_json(GString *query, const char *name, json_t *value)
{
	g_autofree char *text = json_text(value, false);

	add_parameter(query, name, text);
	json_decref(value);
}

static bool
add_limits(DockerBuilder *builder, GString *query, gint64 *memory, GError **error)
{
	json_auto_t *info = docker_call(builder->docker, "GET", NULL, error, "/info");
	if (!info)
		return false;

	gint64 cores = MAX(json_int_of(info, "NCPU", 1), 1);
	*memory = memory_for_builds(json_int_of(info, "MemTotal", 0));
	g_string_append_printf(query,
	    "&memory=%" G_GINT64_FORMAT "&memswap=%" G_GINT64_FORMAT
	    "&cpuperiod=%d&cpuquota=%" G_GINT64_FORMAT "&cpushares=%d",
	    *memory, *memory, CPU_PERIOD, cores * CPU_PERIOD - CPU_PERIOD / 2, CPU_SHARES);
	return true;
}

/* The path of the build with everything that was asked for; the caller frees it. */
static char *
build_path(const BuilderSource *source, const char *name, const char *limits, bool buildkit)
{
	g_autoptr(GString) path = g_string_new("/build?rm=1&forcerm=1");

	g_string_append(path, limits);
	if (buildkit)
		g_string_append(path, "&version=2");
	if (source->without_cache)
		g_string_append(path, "&nocache=1");
	if (source->target && *source->target)
		add_parameter(path, "target", source->target);
	add_parameter(path, "t", name);
	add_parameter(path, "dockerfile", source->dockerfile);
	add_json(
	    path, "buildargs", source->arguments ? env_json(source->arguments) : json_object());
	/* Nothing of the build itself: the same source gives the same image, and a deploy without
	 * changes no new one. */
	add_json(path, "labels", json_pack("{s:s}", "carrack.app", source->app));
	return g_string_free(g_steal_pointer(&path), FALSE);
}

static void
take_aux(BuildRun *run, json_t *line)
{
	json_t *aux = json_object_get(line, "aux");
	const char *id = json_text_of(line, "id", "");

	if (json_is_string(aux) && !strcmp(id, "moby.buildkit.trace"))
		build_trace_read(&run->trace, run->text, json_string_value(aux));
	if (!json_is_object(aux) || !json_object_get(aux, "ID"))
		return;

	g_free(run->image);
	run->image = g_strdup(json_text_of(aux, "ID", ""));
}

static bool
take_line(gpointer data, json_t *line, GError **error)
{
	BuildRun *run = data;
	json_t *stream = json_object_get(line, "stream");
	json_t *detail = json_object_get(line, "errorDetail");

	if (json_is_string(stream))
		build_text_stream(run->text, json_string_value(stream), json_string_length(stream));
	take_aux(run, line);
	if (json_is_object(detail)) {
		g_free(run->failure);
		run->failure =
		    g_strdup(json_text_of(detail, "message", "the engine gives no reason"));
		run->status = json_int_of(detail, "code", 0);
	}
	return true;
}

/* BuildKit tells status and step in words only: «…: exit code: 42», and the name of its vertex. */
static void
read_buildkit_failure(BuildRun *run)
{
	static const char marker[] = "exit code: ";
	const char *place = g_strrstr(run->failure, marker);
	const char *name = run->trace.failed;
	const char *end = name && *name == '[' ? strstr(name, "] ") : NULL;

	if (place && run->status == 0)
		run->status = g_ascii_strtoll(place + strlen(marker), NULL, 10);
	if (!end)
		return;

	BuildText *text = run->text;
	g_free(text->step);
	g_free(text->instruction);
	text->step = g_strndup(name + 1, (gsize)(end - name - 1));
	text->instruction = g_strdup(end + 2);
}

/* «2/5 «RUN make»»: short enough for one line. The caller frees it. */
static char *
failed_step(const BuildText *text)
{
	if (!text->step)
		return g_strdup("before the first step");

	g_autofree char *valid = g_utf8_make_valid(text->instruction, -1);
	if (g_utf8_strlen(valid, -1) <= INSTRUCTION_SHOWN)
		return g_strdup_printf("step %s «%s»", text->step, valid);

	g_autofree char *begin = g_utf8_substring(valid, 0, INSTRUCTION_SHOWN);
	return g_strdup_printf("step %s «%s…»", text->step, begin);
}

/* The last line of the log and the error say the same. */
static bool
report_failure(BuildRun *run, GError **error)
{
	read_buildkit_failure(run);
	g_autofree char *step = failed_step(run->text);
	if (run->status == 0) {
		g_autofree char *valid = g_utf8_make_valid(run->failure, -1);
		build_text_line(run->text, "%s failed: %s", step, valid);
		return error_set(error, CARRACK_ERROR_INVALID, "build failed: %s: %s", step, valid);
	}

	g_autofree char *killed =
	    run->status == STATUS_KILLED && run->memory
		? g_strdup_printf(" (killed; a build may use %" G_GINT64_FORMAT " MiB of memory)",
		      run->memory / MEBIBYTE)
		: g_strdup("");
	build_text_line(
	    run->text, "%s: exit status %" G_GINT64_FORMAT "%s", step, run->status, killed);
	return error_set(error, CARRACK_ERROR_INVALID,
	    "build failed: %s exited %" G_GINT64_FORMAT "%s", step, run->status, killed);
}

/* What the engine refuses before it begins (a Dockerfile that it cannot read) is our user's. */
static bool
report_refusal(BuildRun *run, GError *refusal, GError **error)
{
	if (!g_error_matches(refusal, CARRACK_ERROR, CARRACK_ERROR_INVALID)) {
		g_propagate_error(error, refusal);
		return false;
	}
	const char *reason = refusal->message;
	if (g_str_has_prefix(reason, "engine: "))
		reason += strlen("engine: ");
	build_text_line(run->text, "%s", reason);
	error_set(error, CARRACK_ERROR_INVALID, "build failed: %s", reason);
	g_error_free(refusal);
	return false;
}

static bool
send_build(DockerBuilder *builder,
    const BuilderSource *source,
    const char *path,
    BuildRun *run,
    GCancellable *cancel,
    GError **error)
{
	g_autofree char *logins = docker_logins_header(builder->host, &builder->login);
	const char *const headers[] = {"Content-Type: application/x-tar", logins, NULL};
	g_autoptr(TarStream) stream = tar_stream_open(source->archive, source->path, error);
	if (!stream)
		return false;

	DockerLines lines = {.take = take_line, .data = run};
	HttpRequest request = {.method = "POST",
	    .path = path,
	    .headers = headers,
	    .read = tar_stream_read,
	    .read_data = stream,
	    .write = docker_lines_feed,
	    .write_data = &lines};
	GError *inner = NULL;
	g_autoptr(HttpAnswer) answer = docker_request(builder->docker, &request, cancel, &inner);
	docker_lines_clear(&lines);
	build_text_end_lines(run->text);

	return inner ? report_refusal(run, inner, error) : true;
}

/* The text of the Dockerfile; the caller frees it. */
static char *
read_dockerfile(const BuilderSource *source, GCancellable *cancel, GError **error)
{
	g_autofree char *joined = g_strconcat("/./", source->path, "/", source->dockerfile, NULL);
	g_autofree char *plain = g_canonicalize_filename(joined, "/");
	TarWanted wanted = {.path = plain + 1};

	if (!tar_scan(source->archive, &wanted, 1, NULL, cancel, error))
		return NULL;
	if (!wanted.text)
		error_set(error, CARRACK_ERROR_INVALID,
		    "build failed: there is no Dockerfile at %s in the source", plain + 1);
	return wanted.text;
}

/* BuildKit asks a session for logins and we have none; but it takes what is here. */
static bool
fetch_bases(DockerBuilder *builder,
    const char *dockerfile,
    BuildText *text,
    GCancellable *cancel,
    GError **error)
{
	g_auto(GStrv) bases = builder_bases(dockerfile, builder->host);

	for (gsize i = 0; builder->login.user && bases[i]; i++) {
		g_autofree char *id = builder_fetch(builder, bases[i], text, cancel, error);
		if (!id)
			return false;
	}
	return true;
}

bool
builder_build_image(DockerBuilder *builder,
    const BuilderSource *source,
    const char *name,
    BuildText *text,
    GCancellable *cancel,
    GError **error)
{
	g_autofree char *dockerfile = read_dockerfile(source, cancel, error);
	if (!dockerfile)
		return false;
	if (source->target && *source->target &&
	    !builder_check_target(dockerfile, source->target, error))
		return false;

	g_auto(BuildRun) run = {.text = text};
	g_autoptr(GString) limits = g_string_new(NULL);
	bool buildkit = builder_needs_buildkit(dockerfile);
	if (!buildkit && !add_limits(builder, limits, &run.memory, error))
		return false;
	if (buildkit && !fetch_bases(builder, dockerfile, text, cancel, error))
		return false;

	g_autofree char *path = build_path(source, name, limits->str, buildkit);
	if (!send_build(builder, source, path, &run, cancel, error))
		return false;
	if (run.failure)
		return report_failure(&run, error);
	if (!run.image)
		return error_set(error, CARRACK_ERROR_UPSTREAM,
		    "build failed: the engine has ended it without an image or a reason");

	return true;
}
