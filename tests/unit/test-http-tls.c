/*
 * Unit tests of base/http over TLS: which certificates are taken, and that each reason against one
 * is told apart.
 */
#include "base/error.h"
#include "base/http.h"
#include "tls-server.h"

#include <glib/gstdio.h>
#include <pthread.h>
#include <string.h>

#define DAY (24L * 3600)

typedef struct {
	char *folder, *ca_file, *url;
	TlsServer *server;
} Fixture;

static void
set_up(Fixture *fixture, const TlsCertificate *certificate)
{
	fixture->folder = g_dir_make_tmp("carrack-XXXXXX", NULL);
	fixture->ca_file = g_build_filename(fixture->folder, "ca.pem", NULL);
	fixture->server = tls_server_new(certificate);
	fixture->url = g_strdup_printf("https://127.0.0.1:%u", tls_server_port(fixture->server));
	tls_server_write_certificate(fixture->server, fixture->ca_file);
}

static void
tear_down(Fixture *fixture)
{
	tls_server_free(fixture->server);
	g_unlink(fixture->ca_file);
	g_rmdir(fixture->folder);
	g_free(fixture->folder);
	g_free(fixture->ca_file);
	g_free(fixture->url);
}

static const TlsCertificate good = {"IP:127.0.0.1", -DAY, DAY};

static void
assert_works(Fixture *fixture, const HttpOptions *options)
{
	g_autoptr(HttpClient) client = http_client_new(options);
	g_autoptr(GError) error = NULL;
	HttpRequest request = {.path = "/"};
	g_autoptr(HttpAnswer) answer = http_call(client, &request, NULL, &error);

	g_assert_no_error(error);
	g_assert_cmpuint(answer->status, ==, 200);
	g_assert_cmpstr(answer->body, ==, "ok");
}

