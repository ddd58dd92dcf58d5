/*
 * AWS without an SDK: signed calls over base's HTTP client, JSON and XML both answered as json_t.
 *
 * A client belongs to one region and one set of credentials and may be used from many threads at
 * once. Every call blocks, tries again by itself (throttling, 5xx, broken connections; backoff with
 * full jitter) and ends at its deadline or when cancelled. Errors are CARRACK_ERROR_*, their text
 * «aws ecs ListTasks: ClusterNotFoundException: Cluster not found.»; secrets are never in it.
 *
 * S3 has helpers of its own in aws/s3.h; pages, batches and Lambda are at the end of this header.
 */
#pragma once

#include "aws/services.h"
#include "base/http.h"
#include "base/json.h"

typedef struct AwsClient AwsClient;

/* NULL and 0 everywhere stand for what AWS's own tools do: the variables of the environment, then
 * the files of ~/.aws, then the container's or the machine's role. */
typedef struct {
	const char *region;     /* AWS_REGION, AWS_DEFAULT_REGION, the profile's, the machine's */
	const char *profile;    /* AWS_PROFILE, AWS_DEFAULT_PROFILE, «default» */
	const char *endpoint;   /* AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, the profile's */
	const char *access_key; /* these keys and no others */
	const char *secret_key;
	const char *session_token;
	const char *role_arn;           /* assume this role with the credentials found */
	const char *ca_file;            /* AWS_CA_BUNDLE */
	const char *user_agent;         /* «carrack» */
	const char *const *environment; /* «NAME=value» instead of the process's own */
	unsigned attempts;              /* of one call; AWS_MAX_ATTEMPTS, 8 */
	unsigned timeout_ms;            /* of one try, or of a stall in a stream; 30 s */
	unsigned deadline_ms;           /* of a call with all its tries; 120 s */
} AwsOptions;

/* Settles region, partition and profile; credentials are looked for at the first call. `options`
 * may be NULL. CARRACK_ERROR_INVALID when no region is found or a file of ~/.aws cannot be read. */
AwsClient *
aws_client_new(const AwsOptions *options, GCancellable *cancel, GError **error);

void
aws_client_free(AwsClient *client);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(AwsClient, aws_client_free)

/* All borrowed: «eu-west-1»; «aws», «aws-cn», «aws-us-gov»; «amazonaws.com». */
const char *
aws_client_region(const AwsClient *client);

const char *
aws_client_partition(const AwsClient *client);

const char *
aws_client_dns_suffix(const AwsClient *client);

/* The account that the credentials belong to, asked of STS once. The caller frees it. */
char *
aws_client_account(AwsClient *client, GCancellable *cancel, GError **error);

/* «https://ecs.eu-west-1.amazonaws.com», or what overrides it. The caller frees it. */
char *
aws_client_endpoint(const AwsClient *client, const AwsService *service);

/* Calls an operation of a JSON service. `input` may be NULL; it is read only. The caller owns the
 * answer, an object (empty when the service says nothing). */
json_t *
aws_json(AwsClient *client,
    const AwsService *service,
    const char *operation,
    const json_t *input,
    GCancellable *cancel,
    GError **error);

/* Calls an operation of a Query or EC2 service. `input` holds the names of the wire:
 *
 *   "StackName": "x"            StackName=x          true, 1, 1.5 as they are; null is left out
 *   "Placement": {"Zone": "a"}  Placement.Zone=a
 *   "Tags": [{"Key": "k"}]      Tags.member.1.Key=k  EC2: Tags.1.Key=k      [] is «Tags=»
 *   "Tags.Tag": ["x"]           Tags.Tag.1=x         a list whose items have a name (RDS)
 *   "Names.": ["x"]             Names.1=x            a flattened list
 *   "Attributes.entry": {"a": "b"}                   a map: Attributes.entry.1.key=a, .1.value=b
 *
 * The answer is the content of <OperationResult> (EC2: of <OperationResponse>) by the rule of
 * aws_xml (aws/xml.h): every text is a string, lists of <member> or <item> are arrays. */
json_t *
aws_query(AwsClient *client,
    const AwsService *service,
    const char *operation,
    const json_t *input,
    GCancellable *cancel,
    GError **error);

