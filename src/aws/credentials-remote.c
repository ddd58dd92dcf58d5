/*
 * Credentials that a program or an address of this machine hands out. The addresses are asked
 * without a proxy and with short timeouts: off EC2 nobody answers there.
 *
 * Nothing that they say goes into an error text, as it may be half of a secret.
 */
#include "aws/credentials.h"

#include "base/text.h"
#include "base/wait.h"

#include <gio/gunixinputstream.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define PROCESS_MS 60000
#define ANSWER_BYTES (64 * 1024)
#define CONNECT_MS 1000
#define ANSWER_MS 5000
#define TRIES 2
#define MACHINE_ADDRESS "http://169.254.169.254"
#define CONTAINER_ADDRESS "http://169.254.170.2"
#define TOKEN_SECONDS "21600"

/* The form that all three use, with two names for the token. */
static AwsCredentials *
read_document(const char *text, gsize length, const char *what, GError **error)
{
	g_autoptr(GError) problem = NULL;
	json_auto_t *document = json_parse(text, length, what, &problem);
	const char *access_key = json_text_of(document, "AccessKeyId", NULL);
	const char *secret_key = json_text_of(document, "SecretAccessKey", NULL);
	const char *token = json_text_of(document, "Token", NULL);
	const char *expiration = json_text_of(document, "Expiration", NULL);
	gint64 expires = 0;

	if (!token)
		token = json_text_of(document, "SessionToken", NULL);
	if (!access_key || !secret_key) {
		error_set(error, CARRACK_ERROR_UPSTREAM,
		    "%s: the answer is no JSON with AccessKeyId and SecretAccessKey", what);
		return NULL;
	}
	if (expiration && !text_parse_time(expiration, &expires, error)) {
		g_prefix_error(error, "%s: Expiration: ", what);
		return NULL;
	}

	AwsCredentials *credentials = aws_credentials_new(access_key, secret_key, token);
	credentials->expires = expires;
	return credentials;
}

static GSubprocess *
start(const AwsConfig *config, const char *const *arguments, GError **error)
{
	g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(
	    G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);

	g_subprocess_launcher_set_environ(launcher, aws_config_environment(config));
	return g_subprocess_launcher_spawnv(launcher, arguments, error);
}

/* Everything that the process prints, until it closes its output. */
static bool
read_output(GSubprocess *process, GString *output, GCancellable *cancel, GError **error)
{
	int fd =
	    g_unix_input_stream_get_fd(G_UNIX_INPUT_STREAM(g_subprocess_get_stdout_pipe(process)));
	gint64 deadline = g_get_monotonic_time() + PROCESS_MS * G_TIME_SPAN_MILLISECOND;
	char buffer[4096];
	gssize count = 1;

	while (count > 0) {
		if (wait_fd(fd, POLLIN, wait_left(deadline), cancel, error) < 0)
			return false;
		if (wait_left(deadline) == 0)
			return error_set(error, CARRACK_ERROR_UNAVAILABLE,
			    "it said nothing within %d s", PROCESS_MS / 1000);
		count = read(fd, buffer, sizeof buffer);
		if (count > 0)
			g_string_append_len(output, buffer, count);
		if (output->len > ANSWER_BYTES)
			return error_set(error, CARRACK_ERROR_TOO_LARGE,
			    "it prints more than %d bytes", ANSWER_BYTES);
	}
	return true;
}

static AwsCredentials *
run_process(
    const AwsConfig *config, const char *const *arguments, GCancellable *cancel, GError **error)
{
	g_autoptr(GString) output = g_string_new(NULL);
	g_autoptr(GError) problem = NULL;
	g_autoptr(GSubprocess) process = start(config, arguments, &problem);
	if (!process) {
		error_set(error, CARRACK_ERROR_INVALID, "%s", problem->message);
		return NULL;
	}
	if (!read_output(process, output, cancel, error)) {
		g_subprocess_force_exit(process);
		g_subprocess_wait(process, NULL, NULL);
		return NULL;
	}

	g_subprocess_wait(process, NULL, NULL);
	AwsCredentials *credentials = NULL;
	if (!g_subprocess_get_successful(process))
		error_set(error, CARRACK_ERROR_UPSTREAM, "%s failed", arguments[0]);
	else
		credentials = read_document(output->str, output->len, arguments[0], error);
	explicit_bzero(output->str, output->len);
	return credentials;
}

