/*
 * See the header.
 */
#include "aws-rack.h"

AwsRack *
aws_server_rack(const AwsServer *server)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *url = g_strconcat("AWS_ENDPOINT_URL=", aws_server_url(server), NULL);
	const char *const environment[] = {url, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=a",
	    "AWS_SECRET_ACCESS_KEY=b", "CARRACK_RACK=prod", "CARRACK_DOMAIN=d.test",
	    "CARRACK_CAPACITY=fargate", "CARRACK_CAPACITY_PROVIDER=FARGATE", "CARRACK_CLUSTER=prod",
	    "CARRACK_VPC=vpc", "CARRACK_SUBNETS=a,b", "CARRACK_PUBLIC_ADDRESSES=yes",
	    "CARRACK_SECURITY_GROUP=sg", "CARRACK_BALANCER=lb.test",
	    "CARRACK_LISTENER=arn:listener", "CARRACK_DOCUMENTS=t", "CARRACK_OBJECTS=bucket",
	    "CARRACK_REGISTRY=registry.test", "CARRACK_KEY=k", "CARRACK_EVENTS=q",
	    "CARRACK_TOPIC=t", "CARRACK_BUILD_TASK=bt", "CARRACK_BUILD_PROVIDER=bp",
	    "CARRACK_BUILD_LOGS=bl", "CARRACK_APP_ROLE=ar", "CARRACK_APP_BOUNDARY=ab",
	    "CARRACK_LOG_RETENTION=30", NULL};
	AwsRack *rack = aws_rack_new(environment, &error);
	g_assert_no_error(error);
	return rack;
}
