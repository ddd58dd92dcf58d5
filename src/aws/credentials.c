/*
 * Which credentials count, in the order of AWS's own tools: those given by the caller, the
 * environment's, the profile's (by role, keys or program), the container's, the machine's. They are
 * kept until five minutes before they expire. A refresh that fails is no error while the old ones
 * are still good.
 */
#include "aws/credentials.h"

#include "base/text.h"

#include <string.h>

#define REFRESH_BEFORE (5 * 60 * G_USEC_PER_SEC)
#define REFRESH_PAUSE (30 * G_USEC_PER_SEC)
#define ROLE_CHAIN 5 /* profiles that lead to one another */

AwsCredentials *
aws_credentials_new(const char *access_key, const char *secret_key, const char *session_token)
{
	AwsCredentials *credentials = g_new0(AwsCredentials, 1);

	credentials->access_key = g_strdup(access_key);
	credentials->secret_key = g_strdup(secret_key);
	credentials->session_token =
	    session_token && *session_token ? g_strdup(session_token) : NULL;
	return credentials;
}

AwsCredentials *
aws_credentials_copy(const AwsCredentials *credentials)
{
	AwsCredentials *copy = aws_credentials_new(
	    credentials->access_key, credentials->secret_key, credentials->session_token);

	copy->expires = credentials->expires;
	return copy;
}

bool
aws_credentials_equal(const AwsCredentials *one, const AwsCredentials *other)
{
	return g_str_equal(one->access_key, other->access_key) &&
	       g_str_equal(one->secret_key, other->secret_key) &&
	       g_strcmp0(one->session_token, other->session_token) == 0;
}

static void
forget(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	g_free(secret);
}

void
aws_credentials_free(AwsCredentials *credentials)
{
	if (!credentials)
		return;

	g_free(credentials->access_key);
	forget(credentials->secret_key);
	forget(credentials->session_token);
	g_free(credentials);
}

/* AssumeRole by a client of its own, which has `base` for its keys. */
static AwsCredentials *
assume_role(const AwsClient *client,
    const AwsCredentials *base,
    const json_t *input,
    GCancellable *cancel,
    GError **error)
{
	const AwsOptions options = {
	    .region = client->region,
	    .endpoint = client->endpoint,
	    .access_key = base->access_key,
	    .secret_key = base->secret_key,
	    .session_token = base->session_token,
	    .ca_file = client->ca_file,
	    .environment = (const char *const *)aws_config_environment(client->config),
	    .timeout_ms = client->timeout_ms,
	    .deadline_ms = client->deadline_ms,
	};
	g_autoptr(AwsClient) caller = aws_client_new(&options, cancel, error);
	if (!caller)
		return NULL;
	json_auto_t *answer =
	    aws_query(caller, &aws_services[AWS_STS], "AssumeRole", input, cancel, error);
	if (!answer)
		return NULL;

	const char *access_key, *secret_key, *token, *expiration;
	gint64 expires;
	if (!json_read(answer, "aws sts AssumeRole", error, "{s:{s:s, s:s, s:s, s:s}}",
		"Credentials", "AccessKeyId", &access_key, "SecretAccessKey", &secret_key,
		"SessionToken", &token, "Expiration", &expiration) ||
	    !text_parse_time(expiration, &expires, error))
		return NULL;
	AwsCredentials *credentials = aws_credentials_new(access_key, secret_key, token);
	credentials->expires = expires;
	return credentials;
}

static AwsCredentials *
of_environment(const AwsConfig *config)
{
	const char *access_key = aws_config_variable(config, "AWS_ACCESS_KEY_ID");
	const char *secret_key = aws_config_variable(config, "AWS_SECRET_ACCESS_KEY");
	const char *token = aws_config_variable(config, "AWS_SESSION_TOKEN");

	if (!access_key || !secret_key)
		return NULL;
	return aws_credentials_new(access_key, secret_key, token);
}

