/*
 * Environments in Secrets Manager: the variables of a deployment as members of one secret, or of
 * several, since one holds 64 KB. Task definitions refer to members, so no value ever stands in
 * one; carrackd cannot read a secret back.
 *
 * Secrets are named RACK/app/APP/SERVICE-RELEASE-N, by which roles are scoped. A deleted name is
 * taken for a while, so the next free N is used.
 */
#include "aws/engine-private.h"

#include "base/text.h"

#include <string.h>

#define SECRET_BYTES 65536
#define FULL_BYTES (60 * 1024) /* no more is put together into one */
#define NAMES_TRIED 200
#define ARN_PARTS 7

typedef struct {
	EcsEngine *engine;
	const EngineSpec *spec;
	unsigned number; /* of the last secret */
	json_t *members; /* of the one that is being filled */
	json_t *names;   /* key → variable, of the same */
	gsize size;
	json_t *secrets;
	json_t *environment;
} Filling;

/* A reference ends at a colon, so a key must have none. */
static char *
key_of(const char *name)
{
	return strpbrk(name, ":%") ? http_escape(name) : g_strdup(name);
}

static json_t *
secret_input(const Filling *filling)
{
	const EngineSpec *spec = filling->spec;
	const AwsRack *rack = filling->engine->rack;
	g_autofree char *name = g_strdup_printf("%s/app/%s/%s-%s-%u", rack->name, spec->app,
	    spec->service, spec->release, filling->number);
	g_autofree char *text = json_text(filling->members, false);
	g_autofree char *token = text_random_hex(16);

	return json_pack("{s:s, s:s, s:s, s:s, s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}]}", "Name",
	    name, "SecretString", text, "KmsKeyId", rack->key, "ClientRequestToken", token, "Tags",
	    "Key", TAG_RACK, "Value", rack->name, "Key", TAG_APP, "Value", spec->app, "Key",
	    TAG_RELEASE, "Value", spec->release);
}

/* The ARN, or NULL. */
static char *
create_secret(Filling *filling, GError **error)
{
	AwsRack *rack = filling->engine->rack;
	for (unsigned tries = 0; tries < NAMES_TRIED; tries++) {
		g_autoptr(GError) failure = NULL;
		filling->number++;
		json_auto_t *input = secret_input(filling);
		json_auto_t *made = aws_json(rack->client, &aws_services[AWS_SECRETSMANAGER],
		    "CreateSecret", input, filling->engine->closing, &failure);
		if (made)
			return g_strdup(json_text_of(made, "ARN", ""));
		bool is_taken = aws_error_is(failure, "ResourceExistsException") ||
				(aws_error_is(failure, "InvalidRequestException") &&
				    strstr(failure->message, "deletion"));
		if (!is_taken) {
			g_propagate_error(error, g_steal_pointer(&failure));
			return NULL;
		}
	}
	error_set(error, CARRACK_ERROR_CONFLICT,
	    "service %s: %d secrets of release %s are there already", filling->spec->service,
	    NAMES_TRIED, filling->spec->release);
	return NULL;
}

static bool
flush(Filling *filling, GError **error)
{
	if (json_object_size(filling->members) == 0)
		return true;
	g_autofree char *arn = create_secret(filling, error);
	if (!arn)
		return false;

	const char *key;
	json_t *name;
	json_object_foreach(filling->names, key, name) json_array_append_new(filling->secrets,
	    json_pack("{s:O, s:o}", "name", name, "valueFrom", json_sprintf("%s:%s::", arn, key)));
	json_object_clear(filling->members);
	json_object_clear(filling->names);
	filling->size = 2;
	return true;
}

static gsize
length_as_json(const char *text)
{
	json_auto_t *value = json_text_value(text);
	g_autofree char *encoded = json_text(value, false);
	return strlen(encoded);
}

