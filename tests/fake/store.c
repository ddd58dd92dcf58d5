/*
 * The store of the fake: documents in a list in order of creation. Slow and exact.
 */
#include "fake/private.h"

#include <string.h>

typedef struct {
	char *kind;
	char *scope;
	char *id;
	json_t *body;
	gint64 version;
} Entry;

typedef struct {
	Store store;
	pthread_mutex_t lock;
	GPtrArray *entries; /* oldest first */
} FakeStore;

static void
entry_free(gpointer data)
{
	Entry *entry = data;
	g_free(entry->kind);
	g_free(entry->scope);
	g_free(entry->id);
	json_decref(entry->body);
	g_free(entry);
}

static Entry *
find(FakeStore *store, const char *kind, const char *scope, const char *id)
{
	for (guint i = 0; i < store->entries->len; i++) {
		Entry *entry = g_ptr_array_index(store->entries, i);
		if (!strcmp(entry->kind, kind) && !strcmp(entry->scope, scope) &&
		    !strcmp(entry->id, id))
			return entry;
	}
	return NULL;
}

static StoreDocument *
document_of(const Entry *entry)
{
	StoreDocument *document = g_new0(StoreDocument, 1);
	document->id = g_strdup(entry->id);
	document->body = json_deep_copy(entry->body);
	document->version = entry->version;
	return document;
}

static StoreDocument *
get(Store *store, const char *kind, const char *scope, const char *id, GError **error)
{
	FakeStore *fake = (FakeStore *)store;
	LOCKED(&fake->lock);
	Entry *entry = find(fake, kind, scope, id);
	if (!entry) {
		error_set(error, CARRACK_ERROR_NOT_FOUND, "no such %s: %s", kind, id);
		return NULL;
	}
	return document_of(entry);
}

static Entry *
entry_new(FakeStore *fake, const char *kind, const char *scope, const char *id)
{
	Entry *entry = g_new0(Entry, 1);
	entry->kind = g_strdup(kind);
	entry->scope = g_strdup(scope);
	entry->id = g_strdup(id);
	g_ptr_array_add(fake->entries, entry);
	return entry;
}

static bool
put(Store *store,
    const char *kind,
    const char *scope,
    const char *id,
    const json_t *body,
    gint64 expected,
    gint64 *version,
    GError **error) /* nocheck:parameters: the part says so */
{
	FakeStore *fake = (FakeStore *)store;
	LOCKED(&fake->lock);
	Entry *entry = find(fake, kind, scope, id);
	gint64 stored = entry ? entry->version : 0;
	if (expected != STORE_ANY && expected != stored)
		return error_set(error, CARRACK_ERROR_CONFLICT,
		    expected ? "%s %s was changed meanwhile" : "%s %s exists already", kind, id);
	if (!entry)
		entry = entry_new(fake, kind, scope, id);

	json_decref(entry->body);
	entry->body = json_deep_copy(body);
	entry->version = stored + 1;
	if (version)
		*version = entry->version;
	return true;
}

static bool
remove_document(Store *store, const char *kind, const char *scope, const char *id, GError **error)
{
	FakeStore *fake = (FakeStore *)store;
	LOCKED(&fake->lock);
	Entry *entry = find(fake, kind, scope, id);
	if (entry)
		g_ptr_array_remove(fake->entries, entry);
	return true;
}

static bool
remove_scope(Store *store, const char *scope, GError **error)
{
	FakeStore *fake = (FakeStore *)store;
	LOCKED(&fake->lock);
	for (guint i = fake->entries->len; i > 0; i--) {
		Entry *entry = g_ptr_array_index(fake->entries, i - 1);
		if (!strcmp(entry->scope, scope))
			g_ptr_array_remove_index(fake->entries, i - 1);
	}
	return true;
}

static GPtrArray *
list(Store *store,
    const char *kind,
    const char *scope,
    unsigned limit,
    const char *before,
    GError **error)
{
	FakeStore *fake = (FakeStore *)store;
	GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)store_document_free);
	bool is_older = !before;
	LOCKED(&fake->lock);
	for (guint i = fake->entries->len; i > 0; i--) {
		Entry *entry = g_ptr_array_index(fake->entries, i - 1);
		if (strcmp(entry->kind, kind) || (scope && strcmp(entry->scope, scope)))
			continue;
		if (is_older && (!limit || found->len < limit))
			g_ptr_array_add(found, document_of(entry));
		else if (before && !strcmp(entry->id, before))
			is_older = true;
	}
	return found;
}

static void
free_handle(Store *store)
{
}

static const StoreOps operations = {
    .get = get,
    .put = put,
    .remove = remove_document,
    .remove_scope = remove_scope,
    .list = list,
    .free = free_handle,
};

Store *
fake_store_new(void)
{
	FakeStore *fake = g_new0(FakeStore, 1);
	fake->store.ops = &operations;
	pthread_mutex_init(&fake->lock, NULL);
	fake->entries = g_ptr_array_new_with_free_func(entry_free);
	return &fake->store;
}

void
fake_store_destroy(Store *store)
{
	FakeStore *fake = (FakeStore *)store;
	g_ptr_array_unref(fake->entries);
	pthread_mutex_destroy(&fake->lock);
	g_free(fake);
}
