/*
 * How processes come and go. A process is registered by ECS itself; add() waits until the balancer
 * finds it healthy and lets its group serve. Taking a single process out is a deregistration,
 * taking out all of a group a change of weight, which can be undone at once.
 */
#include "aws/router-private.h"
#include "base/error.h"
#include "base/wait.h"

#include <string.h>

#define PAUSE_MS 1000
#define SPARE_SECONDS 20     /* for a target to become healthy, besides its checks */
#define DRAIN_PAUSE_MOST 5   /* seconds */
#define UNCLAIMED_SECONDS 60 /* a healthy target that is so new may only be unknown yet */

static void
touch(Backend *backend)
{
	backend->touched = g_get_monotonic_time();
}

static bool
has_groups(const Backend *backend)
{
	return backend->groups[0].arn && backend->groups[1].arn;
}

static bool
is_process(const Target *target, gconstpointer process)
{
	return g_str_equal(target->process, process);
}

/* Adding */

typedef struct {
	const char *process;
	const char *address;
	unsigned port;
	gint64 until;
	gint64 patience; /* until then others of the group that are being checked are waited for */
	char *why;       /* what is the matter with it */
	const Target *target;
	bool has_looked;
} Arrival;

static bool
check_address(const Arrival *arrival, GError **error)
{
	g_autoptr(GInetAddress) parsed = g_inet_address_new_from_string(arrival->address);
	if (parsed && arrival->port > 0 && arrival->port <= G_MAXUINT16)
		return true;

	return error_set(error, CARRACK_ERROR_INVALID,
	    "process %s: «%s» port %u is not an address that the balancer can reach",
	    arrival->process, arrival->address, arrival->port);
}

static void
begin(Arrival *arrival, const Backend *backend)
{
	gint64 interval = json_int_of(backend->wish, "interval", 0);
	gint64 check = interval + json_int_of(backend->wish, "timeout", 0);
	gint64 now = g_get_monotonic_time();
	arrival->until = now + (interval + check + SPARE_SECONDS) * G_USEC_PER_SEC;
	arrival->patience = now + check * G_USEC_PER_SEC;
}

static void
claim(Target *target, const char *process)
{
	g_free(target->process);
	target->process = g_strdup(process);
	target->is_drained = false;
}

/* A service without hosts is only remembered. */
static void
add_loose(Backend *backend, const Arrival *arrival)
{
	for (guint i = backend->loose->len; i > 0; i--) {
		if (is_process(backend->loose->pdata[i - 1], arrival->process))
			g_ptr_array_remove_index(backend->loose, i - 1);
	}
	Target *target = g_new0(Target, 1);
	target->id = g_strdup(arrival->address);
	target->port = arrival->port;
	target->state = g_strdup("healthy");
	target->why = g_strdup("");
	target->process = g_strdup(arrival->process);
	g_ptr_array_add(backend->loose, target);
}

static bool
has_newcomers(const Group *group)
{
	for (guint i = 0; i < group->targets->len; i++) {
		if (g_str_equal(((const Target *)group->targets->pdata[i])->state, "initial"))
			return true;
	}
	return false;
}

static bool
is_elsewhere(const Target *target, gconstpointer data)
{
	const Arrival *arrival = data;
	return target != arrival->target && is_process(target, arrival->process);
}

/* It is healthy: its group serves, beside the other if that has somebody, else alone. */
static bool
let_in(BalancerRouter *self,
    Backend *backend,
    unsigned index,
    Target *target,
    Arrival *arrival,
    GError **error)
{
	Group *group = &backend->groups[index];
	arrival->target = target;
	if (!balancer_targets_deregister(self, group, is_elsewhere, arrival, error))
		return false;

	claim(target, arrival->process);
	touch(backend);
	if (group->weight > 0)
		return balancer_balance(self, backend, error);

	unsigned weights[GROUPS] = {0, 0};
	weights[index] = 100;
	weights[!index] = balancer_group_usable(&backend->groups[!index]) ? 100 : 0;
	bool is_beside = weights[!index] > 0;
	if (!is_beside)
		return balancer_weigh(self, backend, weights, error);
	for (unsigned i = 0; i < GROUPS; i++)
		weights[i] = MIN(balancer_group_usable(&backend->groups[i]), 999);
	return balancer_weigh(self, backend, weights, error);
}

static unsigned
home_of(const Backend *backend)
{
	if (backend->fresh != NO_GROUP)
		return (unsigned)backend->fresh;
	return backend->groups[0].weight > 0 ? 0 : 1;
}

/* Its target. Before it counts as missing, what is known is read again: ECS may have registered it
 * within the last second. */
