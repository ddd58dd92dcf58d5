/*
 * Logs do not grow for ever: days over the limit go as whole files, then the oldest days until all
 * together are within the limit of bytes, and when the newest day alone is over it, its first
 * lines. Which is done is told in the rack's own log. The limits are the part's (days, bytes); the
 * constants here only bound how long a writer may be held up by one step.
 */
#include "swarm/logs-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#define LINES_AT_ONCE 10000 /* deleted under one hold of `writing`: some tens of milliseconds */

static gint64
size_of(const LogFile *file)
{
	g_autofree char *wal = g_strconcat(file->path, "-wal", NULL);
	GStatBuf main = {0}, journal = {0};

	if (g_stat(file->path, &main))
		return 0;

	return main.st_size + (g_stat(wal, &journal) ? 0 : journal.st_size);
}

static bool
discard(SqliteLogs *logs, LogFile *file, GError **error)
{
	static const char *const endings[] = {"", "-wal", "-shm", ".damaged"};
	LOCKED(&logs->writing);

	log_writer_close(file->writer);
	for (gsize i = 0; i < G_N_ELEMENTS(endings); i++) {
		g_autofree char *path = g_strconcat(file->path, endings[i], NULL);
		if (g_unlink(path) && errno != ENOENT)
			return error_set_errno(error, errno, "delete old log %s", path);
	}
	/* After the file has gone, so that it is not opened again in between. */
	log_reader_close(file->reader);
	return true;
}

static bool
prune_days(SqliteLogs *logs, GPtrArray *files, GError **error)
{
	gint64 today = g_get_real_time() / LOGS_MICROSECONDS_A_DAY;

	while (files->len) {
		LogFile *file = g_ptr_array_index(files, 0);
		if (file->day > today - (gint64)logs->days)
			break;
		if (!discard(logs, file, error))
			return false;
		logs_system(&logs->part, LOGS_SYSTEM, "logs",
		    "logs of %s have been deleted: older than %u days", file->name, logs->days);
		g_ptr_array_remove_index(files, 0);
	}
	return true;
}

static bool
trim_once(SqliteLogs *logs, LogFile *file, unsigned *deleted, GError **error)
{
	g_autofree char *note = NULL;
	LOCKED(&logs->writing);

	return log_writer_open(file->writer, &note, error) &&
	       log_writer_trim(file->writer, LINES_AT_ONCE, deleted, error);
}

static bool
trim(SqliteLogs *logs, LogFile *file, const char *limit, GError **error)
{
	unsigned all = 0, deleted = 1;

	while (deleted && size_of(file) > logs->bytes) {
		if (!trim_once(logs, file, &deleted, error))
			return false;
		all += deleted;
	}
	logs_system(&logs->part, LOGS_SYSTEM, "logs",
	    "the first %u lines of %s have been deleted: logs are over %s", all, file->name, limit);
	return true;
}

static gint64
size_of_all(GPtrArray *files)
{
	gint64 total = 0;

	for (guint i = 0; i < files->len; i++)
		total += size_of(g_ptr_array_index(files, i));
	return total;
}

static bool
prune_bytes(SqliteLogs *logs, GPtrArray *files, GError **error)
{
	g_autofree char *limit = g_format_size_full((guint64)logs->bytes, G_FORMAT_SIZE_IEC_UNITS);

	while (files->len && size_of_all(files) > logs->bytes) {
		LogFile *file = g_ptr_array_index(files, 0);
		if (files->len == 1)
			return trim(logs, file, limit, error);
		if (!discard(logs, file, error))
			return false;
		logs_system(&logs->part, LOGS_SYSTEM, "logs",
		    "logs of %s have been deleted: logs are over %s", file->name, limit);
		g_ptr_array_remove_index(files, 0);
	}
	return true;
}

/* The files that are there, oldest first. */
static GPtrArray *
present_files(SqliteLogs *logs)
{
	GPtrArray *files = logs_files(logs);

	for (guint i = files->len; i-- > 0;) {
		if (size_of(g_ptr_array_index(files, i)) == 0)
			g_ptr_array_remove_index(files, i);
	}
	return files;
}

bool
logs_prune(Logs *part, GError **error)
{
	SqliteLogs *logs = (SqliteLogs *)part;
	g_autoptr(GPtrArray) files = present_files(logs);

	return prune_days(logs, files, error) && prune_bytes(logs, files, error);
}

static bool
forget(SqliteLogs *logs, LogFile *file, const char *app, gint64 *key, GError **error)
{
	g_autofree char *note = NULL;
	LOCKED(&logs->writing);
	if (!log_writer_open(file->writer, &note, error))
		return false;
	if (log_writer_forget_app(file->writer, app, key, error))
		return true;

	log_writer_roll_back(file->writer);
	return false;
}

static bool
delete_some(SqliteLogs *logs, LogFile *file, gint64 key, unsigned *deleted, GError **error)
{
	g_autofree char *note = NULL;
	LOCKED(&logs->writing);

	return log_writer_open(file->writer, &note, error) &&
	       log_writer_delete_lines(file->writer, key, LINES_AT_ONCE, deleted, error);
}

bool
logs_remove_app(Logs *part, const char *app, GError **error)
{
	SqliteLogs *logs = (SqliteLogs *)part;
	g_autoptr(GPtrArray) files = present_files(logs);

	for (guint i = 0; i < files->len; i++) {
		LogFile *file = g_ptr_array_index(files, i);
		gint64 key = 0;
		if (!forget(logs, file, app, &key, error))
			return false;
		for (unsigned deleted = key != 0; deleted;) {
			if (!delete_some(logs, file, key, &deleted, error))
				return false;
		}
	}
	LOCKED(&logs->lock);
	g_hash_table_remove(logs->newest, app);
	return true;
}
