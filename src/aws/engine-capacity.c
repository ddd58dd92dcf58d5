/*
 * Machines: the container instances of the rack's capacity provider, what they have left, and where
 * they are reached. Fargate has no machines to count: what one process can have is what is free.
 */
#include "aws/engine-private.h"

#include <string.h>

#define INSTANCES_AT_ONCE 100
#define FARGATE_CPU 16384
#define FARGATE_MEMORY 122880

static json_t *
describe(EcsEngine *engine, const json_t *arns, GError **error)
{
	const AwsBatch batch = {&aws_services[AWS_ECS], "DescribeContainerInstances",
	    "containerInstances", INSTANCES_AT_ONCE};
	json_auto_t *input = json_pack("{s:s}", "cluster", engine->rack->cluster);
	json_auto_t *answer =
	    aws_batches(engine->rack->client, &batch, input, arns, engine->closing, error);

	return answer ? aws_items(answer, "containerInstances") : NULL;
}

static json_t *
list(EcsEngine *engine, GError **error)
{
	const AwsList all = {.service = &aws_services[AWS_ECS],
	    .operation = "ListContainerInstances",
	    .token_in = "nextToken",
	    .token_out = "nextToken",
	    .items = "containerInstanceArns"};
	json_auto_t *input =
	    json_pack("{s:s, s:s}", "cluster", engine->rack->cluster, "status", "ACTIVE");
	json_auto_t *arns = aws_list(engine->rack->client, &all, input, 0, engine->closing, error);

	return arns ? describe(engine, arns, error) : NULL;
}

static gint64
resource(const json_t *instance, const char *member, const char *name)
{
	gsize index;
	json_t *entry;
	json_array_foreach(json_object_get(instance, member), index, entry)
	{
		if (strcmp(json_text_of(entry, "name", ""), name) == 0)
			return json_int_of(entry, "integerValue", 0);
	}
	return 0;
}

static void
add_instance(EngineCapacity *capacity, const json_t *instance)
{
	capacity->nodes++;
	capacity->cpu += resource(instance, "registeredResources", "CPU");
	capacity->memory += resource(instance, "registeredResources", "MEMORY");
	capacity->cpu_free =
	    MAX(capacity->cpu_free, resource(instance, "remainingResources", "CPU"));
	capacity->memory_free =
	    MAX(capacity->memory_free, resource(instance, "remainingResources", "MEMORY"));
}

bool
ecs_capacity(Engine *base, EngineCapacity *capacity, GError **error)
{
	EcsEngine *engine = (EcsEngine *)base;
	if (engine->rack->is_fargate) {
		*capacity =
		    (EngineCapacity){1, FARGATE_CPU, FARGATE_MEMORY, FARGATE_CPU, FARGATE_MEMORY};
		return true;
	}
	json_auto_t *instances = list(engine, error);
	if (!instances)
		return false;

	*capacity = (EngineCapacity){0};
	gsize index;
	json_t *instance;
	json_array_foreach(instances, index, instance)
	{
		/* Builds have machines of their own in the same cluster. */
		const char *provider = json_text_of(instance, "capacityProviderName", "");
		if (strcmp(provider, engine->rack->capacity_provider) == 0)
			add_instance(capacity, instance);
	}
	return true;
}

/* Addresses */

static char *
ask_address(EcsEngine *engine, const char *machine, GError **error)
{
	json_auto_t *input = json_pack("{s:[s]}", "InstanceId", machine);
	json_auto_t *answer = aws_query(engine->rack->client, &aws_services[AWS_EC2],
	    "DescribeInstances", input, engine->closing, error);
	json_auto_t *reservations = answer ? aws_items(answer, "reservationSet") : NULL;
	json_auto_t *instances =
	    reservations ? aws_items(json_array_get(reservations, 0), "instancesSet") : NULL;
	const char *address = json_text_of(json_array_get(instances, 0), "privateIpAddress", NULL);
	if (answer && !address)
		error_set(error, CARRACK_ERROR_UNAVAILABLE, "instance %s has no address", machine);

	return g_strdup(address);
}

char *
ecs_machine_address(EcsEngine *engine, const char *instance, GError **error)
{
	{
		LOCKED(&engine->lock);
		const char *known = g_hash_table_lookup(engine->machines, instance);
		if (known)
			return g_strdup(known);
	}
	json_auto_t *arns = json_pack("[s]", instance);
	json_auto_t *described = describe(engine, arns, error);
	if (!described)
		return NULL;
	const char *machine = json_text_of(json_array_get(described, 0), "ec2InstanceId", NULL);
	if (!machine) {
		error_set(error, CARRACK_ERROR_UNAVAILABLE, "container instance %s is not there",
		    instance);
		return NULL;
	}

	char *address = ask_address(engine, machine, error);
	if (address) {
		aws_rack_learn_instance(engine->rack, machine, address);
		LOCKED(&engine->lock);
		g_hash_table_replace(engine->machines, g_strdup(instance), g_strdup(address));
	}
	return address;
}
