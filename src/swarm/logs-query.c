/*
 * Asking for logs, and following them. A query first notes the edge: the id of the newest line that
 * is committed. History is every line up to it, in the order of time; following is every line after
 * it, in the order of arrival. No line is in both or in neither.
 *
 * Lines are handed over a bounded page at a time with no lock held: whoever takes them slowly waits
 * for himself only, and what he has not read yet stays in the files.
 */
#include "swarm/logs-private.h"

#define IDLE_MICROSECONDS G_TIME_SPAN_SECOND

typedef struct {
	SqliteLogs *logs;
	const char *app;
	const LogQuery *query;
	LogTake take;
	gpointer take_data;
	GCancellable *cancel;
	gint64 edge;
	bool is_over; /* the taker has had enough */
} Reading;

static bool
is_stopped(Reading *reading, GError **error)
{
	if (error_cancelled(reading->cancel, error))
		return true;

	LOCKED(&reading->logs->lock);
	if (reading->logs->is_closing)
		error_set(error, CARRACK_ERROR_UNAVAILABLE, "the rack is shutting down");
	return reading->logs->is_closing;
}

static bool
hand_over(Reading *reading, GArray *lines, GError **error)
{
	for (guint i = 0; i < lines->len && !reading->is_over; i++) {
		GError *inner = NULL;
		if (g_cancellable_is_cancelled(reading->cancel))
			return !error_cancelled(reading->cancel, error);
		if (reading->take(reading->take_data, &g_array_index(lines, LogLine, i), &inner))
			continue;
		reading->is_over = true;
		if (inner) {
			g_propagate_error(error, inner);
			return false;
		}
	}
	return true;
}

/* History */

static bool
is_in_range(const LogFile *file, gint64 since, gint64 until)
{
	gint64 begin = file->day * LOGS_MICROSECONDS_A_DAY;

	return begin + LOGS_MICROSECONDS_A_DAY > since && (until == 0 || begin < until);
}

/* The files of the days that a query reaches, oldest first. */
static GPtrArray *
files_in_range(Reading *reading)
{
	g_autoptr(GPtrArray) all = logs_files(reading->logs);
	GPtrArray *files = g_ptr_array_new();

	for (guint i = 0; i < all->len; i++) {
		LogFile *file = g_ptr_array_index(all, i);
		if (is_in_range(file, reading->query->since, reading->query->until))
			g_ptr_array_add(files, file);
	}
	return files;
}

static LogScan
scan_of(Reading *reading, LogOrder order, LogPosition from)
{
	return (LogScan){.app = reading->app,
	    .query = reading->query,
	    .order = order,
	    .from = from,
	    .edge = reading->edge};
}

static bool
is_beyond(const LogPage *page, const LogQuery *query)
{
	return page->is_complete || (query->until && page->last.time >= query->until);
}

/* Walks a file from its end until `left` matching lines have been seen; sets `start` just before
 * the last of them. */
static bool
count_back(Reading *reading, LogFile *file, unsigned *left, LogPosition *start, GError **error)
{
	gint64 until = reading->query->until ? reading->query->until : G_MAXINT64;
	LogScan scan = scan_of(reading, BY_TIME_BACKWARDS, (LogPosition){until, 0});
	scan.no_text = true;

	while (*left) {
		if (is_stopped(reading, error))
			return false;
		g_autoptr(LogPage) page = log_reader_scan(file->reader, &scan, error);
		if (!page)
			return false;
		if (page->lines->len >= *left) {
			LogLine *line = &g_array_index(page->lines, LogLine, *left - 1);
			*start = (LogPosition){line->time, line->id - 1};
			*left = 0;
		} else {
			*left -= page->lines->len;
		}
		if (page->is_complete || page->last.time < reading->query->since)
			break;
		scan.from = page->last;
	}
	return true;
}

/* Where the newest `tail` lines begin. */
static bool
find_tail(Reading *reading, GPtrArray *files, LogPosition *start, GError **error)
{
	unsigned left = reading->query->tail;

	for (guint i = files->len; left && i-- > 0;) {
		LogFile *file = g_ptr_array_index(files, i);
		if (!count_back(reading, file, &left, start, error))
			return false;
	}
	return true;
}

static bool
give_file(Reading *reading, LogFile *file, LogPosition start, GError **error)
{
	LogScan scan = scan_of(reading, BY_TIME, start);

	while (!reading->is_over) {
		if (is_stopped(reading, error))
			return false;
		g_autoptr(LogPage) page = log_reader_scan(file->reader, &scan, error);
		if (!page || !hand_over(reading, page->lines, error))
			return false;
		if (is_beyond(page, reading->query))
			break;
		scan.from = page->last;
	}
	return true;
}

static bool
give_history(Reading *reading, GError **error)
{
	g_autoptr(GPtrArray) files = files_in_range(reading);
	LogPosition start = {reading->query->since, 0};
	if (reading->query->tail && !find_tail(reading, files, &start, error))
		return false;

	for (guint i = 0; i < files->len && !reading->is_over; i++) {
		LogFile *file = g_ptr_array_index(files, i);
		if (!is_in_range(file, start.time, 0))
			continue;
		if (!give_file(reading, file, start, error))
			return false;
		/* Days that are over are seldom asked for. */
		if (i + 1 < files->len)
			log_reader_close(file->reader);
	}
	return true;
}

/* Following */

/* What has arrived for the app after `last`, as of now: the edge up to which it is to be read, or
 * 0. The lock is held. */
