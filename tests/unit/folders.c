/*
 * See the header.
 */
#include "folders.h"

#include <gio/gio.h>
#include <glib/gstdio.h>

void
folder_remove(const char *path)
{
	g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
	const char *name;
	while (folder && (name = g_dir_read_name(folder))) {
		g_autofree char *child = g_build_filename(path, name, NULL);
		/* Only folders cannot be unlinked; what leads to one can. */
		if (g_unlink(child) != 0)
			folder_remove(child);
	}
	g_rmdir(path);
}
