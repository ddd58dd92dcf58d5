/*
 * The store over SQLite: one table of JSON documents. A write is one statement that carries its own
 * condition, so that nobody can come between the check and the change; WAL with synchronous=FULL
 * makes it durable when put() returns. One connection behind one lock: a call takes some tens of
 * microseconds, plus one fsync when it writes.
 */
#include "base/lock.h"
#include "swarm/provider.h"
#include "swarm/store-database.h"

#include <sqlite3.h>
#include <string.h>

static const char *const migrations[] = {
    /* AUTOINCREMENT: the order of creation must outlive the removal of the newest. */
    "CREATE TABLE documents ("
    " sequence INTEGER PRIMARY KEY AUTOINCREMENT,"
    " kind TEXT NOT NULL, scope TEXT NOT NULL, id TEXT NOT NULL,"
    " version INTEGER NOT NULL, body TEXT NOT NULL);"
    "CREATE UNIQUE INDEX documents_by_name ON documents (kind, scope, id);"
    "CREATE INDEX documents_by_age ON documents (kind, scope, sequence);"
    "CREATE INDEX documents_by_kind ON documents (kind, sequence);"
    "CREATE INDEX documents_by_scope ON documents (scope)",
};

static const DatabaseSchema schema = {
    .what = "store",
    .settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
    .migrations = migrations,
    .migration_count = G_N_ELEMENTS(migrations),
    .is_checked = true,
};

typedef enum {
	GET,
	INSERT,
	UPDATE,
	REPLACE,
	REMOVE,
	REMOVE_SCOPE,
	FIND,
	FIND_ANYWHERE,
	LIST,
	LIST_ANYWHERE,
	STATEMENTS,
} Statement;

static const char *const statements_sql[STATEMENTS] = {
    [GET] = "SELECT id, body, version FROM documents WHERE kind = ?1 AND scope = ?2 AND id = ?3",
    [INSERT] = "INSERT INTO documents (kind, scope, id, version, body) VALUES (?1, ?2, ?3, 1, ?4)"
	       " ON CONFLICT DO NOTHING RETURNING version",
    [UPDATE] = "UPDATE documents SET body = ?4, version = version + 1"
	       " WHERE kind = ?1 AND scope = ?2 AND id = ?3 AND version = ?5 RETURNING version",
    [REPLACE] = "INSERT INTO documents (kind, scope, id, version, body) VALUES (?1, ?2, ?3, 1, ?4)"
		" ON CONFLICT (kind, scope, id) DO UPDATE SET body = excluded.body,"
		" version = version + 1 RETURNING version",
    [REMOVE] = "DELETE FROM documents WHERE kind = ?1 AND scope = ?2 AND id = ?3",
    [REMOVE_SCOPE] = "DELETE FROM documents WHERE scope = ?1",
    [FIND] = "SELECT sequence FROM documents WHERE kind = ?1 AND scope = ?2 AND id = ?3",
    [FIND_ANYWHERE] = "SELECT min(sequence) FROM documents WHERE kind = ?1 AND id = ?3",
    [LIST] = "SELECT id, body, version FROM documents WHERE kind = ?1 AND scope = ?2"
	     " AND sequence < ?3 ORDER BY sequence DESC LIMIT ?4",
    [LIST_ANYWHERE] = "SELECT id, body, version FROM documents INDEXED BY documents_by_kind"
		      " WHERE kind = ?1 AND sequence < ?3 ORDER BY sequence DESC LIMIT ?4",
};

typedef struct {
	Store part;
	pthread_mutex_t lock; /* around all below */
	sqlite3 *database;
	sqlite3_stmt *statements[STATEMENTS];
} SqliteStore;

/* A statement that is reset, with its bindings, when its block ends. */
typedef sqlite3_stmt Step;

static void
step_end(Step *step)
{
	sqlite3_reset(step);
	sqlite3_clear_bindings(step);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Step, step_end)

static void
bind_text(Step *step, int position, const char *text)
{
	if (text)
		sqlite3_bind_text(step, position, text, -1, SQLITE_STATIC);
}

/* The three names are parameters 1 to 3 of every statement; NULL is left out. */
static Step *
step_begin(
    SqliteStore *store, Statement statement, const char *kind, const char *scope, const char *id)
{
	Step *step = store->statements[statement];

	bind_text(step, 1, kind);
	bind_text(step, 2, scope);
	bind_text(step, 3, id);
	return step;
}

static StoreDocument *
read_document(Step *step, const char *kind, GError **error)
{
	const char *id = (const char *)sqlite3_column_text(step, 0);
	const char *body = (const char *)sqlite3_column_text(step, 1);
	g_autofree char *what = g_strdup_printf("%s %s in the store", kind, id);

	json_t *value = json_parse(body, (gsize)sqlite3_column_bytes(step, 1), what, error);
	if (!value)
		return NULL;

	StoreDocument *document = g_new0(StoreDocument, 1);
	document->id = g_strdup(id);
	document->body = value;
	document->version = sqlite3_column_int64(step, 2);
	return document;
}

static StoreDocument *
get(Store *part, const char *kind, const char *scope, const char *id, GError **error)
{
	SqliteStore *store = (SqliteStore *)part;
	LOCKED(&store->lock);
	g_autoptr(Step) step = step_begin(store, GET, kind, scope, id);

	switch (sqlite3_step(step)) {
	case SQLITE_ROW:
		return read_document(step, kind, error);
	case SQLITE_DONE:
		error_set(error, CARRACK_ERROR_NOT_FOUND, "no such %s: %s", kind, id);
		return NULL;
	default:
		database_error(store->database, "read", error);
		return NULL;
	}
}

