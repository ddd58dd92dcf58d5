/*
 * Where credentials are found: environment, files, programs, the container's and the machine's
 * address, roles; and when they are fetched anew.
 */
#include "aws-server.h"

#include "aws/client-private.h"
#include "base/text.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct {
	char *folder;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
	g_autofree char *folder = g_dir_make_tmp("carrack-aws-XXXXXX", NULL);
	g_autofree char *files = g_build_filename(folder, ".aws", NULL);

	g_assert_cmpint(g_mkdir(files, 0700), ==, 0);
	fixture->folder = g_steal_pointer(&folder);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	static const char *const names[] = {".aws/config", ".aws/credentials", "token", ".aws"};

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_build_filename(fixture->folder, names[i], NULL);
		g_remove(path);
	}
	g_rmdir(fixture->folder);
	g_free(fixture->folder);
}

static void
write_file(const Fixture *fixture, const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(fixture->folder, name, NULL);

	g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* A client in eu-west-1 that sees this environment only. */
static AwsClient *
client_in(char **environment, const char *profile)
{
	g_autoptr(GError) error = NULL;
	const AwsOptions options = {.region = "eu-west-1",
	    .profile = profile,
	    .environment = (const char *const *)environment,
	    .attempts = 1};

	AwsClient *client = aws_client_new(&options, NULL, &error);
	g_assert_no_error(error);
	return client;
}

static void
check_keys(AwsClient *client, const char *access_key, const char *token)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AwsCredentials) found = aws_credentials_get(client, NULL, &error);

	g_assert_no_error(error);
	g_assert_cmpstr(found->access_key, ==, access_key);
	g_assert_cmpstr(found->secret_key, ==, "secret/+=");
	g_assert_cmpstr(found->session_token, ==, token);
}

static void
check_no_keys(AwsClient *client, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AwsCredentials) found = aws_credentials_get(client, NULL, &error);

	g_assert_null(found);
	g_assert_nonnull(strstr(error->message, text));
	g_assert_null(strstr(error->message, "secret"));
}

static void
test_environment(Fixture *fixture, gconstpointer data)
{
	write_file(fixture, ".aws/credentials",
	    "[default]\naws_access_key_id=AKFILE\naws_secret_access_key=secret/+=\n");
	g_auto(GStrv) environment = aws_environment(fixture->folder, "AWS_ACCESS_KEY_ID=AKENV",
	    "AWS_SECRET_ACCESS_KEY=secret/+=", "AWS_SESSION_TOKEN=tok", NULL);

	g_autoptr(AwsClient) client = client_in(environment, NULL);
	check_keys(client, "AKENV", "tok");
	g_autoptr(AwsClient) other = client_in(environment, "default");
	check_keys(other, "AKFILE", NULL);
}

static void
test_files(Fixture *fixture, gconstpointer data)
{
	write_file(fixture, ".aws/config",
	    "# mine\n[profile \"two words\"]\nregion = us-gov-west-1 ; far\ns3 =\n  "
	    "region = nested\n"
	    "[services x]\naws_access_key_id = NO\n[profile a]\nAWS_Access_Key_Id=AKOLD\n");
	write_file(fixture, ".aws/credentials",
	    "[a]\naws_access_key_id = AKNEW\naws_secret_access_key = secret/+= # not a part\n");
	g_auto(GStrv) environment = aws_environment(fixture->folder, "AWS_PROFILE=a", NULL);
	g_autoptr(AwsClient) client = client_in(environment, NULL);

	check_keys(client, "AKNEW", NULL);
	g_assert_cmpstr(
	    aws_config_value(client->config, "two words", "region"), ==, "us-gov-west-1");
	g_assert_false(aws_config_has_profile(client->config, "x"));
	g_assert_false(aws_config_has_profile(client->config, "services x"));
}

static void
test_no_profile(Fixture *fixture, gconstpointer data)
{
	g_auto(GStrv) environment = aws_environment(fixture->folder, "AWS_REGION=eu-west-1", NULL);
	const AwsOptions options = {
	    .profile = "none", .environment = (const char *const *)environment};
	g_autoptr(GError) error = NULL;
	g_autoptr(AwsClient) client = aws_client_new(&options, NULL, &error);

	g_assert_null(client);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_true(g_str_has_prefix(error->message, "AWS profile none: "));
}

static void
test_nothing(Fixture *fixture, gconstpointer data)
{
	g_auto(GStrv) environment = aws_environment(fixture->folder, "LANG=C", NULL);
	g_autoptr(AwsClient) client = client_in(environment, NULL);

	check_no_keys(client, "no AWS credentials: set AWS_ACCESS_KEY_ID and ");
}

