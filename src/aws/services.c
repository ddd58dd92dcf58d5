/*
 * The table of services, in the order of AwsServiceIndex. The values are those of AWS's own API
 * models; tests/aws compares them with botocore's copy.
 */
#include "aws/services.h"

#include <glib.h>

#define JSON_1_0 .protocol = AWS_PROTOCOL_JSON, .version = "1.0"
#define JSON_1_1 .protocol = AWS_PROTOCOL_JSON, .version = "1.1"
#define QUERY .protocol = AWS_PROTOCOL_QUERY, .version
#define SAME_NAME(text) .name = text, .endpoint = text, .signing_name = text

const AwsService aws_services[AWS_SERVICE_COUNT] = {
    [AWS_ACM] = {SAME_NAME("acm"), .id = "ACM", JSON_1_1, .target_prefix = "CertificateManager"},
    [AWS_APPLICATION_AUTOSCALING] = {SAME_NAME("application-autoscaling"),
	.id = "APPLICATION_AUTO_SCALING", JSON_1_1, .target_prefix = "AnyScaleFrontendService"},
    [AWS_AUTOSCALING] = {SAME_NAME("autoscaling"), .id = "AUTO_SCALING", QUERY = "2011-01-01"},
    [AWS_CLOUDFORMATION] = {SAME_NAME("cloudformation"), .id = "CLOUDFORMATION",
	QUERY = "2010-05-15"},
    [AWS_CLOUDWATCH] = {.name = "cloudwatch",
	.endpoint = "monitoring",
	.signing_name = "monitoring",
	.id = "CLOUDWATCH",
	QUERY = "2010-08-01"},
    [AWS_DYNAMODB] = {SAME_NAME("dynamodb"), .id = "DYNAMODB", JSON_1_0,
	.target_prefix = "DynamoDB_20120810"},
    [AWS_EC2] = {SAME_NAME("ec2"), .id = "EC2", .protocol = AWS_PROTOCOL_EC2,
	.version = "2016-11-15"},
    [AWS_ECR] = {.name = "ecr",
	.endpoint = "api.ecr",
	.signing_name = "ecr",
	.id = "ECR",
	JSON_1_1,
	.target_prefix = "AmazonEC2ContainerRegistry_V20150921"},
    [AWS_ECS] = {SAME_NAME("ecs"), .id = "ECS", JSON_1_1,
	.target_prefix = "AmazonEC2ContainerServiceV20141113"},
    [AWS_EFS] = {.name = "efs",
	.endpoint = "elasticfilesystem",
	.signing_name = "elasticfilesystem",
	.id = "EFS",
	.protocol = AWS_PROTOCOL_REST,
	.version = "2015-02-01"},
    [AWS_ELASTICACHE] = {SAME_NAME("elasticache"), .id = "ELASTICACHE", QUERY = "2015-02-02"},
    [AWS_ELBV2] = {.name = "elbv2",
	.endpoint = "elasticloadbalancing",
	.signing_name = "elasticloadbalancing",
	.id = "ELASTIC_LOAD_BALANCING_V2",
	QUERY = "2015-12-01"},
    [AWS_EVENTS] = {SAME_NAME("events"), .id = "EVENTBRIDGE", JSON_1_1,
	.target_prefix = "AWSEvents"},
    [AWS_IAM] = {SAME_NAME("iam"), .id = "IAM", QUERY = "2010-05-08", .is_global = true},
    [AWS_KINESIS] = {SAME_NAME("kinesis"), .id = "KINESIS", JSON_1_1,
	.target_prefix = "Kinesis_20131202"},
    [AWS_KMS] = {SAME_NAME("kms"), .id = "KMS", JSON_1_1, .target_prefix = "TrentService"},
    [AWS_LAMBDA] = {SAME_NAME("lambda"), .id = "LAMBDA", .protocol = AWS_PROTOCOL_REST,
	.version = "2015-03-31"},
    [AWS_LOGS] = {SAME_NAME("logs"), .id = "CLOUDWATCH_LOGS", JSON_1_1,
	.target_prefix = "Logs_20140328"},
    [AWS_RDS] = {SAME_NAME("rds"), .id = "RDS", QUERY = "2014-10-31"},
    [AWS_ROUTE53] = {SAME_NAME("route53"), .id = "ROUTE_53", .protocol = AWS_PROTOCOL_REST,
	.version = "2013-04-01", .is_global = true},
    [AWS_S3] = {SAME_NAME("s3"), .id = "S3", .protocol = AWS_PROTOCOL_REST,
	.version = "2006-03-01"},
    [AWS_SCHEDULER] = {SAME_NAME("scheduler"), .id = "SCHEDULER", .protocol = AWS_PROTOCOL_REST,
	.version = "2021-06-30"},
    [AWS_SECRETSMANAGER] = {SAME_NAME("secretsmanager"), .id = "SECRETS_MANAGER", JSON_1_1,
	.target_prefix = "secretsmanager"},
    [AWS_SERVICE_QUOTAS] = {.name = "service-quotas",
	.endpoint = "servicequotas",
	.signing_name = "servicequotas",
	.id = "SERVICE_QUOTAS",
	JSON_1_1,
	.target_prefix = "ServiceQuotasV20190624"},
    [AWS_SNS] = {SAME_NAME("sns"), .id = "SNS", QUERY = "2010-03-31"},
    [AWS_SQS] = {SAME_NAME("sqs"), .id = "SQS", JSON_1_0, .target_prefix = "AmazonSQS"},
    [AWS_SSM] = {SAME_NAME("ssm"), .id = "SSM", JSON_1_1, .target_prefix = "AmazonSSM"},
    [AWS_STS] = {SAME_NAME("sts"), .id = "STS", QUERY = "2011-06-15"},
    [AWS_TAGGING] = {.name = "resourcegroupstaggingapi",
	.endpoint = "tagging",
	.signing_name = "tagging",
	.id = "RESOURCE_GROUPS_TAGGING_API",
	JSON_1_1,
	.target_prefix = "ResourceGroupsTaggingAPI_20170126"},
};

const AwsService *
aws_service_named(const char *name)
{
	for (gsize i = 0; i < G_N_ELEMENTS(aws_services); i++) {
		if (g_str_equal(aws_services[i].name, name))
			return &aws_services[i];
	}
	return NULL;
}
