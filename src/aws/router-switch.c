/*
 * Which of a service's two groups serves. A deployment is given the idle one; with its first
 * process it serves beside the other, by number; when that has nobody left, alone. A way back is
 * the same the other way round. The sum of weights is never 0: the balancer would have nowhere to
 * go.
 */
#include "aws/router-private.h"
#include "base/error.h"

#include <string.h>

#define WHOLE 100 /* the weight of one that serves alone */
#define WEIGHT_MOST 999

static bool
serves_alone(const Backend *backend, unsigned index)
{
	return backend->groups[index].weight > 0 && backend->groups[!index].weight == 0;
}

bool
balancer_weigh(
    BalancerRouter *self, Backend *backend, const unsigned weights[GROUPS], GError **error)
{
	bool is_same = true;
	for (unsigned i = 0; i < GROUPS; i++) {
		is_same = is_same && backend->groups[i].weight == weights[i];
		backend->groups[i].weight = weights[i];
	}
	if (!is_same)
		backend->touched = g_get_monotonic_time();
	/* Also without a change: an earlier call may have failed half way. */
	if (!balancer_rules_apply(self, backend, error))
		return false;
	if (is_same)
		return true;

	if (backend->fresh != NO_GROUP && serves_alone(backend, (unsigned)backend->fresh))
		backend->fresh = NO_GROUP;
	return balancer_backend_save(self, backend, error);
}

bool
balancer_balance(BalancerRouter *self, Backend *backend, GError **error)
{
	unsigned weights[GROUPS] = {backend->groups[0].weight, backend->groups[1].weight};
	unsigned usable[GROUPS] = {
	    balancer_group_usable(&backend->groups[0]), balancer_group_usable(&backend->groups[1])};
	bool are_both = weights[0] > 0 && weights[1] > 0;
	if (!backend->groups[0].arn || !backend->groups[1].arn)
		return true;

	for (unsigned i = 0; i < GROUPS; i++) {
		/* What was handed out waits for add(); after a restart of carrackd nobody knows
		 * of that, and whoever is healthy serves. */
		bool may_take_over = are_both || backend->fresh != (int)i;
		if (usable[i] && !usable[!i] && may_take_over) {
			weights[i] = WHOLE;
			weights[!i] = 0;
		}
	}
	if (are_both && usable[0] && usable[1]) {
		for (unsigned i = 0; i < GROUPS; i++)
			weights[i] = MIN(usable[i], WEIGHT_MOST);
	}
	return balancer_weigh(self, backend, weights, error);
}

/* Handing out */

static bool
every_one(const Target *target, gconstpointer data)
{
	return true;
}

static bool
read_both(BalancerRouter *self, Backend *backend, GError **error)
{
	return balancer_targets_read(self, &backend->groups[0], 1, error) &&
	       balancer_targets_read(self, &backend->groups[1], 1, error);
}

/* The group that does not serve. When both do, a switch was cut off half way: what it was leading
 * to is what comes again. */
static unsigned
idle_of(const Backend *backend)
{
	if (backend->groups[0].weight > 0 && backend->groups[1].weight > 0)
		return backend->was_fresh == 0 ? 0 : 1;
	return backend->groups[0].weight > 0 ? 1 : 0;
}

/* A group of another protocol takes the place of this one; the rules change before it goes. */
static bool
replace(BalancerRouter *self, Backend *backend, unsigned index, GError **error)
{
	Group *group = &backend->groups[index];
	g_free(backend->outgoing);
	backend->outgoing = g_steal_pointer(&group->arn);
	g_clear_pointer(&group->settings, json_decref);
	g_ptr_array_set_size(group->targets, 0);
	group->asked = 0;
	group->generation++;
	backend->is_whole = false;
	if (!balancer_backend_save(self, backend, error) ||
	    !balancer_group_make(self, backend, index, backend->wish, error) ||
	    !balancer_rules_apply(self, backend, error))
		return false;

	Group old = {.arn = backend->outgoing};
	backend->outgoing = NULL;
	bool is_gone = balancer_group_remove(self, &old, error);
	backend->outgoing = old.arn;
	backend->is_whole = is_gone;
	return is_gone;
}

static char *
hand_out(BalancerRouter *self, Backend *backend, const char *release, GError **error)
{
	unsigned index = idle_of(backend);
	Group *group = &backend->groups[index];
	unsigned alone[GROUPS] = {0, 0};
	alone[!index] = WHOLE;
	bool must_change = balancer_group_must_change(group, backend->wish);
	if (!balancer_weigh(self, backend, alone, error) ||
	    !balancer_targets_deregister(self, group, every_one, NULL, error) ||
	    (must_change && !replace(self, backend, index, error)) ||
	    !balancer_group_make(self, backend, index, backend->wish, error))
		return NULL;

	g_free(group->release);
	group->release = g_strdup(release);
	backend->fresh = (int)index;
	backend->was_fresh = (int)index;
	backend->touched = g_get_monotonic_time();
	return balancer_backend_save(self, backend, error) ? g_strdup(group->arn) : NULL;
}

char *
aws_router_group(
    Router *router, const char *app, const char *service, const char *release, GError **error)
{
	BalancerRouter *self = (BalancerRouter *)router;
	Backend *backend = balancer_need_backend(self, app, service, error);
	if (!backend)
		return NULL;
	LOCKED(&backend->lock);
	if (!balancer_backend_fresh(self, backend, error))
		return NULL;
	if (!backend->hosts[0])
		return NULL;
	if (!backend->is_whole) {
		error_set(error, CARRACK_ERROR_NOT_FOUND,
		    "the balancer's rules of %s/%s are not made yet", app, service);
		return NULL;
	}

	/* Asked again for the same: the same answer, as long as it has not begun to serve. */
	const Group *fresh = backend->fresh == NO_GROUP ? NULL : &backend->groups[backend->fresh];
	if (fresh && fresh->weight == 0 && g_str_equal(fresh->release, release) &&
	    fresh->targets->len == 0)
		return g_strdup(fresh->arn);
	backend->fresh = NO_GROUP;
	if (!read_both(self, backend, error) || !balancer_balance(self, backend, error))
		return NULL;
	return hand_out(self, backend, release, error);
}
