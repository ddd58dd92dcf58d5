/*
 * The logs' own view of themselves: the part, and its files (a day each, in UTC), which are opened
 * twice: to write and to read. Private to logs*.c.
 *
 * Two locks, taken in this order: `writing` around everything that changes files, `lock` around
 * what followers look at. Each reader has a third around its connection; a page at a time is read
 * under it, and nothing is handed to anybody while any of the three is held.
 */
#pragma once

#include "base/lock.h"
#include "swarm/provider.h"
#include "swarm/store-database.h"

#define LOGS_MICROSECONDS_A_DAY (24 * 60 * 60 * G_TIME_SPAN_SECOND)

typedef struct LogWriter LogWriter;
typedef struct LogReader LogReader;

/* Lives as long as the part; the file itself may come later and go earlier. */
typedef struct {
	gint64 day; /* since 1970 */
	char *name; /* «2024-05-01» */
	char *path;
	LogWriter *writer; /* with `writing` */
	LogReader *reader; /* locks itself */
	gint64 last_id;    /* of this life; with `lock` */
} LogFile;

typedef struct {
	Logs part;
	char *folder;
	unsigned days;
	gint64 bytes;

	pthread_mutex_t writing;
	gint64 next_id;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	GPtrArray *files;   /* of LogFile, oldest first; only ever added to */
	GHashTable *newest; /* app → id of its newest line of this life (gint64 *) */
	gint64 edge;        /* the id of the newest line that is committed */
	unsigned queries;   /* that run now */
	bool is_closing;
} SqliteLogs;

extern const DatabaseSchema log_schema;

/* All files, oldest first. The caller frees the array, not the files. */
GPtrArray *
logs_files(SqliteLogs *logs);

/* logs-query.c */
bool
logs_query(Logs *part,
    const char *app,
    const LogQuery *query,
    LogTake take,
    gpointer take_data,
    GCancellable *cancel,
    GError **error);

/* logs-prune.c */
bool
logs_prune(Logs *part, GError **error);

bool
logs_remove_app(Logs *part, const char *app, GError **error);

/* Writers (logs-writer.c): all with `writing` held. */

LogWriter *
log_writer_new(const char *path);

void
log_writer_free(LogWriter *writer);

bool
log_writer_is_open(const LogWriter *writer);

/* Opens the file, or makes it; a damaged one is set aside as PATH.damaged first, and said so in
 * `note` (the caller frees it). Not an error when it is open. */
bool
log_writer_open(LogWriter *writer, char **note, GError **error);

void
log_writer_close(LogWriter *writer);

/* The highest id in the file, 0 when it is empty. */
gint64
log_writer_last_id(LogWriter *writer);

/* One transaction: begin, add…, then commit or roll back. */
bool
log_writer_begin(LogWriter *writer, GError **error);

/* `line->id` and `line->time` are as they are to be stored. */
bool
log_writer_add(LogWriter *writer, const char *app, const LogLine *line, GError **error);

bool
log_writer_commit(LogWriter *writer, GError **error);

/* Also when none has begun. */
void
log_writer_roll_back(LogWriter *writer);

/* Deletes up to `count` lines, the first that came, and gives their room back to the disk. */
bool
log_writer_trim(LogWriter *writer, unsigned count, unsigned *deleted, GError **error);

/* Makes the lines of an app invisible at once; `key` is for log_writer_delete_lines, 0 when there
 * are none. */
bool
log_writer_forget_app(LogWriter *writer, const char *app, gint64 *key, GError **error);

bool
log_writer_delete_lines(
    LogWriter *writer, gint64 key, unsigned count, unsigned *deleted, GError **error);

/* Readers (logs-reader.c): each locks itself, and finds nothing while there is no file. */

/* A place in the order of time. */
typedef struct {
	gint64 time;
	gint64 id;
} LogPosition;

typedef enum { BY_TIME, BY_TIME_BACKWARDS, BY_ARRIVAL } LogOrder;

typedef struct {
	const char *app;
	const LogQuery *query; /* what a line must match */
	LogOrder order;
	LogPosition from; /* lines beyond this one; by arrival only the id counts */
	gint64 edge;      /* the last id that may be seen */
	bool no_text;     /* only the positions are wanted */
} LogScan;

/* A bounded piece of a file, copied. */
typedef struct {
	GArray *lines;       /* of LogLine */
	GStringChunk *texts; /* what they point to */
	LogPosition last;    /* the last line that was looked at, matching or not */
	bool is_complete;    /* there is nothing beyond it in this file */
} LogPage;

void
log_page_free(LogPage *page);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LogPage, log_page_free)

LogReader *
log_reader_new(const char *path);

void
log_reader_free(LogReader *reader);

/* The next page of a scan. */
LogPage *
log_reader_scan(LogReader *reader, const LogScan *scan, GError **error);

/* Time of the newest line of a process, 0 for none. */
gint64
log_reader_newest(LogReader *reader, const char *app, const char *process);

/* Gives up the connection (it comes back when it is needed). */
void
log_reader_close(LogReader *reader);
