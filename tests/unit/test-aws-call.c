/*
 * Calls against a server that refuses, breaks off, has another clock or expires our credentials.
 */
#include "aws-server.h"

#include "aws/s3.h"

#include <glib/gstdio.h>
#include <string.h>

#define ECS (&aws_services[AWS_ECS])
#define SKEWED                                                                                     \
	"{\"__type\":\"InvalidSignatureException\",\"message\":\"Signature expired: 20260101 is "  \
	"now earlier than 20260102\\nThe Canonical String was the-session-token\"}"
#define EXPIRED                                                                                    \
	"{\"__type\":\"ExpiredTokenException\",\"message\":\"The security token included in the "  \
	"request is expired\"}"

typedef struct {
	char *good, *throttled, *broken, *expired;
	char *folder;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
	fixture->good = aws_answer("200 OK", "", "{\"ok\":true}");
	fixture->throttled = aws_answer("400 Bad Request", "",
	    "{\"__type\":\"com.amazon.coral#ThrottlingException\",\"message\":\"Rate exceeded\"}");
	fixture->broken = aws_answer("502 Bad Gateway", "", "<html>oops");
	fixture->expired = aws_answer("400 Bad Request", "", EXPIRED);
	fixture->folder = g_dir_make_tmp("carrack-aws-XXXXXX", NULL);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	g_autofree char *file = g_build_filename(fixture->folder, "keys", NULL);

	g_unlink(file);
	g_rmdir(fixture->folder);
	g_free(fixture->good);
	g_free(fixture->throttled);
	g_free(fixture->broken);
	g_free(fixture->expired);
	g_free(fixture->folder);
}

static void
check_good(AwsServer *server, unsigned calls)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AwsClient) client = aws_server_client(server);
	json_auto_t *answer = aws_json(client, ECS, "ListTasks", NULL, NULL, &error);

	g_assert_no_error(error);
	g_assert_true(json_bool_of(answer, "ok", false));
	g_assert_cmpuint(aws_server_calls(server), ==, calls);
}

static void
check_error(AwsServer *server, CarrackError code, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AwsClient) client = aws_server_client(server);
	json_auto_t *answer = aws_json(client, ECS, "ListTasks", NULL, NULL, &error);

	g_assert_null(answer);
	g_assert_error(error, CARRACK_ERROR, (int)code);
	g_assert_cmpstr(error->message, ==, text);
	for (unsigned i = 0; i < aws_server_calls(server); i++)
		g_assert_null(strstr(error->message, "the-se"));
}

static void
test_request(Fixture *fixture, gconstpointer data)
{
	const char *const answers[] = {fixture->good, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);
	check_good(server, 1);

	const char *request = aws_server_request(server, 0);
	g_autofree char *target = aws_request_header(request, "X-Amz-Target");
	g_autofree char *type = aws_request_header(request, "Content-Type");
	g_autofree char *authorization = aws_request_header(request, "Authorization");
	g_assert_true(g_str_has_prefix(request, "POST / HTTP/1.1\r\n"));
	g_assert_cmpstr(target, ==, "AmazonEC2ContainerServiceV20141113.ListTasks");
	g_assert_cmpstr(type, ==, "application/x-amz-json-1.1");
	g_assert_nonnull(strstr(authorization, "/eu-west-1/ecs/aws4_request, "));
	g_assert_true(g_str_has_suffix(request, "\r\n\r\n{}"));
	g_assert_null(strstr(request, "the-secret-key"));
}

static void
test_retries(Fixture *fixture, gconstpointer data)
{
	const char *const answers[] = {
	    fixture->throttled, fixture->broken, "", fixture->good, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);

	check_good(server, 4);
}

