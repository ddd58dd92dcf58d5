/*
 * Ports besides the one that is routed: `ports` of the third generation, and those of an agent in
 * the second. A port without a protocol is TCP.
 */
#include "manifest/service-values.h"
#include "manifest/service.h"

#include <string.h>

static void
port_free(gpointer data)
{
	ManifestPort *port = data;
	g_free(port->protocol);
	g_free(port->address);
	g_free(port);
}

GPtrArray *
service_ports_new(void)
{
	return g_ptr_array_new_with_free_func(port_free);
}

void
service_add_port(ManifestService *service, unsigned number, const char *protocol)
{
	ManifestPort *port = g_new0(ManifestPort, 1);
	port->port = number;
	port->protocol = g_strdup(protocol);
	g_ptr_array_add(service->ports, port);
}

static void
decode_port(Decoder *decoder, const YamlNode *node, ManifestService *service)
{
	static const char *const protocols[] = {"tcp", "udp", NULL};
	const char *text = decode_scalar(decoder, node, "PORT or PORT/udp");
	if (text == NULL)
		return;

	g_auto(GStrv) parts = g_strsplit(text, "/", 2);
	const char *protocol = parts[0] != NULL && parts[1] != NULL ? parts[1] : "tcp";
	guint64 port;
	if (parts[0] != NULL && g_strv_contains(protocols, protocol) &&
	    g_ascii_string_to_unsigned(parts[0], 10, 1, 65535, &port, NULL))
		service_add_port(service, (unsigned)port, protocol);
	else
		yaml_problem(decoder->problems, node,
		    "«%s» is not allowed: write a port from 1 to 65535, or PORT/udp", text);
}

void
service_decode_ports(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	if (yaml_kind(node) != YAML_LIST) {
		yaml_problem(
		    decoder->problems, node, "must be a list, not %s", decode_kind_name(node));
		return;
	}
	for (unsigned i = 0; i < yaml_size(node); i++)
		decode_port(decoder, yaml_item(node, i), target);
}

static const Field agent_fields[] = {
    {"enabled", decode_nothing},
    {"ports", service_decode_ports},
    {NULL},
};

/* In the second generation any map means yes, `{enabled: false}` too; that one is taken at its
 * word here. */
void
service_decode_agent(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ManifestService *service = target;
	if (yaml_kind(node) != YAML_MAP) {
		decode_bool(decoder, node, field, target);
		return;
	}
	if (decoder->generation == 3) {
		yaml_problem(decoder->problems, node,
		    "must be true or false; ports are a key of the service");
		return;
	}
	const YamlNode *enabled = yaml_member(node, "enabled");
	service->is_agent = true;
	if (enabled != NULL && yaml_kind(enabled) != YAML_NULL)
		decode_bool(decoder, enabled, field, target);
	decode_map(decoder, node, agent_fields, target);
}
