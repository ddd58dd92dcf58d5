/*
 * Promoting a release, and the smaller changes that are made of the same rollout: restarting a
 * service, giving its processes other cpu or memory. Each is accepted under the app's deploy lock,
 * journalled, and done in a thread of its own. The one write that makes a release the live one is
 * the app's document: release, live deployments and status together.
 */
#include "base/text.h"
#include "core/rollout.h"

#include <string.h>

#define KIND_OPERATION "operation"

typedef struct {
	Rack *rack;
	Operation *operation;
	Plan *plan;
	char *only; /* one service, or NULL */
	bool is_promote;
} Promote;

static void
promote_free(Promote *promote)
{
	plan_free(promote->plan);
	g_free(promote->only);
	g_free(promote);
}

/* The journal: what to put back when we die in the middle. Without `rollout` nothing has been
 * started yet. */
static bool
journal_write(Rack *rack, const Operation *operation, const Rollout *rollout, GError **error)
{
	Store *store = rack->provider->store;
	g_autofree char *since = text_time(operation->since);
	json_auto_t *body = json_pack("{s:s, s:s, s:s, s:s, s:i, s:o}", "kind", operation->kind,
	    "release", operation->release, "who", operation->who, "since", since, "attempt",
	    (int)operation->attempt, "before", rollout ? rollout_before(rollout) : json_null());
	return store->ops->put(
	    store, KIND_OPERATION, operation->app, "promote", body, STORE_ANY, NULL, error);
}

static void
journal_clear(Rack *rack, const char *app)
{
	Store *store = rack->provider->store;
	store->ops->remove(store, KIND_OPERATION, app, "promote", NULL);
}

static bool
release_set_state(Rack *rack,
    const char *app,
    const char *id,
    const char *state,
    const json_t *failure,
    const json_t *proof)
{
	g_autoptr(Release) release = release_load(rack->provider->store, app, id, NULL);
	if (!release)
		return false;

	g_free(release->state);
	release->state = g_strdup(state);
	g_free(release->cause);
	release->cause = g_strdup(json_text_of(failure, "cause", ""));
	if (proof) {
		json_decref(release->proof);
		release->proof = json_incref((json_t *)proof);
	}
	return release_save(rack->provider->store, release, NULL);
}

typedef struct {
	const Rollout *rollout;
	const char *release;
	char *previous;
} Commit;

static void
change_commit(App *app, gpointer data)
{
	Commit *commit = data;
	g_free(commit->previous);
	commit->previous = app->release;
	app->release = g_strdup(commit->release);
	json_t *live = rollout_live(commit->rollout, app->live);
	json_decref(app->live);
	app->live = live;
	g_free(app->status);
	app->status = g_strdup("running");
}

static bool
promote_commit(Promote *promote, Rollout *rollout, GError **error)
{
	Rack *rack = promote->rack;
	const char *app = promote->operation->app;
	Commit commit = {rollout, promote->plan->release->id, NULL};
	operation_ending(rack, promote->operation);
	if (!app_change(rack, app, change_commit, &commit, error))
		return false;

	bool has_changed = *commit.previous && strcmp(commit.previous, commit.release) != 0;
	if (has_changed)
		release_set_state(rack, app, commit.previous, "inactive", NULL, NULL);
	release_set_state(rack, app, commit.release, "active", NULL, rollout->proof);
	journal_clear(rack, app);
	g_free(commit.previous);
	return true;
}

static void
promote_failed(Promote *promote, Timeline *timeline, const json_t *failure, const GError *error)
{
	Rack *rack = promote->rack;
	const char *app = promote->operation->app;
	const char *cause = json_text_of(failure, "cause", error->message);
	if (rack_is_stopping(rack)) {
		/* The old release serves; the journal makes the next life try again. */
		timeline_suspend(timeline);
		return;
	}
	if (promote->is_promote) {
		bool was_superseded = strcmp(json_text_of(failure, "code", ""), "superseded") == 0;
		json_auto_t *known =
		    failure ? json_incref((json_t *)failure) : json_pack("{s:s}", "cause", cause);
		release_set_state(rack, app, promote->plan->release->id,
		    was_superseded ? "superseded" : "failed", known, NULL);
	}
	operation_ending(rack, promote->operation);
	app_set_status(rack, app, "running", NULL);
	journal_clear(rack, app);
	logs_system(rack->provider->logs, app, "deploy", "%s of %s failed: %s",
	    promote->operation->kind, promote->plan->release->id, cause);
	timeline_end(timeline, "failed", cause, (json_t *)failure);
}

