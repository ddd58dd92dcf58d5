/*
 * The base images that Dockerfiles are made on: a table of official ones by name, and what the user
 * wants instead, since a machine may reach other registries or none.
 *
 * A file of them has lines «NAME IMAGE», and comments after «#»:
 *
 *     node    registry.example.com/node:22-slim
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef struct Images Images;

Images *
images_new(void);

void
images_free(Images *images);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Images, images_free)

/* Takes another image for a name. What was said later goes before. */
bool
images_set(Images *images, const char *name, const char *image, GError **error);

/* «NAME=IMAGE», or «IMAGE» for the language's own. */
bool
images_set_argument(Images *images, const char *argument, GError **error);

/* All lines of a file. */
bool
images_read(Images *images, const char *file, GError **error);

/* The image for a name of the table, in that version if it has several. `language` says which name
 * an IMAGE without a name is for. NULL when there is no such name; the caller frees it. */
char *
images_find(const Images *images, const char *name, const char *language, const char *version);
