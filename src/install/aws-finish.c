/*
 * The second round of an installation, which also is every update: the image into the rack's
 * repository, the stack with it, carrackd's answer, and the password into the configuration.
 */
#include "install/aws-steps.h"

#include "install/account.h"

#include <string.h>

static bool
protect(Cloud *cloud, GError **error)
{
	if (strcmp(json_text_of(cloud->stack, "EnableTerminationProtection", ""), "true") == 0)
		return true;

	json_auto_t *input = json_pack(
	    "{s:s, s:b}", "StackName", cloud->wish->name, "EnableTerminationProtection", 1);
	json_auto_t *answer = aws_call(cloud->client, &aws_services[AWS_CLOUDFORMATION],
	    "UpdateTerminationProtection", input, NULL, error);
	return answer != NULL;
}

/* A rack that has no carrackd yet has nothing to lose either: no change set, no question. */
static bool
add_carrackd(Cloud *cloud, GError **error)
{
	g_autofree char *url = bucket_url(cloud, error);
	json_auto_t *parameters = template_parameters(cloud, true);
	if (!url)
		return false;

	json_auto_t *input = json_pack("{s:s, s:O, s:[s], s:[{s:s, s:s}]}", "TemplateURL", url,
	    "Parameters", parameters, "Capabilities", "CAPABILITY_IAM", "Tags", "Key", CLOUD_TAG,
	    "Value", cloud->wish->name);
	progress_step(cloud->progress, "carrackd");
	cloud->has_changed = true;
	return stack_run(cloud, "updating stack", "UpdateStack", input, error);
}

static bool
update(Cloud *cloud, bool always_ask, GError **error)
{
	const char *image = stack_parameter(cloud, "ApiImage");
	bool is_first = !image || !*image;
	g_autoptr(GError) cause = NULL;
	bool is_good =
	    is_first ? add_carrackd(cloud, &cause) : changes_run(cloud, true, always_ask, &cause);
	if (is_good)
		return true;
	if (strstr(cause->message, "Api ("))
		cloud_proof_notes(cloud);
	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}

/* The caller frees it. */
static char *
read_password(Cloud *cloud, GError **error)
{
	json_auto_t *input = json_pack("{s:s}", "SecretId", stack_output(cloud, "Password"));
	json_auto_t *answer = aws_call(
	    cloud->client, &aws_services[AWS_SECRETSMANAGER], "GetSecretValue", input, NULL, error);
	return answer ? g_strdup(json_text_of(answer, "SecretString", "")) : NULL;
}

static bool
remember(Cloud *cloud, const char *password, GError **error)
{
	AccountAws entry = {.rack = cloud->wish->name,
	    .domain = stack_output(cloud, "Domain"),
	    .password = password,
	    .region = aws_client_region(cloud->client),
	    .account = cloud->account,
	    .profile = cloud->wish->profile};
	return account_write_aws(&entry, cloud->is_new, error);
}

json_t *
cloud_result(Cloud *cloud, const char *password)
{
	const char *state = cloud->is_new        ? "installed"
			    : cloud->has_changed ? "updated"
						 : "unchanged";
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "name", cloud->wish->name, "state",
	    state, "address", stack_output(cloud, "Address"), "balancer",
	    stack_output(cloud, "BalancerHost"), "domain", stack_output(cloud, "Domain"), "region",
	    aws_client_region(cloud->client), "answers",
	    password && cloud_name_answers(cloud, password));
}

json_t *
cloud_finish(Cloud *cloud, bool always_ask, GError **error)
{
	if (!protect(cloud, error) || !cloud_image_ensure(cloud, error) ||
	    !archive_ensure(cloud, error) || !update(cloud, always_ask, error) ||
	    !cloud_proof_wait(cloud, error))
		return NULL;

	progress_step(cloud->progress, "password and configuration");
	g_autofree char *password = read_password(cloud, error);
	if (!password || !remember(cloud, password, error))
		return NULL;
	return cloud_result(cloud, password);
}