static bool
add_variable(Filling *filling, const char *name, const char *value, GError **error)
{
	/* ECS takes a member that is empty for one that is missing; and there is nothing to hide.
	 */
	if (!*value) {
		json_array_append_new(
		    filling->environment, json_pack("{s:s, s:s}", "name", name, "value", ""));
		return true;
	}
	g_autofree char *key = key_of(name);
	gsize size = length_as_json(key) + length_as_json(value) + strlen(":,");
	if (size + 2 > SECRET_BYTES)
		return error_set(error, CARRACK_ERROR_TOO_LARGE,
		    "service %s: variable %s has %" G_GSIZE_FORMAT " bytes, %" G_GSIZE_FORMAT
		    " as JSON; a secret of AWS holds %d",
		    filling->spec->service, name, strlen(value), size, SECRET_BYTES);
	if (filling->size + size > FULL_BYTES && !flush(filling, error))
		return false;

	json_object_set_new(filling->members, key, json_string(value));
	json_object_set_new(filling->names, key, json_string(name));
	filling->size += size;
	return true;
}

static bool
fill(Filling *filling, GError **error)
{
	const Env *env = filling->spec->env;
	g_autofree const char **names = env_names(env);
	for (const char **name = names; *name; name++) {
		if (!add_variable(filling, *name, env_get(env, *name), error))
			return false;
	}
	return flush(filling, error);
}

json_t *
ecs_secrets_make(EcsEngine *engine, const EngineSpec *spec, GError **error)
{
	json_auto_t *members = json_object();
	json_auto_t *names = json_object();
	json_auto_t *made = json_pack("{s:[], s:[]}", "secrets", "environment");
	Filling filling = {.engine = engine,
	    .spec = spec,
	    .members = members,
	    .names = names,
	    .size = 2,
	    .secrets = json_object_get(made, "secrets"),
	    .environment = json_object_get(made, "environment")};
	if (fill(&filling, error))
		return g_steal_pointer(&made);

	ecs_secrets_remove(engine, filling.secrets, NULL);
	return NULL;
}

/* Without recovery: a deleted environment must be gone, and its name free soon. */
static bool
remove_secret(EcsEngine *engine, const char *arn, GError **error)
{
	g_autoptr(GError) failure = NULL;
	json_auto_t *input =
	    json_pack("{s:s, s:b}", "SecretId", arn, "ForceDeleteWithoutRecovery", 1);
	json_auto_t *removed = aws_json(engine->rack->client, &aws_services[AWS_SECRETSMANAGER],
	    "DeleteSecret", input, engine->closing, &failure);
	if (removed || g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND))
		return true;

	g_propagate_error(error, g_steal_pointer(&failure));
	return false;
}

/* «arn:…:secret:NAME-abcdef» of «arn:…:secret:NAME-abcdef:KEY::». */
static char *
arn_of(const char *reference)
{
	const char *end = reference;
	for (unsigned i = 0; i < ARN_PARTS && end; i++) {
		end = strchr(end, ':');
		end = end ? end + 1 : NULL;
	}
	return end ? g_strndup(reference, (gsize)(end - reference - 1)) : g_strdup(reference);
}

bool
ecs_secrets_remove(EcsEngine *engine, const json_t *secrets, GError **error)
{
	g_autoptr(GHashTable) arns = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	gsize index;
	json_t *secret;
	json_array_foreach((json_t *)secrets, index, secret)
	    g_hash_table_add(arns, arn_of(json_text_of(secret, "valueFrom", "")));

	GHashTableIter iterator;
	gpointer arn;
	g_hash_table_iter_init(&iterator, arns);
	while (g_hash_table_iter_next(&iterator, &arn, NULL)) {
		if (!remove_secret(engine, arn, error))
			return false;
	}
	return true;
}

bool
ecs_secrets_remove_all(EcsEngine *engine, const char *app, GError **error)
{
	g_autofree char *prefix = g_strdup_printf("%s/app/%s/", engine->rack->name, app);
	const AwsList list = {.service = &aws_services[AWS_SECRETSMANAGER],
	    .operation = "ListSecrets",
	    .token_in = "NextToken",
	    .token_out = "NextToken",
	    .items = "SecretList"};
	json_auto_t *input =
	    json_pack("{s:[{s:s, s:[s]}]}", "Filters", "Key", "name", "Values", prefix);
	json_auto_t *all = aws_list(engine->rack->client, &list, input, 0, engine->closing, error);

	gsize index;
	json_t *secret;
	json_array_foreach(all, index, secret)
	{
		bool is_own = g_str_has_prefix(json_text_of(secret, "Name", ""), prefix);
		if (is_own && !remove_secret(engine, json_text_of(secret, "ARN", ""), error))
			return false;
	}
	return all != NULL;
}
