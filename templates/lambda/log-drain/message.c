/*
 * A line of a log as a syslog message: host is the rack, application the app, process the service
 * and its task. What a header field may not hold (blanks, anything but printable ASCII) becomes
 * «_».
 */
#include "log-drain.h"

#include <string.h>

#define PRIORITY 14 /* user, informational: what is in the line only its author knows */
#define HOST_BYTES 255
#define APP_BYTES 48
#define PROCESS_BYTES 128

static void
append_field(GString *out, const char *text, gsize limit)
{
	gsize length = strlen(text);
	if (length == 0) {
		g_string_append_c(out, '-');
		return;
	}

	for (gsize i = 0; i < MIN(length, limit); i++)
		g_string_append_c(out, g_ascii_isgraph(text[i]) ? text[i] : '_');
}

static void
append_time(GString *out, gint64 milliseconds)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(milliseconds / 1000);
	if (!time) {
		g_string_append_c(out, '-');
		return;
	}

	g_autofree char *seconds = g_date_time_format(time, "%Y-%m-%dT%H:%M:%S");
	g_string_append_printf(out, "%s.%03dZ", seconds, (int)(milliseconds % 1000));
}

/* «service/web/0123abcd…» to «web/0123abcd…»: the driver's prefix says nothing. */
static const char *
process_of(const char *stream)
{
	const char *slash = strchr(stream, '/');

	return slash && strchr(slash + 1, '/') ? slash + 1 : stream;
}

void
message_append(GString *out, const Line *line)
{
	g_autoptr(GString) message = g_string_sized_new(line->length + 128);
	gsize length = line->length;

	g_string_append_printf(message, "<%d>1 ", PRIORITY);
	append_time(message, line->time);
	g_string_append_c(message, ' ');
	append_field(message, line->rack, HOST_BYTES);
	g_string_append_c(message, ' ');
	append_field(message, line->app, APP_BYTES);
	g_string_append_c(message, ' ');
	append_field(message, process_of(line->stream), PROCESS_BYTES);
	g_string_append(message, " - - ");
	while (length > 0 && (line->text[length - 1] == '\n' || line->text[length - 1] == '\r'))
		length--;
	g_string_append_len(message, line->text, (gssize)length);

	g_string_append_printf(out, "%" G_GSIZE_FORMAT " ", message->len);
	g_string_append_len(out, message->str, (gssize)message->len);
}
