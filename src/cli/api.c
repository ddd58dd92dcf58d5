/*
 * The verb `api get`: any answer of the rack, its members sorted.
 */
#include "cli/verbs.h"

#include <string.h>

bool
api_get(Call *call, GError **error)
{
	const char *given = call->arguments[0];
	g_autofree char *path = g_strconcat(*given == '/' ? "" : "/", given, NULL);
	Client *client = call_client(call, error);
	json_auto_t *answer = client ? client_get(client, path, call->cancel, error) : NULL;
	if (!answer)
		return false;

	char *text = json_dumps(answer, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	output_data(call->output, text, strlen(text));
	output_data(call->output, "\n", 1);
	free(text);
	return true;
}
