/*
 * Ports and volumes of a compose service. What is published is what people may reach: the first TCP
 * port of it is routed by host name, and the number on the host means nothing here. In the versions
 * 1 and 2 of a Convox rack a lone port was for the app's own services only; that is kept.
 */
#include "manifest/compose-private.h"
#include "manifest/volumes.h"

#include <string.h>

/* Ports */

static bool
read_number(const char *text, unsigned *number)
{
	guint64 value;
	if (!g_ascii_string_to_unsigned(text, 10, 1, 65535, &value, NULL))
		return false;
	*number = (unsigned)value;
	return true;
}

static void
publish(
    ComposeService *own, unsigned inner, unsigned outer, const char *protocol, const char *address)
{
	service_add_port(own->service, inner, protocol);
	ManifestPort *port = own->service->ports->pdata[own->service->ports->len - 1];
	bool is_loopback =
	    address != NULL && (g_str_has_prefix(address, "127.") || strcmp(address, "::1") == 0);
	port->published = outer;
	port->address = g_strdup(address);
	bool is_outside = !is_loopback && (outer != 0 || !own->compose->is_first);
	bool is_tcp = strcmp(protocol, "tcp") == 0;
	/* The first that is published is the one that is routed; without one, the first at all. */
	if (is_tcp && (own->service->port == 0 || (is_outside && !own->is_published)))
		own->service->port = inner;
	own->is_published |= is_tcp && is_outside;
}

/* [[ADDRESS:]HOST:]CONTAINER[/tcp or /udp], the address perhaps in brackets. */
static bool
read_port(ComposeService *own, const char *text)
{
	g_autofree char *copy = g_strdup(text);
	char *slash = strrchr(copy, '/');
	const char *protocol = slash != NULL ? slash + 1 : "tcp";
	if (slash != NULL)
		*slash = '\0';
	char *colon = strrchr(copy, ':');
	unsigned inner = 0;
	unsigned outer = 0;
	bool is_good = (strcmp(protocol, "tcp") == 0 || strcmp(protocol, "udp") == 0) &&
		       read_number(colon != NULL ? colon + 1 : copy, &inner);
	if (colon != NULL)
		*colon = '\0';
	char *second = colon != NULL ? strrchr(copy, ':') : NULL;
	const char *host = second != NULL ? second + 1 : copy;
	bool is_any_port = second != NULL && *host == '\0';
	if (!is_good || (colon != NULL && !is_any_port && !read_number(host, &outer)))
		return false;

	if (second != NULL)
		*second = '\0';
	g_autofree char *address = second != NULL ? g_strdup(copy) : NULL;
	if (address != NULL && *address == '[' && g_str_has_suffix(address, "]")) {
		address[strlen(address) - 1] = '\0';
		memmove(address, address + 1, strlen(address));
	}
	if (address != NULL && !g_hostname_is_ip_address(address))
		return false;
	publish(own, inner, outer, protocol, address);
	return true;
}

typedef struct {
	unsigned target;
	char *published;
	char *protocol;
	char *host_ip;
} LongPort;

static const Field long_port_fields[] = {
    {"target", decode_number, offsetof(LongPort, target), 1, 65535},
    {"published", decode_text, offsetof(LongPort, published)},
    {"protocol", decode_text, offsetof(LongPort, protocol)},
    {"host_ip", decode_text, offsetof(LongPort, host_ip)},
    {"app_protocol", decode_nothing},
    {"mode", decode_nothing},
    {"name", decode_nothing},
    {NULL},
};

static void
read_long_port(Decoder *decoder, const YamlNode *node, ComposeService *own)
{
	LongPort port = {0};
	decode_map(decoder, node, long_port_fields, &port);
	const char *protocol = port.protocol != NULL ? port.protocol : "tcp";
	unsigned outer = 0;
	bool is_known = strcmp(protocol, "tcp") == 0 || strcmp(protocol, "udp") == 0;
	if (port.target == 0)
		yaml_problem(decoder->problems, node, "a port needs target, from 1 to 65535");
	else if (!is_known)
		yaml_problem(decoder->problems, node, "«%s» is not tcp or udp", protocol);
	else if (port.published != NULL && !read_number(port.published, &outer))
		yaml_problem(decoder->problems, node,
		    "published «%s» is not a port from 1 to 65535", port.published);
	else
		publish(own, port.target, outer, protocol, port.host_ip);
	g_free(port.published);
	g_free(port.protocol);
	g_free(port.host_ip);
}

void
compose_ports(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	if (yaml_kind(node) != YAML_LIST) {
		yaml_problem(
		    decoder->problems, node, "must be a list, not %s", decode_kind_name(node));
		return;
	}
	for (unsigned i = 0; i < yaml_size(node); i++) {
		const YamlNode *item = yaml_item(node, i);
		if (yaml_kind(item) == YAML_MAP) {
			read_long_port(decoder, item, target);
			continue;
		}
		const char *text = decode_scalar(decoder, item, "HOST:CONTAINER");
		if (text != NULL && strchr(text, '-') != NULL)
			yaml_problem(decoder->problems, item,
			    "«%s»: write ports one by one, not as a range", text);
		else if (text != NULL && !read_port(target, text))
			yaml_problem(decoder->problems, item,
			    "invalid port mapping «%s»: write [[ADDRESS:]HOST:]CONTAINER[/udp] "
			    "with "
			    "ports from 1 to 65535",
			    text);
	}
}

