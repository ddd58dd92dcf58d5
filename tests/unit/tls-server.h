/*
 * A small server that speaks TLS, for tests of what a client makes of certificates. OpenSSL is used
 * here and nowhere else in the project.
 */
#pragma once

#include "small-server.h"

typedef struct {
	const char *names; /* subjectAltName, as «IP:127.0.0.1,DNS:localhost» */
	long valid_from;   /* seconds from now */
	long valid_until;
} TlsCertificate;

typedef struct TlsServer TlsServer;

/* Answers each request with 200 «ok», and /upgrade with 101 and an echo. */
TlsServer *
tls_server_new(const TlsCertificate *certificate);

unsigned
tls_server_port(const TlsServer *server);

/* The certificate is its own issuer: trusting this file makes it a known one. */
void
tls_server_write_certificate(const TlsServer *server, const char *file);

void
tls_server_free(TlsServer *server);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsServer, tls_server_free)
