/*
 * Logs over one SQLite file a day: appending, and what the files have in common. Ids are given out
 * here, in the order of arrival over all files; an id is seen by followers only after everything up
 * to it is committed, so that «all up to here» and «all after it» never share or miss a line.
 *
 * A line belongs to the day of its own time. One of the future (a clock that is wrong) is taken as
 * of now: else it would make a file for a day that never ends.
 */
#include "swarm/logs-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#define FUTURE_TOLERATED G_TIME_SPAN_HOUR
#define WRITERS_KEPT_OPEN 2 /* around midnight both days are written */

static LogFile *
file_new(const char *folder, gint64 day)
{
	g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(
	    day * (gint64)(LOGS_MICROSECONDS_A_DAY / G_TIME_SPAN_SECOND));
	LogFile *file = g_new0(LogFile, 1);

	file->day = day;
	file->name = g_date_time_format(date, "%Y-%m-%d");
	file->path = g_strdup_printf("%s/%s.db", folder, file->name);
	file->writer = log_writer_new(file->path);
	file->reader = log_reader_new(file->path);
	return file;
}

static void
file_free(LogFile *file)
{
	log_writer_free(file->writer);
	log_reader_free(file->reader);
	g_free(file->name);
	g_free(file->path);
	g_free(file);
}

GPtrArray *
logs_files(SqliteLogs *logs)
{
	GPtrArray *files = g_ptr_array_new();

	LOCKED(&logs->lock);
	g_ptr_array_extend(files, logs->files, NULL, NULL);
	return files;
}

/* The file of a day; a new one finds its place among the others. */
static LogFile *
file_of_day(SqliteLogs *logs, gint64 day)
{
	LOCKED(&logs->lock);
	guint place = logs->files->len;
	while (place > 0) {
		LogFile *file = g_ptr_array_index(logs->files, place - 1);
		if (file->day == day)
			return file;
		if (file->day < day)
			break;
		place--;
	}
	LogFile *file = file_new(logs->folder, day);
	g_ptr_array_insert(logs->files, (int)place, file);
	return file;
}

static gint64
plausible_time(gint64 time, gint64 now)
{
	return time > 0 && time <= now + FUTURE_TOLERATED ? time : now;
}

typedef struct {
	SqliteLogs *logs;
	const char *app;
	GPtrArray *begun; /* of LogFile */
	gint64 id;        /* of the next line */
	char *note;
} Append;

/* Has the file take part in this append's transaction. */
static bool
begin_file(Append *append, LogFile *file, GError **error)
{
	if (g_ptr_array_find(append->begun, file, NULL))
		return true;
	if (!log_writer_open(file->writer, &append->note, error) ||
	    !log_writer_begin(file->writer, error))
		return false;

	/* It may still have the file open that has been set aside. */
	if (append->note)
		log_reader_close(file->reader);
	g_ptr_array_add(append->begun, file);
	return true;
}

static bool
add_line(Append *append, const LogLine *line, gint64 now, GError **error)
{
	LogLine stored = *line;
	stored.id = append->id++;
	stored.time = plausible_time(line->time, now);
	gint64 day = stored.time / LOGS_MICROSECONDS_A_DAY;

	LogFile *file =
	    append->begun->len ? g_ptr_array_index(append->begun, append->begun->len - 1) : NULL;
	if (!file || file->day != day)
		file = file_of_day(append->logs, day);

	return begin_file(append, file, error) &&
	       log_writer_add(file->writer, append->app, &stored, error);
}

static bool
add_lines(Append *append, const LogLine *lines, gsize count, GError **error)
{
	gint64 now = g_get_real_time();

	for (gsize i = 0; i < count; i++) {
		if (!add_line(append, &lines[i], now, error))
			return false;
	}
	for (guint i = 0; i < append->begun->len; i++) {
		LogFile *file = g_ptr_array_index(append->begun, i);
		if (!log_writer_commit(file->writer, error))
			return false;
	}
	return true;
}

/* Lets followers see what has been committed. */
static void
publish(Append *append)
{
	SqliteLogs *logs = append->logs;
	gint64 last = append->id - 1;
	LOCKED(&logs->lock);

	logs->edge = last;
	for (guint i = 0; i < append->begun->len; i++)
		((LogFile *)g_ptr_array_index(append->begun, i))->last_id = last;

	gint64 *newest = g_hash_table_lookup(logs->newest, append->app);
	if (!newest) {
		newest = g_new0(gint64, 1);
		g_hash_table_insert(logs->newest, g_strdup(append->app), newest);
	}
	*newest = last;
	pthread_cond_broadcast(&logs->changed);
}

/* Closes writers of days that are over. With `writing`. */
static void
rest_writers(SqliteLogs *logs)
{
	g_autoptr(GPtrArray) files = logs_files(logs);
	unsigned open = 0;

	for (guint i = files->len; i-- > 0;) {
		LogFile *file = g_ptr_array_index(files, i);
		if (log_writer_is_open(file->writer) && ++open > WRITERS_KEPT_OPEN)
			log_writer_close(file->writer);
	}
}

