/*
 * Schedules: what is one, what is not and why, and when they come due. The times were worked out by
 * hand and with cron's own rules.
 */
#include "manifest/schedule.h"

#include "base/error.h"
#include "base/text.h"

#include <string.h>

static Schedule
parse(const char *text)
{
	g_autoptr(GError) error = NULL;
	Schedule schedule;
	schedule_parse(&schedule, text, &error);
	g_assert_no_error(error);
	return schedule;
}

static gint64
time_of(const char *text)
{
	gint64 time = 0;
	g_assert_true(text_parse_time(text, &time, NULL));
	return time;
}

/* From noon of 30 January 2025, a Thursday. */
static void
assert_next(const char *text, const char *const expected[3])
{
	Schedule schedule = parse(text);
	gint64 time = time_of("2025-01-30T12:00:00Z");
	for (unsigned i = 0; i < 3; i++) {
		time = schedule_next(&schedule, time);
		if (time != time_of(expected[i]))
			g_test_fail_printf("%s: time %u is not %s", text, i, expected[i]);
	}
}

#define NEXT(text, ...) assert_next(text, (const char *const[3]){__VA_ARGS__})

static void
times_follow_one_another(void)
{
	NEXT(
	    "*/15 * * * *", "2025-01-30T12:15:00Z", "2025-01-30T12:30:00Z", "2025-01-30T12:45:00Z");
	NEXT("0   2\t*  *  *", "2025-01-31T02:00:00Z", "2025-02-01T02:00:00Z",
	    "2025-02-02T02:00:00Z");
	NEXT("0 9 * * MON-FRI", "2025-01-31T09:00:00Z", "2025-02-03T09:00:00Z",
	    "2025-02-04T09:00:00Z");
	NEXT("0 0 29 2 *", "2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z", "2036-02-29T00:00:00Z");
	NEXT(
	    "0 0 1,15 * 5", "2025-01-31T00:00:00Z", "2025-02-01T00:00:00Z", "2025-02-07T00:00:00Z");
	NEXT("59 23 31 12 *", "2025-12-31T23:59:00Z", "2026-12-31T23:59:00Z",
	    "2027-12-31T23:59:00Z");
	NEXT("0 12 * * 7", "2025-02-02T12:00:00Z", "2025-02-09T12:00:00Z", "2025-02-16T12:00:00Z");
	NEXT("10/20 12 * jan,Mar *", "2025-01-30T12:10:00Z", "2025-01-30T12:30:00Z",
	    "2025-01-30T12:50:00Z");
	NEXT("0 2 * * ? 2026-2027", "2026-01-01T02:00:00Z", "2026-01-02T02:00:00Z",
	    "2026-01-03T02:00:00Z");
	NEXT(
	    "0 0 */10 * 1", "2025-03-31T00:00:00Z", "2025-04-21T00:00:00Z", "2025-07-21T00:00:00Z");
}

static void
what_never_comes_is_none(void)
{
	Schedule past = parse("0 2 * * ? 2020");
	g_assert_cmpint(schedule_next(&past, time_of("2025-01-30T12:00:00Z")), ==, 0);
}

static void
assert_refused(const char *text, const char *part)
{
	g_autoptr(GError) error = NULL;
	Schedule schedule;
	if (schedule_parse(&schedule, text, &error))
		g_test_fail_printf("accepted: %s", text);
	else if (!strstr(error->message, part))
		g_test_fail_printf("«%s» lacks «%s»", error->message, part);
}

static void
mistakes_are_told_with_their_field(void)
{
	assert_refused("* * * *", "five fields");
	assert_refused("60 * * * *", "field 1 (minute): «60» is not *, a number from 0 to 59");
	assert_refused("* 24 * * *", "field 2 (hour)");
	assert_refused("* * 0 * *", "from 1 to 31");
	assert_refused("* * 32 * *", "field 3");
	assert_refused("* * * 13 *", "from 1 to 12");
	assert_refused("* * * * 8", "from 0 to 7, a name");
	assert_refused("*/0 * * * *", "field 1");
	assert_refused("5-1 * * * *", "«5-1»");
	assert_refused("1,,2 * * * *", "field 1");
	assert_refused("a * * * *", "«a»");
	assert_refused("* * * * MON-", "«MON-»");
	assert_refused("@yearlyy", "is not a schedule");
	assert_refused("0 0 31 2 *", "never run");
	assert_refused("0 0 L * *", "«L»");
	assert_refused("0 0 * * * 1999", "field 6 (year)");
}

static void
the_last_time_is_found_over_any_distance(void)
{
	Schedule minutes = parse("* * * * *");
	Schedule daily = parse("30 4 * * *");
	gint64 after = time_of("2025-01-30T12:00:00Z");
	g_assert_cmpint(schedule_last(&minutes, after, after + 59 * G_USEC_PER_SEC), ==, 0);
	g_assert_cmpint(schedule_last(&minutes, after, time_of("2025-01-30T12:10:30Z")), ==,
	    time_of("2025-01-30T12:10:00Z"));
	g_assert_cmpint(schedule_last(&minutes, time_of("2001-01-01T00:00:00Z"),
			    time_of("2025-01-30T12:10:30Z")),
	    ==, time_of("2025-01-30T12:10:00Z"));
	g_assert_cmpint(schedule_last(&daily, after, time_of("2025-03-02T04:29:00Z")), ==,
	    time_of("2025-03-01T04:30:00Z"));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(name, test) g_test_add_func("/schedule/" name, test)
	ADD("times-follow-one-another", times_follow_one_another);
	ADD("what-never-comes-is-none", what_never_comes_is_none);
	ADD("mistakes-are-told-with-their-field", mistakes_are_told_with_their_field);
	ADD("the-last-time-is-found-over-any-distance", the_last_time_is_found_over_any_distance);
	return g_test_run();
}
