/*
 * What the files of S3 share.
 */
#pragma once

#include "aws/s3.h"

#define S3_TRANSFER_MS (5 * 60 * 1000) /* for one piece of 8 MiB */

const AwsService *
s3_service(void);

/* A key as a path. The caller frees it. */
char *
s3_path(const char *key);

/* Header lines of what is stored. The caller frees them (g_strfreev). */
char **
s3_put_headers(const S3PutOptions *options);
