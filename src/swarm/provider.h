/*
 * The Swarm provider: one machine that can grow to many. Each part has its own file here, named as
 * its header in core/.
 */
#pragma once

#include "core/provider.h"
#include "swarm/docker.h"

typedef struct {
	const char *rack;          /* name */
	const char *domain;        /* apps are APP-SERVICE.DOMAIN */
	const char *data_folder;   /* store.db, objects/, logs/ */
	const char *run_folder;    /* haproxy.sock, haproxy-master.sock */
	const char *router_folder; /* haproxy.cfg, hosts.map, certificates: shared with the router's
				      container */
	const char *docker_socket;
	const char *host_proc; /* the host's /proc, to see what a process listens on */
	unsigned http_port;
	unsigned https_port;
	unsigned api_port;
	unsigned registry_port;
} SwarmOptions;

Provider *
swarm_provider_new(const SwarmOptions *options, GError **error);

/* SQLite in WAL mode with full durability; migrations by user_version. */
Store *
store_sqlite_new(const char *path, GError **error);

Objects *
objects_files_new(const char *folder, GError **error);

/* One SQLite file a day under `folder`; prune keeps `days` days and at most `bytes` in all. */
Logs *
logs_sqlite_new(const char *folder, unsigned days, gint64 bytes, GError **error);

/* From watch() on also collects the output of every process into `logs` (collector.c). `docker` is
 * shared and outlives the engine. */
Engine *
engine_swarm_new(Docker *docker, Logs *logs, const SwarmOptions *options, GError **error);

Router *
router_haproxy_new(const SwarmOptions *options, GError **error);

/* Where a builder stores images. */
typedef struct {
	const char *host;   /* host:port as the engine reaches it */
	const char *folder; /* before the app in names: «HOST/FOLDER/APP»; or NULL */
	DockerLogin login;  /* also for base images there; without a user: none */
	bool has_tls;
	bool keeps_tags; /* refuses to push a tag again */
} BuilderRegistry;

/* Copies what `registry` says. */
Builder *
builder_docker_new(Docker *docker, const BuilderRegistry *registry, GError **error);

/* Certificates that the router serves; `router` is one of router_haproxy_new and outlives them. */
Certificates *
certificates_files_new(Router *router);

/* What the router's container does before it becomes HAProxy: writes a configuration in which every
 * known backend is empty (503 with Retry-After until the processes are learned anew), and a
 * self-signed default certificate if there is none. */
bool
router_boot(const SwarmOptions *options, GError **error);

/* The arguments that HAProxy is started with after router_boot; NULL-terminated, the caller frees
 * it. */
GStrv
router_command(const SwarmOptions *options);
