/*
 * What core/store.h promises, whatever the store is made of: cases for tests of every store. Each
 * wants one without documents.
 */
#pragma once

#include "core/store.h"

/* Writes a release with this number, which must succeed; its version. */
gint64
cases_put(Store *store, const char *scope, const char *id, int number, gint64 expected);

/* Lists releases and compares their ids, joined. */
void
cases_listed(
    Store *store, const char *scope, unsigned limit, const char *before, const char *wanted);

void
cases_versions(Store *store);

void
cases_conditions(Store *store);

void
cases_missing(Store *store);

void
cases_order(Store *store);

void
cases_remove_scope(Store *store);

/* Two handles of one store: every version is written once. */
void
cases_threads(Store *store, Store *other);
