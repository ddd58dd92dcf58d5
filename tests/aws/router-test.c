/*
 * The router part against MiniStack's balancer: what clients see while backends are made, switched,
 * drained and forgotten. What an outcome of a call is not told by the balancer's own lists is asked
 * of it through a request. Run by test_router.py, which gives each test a listener of its own.
 */
#include "balancer-fixture.h"
#include "base/error.h"

#include <string.h>

static bool
ensure_hosts(Fixture *fixture, const char *app, const char *const *hosts, GError **error)
{
	RouterBackend wish = fixture_wish(app, hosts);
	return ROUTER(fixture)->ensure(fixture->router, &wish, error);
}

/* Hosts */

static void
unknown_host(Fixture *fixture, gconstpointer data)
{
	fixture_ensure(fixture, "shop", "shop.test", NULL);
	fixture_assert(fixture, "nobody.test", 404, "");
	fixture_assert(fixture, "shop.test", 503, "");
	g_autoptr(GError) error = NULL;
	int status = ROUTER(fixture)->request(fixture->router, "shop.test", "/", &error);
	g_assert_no_error(error);
	g_assert_cmpint(status, ==, 503);
}

static void
host_conflict(Fixture *fixture, gconstpointer data)
{
	const char *const taken[] = {"WWW.Shop.test.", NULL};
	const char *const own[] = {"rack.apps.test", NULL};
	g_autoptr(GError) error = NULL;
	g_autoptr(GError) of_rack = NULL;
	g_autoptr(GError) of_service = NULL;
	fixture_ensure(fixture, "a", "www.shop.test", NULL);

	g_assert_false(ensure_hosts(fixture, "b", taken, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_CONFLICT);
	g_assert_cmpstr(error->message, ==, "www.shop.test is used by app a");
	g_assert_false(
	    ROUTER(fixture)->check_hosts(fixture->router, "a", "other", taken, &of_service));
	g_assert_cmpstr(of_service->message, ==, "www.shop.test is used by app a");
	g_assert_true(ROUTER(fixture)->check_hosts(fixture->router, "a", "web", taken, NULL));
	g_assert_false(ROUTER(fixture)->check_hosts(fixture->router, "a", "web", own, &of_rack));
	g_assert_error(of_rack, CARRACK_ERROR, CARRACK_ERROR_CONFLICT);
	g_autoptr(GPtrArray) names = ROUTER(fixture)->backends(fixture->router, NULL);
	g_assert_cmpuint(names->len, ==, 1);
}

typedef struct {
	Router *router;
	char *app;
	GError *error;
	bool is_won;
} Racer;

static gpointer
race(gpointer data)
{
	static const char *const hosts[] = {"prize.test", NULL};
	Racer *racer = data;
	RouterBackend wish = fixture_wish(racer->app, hosts);
	racer->is_won = racer->router->ops->ensure(racer->router, &wish, &racer->error);
	return NULL;
}

/* Two lives of carrackd over one store, which know nothing of each other. */
static void
host_race(Fixture *fixture, gconstpointer data)
{
	enum { RACERS = 6 };
	static const char *const hosts[] = {"prize.test", NULL};
	Racer racers[RACERS] = {0};
	GThread *threads[RACERS];
	unsigned winners = 0;
	for (unsigned i = 0; i < RACERS; i++) {
		racers[i].app = g_strdup_printf("racer%u", i);
		racers[i].router =
		    router_balancer_new(fixture->rack, fixture->provider->store, NULL);
		/* Each has read the table while the host was free. */
		g_assert_true(
		    racers[i].router->ops->check_hosts(racers[i].router, "x", "web", hosts, NULL));
	}
	for (unsigned i = 0; i < RACERS; i++)
		threads[i] = g_thread_new("racer", race, &racers[i]);
	for (unsigned i = 0; i < RACERS; i++)
		g_thread_join(threads[i]);
	for (unsigned i = 0; i < RACERS; i++)
		winners += racers[i].is_won;
	g_assert_cmpuint(winners, ==, 1);
	for (unsigned i = 0; i < RACERS; i++) {
		if (!racers[i].is_won) {
			g_assert_error(racers[i].error, CARRACK_ERROR, CARRACK_ERROR_CONFLICT);
			g_assert_true(g_str_has_prefix(
			    racers[i].error->message, "prize.test is used by app racer"));
		}
		racers[i].router->ops->free(racers[i].router);
		g_clear_error(&racers[i].error);
		g_free(racers[i].app);
	}
	json_auto_t *rules = fixture_rules(fixture);
	g_assert_cmpuint(json_array_size(rules), ==, 1);
}

static void
wildcards(Fixture *fixture, gconstpointer data)
{
	fixture_ensure(fixture, "a", "*.x.test", NULL);
	fixture_ensure(fixture, "b", "api.x.test", "*.deep.x.test", NULL);
	g_autofree char *one = fixture_release(fixture, "a", "R1", fixture_serve(fixture, "app-a"));
	g_autofree char *two = fixture_release(fixture, "b", "R1", fixture_serve(fixture, "app-b"));

	fixture_assert(fixture, "api.x.test", 200, "app-b");
	fixture_assert(fixture, "foo.x.test", 200, "app-a");
	fixture_assert(fixture, "foo.deep.x.test", 200, "app-b");
	fixture_assert(fixture, "x.test", 404, "");
}

static void
twelve_hosts(Fixture *fixture, gconstpointer data)
{
	const char *hosts[13] = {NULL};
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GError) error = NULL;
	for (unsigned i = 0; i < 12; i++) {
		hosts[i] = g_strdup_printf("h%u.shop.test", i);
		g_ptr_array_add(names, (char *)hosts[i]);
	}
	g_assert_true(ensure_hosts(fixture, "shop", hosts, &error));
	json_auto_t *rules = fixture_rules(fixture);
	g_assert_cmpuint(json_array_size(rules), ==, 3);
	g_autofree char *one =
	    fixture_release(fixture, "shop", "R1", fixture_serve(fixture, "yes"));
	for (unsigned i = 0; i < 12; i++)
		fixture_assert(fixture, hosts[i], 200, "yes");

	/* One less: its rule is changed, the others are left alone. */
	unsigned before = fixture_calls(fixture, "ModifyRule");
	hosts[11] = NULL;
	g_assert_true(ensure_hosts(fixture, "shop", hosts, &error));
	g_assert_cmpuint(fixture_calls(fixture, "ModifyRule"), ==, before + 1);
	fixture_assert(fixture, "h11.shop.test", 404, "");
	hosts[1] = NULL;
	g_assert_true(ensure_hosts(fixture, "shop", hosts, &error));
	json_auto_t *left = fixture_rules(fixture);
	g_assert_cmpuint(json_array_size(left), ==, 1);
	fixture_ensure(fixture, "other", "h11.shop.test", NULL);
}

