/*
 * What builds.c (queue, logs) and build-run.c (the work) share.
 */
#pragma once

#include "core/rack-private.h"

/* Appends text to the live log of a build and wakes its followers. */
void
build_log(BuildQueue *queue, const char *app, const char *id, const char *line, gsize length);

void
build_log_text(BuildQueue *queue, const char *app, const char *id, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* The key of the object that keeps a build's log. The caller frees it. */
char *
build_log_key(const char *id);

/* All of the live log so far, NUL bytes turned into blanks. The caller frees it. */
char *
build_log_copy(BuildQueue *queue, const char *app, const char *id);

/* Does the whole work of a build that has been queued; its outcome is in the build's document. */
void
build_run(Rack *rack, BuildQueue *queue, const char *app, const char *id, GCancellable *cancel);

/* Why a build was cancelled. The caller frees it. */
char *
build_cancel_reason(BuildQueue *queue, const char *app, const char *id);
