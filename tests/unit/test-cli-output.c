/*
 * Unit tests of cli/output: golden texts of tables, facts and actions as they come out of a file
 * that is no terminal, and what happens when stdout takes nothing any more.
 */
#include "base/error.h"
#include "base/text.h"
#include "cli/clean.h"
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct {
	int out;
	int err;
	Output *output;
} Screen;

static Screen
screen_new(void)
{
	Screen screen = {memfd_create("out", 0), memfd_create("err", 0), NULL};
	screen.output = output_new(screen.out, screen.err);
	return screen;
}

static char *
file_text(int file)
{
	off_t length = lseek(file, 0, SEEK_END);
	char *text = g_malloc0((gsize)length + 1);
	g_assert_cmpint(pread(file, text, (gsize)length, 0), ==, length);
	return text;
}

/* Compares what was written, and ends the screen. */
static void
screen_expect(Screen *screen, const char *out, const char *err)
{
	g_autoptr(GError) error = NULL;
	g_assert_true(output_finish(screen->output, &error));
	g_assert_no_error(error);
	g_autofree char *written = file_text(screen->out);
	g_autofree char *told = file_text(screen->err);
	g_assert_cmpstr(written, ==, out);
	g_assert_cmpstr(told, ==, err);
	output_free(screen->output);
	close(screen->out);
	close(screen->err);
}

static char *
time_before(gint64 seconds)
{
	return text_time(g_get_real_time() - seconds * G_USEC_PER_SEC);
}

static Table *
builds_table(void)
{
	Table *table = table_new("ID STATUS RELEASE STARTED ELAPSED DESCRIPTION");
	g_autofree char *started = time_before(3 * 3600);
	g_autofree char *ended = time_before(3 * 3600 - 62);

	table_text(table, "BAAAAAAAAAA");
	table_text(table, "complete");
	table_text(table, "RBBBBBBBBBB");
	table_time(table, started);
	table_elapsed(table, started, ended);
	table_text(table, "d");
	table_text(table, "BCCCCCCCCCC");
	table_text(table, "running");
	table_text(table, "");
	table_time(table, "0001-01-01T00:00:00Z");
	table_elapsed(table, started, "0001-01-01T00:00:00Z");
	table_text(table, "zwei Wörter");
	return table;
}

static void
a_table_has_two_blanks_between_columns_and_none_at_the_end(void)
{
	Screen screen = screen_new();
	g_autoptr(Table) table = builds_table();

	table_print(table, screen.output);
	screen_expect(&screen,
	    "ID           STATUS    RELEASE      STARTED      ELAPSED  DESCRIPTION\n"
	    "BAAAAAAAAAA  complete  RBBBBBBBBBB  3 hours ago  1m2s     d\n"
	    "BCCCCCCCCCC  running                                      zwei Wörter\n",
	    "");
}

static void
columns_are_as_wide_as_characters_not_bytes(void)
{
	Screen screen = screen_new();
	g_autoptr(Table) table = table_new("NAME STATUS");

	table_text(table, "bücher");
	table_text(table, "ok");
	table_text(table, "日本");
	table_text(table, "ok");
	table_print(table, screen.output);
	screen_expect(&screen, "NAME    STATUS\nbücher  ok\n日本    ok\n", "");
}

static void
an_empty_column_keeps_its_heading(void)
{
	Screen screen = screen_new();
	g_autoptr(Table) table = table_new("ID STATUS BUILD");

	table_text(table, "RBBBBBBBBBB");
	table_text(table, "");
	table_text(table, "BAAAAAAAAAA");
	table_print(table, screen.output);
	screen_expect(&screen,
	    "ID           STATUS  BUILD\n"
	    "RBBBBBBBBBB          BAAAAAAAAAA\n",
	    "");
}

static void
an_empty_table_is_its_headings(void)
{
	Screen screen = screen_new();
	g_autoptr(Table) table = table_new("APP STATUS RELEASE");

	table_print(table, screen.output);
	screen_expect(&screen, "APP  STATUS  RELEASE\n", "");
}

