/*
 * libarchive, loaded when it is first called (lazy.h).
 */
#include "base/lazy.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdarg.h>

#define LIBRARY "libarchive.so.13"

typedef struct archive Archive;
typedef struct archive_entry Entry;

/* After the first time dlopen only counts. */
static void *
library_symbol(const char *name)
{
	void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);
	void *symbol = library ? dlsym(library, name) : NULL;
	if (symbol)
		return symbol;

	/* A broken installation: there is no call that could fail instead. */
	dprintf(STDERR_FILENO, "ERROR: %s\n", dlerror());
	_exit(1);
}

/* clang-format off */
LAZY_FORWARD(const char *, archive_error_string, (Archive *archive), (archive))
LAZY_FORWARD(la_int64_t, archive_filter_bytes, (Archive *archive, int number), (archive, number))

LAZY_FORWARD(Archive *, archive_read_new, (void), ())
LAZY_FORWARD(int, archive_read_free, (Archive *archive), (archive))
LAZY_FORWARD(int, archive_read_support_filter_zstd, (Archive *archive), (archive))
LAZY_FORWARD(int, archive_read_support_format_tar, (Archive *archive), (archive))
LAZY_FORWARD(int, archive_read_open, (Archive *archive, void *data, archive_open_callback *open, archive_read_callback *read, archive_close_callback *close), (archive, data, open, read, close))
LAZY_FORWARD(int, archive_read_next_header, (Archive *archive, Entry **entry), (archive, entry))
LAZY_FORWARD(la_ssize_t, archive_read_data, (Archive *archive, void *buffer, size_t size), (archive, buffer, size))

LAZY_FORWARD(Archive *, archive_write_new, (void), ())
LAZY_FORWARD(int, archive_write_free, (Archive *archive), (archive))
LAZY_FORWARD(int, archive_write_close, (Archive *archive), (archive))
LAZY_FORWARD(int, archive_write_add_filter_gzip, (Archive *archive), (archive))
LAZY_FORWARD(int, archive_write_set_format_pax_restricted, (Archive *archive), (archive))
LAZY_FORWARD(int, archive_write_set_bytes_per_block, (Archive *archive, int bytes), (archive, bytes))
LAZY_FORWARD(int, archive_write_set_options, (Archive *archive, const char *options), (archive, options))
LAZY_FORWARD(int, archive_write_open, (Archive *archive, void *data, archive_open_callback *open, archive_write_callback *write, archive_close_callback *close), (archive, data, open, write, close))
LAZY_FORWARD(int, archive_write_header, (Archive *archive, Entry *entry), (archive, entry))
LAZY_FORWARD(la_ssize_t, archive_write_data, (Archive *archive, const void *bytes, size_t size), (archive, bytes, size))

LAZY_FORWARD(Entry *, archive_entry_new, (void), ())
LAZY_FORWARD(void, archive_entry_free, (Entry *entry), (entry))
LAZY_FORWARD(Entry *, archive_entry_clear, (Entry *entry), (entry))
LAZY_FORWARD(mode_t, archive_entry_filetype, (Entry *entry), (entry))
LAZY_FORWARD(const char *, archive_entry_hardlink, (Entry *entry), (entry))
LAZY_FORWARD(time_t, archive_entry_mtime, (Entry *entry), (entry))
LAZY_FORWARD(const char *, archive_entry_pathname, (Entry *entry), (entry))
LAZY_FORWARD(mode_t, archive_entry_perm, (Entry *entry), (entry))
LAZY_FORWARD(la_int64_t, archive_entry_size, (Entry *entry), (entry))
LAZY_FORWARD(const char *, archive_entry_symlink, (Entry *entry), (entry))
LAZY_FORWARD(void, archive_entry_set_filetype, (Entry *entry, unsigned type), (entry, type))
LAZY_FORWARD(void, archive_entry_set_hardlink, (Entry *entry, const char *path), (entry, path))
LAZY_FORWARD(void, archive_entry_set_mtime, (Entry *entry, time_t seconds, long nanoseconds), (entry, seconds, nanoseconds))
LAZY_FORWARD(void, archive_entry_set_pathname, (Entry *entry, const char *path), (entry, path))
LAZY_FORWARD(void, archive_entry_set_perm, (Entry *entry, mode_t mode), (entry, mode))
LAZY_FORWARD(void, archive_entry_set_size, (Entry *entry, la_int64_t size), (entry, size))
LAZY_FORWARD(void, archive_entry_set_symlink, (Entry *entry, const char *path), (entry, path))
/* clang-format on */

/* As libarchive has it: «%s» is the only format that is ever given. */
__attribute__((visibility("hidden"))) void
archive_set_error(Archive *archive, int number, const char *format, ...)
{
	typeof(&archive_set_error) set = library_symbol("archive_set_error");
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	set(archive, number, "%s", text);
}
