/*
 * Certificates in a real HAProxy: which one a client gets for a name.
 */
#include "base/error.h"
#include "certificate-files.h"
#include "router-fixture.h"

#include <glib/gstdio.h>
#include <string.h>

/* The id of the certificate shown for a name (NULL: none asked for), as its file is called. */
static char *
shown(const Fixture *fixture, const char *name)
{
	g_autofree char *address = g_strdup_printf("127.0.0.1:%u", fixture->options.https_port);
	const char *const named[] = {
	    "openssl", "s_client", "-connect", address, "-servername", name, NULL};
	const char *const plain[] = {
	    "openssl", "s_client", "-connect", address, "-noservername", NULL};
	const char *const digest[] = {"openssl", "x509", "-noout", "-fingerprint", "-sha256", NULL};
	g_autofree char *session = test_run_program(name ? named : plain, NULL);
	g_autofree char *line = test_run_program(digest, session);
	GString *id = g_string_new("cert-");
	for (const char *c = strchr(line, '=') + 1; id->len < strlen("cert-") + 12; c++) {
		if (*c != ':')
			g_string_append_c(id, g_ascii_tolower(*c));
	}
	return g_string_free(id, FALSE);
}

static char *
import(Certificates *certificates, const char *names, unsigned days)
{
	g_autoptr(GError) error = NULL;
	g_auto(TestPair) pair = test_pair(names, days);
	g_autoptr(CertificateEntry) entry =
	    certificates->ops->import(certificates, pair.public, pair.key, NULL, &error);
	g_assert_no_error(error);
	return g_strdup(entry->id);
}

static void
expect_shown(const Fixture *fixture, const char *name, const char *id)
{
	g_autofree char *found = shown(fixture, name);
	g_assert_cmpstr(found, ==, id);
}

static void
test_choice(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	Certificates *certificates = certificates_files_new(fixture->router);
	g_autofree char *own = shown(fixture, NULL);
	g_autofree char *wildcard = import(certificates, "DNS:*.x.test", 90);
	g_autofree char *exact = import(certificates, "DNS:api.x.test", 10);
	g_autofree char *older = import(certificates, "DNS:shop.test", 20);
	g_autofree char *newer = import(certificates, "DNS:shop.test,DNS:www.shop.test", 60);
	g_autofree char *shorter = import(certificates, "DNS:shop.test", 30);

	expect_shown(fixture, "foo.x.test", wildcard);
	expect_shown(fixture, "API.x.test", exact);
	expect_shown(fixture, "shop.test", newer);
	expect_shown(fixture, "www.shop.test", newer);
	expect_shown(fixture, "a.b.x.test", own);
	expect_shown(fixture, "x.test", own);
	expect_shown(fixture, NULL, own);

	certificates->ops->remove(certificates, newer, &error);
	g_assert_no_error(error);
	expect_shown(fixture, "shop.test", shorter);
	expect_shown(fixture, "www.shop.test", own);
	g_assert_false(certificates->ops->remove(certificates, newer, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
	g_clear_error(&error);
	g_assert_false(certificates->ops->remove(certificates, "default", &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);

	/* A router that starts anew serves the same. */
	fixture_stop_haproxy(fixture);
	fixture_start_haproxy(fixture);
	expect_shown(fixture, "foo.x.test", wildcard);
	certificates->ops->free(certificates);
}

static void
test_list(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	Certificates *certificates = certificates_files_new(fixture->router);
	g_auto(TestPair) pair = test_pair("DNS:shop.test,DNS:*.shop.test", 30);
	for (unsigned i = 0; i < 2; i++) {
		g_autoptr(CertificateEntry) entry =
		    certificates->ops->import(certificates, pair.public, pair.key, NULL, &error);
		g_assert_no_error(error);
	}
	g_autoptr(GPtrArray) all = certificates->ops->list(certificates, &error);
	g_assert_cmpuint(all->len, ==, 1);
	const CertificateEntry *entry = all->pdata[0];
	g_assert_true(certificate_entry_covers(entry, "SHOP.test"));
	g_assert_true(certificate_entry_covers(entry, "a.shop.test"));
	g_assert_false(certificate_entry_covers(entry, "a.b.shop.test"));
	g_assert_false(certificate_entry_covers(entry, ".shop.test"));

	/* Requests in flight do not suffer from a change. */
	g_autoptr(GError) failure = NULL;
	fixture_ensure(fixture, "shop", "web", &failure, "shop.test", NULL);
	unsigned port = fixture_serve(fixture, "one");
	fixture->router->ops->add(
	    fixture->router, "shop", "web", "p1", "127.0.0.1", port, &failure);
	g_assert_no_error(failure);
	Traffic *traffic = traffic_start(fixture, "shop.test", true);
	g_autofree char *other = import(certificates, "DNS:other.test", 30);
	unsigned total = 0;
	g_assert_cmpuint(traffic_stop(traffic, &total), ==, 0);
	g_assert_cmpuint(total, >, 0);
	certificates->ops->free(certificates);
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--serve") == 0)
		return fixture_serve_main(argc, argv);

	g_test_init(&argc, &argv, NULL);
	g_test_add("/certificates/exact-before-wildcard-and-the-longest-lasting", Fixture, NULL,
	    fixture_set_up, test_choice, fixture_tear_down);
	g_test_add("/certificates/the-same-again-is-one-and-no-request-suffers", Fixture, NULL,
	    fixture_set_up, test_list, fixture_tear_down);
	return g_test_run();
}
