/*
 * Long polling of a timeline (timeline.h). The rack's daemon may be restarted under a promote,
 * which then goes on: a minute without an answer is waited out. Steps only ever grow, so the number
 * of a step is its identity.
 */
#include "cli/timeline.h"

#include <stdarg.h>
#include <string.h>

#define POLL_SECONDS "20s"
#define PATIENCE_US (60 * G_USEC_PER_SEC)
#define RETRY_MS 500
#define STATUS_MS 300
#define SERVICE_WIDTH 8
#define STEP_WIDTH 8

typedef struct {
	Call *call;
	char *path;
	char *id;
	gint64 after;
	GHashTable *shown; /* numbers of the steps that have been shown */
} Watch;

static char *
timeline_path(const char *app, const char *release)
{
	return client_path("apps", app, "releases", release, "timeline", NULL);
}

bool
timeline_version(Call *call, const char *app, const char *release, gint64 *version, GError **error)
{
	g_autofree char *path = timeline_path(app, release);
	Client *client = call_client(call, error);
	json_auto_t *timeline = client ? client_get(client, path, call->cancel, error) : NULL;
	if (!timeline)
		return false;

	*version = json_int_of(timeline, "version", 0);
	return true;
}

/* Steps that a release has from its build were shown with the build. */
static bool
is_from_build(const json_t *timeline, const json_t *step)
{
	gint64 began = output_time(json_text_of(timeline, "started", NULL));
	gint64 ended = output_time(json_text_of(step, "ended", NULL));

	return ended && began && ended < began;
}

/* An open step is shown in a line that is rewritten, and so has neither colour nor end. */
static char *
step_name(const Watch *watch, const json_t *step, const char *state)
{
	g_autofree char *name = g_strdup_printf("%-*s", STEP_WIDTH, json_text_of(step, "name", ""));

	if (strcmp(state, "open") == 0)
		return g_steal_pointer(&name);
	return output_colour(
	    watch->call->output, strcmp(state, "failed") == 0 ? OUTPUT_RED : OUTPUT_GREEN, name);
}

static char *
step_took(const json_t *step)
{
	gint64 started = output_time(json_text_of(step, "started", NULL));
	gint64 ended = output_time(json_text_of(step, "ended", NULL));

	return started && ended ? g_strdup_printf(" (%.1fs)", (double)(ended - started) / 1e6)
				: g_strdup("");
}

/* «  web       start     2 of 2 healthy (1.2s)» */
static char *
step_line(const Watch *watch, const json_t *step)
{
	const char *state = json_text_of(step, "state", "");
	const char *detail = json_text_of(step, "detail", "");
	const char *otherwise = strcmp(state, "open") == 0 ? "..." : state;
	g_autofree char *name = step_name(watch, step, state);
	g_autofree char *took = step_took(step);

	return g_strdup_printf("  %-*s  %s  %s%s", SERVICE_WIDTH, json_text_of(step, "service", ""),
	    name, *detail ? detail : otherwise, took);
}

static void
show_steps(Watch *watch, const json_t *timeline)
{
	const json_t *open = NULL;
	gsize index;
	json_t *step;

	json_array_foreach(json_object_get(timeline, "steps"), index, step)
	{
		const char *state = json_text_of(step, "state", "");
		bool is_known = g_hash_table_contains(watch->shown, GSIZE_TO_POINTER(index));
		if (strcmp(state, "open") == 0) {
			open = step;
			continue;
		}
		g_hash_table_add(watch->shown, GSIZE_TO_POINTER(index));
		if (is_known || is_from_build(timeline, step))
			continue;
		g_autofree char *line = step_line(watch, step);
		output_line(watch->call->output, line);
	}
	if (!open)
		return;
	g_autofree char *line = step_line(watch, open);
	output_progress(watch->call->output, "%s", line);
}

static void
add_detail(Call *call, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_ptr_array_add(call->details, g_strdup_vprintf(format, arguments));
	va_end(arguments);
}

static void
add_failure(Call *call, const json_t *failure)
{
	const json_t *exit_code = json_object_get(failure, "exit");
	const json_t *lines = json_object_get(failure, "lines");
	const char *hint = json_text_of(failure, "hint", "");
	gsize index;
	json_t *line;

	if (json_is_integer(exit_code))
		add_detail(call, "exit code: %" JSON_INTEGER_FORMAT, json_integer_value(exit_code));
	if (json_array_size(lines) > 0)
		add_detail(call, "last lines of %s:", json_text_of(failure, "service", "it"));
	json_array_foreach(lines, index, line)
	{
		const char *text = json_string_value(line);
		add_detail(call, "  %s", text ? text : "");
	}
	if (*hint)
		add_detail(call, "hint: %s", hint);
}