static void
test_attempts_end(Fixture *fixture, gconstpointer data)
{
	const char *const answers[] = {fixture->throttled, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);
	g_auto(GStrv) environment = aws_environment("/nonexistent", "AWS_REGION=eu-west-1",
	    "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=s", "AWS_MAX_ATTEMPTS=3", NULL);
	const AwsOptions options = {
	    .endpoint = aws_server_url(server), .environment = (const char *const *)environment};
	g_autoptr(GError) error = NULL;
	g_autoptr(AwsClient) client = aws_client_new(&options, NULL, &error);
	g_assert_no_error(error);
	json_auto_t *answer = aws_json(client, ECS, "ListTasks", NULL, NULL, &error);

	g_assert_null(answer);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
	g_assert_true(aws_error_is(error, "ThrottlingException"));
	g_assert_cmpuint(aws_server_calls(server), ==, 3);
}

static void
test_deadline(Fixture *fixture, gconstpointer data)
{
	g_autofree char *later =
	    aws_answer("503 Service Unavailable", "Retry-After: 20\r\n", "{\"code\":\"Later\"}");
	const char *const answers[] = {later, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);
	const AwsOptions options = {.region = "eu-west-1",
	    .endpoint = aws_server_url(server),
	    .access_key = "a",
	    .secret_key = "s",
	    .deadline_ms = 5000};
	g_autoptr(GError) error = NULL;
	g_autoptr(AwsClient) client = aws_client_new(&options, NULL, &error);
	g_assert_no_error(error);
	json_auto_t *answer = aws_json(client, ECS, "ListTasks", NULL, NULL, &error);

	g_assert_null(answer);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
	g_assert_cmpuint(aws_server_calls(server), ==, 1);
}

static gpointer
cancel_soon(gpointer data)
{
	g_usleep(50000);
	g_cancellable_cancel(data);
	return NULL;
}

static void
test_cancel(Fixture *fixture, gconstpointer data)
{
	g_autofree char *later =
	    aws_answer("503 Service Unavailable", "Retry-After: 20\r\n", "{\"code\":\"Later\"}");
	const char *const answers[] = {later, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);
	g_autoptr(AwsClient) client = aws_server_client(server);
	g_autoptr(GCancellable) cancel = g_cancellable_new();
	g_autoptr(GError) error = NULL;
	GThread *thread = g_thread_new("cancel", cancel_soon, cancel);
	gint64 start = g_get_monotonic_time();
	json_auto_t *answer = aws_json(client, ECS, "ListTasks", NULL, cancel, &error);

	g_thread_join(thread);
	g_assert_null(answer);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
	g_assert_cmpint(g_get_monotonic_time() - start, <, 5 * G_USEC_PER_SEC);
}

static void
test_errors(Fixture *fixture, gconstpointer data)
{
	static const struct {
		const char *status, *headers, *body;
		CarrackError code;
		const char *text;
	} cases[] = {
	    {"400 Bad Request", "",
		"{\"__type\":\"ClusterNotFoundException\",\"message\":\"Cluster not found.\"}",
		CARRACK_ERROR_NOT_FOUND, "ClusterNotFoundException: Cluster not found."},
	    {"400 Bad Request", "x-amzn-ErrorType: ResourceConflictException:http://x/\r\n",
		"{\"Message\":\"it is there\"}", CARRACK_ERROR_CONFLICT,
		"ResourceConflictException: it is there"},
	    {"400 Bad Request", "",
		"<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</"
		"Code><Message>Stack "
		"with id x does not exist</Message></Error></ErrorResponse>",
		CARRACK_ERROR_NOT_FOUND, "ValidationError: Stack with id x does not exist"},
	    {"400 Bad Request", "",
		"<Response><Errors><Error><Code>InvalidGroup.NotFound</Code><Message>no "
		"group</Message></Error></Errors></Response>",
		CARRACK_ERROR_NOT_FOUND, "InvalidGroup.NotFound: no group"},
	    {"403 Forbidden", "",
		"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Access "
		"Denied</Message></Error>",
		CARRACK_ERROR_FORBIDDEN, "AccessDenied: Access Denied"},
	    {"404 Not Found", "", "", CARRACK_ERROR_NOT_FOUND, "NotFound"},
	    {"301 Moved Permanently", "", "", CARRACK_ERROR_UPSTREAM, "301"},
	    {"400 Bad Request", "", "{\"__type\":\"ValidationException\"}", CARRACK_ERROR_INVALID,
		"ValidationException"},
	    {"403 Forbidden", "", SKEWED, CARRACK_ERROR_FORBIDDEN,
		"InvalidSignatureException: Signature expired: 20260101 is now earlier than "
		"20260102"},
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *answer =
		    aws_answer(cases[i].status, cases[i].headers, cases[i].body);
		const char *const answers[] = {answer, NULL};
		g_autoptr(AwsServer) server = aws_server_new(answers);
		g_autofree char *text = g_strconcat("aws ecs ListTasks: ", cases[i].text, NULL);
		check_error(server, cases[i].code, text);
		g_assert_cmpuint(aws_server_calls(server), ==, 1);
	}
}