static void
one_row_is_one_line_whatever_it_holds(void)
{
	Screen screen = screen_new();
	g_autoptr(Table) table = table_new("ID COMMAND");

	table_text(table, "p1");
	table_text(table, "sh -c 'a\nb\033[2J'");
	table_print(table, screen.output);
	screen_expect(&screen, "ID  COMMAND\np1  sh -c 'a\\x0ab\\x1b[2J'\n", "");
}

static void
a_long_cell_is_never_cut(void)
{
	Screen screen = screen_new();
	g_autoptr(Table) table = table_new("ID COMMAND");
	g_autofree char *command = g_strnfill(500, 'x');
	g_autofree char *expected = g_strdup_printf("ID  COMMAND\np1  %s\n", command);

	table_text(table, "p1");
	table_text(table, command);
	table_print(table, screen.output);
	screen_expect(&screen, expected, "");
}

static void
json_comes_from_the_same_columns(void)
{
	Screen screen = screen_new();
	g_autoptr(Table) table = table_new("SERVICE DESIRED STARTED ELAPSED");

	output_set_json(screen.output);
	table_text(table, "web \"x\"\n");
	table_number(table, 2);
	table_time(table, "2026-04-20T10:11:12Z");
	table_elapsed(table, "2026-04-20T10:11:12Z", "2026-04-20T10:12:14Z");
	table_print(table, screen.output);
	screen_expect(&screen,
	    "[\n"
	    "  {\n"
	    "    \"service\": \"web \\\"x\\\"\\n\",\n"
	    "    \"desired\": 2,\n"
	    "    \"started\": \"2026-04-20T10:11:12Z\",\n"
	    "    \"elapsed\": 62\n"
	    "  }\n"
	    "]\n",
	    "");
}

static void
json_of_nothing_is_an_empty_list(void)
{
	Screen screen = screen_new();
	g_autoptr(Table) table = table_new("APP");

	output_set_json(screen.output);
	table_print(table, screen.output);
	screen_expect(&screen, "[]\n", "");
}

static Info *
release_facts(void)
{
	Info *info = info_new();

	info_text(info, "Id", "RBBBBBBBBBB");
	info_text(info, "Description", "");
	info_value(info, "Env", "A=1\nB=two", json_pack("{s:s, s:s}", "A", "1", "B", "two"));
	return info;
}

static void
further_lines_of_a_fact_stand_below_its_first(void)
{
	Screen screen = screen_new();
	g_autoptr(Info) info = release_facts();

	info_print(info, screen.output);
	screen_expect(&screen,
	    "Id           RBBBBBBBBBB\n"
	    "Description\n"
	    "Env          A=1\n"
	    "             B=two\n",
	    "");
}

static void
facts_in_json_are_an_object(void)
{
	Screen screen = screen_new();
	g_autoptr(Info) info = release_facts();

	output_set_json(screen.output);
	info_print(info, screen.output);
	screen_expect(&screen,
	    "{\n"
	    "  \"id\": \"RBBBBBBBBBB\",\n"
	    "  \"description\": \"\",\n"
	    "  \"env\": {\n"
	    "    \"A\": \"1\",\n"
	    "    \"B\": \"two\"\n"
	    "  }\n"
	    "}\n",
	    "");
}

static void
names_of_pairs_are_kept(void)
{
	Screen screen = screen_new();
	g_autoptr(Info) info = info_new();

	output_set_json(screen.output);
	info_pair(info, "HttpProxy", "x");
	info_print(info, screen.output);
	screen_expect(&screen, "{\n  \"HttpProxy\": \"x\"\n}\n", "");
}

static void
a_clock_that_is_behind_shows_now(void)
{
	Screen screen = screen_new();
	g_autoptr(Table) table = table_new("ID STARTED");
	g_autofree char *later = time_before(-3600);

	table_text(table, "p1");
	table_time(table, later);
	table_print(table, screen.output);
	screen_expect(&screen, "ID  STARTED\np1  now\n", "");
}

