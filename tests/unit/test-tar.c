/*
 * Unit tests of base/tar: what is packed of a real folder, which archives are refused, what is sent
 * on. Archives of strangers are made by hand here, header by header, since no honest writer makes
 * them.
 */
#include "base/error.h"
#include "base/limits.h"
#include "base/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <locale.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct {
	char *folder;  /* a temp folder */
	char *tree;    /* what is packed */
	char *archive; /* where archives are written */
	GPtrArray *warnings;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	fixture->folder = g_dir_make_tmp("carrack-tar-XXXXXX", &error);
	g_assert_no_error(error);
	fixture->tree = g_build_filename(fixture->folder, "tree", NULL);
	fixture->archive = g_build_filename(fixture->folder, "archive.tgz", NULL);
	fixture->warnings = g_ptr_array_new_with_free_func(g_free);
	g_assert_cmpint(g_mkdir(fixture->tree, 0755), ==, 0);
}

static void
remove_tree(const char *path)
{
	g_autoptr(GDir) folder = NULL;
	if (!g_file_test(path, G_FILE_TEST_IS_SYMLINK))
		folder = g_dir_open(path, 0, NULL);
	const char *name;
	while (folder != NULL && (name = g_dir_read_name(folder)) != NULL) {
		g_autofree char *child = g_build_filename(path, name, NULL);
		remove_tree(child);
	}
	g_remove(path);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	remove_tree(fixture->folder);
	g_free(fixture->folder);
	g_free(fixture->tree);
	g_free(fixture->archive);
	g_ptr_array_unref(fixture->warnings);
}

static void
put(const Fixture *fixture, const char *name, const char *content)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = g_build_filename(fixture->tree, name, NULL);
	g_autofree char *parent = g_path_get_dirname(path);
	g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
	g_file_set_contents(path, content, -1, &error);
	g_assert_no_error(error);
}

static bool
append(gpointer data, const void *bytes, gsize length, GError **error)
{
	g_byte_array_append(data, bytes, (guint)length);
	return true;
}

static void
note_warning(gpointer data, const char *line)
{
	g_ptr_array_add(data, g_strdup(line));
}

/* Packs the tree into the archive file. */
static void
pack_with(Fixture *fixture, TarPackOptions *options)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	options->warn = note_warning;
	options->warn_data = fixture->warnings;
	tar_pack(fixture->tree, options, append, bytes, NULL, &error);
	g_assert_no_error(error);
	g_file_set_contents(fixture->archive, (char *)bytes->data, bytes->len, &error);
	g_assert_no_error(error);
}

static void
pack(Fixture *fixture)
{
	TarPackOptions options = {0};
	pack_with(fixture, &options);
}

/* All paths of the archive, joined by blanks. */
static char *
scan_paths(const Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
	tar_scan(fixture->archive, NULL, 0, paths, NULL, &error);
	g_assert_no_error(error);
	g_ptr_array_add(paths, NULL);
	return g_strjoinv(" ", (char **)paths->pdata);
}

static GByteArray *
stream_bytes(const Fixture *fixture, const char *prefix, GError **error)
{
	g_autoptr(TarStream) stream = tar_stream_open(fixture->archive, prefix, error);
	if (stream == NULL)
		return NULL;

	g_autoptr(GByteArray) bytes = g_byte_array_new();
	guint8 buffer[1000];
	gssize count;
	while ((count = tar_stream_read(stream, buffer, sizeof(buffer), error)) > 0)
		g_byte_array_append(bytes, buffer, (guint)count);
	return count < 0 ? NULL : g_steal_pointer(&bytes);
}

/* Writes what a stream gives as the archive, so that it can be scanned. */
static void
restream(const Fixture *fixture, const char *prefix)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GByteArray) bytes = stream_bytes(fixture, prefix, &error);
	g_assert_no_error(error);
	g_file_set_contents(fixture->archive, (char *)bytes->data, bytes->len, &error);
	g_assert_no_error(error);
}

/* Archives by hand */

typedef struct {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type,
	    target[100];
	char magic[8], user[32], group[32], major[8], minor[8], prefix[155], padding[12];
} Header;

