/*
 * The store over DynamoDB, on a table that is there and empty: aws-store TABLE [CASE]. What every
 * store promises, and what only this one can do wrong. Large bodies lie in objects of the fake.
 */
#include "aws/provider.h"
#include "base/error.h"
#include "fake/private.h"
#include "store-cases.h"

#include <string.h>

typedef struct {
	AwsRack rack;
	Objects *objects;
	Store *store;
} Fixture;

static const char *table;

static void
set_up(Fixture *fixture, gconstpointer data)
{
	static const char *const scopes[] = {"a", "b", ""};
	g_autoptr(GError) error = NULL;
	fixture->rack = (AwsRack){.documents = (char *)table};
	fixture->rack.client = aws_client_new(NULL, NULL, &error);
	g_assert_no_error(error);
	fixture->objects = fake_objects_new();
	fixture->store = store_dynamodb_new(&fixture->rack, fixture->objects, &error);
	g_assert_no_error(error);
	for (gsize i = 0; i < G_N_ELEMENTS(scopes); i++) {
		fixture->store->ops->remove_scope(fixture->store, scopes[i], &error);
		g_assert_no_error(error);
	}
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	fixture->store->ops->free(fixture->store);
	fake_objects_destroy(fixture->objects);
	aws_client_free(fixture->rack.client);
}

static void
test_versions(Fixture *fixture, gconstpointer data)
{
	cases_versions(fixture->store);
}

static void
test_conditions(Fixture *fixture, gconstpointer data)
{
	cases_conditions(fixture->store);
}

static void
test_missing(Fixture *fixture, gconstpointer data)
{
	cases_missing(fixture->store);
}

static void
test_order(Fixture *fixture, gconstpointer data)
{
	cases_order(fixture->store);
}

static void
test_remove_scope(Fixture *fixture, gconstpointer data)
{
	cases_remove_scope(fixture->store);
}

static void
test_threads(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	Store *other = store_dynamodb_new(&fixture->rack, fixture->objects, &error);
	g_assert_no_error(error);
	cases_threads(fixture->store, other);
	other->ops->free(other);
}

/* Bodies */

/* Text of this length; random, so that it does not compress below about three quarters. */
static char *
long_text(gsize length, bool is_random)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *text = g_malloc(length + 1);
	for (gsize i = 0; i < length; i++)
		text[i] = is_random ? digits[g_random_int_range(0, 64)] : digits[i % 64];
	text[length] = '\0';
	return text;
}

static void
put_text(Fixture *fixture, const char *id, const char *text, gint64 expected)
{
	g_autoptr(GError) error = NULL;
	json_auto_t *body = json_pack("{s:s}", "text", text);
	fixture->store->ops->put(fixture->store, "release", "a", id, body, expected, NULL, &error);
	g_assert_no_error(error);
}

static void
expect_text(Fixture *fixture, const char *id, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(StoreDocument) document =
	    fixture->store->ops->get(fixture->store, "release", "a", id, &error);
	g_assert_no_error(error);
	g_assert_true(strcmp(json_text_of(document->body, "text", ""), text) == 0);
}

static guint
objects_count(Fixture *fixture)
{
	g_autoptr(GPtrArray) keys =
	    fixture->objects->ops->list(fixture->objects, "carrack.documents", "", NULL);
	return keys ? keys->len : 0;
}

