/*
 * Handshakes of RFC 6455. The origin must be this very host: a page of another site could otherwise
 * open a socket with the credentials that a browser remembers.
 */
#include "api/handshake.h"

#include "base/websocket.h"

#include <string.h>

static bool
check_origin(const Request *request, GError **error)
{
	const char *origin = request_header(request, "origin");
	const char *host = request_header(request, "host");
	const char *start = origin ? strstr(origin, "://") : NULL;
	if (!origin || (host && start && !g_ascii_strcasecmp(start + strlen("://"), host)))
		return true;

	return error_set(error, CARRACK_ERROR_FORBIDDEN, "origin %s is not this host", origin);
}

char *
handshake_accept(const Request *request, GError **error)
{
	const char *version = request_header(request, "sec-websocket-version");
	const char *key = request_header(request, "sec-websocket-key");
	if (!key || !key[0] || !version || strcmp(version, "13")) {
		error_set(error, CARRACK_ERROR_INVALID,
		    "a WebSocket handshake needs Sec-WebSocket-Version 13 and a "
		    "Sec-WebSocket-Key");
		return NULL;
	}
	if (!check_origin(request, error))
		return NULL;

	return websocket_accept_key(key);
}
