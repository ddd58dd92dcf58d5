/*
 * The fake provider keeps the promises of the parts, so that tests over it mean something.
 */
#include "fake/fake.h"

#include "base/lock.h"

#include <string.h>

typedef struct {
	pthread_mutex_t lock;
	GString *events;
} Seen;

static void
see(gpointer data, const EngineEvent *event)
{
	static const char *const names[] = {"start", "die", "oom", "reconnected"};
	Seen *seen = data;
	LOCKED(&seen->lock);
	g_string_append_printf(seen->events, "%s:%d ", names[event->kind], event->exit_code);
}

static bool
has_seen(Seen *seen, const char *text)
{
	LOCKED(&seen->lock);
	return strstr(seen->events->str, text) != NULL;
}

/* Waits until the events hold `text`. */
static void
expect(Seen *seen, const char *text)
{
	gint64 until = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;
	while (!has_seen(seen, text)) {
		g_assert_cmpint(g_get_monotonic_time(), <, until);
		g_usleep(1000);
	}
}

static char *
deploy(Provider *provider, unsigned count)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Env) env = env_new();
	EngineSpec spec = {.app = "shop",
	    .service = "web",
	    .release = "RAAAAAAAAAA",
	    .image = "127.0.0.1:5000/shop@sha256:1",
	    .env = env,
	    .count = count,
	    .port = 3000};
	char *id = provider->engine->ops->create(provider->engine, &spec, &error);
	g_assert_no_error(error);
	return id;
}

static GPtrArray *
living(Provider *provider)
{
	g_autoptr(GError) error = NULL;
	GPtrArray *found =
	    provider->engine->ops->processes_of_app(provider->engine, "shop", true, &error);
	g_assert_no_error(error);
	return found;
}

static void
test_serves(void)
{
	Seen seen = {.events = g_string_new(NULL), .lock = PTHREAD_MUTEX_INITIALIZER};
	g_autoptr(GError) error = NULL;
	g_autoptr(Provider) provider = fake_provider_new();
	Router *router = provider->router;
	provider->engine->ops->watch(provider->engine, see, &seen);
	g_autofree char *id = deploy(provider, 1);
	expect(&seen, "start:0");

	g_autoptr(GPtrArray) found = living(provider);
	g_assert_cmpint(found->len, ==, 1);
	Process *process = g_ptr_array_index(found, 0);
	g_assert_null(process->address);
	g_assert_true(provider->engine->ops->locate(provider->engine, process, &error));

	const char *hosts[] = {"shop-web.fake.test", NULL};
	RouterBackend backend = {.app = "shop", .service = "web", .hosts = hosts};
	g_assert_true(router->ops->ensure(router, &backend, &error));
	g_assert_cmpint(router->ops->request(router, hosts[0], "/", &error), ==, 503);
	g_assert_true(router->ops->add(
	    router, "shop", "web", process->id, process->address, process->port, &error));
	g_assert_cmpint(router->ops->request(router, hosts[0], "/", &error), ==, 200);
	g_assert_true(fake_health(provider, process->id, 500));
	g_assert_cmpint(router->ops->request(router, hosts[0], "/", &error), ==, 500);
	g_assert_cmpint(router->ops->request(router, "other.test", "/", &error), ==, 404);
	g_assert_false(router->ops->check_hosts(router, "other", "web", hosts, &error));
	g_assert_cmpstr(error->message, ==, "shop-web.fake.test is used by app shop");

	g_assert_true(fake_crash(provider, process->id, 3));
	expect(&seen, "die:3 start:0");
	g_assert_true(provider->engine->ops->remove(provider->engine, id, NULL));
	expect(&seen, "die:0");
	g_clear_pointer(&provider, provider_free);
	g_string_free(seen.events, true);
}

static void
test_exits_at_boot(void)
{
	Seen seen = {.events = g_string_new(NULL), .lock = PTHREAD_MUTEX_INITIALIZER};
	g_autoptr(GError) error = NULL;
	g_autoptr(Provider) provider = fake_provider_new();
	Engine *engine = provider->engine;
	engine->ops->watch(engine, see, &seen);
	fake_behave(provider, "web",
	    &(FakeBehaviour){.exits = true, .exit_code = 7, .lines = "a\nb\nc", .start_ms = 5});
	g_autofree char *id = deploy(provider, 1);
	expect(&seen, "start:0 die:7 start:0 die:7");

	g_autoptr(GPtrArray) found = engine->ops->processes(engine, id, &error);
	Process *process = g_ptr_array_index(found, 0);
	g_assert_cmpint(process->state, ==, PROCESS_FAILED);
	g_assert_cmpstr(process->reason, ==, "task: non-zero exit (7)");
	g_assert_true(engine->ops->locate(engine, process, &error));
	g_assert_cmpint(process->exit_code, ==, 7);
	g_autoptr(GPtrArray) lines = engine->ops->last_lines(engine, process, 2, &error);
	g_assert_cmpint(lines->len, ==, 2);
	g_assert_cmpstr(g_ptr_array_index(lines, 0), ==, "b");
	g_clear_pointer(&provider, provider_free);
	g_string_free(seen.events, true);
}

static void
test_no_room(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Provider) provider = fake_provider_new();
	Engine *engine = provider->engine;
	fake_behave(provider, NULL, &(FakeBehaviour){.pending = "no suitable node"});
	g_autofree char *id = deploy(provider, 2);
	g_autoptr(GPtrArray) found = engine->ops->processes(engine, id, &error);
	g_assert_cmpint(found->len, ==, 2);
	Process *process = g_ptr_array_index(found, 0);
	g_assert_cmpint(process->state, ==, PROCESS_PENDING);
	g_assert_cmpstr(process->reason, ==, "no suitable node");

	fake_engine_down(provider, "engine does not answer");
	g_assert_false(engine->ops->ping(engine, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
}

static void
test_store_conditions(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(FakeWorld) world = fake_world_new();
	g_autoptr(Provider) provider = fake_world_provider(world);
	Store *store = provider->store;
	gint64 version = 0;
	json_auto_t *body = json_pack("{s:i}", "a", 1);
	g_assert_true(store->ops->put(store, "app", "", "one", body, 0, &version, &error));
	g_assert_true(store->ops->put(store, "app", "", "two", body, 0, NULL, &error));
	g_assert_cmpint(version, ==, 1);
	g_assert_false(store->ops->put(store, "app", "", "one", body, 0, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_CONFLICT);
	g_clear_error(&error);
	g_assert_null(store->ops->get(store, "release", "x", "R1", &error));
	g_assert_cmpstr(error->message, ==, "no such release: R1");

	g_clear_pointer(&provider, provider_free);
	provider = fake_world_provider(world);
	g_autoptr(GPtrArray) all = provider->store->ops->list(store, "app", "", 0, NULL, NULL);
	g_assert_cmpint(all->len, ==, 2);
	g_assert_cmpstr(((StoreDocument *)g_ptr_array_index(all, 0))->id, ==, "two");
	g_autoptr(GPtrArray) older = store->ops->list(store, "app", NULL, 1, "two", NULL);
	g_assert_cmpint(older->len, ==, 1);
	g_assert_cmpstr(((StoreDocument *)g_ptr_array_index(older, 0))->id, ==, "one");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fake/processes-serve-and-crash", test_serves);
	g_test_add_func("/fake/processes-exit-at-boot", test_exits_at_boot);
	g_test_add_func("/fake/what-does-not-fit-is-pending", test_no_room);
	g_test_add_func("/fake/the-store-outlives-the-provider", test_store_conditions);
	return g_test_run();
}
