/*
 * From a spec to the input of RegisterTaskDefinition and CreateService. The same spec always gives
 * the same; nothing here calls AWS.
 *
 * A service is never updated with another definition: each release has its own, so deployment
 * percentages only say how ECS replaces tasks (of a machine that is drained), and the circuit
 * breaker only that a start which fails again and again is given up.
 */
#include "aws/engine-private.h"

#include "base/text.h"

#include <string.h>

#define STOP_TIMEOUT 120 /* seconds: the most that ECS waits */
#define STOP_TIMEOUT_LEAST 2
/* Of what declares no memory: enough that ECS does not put all of it on one machine. */
#define UNDECLARED_MEMORY 64
#define LEAST_MEMORY 6 /* Docker takes no less */
#define OPEN_FILES 65536
/* The deploy itself judges health within its own grace; ECS must not kill what it still waits for.
 */
#define HEALTH_GRACE 1800
#define DEFINITION_BYTES 65536
#define STREAM_PREFIX "service/"

char *
ecs_service_name(const EngineSpec *spec, unsigned attempt)
{
	return attempt > 1 ? g_strdup_printf(
				 "%s-%s-%s-%u", spec->app, spec->service, spec->release, attempt)
			   : g_strdup_printf("%s-%s-%s", spec->app, spec->service, spec->release);
}

/* Fargate's sizes: least, most and step of memory for each cpu, in MiB. */
static const struct {
	unsigned cpu, least, most, step;
} fargate_sizes[] = {
    {256, 512, 512, 512}, /* and 1024, 2048: below */
    {256, 1024, 2048, 1024},
    {512, 1024, 4096, 1024},
    {1024, 2048, 8192, 1024},
    {2048, 4096, 16384, 1024},
    {4096, 8192, 30720, 1024},
    {8192, 16384, 61440, 4096},
    {16384, 32768, 122880, 8192},
};

bool
ecs_fargate_size(
    unsigned cpu, unsigned memory, unsigned *task_cpu, unsigned *task_memory, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(fargate_sizes); i++) {
		unsigned least = fargate_sizes[i].least;
		unsigned step = fargate_sizes[i].step;
		if (fargate_sizes[i].cpu < cpu || fargate_sizes[i].most < memory)
			continue;

		unsigned over = memory > least ? memory - least : 0;
		*task_cpu = fargate_sizes[i].cpu;
		*task_memory = least + (over + step - 1) / step * step;
		return true;
	}
	return error_set(error, CARRACK_ERROR_INVALID,
	    "%u MB and %.2f cpu are more than a process can have on Fargate (122880 MB, 16 cpu)",
	    memory, cpu / 1024.0);
}

static unsigned
wanted_memory(const EngineSpec *spec)
{
	return spec->memory ? spec->memory : spec->memory_limit;
}

bool
ecs_spec_check(const EcsEngine *engine, const EngineSpec *spec, GError **error)
{
	unsigned cpu, memory;
	if (!strstr(spec->image, "sha256:"))
		return error_set(error, CARRACK_ERROR_INVALID,
		    "image %s is not named by digest or id (…sha256:…)", spec->image);
	if (engine->rack->is_fargate &&
	    !ecs_fargate_size(spec->cpu, wanted_memory(spec), &cpu, &memory, error)) {
		g_prefix_error(error, "service %s: ", spec->service);
		return false;
	}
	return ecs_settings_check(engine, spec, error);
}

/* Tags */

const char *
ecs_tag(const json_t *object, const char *name)
{
	gsize index;
	json_t *tag;
	json_array_foreach(json_object_get(object, "tags"), index, tag)
	{
		if (strcmp(json_text_of(tag, "key", ""), name) == 0)
			return json_text_of(tag, "value", "");
	}
	return NULL;
}

unsigned
ecs_tag_number(const json_t *object, const char *name)
{
	const char *text = ecs_tag(object, name);

	return text ? (unsigned)g_ascii_strtoull(text, NULL, 10) : 0;
}

static void
add_tag(json_t *tags, const char *name, const char *value)
{
	if (value && *value)
		json_array_append_new(tags, json_pack("{s:s, s:s}", "key", name, "value", value));
}

static void
add_tag_number(json_t *tags, const char *name, gint64 value)
{
	g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);
	if (value)
		add_tag(tags, name, text);
}

json_t *
ecs_tags(const EcsEngine *engine, const EngineSpec *spec, const EngineOneOff *one_off)
{
	json_t *tags = json_array();
	g_autofree char *hash = env_hash(spec->env);

	add_tag(tags, TAG_RACK, engine->rack->name);
	add_tag(tags, TAG_APP, spec->app);
	add_tag(tags, TAG_SERVICE, spec->service);
	add_tag(tags, TAG_RELEASE, spec->release);
	add_tag(tags, TAG_ENV, hash);
	add_tag(tags, TAG_IMAGE, spec->image);
	add_tag_number(tags, TAG_PORT, spec->port);
	add_tag_number(tags, TAG_CPU, spec->cpu);
	add_tag_number(tags, TAG_MEMORY, spec->memory);
	if (!one_off)
		return tags;

	add_tag(tags, TAG_KIND, KIND_ONE_OFF);
	add_tag(tags, TAG_ROLE, one_off->role);
	add_tag(tags, TAG_ATTACHED, one_off->is_attached ? "1" : NULL);
	add_tag_number(tags, TAG_DEADLINE, one_off->deadline);
	return tags;
}

