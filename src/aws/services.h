/*
 * The services that we call, as a table: how each is spoken to, signed and found.
 */
#pragma once

#include <stdbool.h>

typedef enum {
	AWS_PROTOCOL_JSON,
	AWS_PROTOCOL_QUERY,
	AWS_PROTOCOL_EC2, /* Query with lists and answers of its own style */
	AWS_PROTOCOL_REST,
} AwsProtocol;

typedef struct {
	const char *name;         /* as in AWS's command line: «elbv2» */
	const char *endpoint;     /* first label of the host */
	const char *signing_name; /* in the credential scope */
	const char *id;           /* in AWS_ENDPOINT_URL_<ID> */
	AwsProtocol protocol;
	const char *version;       /* of JSON («1.1») or of the Query API («2010-05-15») */
	const char *target_prefix; /* JSON: «AmazonSSM» of X-Amz-Target «AmazonSSM.GetParameter» */
	bool is_global;            /* one endpoint for a partition, signed for its first region */
} AwsService;

/* The index into aws_services: aws_json (client, &aws_services[AWS_ECS], "ListTasks", …). */
typedef enum {
	AWS_ACM,
	AWS_APPLICATION_AUTOSCALING,
	AWS_AUTOSCALING,
	AWS_CLOUDFORMATION,
	AWS_CLOUDWATCH,
	AWS_DYNAMODB,
	AWS_EC2,
	AWS_ECR,
	AWS_ECS,
	AWS_EFS,
	AWS_ELASTICACHE,
	AWS_ELBV2,
	AWS_EVENTS,
	AWS_IAM,
	AWS_KINESIS,
	AWS_KMS,
	AWS_LAMBDA,
	AWS_LOGS,
	AWS_RDS,
	AWS_ROUTE53,
	AWS_S3,
	AWS_SCHEDULER,
	AWS_SECRETSMANAGER,
	AWS_SERVICE_QUOTAS,
	AWS_SNS,
	AWS_SQS,
	AWS_SSM,
	AWS_STS,
	AWS_TAGGING,
	AWS_SERVICE_COUNT,
} AwsServiceIndex;

extern const AwsService aws_services[AWS_SERVICE_COUNT];

/* By name («ecs»), or NULL. */
const AwsService *
aws_service_named(const char *name);
