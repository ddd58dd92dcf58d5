/*
 * Calls of the AWS client from a command line, for the tests in Python: what they compare is what
 * goes over the wire and what comes back. Values are JSON, bodies are standard input and output; an
 * error goes to standard error, with status 1. Settings come from the environment, as anywhere.
 */
#include "aws/client-private.h"
#include "aws/s3.h"
#include "aws/xml.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_BYTES (64 * 1024 * 1024)

static json_t *
read_json_argument(const char *text, GError **error)
{
	return text ? json_parse(text, strlen(text), "the argument", error) : json_object();
}

static bool
print_json(json_t *value)
{
	if (!value)
		return false;

	g_autofree char *text = json_text(value, true);
	fputs(text, stdout);
	json_decref(value);
	return true;
}

static gssize
read_input(gpointer data, void *buffer, gsize size, GError **error)
{
	gssize count = read(STDIN_FILENO, buffer, size);

	if (count < 0)
		error_set(error, CARRACK_ERROR_INTERNAL, "cannot read standard input");
	return count;
}

static bool
write_output(gpointer data, const void *bytes, gsize length, GError **error)
{
	return fwrite(bytes, 1, length, stdout) == length ||
	       error_set(error, CARRACK_ERROR_INTERNAL, "cannot write to standard output");
}

static const AwsService *
service_named(const char *name, GError **error)
{
	const AwsService *service = aws_service_named(name);

	if (!service)
		error_set(error, CARRACK_ERROR_INVALID, "service %s: not in the table", name);
	return service;
}

static bool
do_call(AwsClient *client, char **arguments, GError **error)
{
	const AwsService *service = service_named(arguments[0], error);
	json_auto_t *input = service ? read_json_argument(arguments[2], error) : NULL;

	return input && print_json(aws_call(client, service, arguments[1], input, NULL, error));
}

static bool
do_list(AwsClient *client, char **arguments, GError **error)
{
	const AwsService *service = service_named(arguments[0], error);
	json_auto_t *input = service ? read_json_argument(arguments[5], error) : NULL;
	if (!input)
		return false;

	const AwsList list = {.service = service,
	    .operation = arguments[1],
	    .token_in = arguments[2],
	    .token_out = arguments[3],
	    .items = arguments[4]};
	return print_json(aws_list(client, &list, input, 0, NULL, error));
}

static bool
do_batches(AwsClient *client, char **arguments, GError **error)
{
	const AwsService *service = service_named(arguments[0], error);
	json_auto_t *names = service ? read_json_argument(arguments[4], error) : NULL;
	json_auto_t *input = names ? read_json_argument(arguments[5], error) : NULL;
	if (!input)
		return false;

	const AwsBatch batch = {
	    service, arguments[1], arguments[2], (gsize)g_ascii_strtoull(arguments[3], NULL, 10)};
	return print_json(aws_batches(client, &batch, input, names, NULL, error));
}

static bool
do_form(AwsClient *client, char **arguments, GError **error)
{
	const AwsService *service = service_named(arguments[0], error);
	json_auto_t *input = service ? read_json_argument(arguments[2], error) : NULL;
	if (!input)
		return false;

	g_autofree char *text = aws_form_text(service, arguments[1], input);
	puts(text);
	return true;
}

/* The strings of a JSON array, NULL-terminated. The caller frees them (g_strfreev). */
static char **
lines_of(const json_t *array)
{
	char **lines = g_new0(char *, json_array_size(array) + 1);

	for (gsize i = 0; i < json_array_size(array); i++)
		lines[i] = g_strdup(json_string_value(json_array_get(array, i)));
	return lines;
}

/* {"service", "method", "path", "query", "headers"} with the body on standard input. Services that
 * are not in the table are signed for by their name. «presign» only prints the URL. */
static bool
do_rest(AwsClient *client, char **arguments, GError **error)
{
	json_auto_t *model = read_json_argument(arguments[0], error);
	if (!model)
		return false;

	const char *name = json_text_of(model, "service", "");
	const AwsService foreign = {
	    .name = name, .endpoint = name, .signing_name = name, .id = "TEST"};
	const AwsService *service = aws_service_named(name);
	g_auto(GStrv) headers = lines_of(json_object_get(model, "headers"));
	g_autoptr(GString) body = g_string_new(NULL);
	char buffer[65536];
	gssize count;
	while ((count = read(STDIN_FILENO, buffer, sizeof buffer)) > 0)
		g_string_append_len(body, buffer, count);

	const AwsRequest request = {.name = "Test",
	    .method = json_text_of(model, "method", NULL),
	    .bucket = json_text_of(model, "bucket", NULL),
	    .path = json_text_of(model, "path", "/"),
	    .query = json_object_get(model, "query"),
	    .headers = (const char *const *)headers,
	    .body = body->len > 0 ? body->str : NULL,
	    .body_length = body->len,
	    .max_answer = ANSWER_BYTES};
	if (!service)
		service = &foreign;
	if (json_bool_of(model, "presign", false)) {
		g_autofree char *url = aws_presign(client, service, &request, 600, NULL, error);
		return url && puts(url) >= 0;
	}
	g_autoptr(HttpAnswer) answer = aws_rest(client, service, &request, NULL, error);
	return answer && write_output(NULL, answer->body, answer->length, error);
}

