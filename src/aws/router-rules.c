/*
 * Rules of the listener: a rule matches at most five host names and forwards to both groups by
 * weight, so that a switch is one change and a way back is another. A rule remembers what the
 * balancer has been told last; only what differs is told again.
 */
#include "aws/router-private.h"
#include "base/error.h"
#include "base/text.h"

#include <string.h>

#define RULE_HOSTS 5
#define PRIORITY_TRIES 20

static const AwsService *const balancing = &aws_services[AWS_ELBV2];

/* How hosts lie in rules */

/* Wildcards of as many labels share rules, since a longer one has to come before a shorter one. */
static unsigned
class_of(const char *host)
{
	unsigned labels = 1;
	if (!g_str_has_prefix(host, "*."))
		return 0;

	for (const char *c = host; *c; c++)
		labels += *c == '.';
	return labels;
}

static Rule *
rule_with_room(const GPtrArray *rules, const char *host)
{
	for (guint i = 0; i < rules->len; i++) {
		Rule *rule = rules->pdata[i];
		if (rule->hosts->len > 0 && rule->hosts->len < RULE_HOSTS &&
		    class_of(rule->hosts->pdata[0]) == class_of(host))
			return rule;
	}
	return NULL;
}

static bool
is_placed(const GPtrArray *rules, const char *host)
{
	for (guint i = 0; i < rules->len; i++) {
		const Rule *rule = rules->pdata[i];
		if (g_ptr_array_find_with_equal_func(rule->hosts, host, g_str_equal, NULL))
			return true;
	}
	return false;
}

static void
place(GPtrArray *rules, const char *host)
{
	Rule *rule = rule_with_room(rules, host);
	if (!rule) {
		rule = g_new0(Rule, 1);
		rule->applied = g_strdup("");
		rule->hosts = g_ptr_array_new_with_free_func(g_free);
		g_ptr_array_add(rules, rule);
	}
	g_ptr_array_add(rule->hosts, g_strdup(host));
}

static void
drop_unwished(Rule *rule, const char *const *hosts)
{
	for (guint i = rule->hosts->len; i > 0; i--) {
		if (!g_strv_contains(hosts, rule->hosts->pdata[i - 1]))
			g_ptr_array_remove_index(rule->hosts, i - 1);
	}
}

GPtrArray *
balancer_rules_plan(const GPtrArray *present, const char *const *hosts)
{
	GPtrArray *rules = g_ptr_array_new_with_free_func((GDestroyNotify)balancer_rule_free);
	for (guint i = 0; i < present->len; i++) {
		Rule *rule = balancer_rule_copy(present->pdata[i]);
		drop_unwished(rule, hosts);
		g_ptr_array_add(rules, rule);
	}
	for (; *hosts; hosts++) {
		if (!is_placed(rules, *hosts))
			place(rules, *hosts);
	}
	return rules;
}

unsigned
balancer_rules_new(const GPtrArray *rules)
{
	unsigned count = 0;
	for (guint i = 0; i < rules->len; i++) {
		const Rule *rule = rules->pdata[i];
		count += !rule->priority && rule->hosts->len;
	}
	return count;
}

/* Telling the balancer */

static json_t *
conditions_of(const Rule *rule)
{
	json_t *values = json_array();
	for (guint i = 0; i < rule->hosts->len; i++)
		json_array_append_new(values, json_string(rule->hosts->pdata[i]));
	return json_pack(
	    "[{s:s, s:{s:o}}]", "Field", "host-header", "HostHeaderConfig", "Values", values);
}

/* Without stickiness of groups: a client's cookie must not hold it to a group that is leaving. */
static json_t *
actions_of(const Backend *backend)
{
	json_t *groups = json_array();
	for (unsigned i = 0; i < GROUPS; i++)
		json_array_append_new(
		    groups, json_pack("{s:s, s:i}", "TargetGroupArn", backend->groups[i].arn,
				"Weight", (int)backend->groups[i].weight));
	return json_pack("[{s:s, s:{s:o, s:{s:b}}}]", "Type", "forward", "ForwardConfig",
	    "TargetGroups", groups, "TargetGroupStickinessConfig", "Enabled", false);
}

