/*
 * Following a log, of an app or of the rack.
 */
#pragma once

#include "cli/call.h"

/* Prints the log at `path` as the call's flags say. */
bool
logs_print(Call *call, const char *path, GError **error);
