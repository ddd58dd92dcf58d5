/*
 * What has to be known and right before anything is changed in an account: who we are, where, the
 * rack's name, its stack, and the wishes. Everything that is wrong with the wishes is one error of
 * many lines.
 */
#include "install/aws-steps.h"

#include "base/text.h"
#include "install/account.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define NAME_MAXIMUM 20
#define DESCRIPTION "A Carrack rack"

void
cloud_clear(Cloud *cloud)
{
	progress_free(cloud->progress);
	aws_client_free(cloud->client);
	g_free(cloud->account);
	g_free(cloud->caller);
	g_free(cloud->text);
	g_free(cloud->bucket);
	json_decref(cloud->template);
	json_decref(cloud->wished);
	json_decref(cloud->set);
	json_decref(cloud->stack);
}

static void
end_interrupted(int number)
{
	static const char text[] =
	    "\ninterrupted; AWS goes on with what it has begun. Run the same "
	    "command again to take it up\n";
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(128 + number);
}

void
cloud_watch_interrupt(void)
{
	signal(SIGINT, end_interrupted);
	signal(SIGTERM, end_interrupted);
}

bool
cloud_confirm(Cloud *cloud, const char *what, GError **error)
{
	const AwsWish *wish = cloud->wish;
	progress_end(cloud->progress, true);
	return wish->confirm(wish->confirm_data, what, wish->name, error);
}

/* It is the stack's and the balancer's name, and begins names that are longer. */
static bool
check_name(const char *name, GError **error)
{
	if (!text_check_name(name, "rack name", error))
		return false;
	if (strlen(name) > NAME_MAXIMUM)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "rack name %s: has %zu characters; on AWS at most %d are allowed", name,
		    strlen(name), NAME_MAXIMUM);
	if (g_str_has_prefix(name, "internal-"))
		return error_set(error, CARRACK_ERROR_INVALID,
		    "rack name %s: AWS keeps names of balancers that begin with internal- for "
		    "itself",
		    name);
	return true;
}

static bool
identify(Cloud *cloud, GError **error)
{
	AwsOptions options = {.region = cloud->wish->region,
	    .profile = cloud->wish->profile,
	    .user_agent = "carrack/" CARRACK_VERSION};
	cloud->client = aws_client_new(&options, NULL, error);
	json_auto_t *answer = cloud->client ? aws_call(cloud->client, &aws_services[AWS_STS],
						  "GetCallerIdentity", NULL, NULL, error)
					    : NULL;
	if (!answer) {
		g_prefix_error(error, "no use of AWS: ");
		return false;
	}

	cloud->account = g_strdup(json_text_of(answer, "Account", ""));
	cloud->caller = g_strdup(json_text_of(answer, "Arn", ""));
	progress_note(cloud->progress, "account %s, region %s, as %s", cloud->account,
	    aws_client_region(cloud->client), cloud->caller);
	return true;
}

/* An endpoint that nobody answers means a region that is not there. */
static bool
check_region(Cloud *cloud, GError **error)
{
	const char *region = aws_client_region(cloud->client);
	g_autoptr(GError) cause = NULL;
	json_auto_t *input = json_pack("{s:[s]}", "RegionName", region);
	json_auto_t *answer =
	    aws_call(cloud->client, &aws_services[AWS_EC2], "DescribeRegions", input, NULL, &cause);
	if (answer || aws_error_is(cause, "UnauthorizedOperation"))
		return true;

	return error_set(error, CARRACK_ERROR_INVALID, "region %s: %s", region, cause->message);
}

static bool
check_stack_is_ours(const Cloud *cloud, GError **error)
{
	const char *name = cloud->wish->name;
	bool is_ours = !cloud->stack || strcmp(stack_tag(cloud, CLOUD_TAG), name) == 0 ||
		       strcmp(json_text_of(cloud->stack, "Description", ""), DESCRIPTION) == 0;
	if (is_ours)
		return true;

	return error_set(error, CARRACK_ERROR_CONFLICT,
	    "a stack named %s is in this account and is no rack; choose another name with --name",
	    name);
}

bool
cloud_look(Cloud *cloud, const AwsWish *wish, GError **error)
{
	cloud->wish = wish;
	cloud->began = g_get_real_time();
	cloud->wished = json_object();
	cloud->set = json_object();
	if (!cloud->progress)
		cloud->progress = progress_new();
	progress_step(cloud->progress, "checking the account");
	return check_name(wish->name, error) && template_load(cloud, error) &&
	       identify(cloud, error) && stack_look(cloud, error) &&
	       check_stack_is_ours(cloud, error);
}

static bool
refuse_problems(GPtrArray *problems, GError **error)
{
	if (problems->len == 0)
		return true;

	g_ptr_array_add(problems, NULL);
	g_autofree char *text = g_strjoinv("\n", (GStrv)problems->pdata);
	return error_set(error, CARRACK_ERROR_INVALID, "%s", text);
}

bool
cloud_open(Cloud *cloud, const AwsWish *wish, GError **error)
{
	g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
	if (!cloud_look(cloud, wish, error) || !check_region(cloud, error))
		return false;

	json_object_set_new(cloud->set, "Version", json_string(CARRACK_VERSION));
	template_read_wishes(cloud, problems);
	if (problems->len == 0)
		checks_run(cloud, problems);
	if (problems->len == 0 && !cloud->stack)
		quotas_check(cloud, problems);
	return refuse_problems(problems, error) &&
	       account_check_aws(wish->name, aws_client_region(cloud->client), cloud->account,
		   template_value(cloud, "Domain"), error);
}

bool
cloud_open_rack(Cloud *cloud, const AwsWish *wish, GError **error)
{
	g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
	if (!cloud_look(cloud, wish, error))
		return false;
	if (!cloud->stack)
		return error_set(error, CARRACK_ERROR_NOT_FOUND,
		    "no rack named %s is in account %s, region %s", wish->name, cloud->account,
		    aws_client_region(cloud->client));

	if (wish->values && *wish->values)
		template_read_wishes(cloud, problems);
	if (problems->len == 0 && json_object_size(cloud->wished) > 0)
		checks_run(cloud, problems);
	return refuse_problems(problems, error);
}
