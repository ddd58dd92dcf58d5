/*
 * What the files of the balancer's router share: the router, its backends, their two target groups
 * and their rules. router.c has the part's functions, router-model.c the documents, router-table.c
 * who owns which host and priority, router-groups.c and router-rules.c what is made on the
 * balancer, router-targets.c what is known of targets, router-servers.c how processes come and go.
 *
 * Locks: the router's is over its list of backends and never held over a call; a backend's is held
 * over calls that change it and never while waiting. No lock is taken after a backend's but the
 * table's.
 */
#pragma once

#include "aws/provider.h"
#include "base/lock.h"

#define GROUPS 2
#define NO_GROUP (-1)

typedef struct {
	char *id; /* as the balancer has it: an address, or an instance */
	unsigned port;
	char *state;   /* of the balancer: initial, healthy, unhealthy, draining, unused */
	char *why;     /* why it is not healthy, or «» */
	char *process; /* «»: nobody has claimed it */
	bool is_drained;
	bool is_leaving; /* we have deregistered it */
	gint64 seen;     /* since when it is known; monotonic */
} Target;

typedef struct {
	char *name;
	char *arn;        /* NULL: not made yet */
	json_t *settings; /* that it was made with or last given; NULL: none */
	char *release;    /* for whose processes it was handed out, or «» */
	unsigned generation;
	unsigned weight;
	GPtrArray *targets; /* Target * */
	gint64 asked;       /* when its targets were read; 0: they have to be */
} Group;

typedef struct {
	unsigned priority; /* 0: none yet */
	char *arn;         /* NULL: not made yet */
	GPtrArray *hosts;  /* char *; all exact, or all wildcards of as many labels */
	char *applied;     /* what the balancer has been told last, as a hash; «»: not known */
} Rule;

typedef struct {
	char *app;
	char *service;
	char *name; /* «app/service» */
	pthread_mutex_t lock;
	gint64 version; /* of its document; 0: there is none */
	bool is_stale;  /* somebody else has written it: read it again */
	bool is_whole;  /* everything on the balancer is as the document says */
	bool is_going;  /* forget has begun */
	GStrv hosts;
	json_t *wish;     /* settings for the next group that is handed out */
	GPtrArray *rules; /* Rule * */
	Group groups[GROUPS];
	GPtrArray *loose; /* Target * of a service without hosts: kept, and told as they are */
	int fresh;        /* handed out by this life and not serving yet, or NO_GROUP */
	int was_fresh;    /* the last that was handed out, also by an earlier life */
	char *outgoing;   /* ARN of a group that another has replaced, to be deleted; or NULL */
	gint64 touched;   /* when something was last changed; monotonic */
} Backend;

/* Hosts, priorities and groups: one document, written on condition. */
typedef struct {
	pthread_mutex_t lock;
	json_t *body;
	gint64 version;
	bool is_loaded;
	unsigned rule_limit;
	unsigned group_limit;
	gint64 limits_asked;
} RuleTable;

typedef struct {
	Router base;
	AwsRack *rack;
	Store *store;
	RuleTable table;
	pthread_mutex_t lock;
	GPtrArray *backends; /* Backend *, never freed before the router */
	bool is_loaded;
	gint64 checked; /* when the balancer's rules were last compared; monotonic */
} BalancerRouter;

/* router-model.c */

/* Lower case, each once, sorted; NULL with INVALID for what the balancer cannot match. */
GStrv
balancer_hosts(const char *const *hosts, GError **error);

/* What a target group has to be: members of CreateTargetGroup under our names. */
json_t *
balancer_settings(const RouterBackend *wish, GError **error);

Backend *
balancer_backend_new(const char *app, const char *service);

void
balancer_backend_free(Backend *backend);

/* Forgets everything but the name: as if it had never been made. */
void
balancer_backend_clear(Backend *backend);

void
balancer_rule_free(Rule *rule);

Rule *
balancer_rule_copy(const Rule *rule);

void
balancer_target_free(Target *target);

bool
balancer_backend_read(Backend *backend, const StoreDocument *document, GError **error);

bool
balancer_backend_save(BalancerRouter *self, Backend *backend, GError **error);

/* Reads the document again if somebody else has written it. */
bool
balancer_backend_fresh(BalancerRouter *self, Backend *backend, GError **error);

/* router-table.c */

void
balancer_table_init(RuleTable *table);

void
balancer_table_clear(RuleTable *table);

/* Whether these hosts are free for the service and the balancer has room for so many more rules
 * (and the groups of a service that has none yet). */
bool
balancer_table_check(BalancerRouter *self,
    const char *owner,
    const char *const *hosts,
    unsigned new_rules,
    GError **error);

/* Takes hosts, groups and a priority for each rule that has none, all or nothing. */
bool
balancer_table_claim(BalancerRouter *self,
    const char *owner,
    const char *const *hosts,
    GPtrArray *rules,
    GError **error);

/* Gives up all of the owner's hosts and priorities that are not in these; without groups if the
 * service is no more. Writes only when there is something to give up. */