static Target *
look_for(BalancerRouter *self, Backend *backend, Arrival *arrival, unsigned *index, GError **error)
{
	Target *target = balancer_target_at(self, backend, arrival->address, arrival->port, index);
	if (target || arrival->has_looked)
		return target;

	arrival->has_looked = true;
	for (unsigned i = 0; i < GROUPS; i++) {
		if (!balancer_targets_read(self, &backend->groups[i], 0, error))
			return NULL;
	}
	return balancer_target_at(self, backend, arrival->address, arrival->port, index);
}

/* One look. False with an error, or without one when it is not healthy yet. */
static bool
try_add(BalancerRouter *self, Backend *backend, Arrival *arrival, GError **error)
{
	unsigned index = 0;
	touch(backend);
	if (!balancer_targets_look(self, backend, error))
		return false;

	Target *target = look_for(self, backend, arrival, &index, error);
	if (error && *error)
		return false;
	if (!target || target->is_leaving || g_str_equal(target->state, "draining")) {
		/* ECS has not yet, or we have taken it out before: twice does no harm. */
		Group *home = &backend->groups[target ? index : home_of(backend)];
		return balancer_target_register(
			   self, home, arrival->address, arrival->port, error) &&
		       false;
	}
	g_free(arrival->why);
	arrival->why =
	    g_strdup_printf("%s%s%s", target->state, *target->why ? ", " : "", target->why);
	if (!g_str_equal(target->state, "healthy"))
		return false;

	/* The first of a group opens it for all of it. */
	const Group *group = &backend->groups[index];
	bool may_wait = g_get_monotonic_time() < arrival->patience;
	if (group->weight == 0 && may_wait && has_newcomers(group))
		return false;
	return let_in(self, backend, index, target, arrival, error);
}

static bool
add_step(BalancerRouter *self, Backend *backend, Arrival *arrival, bool *is_in, GError **error)
{
	g_autoptr(GError) failure = NULL;
	LOCKED(&backend->lock);
	if (!balancer_backend_fresh(self, backend, error))
		return false;
	if (!arrival->until)
		begin(arrival, backend);
	if (!has_groups(backend) || !backend->hosts[0]) {
		add_loose(backend, arrival);
		*is_in = true;
		return true;
	}
	*is_in = try_add(self, backend, arrival, &failure);
	if (!failure)
		return true;

	g_propagate_error(error, g_steal_pointer(&failure));
	return false;
}

bool
balancer_add(Router *router,
    const char *app,
    const char *service,
    const char *process,
    const char *address,
    unsigned port,
    GError **error)
{
	BalancerRouter *self = (BalancerRouter *)router;
	Arrival arrival = {.process = process, .address = address, .port = port};
	Backend *backend = balancer_need_backend(self, app, service, error);
	if (!backend || !check_address(&arrival, error))
		return false;

	bool is_in = false;
	bool is_good = true;
	for (;;) {
		is_good = add_step(self, backend, &arrival, &is_in, error);
		if (!is_good || is_in)
			break;
		if (g_get_monotonic_time() > arrival.until) {
			is_good = error_set(error, CARRACK_ERROR_UPSTREAM,
			    "process %s: the balancer does not find %s:%u healthy: %s", process,
			    address, port, arrival.why ? arrival.why : "not registered");
			break;
		}
		g_usleep(PAUSE_MS * 1000);
	}
	g_free(arrival.why);
	return is_good;
}

/* Taking out */

/* True when the group has nobody left to serve with and the other one has. */
static bool
can_hand_over(const Backend *backend, unsigned index)
{
	return !balancer_group_usable(&backend->groups[index]) &&
	       balancer_group_usable(&backend->groups[!index]) && backend->fresh != (int)!index;
}

/* Of a group that serves: with the last one the other group takes over. While both serve, the rest
 * of a switch is waited for; else this one goes alone. */
static bool
take_out(
    BalancerRouter *self, Backend *backend, unsigned index, const char *process, GError **error)
{
	Group *group = &backend->groups[index];
	bool are_both = backend->groups[0].weight > 0 && backend->groups[1].weight > 0;
	if (index == GROUPS || group->weight == 0)
		return true;
	if (can_hand_over(backend, index) || (are_both && !balancer_group_usable(group)))
		return balancer_balance(self, backend, error);
	if (are_both)
		return true;

	return balancer_targets_deregister(self, group, is_process, process, error);
}

