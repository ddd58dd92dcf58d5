/*
 * Percent-encoding and what is written in it: query strings, forms, and the maps within them. Pure
 * functions over bytes from outside.
 */
#pragma once

#include "base/json.h"

/* Decodes %XX, and «+» as a blank when `plus`. A broken escape or a NUL byte is INVALID; `what`
 * names the place. The caller frees it. */
char *
form_decode(const char *text, gsize length, bool plus, const char *what, GError **error);

/* «a=1&b=x+y» to a table of char * by char *. The first of several equal names counts. */
GHashTable *
form_parse(const char *text, gsize length, const char *what, GError **error);

/* The same as an object of text, in the order of the form. */
json_t *
form_parse_map(const char *text, const char *what, GError **error);
