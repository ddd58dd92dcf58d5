/*
 * The answer that builds and releases share: their timeline, waited for.
 */
#pragma once

#include "api/request.h"

/* Options: after=N (answer when the version is over N), wait=30s (at most so long). */
json_t *
timeline_answer(Request *request, const char *app, const char *id, GError **error);
