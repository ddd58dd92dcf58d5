/*
 * Logs over real SQLite files in a temp folder: order, matching, the seam between history and
 * following, slow followers, and what pruning leaves.
 */
#include "base/limits.h"
#include "base/lock.h"
#include "swarm/provider.h"

#include <glib/gstdio.h>
#include <string.h>

#define DAY (24 * 60 * 60 * G_TIME_SPAN_SECOND)
#define DEADLINE (20 * G_TIME_SPAN_SECOND)

typedef struct {
	char *folder;
	Logs *logs;
	gint64 now; /* some hours before the present, in the middle of a day */
} Fixture;

static Logs *
open_logs(const char *folder, unsigned days, gint64 bytes)
{
	g_autoptr(GError) error = NULL;
	Logs *logs = logs_sqlite_new(folder, days, bytes, &error);
	g_assert_no_error(error);
	return logs;
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
	fixture->folder = g_dir_make_tmp("carrack-logs-XXXXXX", NULL);
	fixture->logs = open_logs(fixture->folder, 7, G_MAXINT64);
	fixture->now = (g_get_real_time() / DAY - 1) * DAY + DAY / 2;
}

static void
reopen(Fixture *fixture, unsigned days, gint64 bytes)
{
	fixture->logs->ops->free(fixture->logs);
	fixture->logs = open_logs(fixture->folder, days, bytes);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	fixture->logs->ops->free(fixture->logs);
	g_autoptr(GDir) entries = g_dir_open(fixture->folder, 0, NULL);
	const char *name;
	while ((name = g_dir_read_name(entries))) {
		g_autofree char *file = g_build_filename(fixture->folder, name, NULL);
		g_unlink(file);
	}
	g_assert_cmpint(g_rmdir(fixture->folder), ==, 0);
	g_free(fixture->folder);
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
append(Logs *logs, const char *app, const LogLine *lines, gsize count)
{
	g_autoptr(GError) error = NULL;
	bool ok = logs->ops->append(logs, app, lines, count, &error);

	g_assert_no_error(error);
	g_assert_true(ok);
}

static void
append_one(Logs *logs, const char *app, gint64 time, const char *text)
{
	LogLine line = line_of(time, "p1", text);

	append(logs, app, &line, 1);
}

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
test_order(Fixture *fixture, gconstpointer data)
{
	gint64 now = fixture->now;
	LogLine lines[] = {line_of(now + 2, "p1", "c1"), line_of(now + 1, "p2", "b"),
	    line_of(now + 2, "p2", "c2"), line_of(now - DAY, "p1", "yesterday"),
	    line_of(now + 2, "p1", "c3")};

	append(fixture->logs, "shop", lines, G_N_ELEMENTS(lines));
	append_one(fixture->logs, "shop", now, "a");
	append_one(fixture->logs, "shop", now - 2 * DAY, "before");
	append_one(fixture->logs, "other", now, "x");
	assert_query(fixture->logs, "shop", (LogQuery){0}, "before yesterday a b c1 c2 c3");
	assert_query(fixture->logs, "none", (LogQuery){0}, "");
	reopen(fixture, 7, G_MAXINT64);
	assert_query(fixture->logs, "shop", (LogQuery){0}, "before yesterday a b c1 c2 c3");
}

static void
test_matching(Fixture *fixture, gconstpointer data)
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
	append(logs, "shop", lines, 3);

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
test_tail(Fixture *fixture, gconstpointer data)
{
	Logs *logs = fixture->logs;

	for (int i = 0; i < 12; i++) {
		g_autofree char *text = g_strdup_printf("%d", i);
		gint64 day = fixture->now - (2 - i / 4) * DAY;
		append_one(logs, "shop", day + (i % 2), text); /* two of each time */
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

static bool
number_is_next(gpointer data, const LogLine *line, GError **error)
{
	gint64 *next = data;

	g_assert_cmpint(g_ascii_strtoll(line->text, NULL, 10), ==, (*next)++);
	return true;
}

/* Numbered lines, `count` of them from `first`, in batches of 100. */
static void
append_numbers(Logs *logs, const char *app, gint64 time, int first, int count)
{
	LogLine lines[100];
	char texts[100][80];

	for (int i = 0; i < count;) {
		int batch = MIN(count - i, 100);
		for (int k = 0; k < batch; k++, i++) {
			g_snprintf(texts[k], sizeof texts[k],
			    "%d GET /some/path?of=a&usual=line HTTP/1.1 200 1234", first + i);
			lines[k] = line_of(time + i, "p1", texts[k]);
		}
		append(logs, app, lines, (gsize)batch);
	}
}

/* More than one page, by lines and by bytes; a page in which nothing matches is none's end. */
static void
test_pages(Fixture *fixture, gconstpointer data)
{
	Logs *logs = fixture->logs;
	gint64 next = 0;

	append_numbers(logs, "shop", fixture->now, 0, 10000);
	g_assert_true(
	    logs->ops->query(logs, "shop", &(LogQuery){0}, number_is_next, &next, NULL, NULL));
	g_assert_cmpint(next, ==, 10000);
	next = 4000;
	g_assert_true(logs->ops->query(
	    logs, "shop", &(LogQuery){.tail = 6000}, number_is_next, &next, NULL, NULL));
	g_assert_cmpint(next, ==, 10000);
	next = 9999;
	g_assert_true(logs->ops->query(
	    logs, "shop", &(LogQuery){.filter = "9999 "}, number_is_next, &next, NULL, NULL));
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
	LogLine line = line_of(g_get_real_time(), "p1", "");
	line.text = bytes;
	line.length = length;

	append(logs, app, &line, 1);
	g_assert_true(logs->ops->query(logs, app, &(LogQuery){0}, bytes_are, &wanted, NULL, NULL));
	g_assert_cmpuint(wanted.seen, ==, 1);
}

static void
test_bytes(Fixture *fixture, gconstpointer data)
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
test_newest(Fixture *fixture, gconstpointer data)
{
	Logs *logs = fixture->logs;
	LogLine lines[] = {line_of(fixture->now + 9, "p1", "x"),
	    line_of(fixture->now + 3, "p1", "y"), line_of(fixture->now - DAY, "p2", "z")};

	append(logs, "shop", lines, 3);
	g_assert_cmpint(logs->ops->newest(logs, "shop", "p1"), ==, fixture->now + 9);
	g_assert_cmpint(logs->ops->newest(logs, "shop", "p2"), ==, fixture->now - DAY);
	g_assert_cmpint(logs->ops->newest(logs, "shop", "p3"), ==, 0);
	g_assert_cmpint(logs->ops->newest(logs, "other", "p1"), ==, 0);
	reopen(fixture, 7, G_MAXINT64);
	logs = fixture->logs;
	append(logs, "shop", &lines[1], 1);
	g_assert_cmpint(logs->ops->newest(logs, "shop", "p1"), ==, fixture->now + 9);
}

static void
test_future(Fixture *fixture, gconstpointer data)
{
	gint64 before = g_get_real_time();

	append_one(fixture->logs, "shop", before + 400 * DAY, "future");
	append_one(fixture->logs, "shop", 0, "never");
	assert_query(fixture->logs, "shop",
	    (LogQuery){.since = before, .until = g_get_real_time() + 1}, "future never");
}

static void
test_remove_app(Fixture *fixture, gconstpointer data)
{
	Logs *logs = fixture->logs;

	append_numbers(logs, "shop", fixture->now, 0, 25000);
	append_one(logs, "shop", fixture->now - DAY, "x");
	append_one(logs, "other", fixture->now, "y");
	g_assert_true(logs->ops->remove_app(logs, "shop", NULL));
	assert_query(logs, "shop", (LogQuery){0}, "");
	g_assert_cmpint(logs->ops->newest(logs, "shop", "p1"), ==, 0);
	append_one(logs, "shop", fixture->now, "new");
	assert_query(logs, "shop", (LogQuery){0}, "new");
	assert_query(logs, "other", (LogQuery){0}, "y");
}

/* Following */

typedef struct {
	Logs *logs;
	const char *app;
	LogQuery query;
	GCancellable *cancel;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	GArray *numbers; /* int, of the lines seen */
	GArray *delays;  /* gint64, from a line's time to its sight */
	bool is_held;    /* does not read on */
	bool has_ended;
	bool ok;
	GError *error;
} Follower;

static bool
follower_take(gpointer data, const LogLine *line, GError **error)
{
	Follower *follower = data;
	int number = (int)g_ascii_strtoll(line->text, NULL, 10);
	gint64 delay = g_get_real_time() - line->time;
	LOCKED(&follower->lock);

	g_array_append_val(follower->numbers, number);
	g_array_append_val(follower->delays, delay);
	pthread_cond_broadcast(&follower->changed);
	while (follower->is_held)
		pthread_cond_wait(&follower->changed, &follower->lock);
	return true;
}

static gpointer
follower_run(gpointer data)
{
	Follower *follower = data;
	GError *error = NULL;
	bool ok = follower->logs->ops->query(follower->logs, follower->app, &follower->query,
	    follower_take, follower, follower->cancel, &error);
	LOCKED(&follower->lock);

	follower->ok = ok;
	follower->error = error;
	follower->has_ended = true;
	pthread_cond_broadcast(&follower->changed);
	return NULL;
}

static Follower *
follower_new(Logs *logs, const char *app, LogQuery query)
{
	Follower *follower = g_new0(Follower, 1);

	follower->logs = logs;
	follower->app = app;
	follower->query = query;
	follower->query.follow = true;
	follower->cancel = g_cancellable_new();
	follower->numbers = g_array_new(FALSE, FALSE, sizeof(int));
	follower->delays = g_array_new(FALSE, FALSE, sizeof(gint64));
	pthread_mutex_init(&follower->lock, NULL);
	pthread_cond_init(&follower->changed, NULL);
	pthread_create(&follower->thread, NULL, follower_run, follower);
	return follower;
}

/* Waits until it has seen so many lines (or has ended, when `count` is G_MAXUINT). */
static void
follower_wait(Follower *follower, guint count)
{
	gint64 end = g_get_real_time() + DEADLINE;
	struct timespec deadline = {.tv_sec = end / G_TIME_SPAN_SECOND};
	LOCKED(&follower->lock);

	while (follower->numbers->len < count && !follower->has_ended) {
		if (pthread_cond_timedwait(&follower->changed, &follower->lock, &deadline))
			break;
	}
	if (count == G_MAXUINT)
		g_assert_true(follower->has_ended);
	else
		g_assert_cmpuint(follower->numbers->len, >=, count);
}

static void
follower_hold(Follower *follower, bool is_held)
{
	LOCKED(&follower->lock);
	follower->is_held = is_held;
	pthread_cond_broadcast(&follower->changed);
}

static void
follower_free(Follower *follower)
{
	g_cancellable_cancel(follower->cancel);
	pthread_join(follower->thread, NULL);
	g_object_unref(follower->cancel);
	g_array_unref(follower->numbers);
	g_array_unref(follower->delays);
	g_clear_error(&follower->error);
	pthread_mutex_destroy(&follower->lock);
	pthread_cond_destroy(&follower->changed);
	g_free(follower);
}

static int
compare_delays(gconstpointer one, gconstpointer other)
{
	gint64 first = *(const gint64 *)one, second = *(const gint64 *)other;

	return first < second ? -1 : first > second;
}

static void
test_latency(Fixture *fixture, gconstpointer data)
{
	Follower *follower = follower_new(fixture->logs, "shop", (LogQuery){0});

	append_one(fixture->logs, "shop", g_get_real_time(), "0");
	follower_wait(follower, 1);
	for (guint i = 1; i < 100; i++) {
		append_one(fixture->logs, "other", g_get_real_time(), "7");
		append_one(fixture->logs, "shop", g_get_real_time(), "1");
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
	Fixture *fixture = data;

	for (int i = 0; i < 600; i++) {
		g_autofree char *text = g_strdup_printf("%d", i);
		/* Around a midnight: both files take part. */
		append_one(fixture->logs, "shop", fixture->now + DAY / 2 - 300 + i, text);
		append_one(fixture->logs, "other", fixture->now, "x");
	}
	return NULL;
}

static void
test_seam(Fixture *fixture, gconstpointer data)
{
	Follower *followers[12];
	pthread_t writer;
	pthread_create(&writer, NULL, append_slowly, fixture);

	/* They begin at different moments of the writing, all see every line once, in order. */
	for (guint i = 0; i < G_N_ELEMENTS(followers); i++) {
		followers[i] = follower_new(fixture->logs, "shop", (LogQuery){0});
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
test_tail_and_follow(Fixture *fixture, gconstpointer data)
{
	append_numbers(fixture->logs, "shop", fixture->now, -50, 55);
	Follower *follower = follower_new(fixture->logs, "shop", (LogQuery){.tail = 5});
	follower_wait(follower, 5);
	append_numbers(fixture->logs, "shop", fixture->now - 100, 5, 20);
	follower_wait(follower, 25);
	assert_numbers(follower, 25);
	follower_free(follower);
}

static gint64
folder_size(const char *folder)
{
	g_autoptr(GDir) entries = g_dir_open(folder, 0, NULL);
	const char *name;
	gint64 size = 0;

	while ((name = g_dir_read_name(entries))) {
		g_autofree char *path = g_build_filename(folder, name, NULL);
		GStatBuf file = {0};
		g_assert_cmpint(g_stat(path, &file), ==, 0);
		size += file.st_size;
	}
	return size;
}

static void
test_slow(Fixture *fixture, gconstpointer data)
{
	append_one(fixture->logs, "shop", fixture->now, "0");
	Follower *follower = follower_new(fixture->logs, "shop", (LogQuery){0});
	follower_hold(follower, true);
	follower_wait(follower, 1);

	gint64 begin = g_get_monotonic_time();
	append_numbers(fixture->logs, "shop", fixture->now, 1, 40000);
	gint64 taken = g_get_monotonic_time() - begin;
	g_test_message("40,000 lines past a follower that does not read: %" G_GINT64_FORMAT
		       " ms, %" G_GINT64_FORMAT " KiB on the disk",
	    taken / 1000, folder_size(fixture->folder) / 1024);
	g_assert_cmpint(taken, <, DEADLINE);
	/* The journal is written back all the same: it would be as large as the lines else. */
	g_assert_cmpint(folder_size(fixture->folder), <, 20 * 1024 * 1024);

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
test_ends(Fixture *fixture, gconstpointer data)
{
	int is_done = 0;
	LogQuery query = {.still = is_wanted_still, .still_data = &is_done};
	Follower *asked = follower_new(fixture->logs, "shop", query);
	Follower *cancelled = follower_new(fixture->logs, "shop", (LogQuery){0});
	append_one(fixture->logs, "shop", fixture->now, "0");
	follower_wait(asked, 1);
	follower_wait(cancelled, 1);

	gint64 begin = g_get_monotonic_time();
	g_cancellable_cancel(cancelled->cancel);
	follower_wait(cancelled, G_MAXUINT);
	g_assert_cmpint(g_get_monotonic_time() - begin, <, G_TIME_SPAN_SECOND / 2);
	g_assert_error(cancelled->error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
	follower_free(cancelled);

	append_one(fixture->logs, "shop", fixture->now, "1");
	g_atomic_int_set(&is_done, 1);
	follower_wait(asked, G_MAXUINT);
	g_assert_true(asked->ok);
	assert_numbers(asked, 2);
	follower_free(asked);
}

static void
test_free_ends(Fixture *fixture, gconstpointer data)
{
	Follower *follower = follower_new(fixture->logs, "shop", (LogQuery){0});
	append_one(fixture->logs, "shop", fixture->now, "0");
	follower_wait(follower, 1);
	reopen(fixture, 7, G_MAXINT64);
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
test_taker_ends(Fixture *fixture, gconstpointer data)
{
	Logs *logs = fixture->logs;
	g_autoptr(GError) error = NULL;
	LogQuery query = {.follow = true};

	append_numbers(logs, "shop", fixture->now, 0, 10);
	g_assert_true(
	    logs->ops->query(logs, "shop", &query, take_some, &(Enough){3, false}, NULL, &error));
	g_assert_no_error(error);
	g_assert_false(
	    logs->ops->query(logs, "shop", &query, take_some, &(Enough){3, true}, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
}

/* Pruning and damage */

static bool
has_file(Fixture *fixture, gint64 time, const char *ending)
{
	g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(time / G_TIME_SPAN_SECOND);
	g_autofree char *name = g_date_time_format(date, "%Y-%m-%d.db");
	g_autofree char *path = g_strconcat(fixture->folder, "/", name, ending, NULL);

	return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void
test_prune_days(Fixture *fixture, gconstpointer data)
{
	gint64 now = g_get_real_time();

	for (int i = 0; i < 6; i++) {
		char text[] = {(char)('0' + i), '\0'};
		append_one(fixture->logs, "shop", now - i * DAY, text);
	}
	reopen(fixture, 3, G_MAXINT64);
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

	append_one(fixture->logs, "shop", now - 4 * DAY, "late");
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
test_prune_bytes(Fixture *fixture, gconstpointer data)
{
	gint64 limit = 3 * 1024 * 1024, now = g_get_real_time(), seen[2] = {0};
	gint64 day = now / DAY * DAY;

	append_numbers(fixture->logs, "shop", day - DAY, 0, 20000);
	append_numbers(fixture->logs, "shop", day, 20000, 60000);
	reopen(fixture, 7, limit);
	g_assert_cmpint(folder_size(fixture->folder), >, limit);
	g_assert_true(fixture->logs->ops->prune(fixture->logs, NULL));
	g_assert_cmpint(folder_size(fixture->folder), <, limit + 256 * 1024);
	g_assert_false(has_file(fixture, day - DAY, ""));

	/* The newest lines are those that are left. */
	g_assert_true(fixture->logs->ops->query(
	    fixture->logs, "shop", &(LogQuery){0}, first_and_count, seen, NULL, NULL));
	g_test_message("%" G_GINT64_FORMAT " lines are left", seen[1]);
	g_assert_cmpint(seen[1], >, 5000);
	g_assert_cmpint(seen[0] + seen[1], ==, 80000);
	append_one(fixture->logs, "shop", now, "goes on");
	assert_query(fixture->logs, "shop", (LogQuery){.tail = 1}, "goes on");
}

static void
test_damaged(Fixture *fixture, gconstpointer data)
{
	append_one(fixture->logs, "shop", fixture->now, "lost");
	append_one(fixture->logs, "shop", fixture->now - DAY, "kept");
	reopen(fixture, 7, G_MAXINT64);
	g_autoptr(GDateTime) date =
	    g_date_time_new_from_unix_utc(fixture->now / G_TIME_SPAN_SECOND);
	g_autofree char *name = g_date_time_format(date, "%Y-%m-%d.db");
	g_autofree char *path = g_build_filename(fixture->folder, name, NULL);
	g_assert_true(g_file_set_contents(path, "not a database at all", -1, NULL));

	reopen(fixture, 7, G_MAXINT64);
	append_one(fixture->logs, "shop", fixture->now, "after");
	assert_query(fixture->logs, "shop", (LogQuery){0}, "kept after");
	g_assert_true(has_file(fixture, fixture->now, ".damaged"));
	g_autoptr(GString) notes = g_string_new(NULL);
	g_assert_true(fixture->logs->ops->query(
	    fixture->logs, LOGS_SYSTEM, &(LogQuery){0}, join, notes, NULL, NULL));
	g_assert_nonnull(strstr(notes->str, "is damaged and has been set aside"));
}

static void
test_speed(Fixture *fixture, gconstpointer data)
{
	int count = 200000;
	gint64 begin = g_get_monotonic_time();
	append_numbers(fixture->logs, "shop", fixture->now, 0, count);
	gint64 taken = g_get_monotonic_time() - begin;
	g_test_message("append: %" G_GINT64_FORMAT " lines/s, %" G_GINT64_FORMAT " bytes a line",
	    count * G_TIME_SPAN_SECOND / taken, folder_size(fixture->folder) / count);
	/* Far below what is measured on a quiet machine, so that only a real fault fails. */
	g_assert_cmpint(count * G_TIME_SPAN_SECOND / taken, >, 3000);

	gint64 next = 0;
	begin = g_get_monotonic_time();
	g_assert_true(fixture->logs->ops->query(
	    fixture->logs, "shop", &(LogQuery){0}, number_is_next, &next, NULL, NULL));
	g_assert_cmpint(next, ==, count);
	g_test_message("query: %" G_GINT64_FORMAT " lines/s",
	    count * G_TIME_SPAN_SECOND / (g_get_monotonic_time() - begin));
	begin = g_get_monotonic_time();
	next = count - 10;
	g_assert_true(fixture->logs->ops->query(
	    fixture->logs, "shop", &(LogQuery){.tail = 10}, number_is_next, &next, NULL, NULL));
	g_test_message("tail of 10: %" G_GINT64_FORMAT " us", g_get_monotonic_time() - begin);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*test)(Fixture *fixture, gconstpointer data);
	} tests[] = {
	    {"/logs/lines-come-in-the-order-of-time", test_order},
	    {"/logs/a-query-gives-what-it-names", test_matching},
	    {"/logs/tail-is-the-newest-over-all-days", test_tail},
	    {"/logs/pages-are-not-seen", test_pages},
	    {"/logs/lines-are-byte-exact-up-to-the-limit", test_bytes},
	    {"/logs/the-newest-line-of-a-process-is-known", test_newest},
	    {"/logs/a-wrong-clock-is-taken-as-now", test_future},
	    {"/logs/a-removed-app-leaves-nothing", test_remove_app},
	    {"/logs/a-follower-sees-a-line-at-once", test_latency},
	    {"/logs/nothing-is-lost-or-doubled-where-following-begins", test_seam},
	    {"/logs/following-goes-on-after-the-tail", test_tail_and_follow},
	    {"/logs/a-slow-follower-holds-up-nobody", test_slow},
	    {"/logs/following-ends-when-cancelled-or-unwanted", test_ends},
	    {"/logs/following-ends-with-the-logs", test_free_ends},
	    {"/logs/the-taker-ends-a-query", test_taker_ends},
	    {"/logs/days-over-the-limit-go", test_prune_days},
	    {"/logs/bytes-over-the-limit-go-oldest-first", test_prune_bytes},
	    {"/logs/a-damaged-day-does-not-end-logging", test_damaged},
	    {"/logs/fifty-thousand-lines-a-second", test_speed},
	};

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].test, tear_down);
	return g_test_run();
}
