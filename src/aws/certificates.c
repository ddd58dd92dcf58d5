/*
 * Certificates of the AWS rack: in ACM, attached to the listener. ACM names them by ARNs of its
 * own, so a document each keeps which of them are the rack's and what they are for: reading the
 * tags of every certificate of an account would be a call each.
 *
 * One that ACM issues is attached when it is first seen to be issued. ACM renews those by itself.
 */
#include "aws/provider.h"

#include "base/error.h"
#include "base/text.h"

#include <string.h>

#define KIND "certificate"
#define PREFIX "cert-"
#define NAMES_AT_MOST 10 /* ACM's own default */

typedef struct {
	Certificates base;
	AwsRack *rack;
	Store *store;
} CertificatesAcm;

static json_t *
acm(CertificatesAcm *self, const char *operation, const json_t *input, GError **error)
{
	return aws_json(self->rack->client, &aws_services[AWS_ACM], operation, input, NULL, error);
}

/* «AddListenerCertificates» or «RemoveListenerCertificates». */
static bool
listener_change(CertificatesAcm *self, const char *operation, const char *arn, GError **error)
{
	json_auto_t *input = json_pack("{s:s, s:[{s:s}]}", "ListenerArn", self->rack->listener,
	    "Certificates", "CertificateArn", arn);
	json_auto_t *answer =
	    aws_query(self->rack->client, &aws_services[AWS_ELBV2], operation, input, NULL, error);
	return answer != NULL;
}

static json_t *
tags_of(const CertificatesAcm *self)
{
	return json_pack("[{s:s, s:s}]", "Key", "carrack", "Value", self->rack->name);
}

static json_t *
names_json(const char *const *names)
{
	json_t *list = json_array();
	for (; *names; names++)
		json_array_append_new(list, json_string(*names));
	return list;
}

static CertificateEntry *
entry_of(const char *id, const json_t *body)
{
	CertificateEntry *entry = g_new0(CertificateEntry, 1);
	g_autoptr(GStrvBuilder) domains = g_strv_builder_new();
	gsize index;
	json_t *domain;
	json_array_foreach(json_object_get(body, "domains"), index, domain)
	{
		g_strv_builder_add(domains, json_string_value(domain));
	}
	entry->id = g_strdup(id);
	entry->domains = g_strv_builder_end(domains);
	entry->expires = json_int_of(body, "expires", 0);
	entry->is_ready = json_bool_of(body, "attached", false);
	return entry;
}

static bool
save(CertificatesAcm *self, const char *id, const json_t *body, GError **error)
{
	return self->store->ops->put(self->store, KIND, "", id, body, STORE_ANY, NULL, error);
}

/* Issued ones */

/* The records that prove whose the domains are, each once. */
static json_t *
validation_of(const json_t *certificate)
{
	json_t *records = json_array();
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	gsize index;
	json_t *option;
	json_array_foreach(json_object_get(certificate, "DomainValidationOptions"), index, option)
	{
		const json_t *record = json_object_get(option, "ResourceRecord");
		const char *name = json_text_of(record, "Name", NULL);
		if (!name || !g_hash_table_add(seen, (gpointer)name))
			continue;
		json_array_append_new(records, json_pack("{s:s, s:s, s:s}", "name", name, "type",
						   json_text_of(record, "Type", ""), "value",
						   json_text_of(record, "Value", "")));
	}
	return records;
}

/* How far ACM is; an issued one is attached. Changes `body` and `entry`. */
static bool
look(CertificatesAcm *self, CertificateEntry *entry, json_t *body, GError **error)
{
	const char *arn = json_text_of(body, "arn", "");
	json_auto_t *input = json_pack("{s:s}", "CertificateArn", arn);
	json_auto_t *answer = acm(self, "DescribeCertificate", input, error);
	if (!answer)
		return false;

	const json_t *certificate = json_object_get(answer, "Certificate");
	if (strcmp(json_text_of(certificate, "Status", ""), "ISSUED") != 0) {
		entry->validation = validation_of(certificate);
		return true;
	}
	if (!listener_change(self, "AddListenerCertificates", arn, error))
		return false;
	gint64 expires = (gint64)json_number_value(json_object_get(certificate, "NotAfter"));
	entry->expires = expires * G_USEC_PER_SEC;
	entry->is_ready = true;
	json_object_set_new(body, "expires", json_integer(entry->expires));
	json_object_set_new(body, "attached", json_true());
	return save(self, entry->id, body, error);
}

static CertificateEntry *
issue(Certificates *certificates, const char *const *domains, GError **error)
{
	CertificatesAcm *self = (CertificatesAcm *)certificates;
	guint count = g_strv_length((GStrv)domains);
	if (count > NAMES_AT_MOST) {
		error_set(error, CARRACK_ERROR_INVALID,
		    "a certificate may have %d domains, these are %u", NAMES_AT_MOST, count);
		return NULL;
	}
	json_auto_t *input = json_pack("{s:s, s:s, s:o}", "DomainName", domains[0],
	    "ValidationMethod", "DNS", "Tags", tags_of(self));
	if (count > 1)
		json_object_set_new(input, "SubjectAlternativeNames", names_json(domains));
	json_auto_t *answer = acm(self, "RequestCertificate", input, error);
	if (!answer)
		return NULL;

	g_autofree char *random = text_id('c');
	g_autofree char *lower = g_ascii_strdown(random + 1, -1);
	g_autofree char *id = g_strconcat(PREFIX, lower, NULL);
	json_auto_t *body =
	    json_pack("{s:s, s:o, s:i, s:b}", "arn", json_text_of(answer, "CertificateArn", ""),
		"domains", names_json(domains), "expires", 0, "attached", false);
	g_autoptr(CertificateEntry) entry = entry_of(id, body);
	if (!save(self, id, body, error) || !look(self, entry, body, error))
		return NULL;
	return g_steal_pointer(&entry);
}

