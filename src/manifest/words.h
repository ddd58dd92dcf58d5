/*
 * A line split into words as a POSIX shell quotes them, and nothing else of a shell: no variables,
 * no comments, no operators.
 */
#pragma once

#include <gio/gio.h>

/* The words, NULL-terminated; NULL when a quote does not end. The caller frees them. */
GStrv
words_split(const char *text, GError **error);
