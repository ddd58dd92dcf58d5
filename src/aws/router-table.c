/*
 * Who owns which host name and which priority: one document («balancer», «table») for the whole
 * rack, written only on condition that it is still the one read. So of two that ask for the same
 * host one wins, a priority is never given out twice, and a service gets all it needs or nothing.
 *
 *   {"hosts": {"www.shop.test": "shop/web"}, "rules": {"1000": "shop/web"}, "groups": {"shop/web":
 * 2}}
 *
 * It is bounded by the balancer's own quota of 100 rules of 5 hosts (some 50 KB). Exact hosts have
 * priorities before all wildcards, and longer wildcards before shorter ones, since the balancer
 * takes the first rule that matches.
 */
#include "aws/router-private.h"
#include "base/error.h"
#include "base/text.h"

#include <string.h>

#define KIND_TABLE "balancer"
#define ID_TABLE "table"
#define TRIES 10
#define EXACT_FIRST 1000 /* the stack's own rules come before */
#define WILDCARD_FIRST 30000
#define WILDCARD_BAND 1000
#define WILDCARD_LABELS 20 /* more labels share the first band */
#define FOREIGN ""         /* the owner of a priority that somebody outside has taken */

/* What an account has unless somebody asked for more, and what the stack takes of it. */
#define RULE_LIMIT 100
#define GROUP_LIMIT 100
#define STACK_RULES 1
#define STACK_GROUPS 1
#define LIMITS_SECONDS 60

void
balancer_table_init(RuleTable *table)
{
	pthread_mutex_init(&table->lock, NULL);
	table->rule_limit = RULE_LIMIT;
	table->group_limit = GROUP_LIMIT;
}

void
balancer_table_clear(RuleTable *table)
{
	json_decref(table->body);
	pthread_mutex_destroy(&table->lock);
}

/* Reading and writing; with the table's lock held */

static json_t *
member(json_t *body, const char *name)
{
	json_t *value = json_object_get(body, name);
	if (value)
		return value;

	json_object_set_new(body, name, json_object());
	return json_object_get(body, name);
}

static bool
table_load(BalancerRouter *self, GError **error)
{
	RuleTable *table = &self->table;
	Store *store = self->store;
	if (table->is_loaded)
		return true;

	g_autoptr(GError) failure = NULL;
	g_autoptr(StoreDocument) document =
	    store->ops->get(store, KIND_TABLE, "", ID_TABLE, &failure);
	bool is_absent = g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
	if (!document && !is_absent) {
		g_propagate_error(error, g_steal_pointer(&failure));
		return false;
	}
	json_decref(table->body);
	table->body = document ? json_incref(document->body) : json_object();
	table->version = document ? document->version : 0;
	table->is_loaded = true;
	return true;
}

typedef bool (*TableChange)(BalancerRouter *self, json_t *body, gpointer data, GError **error);

/* Changes a copy and writes it on condition; when somebody else was faster, once more on what he
 * wrote. A change that changes nothing is not written. */
static bool
table_change(BalancerRouter *self, TableChange change, gpointer data, GError **error)
{
	RuleTable *table = &self->table;
	for (unsigned try = 0; try < TRIES; try++) {
		g_autoptr(GError) failure = NULL;
		if (!table_load(self, error))
			return false;
		json_auto_t *body = json_deep_copy(table->body);
		if (!change(self, body, data, error))
			return false;
		if (json_equal(body, table->body))
			return true;
		if (self->store->ops->put(self->store, KIND_TABLE, "", ID_TABLE, body,
			table->version, &table->version, &failure)) {
			json_decref(table->body);
			table->body = g_steal_pointer(&body);
			return true;
		}
		table->is_loaded = false;
		if (!g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_CONFLICT)) {
			g_propagate_error(error, g_steal_pointer(&failure));
			return false;
		}
	}
	return error_set(error, CARRACK_ERROR_CONFLICT,
	    "the table of hosts was changed by others %d times in a row", TRIES);
}

/* Hosts */

static bool
host_is_free(
    BalancerRouter *self, json_t *body, const char *owner, const char *host, GError **error)
{
	g_autofree char *own = g_strconcat("rack.", self->rack->domain, NULL);
	if (g_ascii_strcasecmp(own, host) == 0)
		return error_set(
		    error, CARRACK_ERROR_CONFLICT, "%s is used by the rack itself", host);

	const char *other = json_text_of(member(body, "hosts"), host, owner);
	const char *slash = strchr(other, '/');
	if (g_str_equal(other, owner) || !slash)
		return true;

	return error_set(error, CARRACK_ERROR_CONFLICT, "%s is used by app %.*s", host,
	    (int)(slash - other), other);
}