static json_t *
rule_input(const Backend *backend, const Rule *rule)
{
	return json_pack(
	    "{s:o, s:o}", "Conditions", conditions_of(rule), "Actions", actions_of(backend));
}

static char *
fingerprint(const json_t *input)
{
	g_autofree char *text = json_text(input, false);
	return text_sha256(text, strlen(text));
}

static bool
modify(BalancerRouter *self, Rule *rule, json_t *input, GError **error)
{
	json_auto_t *call = json_copy(input);
	json_object_set_new(call, "RuleArn", json_string(rule->arn));
	/* Until the answer is there, nobody knows. */
	g_free(rule->applied);
	rule->applied = g_strdup("");
	g_autoptr(GError) failure = NULL;
	json_auto_t *answer =
	    aws_query(self->rack->client, balancing, "ModifyRule", call, NULL, &failure);
	if (!answer) {
		/* Somebody has taken it away: the next ensure makes it anew. */
		if (aws_error_is(failure, "RuleNotFound"))
			g_clear_pointer(&rule->arn, g_free);
		g_propagate_error(error, g_steal_pointer(&failure));
		return false;
	}
	g_free(rule->applied);
	rule->applied = fingerprint(input);
	return true;
}

static bool
leads_to(const json_t *rule, const Backend *backend)
{
	json_auto_t *actions = aws_items(rule, "Actions");
	json_auto_t *groups = aws_items(json_array_get(actions, 0), "ForwardConfig.TargetGroups");
	size_t index;
	json_t *group;
	json_array_foreach(groups, index, group)
	{
		const char *arn = json_text_of(group, "TargetGroupArn", "");
		if (g_strcmp0(arn, backend->groups[0].arn) == 0 ||
		    g_strcmp0(arn, backend->groups[1].arn) == 0)
			return true;
	}
	return false;
}

json_t *
balancer_rules_list(BalancerRouter *self, GError **error)
{
	static const AwsList list = {.service = &aws_services[AWS_ELBV2],
	    .operation = "DescribeRules",
	    .token_in = "Marker",
	    .token_out = "NextMarker",
	    .items = "Rules"};
	json_auto_t *input = json_pack("{s:s}", "ListenerArn", self->rack->listener);
	return aws_list(self->rack->client, &list, input, 0, NULL, error);
}

static json_t *
rule_at(const json_t *list, const char *member, const char *value)
{
	size_t index;
	json_t *rule;
	json_array_foreach((json_t *)list, index, rule)
	{
		if (g_str_equal(json_text_of(rule, member, ""), value))
			return rule;
	}
	return NULL;
}

/* The priority is taken on the balancer: by this very rule, made by an earlier try whose answer was
 * lost, or by somebody outside the rack, who keeps it. */
static bool
settle_priority(BalancerRouter *self, const Backend *backend, Rule *rule, GError **error)
{
	json_auto_t *list = balancer_rules_list(self, error);
	if (!list)
		return false;
	g_autofree char *priority = g_strdup_printf("%u", rule->priority);
	const json_t *there = rule_at(list, "Priority", priority);
	if (there && leads_to(there, backend)) {
		rule->arn = g_strdup(json_text_of(there, "RuleArn", NULL));
		return true;
	}
	return balancer_table_skip(self, backend->name, rule, error);
}

static bool
create_once(BalancerRouter *self, const Backend *backend, Rule *rule, json_t *input, GError **error)
{
	json_auto_t *call = json_copy(input);
	json_auto_t *more =
	    json_pack("{s:s, s:i, s:[{s:s, s:s}]}", "ListenerArn", self->rack->listener, "Priority",
		(int)rule->priority, "Tags", "Key", "carrack", "Value", self->rack->name);
	json_object_update(call, more);
	json_auto_t *answer =
	    aws_query(self->rack->client, balancing, "CreateRule", call, NULL, error);
	if (!answer)
		return false;

	json_auto_t *made = aws_items(answer, "Rules");
	rule->arn = g_strdup(json_text_of(json_array_get(made, 0), "RuleArn", NULL));
	g_free(rule->applied);
	rule->applied = fingerprint(input);
	return true;
}

