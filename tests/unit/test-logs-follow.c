/*
 * Following logs: how soon a line is seen, the seam between history and following, slow followers,
 * and how it ends.
 */
#include "base/lock.h"
#include "logs-fixture.h"
#include "logs-follower.h"

#include <string.h>

#define SECONDS 20

static int
compare_delays(gconstpointer one, gconstpointer other)
{
	gint64 first = *(const gint64 *)one, second = *(const gint64 *)other;

	return first < second ? -1 : first > second;
}

static void
test_latency(LogsFixture *fixture, gconstpointer data)
{
	Follower *follower = follower_new(fixture->logs, "shop", (LogQuery){0}, SECONDS);

	logs_append_one(fixture->logs, "shop", g_get_real_time(), "0");
	follower_wait(follower, 1);
	for (guint i = 1; i < 100; i++) {
		logs_append_one(fixture->logs, "other", g_get_real_time(), "7");
		logs_append_one(fixture->logs, "shop", g_get_real_time(), "1");
		follower_wait(follower, i + 1);
	}
	g_array_sort(follower->delays, compare_delays);
	gint64 median = g_array_index(follower->delays, gint64, 50);
	gint64 worst = g_array_index(follower->delays, gint64, 99);
	g_test_message(
	    "median %" G_GINT64_FORMAT " us, worst %" G_GINT64_FORMAT " us", median, worst);
	g_assert_cmpint(median, <, 50 * 1000);
	g_assert_cmpuint(follower->numbers->len, ==, 100);
	follower_free(follower);
}

static void
assert_numbers(Follower *follower, int count)
{
	LOCKED(&follower->lock);
	g_assert_cmpuint(follower->numbers->len, ==, (guint)count);
	for (int i = 0; i < count; i++)
		g_assert_cmpint(g_array_index(follower->numbers, int, (guint)i), ==, i);
}

static gpointer
append_slowly(gpointer data)
{
	LogsFixture *fixture = data;

	for (int i = 0; i < 600; i++) {
		g_autofree char *text = g_strdup_printf("%d", i);
		/* Around a midnight: both files take part. */
		logs_append_one(fixture->logs, "shop", fixture->now + DAY / 2 - 300 + i, text);
		logs_append_one(fixture->logs, "other", fixture->now, "x");
	}
	return NULL;
}

static void
test_seam(LogsFixture *fixture, gconstpointer data)
{
	Follower *followers[12];
	pthread_t writer;
	pthread_create(&writer, NULL, append_slowly, fixture);

	/* They begin at different moments of the writing, all see every line once, in order. */
	for (guint i = 0; i < G_N_ELEMENTS(followers); i++) {
		followers[i] = follower_new(fixture->logs, "shop", (LogQuery){0}, SECONDS);
		follower_wait(followers[i], 1 + i * 30);
	}
	pthread_join(writer, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(followers); i++) {
		follower_wait(followers[i], 600);
		assert_numbers(followers[i], 600);
		follower_free(followers[i]);
	}
}

static void
test_tail_and_follow(LogsFixture *fixture, gconstpointer data)
{
	logs_append_numbers(fixture->logs, "shop", fixture->now, -50, 55);
	Follower *follower = follower_new(fixture->logs, "shop", (LogQuery){.tail = 5}, SECONDS);
	follower_wait(follower, 5);
	logs_append_numbers(fixture->logs, "shop", fixture->now - 100, 5, 20);
	follower_wait(follower, 25);
	assert_numbers(follower, 25);
	follower_free(follower);
}

