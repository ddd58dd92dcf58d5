/*
 * The server's side of a WebSocket handshake, up to the answer's header.
 */
#pragma once

#include "api/request.h"

/* Checks version, key and origin; the value for Sec-WebSocket-Accept, which the caller frees. */
char *
handshake_accept(const Request *request, GError **error);
