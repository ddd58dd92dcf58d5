/*
 * The settings of a Swarm rack in the environment. One table of ports drives reading, writing and
 * checking; the two texts have rules of their own. Reads no files and knows no engine.
 */
#include "swarm/settings.h"

#include "base/error.h"
#include "base/text.h"

#include <string.h>

typedef struct {
	const char *name;
	gsize offset;
	unsigned standard;
} PortSetting;

static const PortSetting ports[] = {
    {"CARRACK_API_PORT", G_STRUCT_OFFSET(SwarmSettings, api_port), 5443},
    {"CARRACK_HTTPS_PORT", G_STRUCT_OFFSET(SwarmSettings, https_port), 443},
    {"CARRACK_HTTP_PORT", G_STRUCT_OFFSET(SwarmSettings, http_port), 80},
    {"CARRACK_REGISTRY_PORT", G_STRUCT_OFFSET(SwarmSettings, registry_port), 5000},
};

static unsigned *
port_of(SwarmSettings *settings, const PortSetting *port)
{
	return G_STRUCT_MEMBER_P(settings, port->offset);
}

static unsigned
port_value(const SwarmSettings *settings, const PortSetting *port)
{
	return G_STRUCT_MEMBER(unsigned, settings, port->offset);
}

SwarmSettings *
swarm_settings_new(void)
{
	SwarmSettings *settings = g_new0(SwarmSettings, 1);
	settings->rack = g_strdup("carrack");
	settings->domain = g_strdup("localhost");
	for (gsize i = 0; i < G_N_ELEMENTS(ports); i++)
		*port_of(settings, &ports[i]) = ports[i].standard;
	return settings;
}

void
swarm_settings_free(SwarmSettings *settings)
{
	if (!settings)
		return;

	g_free(settings->rack);
	g_free(settings->domain);
	g_free(settings);
}

/* The value of a variable; NULL also when it is empty. */
static const char *
value_of(const char *const *environment, const char *name)
{
	const char *value = environment ? g_environ_getenv((char **)environment, name) : NULL;
	return value && *value ? value : NULL;
}

static bool
is_label(const char *label)
{
	gsize length = strlen(label);
	if (length == 0 || length > 63 || label[0] == '-' || label[length - 1] == '-')
		return false;

	return strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

static bool
check_domain(const char *domain, GError **error)
{
	g_auto(GStrv) labels = g_strsplit(domain, ".", -1);
	/* APP-SERVICE, two names and a dash, stands before it: 253 is the limit of a host name. */
	bool is_good = strlen(domain) <= 253 - 2 * 30 - 2;
	for (char **label = labels; is_good && *label; label++)
		is_good = is_label(*label);
	if (!is_good)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "CARRACK_DOMAIN: «%s» is not a domain (lower-case letters, digits and dashes, "
		    "parts separated by dots, at most 191 characters)",
		    domain);

	return true;
}

static bool
read_ports(SwarmSettings *settings, const char *const *environment, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(ports); i++) {
		const char *text = value_of(environment, ports[i].name);
		gint64 port = 0;
		if (!text)
			continue;
		if (!text_parse_int(text, ports[i].name, 1, 65535, &port, error))
			return false;
		*port_of(settings, &ports[i]) = (unsigned)port;
	}
	return true;
}

bool
swarm_settings_apply(SwarmSettings *settings, const char *const *environment, GError **error)
{
	SwarmSettings read = *settings;
	const char *rack = value_of(environment, "CARRACK_RACK");
	const char *domain = value_of(environment, "CARRACK_DOMAIN");
	if (rack && !text_check_name(rack, "CARRACK_RACK", error))
		return false;
	if (domain && !check_domain(domain, error))
		return false;
	if (!read_ports(&read, environment, error))
		return false;

	if (rack) {
		g_free(settings->rack);
		read.rack = g_strdup(rack);
	}
	if (domain) {
		g_free(settings->domain);
		read.domain = g_strdup(domain);
	}
	*settings = read;
	return true;
}

bool
swarm_settings_check_ports(const SwarmSettings *settings, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(ports); i++) {
		for (gsize j = i + 1; j < G_N_ELEMENTS(ports); j++) {
			if (port_value(settings, &ports[i]) == port_value(settings, &ports[j]))
				return error_set(error, CARRACK_ERROR_INVALID,
				    "%s and %s are both %u; each needs a port of its own",
				    ports[i].name, ports[j].name, port_value(settings, &ports[i]));
		}
	}
	return true;
}

static int
compare_lines(gconstpointer one, gconstpointer other)
{
	return strcmp(*(const char *const *)one, *(const char *const *)other);
}

GStrv
swarm_settings_environment(const SwarmSettings *settings)
{
	g_autoptr(GPtrArray) lines = g_ptr_array_new();
	g_ptr_array_add(lines, g_strdup_printf("CARRACK_RACK=%s", settings->rack));
	g_ptr_array_add(lines, g_strdup_printf("CARRACK_DOMAIN=%s", settings->domain));
	for (gsize i = 0; i < G_N_ELEMENTS(ports); i++)
		g_ptr_array_add(lines,
		    g_strdup_printf("%s=%u", ports[i].name, port_value(settings, &ports[i])));
	g_ptr_array_sort(lines, compare_lines);
	g_ptr_array_add(lines, NULL);
	return (GStrv)g_ptr_array_free(g_steal_pointer(&lines), FALSE);
}
