/*
 * Logs in CloudWatch for tests: a part over what the environment says, and a group of its own.
 */
#pragma once

#include "aws/provider.h"

#define MS G_GINT64_CONSTANT(1000)
#define SECOND (1000 * MS)
#define HOUR (3600 * SECOND)

typedef struct {
	AwsRack rack;
	Logs *logs;
	gint64 now; /* an hour ago, in whole milliseconds */
	char *app;  /* whose group nobody else has used */
} Fixture;

void
set_up(Fixture *fixture, gconstpointer data);

void
tear_down(Fixture *fixture, gconstpointer data);

/* Another part over the same group. */
void
reopen(Fixture *fixture);

/* Of kind service, service web, release R1. */
LogLine
line_of(gint64 time, const char *process, const char *text);

void
append(Fixture *fixture, const LogLine *lines, gsize count);

void
append_one(Fixture *fixture, gint64 time, const char *text);

/* Lines that begin with their number, `count` from `first`, all of now and the same process. */
void
append_numbers(Fixture *fixture, int first, int count);

/* A LogTake: joins texts with spaces in a GString. */
bool
join(gpointer data, const LogLine *line, GError **error);

/* What a query gives, joined. */
void
expect(Fixture *fixture, LogQuery query, const char *wanted);
