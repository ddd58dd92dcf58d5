/*
 * Where the API listens: a unix socket behind HAProxy, or a TCP port behind a balancer.
 */
#pragma once

#include <glib.h>

/* Removes a stale socket first; mode 0660. A descriptor that listens, or -1. */
int
listen_on_path(const char *path, GError **error);

/* On all addresses, IPv6 too where the machine has it. A descriptor that listens, or -1. */
int
listen_on_port(unsigned port, GError **error);
