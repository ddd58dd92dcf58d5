/*
 * Sending a folder: packed in a thread of its own while it is being sent, so that neither the
 * archive nor a copy of it is ever held in memory or on disk.
 */
#pragma once

#include "cli/call.h"
#include "cli/source.h"

/* Packs and sends, showing how far it is; the object's URL goes to `url`. */
bool
upload_source(Call *call, const char *app, Source *source, char **url, GError **error);
