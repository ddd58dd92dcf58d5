/*
 * What an account may still have of the things that a rack makes few of and that accounts have few
 * of: networks, addresses, balancers. What cannot be read is no problem here; CloudFormation says
 * it later.
 */
#include "install/aws-steps.h"

#include <string.h>

#define VPCS "L-F678F1CE"
#define ADDRESSES "L-0263D0A3"

/* -1: not to be read. */
static gint64
quota_of(Cloud *cloud, const char *service, const char *code)
{
	json_auto_t *input = json_pack("{s:s, s:s}", "ServiceCode", service, "QuotaCode", code);
	json_auto_t *answer = aws_call(
	    cloud->client, &aws_services[AWS_SERVICE_QUOTAS], "GetServiceQuota", input, NULL, NULL);
	json_t *value = json_at(answer, "Quota", "Value", NULL);
	return json_is_number(value) ? (gint64)json_number_value(value) : -1;
}

static gint64
count_of(Cloud *cloud, AwsServiceIndex service, const char *operation, const char *items)
{
	json_auto_t *answer =
	    aws_call(cloud->client, &aws_services[service], operation, NULL, NULL, NULL);
	json_auto_t *list = aws_items(answer, items);
	return answer ? (gint64)json_array_size(list) : 0;
}

static gint64
balancer_limit(Cloud *cloud)
{
	json_auto_t *answer = aws_call(
	    cloud->client, &aws_services[AWS_ELBV2], "DescribeAccountLimits", NULL, NULL, NULL);
	json_auto_t *limits = aws_items(answer, "Limits");
	size_t i;
	json_t *limit;
	json_array_foreach(limits, i, limit)
	{
		if (strcmp(json_text_of(limit, "Name", ""), "application-load-balancers") == 0)
			return g_ascii_strtoll(json_text_of(limit, "Max", "-1"), NULL, 10);
	}
	return -1;
}

static void
compare(GPtrArray *problems, const char *what, gint64 limit, gint64 have, gint64 wanted)
{
	if (limit < 0 || have + wanted <= limit)
		return;

	g_ptr_array_add(problems,
	    g_strdup_printf("%s: this region has %d of %d, and the rack needs %d more; ask AWS for "
			    "a higher quota, or use another region",
		what, (int)have, (int)limit, (int)wanted));
}

void
quotas_check(Cloud *cloud, GPtrArray *problems)
{
	bool is_own = !*template_value(cloud, "ExistingVpc");
	bool is_private = strcmp(template_value(cloud, "Private"), "Yes") == 0;
	bool is_one = strcmp(template_value(cloud, "NatGateways"), "one") == 0;
	gint64 zones = g_ascii_strtoll(template_value(cloud, "Zones"), NULL, 10);
	compare(problems, "balancers", balancer_limit(cloud),
	    count_of(cloud, AWS_ELBV2, "DescribeLoadBalancers", "LoadBalancers"), 1);
	if (is_own)
		compare(problems, "VPCs", quota_of(cloud, "vpc", VPCS),
		    count_of(cloud, AWS_EC2, "DescribeVpcs", "vpcSet"), 1);
	if (is_own && is_private)
		compare(problems, "Elastic IP addresses", quota_of(cloud, "ec2", ADDRESSES),
		    count_of(cloud, AWS_EC2, "DescribeAddresses", "addressesSet"),
		    is_one ? 1 : zones);
}