static void
test_codes(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = g_error_new_literal(CARRACK_ERROR, CARRACK_ERROR_CONFLICT,
	    "save release R1: aws dynamodb PutItem: ConditionalCheckFailedException: The "
	    "conditional request failed");
	g_autofree char *code = aws_error_code(error);
	g_assert_cmpstr(code, ==, "ConditionalCheckFailedException");

	g_autoptr(GError) other = g_error_new_literal(CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE,
	    "aws ecs ListTasks: localhost:4566 closed the connection without an answer");
	g_autofree char *none = aws_error_code(other);
	g_assert_null(none);
	g_assert_false(aws_error_is(NULL, "x"));
	g_assert_false(aws_error_is_expired(other));
}

static void
test_clock(Fixture *fixture, gconstpointer data)
{
	g_autofree char *date = aws_date(3600);
	g_autofree char *skewed = aws_answer("400 Bad Request", date, SKEWED);
	const char *const answers[] = {skewed, fixture->good, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);
	g_autoptr(AwsClient) client = aws_server_client(server);
	g_autoptr(GError) error = NULL;

	for (unsigned i = 0; i < 2; i++) {
		json_auto_t *answer = aws_json(client, ECS, "ListTasks", NULL, NULL, &error);
		g_assert_no_error(error);
		g_assert_nonnull(answer);
	}
	/* The second call knows the server's time at once. */
	g_assert_cmpuint(aws_server_calls(server), ==, 3);
	g_autofree char *wrong = aws_request_header(aws_server_request(server, 0), "X-Amz-Date");
	for (unsigned i = 1; i < 3; i++) {
		g_autofree char *right =
		    aws_request_header(aws_server_request(server, i), "X-Amz-Date");
		g_assert_cmpstr(right, >, wrong);
	}
}

static void
check_clock_error(int seconds, const char *side)
{
	g_autofree char *date = aws_date(seconds);
	g_autofree char *skewed = aws_answer("400 Bad Request", date, SKEWED);
	const char *const answers[] = {skewed, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);
	g_autoptr(AwsClient) client = aws_server_client(server);
	g_autoptr(GError) error = NULL;
	json_auto_t *answer = aws_json(client, ECS, "ListTasks", NULL, NULL, &error);

	g_assert_null(answer);
	g_assert_true(
	    g_regex_match_simple("^your clock is (3600|3599|3601) s (behind|ahead of) the "
				 "server's, set it right: aws ecs "
				 "ListTasks: InvalidSignatureException: Signature expired",
		error->message, 0, 0));
	g_assert_nonnull(strstr(error->message, side));
	g_assert_cmpuint(aws_server_calls(server), ==, 2);
}

static void
test_clock_error(Fixture *fixture, gconstpointer data)
{
	check_clock_error(3600, "behind");
	check_clock_error(-3600, "ahead");
}

