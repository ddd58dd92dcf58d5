/*
 * Building a folder, for `build` and `deploy`.
 */
#pragma once

#include "cli/call.h"

typedef struct {
	char *id;
	char *release;
} BuildResult;

void
build_result_clear(BuildResult *result);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BuildResult, build_result_clear)

/* Checks the folder, sends it, follows the build's log. Ctrl-C ends the build as well. */
bool
build_folder(Call *call, const char *folder, BuildResult *result, GError **error);
