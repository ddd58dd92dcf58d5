/*
 * Pages, batches, and S3 in pieces.
 */
#include "aws-server.h"

#include "aws/s3.h"

#include <string.h>

static const AwsList list_tasks = {
    .service = &aws_services[AWS_ECS],
    .operation = "ListTasks",
    .token_in = "nextToken",
    .token_out = "nextToken",
    .items = "taskArns",
};

static AwsServer *
serve(const char *const *bodies)
{
	g_autoptr(GStrvBuilder) answers = g_strv_builder_new();

	for (; *bodies; bodies++) {
		g_autofree char *answer = aws_answer("200 OK", "", *bodies);
		g_strv_builder_add(answers, answer);
	}
	g_auto(GStrv) list = g_strv_builder_end(answers);
	return aws_server_new((const char *const *)list);
}

static json_t *
read_list(AwsServer *server, const AwsList *list, gsize maximum, GError **error)
{
	g_autoptr(AwsClient) client = aws_server_client(server);
	json_auto_t *input = json_pack("{s:s}", "cluster", "c");

	return aws_list(client, list, input, maximum, NULL, error);
}

static void
test_all_pages(void)
{
	static const char *const bodies[] = {
	    "{\"taskArns\":[\"t0\",\"t1\",\"t2\"],\"nextToken\":\"A\"}",
	    "{\"taskArns\":[],\"nextToken\":\"B\"}", "{\"taskArns\":[\"t3\"]}", NULL};
	g_autoptr(AwsServer) server = serve(bodies);
	g_autoptr(GError) error = NULL;
	json_auto_t *all = read_list(server, &list_tasks, 0, &error);

	g_assert_no_error(error);
	g_autofree char *text = json_text(all, false);
	g_assert_cmpstr(text, ==, "[\"t0\",\"t1\",\"t2\",\"t3\"]");
	g_assert_true(g_str_has_suffix(
	    aws_server_request(server, 2), "{\"cluster\":\"c\",\"nextToken\":\"B\"}"));
}

static void
test_repeated_token(void)
{
	static const char *const bodies[] = {"{\"taskArns\":[\"t0\"],\"nextToken\":\"A\"}",
	    "{\"taskArns\":[\"t1\"],\"nextToken\":\"B\"}",
	    "{\"taskArns\":[\"t2\"],\"nextToken\":\"A\"}", NULL};
	g_autoptr(AwsServer) server = serve(bodies);
	g_autoptr(GError) error = NULL;
	json_auto_t *all = read_list(server, &list_tasks, 0, &error);

	g_assert_null(all);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	g_assert_cmpstr(error->message, ==,
	    "aws ecs ListTasks: the answer leads back to a page that was read already");
	g_assert_cmpuint(aws_server_calls(server), ==, 3);
}

static void
test_same_token_is_end(void)
{
	static const char *const bodies[] = {"{\"events\":[1],\"nextForwardToken\":\"f/1\"}",
	    "{\"events\":[2],\"nextForwardToken\":\"f/2\"}",
	    "{\"events\":[],\"nextForwardToken\":\"f/2\"}", NULL};
	static const AwsList list = {
	    .service = &aws_services[AWS_LOGS],
	    .operation = "GetLogEvents",
	    .token_in = "nextToken",
	    .token_out = "nextForwardToken",
	    .items = "events",
	    .same_token_is_end = true,
	};
	g_autoptr(AwsServer) server = serve(bodies);
	g_autoptr(GError) error = NULL;
	json_auto_t *all = read_list(server, &list, 0, &error);

	g_assert_no_error(error);
	g_assert_cmpuint(json_array_size(all), ==, 2);
}

static void
test_every_event_once(void)
{
	static const char *const bodies[] = {
	    "{\"events\":[{\"eventId\":\"1\"},{\"eventId\":\"2\"}],\"nextToken\":\"A\"}",
	    "{\"events\":[{\"eventId\":\"2\"},{\"eventId\":\"3\"}]}", NULL};
	static const AwsList list = {
	    .service = &aws_services[AWS_LOGS],
	    .operation = "FilterLogEvents",
	    .token_in = "nextToken",
	    .token_out = "nextToken",
	    .items = "events",
	    .unique_by = "eventId",
	};
	g_autoptr(AwsServer) server = serve(bodies);
	g_autoptr(GError) error = NULL;
	json_auto_t *all = read_list(server, &list, 0, &error);

	g_assert_no_error(error);
	g_assert_cmpuint(json_array_size(all), ==, 3);
}

static void
test_object_token(void)
{
	static const char *const bodies[] = {
	    "{\"Items\":[1,2],\"LastEvaluatedKey\":{\"id\":{\"S\":\"x\"}}}",
	    "{\"Items\":[3],\"LastEvaluatedKey\":{}}", NULL};
	static const AwsList list = {
	    .service = &aws_services[AWS_DYNAMODB],
	    .operation = "Query",
	    .token_in = "ExclusiveStartKey",
	    .token_out = "LastEvaluatedKey",
	    .items = "Items",
	};
	g_autoptr(AwsServer) server = serve(bodies);
	g_autoptr(GError) error = NULL;
	json_auto_t *all = read_list(server, &list, 0, &error);

	g_assert_no_error(error);
	g_assert_cmpuint(json_array_size(all), ==, 3);
	g_assert_nonnull(
	    strstr(aws_server_request(server, 1), "\"ExclusiveStartKey\":{\"id\":{\"S\":\"x\"}}"));
}

static void
test_maximum(void)
{
	static const char *const bodies[] = {
	    "{\"taskArns\":[\"t0\",\"t1\",\"t2\"],\"nextToken\":\"A\"}", NULL};
	g_autoptr(AwsServer) server = serve(bodies);
	g_autoptr(GError) error = NULL;
	json_auto_t *all = read_list(server, &list_tasks, 2, &error);

	g_assert_no_error(error);
	g_assert_cmpuint(json_array_size(all), ==, 2);
	g_assert_cmpuint(aws_server_calls(server), ==, 1);
}