static bool
hosts_are_free(
    BalancerRouter *self, json_t *body, const char *owner, const char *const *hosts, GError **error)
{
	for (; *hosts; hosts++) {
		if (!host_is_free(self, body, owner, *hosts, error))
			return false;
	}
	return true;
}

/* Quotas */

static unsigned
limit_of(const json_t *limits, const char *name, unsigned fallback)
{
	size_t index;
	json_t *limit;
	gint64 maximum = fallback;
	json_array_foreach((json_t *)limits, index, limit)
	{
		if (g_str_equal(json_text_of(limit, "Name", ""), name))
			text_parse_int(
			    json_text_of(limit, "Max", ""), name, 0, G_MAXINT, &maximum, NULL);
	}
	return (unsigned)maximum;
}

/* Asked only when the default would not do, and not again and again: most racks never call it. */
static void
limits_ask(BalancerRouter *self)
{
	static const AwsList list = {.service = &aws_services[AWS_ELBV2],
	    .operation = "DescribeAccountLimits",
	    .token_in = "Marker",
	    .token_out = "NextMarker",
	    .items = "Limits"};
	RuleTable *table = &self->table;
	gint64 now = g_get_monotonic_time();
	if (table->limits_asked && now - table->limits_asked < LIMITS_SECONDS * G_USEC_PER_SEC)
		return;

	table->limits_asked = now;
	json_auto_t *limits = aws_list(self->rack->client, &list, NULL, 0, NULL, NULL);
	if (!limits)
		return;
	table->rule_limit =
	    limit_of(limits, "rules-per-application-load-balancer", table->rule_limit);
	table->group_limit =
	    limit_of(limits, "target-groups-per-application-load-balancer", table->group_limit);
}

static unsigned
groups_of(json_t *body)
{
	unsigned count = STACK_GROUPS;
	const char *owner;
	json_t *groups;
	json_object_foreach(member(body, "groups"), owner, groups)
	{
		count += (unsigned)json_integer_value(groups);
	}
	return count;
}

static bool
check_limit(const char *what,
    unsigned limit,
    unsigned taken,
    unsigned wish,
    const char *owner,
    GError **error)
{
	if (taken + wish <= limit)
		return true;

	const char *service = strchr(owner, '/');
	return error_set(error, CARRACK_ERROR_FORBIDDEN,
	    "the balancer has room for %u %s: %u are taken, and service %s of app %.*s needs %u "
	    "more (ask AWS for a higher quota)",
	    limit, what, taken, service ? service + 1 : owner, (int)(service ? service - owner : 0),
	    owner, wish);
}

static bool
has_room(BalancerRouter *self, json_t *body, const char *owner, unsigned new_rules, GError **error)
{
	RuleTable *table = &self->table;
	bool has_groups = json_object_get(member(body, "groups"), owner) != NULL;
	unsigned wish = has_groups ? 0 : GROUPS;
	unsigned rules = (unsigned)json_object_size(member(body, "rules")) + STACK_RULES;
	unsigned groups = groups_of(body);
	bool fits = rules + new_rules <= table->rule_limit && groups + wish <= table->group_limit;
	if (!fits)
		limits_ask(self);
	return check_limit("rules", table->rule_limit, rules, new_rules, owner, error) &&
	       check_limit("target groups", table->group_limit, groups, wish, owner, error);
}

bool
balancer_table_check(BalancerRouter *self,
    const char *owner,
    const char *const *hosts,
    unsigned new_rules,
    GError **error)
{
	LOCKED(&self->table.lock);
	if (!*hosts)
		return true;

	return table_load(self, error) &&
	       hosts_are_free(self, self->table.body, owner, hosts, error) &&
	       has_room(self, self->table.body, owner, new_rules, error);
}

/* Priorities */

static unsigned
band_of(const Rule *rule, unsigned *size)
{
	const char *host = rule->hosts->len ? rule->hosts->pdata[0] : "";
	unsigned labels = 1;
	*size = WILDCARD_FIRST - EXACT_FIRST;
	if (!g_str_has_prefix(host, "*."))
		return EXACT_FIRST;

	for (const char *c = host; *c; c++)
		labels += *c == '.';
	*size = WILDCARD_BAND;
	return WILDCARD_FIRST + (WILDCARD_LABELS - MIN(labels, WILDCARD_LABELS)) * WILDCARD_BAND;
}

