/*
 * Logs in CloudWatch: aws-logs. What every such part promises, and CloudWatch's own limits, which
 * ministack_logs.py holds it to. Following is in aws-logs-follow.c.
 */
#include "base/error.h"
#include "base/limits.h"
#include "logs-fixture.h"

#include <string.h>

static void
test_order(Fixture *fixture, gconstpointer data)
{
	gint64 now = fixture->now;
	LogLine lines[] = {line_of(now + 3 * MS, "p1", "d"), line_of(now + MS, "p2", "b"),
	    line_of(now + 2 * MS, "p2", "c"), line_of(now - 30 * HOUR, "p1", "before")};
	append(fixture, lines, G_N_ELEMENTS(lines));
	LogLine first = line_of(now, "p1", "a");
	append(fixture, &first, 1);
	expect(fixture, (LogQuery){0}, "before a b c d");

	g_free(fixture->app);
	fixture->app = g_strdup("no-such-app");
	expect(fixture, (LogQuery){0}, "");
}

static void
test_matching(Fixture *fixture, gconstpointer data)
{
	gint64 now = fixture->now;
	LogLine lines[] = {line_of(now, "p1", "one"), line_of(now + MS, "", "two"),
	    line_of(now + 2 * MS, "0123456789abcdef", "th[r%e_e")};
	lines[1].kind = "system";
	lines[1].release = "R2";
	lines[2].kind = "build";
	lines[2].release = "";
	lines[2].service = "api";
	append(fixture, lines, G_N_ELEMENTS(lines));

	expect(fixture, (LogQuery){.since = now + MS}, "two th[r%e_e");
	expect(fixture, (LogQuery){.until = now + 2 * MS}, "one two");
	expect(fixture, (LogQuery){.service = "web"}, "one two");
	expect(fixture, (LogQuery){.process = "0123456789ab"}, "th[r%e_e");
	expect(fixture, (LogQuery){.release = "R2"}, "two");
	expect(fixture, (LogQuery){.kind = "build"}, "th[r%e_e");
	expect(fixture, (LogQuery){.process = "p1", .tail = 5}, "one");
	expect(fixture, (LogQuery){.process = "p9"}, "");
	expect(fixture, (LogQuery){.kind = "service", .release = "R1", .service = "web"}, "one");
	expect(fixture, (LogQuery){.filter = "r%e"}, "th[r%e_e");
	expect(fixture, (LogQuery){.filter = "o", .kind = "system"}, "two");
	expect(fixture, (LogQuery){.filter = "O"}, "");
}

static void
test_tail(Fixture *fixture, gconstpointer data)
{
	static const gint64 ages[] = {200, 100, 40, 2, 1}; /* hours */
	for (gsize i = 0; i < G_N_ELEMENTS(ages); i++) {
		g_autofree char *text = g_strdup_printf("%zu", i);
		LogLine line = line_of(fixture->now - ages[i] * HOUR, "p1", text);
		append(fixture, &line, 1);
	}
	expect(fixture, (LogQuery){.tail = 1}, "4");
	expect(fixture, (LogQuery){.tail = 3}, "2 3 4");
	expect(fixture, (LogQuery){.tail = 5}, "0 1 2 3 4");
	expect(fixture, (LogQuery){.tail = 9}, "0 1 2 3 4");
	expect(fixture, (LogQuery){.tail = 2, .filter = "1"}, "1");
	expect(fixture, (LogQuery){.tail = 2, .since = fixture->now - 3 * HOUR}, "3 4");
	expect(fixture, (LogQuery){.tail = 1, .until = fixture->now - 30 * HOUR}, "2");
}

typedef struct {
	const char *bytes;
	gsize length;
	gsize seen;
} Wanted;

static bool
add_bytes(gpointer data, const LogLine *line, GError **error)
{
	Wanted *wanted = data;
	g_assert_cmpuint(wanted->seen + line->length, <=, wanted->length);
	g_assert_cmpmem(line->text, line->length, wanted->bytes + wanted->seen, line->length);
	wanted->seen += line->length;
	return true;
}