static void
test_batches(void)
{
	static const char *const bodies[] = {"{\"services\":[1,2],\"failures\":[]}",
	    "{\"services\":[3],\"failures\":[{\"arn\":\"x\"}]}", "{\"services\":[4]}", NULL};
	static const AwsBatch describe = {
	    &aws_services[AWS_ECS], "DescribeServices", "services", 10};
	g_autoptr(AwsServer) server = serve(bodies);
	g_autoptr(AwsClient) client = aws_server_client(server);
	g_autoptr(GError) error = NULL;
	json_auto_t *names = json_array();
	for (unsigned i = 0; i < 23; i++)
		json_array_append_new(names, json_sprintf("s%u", i));

	json_auto_t *answer = aws_batches(client, &describe, NULL, names, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(aws_server_calls(server), ==, 3);
	g_assert_cmpuint(json_array_size(json_object_get(answer, "services")), ==, 4);
	g_assert_cmpuint(json_array_size(json_object_get(answer, "failures")), ==, 1);
	g_assert_true(g_str_has_suffix(
	    aws_server_request(server, 2), "{\"services\":[\"s20\",\"s21\",\"s22\"]}"));

	json_auto_t *no_names = json_array();
	json_auto_t *nothing = aws_batches(client, &describe, NULL, no_names, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(json_object_size(nothing), ==, 0);
	g_assert_cmpuint(aws_server_calls(server), ==, 3);
}

/* A stream that fills the first part and a bit of a second one. */
static gssize
read_zeros(gpointer data, void *buffer, gsize size, GError **error)
{
	gsize *left = data;
	gsize count = MIN(size, *left);

	memset(buffer, 0, count);
	*left -= count;
	return (gssize)count;
}

static void
test_late_failure(void)
{
	static const char *const bodies[] = {"<R><UploadId>u</UploadId></R>", "", "",
	    "<?xml "
	    "version=\"1.0\"?><Error><Code>InternalError</Code><Message>again</Message></Error>",
	    "<CompleteMultipartUploadResult><Key>k</Key></CompleteMultipartUploadResult>", NULL};
	g_autoptr(AwsServer) server = serve(bodies);
	g_autoptr(AwsClient) client = aws_server_client(server);
	g_autoptr(GError) error = NULL;
	const S3Object object = {"b", "k"};
	gsize left = 8 * 1024 * 1024 + 5;
	guint64 length = 0;

	g_assert_true(
	    s3_put_stream(client, &object, read_zeros, &left, NULL, &length, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(length, ==, 8 * 1024 * 1024 + 5);
	g_assert_cmpuint(aws_server_calls(server), ==, 5);
	g_assert_true(g_str_has_prefix(
	    aws_server_request(server, 2), "PUT /b/k?partNumber=2&uploadId=u HTTP/1.1\r\n"));
}

static void
test_taken_back(void)
{
	g_autofree char *begun = aws_answer("200 OK", "", "<R><UploadId>u</UploadId></R>");
	g_autofree char *denied =
	    aws_answer("403 Forbidden", "", "<Error><Code>AccessDenied</Code></Error>");
	const char *const answers[] = {begun, denied, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);
	g_autoptr(AwsClient) client = aws_server_client(server);
	g_autoptr(GError) error = NULL;
	const S3Object object = {"b", "k"};
	gsize left = 9 * 1024 * 1024;

	g_assert_false(s3_put_stream(client, &object, read_zeros, &left, NULL, NULL, NULL, &error));
	g_assert_true(aws_error_is(error, "AccessDenied"));
	g_assert_true(
	    g_str_has_prefix(aws_server_request(server, 2), "DELETE /b/k?uploadId=u HTTP/1.1\r\n"));
}

static void
test_replaced_object(void)
{
	g_autofree char *first = aws_answer(
	    "206 Partial Content", "Content-Range: bytes 0-2/6\r\nETag: \"e1\"\r\n", "abc");
	g_autofree char *changed = aws_answer(
	    "412 Precondition Failed", "", "<Error><Code>PreconditionFailed</Code></Error>");
	const char *const answers[] = {first, changed, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);
	g_autoptr(AwsClient) client = aws_server_client(server);
	g_autoptr(GError) error = NULL;
	const S3Object object = {"b", "k"};
	g_autofree char *bytes = s3_get_bytes(client, &object, 100, NULL, NULL, &error);
	g_autofree char *match = aws_request_header(aws_server_request(server, 1), "If-Match");

	g_assert_null(bytes);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_CONFLICT);
	g_assert_cmpstr(match, ==, "\"e1\"");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	g_test_add_func("/pages/an-empty-page-with-a-token-goes-on", test_all_pages);
	g_test_add_func("/pages/a-token-that-comes-again-is-an-error", test_repeated_token);
	g_test_add_func("/pages/log-streams-end-by-the-same-token", test_same_token_is_end);
	g_test_add_func("/pages/every-event-comes-once", test_every_event_once);
	g_test_add_func("/pages/a-token-may-be-an-object", test_object_token);
	g_test_add_func("/pages/reading-stops-at-the-maximum", test_maximum);
	g_test_add_func("/pages/many-names-are-asked-for-in-batches", test_batches);
	g_test_add_func("/s3/a-failure-inside-a-200-is-tried-again", test_late_failure);
	g_test_add_func("/s3/a-failed-upload-is-taken-back", test_taken_back);
	g_test_add_func("/s3/two-versions-are-never-mixed", test_replaced_object);
	return g_test_run();
}