static bool
promote_work(Promote *promote, Rollout *rollout, GError **error)
{
	return journal_write(promote->rack, promote->operation, rollout, error) &&
	       (!promote->is_promote || release_command_run(rollout, error)) &&
	       rollout_run(rollout, error) && promote_commit(promote, rollout, error);
}

/*
 * The release is live; the old processes finish what they have begun. A second is given to that in
 * the open; what takes longer (a long request, a WebSocket) gets its drain time behind the back of
 * the next deploy, which need not wait.
 */
static void
promote_retire(Promote *promote, Rollout *rollout, Timeline *timeline)
{
	timeline_open(timeline, "retire", NULL, NULL);
	bool is_drained = rollout_wait_drained(rollout, 1);
	if (is_drained)
		rollout_remove_old(rollout);
	timeline_close(timeline, "retire", NULL, "done",
	    is_drained ? "the old processes are gone"
		       : "the old processes finish their last requests, then go");
	timeline_end(timeline, "succeeded", NULL, NULL);
	if (!is_drained) {
		rollout_wait_drained(rollout, G_MAXUINT);
		rollout_remove_old(rollout);
	}
}

static void
promote_succeeded(Promote *promote, Rollout *rollout, Timeline *timeline)
{
	Rack *rack = promote->rack;
	g_autofree char *app = g_strdup(promote->plan->app);
	logs_system(rack->provider->logs, app, "deploy", "%s of %s is live",
	    promote->operation->kind, promote->plan->release->id);
	g_autoptr(GPtrArray) old = rollout_old(rollout);
	retiring_mark(rack, old, true);
	operation_end(rack, g_steal_pointer(&promote->operation));
	supervisor_wake(rack->supervisor, app);
	promote_retire(promote, rollout, timeline);
	retiring_mark(rack, old, false);
}

static void
promote_run(gpointer data)
{
	Promote *promote = data;
	Rack *rack = promote->rack;
	const Release *release = promote->plan->release;
	const char *app = promote->plan->app;
	const char *parent = promote->is_promote ? release->build : NULL;
	g_autoptr(Timeline) timeline = timeline_begin(rack->timelines, app, release->id, parent);
	if (promote->is_promote)
		release_set_state(rack, app, release->id, "promoting", NULL, NULL);

	g_autoptr(GError) error = NULL;
	Rollout *rollout =
	    rollout_new(rack, promote->operation, timeline, promote->plan, promote->only, &error);
	if (rollout && promote_work(promote, rollout, &error)) {
		promote_succeeded(promote, rollout, timeline);
	} else {
		promote_failed(promote, timeline, rollout ? rollout->failure : NULL, error);
		operation_end(rack, g_steal_pointer(&promote->operation));
		supervisor_wake(rack->supervisor, app);
	}
	rollout_free(rollout);
	promote_free(promote);
}

/* Accepting */

static bool
promote_start(Rack *rack, Operation *operation, Plan *plan, const char *only, GError **error)
{
	if (!journal_write(rack, operation, NULL, error) ||
	    !app_set_status(rack, operation->app, "updating", error)) {
		plan_free(plan);
		return false;
	}
	Promote *promote = g_new0(Promote, 1);
	promote->rack = rack;
	promote->operation = operation;
	promote->plan = plan;
	promote->only = g_strdup(only);
	promote->is_promote = strcmp(operation->kind, "promote") == 0;
	rack_run(rack, promote_run, promote);
	return true;
}

static bool
check_not_older(Rack *rack, const App *app, const char *id, GError **error)
{
	if (!*app->release)
		return true;

	Store *store = rack->provider->store;
	g_autoptr(Release) active = release_load(store, app->name, app->release, error);
	g_autoptr(Release) wanted = active ? release_load(store, app->name, id, error) : NULL;
	if (!wanted)
		return false;
	if (wanted->created < active->created)
		return error_set(
		    error, CARRACK_ERROR_INVALID, "can not promote an older release, try rollback");

	return true;
}

