/*
 * Logs over real SQLite files in a temp folder: order, matching, and what pruning and damage leave.
 */
#include "base/limits.h"
#include "logs-fixture.h"

#include <string.h>

/* Joins the texts of what a query gives. */
static bool
join(gpointer data, const LogLine *line, GError **error)
{
	GString *text = data;

	g_string_append_printf(text, "%s%.*s", text->len ? " " : "", (int)line->length, line->text);
	return true;
}

static void
assert_query(Logs *logs, const char *app, LogQuery query, const char *wanted)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GString) text = g_string_new(NULL);

	bool ok = logs->ops->query(logs, app, &query, join, text, NULL, &error);
	g_assert_no_error(error);
	g_assert_true(ok);
	g_assert_cmpstr(text->str, ==, wanted);
}

static void
test_order(LogsFixture *fixture, gconstpointer data)
{
	gint64 now = fixture->now;
	LogLine lines[] = {logs_line(now + 2, "p1", "c1"), logs_line(now + 1, "p2", "b"),
	    logs_line(now + 2, "p2", "c2"), logs_line(now - DAY, "p1", "yesterday"),
	    logs_line(now + 2, "p1", "c3")};

	logs_append(fixture->logs, "shop", lines, G_N_ELEMENTS(lines));
	logs_append_one(fixture->logs, "shop", now, "a");
	logs_append_one(fixture->logs, "shop", now - 2 * DAY, "before");
	logs_append_one(fixture->logs, "other", now, "x");
	assert_query(fixture->logs, "shop", (LogQuery){0}, "before yesterday a b c1 c2 c3");
	assert_query(fixture->logs, "none", (LogQuery){0}, "");
	logs_reopen(fixture, 7, G_MAXINT64);
	assert_query(fixture->logs, "shop", (LogQuery){0}, "before yesterday a b c1 c2 c3");
}

static void
test_matching(LogsFixture *fixture, gconstpointer data)
{
	Logs *logs = fixture->logs;
	gint64 now = fixture->now;
	LogLine lines[] = {{.time = now,
			       .kind = "service",
			       .service = "web",
			       .process = "p1",
			       .release = "R1",
			       .text = "one",
			       .length = 3},
	    {.time = now + 1,
		.kind = "system",
		.service = "web",
		.process = "",
		.release = "R2",
		.text = "two",
		.length = 3},
	    {.time = now + 2,
		.kind = "build",
		.service = "api",
		.process = "p2",
		.release = "",
		.text = "th[r%e_e",
		.length = 8}};
	logs_append(logs, "shop", lines, 3);

	assert_query(logs, "shop", (LogQuery){.since = now + 1}, "two th[r%e_e");
	assert_query(logs, "shop", (LogQuery){.until = now + 2}, "one two");
	assert_query(logs, "shop", (LogQuery){.since = now + 1, .until = now + 2}, "two");
	assert_query(logs, "shop", (LogQuery){.since = now + DAY}, "");
	assert_query(logs, "shop", (LogQuery){.until = now - DAY}, "");
	assert_query(logs, "shop", (LogQuery){.service = "web"}, "one two");
	assert_query(logs, "shop", (LogQuery){.process = "p2"}, "th[r%e_e");
	assert_query(logs, "shop", (LogQuery){.release = "R2"}, "two");
	assert_query(logs, "shop", (LogQuery){.kind = "build"}, "th[r%e_e");
	assert_query(logs, "shop", (LogQuery){.filter = "r%e"}, "th[r%e_e");
	assert_query(logs, "shop", (LogQuery){.filter = "o"}, "one two");
	assert_query(logs, "shop", (LogQuery){.filter = "o", .kind = "system"}, "two");
	assert_query(logs, "shop", (LogQuery){.filter = "O"}, "");
}