static AwsCredentials *
keys_of_profile(const AwsConfig *config, const char *profile)
{
	const char *access_key = aws_config_value(config, profile, "aws_access_key_id");
	const char *secret_key = aws_config_value(config, profile, "aws_secret_access_key");
	const char *token = aws_config_value(config, profile, "aws_session_token");

	if (!access_key || !secret_key)
		return NULL;
	return aws_credentials_new(access_key, secret_key, token);
}

static AwsCredentials *
of_source(const AwsClient *client,
    const char *profile,
    const char *source,
    GCancellable *cancel,
    GError **error)
{
	if (g_str_equal(source, "Ec2InstanceMetadata"))
		return aws_credentials_of_machine(client->config, cancel, error);
	if (g_str_equal(source, "EcsContainer"))
		return aws_credentials_of_container(client->config, cancel, error);

	bool known = g_str_equal(source, "Environment");
	AwsCredentials *credentials = known ? of_environment(client->config) : NULL;
	if (!known)
		error_set(error, CARRACK_ERROR_INVALID,
		    "profile %s: credential_source is Environment, Ec2InstanceMetadata or "
		    "EcsContainer",
		    profile);
	else if (!credentials)
		error_set(error, CARRACK_ERROR_INVALID,
		    "profile %s: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set", profile);
	return credentials;
}

static AwsCredentials *
of_profile(const AwsClient *client,
    const char *profile,
    unsigned depth,
    GCancellable *cancel,
    GError **error);

/* What a role of a profile is assumed with. */
static AwsCredentials *
base_of_role(const AwsClient *client,
    const char *profile,
    unsigned depth,
    GCancellable *cancel,
    GError **error)
{
	const char *next = aws_config_value(client->config, profile, "source_profile");
	const char *source = aws_config_value(client->config, profile, "credential_source");

	if (source)
		return of_source(client, profile, source, cancel, error);
	if (!next) {
		error_set(error, CARRACK_ERROR_INVALID,
		    "profile %s: role_arn needs a source_profile or a credential_source", profile);
		return NULL;
	}

	AwsCredentials *own =
	    g_str_equal(next, profile) ? keys_of_profile(client->config, profile) : NULL;
	if (own)
		return own;
	if (depth >= ROLE_CHAIN) {
		error_set(error, CARRACK_ERROR_INVALID,
		    "profile %s: source_profile leads on over more than %d profiles", profile,
		    ROLE_CHAIN);
		return NULL;
	}
	return of_profile(client, next, depth + 1, cancel, error);
}

static json_t *
role_input(const AwsConfig *config, const char *profile, const char *role_arn, GError **error)
{
	const char *name = aws_config_value(config, profile, "role_session_name");
	const char *external_id = aws_config_value(config, profile, "external_id");
	const char *seconds = aws_config_value(config, profile, "duration_seconds");
	gint64 duration = 0;

	if (aws_config_value(config, profile, "mfa_serial")) {
		error_set(error, CARRACK_ERROR_INVALID,
		    "profile %s: a role that asks for a code (mfa_serial) cannot be used; set "
		    "credential_process, or AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN",
		    profile);
		return NULL;
	}
	if (seconds && !text_parse_int(seconds, "duration_seconds", 900, 43200, &duration, error))
		return NULL;

	json_t *input = json_pack("{s:s, s:s, s:s*}", "RoleArn", role_arn, "RoleSessionName",
	    name ? name : "carrack", "ExternalId", external_id);
	if (duration > 0)
		json_object_set_new(input, "DurationSeconds", json_integer(duration));
	return input;
}

