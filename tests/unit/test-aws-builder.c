/*
 * The builder over ECS where MiniStack cannot lead it: no instance, no room, an answer too few. The
 * server answers like AWS by a script.
 */
#include "aws-rack.h"
#include "aws/build-job.h"
#include "aws/provider.h"
#include "aws/registry.h"
#include "base/error.h"

#include <string.h>

#define TASK "arn:aws:ecs:eu-west-1:000000000000:task/prod/0123456789abcdef"
#define NO_KEY "4<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>no</Message></Error>"

typedef struct {
	AwsServer *server;
	AwsRack *rack;
	Builder *builder;
	GString *log;
	GCancellable *cancel;
} Fixture;

/* Answers of 200 with these bodies, of 404 where one begins with a 4. */
static void
set_up(Fixture *fixture, const char *const *bodies)
{
	g_autoptr(GError) error = NULL;
	fixture->server = aws_server_of_bodies(bodies, "404 Not Found");
	fixture->rack = aws_server_rack(fixture->server);
	fixture->builder = builder_ecs_new(fixture->rack, NULL, &error);
	fixture->log = g_string_new(NULL);
	fixture->cancel = g_cancellable_new();
}

static void
tear_down(Fixture *fixture)
{
	fixture->builder->ops->free(fixture->builder);
	aws_rack_free(fixture->rack);
	aws_server_free(fixture->server);
	g_string_free(fixture->log, TRUE);
	g_object_unref(fixture->cancel);
}

static void
keep_line(gpointer data, const char *line, gsize length)
{
	Fixture *fixture = data;
	g_string_append_len(fixture->log, line, (gssize)length);
	g_string_append_c(fixture->log, '\n');
	if (strcmp(line, "waiting for a build instance") == 0)
		g_cancellable_cancel(fixture->cancel);
}

static BuilderImage *
make(Fixture *fixture, GError **error)
{
	g_autoptr(Env) arguments = env_new();
	env_set(arguments, "TOKEN", "open-sesame", NULL);
	BuilderSource source = {.app = "shop",
	    .build = "BONE",
	    .service = "web",
	    .source = "object://shop/tmp/x.tgz",
	    .path = "",
	    .dockerfile = "Dockerfile",
	    .arguments = arguments};
	return fixture->builder->ops->build(
	    fixture->builder, &source, keep_line, fixture, fixture->cancel, error);
}

/* How many requests hold all of these texts. */
static unsigned
count_asked(Fixture *fixture, const char *one, const char *other)
{
	unsigned count = 0;
	for (unsigned i = 0; i < aws_server_calls(fixture->server); i++) {
		const char *request = aws_server_request(fixture->server, i);
		count += strstr(request, one) && strstr(request, other);
	}
	return count;
}

