/*
 * How SQLite files are opened. Three rules: a new file is made beside its place and renamed into it
 * when it is complete, so an empty or half-made file in that place is always damage; a file that
 * exists is never replaced; and a file that a later version has written is not touched.
 */
#include "swarm/store-database.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define BUSY_TIMEOUT_MS 5000

bool
database_is_damaged(sqlite3 *database)
{
	int code = sqlite3_errcode(database) & 0xff;

	return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

bool
database_error(sqlite3 *database, const char *doing, GError **error)
{
	const char *path = sqlite3_db_filename(database, "main");
	const char *message = sqlite3_errmsg(database);
	int code = sqlite3_errcode(database) & 0xff;

	if (code == SQLITE_FULL) {
		struct statvfs disk = {0};
		gint64 free_bytes =
		    statvfs(path, &disk) ? 0 : (gint64)disk.f_bavail * (gint64)disk.f_frsize;
		g_autofree char *free_text =
		    g_format_size_full(free_bytes, G_FORMAT_SIZE_IEC_UNITS);
		return error_set(error, CARRACK_ERROR_UNAVAILABLE,
		    "%s: the disk of %s is full (%s free)", doing, path, free_text);
	}
	if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
		return error_set(error, CARRACK_ERROR_UNAVAILABLE,
		    "%s: %s is busy for more than %d seconds", doing, path, BUSY_TIMEOUT_MS / 1000);
	if (database_is_damaged(database))
		return error_set(
		    error, CARRACK_ERROR_INTERNAL, "%s: %s is damaged: %s", doing, path, message);

	return error_set(error, CARRACK_ERROR_INTERNAL, "%s: %s: %s", doing, path, message);
}

bool
database_run(sqlite3 *database, const char *sql, GError **error)
{
	if (sqlite3_exec(database, sql, NULL, NULL, NULL) != SQLITE_OK)
		return database_error(database, "run", error);

	return true;
}

sqlite3_stmt *
database_prepare(sqlite3 *database, const char *sql, GError **error)
{
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) !=
	    SQLITE_OK) {
		database_error(database, "prepare", error);
		return NULL;
	}
	return statement;
}

void
database_close(sqlite3 *database)
{
	sqlite3_close_v2(database);
}

/* One opening of one file. */
typedef struct {
	const char *path;
	const DatabaseSchema *schema;
	bool is_damaged;
} Opening;

static bool
refuse_damaged(Opening *opening, const char *finding, GError **error)
{
	const char *what = opening->schema->what;

	opening->is_damaged = true;
	return error_set(error, CARRACK_ERROR_INTERNAL,
	    "%s %s is damaged (%s); restore it from a backup, or move it away to begin with an "
	    "empty %s",
	    what, opening->path, finding, what);
}

