/*
 * A manifest that is more than one file, as one text: a compose file with the files that it names,
 * a Procfile with its Dockerfile. A release keeps this text, so that it can be decoded again with
 * another environment long after its source is gone.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef struct {
	char *kind; /* compose, procfile */
	char *file; /* the name of the first file */
	char *text;
	GHashTable *files; /* of the others: path → text */
} Bundle;

Bundle *
bundle_new(const char *kind, const char *file, const char *text);

void
bundle_free(Bundle *bundle);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Bundle, bundle_free)

void
bundle_add(Bundle *bundle, const char *path, const char *text);

/* The text of another file, or NULL. Borrowed. */
const char *
bundle_file(const Bundle *bundle, const char *path);

/* The first file as it is, and behind it a comment for each of the others. The caller frees it. */
char *
bundle_write(const Bundle *bundle);

/* NULL when the text is no bundle but a convox.yml. */
Bundle *
bundle_read(const char *text, gsize length);
