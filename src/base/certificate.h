/*
 * Certificates for TLS as people bring them: PEM texts of a certificate, its chain and its private
 * key, read and checked before anybody relies on them. The only file that knows OpenSSL.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
	char *id;    /* «cert-» and 12 digits of its SHA-256: the same certificate, the same id */
	GStrv names; /* host names, lower case, exact or «*.x.test»; at least one */
	gint64 begins;  /* real time */
	gint64 expires; /* real time */
	char *leaf;     /* PEM: the certificate alone, */
	char *chain;    /* those that lead to the authority, or «», */
	char *key;      /* and its private key */
	char *pem;      /* all three, as servers read them in one file */
} Certificate;

/* `chain` may be NULL: its certificates may also follow the first in `public`.
 * CARRACK_ERROR_INVALID names the text (pub, key, chain) and what is wrong with it: not PEM, a key
 * with a passphrase or of another certificate, no host name, a chain out of order. Expiry is not
 * judged. */
Certificate *
certificate_read(const char *public, const char *key, const char *chain, GError **error);

/* INVALID unless it is valid now: «pub: the certificate has expired at 2026-01-31T12:00:00Z». */
bool
certificate_check_time(const Certificate *certificate, GError **error);

void
certificate_free(Certificate *certificate);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Certificate, certificate_free)
