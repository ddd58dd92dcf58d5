/*
 * The engine part on ECS. A deployment is an ECS service of its own with a task definition of its
 * own, so that two releases can run side by side; ECS keeps its processes running and registers
 * them with the balancer, also while carrackd is away. Nothing is ever updated in place but the
 * count.
 *
 * What a deployment is stands in the tags of its service and tasks. What it was made of (definition
 * and secrets) is taken away before the service itself, so that a removal that was interrupted is
 * seen and done again.
 */
#include "aws/engine-private.h"

#include "base/text.h"

#include <string.h>

#define NAMES_TRIED 99
#define SERVICES_AT_ONCE 10

/* Helpers of all engine files */

json_t *
ecs_call(EcsEngine *engine, const char *operation, const json_t *input, GError **error)
{
	json_t *answer = aws_json(
	    engine->rack->client, &aws_services[AWS_ECS], operation, input, engine->closing, error);
	if (answer) {
		LOCKED(&engine->lock);
		engine->answered = g_get_monotonic_time();
	}
	return answer;
}

bool
ecs_pause(EcsEngine *engine, unsigned milliseconds)
{
	GPollFD closing;
	if (!g_cancellable_make_pollfd(engine->closing, &closing))
		return false;

	g_poll(&closing, 1, (int)milliseconds);
	g_cancellable_release_fd(engine->closing);
	return !g_cancellable_is_cancelled(engine->closing);
}

/* Definitions */

char *
ecs_define(EcsEngine *engine, const EngineSpec *spec, const EngineOneOff *one_off, GError **error)
{
	EngineRoles *roles = ecs_roles_of(engine, spec->app, error);
	if (!roles)
		return NULL;
	json_auto_t *environment = ecs_secrets_make(engine, spec, error);
	json_auto_t *input =
	    environment ? ecs_definition(engine, spec, one_off, roles, environment, error) : NULL;
	json_auto_t *made = input ? ecs_call(engine, "RegisterTaskDefinition", input, error) : NULL;
	ecs_roles_free(roles);
	if (made)
		return g_strdup(
		    json_text_of(json_object_get(made, "taskDefinition"), "taskDefinitionArn", ""));

	if (environment)
		ecs_secrets_remove(engine, json_object_get(environment, "secrets"), NULL);
	return NULL;
}

json_t *
ecs_definition_of(EcsEngine *engine, const char *arn, GError **error)
{
	{
		LOCKED(&engine->lock);
		json_t *known = g_hash_table_lookup(engine->definitions, arn);
		if (known)
			return json_incref(known);
	}
	json_auto_t *input = json_pack("{s:s}", "taskDefinition", arn);
	json_auto_t *answer = ecs_call(engine, "DescribeTaskDefinition", input, error);
	json_t *definition = answer ? json_object_get(answer, "taskDefinition") : NULL;
	if (!definition)
		return NULL;

	LOCKED(&engine->lock);
	g_hash_table_insert(engine->definitions, g_strdup(arn), json_incref(definition));
	return json_incref(definition);
}

/* ECS says ClientException for a definition that it does not know. */
static bool
is_unknown(const GError *failure)
{
	return g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND) ||
	       aws_error_is(failure, "ClientException");
}

bool
ecs_undefine(EcsEngine *engine, const char *arn, GError **error)
{
	g_autoptr(GError) failure = NULL;
	json_auto_t *definition = ecs_definition_of(engine, arn, &failure);
	if (!definition && is_unknown(failure))
		return true;

	json_t *container = json_array_get(json_object_get(definition, "containerDefinitions"), 0);
	json_auto_t *input = json_pack("{s:s}", "taskDefinition", arn);
	bool is_gone = definition &&
		       ecs_secrets_remove(engine, json_object_get(container, "secrets"), &failure);
	json_auto_t *removed =
	    is_gone ? ecs_call(engine, "DeregisterTaskDefinition", input, &failure) : NULL;
	if (!removed && !is_unknown(failure)) {
		g_propagate_error(error, g_steal_pointer(&failure));
		return false;
	}
	LOCKED(&engine->lock);
	g_hash_table_remove(engine->definitions, arn);
	return true;
}

