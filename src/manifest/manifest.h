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
	bool is_disabled;
	unsigned port; /* another one than the service's; 0: that one */
	char *port_scheme;
} ManifestHealth;

/* A port besides the one that is routed; of a compose file: each that it publishes. */
typedef struct {
	unsigned port;
	unsigned published; /* of a compose file, on the host; 0: none */
	char *protocol;     /* tcp, udp */
	char *address;      /* of a compose file, of the host; NULL: all */
} ManifestPort;

/* A database or cache of the app. */
typedef struct {
	char *name;
	char *type;
	char *image;     /* or NULL */
	json_t *options; /* name → text; never NULL */
	unsigned line;
} ManifestResource;

/* A command that runs on a schedule in a service's image. */
typedef struct {
	char *name;
	char *service;
	char *schedule;    /* five fields of cron in UTC, or six with a year */
	GStrv command;     /* argv, or NULL for the image's own */
	char *concurrency; /* allow, forbid, replace; NULL: not said */
	unsigned parallel; /* how many run at once for one firing; 0: not said */
	json_t *more;      /* annotations, policies; or NULL */
	unsigned line;
} ManifestTimer;

/* What runs once on the image of a new release, before it goes live. */
typedef struct {
	GStrv command; /* NULL: nothing */
	char *service; /* whose image; NULL: the first one that is built */
} ManifestRelease;

/* A limit of the kernel on a process, as «nofile». */
typedef struct {
	char *name;
	gint64 soft; /* -1: none */
	gint64 hard;
} ManifestLimit;

typedef enum {
	MANIFEST_MOUNT_MEMORY,  /* a file system in memory */
	MANIFEST_MOUNT_VOLUME,  /* kept; of the app when it has a name, else of the service */
	MANIFEST_MOUNT_MACHINE, /* a folder of the machine */
} ManifestMountKind;

typedef struct {
	ManifestMountKind kind;
	char *source; /* a volume's name or a folder; NULL: none */
	char *target;
	gint64 size;   /* of one in memory, bytes; 0: not said */
	unsigned mode; /* of one in memory; 0: not said */
	bool is_read_only;
} ManifestMount;

/* How a process is run, besides its command. Zero and NULL: as the image says. */
typedef struct {
	char *user;
	char *folder; /* that it starts in */
	char *stop_signal;
	GStrv groups;
	GStrv capabilities_added;
	GStrv capabilities_dropped;
	GStrv hosts;       /* «name:address» */
	GPtrArray *limits; /* of ManifestLimit; never NULL */
	GPtrArray *mounts; /* of ManifestMount; never NULL */
	bool is_read_only; /* but for its mounts */
} ManifestProcess;

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
	bool is_internal_and_external;
	bool is_internal_router;
	bool is_singleton;
	bool is_sticky;
	bool has_init;
	bool is_privileged;
	bool is_agent; /* one process on each machine */
	bool redirects_to_tls;
	unsigned timeout; /* seconds that a request may take */
	char *test;       /* for a run of the app's own tests, or NULL */
	GStrv entrypoint; /* argv instead of the image's ENTRYPOINT, or NULL */
	ManifestProcess process;
	GStrv optional;   /* names that are handed on when they are set; never NULL */
	GStrv links;      /* names of services; never NULL */
	GStrv resources;  /* «name» or «name:VARIABLE»; never NULL */
	GStrv volumes;    /* «path» or «source:path»; never NULL */
	GPtrArray *ports; /* of ManifestPort */
	json_t *scaling;  /* autoscale, targets, … by key; or NULL */
	json_t *more;     /* what only other racks act on, by key; or NULL */
	unsigned line;    /* where it stands in the file */
} ManifestService;

#define MANIFEST_DEFAULT_CPU 256
#define MANIFEST_DEFAULT_MEMORY 512

typedef struct {
	char *file; /* what it was read from: «convox.yml», «docker-compose.yml», … */
	unsigned generation;  /* of Convox, whose defaults were taken; 0: Carrack's own */
	GPtrArray *services;  /* of ManifestService, in file order */
	GPtrArray *resources; /* of ManifestResource */
	GPtrArray *timers;    /* of ManifestTimer */
	json_t *balancers;    /* {name, service, ports, …} in file order */
	ManifestRelease release;
	json_t *more; /* the other top-level keys; or NULL */
	/* Of char *, «file:line:column: path: …». */
	GPtrArray *warnings; /* unknown keys and the like */
	GPtrArray *refusals; /* what this rack does not run, as passing over it would do harm */
	GPtrArray *powers;   /* what needs the app's parameter HostAccess */
} Manifest;

typedef struct {
	const Env *env;      /* for interpolation; may be NULL */
	unsigned generation; /* 2 or 3: the keys and defaults of that one of Convox; 0: Carrack's */
	bool is_strict;      /* unknown keys are errors */
} ManifestOptions;

/* Decodes `text`: a convox.yml, or what manifest_read made of another file. `file` is for errors.
 * On failure the error's text holds every problem, one a line. */
Manifest *
manifest_parse_with(const char *text,
    gsize length,
    const char *file,
    const ManifestOptions *options,
    GError **error);

/* The same with no option but `env`. */
Manifest *
manifest_parse(const char *text, gsize length, const char *file, const Env *env, GError **error);

/* Fails with the refusals, one a line; unless the app has power over the machine, with what asks
 * for that too. */
bool
manifest_check_rack(const Manifest *manifest, bool has_power, GError **error);

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
 * «*»), defaults filled in, and optional ones that are set. */
Env *
manifest_service_env(const ManifestService *service, const Env *env);
