/*
 * The Docker engine's API: one call each way, JSON both ways, its errors turned into ours. Knows
 * nothing of racks. Speaks the version that both sides have, from 1.41 (engine 20.10) on.
 */
#pragma once

#include "base/http.h"
#include "base/json.h"

typedef struct Docker Docker;

#define DOCKER_API_MINIMUM "1.41"
#define DOCKER_API_MAXIMUM "1.44"

/* Negotiates the version; UNAVAILABLE when the socket does not answer, UPSTREAM «engine too old: …»
 * below the minimum. */
Docker *
docker_new(const char *socket_path, GError **error);

void
docker_free(Docker *docker);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Docker, docker_free)

/* One call: `path` without the version («/services/create»), `body` NULL or sent as JSON. The
 * answer's JSON (json_null() when it is empty); a status of 400 and more is an error of
 * error_from_status with the engine's message. `format`ted path: arguments must be escaped. */
json_t *
docker_call(
    Docker *docker, const char *method, const json_t *body, GError **error, const char *format, ...)
    G_GNUC_PRINTF(5, 6);

/* The same without a JSON answer, any HttpRequest (path without the version). A status of 400 and
 * more is an error here too; a 500 is CARRACK_ERROR_UPSTREAM, a node without Swarm UNAVAILABLE. */
HttpAnswer *
docker_request(Docker *docker, const HttpRequest *request, GCancellable *cancel, GError **error);

/* A hijacked stream (exec, attach). */
HttpConnection *
docker_upgrade(Docker *docker, const HttpRequest *request, GCancellable *cancel, GError **error);

/* Splits the engine's 8-byte frames. `take` gets stream 1 (out) or 2 (err) and the bytes. State is
 * kept in the struct between pieces; start with {0}. In `take`, `left` is what is to come of the
 * frame, so 0 is its end. */
typedef struct {
	unsigned char header[8];
	unsigned header_length;
	gsize left; /* of the present frame */
	unsigned stream;
} DockerFrames;

typedef bool (*DockerTake)(
    gpointer data, unsigned stream, const void *bytes, gsize length, GError **error);

bool
docker_frames_feed(DockerFrames *frames,
    const void *bytes,
    gsize length,
    DockerTake take,
    gpointer data,
    GError **error);

/* Splits a stream of JSON lines (build, push, pull, events): `take` borrows each value. Start with
 * {0}; docker_lines_clear frees. */
typedef struct {
	GString *buffer;
	bool (*take)(gpointer data, json_t *line, GError **error);
	gpointer data;
} DockerLines;

/* An HttpWrite over DockerLines. */
bool
docker_lines_feed(gpointer lines, const void *bytes, gsize length, GError **error);

void
docker_lines_clear(DockerLines *lines);

/* Who we are at a registry. */
typedef struct {
	const char *user;
	const char *password;
} DockerLogin;

/* The header «X-Registry-Auth: …» of pushes and pulls; the engine wants it even from those who have
 * nothing to say (`login` NULL or without a user). The caller frees it. */
char *
docker_login_header(const DockerLogin *login);

/* The same for a build, which may begin with images of that registry; NULL without a user. */
char *
docker_logins_header(const char *host, const DockerLogin *login);

typedef struct {
	const char *repository; /* «host:port/name»: there is a local image «repository:tag» */
	const char *tag;
	const DockerLogin *login; /* or NULL */
	/* What becomes of a layer: «Preparing», «Pushing», «Pushed», «Layer already exists». Or
	 * NULL. */
	void (*progress)(gpointer data, const char *layer, const char *status);
	gpointer progress_data;
	unsigned timeout_ms; /* 0: none */
} DockerPush;

/* Pushes an image and returns its digest at the registry, which the caller frees. */
char *
docker_push(Docker *docker, const DockerPush *push, GCancellable *cancel, GError **error);
