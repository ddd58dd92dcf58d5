/*
 * Wishes that only AWS can judge: a certificate that is issued and fits, a zone that holds the
 * domain, a machine image, subnets of an existing network. Only what is wished now is looked at:
 * what the stack has already, it has.
 */
#include "install/aws-steps.h"

#include <string.h>

static void
problem(GPtrArray *problems, const char *what, const GError *cause)
{
	g_ptr_array_add(problems, g_strdup_printf("%s: %s", what, cause->message));
}

/* «*.apps.example.org» covers exactly the services of apps.example.org. */
static bool
covers(const json_t *certificate, const char *domain)
{
	g_autofree char *wanted = g_strconcat("*.", domain, NULL);
	size_t i;
	json_t *name;
	if (strcmp(json_text_of(certificate, "DomainName", ""), wanted) == 0)
		return true;
	json_array_foreach(json_object_get(certificate, "SubjectAlternativeNames"), i, name)
	{
		if (strcmp(json_string_value(name), wanted) == 0)
			return true;
	}
	return false;
}

static void
check_certificate(Cloud *cloud, GPtrArray *problems, const char *arn)
{
	g_autoptr(GError) cause = NULL;
	const char *domain = template_value(cloud, "Domain");
	json_auto_t *input = json_pack("{s:s}", "CertificateArn", arn);
	json_auto_t *answer = aws_call(
	    cloud->client, &aws_services[AWS_ACM], "DescribeCertificate", input, NULL, &cause);
	json_t *certificate = json_object_get(answer, "Certificate");
	const char *status = json_text_of(certificate, "Status", "");
	if (!answer)
		problem(problems, "Certificate", cause);
	else if (strcmp(status, "ISSUED") != 0)
		g_ptr_array_add(
		    problems, g_strdup_printf("Certificate: is %s; it has to be ISSUED", status));
	else if (!covers(certificate, domain))
		g_ptr_array_add(
		    problems, g_strdup_printf("Certificate: is for %s and not for *.%s",
				  json_text_of(certificate, "DomainName", "?"), domain));
}

static void
check_zone(Cloud *cloud, GPtrArray *problems, const char *id)
{
	g_autoptr(GError) cause = NULL;
	g_autofree char *escaped = http_escape(id);
	g_autofree char *path = g_strconcat("/2013-04-01/hostedzone/", escaped, NULL);
	AwsRequest request = {.name = "GetHostedZone", .path = path};
	g_autoptr(HttpAnswer) answer =
	    aws_rest(cloud->client, &aws_services[AWS_ROUTE53], &request, NULL, &cause);
	if (!answer) {
		problem(problems, "HostedZone", cause);
		return;
	}

	const char *domain = template_value(cloud, "Domain");
	g_autoptr(GRegex) pattern = g_regex_new("<Name>([^<]*?)\\.?</Name>", 0, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;
	g_regex_match(pattern, answer->body, 0, &match);
	g_autofree char *zone = g_match_info_fetch(match, 1);
	g_autofree char *suffix = g_strconcat(".", zone, NULL);
	bool holds = zone && (strcmp(zone, domain) == 0 || g_str_has_suffix(domain, suffix));
	if (!holds)
		g_ptr_array_add(
		    problems, g_strdup_printf("HostedZone: is %s, which does not hold %s",
				  zone ? zone : "?", domain));
}

static void
check_image(Cloud *cloud, GPtrArray *problems, const char *name)
{
	g_autoptr(GError) cause = NULL;
	json_auto_t *input = json_pack("{s:s}", "Name", name);
	json_auto_t *answer =
	    aws_call(cloud->client, &aws_services[AWS_SSM], "GetParameter", input, NULL, &cause);
	if (!answer)
		problem(problems, "ImageId", cause);
}

static void
check_subnets(Cloud *cloud, GPtrArray *problems, const char *parameter)
{
	const char *text = template_value(cloud, parameter);
	const char *network = template_value(cloud, "ExistingVpc");
	g_auto(GStrv) ids = g_strsplit(text, ",", -1);
	g_autoptr(GError) cause = NULL;
	json_auto_t *names = json_array();
	if (!*text)
		return;
	for (gsize i = 0; ids[i]; i++)
		json_array_append_new(names, json_string(g_strstrip(ids[i])));

	json_auto_t *input = json_pack("{s:O}", "SubnetId", names);
	json_auto_t *answer =
	    aws_call(cloud->client, &aws_services[AWS_EC2], "DescribeSubnets", input, NULL, &cause);
	json_auto_t *subnets = aws_items(answer, "subnetSet");
	size_t i;
	json_t *subnet;
	if (!answer)
		problem(problems, parameter, cause);
	else if (json_array_size(subnets) < 2)
		g_ptr_array_add(
		    problems, g_strdup_printf("%s: two or more subnets are needed", parameter));
	json_array_foreach(subnets, i, subnet)
	{
		const char *other = json_text_of(subnet, "vpcId", "");
		if (strcmp(other, network) != 0)
			g_ptr_array_add(
			    problems, g_strdup_printf("%s: %s is in %s and not in %s", parameter,
					  json_text_of(subnet, "subnetId", "?"), other, network));
	}
}

void
checks_run(Cloud *cloud, GPtrArray *problems)
{
	const char *certificate = json_text_of(cloud->wished, "Certificate", "");
	const char *zone = json_text_of(cloud->wished, "HostedZone", "");
	const char *image = json_text_of(cloud->wished, "ImageId", "");
	if (*certificate)
		check_certificate(cloud, problems, certificate);
	if (*zone)
		check_zone(cloud, problems, zone);
	if (*image)
		check_image(cloud, problems, image);
	if (*json_text_of(cloud->wished, "ExistingPublicSubnets", ""))
		check_subnets(cloud, problems, "ExistingPublicSubnets");
	if (*json_text_of(cloud->wished, "ExistingPrivateSubnets", ""))
		check_subnets(cloud, problems, "ExistingPrivateSubnets");
}
