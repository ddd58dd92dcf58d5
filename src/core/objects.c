/*
 * Names of objects, the same for every store of them: a key is a path that leads nowhere else.
 */
#include "core/objects.h"

#include "base/error.h"

#include <limits.h>
#include <string.h>

static bool
check_key(const char *key, GError **error)
{
	g_autofree char *shown = g_utf8_make_valid(key, -1);
	if (!*key || strlen(key) > OBJECTS_KEY_BYTES)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "object key «%.80s» has %zu bytes, 1 to %d are allowed", shown, strlen(key),
		    OBJECTS_KEY_BYTES);

	g_auto(GStrv) segments = g_strsplit(key, "/", -1);
	for (gsize i = 0; segments[i]; i++) {
		const char *segment = segments[i];
		if (!*segment || !strcmp(segment, ".") || !strcmp(segment, ".."))
			return error_set(error, CARRACK_ERROR_INVALID,
			    "object key «%s» is not a plain path: no leading, trailing or double "
			    "slash, no «.» or «..» between slashes",
			    shown);
		if (strlen(segment) > NAME_MAX)
			return error_set(error, CARRACK_ERROR_INVALID,
			    "object key «%s»: a part between slashes is at most %d bytes", shown,
			    NAME_MAX);
	}
	return true;
}

bool
objects_check_app(const char *app, GError **error)
{
	if (*app && *app != '.' && !strchr(app, '/') && strlen(app) <= NAME_MAX)
		return true;

	return error_set(error, CARRACK_ERROR_INVALID, "«%s» is no app name", app);
}

bool
objects_check_name(const char *app, const char *key, GError **error)
{
	return objects_check_app(app, error) && check_key(key, error);
}
