/*
 * An app's own stack (templates/app.yaml, which travels inside the program): repository, log group
 * and roles. Made with the app, deleted with it, always in the role that the rack's stack has for
 * it, so that carrackd itself can make no role.
 */
#include "aws/engine-private.h"

#include "aws/templates.h"

#include <string.h>

#define TEMPLATE "/carrack/templates/app.yaml"
#define LOOK_MS 500
#define LOOK_LATER_MS 3000
#define DEADLINE (15 * 60 * G_USEC_PER_SEC)

void
ecs_roles_free(gpointer data)
{
	EngineRoles *roles = data;
	if (!roles)
		return;

	g_free(roles->task);
	g_free(roles->execution);
	g_free(roles);
}

static EngineRoles *
roles_copy(const EngineRoles *roles)
{
	EngineRoles *copy = g_new0(EngineRoles, 1);
	copy->task = g_strdup(roles->task);
	copy->execution = g_strdup(roles->execution);
	return copy;
}

static char *
stack_name(const EcsEngine *engine, const char *app)
{
	return g_strdup_printf("%s-app-%s", engine->rack->name, app);
}

static json_t *
formation(EcsEngine *engine,
    const char *operation,
    const json_t *input,
    GCancellable *cancel,
    GError **error)
{
	return aws_query(engine->rack->client, &aws_services[AWS_CLOUDFORMATION], operation, input,
	    cancel ? cancel : engine->closing, error);
}

/* The stack, a JSON null when there is none, NULL on failure. The caller owns it. */
static json_t *
describe(EcsEngine *engine, const char *name, GCancellable *cancel, GError **error)
{
	g_autoptr(GError) failure = NULL;
	json_auto_t *input = json_pack("{s:s}", "StackName", name);
	json_auto_t *answer = formation(engine, "DescribeStacks", input, cancel, &failure);
	if (!answer && strstr(failure->message, "does not exist"))
		return json_null();
	if (!answer) {
		g_propagate_error(error, g_steal_pointer(&failure));
		return NULL;
	}
	json_auto_t *stacks = aws_items(answer, "Stacks");
	json_t *stack = json_array_get(stacks, 0);
	bool is_gone =
	    !stack || strcmp(json_text_of(stack, "StackStatus", ""), "DELETE_COMPLETE") == 0;
	return is_gone ? json_null() : json_incref(stack);
}

static const char *
status_of(const json_t *stack)
{
	return json_text_of(stack, "StackStatus", "");
}

/* What went wrong first; the rest is its consequence. Events come newest first. */
static char *
first_reason(EcsEngine *engine, const char *name)
{
	const AwsList list = {.service = &aws_services[AWS_CLOUDFORMATION],
	    .operation = "DescribeStackEvents",
	    .token_in = "NextToken",
	    .token_out = "NextToken",
	    .items = "StackEvents"};
	json_auto_t *input = json_pack("{s:s}", "StackName", name);
	json_auto_t *events =
	    aws_list(engine->rack->client, &list, input, 0, engine->closing, NULL);
	char *reason = NULL;
	gsize index;
	json_t *event;
	json_array_foreach(events, index, event)
	{
		const char *status = json_text_of(event, "ResourceStatus", "");
		const char *text = json_text_of(event, "ResourceStatusReason", "");
		const char *resource = json_text_of(event, "LogicalResourceId", "");
		bool is_cause = g_str_has_suffix(status, "_FAILED") && *text &&
				!strstr(text, "cancelled") && strcmp(resource, name) != 0;
		if (!is_cause)
			continue;
		g_free(reason);
		reason = g_strdup_printf("%s: %s", resource, text);
	}
	return reason ? reason : g_strdup("no reason given");
}