/* Deployments */

/* What ECS says of a name that another service has or that is still going away. */
static bool
is_name_taken(const GError *failure)
{
	return strstr(failure->message, "not idempotent") || strstr(failure->message, "Draining");
}

static char *
create_service(EcsEngine *engine,
    const EngineSpec *spec,
    const char *definition,
    const char *group,
    GError **error)
{
	for (unsigned attempt = 1; attempt <= NAMES_TRIED; attempt++) {
		g_autoptr(GError) failure = NULL;
		g_autofree char *name = ecs_service_name(spec, attempt);
		json_auto_t *input = ecs_service(engine, spec, name, definition, group);
		json_auto_t *made = ecs_call(engine, "CreateService", input, &failure);
		if (made) {
			ecs_view_learn(engine, name, json_object_get(made, "service"));
			return g_steal_pointer(&name);
		}
		if (is_name_taken(failure))
			continue;
		g_propagate_error(error, g_steal_pointer(&failure));
		return NULL;
	}
	error_set(error, CARRACK_ERROR_CONFLICT, "release %s of service %s runs %d times already",
	    spec->release, spec->service, NAMES_TRIED);
	return NULL;
}

/* The router has made the service's target groups before (Provider.routes_first). */
static bool
find_group(EcsEngine *engine, const EngineSpec *spec, char **group, GError **error)
{
	g_autoptr(GError) failure = NULL;
	*group = spec->port && engine->router ? aws_router_group(engine->router, spec->app,
						    spec->service, spec->release, &failure)
					      : NULL;
	if (!failure)
		return true;

	g_propagate_prefixed_error(error, g_steal_pointer(&failure), "service %s: ", spec->service);
	return false;
}

static char *
create(Engine *base, const EngineSpec *spec, GError **error)
{
	EcsEngine *engine = (EcsEngine *)base;
	g_autofree char *group = NULL;
	if (!ecs_spec_check(engine, spec, error) || !find_group(engine, spec, &group, error))
		return NULL;
	g_autofree char *definition = ecs_define(engine, spec, NULL, error);
	if (!definition)
		return NULL;

	char *name = create_service(engine, spec, definition, group, error);
	if (!name) {
		g_prefix_error(error, "service %s: ", spec->service);
		ecs_undefine(engine, definition, NULL);
	}
	return name;
}

static bool
scale(Engine *base, const char *deployment, unsigned count, GError **error)
{
	EcsEngine *engine = (EcsEngine *)base;
	json_auto_t *input = json_pack("{s:s, s:s, s:i}", "cluster", engine->rack->cluster,
	    "service", deployment, "desiredCount", (int)count);
	json_auto_t *answer = ecs_call(engine, "UpdateService", input, error);
	json_t *service = answer ? json_object_get(answer, "service") : NULL;
	if (!service)
		return false;

	/* The answer has no tags, and nothing but counts has changed. */
	json_auto_t *before = ecs_view_service(engine, deployment);
	json_t *tags = json_object_get(before, "tags");
	if (tags && !json_object_get(service, "tags"))
		json_object_set(service, "tags", tags);
	ecs_view_learn(engine, deployment, service);
	return true;
}

static json_t *
describe_services(EcsEngine *engine, const json_t *names, GError **error)
{
	const AwsBatch batch = {
	    &aws_services[AWS_ECS], "DescribeServices", "services", SERVICES_AT_ONCE};
	json_auto_t *input =
	    json_pack("{s:s, s:[s]}", "cluster", engine->rack->cluster, "include", "TAGS");
	json_auto_t *answer =
	    aws_batches(engine->rack->client, &batch, input, names, engine->closing, error);

	return answer ? aws_items(answer, "services") : NULL;
}

