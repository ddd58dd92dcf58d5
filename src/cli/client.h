/*
 * The rack that a verb talks to: which one it is, how it is reached, and its answers as JSON or as
 * an error of one line. RACK_URL goes before --rack, that before CARRACK_RACK, and the current rack
 * of the configuration comes last. A rack on this machine is reached over its socket when that
 * takes connections, so that it can be repaired while its router is down.
 */
#pragma once

#include "base/http.h"
#include "base/json.h"
#include "base/websocket.h"
#include "cli/config.h"

typedef struct Client Client;

/* `wanted` is --rack, or NULL. Nothing is sent yet. */
Client *
client_open(const char *wanted, GError **error);

/* A client of this rack; the strings are copied. */
Client *
client_new(const ConfigRack *rack, GError **error);

void
client_free(Client *client);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Client, client_free)

/* Its name in the configuration, or its address when it is only known by one. */
const char *
client_name(const Client *client);

/* The address without user and password. */
const char *
client_address(const Client *client);

/* True when the server's certificate is not verified. */
bool
client_is_insecure(const Client *client);

/* Calls that take longer fail; 0: no limit. */
void
client_set_timeout(Client *client, unsigned milliseconds);

/* «/a/b/c» with each part encoded; ends with NULL. The caller frees it. */
char *
client_path(const char *part, ...) G_GNUC_NULL_TERMINATED;

/* Appends «name=value», encoded, to a form or a query; nothing when the value is NULL. */
void
client_form(GString *form, const char *name, const char *value);

/* The JSON of an answer. A refusal is an error with the server's own words. */
json_t *
client_get(Client *client, const char *path, GCancellable *cancel, GError **error);

/* Sends a form (NULL: none). The answer's JSON goes to `answer` unless NULL; JSON null when the
 * answer is only «ok». */
bool
client_send(Client *client,
    const char *method,
    const char *path,
    const char *form,
    json_t **answer,
    GCancellable *cancel,
    GError **error);

/* The body of a GET goes to `take`. */
bool
client_download(Client *client,
    const char *path,
    HttpWrite take,
    gpointer data,
    GCancellable *cancel,
    GError **error);

/* Posts a body of unknown length. */
bool
client_upload(Client *client,
    const char *path,
    HttpRead read,
    gpointer data,
    json_t **answer,
    GCancellable *cancel,
    GError **error);

/* Opens a WebSocket at `path` and gives what comes to `take` until the server ends it (true) or
 * `take` does. A first message «ERROR: …» is an error. */
bool
client_stream(Client *client,
    const char *path,
    const char *const *headers,
    HttpWrite take,
    gpointer data,
    GCancellable *cancel,
    GError **error);

/* A WebSocket of the rack. */
WebSocket *
client_socket(Client *client,
    const char *path,
    const char *const *headers,
    GCancellable *cancel,
    GError **error);

/* Turns a message «ERROR: …» into an error. Always returns false. */
bool
client_refusal(const Client *client, const char *message, GError **error);