AwsCredentials *
aws_credentials_of_process(const AwsConfig *config,
    const char *profile,
    const char *command,
    GCancellable *cancel,
    GError **error)
{
	g_auto(GStrv) arguments = NULL;
	AwsCredentials *credentials = NULL;

	/* Quotes and blanks as in a shell, but nothing of one runs. */
	if (g_shell_parse_argv(command, NULL, &arguments, NULL))
		credentials = run_process(config, (const char *const *)arguments, cancel, error);
	else
		error_set(error, CARRACK_ERROR_INVALID,
		    "the command is not of the form «PROGRAM ARGUMENT…» with balanced quotes");
	if (!credentials)
		g_prefix_error(error, "profile %s: credential_process: ", profile);
	return credentials;
}

static HttpClient *
connect_to(const char *base_url)
{
	const HttpOptions options = {
	    .base_url = base_url,
	    .user_agent = "carrack/" CARRACK_VERSION,
	    .connect_timeout_ms = CONNECT_MS,
	};

	return http_client_new(&options);
}

/* A 200 of `client`, asked again once; NULL otherwise. `header` may be NULL. */
static HttpAnswer *
ask(HttpClient *client,
    const char *method,
    const char *path,
    const char *header,
    GCancellable *cancel,
    GError **error)
{
	const char *const headers[] = {header, NULL};
	const HttpRequest request = {
	    .method = method,
	    .path = path,
	    .headers = headers,
	    .max_answer = ANSWER_BYTES,
	    .timeout_ms = ANSWER_MS,
	};
	g_autoptr(HttpAnswer) answer = NULL;

	for (unsigned tries = 1; tries <= TRIES; tries++) {
		g_clear_pointer(&answer, http_answer_free);
		g_clear_error(error);
		answer = http_call(client, &request, cancel, error);
		bool again = answer ? answer->status >= 500 : !g_cancellable_is_cancelled(cancel);
		if (!again)
			break;
	}
	if (answer && answer->status == 200)
		return g_steal_pointer(&answer);

	if (answer)
		error_set(error, error_from_status(answer->status), "it answers with status %u",
		    answer->status);
	return NULL;
}

