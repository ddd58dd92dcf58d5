/*
 * Turns the set of backends into HAProxy's configuration. The same set always gives the same text;
 * nothing here talks to HAProxy or reads a file. Written for the syntax of 2.6 (Debian 12).
 *
 * Servers are slots: there from the beginning, disabled while empty, because «del server» of 2.6.12
 * crashes the process (haproxy #2298). Texts from outside were checked in router-backend.c.
 */
#include "swarm/haproxy-config.h"

#include <string.h>

/* Files that one process may open: twice the connections it may hold, and a spare. HAProxy takes
 * the lower of this and its own limit, and sizes maxconn by it. */
#define FILES_AT_MOST 40500

static void
write_global(GString *text, const SwarmOptions *options)
{
	g_string_append_printf(text,
	    "# Written by carrackd; changes made by hand are lost.\n"
	    "global\n"
	    "\tstats socket %s/" ROUTER_SOCKET " mode 600 level admin expose-fd listeners\n"
	    "\tstats timeout 10s\n"
	    "\tlog stdout format raw daemon err\n"
	    "\tfd-hard-limit %d\n"
	    "\thard-stop-after 1h\n"
	    "\ttune.bufsize 65536\n"
	    "\ttune.maxrewrite 2048\n"
	    "\ttune.http.maxhdr 256\n"
	    "\tssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets\n\n",
	    options->run_folder, FILES_AT_MOST);
}

/* Timeouts are of idleness: a slow upload or a stream with a part now and then goes on for hours.
 */
static void
write_defaults(GString *text, const SwarmOptions *options)
{
	g_string_append_printf(text,
	    "defaults\n"
	    "\tmode http\n"
	    "\tlog global\n"
	    "\toption httplog\n"
	    "\toption dontlog-normal\n"
	    "\toption log-separate-errors\n"
	    "\toption idle-close-on-response\n"
	    "\toption redispatch 1\n"
	    "\tretries 3\n"
	    "\tretry-on conn-failure empty-response 0rtt-rejected\n"
	    "\ttimeout connect 500ms\n"
	    "\ttimeout client 5m\n"
	    "\ttimeout server 5m\n"
	    "\ttimeout tunnel 1h\n"
	    "\ttimeout http-request 30s\n"
	    "\ttimeout http-keep-alive 60s\n"
	    "\ttimeout queue 5s\n"
	    "\terrorfile 503 %s/" ROUTER_PAGE_EMPTY "\n\n",
	    options->router_folder);
}

/* «accept-invalid-http-request» is what makes 2.6 take «GET http://a/ HTTP/1.1» with another Host
 * (RFC 9112, 3.2.2: the Host is to be ignored). All else that it lets in is refused again here. */
static void
write_strictness(GString *text)
{
	g_string_append(text, "\toption accept-invalid-http-request\n"
			      "\thttp-request deny deny_status 400 unless { req.ver 1.0 1.1 2.0 }\n"
			      "\thttp-request deny deny_status 400 if { req.hdr_names(:) -m reg "
			      "\"[^!#\\$%&'*+.^_`|~0-9A-Za-z:-]\" }\n"
			      "\thttp-request deny deny_status 400 if { url -m reg '[^!-~]|#' }\n"
			      "\thttp-request deny deny_status 400 if { req.hdrs -m reg '\\x00' }\n"
			      "\thttp-request deny deny_status 405 if METH_CONNECT\n");
}

/* What a client says of itself in these headers is never believed. */
static void
write_headers(GString *text, const SwarmOptions *options)
{
	static const char *const forged[] = {"Forwarded", "X-Forwarded-Host", "X-Forwarded-Server",
	    "X-Forwarded-Prefix", "X-Real-IP"};

	for (gsize i = 0; i < G_N_ELEMENTS(forged); i++)
		g_string_append_printf(text, "\thttp-request del-header %s\n", forged[i]);
	g_string_append_printf(text,
	    "\thttp-request set-header X-Forwarded-For %%[src]\n"
	    "\thttp-request set-header X-Forwarded-Port %%[dst_port]\n"
	    "\thttp-request set-header X-Forwarded-Proto http\n"
	    "\thttp-request set-header X-Forwarded-Proto https if { dst_port %u }\n"
	    "\thttp-request set-header X-Request-Id %%[uuid()] unless { req.hdr(x-request-id) -m "
	    "found }\n"
	    "\thttp-request disable-l7-retry unless METH_GET\n",
	    options->https_port);
}

