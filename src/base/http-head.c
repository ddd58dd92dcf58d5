/*
 * Heads of HTTP/1.1 as text. Only what an upgrade needs: libcurl does all of it for ordinary calls.
 * Nothing here reads from a connection, so that all of it can be tested with strings.
 */
#include "base/http-head.h"

#include "base/error.h"

#include <string.h>

static const char *
value_in_line(const char *line, const char *name)
{
	gsize length = strlen(name);
	if (g_ascii_strncasecmp(line, name, length) != 0 || line[length] != ':')
		return NULL;

	return line + length + 1 + strspn(line + length + 1, " \t");
}

HttpHead *
http_head_parse(const char *text, GError **error)
{
	bool known = g_str_has_prefix(text, "HTTP/1.1 ") || g_str_has_prefix(text, "HTTP/1.0 ");
	bool has_status = known && g_ascii_isdigit(text[9]) && g_ascii_isdigit(text[10]) &&
			  g_ascii_isdigit(text[11]) && !g_ascii_isdigit(text[12]);
	if (!has_status) {
		error_set(error, CARRACK_ERROR_UPSTREAM, "the answer is not HTTP/1.1");
		return NULL;
	}

	HttpHead *head = g_new0(HttpHead, 1);
	head->status = (unsigned)g_ascii_strtoull(text + 9, NULL, 10);
	head->lines = g_strsplit(text, "\r\n", -1);
	return head;
}

void
http_head_free(HttpHead *head)
{
	if (!head)
		return;

	g_strfreev(head->lines);
	g_free(head);
}

const char *
http_head_value(const HttpHead *head, const char *name)
{
	const char *value = NULL;

	for (char **line = head->lines; *line && !value; line++)
		value = value_in_line(*line, name);
	return value;
}

bool
http_head_check_lines(const char *const *lines, GError **error)
{
	for (; lines && *lines; lines++) {
		const char *colon = strchr(*lines, ':');
		gsize length = colon ? (gsize)(colon - *lines) : strlen(*lines);
		bool good = colon && length > 0 && !strpbrk(*lines, "\r\n");
		for (gsize i = 0; i < length; i++)
			good = good && (g_ascii_isalnum((*lines)[i]) || strchr("-_.", (*lines)[i]));
		if (good)
			continue;

		g_autofree char *name = g_strndup(*lines, MIN(length, 64));
		g_autofree char *quoted = g_strescape(name, NULL);
		return error_set(error, CARRACK_ERROR_INVALID,
		    "header \"%s\": the form is one line «Name: value», the name in letters, "
		    "digits "
		    "and dashes",
		    quoted);
	}
	return true;
}

bool
http_head_has(const char *const *lines, const char *name)
{
	for (; lines && *lines; lines++) {
		if (value_in_line(*lines, name))
			return true;
	}
	return false;
}

GString *
http_head_dechunk(const char *body, gsize length)
{
	GString *plain = g_string_new(NULL);
	const char *end = body + length;

	while (body < end) {
		char *after;
		guint64 size = g_ascii_strtoull(body, &after, 16);
		const char *line_end = memmem(body, (gsize)(end - body), "\r\n", 2);
		if (after == body || !line_end || size == 0)
			break;

		body = line_end + 2;
		gsize there = MIN(size, (guint64)(end - body));
		g_string_append_len(plain, body, (gssize)there);
		body += there;
		body += MIN((gsize)(end - body), 2);
	}
	return plain;
}
