/*
 * Questions to a person. Only asked on a terminal: elsewhere the verb says which flag answers.
 */
#pragma once

#include "cli/call.h"

/* True when --yes was given, or the name was typed as it is. */
bool
prompt_confirm(Call *call, const char *what, const char *name, GError **error);

/* Reads a password without showing it. The caller frees it. */
char *
prompt_password(const char *question, GError **error);
