/*
 * Streams, actions, tables and facts (output.h). Everything for stdout goes through one buffer, so
 * that a full disk or a reader that has gone is noticed once, in output_write, and told once, in
 * output_finish. On a terminal a table is never cut: the terminal wraps what is too long.
 */
#include "cli/output.h"

#include "base/text.h"
#include "cli/clean.h"

#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BUFFER_BYTES 65536
#define PLAIN_PROGRESS_US (10 * G_USEC_PER_SEC)

struct Output {
	int out;
	int err;
	GString *buffer; /* for `out` */
	int failure;     /* errno of the first failed write to `out` */
	bool is_json;
	bool is_id;
	bool has_colours;
	char *action; /* the one that is going on, or NULL */
	bool is_line_open;
	bool is_broken; /* the action's first line has been ended */
	gint64 told;    /* when a progress was last told in plain lines */
};

typedef struct {
	char *text;
	json_t *value;
} Cell;

struct Table {
	GStrv columns;
	GPtrArray *cells;
};

struct Info {
	GPtrArray *labels;
	GPtrArray *texts;
	json_t *object;
};

static bool
wants_colours(void)
{
	const char *off = g_getenv("NO_COLOR");
	const char *terminal = g_getenv("TERM");

	return !(off && *off) && terminal && strcmp(terminal, "dumb") != 0;
}

Output *
output_new(int out, int err)
{
	Output *output = g_new0(Output, 1);

	output->out = out;
	output->err = err;
	output->buffer = g_string_new(NULL);
	output->has_colours = wants_colours();
	output->told = g_get_monotonic_time();
	return output;
}

void
output_free(Output *output)
{
	if (!output)
		return;

	g_string_free(output->buffer, TRUE);
	g_free(output->action);
	g_free(output);
}

void
output_set_json(Output *output)
{
	output->is_json = true;
}

void
output_set_id(Output *output)
{
	output->is_id = true;
}

bool
output_is_json(const Output *output)
{
	return output->is_json;
}

/* Where the talk goes. */
static int
talk_of(const Output *output)
{
	return output->is_json || output->is_id ? output->err : output->out;
}

bool
output_is_live(const Output *output)
{
	return isatty(talk_of(output));
}

/* The errno of a failed write, or 0. */
static int
write_all(int file, const char *bytes, gsize length)
{
	while (length > 0) {
		gssize count = write(file, bytes, length);
		if (count < 0 && errno != EINTR)
			return errno;
		if (count > 0) {
			bytes += count;
			length -= (gsize)count;
		}
	}
	return 0;
}

bool
output_flush(Output *output)
{
	if (!output->failure)
		output->failure = write_all(output->out, output->buffer->str, output->buffer->len);
	g_string_truncate(output->buffer, 0);
	return !output->failure;
}

static void
output_write(Output *output, int file, const char *bytes, gsize length)
{
	if (file == output->out) {
		g_string_append_len(output->buffer, bytes, (gssize)length);
		if (output->buffer->len >= BUFFER_BYTES)
			output_flush(output);
		return;
	}
	output_flush(output);
	/* Nobody is left to hear that stderr cannot be written. */
	(void)write_all(file, bytes, length);
}

static void
write_text(Output *output, int file, const char *text)
{
	output_write(output, file, text, strlen(text));
}

bool
output_finish(Output *output, GError **error)
{
	if (output_flush(output) || output->failure == EPIPE)
		return true;

	return error_set_errno(error, output->failure, "stdout");
}

/* A line that an action has left open ends before another line begins; a mere progress goes. */
static void
close_line(Output *output)
{
	if (!output->is_line_open)
		return;

	write_text(output, talk_of(output), output->is_broken ? "\r\033[K" : "\n");
	output->is_line_open = false;
	output->is_broken = true;
}

void
output_data(Output *output, const char *bytes, gsize length)
{
	output_write(output, output->out, bytes, length);
}

static void
print_line(Output *output, int file, const char *format, va_list arguments)
{
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	g_autofree char *line = g_strconcat(text, "\n", NULL);

	close_line(output);
	write_text(output, file, line);
}

