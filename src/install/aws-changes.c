/*
 * Change sets: what an update would do to which resources, from CloudFormation itself, before it is
 * done. The list is for people; what replaces or removes something is marked, since data may go
 * with it.
 */
#include "install/aws-steps.h"

#include "base/text.h"

#include <string.h>

#define PAUSE_MICROSECONDS 500000
#define DEADLINE_SECONDS 300

typedef struct {
	Cloud *cloud;
	char *name;
	unsigned count;
	unsigned grave; /* that replace or remove something */
} ChangeSet;

static json_t *
set_input(const ChangeSet *set)
{
	return json_pack(
	    "{s:s, s:s}", "StackName", set->cloud->wish->name, "ChangeSetName", set->name);
}

static bool
create(const ChangeSet *set, bool with_template, GError **error)
{
	Cloud *cloud = set->cloud;
	json_auto_t *input = set_input(set);
	json_auto_t *parameters = template_parameters(cloud, true);
	if (with_template) {
		g_autofree char *url = bucket_url(cloud, error);
		if (!url)
			return false;
		json_object_set_new(input, "TemplateURL", json_string(url));
	} else
		json_object_set_new(input, "UsePreviousTemplate", json_true());
	json_object_set(input, "Parameters", parameters);
	json_object_set_new(input, "ChangeSetType", json_string("UPDATE"));
	json_object_set_new(input, "Capabilities", json_pack("[s]", "CAPABILITY_IAM"));
	json_object_set_new(
	    input, "Tags", json_pack("[{s:s, s:s}]", "Key", CLOUD_TAG, "Value", cloud->wish->name));
	json_auto_t *answer = aws_call(cloud->client, &aws_services[AWS_CLOUDFORMATION],
	    "CreateChangeSet", input, NULL, error);
	return answer != NULL;
}

static void delete (const ChangeSet *set)
{
	json_auto_t *input = set_input(set);
	json_auto_t *answer = aws_call(set->cloud->client, &aws_services[AWS_CLOUDFORMATION],
	    "DeleteChangeSet", input, NULL, NULL);
}

static bool
is_empty_reason(const char *reason)
{
	return strcasestr(reason, "didn't contain changes") ||
	       strcasestr(reason, "no updates are to be performed") ||
	       strcasestr(reason, "no changes");
}

/* Waits until it is worked out; `is_empty` when there is nothing to change. */
static bool
wait(const ChangeSet *set, bool *is_empty, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + (gint64)DEADLINE_SECONDS * G_USEC_PER_SEC;
	*is_empty = false;
	for (;;) {
		json_auto_t *input = set_input(set);
		json_auto_t *answer = aws_call(set->cloud->client,
		    &aws_services[AWS_CLOUDFORMATION], "DescribeChangeSet", input, NULL, error);
		const char *status = json_text_of(answer, "Status", "");
		const char *reason = json_text_of(answer, "StatusReason", "");
		if (!answer)
			return false;
		if (strcmp(status, "CREATE_COMPLETE") == 0)
			return true;
		*is_empty = strcmp(status, "FAILED") == 0 && is_empty_reason(reason);
		if (*is_empty)
			return true;
		if (strcmp(status, "FAILED") == 0 || g_get_monotonic_time() > deadline)
			return error_set(error, CARRACK_ERROR_UPSTREAM, "change set %s: %s", status,
			    *reason ? reason : "CloudFormation gives no reason");
		g_usleep(PAUSE_MICROSECONDS);
	}
}

/* What holds something, or what others hold by its name. */
static bool
is_precious(const char *type)
{
	static const char *const precious[] = {"AWS::DynamoDB::Table", "AWS::S3::Bucket",
	    "AWS::KMS::Key", "AWS::ECR::Repository", "AWS::EC2::VPC", "AWS::EC2::Subnet",
	    "AWS::ElasticLoadBalancingV2::LoadBalancer", NULL};
	return g_strv_contains(precious, type);
}

/* A task definition is always a new one; nothing is lost with the old. */
static bool
is_grave(const json_t *change)
{
	const char *replacement = json_text_of(change, "Replacement", "");
	const char *type = json_text_of(change, "ResourceType", "");
	bool is_removed = strcmp(json_text_of(change, "Action", ""), "Remove") == 0;
	bool is_replaced = strcmp(replacement, "True") == 0 ||
			   (strcmp(replacement, "Conditional") == 0 && is_precious(type));
	return (is_removed || is_replaced) && strcmp(type, "AWS::ECS::TaskDefinition") != 0;
}

static bool
show_page(gpointer data, const json_t *changes, GError **error)
{
	ChangeSet *set = data;
	size_t i;
	json_t *item;
	json_array_foreach((json_t *)changes, i, item)
	{
		json_t *change = json_object_get(item, "ResourceChange");
		g_autofree char *action = g_ascii_strdown(json_text_of(change, "Action", ""), -1);
		const char *replacement = json_text_of(change, "Replacement", "");
		bool is_maybe = strcmp(replacement, "Conditional") == 0;
		set->count++;
		set->grave += is_grave(change);
		progress_note(set->cloud->progress, "%-6s %s (%s)%s", action,
		    json_text_of(change, "LogicalResourceId", ""),
		    json_text_of(change, "ResourceType", ""),
		    strcmp(replacement, "True") == 0 ? ", replaced"
		    : is_maybe                       ? ", perhaps replaced"
						     : "");
	}
	return true;
}

static bool
show(ChangeSet *set, GError **error)
{
	static const AwsList list = {.service = &aws_services[AWS_CLOUDFORMATION],
	    .operation = "DescribeChangeSet",
	    .token_in = "NextToken",
	    .token_out = "NextToken",
	    .items = "Changes"};
	json_auto_t *input = set_input(set);
	return aws_pages(set->cloud->client, &list, input, show_page, set, NULL, error);
}

static bool
ask(const ChangeSet *set, bool always, GError **error)
{
	const AwsWish *wish = set->cloud->wish;
	if (!always && set->grave == 0)
		return true;

	g_autofree char *what =
	    set->grave > 0
		? g_strdup_printf("%u resources of rack %s change; %u are replaced or removed",
		      set->count, wish->name, set->grave)
		: g_strdup_printf("%u resources of rack %s change", set->count, wish->name);
	return cloud_confirm(set->cloud, what, error);
}

static bool
carry_out(ChangeSet *set, bool always_ask, GError **error)
{
	bool is_empty = false;
	if (!wait(set, &is_empty, error))
		return false;
	if (is_empty)
		return true;

	if (!show(set, error) || !ask(set, always_ask, error))
		return false;
	json_auto_t *input = set_input(set);
	progress_step(set->cloud->progress, "updating stack %s", set->cloud->wish->name);
	set->cloud->has_changed = true;
	return stack_run(set->cloud, "updating stack", "ExecuteChangeSet", input, error);
}

bool
changes_run(Cloud *cloud, bool with_template, bool always_ask, GError **error)
{
	g_autofree char *random = text_random_hex(6);
	g_autofree char *name = g_strconcat("carrack-", random, NULL);
	ChangeSet set = {.cloud = cloud, .name = name};
	progress_step(cloud->progress, "what would change");
	if (!create(&set, with_template, error))
		return false;

	bool is_good = carry_out(&set, always_ask, error);
	if (!cloud->has_changed)
		delete (&set);
	return is_good;
}