/* The host is the request line's if it has one, else the Host header's; exact before wildcard. */
static void
write_lookup(GString *text, const SwarmOptions *options)
{
	const char *authority = "url,field(3,/),field(1,?),field(-1,@)";
	const char *is_absolute = "{ url_beg -i http:// https:// }";

	g_string_append_printf(text,
	    "\thttp-request set-header Host %%[%s] if %s { req.ver 1.0 1.1 }\n"
	    "\thttp-request set-var(txn.host) req.fhdr(host),lower,field(1,:),rtrim(.)\n"
	    "\thttp-request set-var(txn.backend) var(txn.host),map_str(%s/" ROUTER_HOSTS ")\n"
	    "\thttp-request set-var(txn.backend) "
	    "var(txn.host),field(2,.,0),map_str(%s/" ROUTER_WILDCARDS
	    ") unless { var(txn.backend) -m found }\n",
	    authority, is_absolute, options->router_folder, options->router_folder);
}

/* A worker that is being replaced still gets requests on connections that were idle. It cannot be
 * told of new addresses any more («Proxy is disabled»), so it hands such requests to its successor,
 * which knows who is alive. */
static void
write_door(GString *text, const SwarmOptions *options)
{
	g_string_append_printf(text,
	    "frontend door\n"
	    "\tbind :%u\n"
	    "\tbind :%u ssl crt %s/" ROUTER_CERTIFICATE " crt-list %s/" ROUTER_CERTIFICATES
	    " alpn h2,http/1.1\n"
	    "\tbind unix@%s/" ROUTER_SUCCESSOR_SOCKET " mode 600 accept-proxy\n",
	    options->http_port, options->https_port, options->router_folder, options->router_folder,
	    options->run_folder);
	write_strictness(text);
	write_lookup(text, options);
	write_headers(text, options);
	/* The API's password never travels in the clear: plain HTTP is for the loopback port alone.
	 */
	g_string_append_printf(text,
	    "\thttp-request return status 403 content-type text/plain string \"the rack is spoken "
	    "to by "
	    "https\" if { var(txn.host) -m str rack.%s } !{ dst_port %u }\n",
	    options->domain, options->https_port);
	g_string_append_printf(text,
	    "\tuse_backend api if { var(txn.host) -m str rack.%s }\n"
	    "\tuse_backend successor if { stopping }\n"
	    "\tuse_backend %%[var(txn.backend)] if { var(txn.backend) -m found }\n"
	    "\tdefault_backend unknown\n\n",
	    options->domain);
}

static void
write_api(GString *text, const SwarmOptions *options)
{
	g_string_append_printf(
	    text, "frontend api-local\n\tbind 127.0.0.1:%u\n", options->api_port);
	write_strictness(text);
	write_headers(text, options);
	g_string_append_printf(text,
	    "\tdefault_backend api\n\n"
	    "backend api\n"
	    "\ttimeout server 1h\n"
	    "\terrorfile 503 %s/" ROUTER_PAGE_API "\n"
	    "\tserver carrackd unix@%s/api.sock\n\n",
	    options->router_folder, options->run_folder);
}

static void
write_fixed_backends(GString *text, const SwarmOptions *options)
{
	g_string_append_printf(text,
	    "backend successor\n"
	    "\tserver door unix@%s/" ROUTER_SUCCESSOR_SOCKET " send-proxy-v2\n\n"
	    "backend unknown\n"
	    "\thttp-request return status 404 content-type \"text/html; charset=utf-8\" file "
	    "%s/" ROUTER_PAGE_UNKNOWN " hdr Cache-Control no-store\n",
	    options->run_folder, options->router_folder);
}

/* A path that a manifest names has to be good; «/» is what is asked when it names none, and there
 * any answer but a server's own error proves that the process is alive. gRPC has no GET. */