/* Waits until nothing is in progress any more. The stack as `describe` gives it. */
static json_t *
wait_settled(EcsEngine *engine, const char *name, GCancellable *cancel, GError **error)
{
	gint64 begun = g_get_monotonic_time();
	for (unsigned looks = 0;; looks++) {
		json_auto_t *stack = describe(engine, name, cancel, error);
		if (!stack || !g_str_has_suffix(status_of(stack), "_IN_PROGRESS"))
			return g_steal_pointer(&stack);
		if (error_cancelled(cancel, error))
			return NULL;
		if (g_get_monotonic_time() - begun > DEADLINE) {
			error_set(error, CARRACK_ERROR_UNAVAILABLE,
			    "stack %s is still %s after %d minutes", name, status_of(stack),
			    (int)(DEADLINE / G_USEC_PER_SEC / 60));
			return NULL;
		}
		if (!ecs_pause(engine, looks < 10 ? LOOK_MS : LOOK_LATER_MS)) {
			error_set(error, CARRACK_ERROR_UNAVAILABLE, "carrackd is stopping");
			return NULL;
		}
	}
}

/* Making */

static void
add_parameter(json_t *parameters, const char *name, const char *value)
{
	json_array_append_new(parameters,
	    json_pack("{s:s, s:s}", "ParameterKey", name, "ParameterValue", value ? value : ""));
}

static json_t *
parameters_of(const AwsRack *rack, const char *app)
{
	g_autofree char *days = g_strdup_printf("%u", rack->log_retention);
	json_t *parameters = json_array();
	add_parameter(parameters, "Rack", rack->name);
	add_parameter(parameters, "App", app);
	add_parameter(parameters, "Key", rack->key);
	add_parameter(parameters, "Boundary", rack->app_boundary);
	add_parameter(parameters, "LogRetention", days);
	add_parameter(parameters, "LogStream", rack->log_stream);
	add_parameter(parameters, "LogDeliveryRole", rack->log_delivery_role);
	return parameters;
}

static bool
start_stack(
    EcsEngine *engine, const char *app, const char *name, GCancellable *cancel, GError **error)
{
	const AwsRack *rack = engine->rack;
	g_autoptr(GBytes) text =
	    g_resource_lookup_data(templates_get_resource(), TEMPLATE, 0, error);
	if (!text)
		return false;
	json_auto_t *input = json_pack("{s:s, s:s%, s:s, s:[s], s:o, s:[{s:s, s:s}, {s:s, s:s}]}",
	    "StackName", name, "TemplateBody", g_bytes_get_data(text, NULL),
	    (size_t)g_bytes_get_size(text), "RoleARN", rack->app_role, "Capabilities",
	    "CAPABILITY_IAM", "Parameters", parameters_of(rack, app), "Tags", "Key", TAG_RACK,
	    "Value", rack->name, "Key", TAG_APP, "Value", app);
	json_auto_t *made = formation(engine, "CreateStack", input, cancel, error);
	return made != NULL;
}

static bool
delete_stack(
    EcsEngine *engine, const char *app, const char *name, GCancellable *cancel, GError **error)
{
	{
		/* Made anew it has other roles. */
		LOCKED(&engine->lock);
		g_hash_table_remove(engine->roles, app);
	}
	json_auto_t *input = json_pack("{s:s}", "StackName", name);
	json_auto_t *begun = formation(engine, "DeleteStack", input, cancel, error);
	json_auto_t *stack = begun ? wait_settled(engine, name, cancel, error) : NULL;
	if (!stack || json_is_null(stack))
		return stack != NULL;

	g_autofree char *reason = first_reason(engine, name);
	return error_set(error, CARRACK_ERROR_UPSTREAM, "stack %s is not deleted (%s): %s", name,
	    status_of(stack), reason);
}

static bool
is_usable(const json_t *stack)
{
	static const char *const usable[] = {"CREATE_COMPLETE", "UPDATE_COMPLETE",
	    "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", NULL};

	return g_strv_contains(usable, status_of(stack));
}