static void
hosts_change(Fixture *fixture, gconstpointer data)
{
	fixture_ensure(fixture, "a", "old.test", NULL);
	g_autofree char *one = fixture_release(fixture, "a", "R1", fixture_serve(fixture, "app-a"));

	fixture_ensure(fixture, "a", "new.test", "*.wild.test", NULL);
	fixture_assert(fixture, "new.test", 200, "app-a");
	fixture_assert(fixture, "x.wild.test", 200, "app-a");
	fixture_assert(fixture, "old.test", 404, "");
	fixture_restart(fixture);
	fixture_assert(fixture, "new.test", 200, "app-a");
	fixture_ensure(fixture, "b", "old.test", NULL);
	fixture_assert(fixture, "old.test", 503, "");
}

static void
bad_wishes(Fixture *fixture, gconstpointer data)
{
	g_autofree char *long_name = g_strnfill(130, 'a');
	g_autofree char *long_host = g_strdup_printf("%.60s.%.60s.test", long_name, long_name);
	const char *const hosts[] = {"a b.test", "a.test\n", "*", "*.*.test", "a..test", "-a.test",
	    "a.test:80", "a{b}.test", "", "localhost", "a_b.test", "a.t3st"};
	for (gsize i = 0; i < G_N_ELEMENTS(hosts); i++) {
		g_autoptr(GError) error = NULL;
		const char *const wish[] = {hosts[i], NULL};
		g_test_message("%s", hosts[i]);
		g_assert_false(ensure_hosts(fixture, "a", wish, &error));
		g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	}
	g_autofree char *longer = g_strconcat("x.", long_host, NULL);
	g_autofree char *longest = g_strconcat("yy.", longer, NULL);
	const char *const too_long[] = {longest, NULL};
	g_autoptr(GError) error = NULL;
	g_assert_false(ensure_hosts(fixture, "a", too_long, &error));
	g_assert_nonnull(strstr(error->message, "the balancer takes at most 128"));
	const char *const good[] = {"a.test", NULL};
	RouterBackend wish = fixture_wish("a", good);
	g_autoptr(GError) of_scheme = NULL;
	wish.scheme = "tcp";
	g_assert_false(ROUTER(fixture)->ensure(fixture->router, &wish, &of_scheme));
	g_assert_nonnull(strstr(of_scheme->message, "http, https, grpc"));
	g_autoptr(GError) of_path = NULL;
	wish.scheme = "http";
	wish.health_path = "health";
	g_assert_false(ROUTER(fixture)->ensure(fixture->router, &wish, &of_path));
	g_assert_error(of_path, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_autoptr(GError) of_address = NULL;
	fixture_ensure(fixture, "a", "a.test", NULL);
	g_assert_false(
	    ROUTER(fixture)->add(fixture->router, "a", "web", "p", "nowhere", 80, &of_address));
	g_assert_error(of_address, CARRACK_ERROR, CARRACK_ERROR_INVALID);
}

/* What groups are made of */

static void
assert_member(const json_t *object, const char *member, const char *value)
{
	g_assert_cmpstr(json_text_of(object, member, "(none)"), ==, value);
}

static void
assert_attribute(Fixture *fixture, const char *group, const char *key, const char *value)
{
	json_auto_t *list = fixture_call(fixture, "DescribeTargetGroupAttributes",
	    json_pack("{s:s}", "TargetGroupArn", group), "Attributes");
	size_t index;
	json_t *entry;
	const char *found = "(none)";
	json_array_foreach(list, index, entry)
	{
		if (g_str_equal(json_text_of(entry, "Key", ""), key))
			found = json_text_of(entry, "Value", "");
	}
	g_test_message("%s", key);
	g_assert_cmpstr(found, ==, value);
}

static json_t *
group_of(Fixture *fixture, const char *group)
{
	json_auto_t *list = fixture_call(fixture, "DescribeTargetGroups",
	    json_pack("{s:[s]}", "TargetGroupArns", group), "TargetGroups");
	return json_incref(json_array_get(list, 0));
}

static void
attributes(Fixture *fixture, gconstpointer data)
{
	static const char *const hosts[] = {"shop.test", NULL};
	g_autoptr(GError) error = NULL;
	RouterBackend wish = fixture_wish("shop", hosts);
	wish.health_path = "/health";
	wish.health_interval = 12;
	wish.health_timeout = 7;
	wish.drain = 45;
	wish.is_sticky = true;
	g_assert_true(ROUTER(fixture)->ensure(fixture->router, &wish, &error));
	g_autofree char *arn = fixture_group(fixture, "shop", "R1");
	json_auto_t *group = group_of(fixture, arn);
	assert_member(group, "HealthCheckPath", "/health");
	assert_member(group, "HealthCheckIntervalSeconds", "12");
	assert_member(group, "HealthCheckTimeoutSeconds", "7");
	assert_member(group, "HealthyThresholdCount", "2");
	assert_member(group, "UnhealthyThresholdCount", "2");
	assert_member(group, "TargetType", "ip");
	assert_member(group, "Protocol", "HTTP");
	assert_member(json_object_get(group, "Matcher"), "HttpCode", "200-399,401");
	g_assert_cmpuint(strlen(json_text_of(group, "TargetGroupName", "")), <=, 32);
	assert_attribute(fixture, arn, "deregistration_delay.timeout_seconds", "45");
	assert_attribute(fixture, arn, "stickiness.enabled", "true");
	assert_attribute(fixture, arn, "stickiness.type", "lb_cookie");
	assert_attribute(fixture, arn, "slow_start.duration_seconds", "0");
	assert_attribute(
	    fixture, arn, "load_balancing.algorithm.type", "least_outstanding_requests");

	json_auto_t *tags = fixture_call(
	    fixture, "DescribeTags", json_pack("{s:[s]}", "ResourceArns", arn), "TagDescriptions");
	json_auto_t *list = aws_items(json_array_get(tags, 0), "Tags");
	assert_member(json_array_get(list, 0), "Key", "carrack");
	assert_member(json_array_get(list, 0), "Value", "prod");
}

/* New settings are for the next deployment; what serves keeps its own. */
static void
settings_wait(Fixture *fixture, gconstpointer data)
{
	static const char *const hosts[] = {"shop.test", NULL};
	g_autoptr(GError) error = NULL;
	RouterBackend wish = fixture_wish("shop", hosts);
	wish.health_path = NULL;
	g_assert_true(ROUTER(fixture)->ensure(fixture->router, &wish, &error));
	g_autofree char *one = fixture_release(fixture, "shop", "R1", fixture_serve(fixture, "p1"));
	wish.health_path = "/new";
	wish.drain = 9;
	g_assert_true(ROUTER(fixture)->ensure(fixture->router, &wish, &error));
	json_auto_t *before = group_of(fixture, one);
	assert_member(before, "HealthCheckPath", "/");
	assert_member(json_object_get(before, "Matcher"), "HttpCode", "200-499");
	assert_member(before, "UnhealthyThresholdCount", "3");
	g_autofree char *two = fixture_group(fixture, "shop", "R2");
	g_assert_cmpstr(one, !=, two);
	json_auto_t *after = group_of(fixture, two);
	assert_member(after, "HealthCheckPath", "/new");
	assert_attribute(fixture, two, "deregistration_delay.timeout_seconds", "9");
	assert_attribute(fixture, one, "deregistration_delay.timeout_seconds", "1");
}

/* A protocol cannot be changed: the idle group is replaced, the serving one stays. */
static void
protocol_changes(Fixture *fixture, gconstpointer data)
{
	static const char *const hosts[] = {"shop.test", NULL};
	g_autoptr(GError) error = NULL;
	fixture_ensure(fixture, "shop", "shop.test", NULL);
	g_autofree char *one = fixture_release(fixture, "shop", "R1", fixture_serve(fixture, "p1"));
	RouterBackend wish = fixture_wish("shop", hosts);
	wish.scheme = "grpc";
	wish.health_path = NULL;
	g_assert_true(ROUTER(fixture)->ensure(fixture->router, &wish, &error));
	g_autofree char *two = fixture_group(fixture, "shop", "R2");
	json_auto_t *group = group_of(fixture, two);
	assert_member(group, "ProtocolVersion", "GRPC");
	assert_member(json_object_get(group, "Matcher"), "GrpcCode", "0-99");
	g_assert_cmpint(fixture_weight(fixture, two), ==, 0);
	fixture_assert(fixture, "shop.test", 200, "p1");
	json_auto_t *all = fixture_call(fixture, "DescribeTargetGroups", NULL, "TargetGroups");
	unsigned own = 0;
	for (size_t i = 0; i < json_array_size(all); i++)
		own += g_str_has_prefix(
		    json_text_of(json_array_get(all, i), "TargetGroupName", ""), "prod-shop-web-");
	g_assert_cmpuint(own, ==, 2);

	g_autoptr(GPtrArray) list = fixture_servers(fixture, "shop");
	g_assert_cmpuint(list->len, ==, 1);
}

/* A rule from outside at our next priority, and a group whose making nobody noted. */
static void
half_made(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GError) none = NULL;
	json_decref(fixture_call(fixture, "CreateRule",
	    json_pack("{s:s, s:i, s:[{s:s, s:{s:[s]}}], s:[{s:s, s:{s:s}}]}", "ListenerArn",
		fixture->rack->listener, "Priority", 1000, "Conditions", "Field", "host-header",
		"HostHeaderConfig", "Values", "foreign.test", "Actions", "Type", "fixed-response",
		"FixedResponseConfig", "StatusCode", "418"),
	    "None"));
	/* No listener: the groups come into being, the rule does not. */
	char *listener = fixture->rack->listener;
	fixture->rack->listener = g_strconcat(listener, "0", NULL);
	const char *const hosts[] = {"shop.test", NULL};
	g_assert_false(ensure_hosts(fixture, "shop", hosts, &error));
	g_free(fixture->rack->listener);
	fixture->rack->listener = listener;
	g_assert_null(aws_router_group(fixture->router, "shop", "web", "R1", &none));
	g_assert_error(none, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);

	fixture_restart(fixture);
	fixture_ensure(fixture, "shop", "shop.test", NULL);
	fixture_assert(fixture, "foreign.test", 418, "");
	g_autofree char *one = fixture_release(fixture, "shop", "R1", fixture_serve(fixture, "p1"));
	fixture_assert(fixture, "shop.test", 200, "p1");
	json_auto_t *rules = fixture_rules(fixture);
	g_assert_cmpuint(json_array_size(rules), ==, 2);
	g_assert_cmpstr(json_text_of(json_array_get(rules, 1), "Priority", ""), ==, "1001");
}

