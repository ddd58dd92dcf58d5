/*
 * The store over real SQLite files in a temp folder: conditions, order, durability of the order,
 * and what is refused at opening.
 */
#include "store-cases.h"
#include "swarm/provider.h"

#include <glib/gstdio.h>
#include <sched.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
	char *folder;
	char *path;
	Store *store;
} Fixture;

static Store *
open_store(const char *path)
{
	g_autoptr(GError) error = NULL;
	Store *store = store_sqlite_new(path, &error);
	g_assert_no_error(error);
	g_assert_nonnull(store);
	return store;
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
	fixture->folder = g_dir_make_tmp("carrack-store-XXXXXX", NULL);
	fixture->path = g_build_filename(fixture->folder, "store.db", NULL);
	fixture->store = open_store(fixture->path);
}

static void
close_store(Fixture *fixture)
{
	if (fixture->store)
		fixture->store->ops->free(fixture->store);
	fixture->store = NULL;
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	close_store(fixture);
	g_autoptr(GDir) entries = g_dir_open(fixture->folder, 0, NULL);
	const char *name;
	while ((name = g_dir_read_name(entries))) {
		g_autofree char *file = g_build_filename(fixture->folder, name, NULL);
		g_unlink(file);
	}
	g_rmdir(fixture->folder);
	g_free(fixture->folder);
	g_free(fixture->path);
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
test_reopen(Fixture *fixture, gconstpointer data)
{
	cases_put(fixture->store, "a", "R1", 1, 0);
	cases_put(fixture->store, "a", "R2", 2, 0);
	close_store(fixture);
	fixture->store = open_store(fixture->path);
	cases_listed(fixture->store, "a", 0, NULL, "R2R1");
	g_assert_cmpint(cases_put(fixture->store, "a", "R1", 3, 1), ==, 2);
}

/* A process that dies right after put() has returned leaves the document behind. */
static void
test_killed(Fixture *fixture, gconstpointer data)
{
	close_store(fixture);
	pid_t child = fork();
	if (child == 0) {
		Store *store = store_sqlite_new(fixture->path, NULL);
		json_auto_t *body = json_object();
		bool ok =
		    store && store->ops->put(store, "release", "a", "R9", body, 0, NULL, NULL);
		_exit(ok ? 0 : 1);
	}
	int status = -1;
	g_assert_cmpint(waitpid(child, &status, 0), ==, child);
	g_assert_cmpint(status, ==, 0);
	fixture->store = open_store(fixture->path);
	cases_listed(fixture->store, "a", 0, NULL, "R9");
}

static void
assert_refused(Fixture *fixture, const char *text)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(store_sqlite_new(fixture->path, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INTERNAL);
	g_assert_nonnull(strstr(error->message, fixture->path));
	g_test_message("%s", error->message);
	g_assert_nonnull(strstr(error->message, text));
}

static void
test_damaged(Fixture *fixture, gconstpointer data)
{
	for (int i = 0; i < 200; i++) {
		g_autofree char *id = g_strdup_printf("R%d", i);
		cases_put(fixture->store, "a", id, i, 0);
	}
	close_store(fixture);

	g_autofree char *bytes = NULL;
	gsize length = 0;
	g_assert_true(g_file_get_contents(fixture->path, &bytes, &length, NULL));
	g_assert_cmpuint(length, >, 5 * 4096);
	memset(bytes + 3 * 4096, 0x5a, 2 * 4096);
	g_assert_true(g_file_set_contents(fixture->path, bytes, (gssize)length, NULL));
	assert_refused(fixture, "is damaged");
	assert_refused(fixture, "restore it from a backup");

	g_autofree char *after = NULL;
	gsize after_length = 0;
	g_assert_true(g_file_get_contents(fixture->path, &after, &after_length, NULL));
	g_assert_cmpmem(after, after_length, bytes, length);
}

static void
test_cut(Fixture *fixture, gconstpointer data)
{
	close_store(fixture);
	g_assert_cmpint(truncate(fixture->path, 4096 * 2 + 100), ==, 0);
	assert_refused(fixture, "is damaged");
}

static void
test_empty(Fixture *fixture, gconstpointer data)
{
	close_store(fixture);
	g_assert_true(g_file_set_contents(fixture->path, "", 0, NULL));
	assert_refused(fixture, "the file is empty");
	g_autofree char *text = g_strnfill(9000, 'x');
	g_assert_true(g_file_set_contents(fixture->path, text, -1, NULL));
	assert_refused(fixture, "not a database");
}

static void
run_sql(const char *path, const char *sql)
{
	sqlite3 *database = NULL;

	g_assert_cmpint(sqlite3_open(path, &database), ==, SQLITE_OK);
	g_assert_cmpint(sqlite3_exec(database, sql, NULL, NULL, NULL), ==, SQLITE_OK);
	g_assert_cmpint(sqlite3_close(database), ==, SQLITE_OK);
}

static void
test_later(Fixture *fixture, gconstpointer data)
{
	close_store(fixture);
	run_sql(fixture->path, "PRAGMA user_version = 99");
	assert_refused(fixture, "version 99");
}

static void
test_foreign(Fixture *fixture, gconstpointer data)
{
	close_store(fixture);
	g_unlink(fixture->path);
	run_sql(fixture->path, "CREATE TABLE t (x)");
	assert_refused(fixture, "nothing of ours");
}

static void
test_orphan(Fixture *fixture, gconstpointer data)
{
	close_store(fixture);
	g_unlink(fixture->path);
	g_autofree char *wal = g_strconcat(fixture->path, "-wal", NULL);
	g_assert_true(g_file_set_contents(wal, "x", 1, NULL));
	assert_refused(fixture, "is missing");
	g_assert_false(g_file_test(fixture->path, G_FILE_TEST_EXISTS));
}

static void
test_half_made(Fixture *fixture, gconstpointer data)
{
	close_store(fixture);
	g_unlink(fixture->path);
	g_autofree char *draft = g_strconcat(fixture->path, ".new", NULL);
	g_assert_true(g_file_set_contents(draft, "rest of a start that was killed", -1, NULL));
	fixture->store = open_store(fixture->path);
	cases_put(fixture->store, "a", "R1", 1, 0);
	g_assert_false(g_file_test(draft, G_FILE_TEST_EXISTS));
}

/* Exit status: 0 good, 77 when this machine does not let us mount, else a failure. */
static int
fill_small_disk(const char *folder)
{
	if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("small", folder, "tmpfs", 0, "size=1m"))
		return 77;

	g_autofree char *path = g_build_filename(folder, "full.db", NULL);
	g_autofree char *text = g_strnfill(100 * 1000, 'x');
	g_autoptr(GError) error = NULL;
	json_auto_t *large = json_pack("{s:s}", "text", text);
	Store *store = store_sqlite_new(path, NULL);
	int written = 0;
	while (
	    written < 100 && store->ops->put(store, "k", "", "id", large, STORE_ANY, NULL, &error))
		written++;
	if (!error)
		return 1;
	g_printerr("%s\n", error->message);
	g_autoptr(StoreDocument) kept = store->ops->get(store, "k", "", "id", NULL);
	bool ok = error->code == CARRACK_ERROR_UNAVAILABLE && strstr(error->message, "is full (") &&
		  kept && kept->version == written;
	store->ops->free(store);
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

static void
test_ten_thousand(Fixture *fixture, gconstpointer data)
{
	run_sql(fixture->path,
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)"
	    "INSERT INTO documents (kind, scope, id, version, body)"
	    " SELECT 'release', 'app' || (i % 3), 'R' || i, 1,"
	    " json_object('env', hex(zeroblob(1000))) FROM n");
	gint64 begin = g_get_monotonic_time();
	for (int i = 0; i < 100; i++) {
		g_autoptr(GPtrArray) page =
		    fixture->store->ops->list(fixture->store, "release", "app1", 20, "R7000", NULL);
		g_assert_cmpuint(page->len, ==, 20);
		StoreDocument *first = g_ptr_array_index(page, 0);
		g_assert_cmpstr(first->id, ==, "R6997");
	}
	gint64 each = (g_get_monotonic_time() - begin) / 100;
	g_test_message("20 of 10,000 releases: %" G_GINT64_FORMAT " us", each);
	g_assert_cmpint(each, <, 20 * 1000);

	begin = g_get_monotonic_time();
	g_autoptr(GPtrArray) all =
	    fixture->store->ops->list(fixture->store, "release", NULL, 0, NULL, NULL);
	g_test_message("all 10,000: %" G_GINT64_FORMAT " us", g_get_monotonic_time() - begin);
	g_assert_cmpuint(all->len, ==, 10000);
}