/* Imported ones */

static void
set_bytes(json_t *input, const char *name, const char *text)
{
	if (*text) {
		g_autofree char *encoded = g_base64_encode((const guchar *)text, strlen(text));
		json_object_set_new(input, name, json_string(encoded));
	}
}

/* The ARN; the caller frees it. */
static char *
upload(CertificatesAcm *self, const Certificate *certificate, GError **error)
{
	json_auto_t *input = json_pack("{s:o}", "Tags", tags_of(self));
	set_bytes(input, "Certificate", certificate->leaf);
	set_bytes(input, "PrivateKey", certificate->key);
	set_bytes(input, "CertificateChain", certificate->chain);
	json_auto_t *answer = acm(self, "ImportCertificate", input, error);
	return answer ? g_strdup(json_text_of(answer, "CertificateArn", "")) : NULL;
}

static void
drop(CertificatesAcm *self, const char *arn)
{
	json_auto_t *input = json_pack("{s:s}", "CertificateArn", arn);
	json_decref(acm(self, "DeleteCertificate", input, NULL));
}

static CertificateEntry *
import(Certificates *certificates,
    const char *public,
    const char *key,
    const char *chain,
    GError **error)
{
	CertificatesAcm *self = (CertificatesAcm *)certificates;
	g_autoptr(Certificate) certificate = certificate_read(public, key, chain, error);
	if (!certificate || !certificate_check_time(certificate, error))
		return NULL;

	Store *store = self->store;
	g_autoptr(StoreDocument) known = store->ops->get(store, KIND, "", certificate->id, NULL);
	if (known)
		return entry_of(certificate->id, known->body);

	g_autofree char *arn = upload(self, certificate, error);
	if (!arn)
		return NULL;
	json_auto_t *body = json_pack("{s:s, s:o, s:I, s:b}", "arn", arn, "domains",
	    names_json((const char *const *)certificate->names), "expires",
	    (json_int_t)certificate->expires, "attached", true);
	if (!listener_change(self, "AddListenerCertificates", arn, error) ||
	    !save(self, certificate->id, body, error)) {
		listener_change(self, "RemoveListenerCertificates", arn, NULL);
		drop(self, arn);
		return NULL;
	}
	return entry_of(certificate->id, body);
}

/* Both */

static int
compare_entries(gconstpointer one, gconstpointer other)
{
	const CertificateEntry *const *first = one;
	const CertificateEntry *const *second = other;
	return strcmp((*first)->id, (*second)->id);
}

static GPtrArray *
list(Certificates *certificates, GError **error)
{
	CertificatesAcm *self = (CertificatesAcm *)certificates;
	Store *store = self->store;
	g_autoptr(GPtrArray) documents = store->ops->list(store, KIND, "", 0, NULL, error);
	if (!documents)
		return NULL;

	g_autoptr(GPtrArray) entries =
	    g_ptr_array_new_with_free_func((GDestroyNotify)certificate_entry_free);
	for (guint i = 0; i < documents->len; i++) {
		const StoreDocument *document = documents->pdata[i];
		CertificateEntry *entry = entry_of(document->id, document->body);
		g_ptr_array_add(entries, entry);
		if (!entry->is_ready && !look(self, entry, document->body, error))
			return NULL;
	}
	g_ptr_array_sort(entries, compare_entries);
	return g_steal_pointer(&entries);
}

/* What is gone already is no error: a removal that was cut off is repeated. */
static bool
remove_one(Certificates *certificates, const char *id, GError **error)
{
	CertificatesAcm *self = (CertificatesAcm *)certificates;
	Store *store = self->store;
	g_autoptr(StoreDocument) document = store->ops->get(store, KIND, "", id, error);
	if (!document)
		return false;

	const char *arn = json_text_of(document->body, "arn", "");
	json_auto_t *input = json_pack("{s:s}", "CertificateArn", arn);
	g_autoptr(GError) cause = NULL;
	listener_change(self, "RemoveListenerCertificates", arn, &cause);
	if (cause && !aws_error_is(cause, "CertificateNotFound")) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return false;
	}
	g_clear_error(&cause);
	json_auto_t *answer = acm(self, "DeleteCertificate", input, &cause);
	if (!answer && !aws_error_is(cause, "ResourceNotFoundException")) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return false;
	}
	return store->ops->remove(store, KIND, "", id, error);
}

static void
certificates_free(Certificates *certificates)
{
	g_free(certificates);
}

static const CertificatesOps operations = {
    .list = list,
    .import = import,
    .issue = issue,
    .remove = remove_one,
    .free = certificates_free,
};

Certificates *
certificates_acm_new(AwsRack *rack, Store *store)
{
	CertificatesAcm *self = g_new0(CertificatesAcm, 1);
	self->base.ops = &operations;
	self->rack = rack;
	self->store = store;
	return &self->base;
}