/* True when the timeline has ended; `error` is set when it ended badly. */
static bool
has_ended(Watch *watch, const json_t *timeline, GError **error)
{
	const char *state = json_text_of(timeline, "state", "");
	const char *cause = json_text_of(timeline, "cause", "");
	if (strcmp(state, "succeeded") == 0)
		return true;
	if (strcmp(state, "failed") != 0)
		return false;

	add_failure(watch->call, json_object_get(timeline, "failure"));
	error_set(error, CARRACK_ERROR_UPSTREAM, "%s", *cause ? cause : "the promote has failed");
	return true;
}

static bool
is_passing(const GError *failure)
{
	return g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE) ||
	       g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
}

/* The next state of the timeline; NULL with an error when the rack cannot be asked. */
static json_t *
poll_once(Watch *watch, GError **error)
{
	Client *client = call_client(watch->call, NULL);
	g_autofree char *path = g_strdup_printf(
	    "%s?after=%" G_GINT64_FORMAT "&wait=" POLL_SECONDS, watch->path, watch->after);
	gint64 deadline = g_get_monotonic_time() + PATIENCE_US;

	for (;;) {
		g_autoptr(GError) failure = NULL;
		json_t *timeline = client_get(client, path, watch->call->cancel, &failure);
		if (timeline)
			return timeline;
		bool goes_on = is_passing(failure) && g_get_monotonic_time() < deadline &&
			       call_pause(watch->call, RETRY_MS, NULL);
		if (goes_on)
			continue;
		g_propagate_error(error, g_steal_pointer(&failure));
		return NULL;
	}
}

static bool
watch_run(Watch *watch, GError **error)
{
	for (;;) {
		json_auto_t *timeline = poll_once(watch, error);
		if (!timeline)
			return false;
		gint64 version = json_int_of(timeline, "version", 0);
		if (version <= watch->after) {
			call_pause(watch->call, RETRY_MS, NULL);
			continue;
		}

		g_autoptr(GError) failure = NULL;
		watch->after = version;
		show_steps(watch, timeline);
		if (!has_ended(watch, timeline, &failure))
			continue;
		if (!failure)
			return true;
		g_propagate_error(error, g_steal_pointer(&failure));
		return false;
	}
}

/* Ctrl-C leaves the rack to its work, and says how to go on. */
static bool
explain_interrupt(const Call *call, const char *app, const char *release, GError **error)
{
	if (!call_is_interrupted(call))
		return false;

	g_clear_error(error);
	return error_set(error, CARRACK_ERROR_UNAVAILABLE,
	    "interrupted: %s goes on; «carrack apps wait -a %s» waits for it, «carrack apps "
	    "cancel -a %s» stops it",
	    release, app, app);
}

bool
timeline_follow(Call *call, const char *app, const char *release, gint64 after, GError **error)
{
	g_autofree char *path = timeline_path(app, release);
	g_autoptr(GHashTable) shown = g_hash_table_new(NULL, NULL);
	Watch watch = {.call = call, .path = path, .after = after, .shown = shown};

	output_break(call->output);
	if (watch_run(&watch, error))
		return true;
	return explain_interrupt(call, app, release, error);
}

bool
timeline_wait_for_app(Call *call, const char *app, GError **error)
{
	g_autofree char *path = client_path("apps", app, NULL);
	Client *client = call_client(call, error);
	if (!client)
		return false;

	for (;;) {
		json_auto_t *answer = client_get(client, path, call->cancel, error);
		const char *status = json_text_of(answer, "status", "");
		if (!answer)
			return explain_interrupt(call, app, "the change", error);
		if (strcmp(status, "running") == 0)
			return true;
		if (strcmp(status, "failed") == 0)
			return error_set(error, CARRACK_ERROR_UPSTREAM,
			    "app %s could not be created: %s; delete it and create it again", app,
			    json_text_of(answer, "reason", "no reason given"));

		output_progress(call->output, "%s", status);
		if (!call_pause(call, STATUS_MS, error))
			return explain_interrupt(call, app, "the change", error);
	}
}