bool
balancer_table_keep(BalancerRouter *self,
    const char *owner,
    const char *const *hosts,
    const GPtrArray *rules,
    bool has_groups,
    GError **error);

/* The priority belongs to a rule that is not ours: another one, please. */
bool
balancer_table_skip(BalancerRouter *self, const char *owner, Rule *rule, GError **error);

/* router-groups.c */

/* Makes the group if it is not there (or finds it, half made) and gives it the settings. */
bool
balancer_group_make(BalancerRouter *self,
    const Backend *backend,
    unsigned index,
    const json_t *settings,
    GError **error);

/* Whether settings need another group: a protocol cannot be changed. */
bool
balancer_group_must_change(const Group *group, const json_t *settings);

/* Deletes it, waiting a while as long as it is in use. */
bool
balancer_group_remove(BalancerRouter *self, Group *group, GError **error);

/* router-rules.c */

/* How the hosts lie in rules: those of `present` stay where they are. The caller frees it. */
GPtrArray *
balancer_rules_plan(const GPtrArray *present, const char *const *hosts);

/* Rules of the plan without a priority. */
unsigned
balancer_rules_new(const GPtrArray *rules);

/* Makes the balancer's rules as the backend says, with the groups' weights; calls only for what has
 * changed. */
bool
balancer_rules_apply(BalancerRouter *self, Backend *backend, GError **error);

bool
balancer_rules_remove(BalancerRouter *self, Backend *backend, GError **error);

/* All rules of the listener as DescribeRules tells. The caller owns it. */
json_t *
balancer_rules_list(BalancerRouter *self, GError **error);

/* Compares with such a list: rules that are gone are to be made, weights are taken over. False when
 * something has to be made. */
bool
balancer_rules_compare(Backend *backend, const json_t *list);

/* router-targets.c */

/* Reads the targets of a group again when what is known is older than `seconds`. */
bool
balancer_targets_read(BalancerRouter *self, Group *group, double seconds, GError **error);

/* Both groups, as often as it is worth it: once a second around changes, seldom otherwise. */
bool
balancer_targets_look(BalancerRouter *self, Backend *backend, GError **error);

/* The target that serves the address, and its group; NULL when the balancer has none. */
Target *
balancer_target_at(
    BalancerRouter *self, Backend *backend, const char *address, unsigned port, unsigned *index);

/* The next target of a process from `*index`, `*place` on; to begin with, both are 0. */
Target *
balancer_target_of(Backend *backend, const char *process, unsigned *index, unsigned *place);

bool
balancer_target_is_usable(const Target *target);

unsigned
balancer_group_usable(const Group *group);

/* Registers one target. */
bool
balancer_target_register(
    BalancerRouter *self, Group *group, const char *address, unsigned port, GError **error);

/* Deregisters, in one call, those of the group that `is_chosen` says and have not been yet. */
typedef bool (*TargetChoice)(const Target *target, gconstpointer data);

bool
balancer_targets_deregister(
    BalancerRouter *self, Group *group, TargetChoice is_chosen, gconstpointer data, GError **error);

/* «10.0.1.7» of a target. The caller frees it. */
char *
balancer_target_address(BalancerRouter *self, const Target *target);

/* router-servers.c: functions of RouterOps. */

bool
balancer_add(Router *router,
    const char *app,
    const char *service,
    const char *process,
    const char *address,
    unsigned port,
    GError **error);

bool
balancer_drain(
    Router *router, const char *app, const char *service, const char *process, GError **error);

bool
balancer_ready(
    Router *router, const char *app, const char *service, const char *process, GError **error);

bool
balancer_wait_drained(Router *router,
    const char *app,
    const char *service,
    const char *process,
    unsigned seconds,
    bool *is_drained,
    GCancellable *cancel,
    GError **error);

bool
balancer_cut(
    Router *router, const char *app, const char *service, const char *process, GError **error);

bool
balancer_remove(
    Router *router, const char *app, const char *service, const char *process, GError **error);

GPtrArray *
balancer_servers(Router *router, const char *app, const char *service, GError **error);

/* router-switch.c */

/* Gives the groups these weights. */
bool
balancer_weigh(
    BalancerRouter *self, Backend *backend, const unsigned weights[GROUPS], GError **error);

/* Weights that fit what the groups hold now: a group that has nothing to serve with gets no
 * requests if the other one has, and what serves side by side does so by its number. */
bool
balancer_balance(BalancerRouter *self, Backend *backend, GError **error);

/* router.c */

/* The documents are read once. */
bool
balancer_load(BalancerRouter *self, GError **error);

/* The backend that has a document, or NULL. Never freed. */
Backend *
balancer_backend(BalancerRouter *self, const char *app, const char *service);

/* The same, with NOT_FOUND. */
Backend *
balancer_need_backend(BalancerRouter *self, const char *app, const char *service, GError **error);

/* Whether it has a document and is not going away. With its lock held. */
bool
balancer_backend_is_there(const Backend *backend);
