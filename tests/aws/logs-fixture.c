/*
 * See the header.
 */
#include "logs-fixture.h"

#include <string.h>

static void
make_group(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *group = aws_rack_log_group(&fixture->rack, fixture->app);
	json_auto_t *input = json_pack("{s:s}", "logGroupName", group);
	json_auto_t *answer = aws_json(
	    fixture->rack.client, &aws_services[AWS_LOGS], "CreateLogGroup", input, NULL, &error);
	g_assert_no_error(error);
}

void
set_up(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	fixture->rack = (AwsRack){.name = (char *)"prod"};
	fixture->rack.client = aws_client_new(NULL, NULL, &error);
	g_assert_no_error(error);
	fixture->logs = logs_cloudwatch_new(&fixture->rack, &error);
	g_assert_no_error(error);
	fixture->now = g_get_real_time() / MS * MS - HOUR;
	fixture->app = g_strdup_printf("app%u", g_random_int());
	make_group(fixture);
}

void
reopen(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	fixture->logs->ops->free(fixture->logs);
	fixture->logs = logs_cloudwatch_new(&fixture->rack, &error);
	g_assert_no_error(error);
}

void
tear_down(Fixture *fixture, gconstpointer data)
{
	fixture->logs->ops->free(fixture->logs);
	g_clear_pointer(&fixture->rack.client, aws_client_free);
	g_free(fixture->app);
}

LogLine
line_of(gint64 time, const char *process, const char *text)
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
append(Fixture *fixture, const LogLine *lines, gsize count)
{
	g_autoptr(GError) error = NULL;
	fixture->logs->ops->append(fixture->logs, fixture->app, lines, count, &error);
	g_assert_no_error(error);
}

void
append_one(Fixture *fixture, gint64 time, const char *text)
{
	LogLine line = line_of(time, "p1", text);
	append(fixture, &line, 1);
}

void
append_numbers(Fixture *fixture, int first, int count)
{
	g_autofree LogLine *lines = g_new0(LogLine, (gsize)count);
	g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
	gint64 now = g_get_real_time();

	for (int i = 0; i < count; i++) {
		char *text =
		    g_strdup_printf("%d GET /some/path?of=a&usual=line HTTP/1.1 200", first + i);
		g_ptr_array_add(texts, text);
		lines[i] = line_of(now, "p1", text);
	}
	append(fixture, lines, (gsize)count);
}

bool
join(gpointer data, const LogLine *line, GError **error)
{
	GString *text = data;
	g_string_append_printf(text, "%s%.*s", text->len ? " " : "", (int)line->length, line->text);
	return true;
}

void
expect(Fixture *fixture, LogQuery query, const char *wanted)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GString) text = g_string_new(NULL);
	fixture->logs->ops->query(fixture->logs, fixture->app, &query, join, text, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(text->str, ==, wanted);
}
