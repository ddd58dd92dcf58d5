/*
 * What outlives the stacks of a rack: environments and a password that AWS would keep for a month,
 * certificates that the listener held, task definitions, logs written after their group had gone.
 * All by name or tag, so it works without any stack as well.
 */
#include "install/aws-steps.h"

#include <string.h>

#define DELETED_AT_ONCE 10 /* task definitions a call */

static bool
end(Cloud *cloud, AwsServiceIndex service, const char *operation, json_t *input, GError **error)
{
	json_auto_t *owned = input;
	g_autoptr(GError) cause = NULL;
	json_auto_t *answer =
	    aws_call(cloud->client, &aws_services[service], operation, owned, NULL, &cause);
	if (answer || g_error_matches(cause, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND))
		return true;

	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}

static bool
end_secrets(Cloud *cloud, GError **error)
{
	static const AwsList secrets = {.service = &aws_services[AWS_SECRETSMANAGER],
	    .operation = "ListSecrets",
	    .token_in = "NextToken",
	    .token_out = "NextToken",
	    .items = "SecretList"};
	g_autofree char *prefix = g_strconcat(cloud->wish->name, "/", NULL);
	json_auto_t *input = json_pack("{s:b, s:[{s:s, s:[s]}]}", "IncludePlannedDeletion", 1,
	    "Filters", "Key", "name", "Values", prefix);
	json_auto_t *all = aws_list(cloud->client, &secrets, input, 0, NULL, error);
	size_t i;
	json_t *secret;
	json_array_foreach(all, i, secret)
	{
		/* The filter knows no case, and begins of words count too. */
		bool is_ours = g_str_has_prefix(json_text_of(secret, "Name", ""), prefix);
		if (is_ours &&
		    !end(cloud, AWS_SECRETSMANAGER, "DeleteSecret",
			json_pack("{s:O, s:b}", "SecretId", json_object_get(secret, "ARN"),
			    "ForceDeleteWithoutRecovery", 1),
			error))
			return false;
	}
	return all != NULL;
}

static bool
is_tagged(Cloud *cloud, json_t *certificate)
{
	json_auto_t *input = json_pack("{s:O}", "CertificateArn", certificate);
	json_auto_t *answer = aws_call(
	    cloud->client, &aws_services[AWS_ACM], "ListTagsForCertificate", input, NULL, NULL);
	size_t i;
	json_t *tag;
	json_array_foreach(json_object_get(answer, "Tags"), i, tag)
	{
		if (strcmp(json_text_of(tag, "Key", ""), CLOUD_TAG) == 0)
			return strcmp(json_text_of(tag, "Value", ""), cloud->wish->name) == 0;
	}
	return false;
}

static bool
end_certificates(Cloud *cloud, GError **error)
{
	static const AwsList certificates = {.service = &aws_services[AWS_ACM],
	    .operation = "ListCertificates",
	    .token_in = "NextToken",
	    .token_out = "NextToken",
	    .items = "CertificateSummaryList"};
	json_auto_t *all = aws_list(cloud->client, &certificates, NULL, 0, NULL, error);
	size_t i;
	json_t *one;
	json_array_foreach(all, i, one)
	{
		json_t *arn = json_object_get(one, "CertificateArn");
		if (is_tagged(cloud, arn) && !end(cloud, AWS_ACM, "DeleteCertificate",
						 json_pack("{s:O}", "CertificateArn", arn), error))
			return false;
	}
	return all != NULL;
}

/* «RACK-APP-SERVICE», and not those of a rack whose name only begins alike: its own cluster would
 * still be there. */
static bool
is_family_of(const Cloud *cloud, const char *family)
{
	g_autofree char *prefix = g_strconcat(cloud->wish->name, "-", NULL);
	return g_str_has_prefix(family, prefix);
}

static bool
has_rack_tag(Cloud *cloud, json_t *arn)
{
	json_auto_t *input = json_pack("{s:O, s:[s]}", "taskDefinition", arn, "include", "TAGS");
	json_auto_t *answer = aws_call(
	    cloud->client, &aws_services[AWS_ECS], "DescribeTaskDefinition", input, NULL, NULL);
	size_t i;
	json_t *tag;
	json_array_foreach(json_object_get(answer, "tags"), i, tag)
	{
		if (strcmp(json_text_of(tag, "key", ""), CLOUD_TAG) == 0)
			return strcmp(json_text_of(tag, "value", ""), cloud->wish->name) == 0;
	}
	return false;
}

static json_t *
definitions(Cloud *cloud, const char *status, GError **error)
{
	static const AwsList list = {.service = &aws_services[AWS_ECS],
	    .operation = "ListTaskDefinitions",
	    .token_in = "nextToken",
	    .token_out = "nextToken",
	    .items = "taskDefinitionArns"};
	json_auto_t *input = json_pack("{s:s}", "status", status);
	json_auto_t *all = aws_list(cloud->client, &list, input, 0, NULL, error);
	json_t *ours = json_array();
	size_t i;
	json_t *arn;
	json_array_foreach(all, i, arn)
	{
		const char *slash = strrchr(json_string_value(arn), '/');
		bool is_ours = slash && is_family_of(cloud, slash + 1) && has_rack_tag(cloud, arn);
		if (is_ours)
			json_array_append(ours, arn);
	}
	if (all)
		return ours;
	json_decref(ours);
	return NULL;
}

static bool
end_definitions(Cloud *cloud, GError **error)
{
	json_auto_t *active = definitions(cloud, "ACTIVE", error);
	size_t i;
	json_t *arn;
	json_array_foreach(active, i, arn)
	{
		if (!end(cloud, AWS_ECS, "DeregisterTaskDefinition",
			json_pack("{s:O}", "taskDefinition", arn), error))
			return false;
	}
	json_auto_t *inactive = active ? definitions(cloud, "INACTIVE", error) : NULL;
	for (size_t first = 0; first < json_array_size(inactive); first += DELETED_AT_ONCE) {
		json_auto_t *some = json_array();
		for (size_t k = first; k < first + DELETED_AT_ONCE; k++) {
			json_t *one = json_array_get(inactive, k);
			if (one)
				json_array_append(some, one);
		}
		if (!end(cloud, AWS_ECS, "DeleteTaskDefinitions",
			json_pack("{s:O}", "taskDefinitions", some), error))
			return false;
	}
	return inactive != NULL;
}

static bool
end_log_groups(Cloud *cloud, GError **error)
{
	static const AwsList groups = {.service = &aws_services[AWS_LOGS],
	    .operation = "DescribeLogGroups",
	    .token_in = "nextToken",
	    .token_out = "nextToken",
	    .items = "logGroups"};
	g_autofree char *prefix = g_strdup_printf("/carrack/%s/", cloud->wish->name);
	json_auto_t *input = json_pack("{s:s}", "logGroupNamePrefix", prefix);
	json_auto_t *all = aws_list(cloud->client, &groups, input, 0, NULL, error);
	size_t i;
	json_t *group;
	json_array_foreach(all, i, group)
	{
		if (!end(cloud, AWS_LOGS, "DeleteLogGroup",
			json_pack("{s:O}", "logGroupName", json_object_get(group, "logGroupName")),
			error))
			return false;
	}
	return all != NULL;
}

bool
remove_rest(Cloud *cloud, GError **error)
{
	progress_step(cloud->progress, "secrets, certificates, definitions and logs");
	bool is_good = end_secrets(cloud, error) && end_certificates(cloud, error) &&
		       end_definitions(cloud, error) && end_log_groups(cloud, error);
	bucket_remove(cloud);
	return is_good;
}
