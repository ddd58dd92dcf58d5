/*
 * What router.c (the part's functions) and router-sync.c (making HAProxy and memory agree) share.
 */
#pragma once

#include "base/lock.h"
#include "swarm/haproxy-runtime.h"
#include "swarm/router-files.h"

typedef struct {
	Router base;
	SwarmOptions options; /* its strings belong to the router */
	char *socket;
	char *master_socket;
	pthread_mutex_t lock; /* over everything below, and over every change of HAProxy */
	GPtrArray *backends;  /* Backend *, sorted by name */
	char *identity;       /* of the worker that agrees with memory; NULL: none known */
	bool has_learned;     /* memory is the truth about occupants; before, HAProxy is */
} HaproxyRouter;

/* What tells one life of a worker from another. The caller frees it. */
char *
router_identity(const HaproxyInfo *info);

/* Called with the lock held: */

/* Makes HAProxy hold what memory says, if it is not known to. The first time it is HAProxy that
 * tells who occupies the slots: they are kept, unclaimed. */
bool
router_sync(HaproxyRouter *self, GError **error);

/* Forgets that HAProxy agrees, after a command whose outcome is unknown. Always returns false. */
bool
router_doubt(HaproxyRouter *self);

/* Writes the files for the present backends and replaces the worker. */
bool
router_reload(HaproxyRouter *self, GError **error);

/* Gives a slot its occupant's address and sends requests to it; returns when HAProxy has confirmed
 * it. */
bool
router_slot_open(HaproxyRouter *self, const Backend *backend, const Slot *slot, GError **error);

/* No new requests to a slot; those in flight go on. */
bool
router_slot_drain(HaproxyRouter *self, const Backend *backend, const Slot *slot, GError **error);

bool
router_slot_close(HaproxyRouter *self, const Backend *backend, const Slot *slot, GError **error);

/* Borrowed, NULL when there is none; `index` (may be NULL) is its place among the backends. */
Backend *
router_backend(const HaproxyRouter *self, const char *app, const char *service, unsigned *index);

/* The slot of a process, or NULL without an error when it has none. Sets `backend` if there is one.
 */
Slot *
router_slot(HaproxyRouter *self,
    const char *app,
    const char *service,
    const char *process,
    Backend **backend);

/* RouterOps.wait_drained. */
bool
router_wait_drained(Router *router,
    const char *app,
    const char *service,
    const char *process,
    unsigned seconds,
    bool *is_drained,
    GCancellable *cancel,
    GError **error);

/* RouterOps.cut. */
bool
router_cut(
    Router *router, const char *app, const char *service, const char *process, GError **error);
