/*
 * `${NAME}` in a text that is YAML: marked before it is parsed, filled in afterwards, so that a
 * value never changes the structure and positions stay those of the file as written.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef struct Interpolation Interpolation;

/* Looks a variable up; NULL: not set, which is the empty text. */
typedef const char *(*InterpolationLookup)(gpointer data, const char *name);

/* Marks each `${…}` of a line in `text` (valid UTF-8). Fails with «file:line:column: …» when the
 * text holds characters of the private planes, which are the marks. */
Interpolation *
interpolation_new(const char *text, gsize length, const char *file, GError **error);

void
interpolation_free(Interpolation *interpolation);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Interpolation, interpolation_free)

/* The marked text: as many characters a line as the original. Borrowed. */
const char *
interpolation_text(const Interpolation *interpolation, gsize *length);

/* `scalar` with its marks filled in. The caller frees it. */
char *
interpolation_fill(const Interpolation *interpolation,
    const char *scalar,
    InterpolationLookup lookup,
    gpointer data);
