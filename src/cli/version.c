/*
 * The verb `version`.
 */
#include "cli/verbs.h"

bool
version(Call *call, GError **error)
{
	g_autoptr(GError) unknown = NULL;
	Client *client = call_client(call, &unknown);
	bool is_without_rack = !client &&
			       g_error_matches(unknown, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND) &&
			       !call_flag(call, "rack");
	if (!client && !is_without_rack) {
		g_propagate_error(error, g_steal_pointer(&unknown));
		return false;
	}

	json_auto_t *system = client ? client_get(client, "/system", call->cancel, error) : NULL;
	if (client && !system)
		return false;
	const char *server = json_text_of(system, "version", "none");
	output_print(call->output, "client: %s", CARRACK_VERSION);
	if (client)
		output_print(call->output, "server: %s (%s)", server, client_address(client));
	else
		output_print(call->output, "server: %s", server);
	json_auto_t *answer =
	    json_pack("{s:s, s:s?}", "client", CARRACK_VERSION, "server", system ? server : NULL);
	output_json(call->output, answer);
	return true;
}
