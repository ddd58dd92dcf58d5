/*
 * Logs in CloudWatch: aws-logs. The groups /carrack/prod/app/shop and …/other are there and empty.
 */
#include "aws/logs-private.h"
#include "base/error.h"
#include "base/lock.h"

#include <string.h>

#define MS G_GINT64_CONSTANT(1000)
#define HOUR (3600 * MS * 1000)
#define SECONDS_AT_MOST 20

typedef struct {
	AwsRack rack;
	Logs *logs;
	gint64 now;
	char *app; /* whose group nobody else has used */
} Fixture;

static void
make_group(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *group = aws_rack_log_group(&fixture->rack, fixture->app);
	json_auto_t *input = json_pack("{s:s}", "logGroupName", group);
	json_auto_t *answer = aws_json(
	    fixture->rack.client, &aws_services[AWS_LOGS], "CreateLogGroup", input, NULL, &error);
	g_assert_no_error(error);
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	fixture->rack = (AwsRack){.name = (char *)"prod"};
	fixture->rack.client = aws_client_new(NULL, NULL, &error);
	g_assert_no_error(error);
	fixture->logs = logs_cloudwatch_new(&fixture->rack, &error);
	g_assert_no_error(error);
	fixture->now = g_get_real_time() / MS * MS - HOUR;
	fixture->app = g_strdup_printf("app%u", g_random_int());
	make_group(fixture);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	fixture->logs->ops->free(fixture->logs);
	aws_client_free(fixture->rack.client);
	g_free(fixture->app);
}

static LogLine
line_of(gint64 time, const char *process, const char *text)
{
	return (LogLine){.time = time,
	    .kind = "service",
	    .service = "web",
	    .process = process,
	    .release = "R1",
	    .text = text,
	    .length = strlen(text)};
}

static void
append(Fixture *fixture, const LogLine *lines, gsize count)
{
	g_autoptr(GError) error = NULL;
	fixture->logs->ops->append(fixture->logs, fixture->app, lines, count, &error);
	g_assert_no_error(error);
}

static bool
join(gpointer data, const LogLine *line, GError **error)
{
	GString *text = data;
	g_string_append_printf(text, "%s%.*s", text->len ? " " : "", (int)line->length, line->text);
	return true;
}

static void
expect(Fixture *fixture, LogQuery query, const char *wanted)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GString) text = g_string_new(NULL);
	fixture->logs->ops->query(fixture->logs, fixture->app, &query, join, text, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(text->str, ==, wanted);
}

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

/* Following */

typedef struct {
	Fixture *fixture;
	LogQuery query;
	GCancellable *cancel;
	pthread_mutex_t lock;
	GString *text;
	bool was_cancelled;
} Follower;

static bool
join_locked(gpointer data, const LogLine *line, GError **error)
{
	Follower *follower = data;
	LOCKED(&follower->lock);
	return join(follower->text, line, error);
}

static void *
follow(void *data)
{
	Follower *follower = data;
	g_autoptr(GError) error = NULL;
	Fixture *fixture = follower->fixture;
	fixture->logs->ops->query(fixture->logs, fixture->app, &follower->query, join_locked,
	    follower, follower->cancel, &error);
	follower->was_cancelled = g_error_matches(error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
	return NULL;
}

static void
wait_for(Follower *follower, const char *wanted)
{
	gint64 deadline = g_get_monotonic_time() + SECONDS_AT_MOST * G_USEC_PER_SEC;
	for (;;) {
		{
			LOCKED(&follower->lock);
			if (strcmp(follower->text->str, wanted) == 0)
				return;
			if (g_get_monotonic_time() > deadline)
				g_assert_cmpstr(follower->text->str, ==, wanted);
		}
		g_usleep(10000);
	}
}

static void
test_follow(Fixture *fixture, gconstpointer data)
{
	LogLine old = line_of(fixture->now, "p1", "old");
	append(fixture, &old, 1);
	Follower follower = {
	    .fixture = fixture, .query = {.follow = true, .filter = "o", .tail = 5}};
	follower.cancel = g_cancellable_new();
	follower.text = g_string_new(NULL);
	pthread_mutex_init(&follower.lock, NULL);
	pthread_t thread;
	pthread_create(&thread, NULL, follow, &follower);
	wait_for(&follower, "old");

	/* Late ones too, which others have overtaken. */
	gint64 now = g_get_real_time() / MS * MS;
	LogLine first = line_of(now, "p1", "one");
	LogLine late = line_of(now - 1000 * MS, "p2", "two");
	LogLine other = line_of(now, "p2", "three");
	append(fixture, &first, 1);
	wait_for(&follower, "old one");
	append(fixture, &late, 1);
	append(fixture, &other, 1);
	wait_for(&follower, "old one two");
	LogLine last = line_of(g_get_real_time(), "p3", "four");
	append(fixture, &last, 1);
	wait_for(&follower, "old one two four");
	g_cancellable_cancel(follower.cancel);
	pthread_join(thread, NULL);
	g_assert_true(follower.was_cancelled);
	g_object_unref(follower.cancel);
	g_string_free(follower.text, TRUE);
	pthread_mutex_destroy(&follower.lock);
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
	    {"/aws-logs/a-follower-misses-and-doubles-nothing", test_follow},
	};

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].test, tear_down);
	return g_test_run();
}
