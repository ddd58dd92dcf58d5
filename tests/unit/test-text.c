/*
 * Unit tests of base/text: ids, times, durations, numbers, names.
 */
#include "base/error.h"
#include "base/text.h"

#include <string.h>

#define SECOND G_GINT64_CONSTANT(1000000)

static void
ids_are_a_prefix_and_ten_letters(void)
{
	g_autofree char *one = text_id('B'), *other = text_id('B');

	g_assert_true(text_is_id(one, 'B'));
	g_assert_false(text_is_id(one, 'R'));
	g_assert_cmpstr(one, !=, other);
	g_assert_false(text_is_id("Babcdefghij", 'B'));
	g_assert_false(text_is_id("BABCDEFGHI", 'B'));
	g_assert_false(text_is_id("BABCDEFGHIJK", 'B'));
	g_assert_false(text_is_id("", 'B'));
}

static void
random_texts_have_their_length_and_alphabet(void)
{
	g_autofree char *hex = text_random_hex(16), *password = text_random_password(40);

	g_assert_cmpuint(strlen(hex), ==, 32);
	g_assert_cmpuint(strspn(hex, "0123456789abcdef"), ==, 32);
	g_assert_cmpuint(strlen(password), ==, 40);
	for (const char *place = password; *place; place++)
		g_assert_true(g_ascii_isalnum(*place));
}

static void
assert_time(gint64 time, const char *expected)
{
	g_autofree char *text = text_time(time);
	gint64 back = -1;

	g_assert_cmpstr(text, ==, expected);
	g_assert_true(text_parse_time(text, &back, NULL));
	g_assert_cmpint(back, ==, time);
}

static void
times_round_trip(void)
{
	assert_time(0, "0001-01-01T00:00:00Z");
	assert_time(1700000000 * SECOND, "2023-11-14T22:13:20Z");
	assert_time(1700000000 * SECOND + 500000, "2023-11-14T22:13:20.5Z");
	assert_time(1700000000 * SECOND + 1, "2023-11-14T22:13:20.000001Z");
	assert_time(-1, "1969-12-31T23:59:59.999999Z");

	g_autofree char *seconds = text_time_seconds(1700000000 * SECOND + 999999);
	g_assert_cmpstr(seconds, ==, "2023-11-14T22:13:20Z");
}

static void
times_with_offsets_and_nanoseconds_are_read(void)
{
	gint64 time = 0;

	g_assert_true(text_parse_time("2023-11-14T23:13:20.123456789+01:00", &time, NULL));
	g_assert_cmpint(time, ==, 1700000000 * SECOND + 123456);
	g_assert_true(text_parse_time("2023-11-14t17:13:20-05:00", &time, NULL));
	g_assert_cmpint(time, ==, 1700000000 * SECOND);
	g_assert_true(text_parse_time("2024-02-29T00:00:00z", &time, NULL));
}

static void
wrong_times_are_refused(void)
{
	const char *const wrong[] = {"", "now", "2023-11-14", "2023-11-14T22:13:20",
	    "2023-13-01T00:00:00Z", "2023-02-29T00:00:00Z", "2023-11-14T24:00:00Z",
	    "2023-11-14T22:13:20.Z", "2023-11-14T22:13:20Zjunk", "2023-11-14T22:13:20+1:00",
	    "0000-01-01T00:00:00Z", "2023-1-01T00:00:00Z"};

	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autoptr(GError) error = NULL;
		gint64 time = 42;
		g_assert_false(text_parse_time(wrong[i], &time, &error));
		g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
		g_assert_cmpint(time, ==, 42);
	}
}

static void
durations_are_those_of_go(void)
{
	static const struct {
		const char *text;
		gint64 duration;
	} rows[] = {{"1h2m3s", 3723 * SECOND}, {"5m", 300 * SECOND}, {"300ms", 300000},
	    {"1.5h", 5400 * SECOND}, {"5m0s", 300 * SECOND}, {"-2s", -2 * SECOND}, {"7us", 7},
	    {"7µs", 7}, {"1500ns", 1}, {"0s", 0}, {".5s", 500000}};

	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		gint64 duration = -1;
		g_assert_true(text_parse_duration(rows[i].text, &duration, NULL));
		g_assert_cmpint(duration, ==, rows[i].duration);
	}
}

static void
wrong_durations_are_refused(void)
{
	const char *const wrong[] = {
	    "", "5", "m", "5 m", "5d", "1h2", "-", ".s", "1e3s", "9999999999999h", "5mm"};

	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autoptr(GError) error = NULL;
		gint64 duration;
		g_assert_false(text_parse_duration(wrong[i], &duration, &error));
		g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	}
}