static bool
make_stack(
    EcsEngine *engine, const char *app, const char *name, GCancellable *cancel, GError **error)
{
	if (!start_stack(engine, app, name, cancel, error))
		return false;
	json_auto_t *stack = wait_settled(engine, name, cancel, error);
	if (!stack || is_usable(stack))
		return stack != NULL;

	g_autofree char *reason = first_reason(engine, name);
	return error_set(error, CARRACK_ERROR_UPSTREAM, "stack %s is not made (%s): %s", name,
	    json_is_null(stack) ? "gone" : status_of(stack), reason);
}

bool
ecs_add_app(Engine *base, const char *app, GCancellable *cancel, GError **error)
{
	EcsEngine *engine = (EcsEngine *)base;
	g_autofree char *name = stack_name(engine, app);
	json_auto_t *stack = wait_settled(engine, name, cancel, error);
	if (!stack)
		return false;
	if (is_usable(stack))
		return true;

	/* What an earlier try has left cannot be updated, only made again. */
	if (!json_is_null(stack) && !delete_stack(engine, app, name, cancel, error))
		return false;
	return make_stack(engine, app, name, cancel, error);
}

/* Roles */

static EngineRoles *
read_roles(const json_t *stack)
{
	EngineRoles *roles = g_new0(EngineRoles, 1);
	json_auto_t *outputs = aws_items(stack, "Outputs");
	gsize index;
	json_t *output;
	json_array_foreach(outputs, index, output)
	{
		const char *name = json_text_of(output, "OutputKey", "");
		char **place = strcmp(name, "TaskRole") == 0        ? &roles->task
			       : strcmp(name, "ExecutionRole") == 0 ? &roles->execution
								    : NULL;
		if (place)
			*place = g_strdup(json_text_of(output, "OutputValue", ""));
	}
	return roles;
}

EngineRoles *
ecs_roles_of(EcsEngine *engine, const char *app, GError **error)
{
	{
		LOCKED(&engine->lock);
		const EngineRoles *known = g_hash_table_lookup(engine->roles, app);
		if (known)
			return roles_copy(known);
	}
	g_autofree char *name = stack_name(engine, app);
	json_auto_t *stack = describe(engine, name, NULL, error);
	EngineRoles *roles = stack ? read_roles(stack) : NULL;
	if (!roles)
		return NULL;
	if (!roles->task || !roles->execution) {
		ecs_roles_free(roles);
		error_set(error, CARRACK_ERROR_UPSTREAM,
		    "stack %s is %s and names no roles: create the app again", name,
		    json_is_null(stack) ? "gone" : status_of(stack));
		return NULL;
	}
	LOCKED(&engine->lock);
	g_hash_table_replace(engine->roles, g_strdup(app), roles_copy(roles));
	return roles;
}

/* Going */

static bool
remove_deployments(Engine *base, const char *app, GError **error)
{
	g_autoptr(GPtrArray) all = ecs_deployments(base, app, error);
	for (guint i = 0; all && i < all->len; i++) {
		const EngineDeployment *deployment = all->pdata[i];
		if (!ecs_remove(base, deployment->id, error))
			return false;
	}
	return all != NULL;
}

static bool
remove_one_offs(Engine *base, const char *app, GError **error)
{
	g_autoptr(GPtrArray) all = ecs_one_offs(base, app, error);
	for (guint i = 0; all && i < all->len; i++) {
		if (!ecs_forget(base, all->pdata[i], error))
			return false;
	}
	return all != NULL;
}

bool
ecs_remove_app(Engine *base, const char *app, GError **error)
{
	EcsEngine *engine = (EcsEngine *)base;
	g_autofree char *name = stack_name(engine, app);
	if (!remove_deployments(base, app, error) || !remove_one_offs(base, app, error) ||
	    !ecs_secrets_remove_all(engine, app, error))
		return false;
	json_auto_t *stack = wait_settled(engine, name, NULL, error);
	if (!stack)
		return false;
	return json_is_null(stack) || delete_stack(engine, app, name, NULL, error);
}
