/*
 * A field becomes a set of bits, and the next time is found by looking at days: at most a few
 * thousand of them, since a leap day comes at least every eight years. UTC has no gaps and no
 * repeated hours, so nothing is skipped or doubled.
 */
#include "manifest/schedule.h"

#include "base/error.h"

#include <string.h>

#define MINUTE G_TIME_SPAN_MINUTE
#define FIRST_YEAR 2000
#define LAST_YEAR 2127
#define MOST_DAYS (9 * 366)

typedef struct {
	const char *name;
	unsigned minimum;
	unsigned maximum;
	const char *const *words; /* the first stands for `minimum` */
} Place;

static const char *const months[] = {
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const Place places[] = {
    {"minute", 0, 59, NULL},
    {"hour", 0, 23, NULL},
    {"day of the month", 1, 31, NULL},
    {"month", 1, 12, months},
    {"day of the week", 0, 7, weekdays},
    {"year", FIRST_YEAR, LAST_YEAR, NULL},
};

typedef struct {
	const Place *place;
	unsigned number; /* from 1 */
	guint64 bits[2]; /* bit n: n, of a year n - 2000 */
	GError **error;
} Field;

static bool
refuse(const Field *field, const char *part)
{
	const Place *place = field->place;
	return error_set(field->error, CARRACK_ERROR_INVALID,
	    "field %u (%s): «%s» is not *, a number from %u to %u%s, a range, a step or a list of "
	    "them",
	    field->number, place->name, part, place->minimum, place->maximum,
	    place->words ? ", a name" : "");
}

static bool
read_value(const Field *field, const char *text, unsigned *value)
{
	const Place *place = field->place;
	for (unsigned i = 0; place->words && place->words[i]; i++) {
		if (g_ascii_strcasecmp(place->words[i], text) == 0) {
			*value = place->minimum + i;
			return true;
		}
	}
	guint64 number;
	if (!g_ascii_string_to_unsigned(text, 10, place->minimum, place->maximum, &number, NULL))
		return false;
	*value = (unsigned)number;
	return true;
}

static void
set_bits(Field *field, unsigned from, unsigned to, unsigned step)
{
	unsigned base = field->place->minimum == FIRST_YEAR ? FIRST_YEAR : 0;
	for (unsigned value = from; value <= to; value += step) {
		unsigned bit = value - base;
		field->bits[bit / 64] |= G_GUINT64_CONSTANT(1) << bit % 64;
	}
}

/* «*», «5», «1-5», each perhaps with «/2». */
static bool
read_part(Field *field, const char *part)
{
	const Place *place = field->place;
	g_auto(GStrv) halves = g_strsplit(part, "/", 2);
	const char *range = halves[0] ? halves[0] : "";
	guint64 step = 1;
	bool has_step = halves[0] && halves[1];
	if (has_step && !g_ascii_string_to_unsigned(halves[1], 10, 1, 9999, &step, NULL))
		return refuse(field, part);

	unsigned from = place->minimum;
	unsigned to = place->words == weekdays ? 6 : place->maximum;
	if (strcmp(range, "*") != 0) {
		g_auto(GStrv) ends = g_strsplit(range, "-", 2);
		if (!ends[0] || !read_value(field, ends[0], &from))
			return refuse(field, part);
		/* «5/10»: from 5 on. */
		to = has_step ? to : from;
		if (ends[1] && (!read_value(field, ends[1], &to) || to < from))
			return refuse(field, part);
	}
	set_bits(field, from, MAX(from, to), (unsigned)step);
	return true;
}

static bool
read_field(Field *field, const char *text)
{
	g_auto(GStrv) parts = g_strsplit(strcmp(text, "?") == 0 ? "*" : text, ",", -1);
	for (char **part = parts; *part; part++) {
		if (!read_part(field, *part))
			return false;
	}
	return true;
}

static bool
is_any(const char *text)
{
	return *text == '*' || *text == '?';
}

static bool
read_fields(Schedule *schedule, GPtrArray *texts, GError **error)
{
	guint64 *bits[] = {&schedule->minutes, &schedule->hours, &schedule->days, &schedule->months,
	    &schedule->weekdays, schedule->years};
	for (guint i = 0; i < texts->len; i++) {
		Field field = {&places[i], i + 1, {0, 0}, error};
		if (!read_field(&field, texts->pdata[i]))
			return false;
		bits[i][0] = field.bits[0];
		if (bits[i] == schedule->years)
			bits[i][1] = field.bits[1];
	}
	/* Sunday is 0 and 7. */
	schedule->weekdays |= schedule->weekdays >> 7 & 1;
	schedule->is_any_day = is_any(texts->pdata[2]);
	schedule->is_any_weekday = is_any(texts->pdata[4]);
	return true;
}

static bool
has_day(const Schedule *schedule)
{
	/* The 31st of a month that has none, and its like. */
	static const unsigned lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	if (schedule->is_any_day || !schedule->is_any_weekday)
		return true;

	for (unsigned month = 1; month <= 12; month++) {
		guint64 days = (G_GUINT64_CONSTANT(2) << lengths[month - 1]) - 1;
		if (schedule->months >> month & 1 && schedule->days & days)
			return true;
	}
	return false;
}

bool
schedule_parse(Schedule *schedule, const char *text, GError **error)
{
	g_auto(GStrv) all = g_strsplit_set(text, " \t", -1);
	g_autoptr(GPtrArray) texts = g_ptr_array_new();
	for (char **part = all; *part; part++) {
		if (**part)
			g_ptr_array_add(texts, *part);
	}
	if (texts->len != 5 && texts->len != 6)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "«%s» is not a schedule: five fields (minute, hour, day, month, weekday), or "
		    "six with a year",
		    text);

	*schedule = (Schedule){.years = {G_MAXUINT64, G_MAXUINT64}};
	if (!read_fields(schedule, texts, error))
		return false;
	if (!has_day(schedule))
		return error_set(error, CARRACK_ERROR_INVALID,
		    "field 3 (day of the month): «%s» is no day of any of its months, so it would "
		    "never run",
		    (const char *)texts->pdata[2]);
	return true;
}