static AwsCredentials *
of_profile(const AwsClient *client,
    const char *profile,
    unsigned depth,
    GCancellable *cancel,
    GError **error)
{
	const AwsConfig *config = client->config;
	const char *role_arn = aws_config_value(config, profile, "role_arn");
	const char *command = aws_config_value(config, profile, "credential_process");

	if (role_arn) {
		json_auto_t *input = role_input(config, profile, role_arn, error);
		g_autoptr(AwsCredentials) base =
		    input ? base_of_role(client, profile, depth, cancel, error) : NULL;
		return base ? assume_role(client, base, input, cancel, error) : NULL;
	}

	AwsCredentials *keys = keys_of_profile(config, profile);
	if (keys)
		return keys;
	if (command)
		return aws_credentials_of_process(config, profile, command, cancel, error);

	bool by_browser = aws_config_value(config, profile, "sso_session") ||
			  aws_config_value(config, profile, "sso_start_url");
	error_set(error, CARRACK_ERROR_INVALID, "profile %s: %s", profile,
	    by_browser ? "signing in by SSO is not done here; set credential_process to «aws "
			 "configure export-credentials --profile …»"
		       : "there are no credentials in it (aws_access_key_id, role_arn or "
			 "credential_process)");
	return NULL;
}

static bool
profile_has_credentials(const AwsClient *client)
{
	static const char *const keys[] = {
	    "role_arn", "aws_access_key_id", "credential_process", "sso_session", "sso_start_url"};
	bool has = false;

	for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
		has = has || aws_config_value(client->config, client->profile, keys[i]);
	return has;
}

/* Before the role of AwsOptions, if any. */
static AwsCredentials *
find_base(const AwsClient *client, GCancellable *cancel, GError **error)
{
	if (client->given)
		return aws_credentials_copy(client->given);

	AwsCredentials *credentials =
	    client->profile_is_given ? NULL : of_environment(client->config);
	if (credentials)
		return credentials;
	if (client->profile_is_given || profile_has_credentials(client))
		return of_profile(client, client->profile, 0, cancel, error);
	if (aws_has_container(client->config))
		return aws_credentials_of_container(client->config, cancel, error);

	credentials = aws_credentials_of_machine(client->config, cancel, error);
	if (!credentials)
		g_prefix_error(error,
		    "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
		    "AWS_PROFILE; this machine has no role either: ");
	return credentials;
}

static AwsCredentials *
find(AwsClient *client, GCancellable *cancel, GError **error)
{
	g_autoptr(AwsCredentials) base = find_base(client, cancel, error);
	if (!base || !client->role_arn)
		return g_steal_pointer(&base);

	json_auto_t *input =
	    json_pack("{s:s, s:s}", "RoleArn", client->role_arn, "RoleSessionName", "carrack");
	return assume_role(client, base, input, cancel, error);
}

AwsCredentials *
aws_credentials_get(AwsClient *client, GCancellable *cancel, GError **error)
{
	LOCKED(&client->credentials_lock);
	const AwsCredentials *known = client->credentials;
	gint64 now = aws_client_time(client);
	bool is_fresh = known && (known->expires == 0 || now < known->expires - REFRESH_BEFORE ||
				     (now < client->refresh_after && now < known->expires));
	if (is_fresh)
		return aws_credentials_copy(known);

	g_autoptr(GError) problem = NULL;
	AwsCredentials *found = find(client, cancel, &problem);
	if (!found && known && now < known->expires) {
		client->refresh_after = now + REFRESH_PAUSE;
		return aws_credentials_copy(known);
	}
	if (!found) {
		g_propagate_error(error, g_steal_pointer(&problem));
		return NULL;
	}

	aws_credentials_free(client->credentials);
	client->credentials = found;
	return aws_credentials_copy(found);
}

bool
aws_credentials_reload(
    AwsClient *client, const AwsCredentials *used, GCancellable *cancel, GError **error)
{
	LOCKED(&client->credentials_lock);
	bool changed = client->credentials && !aws_credentials_equal(client->credentials, used);
	if (changed)
		return true;

	if (!aws_config_reload(client->config, error))
		return false;
	AwsCredentials *found = find(client, cancel, error);
	if (!found)
		return false;

	aws_credentials_free(client->credentials);
	client->credentials = found;
	return !aws_credentials_equal(found, used);
}
