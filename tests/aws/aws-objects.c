/*
 * Objects in a bucket that is there: aws-objects BUCKET. What every such part promises, and sizes
 * that take more than one part of an upload.
 */
#include "aws/provider.h"
#include "base/error.h"
#include "objects-cases.h"

#include <string.h>

#define LARGE (20 * 1024 * 1024 + 7)

typedef struct {
	AwsRack rack;
	Objects *objects;
} Fixture;

static const char *bucket;

static void
set_up(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	fixture->rack = (AwsRack){.objects = (char *)bucket};
	fixture->rack.client = aws_client_new(NULL, NULL, &error);
	g_assert_no_error(error);
	fixture->objects = objects_s3_new(&fixture->rack, &error);
	g_assert_no_error(error);
	fixture->objects->ops->remove_app(fixture->objects, "shop", &error);
	g_assert_no_error(error);
	fixture->objects->ops->remove_app(fixture->objects, "other", &error);
	g_assert_no_error(error);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	fixture->objects->ops->free(fixture->objects);
	aws_client_free(fixture->rack.client);
}

static void
test_atomic(Fixture *fixture, gconstpointer data)
{
	cases_atomic(fixture->objects);
}

static void
test_missing(Fixture *fixture, gconstpointer data)
{
	cases_missing(fixture->objects);
}

static void
test_keys(Fixture *fixture, gconstpointer data)
{
	cases_keys(fixture->objects);
}

static void
test_list(Fixture *fixture, gconstpointer data)
{
	cases_list(fixture->objects);
}

static void
test_large(Fixture *fixture, gconstpointer data)
{
	g_autofree char *text = g_malloc(LARGE + 1);
	for (gsize i = 0; i < LARGE; i++)
		text[i] = (char)('a' + i % 23);
	text[LARGE] = '\0';
	cases_store(fixture->objects, "shop", "large", text);

	g_autoptr(GError) error = NULL;
	g_autofree char *path =
	    fixture->objects->ops->fetch(fixture->objects, "shop", "large", &error);
	g_assert_no_error(error);
	g_autofree char *read = NULL;
	gsize length = 0;
	g_assert_true(g_file_get_contents(path, &read, &length, NULL));
	g_assert_cmpuint(length, ==, LARGE);
	g_assert_true(memcmp(read, text, LARGE) == 0);
	fixture->objects->ops->release(fixture->objects, path);
	g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*test)(Fixture *fixture, gconstpointer data);
	} tests[] = {
	    {"/aws-objects/an-object-is-seen-whole-or-not-at-all", test_atomic},
	    {"/aws-objects/a-missing-object-is-named", test_missing},
	    {"/aws-objects/a-key-cannot-lead-out-of-its-app", test_keys},
	    {"/aws-objects/lists-are-sorted-by-prefix", test_list},
	    {"/aws-objects/large-ones-in-parts", test_large},
	};

	bucket = argv[1];
	argv[1] = argv[0];
	argc--;
	argv++;
	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].test, tear_down);
	return g_test_run();
}
