/*
 * What an account still has of a rack, by tag and by the names that belong to racks. Two of AWS's
 * own lists hold tags over services (Resource Groups Tagging, EC2's tags); roles, logs, secrets and
 * parameters are found by path. What is only waiting for its end (keys, old task definitions) is
 * not counted.
 */
#include "install/aws-steps.h"

#include <string.h>

static void
add(json_t *found, const char *name)
{
	size_t i;
	json_t *one;
	json_array_foreach(found, i, one)
	{
		if (strcmp(json_string_value(one), name) == 0)
			return;
	}
	json_array_append_new(found, json_string(name));
}

/* A key goes a week after it was deleted, and cannot go sooner. */
static bool
is_key_on_its_way(Cloud *cloud, const char *arn)
{
	json_auto_t *input = json_pack("{s:s}", "KeyId", arn);
	json_auto_t *answer =
	    aws_call(cloud->client, &aws_services[AWS_KMS], "DescribeKey", input, NULL, NULL);
	const char *state =
	    json_text_of(json_object_get(answer, "KeyMetadata"), "KeyState", "PendingDeletion");
	return strcmp(state, "PendingDeletion") == 0;
}

/* The list of tags may name a table for hours after it has gone. */
static bool
is_table_gone(Cloud *cloud, const char *arn)
{
	g_autoptr(GError) cause = NULL;
	json_auto_t *input = json_pack("{s:s}", "TableName", strchr(arn, '/') + 1);
	json_auto_t *answer = aws_call(
	    cloud->client, &aws_services[AWS_DYNAMODB], "DescribeTable", input, NULL, &cause);
	return !answer && g_error_matches(cause, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
}

/* Services and clusters stay for an hour, inactive. `arn` ends in CLUSTER or CLUSTER/SERVICE. */
static bool
is_inactive(Cloud *cloud, const char *arn)
{
	bool is_service = strstr(arn, ":service/") != NULL;
	json_auto_t *input =
	    is_service ? json_pack("{s:s, s:[s]}", "cluster", cloud->wish->name, "services", arn)
		       : json_pack("{s:[s]}", "clusters", arn);
	g_autoptr(GError) cause = NULL;
	json_auto_t *answer = aws_call(cloud->client, &aws_services[AWS_ECS],
	    is_service ? "DescribeServices" : "DescribeClusters", input, NULL, &cause);
	json_t *list = json_object_get(answer, is_service ? "services" : "clusters");
	if (!answer)
		return g_error_matches(cause, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
	return strcmp(json_text_of(json_array_get(list, 0), "status", "INACTIVE"), "INACTIVE") == 0;
}

static bool
counts(Cloud *cloud, const char *arn)
{
	if (strstr(arn, ":kms:") && strstr(arn, ":key/"))
		return !is_key_on_its_way(cloud, arn);
	if (strstr(arn, ":dynamodb:") && strstr(arn, ":table/"))
		return !is_table_gone(cloud, arn);
	if (strstr(arn, ":ecs:") && (strstr(arn, ":service/") || strstr(arn, ":cluster/")))
		return !is_inactive(cloud, arn);
	return !strstr(arn, ":task-definition/") && !strstr(arn, ":task/");
}

typedef struct {
	AwsList list;
	const char *name; /* member of an item, NULL: the item is the name */
} Source;

static bool
take(Cloud *cloud, const Source *source, json_t *input, json_t *found, GError **error)
{
	json_auto_t *owned = input;
	json_auto_t *all = aws_list(cloud->client, &source->list, owned, 0, NULL, error);
	size_t i;
	json_t *item;
	json_array_foreach(all, i, item)
	{
		const char *name =
		    source->name ? json_text_of(item, source->name, "") : json_string_value(item);
		if (counts(cloud, name))
			add(found, name);
	}
	return all != NULL;
}

static bool
take_tagged(Cloud *cloud, json_t *found, GError **error)
{
	static const Source tagged = {{.service = &aws_services[AWS_TAGGING],
					  .operation = "GetResources",
					  .token_in = "PaginationToken",
					  .token_out = "PaginationToken",
					  .items = "ResourceTagMappingList"},
	    "ResourceARN"};
	static const Source machines = {{.service = &aws_services[AWS_EC2],
					    .operation = "DescribeTags",
					    .token_in = "NextToken",
					    .token_out = "nextToken",
					    .items = "tagSet"},
	    "resourceId"};
	const char *rack = cloud->wish->name;
	return take(cloud, &tagged,
		   json_pack("{s:[{s:s, s:[s]}]}", "TagFilters", "Key", CLOUD_TAG, "Values", rack),
		   found, error) &&
	       take(cloud, &machines,
		   json_pack("{s:[{s:s, s:[s]}, {s:s, s:[s]}]}", "Filter", "Name", "key", "Value",
		       CLOUD_TAG, "Name", "value", "Value", rack),
		   found, error);
}

static bool
take_named(Cloud *cloud, json_t *found, GError **error)
{
	static const Source roles = {{.service = &aws_services[AWS_IAM],
					 .operation = "ListRoles",
					 .token_in = "Marker",
					 .token_out = "Marker",
					 .items = "Roles"},
	    "Arn"};
	static const Source profiles = {{.service = &aws_services[AWS_IAM],
					    .operation = "ListInstanceProfiles",
					    .token_in = "Marker",
					    .token_out = "Marker",
					    .items = "InstanceProfiles"},
	    "Arn"};
	static const Source groups = {{.service = &aws_services[AWS_LOGS],
					  .operation = "DescribeLogGroups",
					  .token_in = "nextToken",
					  .token_out = "nextToken",
					  .items = "logGroups"},
	    "logGroupName"};
	g_autofree char *path = g_strdup_printf("/carrack/%s/", cloud->wish->name);
	return take(cloud, &roles, json_pack("{s:s}", "PathPrefix", path), found, error) &&
	       take(cloud, &profiles, json_pack("{s:s}", "PathPrefix", path), found, error) &&
	       take(cloud, &groups, json_pack("{s:s}", "logGroupNamePrefix", path), found, error);
}

json_t *
inventory_by_tag(Cloud *cloud, GError **error)
{
	json_t *found = json_array();
	if (take_tagged(cloud, found, error) && take_named(cloud, found, error))
		return found;

	json_decref(found);
	return NULL;
}
