/*
 * What is known of targets. ECS registers and deregisters processes by itself, so the balancer's
 * own list is the truth about who is there; whose process a target is, is known only from add().
 * What was read is kept: around a change it may be a second old, otherwise minutes, and an idle
 * rack asks nothing.
 */
#include "aws/router-private.h"
#include "base/error.h"
#include "base/text.h"

#include <string.h>

#define ACTIVE_SECONDS 15 /* after a change */
#define ACTIVE_AGE 1.0
#define IDLE_AGE 300.0

static const AwsService *const balancing = &aws_services[AWS_ELBV2];

static bool
is_state(const Target *target, const char *state)
{
	return g_str_equal(target->state, state);
}

bool
balancer_target_is_usable(const Target *target)
{
	return !target->is_drained && !target->is_leaving && is_state(target, "healthy");
}

unsigned
balancer_group_usable(const Group *group)
{
	unsigned count = 0;
	for (guint i = 0; i < group->targets->len; i++)
		count += balancer_target_is_usable(group->targets->pdata[i]);
	return count;
}

static bool
is_at(const Target *target, const char *id, unsigned port)
{
	return target->port == port && g_str_equal(target->id, id);
}

static Target *
find(const GPtrArray *targets, const char *id, unsigned port)
{
	for (guint i = 0; i < targets->len; i++) {
		if (is_at(targets->pdata[i], id, port))
			return targets->pdata[i];
	}
	return NULL;
}

/* One entry of DescribeTargetHealth over what is known; the caller owns the target. */
static Target *
read_one(GPtrArray *known, const json_t *entry)
{
	const json_t *place = json_object_get(entry, "Target");
	const json_t *health = json_object_get(entry, "TargetHealth");
	const char *id = json_text_of(place, "Id", "");
	gint64 port = 0;
	text_parse_int(json_text_of(place, "Port", ""), "port", 0, G_MAXUINT16, &port, NULL);
	Target *target = find(known, id, (unsigned)port);
	guint index = 0;
	if (target && g_ptr_array_find(known, target, &index)) {
		g_ptr_array_steal_index_fast(known, index);
	} else {
		target = g_new0(Target, 1);
		target->id = g_strdup(id);
		target->port = (unsigned)port;
		target->process = g_strdup("");
		target->seen = g_get_monotonic_time();
	}
	const char *reason = json_text_of(health, "Reason", "");
	const char *description = json_text_of(health, "Description", "");
	g_free(target->state);
	g_free(target->why);
	target->state = g_strdup(json_text_of(health, "State", ""));
	/* ECS has registered again what we had taken out. */
	target->is_leaving = target->is_leaving && !is_state(target, "initial");
	target->why = g_strdup_printf("%s%s%s", reason, *reason ? ": " : "", description);
	return target;
}

bool
balancer_targets_read(BalancerRouter *self, Group *group, double seconds, GError **error)
{
	gint64 now = g_get_monotonic_time();
	bool is_new = group->asked && now - group->asked < (gint64)(seconds * G_USEC_PER_SEC);
	if (!group->arn || is_new)
		return true;

	json_auto_t *input = json_pack("{s:s}", "TargetGroupArn", group->arn);
	json_auto_t *answer =
	    aws_query(self->rack->client, balancing, "DescribeTargetHealth", input, NULL, error);
	if (!answer)
		return false;

	g_autoptr(GPtrArray) known = group->targets;
	group->targets = g_ptr_array_new_with_free_func((GDestroyNotify)balancer_target_free);
	json_auto_t *list = aws_items(answer, "TargetHealthDescriptions");
	size_t index;
	json_t *entry;
	json_array_foreach(list, index, entry)
	{
		g_ptr_array_add(group->targets, read_one(known, entry));
	}
	group->asked = g_get_monotonic_time();
	return true;
}

