/*
 * The table of routes: method, pattern, who may, and which handler answers.
 */
#pragma once

#include "api/auth.h"
#include "api/request.h"
#include "api/sink.h"
#include "base/websocket.h"

typedef enum {
	ROUTE_JSON,      /* `json` answers with a value */
	ROUTE_OK,        /* `act` does it; the answer is «ok» */
	ROUTE_FILE,      /* `file` answers with an open file */
	ROUTE_LINES,     /* `stream` over HTTP, for «Accept: application/x-ndjson» */
	ROUTE_TAR,       /* `stream` over HTTP: an archive */
	ROUTE_WEBSOCKET, /* `stream` over a WebSocket */
	ROUTE_DUPLEX,    /* `duplex` over a WebSocket: both ways */
	ROUTE_CHECK,     /* «ok» without a newline */
	ROUTE_ABSENT,    /* 501 with `absent` */
} RouteKind;

typedef json_t *(*HandlerJson)(Request *request, GError **error);
typedef bool (*HandlerAct)(Request *request, GError **error);
typedef int (*HandlerFile)(Request *request, GError **error); /* -1 on failure */
typedef bool (*HandlerStream)(Request *request, Sink *sink, GError **error);
/* Its error is told as «ERROR: …»; false without one when it has told by itself. */
typedef bool (*HandlerDuplex)(Request *request, WebSocket *socket, GError **error);
/* Takes a body in pieces, into request->upload; first with none, to refuse early. */
typedef bool (*HandlerReceive)(Request *request, const void *bytes, gsize length, GError **error);

typedef struct {
	const char *method;
	const char *pattern;
	Role role;
	RouteKind kind;
	HandlerJson json;
	HandlerAct act;
	HandlerFile file;
	HandlerStream stream;
	HandlerDuplex duplex;
	HandlerReceive receive;
	const char *absent;
} Route;

/* The route for a request's method, path, Upgrade and Accept; fills request->variables. NULL:
 * unknown, which is 404 with an empty body. */
const Route *
route_find(Request *request);

/* True if the route is asked for with an upgrade. */
bool
route_is_socket(const Route *route);

/* The whole table, for tests and the documentation's check. */
const Route *
routes_all(gsize *count);