/* The live release, promoted again: nothing to do, and said so. */
static void
promote_nothing(Rack *rack, const char *app, const char *id)
{
	g_autoptr(Timeline) timeline = timeline_begin(rack->timelines, app, id, NULL);
	timeline_close(timeline, "live", NULL, "skipped", "this release is live already");
	timeline_end(timeline, "succeeded", NULL, NULL);
}

static bool
promote_accept(Rack *rack, Operation *operation, const char *id, GError **error)
{
	g_autoptr(App) app = app_load(rack->provider->store, operation->app, error);
	if (!app || !check_not_older(rack, app, id, error))
		return false;

	Plan *plan = plan_make(rack, app, id, error);
	if (!plan)
		return false;
	if (!manifest_check_rack(plan->manifest, app_has_power(app), error)) {
		plan_free(plan);
		return false;
	}
	return promote_start(rack, operation, plan, NULL, error);
}

/* What every operation on an app needs: an app that is there and stays. */
static App *
app_for_change(Rack *rack, const char *name, GError **error)
{
	g_autoptr(App) app = app_load(rack->provider->store, name, error);
	return app && app_check_ready(app, error) ? g_steal_pointer(&app) : NULL;
}

bool
rack_release_promote(
    Rack *rack, const char *name, const char *id, const PromoteOptions *options, GError **error)
{
	g_autoptr(App) app = app_for_change(rack, name, error);
	if (!app)
		return false;
	bool is_live = strcmp(app->release, id) == 0;
	if (is_live && !operation_is_running(rack, name)) {
		promote_nothing(rack, name, id);
		return true;
	}

	Operation *operation =
	    operation_begin(rack, name, "promote", id, options->who, options->force, error);
	if (!operation)
		return false;
	if (!promote_accept(rack, operation, id, error)) {
		journal_clear(rack, name);
		operation_end(rack, operation);
		return false;
	}
	return true;
}

/* New processes for one service of the live release. */
bool
service_replace(Rack *rack, const char *name, const char *service, const char *kind, GError **error)
{
	g_autoptr(App) app = app_for_change(rack, name, error);
	if (!app)
		return false;

	Operation *operation = operation_begin(rack, name, kind, app->release, NULL, false, error);
	if (!operation)
		return false;

	Plan *plan = plan_make(rack, app, app->release, error);
	if (!plan || !promote_start(rack, operation, plan, service, error)) {
		journal_clear(rack, name);
		operation_end(rack, operation);
		return false;
	}
	return true;
}

/* Recovery: a promote that was cut off is undone, unless its one decisive write is there, and tried
 * once more. */

#define ATTEMPTS 2
#define ADOPT_SECONDS 20

static void
recover_deployments(Rack *rack, const App *app, const json_t *before)
{
	Engine *engine = rack->provider->engine;
	if (!json_is_object(before))
		return;

	g_autoptr(GPtrArray) deployments = engine->ops->deployments(engine, app->name, NULL);
	for (guint i = 0; deployments && i < deployments->len; i++) {
		const EngineDeployment *deployment = deployments->pdata[i];
		json_t *count = json_object_get(before, deployment->id);
		if (!count)
			engine->ops->remove(engine, deployment->id, NULL);
		else if (json_integer_value(count) != deployment->count)
			engine->ops->scale(
			    engine, deployment->id, (unsigned)json_integer_value(count), NULL);
	}
}

static void
recover_failed(Rack *rack, const App *app, const char *release, bool is_promote)
{
	json_auto_t *failure = json_pack("{s:s, s:s}", "code", "interrupted", "cause",
	    "interrupted: carrackd restarted during the promote");
	if (is_promote)
		release_set_state(rack, app->name, release, "failed", failure, NULL);
	g_autoptr(Timeline) timeline = timeline_begin(rack->timelines, app->name, release, NULL);
	timeline_end(timeline, "failed", json_text_of(failure, "cause", ""), failure);
}

/* Adds the promote to `again` when it is to be tried once more. */
static void
recover_unfinished(Rack *rack, const App *app, const json_t *journal, GPtrArray *again)
{
	const char *release = json_text_of(journal, "release", "");
	bool is_promote = strcmp(json_text_of(journal, "kind", ""), "promote") == 0;
	gint64 attempt = json_int_of(journal, "attempt", 0) + 1;
	recover_deployments(rack, app, json_object_get(journal, "before"));
	if (!is_promote || attempt >= ATTEMPTS) {
		recover_failed(rack, app, release, is_promote);
		return;
	}
	g_ptr_array_add(again, g_strdup_printf("%s/%s/%" G_GINT64_FORMAT "/%s", app->name, release,
				   attempt, json_text_of(journal, "who", "")));
}

