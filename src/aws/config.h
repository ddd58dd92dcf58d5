/*
 * What the environment and the files of ~/.aws say, looked up but not judged: which of it counts is
 * for credentials.c and client.c to decide.
 */
#pragma once

#include "base/error.h"

typedef struct AwsConfig AwsConfig;

/* Reads AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE (~/.aws/config, ~/.aws/credentials; neither
 * need exist). `environment` NULL: the process's own. */
AwsConfig *
aws_config_new(const char *const *environment, GError **error);

void
aws_config_free(AwsConfig *config);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(AwsConfig, aws_config_free)

/* Reads both files again; they may have new keys. */
bool
aws_config_reload(AwsConfig *config, GError **error);

/* A variable, or NULL when it is unset or empty. Borrowed. */
const char *
aws_config_variable(const AwsConfig *config, const char *name);

/* The whole environment, for children. Borrowed. */
char **
aws_config_environment(const AwsConfig *config);

bool
aws_config_has_profile(const AwsConfig *config, const char *profile);

/* A key of a profile, or NULL; the credentials file goes before the config file. Borrowed until the
 * next reload. */
const char *
aws_config_value(const AwsConfig *config, const char *profile, const char *key);