/* The definition of a service that is there, «» when it is gone, NULL on failure. */
static char *
definition_of_service(EcsEngine *engine, const char *deployment, GError **error)
{
	json_auto_t *names = json_pack("[s]", deployment);
	json_auto_t *services = describe_services(engine, names, error);
	if (!services)
		return NULL;

	const json_t *service = json_array_get(services, 0);
	bool is_there = strcmp(json_text_of(service, "status", ""), "ACTIVE") == 0;
	return g_strdup(is_there ? json_text_of(service, "taskDefinition", "") : "");
}

static bool
delete_service(EcsEngine *engine, const char *deployment, GError **error)
{
	g_autoptr(GError) failure = NULL;
	json_auto_t *input = json_pack(
	    "{s:s, s:s, s:b}", "cluster", engine->rack->cluster, "service", deployment, "force", 1);
	json_auto_t *removed = ecs_call(engine, "DeleteService", input, &failure);
	bool is_gone = removed || aws_error_is(failure, "ServiceNotFoundException") ||
		       aws_error_is(failure, "ServiceNotActiveException");
	if (is_gone)
		return true;

	g_propagate_error(error, g_steal_pointer(&failure));
	return false;
}

bool
ecs_remove(Engine *base, const char *deployment, GError **error)
{
	EcsEngine *engine = (EcsEngine *)base;
	g_autofree char *definition = definition_of_service(engine, deployment, error);
	if (!definition)
		return false;
	if (!*definition)
		return true;
	if (!ecs_undefine(engine, definition, error) ||
	    !delete_service(engine, deployment, error)) {
		g_prefix_error(error, "deployment %s: ", deployment);
		return false;
	}
	ecs_view_learn(engine, deployment, NULL);
	return true;
}

static char *
tag_of(const json_t *service, const char *name)
{
	const char *value = ecs_tag(service, name);

	return g_strdup(value ? value : "");
}

static EngineDeployment *
read_deployment(const json_t *service)
{
	EngineDeployment *deployment = g_new0(EngineDeployment, 1);

	deployment->id = g_strdup(json_text_of(service, "serviceName", ""));
	deployment->name = g_strdup(deployment->id);
	deployment->app = tag_of(service, TAG_APP);
	deployment->service = tag_of(service, TAG_SERVICE);
	deployment->release = tag_of(service, TAG_RELEASE);
	deployment->image = tag_of(service, TAG_IMAGE);
	deployment->env_hash = tag_of(service, TAG_ENV);
	deployment->count = (unsigned)json_int_of(service, "desiredCount", 0);
	deployment->cpu = ecs_tag_number(service, TAG_CPU);
	deployment->memory = ecs_tag_number(service, TAG_MEMORY);
	deployment->port = ecs_tag_number(service, TAG_PORT);
	deployment->created = ecs_time(service, "createdAt");
	return deployment;
}

static void
add_name(json_t *names, GHashTable *seen, const char *name, const char *prefix)
{
	if (g_str_has_prefix(name, prefix) && g_hash_table_add(seen, g_strdup(name)))
		json_array_append_new(names, json_string(name));
}

/* Names of services that may be the app's: they begin with its name. */
static json_t *
list_services(EcsEngine *engine, const char *app, GError **error)
{
	const AwsList list = {.service = &aws_services[AWS_ECS],
	    .operation = "ListServices",
	    .token_in = "nextToken",
	    .token_out = "nextToken",
	    .items = "serviceArns"};
	json_auto_t *input =
	    json_pack("{s:s, s:i}", "cluster", engine->rack->cluster, "maxResults", 100);
	json_auto_t *arns = aws_list(engine->rack->client, &list, input, 0, engine->closing, error);
	if (!arns)
		return NULL;

	g_autofree char *prefix = app ? g_strconcat(app, "-", NULL) : g_strdup("");
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autoptr(GPtrArray) fresh = ecs_view_fresh(engine);
	json_t *names = json_array();
	gsize index;
	json_t *arn;
	json_array_foreach(arns, index, arn)
	{
		const char *slash = strrchr(json_string_value(arn), '/');
		add_name(names, seen, slash ? slash + 1 : "", prefix);
	}
	for (guint i = 0; i < fresh->len; i++)
		add_name(names, seen, fresh->pdata[i], prefix);
	return names;
}

