/*
 * Fuzzes the reading of archives. What a scan accepts must be sent on without an error, and what is
 * sent on must be accepted again, with the same paths but special files.
 */
#include "base/tar.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* A file in memory with a path of its own. */
static int
memory_file(const void *bytes, gsize size)
{
	int fd = memfd_create("fuzz-tar", MFD_CLOEXEC);
	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		abort();
	return fd;
}

static bool
scan(int fd, GPtrArray *paths)
{
	TarWanted wanted[] = {{.path = "convox.yml"}, {.path = "a/Dockerfile"}};
	g_autofree char *file = g_strdup_printf("/proc/self/fd/%d", fd);
	g_autoptr(GError) error = NULL;
	bool good = tar_scan(file, wanted, G_N_ELEMENTS(wanted), paths, NULL, &error);
	if (good != (error == NULL))
		abort();
	for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++)
		g_free(wanted[i].text);
	return good;
}

static GByteArray *
send_on(int fd, const char *prefix)
{
	g_autofree char *file = g_strdup_printf("/proc/self/fd/%d", fd);
	g_autoptr(TarStream) stream = tar_stream_open(file, prefix, NULL);
	if (stream == NULL)
		return NULL;

	g_autoptr(GByteArray) bytes = g_byte_array_new();
	guint8 buffer[4096];
	gssize count;
	while ((count = tar_stream_read(stream, buffer, sizeof(buffer), NULL)) > 0) {
		if (bytes->len < 16 * 1024 * 1024)
			g_byte_array_append(bytes, buffer, (guint)count);
	}
	return count < 0 ? NULL : g_steal_pointer(&bytes);
}

static void
check_again(int fd)
{
	g_autoptr(GByteArray) bytes = send_on(fd, "");
	if (bytes == NULL)
		abort();
	if (bytes->len >= 16 * 1024 * 1024)
		return;

	int again = memory_file(bytes->data, bytes->len);
	if (!scan(again, NULL))
		abort();
	close(again);
	g_autoptr(GByteArray) part = send_on(fd, "a");
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
	int fd = memory_file(bytes, size);
	if (scan(fd, paths))
		check_again(fd);
	close(fd);
	return 0;
}
