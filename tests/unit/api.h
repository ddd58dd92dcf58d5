/*
 * An API over the fake provider on a socket in a temporary folder, and ways to talk to it. Shared
 * by the test-api-* programs.
 */
#pragma once

#include "api/api.h"
#include "base/http.h"
#include "base/websocket.h"
#include "fake/fake.h"

#define PASSWORD "s3cret-pass"

typedef struct {
	Provider *provider; /* the rack's */
	Rack *rack;
	Api *api;
	HttpClient *client; /* with the password */
	char *folder;
	char *socket_path;
} TestApi;

TestApi *
test_api_new(void);

void
test_api_free(TestApi *test);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestApi, test_api_free)

/* Calls; `form` is an encoded form or NULL. The test fails if there is no answer. */
HttpAnswer *
test_call(TestApi *test, const char *method, const char *path, const char *form);

/* Calls and compares status and body. */
void
test_expect(TestApi *test,
    const char *method,
    const char *path,
    const char *form,
    unsigned status,
    const char *body);

/* The answer of a GET that must be 200, as a value the caller owns. */
json_t *
test_get(TestApi *test, const char *path);

/* Sends bytes as they are and returns all that comes until the server closes. */
char *
test_raw(TestApi *test, const char *bytes);

/* A WebSocket with the password (and `header`, may be NULL). */
WebSocket *
test_socket(TestApi *test, const char *path, const char *header);

/* Text up to the end frame or the close; frames joined. `ended` (may be NULL) tells of an end
 * frame. */
char *
test_read_all(WebSocket *socket, bool *ended);

/* One text frame. */
char *
test_read_frame(WebSocket *socket);

void
test_log(TestApi *test, const char *app, const char *process, gint64 time, const char *text);

/* Waits until `check` holds; fails the test after ten seconds. */
void
test_wait(bool (*check)(gpointer data), gpointer data);
