/*
 * A docker-registry of a test's own, on a free port of this machine.
 */
#pragma once

#include <gio/gio.h>

/* «127.0.0.1:PORT» that nobody listens on. The caller frees it. */
char *
registry_free_address(void);

/* Starts one that keeps its files in `folder`; `more` is added to its configuration (YAML, or «»).
 * Returns once strangers are answered with `status`. */
GSubprocess *
registry_start(const char *folder, const char *address, const char *more, unsigned status);

/* Ends it; nothing when there is none. */
void
registry_stop(GSubprocess **registry);
