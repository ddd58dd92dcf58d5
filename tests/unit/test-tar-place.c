/*
 * Archives placed elsewhere and unpacked: names from the root, a file under another name, links.
 */
#include "base/error.h"
#include "base/tar.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
	char *folder;
	char *archive;
	char *target;
} World;

static void
run(const char *const *command)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GSubprocess) process =
	    g_subprocess_newv(command, G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error);
	g_assert_no_error(error);
	g_assert_true(g_subprocess_wait_check(process, NULL, NULL));
}

static void
write_file(const World *world, const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(world->folder, name, NULL);
	g_autofree char *folder = g_path_get_dirname(path);
	g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
	g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static char *
read_file(const World *world, const char *name)
{
	g_autofree char *path = g_build_filename(world->target, name, NULL);
	char *text = NULL;
	return g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("(none)");
}

static void
set_up(World *world, gconstpointer data)
{
	world->folder = g_dir_make_tmp("test-place-XXXXXX", NULL);
	world->archive = g_build_filename(world->folder, "archive", NULL);
	world->target = g_build_filename(world->folder, "target", NULL);
	write_file(world, "data/a/f", "one");
	write_file(world, "data/g", "two");
	g_autofree char *link = g_build_filename(world->folder, "data", "link", NULL);
	g_assert_cmpint(symlink("g", link), ==, 0);
}

static void
tear_down(World *world, gconstpointer data)
{
	run((const char *const[]){"rm", "-rf", world->folder, NULL});
	g_free(world->folder);
	g_free(world->archive);
	g_free(world->target);
}

/* tar -P keeps a slash at the start. */
static void
pack(const World *world, const char *name, const char *transform)
{
	run((const char *const[]){"tar", "-C", world->folder, "-P", "--transform", transform, "-cf",
	    world->archive, name, NULL});
}

/* The archive written anew as `placing` says, over the old one. */
static void
place(const World *world, const TarPlacing *placing)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(TarStream) stream = tar_stream_open_placed(world->archive, placing, &error);
	g_assert_no_error(error);
	g_autoptr(GByteArray) all = g_byte_array_new();
	char buffer[1000];
	gssize count;
	while ((count = tar_stream_read(stream, buffer, sizeof(buffer), &error)) > 0)
		g_byte_array_append(all, (guint8 *)buffer, (guint)count);
	g_assert_no_error(error);
	g_assert_true(g_file_set_contents(world->archive, (char *)all->data, all->len, NULL));
}

static void
unpack(const World *world, const char *prefix)
{
	g_autoptr(GError) error = NULL;
	g_assert_true(tar_check(world->archive, false, NULL, &error));
	g_assert_no_error(error);
	tar_unpack(world->archive, prefix, world->target, NULL, &error);
	g_assert_no_error(error);
}

static void
expect(const World *world, const char *name, const char *text)
{
	g_autofree char *got = read_file(world, name);
	g_assert_cmpstr(got, ==, text);
}

static void
test_rooted(World *world, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	pack(world, "data", "s,^data,/srv/x,");
	g_assert_false(tar_check(world->archive, false, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_true(tar_check(world->archive, true, NULL, NULL));
	place(world, &(TarPlacing){.prefix = "", .is_rooted = true});
	unpack(world, "srv/x");
	expect(world, "a/f", "one");
	expect(world, "link", "two");
}

static void
test_place(World *world, gconstpointer data)
{
	pack(world, "data", "s,^$,,");
	place(world, &(TarPlacing){.prefix = "data", .place = "srv/new"});
	unpack(world, "srv/new");
	expect(world, "a/f", "one");
	expect(world, "g", "two");
}

static void
test_renamed_file(World *world, gconstpointer data)
{
	pack(world, "data/g", "s,^data/,,");
	place(world, &(TarPlacing){.prefix = "g", .place = "etc/other"});
	unpack(world, "etc/other");
	g_autofree char *text = NULL;
	g_assert_true(g_file_get_contents(world->target, &text, NULL, NULL));
	g_assert_cmpstr(text, ==, "two");
}

static void
test_nothing(World *world, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	pack(world, "data", "s,^$,,");
	g_assert_false(tar_unpack(world->archive, "other", world->target, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
}

/* What is there under the name is replaced, not written through. */
static void
test_link_at_target(World *world, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *link = g_build_filename(world->target, "g", NULL);
	pack(world, "data", "s,^$,,");
	g_assert_cmpint(g_mkdir(world->target, 0755), ==, 0);
	g_assert_cmpint(symlink("../data/g", link), ==, 0);
	write_file(world, "data/g", "kept");
	g_assert_false(tar_unpack(world->archive, "data", world->target, NULL, &error));
	g_assert_nonnull(error);
	g_autofree char *text = NULL;
	g_autofree char *source = g_build_filename(world->folder, "data", "g", NULL);
	g_assert_true(g_file_get_contents(source, &text, NULL, NULL));
	g_assert_cmpstr(text, ==, "kept");
}

#define TEST(path, function) g_test_add(path, World, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	TEST("/tar-place/names-may-begin-at-the-root-where-that-is-meant", test_rooted);
	TEST("/tar-place/a-folder-lies-elsewhere", test_place);
	TEST("/tar-place/a-file-gets-another-name", test_renamed_file);
	TEST("/tar-place/what-is-not-there-is-an-error", test_nothing);
	TEST("/tar-place/a-link-in-the-way-is-not-written-through", test_link_at_target);
	return g_test_run();
}
