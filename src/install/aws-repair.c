/*
 * `carrack rack repair`: leads a stack, and the stacks of its apps, out of the states in which
 * CloudFormation takes no update. An update whose way back failed is led back again, and what still
 * cannot be is left out of it and named; the next update puts that right.
 */
#include "install/aws-steps.h"

#include <string.h>

#define TRIES 3

/* Logical ids of what could not be led back. */
static json_t *
failed_resources(Cloud *cloud, const char *stack)
{
	static const AwsList list = {.service = &aws_services[AWS_CLOUDFORMATION],
	    .operation = "ListStackResources",
	    .token_in = "NextToken",
	    .token_out = "NextToken",
	    .items = "StackResourceSummaries"};
	json_auto_t *input = json_pack("{s:s}", "StackName", stack);
	json_auto_t *all = aws_list(cloud->client, &list, input, 0, NULL, NULL);
	json_t *failed = json_array();
	size_t i;
	json_t *resource;
	json_array_foreach(all, i, resource)
	{
		if (strcmp(json_text_of(resource, "ResourceStatus", ""), "UPDATE_FAILED") == 0)
			json_array_append(failed, json_object_get(resource, "LogicalResourceId"));
	}
	return failed;
}

static bool
go_back(Cloud *cloud, GError **error)
{
	const char *name = cloud->wish->name;
	for (unsigned i = 0;; i++) {
		json_auto_t *input = json_object();
		json_auto_t *left_out = i + 1 == TRIES ? failed_resources(cloud, name) : NULL;
		size_t k;
		json_t *id;
		json_array_foreach(left_out, k, id) progress_note(cloud->progress,
		    "left out, the next update has to put it right: %s", json_string_value(id));
		if (left_out)
			json_object_set(input, "ResourcesToSkip", left_out);
		g_autoptr(GError) cause = NULL;
		progress_step(cloud->progress, "going back to what was before");
		bool is_back =
		    stack_run(cloud, "repairing stack", "ContinueUpdateRollback", input, &cause);
		if (!stack_look(cloud, error))
			return false;
		if (is_back || strcmp(stack_status(cloud), "UPDATE_ROLLBACK_COMPLETE") == 0)
			return true;
		if (i + 1 == TRIES) {
			g_propagate_error(error, g_steal_pointer(&cause));
			return false;
		}
		progress_note(cloud->progress, "%s", cause->message);
	}
}

/* An app's stack that cannot be updated says so here; it is its app's deletion that helps. */
static void
note_app_stacks(Cloud *cloud)
{
	json_auto_t *stacks = remove_app_stacks(cloud, NULL);
	size_t i;
	json_t *stack;
	json_array_foreach(stacks, i, stack)
	{
		const char *status = json_text_of(stack, "StackStatus", "");
		const char *name = json_text_of(stack, "StackName", "");
		bool is_stuck =
		    g_str_has_suffix(status, "_FAILED") || strcmp(status, "ROLLBACK_COMPLETE") == 0;
		if (is_stuck)
			progress_note(cloud->progress,
			    "app stack %s is in state %s: `carrack apps delete %s` takes it away",
			    name, status, name + strlen(cloud->wish->name) + strlen("-app-"));
	}
}

/* An app's stack whose way back failed is led back once, in its own role. */
static bool
repair_app_stacks(Cloud *cloud, GError **error)
{
	json_auto_t *stacks = remove_app_stacks(cloud, error);
	size_t i;
	json_t *stack;
	if (!stacks)
		return false;
	json_array_foreach(stacks, i, stack)
	{
		const char *name = json_text_of(stack, "StackName", "");
		bool is_stuck =
		    strcmp(json_text_of(stack, "StackStatus", ""), "UPDATE_ROLLBACK_FAILED") == 0;
		if (!is_stuck)
			continue;
		json_auto_t *input = json_pack("{s:s}", "StackName", name);
		progress_step(cloud->progress, "app stack %s", name);
		json_auto_t *answer = aws_call(cloud->client, &aws_services[AWS_CLOUDFORMATION],
		    "ContinueUpdateRollback", input, NULL, error);
		g_autofree char *status = NULL;
		g_autofree char *failure = NULL;
		if (!answer || !events_follow(cloud, json_text_of(stack, "StackId", name), NULL,
				   &status, &failure, error))
			return false;
	}
	return true;
}

static bool
repair(Cloud *cloud, GError **error)
{
	if (!stack_settle(cloud, error))
		return false;
	bool is_stuck = strcmp(stack_status(cloud), "UPDATE_ROLLBACK_FAILED") == 0;
	if (is_stuck && !go_back(cloud, error))
		return false;
	if (!repair_app_stacks(cloud, error))
		return false;

	note_app_stacks(cloud);
	return stack_check_state(cloud, error);
}

json_t *
aws_repair(const AwsWish *wish, GError **error)
{
	g_auto(Cloud) cloud = {0};
	cloud_watch_interrupt();
	bool is_good = cloud_open_rack(&cloud, wish, error) && repair(&cloud, error);
	progress_end(cloud.progress, is_good);
	return is_good ? json_pack("{s:s, s:s}", "name", wish->name, "state", stack_status(&cloud))
		       : NULL;
}
