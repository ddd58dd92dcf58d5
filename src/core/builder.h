/*
 * Part: the builder. A source archive (accepted by tar_scan) to an image in the registry.
 */
#pragma once

#include "base/env.h"
#include "base/http.h"

typedef struct Builder Builder;

typedef struct {
	const char *app;
	const char *build;      /* id */
	const char *service;    /* the first of those that share this image; part of its name */
	const char *archive;    /* local file */
	const char *source;     /* where it came from: object://APP/KEY, for who builds elsewhere */
	const char *path;       /* context in the archive, «» for all */
	const char *dockerfile; /* relative to path */
	const char *target;     /* or NULL */
	const Env *arguments;   /* build arguments that the Dockerfile declares with ARG */
	bool without_cache;
} BuilderSource;

/* A line of the build's log, as it comes (no newline). */
typedef void (*BuilderLog)(gpointer data, const char *line, gsize length);

typedef struct {
	char *reference; /* what the engine runs: host:port/name@sha256:… */
	char *digest;    /* sha256:… */
	unsigned port;   /* first EXPOSE of the image, 0 when none */
} BuilderImage;

typedef struct {
	/* Builds within the rack's caps of memory and cpu, stores the image in the registry and
	 * reads it back by digest. A failing step is CARRACK_ERROR_INVALID with the step and its
	 * status; cancel ends the engine's build. */
	BuilderImage *(*build)(Builder *builder,
	    const BuilderSource *source,
	    BuilderLog log,
	    gpointer log_data,
	    GCancellable *cancel,
	    GError **error);
	/* Fetches an image by its name (service with `image:`) and pins it by digest. A local image
	 * that no registry has is taken as it is and stored in ours. */
	BuilderImage *(*pull)(Builder *builder,
	    const char *app,
	    const char *service,
	    const char *image,
	    BuilderLog log,
	    gpointer log_data,
	    GCancellable *cancel,
	    GError **error);
	/* True if the image can (still) be run here; NOT_FOUND says «image of … is gone; rebuild».
	 */
	bool (*has_image)(Builder *builder, const char *reference, GError **error);
	/* Images of an app that nothing needs any more go (the registry's part too). */
	bool (*remove_app)(Builder *builder, const char *app, GError **error);
	void (*free)(Builder *builder);
} BuilderOps;

struct Builder {
	const BuilderOps *ops;
};

void
builder_image_free(BuilderImage *image);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BuilderImage, builder_image_free)
