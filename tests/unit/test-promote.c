/*
 * Promotes over the fake provider: real health checks against small real servers, no engine.
 */
#include "rack-fixture.h"

#include <string.h>

#define WEB                                                                                        \
	"services:\n"                                                                              \
	"  web:\n"                                                                                 \
	"    build: .\n"                                                                           \
	"    port: 3000\n"                                                                         \
	"    health: {path: /health, grace: 1, interval: 1, timeout: 1}\n"                         \
	"    environment: [\"*\"]\n"                                                               \
	"    drain: 1\n"
#define TWO WEB "    scale: 2\n"
#define SINGLETON WEB "    singleton: true\n"
#define WORKER                                                                                     \
	"services:\n"                                                                              \
	"  jobs:\n"                                                                                \
	"    build: .\n"                                                                           \
	"    environment: [NEEDED, ALSO]\n"

static void
assert_text(const json_t *object, const char *member, const char *expected)
{
	g_assert_cmpstr(json_text_of(object, member, NULL), ==, expected);
}

static void
assert_live(Fixture *fixture, const char *app, const char *release)
{
	g_autoptr(App) now = fixture_load(fixture, app);
	g_assert_cmpstr(now->release, ==, release);
	g_assert_cmpstr(now->status, ==, "running");
}

/* An app «shop» with two healthy processes of a first release, whose id is returned. */
static char *
first(Fixture *fixture, const char *manifest)
{
	fixture_app(fixture, "shop");
	char *release = fixture_release(fixture, "shop", manifest, "A=1");
	json_auto_t *timeline = fixture_promote(fixture, "shop", release);
	assert_text(timeline, "state", "succeeded");
	return release;
}

static void
test_first(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *release = first(fixture, TWO);
	assert_live(fixture, "shop", release);
	g_assert_cmpuint(fixture_count(fixture, "shop", release), ==, 2);
	g_assert_cmpint(fixture_request(fixture, "shop-web.fake.test", "/"), ==, 200);

	g_autoptr(GError) error = NULL;
	g_autoptr(Release) stored = release_load(fixture->provider->store, "shop", release, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(stored->state, ==, "active");
	g_assert_cmpuint(json_array_size(json_object_get(stored->proof, "processes")), ==, 2);
	json_t *request = json_array_get(json_object_get(stored->proof, "requests"), 0);
	g_assert_cmpint(json_int_of(request, "status", 0), ==, 200);
}

static void
test_replaces(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *old = first(fixture, TWO);
	g_autofree char *new = fixture_release(fixture, "shop", NULL, "A=2");
	json_auto_t *timeline = fixture_promote(fixture, "shop", new);
	assert_text(timeline, "state", "succeeded");
	assert_live(fixture, "shop", new);
	fixture_until(fixture_count(fixture, "shop", old) == 0);
	g_assert_cmpuint(fixture_count(fixture, "shop", new), ==, 2);
	g_assert_cmpint(fixture_request(fixture, "shop-web.fake.test", "/"), ==, 200);
}

/* A bad release fails with `code` and `cause`, and the old one serves as before. */
static void
assert_fails(const FakeBehaviour *behaviour, const char *code, const char *cause)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *old = first(fixture, TWO);
	fake_behave(fixture->provider, "web", behaviour);
	g_autofree char *new = fixture_release(fixture, "shop", NULL, "A=2");
	json_auto_t *timeline = fixture_promote(fixture, "shop", new);
	assert_text(timeline, "state", "failed");
	assert_text(json_object_get(timeline, "failure"), "code", code);
	g_assert_nonnull(strstr(json_text_of(timeline, "cause", ""), cause));

	assert_live(fixture, "shop", old);
	fixture_until(fixture_count(fixture, "shop", new) == 0);
	g_assert_cmpuint(fixture_count(fixture, "shop", old), ==, 2);
	g_assert_cmpint(fixture_request(fixture, "shop-web.fake.test", "/"), ==, 200);
	g_autoptr(Release) stored = release_load(fixture->provider->store, "shop", new, NULL);
	g_assert_cmpstr(stored->state, ==, "failed");
}

