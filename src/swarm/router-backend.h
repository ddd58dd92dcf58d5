/*
 * A backend as the router remembers it: what it has to be, and who sits in which of its slots. The
 * configuration text and state.json are made from these; slots are memory only, because a stored
 * address is never trusted.
 */
#pragma once

#include "base/json.h"
#include "core/router.h"

#define BACKEND_SLOTS_MINIMUM 4

typedef enum { SLOT_FREE, SLOT_READY, SLOT_DRAIN } SlotState;

typedef struct {
	SlotState state;
	char *process; /* «» in a slot that was found occupied and is not claimed yet */
	char *address;
	unsigned port;
	gint64 freed; /* monotonic time of the last removal, 0: never used */
} Slot;

typedef struct {
	char *name; /* HAProxy's: b_APP_SERVICE; «_» is in no app's or service's name */
	char *app;
	char *service;
	GStrv hosts; /* normal form, sorted, each once */
	char *scheme;
	char *health_path; /* NULL: connect only */
	char *health_host;
	unsigned health_interval;
	unsigned health_timeout;
	bool is_sticky;
	GPtrArray *slots; /* Slot *; the slot called s1 is element 0 */
} Backend;

/* Checks every text that will end in a configuration; CARRACK_ERROR_INVALID names the bad one. */
Backend *
backend_new(const RouterBackend *wish, GError **error);

void
backend_free(Backend *backend);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Backend, backend_free)

/* Lower case, no dot at the end; refuses what is not a host name or «*.» and a host name. The
 * caller frees it. */
char *
backend_host(const char *host, GError **error);

/* All of `hosts` by backend_host, sorted, each once. The caller frees it. */
GStrv
backend_hosts(const char *const *hosts, GError **error);

/* True if the configuration text of both is the same but for hosts and occupants. */
bool
backend_same_structure(const Backend *one, const Backend *other);

/* Takes over the occupants of an earlier form of the backend, and at least its number of slots. */
void
backend_inherit(Backend *backend, const Backend *earlier);

/* Adds free slots until there are `count`. */
void
backend_grow(Backend *backend, unsigned count);

/* Without occupants. */
json_t *
backend_json(const Backend *backend);

Backend *
backend_from_json(const json_t *object, GError **error);

/* The slot that a process sits in, or NULL. */
Slot *
backend_slot_of(const Backend *backend, const char *process);

/* The slot that serves an address, or NULL. */
Slot *
backend_slot_at(const Backend *backend, const char *address, unsigned port);

/* A free slot, if possible one that nothing can still be trying to reach; NULL when all are taken.
 */
Slot *
backend_slot_free(const Backend *backend);

/* HAProxy's name of a slot: s1, s2, …; the caller frees it. */
char *
backend_slot_name(const Backend *backend, const Slot *slot);

void
slot_fill(Slot *slot, const char *process, const char *address, unsigned port, SlotState state);

void
slot_clear(Slot *slot);