static bool
do_put(AwsClient *client, char **arguments, GError **error)
{
	const S3Object object = {arguments[0], arguments[1]};
	const S3PutOptions options = {.only_if_new = arguments[2] != NULL};
	guint64 length;

	if (!s3_put_stream(client, &object, read_input, NULL, &options, &length, NULL, error))
		return false;
	printf("%" G_GUINT64_FORMAT "\n", length);
	return true;
}

static bool
do_get(AwsClient *client, char **arguments, GError **error)
{
	const S3Object object = {arguments[0], arguments[1]};

	return s3_get(client, &object, write_output, NULL, NULL, error);
}

static bool
do_head(AwsClient *client, char **arguments, GError **error)
{
	const S3Object object = {arguments[0], arguments[1]};
	guint64 length;

	if (!s3_head(client, &object, &length, NULL, error))
		return false;
	printf("%" G_GUINT64_FORMAT "\n", length);
	return true;
}

static bool
do_delete(AwsClient *client, char **arguments, GError **error)
{
	const S3Object object = {arguments[0], arguments[1]};

	return s3_delete(client, &object, NULL, error);
}

static bool
do_empty(AwsClient *client, char **arguments, GError **error)
{
	return s3_delete_prefix(client, arguments[0], arguments[1], NULL, error);
}

static bool
do_objects(AwsClient *client, char **arguments, GError **error)
{
	return print_json(s3_list(client, arguments[0], arguments[1], 0, NULL, error));
}

static bool
do_presign(AwsClient *client, char **arguments, GError **error)
{
	const S3Object object = {arguments[1], arguments[2]};
	g_autofree char *url = s3_presign(client, arguments[0], &object, 600, NULL, error);

	return url && puts(url) >= 0;
}

static bool
do_invoke(AwsClient *client, char **arguments, GError **error)
{
	json_auto_t *input = read_json_argument(arguments[1], error);

	return input && print_json(aws_invoke(client, arguments[0], input, NULL, error));
}

static bool
do_account(AwsClient *client, char **arguments, GError **error)
{
	g_autofree char *account = aws_client_account(client, NULL, error);

	return account && puts(account) >= 0;
}

/* The whole table, with the addresses that this client's region has. */
static bool
do_services(AwsClient *client, char **arguments, GError **error)
{
	json_t *table = json_array();

	for (gsize i = 0; i < AWS_SERVICE_COUNT; i++) {
		const AwsService *service = &aws_services[i];
		g_autoptr(AwsPlace) place = aws_place_of(client, service, NULL, error);
		if (!place)
			return false;
		json_array_append_new(table,
		    json_pack("{s:s, s:s, s:s, s:i, s:s, s:s?, s:s, s:s, s:s, s:s}", "name",
			service->name, "id", service->id, "signing_name", service->signing_name,
			"protocol", (int)service->protocol, "version", service->version,
			"target_prefix", service->target_prefix, "url", place->base_url, "region",
			place->region, "partition", aws_client_partition(client), "dns_suffix",
			aws_client_dns_suffix(client)));
	}
	return print_json(table);
}

static const struct {
	const char *name;
	int arguments; /* at least */
	bool (*run)(AwsClient *client, char **arguments, GError **error);
} commands[] = {
    {"account", 0, do_account},   /* */
    {"batches", 5, do_batches},   /* SERVICE OPERATION MEMBER LIMIT NAMES [INPUT] */
    {"call", 2, do_call},         /* SERVICE OPERATION [INPUT] */
    {"delete", 2, do_delete},     /* BUCKET KEY */
    {"empty", 2, do_empty},       /* BUCKET PREFIX */
    {"form", 2, do_form},         /* SERVICE OPERATION [INPUT] */
    {"get", 2, do_get},           /* BUCKET KEY */
    {"head", 2, do_head},         /* BUCKET KEY */
    {"invoke", 1, do_invoke},     /* FUNCTION [INPUT] */
    {"list", 5, do_list},         /* SERVICE OPERATION TOKEN-IN TOKEN-OUT ITEMS [INPUT] */
    {"objects", 2, do_objects},   /* BUCKET PREFIX */
    {"presign", 3, do_presign},   /* METHOD BUCKET KEY */
    {"put", 2, do_put},           /* BUCKET KEY [only-if-new] */
    {"rest", 1, do_rest},         /* REQUEST */
    {"services", 0, do_services}, /* */
};

static bool
run(int count, char **arguments, GError **error)
{
	g_autoptr(AwsClient) client = aws_client_new(NULL, NULL, error);
	if (!client)
		return false;

	for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
		if (g_str_equal(commands[i].name, arguments[0]) && count > commands[i].arguments)
			return commands[i].run(client, arguments + 1, error);
	}
	return error_set(error, CARRACK_ERROR_INVALID, "%s: no such command, or too few arguments",
	    arguments[0]);
}

int
main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;

	if (argc < 2) {
		fputs("usage: aws-call COMMAND [ARGUMENT…]\n", stderr);
		return 2;
	}
	if (run(argc - 1, argv + 1, &error))
		return 0;

	g_autofree char *code = aws_error_code(error);
	fprintf(stderr, "%s\n%s\n%u\n", error ? error->message : "failed without an error",
	    code ? code : "-", error ? error_status(error) : 0);
	return 1;
}