/* The container */

static json_t *
words(const char *const *command)
{
	json_t *list = json_array();
	for (; command && *command; command++)
		json_array_append_new(list, json_text_value(*command));
	return list;
}

/* What waits for its client's command, which comes over ECS Exec. It ends by itself, so that it
 * does not outlive a carrackd that never comes back. */
static void
add_waiting(const EngineOneOff *one_off, json_t *container)
{
	gint64 left = (one_off->deadline - g_get_real_time()) / G_USEC_PER_SEC;
	g_autofree char *seconds = g_strdup_printf(
	    "%" G_GINT64_FORMAT, one_off->deadline ? MAX(left, 1) : (gint64)24 * 3600);

	json_object_set_new(container, "entryPoint", json_pack("[s]", "sleep"));
	json_object_set_new(container, "command", json_pack("[s]", seconds));
}

/* The command replaces the image's CMD and keeps its ENTRYPOINT; without that it takes its place.
 */
static void
add_command(const EngineSpec *spec, const EngineOneOff *one_off, json_t *container)
{
	if (one_off && one_off->is_attached) {
		add_waiting(one_off, container);
		return;
	}
	if (spec->settings && spec->settings->entrypoint)
		json_object_set_new(container, "entryPoint", words(spec->settings->entrypoint));
	if (spec->command)
		json_object_set_new(container,
		    one_off && one_off->without_entrypoint ? "entryPoint" : "command",
		    words(spec->command));
}

/* On instances `memory` is reserved and the limit; of what declares none only a little is
 * reserved, and the limit is beside it. On Fargate the task's size is both. */
static void
add_memory(const EcsEngine *engine, const EngineSpec *spec, json_t *container)
{
	if (engine->rack->is_fargate)
		return;

	unsigned limit = wanted_memory(spec);
	if (limit)
		json_object_set_new(container, "memory", json_integer(MAX(limit, LEAST_MEMORY)));
	if (!spec->memory && (!limit || limit > UNDECLARED_MEMORY))
		json_object_set_new(
		    container, "memoryReservation", json_integer(UNDECLARED_MEMORY));
}

static json_t *
log_configuration(const EcsEngine *engine, const EngineSpec *spec)
{
	const char *region = aws_client_region(engine->rack->client);
	g_autofree char *group = aws_rack_log_group(engine->rack, spec->app);
	g_autofree char *prefix = g_strconcat(STREAM_PREFIX, spec->release, NULL);

	/* A process never waits for its log: what cannot be sent in time is dropped. */
	return json_pack("{s:s, s:{s:s, s:s, s:s, s:s, s:s}}", "logDriver", "awslogs", "options",
	    "awslogs-group", group, "awslogs-region", region, "awslogs-stream-prefix", prefix,
	    "mode", "non-blocking", "max-buffer-size", "25m");
}

static json_t *
port_mappings(const EcsEngine *engine, const EngineSpec *spec)
{
	if (engine->rack->is_fargate)
		return json_pack("[{s:i, s:s}]", "containerPort", spec->port, "protocol", "tcp");

	/* 0: any free port of the machine, so that two releases run side by side on it. */
	return json_pack(
	    "[{s:i, s:i, s:s}]", "containerPort", spec->port, "hostPort", 0, "protocol", "tcp");
}

/* Nobody's requests are in flight in a one-off. */
static unsigned
stop_timeout(const EngineSpec *spec, const EngineOneOff *one_off)
{
	return one_off ? STOP_TIMEOUT_LEAST
		       : CLAMP(spec->termination, STOP_TIMEOUT_LEAST, STOP_TIMEOUT);
}

static json_t *
container_of(const EcsEngine *engine,
    const EngineSpec *spec,
    const EngineOneOff *one_off,
    const json_t *environment)
{
	/* A `sleep` that is the first process would not hear of its end. */
	bool has_init = spec->has_init || (one_off && one_off->is_attached);
	json_t *container =
	    json_pack("{s:s, s:s, s:b, s:i, s:{s:b}, s:o, s:O, s:O}", "name", spec->service,
		"image", spec->image, "essential", 1, "stopTimeout", stop_timeout(spec, one_off),
		"linuxParameters", "initProcessEnabled", (int)has_init, "logConfiguration",
		log_configuration(engine, spec), "secrets", json_object_get(environment, "secrets"),
		"environment", json_object_get(environment, "environment"));

	add_command(spec, one_off, container);
	add_memory(engine, spec, container);
	if (spec->cpu && !engine->rack->is_fargate)
		json_object_set_new(container, "cpu", json_integer(spec->cpu));
	if (spec->port && !one_off)
		json_object_set_new(container, "portMappings", port_mappings(engine, spec));
	/* Docker's own 1024 is little for a server; more than this a manifest has to ask for. */
	json_object_set_new(container, "ulimits",
	    json_pack("[{s:s, s:i, s:i}]", "name", "nofile", "softLimit", OPEN_FILES, "hardLimit",
		OPEN_FILES));
	return container;
}