static void
assert_refused(Fixture *fixture, const HttpOptions *options, const char *reason)
{
	g_autoptr(HttpClient) client = http_client_new(options);
	g_autoptr(GError) call_error = NULL, upgrade_error = NULL;
	HttpRequest request = {.path = "/"};
	g_autofree char *expected = g_strdup_printf(
	    "cannot connect to 127.0.0.1:%u: %s", tls_server_port(fixture->server), reason);

	g_assert_null(http_call(client, &request, NULL, &call_error));
	g_assert_error(call_error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	g_assert_cmpstr(call_error->message, ==, expected);
	g_assert_null(http_upgrade(client, &request, "websocket", NULL, &upgrade_error));
	g_assert_cmpstr(upgrade_error->message, ==, expected);
}

static void
a_trusted_certificate_is_taken(void)
{
	Fixture fixture;
	set_up(&fixture, &good);

	assert_works(&fixture, &(HttpOptions){.base_url = fixture.url, .ca_file = fixture.ca_file});
	tear_down(&fixture);
}

static void
an_unknown_issuer_is_named_as_such(void)
{
	Fixture fixture;
	set_up(&fixture, &good);

	assert_refused(&fixture, &(HttpOptions){.base_url = fixture.url},
	    "its certificate is from an unknown issuer");
	assert_works(&fixture, &(HttpOptions){.base_url = fixture.url, .insecure = true});
	tear_down(&fixture);
}

static void
a_certificate_for_another_host_is_named_as_such(void)
{
	Fixture fixture;
	set_up(&fixture, &(TlsCertificate){"DNS:elsewhere.test,IP:127.0.0.2", -DAY, DAY});

	assert_refused(&fixture,
	    &(HttpOptions){.base_url = fixture.url, .ca_file = fixture.ca_file},
	    "its certificate is for another host name");
	tear_down(&fixture);
}

static void
an_expired_certificate_is_named_as_such(void)
{
	Fixture fixture;
	set_up(&fixture, &(TlsCertificate){"IP:127.0.0.1", -2 * DAY, -DAY});

	assert_refused(&fixture,
	    &(HttpOptions){.base_url = fixture.url, .ca_file = fixture.ca_file},
	    "its certificate has expired");
	tear_down(&fixture);
}

static void
a_certificate_of_tomorrow_is_named_as_such(void)
{
	Fixture fixture;
	set_up(&fixture, &(TlsCertificate){"IP:127.0.0.1", DAY, 2 * DAY});

	assert_refused(&fixture,
	    &(HttpOptions){.base_url = fixture.url, .ca_file = fixture.ca_file},
	    "its certificate is not valid yet; compare the clocks");
	tear_down(&fixture);
}

static void
say_plain_http(int fd, gpointer data)
{
	char byte;

	small_server_read(fd, &byte, 1);
	small_server_say(fd, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
}

static void
a_server_without_tls_is_named_as_such(void)
{
	g_autoptr(SmallServer) server = small_server_tcp(say_plain_http, NULL);
	unsigned port = small_server_port(server);
	g_autofree char *url = g_strdup_printf("https://127.0.0.1:%u", port);
	g_autofree char *expected = g_strdup_printf(
	    "cannot connect to 127.0.0.1:%u: it does not answer with TLS; is it an http:// "
	    "address?",
	    port);
	g_autoptr(HttpClient) client = http_client_new(&(HttpOptions){.base_url = url});
	g_autoptr(GError) error = NULL;

	g_assert_null(http_call(client, &(HttpRequest){.path = "/"}, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	g_assert_cmpstr(error->message, ==, expected);
}

static void
a_bad_file_of_certificates_is_named(void)
{
	Fixture fixture;
	set_up(&fixture, &good);
	g_autoptr(HttpClient) client =
	    http_client_new(&(HttpOptions){.base_url = fixture.url, .ca_file = "/nowhere/ca.pem"});
	g_autoptr(GError) error = NULL;

	g_assert_null(http_call(client, &(HttpRequest){.path = "/"}, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_cmpstr(error->message, ==, "/nowhere/ca.pem: not a file of trusted certificates");
	tear_down(&fixture);
}

#define FLOOD (8 * 1024 * 1024)

static void *
write_flood(void *data)
{
	g_autofree char *bytes = g_strnfill(FLOOD, 'x');

	g_assert_true(http_connection_write(data, bytes, FLOOD, NULL, NULL));
	return NULL;
}

static void
an_upgraded_connection_is_encrypted_both_ways(void)
{
	Fixture fixture;
	set_up(&fixture, &good);
	g_autoptr(HttpClient) client =
	    http_client_new(&(HttpOptions){.base_url = fixture.url, .ca_file = fixture.ca_file});
	g_autoptr(HttpConnection) connection =
	    http_upgrade(client, &(HttpRequest){.path = "/upgrade"}, "websocket", NULL, NULL);
	g_assert_nonnull(connection);

	/* One thread writes while this one reads: the echo comes back in full. */
	pthread_t thread;
	pthread_create(&thread, NULL, write_flood, connection);
	g_autofree char *buffer = g_malloc(64 * 1024);
	gsize total = 0;
	while (total < strlen("hello") + FLOOD) {
		gssize count = http_connection_read(connection, buffer, 64 * 1024, NULL, NULL);
		g_assert_cmpint(count, >, 0);
		total += (gsize)count;
	}
	pthread_join(thread, NULL);
	g_assert_false(http_connection_pending(connection));
	g_clear_pointer(&connection, http_connection_free);
	tear_down(&fixture);
}

static void
a_write_to_a_peer_that_has_gone_is_an_error(void)
{
	Fixture fixture;
	set_up(&fixture, &good);
	g_autoptr(HttpClient) client =
	    http_client_new(&(HttpOptions){.base_url = fixture.url, .insecure = true});
	g_autoptr(HttpConnection) connection =
	    http_upgrade(client, &(HttpRequest){.path = "/upgrade"}, "websocket", NULL, NULL);
	g_assert_nonnull(connection);
	tear_down(&fixture);

	g_autoptr(GError) error = NULL;
	char bytes[4096] = {0};
	while (http_connection_write(connection, bytes, sizeof bytes, NULL, &error))
		continue;
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
}

/* A name that leads nowhere, asked of whom we say: the certificate is for the name. */
static void
a_place_to_connect_to_leaves_the_name(void)
{
	Fixture fixture;
	set_up(&fixture, &(TlsCertificate){"DNS:shop.test", -DAY, DAY});
	g_autofree char *place = g_strdup_printf("127.0.0.1:%u", tls_server_port(fixture.server));

	assert_works(&fixture,
	    &(HttpOptions){
		.base_url = "https://shop.test", .connect_to = place, .ca_file = fixture.ca_file});
	tear_down(&fixture);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/http-tls/a-trusted-certificate-is-taken", a_trusted_certificate_is_taken);
	g_test_add_func(
	    "/http-tls/an-unknown-issuer-is-named-as-such", an_unknown_issuer_is_named_as_such);
	g_test_add_func("/http-tls/a-certificate-for-another-host-is-named-as-such",
	    a_certificate_for_another_host_is_named_as_such);
	g_test_add_func("/http-tls/an-expired-certificate-is-named-as-such",
	    an_expired_certificate_is_named_as_such);
	g_test_add_func("/http-tls/a-certificate-of-tomorrow-is-named-as-such",
	    a_certificate_of_tomorrow_is_named_as_such);
	g_test_add_func("/http-tls/a-server-without-tls-is-named-as-such",
	    a_server_without_tls_is_named_as_such);
	g_test_add_func(
	    "/http-tls/a-bad-file-of-certificates-is-named", a_bad_file_of_certificates_is_named);
	g_test_add_func("/http-tls/an-upgraded-connection-is-encrypted-both-ways",
	    an_upgraded_connection_is_encrypted_both_ways);
	g_test_add_func("/http-tls/a-write-to-a-peer-that-has-gone-is-an-error",
	    a_write_to_a_peer_that_has_gone_is_an_error);
	g_test_add_func("/http-tls/a-place-to-connect-to-leaves-the-name",
	    a_place_to_connect_to_leaves_the_name);
	return g_test_run();
}