static void
test_large_bodies(Fixture *fixture, gconstpointer data)
{
	g_autofree char *packed = long_text(900000, false);
	g_autofree char *object = long_text(800000, true);
	g_autofree char *other = long_text(700000, true);
	put_text(fixture, "R1", packed, 0);
	g_assert_cmpuint(objects_count(fixture), ==, 0);
	expect_text(fixture, "R1", packed);
	put_text(fixture, "R1", object, 1);
	g_assert_cmpuint(objects_count(fixture), ==, 1);
	expect_text(fixture, "R1", object);
	put_text(fixture, "R1", other, STORE_ANY);
	g_assert_cmpuint(objects_count(fixture), ==, 1);
	expect_text(fixture, "R1", other);

	/* One that is refused leaves no object, and the old one where it is. */
	g_autoptr(GError) error = NULL;
	json_auto_t *body = json_pack("{s:s}", "text", object);
	g_assert_false(
	    fixture->store->ops->put(fixture->store, "release", "a", "R1", body, 1, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_CONFLICT);
	g_assert_cmpuint(objects_count(fixture), ==, 1);
	expect_text(fixture, "R1", other);

	put_text(fixture, "R1", "small", 3);
	g_assert_cmpuint(objects_count(fixture), ==, 0);
	expect_text(fixture, "R1", "small");
	put_text(fixture, "R2", object, 0);
	put_text(fixture, "R3", other, 0);
	fixture->store->ops->remove(fixture->store, "release", "a", "R2", NULL);
	g_assert_cmpuint(objects_count(fixture), ==, 1);
	fixture->store->ops->remove_scope(fixture->store, "a", NULL);
	g_assert_cmpuint(objects_count(fixture), ==, 0);
}

/* More than a page of keys, a batch of reads and a batch of deletes. */
static void
test_many(Fixture *fixture, gconstpointer data)
{
	Store *store = fixture->store;
	for (int i = 0; i < 620; i++) {
		g_autofree char *id = g_strdup_printf("R%03d", i);
		cases_put(store, "a", id, i, 0);
	}
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) all = store->ops->list(store, "release", "a", 0, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(all->len, ==, 620);
	for (guint i = 0; i < all->len; i++) {
		const StoreDocument *document = all->pdata[i];
		g_assert_cmpint(json_int_of(document->body, "number", -1), ==, 619 - (int)i);
	}
	cases_listed(store, "a", 3, "R100", "R099R098R097");
	g_assert_true(store->ops->remove_scope(store, "a", NULL));
	cases_listed(store, "a", 0, NULL, "");
}

/* Objects of which one read is preceded by something. It stands where their operations do. */
typedef struct {
	ObjectsOps operations;
	const ObjectsOps *plain;
	Fixture *fixture;
	const char *text; /* the document's next body, NULL: it is removed */
} Hook;

static char *
fetch_late(Objects *objects, const char *app, const char *key, GError **error)
{
	Hook *hook = (Hook *)objects->ops;
	objects->ops = hook->plain;
	if (hook->text)
		put_text(hook->fixture, "R1", hook->text, STORE_ANY);
	else
		hook->fixture->store->ops->remove(hook->fixture->store, "release", "a", "R1", NULL);
	return objects->ops->fetch(objects, app, key, error);
}

static void
hook_objects(Fixture *fixture, Hook *hook, const char *text)
{
	*hook = (Hook){.operations = *fixture->objects->ops,
	    .plain = fixture->objects->ops,
	    .fixture = fixture,
	    .text = text};
	hook->operations.fetch = fetch_late;
	fixture->objects->ops = &hook->operations;
}

/* The object goes between the reading of the item that names it and its own. */
static void
test_replaced(Fixture *fixture, gconstpointer data)
{
	g_autofree char *object = long_text(800000, true);
	g_autofree char *other = long_text(700000, true);
	Hook hook;
	put_text(fixture, "R1", object, 0);
	hook_objects(fixture, &hook, other);
	expect_text(fixture, "R1", other);
	hook_objects(fixture, &hook, object);
	cases_listed(fixture->store, "a", 0, NULL, "R1");

	g_autoptr(GError) error = NULL;
	hook_objects(fixture, &hook, NULL);
	cases_listed(fixture->store, "a", 0, NULL, "");
	put_text(fixture, "R1", object, 0);
	hook_objects(fixture, &hook, NULL);
	g_assert_null(fixture->store->ops->get(fixture->store, "release", "a", "R1", &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
	g_assert_cmpstr(error->message, ==, "no such release: R1");
}

/* The test's proxy loses the answer of every first write. */
static void
test_lost_answers(Fixture *fixture, gconstpointer data)
{
	g_autofree char *object = long_text(800000, true);
	g_assert_cmpint(cases_put(fixture->store, "a", "R1", 1, 0), ==, 1);
	g_assert_cmpint(cases_put(fixture->store, "a", "R1", 2, 1), ==, 2);
	cases_listed(fixture->store, "a", 0, NULL, "R1");

	/* Written twice; the second time it replaces itself, and its object stays. */
	put_text(fixture, "R2", object, STORE_ANY);
	expect_text(fixture, "R2", object);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*test)(Fixture *fixture, gconstpointer data);
	} tests[] = {
	    {"/aws-store/each-write-is-one-version-more", test_versions},
	    {"/aws-store/a-write-on-an-old-version-is-a-conflict", test_conditions},
	    {"/aws-store/a-missing-document-is-named", test_missing},
	    {"/aws-store/lists-are-newest-first-by-creation", test_order},
	    {"/aws-store/a-scope-goes-with-all-kinds", test_remove_scope},
	    {"/aws-store/one-of-many-writers-wins-each-version", test_threads},
	    {"/aws-store/bodies-of-any-size", test_large_bodies},
	    {"/aws-store/a-body-that-is-replaced-while-it-is-read", test_replaced},
	    {"/aws-store/more-than-a-page", test_many},
	    {"/aws-store/a-lost-answer-is-no-failure", test_lost_answers},
	};

	table = argv[1];
	argv[1] = argv[0];
	argc--;
	argv++;
	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].test, tear_down);
	return g_test_run();
}
