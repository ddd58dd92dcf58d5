/*
 * What a rack leaves in an account besides its stack, taken away in the order of dependence:
 * carrackd first, so that nobody makes anew what goes; services and their tasks; apps' stacks,
 * whose role is in the rack's stack; what hangs on the balancer and the network; the stack itself;
 * and what outlives it. Each step is right when there is nothing left to do.
 */
#include "install/aws-steps.h"

#include "aws/s3.h"

#include <string.h>

#define PAUSE_MICROSECONDS 1000000
#define TASKS_SECONDS 600
#define STACK_TRIES 4
#define INTERFACES_SECONDS 300

static json_t *
call(Cloud *cloud, AwsServiceIndex service, const char *operation, json_t *input, GError **error)
{
	json_auto_t *owned = input;
	return aws_call(cloud->client, &aws_services[service], operation, owned, NULL, error);
}

/* A call whose thing may be gone already. */
static bool
end(Cloud *cloud, AwsServiceIndex service, const char *operation, json_t *input, GError **error)
{
	g_autoptr(GError) cause = NULL;
	json_auto_t *answer = call(cloud, service, operation, input, &cause);
	bool is_gone = answer || g_error_matches(cause, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND) ||
		       strcasestr(cause->message, "does not exist") ||
		       strcasestr(cause->message, "not found");
	if (!is_gone)
		g_propagate_error(error, g_steal_pointer(&cause));
	return is_gone;
}

/* All items of a list; an empty one when it cannot be read because its container is gone. */
static json_t *
list(Cloud *cloud, const AwsList *what, json_t *input, GError **error)
{
	json_auto_t *owned = input;
	g_autoptr(GError) cause = NULL;
	json_t *items = aws_list(cloud->client, what, owned, 0, NULL, &cause);
	if (items || g_error_matches(cause, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND))
		return items ? items : json_array();

	g_propagate_error(error, g_steal_pointer(&cause));
	return NULL;
}

/* Services and tasks */

static bool
delete_services(Cloud *cloud, GError **error)
{
	static const AwsList services = {.service = &aws_services[AWS_ECS],
	    .operation = "ListServices",
	    .token_in = "nextToken",
	    .token_out = "nextToken",
	    .items = "serviceArns"};
	const char *cluster = cloud->wish->name;
	if (!end(cloud, AWS_ECS, "DeleteService",
		json_pack("{s:s, s:s, s:b}", "cluster", cluster, "service", "api", "force", 1),
		error))
		return false;

	json_auto_t *all = list(cloud, &services, json_pack("{s:s}", "cluster", cluster), error);
	size_t i;
	json_t *service;
	json_array_foreach(all, i, service)
	{
		progress_detail(
		    cloud->progress, "%s", strrchr(json_string_value(service), '/') + 1);
		if (!end(cloud, AWS_ECS, "DeleteService",
			json_pack(
			    "{s:s, s:O, s:b}", "cluster", cluster, "service", service, "force", 1),
			error))
			return false;
	}
	return all != NULL;
}

/* Of services that end, and of runs and builds that belong to no service. */
static bool
end_tasks(Cloud *cloud, GError **error)
{
	static const AwsList tasks = {.service = &aws_services[AWS_ECS],
	    .operation = "ListTasks",
	    .token_in = "nextToken",
	    .token_out = "nextToken",
	    .items = "taskArns"};
	gint64 deadline = g_get_monotonic_time() + (gint64)TASKS_SECONDS * G_USEC_PER_SEC;
	const char *cluster = cloud->wish->name;
	for (;;) {
		json_auto_t *all =
		    list(cloud, &tasks, json_pack("{s:s}", "cluster", cluster), error);
		size_t i;
		json_t *task;
		if (!all)
			return false;
		if (json_array_size(all) == 0)
			return true;
		if (g_get_monotonic_time() > deadline)
			return error_set(error, CARRACK_ERROR_UNAVAILABLE,
			    "%zu tasks still run after %d seconds", json_array_size(all),
			    TASKS_SECONDS);

		progress_detail(cloud->progress, "%zu tasks end", json_array_size(all));
		json_array_foreach(all, i, task)
		{
			if (!end(cloud, AWS_ECS, "StopTask",
				json_pack("{s:s, s:O, s:s}", "cluster", cluster, "task", task,
				    "reason", "the rack is uninstalled"),
				error))
				return false;
		}
		g_usleep(PAUSE_MICROSECONDS);
	}
}

/* Apps' stacks */

