/*
 * The writing side of one day of logs. Lines are small rows: what is the same for all lines of a
 * process stands once in `sources`, whose ids are remembered here, so a line costs one insert. The
 * one index is in the order that is asked for (app, time, arrival).
 */
#include "base/limits.h"
#include "swarm/logs-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>

#define CUT_MARK " [cut at 1 MiB]"

static const char *const migrations[] = {
    /* AUTOINCREMENT: lines of a removed app must never come back under a new one. */
    "CREATE TABLE apps (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE sources ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, app INTEGER NOT NULL, kind TEXT NOT NULL,"
    " service TEXT NOT NULL, process TEXT NOT NULL, release TEXT NOT NULL,"
    " newest INTEGER NOT NULL DEFAULT 0, UNIQUE (app, kind, service, process, release));"
    "CREATE TABLE lines ("
    " id INTEGER PRIMARY KEY, app INTEGER NOT NULL, time INTEGER NOT NULL,"
    " source INTEGER NOT NULL, text BLOB NOT NULL);"
    "CREATE INDEX lines_by_time ON lines (app, time)",
};

const DatabaseSchema log_schema = {
    .what = "log",
    .settings = "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;"
		"PRAGMA synchronous = NORMAL; PRAGMA cache_size = -1024;"
		"PRAGMA journal_size_limit = 8388608",
    .migrations = migrations,
    .migration_count = G_N_ELEMENTS(migrations),
};

typedef enum {
	INSERT_LINE,
	INSERT_APP,
	FIND_APP,
	INSERT_SOURCE,
	UPDATE_SOURCE,
	LAST_ID,
	TRIM,
	FORGET_APP,
	FORGET_SOURCES,
	DELETE_LINES,
	STATEMENTS,
} Statement;

static const char *const statements_sql[STATEMENTS] = {
    [INSERT_LINE] = "INSERT INTO lines (id, app, time, source, text) VALUES (?1, ?2, ?3, ?4, ?5)",
    [INSERT_APP] = "INSERT INTO apps (name) VALUES (?1) ON CONFLICT DO NOTHING",
    [FIND_APP] = "SELECT id FROM apps WHERE name = ?1",
    [INSERT_SOURCE] = "INSERT INTO sources (app, kind, service, process, release)"
		      " VALUES (?1, ?2, ?3, ?4, ?5)"
		      " ON CONFLICT (app, kind, service, process, release)"
		      " DO UPDATE SET newest = newest RETURNING id",
    [UPDATE_SOURCE] = "UPDATE sources SET newest = max(newest, ?2) WHERE id = ?1",
    [LAST_ID] = "SELECT max(id) FROM lines",
    [TRIM] = "DELETE FROM lines WHERE id IN (SELECT id FROM lines ORDER BY id LIMIT ?1)",
    [FORGET_APP] = "DELETE FROM apps WHERE id = ?1",
    [FORGET_SOURCES] = "DELETE FROM sources WHERE app = ?1",
    [DELETE_LINES] = "DELETE FROM lines WHERE id IN"
		     " (SELECT id FROM lines WHERE app = ?1 ORDER BY time LIMIT ?2)",
};

typedef struct {
	gint64 id;
	gint64 app;
	gint64 newest;
	bool is_changed; /* newest is to be written with the transaction */
} Source;

struct LogWriter {
	char *path;
	sqlite3 *database; /* NULL while closed */
	sqlite3_stmt *statements[STATEMENTS];
	GHashTable *sources; /* what is told apart, joined (GBytes) → Source */
	bool in_transaction;
	bool is_damaged; /* found while writing */
};

LogWriter *
log_writer_new(const char *path)
{
	LogWriter *writer = g_new0(LogWriter, 1);

	writer->path = g_strdup(path);
	writer->sources = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	return writer;
}

void
log_writer_close(LogWriter *writer)
{
	for (int i = 0; i < STATEMENTS; i++) {
		sqlite3_finalize(writer->statements[i]);
		writer->statements[i] = NULL;
	}
	database_close(writer->database);
	writer->database = NULL;
	writer->in_transaction = false;
	g_hash_table_remove_all(writer->sources);
}

void
log_writer_free(LogWriter *writer)
{
	log_writer_close(writer);
	g_hash_table_unref(writer->sources);
	g_free(writer->path);
	g_free(writer);
}

bool
log_writer_is_open(const LogWriter *writer)
{
	return writer->database != NULL;
}

