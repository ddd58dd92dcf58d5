/*
 * Part: logs. Lines of processes and of the rack itself: appended once, kept after the container is
 * gone (by size and time), queried and followed.
 */
#pragma once

#include "base/json.h"

typedef struct Logs Logs;

/* The scope of the rack's own lines. */
#define LOGS_SYSTEM "carrack.system"

typedef struct {
	gint64 id;           /* set by the part; grows in the order of arrival */
	gint64 time;         /* microseconds */
	const char *kind;    /* service, system, build */
	const char *service; /* or the rack's part */
	const char *process; /* process id, or «» */
	const char *release; /* or «» */
	const char *text;    /* any bytes but newline */
	gsize length;
} LogLine;

typedef struct {
	gint64 since;        /* lines at or after; 0: all */
	gint64 until;        /* lines before; 0: no end */
	const char *filter;  /* text that a line must contain, or NULL */
	const char *service; /* or NULL */
	const char *process;
	const char *release;
	const char *kind;
	unsigned tail; /* only the newest N of what matches; 0: all */
	bool follow;   /* go on until cancelled, or `still` says no */
	/* Asked when a follower has nothing to do, about once a second; false ends it. May be NULL.
	 */
	bool (*still)(gpointer data);
	gpointer still_data;
} LogQuery;

/* Returning false ends the query; set `error` for a failure, or leave it for a plain end. */
typedef bool (*LogTake)(gpointer data, const LogLine *line, GError **error);

typedef struct {
	/* Appends lines in one transaction. */
	bool (*append)(
	    Logs *logs, const char *app, const LogLine *lines, gsize count, GError **error);
	/* Gives lines in order of time (arrival while following) to `take`. */
	bool (*query)(Logs *logs,
	    const char *app,
	    const LogQuery *query,
	    LogTake take,
	    gpointer take_data,
	    GCancellable *cancel,
	    GError **error);
	/* The time of the newest line of a process, 0 when there is none: where collecting goes on
	 * after a restart. */
	gint64 (*newest)(Logs *logs, const char *app, const char *process);
	/* Deletes what is over the age and size limits. */
	bool (*prune)(Logs *logs, GError **error);
	bool (*remove_app)(Logs *logs, const char *app, GError **error);
	void (*free)(Logs *logs);
} LogsOps;

struct Logs {
	const LogsOps *ops;
};

/* Appends one line of the rack itself about an app (kind system); failures are only reported on
 * stderr. */
void
logs_system(Logs *logs, const char *app, const char *part, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