/* Times */

static bool
has_bit(guint64 bits, int bit)
{
	return bits >> bit & 1;
}

static bool
is_day(const Schedule *schedule, GDateTime *day)
{
	int year = g_date_time_get_year(day) - FIRST_YEAR;
	bool in_month = has_bit(schedule->days, g_date_time_get_day_of_month(day));
	bool in_week = has_bit(schedule->weekdays, g_date_time_get_day_of_week(day) % 7);
	bool has_any = schedule->is_any_day || schedule->is_any_weekday;
	if (year < 0 || year > LAST_YEAR - FIRST_YEAR ||
	    !has_bit(schedule->years[year / 64], year % 64))
		return false;
	if (!has_bit(schedule->months, g_date_time_get_month(day)))
		return false;
	return has_any ? in_month && in_week : in_month || in_week;
}

/* The first minute of the day from `minute` on; -1 when there is none. */
static int
minute_of_day(const Schedule *schedule, int minute)
{
	for (; minute < 24 * 60; minute++) {
		if (has_bit(schedule->hours, minute / 60) &&
		    has_bit(schedule->minutes, minute % 60))
			return minute;
	}
	return -1;
}

gint64
schedule_next(const Schedule *schedule, gint64 time)
{
	gint64 minutes = time / MINUTE + 1;
	gint64 day = minutes / (24 * 60);
	int first = (int)(minutes % (24 * 60));
	for (unsigned i = 0; i < MOST_DAYS; i++, day++, first = 0) {
		g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(day * 24 * 60 * 60);
		int minute = date && is_day(schedule, date) ? minute_of_day(schedule, first) : -1;
		if (minute >= 0)
			return (day * 24 * 60 + minute) * MINUTE;
	}
	return 0;
}

gint64
schedule_last(const Schedule *schedule, gint64 after, gint64 until)
{
	gint64 last = 0;
	gint64 next = schedule_next(schedule, after);
	while (next && next <= until) {
		last = next;
		/* Of a long absence only the last minutes matter: the distance is halved first. */
		gint64 half = next + (until - next) / 2;
		gint64 later = schedule_next(schedule, half);
		next = later && later <= until ? later : schedule_next(schedule, next);
	}
	return last;
}