static bool
take_priority(json_t *body, const char *owner, Rule *rule, GError **error)
{
	unsigned size = 0;
	unsigned first = band_of(rule, &size);
	json_t *rules = member(body, "rules");
	for (unsigned priority = first; priority < first + size; priority++) {
		g_autofree char *key = g_strdup_printf("%u", priority);
		if (json_object_get(rules, key))
			continue;
		json_object_set_new(rules, key, json_string(owner));
		rule->priority = priority;
		return true;
	}
	return error_set(error, CARRACK_ERROR_FORBIDDEN,
	    "the balancer has no priority left between %u and %u", first, first + size - 1);
}

typedef struct {
	const char *owner;
	const char *const *hosts;
	GPtrArray *rules;
	GPtrArray *without; /* of these, the ones that need a priority */
	bool has_groups;
} Claim;

static bool
change_claim(BalancerRouter *self, json_t *body, gpointer data, GError **error)
{
	Claim *claim = data;
	if (!hosts_are_free(self, body, claim->owner, claim->hosts, error) ||
	    !has_room(self, body, claim->owner, claim->without->len, error))
		return false;

	for (const char *const *host = claim->hosts; *host; host++)
		json_object_set_new(member(body, "hosts"), *host, json_string(claim->owner));
	json_object_set_new(member(body, "groups"), claim->owner, json_integer(GROUPS));
	for (guint i = 0; i < claim->without->len; i++) {
		if (!take_priority(body, claim->owner, claim->without->pdata[i], error))
			return false;
	}
	return true;
}

bool
balancer_table_claim(BalancerRouter *self,
    const char *owner,
    const char *const *hosts,
    GPtrArray *rules,
    GError **error)
{
	LOCKED(&self->table.lock);
	g_autoptr(GPtrArray) without = g_ptr_array_new();
	for (guint i = 0; i < rules->len; i++) {
		Rule *rule = rules->pdata[i];
		if (!rule->priority && rule->hosts->len)
			g_ptr_array_add(without, rule);
	}
	Claim claim = {owner, hosts, rules, without, true};
	bool is_done = !*hosts || table_change(self, change_claim, &claim, error);
	for (guint i = 0; !is_done && i < without->len; i++)
		((Rule *)without->pdata[i])->priority = 0;
	return is_done;
}

static bool
has_priority(const GPtrArray *rules, const char *key)
{
	for (guint i = 0; i < rules->len; i++) {
		g_autofree char *own =
		    g_strdup_printf("%u", ((const Rule *)rules->pdata[i])->priority);
		if (g_str_equal(own, key))
			return true;
	}
	return false;
}

static bool
change_keep(BalancerRouter *self, json_t *body, gpointer data, GError **error)
{
	const Claim *claim = data;
	const char *key;
	json_t *owner;
	void *next;
	json_object_foreach_safe(member(body, "hosts"), next, key, owner)
	{
		if (g_str_equal(json_string_value(owner), claim->owner) &&
		    !g_strv_contains(claim->hosts, key))
			json_object_del(member(body, "hosts"), key);
	}
	json_object_foreach_safe(member(body, "rules"), next, key, owner)
	{
		if (g_str_equal(json_string_value(owner), claim->owner) &&
		    !has_priority(claim->rules, key))
			json_object_del(member(body, "rules"), key);
	}
	if (!claim->has_groups)
		json_object_del(member(body, "groups"), claim->owner);
	return true;
}

bool
balancer_table_keep(BalancerRouter *self,
    const char *owner,
    const char *const *hosts,
    const GPtrArray *rules,
    bool has_groups,
    GError **error)
{
	LOCKED(&self->table.lock);
	Claim claim = {owner, hosts, (GPtrArray *)rules, NULL, has_groups};
	return table_change(self, change_keep, &claim, error);
}

static bool
change_skip(BalancerRouter *self, json_t *body, gpointer data, GError **error)
{
	const Claim *claim = data;
	Rule *rule = claim->rules->pdata[0];
	g_autofree char *key = g_strdup_printf("%u", rule->priority);
	json_object_set_new(member(body, "rules"), key, json_string(FOREIGN));
	return take_priority(body, claim->owner, rule, error);
}

bool
balancer_table_skip(BalancerRouter *self, const char *owner, Rule *rule, GError **error)
{
	LOCKED(&self->table.lock);
	g_autoptr(GPtrArray) rules = g_ptr_array_new();
	g_ptr_array_add(rules, rule);
	Claim claim = {owner, NULL, rules, NULL, true};
	return table_change(self, change_skip, &claim, error);
}
