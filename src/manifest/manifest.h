/*
 * The manifest: what an app's services are and how they want to run. Decoded from convox.yml by a
 * table of fields; all errors come in one run, each with file:line:column and path.
 *
 * Interpolation: `${NAME}` in the file is replaced from the environment before parsing (empty when
 * unset).
 */
#pragma once

#include "base/env.h"

typedef struct {
	char *path;      /* folder of the build context, relative to the manifest's folder; NULL: no
			    build */
	char *manifest;  /* Dockerfile, relative to path */
	char *target;    /* stage, or NULL */
	GStrv arguments; /* «NAME=value» or «NAME», never NULL */
} ManifestBuild;

typedef struct {
	char *path;        /* HTTP path, «/» by default */
	bool is_declared;  /* the manifest names a path; without, any answer under 500 is healthy */
	unsigned grace;    /* seconds until the first good answer is due */
	unsigned interval; /* seconds between checks */
	unsigned timeout;  /* seconds for one check */
} ManifestHealth;

typedef struct {
	char *name;
	ManifestBuild build;
	char *image;       /* runs this instead of a build, or NULL */
	GStrv command;     /* argv, or NULL for the image's own */
	char *port_scheme; /* http, https, grpc, tcp */
	unsigned port;     /* 0: none, a worker */
	ManifestHealth health;
	GStrv environment; /* «NAME» (required), «NAME=default», «*», top-level ones first; never
			      NULL */
	unsigned count_minimum;
	unsigned count_maximum;
	unsigned cpu; /* 1024 = one core; 0: not declared, nothing reserved */
	unsigned
	    memory; /* MiB; 0: not declared, nothing reserved, limited to MANIFEST_DEFAULT_MEMORY */
	GStrv domains;               /* never NULL */
	unsigned deployment_minimum; /* percent of the count that serves all the time */
	unsigned deployment_maximum; /* percent of the count that may run at once */
	unsigned drain;              /* seconds that in-flight requests get */
	unsigned termination;        /* seconds from SIGTERM to SIGKILL */
	bool is_internal;
	bool is_singleton;
	bool is_sticky;
	bool has_init;
	unsigned line; /* where it stands in the file */
} ManifestService;

#define MANIFEST_DEFAULT_CPU 256
#define MANIFEST_DEFAULT_MEMORY 512

typedef struct {
	GPtrArray *services; /* of ManifestService, in file order */
	GPtrArray
	    *warnings; /* of char *: «file:line:column: path: …» (unknown keys and the like) */
} Manifest;

/* Decodes `text`. `file` is for errors; `env` (may be NULL) for interpolation. On failure the
 * error's text holds every problem, one a line. */
Manifest *
manifest_parse(const char *text, gsize length, const char *file, const Env *env, GError **error);

/* The manifest of a folder with only a Dockerfile: one service `web` with build `.`, the port that
 * it exposes (none: it has no way in) and all of the environment. One that exposes several does not
 * say enough: the error asks for a convox.yml. As text, to be stored and parsed like any other. The
 * caller frees it. */
char *
manifest_for_dockerfile(const char *dockerfile_text, GError **error);

void
manifest_free(Manifest *manifest);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Manifest, manifest_free)

/* Borrowed, or NULL. */
const ManifestService *
manifest_service(const Manifest *manifest, const char *name);

/* Fails with «required env: A, B» (sorted, of all services) when a declared variable has neither
 * value nor default. */
bool
manifest_check_env(const Manifest *manifest, const Env *env, GError **error);

/* What a process of the service gets from the app's environment: declared names only (all with
 * «*»), defaults filled in. */
Env *
manifest_service_env(const ManifestService *service, const Env *env);