/* A job that nobody works on: told once, stopped when cancelled, and its secrets are gone. */
static void
test_waiting(void)
{
	g_autoptr(GError) error = NULL;
	const char *const bodies[] = {"", "{\"tasks\": [{\"taskArn\": \"" TASK "\"}]}",
	    "{\"tasks\": [{\"taskArn\": \"" TASK "\", \"lastStatus\": \"PROVISIONING\"}]}", NULL};
	Fixture fixture;
	set_up(&fixture, bodies);
	g_assert_null(make(&fixture, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
	g_assert_cmpstr(fixture.log->str, ==, "waiting for a build instance\n");

	const char *put = aws_server_request(fixture.server, 0);
	const char *run = aws_server_request(fixture.server, 1);
	g_assert_nonnull(strstr(put, "/builds/BONE/web/job.json"));
	g_assert_nonnull(strstr(put, "open-sesame"));
	g_assert_nonnull(strstr(put, "objects/shop/tmp/x.tgz"));
	g_assert_nonnull(strstr(run, "\"capacityProvider\":\"bp\""));
	g_assert_nonnull(strstr(run, "\"value\":\"builds/BONE/web\""));
	g_assert_null(strstr(run, "sesame"));
	g_assert_cmpuint(count_asked(&fixture, ".StopTask", TASK), ==, 1);
	g_assert_cmpuint(count_asked(&fixture, "DELETE ", "/builds/BONE/web/job.json"), ==, 1);
	g_assert_cmpuint(count_asked(&fixture, "GetLogEvents", ""), ==, 0);
	tear_down(&fixture);
}

static void
test_no_room(void)
{
	g_autoptr(GError) error = NULL;
	const char *const bodies[] = {
	    "", "{\"tasks\": [], \"failures\": [{\"reason\": \"RESOURCE:MEMORY\"}]}", "{}", NULL};
	Fixture fixture;
	set_up(&fixture, bodies);
	g_assert_null(make(&fixture, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
	g_assert_cmpstr(fixture.log->str, ==, "waiting for a build instance\n");
	g_assert_cmpuint(count_asked(&fixture, ".StopTask", ""), ==, 0);
	tear_down(&fixture);
}

static void
test_refused(void)
{
	g_autoptr(GError) error = NULL;
	const char *const bodies[] = {
	    "", "{\"tasks\": [], \"failures\": [{\"reason\": \"MISSING\"}]}", "{}", NULL};
	Fixture fixture;
	set_up(&fixture, bodies);
	g_assert_null(make(&fixture, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	g_assert_cmpstr(error->message, ==, "the build's task cannot be started: MISSING");
	tear_down(&fixture);
}

/* Killed for its memory before it said anything: there is neither a log nor a result. */
static void
test_dead(void)
{
	g_autoptr(GError) error = NULL;
	const char *const bodies[] = {"", "{\"tasks\": [{\"taskArn\": \"" TASK "\"}]}",
	    "{\"tasks\": [{\"lastStatus\": \"STOPPED\", \"stoppedReason\": \"Essential container "
	    "in task exited\", \"containers\": [{\"exitCode\": 137, \"reason\": "
	    "\"OutOfMemoryError: killed\"}]}]}",
	    "4{\"__type\": \"ResourceNotFoundException\", \"message\": \"no stream\"}", NO_KEY,
	    "4{\"__type\": \"ResourceNotFoundException\", \"message\": \"no stream\"}", NULL};
	Fixture fixture;
	set_up(&fixture, bodies);
	g_assert_null(make(&fixture, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	g_assert_cmpstr(error->message, ==,
	    "the build's task ended without a result: Essential container in task exited; "
	    "OutOfMemoryError: killed (exit code 137)");
	g_assert_cmpuint(count_asked(&fixture, ".StopTask", ""), ==, 0);
	tear_down(&fixture);
}

/* Jobs and results */

static void
test_job(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Env) arguments = env_new();
	env_set(arguments, "A", "x\n«y»\"", NULL);
	BuilderSource source = {.app = "shop",
	    .build = "BONE",
	    .service = "web",
	    .path = "api",
	    .dockerfile = "Dockerfile.prod",
	    .target = "run",
	    .arguments = arguments,
	    .without_cache = true};
	json_auto_t *value = build_job_of_source(&source, "objects/shop/x");
	g_autofree char *text = json_text(value, false);
	g_autoptr(BuildJob) job = build_job_read(text, strlen(text), &error);
	g_assert_no_error(error);
	g_assert_cmpstr(job->object, ==, "objects/shop/x");
	g_assert_cmpstr(job->image, ==, "");
	g_assert_cmpstr(job->source.path, ==, "api");
	g_assert_cmpstr(job->source.dockerfile, ==, "Dockerfile.prod");
	g_assert_cmpstr(job->source.target, ==, "run");
	g_assert_cmpstr(env_get(job->source.arguments, "A"), ==, "x\n«y»\"");
	g_assert_true(job->source.without_cache);

	source.path = "\xff";
	g_assert_null(build_job_of_source(&source, "objects/shop/x"));
}

static void
test_bad_job(void)
{
	static const char *const texts[] = {"", "[]", "{}", "{\"app\": \"a\", \"service\": \"b\"}",
	    "{\"app\": \"a\", \"service\": \"b\", \"image\": \"c\", \"object\": \"d\"}",
	    "{\"app\": \"a\", \"service\": \"b\", \"object\": \"d\", \"arguments\": {\"A\": 1}}"};
	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_null(build_job_read(texts[i], strlen(texts[i]), &error));
		g_assert_nonnull(error);
	}
}

static void
test_result(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GError) failure = g_error_new_literal(
	    CARRACK_ERROR, CARRACK_ERROR_INVALID, "build failed: step 2/3 «RUN make» exited 2");
	json_auto_t *value = build_result_value(NULL, failure, 7);
	g_autofree char *text = json_text(value, false);
	g_autoptr(BuildResult) result = build_result_read(text, strlen(text), &error);
	g_assert_no_error(error);
	g_assert_null(result->image);
	g_assert_error(result->failure, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_cmpstr(result->failure->message, ==, failure->message);
	g_assert_cmpuint(result->lines, ==, 7);

	const char *nothing = "{\"lines\": 3}";
	g_assert_null(build_result_read(nothing, strlen(nothing), &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
}

/* The registry */

static void
test_login(void)
{
	g_autoptr(GError) error = NULL;
	/* «AWS:pass:word» */
	const char *const bodies[] = {
	    "{\"authorizationData\": [{\"authorizationToken\": \"QVdTOnBhc3M6d29yZA==\", "
	    "\"proxyEndpoint\": \"https://1.dkr.ecr.eu-west-1.amazonaws.com\"}]}",
	    "{\"authorizationData\": []}", NULL};
	Fixture fixture;
	set_up(&fixture, bodies);
	g_autoptr(AwsRegistryLogin) login = aws_registry_login(fixture.rack->client, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(login->host, ==, "1.dkr.ecr.eu-west-1.amazonaws.com");
	g_assert_cmpstr(login->user, ==, "AWS");
	g_assert_cmpstr(login->password, ==, "pass:word");

	g_assert_null(aws_registry_login(fixture.rack->client, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	tear_down(&fixture);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/aws-builder/waiting-is-told-once-and-can-be-cancelled", test_waiting);
	g_test_add_func("/aws-builder/no-room-is-waited-out", test_no_room);
	g_test_add_func("/aws-builder/a-task-that-is-refused-is-an-error", test_refused);
	g_test_add_func("/aws-builder/a-dead-task-says-why", test_dead);
	g_test_add_func("/aws-builder/a-job-arrives-as-it-was-sent", test_job);
	g_test_add_func("/aws-builder/a-bad-job-is-refused", test_bad_job);
	g_test_add_func("/aws-builder/a-failure-keeps-its-kind", test_result);
	g_test_add_func("/aws-builder/the-login-is-taken-apart", test_login);
	return g_test_run();
}
