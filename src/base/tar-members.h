/*
 * The rules that the members of an archive from outside must keep, apart from how it is read: paths
 * stay inside, nothing is written through a link, a hard link leads to an earlier file.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef enum {
	TAR_FILE,
	TAR_FOLDER,
	TAR_LINK,
	TAR_HARD_LINK,
	TAR_SPECIAL, /* FIFO, socket: harmless, dropped later */
} TarKind;

typedef struct TarMembers TarMembers;

TarMembers *
tar_members_new(void);

void
tar_members_free(TarMembers *members);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TarMembers, tar_members_free)

/* A member's name as a clean path («./a//b/» → «a/b»; the root is «»). Absolute names, `..` and
 * over-long ones are refused. The caller frees it. */
char *
tar_member_path(const char *name, GError **error);

/* Takes the next member. `target` is the clean path that a hard link leads to, else NULL. */
bool
tar_members_add(
    TarMembers *members, const char *path, TarKind kind, const char *target, GError **error);
