/*
 * What an installation says while it works: a line a step on stderr, rewritten when it ends on a
 * terminal, written once elsewhere.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef struct Progress Progress;

Progress *
progress_new(void);

/* Says nothing. */
Progress *
progress_new_silent(void);

void
progress_free(Progress *progress);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Progress, progress_free)

/* Ends the step before and begins one. */
void
progress_step(Progress *progress, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* A line about the present step. */
void
progress_note(Progress *progress, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Where the present step is: rewrites its line on a terminal, a line of its own elsewhere. */
void
progress_detail(Progress *progress, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Ends the last step. */
void
progress_end(Progress *progress, bool is_good);
