/*
 * HAProxy's two sockets: one command, one answer. The runtime socket belongs to the present worker;
 * the master socket replaces workers and reaches the old ones. A call takes at most two seconds
 * (reload: twenty) and fails with CARRACK_ERROR_UPSTREAM that names the command.
 *
 * Commands are made of checked names only. «del server» is never used: it crashes 2.6.12.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

/* A line of «show servers state». */
typedef struct {
	char *backend;
	char *server;
	char *address;
	unsigned port;
	unsigned operation; /* 0: stopped, 1: starting, 2: running, 3: stopping */
	unsigned admin;     /* bits: see haproxy_state_is_* */
} HaproxyState;

/* A line of «show servers conn». */
typedef struct {
	char *backend;
	char *server;
	char *address;
	unsigned port;
	unsigned used; /* connections with a request in flight */
} HaproxyLoad;

/* «show proc» of the master. */
typedef struct {
	gint64 worker;   /* 0: none */
	unsigned failed; /* reloads that did not come up */
	GArray *old;     /* gint64: workers that still finish what they have */
} HaproxyProcesses;

typedef struct {
	gint64 pid;
	gint64 started; /* seconds since 1970 */
	bool is_stopping;
} HaproxyInfo;

void
haproxy_state_free(HaproxyState *state);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HaproxyState, haproxy_state_free)

void
haproxy_load_free(HaproxyLoad *load);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HaproxyLoad, haproxy_load_free)

void
haproxy_processes_free(HaproxyProcesses *processes);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HaproxyProcesses, haproxy_processes_free)

/* Parsers (haproxy-tables.c). A table of another shape is CARRACK_ERROR_UPSTREAM. */

/* Elements are HaproxyState *. */
GPtrArray *
haproxy_parse_states(const char *text, GError **error);

/* Elements are HaproxyLoad *. */
GPtrArray *
haproxy_parse_loads(const char *text, GError **error);

HaproxyProcesses *
haproxy_parse_processes(const char *text, GError **error);

bool
haproxy_parse_info(const char *text, HaproxyInfo *info, GError **error);

/* The ids of the sessions of «show sess» that are on this server; elements are char *. */
GPtrArray *
haproxy_parse_sessions(const char *text, const char *backend, const char *server);

/* «show map» as the map's file has it: «KEY VALUE» lines, sorted. The caller frees it. */
char *
haproxy_parse_map(const char *text);

/* Gets new requests: neither in maintenance nor draining. */
bool
haproxy_state_is_ready(const HaproxyState *state);

/* Up, but for what is in flight only. */
bool
haproxy_state_is_draining(const HaproxyState *state);

/* Out by hand, whatever its checks say. */
bool
haproxy_state_is_maintenance(const HaproxyState *state);

/* Calls */

/* Sends one command and returns the whole answer without white space around it. The caller frees
 * it. */
char *
haproxy_ask(const char *socket_path, const char *command, GError **error);

bool
haproxy_info(const char *socket_path, HaproxyInfo *info, GError **error);

/* `backend` may be NULL: all. */
GPtrArray *
haproxy_states(const char *socket_path, const char *backend, GError **error);

GPtrArray *
haproxy_loads(const char *socket_path, const char *backend, GError **error);

bool
haproxy_set_address(const char *socket_path,
    const char *backend,
    const char *server,
    const char *address,
    unsigned port,
    GError **error);

/* `state`: ready, drain or maint. */
bool
haproxy_set_state(const char *socket_path,
    const char *backend,
    const char *server,
    const char *state,
    GError **error);

/* Ends what is in flight on a server. */
bool
haproxy_cut(const char *socket_path, const char *backend, const char *server, GError **error);

/* The map's lines, sorted, as haproxy_parse_map gives them. */
char *
haproxy_map(const char *socket_path, const char *map, GError **error);

/* Whether the key was there or not, it is there afterwards with this value alone. */
bool
haproxy_map_put(
    const char *socket_path, const char *map, const char *key, const char *value, GError **error);

/* A key that is not there is not an error. */
bool
haproxy_map_remove(const char *socket_path, const char *map, const char *key, GError **error);

HaproxyProcesses *
haproxy_processes(const char *master_socket, GError **error);

/* «show servers conn» of one backend as a worker that is being replaced has it; an empty list when
 * it is gone, NULL when the master did not answer. */
GPtrArray *
haproxy_old_loads(const char *master_socket, gint64 worker, const char *backend, GError **error);

/* haproxy_cut in a worker that is being replaced. */
void
haproxy_old_cut(const char *master_socket, gint64 worker, const char *backend, const char *server);

/* Replaces the worker by one with the configuration that is on disk, and returns when it serves and
 * the former one takes nothing new. The former one stays when the new one does not come up. */
bool
haproxy_reload(const char *master_socket, const char *socket_path, GError **error);
