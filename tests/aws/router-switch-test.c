/*
 * The second half of router-test: how processes come, take over and go, and what a restart of
 * carrackd in the middle of it finds.
 */
#include "balancer-fixture.h"
#include "base/error.h"

#include <string.h>

/* Switching */

static void
switches(Fixture *fixture, gconstpointer data)
{
	g_autofree char *group = NULL;
	fixture_ensure(fixture, "shop", "shop.test", NULL);
	group = fixture_release(fixture, "shop", "R0", fixture_serve(fixture, "p0"));
	Traffic *quick = traffic_start(fixture, "shop.test", "/");
	Traffic *slow = traffic_start(fixture, "shop.test", "/slow");

	for (unsigned i = 1; i <= 3; i++) {
		g_autofree char *release = g_strdup_printf("R%u", i);
		g_autofree char *old = g_strdup_printf("p%u", i - 1);
		g_autofree char *name = g_strdup_printf("p%u", i);
		g_autofree char *left = g_steal_pointer(&group);
		Web *last = fixture->webs->pdata[i - 1];
		g_atomic_int_set(&last->delay_ms, 300);
		group = fixture_release(fixture, "shop", release, fixture_serve(fixture, name));
		fixture_drain(fixture, "shop", old);
		g_assert_true(fixture_wait_drained(fixture, "shop", old, 10));
		g_assert_cmpstr(fixture_state(fixture, left, last), ==, "none");
		fixture_remove(fixture, "shop", old);
		g_atomic_int_set(&last->status, 500);
	}
	unsigned total = 0;
	unsigned more = 0;
	g_assert_cmpuint(traffic_stop(quick, &total), ==, 0);
	g_assert_cmpuint(traffic_stop(slow, &more), ==, 0);
	g_test_message("%u and %u requests", total, more);
	g_assert_cmpuint(total, >=, 40);
	g_assert_cmpuint(more, >=, 5);
	fixture_assert(fixture, "shop.test", 200, "p3");
}

/* ECS registers all of a deployment; each add is for one of them. */
static void
several(Fixture *fixture, gconstpointer data)
{
	fixture_ensure(fixture, "shop", "shop.test", NULL);
	g_autofree char *one =
	    fixture_release(fixture, "shop", "R1", fixture_serve(fixture, "old"));
	g_autofree char *two = fixture_group(fixture, "shop", "R2");
	Web *webs[3];
	static const char *const names[] = {"n1", "n2", "n3"};
	for (unsigned i = 0; i < 3; i++) {
		webs[i] = fixture_serve(fixture, names[i]);
		fixture_register(fixture, two, webs[i]);
		/* The others are still being checked when the first is let in. */
		if (i == 0)
			fixture_wait_state(fixture, two, webs[i], "healthy");
	}
	unsigned before = fixture_calls(fixture, "ModifyRule");
	unsigned registered = fixture_calls(fixture, "RegisterTargets");
	for (unsigned i = 0; i < 3; i++)
		fixture_add(fixture, "shop", webs[i]);
	g_assert_cmpuint(fixture_calls(fixture, "RegisterTargets"), ==, registered);
	g_assert_cmpint(fixture_weight(fixture, one), ==, 1);
	g_assert_cmpint(fixture_weight(fixture, two), ==, 3);
	g_assert_cmpuint(fixture_calls(fixture, "ModifyRule"), ==, before + 1);
	fixture_drain(fixture, "shop", "old");
	g_assert_cmpint(fixture_weight(fixture, one), ==, 0);
	g_assert_cmpint(fixture_weight(fixture, two), ==, 100);
	g_assert_cmpuint(fixture_calls(fixture, "ModifyRule"), ==, before + 2);

	/* One of several goes alone; the weights stay. */
	fixture_drain(fixture, "shop", "n2");
	fixture_wait_state(fixture, two, webs[1], "draining");
	g_assert_cmpuint(fixture_calls(fixture, "ModifyRule"), ==, before + 2);
	for (unsigned i = 0; i < 10; i++) {
		g_autofree char *body = NULL;
		g_assert_cmpint(fixture_get(fixture, "shop.test", &body), ==, 200);
		g_assert_cmpstr(body, !=, "n2");
	}
}

