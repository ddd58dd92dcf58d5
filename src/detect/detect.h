/*
 * What a folder without a manifest and a Dockerfile is, from its files alone, and the files that
 * make it an app: convox.yml, Dockerfile, .dockerignore. Nothing is run, nothing is written and no
 * network is asked; the same folder gives the same texts.
 */
#pragma once

#include "detect/images.h"

#include <gio/gio.h>
#include <stdbool.h>

typedef struct {
	char *path; /* in the folder */
	char *text;
} DetectedFile;

typedef struct {
	const char *language; /* «node», as --language wants it */
	char *title;          /* «Node (Express)» */
	GPtrArray *reasons;   /* lines on what was found and what follows; of char * */
	GPtrArray *files;     /* of DetectedFile */
} Detection;

/* Names of the languages, in the order of the table; NULL-terminated. The caller frees the array
 * alone. */
const char **
detect_languages(void);

/* `language` NULL: the one that fits. NOT_FOUND lists what was looked for when none does, INVALID
 * what fits when several do. An override with the name «» in `images` is for the language's own
 * image. */
Detection *
detect_folder(const char *folder, const char *language, const Images *images, GError **error);

void
detection_free(Detection *detection);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Detection, detection_free)

/* The text of a file, or NULL. Borrowed. */
const char *
detection_text(const Detection *detection, const char *path);
