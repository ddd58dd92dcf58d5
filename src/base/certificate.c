/*
 * Reads PEM with OpenSSL. What comes out is written anew from what was understood, so that nothing
 * unread reaches the server.
 */
#include "base/certificate.h"

#include "base/error.h"
#include "base/text.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#define CERTIFICATES_AT_MOST 16
#define ID_DIGITS 12

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)

void
certificate_free(Certificate *certificate)
{
	if (!certificate)
		return;

	g_free(certificate->id);
	g_strfreev(certificate->names);
	g_free(certificate->leaf);
	g_free(certificate->chain);
	g_free(certificate->key);
	g_free(certificate->pem);
	g_free(certificate);
}

static void
certificate_drop(gpointer certificate)
{
	X509_free(certificate);
}

/* A key with a passphrase: nobody is asked for one. */
static int
no_passphrase(char *buffer, int size, int is_writing, void *data)
{
	return -1;
}

/* All certificates of a text, appended to `all`. */
static bool
read_certificates(GPtrArray *all, const char *text, const char *name, GError **error)
{
	g_autoptr(BIO) source = BIO_new_mem_buf(text, -1);
	guint before = all->len;
	for (;;) {
		X509 *one = PEM_read_bio_X509(source, NULL, no_passphrase, NULL);
		if (!one)
			break;
		g_ptr_array_add(all, one);
		if (all->len > CERTIFICATES_AT_MOST)
			return error_set(error, CARRACK_ERROR_INVALID,
			    "%s: more than %d certificates", name, CERTIFICATES_AT_MOST);
	}
	unsigned long problem = ERR_peek_last_error();
	bool is_end = ERR_GET_REASON(problem) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	if (!is_end || all->len == before)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "%s: has to be a certificate in PEM form (-----BEGIN CERTIFICATE-----)", name);
	return true;
}

static EVP_PKEY *
read_key(const char *text, GError **error)
{
	g_autoptr(BIO) source = BIO_new_mem_buf(text, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(source, NULL, no_passphrase, NULL);
	ERR_clear_error();
	if (key)
		return key;

	bool is_locked = strstr(text, "ENCRYPTED") != NULL;
	error_set(error, CARRACK_ERROR_INVALID, "%s",
	    is_locked ? "key: has a passphrase; take it off first"
		      : "key: has to be a private key in PEM form (-----BEGIN PRIVATE KEY-----)");
	return NULL;
}

static char *
text_of(const ASN1_STRING *string)
{
	return g_ascii_strdown(
	    (const char *)ASN1_STRING_get0_data(string), ASN1_STRING_length(string));
}

/* A host name or one with a star in the place of the first label; else NULL. */
static char *
host_of(const ASN1_STRING *string)
{
	g_autofree char *name = text_of(string);
	const char *rest = g_str_has_prefix(name, "*.") ? name + 2 : name;
	gsize length = strspn(rest, "abcdefghijklmnopqrstuvwxyz0123456789.-_");
	bool is_host =
	    *rest && rest[length] == '\0' && strlen(name) == (gsize)ASN1_STRING_length(string);
	return is_host ? g_steal_pointer(&name) : NULL;
}

static void
add_name(GPtrArray *names, const ASN1_STRING *string)
{
	char *name = string ? host_of(string) : NULL;
	if (name)
		g_ptr_array_add(names, name);
}

/* The alternative names; the subject's own only where there are none, as clients do. */
static GStrv
names_of(X509 *certificate)
{
	GPtrArray *names = g_ptr_array_new();
	GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *one = sk_GENERAL_NAME_value(all, i);
		if (one->type == GEN_DNS)
			add_name(names, one->d.dNSName);
	}
	if (!all) {
		const X509_NAME *subject = X509_get_subject_name(certificate);
		int place = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
		if (place >= 0)
			add_name(
			    names, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, place)));
	}
	GENERAL_NAMES_free(all);
	g_ptr_array_add(names, NULL);
	return (GStrv)g_ptr_array_free(names, FALSE);
}

static gint64
time_of(const ASN1_TIME *time)
{
	struct tm parts;
	if (!ASN1_TIME_to_tm(time, &parts))
		return 0;

	return (gint64)timegm(&parts) * G_USEC_PER_SEC;
}

static char *
id_of(X509 *certificate)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned length = 0;
	GString *id = g_string_new("cert-");
	X509_digest(certificate, EVP_sha256(), digest, &length);
	for (unsigned i = 0; i < ID_DIGITS / 2; i++)
		g_string_append_printf(id, "%02x", digest[i]);
	return g_string_free(id, FALSE);
}

/* What was written into memory. */
static char *
taken(BIO *memory)
{
	char *text = NULL;
	long length = BIO_get_mem_data(memory, &text);
	return g_strndup(length > 0 ? text : "", (gsize)length);
}

static char *
certificates_pem(const GPtrArray *certificates, guint from, guint to)
{
	g_autoptr(BIO) memory = BIO_new(BIO_s_mem());
	for (guint i = from; i < to; i++)
		PEM_write_bio_X509(memory, certificates->pdata[i]);
	return taken(memory);
}

static char *
key_pem(EVP_PKEY *key)
{
	g_autoptr(BIO) memory = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL);
	return taken(memory);
}

/* Each certificate has to be issued by the next one, or clients cannot follow. */
static bool
check_chain(const GPtrArray *certificates, GError **error)
{
	for (guint i = 0; i + 1 < certificates->len; i++) {
		if (X509_check_issued(certificates->pdata[i + 1], certificates->pdata[i]) !=
		    X509_V_OK)
			return error_set(error, CARRACK_ERROR_INVALID,
			    "chain: certificate %u was not issued by the one after it; the order "
			    "is certificate, intermediates",
			    i + 1);
	}
	return true;
}

Certificate *
certificate_read(const char *public, const char *key, const char *chain, GError **error)
{
	g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(certificate_drop);
	if (!read_certificates(all, public, "pub", error) ||
	    (chain && *chain && !read_certificates(all, chain, "chain", error)))
		return NULL;
	g_autoptr(EVP_PKEY) private = read_key(key, error);
	if (!private)
		return NULL;

	X509 *first = all->pdata[0];
	bool fits = X509_check_private_key(first, private) == 1;
	ERR_clear_error();
	if (!fits) {
		error_set(error, CARRACK_ERROR_INVALID, "key: does not belong to the certificate");
		return NULL;
	}
	if (!check_chain(all, error))
		return NULL;

	g_autoptr(Certificate) certificate = g_new0(Certificate, 1);
	certificate->names = names_of(first);
	if (!certificate->names[0]) {
		error_set(error, CARRACK_ERROR_INVALID, "pub: the certificate names no host");
		return NULL;
	}
	certificate->id = id_of(first);
	certificate->begins = time_of(X509_get0_notBefore(first));
	certificate->expires = time_of(X509_get0_notAfter(first));
	certificate->leaf = certificates_pem(all, 0, 1);
	certificate->chain = certificates_pem(all, 1, all->len);
	certificate->key = key_pem(private);
	certificate->pem =
	    g_strconcat(certificate->leaf, certificate->chain, certificate->key, NULL);
	return g_steal_pointer(&certificate);
}

bool
certificate_check_time(const Certificate *certificate, GError **error)
{
	gint64 now = g_get_real_time();
	bool has_expired = certificate->expires <= now;
	if (!has_expired && certificate->begins <= now)
		return true;

	g_autofree char *time = text_time(has_expired ? certificate->expires : certificate->begins);
	return error_set(error, CARRACK_ERROR_INVALID, "pub: the certificate %s %s",
	    has_expired ? "has expired at" : "is not valid before", time);
}
