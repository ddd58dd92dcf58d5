/*
 * See the header. One key and one self-signed certificate a server, made when it starts.
 */
#include "tls-server.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

struct TlsServer {
	SmallServer *server;
	SSL_CTX *context;
	EVP_PKEY *key;
	X509 *certificate;
};

static void
add_extension(X509 *certificate, int kind, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);

	g_assert_nonnull(extension);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

static X509 *
make_certificate(EVP_PKEY *key, const TlsCertificate *wish)
{
	X509 *certificate = X509_new();
	X509_NAME *name = X509_get_subject_name(certificate);

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), wish->valid_from);
	X509_gmtime_adj(X509_getm_notAfter(certificate), wish->valid_until);
	X509_set_pubkey(certificate, key);
	X509_NAME_add_entry_by_txt(
	    name, "CN", MBSTRING_ASC, (const guchar *)"small server", -1, -1, 0);
	X509_set_issuer_name(certificate, name);
	add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
	add_extension(certificate, NID_subject_alt_name, wish->names);
	g_assert_cmpint(X509_sign(certificate, key, EVP_sha256()), >, 0);
	return certificate;
}

static void
echo(SSL *tls)
{
	const char *head = "HTTP/1.1 101 Switching Protocols\r\n\r\nhello";
	char buffer[4096];
	int count;

	SSL_write(tls, head, (int)strlen(head));
	while ((count = SSL_read(tls, buffer, sizeof buffer)) > 0)
		SSL_write(tls, buffer, count);
}

static void
answer_all(SSL *tls)
{
	const char *answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	g_autoptr(GString) head = g_string_new(NULL);
	char byte;

	while (SSL_read(tls, &byte, 1) == 1) {
		g_string_append_c(head, byte);
		if (!g_str_has_suffix(head->str, "\r\n\r\n"))
			continue;
		if (strstr(head->str, " /upgrade ")) {
			echo(tls);
			return;
		}
		SSL_write(tls, answer, (int)strlen(answer));
		g_string_truncate(head, 0);
	}
}

static void
handle(int fd, gpointer data)
{
	TlsServer *server = data;
	SSL *tls = SSL_new(server->context);
	sigset_t broken_pipe;

	/* OpenSSL writes to the bare descriptor. Only here: the client must do without. */
	sigemptyset(&broken_pipe);
	sigaddset(&broken_pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &broken_pipe, NULL);

	SSL_set_fd(tls, fd);
	if (SSL_accept(tls) == 1)
		answer_all(tls);
	SSL_free(tls);
}

TlsServer *
tls_server_new(const TlsCertificate *certificate)
{
	TlsServer *server = g_new0(TlsServer, 1);

	server->key = EVP_EC_gen("P-256");
	server->certificate = make_certificate(server->key, certificate);
	server->context = SSL_CTX_new(TLS_server_method());
	g_assert_cmpint(SSL_CTX_use_certificate(server->context, server->certificate), ==, 1);
	g_assert_cmpint(SSL_CTX_use_PrivateKey(server->context, server->key), ==, 1);
	server->server = small_server_tcp(handle, server);
	return server;
}

unsigned
tls_server_port(const TlsServer *server)
{
	return small_server_port(server->server);
}

void
tls_server_write_certificate(const TlsServer *server, const char *file)
{
	FILE *stream = fopen(file, "we");

	g_assert_nonnull(stream);
	g_assert_cmpint(PEM_write_X509(stream, server->certificate), ==, 1);
	fclose(stream);
}

void
tls_server_free(TlsServer *server)
{
	if (!server)
		return;

	small_server_free(server->server);
	SSL_CTX_free(server->context);
	X509_free(server->certificate);
	EVP_PKEY_free(server->key);
	g_free(server);
}
