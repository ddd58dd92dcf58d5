/*
 * The surroundings of a compose service's process: user, folder, limits, capabilities, file systems
 * in memory. `shm_size` is one of those, at /dev/shm. What an extending service says replaces what
 * the other one said, list by list.
 */
#include "base/text.h"
#include "manifest/compose-private.h"
#include "manifest/process.h"

#include <string.h>

#define MEBIBYTE (1024 * 1024)
#define SHARED_MEMORY "/dev/shm"

void
compose_user(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	decode_text(decoder, node, &(Field){.name = field->name},
	    &((ComposeService *)target)->service->process.user);
}

void
compose_folder(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	const char *text = decode_scalar(decoder, node, "a path in the container");
	if (text == NULL)
		return;
	if (*text != '/')
		yaml_problem(decoder->problems, node,
		    "«%s» is not a path in the container, which begins with /", text);

	ManifestProcess *process = &((ComposeService *)target)->service->process;
	g_free(process->folder);
	process->folder = g_strdup(text);
}

void
compose_stop_signal(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	decode_text(decoder, node, &(Field){.name = field->name},
	    &((ComposeService *)target)->service->process.stop_signal);
}

void
compose_read_only(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	decode_bool(decoder, node, &(Field){.name = field->name},
	    &((ComposeService *)target)->service->process.is_read_only);
}

void
compose_groups(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	service_decode_texts(decoder, node, &(Field){.name = field->name},
	    &((ComposeService *)target)->service->process.groups);
}

void
compose_capabilities_added(
    Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	service_decode_texts(decoder, node, &(Field){.name = field->name},
	    &((ComposeService *)target)->service->process.capabilities_added);
}

void
compose_capabilities_dropped(
    Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	service_decode_texts(decoder, node, &(Field){.name = field->name},
	    &((ComposeService *)target)->service->process.capabilities_dropped);
}

/* «name:address», «name=address» or a map; IPv6 addresses may have brackets. */
static void
add_host(Decoder *decoder, const YamlNode *node, GStrvBuilder *hosts, const char *text)
{
	gsize length = strcspn(text, ":=");
	const char *from = text[length] != '\0' ? text + length + 1 : "";
	g_autofree char *address = g_strdup(from);
	gsize size = strlen(address);
	bool has_brackets = size > 2 && address[0] == '[' && address[size - 1] == ']';
	if (has_brackets)
		address[size - 1] = '\0';
	const char *bare = address + (has_brackets ? 1 : 0);
	if (length == 0 || !g_hostname_is_ip_address(bare)) {
		yaml_problem(decoder->problems, node,
		    "«%s» is not NAME:ADDRESS with the address of a machine", text);
		return;
	}
	g_autofree char *entry = g_strdup_printf("%.*s:%s", (int)length, text, bare);
	g_strv_builder_add(hosts, entry);
}

void
compose_hosts(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ManifestProcess *process = &((ComposeService *)target)->service->process;
	g_autoptr(GStrvBuilder) hosts = g_strv_builder_new();
	bool is_map = yaml_kind(node) == YAML_MAP;
	for (unsigned i = 0; i < yaml_size(node); i++) {
		const YamlNode *item =
		    is_map ? yaml_member(node, yaml_key(node, i)) : yaml_item(node, i);
		const char *text = decode_scalar(decoder, item, "NAME:ADDRESS");
		g_autofree char *entry =
		    is_map ? g_strconcat(yaml_key(node, i), ":", text, NULL) : g_strdup(text);
		if (text != NULL)
			add_host(decoder, item, hosts, entry);
	}
	g_strfreev(process->hosts);
	process->hosts = g_strv_builder_end(hosts);
}

/* Limits */

static bool
read_limit(Decoder *decoder, const YamlNode *node, gint64 *value)
{
	const char *text = node != NULL ? decode_scalar(decoder, node, "a number") : NULL;
	if (text != NULL && g_ascii_string_to_signed(text, 10, -1, G_MAXINT64, value, NULL))
		return true;
	if (text != NULL || node == NULL)
		yaml_problem(decoder->problems, node,
		    "must be a number, or {soft: NUMBER, hard: NUMBER}; -1 is no limit");
	return false;
}