/* A damaged file must not end all logging: it is kept for people to look at. */
static bool
set_aside(LogWriter *writer, char **note, GError **error)
{
	g_autofree char *aside = g_strconcat(writer->path, ".damaged", NULL);
	g_autofree char *wal = g_strconcat(writer->path, "-wal", NULL);
	g_autofree char *shared = g_strconcat(writer->path, "-shm", NULL);

	if (g_rename(writer->path, aside))
		return error_set_errno(error, errno, "set %s aside", writer->path);

	g_unlink(wal);
	g_unlink(shared);
	g_free(*note);
	*note = g_strdup_printf("the log file %s is damaged and has been set aside as %s; its "
				"lines are not shown any more",
	    writer->path, aside);
	return true;
}

static sqlite3 *
open_or_set_aside(LogWriter *writer, char **note, GError **error)
{
	bool is_damaged = false;
	g_autoptr(GError) inner = NULL;
	sqlite3 *database = writer->is_damaged
				? NULL
				: database_open(writer->path, &log_schema, &is_damaged, &inner);
	if (database)
		return database;

	if (!is_damaged && !writer->is_damaged) {
		g_propagate_error(error, g_steal_pointer(&inner));
		return NULL;
	}
	if (!set_aside(writer, note, error))
		return NULL;

	writer->is_damaged = false;
	return database_open(writer->path, &log_schema, NULL, error);
}

bool
log_writer_open(LogWriter *writer, char **note, GError **error)
{
	if (writer->database)
		return true;

	writer->database = open_or_set_aside(writer, note, error);
	if (!writer->database)
		return false;

	for (int i = 0; i < STATEMENTS; i++) {
		writer->statements[i] =
		    database_prepare(writer->database, statements_sql[i], error);
		if (!writer->statements[i]) {
			log_writer_close(writer);
			return false;
		}
	}
	return true;
}

static void
bind_text(sqlite3_stmt *statement, int position, const char *text)
{
	sqlite3_bind_text(statement, position, text ? text : "", -1, SQLITE_STATIC);
}

/* Runs a bound statement to its end; `value` (may be NULL) is the first column of its row. */
static bool
run(LogWriter *writer, Statement which, gint64 *value, GError **error)
{
	sqlite3_stmt *statement = writer->statements[which];
	int result = sqlite3_step(statement);

	if (result == SQLITE_ROW) {
		if (value)
			*value = sqlite3_column_int64(statement, 0);
		result = sqlite3_step(statement);
	}
	bool ok = result == SQLITE_DONE || database_error(writer->database, "write", error);
	writer->is_damaged |= !ok && database_is_damaged(writer->database);
	sqlite3_reset(statement);
	return ok;
}

gint64
log_writer_last_id(LogWriter *writer)
{
	gint64 id = 0;

	run(writer, LAST_ID, &id, NULL);
	return id;
}

bool
log_writer_begin(LogWriter *writer, GError **error)
{
	if (!database_run(writer->database, "BEGIN IMMEDIATE", error))
		return false;

	writer->in_transaction = true;
	return true;
}

void
log_writer_roll_back(LogWriter *writer)
{
	if (!writer->in_transaction)
		return;

	database_run(writer->database, "ROLLBACK", NULL);
	writer->in_transaction = false;
	/* It may hold ids that have just been undone. */
	g_hash_table_remove_all(writer->sources);
	if (writer->is_damaged)
		log_writer_close(writer);
}

static bool
find_app(LogWriter *writer, const char *app, gint64 *id, GError **error)
{
	bind_text(writer->statements[FIND_APP], 1, app);
	return run(writer, FIND_APP, id, error);
}

static bool
insert_source(
    LogWriter *writer, const char *app, const LogLine *line, Source *source, GError **error)
{
	sqlite3_stmt *insert = writer->statements[INSERT_SOURCE];
	bind_text(writer->statements[INSERT_APP], 1, app);
	if (!run(writer, INSERT_APP, NULL, error) || !find_app(writer, app, &source->app, error))
		return false;

	sqlite3_bind_int64(insert, 1, source->app);
	bind_text(insert, 2, line->kind);
	bind_text(insert, 3, line->service);
	bind_text(insert, 4, line->process);
	bind_text(insert, 5, line->release);
	return run(writer, INSERT_SOURCE, &source->id, error);
}

