/*
 * Watching a release become the live one: its timeline, shown step by step as it happens, and told
 * in full when it fails.
 */
#pragma once

#include "cli/call.h"

/* How far the release's timeline is, before something is asked for that will write on it. False
 * with `error` NOT_FOUND on a rack without timelines. */
bool
timeline_version(Call *call, const char *app, const char *release, gint64 *version, GError **error);

/* Shows what comes after that version until the timeline ends. A failed one is an error: its cause,
 * with exit code, last lines and hint in the call's details. */
bool
timeline_follow(Call *call, const char *app, const char *release, gint64 after, GError **error);

/* Waits until the app's status is «running»; for racks without timelines, and for what has none. */
bool
timeline_wait_for_app(Call *call, const char *app, GError **error);