static void
test_process(Fixture *fixture, gconstpointer data)
{
	write_file(fixture, ".aws/config",
	    "[profile good]\ncredential_process = /bin/echo '{\"Version\": 1, \"AccessKeyId\": "
	    "\"AKPROC\", \"SecretAccessKey\": \"secret/+=\", \"SessionToken\": \"$HOME\"}'\n"
	    "[profile bad]\ncredential_process = /bin/false\n"
	    "[profile none]\ncredential_process = /nonexistent/program\n"
	    "[profile noise]\ncredential_process = /bin/echo secret\n"
	    "[profile open]\ncredential_process = /bin/echo 'secret\n");
	g_auto(GStrv) environment = aws_environment(fixture->folder, "LANG=C", NULL);
	static const char *const bad[][2] = {{"bad", "/bin/false failed"},
	    {"none", "/nonexistent/program"}, {"noise", "no JSON with AccessKeyId"},
	    {"open", "balanced quotes"}};

	g_autoptr(AwsClient) client = client_in(environment, "good");
	check_keys(client, "AKPROC", "$HOME");
	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(AwsClient) other = client_in(environment, bad[i][0]);
		check_no_keys(other, bad[i][1]);
	}
}

/* A document of credentials that expire in `seconds`. */
static char *
document(const char *access_key, int seconds)
{
	g_autofree char *expiration =
	    text_time(g_get_real_time() + (gint64)seconds * G_USEC_PER_SEC);
	g_autofree char *body = g_strdup_printf(
	    "{\"Code\":\"Success\",\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"secret/+=\","
	    "\"Token\":\"tok\",\"Expiration\":\"%s\"}",
	    access_key, expiration);

	return aws_answer("200 OK", "", body);
}

static char **
container_environment(const Fixture *fixture, const AwsServer *server)
{
	g_autofree char *url = g_strconcat(
	    "AWS_CONTAINER_CREDENTIALS_FULL_URI=", aws_server_url(server), "/role?a=b", NULL);
	g_autofree char *file =
	    g_strconcat("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=", fixture->folder, "/token", NULL);

	write_file(fixture, "token", "the-token\n");
	return aws_environment(fixture->folder, url, file, NULL);
}

static void
test_container(Fixture *fixture, gconstpointer data)
{
	g_autofree char *broken = aws_answer("503 Later", "", "");
	g_autofree char *good = document("AKCONT", 3600);
	const char *const answers[] = {broken, good, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);
	g_auto(GStrv) environment = container_environment(fixture, server);
	g_autoptr(AwsClient) client = client_in(environment, NULL);

	check_keys(client, "AKCONT", "tok");
	check_keys(client, "AKCONT", "tok");
	g_assert_cmpuint(aws_server_calls(server), ==, 2);
	const char *request = aws_server_request(server, 1);
	g_autofree char *authorization = aws_request_header(request, "Authorization");
	g_assert_true(g_str_has_prefix(request, "GET /role?a=b HTTP/1.1\r\n"));
	g_assert_cmpstr(authorization, ==, "the-token");
}

static void
test_container_address(Fixture *fixture, gconstpointer data)
{
	g_auto(GStrv) environment = aws_environment(
	    fixture->folder, "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://example.com/role", NULL);
	g_autoptr(AwsClient) client = client_in(environment, NULL);

	check_no_keys(client, "or an http address of this machine");
}

static void
test_refresh(Fixture *fixture, gconstpointer data)
{
	g_autofree char *soon = document("AKSOON", 240);
	g_autofree char *broken = aws_answer("500 Oops", "", "");
	g_autofree char *next = document("AKNEXT", 3600);
	const char *const answers[] = {soon, broken, broken, next, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);
	g_auto(GStrv) environment = container_environment(fixture, server);
	g_autoptr(AwsClient) client = client_in(environment, NULL);

	check_keys(client, "AKSOON", "tok");
	/* Four minutes left: asked for again, in vain, and kept for a while. */
	check_keys(client, "AKSOON", "tok");
	g_assert_cmpuint(aws_server_calls(server), ==, 3);
	check_keys(client, "AKSOON", "tok");
	g_assert_cmpuint(aws_server_calls(server), ==, 3);
	client->refresh_after = 0;
	check_keys(client, "AKNEXT", "tok");
}