static void
forgets(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	Store *store = fixture->provider->store;
	fixture_ensure(fixture, "b", "b.test", NULL);
	fixture_ensure(fixture, "a", "a.test", "*.a.test", NULL);
	g_autofree char *one = fixture_release(fixture, "a", "R1", fixture_serve(fixture, "app-a"));
	ROUTER(fixture)->forget(fixture->router, "b", "web", &error);
	g_assert_no_error(error);
	ROUTER(fixture)->forget(fixture->router, "a", "web", &error);
	g_assert_no_error(error);
	ROUTER(fixture)->forget(fixture->router, "a", "web", &error);
	g_assert_no_error(error);

	fixture_assert(fixture, "a.test", 404, "");
	json_auto_t *rules = fixture_rules(fixture);
	g_assert_cmpuint(json_array_size(rules), ==, 0);
	json_auto_t *groups = fixture_call(fixture, "DescribeTargetGroups", NULL, "TargetGroups");
	g_assert_cmpuint(json_array_size(groups), ==, 0);
	g_autoptr(GPtrArray) documents = store->ops->list(store, "backend", "", 0, NULL, &error);
	g_assert_cmpuint(documents->len, ==, 0);
	g_autoptr(StoreDocument) table = store->ops->get(store, "balancer", "", "table", &error);
	g_assert_cmpuint(json_object_size(json_object_get(table->body, "hosts")), ==, 0);
	g_assert_cmpuint(json_object_size(json_object_get(table->body, "rules")), ==, 0);
	g_assert_cmpuint(json_object_size(json_object_get(table->body, "groups")), ==, 0);
	g_autoptr(GPtrArray) names = ROUTER(fixture)->backends(fixture->router, &error);
	g_assert_cmpuint(names->len, ==, 0);
	fixture_ensure(fixture, "b", "a.test", NULL);
	fixture_assert(fixture, "a.test", 503, "");
}

