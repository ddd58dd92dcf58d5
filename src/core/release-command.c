/*
 * The release command (docs/manifest.md): runs once on the new image with the new environment
 * before any process of the release is started, for what must have happened by then (a migration).
 * It is a one-off like any other, named `release` in lists and logs. When it fails nothing has been
 * touched; what it has done to a database is its own.
 *
 * A promote that is cut off is begun anew, and so is its command: the one that still runs is ended
 * first, so that there are never two.
 */
#include "core/rollout.h"

#include <string.h>

#define NAME "release"
#define LONGEST_SECONDS 1800
#define LAST_LINES 20
#define PAUSE_MS 50

static const char *
service_of(const Manifest *manifest)
{
	if (manifest->release.service)
		return manifest->release.service;

	for (guint i = 0; i < manifest->services->len; i++) {
		const ManifestService *service = manifest->services->pdata[i];
		if (!service->image)
			return service->name;
	}
	const ManifestService *first = manifest->services->pdata[0];
	return first->name;
}

static bool
add_line(gpointer data, const LogLine *line, GError **error)
{
	g_autofree char *text = g_strndup(line->text, line->length);
	json_array_append_new(data, json_text_value(text));
	return true;
}

static void
fail(Rollout *rollout, const char *process, int code, const char *cause, GError **error)
{
	Logs *logs = rollout->rack->provider->logs;
	LogQuery query = {.process = process, .kind = "service", .tail = LAST_LINES};
	json_t *lines = json_array();
	if (process)
		logs->ops->query(logs, rollout->plan->app, &query, add_line, lines, NULL, NULL);
	json_t *failure = failure_plain("release-command", NULL, cause, error);
	json_object_set_new(failure, "lines", lines);
	if (process) {
		json_object_set_new(failure, "process", json_string(process));
		json_object_set_new(failure, "exit", json_integer(code));
	}
	json_decref(rollout->failure);
	rollout->failure = failure;
}

/* Ends what an earlier life of the rack has left behind. */
static bool
end_others(Rollout *rollout, GError **error)
{
	Engine *engine = rollout->rack->provider->engine;
	const char *app = rollout->plan->app;
	for (bool is_alone = false; !is_alone; rollout_pause(rollout, PAUSE_MS)) {
		g_autoptr(GPtrArray) all = engine->ops->one_offs(engine, app, error);
		if (!all || !rollout_may_go_on(rollout, error))
			return false;

		is_alone = true;
		for (guint i = 0; i < all->len; i++) {
			const Process *process = all->pdata[i];
			if (strcmp(process->role, ROLE_RELEASE) != 0 || !process->is_wanted)
				continue;
			engine->ops->stop(engine, app, process->id, NULL);
			is_alone = false;
		}
		if (is_alone)
			break;
	}
	return true;
}

/* Until it is recorded and cleared away: by then all that it has written is stored. */
static bool
await_end(Rollout *rollout, const char *process, int *code, GError **error)
{
	const char *app = rollout->plan->app;
	while (rollout_may_go_on(rollout, error)) {
		json_auto_t *record = one_off_record(rollout->rack, app, process);
		g_autoptr(Process) left = record ? one_off_find(rollout->rack, app, process) : NULL;
		if (record && !left) {
			*code = (int)json_int_of(record, "exit", -1);
			return true;
		}
		rollout_pause(rollout, PAUSE_MS);
	}
	Engine *engine = rollout->rack->provider->engine;
	engine->ops->stop(engine, app, process, NULL);
	return false;
}

static char *
start(Rollout *rollout, GError **error)
{
	const Plan *plan = rollout->plan;
	const Manifest *manifest = plan->manifest;
	RunOptions options = {
	    .service = service_of(manifest),
	    .name = NAME,
	    .role = ROLE_RELEASE,
	    .release = plan->release->id,
	    .command = (const char *const *)manifest->release.command,
	    .timeout_seconds = LONGEST_SECONDS,
	    .who = rollout->operation->who,
	};
	g_autoptr(GError) failure = NULL;
	char *process = rack_process_run(rollout->rack, plan->app, &options, NULL, &failure);
	if (!process) {
		g_autofree char *cause = g_strconcat("release command: ", failure->message, NULL);
		fail(rollout, NULL, 0, cause, error);
	}
	return process;
}

static bool
judge(Rollout *rollout, const char *process, int code, GError **error)
{
	if (code == 0)
		return true;

	g_autofree char *cause =
	    code == ONE_OFF_TIMED_OUT
		? g_strdup_printf("release command not done after %d s", LONGEST_SECONDS)
		: g_strdup_printf("release command exited %d", code);
	fail(rollout, process, code, cause, error);
	return false;
}

bool
release_command_run(Rollout *rollout, GError **error)
{
	if (!rollout->plan->manifest->release.command)
		return true;

	timeline_open(rollout->timeline, NAME, NULL, "the release command runs");
	g_autofree char *process = end_others(rollout, error) ? start(rollout, error) : NULL;
	int code = 0;
	if (!process || !await_end(rollout, process, &code, error) ||
	    !judge(rollout, process, code, error))
		return false;

	timeline_close(rollout->timeline, NAME, NULL, "done", "the release command exited 0");
	return true;
}
