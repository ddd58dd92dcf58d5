/*
 * The router's folder. Files are written beside their place and renamed into it (after fsync where
 * a loss of power must not cost them); state.json goes first, because the rest follows from it.
 * HAProxy and openssl are run as programs, with argument vectors.
 */
#include "swarm/router-files.h"
#include "base/error.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#define OPENSSL_PROGRAM "/usr/bin/openssl"
#define CERTIFICATE_DAYS "3650"

static const char page_unknown[] =
    "<!doctype html>\n"
    "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Not found</title></head>\n"
    "<body><h1>Nothing is deployed here</h1>\n"
    "<p>No app of this rack has this host name.</p></body></html>\n";

static const char body_empty[] =
    "<!doctype html>\n"
    "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Unavailable</title></head>\n"
    "<body><h1>Service unavailable</h1>\n"
    "<p>The app has no process that can answer now.</p></body></html>\n";

static const char body_api[] =
    "the rack's API is away: carrackd does not run, or is starting; apps go on being served\n";

static bool
is_plain_folder(const char *folder)
{
	return folder && folder[0] == '/' &&
	       folder[strspn(folder,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")] == '\0';
}

bool
router_files_check_options(const SwarmOptions *options, GError **error)
{
	const char *const folders[] = {options->run_folder, options->router_folder};

	for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
		if (!is_plain_folder(folders[i]))
			return error_set(error, CARRACK_ERROR_INVALID,
			    "folder «%s» must be absolute and of letters, digits, «.», «_», «-»",
			    folders[i] ? folders[i] : "");
	}
	g_autofree char *domain = backend_host(options->domain ? options->domain : "", error);
	if (!domain) {
		g_prefix_error(error, "domain: ");
		return false;
	}
	return true;
}

static char *
path_of(const SwarmOptions *options, const char *file)
{
	return g_build_filename(options->router_folder, file, NULL);
}

static bool
write_file(const SwarmOptions *options,
    const char *file,
    const char *text,
    GFileSetContentsFlags flags,
    GError **error)
{
	g_autofree char *path = path_of(options, file);
	g_autoptr(GError) cause = NULL;

	if (!g_file_set_contents_full(path, text, strlen(text), flags, 0600, &cause))
		return error_set(error, CARRACK_ERROR_INTERNAL, "router: %s", cause->message);
	return true;
}

static bool
write_durable(const SwarmOptions *options, const char *file, const char *text, GError **error)
{
	return write_file(options, file, text,
	    G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, error);
}

/* Runs a program to its end; what it wrote is in `output` (stderr too). */
static bool
run(const char *const *arguments, char **output, GError **error)
{
	g_autoptr(GError) cause = NULL;
	g_autoptr(GSubprocess) child = g_subprocess_newv(
	    arguments, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE, &cause);
	if (!child || !g_subprocess_communicate_utf8(child, NULL, NULL, output, NULL, &cause))
		return error_set(
		    error, CARRACK_ERROR_INTERNAL, "router: %s: %s", arguments[0], cause->message);
	if (!g_subprocess_get_successful(child))
		return error_set(error, CARRACK_ERROR_UPSTREAM, "router: %s refused", arguments[0]);

	return true;
}

static bool
make_folder(const SwarmOptions *options, const char *name, GError **error)
{
	g_autofree char *path = path_of(options, name);

	if (g_mkdir_with_parents(path, 0700) != 0)
		return error_set_errno(error, errno, "router: folder %s", path);
	return true;
}

static bool
write_answer(const SwarmOptions *options,
    const char *file,
    const char *type,
    const char *body,
    GError **error)
{
	g_autofree char *text = g_strdup_printf("HTTP/1.1 503 Service Unavailable\r\n"
						"Content-Type: %s\r\n"
						"Content-Length: %zu\r\n"
						"Cache-Control: no-store\r\n"
						"Retry-After: 1\r\n"
						"\r\n"
						"%s",
	    type, strlen(body), body);

	return write_file(options, file, text, G_FILE_SET_CONTENTS_CONSISTENT, error);
}

static bool
make_certificate(const SwarmOptions *options, GError **error)
{
	g_autofree char *path = path_of(options, ROUTER_CERTIFICATE);
	if (g_file_test(path, G_FILE_TEST_EXISTS))
		return true;

	g_autofree char *fresh = g_strconcat(path, ".new", NULL);
	g_autofree char *names = g_strdup_printf("subjectAltName=DNS:%s,DNS:*.%s,DNS:rack.%s",
	    options->domain, options->domain, options->domain);
	const char *const arguments[] = {OPENSSL_PROGRAM, "req", "-x509", "-newkey", "ec",
	    "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256", "-days",
	    CERTIFICATE_DAYS, "-subj", "/CN=carrack default", "-addext", names, "-keyout", fresh,
	    "-out", fresh, NULL};
	g_autofree char *output = NULL;
	if (!run(arguments, &output, error)) {
		g_prefix_error(error, "default certificate: %s: ", output ? output : "");
		return false;
	}
	if (g_chmod(fresh, 0600) != 0 || g_rename(fresh, path) != 0)
		return error_set_errno(error, errno, "router: %s", path);
	return true;
}

/* The list is only begun here: certificates that were added later stay. */
static bool
begin_certificate_list(const SwarmOptions *options, GError **error)
{
	g_autofree char *path = path_of(options, ROUTER_CERTIFICATES);
	if (g_file_test(path, G_FILE_TEST_EXISTS))
		return true;

	return write_durable(options, ROUTER_CERTIFICATES, "", error);
}

bool
router_files_prepare(const SwarmOptions *options, GError **error)
{
	if (!router_files_check_options(options, error))
		return false;
	if (!make_folder(options, "certificates", error) || !make_folder(options, "errors", error))
		return false;
	if (!write_file(
		options, ROUTER_PAGE_UNKNOWN, page_unknown, G_FILE_SET_CONTENTS_CONSISTENT, error))
		return false;
	if (!write_answer(
		options, ROUTER_PAGE_EMPTY, "text/html; charset=utf-8", body_empty, error) ||
	    !write_answer(options, ROUTER_PAGE_API, "text/plain; charset=utf-8", body_api, error))
		return false;

	return begin_certificate_list(options, error) && make_certificate(options, error);
}

static GPtrArray *
read_backends(const json_t *state, GError **error)
{
	g_autoptr(GPtrArray) backends =
	    g_ptr_array_new_with_free_func((GDestroyNotify)backend_free);
	const json_t *list = json_object_get(state, "backends");

	for (gsize i = 0; i < json_array_size(list); i++) {
		Backend *backend = backend_from_json(json_array_get(list, i), error);
		if (!backend) {
			g_prefix_error(error, "router: " ROUTER_STATE ": ");
			return NULL;
		}
		g_ptr_array_add(backends, backend);
	}
	return g_steal_pointer(&backends);
}

GPtrArray *
router_files_load(const SwarmOptions *options, GError **error)
{
	g_autofree char *path = path_of(options, ROUTER_STATE);
	g_autofree char *text = NULL;
	gsize length = 0;
	g_autoptr(GError) cause = NULL;

	if (!g_file_get_contents(path, &text, &length, &cause)) {
		if (g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT))
			return g_ptr_array_new_with_free_func((GDestroyNotify)backend_free);
		error_set(error, CARRACK_ERROR_INTERNAL, "router: %s", cause->message);
		return NULL;
	}
	json_auto_t *state = json_parse(text, length, path, error);

	return state ? read_backends(state, error) : NULL;
}