static void
relative_times_read_as_in_a_terminal(void)
{
	const gint64 minute = 60, hour = 3600, day = 24 * hour, week = 7 * day, month = 30 * day;
	const gint64 year = 12 * month;
	const struct {
		gint64 seconds;
		const char *text;
	} rows[] = {{0, "now"}, {1, "1 second ago"}, {59, "59 seconds ago"},
	    {minute, "1 minute ago"}, {2 * minute, "2 minutes ago"}, {hour, "1 hour ago"},
	    {5 * hour + 59 * minute, "5 hours ago"}, {day, "1 day ago"}, {6 * day, "6 days ago"},
	    {week, "1 week ago"}, {3 * week, "3 weeks ago"}, {month, "1 month ago"},
	    {2 * month, "2 months ago"}, {year, "1 year ago"}, {18 * month, "2 years ago"},
	    {3 * year, "3 years ago"}, {37 * year, "a long while ago"},
	    {-5 * minute, "5 minutes from now"}, {-1, "1 second from now"}};
	const gint64 now = 1700000000 * SECOND;

	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *text = text_ago(now - rows[i].seconds * SECOND, now);
		g_assert_cmpstr(text, ==, rows[i].text);
	}
	g_autofree char *never = text_ago(0, now);
	g_assert_cmpstr(never, ==, "");
}

static void
elapsed_counts_minutes_beyond_an_hour(void)
{
	g_autofree char *short_one = text_elapsed(SECOND, 13 * SECOND);
	g_autofree char *long_one = text_elapsed(SECOND, SECOND + 3723 * SECOND);
	g_autofree char *running = text_elapsed(SECOND, 0);

	g_assert_cmpstr(short_one, ==, "12s");
	g_assert_cmpstr(long_one, ==, "62m3s");
	g_assert_cmpstr(running, ==, "");
}

static void
numbers_are_whole_and_in_range(void)
{
	const char *const wrong[] = {
	    "", " 1", "1 ", "+1", "0x10", "1.0", "65536", "0", "-1", "99999999999999999999", "one"};
	gint64 value = 0;

	g_assert_true(text_parse_int("65535", "port", 1, 65535, &value, NULL));
	g_assert_cmpint(value, ==, 65535);
	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_false(text_parse_int(wrong[i], "port", 1, 65535, &value, &error));
		g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
		g_assert_true(g_str_has_prefix(error->message, "port: "));
		g_assert_nonnull(strstr(error->message, "between 1 and 65535"));
	}
}

static void
names_fit_a_dns_label(void)
{
	const char *const wrong[] = {"", "A", "1a", "-a", "a-", "a_b", "a.b", "a b", "ä",
	    "abcdefghijklmnopqrstuvwxyzabcde", "a\nb"};

	g_assert_true(text_check_name("web", "service name", NULL));
	g_assert_true(text_check_name("a1-b2", "service name", NULL));
	g_assert_true(text_check_name("abcdefghijklmnopqrstuvwxyzabcd", "service name", NULL));
	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_false(text_check_name(wrong[i], "service name", &error));
		g_assert_true(g_str_has_prefix(error->message, "service name \""));
		g_assert_null(strchr(error->message, '\n'));
	}
}

static void
hashes_and_comparisons_are_exact(void)
{
	g_autofree char *hash = text_sha256("abc", 3);

	g_assert_cmpstr(
	    hash, ==, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	g_assert_true(text_equal_constant_time("secret", "secret"));
	g_assert_true(text_equal_constant_time("", ""));
	g_assert_false(text_equal_constant_time("secret", "secreT"));
	g_assert_false(text_equal_constant_time("secret", "secre"));
	g_assert_false(text_equal_constant_time("abab", "ab"));
	g_assert_false(text_equal_constant_time("", "a"));
	g_assert_false(text_equal_constant_time("a", ""));
}

static void
the_nearest_name_is_one_that_was_meant(void)
{
	const char *const names[] = {"services", "resources", "timers", "environment", NULL};

	g_assert_cmpstr(text_nearest("service", names), ==, "services");
	g_assert_cmpstr(text_nearest("enviroment", names), ==, "environment");
	g_assert_cmpstr(text_nearest("tmiers", names), ==, "timers");
	g_assert_null(text_nearest("frontend", names));
	g_assert_null(text_nearest("x", names));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/text/ids-are-a-prefix-and-ten-letters", ids_are_a_prefix_and_ten_letters);
	g_test_add_func("/text/random-texts-have-their-length-and-alphabet",
	    random_texts_have_their_length_and_alphabet);
	g_test_add_func("/text/times-round-trip", times_round_trip);
	g_test_add_func("/text/times-with-offsets-and-nanoseconds-are-read",
	    times_with_offsets_and_nanoseconds_are_read);
	g_test_add_func("/text/wrong-times-are-refused", wrong_times_are_refused);
	g_test_add_func("/text/durations-are-those-of-go", durations_are_those_of_go);
	g_test_add_func("/text/wrong-durations-are-refused", wrong_durations_are_refused);
	g_test_add_func(
	    "/text/relative-times-read-as-in-a-terminal", relative_times_read_as_in_a_terminal);
	g_test_add_func(
	    "/text/elapsed-counts-minutes-beyond-an-hour", elapsed_counts_minutes_beyond_an_hour);
	g_test_add_func("/text/numbers-are-whole-and-in-range", numbers_are_whole_and_in_range);
	g_test_add_func("/text/names-fit-a-dns-label", names_fit_a_dns_label);
	g_test_add_func("/text/hashes-and-comparisons-are-exact", hashes_and_comparisons_are_exact);
	g_test_add_func(
	    "/text/the-nearest-name-is-one-that-was-meant", the_nearest_name_is_one_that_was_meant);
	return g_test_run();
}