/* Two openings of one file: an old process may still run when the new one starts. */
static void
test_threads(Fixture *fixture, gconstpointer data)
{
	Store *other = open_store(fixture->path);
	cases_threads(fixture->store, other);
	other->ops->free(other);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*test)(Fixture *fixture, gconstpointer data);
	} tests[] = {
	    {"/store/each-write-is-one-version-more", test_versions},
	    {"/store/a-write-on-an-old-version-is-a-conflict", test_conditions},
	    {"/store/a-missing-document-is-named", test_missing},
	    {"/store/lists-are-newest-first-by-creation", test_order},
	    {"/store/a-scope-goes-with-all-kinds", test_remove_scope},
	    {"/store/documents-outlive-a-restart", test_reopen},
	    {"/store/documents-outlive-a-killed-process", test_killed},
	    {"/store/a-damaged-file-is-refused-and-left-as-it-is", test_damaged},
	    {"/store/a-cut-file-is-refused", test_cut},
	    {"/store/an-empty-file-is-never-a-first-start", test_empty},
	    {"/store/a-later-version-is-refused", test_later},
	    {"/store/a-foreign-database-is-refused", test_foreign},
	    {"/store/a-journal-without-its-file-is-refused", test_orphan},
	    {"/store/a-half-made-file-is-made-anew", test_half_made},
	    {"/store/a-full-disk-is-said-and-loses-nothing", test_full},
	    {"/store/ten-thousand-releases-list-fast", test_ten_thousand},
	    {"/store/one-of-many-writers-wins-each-version", test_threads},
	};

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].test, tear_down);
	return g_test_run();
}