/* Reachable by the app's other services anyway, so all that is new is what to ask for health. */
void
compose_expose(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	if (yaml_kind(node) != YAML_LIST)
		yaml_problem(
		    decoder->problems, node, "must be a list, not %s", decode_kind_name(node));
	for (unsigned i = 0; yaml_kind(node) == YAML_LIST && i < yaml_size(node); i++) {
		const YamlNode *item = yaml_item(node, i);
		const char *text = decode_scalar(decoder, item, "a port");
		g_auto(GStrv) parts = g_strsplit(text != NULL ? text : "", "/", 2);
		unsigned port = 0;
		if (text != NULL && (parts[0] == NULL || !read_number(parts[0], &port)))
			yaml_problem(
			    decoder->problems, item, "«%s» is not a port from 1 to 65535", text);
		else if (own->service->port == 0 && g_strcmp0(parts[1], "udp") != 0)
			own->service->port = port;
	}
}

/* Volumes */

/* For `manifest show`: what is said, as it is said. */
static void
keep_text(ComposeService *own, const char *source, const char *path)
{
	g_autofree char *entry =
	    source != NULL ? g_strconcat(source, ":", path, NULL) : g_strdup(path);
	GPtrArray *all = g_ptr_array_new();
	for (char **volume = own->service->volumes; volume != NULL && *volume != NULL; volume++)
		g_ptr_array_add(all, *volume);
	g_ptr_array_add(all, g_steal_pointer(&entry));
	g_ptr_array_add(all, NULL);
	g_free(own->service->volumes);
	own->service->volumes = (GStrv)g_ptr_array_free(all, FALSE);
}

static void
add_volume(Decoder *decoder, const YamlNode *node, ComposeService *own, const VolumeEntry *entry)
{
	GHashTable *known = own->compose->volumes;
	bool is_name = entry->source != NULL && strchr("./~", *entry->source) == NULL;
	if (is_name && known != NULL && !g_hash_table_contains(known, entry->source))
		yaml_problem(
		    decoder->problems, node, "there is no volume «%s» in this file", entry->source);
	keep_text(own, entry->source, entry->target);
	volumes_add(decoder, node, own->service, entry);
}

static void
read_short_volume(Decoder *decoder, const YamlNode *node, ComposeService *own)
{
	const char *text = decode_scalar(decoder, node, "a volume");
	g_auto(GStrv) parts = g_strsplit(text != NULL ? text : "", ":", 3);
	if (text == NULL)
		return;
	if (parts[0] == NULL || *parts[0] == '\0') {
		yaml_problem(decoder->problems, node, "a volume is a path, or SOURCE:PATH");
		return;
	}
	bool has_source = parts[1] != NULL;
	g_auto(GStrv) options = g_strsplit(has_source && parts[2] != NULL ? parts[2] : "", ",", -1);
	VolumeEntry entry = {.source = has_source ? parts[0] : NULL,
	    .target = has_source ? parts[1] : parts[0],
	    .is_read_only = g_strv_contains((const char *const *)options, "ro"),
	    .is_compose = true};
	add_volume(decoder, node, own, &entry);
}

static const char *
text_of(const YamlNode *node, const char *key)
{
	const YamlNode *member = yaml_member(node, key);
	return member != NULL ? yaml_text(member) : NULL;
}

static void
read_long_volume(Decoder *decoder, const YamlNode *node, ComposeService *own)
{
	const char *target = text_of(node, "target");
	const char *source = text_of(node, "source");
	VolumeEntry entry = {.source = source != NULL && *source != '\0' ? source : NULL,
	    .target = target,
	    .is_read_only = g_strcmp0(text_of(node, "read_only"), "true") == 0,
	    .is_compose = true};
	if (target == NULL) {
		yaml_problem(decoder->problems, node, "a volume needs target, a path");
	} else if (g_strcmp0(text_of(node, "type"), "tmpfs") == 0) {
		keep_text(own, NULL, target);
		compose_add_memory(decoder, node, &own->service->process, target);
	} else {
		add_volume(decoder, node, own, &entry);
	}
}

void
compose_volumes(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	if (yaml_kind(node) != YAML_LIST) {
		yaml_problem(
		    decoder->problems, node, "must be a list, not %s", decode_kind_name(node));
		return;
	}
	for (unsigned i = 0; i < yaml_size(node); i++) {
		const YamlNode *item = yaml_item(node, i);
		if (yaml_kind(item) == YAML_MAP)
			read_long_volume(decoder, item, target);
		else
			read_short_volume(decoder, item, target);
	}
}
