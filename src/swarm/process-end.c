/*
 * The descendants are found by the parents that /proc/PID/stat tells; those that have left (a
 * daemon's double fork) are not meant.
 */
#include "swarm/process-end.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define LOOK_US 20000
#define GONE (-1)

/* GONE for one that is no more; 0 for one whose parent is outside of this namespace. */
static pid_t
parent_of(pid_t process)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)process);
	g_autofree char *text = NULL;
	/* The name in parentheses may hold anything, parentheses too. */
	const char *rest = g_file_get_contents(path, &text, NULL, NULL) ? strrchr(text, ')') : NULL;
	int parent = GONE;
	char state = 0;

	if (!rest || sscanf(rest + 1, " %c %d", &state, &parent) != 2 || state == 'Z')
		return GONE;
	return parent;
}

static bool
has_id(const GArray *ids, pid_t id)
{
	for (guint i = 0; i < ids->len; i++) {
		if (g_array_index(ids, pid_t, i) == id)
			return true;
	}
	return false;
}

/* Adds the children of those in `tree`. True when there were new ones. */
static bool
add_children(GArray *tree)
{
	g_autoptr(GDir) folder = g_dir_open("/proc", 0, NULL);
	const char *name;
	bool has_grown = false;

	while (folder && (name = g_dir_read_name(folder))) {
		guint64 number;
		if (!g_ascii_string_to_unsigned(name, 10, 1, G_MAXINT, &number, NULL))
			continue;
		pid_t id = (pid_t)number;
		if (has_id(tree, id) || !has_id(tree, parent_of(id)))
			continue;
		g_array_append_val(tree, id);
		has_grown = true;
	}
	return has_grown;
}

static GArray *
tree_of(pid_t process)
{
	GArray *tree = g_array_new(FALSE, FALSE, sizeof(pid_t));
	g_array_append_val(tree, process);
	while (add_children(tree))
		;
	return tree;
}

static void
signal_all(const GArray *tree, int number)
{
	for (guint i = 0; i < tree->len; i++) {
		pid_t id = g_array_index(tree, pid_t, i);
		if (parent_of(id) != GONE)
			kill(id, number);
	}
}

static bool
has_living(const GArray *tree)
{
	for (guint i = 0; i < tree->len; i++) {
		if (parent_of(g_array_index(tree, pid_t, i)) != GONE)
			return true;
	}
	return false;
}

void
process_end(pid_t process, unsigned grace_ms)
{
	gint64 deadline = g_get_monotonic_time() + (gint64)grace_ms * 1000;
	g_autoptr(GArray) tree = tree_of(process);

	/* A stopped one hears nothing until it goes on. */
	signal_all(tree, SIGHUP);
	signal_all(tree, SIGTERM);
	signal_all(tree, SIGCONT);
	while (has_living(tree) && g_get_monotonic_time() < deadline)
		g_usleep(LOOK_US);
	signal_all(tree, SIGKILL);
}

pid_t
process_inner_id(const char *proc, pid_t process)
{
	g_autofree char *path = g_strdup_printf("%s/%d/status", proc, (int)process);
	g_autofree char *text = NULL;
	if (!g_file_get_contents(path, &text, NULL, NULL))
		return 0;

	/* «NSpid:	6240	17»: the innermost comes last. */
	const char *line = strstr(text, "\nNSpid:");
	g_autofree char *ids = line ? g_strndup(line + 7, strcspn(line + 7, "\n")) : NULL;
	const char *last = ids ? strrchr(ids, '\t') : NULL;
	return last ? (pid_t)g_ascii_strtoll(last + 1, NULL, 10) : 0;
}
