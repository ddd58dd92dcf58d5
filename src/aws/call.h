/*
 * One call with all its tries, below the protocols.
 */
#pragma once

#include "aws/client-private.h"

typedef struct {
	const AwsService *service;
	const char *operation; /* for errors */
	const char *method;
	const char *bucket; /* or NULL */
	const char *path;   /* encoded */
	const char *query;  /* encoded, or NULL */
	const char *const *headers;
	const void *body;
	gsize body_length;
	gsize max_answer;
	unsigned timeout_ms; /* 0: the client's */
} AwsCall;

/* A 2xx, or NULL with the last try's error. */
HttpAnswer *
aws_perform(AwsClient *client, const AwsCall *call, GCancellable *cancel, GError **error);