G_STATIC_ASSERT(sizeof(Header) == 512);

static void
add_member(GByteArray *tar, const char *name, char type, const char *content)
{
	bool is_link = type == '1' || type == '2';
	gsize size = is_link || content == NULL ? 0 : strlen(content);
	Header header = {.type = type, .magic = {'u', 's', 't', 'a', 'r', '\0', '0', '0'}};
	memcpy(header.name, name, MIN(strlen(name), sizeof(header.name)));
	if (is_link)
		memcpy(header.target, content, strlen(content));
	g_snprintf(header.mode, sizeof(header.mode), "%07o", 06755U);
	g_snprintf(header.uid, sizeof(header.uid), "%07o", 5U);
	g_snprintf(header.gid, sizeof(header.gid), "%07o", 5U);
	g_snprintf(header.size, sizeof(header.size), "%011o", (unsigned)size);
	g_snprintf(header.mtime, sizeof(header.mtime), "%011o", 1U);
	memset(header.checksum, ' ', sizeof(header.checksum));
	unsigned sum = 0;
	for (gsize i = 0; i < sizeof(header); i++)
		sum += ((guint8 *)&header)[i];
	g_snprintf(header.checksum, sizeof(header.checksum), "%06o", sum);
	g_byte_array_append(tar, (guint8 *)&header, sizeof(header));
	if (size == 0)
		return;
	static const guint8 zeros[512] = {0};
	g_byte_array_append(tar, (const guint8 *)content, (guint)size);
	g_byte_array_append(tar, zeros, (guint)(-size % 512));
}

static void
write_tar(const Fixture *fixture, GByteArray *tar, bool with_end)
{
	static const guint8 zeros[1024] = {0};
	if (with_end)
		g_byte_array_append(tar, zeros, sizeof(zeros));
	g_autoptr(GError) error = NULL;
	g_file_set_contents(fixture->archive, (char *)tar->data, tar->len, &error);
	g_assert_no_error(error);
}

typedef struct {
	const char *name;
	char type;
	const char *content;
} Member;

static void
write_members(const Fixture *fixture, const Member *members)
{
	g_autoptr(GByteArray) tar = g_byte_array_new();
	add_member(tar, "Dockerfile", '0', "FROM scratch\n");
	for (; members->type != '\0'; members++)
		add_member(tar, members->name, members->type, members->content);
	write_tar(fixture, tar, true);
}

