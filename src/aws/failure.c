/*
 * What AWS says when it refuses, from three wires into one form, and that into our errors. AWS's
 * code stands in the text behind «aws SERVICE OPERATION: », and is read off there again: one text
 * for people and for callers, and it survives g_prefix_error.
 *
 * A message may quote what we sent: for a wrong signature that is the whole request with its
 * session token. Of such a message only the first line is kept.
 */
#include "aws/client-private.h"

#include "aws/xml.h"

#include <string.h>

#define MESSAGE_CHARACTERS 800
#define EXPIRED "credentials expired; "

typedef struct {
	const char *pattern;
	CarrackError code;
} Meaning;

/* The first that matches AWS's code. */
static const Meaning meanings[] = {
    {"*NotFound*", CARRACK_ERROR_NOT_FOUND},
    {"NoSuch*", CARRACK_ERROR_NOT_FOUND},
    {"*NonExistent*", CARRACK_ERROR_NOT_FOUND},
    {"*DoesNotExist*", CARRACK_ERROR_NOT_FOUND},
    {"*AlreadyExist*", CARRACK_ERROR_CONFLICT},
    {"*AlreadyOwnedByYou", CARRACK_ERROR_CONFLICT},
    {"*Duplicate*", CARRACK_ERROR_CONFLICT},
    {"*InUse*", CARRACK_ERROR_CONFLICT},
    {"*NotEmpty*", CARRACK_ERROR_CONFLICT},
    {"*Conflict*", CARRACK_ERROR_CONFLICT},
    {"ConditionalCheckFailed*", CARRACK_ERROR_CONFLICT},
    {"TransactionCanceled*", CARRACK_ERROR_CONFLICT},
    {"PreconditionFailed", CARRACK_ERROR_CONFLICT},
    {"OperationAborted", CARRACK_ERROR_CONFLICT},
    {"DependencyViolation", CARRACK_ERROR_CONFLICT},
    {"ServiceNotActive*", CARRACK_ERROR_CONFLICT},
    {"*LimitExceeded*", CARRACK_ERROR_FORBIDDEN},
    {"*QuotaExceeded*", CARRACK_ERROR_FORBIDDEN},
    {"AccessDenied*", CARRACK_ERROR_FORBIDDEN},
    {"UnauthorizedOperation", CARRACK_ERROR_FORBIDDEN},
    {"InsufficientCapabilities*", CARRACK_ERROR_FORBIDDEN},
    /* Our keys, not the user's: a 401 would send him to his password. */
    {"UnrecognizedClient*", CARRACK_ERROR_FORBIDDEN},
    {"InvalidClientTokenId", CARRACK_ERROR_FORBIDDEN},
    {"InvalidAccessKeyId", CARRACK_ERROR_FORBIDDEN},
    {"InvalidSignature*", CARRACK_ERROR_FORBIDDEN},
    {"SignatureDoesNotMatch", CARRACK_ERROR_FORBIDDEN},
    {"IncompleteSignature*", CARRACK_ERROR_FORBIDDEN},
    {"MissingAuthenticationToken*", CARRACK_ERROR_FORBIDDEN},
    {"AuthFailure", CARRACK_ERROR_FORBIDDEN},
};

static const char *const throttles[] = {"Throttling", "ThrottlingException", "ThrottledException",
    "Throttled", "RequestThrottled", "RequestThrottledException", "TooManyRequestsException",
    "RequestLimitExceeded", "BandwidthLimitExceeded", "ProvisionedThroughputExceededException",
    "TransactionInProgressException", "PriorRequestNotComplete", "SlowDown",
    "EC2ThrottledException", "KMSThrottlingException", "ReplicaThrottlingException", NULL};

static const char *const expiries[] = {
    "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired", NULL};

static const char *const clocks[] = {"RequestTimeTooSkewed", "RequestInTheFuture", "RequestExpired",
    "SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure", "InvalidSignature", NULL};

void
aws_failure_free(AwsFailure *failure)
{
	if (!failure)
		return;

	g_free(failure->code);
	g_free(failure->message);
	g_free(failure);
}

bool
aws_failure_is_throttle(const AwsFailure *failure)
{
	return failure->status == 429 || g_strv_contains(throttles, failure->code);
}

bool
aws_failure_is_expiry(const AwsFailure *failure)
{
	return g_strv_contains(expiries, failure->code);
}

bool
aws_failure_may_be_clock(const AwsFailure *failure)
{
	return g_strv_contains(clocks, failure->code);
}

/* «com.amazonaws.ecs#ClusterNotFoundException» and «Name:http://…» are Name. */
static char *
bare_code(const char *text)
{
	const char *hash = strrchr(text, '#');
	const char *start = hash ? hash + 1 : text;

	return g_strndup(start, strcspn(start, ": ,"));
}

static const char *
first_text(const json_t *object, const char *const *names)
{
	const char *text = NULL;

	for (; *names && !text; names++)
		text = json_text_of(object, *names, NULL);
	return text;
}

