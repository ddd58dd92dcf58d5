/*
 * A folder that is to be built: its manifest, read and checked here before anything is sent, and
 * what of it is sent. What was generated for it (detect/detect.h) is sent as if it were there.
 * .dockerignore decides, but what the build itself needs (the manifest, every Dockerfile,
 * .dockerignore) is always there, and .git only when .dockerignore says «!.git».
 */
#pragma once

#include "base/tar.h"
#include "detect/detect.h"
#include "manifest/manifest.h"

typedef struct Source Source;

typedef struct {
	const char *manifest_file; /* NULL: the first of manifest_file_names that is there */
	const Env *env;
	bool is_strict;             /* unknown keys are errors */
	const Detection *generated; /* files that the folder lacks; or NULL */
} SourceOptions;

/* Reads the manifest of the folder, and checks that this rack can run it and that each service has
 * its context and its Dockerfile. The error holds every problem of the manifest, one a line. */
Source *
source_open(const char *folder, const SourceOptions *options, GError **error);

/* The manifest alone, as manifest_read gives it. The caller frees it, and `*file`. */
char *
source_manifest_text(const char *folder, const char *manifest_file, char **file, GError **error);

void
source_free(Source *source);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Source, source_free)

/* Borrowed. */
const Manifest *
source_manifest(const Source *source);

/* What was read: «convox.yml», «docker-compose.yml», «Procfile», «Dockerfile», … Borrowed. */
const char *
source_file(const Source *source);

/* Submodules whose folder is empty, so that the build will miss them. Of char *. */
GPtrArray *
source_empty_submodules(const Source *source);

/* As tar_pack. `options` say who is told of progress and warnings; what is left out is decided
 * here. */
bool
source_pack(Source *source,
    const TarPackOptions *options,
    HttpWrite write,
    gpointer data,
    GCancellable *cancel,
    GError **error);
