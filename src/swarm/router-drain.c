/*
 * Waits until a process that gets no new requests has answered the old ones. After a reload these
 * may be in a worker that is being replaced, so all workers are asked, by address, because a slot
 * can hold another process there. The lock is not held while waiting.
 */
#include "base/error.h"
#include "swarm/router-private.h"

#define DRAIN_POLL_MILLISECONDS 50

/* What has to be asked about: copied, because the lock is not held while waiting. */
typedef struct {
	char *backend;
	char *server;
	char *address;
	unsigned port;
} Watched;

static void
watched_clear(Watched *watched)
{
	g_free(watched->backend);
	g_free(watched->server);
	g_free(watched->address);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Watched, watched_clear)

static bool
watch(HaproxyRouter *self,
    const char *app,
    const char *service,
    const char *process,
    Watched *watched)
{
	LOCKED(&self->lock);
	Backend *backend = NULL;
	const Slot *slot = router_slot(self, app, service, process, &backend);
	if (!slot)
		return false;

	watched->backend = g_strdup(backend->name);
	watched->server = backend_slot_name(backend, slot);
	watched->address = g_strdup(slot->address);
	watched->port = slot->port;
	return true;
}

static unsigned
count_used(const GPtrArray *loads, const Watched *watched)
{
	unsigned used = 0;

	for (unsigned i = 0; i < loads->len; i++) {
		const HaproxyLoad *load = loads->pdata[i];
		if (g_str_equal(load->server, watched->server) && load->port == watched->port &&
		    g_str_equal(load->address, watched->address))
			used += load->used;
	}
	return used;
}

/* Sessions of the present worker and of those that a reload has replaced. */
static bool
count_sessions(HaproxyRouter *self, const Watched *watched, unsigned *count, GError **error)
{
	g_autoptr(GPtrArray) loads = haproxy_loads(self->socket, watched->backend, error);
	if (!loads)
		return false;
	g_autoptr(HaproxyProcesses) processes = haproxy_processes(self->master_socket, error);
	if (!processes)
		return false;

	unsigned used = count_used(loads, watched);
	for (unsigned i = 0; i < processes->old->len; i++) {
		gint64 worker = g_array_index(processes->old, gint64, i);
		g_autoptr(GPtrArray) old =
		    haproxy_old_loads(self->master_socket, worker, watched->backend, error);
		if (!old)
			return false;
		used += count_used(old, watched);
	}
	*count = used;
	return true;
}

static bool
cut_sessions(HaproxyRouter *self, const Watched *watched, GError **error)
{
	g_autoptr(HaproxyProcesses) processes = haproxy_processes(self->master_socket, error);
	if (!processes)
		return false;

	for (unsigned i = 0; i < processes->old->len; i++)
		haproxy_old_cut(self->master_socket, g_array_index(processes->old, gint64, i),
		    watched->backend, watched->server);
	return haproxy_cut(self->socket, watched->backend, watched->server, error);
}

static void
pause_unless(GCancellable *cancel, int milliseconds)
{
	GPollFD wake = {0};

	if (!g_cancellable_make_pollfd(cancel, &wake)) {
		g_poll(NULL, 0, milliseconds);
		return;
	}
	g_poll(&wake, 1, milliseconds);
	g_cancellable_release_fd(cancel);
}

bool
router_wait_drained(Router *router,
    const char *app,
    const char *service,
    const char *process,
    unsigned seconds,
    bool *is_drained,
    GCancellable *cancel,
    GError **error)
{
	HaproxyRouter *self = (HaproxyRouter *)router;
	g_auto(Watched) watched = {0};
	*is_drained = !watch(self, app, service, process, &watched);
	if (*is_drained)
		return true;

	gint64 deadline = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
	for (;;) {
		unsigned count = 0;
		g_autoptr(GError) failure = NULL;
		/* During a reload the master does not answer for a moment, which says nothing of
		 * sessions. */
		bool is_known = count_sessions(self, &watched, &count, &failure);
		*is_drained = is_known && count == 0;
		if (*is_drained)
			return true;
		if (g_get_monotonic_time() >= deadline) {
			if (!is_known)
				g_propagate_error(error, g_steal_pointer(&failure));
			return is_known;
		}
		if (error_cancelled(cancel, error))
			return false;
		pause_unless(cancel, DRAIN_POLL_MILLISECONDS);
	}
}

bool
router_cut(
    Router *router, const char *app, const char *service, const char *process, GError **error)
{
	HaproxyRouter *self = (HaproxyRouter *)router;
	g_auto(Watched) watched = {0};

	return !watch(self, app, service, process, &watched) || cut_sessions(self, &watched, error);
}
