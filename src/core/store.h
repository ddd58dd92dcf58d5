/*
 * Part: the store. Small JSON documents, written on condition that the version read is still the
 * one stored, listed newest first. SQLite and DynamoDB can both hold them. A document is named by
 * kind («release»), scope (the app, «» for none) and id.
 */
#pragma once

#include "base/json.h"

typedef struct Store Store;

typedef struct {
	char *id;
	json_t *body;
	gint64 version; /* 1 for a new document, one more each write */
} StoreDocument;

typedef struct {
	/* The document, or NULL with CARRACK_ERROR_NOT_FOUND («no such release: R…»: kind and id).
	 */
	StoreDocument *(*get)(
	    Store *store, const char *kind, const char *scope, const char *id, GError **error);

	/* Writes if the stored version is `expected` (0: must not exist; STORE_ANY: whatever is
	 * there). `version` (may be NULL) is the new one. CARRACK_ERROR_CONFLICT if not. Durable
	 * (fsync) when it returns. */
	bool (*put)(Store *store,
	    const char *kind,
	    const char *scope,
	    const char *id,
	    const json_t *body,
	    gint64 expected,
	    gint64 *version,
	    GError **error);

	/* Not an error when it is not there. */
	bool (*remove)(
	    Store *store, const char *kind, const char *scope, const char *id, GError **error);

	/* Everything of a scope, all kinds (an app goes). */
	bool (*remove_scope)(Store *store, const char *scope, GError **error);

	/* Documents of a kind and scope (scope NULL: all scopes) in order of creation, newest
	 * first, at most `limit` (0: all), older than the document `before` (NULL: from the
	 * newest). Elements are StoreDocument *, freed with the array. */
	GPtrArray *(*list)(Store *store,
	    const char *kind,
	    const char *scope,
	    unsigned limit,
	    const char *before,
	    GError **error);

	void (*free)(Store *store);
} StoreOps;

struct Store {
	const StoreOps *ops;
};

#define STORE_ANY (-1)

void
store_document_free(StoreDocument *document);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(StoreDocument, store_document_free)