static void
recover_app(Rack *rack, const App *app, GPtrArray *again)
{
	Store *store = rack->provider->store;
	g_autoptr(StoreDocument) journal =
	    store->ops->get(store, KIND_OPERATION, app->name, "promote", NULL);
	bool is_again = false;
	if (journal) {
		const char *release = json_text_of(journal->body, "release", "");
		bool is_promote = strcmp(json_text_of(journal->body, "kind", ""), "promote") == 0;
		/* Committed: the supervisor takes away what is not live any more. */
		is_again = !is_promote || strcmp(app->release, release) != 0;
		if (is_promote && strcmp(app->release, release) == 0)
			release_set_state(rack, app->name, release, "active", NULL, NULL);
		else
			recover_unfinished(rack, app, journal->body, again);
		journal_clear(rack, app->name);
	}
	/* The end of a promote that was cut off after its commit; nobody would ever write it. */
	if (*app->release && !is_again)
		timeline_settle(rack->timelines, app->name, app->release);
	if (strcmp(app->status, "updating") == 0)
		app_set_status(rack, app->name, "running", NULL);
}

GPtrArray *
promote_recover(Rack *rack)
{
	GPtrArray *again = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GPtrArray) apps = app_list(rack->provider->store, NULL);
	for (guint i = 0; apps && i < apps->len; i++)
		recover_app(rack, apps->pdata[i], again);
	return again;
}

/* After a restart the router serves addresses whose processes it cannot name. A rollout must know
 * what it drains, so it waits until the supervisor has found them again. */
static bool
has_unclaimed(Rack *rack, const char *app)
{
	Router *router = rack->provider->router;
	g_autoptr(GPtrArray) backends = router->ops->backends(router, NULL);
	g_autofree char *prefix = g_strconcat(app, "/", NULL);
	for (guint i = 0; backends && i < backends->len; i++) {
		const char *backend = backends->pdata[i];
		if (!g_str_has_prefix(backend, prefix))
			continue;
		g_autoptr(GPtrArray) servers =
		    router->ops->servers(router, app, backend + strlen(prefix), NULL);
		for (guint j = 0; servers && j < servers->len; j++) {
			if (!*((const RouterServer *)servers->pdata[j])->process)
				return true;
		}
	}
	return false;
}

typedef struct {
	Rack *rack;
	char *promote;
} Resume;

static void
resume_run(gpointer data)
{
	g_autofree Resume *resume = data;
	g_autofree char *promote = resume->promote;
	Rack *rack = resume->rack;
	g_auto(GStrv) parts = g_strsplit(promote, "/", 4);
	gint64 until = g_get_monotonic_time() + ADOPT_SECONDS * G_USEC_PER_SEC;
	while (has_unclaimed(rack, parts[0]) && g_get_monotonic_time() < until &&
	       !rack_is_stopping(rack))
		g_usleep(50 * 1000);

	g_autoptr(GError) error = NULL;
	Operation *operation =
	    operation_begin(rack, parts[0], "promote", parts[1], parts[3], false, &error);
	if (!operation)
		return;
	operation->attempt = (unsigned)g_ascii_strtoull(parts[2], NULL, 10);
	logs_system(rack->provider->logs, parts[0], "deploy",
	    "promote of %s was cut off: trying it again", parts[1]);
	if (promote_accept(rack, operation, parts[1], &error))
		return;

	g_autoptr(App) app = app_load(rack->provider->store, parts[0], NULL);
	if (app)
		recover_failed(rack, app, parts[1], true);
	journal_clear(rack, parts[0]);
	operation_end(rack, operation);
}

void
promote_resume(Rack *rack, GPtrArray *promotes)
{
	for (guint i = 0; i < promotes->len; i++) {
		Resume *resume = g_new0(Resume, 1);
		*resume = (Resume){rack, g_strdup(promotes->pdata[i])};
		rack_run(rack, resume_run, resume);
	}
}
