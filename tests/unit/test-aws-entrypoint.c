/*
 * Unit tests of aws/exec-entrypoint: which argv a command in a process becomes, asked of a server
 * that answers like ECS and ECR, with the image's configuration at another one as ECR has it.
 */
#include "aws-server.h"

#include "aws/engine-private.h"
#include "aws/exec-entrypoint.h"

#include <string.h>

#define IMAGE "registry.example/rack/shop@sha256:aa"
#define TASKS "{\"tasks\":[{\"taskDefinitionArn\":\"arn:def\"}]}"
#define DEFINITION(more)                                                                           \
	"{\"taskDefinition\":{\"containerDefinitions\":[{\"name\":\"other\",\"entryPoint\":"       \
	"[\"no\"]},{\"name\":\"web\"," more "}]}}"
#define IN_IMAGE DEFINITION("\"image\":\"" IMAGE "\"")
#define MANIFEST(text) "{\"images\":[{\"imageManifest\":\"" text "\"}]}"
#define PLAIN MANIFEST("{\\\"config\\\":{\\\"digest\\\":\\\"sha256:cc\\\"}}")
#define INDEX                                                                                      \
	MANIFEST("{\\\"manifests\\\":[{\\\"digest\\\":\\\"sha256:no\\\",\\\"platform\\\":{"        \
		 "\\\"architecture\\\":\\\"unknown\\\"}},{\\\"digest\\\":\\\"sha256:bb\\\","       \
		 "\\\"platform\\\":{\\\"architecture\\\":\\\"amd64\\\"}}]}")
#define BLOB "{\"downloadUrl\":\"%s/blob?x=1\"}"

static AwsServer *
serve(const char *const *bodies, const char *url)
{
	g_autoptr(GStrvBuilder) answers = g_strv_builder_new();

	for (; *bodies; bodies++) {
		g_autofree char *body =
		    strcmp(*bodies, BLOB) == 0 ? g_strdup_printf(BLOB, url) : g_strdup(*bodies);
		g_autofree char *answer = aws_answer("200 OK", "", body);
		g_strv_builder_add(answers, answer);
	}
	g_auto(GStrv) list = g_strv_builder_end(answers);
	return aws_server_new((const char *const *)list);
}

/* The words with «|» between them, or the error's text. The caller frees it. */
static char *
argv_of(AwsServer *server, bool with_entrypoint, const char *const *command)
{
	g_autoptr(AwsClient) client = aws_server_client(server);
	AwsRack rack = {
	    .client = client, .cluster = (char *)"c", .registry = (char *)"registry.example"};
	EngineExec exec = {.command = command, .with_entrypoint = with_entrypoint};
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) words = exec_argv(&rack, "t", "web", &exec, NULL, &error);

	g_assert_true(!words == !!error);
	return words ? g_strjoinv("|", words) : g_strdup(error->message);
}

static const char *const command[] = {"ls", "a b", NULL};

static void
an_exec_without_it_asks_nobody(void)
{
	static const char *const bodies[] = {TASKS, NULL};
	g_autoptr(AwsServer) server = serve(bodies, "");
	g_autofree char *words = argv_of(server, false, command);

	g_assert_cmpstr(words, ==, "ls|a b");
	g_assert_cmpuint(aws_server_calls(server), ==, 0);
}

static void
a_definitions_own_comes_first(void)
{
	static const char *const bodies[] = {
	    TASKS, DEFINITION("\"image\":\"" IMAGE "\",\"entryPoint\":[\"tini\",\"--\"]"), NULL};
	g_autoptr(AwsServer) server = serve(bodies, "");
	g_autofree char *words = argv_of(server, true, command);

	g_assert_cmpstr(words, ==, "tini|--|ls|a b");
}