static bool
append_locked(Append *append, const LogLine *lines, gsize count, GError **error)
{
	SqliteLogs *logs = append->logs;
	LOCKED(&logs->writing);

	append->id = logs->next_id;
	bool ok = add_lines(append, lines, count, error);
	/* On failure too: a file of another day may have been committed with some of them. */
	logs->next_id = append->id;
	for (guint i = 0; i < append->begun->len; i++)
		log_writer_roll_back(((LogFile *)g_ptr_array_index(append->begun, i))->writer);
	if (append->begun->len)
		publish(append);
	rest_writers(logs);
	return ok;
}

static bool
append_lines(Logs *part, const char *app, const LogLine *lines, gsize count, GError **error)
{
	g_autoptr(GPtrArray) begun = g_ptr_array_new();
	Append append = {.logs = (SqliteLogs *)part, .app = app, .begun = begun};

	bool ok = append_locked(&append, lines, count, error);
	g_autofree char *note = append.note;
	if (note)
		logs_system(part, LOGS_SYSTEM, "logs", "%s", note);
	return ok;
}

static gint64
newest(Logs *part, const char *app, const char *process)
{
	g_autoptr(GPtrArray) files = logs_files((SqliteLogs *)part);

	for (guint i = files->len; i-- > 0;) {
		LogFile *file = g_ptr_array_index(files, i);
		gint64 time = log_reader_newest(file->reader, app, process);
		if (time)
			return time;
	}
	return 0;
}

/* The caller sees to it that nobody calls any more; queries that still run are ended. */
static void
logs_free(Logs *part)
{
	SqliteLogs *logs = (SqliteLogs *)part;

	pthread_mutex_lock(&logs->lock);
	logs->is_closing = true;
	pthread_cond_broadcast(&logs->changed);
	while (logs->queries)
		pthread_cond_wait(&logs->changed, &logs->lock);
	pthread_mutex_unlock(&logs->lock);

	g_ptr_array_unref(logs->files);
	g_hash_table_unref(logs->newest);
	pthread_mutex_destroy(&logs->writing);
	pthread_mutex_destroy(&logs->lock);
	pthread_cond_destroy(&logs->changed);
	g_free(logs->folder);
	g_free(logs);
}

static const LogsOps ops = {
    .append = append_lines,
    .query = logs_query,
    .newest = newest,
    .prune = logs_prune,
    .remove_app = logs_remove_app,
    .free = logs_free,
};

static SqliteLogs *
logs_new(const char *folder, unsigned days, gint64 bytes)
{
	SqliteLogs *logs = g_new0(SqliteLogs, 1);
	pthread_condattr_t monotonic;

	logs->part.ops = &ops;
	logs->folder = g_strdup(folder);
	logs->days = days;
	logs->bytes = bytes;
	logs->files = g_ptr_array_new_with_free_func((GDestroyNotify)file_free);
	logs->newest = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	pthread_mutex_init(&logs->writing, NULL);
	pthread_mutex_init(&logs->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&logs->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return logs;
}

/* The day that a file name stands for, or -1. */
static gint64
day_of_name(const char *name)
{
	int year, month, day, end = 0;

	if (sscanf(name, "%4d-%2d-%2d.db%n", &year, &month, &day, &end) != 3 || !end || name[end])
		return -1;

	g_autoptr(GDateTime) date = g_date_time_new_utc(year, month, day, 0, 0, 0);
	return date ? g_date_time_to_unix(date) / (24 * 60 * 60) : -1;
}

/* Opens each file once: finds the last id, and a damaged file before somebody asks for it. */
static bool
take_stock(SqliteLogs *logs, char **note, GError **error)
{
	g_autoptr(GDir) entries = g_dir_open(logs->folder, 0, NULL);
	const char *name;
	gint64 last_id = 0;

	while (entries && (name = g_dir_read_name(entries))) {
		gint64 day = day_of_name(name);
		if (day < 0)
			continue;
		LogFile *file = file_of_day(logs, day);
		if (!log_writer_open(file->writer, note, error))
			return false;
		last_id = MAX(last_id, log_writer_last_id(file->writer));
		log_writer_close(file->writer);
	}
	/* Never again an id that was given out for a file that is gone by now. */
	logs->next_id = MAX(last_id + 1, g_get_real_time());
	logs->edge = logs->next_id - 1;
	return true;
}

Logs *
logs_sqlite_new(const char *folder, unsigned days, gint64 bytes, GError **error)
{
	if (g_mkdir_with_parents(folder, 0700)) {
		error_set_errno(error, errno, "folder %s for logs", folder);
		return NULL;
	}
	SqliteLogs *logs = logs_new(folder, days, bytes);
	g_autofree char *note = NULL;
	if (!take_stock(logs, &note, error)) {
		logs_free(&logs->part);
		return NULL;
	}
	if (note)
		logs_system(&logs->part, LOGS_SYSTEM, "logs", "%s", note);
	return &logs->part;
}
