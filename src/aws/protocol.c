/*
 * JSON, Query and REST: how an operation and its input become a request, and the answer a value.
 * The rules of the Query form are in the header, since callers write by them.
 */
#include "aws/call.h"
#include "aws/sigv4.h"
#include "aws/xml.h"
#include "base/text.h"

#include <string.h>

#define LONGEST_PRESIGN (7 * 24 * 3600)

json_t *
aws_parse_json(const HttpAnswer *answer, const char *what, GError **error)
{
	const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
	json_error_t failure;

	json_t *value = json_loadb(answer->body, answer->length, flags, &failure);
	if (!value && json_error_code(&failure) == json_error_numeric_overflow)
		value = json_loadb(
		    answer->body, answer->length, flags | JSON_DECODE_INT_AS_REAL, &failure);
	if (!value)
		error_set(error, CARRACK_ERROR_UPSTREAM, "%s: the answer is not JSON", what);
	return value;
}

json_t *
aws_json(AwsClient *client,
    const AwsService *service,
    const char *operation,
    const json_t *input,
    GCancellable *cancel,
    GError **error)
{
	g_autofree char *body = input ? json_text(input, false) : g_strdup("{}");
	g_autofree char *type =
	    g_strconcat("Content-Type: application/x-amz-json-", service->version, NULL);
	g_autofree char *target =
	    g_strdup_printf("X-Amz-Target: %s.%s", service->target_prefix, operation);
	const char *const headers[] = {type, target, NULL};
	const AwsCall call = {
	    .service = service,
	    .operation = operation,
	    .method = "POST",
	    .path = "/",
	    .headers = headers,
	    .body = body,
	    .body_length = strlen(body),
	};
	g_autoptr(HttpAnswer) answer = aws_perform(client, &call, cancel, error);
	if (!answer)
		return NULL;

	g_autofree char *what = g_strdup_printf("aws %s %s", service->name, operation);
	return answer->length > 0 ? aws_parse_json(answer, what, error) : json_object();
}

/* The form being written, and whose rules it keeps. */
typedef struct {
	GString *text;
	bool is_ec2;
} Form;

static void
append_pair(Form *form, const char *name, const char *value)
{
	g_autofree char *escaped_name = http_escape(name);
	g_autofree char *escaped = http_escape(value);

	g_string_append_printf(
	    form->text, "%s%s=%s", form->text->len > 0 ? "&" : "", escaped_name, escaped);
}

static void
append_scalar(Form *form, const char *name, const json_t *value)
{
	g_autofree char *number = NULL;

	if (json_is_boolean(value)) {
		append_pair(form, name, json_is_true(value) ? "true" : "false");
	} else if (json_is_string(value)) {
		append_pair(form, name, json_string_value(value));
	} else if (!json_is_null(value)) {
		number = json_text(value, false);
		append_pair(form, name, number);
	}
}

static void
append_value(Form *form, const char *name, const json_t *value);

/* `name` is the list's own, or «Name.Item», or «Name.» for a flattened one. */
static void
append_list(Form *form, const char *name, bool is_named, const json_t *list)
{
	bool is_flat = g_str_has_suffix(name, ".");
	g_autofree char *bare = g_strndup(name, strlen(name) - (is_flat ? 1 : 0));
	const char *between = is_named || form->is_ec2 ? "" : ".member";

	if (json_array_size(list) == 0 && !form->is_ec2 && !is_named)
		append_pair(form, bare, "");
	for (gsize i = 0; i < json_array_size(list); i++) {
		g_autofree char *item =
		    g_strdup_printf("%s%s.%" G_GSIZE_FORMAT, bare, between, i + 1);
		append_value(form, item, json_array_get(list, i));
	}
}

static void
append_map(Form *form, const char *name, const json_t *map)
{
	const char *key;
	json_t *value;
	unsigned number = 0;

	json_object_foreach((json_t *)map, key, value)
	{
		g_autofree char *key_name = g_strdup_printf("%s.%u.key", name, ++number);
		g_autofree char *value_name = g_strdup_printf("%s.%u.value", name, number);
		append_pair(form, key_name, key);
		append_value(form, value_name, value);
	}
}

static void
append_members(Form *form, const char *prefix, const json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value)
	{
		bool is_named = strchr(key, '.') != NULL;
		g_autofree char *name = g_strconcat(prefix, *prefix ? "." : "", key, NULL);
		if (json_is_array(value))
			append_list(form, name, is_named, value);
		else if (json_is_object(value) && g_str_has_suffix(key, ".entry"))
			append_map(form, name, value);
		else
			append_value(form, name, value);
	}
}

static void
append_value(Form *form, const char *name, const json_t *value)
{
	if (json_is_object(value))
		append_members(form, name, value);
	else if (json_is_array(value))
		append_list(form, name, false, value);
	else
		append_scalar(form, name, value);
}

char *
aws_form_text(const AwsService *service, const char *operation, const json_t *input)
{
	Form form = {g_string_new(NULL), service->protocol == AWS_PROTOCOL_EC2};

	append_pair(&form, "Action", operation);
	append_pair(&form, "Version", service->version);
	if (input)
		append_members(&form, "", input);
	return g_string_free(form.text, FALSE);
}

