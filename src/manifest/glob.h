/*
 * Go's filepath.Match as far as the engine uses it: to find out whether a pattern is malformed.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

/* The next character of a text; a byte that is no UTF-8 is U+FFFD and one byte long. */
gunichar
glob_next_character(const char **at, const char *end);

/* False if filepath.Match(pattern, ".") fails, which is what moby asks of every pattern. */
bool
glob_is_accepted(const char *pattern);
