/*
 * Where credentials come from when they are not in the environment or in a file: a program, the
 * container's or the machine's own role. Each function fetches anew; caching is credentials.c's.
 */
#pragma once

#include "aws/client-private.h"

/* What a program (`credential_process` of a profile) prints. */
AwsCredentials *
aws_credentials_of_process(const AwsConfig *config,
    const char *profile,
    const char *command,
    GCancellable *cancel,
    GError **error);

/* True if the environment says that this is a task of ECS or the like. */
bool
aws_has_container(const AwsConfig *config);

AwsCredentials *
aws_credentials_of_container(const AwsConfig *config, GCancellable *cancel, GError **error);

/* The role of the EC2 machine, by IMDSv2. */
AwsCredentials *
aws_credentials_of_machine(const AwsConfig *config, GCancellable *cancel, GError **error);

/* The region of the EC2 machine. The caller frees it. */
char *
aws_region_of_machine(const AwsConfig *config, GCancellable *cancel, GError **error);
