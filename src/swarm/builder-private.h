/*
 * The builder's own pieces: what a Dockerfile asks of the engine, the text that a build prints, and
 * the registry behind it all. Private to builder*.c.
 */
#pragma once

#include "swarm/provider.h"

typedef struct {
	Builder part;
	Docker *docker; /* the provider's */
	HttpClient *registry_client;
	char *registry;    /* what apps' names follow: «host:port», «host/folder» */
	char *host;        /* host:port */
	char *folder;      /* «», or «folder/» */
	DockerLogin login; /* owns both */
	bool keeps_tags;
} DockerBuilder;

/* Where the lines of one build go. */
typedef struct {
	BuilderLog log;
	gpointer data;
	GString *out; /* the begun line of each stream */
	GString *err;
	char *step;        /* «2/5», or NULL before the first */
	char *instruction; /* of the step: «RUN make» */
} BuildText;

/* Text of builds (builder-text.c) */

BuildText *
build_text_new(BuilderLog log, gpointer data);

/* Ends begun lines. */
void
build_text_free(BuildText *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BuildText, build_text_free)

/* A piece of the classic builder's stream: lines of the engine and, between them, what the step
 * writes, its standard error in red. */
void
build_text_stream(BuildText *text, const char *bytes, gsize length);

/* What a step writes, told apart: stream 1 or 2. */
void
build_text_output(BuildText *text, unsigned stream, const char *bytes, gsize length);

/* One line of ours. */
void
build_text_line(BuildText *text, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* A step begins («2/5», «RUN make»): logged, and remembered for errors. */
void
build_text_step(BuildText *text, const char *step, const char *instruction);

void
build_text_end_lines(BuildText *text);

/* Dockerfiles (builder-dockerfile.c) */

/* True when only BuildKit can build it (mounts of RUN, heredocs, platforms, …). */
bool
builder_needs_buildkit(const char *dockerfile);

/* Checks that the stage is there; else INVALID with those that are. */
bool
builder_check_target(const char *dockerfile, const char *target, GError **error);

/* The images that the Dockerfile names itself after FROM (not those out of an ARG) and that are in
 * the registry `host`; the caller frees it. */
GStrv
builder_bases(const char *dockerfile, const char *host);

/* BuildKit's progress (builder-trace.c) */

typedef struct {
	GHashTable *begun; /* digests of vertices that have been logged */
	char *failed;      /* name of the vertex that failed, or NULL */
} BuildTrace;

/* Reads one message: base64 of a StatusResponse. What is damaged in it is left out. */
void
build_trace_read(BuildTrace *trace, BuildText *text, const char *base64);

void
build_trace_clear(BuildTrace *trace);

/* Building (builder-build.c): the source becomes a local image, tagged `name`. */
bool
builder_build_image(DockerBuilder *builder,
    const BuilderSource *source,
    const char *name,
    BuildText *text,
    GCancellable *cancel,
    GError **error);

/* Storing (builder-store.c) */

/* Pushes a local image under app:tag, reads it back, and describes it. Where tags cannot be pushed
 * again, one that is there already is taken to be this image: the caller's tag tells its content.
 */
BuilderImage *
builder_store(DockerBuilder *builder,
    const char *app,
    const char *tag,
    BuildText *text,
    GCancellable *cancel,
    GError **error);

/* The engine's description of an image, NULL with NOT_FOUND when it has none of that name. */
json_t *
builder_inspect(DockerBuilder *builder, const char *image, GError **error);

/* Pulling (builder-pull.c): the image is here afterwards; its id. The caller frees it. */
char *
builder_fetch(DockerBuilder *builder,
    const char *image,
    BuildText *text,
    GCancellable *cancel,
    GError **error);

/* The registry (builder-registry.c) */

/* True when the manifest and all that it names can be read; false without an error when not. */
bool
registry_has(DockerBuilder *builder, const char *app, const char *digest, GError **error);

/* The digest that a tag stands for, NULL without an error when there is none. The caller frees it.
 */
char *
registry_digest(DockerBuilder *builder, const char *app, const char *tag, GError **error);

/* Deletes all manifests of an app. */
bool
registry_remove(DockerBuilder *builder, const char *app, GError **error);