static void
test_exits(void)
{
	FakeBehaviour exits = {.exits = true, .exit_code = 7, .lines = "one\ntwo"};
	assert_fails(&exits, "exited", "service web: exited 7 at boot");
}

static void
test_exits_zero(void)
{
	FakeBehaviour exits = {.exits = true, .exit_code = 0};
	assert_fails(&exits, "exited-zero", "service web: exited with 0");
}

static void
test_out_of_memory(void)
{
	FakeBehaviour exits = {.exits = true, .exit_code = 137, .is_out_of_memory = true};
	assert_fails(&exits, "out-of-memory", "service web: out of memory");
}

static void
test_unhealthy(void)
{
	FakeBehaviour sick = {.health_status = 500};
	assert_fails(&sick, "unhealthy", "health 500 on /health");
}

static void
test_wrong_port(void)
{
	FakeBehaviour silent = {.is_silent = true, .listening = "0.0.0.0:8080"};
	assert_fails(&silent, "nothing-listens", "the process listens on 8080");
}

static void
test_no_capacity(void)
{
	FakeBehaviour full = {.pending = "no suitable node (insufficient resources on 1 node)"};
	assert_fails(&full, "no-capacity", "no capacity: a process needs");
}

static void
test_other_image(void)
{
	FakeBehaviour other = {.image = "fake/shop@sha256:other"};
	assert_fails(&other, "not-the-release", "does not run this release's image");
}

static void
test_crash_in_window(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *old = first(fixture, TWO);
	g_autoptr(GError) error = NULL;
	json_auto_t *parameters = json_pack("{s:s}", "StabilitySeconds", "5");
	rack_app_update(fixture->rack, "shop", NULL, parameters, &error);
	g_assert_no_error(error);

	FakeBehaviour late = {.exits = true, .exit_code = 1, .exit_after_ms = 1000};
	fake_behave(fixture->provider, "web", &late);
	g_autofree char *new = fixture_release(fixture, "shop", NULL, "A=2");
	json_auto_t *timeline = fixture_promote(fixture, "shop", new);
	assert_text(timeline, "state", "failed");
	assert_text(json_object_get(timeline, "failure"), "code", "exited");
	assert_live(fixture, "shop", old);
	g_assert_cmpint(fixture_request(fixture, "shop-web.fake.test", "/"), ==, 200);
}

static void
test_last_lines(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	fixture_app(fixture, "shop");
	FakeBehaviour exits = {.exits = true, .exit_code = 3, .lines = "one\ncannot open database"};
	fake_behave(fixture->provider, "web", &exits);
	g_autofree char *release = fixture_release(fixture, "shop", TWO, "A=1");
	json_auto_t *timeline = fixture_promote(fixture, "shop", release);
	const json_t *failure = json_object_get(timeline, "failure");
	g_assert_cmpint(json_int_of(failure, "exit", 0), ==, 3);
	json_t *lines = json_object_get(failure, "lines");
	g_assert_cmpuint(json_array_size(lines), ==, 2);
	g_assert_cmpstr(json_string_value(json_array_get(lines, 1)), ==, "cannot open database");

	/* A first deploy that fails leaves nothing, and the next good one works. */
	assert_live(fixture, "shop", "");
	fixture_until(fixture_count(fixture, "shop", "") == 0);
	fake_behave(fixture->provider, "web", NULL);
	g_autofree char *good = fixture_release(fixture, "shop", NULL, "A=2");
	json_auto_t *second = fixture_promote(fixture, "shop", good);
	assert_text(second, "state", "succeeded");
}

static void
test_live_again(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *release = first(fixture, TWO);
	unsigned created = fake_created(fixture->provider);
	json_auto_t *timeline = fixture_promote(fixture, "shop", release);
	assert_text(timeline, "state", "succeeded");
	g_assert_cmpuint(fake_created(fixture->provider), ==, created);
}