static void
assert_scan_refused(const Fixture *fixture, CarrackError code, const char *part)
{
	g_autoptr(GError) error = NULL;
	TarWanted wanted = {.path = "Dockerfile"};
	g_assert_false(tar_scan(fixture->archive, &wanted, 1, NULL, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, (int)code);
	if (strstr(error->message, part) == NULL)
		g_test_fail_printf("«%s» lacks «%s»", error->message, part);
	g_assert_null(wanted.text);
}

static void
a_tree_comes_back_as_it_was(Fixture *fixture, gconstpointer data)
{
	put(fixture, "Dockerfile", "FROM scratch\n");
	put(fixture, "b/run.sh", "#!/bin/sh\n");
	put(fixture, "a-b", "1");
	put(fixture, "a/x", "2");
	g_autofree char *empty = g_build_filename(fixture->tree, "empty", NULL);
	g_autofree char *link = g_build_filename(fixture->tree, "link", NULL);
	g_autofree char *hard = g_build_filename(fixture->tree, "hard", NULL);
	g_autofree char *script = g_build_filename(fixture->tree, "b/run.sh", NULL);
	g_assert_cmpint(g_mkdir(empty, 0700), ==, 0);
	g_assert_cmpint(symlink("/outside", link), ==, 0);
	g_assert_cmpint(linkat(AT_FDCWD, script, AT_FDCWD, hard, 0), ==, 0);
	pack(fixture);
	g_autofree char *paths = scan_paths(fixture);
	g_assert_cmpstr(paths, ==, "Dockerfile a a/x a-b b b/run.sh empty hard link");
	g_assert_cmpuint(fixture->warnings->len, ==, 0);

	TarWanted wanted[] = {
	    {.path = "hard"}, {.path = "b/run.sh"}, {.path = "no"}, {.path = "link"}};
	g_autoptr(GError) error = NULL;
	tar_scan(fixture->archive, wanted, G_N_ELEMENTS(wanted), NULL, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(wanted[0].text, ==, "#!/bin/sh\n");
	g_assert_cmpstr(wanted[1].text, ==, "#!/bin/sh\n");
	g_assert_cmpuint(wanted[1].length, ==, 10);
	g_assert_null(wanted[2].text);
	g_assert_null(wanted[3].text);
	g_free(wanted[0].text);
	g_free(wanted[1].text);
}

static void
the_same_tree_gives_the_same_bytes(Fixture *fixture, gconstpointer data)
{
	put(fixture, "x/y", "1");
	g_autofree char *first = NULL;
	g_autofree char *second = NULL;
	gsize first_length;
	gsize second_length;
	pack(fixture);
	g_file_get_contents(fixture->archive, &first, &first_length, NULL);
	pack(fixture);
	g_file_get_contents(fixture->archive, &second, &second_length, NULL);
	g_assert_cmpmem(first, first_length, second, second_length);
}

static void
names_are_raw_bytes(Fixture *fixture, gconstpointer data)
{
	g_autofree char *locale = g_strdup(setlocale(LC_ALL, NULL));
	g_autoptr(GString) deep = g_string_new(NULL);
	for (unsigned i = 0; i < 30; i++)
		g_string_append(deep, "dd/");
	for (unsigned i = 0; i < 120; i++)
		g_string_append_c(deep, 'x');
	const char *const names[] = {"bad\xff.txt", "caf\xc3\xa9", "cafe\xcc\x81", deep->str};
	const char *const locales[] = {"C", "C.UTF-8"};
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
		put(fixture, names[i], names[i]);
	for (gsize k = 0; k < G_N_ELEMENTS(locales); k++) {
		setlocale(LC_ALL, locales[k]);
		pack(fixture);
		restream(fixture, "");
		TarWanted wanted[G_N_ELEMENTS(names)] = {{0}};
		for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
			wanted[i].path = names[i];
		g_assert_true(
		    tar_scan(fixture->archive, wanted, G_N_ELEMENTS(names), NULL, NULL, NULL));
		for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
			g_assert_cmpstr(wanted[i].text, ==, names[i]);
			g_free(wanted[i].text);
		}
	}
	setlocale(LC_ALL, locale);
}

static bool
ignore_some(gpointer data, const char *path, bool is_folder, bool *enter)
{
	*enter = strcmp(path, "mostly") == 0;
	return g_str_has_prefix(path, "out") || (*enter) || strcmp(path, "mostly/out") == 0;
}

static void
what_is_ignored_is_left_out(Fixture *fixture, gconstpointer data)
{
	put(fixture, "out/a", "");
	put(fixture, "mostly/out", "");
	put(fixture, "mostly/kept", "");
	put(fixture, "kept", "");
	TarPackOptions options = {.ignored = ignore_some};
	pack_with(fixture, &options);
	g_autofree char *paths = scan_paths(fixture);
	g_assert_cmpstr(paths, ==, "kept mostly/kept");
}

static void
special_files_are_left_out_with_a_warning(Fixture *fixture, gconstpointer data)
{
	put(fixture, "aaa", "");
	g_autofree char *fifo = g_build_filename(fixture->tree, "pipe", NULL);
	g_autofree char *path = g_build_filename(fixture->tree, "b.sock", NULL);
	g_assert_cmpint(mkfifo(fifo, 0644), ==, 0);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	g_assert_cmpuint(g_strlcpy(address.sun_path, path, sizeof(address.sun_path)), <,
	    sizeof(address.sun_path));
	g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
	pack(fixture);
	close(fd);
	g_autofree char *paths = scan_paths(fixture);
	g_assert_cmpstr(paths, ==, "aaa");
	g_assert_cmpuint(fixture->warnings->len, ==, 2);
	g_assert_cmpstr(fixture->warnings->pdata[0], ==, "b.sock: is a socket, left out");
	g_assert_cmpstr(fixture->warnings->pdata[1], ==, "pipe: is a FIFO, left out");
}

/* Changes the tree while `a` is being looked at. */
static bool
vanish(gpointer data, const char *path, bool is_folder, bool *enter)
{
	const Fixture *fixture = data;
	if (strcmp(path, "a") == 0) {
		g_autofree char *file = g_build_filename(fixture->tree, "b", NULL);
		g_assert_cmpint(g_remove(file), ==, 0);
	}
	return false;
}

static void
files_that_vanish_are_left_out_with_a_warning(Fixture *fixture, gconstpointer data)
{
	put(fixture, "a", "");
	put(fixture, "b", "");
	TarPackOptions options = {.ignored = vanish, .ignored_data = fixture};
	pack_with(fixture, &options);
	g_autofree char *paths = scan_paths(fixture);
	g_assert_cmpstr(paths, ==, "a");
	g_assert_cmpstr(
	    fixture->warnings->pdata[0], ==, "b: vanished while it was packed, left out");
}

typedef struct {
	const char *file;
	GByteArray *bytes;
} Shrink;

/* The receiver cuts the file that is being sent. */
static bool
append_and_shrink(gpointer data, const void *bytes, gsize length, GError **error)
{
	Shrink *shrink = data;
	g_byte_array_append(shrink->bytes, bytes, (guint)length);
	g_assert_cmpint(truncate(shrink->file, 100), ==, 0);
	return true;
}

static void
a_file_that_shrinks_ends_the_archive(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = g_build_filename(fixture->tree, "big", NULL);
	g_autofree guint32 *noise = g_new(guint32, 1024 * 1024);
	for (gsize i = 0; i < 1024 * 1024; i++)
		noise[i] = g_random_int();
	g_assert_true(g_file_set_contents(path, (char *)noise, 4 * 1024 * 1024, NULL));
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	Shrink shrink = {path, bytes};
	g_autoptr(GError) error = NULL;
	g_assert_false(tar_pack(fixture->tree, NULL, append_and_shrink, &shrink, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_CONFLICT);
	g_assert_true(g_str_has_prefix(error->message, "big shrank from 4194304 to "));

	g_assert_true(g_file_set_contents(fixture->archive, (char *)bytes->data, bytes->len, NULL));
	assert_scan_refused(fixture, CARRACK_ERROR_INVALID, "cut");
}

static bool
refuse_bytes(gpointer data, const void *bytes, gsize length, GError **error)
{
	return error_set(error, CARRACK_ERROR_UPSTREAM, "no more");
}

static void
an_error_of_the_receiver_is_passed_on(Fixture *fixture, gconstpointer data)
{
	put(fixture, "a", "1");
	g_autoptr(GError) error = NULL;
	g_assert_false(tar_pack(fixture->tree, NULL, refuse_bytes, NULL, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	g_assert_cmpstr(error->message, ==, "no more");
	g_autoptr(GCancellable) cancel = g_cancellable_new();
	g_cancellable_cancel(cancel);
	g_clear_error(&error);
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	g_assert_false(tar_pack(fixture->tree, NULL, append, bytes, cancel, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
	g_clear_error(&error);
	g_assert_false(tar_pack("/nonexistent", NULL, append, bytes, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
}

static const struct {
	Member members[6];
	const char *part;
} attacks[] = {
    {{{"../../tmp/x", '0', "x"}}, "../../tmp/x: «..» is not allowed"},
    {{{"/tmp/x", '0', "x"}}, "/tmp/x: an absolute path is not allowed"},
    {{{"//tmp//x", '0', "x"}}, "//tmp//x: an absolute path is not allowed"},
    {{{"x/../../y", '0', "x"}}, "x/../../y: «..» is not allowed"},
    {{{"bin", '2', "/tmp"}, {"bin/x", '0', "x"}}, "bin/x: lies below bin, which is a link"},
    {{{"a", '5', NULL}, {"a/b", '2', ".."}, {"a/b/c", '2', "../.."}}, "a/b/c: lies below a/b"},
    {{{"f", '2', "/tmp/x"}, {"f", '0', "x"}}, "f: was a link before"},
    {{{"d/f", '0', "x"}, {"d", '2', "/tmp"}}, "d: was a folder before"},
    {{{"p", '1', "/etc/passwd"}}, "p is a hard link: archive member /etc/passwd"},
    {{{"p", '1', "../x"}}, "p is a hard link: archive member ../x"},
    {{{"p", '1', "later"}, {"later", '0', "x"}}, "p: is a hard link to later, which is no earlier"},
    {{{"l", '2', "/etc/passwd"}, {"p", '1', "l"}}, "p: is a hard link to l, which is no earlier"},
    {{{"null", '3', NULL}}, "null: devices and other special files are not allowed"},
    {{{"disk", '4', NULL}}, "disk: devices and other special files are not allowed"},
    {{{"", '0', "x"}}, "member 2: a file without a name"},
    {{{"f", '0', "x"}, {"f/g", '0', "x"}}, "f/g: lies below f, which is a file"},
};

static void
attacks_are_refused_by_name(Fixture *fixture, gconstpointer data)
{
	for (gsize i = 0; i < G_N_ELEMENTS(attacks); i++) {
		write_members(fixture, attacks[i].members);
		assert_scan_refused(fixture, CARRACK_ERROR_INVALID, attacks[i].part);
	}
}

static void
harmless_oddities_are_accepted(Fixture *fixture, gconstpointer data)
{
	const Member members[] = {{"./", '5', NULL}, {"./a//b/", '5', NULL}, {"a/b/f", '0', "1"},
	    {"link", '2', "/etc/passwd"}, {"a/b/f", '0', "22"}, {"h", '1', "./a/b/f"},
	    {"p", '6', NULL}, {NULL}};
	write_members(fixture, members);
	g_autofree char *paths = scan_paths(fixture);
	g_assert_cmpstr(paths, ==, "Dockerfile a/b a/b/f link a/b/f h p");
	TarWanted wanted = {.path = "a/b/f"};
	g_assert_true(tar_scan(fixture->archive, &wanted, 1, NULL, NULL, NULL));
	g_assert_cmpstr(wanted.text, ==, "22");
	g_free(wanted.text);
}

static void
what_is_sent_on_is_written_anew(Fixture *fixture, gconstpointer data)
{
	const Member members[] = {{"api", '5', NULL}, {"api/f", '0', "x"}, {"api/h", '1', "api/f"},
	    {"api/p", '6', NULL}, {"apix", '0', "no"}, {"other/f", '0', "no"}, {NULL}};
	write_members(fixture, members);
	g_autoptr(GError) error = NULL;
	g_autoptr(GByteArray) bytes = stream_bytes(fixture, "./api/", &error);
	g_assert_no_error(error);
	const Header *header = (const Header *)bytes->data;
	g_assert_cmpstr(header->name, ==, "f");
	g_assert_cmpmem(header->mode, 6, "000755", 6);
	g_assert_cmpmem(header->uid, 6, "000000", 6);
	g_assert_cmpmem(header->mtime, 11, "00000000001", 11);
	restream(fixture, "api");
	g_autofree char *paths = scan_paths(fixture);
	g_assert_cmpstr(paths, ==, "f h");
}

static void
a_prefix_must_be_a_folder_that_holds_its_links(Fixture *fixture, gconstpointer data)
{
	const Member members[] = {{"f", '0', "x"}, {"api/h", '1', "f"}, {NULL}};
	write_members(fixture, members);
	g_autoptr(GError) error = NULL;
	g_assert_null(stream_bytes(fixture, "f", &error));
	g_assert_cmpstr(error->message, ==, "f is not a folder");
	g_clear_error(&error);
	g_assert_null(stream_bytes(fixture, "api", &error));
	g_assert_nonnull(strstr(error->message, "api/h: a hard link to a file outside api"));
	g_clear_error(&error);
	g_assert_null(stream_bytes(fixture, "../x", &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
}

static void
cut_and_damaged_archives_are_refused(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GByteArray) tar = g_byte_array_new();
	add_member(tar, "f", '0', "x");
	write_tar(fixture, tar, false);
	assert_scan_refused(fixture, CARRACK_ERROR_INVALID, "its end mark is missing");

	g_autofree char *content = NULL;
	gsize length;
	put(fixture, "f", "some content that is long enough");
	pack(fixture);
	g_assert_true(g_file_get_contents(fixture->archive, &content, &length, NULL));
	for (gsize cut = 0; cut < length; cut++) {
		g_assert_true(g_file_set_contents(fixture->archive, content, (gssize)cut, NULL));
		g_assert_false(tar_scan(fixture->archive, NULL, 0, NULL, NULL, NULL));
	}
	content[length - 6] ^= 1; /* in the checksum */
	g_assert_true(g_file_set_contents(fixture->archive, content, (gssize)length, NULL));
	assert_scan_refused(fixture, CARRACK_ERROR_INVALID, "damaged");
	content[length - 6] ^= 1;
	g_autofree char *longer = g_strndup("", length + 1);
	memcpy(longer, content, length);
	longer[length] = 'x';
	g_assert_true(g_file_set_contents(fixture->archive, longer, (gssize)length + 1, NULL));
	assert_scan_refused(fixture, CARRACK_ERROR_INVALID, "bytes follow the end");
	g_assert_true(g_file_set_contents(fixture->archive, "no archive", -1, NULL));
	assert_scan_refused(fixture, CARRACK_ERROR_INVALID, "archive");
}

static void
too_many_entries_are_refused(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GByteArray) tar = g_byte_array_new();
	for (unsigned i = 0; i <= LIMIT_TAR_ENTRIES; i++) {
		char name[32];
		g_snprintf(name, sizeof(name), "f%u", i);
		add_member(tar, name, '0', NULL);
	}
	write_tar(fixture, tar, true);
	assert_scan_refused(
	    fixture, CARRACK_ERROR_INVALID, "f100000: the archive has more than 100000 entries");
}

static void
a_wanted_file_that_is_too_large_is_refused(Fixture *fixture, gconstpointer data)
{
	g_autofree char *large = g_strnfill(LIMIT_MANIFEST_BYTES + 1, '#');
	put(fixture, "Dockerfile", large);
	pack(fixture);
	assert_scan_refused(fixture, CARRACK_ERROR_TOO_LARGE, "Dockerfile is larger than");
}

static void
add(const char *name, void (*test)(Fixture *, gconstpointer))
{
	g_test_add(name, Fixture, NULL, set_up, test, tear_down);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add("/tar/a-tree-comes-back-as-it-was", a_tree_comes_back_as_it_was);
	add("/tar/the-same-tree-gives-the-same-bytes", the_same_tree_gives_the_same_bytes);
	add("/tar/names-are-raw-bytes", names_are_raw_bytes);
	add("/tar/what-is-ignored-is-left-out", what_is_ignored_is_left_out);
	add("/tar/special-files-are-left-out-with-a-warning",
	    special_files_are_left_out_with_a_warning);
	add("/tar/files-that-vanish-are-left-out-with-a-warning",
	    files_that_vanish_are_left_out_with_a_warning);
	add("/tar/a-file-that-shrinks-ends-the-archive", a_file_that_shrinks_ends_the_archive);
	add("/tar/an-error-of-the-receiver-is-passed-on", an_error_of_the_receiver_is_passed_on);
	add("/tar/attacks-are-refused-by-name", attacks_are_refused_by_name);
	add("/tar/harmless-oddities-are-accepted", harmless_oddities_are_accepted);
	add("/tar/what-is-sent-on-is-written-anew", what_is_sent_on_is_written_anew);
	add("/tar/a-prefix-must-be-a-folder-that-holds-its-links",
	    a_prefix_must_be_a_folder_that_holds_its_links);
	add("/tar/cut-and-damaged-archives-are-refused", cut_and_damaged_archives_are_refused);
	add("/tar/too-many-entries-are-refused", too_many_entries_are_refused);
	add("/tar/a-wanted-file-that-is-too-large-is-refused",
	    a_wanted_file_that_is_too_large_is_refused);
	return g_test_run();
}
