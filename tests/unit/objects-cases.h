/*
 * What core/objects.h promises, wherever objects are kept: cases for tests of every such part. Each
 * wants none in the apps shop and other.
 */
#pragma once

#include "core/objects.h"

/* Writes an object, which must succeed. */
void
cases_store(Objects *objects, const char *app, const char *key, const char *text);

/* Reads an object and compares; NULL: there must be none. */
void
cases_content(Objects *objects, const char *app, const char *key, const char *wanted);

void
cases_atomic(Objects *objects);

void
cases_missing(Objects *objects);

void
cases_keys(Objects *objects);

void
cases_list(Objects *objects);
