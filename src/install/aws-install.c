/*
 * `carrack install aws` and `carrack rack update`: the stack without carrackd, then cloud_finish.
 * The stack is the only record of how far an installation got: a second run finds it in whatever
 * state it is, waits for what still goes on, and takes the next step.
 */
#include "install/aws-steps.h"

#include "install/options.h"
#include "install/steps.h"

#include <string.h>

/* In minutes; CloudFormation takes back what is not there by then. A certificate whose zone nobody
 * asks would be waited for for three days. */
#define CREATE_MINUTES 90

/* Wanted for the image, which is better said before a stack is made. */
static bool
check_engine(Cloud *cloud, GError **error)
{
	g_autofree char *socket = option_docker_socket();
	g_autoptr(Docker) docker = preflight_engine(socket, error);
	if (!docker)
		g_prefix_error(error, "the rack's image is built here: ");
	return docker != NULL;
}

/* A first try that was undone: there is nothing in it but its name. */
static bool
remove_undone(Cloud *cloud, GError **error)
{
	bool is_undone = strcmp(stack_status(cloud), "ROLLBACK_COMPLETE") == 0;
	if (!is_undone)
		return true;

	json_auto_t *input = json_pack(
	    "{s:s, s:b}", "StackName", cloud->wish->name, "EnableTerminationProtection", 0);
	json_auto_t *answer = aws_call(cloud->client, &aws_services[AWS_CLOUDFORMATION],
	    "UpdateTerminationProtection", input, NULL, error);
	json_auto_t *wish = json_object();
	progress_step(cloud->progress, "taking away an earlier try that failed");
	return answer && stack_run(cloud, "deleting stack", "DeleteStack", wish, error);
}

static bool
create(Cloud *cloud, GError **error)
{
	g_autofree char *url = bucket_url(cloud, error);
	json_auto_t *parameters = template_parameters(cloud, false);
	if (!url)
		return false;

	json_auto_t *input = json_pack("{s:s, s:O, s:[s], s:[{s:s, s:s}], s:b, s:i}", "TemplateURL",
	    url, "Parameters", parameters, "Capabilities", "CAPABILITY_IAM", "Tags", "Key",
	    CLOUD_TAG, "Value", cloud->wish->name, "EnableTerminationProtection", 1,
	    "TimeoutInMinutes", CREATE_MINUTES);
	progress_step(cloud->progress, "stack %s", cloud->wish->name);
	return stack_run(cloud, "creating stack", "CreateStack", input, error);
}

/* carrackd of a newer version may have written what an older one does not read. */
static bool
check_version(const Cloud *cloud, GError **error)
{
	const char *have = stack_parameter(cloud, "Version");
	g_auto(GStrv) theirs = g_strsplit(have ? have : "0", ".", -1);
	g_auto(GStrv) ours = g_strsplit(CARRACK_VERSION, ".", -1);
	for (gsize i = 0; theirs[i] && ours[i]; i++) {
		gint64 difference =
		    g_ascii_strtoll(theirs[i], NULL, 10) - g_ascii_strtoll(ours[i], NULL, 10);
		if (difference > 0)
			return error_set(error, CARRACK_ERROR_CONFLICT,
			    "rack %s is of version %s, newer than this carrack (%s): take a newer "
			    "carrack",
			    cloud->wish->name, have, CARRACK_VERSION);
		if (difference < 0)
			break;
	}
	return true;
}

static json_t *
install(Cloud *cloud, GError **error)
{
	if (!stack_settle(cloud, error) || !remove_undone(cloud, error))
		return NULL;
	const char *image = stack_parameter(cloud, "ApiImage");
	cloud->is_new = !image || !*image;
	if (cloud->is_new && !check_engine(cloud, error))
		return NULL;
	if (cloud->stack && (!stack_check_state(cloud, error) || !check_version(cloud, error)))
		return NULL;
	if (!cloud->stack && !create(cloud, error))
		return NULL;
	return cloud_finish(cloud, false, error);
}

/* Whatever came of it, the template's bucket goes. */
static json_t *
finish(Cloud *cloud, json_t *result)
{
	bool is_good = result != NULL;
	if (cloud->bucket || is_good)
		bucket_remove(cloud);
	progress_end(cloud->progress, is_good);
	return result;
}

json_t *
aws_install(const AwsWish *wish, GError **error)
{
	g_auto(Cloud) cloud = {0};
	cloud_watch_interrupt();
	json_t *result = cloud_open(&cloud, wish, error) ? install(&cloud, error) : NULL;
	return finish(&cloud, result);
}

json_t *
aws_update(const AwsWish *wish, GError **error)
{
	g_auto(Cloud) cloud = {0};
	cloud_watch_interrupt();
	bool is_good = cloud_open_rack(&cloud, wish, error) && stack_settle(&cloud, error) &&
		       stack_check_state(&cloud, error) && check_version(&cloud, error);
	json_object_set_new(cloud.set, "Version", json_string(CARRACK_VERSION));
	json_t *result = is_good ? cloud_finish(&cloud, true, error) : NULL;
	return finish(&cloud, result);
}
