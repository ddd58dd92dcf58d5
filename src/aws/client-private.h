/*
 * What the files of the AWS client share: its fields, credentials, and the one way in which a call
 * is made.
 */
#pragma once

#include "aws/client.h"
#include "aws/config.h"
#include "base/lock.h"

typedef struct {
	const char *prefix; /* of its regions */
	const char *name, *dns_suffix;
	const char *iam_host, *iam_region; /* of the services that have one endpoint for all */
	const char *route53_host, *route53_region;
} AwsPartition;

typedef struct {
	char *access_key;
	char *secret_key;
	char *session_token; /* or NULL */
	gint64 expires;      /* microseconds since 1970; 0: never */
} AwsCredentials;

AwsCredentials *
aws_credentials_new(const char *access_key, const char *secret_key, const char *session_token);

AwsCredentials *
aws_credentials_copy(const AwsCredentials *credentials);

bool
aws_credentials_equal(const AwsCredentials *one, const AwsCredentials *other);

/* Forgets the secrets as well. */
void
aws_credentials_free(AwsCredentials *credentials);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(AwsCredentials, aws_credentials_free)

struct AwsClient {
	AwsConfig *config; /* its files are read again under credentials_lock only */
	char *region, *profile, *endpoint, *profile_endpoint, *role_arn, *ca_file, *user_agent;
	const AwsPartition *partition;
	AwsCredentials *given;
	bool profile_is_given; /* by the caller: then the environment's keys do not count */
	unsigned attempts, timeout_ms, deadline_ms;

	/* Held while credentials are looked for, so that many threads do not ask at once. */
	pthread_mutex_t credentials_lock;
	AwsCredentials *credentials;
	gint64 refresh_after; /* no earlier than this, after a refresh that failed */

	pthread_mutex_t lock;
	GHashTable *hosts; /* base URL → HttpClient */
	gint64 skew;       /* microseconds that the server's clock is ahead of ours */
	char *account;
};

/* The credentials to sign with now, a copy; fetched or refreshed when that is due. */
AwsCredentials *
aws_credentials_get(AwsClient *client, GCancellable *cancel, GError **error);

/* Looks for other credentials than `used`, which AWS says have expired. False without an error if
 * there are none. */
bool
aws_credentials_reload(
    AwsClient *client, const AwsCredentials *used, GCancellable *cancel, GError **error);

/* Where a service is: the base URL of its connections, the path before that of a call, and what
 * goes into the signature. */
typedef struct {
	char *base_url; /* «https://bucket.s3.eu-west-1.amazonaws.com» */
	char *host;     /* as in the Host header */
	char *prefix;   /* path of an overridden endpoint, and the bucket where it is in the path */
	const char *region; /* that the call is signed for */
} AwsPlace;

/* NULL with an error if an endpoint that was set is no http(s) address. */
AwsPlace *
aws_place_of(
    const AwsClient *client, const AwsService *service, const char *bucket, GError **error);

void
aws_place_free(AwsPlace *place);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(AwsPlace, aws_place_free)

/* The partition of a region; never NULL. */
const AwsPartition *
aws_partition_of(const char *region);

/* The connections to a place. Borrowed. */
HttpClient *
aws_client_host(AwsClient *client, const AwsPlace *place);

/* Microseconds since 1970 by the server's clock, as far as it is known. */
gint64
aws_client_time(AwsClient *client);

/* The form of a Query call. The caller frees it. */
char *
aws_form_text(const AwsService *service, const char *operation, const json_t *input);

/* «a=b&c=d» of an AwsRequest's query, encoded; NULL for NULL. The caller frees it. */
char *
aws_query_text(const json_t *query);

/* A failure as AWS tells it. */
typedef struct {
	char *code;
	char *message;
	unsigned status;
} AwsFailure;

void
aws_failure_free(AwsFailure *failure);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(AwsFailure, aws_failure_free)

/* Reads code and message off an answer that is no 2xx: JSON, XML of three kinds, or headers. */
AwsFailure *
aws_failure_of(const HttpAnswer *answer);

bool
aws_failure_is_throttle(const AwsFailure *failure);

bool
aws_failure_is_expiry(const AwsFailure *failure);

/* True for what AWS answers when our clock is wrong (and for some other reasons). */
bool
aws_failure_may_be_clock(const AwsFailure *failure);

/* «aws SERVICE OPERATION: CODE: message» with the code it stands for. Always false. */
bool
aws_failure_set(
    const AwsFailure *failure, const AwsService *service, const char *operation, GError **error);

/* As aws_failure_set, for expired credentials. Always false. */
bool
aws_failure_set_expired(
    const AwsFailure *failure, const AwsService *service, const char *operation, GError **error);

/* JSON as AWS writes it: log events may hold NULs. */
json_t *
aws_parse_json(const HttpAnswer *answer, const char *what, GError **error);
