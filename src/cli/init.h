/*
 * What a folder without a Dockerfile is taken for (detect/detect.h), with the base images that the
 * user wants: from --base, the file that CARRACK_IMAGES names, .carrack/images of the folder, the
 * file `images` of the configuration, in this order.
 */
#pragma once

#include "cli/call.h"
#include "detect/detect.h"

/* For `build` and `deploy`. `detection` stays NULL when the folder says itself what it is, or
 * --manifest does; otherwise a folder that nothing is known of is an error. */
bool
init_for_build(Call *call, const char *folder, Detection **detection, GError **error);