static void
add_size(const EngineSpec *spec, json_t *definition)
{
	unsigned cpu = 0, memory = 0;

	ecs_fargate_size(spec->cpu, wanted_memory(spec), &cpu, &memory, NULL);
	json_object_set_new(definition, "cpu", json_sprintf("%u", cpu));
	json_object_set_new(definition, "memory", json_sprintf("%u", memory));
}

json_t *
ecs_definition(const EcsEngine *engine,
    const EngineSpec *spec,
    const EngineOneOff *one_off,
    const EngineRoles *roles,
    const json_t *environment,
    GError **error)
{
	bool is_fargate = engine->rack->is_fargate;
	g_autofree char *family =
	    g_strdup_printf("%s-%s-%s", engine->rack->name, spec->app, spec->service);
	json_t *container = container_of(engine, spec, one_off, environment);
	json_auto_t *definition = json_pack("{s:s, s:s, s:[s], s:s, s:s, s:[o], s:o}", "family",
	    family, "networkMode", is_fargate ? "awsvpc" : "bridge", "requiresCompatibilities",
	    is_fargate ? "FARGATE" : "EC2", "executionRoleArn", roles->execution, "taskRoleArn",
	    roles->task, "containerDefinitions", container, "tags",
	    ecs_tags(engine, spec, one_off));

	ecs_settings_add(spec, container, definition);
	if (is_fargate)
		add_size(spec, definition);
	g_autofree char *text = json_text(definition, false);
	if (strlen(text) <= DEFINITION_BYTES)
		return g_steal_pointer(&definition);

	error_set(error, CARRACK_ERROR_TOO_LARGE,
	    "service %s: its task definition has %" G_GSIZE_FORMAT " bytes, with a line for each "
	    "of %u variables; ECS takes %d",
	    spec->service, strlen(text), env_size(spec->env), DEFINITION_BYTES);
	return NULL;
}

/* The service */

void
ecs_add_place(const EcsEngine *engine, json_t *input)
{
	const AwsRack *rack = engine->rack;
	json_object_set_new(input, "capacityProviderStrategy",
	    json_pack("[{s:s, s:i}]", "capacityProvider", rack->capacity_provider, "weight", 1));
	if (!rack->is_fargate)
		return;

	json_t *network =
	    json_pack("{s:[], s:[s], s:s}", "subnets", "securityGroups", rack->security_group,
		"assignPublicIp", rack->has_public_addresses ? "ENABLED" : "DISABLED");
	for (char **subnet = rack->subnets; *subnet; subnet++)
		json_array_append_new(json_object_get(network, "subnets"), json_string(*subnet));
	json_object_set_new(
	    input, "networkConfiguration", json_pack("{s:o}", "awsvpcConfiguration", network));
}

json_t *
ecs_service(const EcsEngine *engine,
    const EngineSpec *spec,
    const char *name,
    const char *definition,
    const char *group)
{
	g_autofree char *token = text_random_hex(16);
	json_t *input = json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:b, s:s, s:o}", "cluster",
	    engine->rack->cluster, "serviceName", name, "taskDefinition", definition,
	    "desiredCount", (int)spec->count, "clientToken", token, "propagateTags", "SERVICE",
	    "enableExecuteCommand", 1, "availabilityZoneRebalancing", "DISABLED", "tags",
	    ecs_tags(engine, spec, NULL));

	json_object_set_new(input, "deploymentConfiguration",
	    json_pack("{s:i, s:i, s:{s:b, s:b}}", "maximumPercent", 200, "minimumHealthyPercent",
		100, "deploymentCircuitBreaker", "enable", 1, "rollback", 0));
	ecs_add_place(engine, input);
	if (!engine->rack->is_fargate)
		json_object_set_new(input, "placementStrategy",
		    json_pack("[{s:s, s:s}, {s:s, s:s}]", "type", "spread", "field",
			"attribute:ecs.availability-zone", "type", "spread", "field",
			"instanceId"));
	if (!group)
		return input;

	json_object_set_new(input, "healthCheckGracePeriodSeconds", json_integer(HEALTH_GRACE));
	json_object_set_new(input, "loadBalancers",
	    json_pack("[{s:s, s:s, s:i}]", "targetGroupArn", group, "containerName", spec->service,
		"containerPort", (int)spec->port));
	return input;
}