static void
test_bytes(Fixture *fixture, gconstpointer data)
{
	static const char odd[] = "a\0b\xff\xfe\x1b[2J\r\t{\"log\":\"x\"}";
	g_autofree char *large = g_malloc(600002);
	memset(large, 'y', 600002);
	memcpy(large + 249999, "\xc3\xbc", 2); /* lies across a cut */
	large[600001] = '\0';
	const Wanted texts[] = {
	    {odd, sizeof odd - 1, 0}, {"", 0, 0}, {"\xee\x80\x80x", 4, 0}, {large, 600001, 0}};
	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		Wanted wanted = texts[i];
		LogLine line = line_of(fixture->now + (gint64)i * 1000 * MS, "p1", "");
		line.text = wanted.bytes;
		line.length = wanted.length;
		append(fixture, &line, 1);
		LogQuery query = {.since = line.time};
		g_assert_true(fixture->logs->ops->query(
		    fixture->logs, fixture->app, &query, add_bytes, &wanted, NULL, NULL));
		g_assert_cmpuint(wanted.seen, ==, wanted.length);
	}
}

static bool
is_next(gpointer data, const LogLine *line, GError **error)
{
	int *next = data;
	g_assert_cmpint((int)g_ascii_strtoll(line->text, NULL, 10), ==, *next);
	(*next)++;
	return *next < 25000;
}

/* More than an answer holds, and more than one call takes; the taker ends it when it has enough. */
static void
test_many(Fixture *fixture, gconstpointer data)
{
	g_autofree LogLine *lines = g_new0(LogLine, 25000);
	g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
	for (int i = 0; i < 25000; i++) {
		char *text = g_strdup_printf("%d and some more of a usual line of a log", i);
		g_ptr_array_add(texts, text);
		lines[i] = line_of(fixture->now + i * MS / 100 * 100, "p1", text);
	}
	append(fixture, lines, 25000);
	int next = 0;
	g_assert_true(fixture->logs->ops->query(
	    fixture->logs, fixture->app, &(LogQuery){0}, is_next, &next, NULL, NULL));
	g_assert_cmpint(next, ==, 25000);
}

static void
test_newest(Fixture *fixture, gconstpointer data)
{
	const LogsOps *ops = fixture->logs->ops;
	gint64 now = fixture->now;
	LogLine lines[] = {line_of(now + 9 * MS, "p1", "x"), line_of(now + 3 * MS, "p1", "y"),
	    line_of(now - 30 * HOUR, "p2", "z")};

	append(fixture, lines, G_N_ELEMENTS(lines));
	g_assert_cmpint(ops->newest(fixture->logs, fixture->app, "p1"), ==, now + 9 * MS);
	g_assert_cmpint(ops->newest(fixture->logs, fixture->app, "p2"), ==, now - 30 * HOUR);
	g_assert_cmpint(ops->newest(fixture->logs, fixture->app, "p3"), ==, 0);
	g_assert_cmpint(ops->newest(fixture->logs, "none", "p1"), ==, 0);
}

static void
test_clock(Fixture *fixture, gconstpointer data)
{
	gint64 before = g_get_real_time();

	append_one(fixture, before + 400 * 24 * HOUR, "future");
	append_one(fixture, 0, "never");
	expect(
	    fixture, (LogQuery){.since = before, .until = g_get_real_time() + MS}, "future never");
}