static Statement
statement_for(gint64 expected)
{
	if (expected == STORE_ANY)
		return REPLACE;

	return expected == 0 ? INSERT : UPDATE;
}

static bool
put(Store *part,
    const char *kind,
    const char *scope,
    const char *id,
    const json_t *body,
    gint64 expected,
    gint64 *version,
    GError **error) /* nocheck:parameters: the part says so */
{
	SqliteStore *store = (SqliteStore *)part;
	g_autofree char *text = json_text(body, false);
	LOCKED(&store->lock);
	g_autoptr(Step) step = step_begin(store, statement_for(expected), kind, scope, id);
	bind_text(step, 4, text);
	if (expected > 0)
		sqlite3_bind_int64(step, 5, expected);

	int result = sqlite3_step(step);
	gint64 written = result == SQLITE_ROW ? sqlite3_column_int64(step, 0) : 0;
	if (result == SQLITE_ROW)
		result = sqlite3_step(step); /* the transaction ends with the statement */
	if (result != SQLITE_DONE)
		return database_error(store->database, "write", error);
	if (written == 0 && expected == 0)
		return error_set(error, CARRACK_ERROR_CONFLICT, "%s %s exists already", kind, id);
	if (written == 0)
		return error_set(error, CARRACK_ERROR_CONFLICT,
		    "%s %s has been changed meanwhile; read it again", kind, id);

	if (version)
		*version = written;
	return true;
}

static bool
remove_document(Store *part, const char *kind, const char *scope, const char *id, GError **error)
{
	SqliteStore *store = (SqliteStore *)part;
	LOCKED(&store->lock);
	g_autoptr(Step) step = step_begin(store, REMOVE, kind, scope, id);

	return sqlite3_step(step) == SQLITE_DONE ||
	       database_error(store->database, "remove", error);
}

static bool
remove_scope(Store *part, const char *scope, GError **error)
{
	SqliteStore *store = (SqliteStore *)part;
	LOCKED(&store->lock);
	g_autoptr(Step) step = step_begin(store, REMOVE_SCOPE, scope, NULL, NULL);

	return sqlite3_step(step) == SQLITE_DONE ||
	       database_error(store->database, "remove", error);
}

/* Where a document stands in the order of creation; the lock is held. */
static bool
find_sequence(SqliteStore *store,
    const char *kind,
    const char *scope,
    const char *id,
    gint64 *sequence,
    GError **error)
{
	g_autoptr(Step) step = step_begin(store, scope ? FIND : FIND_ANYWHERE, kind, scope, id);
	int result = sqlite3_step(step);
	if (result != SQLITE_ROW && result != SQLITE_DONE)
		return database_error(store->database, "read", error);
	if (result == SQLITE_DONE || sqlite3_column_type(step, 0) == SQLITE_NULL)
		return error_set(error, CARRACK_ERROR_NOT_FOUND, "no such %s: %s", kind, id);

	*sequence = sqlite3_column_int64(step, 0);
	return true;
}

static GPtrArray *
list(Store *part,
    const char *kind,
    const char *scope,
    unsigned limit,
    const char *before,
    GError **error)
{
	SqliteStore *store = (SqliteStore *)part;
	gint64 end = G_MAXINT64;
	LOCKED(&store->lock);
	if (before && !find_sequence(store, kind, scope, before, &end, error))
		return NULL;

	g_autoptr(Step) step = step_begin(store, scope ? LIST : LIST_ANYWHERE, kind, scope, NULL);
	sqlite3_bind_int64(step, 3, end);
	sqlite3_bind_int64(step, 4, limit ? (gint64)limit : -1);
	g_autoptr(GPtrArray) documents =
	    g_ptr_array_new_with_free_func((GDestroyNotify)store_document_free);
	int result;
	while ((result = sqlite3_step(step)) == SQLITE_ROW) {
		StoreDocument *document = read_document(step, kind, error);
		if (!document)
			return NULL;
		g_ptr_array_add(documents, document);
	}
	if (result != SQLITE_DONE) {
		database_error(store->database, "list", error);
		return NULL;
	}
	return g_steal_pointer(&documents);
}

static void
store_free(Store *part)
{
	SqliteStore *store = (SqliteStore *)part;

	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(store->statements[i]);
	database_close(store->database);
	pthread_mutex_destroy(&store->lock);
	g_free(store);
}

static const StoreOps ops = {
    .get = get,
    .put = put,
    .remove = remove_document,
    .remove_scope = remove_scope,
    .list = list,
    .free = store_free,
};

Store *
store_sqlite_new(const char *path, GError **error)
{
	sqlite3 *database = database_open(path, &schema, NULL, error);
	if (!database)
		return NULL;

	SqliteStore *store = g_new0(SqliteStore, 1);
	store->part.ops = &ops;
	store->database = database;
	pthread_mutex_init(&store->lock, NULL);
	for (int i = 0; i < STATEMENTS; i++) {
		store->statements[i] = database_prepare(database, statements_sql[i], error);
		if (!store->statements[i]) {
			store_free(&store->part);
			return NULL;
		}
	}
	return &store->part;
}