static void
read_json(AwsFailure *failure, const HttpAnswer *answer)
{
	static const char *const codes[] = {"__type", "code", "Code", NULL};
	static const char *const messages[] = {"message", "Message", "errorMessage", NULL};
	json_auto_t *body = aws_parse_json(answer, "", NULL);
	const char *header = http_answer_header(answer, "x-amzn-ErrorType");
	const char *code = header ? header : first_text(body, codes);

	if (code)
		failure->code = bare_code(code);
	failure->message = g_strdup(first_text(body, messages));
}

/* <ErrorResponse><Error>, <Response><Errors><Error> (EC2) or <Error> (S3). */
static void
read_xml(AwsFailure *failure, const HttpAnswer *answer)
{
	json_auto_t *content = aws_xml(answer->body, answer->length, "", NULL, NULL);
	const json_t *error = json_at(content, "Error", NULL);

	if (!error)
		error = json_at(content, "Errors", "Error", NULL);
	if (!error)
		error = content;
	const char *code = json_text_of(error, "Code", NULL);
	if (code)
		failure->code = bare_code(code);
	failure->message = g_strdup(json_text_of(error, "Message", NULL));
}

/* One line without what it may quote of our request. */
static void
clean_message(AwsFailure *failure)
{
	char *line = failure->message ? failure->message : g_strdup("");

	if (aws_failure_may_be_clock(failure) || strstr(failure->code, "Signature"))
		line[strcspn(line, "\r\n")] = '\0';
	g_strdelimit(line, "\r\n\t", ' ');
	g_autofree char *valid = g_utf8_make_valid(g_strstrip(line), -1);
	failure->message = g_utf8_strlen(valid, -1) > MESSAGE_CHARACTERS
			       ? g_utf8_substring(valid, 0, MESSAGE_CHARACTERS)
			       : g_steal_pointer(&valid);
	g_free(line);
}

AwsFailure *
aws_failure_of(const HttpAnswer *answer)
{
	AwsFailure *failure = g_new0(AwsFailure, 1);
	const char *start = answer->body + strspn(answer->body, " \r\n\t");

	failure->status = answer->status;
	if (*start == '<')
		read_xml(failure, answer);
	else
		read_json(failure, answer);
	/* HEAD has no body, and a balancer on the way knows nothing of codes. */
	if (!failure->code || !*failure->code) {
		g_free(failure->code);
		failure->code = answer->status == 404 ? g_strdup("NotFound")
						      : g_strdup_printf("%u", answer->status);
	}
	clean_message(failure);
	return failure;
}

static CarrackError
meaning_of(const AwsFailure *failure)
{
	if (aws_failure_is_throttle(failure))
		return CARRACK_ERROR_UNAVAILABLE;
	for (gsize i = 0; i < G_N_ELEMENTS(meanings); i++) {
		if (g_pattern_match_simple(meanings[i].pattern, failure->code))
			return meanings[i].code;
	}
	/* CloudFormation has no code for it. */
	if (g_str_equal(failure->code, "ValidationError") &&
	    g_str_has_suffix(failure->message, "does not exist"))
		return CARRACK_ERROR_NOT_FOUND;
	return error_from_status(failure->status);
}

static bool
set(const AwsFailure *failure,
    CarrackError code,
    const char *prefix,
    const char *call,
    GError **error)
{
	return error_set(error, code, "%s%s: %s%s%s", prefix, call, failure->code,
	    *failure->message ? ": " : "", failure->message);
}

bool
aws_failure_set(
    const AwsFailure *failure, const AwsService *service, const char *operation, GError **error)
{
	g_autofree char *call = g_strdup_printf("aws %s %s", service->name, operation);

	return set(failure, meaning_of(failure), "", call, error);
}

bool
aws_failure_set_expired(
    const AwsFailure *failure, const AwsService *service, const char *operation, GError **error)
{
	g_autofree char *call = g_strdup_printf("aws %s %s", service->name, operation);

	return set(failure, CARRACK_ERROR_UNAVAILABLE, EXPIRED, call, error);
}

char *
aws_error_code(const GError *error)
{
	g_autoptr(GMatchInfo) match = NULL;
	g_autoptr(GRegex) form =
	    g_regex_new("\\baws [a-z0-9-]+ [A-Za-z0-9]+: ([A-Za-z0-9._-]+)(: |$)", 0, 0, NULL);

	if (!error || error->domain != CARRACK_ERROR ||
	    !g_regex_match(form, error->message, 0, &match))
		return NULL;
	return g_match_info_fetch(match, 1);
}

bool
aws_error_is(const GError *error, const char *code)
{
	g_autofree char *own = aws_error_code(error);

	return own && g_str_equal(own, code);
}

bool
aws_error_is_expired(const GError *error)
{
	return error && error->domain == CARRACK_ERROR &&
	       strstr(error->message, EXPIRED "aws ") != NULL;
}