/* A failed deploy: the old one serves again with one change, before the new one is gone. */
static void
way_back(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	fixture_ensure(fixture, "shop", "shop.test", NULL);
	g_autofree char *one =
	    fixture_release(fixture, "shop", "R1", fixture_serve(fixture, "old"));
	Web *fresh = fixture_serve(fixture, "new");
	g_autofree char *two = fixture_release(fixture, "shop", "R2", fresh);
	fixture_drain(fixture, "shop", "old");
	fixture_assert(fixture, "shop.test", 200, "new");

	g_atomic_int_set(&fresh->status, 500);
	ROUTER(fixture)->ready(fixture->router, "shop", "web", "old", &error);
	g_assert_no_error(error);
	g_assert_cmpint(fixture_weight(fixture, one), ==, 100);
	g_assert_cmpint(fixture_weight(fixture, two), ==, 0);
	for (unsigned i = 0; i < 10; i++)
		fixture_assert(fixture, "shop.test", 200, "old");
	fixture_drain(fixture, "shop", "new");
	fixture_remove(fixture, "shop", "new");
	g_autoptr(GPtrArray) list = fixture_servers(fixture, "shop");
	g_assert_cmpuint(list->len, ==, 1);
	g_assert_cmpstr(((RouterServer *)list->pdata[0])->process, ==, "old");
	g_assert_cmpint(((RouterServer *)list->pdata[0])->state, ==, SERVER_READY);

	/* The next deployment gets the same idle group, emptied. */
	g_autofree char *three = fixture_group(fixture, "shop", "R3");
	g_assert_cmpstr(two, ==, three);
	g_assert_false(ROUTER(fixture)->ready(fixture->router, "shop", "web", "nobody", &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
}

static void
drain_and_back(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	fixture_ensure(fixture, "shop", "shop.test", NULL);
	g_autofree char *one = fixture_release(fixture, "shop", "R1", fixture_serve(fixture, "p1"));

	fixture_drain(fixture, "shop", "p1");
	fixture_assert(fixture, "shop.test", 503, "");
	ROUTER(fixture)->ready(fixture->router, "shop", "web", "p1", &error);
	g_assert_no_error(error);
	fixture_assert(fixture, "shop.test", 200, "p1");
}

/* The process that dies takes nothing with it while another serves. */
static void
death(Fixture *fixture, gconstpointer data)
{
	fixture_ensure(fixture, "shop", "shop.test", NULL);
	Web *dies = fixture_serve(fixture, "dies");
	g_autofree char *group = fixture_release(fixture, "shop", "R1", dies);
	Web *lives = fixture_serve(fixture, "lives");
	fixture_register(fixture, group, lives);
	fixture_add(fixture, "shop", lives);

	g_atomic_int_set(&dies->status, 500);
	fixture_remove(fixture, "shop", "dies");
	fixture_remove(fixture, "shop", "nobody");
	for (unsigned i = 0; i < 10; i++)
		fixture_assert(fixture, "shop.test", 200, "lives");
}

static void
unhealthy(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	fixture_ensure(fixture, "shop", "shop.test", NULL);
	g_autofree char *one =
	    fixture_release(fixture, "shop", "R1", fixture_serve(fixture, "old"));
	Web *sick = fixture_serve(fixture, "sick");
	g_atomic_int_set(&sick->status, 500);
	g_autofree char *two = fixture_group(fixture, "shop", "R2");
	fixture_register(fixture, two, sick);
	g_assert_cmpstr(fixture_state(fixture, two, sick), ==, "initial");

	g_assert_false(ROUTER(fixture)->add(
	    fixture->router, "shop", "web", "sick", "127.0.0.1", sick->port, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	g_test_message("%s", error->message);
	g_assert_nonnull(strstr(error->message, "unhealthy, Target.FailedHealthChecks"));
	fixture_assert(fixture, "shop.test", 200, "old");
	g_assert_cmpint(fixture_weight(fixture, two), ==, 0);
}

/* Restarts */

static void
adopts(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	Web *first = fixture_serve(fixture, "p1");
	Web *second = fixture_serve(fixture, "p2");
	fixture_ensure(fixture, "shop", "shop.test", NULL);
	g_autofree char *group = fixture_release(fixture, "shop", "R1", first);
	fixture_register(fixture, group, second);
	fixture_add(fixture, "shop", second);
	Traffic *traffic = traffic_start(fixture, "shop.test", "/");

	fixture_restart(fixture);
	g_autoptr(GPtrArray) found = fixture_servers(fixture, "shop");
	g_assert_cmpuint(found->len, ==, 2);
	g_assert_cmpstr(((RouterServer *)found->pdata[0])->process, ==, "");
	g_assert_true(((RouterServer *)found->pdata[0])->is_up);
	ROUTER(fixture)->add(
	    fixture->router, "shop", "web", "again", "127.0.0.1", first->port, &error);
	g_assert_no_error(error);
	/* It may be a new process of which nobody has heard yet. */
	fixture_remove(fixture, "shop", "");
	g_autoptr(GPtrArray) both = fixture_servers(fixture, "shop");
	g_assert_cmpuint(both->len, ==, 2);

	unsigned total = 0;
	g_assert_cmpuint(traffic_stop(traffic, &total), ==, 0);
	g_atomic_int_set(&second->status, 500);
	fixture_wait_state(fixture, group, second, "unhealthy");
	gint64 until = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
	for (guint count = 2; count != 1;) {
		fixture_remove(fixture, "shop", "");
		g_autoptr(GPtrArray) left = fixture_servers(fixture, "shop");
		count = left->len;
		g_assert_cmpint(g_get_monotonic_time(), <, until);
		g_usleep(100000);
	}
	fixture_assert(fixture, "shop.test", 200, "p1");
}

/* carrackd dies between the first process of a new deployment and the last of the old one. The new
 * deployment is taken away and tried again. */
static void
restart_in_switch(Fixture *fixture, gconstpointer data)
{
	Web *old = fixture_serve(fixture, "old");
	Web *fresh = fixture_serve(fixture, "new");
	fixture_ensure(fixture, "shop", "shop.test", NULL);
	g_autofree char *one = fixture_release(fixture, "shop", "R1", old);
	g_autofree char *two = fixture_release(fixture, "shop", "R2", fresh);
	g_assert_cmpint(fixture_weight(fixture, one), ==, 1);
	g_assert_cmpint(fixture_weight(fixture, two), ==, 1);

	fixture_restart(fixture);
	g_autofree char *again = fixture_group(fixture, "shop", "R2");
	g_assert_cmpstr(again, ==, two);
	g_assert_cmpint(fixture_weight(fixture, two), ==, 0);
	for (unsigned i = 0; i < 10; i++)
		fixture_assert(fixture, "shop.test", 200, "old");
}

/* It dies after the switch and before the deploy was noted: what is left is what serves. */
static void
restart_after_switch(Fixture *fixture, gconstpointer data)
{
	Web *old = fixture_serve(fixture, "old");
	Web *fresh = fixture_serve(fixture, "new");
	fixture_ensure(fixture, "shop", "shop.test", NULL);
	g_autofree char *one = fixture_release(fixture, "shop", "R1", old);
	g_autofree char *two = fixture_release(fixture, "shop", "R2", fresh);
	fixture_drain(fixture, "shop", "old");
	g_assert_cmpint(fixture_weight(fixture, one), ==, 0);

	fixture_restart(fixture);
	fixture_deregister(fixture, two, fresh);
	g_autofree char *three = fixture_group(fixture, "shop", "R2");
	g_assert_cmpstr(three, ==, two);
	g_assert_cmpint(fixture_weight(fixture, one), ==, 100);
	fixture_assert(fixture, "shop.test", 200, "old");
}

static void
repairs(Fixture *fixture, gconstpointer data)
{
	fixture_ensure(fixture, "shop", "shop.test", NULL);
	g_autofree char *one = fixture_release(fixture, "shop", "R1", fixture_serve(fixture, "p1"));
	json_auto_t *rules = fixture_rules(fixture);
	const char *rule = json_text_of(json_array_get(rules, 0), "RuleArn", "");
	json_decref(
	    fixture_call(fixture, "DeleteRule", json_pack("{s:s}", "RuleArn", rule), "None"));
	fixture_assert(fixture, "shop.test", 404, "");

	fixture_restart(fixture);
	fixture_assert(fixture, "shop.test", 200, "p1");
}

void
add_switch_tests(void)
{
	TEST("a-switch-loses-no-request", switches);
	TEST("several-processes-switch-at-once", several);
	TEST("the-way-back-is-one-change", way_back);
	TEST("drain-and-back", drain_and_back);
	TEST("a-death-takes-nothing-with-it", death);
	TEST("unhealthy-processes-are-not-let-in", unhealthy);
	TEST("a-restart-adopts-what-serves", adopts);
	TEST("a-restart-within-a-switch-goes-back", restart_in_switch);
	TEST("a-restart-after-a-switch-serves-with-what-is-left", restart_after_switch);
	TEST("a-rule-that-is-gone-comes-back", repairs);
}