/* aws_json or aws_query, as the service speaks. */
json_t *
aws_call(AwsClient *client,
    const AwsService *service,
    const char *operation,
    const json_t *input,
    GCancellable *cancel,
    GError **error);

/* The list at `path` («Stacks», «DBInstances.DBInstance») of an answer, whatever XML left of it: a
 * missing or empty element is an empty array, a lone one an array of one. Never NULL; the caller
 * owns it. */
json_t *
aws_items(const json_t *answer, const char *path);

/* A call that is neither: S3, Route 53, Lambda, EFS, Scheduler. */
typedef struct {
	const char *name;           /* for errors: «GetObject» */
	const char *method;         /* NULL: GET */
	const char *bucket;         /* S3: part of the host name or of the path; else NULL */
	const char *path;           /* «/2015-03-31/functions/f»: each segment by http_escape */
	const json_t *query;        /* an object: a text, a number, an array of them, or null */
	const char *const *headers; /* «Name: value», signed as well; NULL: none */
	const void *body;
	gsize body_length;
	gsize max_answer;    /* as in HttpRequest */
	unsigned timeout_ms; /* of one try, instead of the client's */
} AwsRequest;

/* The answer, which is a 2xx; anything else is an error. The caller frees it. */
HttpAnswer *
aws_rest(AwsClient *client,
    const AwsService *service,
    const AwsRequest *request,
    GCancellable *cancel,
    GError **error);

/* A URL by which whoever has it may do this one thing for `seconds` (at most 7 days, and never
 * longer than the credentials live). Headers of the request must be sent as given. The caller frees
 * it. */
char *
aws_presign(AwsClient *client,
    const AwsService *service,
    const AwsRequest *request,
    unsigned seconds,
    GCancellable *cancel,
    GError **error);

/* AWS's own code in an error of this header («NoSuchKey», «ConditionalCheckFailedException»), also
 * after it was prefixed, or NULL. The caller frees it. */
char *
aws_error_code(const GError *error);

bool
aws_error_is(const GError *error, const char *code);

/* True when the credentials have expired and new ones were not to be had, so that nothing is known
 * of what the call was about. */
bool
aws_error_is_expired(const GError *error);

/* How an operation is read page by page. */
typedef struct {
	const AwsService *service;
	const char *operation;
	const char *token_in;   /* member of the input: «nextToken», «ExclusiveStartKey» */
	const char *token_out;  /* member of the answer */
	const char *items;      /* path of the list, as for aws_items */
	const char *unique_by;  /* member that tells items apart; one that came before is dropped */
	bool same_token_is_end; /* GetLogEvents says «no more» by repeating the token */
} AwsList;

/* Takes one page of items (borrowed). Returning false ends it: with `error` set as a failure, else
 * as done. */
typedef bool (*AwsVisit)(gpointer data, const json_t *items, GError **error);

/* Reads page after page until there is no token. An empty page with a token goes on; a token that
 * was there before is CARRACK_ERROR_UPSTREAM. The input may hold the token to begin with. */
bool
aws_pages(AwsClient *client,
    const AwsList *list,
    const json_t *input,
    AwsVisit visit,
    gpointer data,
    GCancellable *cancel,
    GError **error);

/* All items of all pages as an array, at most `maximum` (0: all). The caller owns it. */
json_t *
aws_list(AwsClient *client,
    const AwsList *list,
    const json_t *input,
    gsize maximum,
    GCancellable *cancel,
    GError **error);

/* An operation that takes only so many names at a time (DescribeServices 10, DescribeTasks 100). */
typedef struct {
	const AwsService *service;
	const char *operation;
	const char *member; /* of the input that takes the names */
	gsize limit;
} AwsBatch;

/* Calls it as often as `names` (an array) needs. The answer holds the lists of all answers, joined
 * («services», «failures»); without names it is an empty object. The caller owns it. */
json_t *
aws_batches(AwsClient *client,
    const AwsBatch *batch,
    const json_t *input,
    const json_t *names,
    GCancellable *cancel,
    GError **error);

/* Invokes a function (name or ARN) and waits for what it returns, any JSON value; an error of the
 * function itself is CARRACK_ERROR_UPSTREAM with its type and message. */
json_t *
aws_invoke(AwsClient *client,
    const char *function,
    const json_t *input,
    GCancellable *cancel,
    GError **error);
