/*
 * Certificates as people bring them: what is taken, and what is said of the rest.
 */
#include "base/certificate.h"
#include "base/error.h"
#include "certificate-files.h"

#include <string.h>

static void
refused(const char *public, const char *key, const char *chain, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_assert_null(certificate_read(public, key, chain, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_cmpstr(error->message, ==, text);
}

static void
test_names(void)
{
	g_autoptr(GError) error = NULL;
	g_auto(TestPair) pair = test_pair("DNS:Shop.test,IP:10.0.0.1,DNS:*.x.test", 30);
	g_autoptr(Certificate) certificate = certificate_read(pair.public, pair.key, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(g_strv_length(certificate->names), ==, 2);
	g_assert_cmpstr(certificate->names[0], ==, "shop.test");
	g_assert_cmpstr(certificate->names[1], ==, "*.x.test");
	g_assert_true(g_str_has_prefix(certificate->id, "cert-"));
	g_assert_cmpuint(strlen(certificate->id), ==, 17);
	gint64 left = (certificate->expires - g_get_real_time()) / G_USEC_PER_SEC;
	g_assert_cmpint(left, >, 29 * 86400);
	g_assert_cmpint(left, <=, 30 * 86400);

	/* What was read can be read again, and is the same certificate. */
	g_autoptr(Certificate) again =
	    certificate_read(certificate->pem, certificate->pem, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(again->id, ==, certificate->id);
	g_assert_cmpstr(again->pem, ==, certificate->pem);
}

static void
test_subject(void)
{
	g_autoptr(GError) error = NULL;
	g_auto(TestPair) pair = test_pair(NULL, 30);
	g_autoptr(Certificate) certificate = certificate_read(pair.public, pair.key, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(certificate->names[0], ==, "own.subject.test");

	g_auto(TestPair) nameless = test_pair("IP:10.0.0.1", 30);
	refused(nameless.public, nameless.key, NULL, "pub: the certificate names no host");
}

static void
test_chain(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *chain = NULL;
	g_auto(TestPair) pair = test_issued_pair("DNS:shop.test", &chain);
	g_autoptr(Certificate) apart = certificate_read(pair.public, pair.key, chain, &error);
	g_assert_no_error(error);
	g_autofree char *both = g_strconcat(pair.public, chain, NULL);
	g_autoptr(Certificate) joined = certificate_read(both, pair.key, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(apart->pem, ==, joined->pem);

	g_auto(TestPair) stranger = test_pair("DNS:other.test", 30);
	refused(pair.public, pair.key, stranger.public,
	    "chain: certificate 1 was not issued by the one after it; the order is certificate, "
	    "intermediates");
	g_autofree char *turned = g_strconcat(chain, pair.public, NULL);
	refused(turned, pair.key, NULL, "key: does not belong to the certificate");
}

static void
test_refused(void)
{
	static const char no_certificate[] =
	    "pub: has to be a certificate in PEM form (-----BEGIN CERTIFICATE-----)";
	static const char no_key[] =
	    "key: has to be a private key in PEM form (-----BEGIN PRIVATE KEY-----)";
	g_auto(TestPair) pair = test_pair("DNS:a.test", 30);
	g_auto(TestPair) other = test_pair("DNS:a.test", 30);
	refused("", pair.key, NULL, no_certificate);
	refused("hello", pair.key, NULL, no_certificate);
	refused(pair.key, pair.key, NULL, no_certificate);
	refused(pair.public, "", NULL, no_key);
	refused(pair.public, pair.public, NULL, no_key);
	refused(pair.public, other.key, NULL, "key: does not belong to the certificate");

	g_autofree char *cut = g_strndup(pair.public, strlen(pair.public) / 2);
	refused(cut, pair.key, NULL, no_certificate);

	const char *const encrypt[] = {
	    "openssl", "pkey", "-aes256", "-passout", "pass:secret", NULL};
	g_autofree char *locked = test_run_program(encrypt, pair.key);
	refused(pair.public, locked, NULL, "key: has a passphrase; take it off first");
}

static void
test_time(void)
{
	g_autoptr(GError) error = NULL;
	gint64 day = G_GINT64_CONSTANT(86400) * G_USEC_PER_SEC;
	gint64 now = g_get_real_time();
	g_assert_true(certificate_check_time(
	    &(Certificate){.begins = now - day, .expires = now + day}, &error));
	g_assert_no_error(error);
	g_assert_false(certificate_check_time(
	    &(Certificate){.begins = 0, .expires = G_GINT64_CONSTANT(1700000000) * G_USEC_PER_SEC},
	    &error));
	g_assert_cmpstr(
	    error->message, ==, "pub: the certificate has expired at 2023-11-14T22:13:20Z");
	g_clear_error(&error);
	g_assert_false(certificate_check_time(
	    &(Certificate){.begins = now + day, .expires = now + 2 * day}, &error));
	g_assert_nonnull(strstr(error->message, "pub: the certificate is not valid before "));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/certificate/names-are-read-in-lower-case", test_names);
	g_test_add_func("/certificate/a-subject-counts-without-other-names", test_subject);
	g_test_add_func("/certificate/a-chain-may-be-apart-or-joined", test_chain);
	g_test_add_func("/certificate/what-is-wrong-is-named", test_refused);
	g_test_add_func("/certificate/one-of-another-time-is-refused", test_time);
	return g_test_run();
}
