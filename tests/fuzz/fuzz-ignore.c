/*
 * Fuzzes .dockerignore: the input is the file, a NUL, and a path. A path that is kept must be
 * within reach of a walk that enters only the folders it is told to.
 */
#include "manifest/ignore.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
check_reach(const Ignore *ignore, const char *path)
{
	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		g_autofree char *folder = g_strndup(path, (gsize)(slash - path));
		if (ignore_matches(ignore, folder) && !ignore_may_reach_inside(ignore, folder))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const uint8_t *split = size > 0 ? memchr(bytes, '\0', size) : NULL;
	gsize length = split != NULL ? (gsize)(split - bytes) : size;
	gsize path_length = split != NULL ? size - length - 1 : 0;
	g_autofree char *path = g_strndup((const char *)bytes + (size - path_length), path_length);
	g_autoptr(GError) error = NULL;
	g_autoptr(Ignore) ignore =
	    ignore_parse((const char *)bytes, length, ".dockerignore", &error);
	if ((ignore == NULL) != (error != NULL))
		abort();
	if (ignore == NULL)
		return 0;

	ignore_may_reach_inside(ignore, path);
	if (!ignore_matches(ignore, path))
		check_reach(ignore, path);
	return 0;
}
