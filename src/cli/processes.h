/*
 * Lists of processes: an app's, and the rack's.
 */
#pragma once

#include "cli/call.h"

/* Prints the list that the rack answers at `path`; with a column for the app or without. */
bool
processes_print(Call *call, const char *path, bool has_app, GError **error);
