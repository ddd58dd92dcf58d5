/*
 * Values and errors to bytes. The wire's clients print the body of a failed request as it is, so an
 * error is its text and a newline; programs ask for JSON by name.
 */
#include "api/answer.h"

#include <string.h>

#define TEXT "text/plain; charset=utf-8"
#define JSON "application/json"

static const char *const codes[] = {
    [CARRACK_ERROR_INVALID] = "invalid",
    [CARRACK_ERROR_UNAUTHORIZED] = "unauthorized",
    [CARRACK_ERROR_FORBIDDEN] = "forbidden",
    [CARRACK_ERROR_NOT_FOUND] = "not-found",
    [CARRACK_ERROR_CONFLICT] = "conflict",
    [CARRACK_ERROR_TOO_LARGE] = "too-large",
    [CARRACK_ERROR_UPSTREAM] = "upstream",
    [CARRACK_ERROR_UNAVAILABLE] = "unavailable",
    [CARRACK_ERROR_INTERNAL] = "internal",
};

Answer
answer_json(const json_t *value)
{
	Answer answer = {.status = 200, .type = JSON, .body = json_text(value, true)};
	answer.length = strlen(answer.body);
	return answer;
}

Answer
answer_text(unsigned status, const char *text)
{
	return (Answer){
	    .status = status, .type = TEXT, .body = g_strdup(text), .length = strlen(text)};
}

Answer
answer_error(const Request *request, const GError *error)
{
	unsigned status = error_status(error);
	if (!request_accepts(request, JSON)) {
		g_autofree char *text = g_strconcat(error->message, "\n", NULL);
		return answer_text(status, text);
	}

	bool is_ours = error->domain == CARRACK_ERROR;
	json_auto_t *value = json_pack("{s:o, s:s}", "error", json_text_value(error->message),
	    "code", codes[is_ours ? error->code : CARRACK_ERROR_INTERNAL]);
	Answer answer = answer_json(value);
	answer.status = status;
	return answer;
}
