/*
 * Host names of services as a manifest may give them.
 */
#pragma once

#include <gio/gio.h>

/* The name as requests carry it: lower case, without a dot at the end, international ones as
 * «xn--…». A first label `*` is a wildcard. NULL with what is wrong as the error's whole text
 * (without the name). The caller frees it. */
char *
domain_clean(const char *name, GError **error);
