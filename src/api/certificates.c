/*
 * Certificates of the rack. Which one serves a host follows from its names, so there is nothing to
 * assign.
 */
#include "api/handlers.h"
#include "base/text.h"

static json_t *
certificate_json(const CertificateEntry *entry)
{
	g_autofree char *expiration = text_time(entry->expires);
	json_t *domains = json_array();
	for (GStrv domain = entry->domains; *domain; domain++)
		json_array_append_new(domains, json_string(*domain));
	const char *first = entry->domains[0];
	json_t *value = json_pack("{s:s, s:s, s:o, s:s, s:s}", "id", entry->id, "domain",
	    first ? first : "", "domains", domains, "expiration", expiration, "status",
	    entry->is_ready ? "Ready" : "Not Ready");
	if (entry->validation)
		json_object_set(value, "validation", entry->validation);
	return value;
}

static Certificates *
certificates_of(Request *request)
{
	return rack_provider(request->rack)->certificates;
}

/* Takes over `entry`. */
static json_t *
answer(CertificateEntry *entry)
{
	g_autoptr(CertificateEntry) owned = entry;
	return entry ? certificate_json(entry) : NULL;
}

json_t *
certificates_list(Request *request, GError **error)
{
	Certificates *certificates = certificates_of(request);
	g_autoptr(GPtrArray) entries = certificates->ops->list(certificates, error);
	if (!entries)
		return NULL;

	json_t *list = json_array();
	for (guint i = 0; i < entries->len; i++)
		json_array_append_new(list, certificate_json(entries->pdata[i]));
	return list;
}

json_t *
certificates_import(Request *request, GError **error)
{
	Certificates *certificates = certificates_of(request);
	const char *public = request_required(request, "pub", error);
	const char *key = public ? request_required(request, "key", error) : NULL;
	if (!key)
		return NULL;
	return answer(certificates->ops->import(
	    certificates, public, key, request_value(request, "chain"), error));
}

json_t *
certificates_generate(Request *request, GError **error)
{
	Certificates *certificates = certificates_of(request);
	if (!certificates->ops->issue) {
		error_set(error, CARRACK_ERROR_INVALID, "%s", certificates->ops->cannot_issue);
		return NULL;
	}
	const char *text = request_required(request, "domains", error);
	if (!text)
		return NULL;
	g_auto(GStrv) domains = g_strsplit(text, ",", -1);
	return answer(certificates->ops->issue(certificates, (const char *const *)domains, error));
}

bool
certificates_delete(Request *request, GError **error)
{
	Certificates *certificates = certificates_of(request);
	return certificates->ops->remove(
	    certificates, request_variable(request, "certificate"), error);
}