/* The first row and column of a query as text; NULL when it fails. The caller frees it. */
static char *
first_value(sqlite3 *database, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	char *value = NULL;

	if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		value = g_strdup((const char *)sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	return value;
}

static bool
migrate(sqlite3 *database, const DatabaseSchema *schema, int version, GError **error)
{
	for (int i = version; i < schema->migration_count; i++) {
		g_autofree char *sql =
		    g_strdup_printf("BEGIN IMMEDIATE; %s; PRAGMA user_version = %d; COMMIT",
			schema->migrations[i], i + 1);
		if (!database_run(database, sql, error)) {
			g_prefix_error(error, "%s: migration %d: ", schema->what, i + 1);
			sqlite3_exec(database, "ROLLBACK", NULL, NULL, NULL);
			return false;
		}
	}
	return true;
}

static bool
check_version(Opening *opening, sqlite3 *database, int *version, GError **error)
{
	g_autofree char *text = first_value(database, "PRAGMA user_version");
	if (!text && database_is_damaged(database))
		return refuse_damaged(opening, sqlite3_errmsg(database), error);
	if (!text)
		return database_error(database, "open", error);

	const DatabaseSchema *schema = opening->schema;
	*version = (int)g_ascii_strtoll(text, NULL, 10);
	if (*version <= 0)
		return refuse_damaged(opening, "nothing of ours is in it", error);
	if (*version > schema->migration_count)
		return error_set(error, CARRACK_ERROR_INTERNAL,
		    "%s %s is of version %d, this program knows up to %d; start the later release "
		    "of carrack that wrote it",
		    schema->what, opening->path, *version, schema->migration_count);

	return true;
}

static bool
check(Opening *opening, sqlite3 *database, GError **error)
{
	int version = 0;
	if (!check_version(opening, database, &version, error))
		return false;
	if (!opening->schema->is_checked)
		return migrate(database, opening->schema, version, error);

	g_autofree char *finding = first_value(database, "PRAGMA quick_check(1)");
	if (!finding)
		return refuse_damaged(opening, sqlite3_errmsg(database), error);
	if (strcmp(finding, "ok"))
		return refuse_damaged(opening, g_strdelimit(finding, "\n", ' '), error);

	return migrate(database, opening->schema, version, error);
}

static sqlite3 *
open_file(const char *path, int flags, GError **error)
{
	sqlite3 *database = NULL;

	/* Every connection has one lock of its owner around it. */
	if (sqlite3_open_v2(path, &database, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
		error_set(error, CARRACK_ERROR_INTERNAL, "open %s: %s", path,
		    database ? sqlite3_errmsg(database) : "no memory");
		sqlite3_close_v2(database);
		return NULL;
	}
	sqlite3_busy_timeout(database, BUSY_TIMEOUT_MS);
	return database;
}

static bool
apply_settings(Opening *opening, sqlite3 *database, GError **error)
{
	if (sqlite3_exec(database, opening->schema->settings, NULL, NULL, NULL) == SQLITE_OK)
		return true;
	if (database_is_damaged(database))
		return refuse_damaged(opening, sqlite3_errmsg(database), error);

	return database_error(database, "open", error);
}

static void
unlink_database(const char *path)
{
	static const char *const endings[] = {"", "-wal", "-shm", "-journal"};

	for (gsize i = 0; i < G_N_ELEMENTS(endings); i++) {
		g_autofree char *file = g_strconcat(path, endings[i], NULL);
		g_unlink(file);
	}
}

static bool
sync_folder_of(const char *path, GError **error)
{
	g_autofree char *folder = g_path_get_dirname(path);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;
	int errnum = errno;

	if (fd >= 0)
		close(fd);
	return ok || error_set_errno(error, errnum, "sync folder %s", folder);
}

static bool
create(const char *path, const DatabaseSchema *schema, GError **error)
{
	g_autofree char *wal = g_strconcat(path, "-wal", NULL);
	if (g_file_test(wal, G_FILE_TEST_EXISTS))
		return error_set(error, CARRACK_ERROR_INTERNAL,
		    "%s %s is missing, but its journal %s is there; restore both, or move the "
		    "journal away to begin with an empty %s",
		    schema->what, path, wal, schema->what);

	Opening draft = {.schema = schema};
	g_autofree char *draft_path = g_strconcat(path, ".new", NULL);
	draft.path = draft_path;
	unlink_database(draft_path);
	sqlite3 *database =
	    open_file(draft_path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, error);
	if (!database)
		return false;

	bool ok = apply_settings(&draft, database, error) && migrate(database, schema, 0, error);
	database_close(database);
	if (!ok)
		return false;

	if (g_rename(draft_path, path))
		return error_set_errno(error, errno, "create %s", path);

	return sync_folder_of(path, error);
}

static sqlite3 *
open_existing(Opening *opening, GError **error)
{
	struct stat file;
	if (stat(opening->path, &file) == 0 && file.st_size == 0) {
		refuse_damaged(opening, "the file is empty", error);
		return NULL;
	}
	sqlite3 *database = open_file(opening->path, SQLITE_OPEN_READWRITE, error);
	if (!database)
		return NULL;

	if (!apply_settings(opening, database, error) || !check(opening, database, error)) {
		database_close(database);
		return NULL;
	}
	return database;
}

sqlite3 *
database_open(const char *path, const DatabaseSchema *schema, bool *is_damaged, GError **error)
{
	Opening opening = {.path = path, .schema = schema};
	bool is_there = g_file_test(path, G_FILE_TEST_EXISTS) || create(path, schema, error);
	sqlite3 *database = is_there ? open_existing(&opening, error) : NULL;

	if (is_damaged)
		*is_damaged = opening.is_damaged;
	return database;
}

sqlite3 *
database_open_again(const char *path, const DatabaseSchema *schema, GError **error)
{
	Opening opening = {.path = path, .schema = schema};
	sqlite3 *database = open_file(path, SQLITE_OPEN_READWRITE, error);

	if (database && !apply_settings(&opening, database, error)) {
		database_close(database);
		return NULL;
	}
	return database;
}
