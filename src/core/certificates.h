/*
 * Part: certificates. What the router shows for hosts that people bring; a host that no certificate
 * covers gets the rack's default one. Which certificate serves a host follows from the names alone:
 * exact before wildcard, and of equals the one that lasts longest.
 */
#pragma once

#include "base/certificate.h"
#include "base/json.h"

typedef struct Certificates Certificates;

typedef struct {
	char *id;
	GStrv domains;  /* lower case, exact or «*.x.test» */
	gint64 expires; /* real time; 0: not issued yet */
	bool is_ready;
	/* What has to be done before it is issued, or NULL: [{"name", "type", "value"}], records of
	 * the domains' DNS. */
	json_t *validation;
} CertificateEntry;

typedef struct {
	/* Elements are CertificateEntry *, by id. */
	GPtrArray *(*list)(Certificates *certificates, GError **error);
	/* PEM texts; `chain` may be NULL. The same certificate again is no error. INVALID names
	 * what is wrong, an expired one too. */
	CertificateEntry *(*import)(Certificates *certificates,
	    const char *public,
	    const char *key,
	    const char *chain,
	    GError **error);
	/* Has one issued for these names; it may not be ready for a while. NULL when the rack
	 * cannot: then `cannot_issue` says why. */
	CertificateEntry *(*issue)(
	    Certificates *certificates, const char *const *domains, GError **error);
	const char *cannot_issue;
	/* NOT_FOUND: «no such certificate: ID». Hosts that it served fall back to the next that
	 * fits.
	 */
	bool (*remove)(Certificates *certificates, const char *id, GError **error);
	void (*free)(Certificates *certificates);
} CertificatesOps;

struct Certificates {
	const CertificatesOps *ops;
};

/* The entry of a certificate that is served. */
CertificateEntry *
certificate_entry_new(const Certificate *certificate);

/* True if one of its domains is the host, or a wildcard for the host's first label. */
bool
certificate_entry_covers(const CertificateEntry *entry, const char *host);

void
certificate_entry_free(CertificateEntry *entry);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CertificateEntry, certificate_entry_free)