static void
check_expired(const char *answer_body)
{
	g_autofree char *expired = aws_answer("400 Bad Request", "", answer_body);
	const char *const answers[] = {expired, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);
	g_autoptr(AwsClient) client = aws_server_client(server);
	g_autoptr(GError) error = NULL;
	gint64 start = g_get_monotonic_time();
	json_auto_t *answer = aws_json(client, ECS, "UpdateService", NULL, NULL, &error);

	g_assert_null(answer);
	g_assert_true(
	    g_str_has_prefix(error->message, "credentials expired; aws ecs UpdateService: "));
	g_assert_true(aws_error_is_expired(error));
	g_assert_cmpuint(aws_server_calls(server), ==, 1);
	g_assert_cmpint(g_get_monotonic_time() - start, <, 5 * G_USEC_PER_SEC);
}

static void
test_expired(Fixture *fixture, gconstpointer data)
{
	check_expired(EXPIRED);
	check_expired("<Response><Errors><Error><Code>RequestExpired</Code><Message>Request has "
		      "expired.</Message></Error></Errors><RequestID>0</RequestID></Response>");
}

static void
write_keys(const char *folder, const char *access_key)
{
	g_autofree char *file = g_build_filename(folder, "keys", NULL);
	g_autofree char *text = g_strdup_printf(
	    "[default]\naws_access_key_id = %s\naws_secret_access_key = s\n", access_key);

	g_assert_true(g_file_set_contents(file, text, -1, NULL));
}

static void
test_renewed(Fixture *fixture, gconstpointer data)
{
	const char *const answers[] = {
	    fixture->good, fixture->expired, fixture->good, fixture->expired, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);
	g_autofree char *file =
	    g_strconcat("AWS_SHARED_CREDENTIALS_FILE=", fixture->folder, "/keys", NULL);
	g_auto(GStrv) environment =
	    aws_environment(fixture->folder, file, "AWS_REGION=eu-west-1", NULL);
	const AwsOptions options = {
	    .endpoint = aws_server_url(server), .environment = (const char *const *)environment};
	g_autoptr(GError) error = NULL;
	write_keys(fixture->folder, "AKIDOLD");
	g_autoptr(AwsClient) client = aws_client_new(&options, NULL, &error);
	g_assert_no_error(error);

	json_auto_t *first = aws_json(client, ECS, "ListTasks", NULL, NULL, &error);
	g_assert_no_error(error);
	write_keys(fixture->folder, "AKIDNEW");
	json_auto_t *second = aws_json(client, ECS, "ListTasks", NULL, NULL, &error);
	g_assert_no_error(error);
	g_assert_nonnull(second);
	g_assert_nonnull(strstr(aws_server_request(server, 1), "Credential=AKIDOLD/"));
	g_assert_nonnull(strstr(aws_server_request(server, 2), "Credential=AKIDNEW/"));

	json_auto_t *third = aws_json(client, ECS, "ListTasks", NULL, NULL, &error);
	g_assert_null(third);
	g_assert_true(aws_error_is_expired(error));
}

#define THREADS 8
#define CALLS 25

static gpointer
call_often(gpointer data)
{
	guint good = 0;

	for (unsigned i = 0; i < CALLS; i++) {
		json_auto_t *answer = aws_json(data, ECS, "ListTasks", NULL, NULL, NULL);
		good += json_bool_of(answer, "ok", false);
	}
	return GUINT_TO_POINTER(good);
}

static void
test_threads(Fixture *fixture, gconstpointer data)
{
	g_autofree char *date = aws_date(3600);
	g_autofree char *skewed = aws_answer("400 Bad Request", date, SKEWED);
	const char *const answers[] = {skewed, fixture->good, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);
	g_autoptr(AwsClient) client = aws_server_client(server);
	GThread *threads[THREADS];
	guint good = 0;

	for (unsigned i = 0; i < THREADS; i++)
		threads[i] = g_thread_new("caller", call_often, client);
	for (unsigned i = 0; i < THREADS; i++)
		good += GPOINTER_TO_UINT(g_thread_join(threads[i]));
	g_assert_cmpuint(good, ==, THREADS * CALLS);
	g_assert_cmpuint(aws_server_calls(server), ==, THREADS * CALLS + 1);
}