static void
relative_times_are_the_wires(void)
{
	static const struct {
		gint64 seconds;
		const char *text;
	} cases[] = {
	    {1, "1 second ago"},
	    {59, "59 seconds ago"},
	    {60, "1 minute ago"},
	    {3599, "59 minutes ago"},
	    {3600, "1 hour ago"},
	    {86400, "1 day ago"},
	    {7 * 86400, "1 week ago"},
	    {29 * 86400, "4 weeks ago"},
	    {30 * 86400, "1 month ago"},
	    {210 * 86400, "7 months ago"},
	    {400 * 86400, "1 year ago"},
	    {540 * 86400, "2 years ago"},
	};
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		Screen screen = screen_new();
		g_autoptr(Table) table = table_new("CREATED");
		g_autofree char *time = time_before(cases[i].seconds);
		g_autofree char *expected = g_strdup_printf("CREATED\n%s\n", cases[i].text);
		table_time(table, time);
		table_print(table, screen.output);
		screen_expect(&screen, expected, "");
	}
}

static void
an_action_is_one_line(void)
{
	Screen screen = screen_new();

	output_action(screen.output, "Creating %s", "blog");
	output_progress(screen.output, "half way");
	output_done(screen.output, NULL);
	output_action(screen.output, "Rolling back to %s", "RA");
	output_done(screen.output, "RB");
	screen_expect(&screen, "Creating blog... OK\nRolling back to RA... OK, RB\n", "");
}

static void
an_action_that_fails_leaves_stdout_empty(void)
{
	Screen screen = screen_new();

	output_action(screen.output, "Scaling %s", "nope");
	output_error(screen.output, "no service nope");
	screen_expect(&screen, "", "ERROR: no service nope\n");
}

static void
lines_of_an_action_stand_between_its_ends(void)
{
	Screen screen = screen_new();

	output_action(screen.output, "Promoting RA");
	output_break(screen.output);
	output_line(screen.output, "  web  start  2 of 2 healthy");
	output_done(screen.output, NULL);
	screen_expect(&screen, "Promoting RA... \n  web  start  2 of 2 healthy\nOK\n", "");
}

static void
with_id_only_the_id_is_on_stdout(void)
{
	Screen screen = screen_new();

	output_set_id(screen.output);
	output_action(screen.output, "Setting X");
	output_done(screen.output, NULL);
	output_talk(screen.output, "Release: %s", "RA");
	output_id(screen.output, "RA");
	screen_expect(&screen, "RA", "Setting X... OK\nRelease: RA\n");
}

static void
with_json_only_json_is_on_stdout(void)
{
	Screen screen = screen_new();
	json_auto_t *answer = json_pack("{s:s}", "release", "RA");

	output_set_json(screen.output);
	output_set_id(screen.output);
	output_action(screen.output, "Setting X");
	output_done(screen.output, NULL);
	output_print(screen.output, "text");
	output_json(screen.output, answer);
	output_id(screen.output, "RA");
	screen_expect(&screen, "{\n  \"release\": \"RA\"\n}\n", "Setting X... OK\n");
}

static void
each_line_of_an_error_has_the_mark(void)
{
	Screen screen = screen_new();

	output_error(screen.output, "convox.yml:1:1: a\nconvox.yml:2:1: b\033[2J\n");
	screen_expect(&screen, "", "ERROR: convox.yml:1:1: a\nERROR: convox.yml:2:1: b\n");
}

static void
foreign_bytes_reach_a_file_as_they_are(void)
{
	Screen screen = screen_new();

	output_foreign(screen.output, false, "\033[31mred\033[0m \xff\n", 15);
	screen_expect(&screen, "\033[31mred\033[0m \xff\n", "");
}

