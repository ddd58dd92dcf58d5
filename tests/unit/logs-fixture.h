/*
 * Logs in a temp folder, and lines for them. Shared by the tests of the logs.
 */
#pragma once

#include "swarm/provider.h"

#define DAY (24 * 60 * 60 * G_TIME_SPAN_SECOND)

typedef struct {
	char *folder;
	Logs *logs;
	gint64 now; /* some hours before the present, in the middle of a day */
} LogsFixture;

void
logs_set_up(LogsFixture *fixture, gconstpointer data);

/* The same folder with other limits. */
void
logs_reopen(LogsFixture *fixture, unsigned days, gint64 bytes);

void
logs_tear_down(LogsFixture *fixture, gconstpointer data);

LogLine
logs_line(gint64 time, const char *process, const char *text);

void
logs_append(Logs *logs, const char *app, const LogLine *lines, gsize count);

void
logs_append_one(Logs *logs, const char *app, gint64 time, const char *text);

/* A LogTake: the line begins with the number that `data` (gint64 *) has come to. */
bool
logs_number_is_next(gpointer data, const LogLine *line, GError **error);

/* Numbered lines, `count` of them from `first`, in batches of 100. */
void
logs_append_numbers(Logs *logs, const char *app, gint64 time, int first, int count);

/* Bytes of all files. */
gint64
logs_folder_size(const char *folder);
