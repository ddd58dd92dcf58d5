/*
 * Objects as files in a temp folder: visible whole or not at all, keys that could lead out refused,
 * and a full disk said as such.
 */
#include "swarm/provider.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
	char *folder;
	Objects *objects;
} Fixture;

static Objects *
open_objects(const char *folder)
{
	g_autoptr(GError) error = NULL;
	Objects *objects = objects_files_new(folder, &error);
	g_assert_no_error(error);
	return objects;
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
	fixture->folder = g_dir_make_tmp("carrack-objects-XXXXXX", NULL);
	fixture->objects = open_objects(fixture->folder);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	Objects *objects = fixture->objects;
	g_autofree char *drafts = g_build_filename(fixture->folder, ".new", NULL);

	g_assert_true(objects->ops->remove_app(objects, "shop", NULL));
	g_assert_true(objects->ops->remove_app(objects, "other", NULL));
	objects->ops->free(objects);
	g_assert_cmpint(g_rmdir(drafts), ==, 0); /* no draft is left by any test */
	g_assert_cmpint(g_rmdir(fixture->folder), ==, 0);
	g_free(fixture->folder);
}

static void
store(Objects *objects, const char *app, const char *key, const char *text)
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

static void
assert_content(Objects *objects, const char *app, const char *key, const char *wanted)
{
	g_autofree char *text = content(objects, app, key);

	g_assert_cmpstr(text, ==, wanted);
	g_assert_cmpint(objects->ops->exists(objects, app, key), ==, wanted != NULL);
}

static void
test_atomic(Fixture *fixture, gconstpointer data)
{
	Objects *objects = fixture->objects;
	store(objects, "shop", "tmp/a b/ü.tgz", "one");
	ObjectWriter *writer = objects->ops->create(objects, "shop", "tmp/a b/ü.tgz", NULL);
	g_assert_true(objects->ops->write(writer, "two", 3, NULL));
	assert_content(objects, "shop", "tmp/a b/ü.tgz", "one");
	assert_content(objects, "other", "tmp/a b/ü.tgz", NULL);
	g_assert_true(objects->ops->commit(writer, NULL));
	assert_content(objects, "shop", "tmp/a b/ü.tgz", "two");

	writer = objects->ops->create(objects, "shop", "tmp/other", NULL);
	g_assert_true(objects->ops->write(writer, "x", 1, NULL));
	objects->ops->abort(writer);
	assert_content(objects, "shop", "tmp/other", NULL);
}