static void
test_tail(LogsFixture *fixture, gconstpointer data)
{
	Logs *logs = fixture->logs;

	for (int i = 0; i < 12; i++) {
		g_autofree char *text = g_strdup_printf("%d", i);
		gint64 day = fixture->now - (2 - i / 4) * DAY;
		logs_append_one(logs, "shop", day + (i % 2), text); /* two of each time */
	}
	assert_query(logs, "shop", (LogQuery){.tail = 1}, "11");
	assert_query(logs, "shop", (LogQuery){.tail = 3}, "10 9 11");
	assert_query(logs, "shop", (LogQuery){.tail = 6}, "5 7 8 10 9 11");
	assert_query(logs, "shop", (LogQuery){.tail = 12}, "0 2 1 3 4 6 5 7 8 10 9 11");
	assert_query(logs, "shop", (LogQuery){.tail = 100}, "0 2 1 3 4 6 5 7 8 10 9 11");
	assert_query(logs, "shop", (LogQuery){.tail = 2, .filter = "1"}, "10 11");
	assert_query(logs, "shop", (LogQuery){.tail = 3, .filter = "1"}, "1 10 11");
	assert_query(logs, "shop", (LogQuery){.tail = 2, .until = fixture->now}, "5 7");
	assert_query(logs, "shop", (LogQuery){.tail = 9, .since = fixture->now + 1}, "9 11");
}

/* More than one page, by lines and by bytes; a page in which nothing matches is none's end. */
static void
test_pages(LogsFixture *fixture, gconstpointer data)
{
	Logs *logs = fixture->logs;
	gint64 next = 0;

	logs_append_numbers(logs, "shop", fixture->now, 0, 10000);
	g_assert_true(
	    logs->ops->query(logs, "shop", &(LogQuery){0}, logs_number_is_next, &next, NULL, NULL));
	g_assert_cmpint(next, ==, 10000);
	next = 4000;
	g_assert_true(logs->ops->query(
	    logs, "shop", &(LogQuery){.tail = 6000}, logs_number_is_next, &next, NULL, NULL));
	g_assert_cmpint(next, ==, 10000);
	next = 9999;
	g_assert_true(logs->ops->query(
	    logs, "shop", &(LogQuery){.filter = "9999 "}, logs_number_is_next, &next, NULL, NULL));
	g_assert_cmpint(next, ==, 10000);
}

typedef struct {
	const char *bytes;
	gsize length;
	unsigned seen;
} Wanted;

static bool
bytes_are(gpointer data, const LogLine *line, GError **error)
{
	Wanted *wanted = data;

	g_assert_cmpmem(line->text, line->length, wanted->bytes, wanted->length);
	g_assert_cmpstr(line->process, ==, "p1");
	wanted->seen++;
	return true;
}

static void
assert_kept(Logs *logs, const char *app, const char *bytes, gsize length, Wanted wanted)
{
	LogLine line = logs_line(g_get_real_time(), "p1", "");
	line.text = bytes;
	line.length = length;

	logs_append(logs, app, &line, 1);
	g_assert_true(logs->ops->query(logs, app, &(LogQuery){0}, bytes_are, &wanted, NULL, NULL));
	g_assert_cmpuint(wanted.seen, ==, 1);
}

static void
test_bytes(LogsFixture *fixture, gconstpointer data)
{
	static const char odd[] = "a\0b\xff\xfe\x1b[2J\r\t{\"log\":\"x\"}";
	gsize limit = LIMIT_LOG_LINE_BYTES;
	g_autofree char *large = g_strnfill(limit + 5, 'y');
	g_autofree char *cut = g_strdup_printf("%.*s [cut at 1 MiB]", (int)limit, large);
	Logs *logs = fixture->logs;

	assert_kept(logs, "a", odd, sizeof odd - 1, (Wanted){odd, sizeof odd - 1, 0});
	assert_kept(logs, "b", "", 0, (Wanted){"", 0, 0});
	assert_kept(logs, "c", large, limit, (Wanted){large, limit, 0});
	assert_kept(logs, "d", large, limit + 1, (Wanted){cut, strlen(cut), 0});
}

static void
test_newest(LogsFixture *fixture, gconstpointer data)
{
	Logs *logs = fixture->logs;
	LogLine lines[] = {logs_line(fixture->now + 9, "p1", "x"),
	    logs_line(fixture->now + 3, "p1", "y"), logs_line(fixture->now - DAY, "p2", "z")};

	logs_append(logs, "shop", lines, 3);
	g_assert_cmpint(logs->ops->newest(logs, "shop", "p1"), ==, fixture->now + 9);
	g_assert_cmpint(logs->ops->newest(logs, "shop", "p2"), ==, fixture->now - DAY);
	g_assert_cmpint(logs->ops->newest(logs, "shop", "p3"), ==, 0);
	g_assert_cmpint(logs->ops->newest(logs, "other", "p1"), ==, 0);
	logs_reopen(fixture, 7, G_MAXINT64);
	logs = fixture->logs;
	logs_append(logs, "shop", &lines[1], 1);
	g_assert_cmpint(logs->ops->newest(logs, "shop", "p1"), ==, fixture->now + 9);
}