bool
balancer_targets_look(BalancerRouter *self, Backend *backend, GError **error)
{
	gint64 age = g_get_monotonic_time() - backend->touched;
	/* While both groups serve, one that has lost its processes must be seen. */
	bool are_both = backend->groups[0].weight > 0 && backend->groups[1].weight > 0;
	bool is_active = are_both || (backend->touched && age < ACTIVE_SECONDS * G_USEC_PER_SEC);
	for (unsigned i = 0; i < GROUPS; i++) {
		Group *group = &backend->groups[i];
		/* A group that does not serve and was empty stays so until it is handed out. */
		bool is_resting =
		    !is_active && group->asked && group->weight == 0 && group->targets->len == 0;
		if (is_resting)
			continue;
		if (!balancer_targets_read(self, group, is_active ? ACTIVE_AGE : IDLE_AGE, error))
			return false;
	}
	return true;
}

static Target *
at_in(const Group *group, const char *address, const char *instance, unsigned port)
{
	Target *target = instance ? find(group->targets, instance, port) : NULL;
	return target ? target : find(group->targets, address, port);
}

Target *
balancer_target_at(
    BalancerRouter *self, Backend *backend, const char *address, unsigned port, unsigned *index)
{
	g_autofree char *instance =
	    self->rack->is_fargate ? NULL : aws_rack_instance_at(self->rack, address);
	for (unsigned i = 0; i < GROUPS; i++) {
		Target *target = at_in(&backend->groups[i], address, instance, port);
		if (!target)
			continue;
		*index = i;
		return target;
	}
	return NULL;
}

Target *
balancer_target_of(Backend *backend, const char *process, unsigned *index, unsigned *place)
{
	for (; *index <= GROUPS; (*index)++, *place = 0) {
		const GPtrArray *targets =
		    *index < GROUPS ? backend->groups[*index].targets : backend->loose;
		while (*place < targets->len) {
			Target *target = targets->pdata[(*place)++];
			if (g_str_equal(target->process, process))
				return target;
		}
	}
	return NULL;
}

bool
balancer_target_register(
    BalancerRouter *self, Group *group, const char *address, unsigned port, GError **error)
{
	g_autofree char *instance =
	    self->rack->is_fargate ? NULL : aws_rack_instance_at(self->rack, address);
	if (!self->rack->is_fargate && !instance)
		return error_set(error, CARRACK_ERROR_UNAVAILABLE,
		    "no instance with the address %s is known yet", address);

	const char *id = instance ? instance : address;
	json_auto_t *input = json_pack("{s:s, s:[{s:s, s:i}]}", "TargetGroupArn", group->arn,
	    "Targets", "Id", id, "Port", (int)port);
	json_auto_t *answer =
	    aws_query(self->rack->client, balancing, "RegisterTargets", input, NULL, error);
	if (!answer)
		return false;

	Target *known = find(group->targets, id, port);
	if (known)
		known->is_leaving = false;
	group->asked = 0;
	return true;
}

bool
balancer_targets_deregister(
    BalancerRouter *self, Group *group, TargetChoice is_chosen, gconstpointer data, GError **error)
{
	json_auto_t *list = json_array();
	for (guint i = 0; i < group->targets->len; i++) {
		const Target *target = group->targets->pdata[i];
		bool is_going = target->is_leaving || is_state(target, "draining");
		if (!is_going && is_chosen(target, data))
			json_array_append_new(list,
			    json_pack("{s:s, s:i}", "Id", target->id, "Port", (int)target->port));
	}
	if (!json_array_size(list))
		return true;

	json_auto_t *input = json_pack("{s:s, s:O}", "TargetGroupArn", group->arn, "Targets", list);
	json_auto_t *answer =
	    aws_query(self->rack->client, balancing, "DeregisterTargets", input, NULL, error);
	if (!answer)
		return false;

	for (guint i = 0; i < group->targets->len; i++) {
		Target *target = group->targets->pdata[i];
		target->is_leaving = target->is_leaving || is_chosen(target, data);
	}
	group->asked = 0;
	return true;
}

char *
balancer_target_address(BalancerRouter *self, const Target *target)
{
	char *address = self->rack->is_fargate ? NULL : aws_rack_address_of(self->rack, target->id);
	return address ? address : g_strdup(target->id);
}
