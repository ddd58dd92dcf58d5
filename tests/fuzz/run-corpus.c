/*
 * Stands in for libFuzzer in ordinary builds: runs a fuzz target over the files of the folders
 * named, so that what once broke it stays mended. With -Dfuzz=true the real one takes its place.
 */
#include <glib.h>
#include <stdint.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned
run_folder(const char *folder)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GDir) entries = g_dir_open(folder, 0, &error);
	g_assert_no_error(error);
	const char *name;
	unsigned count = 0;
	while ((name = g_dir_read_name(entries))) {
		g_autofree char *path = g_build_filename(folder, name, NULL);
		g_autofree char *bytes = NULL;
		gsize length;
		g_file_get_contents(path, &bytes, &length, &error);
		g_assert_no_error(error);
		LLVMFuzzerTestOneInput((const uint8_t *)bytes, length);
		count++;
	}
	return count;
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		g_assert_cmpint(run_folder(argv[i]), >, 0);
	return 0;
}
