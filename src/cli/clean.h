/*
 * Text from elsewhere made safe for a terminal: what an app logs or a server answers must not move
 * the cursor, set the title, or answer for the person who reads it.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

/* A copy without control bytes and escape sequences; newlines and tabs stay, and with `has_colours`
 * the sequences that only set colours. `count` (may be NULL) is its length. The caller frees it. */
char *
clean_text(const char *bytes, gsize length, bool has_colours, gsize *count);
