/*
 * The account's image registry (ECR): the login that an engine needs to push there and to pull from
 * there, and what a repository holds. Pushing itself is the engine's (docker_push of
 * swarm/docker.h takes user and password from here).
 */
#pragma once

#include "aws/client.h"

/* Good for twelve hours. */
typedef struct {
	char *host; /* «ACCOUNT.dkr.ecr.REGION.amazonaws.com» */
	char *user;
	char *password;
} AwsRegistryLogin;

void
aws_registry_login_free(AwsRegistryLogin *login);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(AwsRegistryLogin, aws_registry_login_free)

/* The caller frees it. */
AwsRegistryLogin *
aws_registry_login(AwsClient *client, GCancellable *cancel, GError **error);

/* One image of a repository, named by a tag or by «sha256:…»: its digest, which the caller frees.
 * NOT_FOUND when the repository has none of that name, or is itself not there. */
char *
aws_registry_digest(AwsClient *client,
    const char *repository,
    const char *name,
    GCancellable *cancel,
    GError **error);
