/*
 * SQLite databases as the store and the logs want them: created whole or not at all, migrated by
 * number, and never silently begun anew. Private to store*.c and logs*.c.
 */
#pragma once

#include "base/error.h"

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;

typedef struct {
	const char *what;              /* for errors: «store» */
	const char *settings;          /* pragmas, run at each opening */
	const char *const *migrations; /* SQL from user_version n to n + 1 */
	int migration_count;
	bool is_checked; /* reads the whole file once before it is trusted */
} DatabaseSchema;

/* Opens the file, or creates it (atomically: a half-made one is never seen under `path`). Refuses a
 * damaged or foreign file (`is_damaged`, may be NULL, tells) and one of a later version, naming the
 * file and what to do. */
sqlite3 *
database_open(const char *path, const DatabaseSchema *schema, bool *is_damaged, GError **error);

/* One more connection to a file that database_open has opened before; never creates it. */
sqlite3 *
database_open_again(const char *path, const DatabaseSchema *schema, GError **error);

/* NULL is fine. All statements must be finalized. */
void
database_close(sqlite3 *database);

bool
database_run(sqlite3 *database, const char *sql, GError **error);

/* A statement that is kept: compiled once, reset by whoever steps it. */
sqlite3_stmt *
database_prepare(sqlite3 *database, const char *sql, GError **error);

/* Turns the database's last failure into ours: UNAVAILABLE when busy or full (with the free space),
 * else INTERNAL; always names the file. Always returns false. */
bool
database_error(sqlite3 *database, const char *doing, GError **error);

/* True if the last failure means that the file is no good database. */
bool
database_is_damaged(sqlite3 *database);
