/*
 * Parsers of what HAProxy's sockets answer: tables of words, one row a line, made for people. Read
 * by position, as management.txt of 2.6 fixes the columns; a row that is too short or has a word
 * where a number belongs is an error, never a guess.
 */
#include "base/error.h"
#include "swarm/haproxy-runtime.h"

#include <string.h>

/* Bits of srv_admin_state. «Disabled in the configuration» (4) stays set on a slot for ever and
 * means nothing once it has been set ready. */
#define ADMIN_MAINTENANCE (0x01 | 0x02 | 0x20)
#define ADMIN_DRAIN (0x08 | 0x10)
#define OPERATION_RUNNING 2

void
haproxy_state_free(HaproxyState *state)
{
	if (!state)
		return;

	g_free(state->backend);
	g_free(state->server);
	g_free(state->address);
	g_free(state);
}

void
haproxy_load_free(HaproxyLoad *load)
{
	if (!load)
		return;

	g_free(load->backend);
	g_free(load->server);
	g_free(load->address);
	g_free(load);
}

void
haproxy_processes_free(HaproxyProcesses *processes)
{
	if (!processes)
		return;

	g_array_unref(processes->old);
	g_free(processes);
}

bool
haproxy_state_is_ready(const HaproxyState *state)
{
	return state->operation == OPERATION_RUNNING &&
	       !(state->admin & (ADMIN_MAINTENANCE | ADMIN_DRAIN));
}

bool
haproxy_state_is_draining(const HaproxyState *state)
{
	return (state->admin & ADMIN_DRAIN) != 0;
}

bool
haproxy_state_is_maintenance(const HaproxyState *state)
{
	return (state->admin & ADMIN_MAINTENANCE) != 0;
}

/* The words of a line without the empty ones between them. */
static GPtrArray *
words(const char *line)
{
	GPtrArray *list = g_ptr_array_new_with_free_func(g_free);
	g_auto(GStrv) parts = g_strsplit_set(line, " \t\r", -1);

	for (GStrv part = parts; *part; part++) {
		if (**part)
			g_ptr_array_add(list, g_strdup(*part));
	}
	return list;
}

static bool
number(const GPtrArray *row, unsigned column, unsigned *value)
{
	guint64 wide = 0;

	if (!g_ascii_string_to_unsigned(row->pdata[column], 10, 0, G_MAXUINT, &wide, NULL))
		return false;
	*value = (unsigned)wide;
	return true;
}

static HaproxyState *
read_state(const GPtrArray *row)
{
	unsigned port = 0;
	unsigned operation = 0;
	unsigned admin = 0;

	if (row->len < 19 || !number(row, 5, &operation) || !number(row, 6, &admin) ||
	    !number(row, 18, &port))
		return NULL;

	HaproxyState *state = g_new0(HaproxyState, 1);
	state->backend = g_strdup(row->pdata[1]);
	state->server = g_strdup(row->pdata[3]);
	state->address = g_strdup(row->pdata[4]);
	state->port = port;
	state->operation = operation;
	state->admin = admin;
	return state;
}

static HaproxyLoad *
read_load(const GPtrArray *row)
{
	unsigned port = 0;
	unsigned used = 0;

	if (row->len < 7 || !number(row, 3, &port) || !number(row, 6, &used))
		return NULL;
	const char *slash = strchr(row->pdata[0], '/');
	if (!slash)
		return NULL;

	HaproxyLoad *load = g_new0(HaproxyLoad, 1);
	load->backend = g_strndup(row->pdata[0], slash - (const char *)row->pdata[0]);
	load->server = g_strdup(slash + 1);
	load->address = g_strdup(row->pdata[2]);
	load->port = port;
	load->used = used;
	return load;
}

/* Calls `read` with each row under the «# …» line that begins with `header`; NULL from it is an
 * error. */
static GPtrArray *
read_table(const char *text,
    const char *header,
    gpointer (*read)(const GPtrArray *row),
    GDestroyNotify release,
    GError **error)
{
	g_autoptr(GPtrArray) table = g_ptr_array_new_with_free_func(release);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	bool has_header = false;

	for (GStrv line = lines; *line; line++) {
		if (g_str_has_prefix(*line, header))
			has_header = true;
		if (!has_header || !**line || **line == '#')
			continue;
		g_autoptr(GPtrArray) row = words(*line);
		if (row->len == 0)
			continue;
		gpointer entry = read(row);
		if (!entry) {
			error_set(error, CARRACK_ERROR_UPSTREAM,
			    "router: a row under «%s» cannot be read: «%.200s»", header, *line);
			return NULL;
		}
		g_ptr_array_add(table, entry);
	}
	if (!has_header) {
		error_set(error, CARRACK_ERROR_UPSTREAM, "router: an answer without «%s»: «%.200s»",
		    header, text);
		return NULL;
	}
	return g_steal_pointer(&table);
}

