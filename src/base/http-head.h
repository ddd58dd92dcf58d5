/*
 * The text of HTTP/1.1 heads, for the few lines that we write and read ourselves (upgrades).
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef struct {
	unsigned status;
	char **lines; /* «Name: value», without line ends */
} HttpHead;

/* Reads «HTTP/1.1 101 …» and the lines after it, up to the blank line. */
HttpHead *
http_head_parse(const char *text, GError **error);

void
http_head_free(HttpHead *head);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpHead, http_head_free)

/* The value of the first header with this name (in any case), or NULL. Borrowed. */
const char *
http_head_value(const HttpHead *head, const char *name);

/* Refuses header lines without a name or with a line break, naming the header, never its value. */
bool
http_head_check_lines(const char *const *lines, GError **error);

/* True if one of the lines has this name. `lines` may be NULL. */
bool
http_head_has(const char *const *lines, const char *name);

/* A chunked body as plain bytes, as far as it is complete. */
GString *
http_head_dechunk(const char *body, gsize length);
