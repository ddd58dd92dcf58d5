/*
 * See the header. Documents have the kind «release» in the scopes a and b.
 */
#include "store-cases.h"

#include "base/error.h"

#include <pthread.h>
#include <string.h>

gint64
cases_put(Store *store, const char *scope, const char *id, int number, gint64 expected)
{
	g_autoptr(GError) error = NULL;
	json_auto_t *body = json_pack("{s:i, s:s}", "number", number, "text", "ü\n\"\\ \x01");
	gint64 version = -1;
	bool ok = store->ops->put(store, "release", scope, id, body, expected, &version, &error);
	g_assert_no_error(error);
	g_assert_true(ok);
	return version;
}

static int
number_of(Store *store, const char *scope, const char *id)
{
	g_autoptr(StoreDocument) document = store->ops->get(store, "release", scope, id, NULL);

	g_assert_nonnull(document);
	g_assert_cmpstr(document->id, ==, id);
	g_assert_cmpstr(json_text_of(document->body, "text", ""), ==, "ü\n\"\\ \x01");
	return (int)json_int_of(document->body, "number", -1);
}

static void
assert_put_conflicts(Store *store, const char *id, gint64 expected, const char *text)
{
	g_autoptr(GError) error = NULL;
	json_auto_t *body = json_object();
	gint64 version = 77;
	bool ok = store->ops->put(store, "release", "a", id, body, expected, &version, &error);

	g_assert_false(ok);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_CONFLICT);
	g_assert_nonnull(strstr(error->message, text));
	g_assert_cmpint(version, ==, 77);
}

void
cases_versions(Store *store)
{
	g_assert_cmpint(cases_put(store, "a", "R1", 1, 0), ==, 1);
	g_assert_cmpint(cases_put(store, "a", "R1", 2, 1), ==, 2);
	g_assert_cmpint(cases_put(store, "a", "R1", 3, STORE_ANY), ==, 3);
	g_assert_cmpint(cases_put(store, "b", "R1", 4, STORE_ANY), ==, 1);
	g_assert_cmpint(number_of(store, "a", "R1"), ==, 3);
	g_assert_cmpint(number_of(store, "b", "R1"), ==, 4);
}

void
cases_conditions(Store *store)
{
	cases_put(store, "a", "R1", 1, 0);
	cases_put(store, "a", "R1", 2, 1);
	assert_put_conflicts(store, "R1", 0, "release R1 exists already");
	assert_put_conflicts(store, "R1", 1, "changed meanwhile");
	assert_put_conflicts(store, "R2", 1, "release R2");
	g_assert_cmpint(number_of(store, "a", "R1"), ==, 2);
}

void
cases_missing(Store *store)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(store->ops->get(store, "release", "a", "RX", &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
	g_assert_cmpstr(error->message, ==, "no such release: RX");
	g_clear_error(&error);

	g_assert_null(store->ops->list(store, "release", "a", 0, "RX", &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
	g_assert_true(store->ops->remove(store, "release", "a", "RX", NULL));
}

/* The ids of a list, joined. */
static char *
listed(Store *store, const char *scope, unsigned limit, const char *before)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) documents =
	    store->ops->list(store, "release", scope, limit, before, &error);
	g_assert_no_error(error);
	GString *text = g_string_new(NULL);

	for (guint i = 0; i < documents->len; i++) {
		StoreDocument *document = g_ptr_array_index(documents, i);
		g_string_append(text, document->id);
	}
	return g_string_free(text, FALSE);
}

void
cases_listed(
    Store *store, const char *scope, unsigned limit, const char *before, const char *wanted)
{
	g_autofree char *ids = listed(store, scope, limit, before);

	g_assert_cmpstr(ids, ==, wanted);
}

void
cases_order(Store *store)
{
	cases_put(store, "a", "X", 1, 0);
	cases_put(store, "b", "Q", 1, 0);
	cases_put(store, "a", "M", 1, 0);
	cases_put(store, "a", "Z", 1, 0);
	cases_put(store, "a", "X", 2, 1); /* a change does not make it younger */
	cases_listed(store, "a", 0, NULL, "ZMX");
	cases_listed(store, "a", 2, NULL, "ZM");
	cases_listed(store, "a", 0, "Z", "MX");
	cases_listed(store, "a", 1, "Z", "M");
	cases_listed(store, "a", 0, "X", "");
	cases_listed(store, "c", 0, NULL, "");
	cases_listed(store, NULL, 0, NULL, "ZMQX");
	cases_listed(store, NULL, 2, "M", "QX");

	g_assert_true(store->ops->remove(store, "release", "a", "Z", NULL));
	cases_put(store, "a", "A", 1, 0);
	cases_listed(store, "a", 0, NULL, "AMX");
}

void
cases_remove_scope(Store *store)
{
	json_auto_t *body = json_object();

	cases_put(store, "a", "R1", 1, 0);
	cases_put(store, "b", "R2", 1, 0);
	g_assert_true(store->ops->put(store, "build", "a", "B1", body, 0, NULL, NULL));
	g_assert_true(store->ops->remove_scope(store, "a", NULL));
	g_assert_null(store->ops->get(store, "build", "a", "B1", NULL));
	cases_listed(store, NULL, 0, NULL, "R2");
}

#define THREADS 4
#define ROUNDS 50

/* Reads, adds one, writes on condition, and begins again when somebody was faster. */
static gpointer
count_up(gpointer data)
{
	Store *store = data;

	for (int done = 0; done < ROUNDS;) {
		g_autoptr(GError) error = NULL;
		g_autoptr(StoreDocument) document =
		    store->ops->get(store, "counter", "", "c", &error);
		g_assert_no_error(error);
		json_auto_t *next =
		    json_pack("{s:I}", "n", (json_int_t)json_int_of(document->body, "n", 0) + 1);
		if (store->ops->put(
			store, "counter", "", "c", next, document->version, NULL, &error))
			done++;
		else
			g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_CONFLICT);
	}
	return NULL;
}

void
cases_threads(Store *store, Store *other)
{
	json_auto_t *zero = json_pack("{s:i}", "n", 0);
	g_assert_true(store->ops->put(store, "counter", "", "c", zero, 0, NULL, NULL));

	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++) {
		Store *one = i % 2 ? other : store;
		g_assert_cmpint(pthread_create(&threads[i], NULL, count_up, one), ==, 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);

	g_autoptr(StoreDocument) document = other->ops->get(other, "counter", "", "c", NULL);
	g_assert_cmpint(json_int_of(document->body, "n", 0), ==, THREADS * ROUNDS);
	g_assert_cmpint(document->version, ==, THREADS * ROUNDS + 1);
}
