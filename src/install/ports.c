/*
 * Who has a port, as far as this machine lets us see: first the engine's containers, then the
 * kernel's tables of listening sockets and the processes that hold them (root sees all, others
 * their own). Nothing is bound to find out: that would need the right to low ports.
 */
#include "install/steps.h"

#include <string.h>
#include <unistd.h>

#define LISTENING 0x0A

/* The name of a container that publishes the port. */
static char *
container_of(Docker *docker, unsigned port)
{
	json_auto_t *list = docker_call(docker, "GET", NULL, NULL, "/containers/json");
	size_t i, j;
	json_t *container, *published;
	json_array_foreach(list, i, container)
	{
		json_array_foreach(json_object_get(container, "Ports"), j, published)
		{
			const char *type = json_text_of(published, "Type", "");
			json_t *name = json_array_get(json_object_get(container, "Names"), 0);
			if (json_int_of(published, "PublicPort", 0) == port &&
			    strcmp(type, "tcp") == 0)
				return g_strdup_printf("container %s",
				    json_string_value(name) ? json_string_value(name) + 1 : "?");
		}
	}
	return NULL;
}

/* The inode of a socket that listens on the port, 0 when there is none in this table. */
static guint64
listening_inode(const char *table, unsigned port)
{
	g_autofree char *text = NULL;
	if (!g_file_get_contents(table, &text, NULL, NULL))
		return 0;

	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line; line++) {
		unsigned local = 0, state = 0;
		unsigned long long inode = 0;
		int found = sscanf(*line,
		    " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %llu", &local,
		    &state, &inode);
		if (found == 3 && state == LISTENING && local == port)
			return inode ? inode : 1;
	}
	return 0;
}

static bool
holds(const char *process, const char *wanted)
{
	g_autofree char *folder = g_build_filename("/proc", process, "fd", NULL);
	g_autoptr(GDir) files = g_dir_open(folder, 0, NULL);
	const char *name = NULL;
	while (files && (name = g_dir_read_name(files))) {
		g_autofree char *path = g_build_filename(folder, name, NULL);
		char target[64];
		ssize_t length = readlink(path, target, sizeof(target) - 1);
		if (length > 0 && strlen(wanted) == (size_t)length &&
		    memcmp(target, wanted, length) == 0)
			return true;
	}
	return false;
}

static char *
process_of(guint64 inode)
{
	g_autofree char *wanted = g_strdup_printf("socket:[%" G_GUINT64_FORMAT "]", inode);
	g_autoptr(GDir) processes = g_dir_open("/proc", 0, NULL);
	const char *name = NULL;
	while (processes && (name = g_dir_read_name(processes))) {
		g_autofree char *comm = g_build_filename("/proc", name, "comm", NULL);
		g_autofree char *command = NULL;
		if (!g_ascii_isdigit(name[0]) || !holds(name, wanted))
			continue;
		if (g_file_get_contents(comm, &command, NULL, NULL))
			return g_strdup_printf("%s (pid %s)", g_strchomp(command), name);
	}
	return g_strdup("another process");
}

char *
port_owner(Docker *docker, unsigned port)
{
	char *container = container_of(docker, port);
	if (container)
		return container;

	guint64 inode = listening_inode("/proc/net/tcp", port);
	if (!inode)
		inode = listening_inode("/proc/net/tcp6", port);
	return inode ? process_of(inode) : NULL;
}
