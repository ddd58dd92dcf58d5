/*
 * How a call is made: signed, sent, and sent again when that can help. Every call is repeated, also
 * one that changes something: AWS's changes carry tokens or conditions, and a lost answer is no
 * reason to leave a caller in doubt.
 *
 * - Throttled, 5xx, no answer: after a random pause of up to 0.1 s × 2^tries (0.5 s if throttled),
 *   20 s at most (AWS's «full jitter»).
 * - Credentials expired: with other credentials, once, if there are any.
 * - Our clock is wrong: with the time of the answer's Date, once; all later calls are signed with
 *   that time too.
 */
#include "aws/call.h"

#include "aws/sigv4.h"
#include "base/text.h"
#include "base/wait.h"

#include <stdio.h>
#include <string.h>

#define PAUSE_MS 100
#define THROTTLED_PAUSE_MS 500
#define LONGEST_PAUSE_MS 20000
#define UNANSWERED_TRIES 5 /* an address that does not exist should not take a minute */
/* AWS allows five minutes; a signature that is wrong for another reason is not our clock's. */
#define CLOCK_TOLERANCE (4 * 60 * G_USEC_PER_SEC)

typedef struct {
	AwsClient *client;
	const AwsCall *call;
	AwsPlace *place;
	char *target; /* path and query */
	char *hash;   /* of the body */
	AwsCredentials *credentials;
	gint64 deadline; /* monotonic */
	unsigned tries;
	bool reloaded;  /* credentials, once */
	gint64 skew;    /* that the last try was signed with */
	gint64 clocked; /* by how much our clock was found wrong, once; 0: it was not */
} Attempt;

static void
attempt_clear(Attempt *attempt)
{
	g_clear_pointer(&attempt->place, aws_place_free);
	g_clear_pointer(&attempt->target, g_free);
	g_clear_pointer(&attempt->hash, g_free);
	g_clear_pointer(&attempt->credentials, aws_credentials_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Attempt, attempt_clear)

static gint64
skew_of(AwsClient *client)
{
	LOCKED(&client->lock);

	return client->skew;
}

gint64
aws_client_time(AwsClient *client)
{
	return g_get_real_time() + skew_of(client);
}

static void
set_skew(AwsClient *client, gint64 skew)
{
	LOCKED(&client->lock);

	client->skew = skew;
}

/* Headers of the call and those of its signature. The caller frees them. */
static char **
signed_headers(const Attempt *attempt)
{
	const AwsCall *call = attempt->call;
	const AwsCredentials *credentials = attempt->credentials;
	g_autofree char *path = g_strconcat(attempt->place->prefix, call->path, NULL);
	const SigV4Request request = {
	    .method = call->method,
	    .host = attempt->place->host,
	    .path = path,
	    .query = call->query,
	    .headers = call->headers,
	    .payload_hash = attempt->hash,
	    .service = call->service->signing_name,
	    .region = attempt->place->region,
	    .time = g_get_real_time() + attempt->skew,
	};
	const SigV4Keys keys = {
	    credentials->access_key, credentials->secret_key, credentials->session_token};

	g_auto(GStrv) signature = sigv4_sign(&request, &keys);
	g_autoptr(GStrvBuilder) lines = g_strv_builder_new();
	if (call->headers)
		g_strv_builder_addv(lines, (const char **)call->headers);
	g_strv_builder_addv(lines, (const char **)signature);
	return g_strv_builder_end(lines);
}

static HttpAnswer *
send(Attempt *attempt, GCancellable *cancel, GError **error)
{
	const AwsCall *call = attempt->call;
	attempt->skew = skew_of(attempt->client);
	g_auto(GStrv) headers = signed_headers(attempt);
	unsigned timeout_ms = call->timeout_ms > 0 ? call->timeout_ms : attempt->client->timeout_ms;
	const HttpRequest request = {
	    .method = call->method,
	    .path = attempt->target,
	    .headers = (const char *const *)headers,
	    .body = call->body,
	    .body_length = call->body_length,
	    .max_answer = call->max_answer,
	    .timeout_ms = (unsigned)MAX(1, MIN((int)timeout_ms, wait_left(attempt->deadline))),
	};

	return http_call(aws_client_host(attempt->client, attempt->place), &request, cancel, error);
}

/* Waits before the next try. False if there is none: too many, too late, cancelled. */
static bool
pause_before_next(
    Attempt *attempt, unsigned base_ms, const HttpAnswer *answer, GCancellable *cancel)
{
	unsigned limit =
	    answer ? attempt->client->attempts : MIN(attempt->client->attempts, UNANSWERED_TRIES);
	if (attempt->tries >= limit)
		return false;

	const char *wish = answer ? http_answer_header(answer, "Retry-After") : NULL;
	guint64 wanted_ms = wish ? MIN(g_ascii_strtoull(wish, NULL, 10), 20) * 1000 : 0;
	guint64 span = MIN((guint64)base_ms << MIN(attempt->tries, 16), LONGEST_PAUSE_MS);
	int pause_ms = (int)MAX(wanted_ms, (guint64)g_random_int_range(0, (int)span + 1));
	if (pause_ms >= wait_left(attempt->deadline))
		return false;

	gint64 end = g_get_monotonic_time() + pause_ms * G_TIME_SPAN_MILLISECOND;
	while (wait_left(end) > 0) {
		if (wait_fd(-1, 0, wait_left(end), cancel, NULL) < 0)
			return false;
	}
	return true;
}

/* «Wed, 21 Oct 2015 07:28:00 GMT» in microseconds, or 0. */
static gint64
date_of(const HttpAnswer *answer)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	const char *text = http_answer_header(answer, "Date");
	char month[4];
	int day, year, hour, minute, second;

	if (!text || sscanf(text, "%*3[A-Za-z], %d %3[A-Za-z] %d %d:%d:%d GMT", &day, month, &year,
			 &hour, &minute, &second) != 6)
		return 0;
	const char *place = strstr(months, month);
	if (!place)
		return 0;
	g_autoptr(GDateTime) date =
	    g_date_time_new_utc(year, (int)(place - months) / 3 + 1, day, hour, minute, second);
	return date ? g_date_time_to_unix(date) * G_USEC_PER_SEC : 0;
}

