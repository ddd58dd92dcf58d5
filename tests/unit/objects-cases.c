/*
 * See the header.
 */
#include "objects-cases.h"

#include "base/error.h"

#include <string.h>

void
cases_store(Objects *objects, const char *app, const char *key, const char *text)
{
	g_autoptr(GError) error = NULL;
	ObjectWriter *writer = objects->ops->create(objects, app, key, &error);
	g_assert_no_error(error);
	g_assert_true(objects->ops->write(writer, text, strlen(text), NULL));
	bool ok = objects->ops->commit(writer, &error);
	g_assert_no_error(error);
	g_assert_true(ok);
}

static char *
content(Objects *objects, const char *app, const char *key)
{
	g_autofree char *path = objects->ops->fetch(objects, app, key, NULL);
	char *text = NULL;

	if (path)
		g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	if (path)
		objects->ops->release(objects, path);
	return text;
}

void
cases_content(Objects *objects, const char *app, const char *key, const char *wanted)
{
	g_autofree char *text = content(objects, app, key);

	g_assert_cmpstr(text, ==, wanted);
	g_assert_cmpint(objects->ops->exists(objects, app, key), ==, wanted != NULL);
}

void
cases_atomic(Objects *objects)
{
	cases_store(objects, "shop", "tmp/a b/ü.tgz", "one");
	ObjectWriter *writer = objects->ops->create(objects, "shop", "tmp/a b/ü.tgz", NULL);
	g_assert_true(objects->ops->write(writer, "two", 3, NULL));
	cases_content(objects, "shop", "tmp/a b/ü.tgz", "one");
	cases_content(objects, "other", "tmp/a b/ü.tgz", NULL);
	g_assert_true(objects->ops->commit(writer, NULL));
	cases_content(objects, "shop", "tmp/a b/ü.tgz", "two");

	writer = objects->ops->create(objects, "shop", "tmp/other", NULL);
	g_assert_true(objects->ops->write(writer, "x", 1, NULL));
	objects->ops->abort(writer);
	cases_content(objects, "shop", "tmp/other", NULL);
}

void
cases_missing(Objects *objects)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(objects->ops->fetch(objects, "shop", "tmp/none", &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
	g_assert_cmpstr(error->message, ==, "no such object: tmp/none");
	g_assert_true(objects->ops->remove(objects, "shop", "tmp/none", NULL));
	cases_store(objects, "shop", "tmp/x", "");
	g_assert_null(objects->ops->fetch(objects, "shop", "tmp", NULL));
	cases_content(objects, "shop", "tmp/x", "");
}

static void
assert_refused(Objects *objects, const char *app, const char *key)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(objects->ops->create(objects, app, key, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_null(objects->ops->fetch(objects, app, key, NULL));
	g_assert_false(objects->ops->exists(objects, app, key));
	g_assert_false(objects->ops->remove(objects, app, key, NULL));
}

void
cases_keys(Objects *objects)
{
	static const char *const bad[] = {"", "/", "/etc/passwd", "..", "../x", "a/../../x", "a/..",
	    "a//b", "a/", "./a", "a/./b", "."};
	g_autofree char *over = g_strnfill(OBJECTS_KEY_BYTES + 1, 'a');
	g_autofree char *long_part = g_strnfill(256, 'b');

	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
		assert_refused(objects, "shop", bad[i]);
	assert_refused(objects, "shop", over);
	assert_refused(objects, "shop", long_part);
	assert_refused(objects, "..", "x");
	assert_refused(objects, ".new", "x");
	assert_refused(objects, "a/b", "x");
	assert_refused(objects, "", "x");

	cases_store(objects, "shop", "..a/b../...", "fine");
	cases_content(objects, "shop", "..a/b../...", "fine");
	for (int i = 128; i < OBJECTS_KEY_BYTES; i += 128)
		over[i] = '/';
	over[OBJECTS_KEY_BYTES] = '\0';
	cases_store(objects, "shop", over, "longest");
	cases_content(objects, "shop", over, "longest");
}

static void
assert_listed(Objects *objects, const char *prefix, const char *wanted)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) keys = objects->ops->list(objects, "shop", prefix, &error);
	g_assert_no_error(error);
	g_ptr_array_add(keys, NULL);
	g_autofree char *text = g_strjoinv(" ", (char **)keys->pdata);

	g_assert_cmpstr(text, ==, wanted);
}

void
cases_list(Objects *objects)
{
	static const char *const keys[] = {"b", "tmp/z", "tmp/a/1", "tmp-x", "tmp/a/0"};

	assert_listed(objects, "", "");
	for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
		cases_store(objects, "shop", keys[i], "x");
	cases_store(objects, "other", "tmp/q", "x");
	assert_listed(objects, "", "b tmp-x tmp/a/0 tmp/a/1 tmp/z");
	assert_listed(objects, "tmp", "tmp-x tmp/a/0 tmp/a/1 tmp/z");
	assert_listed(objects, "tmp/", "tmp/a/0 tmp/a/1 tmp/z");
	assert_listed(objects, "tmp/a/1", "tmp/a/1");
	assert_listed(objects, "none", "");

	g_assert_true(objects->ops->remove(objects, "shop", "tmp/a/0", NULL));
	g_assert_true(objects->ops->remove(objects, "shop", "tmp/a/1", NULL));
	assert_listed(objects, "", "b tmp-x tmp/z");
	g_assert_true(objects->ops->remove_app(objects, "shop", NULL));
	g_assert_true(objects->ops->remove_app(objects, "shop", NULL));
	assert_listed(objects, "", "");
	cases_content(objects, "other", "tmp/q", "x");
}
