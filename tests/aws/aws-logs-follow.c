/*
 * Following logs in CloudWatch: aws-logs-follow. The seam between history and following, lines that
 * come late, slow followers, how it ends, and that many followers ask no more often than one (the
 * test's proxy counts the calls of each app).
 */
#include "base/error.h"
#include "base/lock.h"
#include "logs-fixture.h"
#include "logs-follower.h"

#include <string.h>

#define SECONDS 60

static int
compare_numbers(gconstpointer one, gconstpointer other)
{
	int first = *(const int *)one, second = *(const int *)other;

	return first < second ? -1 : first > second;
}

/* Each line once; lines of different streams may have overtaken each other. */
static void
assert_numbers(Follower *follower, int count)
{
	LOCKED(&follower->lock);
	g_array_sort(follower->numbers, compare_numbers);
	for (guint i = 0; i < MIN(follower->numbers->len, (guint)count); i++)
		g_assert_cmpint(g_array_index(follower->numbers, int, i), ==, (int)i);
	g_assert_cmpuint(follower->numbers->len, ==, (guint)count);
}

/* Odd lines are five seconds old when they come, as ECS's driver sends them. */
static gpointer
append_slowly(gpointer data)
{
	Fixture *fixture = data;

	for (int i = 0; i < 300; i++) {
		g_autofree char *text = g_strdup_printf("%d", i);
		LogLine line = line_of(
		    g_get_real_time() - (i % 2 ? 5 * SECOND : 0), i % 2 ? "p1" : "p2", text);
		append(fixture, &line, 1);
	}
	return NULL;
}

static void
test_seam(Fixture *fixture, gconstpointer data)
{
	Follower *followers[9];
	pthread_t writer;
	pthread_create(&writer, NULL, append_slowly, fixture);

	/* They begin at different moments of the writing. */
	for (guint i = 0; i < G_N_ELEMENTS(followers); i++) {
		followers[i] = follower_new(
		    fixture->logs, fixture->app, (LogQuery){.tail = i % 2 ? 1000 : 0}, SECONDS);
		follower_wait(followers[i], 1 + i * 25);
	}
	pthread_join(writer, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(followers); i++) {
		follower_wait(followers[i], 300);
		assert_numbers(followers[i], 300);
		follower_free(followers[i]);
	}
}

static void
test_tail(Fixture *fixture, gconstpointer data)
{
	append_numbers(fixture, -50, 55);
	Follower *follower =
	    follower_new(fixture->logs, fixture->app, (LogQuery){.tail = 5}, SECONDS);
	follower_wait(follower, 5);
	append_numbers(fixture, 5, 20);
	follower_wait(follower, 25);
	append_numbers(fixture, 25, 1);
	follower_wait(follower, 26);
	assert_numbers(follower, 26);
	follower_free(follower);
}

/* Later than the polls that look at the last seconds. */
static void
test_late(Fixture *fixture, gconstpointer data)
{
	append_one(fixture, g_get_real_time(), "0");
	Follower *follower =
	    follower_new(fixture->logs, fixture->app, (LogQuery){.filter = " "}, SECONDS);
	Follower *all = follower_new(fixture->logs, fixture->app, (LogQuery){0}, SECONDS);
	follower_wait(all, 1);
	append_one(fixture, g_get_real_time(), "1");
	follower_wait(all, 2);
	append_one(fixture, g_get_real_time() - 40 * SECOND, "2");
	follower_wait(all, 3);
	append_one(fixture, g_get_real_time(), "3");
	follower_wait(all, 4);
	assert_numbers(all, 4);
	assert_numbers(follower, 0);
	follower_free(all);
	follower_free(follower);
}

static void
test_slow(Fixture *fixture, gconstpointer data)
{
	append_numbers(fixture, 0, 1);
	Follower *slow = follower_new(fixture->logs, fixture->app, (LogQuery){0}, SECONDS);
	Follower *other = follower_new(fixture->logs, fixture->app, (LogQuery){0}, SECONDS);
	follower_hold(slow, true);
	follower_wait(slow, 1);

	/* More than is kept of the tail. */
	for (int i = 0; i < 4; i++) {
		append_numbers(fixture, 1 + i * 10000, 10000);
		follower_wait(other, 1 + (guint)(i + 1) * 10000);
	}
	follower_hold(slow, false);
	follower_wait(slow, 40001);
	append_numbers(fixture, 40001, 1);
	follower_wait(slow, 40002);
	follower_wait(other, 40002);
	assert_numbers(slow, 40002);
	assert_numbers(other, 40002);
	follower_free(slow);
	follower_free(other);
}