static Source *
source_of(LogWriter *writer, const char *app, const LogLine *line, GError **error)
{
	g_autofree char *key =
	    g_strjoin("\n", app, line->kind ? line->kind : "", line->service ? line->service : "",
		line->process ? line->process : "", line->release ? line->release : "", NULL);
	Source *known = g_hash_table_lookup(writer->sources, key);
	if (known)
		return known;

	g_autofree Source *source = g_new0(Source, 1);
	if (!insert_source(writer, app, line, source, error))
		return NULL;

	known = g_steal_pointer(&source);
	g_hash_table_insert(writer->sources, g_steal_pointer(&key), known);
	return known;
}

/* The text that is stored: the line's own, or one that is cut and says so (to be freed). */
static char *
cut(const LogLine *line, gsize *length)
{
	*length = line->length;
	if (line->length <= LIMIT_LOG_LINE_BYTES)
		return NULL;

	*length = LIMIT_LOG_LINE_BYTES + strlen(CUT_MARK);
	char *text = g_malloc(*length);
	memcpy(text, line->text, LIMIT_LOG_LINE_BYTES);
	memcpy(text + LIMIT_LOG_LINE_BYTES, CUT_MARK, strlen(CUT_MARK));
	return text;
}

bool
log_writer_add(LogWriter *writer, const char *app, const LogLine *line, GError **error)
{
	Source *source = source_of(writer, app, line, error);
	if (!source)
		return false;

	gsize length;
	g_autofree char *shorter = cut(line, &length);
	const char *text = shorter ? shorter : line->text;
	sqlite3_stmt *insert = writer->statements[INSERT_LINE];
	sqlite3_bind_int64(insert, 1, line->id);
	sqlite3_bind_int64(insert, 2, source->app);
	sqlite3_bind_int64(insert, 3, line->time);
	sqlite3_bind_int64(insert, 4, source->id);
	sqlite3_bind_blob(insert, 5, text ? text : "", (int)length, SQLITE_STATIC);
	if (!run(writer, INSERT_LINE, NULL, error))
		return false;

	source->newest = MAX(source->newest, line->time);
	source->is_changed = true;
	return true;
}

static bool
write_newest(LogWriter *writer, GError **error)
{
	GHashTableIter sources;
	gpointer value;

	g_hash_table_iter_init(&sources, writer->sources);
	while (g_hash_table_iter_next(&sources, NULL, &value)) {
		Source *source = value;
		if (!source->is_changed)
			continue;
		sqlite3_bind_int64(writer->statements[UPDATE_SOURCE], 1, source->id);
		sqlite3_bind_int64(writer->statements[UPDATE_SOURCE], 2, source->newest);
		if (!run(writer, UPDATE_SOURCE, NULL, error))
			return false;
		source->is_changed = false;
	}
	return true;
}

bool
log_writer_commit(LogWriter *writer, GError **error)
{
	if (!write_newest(writer, error) || !database_run(writer->database, "COMMIT", error))
		return false;

	writer->in_transaction = false;
	return true;
}

bool
log_writer_trim(LogWriter *writer, unsigned count, unsigned *deleted, GError **error)
{
	sqlite3_bind_int64(writer->statements[TRIM], 1, count);
	if (!run(writer, TRIM, NULL, error))
		return false;

	*deleted = (unsigned)sqlite3_changes(writer->database);
	return database_run(
	    writer->database, "PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)", error);
}

bool
log_writer_forget_app(LogWriter *writer, const char *app, gint64 *key, GError **error)
{
	*key = 0;
	if (!find_app(writer, app, key, error))
		return false;
	if (*key == 0)
		return true;

	g_hash_table_remove_all(writer->sources);
	sqlite3_bind_int64(writer->statements[FORGET_APP], 1, *key);
	sqlite3_bind_int64(writer->statements[FORGET_SOURCES], 1, *key);
	return log_writer_begin(writer, error) && run(writer, FORGET_APP, NULL, error) &&
	       run(writer, FORGET_SOURCES, NULL, error) && log_writer_commit(writer, error);
}

bool
log_writer_delete_lines(
    LogWriter *writer, gint64 key, unsigned count, unsigned *deleted, GError **error)
{
	sqlite3_bind_int64(writer->statements[DELETE_LINES], 1, key);
	sqlite3_bind_int64(writer->statements[DELETE_LINES], 2, count);
	if (!run(writer, DELETE_LINES, NULL, error))
		return false;

	*deleted = (unsigned)sqlite3_changes(writer->database);
	return true;
}
