/*
 * The AWS provider put together: one rack with its client, shared by all parts, and one
 * implementation of each part. Nothing here decides anything.
 */
#include "aws/provider.h"

#include "base/error.h"

#define HTTP_PORT 80
#define HTTPS_PORT 443

/* As swarm/provider.c says. */
#define VERSION "2026.11.0+carrack." CARRACK_VERSION

static void
close_rack(gpointer rack)
{
	aws_rack_free(rack);
}

static bool
open_storage(Provider *provider, AwsRack *rack, GError **error)
{
	provider->objects = objects_s3_new(rack, error);
	if (!provider->objects)
		return false;
	provider->store = store_dynamodb_new(rack, provider->objects, error);
	if (!provider->store)
		return false;
	provider->logs = logs_cloudwatch_new(rack, error);
	return provider->logs != NULL;
}

static bool
open_services(Provider *provider, AwsRack *rack, GError **error)
{
	provider->router = router_balancer_new(rack, provider->store, error);
	if (!provider->router)
		return false;
	provider->certificates = certificates_acm_new(rack, provider->store);
	provider->builder = builder_ecs_new(rack, provider->objects, error);
	if (!provider->builder)
		return false;
	provider->engine = engine_ecs_new(rack, provider->router, provider->logs, error);
	return provider->engine != NULL;
}

Provider *
aws_provider_new(AwsRack *rack, GError **error)
{
	g_autoptr(Provider) provider = g_new0(Provider, 1);
	provider->kind = "aws";
	provider->name = g_strdup(rack->name);
	provider->domain = g_strdup(rack->domain);
	provider->version = g_strdup(VERSION);
	provider->region = g_strdup(aws_client_region(rack->client));
	provider->http_port = HTTP_PORT;
	provider->https_port = HTTPS_PORT;
	provider->routes_first = true;
	provider->close = close_rack;
	provider->closing = rack;
	if (!open_storage(provider, rack, error) || !open_services(provider, rack, error))
		return NULL;

	return g_steal_pointer(&provider);
}