static gpointer
read_state_row(const GPtrArray *row)
{
	return read_state(row);
}

static gpointer
read_load_row(const GPtrArray *row)
{
	return read_load(row);
}

static void
release_state(gpointer state)
{
	haproxy_state_free(state);
}

static void
release_load(gpointer load)
{
	haproxy_load_free(load);
}

GPtrArray *
haproxy_parse_states(const char *text, GError **error)
{
	return read_table(text, "# be_id be_name", read_state_row, release_state, error);
}

GPtrArray *
haproxy_parse_loads(const char *text, GError **error)
{
	return read_table(text, "# bkname/svname", read_load_row, release_load, error);
}

/* «123 worker 0 0d00h00m14s 2.6.12» under «# workers» and «# old workers»; the master's row has
 * «0 [failed: 0]» in its third column. */
HaproxyProcesses *
haproxy_parse_processes(const char *text, GError **error)
{
	g_autoptr(HaproxyProcesses) processes = g_new0(HaproxyProcesses, 1);
	processes->old = g_array_new(FALSE, FALSE, sizeof(gint64));
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	bool is_old = false;
	bool has_master = false;

	for (GStrv line = lines; *line; line++) {
		if (**line == '#') {
			is_old = g_str_has_prefix(*line, "# old workers");
			continue;
		}
		g_autoptr(GPtrArray) row = words(*line);
		unsigned pid = 0;
		if (row->len < 3 || !number(row, 0, &pid))
			continue;
		bool is_worker = g_str_equal(row->pdata[1], "worker");
		gint64 worker = pid;
		if (is_worker && is_old)
			g_array_append_val(processes->old, worker);
		else if (is_worker)
			processes->worker = worker;
		has_master = has_master || g_str_equal(row->pdata[1], "master");
		const char *failed = strstr(*line, "[failed: ");
		if (failed)
			processes->failed = strtoul(failed + strlen("[failed: "), NULL, 10);
	}
	if (!has_master) {
		error_set(error, CARRACK_ERROR_UPSTREAM,
		    "router: «show proc» without a master: «%.200s»", text);
		return NULL;
	}
	return g_steal_pointer(&processes);
}

static bool
info_number(const char *text, const char *name, gint64 *value)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (GStrv line = lines; *line; line++) {
		if (!g_str_has_prefix(*line, name))
			continue;
		g_autofree char *word = g_strstrip(g_strdup(*line + strlen(name)));
		return g_ascii_string_to_signed(word, 10, 0, G_MAXINT64, value, NULL);
	}
	return false;
}

bool
haproxy_parse_info(const char *text, HaproxyInfo *info, GError **error)
{
	gint64 stopping = 0;
	HaproxyInfo found = {0};

	if (!info_number(text, "Pid:", &found.pid) ||
	    !info_number(text, "Start_time_sec:", &found.started) ||
	    !info_number(text, "Stopping:", &stopping))
		return error_set(error, CARRACK_ERROR_UPSTREAM,
		    "router: «show info» without pid, start and stopping: «%.200s»", text);
	found.is_stopping = stopping != 0;
	*info = found;
	return true;
}

GPtrArray *
haproxy_parse_sessions(const char *text, const char *backend, const char *server)
{
	GPtrArray *ids = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *place = g_strdup_printf(" be=%s srv=%s ", backend, server);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (GStrv line = lines; *line; line++) {
		const char *colon = strchr(*line, ':');
		if (colon && g_str_has_prefix(*line, "0x") && strstr(*line, place))
			g_ptr_array_add(ids, g_strndup(*line, colon - *line));
	}
	return ids;
}

static int
compare_lines(gconstpointer one, gconstpointer other)
{
	return strcmp(*(const char *const *)one, *(const char *const *)other);
}

char *
haproxy_parse_map(const char *text)
{
	g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(g_free);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (GStrv line = lines; *line; line++) {
		g_autoptr(GPtrArray) row = words(*line);
		if (row->len == 3)
			g_ptr_array_add(
			    entries, g_strdup_printf("%s %s\n", (const char *)row->pdata[1],
					 (const char *)row->pdata[2]));
	}
	g_ptr_array_sort(entries, compare_lines);
	g_ptr_array_add(entries, NULL);
	return g_strjoinv("", (char **)entries->pdata);
}
