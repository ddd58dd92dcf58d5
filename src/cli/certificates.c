/*
 * The verbs `certs …` and `ssl`.
 */
#include "base/error.h"
#include "cli/prompt.h"
#include "cli/verbs.h"

#include <string.h>

static json_t *
get_list(Call *call, const char *path, GError **error)
{
	Client *client = call_client(call, error);
	return client ? client_get(client, path, call->cancel, error) : NULL;
}

/* The day is enough; JSON has the moment. */
static void
table_day(Table *table, const char *time)
{
	g_autofree char *day = g_strndup(time, strcspn(time, "T"));
	table_value(table, day, json_string(time));
}

bool
certificates_list(Call *call, GError **error)
{
	json_auto_t *certificates = get_list(call, "/certificates", error);
	if (!certificates)
		return false;

	g_autoptr(Table) table = table_new("ID DOMAIN EXPIRES STATUS");
	gsize index;
	json_t *certificate;
	json_array_foreach(certificates, index, certificate)
	{
		table_text(table, json_text_of(certificate, "id", ""));
		table_text(table, json_text_of(certificate, "domain", ""));
		table_day(table, json_text_of(certificate, "expiration", ""));
		table_text(table, json_text_of(certificate, "status", "Ready"));
	}
	table_print(table, call->output);
	return true;
}

static char *
read_file(const char *path, GError **error)
{
	char *text = NULL;
	g_autoptr(GError) cause = NULL;
	if (!g_file_get_contents(path, &text, NULL, &cause))
		error_set(error, CARRACK_ERROR_INVALID, "%s", cause->message);
	return text;
}

/* Records that the owner of the domains has to make before the certificate is issued. */
static void
tell_validation(Call *call, const json_t *certificate)
{
	gsize index;
	json_t *record;
	json_array_foreach(json_object_get(certificate, "validation"), index, record)
	{
		output_note(call->output, "needed in DNS: %s %s %s",
		    json_text_of(record, "name", ""), json_text_of(record, "type", ""),
		    json_text_of(record, "value", ""));
	}
}

/* Sends what makes a certificate and tells its id. */
static bool
make(Call *call, const char *action, const char *path, const char *form, GError **error)
{
	json_auto_t *answer = NULL;
	Client *client = call_client(call, error);
	if (!client)
		return false;

	output_action(call->output, "%s certificate", action);
	if (!client_send(client, "POST", path, form, &answer, call->cancel, error))
		return false;
	const char *id = json_text_of(answer, "id", "");
	output_done(call->output, id);
	tell_validation(call, answer);
	output_id(call->output, id);
	output_json(call->output, answer);
	return true;
}

bool
certificates_import(Call *call, GError **error)
{
	const char *chain_path = call_flag(call, "chain");
	g_autofree char *public = read_file(call->arguments[0], error);
	g_autofree char *key = public ? read_file(call->arguments[1], error) : NULL;
	g_autofree char *chain = key && chain_path ? read_file(chain_path, error) : NULL;
	if (!key || (chain_path && !chain))
		return false;

	g_autoptr(GString) form = g_string_new(NULL);
	client_form(form, "pub", public);
	client_form(form, "key", key);
	client_form(form, "chain", chain);
	return make(call, "Importing", "/certificates", form->str, error);
}

bool
certificates_generate(Call *call, GError **error)
{
	g_autofree char *domains = g_strjoinv(",", (GStrv)call->arguments);
	g_autoptr(GString) form = g_string_new(NULL);
	client_form(form, "domains", domains);
	return make(call, "Generating", "/certificates/generate", form->str, error);
}

bool
certificates_delete(Call *call, GError **error)
{
	const char *id = call->arguments[0];
	Client *client = call_client(call, error);
	if (!client)
		return false;
	g_autofree char *path = client_path("certificates", id, NULL);
	g_autofree char *what =
	    g_strdup_printf("This deletes certificate %s of rack %s; hosts that it serves get the "
			    "next that fits, or the rack's own",
		id, client_name(client));
	if (!prompt_confirm(call, what, id, error))
		return false;

	output_action(call->output, "Deleting certificate %s", id);
	if (!client_send(client, "DELETE", path, NULL, NULL, call->cancel, error))
		return false;
	output_done(call->output, NULL);
	return true;
}

static const json_t *
find_certificate(const json_t *certificates, const char *id)
{
	gsize index;
	json_t *certificate;
	json_array_foreach(certificates, index, certificate)
	{
		if (strcmp(json_text_of(certificate, "id", ""), id) == 0)
			return certificate;
	}
	return NULL;
}

static void
add_service(Table *table, const json_t *service, const json_t *certificates)
{
	gsize index;
	json_t *port;
	json_array_foreach(json_object_get(service, "ports"), index, port)
	{
		const char *id = json_text_of(port, "certificate", "");
		const json_t *certificate = find_certificate(certificates, id);
		if (!certificate)
			continue;
		g_autofree char *endpoint = g_strdup_printf("%s:%d",
		    json_text_of(service, "name", ""), (int)json_int_of(port, "balancer", 0));
		table_text(table, endpoint);
		table_text(table, id);
		table_text(table, json_text_of(certificate, "domain", ""));
		table_day(table, json_text_of(certificate, "expiration", ""));
	}
}

bool
ssl_list(Call *call, GError **error)
{
	const char *app = call_app(call, error);
	g_autofree char *path = app ? client_path("apps", app, "services", NULL) : NULL;
	json_auto_t *services = path ? get_list(call, path, error) : NULL;
	json_auto_t *certificates = services ? get_list(call, "/certificates", error) : NULL;
	if (!certificates)
		return false;

	g_autoptr(Table) table = table_new("ENDPOINT CERTIFICATE DOMAIN EXPIRES");
	gsize index;
	json_t *service;
	json_array_foreach(services, index, service)
	{
		add_service(table, service, certificates);
	}
	table_print(table, call->output);
	return true;
}