GPtrArray *
ecs_deployments(Engine *base, const char *app, GError **error)
{
	EcsEngine *engine = (EcsEngine *)base;
	json_auto_t *names = list_services(engine, app, error);
	json_auto_t *services = names ? describe_services(engine, names, error) : NULL;
	if (!services)
		return NULL;

	GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)engine_deployment_free);
	gsize index;
	json_t *service;
	json_array_foreach(services, index, service)
	{
		const char *owner = ecs_tag(service, TAG_APP);
		bool is_active = strcmp(json_text_of(service, "status", ""), "ACTIVE") == 0;
		if (owner && is_active && (!app || strcmp(owner, app) == 0))
			g_ptr_array_add(list, read_deployment(service));
	}
	return list;
}

/* The engine itself */

/* An answer of the last seconds, to whatever it was, is answer enough. */
static bool
ping(Engine *base, GError **error)
{
	EcsEngine *engine = (EcsEngine *)base;
	{
		LOCKED(&engine->lock);
		if (g_get_monotonic_time() - engine->answered < 5 * G_USEC_PER_SEC)
			return true;
	}
	json_auto_t *input = json_pack("{s:[s]}", "clusters", engine->rack->cluster);
	json_auto_t *answer = ecs_call(engine, "DescribeClusters", input, error);
	json_auto_t *clusters = answer ? aws_items(answer, "clusters") : NULL;
	const char *status = json_text_of(json_array_get(clusters, 0), "status", "missing");
	if (!answer)
		return false;

	return strcmp(status, "ACTIVE") == 0 ||
	       error_set(error, CARRACK_ERROR_UNAVAILABLE, "cluster %s is %s",
		   engine->rack->cluster, status);
}

static void
engine_free(Engine *base)
{
	EcsEngine *engine = (EcsEngine *)base;

	g_cancellable_cancel(engine->closing);
	if (engine->is_watching)
		pthread_join(engine->watcher, NULL);
	g_hash_table_unref(engine->views);
	g_hash_table_unref(engine->roles);
	g_hash_table_unref(engine->definitions);
	g_hash_table_unref(engine->machines);
	g_hash_table_unref(engine->forgotten);
	pthread_mutex_destroy(&engine->lock);
	g_object_unref(engine->closing);
	g_free(engine);
}

static const EngineOps operations = {
    .add_app = ecs_add_app,
    .create = create,
    .scale = scale,
    .remove = ecs_remove,
    .deployments = ecs_deployments,
    .processes = ecs_processes,
    .processes_of_app = ecs_processes_of_app,
    .locate = ecs_locate,
    .stop = ecs_stop,
    .last_lines = ecs_last_lines,
    .listening = ecs_listening,
    .run = ecs_run,
    .one_offs = ecs_one_offs,
    .forget = ecs_forget,
    .exec = ecs_exec,
    .archive_get = ecs_archive_get,
    .archive_put = ecs_archive_put,
    .capacity = ecs_capacity,
    .watch = ecs_watch,
    .remove_app = ecs_remove_app,
    .system_processes = ecs_system_processes,
    .ping = ping,
    .free = engine_free,
};

static void
unref_json(gpointer value)
{
	json_decref(value);
}

static GHashTable *
table_of(GDestroyNotify free_value)
{
	return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_value);
}

Engine *
engine_ecs_new(AwsRack *rack, Router *router, Logs *logs, GError **error)
{
	EcsEngine *engine = g_new0(EcsEngine, 1);

	engine->base.ops = &operations;
	engine->rack = rack;
	engine->router = router;
	engine->logs = logs;
	engine->closing = g_cancellable_new();
	pthread_mutex_init(&engine->lock, NULL);
	engine->views = table_of(ecs_view_free);
	engine->roles = table_of(ecs_roles_free);
	engine->definitions = table_of(unref_json);
	engine->machines = table_of(g_free);
	engine->forgotten = table_of(NULL);
	return &engine->base;
}
