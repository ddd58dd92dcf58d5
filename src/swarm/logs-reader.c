/*
 * The reading side of one day of logs. What a query wants is compared here, in C: a page then looks
 * at a bounded number of rows, holds the connection for a few milliseconds, and every other reader
 * gets its turn, however rare its matches are. No read outlives its page, so a slow reader pins no
 * old state of the file.
 */
#include "swarm/logs-private.h"

#include <sqlite3.h>
#include <string.h>

#define PAGE_ROWS 4096          /* looked at */
#define PAGE_LINES 512          /* taken */
#define PAGE_BYTES (512 * 1024) /* of text; one line is always taken */

#define COLUMNS                                                                                    \
	"SELECT l.id, l.time, s.kind, s.service, s.process, s.release, l.text,"                    \
	" l.app = (SELECT id FROM apps WHERE name = ?1) FROM lines l "
/* CROSS JOIN fixes the order of the walk: along the lines. */
#define WITH_SOURCE " CROSS JOIN sources s ON s.id = l.source WHERE l.id <= ?4 AND "
#define OF_APP "l.app = (SELECT id FROM apps WHERE name = ?1) AND "

static const char *const scans[] = {
    [BY_TIME] = COLUMNS "INDEXED BY lines_by_time" WITH_SOURCE OF_APP
			"(l.time, l.id) > (?2, ?3) ORDER BY l.time, l.id LIMIT ?5",
    [BY_TIME_BACKWARDS] =
	COLUMNS "INDEXED BY lines_by_time" WITH_SOURCE OF_APP "(l.time, l.id) < (?2, ?3)"
		" ORDER BY l.time DESC, l.id DESC LIMIT ?5",
    [BY_ARRIVAL] = COLUMNS "NOT INDEXED" WITH_SOURCE "l.id > ?3 ORDER BY l.id LIMIT ?5",
};

#define NEWEST_SQL                                                                                 \
	"SELECT max(s.newest) FROM apps a JOIN sources s ON s.app = a.id"                          \
	" WHERE a.name = ?1 AND s.process = ?2"

struct LogReader {
	char *path;
	pthread_mutex_t lock; /* around what follows */
	sqlite3 *database;    /* NULL while closed */
	sqlite3_stmt *scans[G_N_ELEMENTS(scans)];
	sqlite3_stmt *newest;
};

typedef sqlite3_stmt Step;

static void
step_end(Step *step)
{
	sqlite3_reset(step);
	sqlite3_clear_bindings(step);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Step, step_end)

static LogPage *
log_page_new(void)
{
	LogPage *page = g_new0(LogPage, 1);

	page->lines = g_array_new(FALSE, FALSE, sizeof(LogLine));
	page->texts = g_string_chunk_new(16 * 1024);
	return page;
}

void
log_page_free(LogPage *page)
{
	if (!page)
		return;

	g_array_unref(page->lines);
	g_string_chunk_free(page->texts);
	g_free(page);
}

LogReader *
log_reader_new(const char *path)
{
	LogReader *reader = g_new0(LogReader, 1);

	reader->path = g_strdup(path);
	pthread_mutex_init(&reader->lock, NULL);
	return reader;
}

static void
disconnect(LogReader *reader)
{
	for (gsize i = 0; i < G_N_ELEMENTS(scans); i++) {
		sqlite3_finalize(reader->scans[i]);
		reader->scans[i] = NULL;
	}
	sqlite3_finalize(reader->newest);
	reader->newest = NULL;
	database_close(reader->database);
	reader->database = NULL;
}

void
log_reader_close(LogReader *reader)
{
	LOCKED(&reader->lock);
	disconnect(reader);
}

void
log_reader_free(LogReader *reader)
{
	disconnect(reader);
	pthread_mutex_destroy(&reader->lock);
	g_free(reader->path);
	g_free(reader);
}

static bool
prepare(LogReader *reader, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(scans); i++) {
		reader->scans[i] = database_prepare(reader->database, scans[i], error);
		if (!reader->scans[i])
			return false;
	}
	reader->newest = database_prepare(reader->database, NEWEST_SQL, error);
	return reader->newest != NULL;
}

/* Sees to a connection; false without an error when there is no file. The lock is held. */
static bool
connect(LogReader *reader, GError **error)
{
	if (reader->database)
		return true;
	if (!g_file_test(reader->path, G_FILE_TEST_EXISTS))
		return false;

	reader->database = database_open_again(reader->path, &log_schema, error);
	if (reader->database && prepare(reader, error))
		return true;

	disconnect(reader);
	return false;
}

