/*
 * A client's settings and what it keeps between calls: connections by host, the server's clock, the
 * account. How a call is made is in call.c.
 */
#include "aws/credentials.h"

#include "base/text.h"

#include <string.h>

#define ATTEMPTS 8
#define TIMEOUT_MS 30000
#define DEADLINE_MS 120000

/* The region becomes part of host names. */
static bool
check_region(const char *region, GError **error)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	bool good = *region && strlen(region) <= 32 && strspn(region, allowed) == strlen(region);

	return good || error_set(error, CARRACK_ERROR_INVALID,
			   "AWS region \"%.40s\": the form is eu-west-1", region);
}

static bool
settle_region(AwsClient *client, const char *wanted, GCancellable *cancel, GError **error)
{
	const char *const places[] = {
	    wanted,
	    aws_config_variable(client->config, "AWS_REGION"),
	    aws_config_variable(client->config, "AWS_DEFAULT_REGION"),
	    aws_config_value(client->config, client->profile, "region"),
	};

	for (gsize i = 0; i < G_N_ELEMENTS(places) && !client->region; i++)
		client->region = g_strdup(places[i]);
	if (!client->region)
		client->region = aws_region_of_machine(client->config, cancel, NULL);
	if (error_cancelled(cancel, error))
		return false;
	if (!client->region)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "no AWS region: set AWS_REGION, or region in profile %s", client->profile);

	client->partition = aws_partition_of(client->region);
	return check_region(client->region, error);
}

static bool
settle_profile(AwsClient *client, const char *wanted, GError **error)
{
	const AwsConfig *config = client->config;
	const char *named = wanted ? wanted : aws_config_variable(config, "AWS_PROFILE");
	if (!named)
		named = aws_config_variable(config, "AWS_DEFAULT_PROFILE");

	client->profile = g_strdup(named ? named : "default");
	client->profile_is_given = wanted != NULL;
	client->profile_endpoint =
	    g_strdup(aws_config_value(config, client->profile, "endpoint_url"));
	return !named || aws_config_has_profile(config, named) ||
	       error_set(error, CARRACK_ERROR_INVALID,
		   "AWS profile %s: there is no such profile in ~/.aws/config and "
		   "~/.aws/credentials",
		   named);
}

static bool
settle_attempts(AwsClient *client, unsigned wanted, GError **error)
{
	const char *text = aws_config_variable(client->config, "AWS_MAX_ATTEMPTS");
	gint64 attempts = ATTEMPTS;

	if (wanted == 0 && text &&
	    !text_parse_int(text, "AWS_MAX_ATTEMPTS", 1, 50, &attempts, error))
		return false;
	client->attempts = wanted > 0 ? wanted : (unsigned)attempts;
	return true;
}

static void
copy_options(AwsClient *client, const AwsOptions *options)
{
	const char *bundle = aws_config_variable(client->config, "AWS_CA_BUNDLE");

	client->endpoint = g_strdup(options->endpoint);
	client->role_arn = g_strdup(options->role_arn);
	client->ca_file = g_strdup(options->ca_file ? options->ca_file : bundle);
	client->user_agent =
	    g_strdup(options->user_agent ? options->user_agent : "carrack/" CARRACK_VERSION);
	client->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS;
	client->deadline_ms = options->deadline_ms > 0 ? options->deadline_ms : DEADLINE_MS;
	if (options->access_key && options->secret_key)
		client->given = aws_credentials_new(
		    options->access_key, options->secret_key, options->session_token);
}

AwsClient *
aws_client_new(const AwsOptions *options, GCancellable *cancel, GError **error)
{
	const AwsOptions none = {0};
	g_autoptr(AwsClient) client = g_new0(AwsClient, 1);

	if (!options)
		options = &none;
	pthread_mutex_init(&client->lock, NULL);
	pthread_mutex_init(&client->credentials_lock, NULL);
	client->hosts = g_hash_table_new_full(
	    g_str_hash, g_str_equal, g_free, (GDestroyNotify)http_client_free);
	client->config = aws_config_new(options->environment, error);
	if (!client->config)
		return NULL;

	copy_options(client, options);
	/* Who brings keys does not depend on what a profile in the environment is called. */
	bool needs_profile = !client->given;
	if ((!settle_profile(client, options->profile, needs_profile ? error : NULL) &&
		needs_profile) ||
	    !settle_region(client, options->region, cancel, error) ||
	    !settle_attempts(client, options->attempts, error))
		return NULL;
	return g_steal_pointer(&client);
}

void
aws_client_free(AwsClient *client)
{
	if (!client)
		return;

	g_hash_table_unref(client->hosts);
	aws_credentials_free(client->credentials);
	aws_credentials_free(client->given);
	aws_config_free(client->config);
	pthread_mutex_destroy(&client->credentials_lock);
	pthread_mutex_destroy(&client->lock);
	g_free(client->account);
	g_free(client->region);
	g_free(client->profile);
	g_free(client->endpoint);
	g_free(client->profile_endpoint);
	g_free(client->role_arn);
	g_free(client->ca_file);
	g_free(client->user_agent);
	g_free(client);
}

const char *
aws_client_region(const AwsClient *client)
{
	return client->region;
}

const char *
aws_client_partition(const AwsClient *client)
{
	return client->partition->name;
}

const char *
aws_client_dns_suffix(const AwsClient *client)
{
	return client->partition->dns_suffix;
}

char *
aws_client_account(AwsClient *client, GCancellable *cancel, GError **error)
{
	{
		LOCKED(&client->lock);
		if (client->account)
			return g_strdup(client->account);
	}

	json_auto_t *answer =
	    aws_query(client, &aws_services[AWS_STS], "GetCallerIdentity", NULL, cancel, error);
	if (!answer)
		return NULL;
	const char *account;
	if (!json_read(answer, "aws sts GetCallerIdentity", error, "{s:s}", "Account", &account))
		return NULL;

	LOCKED(&client->lock);
	g_free(client->account);
	client->account = g_strdup(account);
	return g_strdup(account);
}

HttpClient *
aws_client_host(AwsClient *client, const AwsPlace *place)
{
	LOCKED(&client->lock);
	HttpClient *host = g_hash_table_lookup(client->hosts, place->base_url);
	if (host)
		return host;

	const HttpOptions options = {
	    .base_url = place->base_url,
	    .ca_file = client->ca_file,
	    .user_agent = client->user_agent,
	};
	host = http_client_new(&options);
	g_hash_table_insert(client->hosts, g_strdup(place->base_url), host);
	return host;
}