void
output_talk(Output *output, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	print_line(output, talk_of(output), format, arguments);
	va_end(arguments);

	if (output_is_live(output))
		output_flush(output);
}

void
output_print(Output *output, const char *format, ...)
{
	if (output->is_json)
		return;

	va_list arguments;
	va_start(arguments, format);
	print_line(output, output->out, format, arguments);
	va_end(arguments);
}

void
output_line(Output *output, const char *line)
{
	g_autofree char *clean = clean_text(line, strlen(line), true, NULL);
	output_talk(output, "%s", clean);
}

void
output_note(Output *output, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	print_line(output, output->err, format, arguments);
	va_end(arguments);
}

void
output_error(Output *output, const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	bool is_coloured = output->has_colours && isatty(output->err);
	const char *mark = is_coloured ? "\033[31mERROR:\033[0m" : "ERROR:";

	close_line(output);
	for (gsize i = 0; lines[i]; i++) {
		g_autofree char *clean = clean_text(lines[i], strlen(lines[i]), false, NULL);
		g_autofree char *line = g_strdup_printf("%s %s\n", mark, clean);
		if (*lines[i])
			write_text(output, output->err, line);
	}
}

void
output_foreign(Output *output, bool is_talk, const char *bytes, gsize length)
{
	int file = is_talk ? talk_of(output) : output->out;

	close_line(output);
	if (!isatty(file)) {
		output_write(output, file, bytes, length);
		return;
	}
	gsize count;
	g_autofree char *clean = clean_text(bytes, length, true, &count);
	output_write(output, file, clean, count);
}

char *
output_colour(const Output *output, const char *code, const char *text)
{
	if (!output->has_colours || !output_is_live(output))
		return g_strdup(text);

	return g_strdup_printf("\033[%sm%s\033[0m", code, text);
}

/* Actions */

void
output_action(Output *output, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_free(output->action);
	output->action = g_strdup_vprintf(format, arguments);
	va_end(arguments);

	output->is_broken = false;
	if (!output_is_live(output))
		return;
	write_text(output, talk_of(output), output->action);
	write_text(output, talk_of(output), "... ");
	output->is_line_open = true;
	output_flush(output);
}

/* A line that is longer than the terminal could not be taken back. */
static char *
cut_to_width(const Output *output, const char *text)
{
	struct winsize size = {0};
	g_autofree char *valid = g_utf8_make_valid(text, -1);

	if (ioctl(talk_of(output), TIOCGWINSZ, &size) < 0 || size.ws_col < 2)
		return g_steal_pointer(&valid);
	return g_utf8_substring(valid, 0, MIN(g_utf8_strlen(valid, -1), size.ws_col - 1));
}

static void
rewrite_line(Output *output, const char *text)
{
	const char *back = output->is_line_open ? "\r\033[K" : "";
	g_autofree char *line = output->is_broken
				    ? g_strdup_printf("%s%s", back, text)
				    : g_strdup_printf("%s%s... %s", back, output->action, text);

	write_text(output, talk_of(output), line);
	output->is_line_open = true;
	output_flush(output);
}

void
output_progress(Output *output, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	va_end(arguments);

	if (output_is_live(output)) {
		g_autofree char *clean = clean_text(text, strlen(text), false, NULL);
		g_autofree char *line = cut_to_width(output, clean);
		rewrite_line(output, line);
		return;
	}
	gint64 now = g_get_monotonic_time();
	if (now - output->told < PLAIN_PROGRESS_US)
		return;
	output->told = now;
	output_note(output, "%s... %s", output->action, text);
}

void
output_break(Output *output)
{
	if (output->is_broken || !output->action)
		return;

	if (!output->is_line_open)
		output_talk(output, "%s... ", output->action);
	close_line(output);
	output->is_broken = true;
	output_flush(output);
}