static void
write_check(GString *text, const Backend *backend)
{
	bool is_http =
	    g_str_equal(backend->scheme, "http") || g_str_equal(backend->scheme, "https");
	if (!is_http || !backend->health_path)
		return;

	/* Without «linger» HAProxy resets the connection after the status line, and servers that
	 * write head and body apart complain at every check. */
	bool is_declared = !g_str_equal(backend->health_path, "/");
	g_string_append_printf(text,
	    "\toption httpchk\n"
	    "\thttp-check connect default linger\n"
	    "\thttp-check send meth GET uri \"%s\" ver HTTP/1.1 hdr Host \"%s\" hdr User-Agent "
	    "carrack-health\n"
	    "\thttp-check expect %s\n",
	    backend->health_path, backend->health_host,
	    is_declared ? "status 200-399,401" : "rstatus ^[1-4]");
}

static void
write_slot(GString *text, const Backend *backend, const Slot *slot)
{
	g_autofree char *name = backend_slot_name(backend, slot);

	if (slot->state == SLOT_FREE) {
		g_string_append_printf(text, "\tserver %s 127.0.0.1:1 disabled\n", name);
		return;
	}
	bool is_v6 = strchr(slot->address, ':') != NULL;
	g_string_append_printf(text, "\tserver %s %s%s:%u%s\n", name, is_v6 ? "ipv6@" : "",
	    slot->address, slot->port, slot->state == SLOT_DRAIN ? " disabled" : "");
}

static void
write_backend(GString *text, const Backend *backend)
{
	const char *transport = g_str_equal(backend->scheme, "https")  ? " ssl verify none"
				: g_str_equal(backend->scheme, "grpc") ? " proto h2"
								       : "";

	g_string_append_printf(text, "\nbackend %s\n\tbalance roundrobin\n", backend->name);
	/* A dynamic cookie is made from the server's address, so it follows the process, not the
	 * slot. */
	if (backend->is_sticky)
		g_string_append(text, "\tcookie carrack insert indirect nocache httponly dynamic\n"
				      "\tdynamic-cookie-key carrack\n");
	write_check(text, backend);
	g_string_append_printf(text,
	    "\ttimeout check %us\n"
	    "\tdefault-server check inter %us fastinter 500ms downinter 500ms rise 1 fall 2 "
	    "observe layer4 error-limit 1 on-error mark-down%s\n",
	    backend->health_timeout, backend->health_interval, transport);
	for (unsigned i = 0; i < backend->slots->len; i++)
		write_slot(text, backend, backend->slots->pdata[i]);
}

static int
compare_backends(gconstpointer one, gconstpointer other)
{
	const Backend *first = *(Backend *const *)one;
	const Backend *second = *(Backend *const *)other;

	return strcmp(first->name, second->name);
}

char *
haproxy_config_text(const SwarmOptions *options, const GPtrArray *backends)
{
	GString *text = g_string_new(NULL);
	write_global(text, options);
	write_defaults(text, options);
	write_door(text, options);
	write_api(text, options);
	write_fixed_backends(text, options);

	g_autoptr(GPtrArray) sorted = g_ptr_array_new();
	for (unsigned i = 0; i < backends->len; i++)
		g_ptr_array_add(sorted, backends->pdata[i]);
	g_ptr_array_sort(sorted, compare_backends);
	for (unsigned i = 0; i < sorted->len; i++)
		write_backend(text, sorted->pdata[i]);
	return g_string_free(text, FALSE);
}

static int
compare_lines(gconstpointer one, gconstpointer other)
{
	return strcmp(*(const char *const *)one, *(const char *const *)other);
}

static char *
map_text(const GPtrArray *backends, bool wildcards)
{
	g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

	for (unsigned i = 0; i < backends->len; i++) {
		const Backend *backend = backends->pdata[i];
		for (GStrv host = backend->hosts; *host; host++) {
			bool is_wildcard = g_str_has_prefix(*host, "*.");
			if (is_wildcard == wildcards)
				g_ptr_array_add(
				    lines, g_strdup_printf("%s %s\n", *host + (is_wildcard ? 2 : 0),
					       backend->name));
		}
	}
	g_ptr_array_sort(lines, compare_lines);
	g_ptr_array_add(lines, NULL);
	return g_strjoinv("", (char **)lines->pdata);
}

char *
haproxy_config_hosts(const GPtrArray *backends)
{
	return map_text(backends, false);
}

char *
haproxy_config_wildcards(const GPtrArray *backends)
{
	return map_text(backends, true);
}
