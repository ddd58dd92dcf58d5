/*
 * Schedules: the five fields of cron, in UTC. Lists, ranges, steps and names as in Vixie's cron;
 * with both days given, either may match. Six fields have a year at the end, and `?` is `*`, as AWS
 * writes it; weekdays are numbered as in cron (0 and 7 are Sunday) all the same.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
	guint64 minutes; /* bit n: n */
	guint64 hours;
	guint64 days; /* of the month */
	guint64 months;
	guint64 weekdays; /* 0: Sunday */
	guint64 years[2]; /* bit n: 2000 + n */
	bool is_any_day;  /* the field begins with `*` */
	bool is_any_weekday;
} Schedule;

/* INVALID names the field and what it may hold. */
bool
schedule_parse(Schedule *schedule, const char *text, GError **error);

/* The first time after `time` (microseconds since 1970) that matches; 0 when there is none. */
gint64
schedule_next(const Schedule *schedule, gint64 time);

/* The last time that matches, after `after` and up to `until`; 0 when there is none. */
gint64
schedule_last(const Schedule *schedule, gint64 after, gint64 until);
