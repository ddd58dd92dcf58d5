/*
 * Names that follow from the rack's name. The engine's parts, the configuration of the CLI and the
 * removal all take them from here; what runs inside the containers knows one fixed name for each,
 * since a container sees only its own rack.
 */
#include "install/names.h"

#include "base/http.h"

char *
name_of_part(const char *rack, const char *part)
{
	return g_strdup_printf("%s-%s", rack, part);
}

char *
name_of_folder(const char *rack)
{
	return g_strconcat("/run/", rack, NULL);
}

char *
name_of_socket(const char *rack)
{
	return g_strdup_printf("/run/%s/api.sock", rack);
}

char *
name_filter(const char *label, const char *value)
{
	g_autofree char *pair = g_strdup_printf("%s=%s", label, value);
	json_auto_t *filters = json_pack("{s:[s]}", "label", pair);
	g_autofree char *text = json_text(filters, false);
	g_autofree char *escaped = http_escape(text);
	return g_strconcat("?filters=", escaped, NULL);
}