static void
test_machine(Fixture *fixture, gconstpointer data)
{
	g_autofree char *token = aws_answer("200 OK", "", "the-token");
	g_autofree char *role = aws_answer("200 OK", "", "a role\n");
	g_autofree char *good = document("AKMACH", 3600);
	const char *const answers[] = {token, role, good, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);
	g_autofree char *address =
	    g_strconcat("AWS_EC2_METADATA_SERVICE_ENDPOINT=", aws_server_url(server), "/", NULL);
	g_auto(GStrv) environment = aws_environment(fixture->folder, address, "LANG=C", NULL);
	g_auto(GStrv) enabled =
	    g_environ_unsetenv(g_steal_pointer(&environment), "AWS_EC2_METADATA_DISABLED");
	g_autoptr(AwsClient) client = client_in(enabled, NULL);

	check_keys(client, "AKMACH", "tok");
	g_assert_true(
	    g_str_has_prefix(aws_server_request(server, 0), "PUT /latest/api/token HTTP/1.1\r\n"));
	g_assert_true(g_str_has_prefix(aws_server_request(server, 2),
	    "GET /latest/meta-data/iam/security-credentials/a%20role HTTP/1.1\r\n"));
	g_autofree char *sent =
	    aws_request_header(aws_server_request(server, 2), "X-aws-ec2-metadata-token");
	g_assert_cmpstr(sent, ==, "the-token");
}

static void
test_machine_region(Fixture *fixture, gconstpointer data)
{
	g_autofree char *token = aws_answer("200 OK", "", "the-token");
	g_autofree char *region = aws_answer("200 OK", "", "cn-north-1");
	const char *const answers[] = {token, region, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);
	g_autofree char *address =
	    g_strconcat("AWS_EC2_METADATA_SERVICE_ENDPOINT=", aws_server_url(server), NULL);
	g_auto(GStrv) environment = aws_environment(fixture->folder, address, NULL);
	g_auto(GStrv) enabled =
	    g_environ_unsetenv(g_steal_pointer(&environment), "AWS_EC2_METADATA_DISABLED");
	const AwsOptions options = {.environment = (const char *const *)enabled};
	g_autoptr(GError) error = NULL;
	g_autoptr(AwsClient) client = aws_client_new(&options, NULL, &error);

	g_assert_no_error(error);
	g_assert_cmpstr(aws_client_region(client), ==, "cn-north-1");
	g_assert_cmpstr(aws_client_partition(client), ==, "aws-cn");
}

static char *
role_answer(const char *access_key)
{
	g_autofree char *body = g_strdup_printf(
	    "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>%s</AccessKeyId>"
	    "<SecretAccessKey>secret/+=</SecretAccessKey><SessionToken>tok</SessionToken>"
	    "<Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>"
	    "</AssumeRoleResponse>",
	    access_key);

	return aws_answer("200 OK", "", body);
}

static void
test_role(Fixture *fixture, gconstpointer data)
{
	g_autofree char *middle = role_answer("AKMIDDLE");
	g_autofree char *last = role_answer("AKROLE");
	const char *const answers[] = {middle, last, NULL};
	g_autoptr(AwsServer) server = aws_server_new(answers);
	write_file(fixture, ".aws/config",
	    "[profile base]\naws_access_key_id=AKBASE\naws_secret_access_key=secret/+=\n"
	    "[profile middle]\nrole_arn=arn:middle\nsource_profile=base\n"
	    "[profile last]\nrole_arn=arn:last\nsource_profile=middle\nexternal_id=x y\n"
	    "duration_seconds=900\nrole_session_name=me\n");
	g_autofree char *url =
	    g_strconcat("AWS_ENDPOINT_URL_STS=", aws_server_url(server), "/", NULL);
	g_auto(GStrv) environment = aws_environment(fixture->folder, url, NULL);
	g_autoptr(AwsClient) client = client_in(environment, "last");

	check_keys(client, "AKROLE", "tok");
	const char *first = aws_server_request(server, 0), *second = aws_server_request(server, 1);
	g_assert_nonnull(strstr(first, "Credential=AKBASE/"));
	g_assert_nonnull(strstr(first, "&RoleArn=arn%3Amiddle&RoleSessionName=carrack"));
	g_assert_nonnull(strstr(second, "Credential=AKMIDDLE/"));
	g_assert_nonnull(strstr(
	    second, "&RoleArn=arn%3Alast&RoleSessionName=me&ExternalId=x%20y&DurationSeconds=900"));
}

static void
test_bad_profiles(Fixture *fixture, gconstpointer data)
{
	static const char *const bad[][2] = {{"round", "leads on over more than 5 profiles"},
	    {"alone", "needs a source_profile"}, {"code", "mfa_serial"}, {"sso", "by SSO"},
	    {"odd", "credential_source is "}, {"empty", "there are no credentials in it"},
	    {"long", "duration_seconds"}};
	g_auto(GStrv) environment = aws_environment(fixture->folder, "LANG=C", NULL);

	write_file(fixture, ".aws/config",
	    "[profile round]\nrole_arn=r\nsource_profile=round2\n"
	    "[profile round2]\nrole_arn=r\nsource_profile=round\n"
	    "[profile alone]\nrole_arn=r\n[profile code]\nrole_arn=r\nmfa_serial=m\n"
	    "[profile sso]\nsso_session=s\n[profile empty]\nregion=x\n"
	    "[profile odd]\nrole_arn=r\ncredential_source=Sky\n"
	    "[profile long]\nrole_arn=r\nsource_profile=empty\nduration_seconds=99999\n");
	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(AwsClient) client = client_in(environment, bad[i][0]);
		check_no_keys(client, bad[i][1]);
	}
}

