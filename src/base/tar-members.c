/*
 * Which members an archive may have. The whole list of paths is kept, with what each of them is, so
 * that a later member cannot be laid through a link that an earlier one made, nor replace a folder
 * by a link. Links that lead outside are data and allowed: nothing is ever read or written through
 * them.
 *
 * Parents that an archive does not list count as folders. All names together are limited, or a
 * small archive of long names would fill the memory.
 */
#include "base/tar-members.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/walk.h"

#include <string.h>

struct TarMembers {
	GHashTable *kinds; /* path → TarKind */
	guint64 entries;
	gsize name_bytes;
};

static const char *const kind_names[] = {
    [TAR_FILE] = "file",
    [TAR_FOLDER] = "folder",
    [TAR_LINK] = "link",
    [TAR_HARD_LINK] = "file",
    [TAR_SPECIAL] = "special file",
};

TarMembers *
tar_members_new(void)
{
	TarMembers *members = g_new0(TarMembers, 1);
	members->kinds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	return members;
}

void
tar_members_free(TarMembers *members)
{
	if (members == NULL)
		return;

	g_hash_table_unref(members->kinds);
	g_free(members);
}

static bool
refuse(GError **error, const char *path, const char *reason)
{
	g_autofree char *display = walk_display_path(path);
	return error_set(error, CARRACK_ERROR_INVALID, "archive member %s: %s", display, reason);
}

char *
tar_member_path(const char *name, GError **error)
{
	if (strlen(name) > LIMIT_TAR_PATH_BYTES) {
		g_autofree char *start = g_strndup(name, 60);
		refuse(error, start, "its path is too long");
		return NULL;
	}
	if (name[0] == '/') {
		refuse(error, name, "an absolute path is not allowed");
		return NULL;
	}
	g_autoptr(GString) path = g_string_new(NULL);
	g_auto(GStrv) parts = g_strsplit(name, "/", -1);
	for (char **part = parts; *part != NULL; part++) {
		if (strcmp(*part, "..") == 0) {
			refuse(error, name, "«..» is not allowed in a path");
			return NULL;
		}
		if (**part == '\0' || strcmp(*part, ".") == 0)
			continue;
		if (path->len > 0)
			g_string_append_c(path, '/');
		g_string_append(path, *part);
	}
	return g_string_free(g_steal_pointer(&path), FALSE);
}

static bool
lookup(const TarMembers *members, const char *path, TarKind *kind)
{
	gpointer value;
	if (!g_hash_table_lookup_extended(members->kinds, path, NULL, &value))
		return false;

	*kind = (TarKind)GPOINTER_TO_INT(value);
	return true;
}

static bool
remember(TarMembers *members, const char *path, TarKind kind, GError **error)
{
	members->name_bytes += strlen(path) + 1;
	if (members->name_bytes > LIMIT_TAR_NAMES_BYTES)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "archive: its names are longer than %d bytes together", LIMIT_TAR_NAMES_BYTES);

	g_hash_table_insert(members->kinds, g_strdup(path), GINT_TO_POINTER(kind));
	return true;
}

static bool
check_parents(TarMembers *members, const char *path, GError **error)
{
	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		g_autofree char *parent = g_strndup(path, (gsize)(slash - path));
		TarKind kind;
		if (!lookup(members, parent, &kind)) {
			if (!remember(members, parent, TAR_FOLDER, error))
				return false;
			continue;
		}
		if (kind == TAR_FOLDER)
			continue;

		g_autofree char *display = walk_display_path(parent);
		g_autofree char *reason = g_strdup_printf(
		    "lies below %s, which is a %s in the archive", display, kind_names[kind]);
		return refuse(error, path, reason);
	}
	return true;
}

static bool
check_target(const TarMembers *members, const char *path, const char *target, GError **error)
{
	TarKind kind;
	if (strcmp(path, target) == 0)
		return refuse(error, path, "is a hard link to itself");
	if (lookup(members, target, &kind) && (kind == TAR_FILE || kind == TAR_HARD_LINK))
		return true;

	g_autofree char *display = walk_display_path(target);
	g_autofree char *reason = g_strdup_printf(
	    "is a hard link to %s, which is no earlier file of the archive", display);
	return refuse(error, path, reason);
}

static bool
is_file(TarKind kind)
{
	return kind == TAR_FILE || kind == TAR_HARD_LINK;
}

bool
tar_members_add(
    TarMembers *members, const char *path, TarKind kind, const char *target, GError **error)
{
	if (++members->entries > LIMIT_TAR_ENTRIES)
		return refuse(error, path,
		    "the archive has more than " G_STRINGIFY(LIMIT_TAR_ENTRIES) " entries");
	if (*path == '\0')
		return kind == TAR_FOLDER || error_set(error, CARRACK_ERROR_INVALID,
						 "archive member %" G_GUINT64_FORMAT
						 ": a %s without a name is not allowed",
						 members->entries, kind_names[kind]);
	if (!check_parents(members, path, error))
		return false;
	if (kind == TAR_HARD_LINK && !check_target(members, path, target, error))
		return false;

	TarKind known;
	if (!lookup(members, path, &known))
		return remember(members, path, kind, error);
	if (known == kind || (is_file(known) && is_file(kind)))
		return true;

	g_autofree char *reason =
	    g_strdup_printf("was a %s before in the same archive", kind_names[known]);
	return refuse(error, path, reason);
}
