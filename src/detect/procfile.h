/*
 * Process types of a Procfile as services of a convox.yml. Only what detection needs of the file:
 * where there is a Dockerfile, the Procfile itself is the manifest, and src/manifest reads it.
 */
#pragma once

#include "detect/project.h"

/* True when there is one that names a process. */
bool
procfile_is_there(const Project *project);

/* The command of `web` as words of a JSON list, for the Dockerfile; NULL without `web`. The caller
 * frees it. */
char *
procfile_web(const Project *project);

/* The part of a convox.yml from `services:` on. INVALID names the line that is no process. The
 * caller frees it. */
char *
procfile_services(const Project *project, unsigned port, GError **error);