void
output_done(Output *output, const char *detail)
{
	g_autofree char *ok = output_colour(output, OUTPUT_GREEN, "OK");
	g_autofree char *end = detail ? g_strconcat(ok, ", ", detail, NULL) : g_strdup(ok);

	if (output->is_line_open)
		rewrite_line(output, end);
	else if (output->is_broken)
		write_text(output, talk_of(output), end);
	else {
		write_text(output, talk_of(output), output->action);
		write_text(output, talk_of(output), "... ");
		write_text(output, talk_of(output), end);
	}
	write_text(output, talk_of(output), "\n");
	output->is_line_open = false;
	g_clear_pointer(&output->action, g_free);
	output_flush(output);
}

void
output_json(Output *output, const json_t *value)
{
	if (!output->is_json)
		return;

	g_autofree char *text = json_text(value, true);
	write_text(output, output->out, text);
}

void
output_id(Output *output, const char *id)
{
	if (output->is_id && !output->is_json)
		write_text(output, output->out, id);
}

/* Times */

gint64
output_time(const char *text)
{
	gint64 time = 0;
	if (!text || !*text || g_str_has_prefix(text, "0001-01-01"))
		return 0;
	if (!text_parse_time(text, &time, NULL))
		return 0;

	return MIN(time, g_get_real_time());
}

static json_t *
time_value(const char *text)
{
	return output_time(text) ? json_string(text) : json_null();
}

static char *
time_ago(const char *text)
{
	gint64 time = output_time(text);
	return time ? text_ago(time, g_get_real_time()) : g_strdup("");
}

static char *
elapsed_of(const char *started, const char *ended, json_t **value)
{
	gint64 from = output_time(started);
	gint64 to = output_time(ended);
	bool is_known = from && to;

	*value = is_known ? json_integer((to - from) / G_USEC_PER_SEC) : json_null();
	return is_known ? text_elapsed(from, to) : g_strdup("");
}

/* Tables */

static void
cell_free(gpointer data)
{
	Cell *cell = data;

	g_free(cell->text);
	json_decref(cell->value);
	g_free(cell);
}

Table *
table_new(const char *columns)
{
	Table *table = g_new0(Table, 1);

	table->columns = g_strsplit(columns, " ", -1);
	table->cells = g_ptr_array_new_with_free_func(cell_free);
	return table;
}

void
table_free(Table *table)
{
	if (!table)
		return;

	g_strfreev(table->columns);
	g_ptr_array_unref(table->cells);
	g_free(table);
}

void
table_value(Table *table, const char *text, json_t *value)
{
	Cell *cell = g_new0(Cell, 1);

	cell->text = g_strdup(text ? text : "");
	cell->value = value;
	g_ptr_array_add(table->cells, cell);
}

void
table_text(Table *table, const char *text)
{
	table_value(table, text, json_text_value(text ? text : ""));
}

void
table_number(Table *table, gint64 number)
{
	g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, number);
	table_value(table, text, json_integer(number));
}

void
table_time(Table *table, const char *time)
{
	g_autofree char *text = time_ago(time);
	table_value(table, text, time_value(time));
}

void
table_elapsed(Table *table, const char *started, const char *ended)
{
	json_t *value;
	g_autofree char *text = elapsed_of(started, ended, &value);
	table_value(table, text, value);
}

static json_t *
table_json(const Table *table)
{
	json_t *rows = json_array();
	json_t *row = NULL;
	unsigned width = g_strv_length(table->columns);

	for (guint i = 0; i < table->cells->len; i++) {
		Cell *cell = table->cells->pdata[i];
		g_autofree char *name = g_ascii_strdown(table->columns[i % width], -1);
		if (i % width == 0) {
			row = json_object();
			json_array_append_new(rows, row);
		}
		json_object_set(row, name, cell->value);
	}
	return rows;
}

static struct libscols_table *
table_columns(const Table *table)
{
	struct libscols_table *columns = scols_new_table();

	scols_table_set_column_separator(columns, "  ");
	scols_table_set_termforce(columns, SCOLS_TERMFORCE_NEVER);
	for (gsize i = 0; table->columns[i]; i++)
		scols_table_new_column(columns, table->columns[i], 0, 0);
	return columns;
}

