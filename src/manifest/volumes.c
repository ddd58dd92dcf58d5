/*
 * Volumes have names within their app. In a convox.yml a path is one too, as in Convox's second
 * generation: services that mount the same path share what is there. Only paths of the system
 * itself are the machine's. In a compose file a path without a source is the service's own, and
 * every source that is a path is the machine's.
 */
#include "manifest/volumes.h"

#include "manifest/process.h"
#include "manifest/service-values.h"

#include <string.h>

/* Those that Convox takes from the machine; with a slash at the end: all below, too. */
static const char *const machine_paths[] = {"/cgroup/", "/dev/log", "/etc/passwd", "/proc/",
    "/sys/fs/cgroup/", "/sys/kernel/debug/", "/var/log/audit/", "/var/run/",
    "/var/lib/docker/containers/", NULL};

static bool
is_of_machine(const VolumeEntry *entry)
{
	const char *source = entry->source;
	if (!source || *source != '/')
		return false;
	if (entry->is_compose)
		return true;

	g_autofree char *folder = g_strconcat(source, "/", NULL);
	for (const char *const *path = machine_paths; *path; path++) {
		bool is_folder = g_str_has_suffix(*path, "/");
		if (is_folder ? g_str_has_prefix(folder, *path) : strcmp(source, *path) == 0)
			return true;
	}
	return false;
}

/* «/my/data» → «my.data»: letters, digits and dashes stay, so that two paths are two names. */
static char *
name_of_path(const char *prefix, const char *path)
{
	GString *name = g_string_new(prefix);
	for (; *path; path++) {
		if (g_ascii_isalnum(*path) || *path == '-')
			g_string_append_c(name, *path);
		else if (*path != '/')
			g_string_append_printf(name, "_%02x", (unsigned char)*path);
		else if (name->len > 0 && name->str[name->len - 1] != '.')
			g_string_append_c(name, '.');
	}
	return g_string_free(name, FALSE);
}

static char *
name_of(const ManifestService *service, const VolumeEntry *entry)
{
	if (!entry->source)
		return name_of_path(service->name, entry->target);
	if (*entry->source == '/')
		return name_of_path("", entry->source);
	return g_strdup(entry->source);
}

/* One target, one mount: the last that is said. */
static void
drop_target(ManifestProcess *process, const char *target)
{
	for (guint i = process->mounts->len; i > 0; i--) {
		const ManifestMount *mount = process->mounts->pdata[i - 1];
		if (strcmp(mount->target, target) == 0)
			g_ptr_array_remove_index(process->mounts, i - 1);
	}
}

void
volumes_add(
    Decoder *decoder, const YamlNode *node, ManifestService *service, const VolumeEntry *entry)
{
	if (*entry->target != '/' || entry->target[1] == '\0') {
		yaml_problem(decoder->problems, node,
		    "«%s» is not a path in the container, which begins with /", entry->target);
		return;
	}
	bool is_machine = is_of_machine(entry);
	g_autofree char *name = is_machine ? g_strdup(entry->source) : name_of(service, entry);
	if (entry->source && strchr("./~", *entry->source) && !is_machine &&
	    *entry->source != '/') {
		decode_answer(decoder, node, RACK_REFUSES,
		    "a folder of the project is not on the machine: copy it in the Dockerfile, or "
		    "use a named volume");
		return;
	}
	if (!is_machine && !g_regex_match_simple("^[A-Za-z0-9][A-Za-z0-9_.-]{0,100}$", name,
			       G_REGEX_DOLLAR_ENDONLY, 0)) {
		yaml_problem(decoder->problems, node,
		    "«%s» is not the name of a volume: letters, digits, dashes, dots, underscores",
		    entry->source ? entry->source : entry->target);
		return;
	}
	if (is_machine)
		decode_answer(decoder, node, RACK_ASKS, SERVICE_ASKS_POWER);
	drop_target(&service->process, entry->target);
	ManifestMountKind kind = is_machine ? MANIFEST_MOUNT_MACHINE : MANIFEST_MOUNT_VOLUME;
	process_add_mount(&service->process, kind, name, entry->target)->is_read_only =
	    entry->is_read_only;
}

bool
volumes_keep_data(const ManifestService *service)
{
	const GPtrArray *mounts = service->process.mounts;
	for (guint i = 0; i < mounts->len; i++) {
		const ManifestMount *mount = mounts->pdata[i];
		if (mount->kind == MANIFEST_MOUNT_VOLUME && !mount->is_read_only)
			return true;
	}
	return false;
}

void
volumes_decode(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ManifestService *service = target;
	service_decode_texts(decoder, node, field, target);
	for (unsigned i = 0; yaml_kind(node) == YAML_LIST && i < yaml_size(node); i++) {
		const YamlNode *item = yaml_item(node, i);
		const char *text = yaml_text(item);
		g_auto(GStrv) parts = g_strsplit(text ? text : "", ":", 3);
		if (!text || !parts[0])
			continue;
		VolumeEntry entry = {.source = parts[0],
		    .target = parts[1] ? parts[1] : parts[0],
		    .is_read_only = parts[1] && g_strcmp0(parts[2], "ro") == 0};
		volumes_add(decoder, item, service, &entry);
	}
}