static void
check_image(const char *const *bodies, const char *config, const char *expected, unsigned calls)
{
	g_autofree char *blob = aws_answer("200 OK", "", config);
	const char *const blobs[] = {blob, NULL};
	g_autoptr(AwsServer) store = aws_server_new(blobs);
	g_autoptr(AwsServer) server = serve(bodies, aws_server_url(store));
	g_autofree char *words = argv_of(server, true, command);

	g_assert_cmpstr(words, ==, expected);
	g_assert_cmpuint(aws_server_calls(server), ==, calls);
	g_assert_true(g_str_has_prefix(aws_server_request(store, 0), "GET /blob?x=1 "));
	g_assert_nonnull(strstr(aws_server_request(server, calls - 1), "\"sha256:cc\""));
	g_assert_nonnull(strstr(aws_server_request(server, calls - 1), "\"rack/shop\""));
}

static void
the_images_is_read_from_the_registry(void)
{
	static const char *const bodies[] = {TASKS, IN_IMAGE, PLAIN, BLOB, NULL};

	check_image(
	    bodies, "{\"config\":{\"Entrypoint\":[\"/start\",\"-x\"]}}", "/start|-x|ls|a b", 4);
	check_image(bodies, "{\"config\":{\"Entrypoint\":null}}", "ls|a b", 4);
	check_image(bodies, "{\"config\":{}}", "ls|a b", 4);
}

/* Its definition's own is the sleep that holds it open. */
static void
an_attached_one_offs_is_the_images(void)
{
	static const char *const bodies[] = {
	    "{\"tasks\":[{\"taskDefinitionArn\":\"arn:def\",\"tags\":[{\"key\":\"" TAG_ATTACHED
	    "\",\"value\":\"1\"}]}]}",
	    DEFINITION("\"image\":\"" IMAGE "\",\"entryPoint\":[\"sleep\"]"), PLAIN, BLOB, NULL};

	check_image(bodies, "{\"config\":{\"Entrypoint\":[\"/start\"]}}", "/start|ls|a b", 4);
}

static void
an_index_leads_to_its_image(void)
{
	static const char *const bodies[] = {TASKS, IN_IMAGE, INDEX, PLAIN, BLOB, NULL};

	check_image(bodies, "{\"config\":{\"Entrypoint\":[\"/start\"]}}", "/start|ls|a b", 5);
}

static void
a_foreign_image_is_refused(void)
{
	static const char *const bodies[] = {
	    TASKS, DEFINITION("\"image\":\"registry.example.org/x@sha256:aa\""), NULL};
	g_autoptr(AwsServer) server = serve(bodies, "");
	g_autofree char *said = argv_of(server, true, command);

	g_assert_nonnull(strstr(said, "registry.example.org/x@sha256:aa cannot be read"));
}

static void
a_process_that_is_gone_is_not_found(void)
{
	static const char *const bodies[] = {"{\"tasks\":[]}", NULL};
	g_autoptr(AwsServer) server = serve(bodies, "");
	g_autofree char *said = argv_of(server, true, command);

	g_assert_nonnull(strstr(said, "task t is gone"));
	g_assert_cmpuint(aws_server_calls(server), ==, 1);
}

static void
nothing_to_run_is_refused(void)
{
	static const char *const bodies[] = {TASKS, NULL};
	static const char *const none[] = {NULL};
	g_autoptr(AwsServer) server = serve(bodies, "");
	g_autofree char *said = argv_of(server, false, none);

	g_assert_cmpstr(said, ==, "no command is given");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func(
	    "/entrypoint/an-exec-without-it-asks-nobody", an_exec_without_it_asks_nobody);
	g_test_add_func("/entrypoint/a-definitions-own-comes-first", a_definitions_own_comes_first);
	g_test_add_func("/entrypoint/the-images-is-read-from-the-registry",
	    the_images_is_read_from_the_registry);
	g_test_add_func(
	    "/entrypoint/an-attached-one-offs-is-the-images", an_attached_one_offs_is_the_images);
	g_test_add_func("/entrypoint/an-index-leads-to-its-image", an_index_leads_to_its_image);
	g_test_add_func("/entrypoint/a-foreign-image-is-refused", a_foreign_image_is_refused);
	g_test_add_func(
	    "/entrypoint/a-process-that-is-gone-is-not-found", a_process_that_is_gone_is_not_found);
	g_test_add_func("/entrypoint/nothing-to-run-is-refused", nothing_to_run_is_refused);
	return g_test_run();
}