void
compose_limits(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ManifestProcess *process = &((ComposeService *)target)->service->process;
	if (yaml_kind(node) != YAML_MAP) {
		yaml_problem(decoder->problems, node, "must be a map of limits, not %s",
		    decode_kind_name(node));
		return;
	}
	g_ptr_array_set_size(process->limits, 0);
	for (unsigned i = 0; i < yaml_size(node); i++) {
		const YamlNode *item = yaml_member(node, yaml_key(node, i));
		bool is_map = yaml_kind(item) == YAML_MAP;
		const YamlNode *first = is_map ? yaml_member(item, "soft") : item;
		const YamlNode *second = is_map ? yaml_member(item, "hard") : item;
		gint64 soft, hard;
		if (first == NULL || second == NULL)
			yaml_problem(decoder->problems, item, "needs both soft and hard");
		else if (read_limit(decoder, first, &soft) && read_limit(decoder, second, &hard)) {
			ManifestLimit *limit = g_new0(ManifestLimit, 1);
			*limit = (ManifestLimit){g_strdup(yaml_key(node, i)), soft, hard};
			g_ptr_array_add(process->limits, limit);
		}
	}
}

/* Memory */

static void
drop_memory(ManifestProcess *process, bool is_shared)
{
	for (guint i = process->mounts->len; i > 0; i--) {
		const ManifestMount *mount = process->mounts->pdata[i - 1];
		if (mount->kind == MANIFEST_MOUNT_MEMORY &&
		    (strcmp(mount->target, SHARED_MEMORY) == 0) == is_shared)
			g_ptr_array_remove_index(process->mounts, i - 1);
	}
}

static bool
read_bytes(Decoder *decoder, const YamlNode *node, const char *text, gint64 *bytes)
{
	unsigned size;
	if (compose_size(text, &size) && size > 0) {
		*bytes = (gint64)size * MEBIBYTE;
		return true;
	}
	yaml_problem(decoder->problems, node, "«%s» is not a size, as 64m", text);
	return false;
}

/* «size=64m», «mode=1777»; nosuid and its like are set anyway. */
static void
read_memory_option(Decoder *decoder, const YamlNode *node, ManifestMount *mount, const char *option)
{
	static const char *const known[] = {"noexec", "nosuid", "nodev", "rw", NULL};
	guint64 mode;
	if (g_str_has_prefix(option, "size="))
		read_bytes(decoder, node, option + strlen("size="), &mount->size);
	else if (g_str_has_prefix(option, "mode=") &&
		 g_ascii_string_to_unsigned(option + strlen("mode="), 8, 0, 07777, &mode, NULL))
		mount->mode = (unsigned)mode;
	else if (!g_strv_contains(known, option))
		yaml_problem(decoder->warnings, node,
		    "«%s» is not an option that this rack sets, ignored", option);
}

void
compose_add_memory(
    Decoder *decoder, const YamlNode *node, ManifestProcess *process, const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, ":", 2);
	if (*text != '/') {
		yaml_problem(decoder->problems, node,
		    "«%s» is not a path in the container, which begins with /", text);
		return;
	}
	ManifestMount *mount = process_add_mount(process, MANIFEST_MOUNT_MEMORY, NULL, parts[0]);
	g_auto(GStrv) options = g_strsplit(parts[1] != NULL ? parts[1] : "", ",", -1);
	for (char **option = options; *option != NULL; option++)
		read_memory_option(decoder, node, mount, *option);
}

static void
add_memory(Decoder *decoder, const YamlNode *node, ManifestProcess *process)
{
	const char *text = decode_scalar(decoder, node, "a path in the container");
	if (text != NULL)
		compose_add_memory(decoder, node, process, text);
}

void
compose_memory_files(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ManifestProcess *process = &((ComposeService *)target)->service->process;
	bool is_list = yaml_kind(node) == YAML_LIST;
	drop_memory(process, false);
	for (unsigned i = 0; is_list && i < yaml_size(node); i++)
		add_memory(decoder, yaml_item(node, i), process);
	if (!is_list)
		add_memory(decoder, node, process);
}

void
compose_shared_memory(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ManifestProcess *process = &((ComposeService *)target)->service->process;
	const char *text = decode_scalar(decoder, node, "a size as 64m");
	gint64 bytes;
	if (text == NULL || !read_bytes(decoder, node, text, &bytes))
		return;
	drop_memory(process, true);
	process_add_mount(process, MANIFEST_MOUNT_MEMORY, NULL, SHARED_MEMORY)->size = bytes;
}
