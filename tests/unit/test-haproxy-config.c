/*
 * Golden texts of HAProxy's configuration and maps. CARRACK_UPDATE_GOLDEN=1 writes them anew.
 */
#include "base/error.h"
#include "swarm/haproxy-config.h"

#include <string.h>

static const SwarmOptions options = {.domain = "rack.test",
    .run_folder = "/run/carrack",
    .router_folder = "/var/lib/carrack-router",
    .http_port = 80,
    .https_port = 443,
    .api_port = 5443};

static Backend *
make(const RouterBackend *wish)
{
	g_autoptr(GError) error = NULL;
	Backend *backend = backend_new(wish, &error);

	g_assert_no_error(error);
	return backend;
}

/* Three backends with all that can be asked for, in the given order. */
static GPtrArray *
example(bool backwards)
{
	static const char *const web_hosts[] = {"WWW.shop.test.", "shop.test", "*.shop.test", NULL};
	static const char *const none[] = {NULL};
	const RouterBackend wishes[] = {
	    {.app = "shop",
		.service = "web",
		.hosts = web_hosts,
		.scheme = "http",
		.health_path = "/health?full=1",
		.health_host = "shop-web.rack.test",
		.health_interval = 5,
		.health_timeout = 3,
		.slots = 5,
		.is_sticky = true},
	    {.app = "shop",
		.service = "admin",
		.hosts = none,
		.scheme = "https",
		.health_path = "/",
		.health_host = "shop-admin.rack.test",
		.health_interval = 10,
		.health_timeout = 2,
		.slots = 1},
	    {.app = "a", .service = "rpc", .hosts = none, .scheme = "grpc", .slots = 0},
	};
	GPtrArray *backends = g_ptr_array_new_with_free_func((GDestroyNotify)backend_free);

	for (gsize i = 0; i < G_N_ELEMENTS(wishes); i++) {
		gsize at = backwards ? G_N_ELEMENTS(wishes) - 1 - i : i;
		g_ptr_array_add(backends, make(&wishes[at]));
	}
	Backend *web = backends->pdata[backwards ? 2 : 0];
	slot_fill(web->slots->pdata[0], "p1", "172.18.0.4", 3000, SLOT_READY);
	slot_fill(web->slots->pdata[2], "p2", "172.18.0.5", 3000, SLOT_DRAIN);
	slot_fill(web->slots->pdata[3], "p3", "fd00::5", 3000, SLOT_READY);
	return backends;
}

static void
assert_golden(const char *name, const char *text)
{
	g_autofree char *path = g_test_build_filename(G_TEST_DIST, "golden", name, NULL);
	g_autofree char *golden = NULL;

	if (g_getenv("CARRACK_UPDATE_GOLDEN"))
		g_assert_true(g_file_set_contents(path, text, -1, NULL));
	g_assert_true(g_file_get_contents(path, &golden, NULL, NULL));
	g_assert_cmpstr(text, ==, golden);
}

static void
golden_text(void)
{
	g_autoptr(GPtrArray) backends = example(false);
	g_autofree char *config = haproxy_config_text(&options, backends);
	g_autofree char *hosts = haproxy_config_hosts(backends);
	g_autofree char *wildcards = haproxy_config_wildcards(backends);

	assert_golden("haproxy.cfg", config);
	g_assert_cmpstr(hosts, ==, "shop.test b_shop_web\nwww.shop.test b_shop_web\n");
	g_assert_cmpstr(wildcards, ==, "shop.test b_shop_web\n");
}

static void
same_set_same_text(void)
{
	g_autoptr(GPtrArray) one = example(false);
	g_autoptr(GPtrArray) other = example(true);
	g_autofree char *first = haproxy_config_text(&options, one);
	g_autofree char *second = haproxy_config_text(&options, other);

	g_assert_cmpstr(first, ==, second);
}