static void
test_too_old(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	LogLine lines[] = {line_of(fixture->now - 15 * 24 * HOUR, "p1", "lost"),
	    line_of(fixture->now, "p2", "kept")};

	g_assert_false(fixture->logs->ops->append(fixture->logs, fixture->app, lines, 2, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_nonnull(strstr(error->message, "older than 14 days"));
}

static void
test_no_group(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	LogLine line = line_of(fixture->now, "p1", "x");

	g_assert_false(fixture->logs->ops->append(fixture->logs, "none", &line, 1, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
	g_assert_true(fixture->logs->ops->remove_app(fixture->logs, "none", NULL));
	g_assert_true(fixture->logs->ops->prune(fixture->logs, NULL));
}

/* What a stream's name cannot hold is written another way and read back. */
static void
test_names(Fixture *fixture, gconstpointer data)
{
	LogLine line = line_of(fixture->now, "", "x");
	line.kind = "system";
	line.service = "a:b*c/d%-";
	line.release = "-";

	append(fixture, &line, 1);
	expect(fixture, (LogQuery){.service = "a:b*c/d%-"}, "x");
	expect(fixture, (LogQuery){.kind = "system", .release = "-"}, "x");
	expect(fixture,
	    (LogQuery){.kind = "system", .release = "-", .service = "a:b*c/d%-", .process = ""},
	    "x");
	expect(fixture, (LogQuery){.kind = "system", .release = ""}, "");
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
test_taker_ends(Fixture *fixture, gconstpointer data)
{
	static const LogQuery queries[] = {
	    {0}, {.tail = 8}, {.follow = true}, {.tail = 8, .follow = true}};
	append_numbers(fixture, 0, 10);
	for (gsize i = 0; i < G_N_ELEMENTS(queries); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_true(fixture->logs->ops->query(fixture->logs, fixture->app, &queries[i],
		    take_some, &(Enough){3, false}, NULL, &error));
		g_assert_no_error(error);
		g_assert_false(fixture->logs->ops->query(fixture->logs, fixture->app, &queries[i],
		    take_some, &(Enough){3, true}, NULL, &error));
		g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
		g_assert_cmpstr(error->message, ==, "peer has gone");
	}
}

static void
count_lines(Fixture *fixture, const LogLine *line, unsigned wanted)
{
	g_autoptr(GString) text = g_string_new(NULL);
	append(fixture, line, 1);
	LogQuery query = {.process = line->process};
	g_assert_true(
	    fixture->logs->ops->query(fixture->logs, fixture->app, &query, join, text, NULL, NULL));
	unsigned count = 1;
	for (const char *c = text->str; *c; c++)
		count += *c == ' ';
	g_assert_cmpuint(count, ==, wanted + 3);
	g_assert_true(g_str_has_suffix(text->str, " [cut at 1 MiB]"));
}

/* Over the limit of a line: pieces, and a last one that says so (of four words). */
static void
test_cut(Fixture *fixture, gconstpointer data)
{
	g_autofree char *large = g_strnfill(LIMIT_LOG_LINE_BYTES + 5, 'y');
	LogLine line = line_of(fixture->now, "p1", large);
	count_lines(fixture, &line, 6);
	line.process = "p2";
	large[7] = '\xff';
	count_lines(fixture, &line, 7);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*test)(Fixture *fixture, gconstpointer data);
	} tests[] = {
	    {"/aws-logs/lines-are-in-the-order-of-time", test_order},
	    {"/aws-logs/every-member-of-a-query-counts", test_matching},
	    {"/aws-logs/a-tail-is-the-newest-however-old", test_tail},
	    {"/aws-logs/bytes-come-back-as-they-were", test_bytes},
	    {"/aws-logs/more-than-an-answer-holds", test_many},
	    {"/aws-logs/the-newest-line-of-a-process-is-known", test_newest},
	    {"/aws-logs/a-wrong-clock-is-taken-as-now", test_clock},
	    {"/aws-logs/what-cloudwatch-does-not-take-is-told", test_too_old},
	    {"/aws-logs/an-app-without-a-group-is-told-when-writing", test_no_group},
	    {"/aws-logs/any-name-comes-back", test_names},
	    {"/aws-logs/the-taker-ends-a-query", test_taker_ends},
	    {"/aws-logs/a-line-over-the-limit-is-cut", test_cut},
	};

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].test, tear_down);
	return g_test_run();
}