static void
test_older(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *old = first(fixture, TWO);
	g_autofree char *new = fixture_release(fixture, "shop", NULL, "A=2");
	json_auto_t *timeline = fixture_promote(fixture, "shop", new);
	assert_text(timeline, "state", "succeeded");

	g_autoptr(GError) error = NULL;
	PromoteOptions options = {.who = "a test"};
	g_assert_false(rack_release_promote(fixture->rack, "shop", old, &options, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_cmpstr(error->message, ==, "can not promote an older release, try rollback");
}

static void
test_busy(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *old = first(fixture, TWO);
	FakeBehaviour slow = {.ready_after_ms = 600000};
	fake_behave(fixture->provider, "web", &slow);
	g_autofree char *slow_one = fixture_release(fixture, "shop", NULL, "A=2");
	PromoteOptions options = {.who = "ann"};
	g_autoptr(GError) error = NULL;
	rack_release_promote(fixture->rack, "shop", slow_one, &options, &error);
	g_assert_no_error(error);

	fake_behave(fixture->provider, "web", NULL);
	g_autofree char *next = fixture_release(fixture, "shop", NULL, "A=3");
	g_assert_false(rack_release_promote(fixture->rack, "shop", next, &options, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_FORBIDDEN);
	g_assert_nonnull(strstr(error->message, "app is currently updating: promote of "));
	g_assert_nonnull(strstr(error->message, " by ann"));

	/* With force the newer one takes over, and the older says so. */
	options.force = true;
	g_clear_error(&error);
	rack_release_promote(fixture->rack, "shop", next, &options, &error);
	g_assert_no_error(error);
	json_auto_t *timeline = fixture_wait(fixture, "shop", next);
	assert_text(timeline, "state", "succeeded");
	fixture_wait_idle(fixture, "shop");
	g_autoptr(Release) skipped = release_load(fixture->provider->store, "shop", slow_one, NULL);
	g_assert_cmpstr(skipped->state, ==, "superseded");
	g_assert_true(g_str_has_prefix(skipped->cause, "superseded by R"));
	assert_live(fixture, "shop", next);
}

static void
test_cancel(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *old = first(fixture, TWO);
	g_autoptr(GError) error = NULL;
	g_assert_false(rack_app_cancel(fixture->rack, "shop", "bob", &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_FORBIDDEN);
	g_assert_cmpstr(error->message, ==, "app is not updating");
	g_clear_error(&error);

	FakeBehaviour slow = {.ready_after_ms = 600000};
	fake_behave(fixture->provider, "web", &slow);
	g_autofree char *new = fixture_release(fixture, "shop", NULL, "A=2");
	PromoteOptions options = {.who = "ann"};
	rack_release_promote(fixture->rack, "shop", new, &options, &error);
	g_assert_no_error(error);
	rack_app_cancel(fixture->rack, "shop", "bob", &error);
	g_assert_no_error(error);
	json_auto_t *timeline = fixture_wait(fixture, "shop", new);
	assert_text(timeline, "cause", "cancelled by bob");
	fixture_wait_idle(fixture, "shop");
	assert_live(fixture, "shop", old);
}

/* carrackd goes away in the middle of a promote: the next one tries again. */
static void
test_restart_of_rack(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *old = first(fixture, TWO);
	FakeBehaviour slow = {.ready_after_ms = 600000};
	fake_behave(fixture->provider, "web", &slow);
	g_autofree char *new = fixture_release(fixture, "shop", NULL, "A=2");
	PromoteOptions options = {.who = "ann"};
	g_autoptr(GError) error = NULL;
	rack_release_promote(fixture->rack, "shop", new, &options, &error);
	g_assert_no_error(error);
	fixture_until(fixture_count(fixture, "shop", new) == 2);
	fake_behave(fixture->provider, "web", NULL);
	fixture_restart(fixture);
	json_auto_t *timeline = fixture_wait(fixture, "shop", new);
	assert_text(timeline, "state", "succeeded");
	fixture_wait_idle(fixture, "shop");
	assert_live(fixture, "shop", new);
	fixture_until(fixture_count(fixture, "shop", old) == 0);
	g_assert_cmpuint(fixture_count(fixture, "shop", new), ==, 2);
	fixture_until(fixture_request(fixture, "shop-web.fake.test", "/") == 200);
}

/* A promote that goes down with the rack each time is not tried for ever. */
static void
test_restart_twice(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *old = first(fixture, TWO);
	FakeBehaviour slow = {.ready_after_ms = 600000};
	fake_behave(fixture->provider, "web", &slow);
	g_autofree char *new = fixture_release(fixture, "shop", NULL, "A=2");
	PromoteOptions options = {.who = "ann"};
	g_autoptr(GError) error = NULL;
	rack_release_promote(fixture->rack, "shop", new, &options, &error);
	g_assert_no_error(error);
	fixture_until(fixture_count(fixture, "shop", new) == 2);
	fixture_restart(fixture);
	fixture_until(fixture_count(fixture, "shop", new) == 2);
	fixture_restart(fixture);
	json_auto_t *timeline = fixture_wait(fixture, "shop", new);
	assert_text(timeline, "cause", "interrupted: carrackd restarted during the promote");
	assert_live(fixture, "shop", old);
	fixture_until(fixture_count(fixture, "shop", new) == 0);
	g_assert_cmpuint(fixture_count(fixture, "shop", old), ==, 2);
	fixture_until(fixture_request(fixture, "shop-web.fake.test", "/") == 200);
}

static void
test_singleton(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *old = first(fixture, SINGLETON);
	FakeBehaviour slow = {.start_ms = 200};
	fake_behave(fixture->provider, "web", &slow);
	g_autofree char *new = fixture_release(fixture, "shop", NULL, "A=2");
	PromoteOptions options = {.who = "a test"};
	g_autoptr(GError) error = NULL;
	rack_release_promote(fixture->rack, "shop", new, &options, &error);
	g_assert_no_error(error);
	for (;;) {
		json_auto_t *now =
		    timeline_json(rack_timelines(fixture->rack), "shop", new, 0, 0, NULL, NULL);
		g_assert_cmpuint(fixture_count(fixture, "shop", ""), <=, 1);
		const char *state = json_text_of(now, "state", "");
		if (strcmp(state, "succeeded") == 0)
			break;
		g_assert_cmpstr(state, !=, "failed");
		g_usleep(2000);
	}
	fixture_wait_idle(fixture, "shop");
	assert_live(fixture, "shop", new);
	g_assert_cmpuint(fixture_count(fixture, "shop", new), ==, 1);
}

static void
test_singleton_back(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *old = first(fixture, SINGLETON);
	FakeBehaviour exits = {.exits = true, .exit_code = 1};
	fake_behave(fixture->provider, "web", &exits);
	g_autofree char *new = fixture_release(fixture, "shop", NULL, "A=2");
	json_auto_t *timeline = fixture_promote(fixture, "shop", new);
	assert_text(timeline, "state", "failed");
	fixture_until(fixture_count(fixture, "shop", old) == 1);
}

static void
test_required_env(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	fixture_app(fixture, "shop");
	g_autofree char *release = fixture_release(fixture, "shop", WORKER, "A=1");
	g_autoptr(GError) error = NULL;
	PromoteOptions options = {.who = "a test"};
	g_assert_false(rack_release_promote(fixture->rack, "shop", release, &options, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_nonnull(strstr(error->message, "required env: ALSO, NEEDED"));
	g_assert_cmpuint(fake_created(fixture->provider), ==, 0);
	assert_live(fixture, "shop", "");
}

static void
test_crash(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *release = first(fixture, WEB);
	g_autoptr(GError) error = NULL;
	json_auto_t *processes = rack_processes(fixture->rack, "shop", NULL, NULL, &error);
	g_assert_no_error(error);
	const char *id = json_text_of(json_array_get(processes, 0), "id", "");
	g_assert_true(fake_crash(fixture->provider, id, 1));
	fixture_until(fixture_request(fixture, "shop-web.fake.test", "/") != 200);
	fixture_until(fixture_request(fixture, "shop-web.fake.test", "/") == 200);
}

static void
test_router_restart(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *release = first(fixture, TWO);
	fake_router_forget(fixture->provider);
	fixture_until(fixture_request(fixture, "shop-web.fake.test", "/") == 200);
}

static void
test_lost_deployment(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *release = first(fixture, TWO);
	Engine *engine = fixture->provider->engine;
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) deployments = engine->ops->deployments(engine, "shop", &error);
	const EngineDeployment *deployment = deployments->pdata[0];
	engine->ops->remove(engine, deployment->id, &error);
	g_assert_no_error(error);
	fixture_until(fixture_count(fixture, "shop", release) == 0);
	fixture_restart(fixture);
	fixture_until(fixture_count(fixture, "shop", release) == 2);
	fixture_until(fixture_request(fixture, "shop-web.fake.test", "/") == 200);
	fixture_wait_idle(fixture, "shop");
	assert_live(fixture, "shop", release);
}

static void
test_scale(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *release = first(fixture, TWO);
	g_autoptr(GError) error = NULL;
	ServiceUpdate update = {.count = 4, .cpu = -1, .memory = -1};
	rack_service_update(fixture->rack, "shop", "web", &update, &error);
	g_assert_no_error(error);
	fixture_until(fixture_count(fixture, "shop", release) == 4);
	fixture_wait_idle(fixture, "shop");
	update.count = 1;
	rack_service_update(fixture->rack, "shop", "web", &update, &error);
	g_assert_no_error(error);
	fixture_until(fixture_count(fixture, "shop", release) == 1);
	fixture_wait_idle(fixture, "shop");
	fixture_until(fixture_request(fixture, "shop-web.fake.test", "/") == 200);

	/* The count set by hand outlives the next deploy; zero stays zero. */
	update.count = 0;
	rack_service_update(fixture->rack, "shop", "web", &update, &error);
	g_assert_no_error(error);
	fixture_wait_idle(fixture, "shop");
	g_autofree char *new = fixture_release(fixture, "shop", NULL, "A=2");
	json_auto_t *timeline = fixture_promote(fixture, "shop", new);
	assert_text(timeline, "state", "succeeded");
	g_assert_cmpuint(fixture_count(fixture, "shop", ""), ==, 0);
	g_assert_cmpint(fixture_request(fixture, "shop-web.fake.test", "/"), !=, 200);
}

static void
test_scale_unknown(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *release = first(fixture, TWO);
	g_autoptr(GError) error = NULL;
	ServiceUpdate update = {.count = 1, .cpu = -1, .memory = -1};
	g_assert_false(rack_service_update(fixture->rack, "shop", "worker", &update, &error));
	g_assert_cmpstr(error->message, ==, "no such service: worker; services: web");
}

static void
test_restart(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *release = first(fixture, TWO);
	g_autoptr(GError) error = NULL;
	json_auto_t *before = rack_processes(fixture->rack, "shop", NULL, NULL, &error);
	rack_service_restart(fixture->rack, "shop", "web", &error);
	g_assert_no_error(error);
	json_auto_t *timeline = fixture_wait(fixture, "shop", release);
	assert_text(timeline, "state", "succeeded");
	fixture_wait_idle(fixture, "shop");
	fixture_until(fixture_count(fixture, "shop", release) == 2);
	json_auto_t *after = rack_processes(fixture->rack, "shop", NULL, NULL, &error);
	g_assert_false(json_equal(before, after));
	assert_live(fixture, "shop", release);
}

static void
test_host_clash(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	fixture_app(fixture, "a-b");
	fixture_app(fixture, "a");
	g_autofree char *one =
	    fixture_release(fixture, "a-b", "services: {c: {build: ., port: 3000}}\n", "A=1");
	json_auto_t *timeline = fixture_promote(fixture, "a-b", one);
	assert_text(timeline, "state", "succeeded");
	g_autofree char *other =
	    fixture_release(fixture, "a", "services: {b-c: {build: ., port: 3000}}\n", "A=1");
	g_autoptr(GError) error = NULL;
	PromoteOptions options = {.who = "a test"};
	g_assert_false(rack_release_promote(fixture->rack, "a", other, &options, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_CONFLICT);
	g_assert_nonnull(strstr(error->message, "a-b-c.fake.test is used by app a-b"));
}

static void
test_service_gone(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	fixture_app(fixture, "shop");
	g_autofree char *one = fixture_release(
	    fixture, "shop", WEB "  jobs:\n    build: .\n    command: work\n", "A=1");
	json_auto_t *first_timeline = fixture_promote(fixture, "shop", one);
	assert_text(first_timeline, "state", "succeeded");
	g_assert_cmpuint(fixture_count(fixture, "shop", ""), ==, 2);
	g_autofree char *two = fixture_release(fixture, "shop", WEB, NULL);
	json_auto_t *timeline = fixture_promote(fixture, "shop", two);
	assert_text(timeline, "state", "succeeded");
	fixture_until(fixture_count(fixture, "shop", "") == 1);
}

static void
test_delete(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autofree char *release = first(fixture, TWO);
	g_autoptr(GError) error = NULL;
	bool locked = true;
	rack_app_update(fixture->rack, "shop", &locked, NULL, &error);
	g_assert_no_error(error);
	g_assert_false(rack_app_delete(fixture->rack, "shop", &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_FORBIDDEN);
	g_clear_error(&error);

	locked = false;
	rack_app_update(fixture->rack, "shop", &locked, NULL, &error);
	rack_app_delete(fixture->rack, "shop", &error);
	g_assert_no_error(error);
	for (;;) {
		g_autoptr(App) app = app_load(fixture->provider->store, "shop", NULL);
		if (!app)
			break;
		g_usleep(1000);
	}
	fixture_until(fixture_count(fixture, "shop", "") == 0);
	g_assert_cmpint(fixture_request(fixture, "shop-web.fake.test", "/"), !=, 200);
	g_autoptr(GPtrArray) releases = release_list(fixture->provider->store, "shop", 0, &error);
	g_assert_cmpuint(releases->len, ==, 0);
}

/* The rack dies between the commit and the timeline's end: nobody waits for ever. */
static void
test_killed_after_commit(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	fixture_app(fixture, "shop");
	g_autofree char *release = fixture_release(fixture, "shop", WEB, "A=1");
	json_auto_t *ended = fixture_promote(fixture, "shop", release);
	g_assert_cmpstr(json_text_of(ended, "state", ""), ==, "succeeded");

	Store *store = fixture->provider->store;
	json_object_set_new(ended, "state", json_string("running"));
	json_object_set_new(ended, "ended", json_null());
	json_t *step = json_array_get(json_object_get(ended, "steps"), 0);
	json_object_set_new(step, "state", json_string("open"));
	g_assert_true(
	    store->ops->put(store, "timeline", "shop", release, ended, STORE_ANY, NULL, NULL));
	fixture_restart(fixture);
	g_autoptr(StoreDocument) settled = fixture->provider->store->ops->get(
	    fixture->provider->store, "timeline", "shop", release, NULL);
	g_assert_cmpstr(json_text_of(settled->body, "state", ""), ==, "succeeded");
	g_assert_cmpint(
	    json_int_of(settled->body, "version", 0), >, json_int_of(ended, "version", 0));
	step = json_array_get(json_object_get(settled->body, "steps"), 0);
	g_assert_cmpstr(json_text_of(step, "state", ""), ==, "done");
}

static bool
has_status(Fixture *fixture, const char *app, const char *status)
{
	g_autoptr(App) found = app_load(fixture->provider->store, app, NULL);
	return found && strcmp(found->status, status) == 0;
}

/* On AWS an app has a stack of its own. */
static void
test_slow_app(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autoptr(GError) error = NULL;
	fake_apps_take(fixture->provider, 50, NULL);
	g_autoptr(App) app = rack_app_create(fixture->rack, "shop", NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(app->status, ==, "creating");
	g_assert_false(app_check_ready(app, &error));
	g_assert_cmpstr(error->message, ==, "app shop is still being created");
	g_clear_error(&error);
	fixture_until(has_status(fixture, "shop", "running"));

	fake_apps_take(fixture->provider, 1, "Repository: name already exists");
	g_autoptr(App) other = rack_app_create(fixture->rack, "other", NULL, &error);
	fixture_until(has_status(fixture, "other", "failed"));
	g_autoptr(App) failed = app_load(fixture->provider->store, "other", NULL);
	g_assert_false(app_check_ready(failed, &error));
	g_assert_cmpstr(error->message, ==,
	    "app other could not be created: Repository: name already exists; "
	    "delete it and create it again");
}

static void
test_slow_app_restart(void)
{
	g_autoptr(Fixture) fixture = fixture_new();
	g_autoptr(GError) error = NULL;
	fake_apps_take(fixture->provider, 60000, NULL);
	g_autoptr(App) app = rack_app_create(fixture->rack, "shop", NULL, &error);
	g_assert_no_error(error);
	fixture_restart(fixture);
	g_assert_true(has_status(fixture, "shop", "creating"));
	fake_apps_take(fixture->provider, 1, NULL);
	fixture_restart(fixture);
	fixture_until(has_status(fixture, "shop", "running"));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/promote/a-first-release-serves-and-is-proven", test_first);
	g_test_add_func("/promote/a-new-release-takes-over-and-the-old-goes", test_replaces);
	g_test_add_func("/promote/an-exit-at-boot-fails-with-its-code", test_exits);
	g_test_add_func("/promote/an-exit-with-0-is-a-failure", test_exits_zero);
	g_test_add_func("/promote/out-of-memory-is-its-own-cause", test_out_of_memory);
	g_test_add_func("/promote/a-sick-release-fails-after-its-grace", test_unhealthy);
	g_test_add_func("/promote/a-wrong-port-is-told-with-the-right-one", test_wrong_port);
	g_test_add_func("/promote/too-little-room-fails-at-once", test_no_capacity);
	g_test_add_func("/promote/another-image-is-not-the-release", test_other_image);
	g_test_add_func("/promote/a-crash-in-the-window-goes-back", test_crash_in_window);
	g_test_add_func("/promote/a-failed-first-deploy-leaves-nothing", test_last_lines);
	g_test_add_func("/promote/the-live-release-again-does-nothing", test_live_again);
	g_test_add_func("/promote/an-older-release-is-refused", test_older);
	g_test_add_func("/promote/a-second-promote-is-refused-or-takes-over", test_busy);
	g_test_add_func("/promote/cancel-goes-back-and-says-who", test_cancel);
	g_test_add_func("/promote/a-promote-outlives-its-carrackd", test_restart_of_rack);
	g_test_add_func("/promote/a-promote-is-not-tried-for-ever", test_restart_twice);
	g_test_add_func("/promote/a-singleton-never-runs-twice", test_singleton);
	g_test_add_func("/promote/a-singleton-comes-back-after-a-failure", test_singleton_back);
	g_test_add_func(
	    "/promote/all-missing-env-is-named-before-anything-starts", test_required_env);
	g_test_add_func("/promote/a-host-name-belongs-to-one-app", test_host_clash);
	g_test_add_func("/promote/a-service-that-left-the-manifest-goes", test_service_gone);
	g_test_add_func("/supervisor/a-crashed-process-is-replaced", test_crash);
	g_test_add_func("/supervisor/a-restarted-router-is-filled-again", test_router_restart);
	g_test_add_func("/supervisor/a-lost-deployment-is-made-again", test_lost_deployment);
	g_test_add_func("/services/scale-counts-up-down-and-stays", test_scale);
	g_test_add_func("/services/an-unknown-service-is-told-with-the-known", test_scale_unknown);
	g_test_add_func("/services/restart-replaces-the-processes", test_restart);
	g_test_add_func("/apps/delete-takes-everything", test_delete);
	g_test_add_func(
	    "/promote/a-death-after-the-commit-is-no-endless-wait", test_killed_after_commit);
	g_test_add_func("/promote/an-app-may-take-a-while-to-create", test_slow_app);
	g_test_add_func("/promote/a-creation-goes-on-after-a-restart", test_slow_app_restart);
	return g_test_run();
}