static void
check_place(AwsClient *client, AwsServiceIndex service, const char *bucket, const char *expected)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AwsPlace) place = aws_place_of(client, &aws_services[service], bucket, &error);
	g_assert_no_error(error);

	g_autofree char *text =
	    g_strdup_printf("%s%s %s", place->base_url, place->prefix, place->region);
	g_assert_cmpstr(text, ==, expected);
}

static void
test_endpoints(Fixture *fixture, gconstpointer data)
{
	g_auto(GStrv) environment = aws_environment(fixture->folder, "LANG=C", NULL);
	g_autoptr(AwsClient) client = client_in(environment, NULL);

	check_place(client, AWS_ECR, NULL, "https://api.ecr.eu-west-1.amazonaws.com eu-west-1");
	check_place(client, AWS_IAM, NULL, "https://iam.amazonaws.com us-east-1");
	check_place(client, AWS_S3, "b-1", "https://b-1.s3.eu-west-1.amazonaws.com eu-west-1");
	check_place(client, AWS_S3, "b.1", "https://s3.eu-west-1.amazonaws.com/b.1 eu-west-1");

	g_auto(GStrv) set =
	    aws_environment(fixture->folder, "AWS_ENDPOINT_URL=http://LocalHost:80/x/",
		"AWS_ENDPOINT_URL_ECS=https://[::1]:8443", NULL);
	g_autoptr(AwsClient) other = client_in(set, NULL);
	check_place(other, AWS_ECS, NULL, "https://[::1]:8443 eu-west-1");
	check_place(other, AWS_S3, "b", "http://localhost/x/b eu-west-1");

	g_auto(GStrv) ignored = g_environ_setenv(
	    g_steal_pointer(&set), "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", TRUE);
	g_autoptr(AwsClient) last = client_in(ignored, NULL);
	check_place(last, AWS_ECS, NULL, "https://ecs.eu-west-1.amazonaws.com eu-west-1");
}

static void
test_bad_settings(Fixture *fixture, gconstpointer data)
{
	static const char *const bad[][2] = {
	    {"AWS_REGION=EU west", "AWS region \"EU west\": the form is eu-west-1"},
	    {"AWS_MAX_ATTEMPTS=0", "AWS_MAX_ATTEMPTS"}};

	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_auto(GStrv) environment = aws_environment(
		    fixture->folder, bad[i][0], "AWS_DEFAULT_REGION=eu-west-1", NULL);
		const AwsOptions options = {.environment = (const char *const *)environment};
		g_autoptr(GError) error = NULL;
		g_autoptr(AwsClient) client = aws_client_new(&options, NULL, &error);
		g_assert_null(client);
		g_assert_nonnull(strstr(error->message, bad[i][1]));
	}

	g_auto(GStrv) environment =
	    aws_environment(fixture->folder, "AWS_ENDPOINT_URL=http://user:secret@host", NULL);
	g_autoptr(AwsClient) client = client_in(environment, NULL);
	g_autoptr(GError) error = NULL;
	g_autoptr(AwsPlace) place = aws_place_of(client, &aws_services[AWS_ECS], NULL, &error);
	g_assert_null(place);
	g_assert_null(strstr(error->message, "secret"));
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(Fixture *fixture, gconstpointer data);
	} tests[] = {
	    {"/credentials/the-environment-goes-before-files-but-not-a-given-profile",
		test_environment},
	    {"/credentials/files-are-read-in-their-dialect", test_files},
	    {"/credentials/a-missing-profile-is-named", test_no_profile},
	    {"/credentials/none-at-all-says-what-to-set", test_nothing},
	    {"/credentials/a-program-is-run-without-a-shell", test_process},
	    {"/credentials/the-container's-are-fetched-with-its-token", test_container},
	    {"/credentials/a-token-never-goes-to-a-foreign-http-address", test_container_address},
	    {"/credentials/they-are-refreshed-five-minutes-before-they-expire", test_refresh},
	    {"/credentials/the-machine's-role-needs-a-token", test_machine},
	    {"/credentials/the-region-is-the-machine's-at-last", test_machine_region},
	    {"/credentials/roles-are-assumed-along-their-sources", test_role},
	    {"/credentials/profiles-that-lead-nowhere-say-so", test_bad_profiles},
	    {"/client/endpoints-follow-partition-bucket-and-settings", test_endpoints},
	    {"/client/bad-settings-are-refused", test_bad_settings},
	};

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].run, tear_down);
	return g_test_run();
}