static void
test_missing(Fixture *fixture, gconstpointer data)
{
	Objects *objects = fixture->objects;
	g_autoptr(GError) error = NULL;

	g_assert_null(objects->ops->fetch(objects, "shop", "tmp/none", &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
	g_assert_cmpstr(error->message, ==, "no such object: tmp/none");
	g_assert_true(objects->ops->remove(objects, "shop", "tmp/none", NULL));
	store(objects, "shop", "tmp/x", "");
	g_assert_null(objects->ops->fetch(objects, "shop", "tmp", NULL));
	assert_content(objects, "shop", "tmp/x", "");
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

static void
test_keys(Fixture *fixture, gconstpointer data)
{
	static const char *const bad[] = {"", "/", "/etc/passwd", "..", "../x", "a/../../x", "a/..",
	    "a//b", "a/", "./a", "a/./b", "."};
	g_autofree char *over = g_strnfill(1025, 'a');
	g_autofree char *long_part = g_strnfill(256, 'b');
	Objects *objects = fixture->objects;

	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
		assert_refused(objects, "shop", bad[i]);
	assert_refused(objects, "shop", over);
	assert_refused(objects, "shop", long_part);
	assert_refused(objects, "..", "x");
	assert_refused(objects, ".new", "x");
	assert_refused(objects, "a/b", "x");
	assert_refused(objects, "", "x");

	store(objects, "shop", "..a/b../...", "fine");
	assert_content(objects, "shop", "..a/b../...", "fine");
	for (int i = 128; i < 1024; i += 128)
		over[i] = '/';
	over[1024] = '\0';
	store(objects, "shop", over, "longest");
	assert_content(objects, "shop", over, "longest");
}

static void
test_clash(Fixture *fixture, gconstpointer data)
{
	static const char *const keys[] = {"a/b", "a/b/c/d/e", "a"};
	Objects *objects = fixture->objects;
	store(objects, "shop", "a/b/c", "x");

	for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
		g_autoptr(GError) error = NULL;
		ObjectWriter *writer = objects->ops->create(objects, "shop", keys[i], NULL);
		g_assert_nonnull(writer);
		g_assert_false(objects->ops->commit(writer, &error));
		g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_CONFLICT);
	}
	assert_content(objects, "shop", "a/b/c", "x");
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

static void
test_list(Fixture *fixture, gconstpointer data)
{
	static const char *const keys[] = {"b", "tmp/z", "tmp/a/1", "tmp-x", "tmp/a/0"};
	Objects *objects = fixture->objects;

	assert_listed(objects, "", "");
	for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
		store(objects, "shop", keys[i], "x");
	store(objects, "other", "tmp/q", "x");
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
	assert_content(objects, "other", "tmp/q", "x");
}

static unsigned
count_drafts(const char *folder)
{
	g_autofree char *drafts = g_build_filename(folder, ".new", NULL);
	g_autoptr(GDir) entries = g_dir_open(drafts, 0, NULL);
	unsigned count = 0;

	while (g_dir_read_name(entries))
		count++;
	return count;
}

/* A writer that was killed leaves a draft; the next start removes it, and no living one. */
static void
test_drafts(Fixture *fixture, gconstpointer data)
{
	Objects *objects = fixture->objects;
	ObjectWriter *living = objects->ops->create(objects, "shop", "living", NULL);
	pid_t child = fork();
	if (child == 0) {
		ObjectWriter *dead = objects->ops->create(objects, "shop", "dead", NULL);
		_exit(dead && objects->ops->write(dead, "x", 1, NULL) ? 0 : 1);
	}
	int status = -1;
	g_assert_cmpint(waitpid(child, &status, 0), ==, child);
	g_assert_cmpint(status, ==, 0);
	g_assert_cmpuint(count_drafts(fixture->folder), ==, 2);

	Objects *next = open_objects(fixture->folder);
	g_assert_cmpuint(count_drafts(fixture->folder), ==, 1);
	g_assert_true(objects->ops->commit(living, NULL));
	assert_content(next, "shop", "living", "");
	next->ops->free(next);
}

/* Exit status: 0 good, 77 when this machine does not let us mount, else a failure. */
static int
fill_small_disk(const char *folder)
{
	if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("small", folder, "tmpfs", 0, "size=1m"))
		return 77;

	g_autoptr(GError) error = NULL;
	g_autofree char *block = g_malloc0(64 * 1024);
	Objects *objects = objects_files_new(folder, NULL);
	ObjectWriter *writer = objects->ops->create(objects, "shop", "big", NULL);
	unsigned written = 0;
	while (written < 100 && objects->ops->write(writer, block, 64 * 1024, &error))
		written++;
	objects->ops->abort(writer);
	if (!error)
		return 1;
	g_printerr("%s\n", error->message);
	bool ok = error->code == CARRACK_ERROR_UNAVAILABLE && written >= 10 &&
		  strstr(error->message, "object big: no space left in ") &&
		  strstr(error->message, folder) && strstr(error->message, "free");
	/* What did not fit takes no room: the next one does. */
	writer = objects->ops->create(objects, "shop", "small", NULL);
	ok = ok && writer && objects->ops->write(writer, block, 64 * 1024, NULL) &&
	     objects->ops->commit(writer, NULL) && objects->ops->free_space(objects) > 512 * 1024;
	return ok ? 0 : 1;
}

static void
test_full(Fixture *fixture, gconstpointer data)
{
	pid_t child = fork();
	if (child == 0)
		_exit(fill_small_disk(fixture->folder));

	int status = -1;
	g_assert_cmpint(waitpid(child, &status, 0), ==, child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		g_test_skip("mount is not allowed here");
		return;
	}
	g_assert_cmpint(status, ==, 0);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*test)(Fixture *fixture, gconstpointer data);
	} tests[] = {
	    {"/objects/an-object-is-seen-whole-or-not-at-all", test_atomic},
	    {"/objects/a-missing-object-is-named", test_missing},
	    {"/objects/a-key-cannot-lead-out-of-its-app", test_keys},
	    {"/objects/a-key-is-no-folder-of-another", test_clash},
	    {"/objects/lists-are-sorted-by-prefix", test_list},
	    {"/objects/drafts-of-a-crash-go-at-the-next-start", test_drafts},
	    {"/objects/a-full-disk-names-the-free-space", test_full},
	};

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].test, tear_down);
	return g_test_run();
}