static gint64
arrived_after(Reading *reading, gint64 last)
{
	gint64 *newest = g_hash_table_lookup(reading->logs->newest, reading->app);

	return newest && *newest > last ? reading->logs->edge : 0;
}

/* Waits for lines after `last`, at most about a second. Returns the edge to read to, or 0. */
static gint64
wait_for_lines(Reading *reading, gint64 last)
{
	SqliteLogs *logs = reading->logs;
	gint64 deadline = g_get_monotonic_time() + IDLE_MICROSECONDS;
	struct timespec end = {.tv_sec = deadline / G_TIME_SPAN_SECOND,
	    .tv_nsec = (deadline % G_TIME_SPAN_SECOND) * 1000};
	LOCKED(&logs->lock);

	gint64 edge;
	while (!(edge = arrived_after(reading, last)) && !logs->is_closing &&
	       !g_cancellable_is_cancelled(reading->cancel)) {
		if (pthread_cond_timedwait(&logs->changed, &logs->lock, &end))
			break;
	}
	return edge;
}

/* Files that hold lines after `last`. */
static GPtrArray *
files_after(Reading *reading, gint64 last)
{
	GPtrArray *files = g_ptr_array_new();
	SqliteLogs *logs = reading->logs;
	LOCKED(&logs->lock);

	for (guint i = 0; i < logs->files->len; i++) {
		LogFile *file = g_ptr_array_index(logs->files, i);
		if (file->last_id > last)
			g_ptr_array_add(files, file);
	}
	return files;
}

static int
compare_arrival(gconstpointer one, gconstpointer other)
{
	gint64 first = ((const LogLine *)one)->id, second = ((const LogLine *)other)->id;

	return first < second ? -1 : first > second;
}

/* One page from each file, put together in the order of arrival. Where a page ends early, the other
 * files' lines beyond that id have to wait: `last` becomes what is known to be complete. */
static bool
give_arrivals_once(Reading *reading, gint64 *last, gint64 edge, GError **error)
{
	g_autoptr(GPtrArray) files = files_after(reading, *last);
	g_autoptr(GPtrArray) pages = g_ptr_array_new_with_free_func((GDestroyNotify)log_page_free);
	g_autoptr(GArray) lines = g_array_new(FALSE, FALSE, sizeof(LogLine));
	LogScan scan = scan_of(reading, BY_ARRIVAL, (LogPosition){0, *last});
	scan.edge = edge;

	for (guint i = 0; i < files->len; i++) {
		LogFile *file = g_ptr_array_index(files, i);
		LogPage *page = log_reader_scan(file->reader, &scan, error);
		if (!page)
			return false;
		g_ptr_array_add(pages, page);
		g_array_append_vals(lines, page->lines->data, page->lines->len);
		if (!page->is_complete)
			scan.edge = MIN(scan.edge, page->last.id);
	}
	g_array_sort(lines, compare_arrival);
	guint count = lines->len;
	while (count && g_array_index(lines, LogLine, count - 1).id > scan.edge)
		count--;
	g_array_set_size(lines, count);
	*last = scan.edge;
	return hand_over(reading, lines, error);
}

static bool
give_arrivals(Reading *reading, gint64 *last, gint64 edge, GError **error)
{
	while (*last < edge && !reading->is_over) {
		if (is_stopped(reading, error) || !give_arrivals_once(reading, last, edge, error))
			return false;
	}
	return true;
}

static bool
wants_more(Reading *reading)
{
	const LogQuery *query = reading->query;

	if (query->until && g_get_real_time() > query->until)
		return false;

	return !query->still || query->still(query->still_data);
}

static gint64
edge_now(SqliteLogs *logs)
{
	LOCKED(&logs->lock);
	return logs->edge;
}

static bool
follow(Reading *reading, GError **error)
{
	gint64 last = reading->edge;

	while (!reading->is_over) {
		gint64 edge = wait_for_lines(reading, last);
		if (is_stopped(reading, error))
			return false;
		if (edge) {
			if (!give_arrivals(reading, &last, edge, error))
				return false;
		} else if (!wants_more(reading)) {
			/* What came while that was being asked is still wanted. */
			return give_arrivals(reading, &last, edge_now(reading->logs), error);
		}
	}
	return true;
}

/* The whole */

static void
wake(GCancellable *cancel, gpointer data)
{
	SqliteLogs *logs = data;

	LOCKED(&logs->lock);
	pthread_cond_broadcast(&logs->changed);
}

static bool
run(Reading *reading, GError **error)
{
	gulong handler = 0;
	if (reading->cancel)
		handler =
		    g_cancellable_connect(reading->cancel, G_CALLBACK(wake), reading->logs, NULL);
	bool ok = give_history(reading, error);
	if (ok && reading->query->follow && !reading->is_over)
		ok = follow(reading, error);

	g_cancellable_disconnect(reading->cancel, handler);
	return ok;
}

bool
logs_query(Logs *part,
    const char *app,
    const LogQuery *query,
    LogTake take,
    gpointer take_data,
    GCancellable *cancel,
    GError **error)
{
	SqliteLogs *logs = (SqliteLogs *)part;
	Reading reading = {.logs = logs,
	    .app = app,
	    .query = query,
	    .take = take,
	    .take_data = take_data,
	    .cancel = cancel};

	pthread_mutex_lock(&logs->lock);
	reading.edge = logs->edge;
	logs->queries++;
	pthread_mutex_unlock(&logs->lock);

	bool ok = run(&reading, error);

	pthread_mutex_lock(&logs->lock);
	logs->queries--;
	pthread_cond_broadcast(&logs->changed);
	pthread_mutex_unlock(&logs->lock);
	return ok;
}
