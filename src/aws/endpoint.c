/*
 * Where services are: AWS's own addresses by partition and region, or what the caller, the
 * environment or the profile puts in their place. A bucket is part of the host name at AWS and part
 * of the path anywhere else, and where a dot in its name would not fit the certificate.
 */
#include "aws/client-private.h"

#include <string.h>

/* The first with a matching prefix; global services are signed for one region of the partition. */
static const AwsPartition partitions[] = {
    {.prefix = "cn-",
	.name = "aws-cn",
	.dns_suffix = "amazonaws.com.cn",
	.iam_host = "iam.cn-north-1.amazonaws.com.cn",
	.iam_region = "cn-north-1",
	.route53_host = "route53.amazonaws.com.cn",
	.route53_region = "cn-northwest-1"},
    {.prefix = "us-gov-",
	.name = "aws-us-gov",
	.dns_suffix = "amazonaws.com",
	.iam_host = "iam.us-gov.amazonaws.com",
	.iam_region = "us-gov-west-1",
	.route53_host = "route53.us-gov.amazonaws.com",
	.route53_region = "us-gov-west-1"},
    {.prefix = "eusc-",
	.name = "aws-eusc",
	.dns_suffix = "amazonaws.eu",
	.iam_host = "iam.eusc-de-east-1.amazonaws.eu",
	.iam_region = "eusc-de-east-1",
	.route53_host = "route53.amazonaws.eu",
	.route53_region = "eusc-de-east-1"},
    {.prefix = "",
	.name = "aws",
	.dns_suffix = "amazonaws.com",
	.iam_host = "iam.amazonaws.com",
	.iam_region = "us-east-1",
	.route53_host = "route53.amazonaws.com",
	.route53_region = "us-east-1"},
};

const AwsPartition *
aws_partition_of(const char *region)
{
	const AwsPartition *partition = partitions;

	while (!g_str_has_prefix(region, partition->prefix))
		partition++;
	return partition;
}

static char *
own_host(const AwsClient *client, const AwsService *service)
{
	if (service == &aws_services[AWS_IAM])
		return g_strdup(client->partition->iam_host);
	if (service == &aws_services[AWS_ROUTE53])
		return g_strdup(client->partition->route53_host);

	return g_strdup_printf(
	    "%s.%s.%s", service->endpoint, client->region, client->partition->dns_suffix);
}

static const char *
signing_region(const AwsClient *client, const AwsService *service)
{
	if (service == &aws_services[AWS_IAM])
		return client->partition->iam_region;
	if (service == &aws_services[AWS_ROUTE53])
		return client->partition->route53_region;

	return client->region;
}

/* The address that was set for a service, or NULL. */
static const char *
override_of(const AwsClient *client, const AwsService *service)
{
	g_autofree char *name = g_strconcat("AWS_ENDPOINT_URL_", service->id, NULL);
	const char *ignore =
	    aws_config_variable(client->config, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");

	if (client->endpoint)
		return client->endpoint;
	if (ignore && g_ascii_strcasecmp(ignore, "true") == 0)
		return NULL;

	const char *url = aws_config_variable(client->config, name);
	if (!url)
		url = aws_config_variable(client->config, "AWS_ENDPOINT_URL");
	return url ? url : client->profile_endpoint;
}

char *
aws_client_endpoint(const AwsClient *client, const AwsService *service)
{
	const char *url = override_of(client, service);
	if (url)
		return g_strdup(url);

	g_autofree char *host = own_host(client, service);
	return g_strconcat("https://", host, NULL);
}

/* «https://host:port/path» taken apart, the scheme's own port left out as HTTP clients do. */
static bool
read_override(AwsPlace *place, const char *url, GError **error)
{
	g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_ENCODED_PATH, NULL);
	const char *scheme = uri ? g_uri_get_scheme(uri) : "";
	bool is_tls = g_str_equal(scheme, "https");
	bool good = (is_tls || g_str_equal(scheme, "http")) && g_uri_get_host(uri) &&
		    *g_uri_get_host(uri) && !g_uri_get_userinfo(uri) && !g_uri_get_query(uri);
	if (!good)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "the endpoint for AWS is not of the form https://host:port/path");

	const char *host = g_uri_get_host(uri);
	int port = g_uri_get_port(uri);
	bool usual = port <= 0 || port == (is_tls ? 443 : 80);
	g_autofree char *lower = g_ascii_strdown(host, -1);
	g_autofree char *name =
	    strchr(lower, ':') ? g_strdup_printf("[%s]", lower) : g_strdup(lower);
	place->host = usual ? g_strdup(name) : g_strdup_printf("%s:%d", name, port);
	place->base_url = g_strdup_printf("%s://%s", scheme, place->host);
	place->prefix = g_strdup(g_uri_get_path(uri));
	while (g_str_has_suffix(place->prefix, "/"))
		place->prefix[strlen(place->prefix) - 1] = '\0';
	return true;
}

static void
put_bucket_into_path(AwsPlace *place, const char *bucket)
{
	g_autofree char *escaped = http_escape(bucket);
	char *prefix = g_strdup_printf("%s/%s", place->prefix, escaped);

	g_free(place->prefix);
	place->prefix = prefix;
}

AwsPlace *
aws_place_of(const AwsClient *client, const AwsService *service, const char *bucket, GError **error)
{
	g_autoptr(AwsPlace) place = g_new0(AwsPlace, 1);
	const char *url = override_of(client, service);
	place->region = signing_region(client, service);

	if (url) {
		if (!read_override(place, url, error))
			return NULL;
		if (bucket)
			put_bucket_into_path(place, bucket);
		return g_steal_pointer(&place);
	}

	g_autofree char *host = own_host(client, service);
	bool fits =
	    bucket && strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(bucket);
	place->host = fits ? g_strdup_printf("%s.%s", bucket, host) : g_strdup(host);
	place->base_url = g_strconcat("https://", place->host, NULL);
	place->prefix = g_strdup("");
	if (bucket && !fits)
		put_bucket_into_path(place, bucket);
	return g_steal_pointer(&place);
}

void
aws_place_free(AwsPlace *place)
{
	if (!place)
		return;

	g_free(place->base_url);
	g_free(place->host);
	g_free(place->prefix);
	g_free(place);
}
