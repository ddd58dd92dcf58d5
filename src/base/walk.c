/*
 * The walk that packing is built on. It goes by names relative to one open folder, so that a deep
 * tree needs neither many descriptors nor a change of the working folder, and holds the names of
 * one folder a level in memory, nothing else.
 *
 * A tree that is packed may change meanwhile: what vanishes between its listing and its visit is
 * reported and left out, and a name is never opened before it is known to be a regular file (a
 * FIFO would block for ever). Links are not followed.
 */
#include "base/walk.h"

#include "base/error.h"
#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

typedef struct {
	const TarPackOptions *options;
	WalkVisit visit;
	gpointer data;
	GCancellable *cancel;
	int root;
	guint64 entries;
} Walk;

static bool
walk_into(Walk *walk, const char *path, GPtrArray *names, GError **error);

char *
walk_display_path(const char *path)
{
	char *text = g_utf8_make_valid(path, -1);
	for (char *byte = text; *byte != '\0'; byte++) {
		if (g_ascii_iscntrl(*byte))
			*byte = '?';
	}
	return text;
}

static void
warn(const Walk *walk, const char *path, const char *reason)
{
	if (walk->options->warn == NULL)
		return;

	g_autofree char *display = walk_display_path(path);
	g_autofree char *line = g_strdup_printf("%s: %s, left out", display, reason);
	walk->options->warn(walk->options->warn_data, line);
}

static void
warn_errno(const Walk *walk, const char *path, int errnum)
{
	bool vanished = errnum == ENOENT || errnum == ENOTDIR;
	warn(walk, path, vanished ? "vanished while it was packed" : g_strerror(errnum));
}

static int
compare_names(gconstpointer one, gconstpointer other)
{
	return strcmp(*(char *const *)one, *(char *const *)other);
}

/* The names in a folder, sorted; NULL with errno set. */
static GPtrArray *
list_folder(const Walk *walk, const char *path)
{
	int fd = openat(walk->root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return NULL;

	DIR *folder = fdopendir(fd);
	if (folder == NULL) {
		close(fd);
		return NULL;
	}
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	errno = 0;
	for (struct dirent *entry; (entry = readdir(folder)) != NULL; errno = 0) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			g_ptr_array_add(names, g_strdup(entry->d_name));
	}
	int errnum = errno;
	closedir(folder);
	errno = errnum;
	if (errnum != 0)
		return NULL;

	g_ptr_array_sort(names, compare_names);
	return g_steal_pointer(&names);
}

static bool
visit(Walk *walk, const WalkEntry *entry, GError **error)
{
	if (++walk->entries > LIMIT_TAR_ENTRIES)
		return error_set(error, CARRACK_ERROR_TOO_LARGE,
		    "the folder holds more than %d files and folders; name what is not needed in "
		    ".dockerignore",
		    LIMIT_TAR_ENTRIES);

	return walk->visit(walk->data, entry, error);
}

static bool
visit_file(Walk *walk, const char *path, GError **error)
{
	/* O_NONBLOCK: the name may have become a FIFO since it was looked at. */
	int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int fd = openat(walk->root, path, flags);
	if (fd < 0) {
		warn_errno(walk, path, errno);
		return true;
	}
	struct stat status;
	bool is_file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
	WalkEntry entry = {.path = path, .status = &status, .fd = fd};
	bool visited = true;
	if (is_file)
		visited = visit(walk, &entry, error);
	else
		warn(walk, path, "changed its kind while it was packed");
	close(fd);
	return visited;
}

static bool
visit_link(Walk *walk, const char *path, const struct stat *status, GError **error)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(walk->root, path, target, sizeof(target) - 1);
	if (length < 0) {
		warn_errno(walk, path, errno);
		return true;
	}
	target[length] = '\0';
	WalkEntry entry = {.path = path, .status = status, .target = target, .fd = -1};
	return visit(walk, &entry, error);
}

static bool
visit_folder(
    Walk *walk, const char *path, const struct stat *status, bool is_listed, GError **error)
{
	g_autoptr(GPtrArray) names = list_folder(walk, path);
	if (names == NULL) {
		warn_errno(walk, path, errno);
		return true;
	}
	WalkEntry entry = {.path = path, .status = status, .fd = -1};
	if (is_listed && !visit(walk, &entry, error))
		return false;

	return walk_into(walk, path, names, error);
}

static const char *
special_kind(mode_t mode)
{
	if (S_ISSOCK(mode))
		return "is a socket";
	if (S_ISFIFO(mode))
		return "is a FIFO";
	return "is a device";
}

static bool
visit_name(Walk *walk, const char *path, GError **error)
{
	struct stat status;
	if (fstatat(walk->root, path, &status, AT_SYMLINK_NOFOLLOW) != 0) {
		warn_errno(walk, path, errno);
		return true;
	}
	const TarPackOptions *options = walk->options;
	bool is_folder = S_ISDIR(status.st_mode);
	bool enter = false;
	bool ignored = options->ignored != NULL &&
		       options->ignored(options->ignored_data, path, is_folder, &enter);
	if (ignored && !(is_folder && enter))
		return true;

	if (is_folder)
		return visit_folder(walk, path, &status, !ignored, error);
	if (S_ISREG(status.st_mode))
		return visit_file(walk, path, error);
	if (S_ISLNK(status.st_mode))
		return visit_link(walk, path, &status, error);

	warn(walk, path, special_kind(status.st_mode));
	return true;
}

static bool
walk_into(Walk *walk, const char *path, GPtrArray *names, GError **error)
{
	bool is_root = strcmp(path, ".") == 0;
	for (guint i = 0; i < names->len; i++) {
		const char *name = names->pdata[i];
		g_autofree char *child =
		    is_root ? g_strdup(name) : g_strconcat(path, "/", name, NULL);
		if (error_cancelled(walk->cancel, error))
			return false;
		if (strlen(child) >= LIMIT_TAR_PATH_BYTES) {
			g_autofree char *display = walk_display_path(path);
			return error_set(error, CARRACK_ERROR_TOO_LARGE,
			    "%s: holds a path of more than %d bytes", display,
			    LIMIT_TAR_PATH_BYTES - 1);
		}
		if (!visit_name(walk, child, error))
			return false;
	}
	return true;
}

bool
walk_folder(const char *folder,
    const TarPackOptions *options,
    WalkVisit visitor,
    gpointer data,
    GCancellable *cancel,
    GError **error)
{
	static const TarPackOptions no_options = {0};
	Walk walk = {
	    .options = options != NULL ? options : &no_options,
	    .visit = visitor,
	    .data = data,
	    .cancel = cancel,
	    .root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	};
	if (walk.root < 0)
		return error_set_errno(error, errno, "%s", folder);

	g_autoptr(GPtrArray) names = list_folder(&walk, ".");
	bool done = names != NULL ? walk_into(&walk, ".", names, error)
				  : error_set_errno(error, errno, "%s", folder);
	close(walk.root);
	return done;
}
