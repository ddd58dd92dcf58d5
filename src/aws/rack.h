/*
 * What the parts of an AWS rack share: the client, and what the rack's stack has told carrackd in
 * its environment (docs/aws.md). Everything is settled at the start and read only, but for the
 * addresses of instances, which the engine learns and the router asks for.
 */
#pragma once

#include "aws/client.h"

typedef struct AwsInstances AwsInstances;

typedef struct {
	AwsClient *client;
	char *name;
	char *domain;
	bool is_fargate;         /* else processes run on instances, in bridge mode */
	char *capacity_provider; /* of processes */
	char *cluster;
	char *vpc;
	GStrv subnets;
	bool has_public_addresses; /* AssignPublicIp of Fargate's processes */
	char *security_group;
	char *balancer;  /* DNS name */
	char *listener;  /* ARN of the HTTPS listener */
	char *documents; /* DynamoDB table */
	char *objects;   /* S3 bucket */
	char *registry;  /* host of ECR, «ACCOUNT.dkr.ecr.REGION.amazonaws.com» */
	char *key;       /* ARN in KMS */
	char *events;    /* URL of the queue of ECS events */
	char *topic;
	char *build_task; /* task definition */
	char *build_provider;
	char *build_logs;   /* log group */
	char *app_role;     /* the role of CloudFormation for apps' stacks */
	char *app_boundary; /* ARN of the policy that bounds apps' roles */
	unsigned log_retention;
	char *log_stream;        /* «» without drains */
	char *log_delivery_role; /* «» without drains */
	/* How a test reaches what AWS's names would lead to; NULL on AWS. */
	char *balancer_url; /* CARRACK_BALANCER_URL: the front door, instead of https://BALANCER */
	AwsInstances *instances;
} AwsRack;

/* From «NAME=value» strings; the error names the variable that is missing or wrong. */
AwsRack *
aws_rack_new(const char *const *environment, GError **error);

void
aws_rack_free(AwsRack *rack);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(AwsRack, aws_rack_free)

/* Remembers that the instance has this private address. Any thread. */
void
aws_rack_learn_instance(AwsRack *rack, const char *instance, const char *address);

/* The instance with this address and the other way round, NULL when not learned yet. The caller
 * frees it. */
char *
aws_rack_instance_at(AwsRack *rack, const char *address);

char *
aws_rack_address_of(AwsRack *rack, const char *instance);

/* «/carrack/RACK/app/APP», for LOGS_SYSTEM «/carrack/RACK/system». The caller frees it. */
char *
aws_rack_log_group(const AwsRack *rack, const char *app);
