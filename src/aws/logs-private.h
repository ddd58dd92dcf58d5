/*
 * What the files of the logs over CloudWatch share. An app's lines are the events of its log group;
 * the names of streams say what a line belongs to: KIND/RELEASE/SERVICE/PROCESS, «-» for none.
 * CloudWatch's times are milliseconds.
 *
 * One lock, `lock`, around the tails and the list of readings; nothing is asked of AWS and nothing
 * handed to anybody while it is held.
 */
#pragma once

#include "aws/provider.h"
#include "base/lock.h"

#define LOGS_MILLISECOND 1000 /* in microseconds */
/* A character that nobody writes (private use): what follows is base64. */
#define LOGS_MARK "\xee\x80\x80"

/* A line and what it points to, in one piece of memory: g_free. */
typedef struct {
	guint64 mark;  /* stands for the event's id */
	gint64 time;   /* milliseconds */
	gint64 polled; /* when a tail has read it, milliseconds */
	LogLine line;
} LogEvent;

LogEvent *
log_event_copy(const LogEvent *event);

/* Events that were there already, of a span of time that ends now. */
typedef struct {
	GHashTable *marks; /* mark → time */
	gint64 floor;      /* of what is older nothing is known */
	gint64 newest;
} LogSeen;

void
log_seen_init(LogSeen *seen, gint64 floor);

void
log_seen_clear(LogSeen *seen);

/* False if it was there, or is too old to know. */
bool
log_seen_add(LogSeen *seen, const LogEvent *event);

/* Forgets what is older than `floor`. */
void
log_seen_forget(LogSeen *seen, gint64 floor);

/* What all followers of an app share: the lines that came lately, in the order of arrival. */
typedef struct {
	char *app;
	unsigned followers;
	GQueue events; /* of LogEvent */
	gsize bytes;
	guint64 first;   /* the number of the first one in `events` */
	guint64 next;    /* the number that the next one will have */
	bool is_polling; /* one of the followers asks; `seen` is his meanwhile */
	LogSeen seen;
	gint64 asked;     /* monotonic: end of the last poll */
	gint64 due;       /* monotonic: of the next poll */
	gint64 pause;     /* between polls */
	gint64 wide_next; /* monotonic: when to look further back again */
} LogTail;

typedef struct {
	Logs part;
	AwsRack *rack;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	GHashTable *tails;   /* app → LogTail; while it is followed */
	GPtrArray *readings; /* GCancellable of each query that runs */
	bool is_closing;
} CloudLogs;

/* logs-write.c */

bool
cloudwatch_append(Logs *part, const char *app, const LogLine *lines, gsize count, GError **error);

/* «service/RABC/web/p1»; what a name may not contain is written %XX. The caller frees it. */
char *
cloudwatch_stream_of(const LogLine *line);

/* logs-read.c: asking CloudWatch */

typedef struct {
	const char *app;
	const LogQuery *query; /* whose streams to look at; NULL: all */
	gint64 from;           /* milliseconds, 0: as far back as there is */
	gint64 until;          /* the last one, 0: no end */
	bool is_backward;      /* newest first */
} LogRange;

/* Takes an event, borrowed. False ends the reading: with `error` as a failure, else as done. */
typedef bool (*LogVisit)(gpointer data, const LogEvent *event, GError **error);

/* Reads page by page, in constant memory. An app without a log group has no lines. */
bool
cloudwatch_read(CloudLogs *logs,
    const LogRange *range,
    LogVisit visit,
    gpointer data,
    GCancellable *cancel,
    GError **error);

bool
cloudwatch_matches(const LogQuery *query, const LogEvent *event);

/* The range of a query, without its tail. */
LogRange
cloudwatch_range_of(const char *app, const LogQuery *query);

/* logs-tail.c */

/* What a follower knows. */
typedef struct {
	CloudLogs *logs;
	LogTail *tail;
	GCancellable *cancel;
	guint64 position; /* the number of the event that comes next */
	gint64 polled;    /* of the last one taken */
	gint64 idle;      /* monotonic: when there is time to ask whether to go on */
} LogFollower;

typedef enum {
	LOGS_LINES,  /* some have come */
	LOGS_BEHIND, /* some were dropped before they could be taken: read them again */
	LOGS_IDLE,   /* nothing for about a second */
	LOGS_ENDED,  /* cancelled, shutting down or failed; `error` is set */
} LogNews;

/* How far back lines may still arrive; what comes later is only seen in history. Milliseconds. */
#define LOGS_LATE (2 * 60 * 1000)

void
logs_follower_begin(LogFollower *follower, CloudLogs *logs, const char *app);

void
logs_follower_end(LogFollower *follower);

/* Waits for lines, and asks for them when it is time and nobody else does. Some of them are put
 * into `events` (of LogEvent *, the array's). */
LogNews
logs_follower_wait(LogFollower *follower, GPtrArray *events, GError **error);

/* From the next line on, whatever was dropped. */
void
logs_follower_skip(LogFollower *follower);

/* Lines were written: there is something to ask for. */
void
cloudwatch_tail_wake(CloudLogs *logs, const char *app);

/* logs-query.c */

bool
cloudwatch_query(Logs *part,
    const char *app,
    const LogQuery *query,
    LogTake take,
    gpointer take_data,
    GCancellable *cancel,
    GError **error);
