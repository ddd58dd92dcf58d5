/*
 * A request as handlers see it: what was asked, by whom, with which options. Made by the server
 * before it calls a handler; lives until the answer is out.
 */
#pragma once

#include "core/rack.h"

typedef struct {
	Rack *rack;            /* borrowed */
	char *method;          /* upper case */
	char *path;            /* as it came, still percent-encoded */
	char *query_text;      /* after the first «?», without one «?» at its end */
	GHashTable *variables; /* of the path, decoded */
	GHashTable *query;
	GHashTable *form;
	GHashTable *headers;  /* by lower-case name; the first of several counts */
	GString *body;        /* empty for routes that receive it in pieces */
	gint64 length;        /* declared length of the body, -1 when it was not */
	GCancellable *cancel; /* the peer has gone, or the API stops */
	gpointer upload;      /* of a handler that receives the body in pieces */
	GDestroyNotify upload_free;
} Request;

/* `target` is the request line's. Query and form are empty until request_parse_*. */
Request *
request_new(Rack *rack, const char *method, const char *target);

void
request_free(Request *request);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Request, request_free)

/* Keeps the first header of a name. */
void
request_add_header(Request *request, const char *name, const char *value);

bool
request_parse_query(Request *request, GError **error);

/* Reads the body as a form if its content type says so. */
bool
request_parse_form(Request *request, GError **error);

Provider *
request_provider(const Request *request);

/* A variable of the route's pattern; never NULL. */
const char *
request_variable(const Request *request, const char *name);

/* NULL when absent. */
const char *
request_header(const Request *request, const char *name);

/* An option from the form, else the query. NULL when absent; «» is a value. */
const char *
request_option(const Request *request, const char *name);

/* The same, else the header of that name. */
const char *
request_value(const Request *request, const char *name);

/* An option that must be there; INVALID «name is required». */
const char *
request_required(const Request *request, const char *name, GError **error);

/* Exactly «true» is true; `fallback` when absent. */
bool
request_bool(const Request *request, const char *name, bool fallback);

/* `value` is left alone when the option is absent. */
bool
request_int(const Request *request,
    const char *name,
    gint64 minimum,
    gint64 maximum,
    gint64 *value,
    GError **error);

/* A time: RFC 3339, or a duration («5m0s») before now. `value` is left alone when absent. */
bool
request_time(const Request *request, const char *name, gint64 *value, GError **error);

/* A map (an encoded query string within the form) as an object of text; NULL when absent. */
bool
request_map(const Request *request, const char *name, json_t **map, GError **error);

/* True if the Accept header lists this type by name. */
bool
request_accepts(const Request *request, const char *type);

/* Who asks, for locks and histories: the actor header's printable characters, or «api». The caller
 * frees it. */
char *
request_actor(const Request *request);

/* The app of the path; NOT_FOUND «no such app: x». */
App *
request_app(const Request *request, GError **error);