static void
a_full_disk_is_an_error(void)
{
	g_autoptr(GError) error = NULL;
	int full = open("/dev/full", O_WRONLY);
	g_autoptr(Output) output = output_new(full, STDERR_FILENO);

	output_data(output, "x\n", 2);
	g_assert_false(output_flush(output));
	g_assert_false(output_finish(output, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INTERNAL);
	g_assert_cmpstr(error->message, ==, "stdout: No space left on device");
	close(full);
}

static void
a_reader_that_has_gone_is_none(void)
{
	g_autoptr(GError) error = NULL;
	int ends[2];
	g_assert_cmpint(pipe(ends), ==, 0);
	close(ends[0]);
	g_autoptr(Output) output = output_new(ends[1], STDERR_FILENO);

	output_data(output, "x\n", 2);
	g_assert_false(output_flush(output));
	g_assert_true(output_finish(output, &error));
	g_assert_no_error(error);
	close(ends[1]);
}

static void
assert_clean(const char *text, bool has_colours, const char *expected)
{
	g_autofree char *clean = clean_text(text, strlen(text), has_colours, NULL);
	g_assert_cmpstr(clean, ==, expected);
}

static void
only_colours_pass_to_a_terminal(void)
{
	assert_clean("\033[1;31mred\033[0m", true, "\033[1;31mred\033[0m");
	assert_clean("\033[1;31mred\033[0m", false, "red");
	assert_clean("\033[2J\033[Hx", true, "x");
	assert_clean("\033]0;title\007x\033]0;t\033\\y", true, "xy");
	assert_clean("\033[?1049hx\033c\r\n\tb\b", true, "x\n\tb");
	assert_clean("cut \033[31", true, "cut ");
	assert_clean("cut \033", true, "cut ");
	assert_clean("schön 日本", true, "schön 日本");
}

static void
add(const char *path, GTestFunc test)
{
	g_test_add_func(path, test);
}

int
main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	g_test_init(&argc, &argv, NULL);
	add("/output/a-table-has-two-blanks-between-columns-and-none-at-the-end",
	    a_table_has_two_blanks_between_columns_and_none_at_the_end);
	add("/output/columns-are-as-wide-as-characters-not-bytes",
	    columns_are_as_wide_as_characters_not_bytes);
	add("/output/an-empty-column-keeps-its-heading", an_empty_column_keeps_its_heading);
	add("/output/an-empty-table-is-its-headings", an_empty_table_is_its_headings);
	add("/output/one-row-is-one-line-whatever-it-holds", one_row_is_one_line_whatever_it_holds);
	add("/output/a-long-cell-is-never-cut", a_long_cell_is_never_cut);
	add("/output/json-comes-from-the-same-columns", json_comes_from_the_same_columns);
	add("/output/json-of-nothing-is-an-empty-list", json_of_nothing_is_an_empty_list);
	add("/output/further-lines-of-a-fact-stand-below-its-first",
	    further_lines_of_a_fact_stand_below_its_first);
	add("/output/facts-in-json-are-an-object", facts_in_json_are_an_object);
	add("/output/names-of-pairs-are-kept", names_of_pairs_are_kept);
	add("/output/a-clock-that-is-behind-shows-now", a_clock_that_is_behind_shows_now);
	add("/output/relative-times-are-the-wires", relative_times_are_the_wires);
	add("/output/an-action-is-one-line", an_action_is_one_line);
	add("/output/an-action-that-fails-leaves-stdout-empty",
	    an_action_that_fails_leaves_stdout_empty);
	add("/output/lines-of-an-action-stand-between-its-ends",
	    lines_of_an_action_stand_between_its_ends);
	add("/output/with-id-only-the-id-is-on-stdout", with_id_only_the_id_is_on_stdout);
	add("/output/with-json-only-json-is-on-stdout", with_json_only_json_is_on_stdout);
	add("/output/each-line-of-an-error-has-the-mark", each_line_of_an_error_has_the_mark);
	add("/output/foreign-bytes-reach-a-file-as-they-are",
	    foreign_bytes_reach_a_file_as_they_are);
	add("/output/a-full-disk-is-an-error", a_full_disk_is_an_error);
	add("/output/a-reader-that-has-gone-is-none", a_reader_that_has_gone_is_none);
	add("/output/only-colours-pass-to-a-terminal", only_colours_pass_to_a_terminal);
	return g_test_run();
}