static bool
is_wanted_still(gpointer data)
{
	return !g_atomic_int_get((int *)data);
}

static void
test_ends(Fixture *fixture, gconstpointer data)
{
	int is_done = 0;
	LogQuery query = {.still = is_wanted_still, .still_data = &is_done};
	Follower *asked = follower_new(fixture->logs, fixture->app, query, SECONDS);
	Follower *cancelled = follower_new(fixture->logs, fixture->app, (LogQuery){0}, SECONDS);
	append_numbers(fixture, 0, 1);
	follower_wait(asked, 1);
	follower_wait(cancelled, 1);

	gint64 begin = g_get_monotonic_time();
	g_cancellable_cancel(cancelled->cancel);
	follower_wait(cancelled, G_MAXUINT);
	g_assert_cmpint(g_get_monotonic_time() - begin, <, G_TIME_SPAN_SECOND / 2);
	g_assert_error(cancelled->error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
	follower_free(cancelled);

	append_numbers(fixture, 1, 1);
	g_atomic_int_set(&is_done, 1);
	follower_wait(asked, G_MAXUINT);
	g_assert_true(asked->ok);
	assert_numbers(asked, 2);
	follower_free(asked);
}

static void
test_free_ends(Fixture *fixture, gconstpointer data)
{
	Follower *followers[3];
	append_numbers(fixture, 0, 1);
	for (guint i = 0; i < G_N_ELEMENTS(followers); i++) {
		followers[i] = follower_new(fixture->logs, fixture->app, (LogQuery){0}, SECONDS);
		follower_wait(followers[i], 1);
	}
	gint64 begin = g_get_monotonic_time();
	reopen(fixture);
	g_assert_cmpint(g_get_monotonic_time() - begin, <, G_TIME_SPAN_SECOND);
	for (guint i = 0; i < G_N_ELEMENTS(followers); i++) {
		follower_wait(followers[i], G_MAXUINT);
		g_assert_error(followers[i]->error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
		follower_free(followers[i]);
	}
}

/* Ten seconds in which nothing comes, for the test to count what is asked. */
static void
test_shared(Fixture *fixture, gconstpointer data)
{
	Follower *followers[12];
	int is_done = 0;
	append_numbers(fixture, 0, 1);
	for (guint i = 0; i < G_N_ELEMENTS(followers); i++) {
		followers[i] = follower_new(fixture->logs, fixture->app, (LogQuery){0}, SECONDS);
		follower_wait(followers[i], 1);
	}
	gint64 end = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND;
	LogQuery query = {.still = is_wanted_still, .still_data = &is_done};
	Follower *clock = follower_new(fixture->logs, fixture->app, query, SECONDS);
	while (g_get_monotonic_time() < end)
		g_usleep(100 * 1000);
	g_atomic_int_set(&is_done, 1);
	follower_wait(clock, G_MAXUINT);
	follower_free(clock);
	for (guint i = 0; i < G_N_ELEMENTS(followers); i++) {
		assert_numbers(followers[i], 1);
		follower_free(followers[i]);
	}
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*test)(Fixture *fixture, gconstpointer data);
	} tests[] = {
	    {"/aws-logs-follow/nothing-is-lost-or-doubled-where-following-begins", test_seam},
	    {"/aws-logs-follow/following-goes-on-after-the-tail", test_tail},
	    {"/aws-logs-follow/late-lines-are-seen", test_late},
	    {"/aws-logs-follow/a-slow-follower-holds-up-nobody", test_slow},
	    {"/aws-logs-follow/following-ends-when-cancelled-or-unwanted", test_ends},
	    {"/aws-logs-follow/following-ends-with-the-logs", test_free_ends},
	    {"/aws-logs-follow/one-poll-for-all-and-fewer-while-nothing-comes", test_shared},
	};

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].test, tear_down);
	return g_test_run();
}
