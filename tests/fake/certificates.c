/*
 * The certificates of the fake: a list in memory; nobody serves them.
 */
#include "fake/private.h"

#include <string.h>

typedef struct {
	Certificates certificates;
	pthread_mutex_t lock;
	GPtrArray *all; /* of Certificate */
} FakeCertificates;

static GPtrArray *
list(Certificates *certificates, GError **error)
{
	FakeCertificates *fake = (FakeCertificates *)certificates;
	LOCKED(&fake->lock);
	GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)certificate_entry_free);
	for (guint i = 0; i < fake->all->len; i++)
		g_ptr_array_add(found, certificate_entry_new(fake->all->pdata[i]));
	return found;
}

static CertificateEntry *
import(Certificates *certificates,
    const char *public,
    const char *key,
    const char *chain,
    GError **error)
{
	FakeCertificates *fake = (FakeCertificates *)certificates;
	Certificate *certificate = certificate_read(public, key, chain, error);
	if (!certificate)
		return NULL;

	LOCKED(&fake->lock);
	g_ptr_array_add(fake->all, certificate);
	return certificate_entry_new(certificate);
}

static bool
remove_one(Certificates *certificates, const char *id, GError **error)
{
	FakeCertificates *fake = (FakeCertificates *)certificates;
	LOCKED(&fake->lock);
	for (guint i = 0; i < fake->all->len; i++) {
		const Certificate *certificate = fake->all->pdata[i];
		if (strcmp(certificate->id, id) != 0)
			continue;
		g_ptr_array_remove_index(fake->all, i);
		return true;
	}
	return error_set(error, CARRACK_ERROR_NOT_FOUND, "no such certificate: %s", id);
}

/* The world frees the part itself. */
static void
free_handle(Certificates *certificates)
{
}

static const CertificatesOps operations = {
    .list = list,
    .import = import,
    .cannot_issue = "the fake issues no certificates",
    .remove = remove_one,
    .free = free_handle,
};

Certificates *
fake_certificates_new(void)
{
	FakeCertificates *fake = g_new0(FakeCertificates, 1);
	fake->certificates.ops = &operations;
	fake->all = g_ptr_array_new_with_free_func((GDestroyNotify)certificate_free);
	pthread_mutex_init(&fake->lock, NULL);
	return &fake->certificates;
}

void
fake_certificates_destroy(Certificates *certificates)
{
	FakeCertificates *fake = (FakeCertificates *)certificates;
	g_ptr_array_unref(fake->all);
	pthread_mutex_destroy(&fake->lock);
	g_free(fake);
}