bool
balancer_drain(
    Router *router, const char *app, const char *service, const char *process, GError **error)
{
	BalancerRouter *self = (BalancerRouter *)router;
	if (!balancer_load(self, error))
		return false;
	Backend *backend = balancer_backend(self, app, service);
	if (!backend)
		return true;
	LOCKED(&backend->lock);
	unsigned index = 0;
	unsigned place = 0;
	Target *target;
	while ((target = balancer_target_of(backend, process, &index, &place))) {
		if (target->is_drained)
			continue;
		bool is_unclaimed_idle =
		    !*process && (index == GROUPS || backend->groups[index].weight == 0);
		if (is_unclaimed_idle)
			continue;
		target->is_drained = true;
		touch(backend);
		if (!take_out(self, backend, index, process, error))
			return false;
	}
	return true;
}

/* Back: the whole weight goes to the group of the process, since the other one has failed. */
static bool
take_back(BalancerRouter *self, Backend *backend, unsigned index, GError **error)
{
	unsigned weights[GROUPS] = {0, 0};
	if (index == GROUPS || backend->groups[index].weight > 0)
		return true;

	weights[index] = 100;
	return balancer_weigh(self, backend, weights, error);
}

bool
balancer_ready(
    Router *router, const char *app, const char *service, const char *process, GError **error)
{
	BalancerRouter *self = (BalancerRouter *)router;
	Backend *backend = balancer_need_backend(self, app, service, error);
	g_autofree char *address = NULL;
	unsigned port = 0;
	unsigned index = 0;
	unsigned place = 0;
	if (!backend)
		return false;
	{
		LOCKED(&backend->lock);
		Target *target = balancer_target_of(backend, process, &index, &place);
		if (!target)
			return error_set(error, CARRACK_ERROR_NOT_FOUND,
			    "the router has no process %s of %s/%s", process, app, service);

		target->is_drained = false;
		touch(backend);
		if (!take_back(self, backend, index, error))
			return false;
		if (!target->is_leaving && !g_str_equal(target->state, "draining"))
			return true;
		address = balancer_target_address(self, target);
		port = target->port;
	}
	return balancer_add(router, app, service, process, address, port, error);
}

/* Nobody's, and so for a while: ECS takes its own targets away by itself, and a new process is
 * registered before carrackd has heard of it. */
static bool
is_abandoned(const Target *target, gconstpointer data)
{
	gint64 age = g_get_monotonic_time() - target->seen;
	bool is_fine =
	    g_str_equal(target->state, "healthy") || g_str_equal(target->state, "initial");
	return !*target->process && (!is_fine || age > (gint64)UNCLAIMED_SECONDS * G_USEC_PER_SEC);
}

static bool
remove_abandoned(BalancerRouter *self, Backend *backend, GError **error)
{
	for (unsigned i = 0; i < GROUPS; i++) {
		Group *group = &backend->groups[i];
		if (group->weight > 0 &&
		    !balancer_targets_deregister(self, group, is_abandoned, NULL, error))
			return false;
	}
	return true;
}

static bool
remove_loose(Backend *backend, const char *process)
{
	for (guint i = backend->loose->len; i > 0; i--) {
		if (is_process(backend->loose->pdata[i - 1], process))
			g_ptr_array_remove_index(backend->loose, i - 1);
	}
	return true;
}

static bool
is_drained_one(const Target *target, gconstpointer data)
{
	return target->is_drained;
}

/* What a group that does not serve holds goes all at once. */
static bool
deregister(BalancerRouter *self, Backend *backend, const char *process, GError **error)
{
	for (unsigned i = 0; i < GROUPS; i++) {
		Group *group = &backend->groups[i];
		TargetChoice choice = group->weight > 0 ? is_process : is_drained_one;
		if (!balancer_targets_deregister(self, group, choice, process, error))
			return false;
	}
	return true;
}

static bool
remove_claimed(BalancerRouter *self, Backend *backend, const char *process, GError **error)
{
	unsigned index = 0;
	unsigned place = 0;
	Target *target;
	while ((target = balancer_target_of(backend, process, &index, &place)))
		target->is_drained = true;
	bool is_good =
	    balancer_balance(self, backend, error) && deregister(self, backend, process, error);

	/* Whatever the balancer answered, it is nobody's now. */
	index = place = 0;
	while ((target = balancer_target_of(backend, process, &index, &place))) {
		g_free(target->process);
		target->process = g_strdup("");
	}
	touch(backend);
	return is_good;
}

/* Somebody that nobody has claimed has died. While both groups serve, it may have been the last of
 * one of them, and requests must not go there. */
static bool
note_stranger(BalancerRouter *self, Backend *backend, GError **error)
{
	bool are_both = backend->groups[0].weight > 0 && backend->groups[1].weight > 0;
	return !are_both || (balancer_targets_look(self, backend, error) &&
				balancer_balance(self, backend, error));
}