/* 100 target groups: the stack's own and 49 services with two each. */
static void
quota(Fixture *fixture, gconstpointer data)
{
	for (unsigned i = 1; i < 50; i++) {
		g_autofree char *app = g_strdup_printf("app%u", i);
		g_autofree char *host = g_strdup_printf("h%u.test", i);
		fixture_ensure(fixture, app, host, NULL);
	}
	static const char *const hosts[] = {"last.test", NULL};
	static const char *const twice[] = {"h1.test", NULL};
	g_autoptr(GError) told = NULL;
	g_autoptr(GError) error = NULL;
	g_assert_false(ROUTER(fixture)->check_hosts(fixture->router, "last", "web", hosts, &told));
	g_assert_error(told, CARRACK_ERROR, CARRACK_ERROR_FORBIDDEN);
	g_assert_cmpstr(told->message, ==,
	    "the balancer has room for 100 target groups: 99 are taken, and service web of app "
	    "last "
	    "needs 2 more (ask AWS for a higher quota)");
	g_assert_false(ensure_hosts(fixture, "last", hosts, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_FORBIDDEN);
	g_assert_cmpuint(fixture_calls(fixture, "DescribeAccountLimits"), ==, 1);
	g_assert_true(ROUTER(fixture)->check_hosts(fixture->router, "app1", "web", twice, NULL));

	/* 49 rules and the stack's: 51 more do not fit. */
	g_autoptr(GPtrArray) many = g_ptr_array_new_with_free_func(g_free);
	for (unsigned i = 0; i < 255; i++)
		g_ptr_array_add(many, g_strdup_printf("m%u.test", i));
	g_ptr_array_add(many, NULL);
	g_autoptr(GError) of_rules = NULL;
	g_assert_false(ROUTER(fixture)->check_hosts(
	    fixture->router, "app1", "web", (const char *const *)many->pdata, &of_rules));
	g_assert_nonnull(strstr(of_rules->message, "room for 100 rules: 50 are taken"));
}

/* Calls */

static void
few_calls(Fixture *fixture, gconstpointer data)
{
	fixture_ensure(fixture, "shop", "shop.test", NULL);
	g_autofree char *one =
	    fixture_release(fixture, "shop", "R1", fixture_serve(fixture, "old"));
	Web *fresh = fixture_serve(fixture, "new");
	unsigned before = fixture_calls(fixture, NULL);
	unsigned rules = fixture_calls(fixture, "ModifyRule");

	fixture_ensure(fixture, "shop", "shop.test", NULL);
	g_assert_cmpuint(fixture_calls(fixture, NULL), ==, before);
	g_autofree char *two = fixture_group(fixture, "shop", "R2");
	fixture_register(fixture, two, fresh);
	fixture_wait_state(fixture, two, fresh, "healthy");
	unsigned looks = fixture_calls(fixture, "DescribeTargetHealth");
	fixture_add(fixture, "shop", fresh);
	fixture_drain(fixture, "shop", "old");
	g_assert_cmpuint(fixture_calls(fixture, "ModifyRule"), ==, rules + 2);
	g_assert_cmpuint(fixture_calls(fixture, "DescribeTargetHealth"), <=, looks + 4);
	g_assert_true(fixture_wait_drained(fixture, "shop", "old", 10));
	fixture_remove(fixture, "shop", "old");
	g_assert_cmpuint(fixture_calls(fixture, "ModifyRule"), ==, rules + 2);
	g_assert_cmpuint(fixture_calls(fixture, "DeregisterTargets"), ==, 1);
	g_assert_cmpuint(fixture_calls(fixture, "DescribeTargetHealth"), <=, looks + 8);
}

/* What core asks 20 times a second: at most once a second of each group after a change, then not at
 * all. */
static void
idle(Fixture *fixture, gconstpointer data)
{
	static const char *const hosts[] = {"shop.test", NULL};
	fixture_ensure(fixture, "shop", "shop.test", NULL);
	g_autofree char *one = fixture_release(fixture, "shop", "R1", fixture_serve(fixture, "p1"));
	unsigned before = fixture_calls(fixture, NULL);
	gint64 begun = g_get_monotonic_time();
	while (g_get_monotonic_time() - begun < 17 * G_USEC_PER_SEC) {
		g_ptr_array_unref(fixture_servers(fixture, "shop"));
		g_usleep(50000);
	}
	unsigned around = fixture_calls(fixture, NULL);
	g_test_message("%u calls in 17 s", around - before);
	g_assert_cmpuint(around - before, <=, 2 * 16);
	/* Longer than what is known lasts around a change. */
	for (begun = g_get_monotonic_time(); g_get_monotonic_time() - begun < 3 * G_USEC_PER_SEC;) {
		g_ptr_array_unref(fixture_servers(fixture, "shop"));
		g_ptr_array_unref(ROUTER(fixture)->backends(fixture->router, NULL));
		fixture_ensure(fixture, "shop", "shop.test", NULL);
		g_assert_true(ROUTER(fixture)->ping(fixture->router, NULL));
		g_assert_true(
		    ROUTER(fixture)->check_hosts(fixture->router, "shop", "web", hosts, NULL));
		g_usleep(20000);
	}
	g_assert_cmpuint(fixture_calls(fixture, NULL), ==, around);
}

/* A service that only others of the app ask has no group. */
static void
without_hosts(Fixture *fixture, gconstpointer data)
{
	static const char *const none[] = {NULL};
	g_autoptr(GError) error = NULL;
	g_assert_null(aws_router_group(fixture->router, "shop", "web", "R1", &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
	g_clear_error(&error);
	g_assert_true(ensure_hosts(fixture, "shop", none, &error));
	g_assert_null(aws_router_group(fixture->router, "shop", "web", "R1", &error));
	g_assert_no_error(error);
	fixture_add(fixture, "shop", fixture_serve(fixture, "p1"));
	g_autoptr(GPtrArray) list = fixture_servers(fixture, "shop");
	g_assert_cmpuint(list->len, ==, 1);
	fixture_remove(fixture, "shop", "p1");
	g_autoptr(GPtrArray) left = fixture_servers(fixture, "shop");
	g_assert_cmpuint(left->len, ==, 0);
	g_assert_cmpuint(fixture_calls(fixture, "CreateTargetGroup"), ==, 0);
}

/* On instances a target is an instance and a port; core knows addresses. */
static void
instances(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	fixture->rack->is_fargate = false;
	fixture_ensure(fixture, "shop", "shop.test", NULL);
	g_assert_false(
	    ROUTER(fixture)->add(fixture->router, "shop", "web", "p", "127.0.0.1", 80, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
	aws_rack_learn_instance(fixture->rack, "localhost", "127.0.0.1");
	g_autofree char *one = fixture_release(fixture, "shop", "R1", fixture_serve(fixture, "p1"));
	json_auto_t *group = group_of(fixture, one);
	assert_member(group, "TargetType", "instance");
	fixture_assert(fixture, "shop.test", 200, "p1");
	g_autoptr(GPtrArray) list = fixture_servers(fixture, "shop");
	g_assert_cmpstr(((RouterServer *)list->pdata[0])->address, ==, "127.0.0.1");
	g_assert_cmpstr(((RouterServer *)list->pdata[0])->process, ==, "p1");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	TEST("unknown-hosts-get-404-and-empty-backends-503", unknown_host);
	TEST("a-host-belongs-to-one-app", host_conflict);
	TEST("of-those-who-ask-at-once-one-wins", host_race);
	TEST("wildcards-come-after-exact-hosts-and-longer-ones-first", wildcards);
	TEST("twelve-hosts-lie-in-three-rules", twelve_hosts);
	TEST("hosts-follow-the-wish", hosts_change);
	TEST("bad-wishes-are-named", bad_wishes);
	TEST("groups-are-made-as-asked", attributes);
	TEST("settings-are-for-the-next-deployment", settings_wait);
	TEST("another-protocol-is-another-group", protocol_changes);
	TEST("half-made-is-finished", half_made);
	TEST("forget-leaves-nothing", forgets);
	TEST("quotas-are-told-in-advance", quota);
	TEST("a-promote-takes-few-calls", few_calls);
	TEST("an-idle-rack-makes-none", idle);
	TEST("without-hosts-nothing-is-made", without_hosts);
	TEST("instances-are-targets", instances);
	add_switch_tests();
	return g_test_run();
}