static void
test_future(LogsFixture *fixture, gconstpointer data)
{
	gint64 before = g_get_real_time();

	logs_append_one(fixture->logs, "shop", before + 400 * DAY, "future");
	logs_append_one(fixture->logs, "shop", 0, "never");
	assert_query(fixture->logs, "shop",
	    (LogQuery){.since = before, .until = g_get_real_time() + 1}, "future never");
}

static void
test_remove_app(LogsFixture *fixture, gconstpointer data)
{
	Logs *logs = fixture->logs;

	logs_append_numbers(logs, "shop", fixture->now, 0, 25000);
	logs_append_one(logs, "shop", fixture->now - DAY, "x");
	logs_append_one(logs, "other", fixture->now, "y");
	g_assert_true(logs->ops->remove_app(logs, "shop", NULL));
	assert_query(logs, "shop", (LogQuery){0}, "");
	g_assert_cmpint(logs->ops->newest(logs, "shop", "p1"), ==, 0);
	logs_append_one(logs, "shop", fixture->now, "new");
	assert_query(logs, "shop", (LogQuery){0}, "new");
	assert_query(logs, "other", (LogQuery){0}, "y");
}

static bool
has_file(LogsFixture *fixture, gint64 time, const char *ending)
{
	g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(time / G_TIME_SPAN_SECOND);
	g_autofree char *name = g_date_time_format(date, "%Y-%m-%d.db");
	g_autofree char *path = g_strconcat(fixture->folder, "/", name, ending, NULL);

	return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void
test_prune_days(LogsFixture *fixture, gconstpointer data)
{
	gint64 now = g_get_real_time();

	for (int i = 0; i < 6; i++) {
		char text[] = {(char)('0' + i), '\0'};
		logs_append_one(fixture->logs, "shop", now - i * DAY, text);
	}
	logs_reopen(fixture, 3, G_MAXINT64);
	assert_query(fixture->logs, "shop", (LogQuery){0}, "5 4 3 2 1 0");
	g_assert_true(fixture->logs->ops->prune(fixture->logs, NULL));
	assert_query(fixture->logs, "shop", (LogQuery){0}, "2 1 0");
	g_assert_true(has_file(fixture, now - 2 * DAY, ""));
	g_assert_false(has_file(fixture, now - 3 * DAY, ""));
	g_assert_false(has_file(fixture, now - 3 * DAY, "-wal"));
	g_autoptr(GString) notes = g_string_new(NULL);
	g_assert_true(fixture->logs->ops->query(
	    fixture->logs, LOGS_SYSTEM, &(LogQuery){0}, join, notes, NULL, NULL));
	g_assert_nonnull(strstr(notes->str, "have been deleted: older than 3 days"));

	logs_append_one(fixture->logs, "shop", now - 4 * DAY, "late");
	assert_query(fixture->logs, "shop", (LogQuery){0}, "late 2 1 0");
}

static bool
first_and_count(gpointer data, const LogLine *line, GError **error)
{
	gint64 *seen = data;

	if (seen[1]++ == 0)
		seen[0] = g_ascii_strtoll(line->text, NULL, 10);
	return true;
}

static void
test_prune_bytes(LogsFixture *fixture, gconstpointer data)
{
	gint64 limit = 3 * 1024 * 1024, now = g_get_real_time(), seen[2] = {0};
	gint64 day = now / DAY * DAY;

	logs_append_numbers(fixture->logs, "shop", day - DAY, 0, 20000);
	logs_append_numbers(fixture->logs, "shop", day, 20000, 60000);
	logs_reopen(fixture, 7, limit);
	g_assert_cmpint(logs_folder_size(fixture->folder), >, limit);
	g_assert_true(fixture->logs->ops->prune(fixture->logs, NULL));
	g_assert_cmpint(logs_folder_size(fixture->folder), <, limit + 256 * 1024);
	g_assert_false(has_file(fixture, day - DAY, ""));

	/* The newest lines are those that are left. */
	g_assert_true(fixture->logs->ops->query(
	    fixture->logs, "shop", &(LogQuery){0}, first_and_count, seen, NULL, NULL));
	g_test_message("%" G_GINT64_FORMAT " lines are left", seen[1]);
	g_assert_cmpint(seen[1], >, 5000);
	g_assert_cmpint(seen[0] + seen[1], ==, 80000);
	logs_append_one(fixture->logs, "shop", now, "goes on");
	assert_query(fixture->logs, "shop", (LogQuery){.tail = 1}, "goes on");
}

static void
test_damaged(LogsFixture *fixture, gconstpointer data)
{
	logs_append_one(fixture->logs, "shop", fixture->now, "lost");
	logs_append_one(fixture->logs, "shop", fixture->now - DAY, "kept");
	logs_reopen(fixture, 7, G_MAXINT64);
	g_autoptr(GDateTime) date =
	    g_date_time_new_from_unix_utc(fixture->now / G_TIME_SPAN_SECOND);
	g_autofree char *name = g_date_time_format(date, "%Y-%m-%d.db");
	g_autofree char *path = g_build_filename(fixture->folder, name, NULL);
	g_assert_true(g_file_set_contents(path, "not a database at all", -1, NULL));

	logs_reopen(fixture, 7, G_MAXINT64);
	logs_append_one(fixture->logs, "shop", fixture->now, "after");
	assert_query(fixture->logs, "shop", (LogQuery){0}, "kept after");
	g_assert_true(has_file(fixture, fixture->now, ".damaged"));
	g_autoptr(GString) notes = g_string_new(NULL);
	g_assert_true(fixture->logs->ops->query(
	    fixture->logs, LOGS_SYSTEM, &(LogQuery){0}, join, notes, NULL, NULL));
	g_assert_nonnull(strstr(notes->str, "is damaged and has been set aside"));
}

static void
test_speed(LogsFixture *fixture, gconstpointer data)
{
	int count = 200000;
	gint64 begin = g_get_monotonic_time();
	logs_append_numbers(fixture->logs, "shop", fixture->now, 0, count);
	gint64 taken = g_get_monotonic_time() - begin;
	g_test_message("append: %" G_GINT64_FORMAT " lines/s, %" G_GINT64_FORMAT " bytes a line",
	    count * G_TIME_SPAN_SECOND / taken, logs_folder_size(fixture->folder) / count);
	/* Far below what is measured on a quiet machine, so that only a real fault fails. */
	g_assert_cmpint(count * G_TIME_SPAN_SECOND / taken, >, 3000);

	gint64 next = 0;
	begin = g_get_monotonic_time();
	g_assert_true(fixture->logs->ops->query(
	    fixture->logs, "shop", &(LogQuery){0}, logs_number_is_next, &next, NULL, NULL));
	g_assert_cmpint(next, ==, count);
	g_test_message("query: %" G_GINT64_FORMAT " lines/s",
	    count * G_TIME_SPAN_SECOND / (g_get_monotonic_time() - begin));
	begin = g_get_monotonic_time();
	next = count - 10;
	g_assert_true(fixture->logs->ops->query(fixture->logs, "shop", &(LogQuery){.tail = 10},
	    logs_number_is_next, &next, NULL, NULL));
	g_test_message("tail of 10: %" G_GINT64_FORMAT " us", g_get_monotonic_time() - begin);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*test)(LogsFixture *fixture, gconstpointer data);
	} tests[] = {
	    {"/logs/lines-come-in-the-order-of-time", test_order},
	    {"/logs/a-query-gives-what-it-names", test_matching},
	    {"/logs/tail-is-the-newest-over-all-days", test_tail},
	    {"/logs/pages-are-not-seen", test_pages},
	    {"/logs/lines-are-byte-exact-up-to-the-limit", test_bytes},
	    {"/logs/the-newest-line-of-a-process-is-known", test_newest},
	    {"/logs/a-wrong-clock-is-taken-as-now", test_future},
	    {"/logs/a-removed-app-leaves-nothing", test_remove_app},
	    {"/logs/days-over-the-limit-go", test_prune_days},
	    {"/logs/bytes-over-the-limit-go-oldest-first", test_prune_bytes},
	    {"/logs/a-damaged-day-does-not-end-logging", test_damaged},
	    {"/logs/fifty-thousand-lines-a-second", test_speed},
	};

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(
		    tests[i].name, LogsFixture, NULL, logs_set_up, tests[i].test, logs_tear_down);
	return g_test_run();
}
