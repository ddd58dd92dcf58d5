/*
 * Lambda's one call that we need by hand. Functions run up to fifteen minutes, so the wait for the
 * answer is longer than for other calls.
 */
#include "aws/client-private.h"

#include <string.h>

#define INVOKE_MS (15 * 60 * 1000 + 30000)

static bool
fail_by_function(const char *function, const json_t *answer, GError **error)
{
	return error_set(error, CARRACK_ERROR_UPSTREAM, "function %s failed: %s: %s", function,
	    json_text_of(answer, "errorType", "error"),
	    json_text_of(answer, "errorMessage", "it does not say why"));
}

json_t *
aws_invoke(AwsClient *client,
    const char *function,
    const json_t *input,
    GCancellable *cancel,
    GError **error)
{
	static const char *const headers[] = {
	    "Content-Type: application/json", "X-Amz-Invocation-Type: RequestResponse", NULL};
	g_autofree char *name = http_escape(function);
	g_autofree char *path = g_strdup_printf("/2015-03-31/functions/%s/invocations", name);
	g_autofree char *body = input ? json_text(input, false) : g_strdup("{}");
	const AwsRequest request = {
	    .name = "Invoke",
	    .method = "POST",
	    .path = path,
	    .headers = headers,
	    .body = body,
	    .body_length = strlen(body),
	    .timeout_ms = INVOKE_MS,
	};

	g_autoptr(HttpAnswer) answer =
	    aws_rest(client, &aws_services[AWS_LAMBDA], &request, cancel, error);
	if (!answer)
		return NULL;
	json_auto_t *value =
	    answer->length > 0 ? aws_parse_json(answer, "aws lambda Invoke", error) : json_null();
	if (!value)
		return NULL;
	if (http_answer_header(answer, "X-Amz-Function-Error")) {
		fail_by_function(function, value, error);
		return NULL;
	}
	return json_incref(value);
}
