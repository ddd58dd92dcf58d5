/*
 * Where logs go, out of the function's variable DRAINS. URLs hold secrets, so errors speak of them
 * by app and position only.
 */
#include "log-drain.h"

#include <stdarg.h>
#include <string.h>

typedef struct {
	const char *scheme;
	SendKind kind;
	const char *port; /* NULL: must be given */
} Scheme;

static const Scheme schemes[] = {
    {"syslog", SEND_SYSLOG, "514"},
    {"syslog+tcp", SEND_SYSLOG, "514"},
    {"syslog+tls", SEND_SYSLOG_TLS, "6514"},
    {"http", SEND_HTTP, "80"},
    {"https", SEND_HTTPS, "443"},
};

GQuark
drain_error_quark(void)
{
	return g_quark_from_static_string("log-drain");
}

bool
drain_error_set(GError **error, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	va_end(arguments);

	g_set_error_literal(error, DRAIN_ERROR, 0, text);
	return false;
}

void
destination_free(Destination *destination)
{
	if (!destination)
		return;
	g_free(destination->app);
	g_free(destination->url);
	g_free(destination->host);
	g_free(destination->port);
	g_free(destination->path);
	g_free(destination->authorization);
	if (destination->pending)
		g_string_free(destination->pending, TRUE);
	g_free(destination);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Destination, destination_free)

static const Scheme *
find_scheme(const char *name)
{
	for (gsize i = 0; i < G_N_ELEMENTS(schemes); i++)
		if (g_ascii_strcasecmp(schemes[i].scheme, name) == 0)
			return &schemes[i];
	return NULL;
}

static char *
authorization_of(const char *user_info)
{
	g_autofree char *plain = g_uri_unescape_string(user_info, NULL);
	if (!plain)
		return NULL;

	g_autofree char *encoded = g_base64_encode((const guchar *)plain, strlen(plain));
	return g_strconcat("Basic ", encoded, NULL);
}

/* Fills host, port, path and authorization; false when the URL is none of ours. */
static bool
read_url(Destination *destination)
{
	g_autoptr(GUri) uri = g_uri_parse(destination->url, G_URI_FLAGS_ENCODED, NULL);
	const Scheme *scheme = uri ? find_scheme(g_uri_get_scheme(uri)) : NULL;
	if (!scheme || !g_uri_get_host(uri) || *g_uri_get_host(uri) == '\0')
		return false;

	const char *path = g_uri_get_path(uri);
	const char *query = g_uri_get_query(uri);
	int port = g_uri_get_port(uri);
	destination->kind = scheme->kind;
	destination->host = g_strdup(g_uri_get_host(uri));
	destination->port = port > 0 ? g_strdup_printf("%d", port) : g_strdup(scheme->port);
	destination->path =
	    g_strconcat(*path ? path : "/", query ? "?" : "", query ? query : "", NULL);
	if (g_uri_get_userinfo(uri))
		destination->authorization = authorization_of(g_uri_get_userinfo(uri));
	return true;
}

static bool
add_url(GPtrArray *destinations, const char *app, const json_t *url, GError **error)
{
	g_autoptr(Destination) destination = g_new0(Destination, 1);

	destination->app = g_strdup(app);
	destination->url = g_strdup(json_string_value(url));
	destination->pending = g_string_new(NULL);
	if (!destination->url || !read_url(destination))
		return drain_error_set(error,
		    "DRAINS: a destination of %s is no URL with syslog, syslog+tcp, syslog+tls, "
		    "http or "
		    "https and a host",
		    app);

	g_ptr_array_add(destinations, g_steal_pointer(&destination));
	return true;
}

static bool
add_urls(GPtrArray *destinations, const char *app, const json_t *urls, GError **error)
{
	size_t i;
	json_t *url;

	if (!json_is_array(urls))
		return drain_error_set(error, "DRAINS: %s has to be a list of URLs", app);
	json_array_foreach(urls, i, url) if (!add_url(destinations, app, url, error)) return false;
	return true;
}

GPtrArray *
destinations_parse(const char *text, GError **error)
{
	json_auto_t *drains = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(drains)) {
		drain_error_set(
		    error, "DRAINS has to be an object of apps, each with a list of URLs");
		return NULL;
	}

	g_autoptr(GPtrArray) destinations =
	    g_ptr_array_new_with_free_func((GDestroyNotify)destination_free);
	const char *app;
	json_t *urls;
	json_object_foreach(
	    drains, app, urls) if (!add_urls(destinations, app, urls, error)) return NULL;
	return g_steal_pointer(&destinations);
}

void
destinations_add(GPtrArray *destinations, const char *app, const GString *message)
{
	for (guint i = 0; i < destinations->len; i++) {
		Destination *destination = g_ptr_array_index(destinations, i);
		if (strcmp(destination->app, "*") != 0 && strcmp(destination->app, app) != 0)
			continue;
		g_string_append_len(destination->pending, message->str, (gssize)message->len);
		destination->count++;
	}
}