bool
aws_has_container(const AwsConfig *config)
{
	return aws_config_variable(config, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") ||
	       aws_config_variable(config, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
}

/* The token goes out in clear, so http is for this machine only. */
static bool
split_full_url(const char *url, char **base_url, char **path, GError **error)
{
	static const char *const own_hosts[] = {"localhost", "127.0.0.1", "::1", "169.254.170.2",
	    "169.254.170.23", "fd00:ec2::23", NULL};
	g_autoptr(GUri) uri =
	    g_uri_parse(url, G_URI_FLAGS_ENCODED_PATH | G_URI_FLAGS_ENCODED_QUERY, NULL);
	const char *scheme = uri ? g_uri_get_scheme(uri) : "";
	const char *host = uri && g_uri_get_host(uri) ? g_uri_get_host(uri) : "";
	bool is_own = g_str_equal(scheme, "http") && g_strv_contains(own_hosts, host);
	if (!is_own && !g_str_equal(scheme, "https"))
		return error_set(error, CARRACK_ERROR_INVALID,
		    "AWS_CONTAINER_CREDENTIALS_FULL_URI is an https address, or an http address "
		    "of this machine");

	bool is_v6 = strchr(host, ':') != NULL;
	int port = g_uri_get_port(uri);
	g_autofree char *suffix = port > 0 ? g_strdup_printf(":%d", port) : g_strdup("");
	const char *query = g_uri_get_query(uri);
	*base_url = g_strdup_printf(is_v6 ? "%s://[%s]%s" : "%s://%s%s", scheme, host, suffix);
	*path = g_strconcat(g_uri_get_path(uri), query ? "?" : NULL, query, NULL);
	return true;
}

/* «Authorization: …», or NULL without an error if none is needed. */
static bool
container_authorization(const AwsConfig *config, char **header, GError **error)
{
	const char *file = aws_config_variable(config, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *variable = aws_config_variable(config, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
	g_autofree char *token = NULL;
	g_autoptr(GError) problem = NULL;

	/* Read at each turn: the platform replaces the file before the token expires. */
	if (file && !g_file_get_contents(file, &token, NULL, &problem))
		return error_set(error, CARRACK_ERROR_INVALID,
		    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: %s", problem->message);
	if (!file)
		token = g_strdup(variable);
	if (token && strpbrk(g_strstrip(token), "\r\n"))
		return error_set(error, CARRACK_ERROR_INVALID,
		    "the authorization token of the container is more than one line");
	if (token)
		*header = g_strconcat("Authorization: ", token, NULL);
	return true;
}

AwsCredentials *
aws_credentials_of_container(const AwsConfig *config, GCancellable *cancel, GError **error)
{
	const char *relative =
	    aws_config_variable(config, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = aws_config_variable(config, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
	g_autofree char *base_url = g_strdup(CONTAINER_ADDRESS);
	g_autofree char *path = g_strdup(relative);
	g_autofree char *header = NULL;

	if (!relative && !full) {
		error_set(error, CARRACK_ERROR_INVALID,
		    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not set");
		return NULL;
	}
	if (!relative) {
		g_clear_pointer(&base_url, g_free);
		if (!split_full_url(full, &base_url, &path, error) ||
		    !container_authorization(config, &header, error))
			return NULL;
	}

	g_autoptr(HttpClient) client = connect_to(base_url);
	g_autoptr(HttpAnswer) answer = ask(client, "GET", path, header, cancel, error);
	AwsCredentials *credentials =
	    answer ? read_document(answer->body, answer->length, base_url, error) : NULL;
	if (!credentials)
		g_prefix_error(error, "the container's AWS credentials: ");
	return credentials;
}

/* One document of the machine's metadata, with a token of this turn (IMDSv2 only). */
static HttpAnswer *
ask_machine(
    HttpClient *client, char **token, const char *path, GCancellable *cancel, GError **error)
{
	if (!*token) {
		g_autoptr(HttpAnswer) answer = ask(client, "PUT", "/latest/api/token",
		    "X-aws-ec2-metadata-token-ttl-seconds: " TOKEN_SECONDS, cancel, error);
		if (!answer)
			return NULL;
		*token = g_strconcat("X-aws-ec2-metadata-token: ", g_strstrip(answer->body), NULL);
	}
	return ask(client, "GET", path, *token, cancel, error);
}

/* NULL with an error where the metadata are turned off. */
static HttpClient *
connect_to_machine(const AwsConfig *config, GError **error)
{
	const char *address = aws_config_variable(config, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *disabled = aws_config_variable(config, "AWS_EC2_METADATA_DISABLED");

	if (disabled && g_ascii_strcasecmp(disabled, "true") == 0) {
		error_set(error, CARRACK_ERROR_INVALID, "AWS_EC2_METADATA_DISABLED is set");
		return NULL;
	}
	g_autofree char *base_url = g_strdup(address ? address : MACHINE_ADDRESS);
	if (g_str_has_suffix(base_url, "/"))
		base_url[strlen(base_url) - 1] = '\0';
	return connect_to(base_url);
}

AwsCredentials *
aws_credentials_of_machine(const AwsConfig *config, GCancellable *cancel, GError **error)
{
	static const char folder[] = "/latest/meta-data/iam/security-credentials/";
	g_autoptr(HttpClient) client = connect_to_machine(config, error);
	g_autofree char *token = NULL;
	g_autoptr(HttpAnswer) role =
	    client ? ask_machine(client, &token, folder, cancel, error) : NULL;
	if (!role)
		return NULL;

	g_auto(GStrv) names = g_strsplit(g_strstrip(role->body), "\n", 2);
	g_autofree char *name = http_escape(names[0] ? names[0] : "");
	g_autofree char *path = g_strconcat(folder, name, NULL);
	g_autoptr(HttpAnswer) answer = ask_machine(client, &token, path, cancel, error);
	if (!answer)
		return NULL;
	return read_document(answer->body, answer->length, "the machine's role", error);
}

char *
aws_region_of_machine(const AwsConfig *config, GCancellable *cancel, GError **error)
{
	g_autoptr(HttpClient) client = connect_to_machine(config, error);
	g_autofree char *token = NULL;
	g_autoptr(HttpAnswer) answer =
	    client
		? ask_machine(client, &token, "/latest/meta-data/placement/region", cancel, error)
		: NULL;

	return answer ? g_strdup(g_strstrip(answer->body)) : NULL;
}