json_t *
remove_app_stacks(Cloud *cloud, GError **error)
{
	static const AwsList stacks = {.service = &aws_services[AWS_CLOUDFORMATION],
	    .operation = "DescribeStacks",
	    .token_in = "NextToken",
	    .token_out = "NextToken",
	    .items = "Stacks"};
	json_auto_t *all = list(cloud, &stacks, json_object(), error);
	g_autofree char *prefix = g_strconcat(cloud->wish->name, "-app-", NULL);
	size_t i;
	json_t *stack;
	if (!all)
		return NULL;

	json_t *ours = json_array();
	json_array_foreach(all, i, stack)
	{
		bool is_gone =
		    strcmp(json_text_of(stack, "StackStatus", ""), "DELETE_COMPLETE") == 0;
		if (!is_gone && g_str_has_prefix(json_text_of(stack, "StackName", ""), prefix))
			json_array_append(ours, stack);
	}
	return ours;
}

static bool
delete_app_stacks(Cloud *cloud, json_t *stacks, GError **error)
{
	size_t i;
	json_t *stack;
	json_array_foreach(stacks, i, stack)
	{
		const char *name = json_text_of(stack, "StackName", "");
		if (!end(cloud, AWS_CLOUDFORMATION, "UpdateTerminationProtection",
			json_pack(
			    "{s:s, s:b}", "StackName", name, "EnableTerminationProtection", 0),
			error) ||
		    !end(cloud, AWS_CLOUDFORMATION, "DeleteStack",
			json_pack("{s:s}", "StackName", name), error))
			return false;
	}
	json_array_foreach(stacks, i, stack)
	{
		const char *name = json_text_of(stack, "StackName", "");
		g_autofree char *status = NULL;
		g_autofree char *failure = NULL;
		progress_detail(cloud->progress, "%s", name);
		if (!events_follow(cloud, json_text_of(stack, "StackId", name), NULL, &status,
			&failure, error))
			return false;
	}
	return true;
}

/* Twice, since a first deletion may meet what a task of before still holds. */
static bool
end_app_stacks(Cloud *cloud, GError **error)
{
	for (unsigned i = 0; i < 2; i++) {
		json_auto_t *stacks = remove_app_stacks(cloud, error);
		if (!stacks || !delete_app_stacks(cloud, stacks, error))
			return false;
	}
	json_auto_t *left = remove_app_stacks(cloud, error);
	if (left && json_array_size(left) > 0)
		return error_set(error, CARRACK_ERROR_CONFLICT,
		    "app stack %s is in state %s; look at its events, take away what holds it, and "
		    "run it again",
		    json_text_of(json_array_get(left, 0), "StackName", ""),
		    json_text_of(json_array_get(left, 0), "StackStatus", ""));
	return left != NULL;
}

/* The balancer's rules and target groups */

static bool
end_rules(Cloud *cloud, GError **error)
{
	const char *listener = stack_output(cloud, "Listener443");
	json_auto_t *answer = *listener ? call(cloud, AWS_ELBV2, "DescribeRules",
					      json_pack("{s:s}", "ListenerArn", listener), NULL)
					: NULL;
	json_auto_t *rules = aws_items(answer, "Rules");
	size_t i;
	json_t *rule;
	json_array_foreach(rules, i, rule)
	{
		const char *priority = json_text_of(rule, "Priority", "");
		/* Not the listener's own, nor the one for the API, which is the stack's. */
		bool is_ours = strcmp(priority, "default") != 0 && strcmp(priority, "1") != 0;
		if (is_ours &&
		    !end(cloud, AWS_ELBV2, "DeleteRule",
			json_pack("{s:O}", "RuleArn", json_object_get(rule, "RuleArn")), error))
			return false;
	}
	return true;
}

/* Made by carrackd: the stack's own has the rack's tag too, and goes with the stack. */
static bool
is_carrackds(Cloud *cloud, const char *arn)
{
	json_auto_t *answer =
	    call(cloud, AWS_ELBV2, "DescribeTags", json_pack("{s:[s]}", "ResourceArns", arn), NULL);
	json_auto_t *entries = aws_items(answer, "TagDescriptions");
	bool is_ours = false;
	size_t i;
	json_t *tag;
	json_array_foreach(json_object_get(json_array_get(entries, 0), "Tags"), i, tag)
	{
		const char *key = json_text_of(tag, "Key", "");
		if (g_str_has_prefix(key, "aws:cloudformation:"))
			return false;
		if (strcmp(key, CLOUD_TAG) == 0)
			is_ours = strcmp(json_text_of(tag, "Value", ""), cloud->wish->name) == 0;
	}
	return is_ours;
}