static void
test_slow(LogsFixture *fixture, gconstpointer data)
{
	logs_append_one(fixture->logs, "shop", fixture->now, "0");
	Follower *follower = follower_new(fixture->logs, "shop", (LogQuery){0}, SECONDS);
	follower_hold(follower, true);
	follower_wait(follower, 1);

	gint64 begin = g_get_monotonic_time();
	logs_append_numbers(fixture->logs, "shop", fixture->now, 1, 40000);
	gint64 taken = g_get_monotonic_time() - begin;
	g_test_message("40,000 lines past a follower that does not read: %" G_GINT64_FORMAT
		       " ms, %" G_GINT64_FORMAT " KiB on the disk",
	    taken / 1000, logs_folder_size(fixture->folder) / 1024);
	g_assert_cmpint(taken, <, SECONDS * G_TIME_SPAN_SECOND);
	/* The journal is written back all the same: it would be as large as the lines else. */
	g_assert_cmpint(logs_folder_size(fixture->folder), <, 20 * 1024 * 1024);

	follower_hold(follower, false);
	follower_wait(follower, 40001);
	assert_numbers(follower, 40001);
	follower_free(follower);
}

static bool
is_wanted_still(gpointer data)
{
	return !g_atomic_int_get((int *)data);
}

static void
test_ends(LogsFixture *fixture, gconstpointer data)
{
	int is_done = 0;
	LogQuery query = {.still = is_wanted_still, .still_data = &is_done};
	Follower *asked = follower_new(fixture->logs, "shop", query, SECONDS);
	Follower *cancelled = follower_new(fixture->logs, "shop", (LogQuery){0}, SECONDS);
	logs_append_one(fixture->logs, "shop", fixture->now, "0");
	follower_wait(asked, 1);
	follower_wait(cancelled, 1);

	gint64 begin = g_get_monotonic_time();
	g_cancellable_cancel(cancelled->cancel);
	follower_wait(cancelled, G_MAXUINT);
	g_assert_cmpint(g_get_monotonic_time() - begin, <, G_TIME_SPAN_SECOND / 2);
	g_assert_error(cancelled->error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
	follower_free(cancelled);

	logs_append_one(fixture->logs, "shop", fixture->now, "1");
	g_atomic_int_set(&is_done, 1);
	follower_wait(asked, G_MAXUINT);
	g_assert_true(asked->ok);
	assert_numbers(asked, 2);
	follower_free(asked);
}

static void
test_free_ends(LogsFixture *fixture, gconstpointer data)
{
	Follower *follower = follower_new(fixture->logs, "shop", (LogQuery){0}, SECONDS);
	logs_append_one(fixture->logs, "shop", fixture->now, "0");
	follower_wait(follower, 1);
	logs_reopen(fixture, 7, G_MAXINT64);
	follower_wait(follower, G_MAXUINT);
	g_assert_error(follower->error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
	follower_free(follower);
}

typedef struct {
	unsigned left;
	bool fails;
} Enough;

static bool
take_some(gpointer data, const LogLine *line, GError **error)
{
	Enough *enough = data;

	if (--enough->left)
		return true;
	if (enough->fails)
		error_set(error, CARRACK_ERROR_UPSTREAM, "peer has gone");
	return false;
}

static void
test_taker_ends(LogsFixture *fixture, gconstpointer data)
{
	Logs *logs = fixture->logs;
	g_autoptr(GError) error = NULL;
	LogQuery query = {.follow = true};

	logs_append_numbers(logs, "shop", fixture->now, 0, 10);
	g_assert_true(
	    logs->ops->query(logs, "shop", &query, take_some, &(Enough){3, false}, NULL, &error));
	g_assert_no_error(error);
	g_assert_false(
	    logs->ops->query(logs, "shop", &query, take_some, &(Enough){3, true}, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*test)(LogsFixture *fixture, gconstpointer data);
	} tests[] = {
	    {"/logs-follow/a-follower-sees-a-line-at-once", test_latency},
	    {"/logs-follow/nothing-is-lost-or-doubled-where-following-begins", test_seam},
	    {"/logs-follow/following-goes-on-after-the-tail", test_tail_and_follow},
	    {"/logs-follow/a-slow-follower-holds-up-nobody", test_slow},
	    {"/logs-follow/following-ends-when-cancelled-or-unwanted", test_ends},
	    {"/logs-follow/following-ends-with-the-logs", test_free_ends},
	    {"/logs-follow/the-taker-ends-a-query", test_taker_ends},
	};

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(
		    tests[i].name, LogsFixture, NULL, logs_set_up, tests[i].test, logs_tear_down);
	return g_test_run();
}
