/*
 * Two questions to git; any failure only means that the build is described by nothing.
 */
#include "cli/git.h"

#include <string.h>

/* What git prints, or NULL. */
static char *
ask(const char *folder, const char *one, const char *two, const char *three)
{
	char *output = NULL;
	g_autoptr(GSubprocess) git =
	    g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE,
		NULL, "git", "-C", folder, one, two, three, NULL);
	if (!git || !g_subprocess_communicate_utf8(git, NULL, NULL, &output, NULL, NULL))
		return NULL;
	if (g_subprocess_get_successful(git))
		return output;

	g_free(output);
	return NULL;
}

char *
git_commit(const char *folder, char **subject)
{
	g_autofree char *text = ask(folder, "log", "-1", "--format=%H%n%s");
	g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", 3);
	if (g_strv_length(lines) < 2)
		return NULL;

	g_autofree char *changes = ask(folder, "status", "--porcelain", ".");
	bool is_clean = changes && !*changes;
	*subject = is_clean ? g_strdup(lines[1]) : NULL;
	return g_strdup(lines[0]);
}
