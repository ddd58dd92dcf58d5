/*
 * JSON: the few things that jansson leaves to us. Values are json_t; `json_auto_t` owns one.
 */
#pragma once

#include "base/error.h"

#include <gio/gio.h>
#include <jansson.h>
#include <stdbool.h>

/* Parses strictly (no duplicate keys, nothing after the value). `what` names the source in the
 * error. NULL on failure; the caller owns the value. */
json_t *
json_parse(const char *text, gsize length, const char *what, GError **error);

/* The value as text; with `indented`, two spaces a level and a newline at the end, as the wire has
 * it. */
char *
json_text(const json_t *value, bool indented);

/* jansson's typed unpack (json_unpack_ex) with its error turned into CARRACK_ERROR_UPSTREAM that
 * names `what`. */
bool
json_read(json_t *value, const char *what, GError **error, const char *format, ...);

/* Members read with a default: never NULL, never fails. Strings are borrowed from `object`. */
const char *
json_text_of(const json_t *object, const char *member, const char *fallback);

gint64
json_int_of(const json_t *object, const char *member, gint64 fallback);

bool
json_bool_of(const json_t *object, const char *member, bool fallback);

/* Walks nested objects: json_at (v, "State", "Health", NULL). NULL when one is missing. Borrowed.
 */
json_t *
json_at(const json_t *object, const char *member, ...) G_GNUC_NULL_TERMINATED;

/* json_string for text that may be NULL (→ null) or not UTF-8 (every bad byte becomes U+FFFD). */
json_t *
json_text_value(const char *text);