/* «a-b» of «c» and «a» of «b-c» must not meet. */
static void
names_cannot_clash(void)
{
	static const char *const none[] = {NULL};
	g_autoptr(Backend) one =
	    make(&(RouterBackend){.app = "a-b", .service = "c", .hosts = none});
	g_autoptr(Backend) other =
	    make(&(RouterBackend){.app = "a", .service = "b-c", .hosts = none});

	g_assert_cmpstr(one->name, ==, "b_a-b_c");
	g_assert_cmpstr(other->name, ==, "b_a_b-c");
}

static void
injections_are_refused(void)
{
	static const char *const none[] = {NULL};
	static const char *const paths[] = {
	    "health", "/a b", "/a\nserver x 1.2.3.4", "/\"", "/$HOME", "/\\", "/é"};
	static const char *const hosts[] = {"a b", "a\nb", "%[src]", "a\""};

	for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
		g_autoptr(GError) error = NULL;
		RouterBackend wish = {
		    .app = "a", .service = "web", .hosts = none, .health_path = paths[i]};
		g_assert_null(backend_new(&wish, &error));
		g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(hosts); i++) {
		g_autoptr(GError) error = NULL;
		RouterBackend wish = {
		    .app = "a", .service = "web", .hosts = none, .health_host = hosts[i]};
		g_assert_null(backend_new(&wish, &error));
		g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	}
}

static void
tcp_is_not_routed(void)
{
	static const char *const hosts[] = {"db.test", NULL};
	RouterBackend wish = {.app = "a", .service = "db", .hosts = hosts, .scheme = "tcp"};
	g_autoptr(GError) error = NULL;

	g_assert_null(backend_new(&wish, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
}

static void
json_keeps_structure_only(void)
{
	g_autoptr(GPtrArray) backends = example(false);

	for (unsigned i = 0; i < backends->len; i++) {
		const Backend *before = backends->pdata[i];
		g_autoptr(GError) error = NULL;
		json_auto_t *json = backend_json(before);
		g_autoptr(Backend) after = backend_from_json(json, &error);
		g_assert_no_error(error);
		g_assert_true(backend_same_structure(before, after));
		g_assert_true(g_strv_equal(
		    (const char *const *)before->hosts, (const char *const *)after->hosts));
		for (unsigned slot = 0; slot < after->slots->len; slot++)
			g_assert_cmpint(((Slot *)after->slots->pdata[slot])->state, ==, SLOT_FREE);
	}
}

static void
freed_slots_rest(void)
{
	static const char *const none[] = {NULL};
	g_autoptr(Backend) backend =
	    make(&(RouterBackend){.app = "a", .service = "web", .hosts = none});
	Slot *first = backend_slot_free(backend);
	g_assert_true(first == backend->slots->pdata[0]);

	slot_fill(first, "p", "10.0.0.1", 80, SLOT_READY);
	slot_clear(first);
	g_assert_true(backend_slot_free(backend) == backend->slots->pdata[1]);
	for (unsigned i = 1; i < backend->slots->len; i++)
		slot_fill(backend->slots->pdata[i], "p", "10.0.0.1", 80, SLOT_READY);
	g_assert_true(backend_slot_free(backend) == first);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/haproxy-config/text-is-golden", golden_text);
	g_test_add_func("/haproxy-config/same-set-gives-the-same-text", same_set_same_text);
	g_test_add_func("/haproxy-config/backend-names-cannot-clash", names_cannot_clash);
	g_test_add_func(
	    "/haproxy-config/texts-that-could-inject-are-refused", injections_are_refused);
	g_test_add_func("/haproxy-config/tcp-is-not-routed-by-host", tcp_is_not_routed);
	g_test_add_func("/haproxy-config/json-holds-no-occupants", json_keeps_structure_only);
	g_test_add_func("/haproxy-config/freed-slot-rests-while-others-are-free", freed_slots_rest);
	return g_test_run();
}
