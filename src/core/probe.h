/*
 * Our own health check: asks one process at its address until it gives a healthy answer, in a
 * thread of its own.
 */
#pragma once

#include "manifest/manifest.h"

typedef struct Probe Probe;

/* What a health check asks. `host` is the Host header. Everything is copied. */
Probe *
probe_start(const ManifestService *service, const char *host, const char *address, unsigned port);

bool
probe_is_healthy(Probe *probe);

/* The last answer in one phrase: «health 500 on /health», «nothing listens on 3000», «no answer on
 * / in 4 s». The caller frees it. */
char *
probe_last(Probe *probe);

/* True if nothing has ever accepted a connection. */
bool
probe_never_connected(Probe *probe);

/* Ends it at once. */
void
probe_free(Probe *probe);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Probe, probe_free)

/* True if this status is healthy for the service: 200-399 and 401 on a declared path; anything
 * under 500 when the manifest names none. */
bool
probe_is_good(const ManifestService *service, int status);
