/*
 * The rack's stack: what it is like, and operations on it that are followed to their end. A stack
 * is the only record of an installation; so whatever state it is found in, one of these functions
 * knows how to go on.
 */
#include "install/aws-steps.h"

#include "base/text.h"

#include <string.h>

static json_t *
describe(Cloud *cloud, const char *name, GError **error)
{
	json_auto_t *input = json_pack("{s:s}", "StackName", name);
	json_auto_t *answer = aws_call(
	    cloud->client, &aws_services[AWS_CLOUDFORMATION], "DescribeStacks", input, NULL, error);
	json_auto_t *stacks = aws_items(answer, "Stacks");
	return json_incref(json_array_get(stacks, 0));
}

bool
stack_look(Cloud *cloud, GError **error)
{
	g_autoptr(GError) cause = NULL;
	json_decref(cloud->stack);
	cloud->stack = describe(cloud, cloud->wish->name, &cause);
	bool is_missing = cause && aws_error_is(cause, "ValidationError") &&
			  strstr(cause->message, "does not exist");
	if (cause && !is_missing) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return false;
	}
	if (strcmp(stack_status(cloud), "DELETE_COMPLETE") == 0)
		g_clear_pointer(&cloud->stack, json_decref);
	return true;
}

const char *
stack_status(const Cloud *cloud)
{
	return json_text_of(cloud->stack, "StackStatus", "");
}

/* One of a list of pairs; NULL when it is not there. Borrowed. */
static const char *
pair_of(const Cloud *cloud, const char *list, const char *prefix, const char *name)
{
	g_autofree char *key = g_strconcat(prefix, "Key", NULL);
	g_autofree char *value = g_strconcat(prefix, "Value", NULL);
	size_t i;
	json_t *pair;
	json_array_foreach(json_object_get(cloud->stack, list), i, pair)
	{
		if (strcmp(json_text_of(pair, key, ""), name) == 0)
			return json_text_of(pair, value, "");
	}
	return NULL;
}

const char *
stack_output(const Cloud *cloud, const char *name)
{
	const char *value = pair_of(cloud, "Outputs", "Output", name);
	return value ? value : "";
}

const char *
stack_tag(const Cloud *cloud, const char *name)
{
	const char *value = pair_of(cloud, "Tags", "", name);
	return value ? value : "";
}

const char *
stack_parameter(const Cloud *cloud, const char *name)
{
	return pair_of(cloud, "Parameters", "Parameter", name);
}

/* How to go on from a state, NULL when there is nothing to say. The caller frees it. */
static char *
advice(const Cloud *cloud, const char *status)
{
	const char *name = cloud->wish->name;
	if (strcmp(status, "ROLLBACK_COMPLETE") == 0)
		return g_strdup_printf("what had been made is taken away again; put it right and "
				       "run `carrack install aws --name %s` again",
		    name);
	if (strcmp(status, "UPDATE_ROLLBACK_COMPLETE") == 0)
		return g_strdup("the rack is as it was before; put it right and try again");
	if (strcmp(status, "UPDATE_ROLLBACK_FAILED") == 0)
		return g_strdup_printf(
		    "the way back failed as well; run `carrack rack repair --rack %s`", name);
	if (strcmp(status, "ROLLBACK_FAILED") == 0 || strcmp(status, "DELETE_FAILED") == 0 ||
	    strcmp(status, "CREATE_FAILED") == 0)
		return g_strdup_printf("not all of it could be taken away; run `carrack uninstall "
				       "aws --name %s`, which tries again",
		    name);
	return NULL;
}

static bool
is_good(const char *status)
{
	static const char *const good[] = {
	    "CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", "IMPORT_COMPLETE", NULL};
	return g_strv_contains(good, status);
}

bool
stack_check_state(const Cloud *cloud, GError **error)
{
	const char *status = stack_status(cloud);
	g_autofree char *how = advice(cloud, status);
	if (is_good(status) || strcmp(status, "UPDATE_ROLLBACK_COMPLETE") == 0)
		return true;

	return error_set(error, CARRACK_ERROR_CONFLICT, "stack %s is in state %s%s%s",
	    cloud->wish->name, status, how ? ": " : "", how ? how : "");
}

/* Takes an operation to its end; «rolled back» counts as good only when that was the wish. */
static bool
follow(Cloud *cloud, const char *doing, const char *token, GError **error)
{
	g_autofree char *id = g_strdup(json_text_of(cloud->stack, "StackId", cloud->wish->name));
	g_autofree char *status = NULL;
	g_autofree char *failure = NULL;
	if (!events_follow(cloud, id, token, &status, &failure, error))
		return false;
	if (is_good(status))
		return stack_look(cloud, error);

	g_autofree char *how = advice(cloud, status);
	return error_set(error, CARRACK_ERROR_UPSTREAM, "%s %s failed: %s\nstack %s is now %s%s%s",
	    doing, cloud->wish->name, failure ? failure : "CloudFormation gives no reason",
	    cloud->wish->name, status, how ? ": " : "", how ? how : "");
}

bool
stack_run(Cloud *cloud, const char *doing, const char *operation, json_t *input, GError **error)
{
	g_autofree char *random = text_random_hex(8);
	g_autofree char *token = g_strconcat("carrack-", random, NULL);
	json_object_set_new(input, "ClientRequestToken", json_string(token));
	if (!json_object_get(input, "StackName"))
		json_object_set_new(input, "StackName", json_string(cloud->wish->name));
	json_auto_t *answer = aws_call(
	    cloud->client, &aws_services[AWS_CLOUDFORMATION], operation, input, NULL, error);
	if (!answer) {
		g_prefix_error(error, "%s %s: ", doing, cloud->wish->name);
		return false;
	}
	if (!cloud->stack && !stack_look(cloud, error))
		return false;

	return follow(cloud, doing, token, error);
}

static const char *
doing_of(const char *status)
{
	if (g_str_has_prefix(status, "CREATE") || strcmp(status, "ROLLBACK_IN_PROGRESS") == 0)
		return "creating stack";
	return g_str_has_prefix(status, "DELETE") ? "deleting stack" : "updating stack";
}

bool
stack_settle(Cloud *cloud, GError **error)
{
	g_autofree char *status = g_strdup(stack_status(cloud));
	g_autoptr(GError) cause = NULL;
	if (!g_str_has_suffix(status, "_IN_PROGRESS"))
		return true;

	g_autofree char *token =
	    events_last_token(cloud, json_text_of(cloud->stack, "StackId", ""));
	progress_step(cloud->progress, "taking up what is going on: %s", status);
	if (follow(cloud, doing_of(status), token, &cause))
		return true;
	/* What went wrong before us is not in our way when it has been undone. */
	progress_note(cloud->progress, "%s", cause->message);
	if (!stack_look(cloud, error))
		return false;

	bool is_over = !g_str_has_suffix(stack_status(cloud), "_IN_PROGRESS");
	if (!is_over)
		g_propagate_error(error, g_steal_pointer(&cause));
	return is_over;
}