static char *
table_lines(const Table *table)
{
	struct libscols_table *columns = table_columns(table);
	unsigned width = g_strv_length(table->columns);
	struct libscols_line *line = NULL;

	for (guint i = 0; i < table->cells->len; i++) {
		Cell *cell = table->cells->pdata[i];
		if (i % width == 0)
			line = scols_table_new_line(columns, NULL);
		scols_line_set_data(line, i % width, cell->text);
	}

	char *text = NULL;
	scols_print_table_to_string(columns, &text);
	scols_unref_table(columns);
	return text;
}

void
table_print(const Table *table, Output *output)
{
	if (output->is_json) {
		json_auto_t *rows = table_json(table);
		output_json(output, rows);
		return;
	}
	/* libsmartcols prints nothing at all for a table without lines. */
	if (table->cells->len == 0) {
		g_autofree char *heading = g_strjoinv("  ", table->columns);
		write_text(output, output->out, heading);
		write_text(output, output->out, "\n");
		return;
	}
	char *lines = table_lines(table);
	write_text(output, output->out, lines);
	write_text(output, output->out, "\n");
	free(lines);
}

/* Facts */

Info *
info_new(void)
{
	Info *info = g_new0(Info, 1);

	info->labels = g_ptr_array_new_with_free_func(g_free);
	info->texts = g_ptr_array_new_with_free_func(g_free);
	info->object = json_object();
	return info;
}

void
info_free(Info *info)
{
	if (!info)
		return;

	g_ptr_array_unref(info->labels);
	g_ptr_array_unref(info->texts);
	json_decref(info->object);
	g_free(info);
}

static void
info_add(Info *info, const char *label, const char *text)
{
	g_ptr_array_add(info->labels, clean_text(label, strlen(label), false, NULL));
	g_ptr_array_add(info->texts, g_strdup(text ? text : ""));
}

void
info_value(Info *info, const char *label, const char *text, json_t *value)
{
	g_autofree char *name = g_ascii_strdown(label, -1);

	info_add(info, label, text);
	json_object_set_new(info->object, name, value);
}

void
info_text(Info *info, const char *label, const char *text)
{
	info_value(info, label, text, json_text_value(text ? text : ""));
}

void
info_time(Info *info, const char *label, const char *time)
{
	g_autofree char *text = time_ago(time);
	info_value(info, label, text, time_value(time));
}

void
info_elapsed(Info *info, const char *label, const char *started, const char *ended)
{
	json_t *value;
	g_autofree char *text = elapsed_of(started, ended, &value);
	info_value(info, label, text, value);
}

void
info_pair(Info *info, const char *name, const char *text)
{
	info_add(info, name, text);
	json_object_set_new(info->object, name, json_text_value(text ? text : ""));
}

static long
info_width(const Info *info)
{
	long width = 0;

	for (guint i = 0; i < info->labels->len; i++)
		width = MAX(width, g_utf8_strlen(info->labels->pdata[i], -1));
	return width;
}

/* One fact: the label only before the first line of its value. */
static void
info_lines(GString *text, const char *label, const char *value, long width)
{
	g_auto(GStrv) lines = g_strsplit(value, "\n", -1);

	if (!lines[0])
		g_string_append_printf(text, "%s\n", label);
	for (gsize i = 0; lines[i]; i++) {
		const char *before = i == 0 ? label : "";
		long gap = width - g_utf8_strlen(before, -1) + 2;
		g_autofree char *line = clean_text(lines[i], strlen(lines[i]), false, NULL);
		g_string_append_printf(text, "%s%*s%s\n", before, (int)gap, "", line);
	}
}

void
info_print(const Info *info, Output *output)
{
	if (output->is_json) {
		output_json(output, info->object);
		return;
	}
	g_autoptr(GString) text = g_string_new(NULL);
	long width = info_width(info);
	for (guint i = 0; i < info->labels->len; i++)
		info_lines(text, info->labels->pdata[i], info->texts->pdata[i], width);
	output_data(output, text->str, text->len);
}