static bool
is_wanted(const char *wanted, sqlite3_stmt *row, int column)
{
	return !wanted || !strcmp(wanted, (const char *)sqlite3_column_text(row, column));
}

static bool
matches(const LogQuery *query, sqlite3_stmt *row)
{
	gint64 time = sqlite3_column_int64(row, 1);
	if (time < query->since || (query->until && time >= query->until))
		return false;
	if (!sqlite3_column_int(row, 7) || !is_wanted(query->kind, row, 2) ||
	    !is_wanted(query->service, row, 3) || !is_wanted(query->process, row, 4) ||
	    !is_wanted(query->release, row, 5))
		return false;
	if (!query->filter || !*query->filter)
		return true;

	const void *text = sqlite3_column_blob(row, 6);
	gsize length = (gsize)sqlite3_column_bytes(row, 6);
	return text && memmem(text, length, query->filter, strlen(query->filter));
}

static const char *
keep_text(LogPage *page, sqlite3_stmt *row, int column)
{
	return g_string_chunk_insert_const(
	    page->texts, (const char *)sqlite3_column_text(row, column));
}

/* Copies a row; returns the bytes of its text. */
static gsize
take_row(LogPage *page, sqlite3_stmt *row, bool no_text)
{
	LogLine line = {.id = sqlite3_column_int64(row, 0), .time = sqlite3_column_int64(row, 1)};
	if (!no_text) {
		const char *text = sqlite3_column_blob(row, 6);
		line.length = (gsize)sqlite3_column_bytes(row, 6);
		line.kind = keep_text(page, row, 2);
		line.service = keep_text(page, row, 3);
		line.process = keep_text(page, row, 4);
		line.release = keep_text(page, row, 5);
		line.text =
		    g_string_chunk_insert_len(page->texts, text ? text : "", (gssize)line.length);
	}
	g_array_append_val(page->lines, line);
	return line.length;
}

static Step *
bind_scan(LogReader *reader, const LogScan *scan)
{
	Step *step = reader->scans[scan->order];

	sqlite3_bind_text(step, 1, scan->app, -1, SQLITE_STATIC);
	if (scan->order != BY_ARRIVAL)
		sqlite3_bind_int64(step, 2, scan->from.time);
	sqlite3_bind_int64(step, 3, scan->from.id);
	sqlite3_bind_int64(step, 4, scan->edge);
	sqlite3_bind_int64(step, 5, PAGE_ROWS);
	return step;
}

static bool
fill_page(LogReader *reader, const LogScan *scan, LogPage *page, GError **error)
{
	g_autoptr(Step) step = bind_scan(reader, scan);
	gsize bytes = 0;
	unsigned rows = 0;
	int result = SQLITE_ROW;

	while (page->lines->len < PAGE_LINES && bytes < PAGE_BYTES &&
	       (result = sqlite3_step(step)) == SQLITE_ROW) {
		rows++;
		page->last.id = sqlite3_column_int64(step, 0);
		page->last.time = sqlite3_column_int64(step, 1);
		if (matches(scan->query, step))
			bytes += take_row(page, step, scan->no_text);
	}
	if (result != SQLITE_ROW && result != SQLITE_DONE)
		return database_error(reader->database, "read", error);

	page->is_complete = result == SQLITE_DONE && rows < PAGE_ROWS;
	return true;
}

LogPage *
log_reader_scan(LogReader *reader, const LogScan *scan, GError **error)
{
	g_autoptr(LogPage) page = log_page_new();
	g_autoptr(GError) inner = NULL;
	LOCKED(&reader->lock);

	page->last = scan->from;
	if (!connect(reader, &inner)) {
		page->is_complete = true;
	} else if (!fill_page(reader, scan, page, &inner)) {
		/* A file that has been set aside meanwhile is found anew by the next one. */
		disconnect(reader);
	}
	if (inner) {
		g_propagate_error(error, g_steal_pointer(&inner));
		return NULL;
	}
	return g_steal_pointer(&page);
}

gint64
log_reader_newest(LogReader *reader, const char *app, const char *process)
{
	LOCKED(&reader->lock);
	if (!connect(reader, NULL))
		return 0;

	g_autoptr(Step) step = reader->newest;
	sqlite3_bind_text(step, 1, app, -1, SQLITE_STATIC);
	sqlite3_bind_text(step, 2, process, -1, SQLITE_STATIC);
	return sqlite3_step(step) == SQLITE_ROW ? sqlite3_column_int64(step, 0) : 0;
}
