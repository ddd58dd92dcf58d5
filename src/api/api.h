/*
 * The rack's HTTP API (docs/api.md): a unix socket behind HAProxy, or a port behind a balancer; a
 * thread a connection, routes in one table.
 */
#pragma once

#include "core/rack.h"

typedef struct Api Api;

typedef struct {
	const char *socket_path;
	unsigned port;        /* TCP, instead of the socket; 0: the socket */
	const char *password; /* never empty */
} ApiOptions;

/* Listens (removes a stale socket first; mode 0660) and serves until freed. The rack is borrowed.
 */
Api *
api_new(Rack *rack, const ApiOptions *options, GError **error);

/* Stops accepting, ends streams, waits for handlers. */
void
api_free(Api *api);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Api, api_free)