/* The content of <OperationResult>, or all of it where there is no such element (EC2). */
static json_t *
read_result(const HttpAnswer *answer, const char *what, const char *operation, GError **error)
{
	json_auto_t *content = aws_xml(answer->body, answer->length, what, NULL, error);
	if (!content)
		return NULL;

	g_autofree char *name = g_strconcat(operation, "Result", NULL);
	json_t *result = json_object_get(content, name);
	if (json_is_object(result) || json_is_array(result))
		return json_incref(result);
	return !result && json_is_object(content) ? g_steal_pointer(&content) : json_object();
}

json_t *
aws_query(AwsClient *client,
    const AwsService *service,
    const char *operation,
    const json_t *input,
    GCancellable *cancel,
    GError **error)
{
	static const char *const headers[] = {
	    "Content-Type: application/x-www-form-urlencoded; charset=utf-8", NULL};
	g_autofree char *body = aws_form_text(service, operation, input);
	const AwsCall call = {
	    .service = service,
	    .operation = operation,
	    .method = "POST",
	    .path = "/",
	    .headers = headers,
	    .body = body,
	    .body_length = strlen(body),
	};
	g_autoptr(HttpAnswer) answer = aws_perform(client, &call, cancel, error);
	if (!answer)
		return NULL;

	g_autofree char *what = g_strdup_printf("aws %s %s", service->name, operation);
	return answer->length > 0 ? read_result(answer, what, operation, error) : json_object();
}

json_t *
aws_call(AwsClient *client,
    const AwsService *service,
    const char *operation,
    const json_t *input,
    GCancellable *cancel,
    GError **error)
{
	switch (service->protocol) {
	case AWS_PROTOCOL_JSON:
		return aws_json(client, service, operation, input, cancel, error);
	case AWS_PROTOCOL_QUERY:
	case AWS_PROTOCOL_EC2:
		return aws_query(client, service, operation, input, cancel, error);
	default:
		error_set(error, CARRACK_ERROR_INTERNAL,
		    "aws %s %s: this service is called by method and path", service->name,
		    operation);
		return NULL;
	}
}

static void
append_parameter(GString *text, const char *name, const json_t *value)
{
	g_autofree char *number =
	    json_is_string(value) || json_is_null(value) ? NULL : json_text(value, false);
	const char *plain = json_is_string(value) ? json_string_value(value) : number;
	g_autofree char *escaped_name = http_escape(name);
	g_autofree char *escaped = http_escape(plain ? plain : "");

	g_string_append_printf(text, "%s%s=%s", text->len > 0 ? "&" : "", escaped_name, escaped);
}

char *
aws_query_text(const json_t *query)
{
	const char *name;
	json_t *value;
	if (!query)
		return NULL;

	GString *text = g_string_new(NULL);
	json_object_foreach((json_t *)query, name, value)
	{
		for (gsize i = 0; i < json_array_size(value); i++)
			append_parameter(text, name, json_array_get(value, i));
		if (!json_is_array(value))
			append_parameter(text, name, value);
	}
	return g_string_free(text, FALSE);
}

HttpAnswer *
aws_rest(AwsClient *client,
    const AwsService *service,
    const AwsRequest *request,
    GCancellable *cancel,
    GError **error)
{
	g_autofree char *query = aws_query_text(request->query);
	const AwsCall call = {
	    .service = service,
	    .operation = request->name,
	    .method = request->method ? request->method : "GET",
	    .bucket = request->bucket,
	    .path = request->path,
	    .query = query,
	    .headers = request->headers,
	    .body = request->body,
	    .body_length = request->body_length,
	    .max_answer = request->max_answer,
	    .timeout_ms = request->timeout_ms,
	};

	return aws_perform(client, &call, cancel, error);
}

char *
aws_presign(AwsClient *client,
    const AwsService *service,
    const AwsRequest *request,
    unsigned seconds,
    GCancellable *cancel,
    GError **error)
{
	g_autoptr(AwsPlace) place = aws_place_of(client, service, request->bucket, error);
	g_autoptr(AwsCredentials) credentials =
	    place ? aws_credentials_get(client, cancel, error) : NULL;
	if (!credentials)
		return NULL;

	g_autofree char *path = g_strconcat(place->prefix, request->path, NULL);
	g_autofree char *query = aws_query_text(request->query);
	g_autofree char *hash =
	    text_sha256(request->body ? request->body : "", request->body_length);
	const SigV4Request signed_request = {
	    .method = request->method ? request->method : "GET",
	    .host = place->host,
	    .path = path,
	    .query = query,
	    .headers = request->headers,
	    .payload_hash = hash,
	    .service = service->signing_name,
	    .region = place->region,
	    .time = aws_client_time(client),
	};
	const SigV4Keys keys = {
	    credentials->access_key, credentials->secret_key, credentials->session_token};
	g_autofree char *signed_query =
	    sigv4_presign(&signed_request, &keys, CLAMP(seconds, 1, LONGEST_PRESIGN));
	return g_strconcat(place->base_url, path, "?", signed_query, NULL);
}
