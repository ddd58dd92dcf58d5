/*
 * What base/http.c and base/http-connection.c share and nobody else needs: the client's fields, and
 * a connection made by libcurl on which we speak ourselves.
 */
#pragma once

#include "base/http.h"

#include <pthread.h>

struct HttpClient {
	char *base_url, *unix_socket, *user, *password, *ca_file, *user_agent;
	bool insecure, is_tls, is_local;
	struct curl_slist *connect_to; /* NULL: base_url's host */
	unsigned connect_timeout_ms;
	char *place;     /* for errors: host:port or the socket's path; NULL: bad base_url */
	char *host;      /* as in a Host header */
	char *base_path; /* of base_url, without a slash at the end */
	pthread_mutex_t lock;
	GPtrArray *idle; /* HttpLine */
};

typedef struct HttpLine HttpLine;

#define HTTP_LINE_NOT_NOW (-2)

/* Refuses what must not reach a head: line breaks, blanks in the path, a bad base_url. */
bool
http_check_request(const HttpClient *client, const HttpRequest *request, GError **error);

/* Connects, TLS and proxies included, and says nothing yet. */
HttpLine *
http_line_connect(
    HttpClient *client, const HttpRequest *request, GCancellable *cancel, GError **error);

void
http_line_free(HttpLine *line);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpLine, http_line_free)

int
http_line_fd(HttpLine *line);

/* Both never wait: the count (0 when receiving: the end), -1 with `error` set, HTTP_LINE_NOT_NOW.
 * Two threads may use one line. */
gssize
http_line_receive(HttpLine *line, void *buffer, gsize size, GError **error);

gssize
http_line_send(HttpLine *line, const void *bytes, gsize length, GError **error);