/* True if the answer's Date shows that our clock is the cause, and that is set right now. */
static bool
correct_clock(Attempt *attempt, const HttpAnswer *answer)
{
	gint64 date = date_of(answer);
	gint64 skew = date - g_get_real_time();
	bool is_wrong = date > 0 && ABS(skew - attempt->skew) > CLOCK_TOLERANCE;

	if (!is_wrong || attempt->clocked != 0)
		return false;
	attempt->clocked = skew;
	set_skew(attempt->client, skew);
	return true;
}

static void
fail_by_clock(const Attempt *attempt, const AwsFailure *failure, GError **error)
{
	gint64 seconds = ABS(attempt->clocked) / G_USEC_PER_SEC;

	aws_failure_set(failure, attempt->call->service, attempt->call->operation, error);
	g_prefix_error(error,
	    "your clock is %" G_GINT64_FORMAT " s %s the server's, set it right: ", seconds,
	    attempt->clocked > 0 ? "behind" : "ahead of");
}

/* Other credentials for the next try. False with `error` set if there are none. */
static bool
renew(Attempt *attempt, const AwsFailure *failure, GCancellable *cancel, GError **error)
{
	const AwsCall *call = attempt->call;
	bool other = !attempt->reloaded &&
		     aws_credentials_reload(attempt->client, attempt->credentials, cancel, NULL);
	if (!other && error_cancelled(cancel, error))
		return false;
	if (!other)
		return aws_failure_set_expired(failure, call->service, call->operation, error);

	attempt->reloaded = true;
	g_clear_pointer(&attempt->credentials, aws_credentials_free);
	attempt->credentials = aws_credentials_get(attempt->client, cancel, error);
	return attempt->credentials != NULL;
}

/* What to do about a refusal. True: try again. */
static bool
recover(Attempt *attempt, const HttpAnswer *answer, GCancellable *cancel, GError **error)
{
	const AwsCall *call = attempt->call;
	g_autoptr(AwsFailure) failure = aws_failure_of(answer);
	bool throttled = aws_failure_is_throttle(failure);

	if (aws_failure_may_be_clock(failure) && correct_clock(attempt, answer))
		return true;
	if (aws_failure_may_be_clock(failure) && attempt->clocked != 0) {
		fail_by_clock(attempt, failure, error);
		return false;
	}
	if (aws_failure_is_expiry(failure))
		return renew(attempt, failure, cancel, error);

	bool again =
	    throttled || failure->status >= 500 || g_str_equal(failure->code, "RequestTimeout");
	if (again &&
	    pause_before_next(attempt, throttled ? THROTTLED_PAUSE_MS : PAUSE_MS, answer, cancel))
		return true;
	if (error_cancelled(cancel, error))
		return false;
	return aws_failure_set(failure, call->service, call->operation, error);
}

/* A call that brought no answer. True: try again. */
static bool
recover_unanswered(Attempt *attempt, GError *problem, GCancellable *cancel, GError **error)
{
	bool may_help = g_error_matches(problem, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE) ||
			g_error_matches(problem, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	if (may_help && pause_before_next(attempt, PAUSE_MS, NULL, cancel))
		return true;

	if (error_cancelled(cancel, error))
		return false;
	g_propagate_prefixed_error(error, g_error_copy(problem),
	    "aws %s %s: ", attempt->call->service->name, attempt->call->operation);
	return false;
}

static bool
prepare(Attempt *attempt, GCancellable *cancel, GError **error)
{
	const AwsCall *call = attempt->call;
	gint64 limit_ms = MAX(attempt->client->deadline_ms, 2 * (gint64)call->timeout_ms);

	attempt->deadline = g_get_monotonic_time() + limit_ms * G_TIME_SPAN_MILLISECOND;
	attempt->place = aws_place_of(attempt->client, call->service, call->bucket, error);
	if (!attempt->place)
		return false;

	bool has_query = call->query && *call->query;
	attempt->target = g_strconcat(
	    attempt->place->prefix, call->path, has_query ? "?" : NULL, call->query, NULL);
	attempt->hash = text_sha256(call->body ? call->body : "", call->body_length);
	attempt->credentials = aws_credentials_get(attempt->client, cancel, error);
	if (!attempt->credentials)
		g_prefix_error(error, "aws %s %s: ", call->service->name, call->operation);
	return attempt->credentials != NULL;
}

HttpAnswer *
aws_perform(AwsClient *client, const AwsCall *call, GCancellable *cancel, GError **error)
{
	g_auto(Attempt) attempt = {.client = client, .call = call};
	if (!prepare(&attempt, cancel, error))
		return NULL;

	for (;;) {
		g_autoptr(GError) problem = NULL;
		attempt.tries++;
		g_autoptr(HttpAnswer) answer = send(&attempt, cancel, &problem);
		if (answer && answer->status / 100 == 2)
			return g_steal_pointer(&answer);

		bool again = answer ? recover(&attempt, answer, cancel, error)
				    : recover_unanswered(&attempt, problem, cancel, error);
		if (!again)
			return NULL;
	}
}
