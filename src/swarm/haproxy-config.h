/*
 * The text of HAProxy's configuration and of its two host maps. Pure functions: the same backends
 * give the same text, in whatever order they come.
 */
#pragma once

#include "swarm/provider.h"
#include "swarm/router-backend.h"

/* Files below the router's folder. */
#define ROUTER_CONFIG "haproxy.cfg"
#define ROUTER_HOSTS "hosts.map"
#define ROUTER_WILDCARDS "wildcards.map"
#define ROUTER_STATE "state.json"
#define ROUTER_CERTIFICATE "certificates/default.pem"
#define ROUTER_CERTIFICATES "certificates/list"
#define ROUTER_PAGE_UNKNOWN "errors/404.html"
#define ROUTER_PAGE_EMPTY "errors/503.http"
#define ROUTER_PAGE_API "errors/503-api.http"

/* Sockets below the run folder. */
#define ROUTER_SOCKET "haproxy.sock"
#define ROUTER_MASTER_SOCKET "haproxy-master.sock"
#define ROUTER_SUCCESSOR_SOCKET "haproxy-successor.sock"

/* haproxy.cfg for a set of Backend *. Folders and domain of `options` must have been checked
 * (router-files.h). The caller frees it. */
char *
haproxy_config_text(const SwarmOptions *options, const GPtrArray *backends);

/* hosts.map: «HOST BACKEND» lines, sorted. The caller frees it. */
char *
haproxy_config_hosts(const GPtrArray *backends);

/* wildcards.map: «*.x.test» stands there as «x.test», which is looked up with the first label of
 * the asked host taken off. The caller frees it. */
char *
haproxy_config_wildcards(const GPtrArray *backends);