static bool
create(BalancerRouter *self, const Backend *backend, Rule *rule, json_t *input, GError **error)
{
	for (unsigned try = 0; try < PRIORITY_TRIES && !rule->arn; try++) {
		g_autoptr(GError) failure = NULL;
		if (create_once(self, backend, rule, input, &failure))
			return true;
		if (!aws_error_is(failure, "PriorityInUse")) {
			g_propagate_error(error, g_steal_pointer(&failure));
			return false;
		}
		if (!settle_priority(self, backend, rule, error))
			return false;
	}
	return rule->arn ||
	       error_set(error, CARRACK_ERROR_CONFLICT,
		   "the balancer's priorities up to %u belong to rules from outside the rack",
		   rule->priority);
}

static bool
delete_rule(BalancerRouter *self, Rule *rule, GError **error)
{
	g_autoptr(GError) failure = NULL;
	json_auto_t *input = json_pack("{s:s}", "RuleArn", rule->arn);
	json_auto_t *answer =
	    aws_query(self->rack->client, balancing, "DeleteRule", input, NULL, &failure);
	if (answer || aws_error_is(failure, "RuleNotFound")) {
		g_clear_pointer(&rule->arn, g_free);
		return true;
	}
	g_propagate_error(error, g_steal_pointer(&failure));
	return false;
}

static bool
apply_one(BalancerRouter *self, const Backend *backend, Rule *rule, GError **error)
{
	if (!rule->hosts->len)
		return !rule->arn || delete_rule(self, rule, error);

	json_auto_t *input = rule_input(backend, rule);
	if (!rule->arn && !create(self, backend, rule, input, error))
		return false;
	g_autofree char *wish = fingerprint(input);
	return g_strcmp0(rule->applied, wish) == 0 || modify(self, rule, input, error);
}

bool
balancer_rules_apply(BalancerRouter *self, Backend *backend, GError **error)
{
	/* First what leaves a rule: a host is never in two. */
	for (guint i = 0; i < backend->rules->len; i++) {
		Rule *rule = backend->rules->pdata[i];
		if (rule->arn && !apply_one(self, backend, rule, error))
			return false;
	}
	for (guint i = 0; i < backend->rules->len; i++) {
		if (!apply_one(self, backend, backend->rules->pdata[i], error))
			return false;
	}
	for (guint i = backend->rules->len; i > 0; i--) {
		if (!((Rule *)backend->rules->pdata[i - 1])->hosts->len)
			g_ptr_array_remove_index(backend->rules, i - 1);
	}
	return true;
}

bool
balancer_rules_remove(BalancerRouter *self, Backend *backend, GError **error)
{
	for (guint i = 0; i < backend->rules->len; i++) {
		Rule *rule = backend->rules->pdata[i];
		if (rule->arn && !delete_rule(self, rule, error))
			return false;
	}
	g_ptr_array_set_size(backend->rules, 0);
	return true;
}

/* Comparing */

/* The weights as the balancer has them: a crash between a change and its note must not make us
 * believe the note. */
static void
take_weights(Backend *backend, const json_t *rule)
{
	json_auto_t *actions = aws_items(rule, "Actions");
	json_auto_t *groups = aws_items(json_array_get(actions, 0), "ForwardConfig.TargetGroups");
	size_t index;
	json_t *entry;
	json_array_foreach(groups, index, entry)
	{
		const char *arn = json_text_of(entry, "TargetGroupArn", "");
		gint64 weight = 0;
		if (!text_parse_int(
			json_text_of(entry, "Weight", ""), "weight", 0, 999, &weight, NULL))
			continue;
		for (unsigned i = 0; i < GROUPS; i++) {
			if (g_strcmp0(arn, backend->groups[i].arn) == 0)
				backend->groups[i].weight = (unsigned)weight;
		}
	}
}

bool
balancer_rules_compare(Backend *backend, const json_t *list)
{
	bool is_whole = true;
	for (guint i = 0; i < backend->rules->len; i++) {
		Rule *rule = backend->rules->pdata[i];
		const json_t *there = rule->arn ? rule_at(list, "RuleArn", rule->arn) : NULL;
		if (there) {
			take_weights(backend, there);
			continue;
		}
		g_clear_pointer(&rule->arn, g_free);
		is_whole = false;
	}
	return is_whole;
}
