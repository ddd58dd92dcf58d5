/*
 * Certificates of the Swarm rack: a PEM file each in the router's folder, and HAProxy's list of
 * which file serves which name, made anew from the files at every change. Nothing else remembers
 * them, so what is in the folder is what is served.
 */
#include "base/error.h"
#include "swarm/router-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#define FOLDER "certificates"
#define ENDING ".pem"
#define PREFIX "cert-"

typedef struct {
	Certificates base;
	HaproxyRouter *router;
} CertificatesFiles;

static char *
path_of(const CertificatesFiles *self, const char *id)
{
	g_autofree char *file = g_strconcat(id, ENDING, NULL);
	return g_build_filename(self->router->options.router_folder, FOLDER, file, NULL);
}

static int
compare_ids(gconstpointer one, gconstpointer other)
{
	const Certificate *const *first = one;
	const Certificate *const *second = other;
	return strcmp((*first)->id, (*second)->id);
}

static Certificate *
read_file(const CertificatesFiles *self, const char *file, GError **error)
{
	g_autofree char *path =
	    g_build_filename(self->router->options.router_folder, FOLDER, file, NULL);
	g_autofree char *text = NULL;
	g_autoptr(GError) cause = NULL;
	if (!g_file_get_contents(path, &text, NULL, &cause)) {
		error_set(error, CARRACK_ERROR_INTERNAL, "certificates: %s", cause->message);
		return NULL;
	}
	Certificate *certificate = certificate_read(text, text, NULL, error);
	if (!certificate)
		g_prefix_error(error, "certificates: %s: ", path);
	return certificate;
}

/* Elements are Certificate *, by id. */
static GPtrArray *
read_all(const CertificatesFiles *self, GError **error)
{
	g_autofree char *folder =
	    g_build_filename(self->router->options.router_folder, FOLDER, NULL);
	g_autoptr(GError) cause = NULL;
	g_autoptr(GDir) files = g_dir_open(folder, 0, &cause);
	if (!files) {
		error_set(error, CARRACK_ERROR_INTERNAL, "certificates: %s", cause->message);
		return NULL;
	}

	g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)certificate_free);
	const char *file;
	while ((file = g_dir_read_name(files))) {
		if (!g_str_has_prefix(file, PREFIX) || !g_str_has_suffix(file, ENDING))
			continue;
		Certificate *certificate = read_file(self, file, error);
		if (!certificate)
			return NULL;
		g_ptr_array_add(all, certificate);
	}
	g_ptr_array_sort(all, compare_ids);
	return g_steal_pointer(&all);
}

/* The list */

/* True when no other certificate is better for this name: lasts longer, or as long with a smaller
 * id.
 */
static bool
is_best(const GPtrArray *all, const Certificate *certificate, const char *name)
{
	for (guint i = 0; i < all->len; i++) {
		const Certificate *other = all->pdata[i];
		if (other == certificate ||
		    !g_strv_contains((const char *const *)other->names, name))
			continue;
		if (other->expires > certificate->expires ||
		    (other->expires == certificate->expires &&
			strcmp(other->id, certificate->id) < 0))
			return false;
	}
	return true;
}

static char *
list_text(const CertificatesFiles *self, const GPtrArray *all)
{
	GString *text = g_string_new(NULL);
	for (guint i = 0; i < all->len; i++) {
		const Certificate *certificate = all->pdata[i];
		g_autofree char *path = path_of(self, certificate->id);
		g_autoptr(GString) names = g_string_new(NULL);
		for (GStrv name = certificate->names; *name; name++) {
			if (is_best(all, certificate, *name))
				g_string_append_printf(names, " %s", *name);
		}
		if (names->len)
			g_string_append_printf(text, "%s%s\n", path, names->str);
	}
	return g_string_free(text, FALSE);
}

static bool
write_file(const char *path, const char *text, GError **error)
{
	g_autoptr(GError) cause = NULL;
	if (g_file_set_contents_full(path, text, -1,
		G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, &cause))
		return true;
	return error_set(error, CARRACK_ERROR_INTERNAL, "certificates: %s", cause->message);
}

static bool
write_list(const CertificatesFiles *self, GError **error)
{
	g_autoptr(GPtrArray) all = read_all(self, error);
	if (!all)
		return false;

	g_autofree char *path =
	    g_build_filename(self->router->options.router_folder, ROUTER_CERTIFICATES, NULL);
	g_autofree char *text = list_text(self, all);
	return write_file(path, text, error);
}

/* Makes HAProxy take the files as they are now. With the router's lock held. */
static bool
serve(const CertificatesFiles *self, GError **error)
{
	return write_list(self, error) && router_sync(self->router, error) &&
	       router_reload(self->router, error);
}

/* The part */

static GPtrArray *
list(Certificates *certificates, GError **error)
{
	CertificatesFiles *self = (CertificatesFiles *)certificates;
	LOCKED(&self->router->lock);
	g_autoptr(GPtrArray) all = read_all(self, error);
	if (!all)
		return NULL;

	GPtrArray *entries = g_ptr_array_new_with_free_func((GDestroyNotify)certificate_entry_free);
	for (guint i = 0; i < all->len; i++)
		g_ptr_array_add(entries, certificate_entry_new(all->pdata[i]));
	return entries;
}

static CertificateEntry *
import(Certificates *certificates,
    const char *public,
    const char *key,
    const char *chain,
    GError **error)
{
	CertificatesFiles *self = (CertificatesFiles *)certificates;
	g_autoptr(Certificate) certificate = certificate_read(public, key, chain, error);
	if (!certificate || !certificate_check_time(certificate, error))
		return NULL;

	LOCKED(&self->router->lock);
	g_autofree char *path = path_of(self, certificate->id);
	bool is_known = g_file_test(path, G_FILE_TEST_EXISTS);
	if (!write_file(path, certificate->pem, error))
		return NULL;
	if (!serve(self, error)) {
		if (!is_known)
			g_unlink(path);
		write_list(self, NULL);
		return NULL;
	}
	return certificate_entry_new(certificate);
}

static bool
is_id(const char *id)
{
	return g_str_has_prefix(id, PREFIX) &&
	       strspn(id + strlen(PREFIX), "0123456789abcdef") == strlen(id) - strlen(PREFIX);
}

static bool
remove_one(Certificates *certificates, const char *id, GError **error)
{
	CertificatesFiles *self = (CertificatesFiles *)certificates;
	LOCKED(&self->router->lock);
	g_autofree char *path = path_of(self, id);
	if (!is_id(id) || !g_file_test(path, G_FILE_TEST_EXISTS))
		return error_set(error, CARRACK_ERROR_NOT_FOUND, "no such certificate: %s", id);
	if (g_unlink(path) != 0)
		return error_set_errno(error, errno, "certificates: %s", path);

	return serve(self, error);
}

static void
certificates_free(Certificates *certificates)
{
	g_free(certificates);
}

static const CertificatesOps operations = {
    .list = list,
    .import = import,
    .cannot_issue = "this rack has no authority to issue certificates: bring one with "
		    "`carrack certs import`",
    .remove = remove_one,
    .free = certificates_free,
};

Certificates *
certificates_files_new(Router *router)
{
	CertificatesFiles *self = g_new0(CertificatesFiles, 1);
	self->base.ops = &operations;
	self->router = (HaproxyRouter *)router;
	return &self->base;
}
