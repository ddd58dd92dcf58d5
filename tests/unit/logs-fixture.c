/*
 * What the tests of the logs share.
 */
#include "logs-fixture.h"

#include <glib/gstdio.h>
#include <string.h>

static Logs *
logs_open(const char *folder, unsigned days, gint64 bytes)
{
	g_autoptr(GError) error = NULL;
	Logs *logs = logs_sqlite_new(folder, days, bytes, &error);
	g_assert_no_error(error);
	return logs;
}

void
logs_set_up(LogsFixture *fixture, gconstpointer data)
{
	fixture->folder = g_dir_make_tmp("carrack-logs-XXXXXX", NULL);
	fixture->logs = logs_open(fixture->folder, 7, G_MAXINT64);
	fixture->now = (g_get_real_time() / DAY - 1) * DAY + DAY / 2;
}

void
logs_reopen(LogsFixture *fixture, unsigned days, gint64 bytes)
{
	fixture->logs->ops->free(fixture->logs);
	fixture->logs = logs_open(fixture->folder, days, bytes);
}

void
logs_tear_down(LogsFixture *fixture, gconstpointer data)
{
	fixture->logs->ops->free(fixture->logs);
	g_autoptr(GDir) entries = g_dir_open(fixture->folder, 0, NULL);
	const char *name;
	while ((name = g_dir_read_name(entries))) {
		g_autofree char *file = g_build_filename(fixture->folder, name, NULL);
		g_unlink(file);
	}
	g_assert_cmpint(g_rmdir(fixture->folder), ==, 0);
	g_free(fixture->folder);
}

LogLine
logs_line(gint64 time, const char *process, const char *text)
{
	return (LogLine){.time = time,
	    .kind = "service",
	    .service = "web",
	    .process = process,
	    .release = "R1",
	    .text = text,
	    .length = strlen(text)};
}

void
logs_append(Logs *logs, const char *app, const LogLine *lines, gsize count)
{
	g_autoptr(GError) error = NULL;
	bool ok = logs->ops->append(logs, app, lines, count, &error);

	g_assert_no_error(error);
	g_assert_true(ok);
}

void
logs_append_one(Logs *logs, const char *app, gint64 time, const char *text)
{
	LogLine line = logs_line(time, "p1", text);

	logs_append(logs, app, &line, 1);
}

bool
logs_number_is_next(gpointer data, const LogLine *line, GError **error)
{
	gint64 *next = data;

	g_assert_cmpint(g_ascii_strtoll(line->text, NULL, 10), ==, (*next)++);
	return true;
}

/* Numbered lines, `count` of them from `first`, in batches of 100. */
void
logs_append_numbers(Logs *logs, const char *app, gint64 time, int first, int count)
{
	LogLine lines[100];
	char texts[100][80];

	for (int i = 0; i < count;) {
		int batch = MIN(count - i, 100);
		for (int k = 0; k < batch; k++, i++) {
			g_snprintf(texts[k], sizeof texts[k],
			    "%d GET /some/path?of=a&usual=line HTTP/1.1 200 1234", first + i);
			lines[k] = logs_line(time + i, "p1", texts[k]);
		}
		logs_append(logs, app, lines, (gsize)batch);
	}
}

gint64
logs_folder_size(const char *folder)
{
	g_autoptr(GDir) entries = g_dir_open(folder, 0, NULL);
	const char *name;
	gint64 size = 0;

	while ((name = g_dir_read_name(entries))) {
		g_autofree char *path = g_build_filename(folder, name, NULL);
		GStatBuf file = {0};
		g_assert_cmpint(g_stat(path, &file), ==, 0);
		size += file.st_size;
	}
	return size;
}