static void
test_query_answer(Fixture *fixture, gconstpointer data)
{
	g_autofree char *body = aws_answer("200 OK", "",
	    "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>a</StackName>"
	    "</member></Stacks></DescribeStacksResult></DescribeStacksResponse>");
	const char *const answers[] = {body, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);
	g_autoptr(AwsClient) client = aws_server_client(server);
	g_autoptr(GError) error = NULL;
	json_auto_t *input = json_pack("{s:s}", "StackName", "a b");
	json_auto_t *answer = aws_query(
	    client, &aws_services[AWS_CLOUDFORMATION], "DescribeStacks", input, NULL, &error);
	g_assert_no_error(error);

	json_auto_t *stacks = aws_items(answer, "Stacks");
	g_assert_cmpstr(json_text_of(json_array_get(stacks, 0), "StackName", ""), ==, "a");
	g_assert_true(g_str_has_suffix(aws_server_request(server, 0),
	    "\r\n\r\nAction=DescribeStacks&Version=2010-05-15&StackName=a%20b"));
}

static void
test_logs_with_nul(Fixture *fixture, gconstpointer data)
{
	g_autofree char *body =
	    aws_answer("200 OK", "", "{\"message\":\"a\\u0000b\",\"n\":18446744073709551615}");
	const char *const answers[] = {body, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);
	g_autoptr(AwsClient) client = aws_server_client(server);
	g_autoptr(GError) error = NULL;
	json_auto_t *answer =
	    aws_json(client, &aws_services[AWS_LOGS], "FilterLogEvents", NULL, NULL, &error);

	g_assert_no_error(error);
	g_assert_cmpuint(json_string_length(json_object_get(answer, "message")), ==, 3);
}

static void
test_function_error(Fixture *fixture, gconstpointer data)
{
	g_autofree char *body = aws_answer("200 OK", "X-Amz-Function-Error: Unhandled\r\n",
	    "{\"errorType\":\"KeyError\",\"errorMessage\":\"x\"}");
	const char *const answers[] = {body, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);
	g_autoptr(AwsClient) client = aws_server_client(server);
	g_autoptr(GError) error = NULL;
	json_auto_t *answer = aws_invoke(client, "arn:aws:lambda:f", NULL, NULL, &error);

	g_assert_null(answer);
	g_assert_cmpstr(error->message, ==, "function arn:aws:lambda:f failed: KeyError: x");
	g_assert_true(g_str_has_prefix(aws_server_request(server, 0),
	    "POST /2015-03-31/functions/arn%3Aaws%3Alambda%3Af/invocations HTTP/1.1\r\n"));
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(Fixture *fixture, gconstpointer data);
	} tests[] = {
	    {"/call/a-json-call-is-signed-and-typed", test_request},
	    {"/call/throttling-5xx-and-broken-connections-are-tried-again", test_retries},
	    {"/call/the-attempts-end", test_attempts_end},
	    {"/call/no-pause-goes-over-the-deadline", test_deadline},
	    {"/call/a-cancel-ends-a-pause", test_cancel},
	    {"/call/errors-carry-the-code-and-no-secret", test_errors},
	    {"/call/the-code-is-read-off-a-prefixed-error", test_codes},
	    {"/call/a-wrong-clock-is-corrected-by-the-server's", test_clock},
	    {"/call/a-clock-that-cannot-be-corrected-is-told", test_clock_error},
	    {"/call/expired-credentials-are-told-at-once", test_expired},
	    {"/call/expired-credentials-are-loaded-anew-once", test_renewed},
	    {"/call/many-threads-share-a-client", test_threads},
	    {"/call/a-query-answer-is-its-result", test_query_answer},
	    {"/call/an-answer-may-hold-nul-and-large-numbers", test_logs_with_nul},
	    {"/call/a-function's-own-error-is-one", test_function_error},
	};

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].run, tear_down);
	return g_test_run();
}