static bool
save_state(const SwarmOptions *options, const GPtrArray *backends, GError **error)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < backends->len; i++)
		json_array_append_new(list, backend_json(backends->pdata[i]));
	json_auto_t *state = json_pack("{s:i, s:o}", "version", 1, "backends", list);
	g_autofree char *text = json_text(state, true);

	return write_durable(options, ROUTER_STATE, text, error);
}

bool
router_files_save_hosts(const SwarmOptions *options, const GPtrArray *backends, GError **error)
{
	g_autofree char *hosts = haproxy_config_hosts(backends);
	g_autofree char *wildcards = haproxy_config_wildcards(backends);

	return save_state(options, backends, error) &&
	       write_durable(options, ROUTER_HOSTS, hosts, error) &&
	       write_durable(options, ROUTER_WILDCARDS, wildcards, error);
}

bool
router_files_save_occupants(const SwarmOptions *options, const GPtrArray *backends, GError **error)
{
	const char *name = ROUTER_CONFIG ".next";
	g_autofree char *text = haproxy_config_text(options, backends);
	if (!write_file(options, name, text, G_FILE_SET_CONTENTS_NONE, error))
		return false;

	/* No fsync: after a loss of power router_boot writes it anew anyway. */
	g_autofree char *from = path_of(options, name);
	g_autofree char *to = path_of(options, ROUTER_CONFIG);
	if (g_rename(from, to) != 0)
		return error_set_errno(error, errno, "router: %s", to);
	return true;
}

/* The first line of the check's output that says what is wrong. */
static char *
first_alert(const char *output)
{
	g_auto(GStrv) lines = g_strsplit(output ? output : "", "\n", -1);

	for (GStrv line = lines; *line; line++) {
		if (strstr(*line, "[ALERT]"))
			return g_strdup(*line);
	}
	return g_strdup(output ? output : "");
}

static bool
check_config(const SwarmOptions *options, const char *text, GError **error)
{
	const char *name = ROUTER_CONFIG ".new";
	if (!write_file(options, name, text, G_FILE_SET_CONTENTS_CONSISTENT, error))
		return false;

	g_autofree char *path = path_of(options, name);
	const char *const arguments[] = {HAPROXY_PROGRAM, "-c", "-f", path, NULL};
	g_autofree char *output = NULL;
	if (!run(arguments, &output, error)) {
		g_autofree char *alert = first_alert(output);
		g_prefix_error(error, "new configuration: %s: ", alert);
		return false;
	}
	return true;
}

/* The check reads the maps, so they have to be there before a first configuration. */
static bool
begin_map(const SwarmOptions *options, const char *file, GError **error)
{
	g_autofree char *path = path_of(options, file);

	return g_file_test(path, G_FILE_TEST_EXISTS) || write_durable(options, file, "", error);
}

bool
router_files_save(const SwarmOptions *options, const GPtrArray *backends, GError **error)
{
	g_autofree char *text = haproxy_config_text(options, backends);
	if (!begin_map(options, ROUTER_HOSTS, error) ||
	    !begin_map(options, ROUTER_WILDCARDS, error) || !check_config(options, text, error))
		return false;

	return router_files_save_hosts(options, backends, error) &&
	       write_durable(options, ROUTER_CONFIG, text, error);
}