bool
balancer_remove(
    Router *router, const char *app, const char *service, const char *process, GError **error)
{
	BalancerRouter *self = (BalancerRouter *)router;
	if (!balancer_load(self, error))
		return false;
	Backend *backend = balancer_backend(self, app, service);
	if (!backend)
		return true;
	LOCKED(&backend->lock);
	unsigned index = 0;
	unsigned place = 0;
	remove_loose(backend, process);
	if (!*process)
		return remove_abandoned(self, backend, error);
	if (!balancer_target_of(backend, process, &index, &place))
		return note_stranger(self, backend, error);
	return remove_claimed(self, backend, process, error);
}

/* Waiting */

/* One look: all of the group that are drained are deregistered by the first. */
static bool
look_drained(
    BalancerRouter *self, Backend *backend, const char *process, bool *is_gone, GError **error)
{
	unsigned index = 0;
	unsigned place = 0;
	LOCKED(&backend->lock);
	*is_gone = !balancer_target_of(backend, process, &index, &place) || index == GROUPS;
	if (*is_gone)
		return true;

	Group *group = &backend->groups[index];
	if (!balancer_targets_deregister(self, group, is_drained_one, NULL, error) ||
	    !balancer_targets_read(self, group, 1, error))
		return false;
	index = place = 0;
	const Target *target = balancer_target_of(backend, process, &index, &place);
	*is_gone = !target || g_str_equal(target->state, "unused");
	return true;
}

bool
balancer_wait_drained(Router *router,
    const char *app,
    const char *service,
    const char *process,
    unsigned seconds,
    bool *is_drained,
    GCancellable *cancel,
    GError **error)
{
	BalancerRouter *self = (BalancerRouter *)router;
	gint64 until = g_get_monotonic_time() + (gint64)seconds * G_USEC_PER_SEC;
	if (!balancer_load(self, error))
		return false;
	Backend *backend = balancer_backend(self, app, service);
	*is_drained = backend == NULL;
	for (gint64 pause = 1; backend; pause = MIN(pause * 2, DRAIN_PAUSE_MOST)) {
		if (!look_drained(self, backend, process, is_drained, error))
			return false;
		gint64 left = until - g_get_monotonic_time();
		if (*is_drained || left <= 0)
			return true;

		gint64 wait = MIN(left / 1000 + 1, pause * 1000 + 1);
		if (wait_fd(-1, 0, (int)wait, cancel, error) < 0)
			return false;
	}
	return true;
}

/* The balancer ends what is in flight when the process does, and not before. */
bool
balancer_cut(
    Router *router, const char *app, const char *service, const char *process, GError **error)
{
	return true;
}

/* Looking */

static bool
is_server(const Backend *backend, unsigned index, const Target *target)
{
	bool is_leaving = target->is_leaving || g_str_equal(target->state, "draining");
	if (g_str_equal(target->state, "unused"))
		return false;
	return *target->process || (backend->groups[index].weight > 0 && !is_leaving);
}

static RouterServer *
describe(BalancerRouter *self, const Target *target, bool is_serving)
{
	RouterServer *server = g_new0(RouterServer, 1);
	bool is_leaving = target->is_leaving || g_str_equal(target->state, "draining");
	server->address = balancer_target_address(self, target);
	server->port = target->port;
	server->process = g_strdup(target->process);
	server->state =
	    is_serving && !is_leaving && !target->is_drained ? SERVER_READY : SERVER_DRAIN;
	server->is_up = g_str_equal(target->state, "healthy");
	return server;
}

static GPtrArray *
list_servers(BalancerRouter *self, Backend *backend)
{
	GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)router_server_free);
	for (unsigned i = 0; i < GROUPS; i++) {
		const Group *group = &backend->groups[i];
		for (guint j = 0; j < group->targets->len; j++) {
			const Target *target = group->targets->pdata[j];
			if (is_server(backend, i, target))
				g_ptr_array_add(list, describe(self, target, group->weight > 0));
		}
	}
	for (guint i = 0; i < backend->loose->len; i++)
		g_ptr_array_add(list, describe(self, backend->loose->pdata[i], true));
	return list;
}

GPtrArray *
balancer_servers(Router *router, const char *app, const char *service, GError **error)
{
	BalancerRouter *self = (BalancerRouter *)router;
	Backend *backend = balancer_need_backend(self, app, service, error);
	if (!backend)
		return NULL;
	LOCKED(&backend->lock);
	if (!balancer_backend_fresh(self, backend, error) ||
	    !balancer_targets_look(self, backend, error) || !balancer_balance(self, backend, error))
		return NULL;

	return list_servers(self, backend);
}