static bool
end_target_groups(Cloud *cloud, GError **error)
{
	static const AwsList groups = {.service = &aws_services[AWS_ELBV2],
	    .operation = "DescribeTargetGroups",
	    .token_in = "Marker",
	    .token_out = "NextMarker",
	    .items = "TargetGroups"};
	const char *network = stack_output(cloud, "Vpc");
	json_auto_t *all = list(cloud, &groups, json_object(), error);
	size_t i;
	json_t *group;
	json_array_foreach(all, i, group)
	{
		const char *arn = json_text_of(group, "TargetGroupArn", "");
		bool is_ours = strcmp(json_text_of(group, "VpcId", ""), network) == 0 &&
			       is_carrackds(cloud, arn);
		if (is_ours && !end(cloud, AWS_ELBV2, "DeleteTargetGroup",
				   json_pack("{s:s}", "TargetGroupArn", arn), error))
			return false;
	}
	return all != NULL;
}

bool
remove_apps(Cloud *cloud, GError **error)
{
	progress_step(cloud->progress, "services and tasks");
	if (!delete_services(cloud, error) || !end_tasks(cloud, error))
		return false;
	progress_step(cloud->progress, "stacks of apps");
	if (!end_app_stacks(cloud, error))
		return false;
	progress_step(cloud->progress, "routes");
	return end_rules(cloud, error) && end_target_groups(cloud, error);
}

/* The stack */

/* Interfaces that nobody uses are left by functions and balancers; others are on their way out. */
static void
wait_for_interfaces(Cloud *cloud, const char *network)
{
	gint64 deadline = g_get_monotonic_time() + (gint64)INTERFACES_SECONDS * G_USEC_PER_SEC;
	size_t count = 1;
	while (*network && count > 0 && g_get_monotonic_time() < deadline) {
		json_auto_t *answer = call(cloud, AWS_EC2, "DescribeNetworkInterfaces",
		    json_pack("{s:[{s:s, s:[s]}]}", "Filter", "Name", "vpc-id", "Value", network),
		    NULL);
		json_auto_t *all = aws_items(answer, "networkInterfaceSet");
		size_t i;
		json_t *one;
		count = json_array_size(all);
		json_array_foreach(all, i, one)
		{
			bool is_idle = strcmp(json_text_of(one, "status", ""), "available") == 0;
			json_t *id = json_object_get(one, "networkInterfaceId");
			if (is_idle)
				end(cloud, AWS_EC2, "DeleteNetworkInterface",
				    json_pack("{s:O}", "NetworkInterfaceId", id), NULL);
		}
		if (count == 0)
			return;
		progress_detail(
		    cloud->progress, "%zu network interfaces are on their way out", count);
		g_usleep(PAUSE_MICROSECONDS);
	}
}

static bool
unprotect(Cloud *cloud, GError **error)
{
	return end(cloud, AWS_CLOUDFORMATION, "UpdateTerminationProtection",
	    json_pack(
		"{s:s, s:b}", "StackName", cloud->wish->name, "EnableTerminationProtection", 0),
	    error);
}

/* All versions of everything in it; nothing to do when it has gone. */
static bool
empty_bucket(Cloud *cloud, const char *bucket, GError **error)
{
	g_autoptr(GError) cause = NULL;
	if (!*bucket)
		return true;

	progress_step(cloud->progress, "bucket %s", bucket);
	bool is_empty = s3_delete_prefix(cloud->client, bucket, "", NULL, &cause) ||
			g_error_matches(cause, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
	if (!is_empty)
		g_propagate_error(error, g_steal_pointer(&cause));
	return is_empty;
}

bool
remove_stack(Cloud *cloud, GError **error)
{
	g_autofree char *network = g_strdup(stack_output(cloud, "Vpc"));
	g_autofree char *bucket = g_strdup(stack_output(cloud, "Objects"));
	bool is_own = !*template_value(cloud, "ExistingVpc");
	g_autoptr(GError) cause = NULL;
	for (unsigned i = 0; cloud->stack && i < STACK_TRIES; i++) {
		json_auto_t *input = json_object();
		if (!empty_bucket(cloud, bucket, error) || !unprotect(cloud, error))
			return false;
		g_clear_error(&cause);
		progress_step(cloud->progress, "stack %s", cloud->wish->name);
		if (stack_run(cloud, "deleting stack", "DeleteStack", input, &cause))
			return true;
		progress_note(cloud->progress, "%s", cause->message);
		if (is_own)
			wait_for_interfaces(cloud, network);
		if (!stack_look(cloud, error))
			return false;
	}
	if (cloud->stack)
		g_propagate_error(error, g_steal_pointer(&cause));
	return !cloud->stack;
}
