/*
 * Objects as files in a temp folder: visible whole or not at all, keys that could lead out refused,
 * and a full disk said as such.
 */
#include "objects-cases.h"
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
test_clash(Fixture *fixture, gconstpointer data)
{
	static const char *const keys[] = {"a/b", "a/b/c/d/e", "a"};
	Objects *objects = fixture->objects;
	cases_store(objects, "shop", "a/b/c", "x");

	for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
		g_autoptr(GError) error = NULL;
		ObjectWriter *writer = objects->ops->create(objects, "shop", keys[i], NULL);
		g_assert_nonnull(writer);
		g_assert_false(objects->ops->commit(writer, &error));
		g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_CONFLICT);
	}
	cases_content(objects, "shop", "a/b/c", "x");
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
	cases_content(next, "shop", "living", "");
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
