/*
 * The AWS rack's settings: a table of variables and members, so that a variable which the template
 * gives and nobody reads, or the other way round, is seen here.
 */
#include "aws/rack.h"

#include "base/lock.h"
#include "base/text.h"

#include <string.h>

#define RETENTION_MAXIMUM 3653

struct AwsInstances {
	pthread_mutex_t lock;
	GHashTable *addresses; /* instance → address */
	GHashTable *instances; /* address → instance */
};

typedef struct {
	const char *variable;
	gsize offset;
	bool is_optional;
} Setting;

#define SETTING(variable, member)                                                                  \
	{                                                                                          \
		"CARRACK_" variable, G_STRUCT_OFFSET(AwsRack, member), false                       \
	}
#define OPTIONAL(variable, member)                                                                 \
	{                                                                                          \
		"CARRACK_" variable, G_STRUCT_OFFSET(AwsRack, member), true                        \
	}

static const Setting settings[] = {
    SETTING("RACK", name),
    SETTING("DOMAIN", domain),
    SETTING("CAPACITY_PROVIDER", capacity_provider),
    SETTING("CLUSTER", cluster),
    SETTING("VPC", vpc),
    SETTING("SECURITY_GROUP", security_group),
    SETTING("BALANCER", balancer),
    SETTING("LISTENER", listener),
    SETTING("DOCUMENTS", documents),
    SETTING("OBJECTS", objects),
    SETTING("REGISTRY", registry),
    SETTING("KEY", key),
    SETTING("EVENTS", events),
    SETTING("TOPIC", topic),
    SETTING("BUILD_TASK", build_task),
    SETTING("BUILD_PROVIDER", build_provider),
    SETTING("BUILD_LOGS", build_logs),
    SETTING("APP_ROLE", app_role),
    SETTING("APP_BOUNDARY", app_boundary),
    OPTIONAL("LOG_STREAM", log_stream),
    OPTIONAL("LOG_DELIVERY_ROLE", log_delivery_role),
    OPTIONAL("BALANCER_URL", balancer_url),
};

static const char *
variable_of(const char *const *environment, const char *name)
{
	return g_environ_getenv((char **)environment, name);
}

/* One of two words; true for the first. */
static bool
read_choice(const char *const *environment,
    const char *name,
    const char *const words[2],
    bool *is_first,
    GError **error)
{
	const char *value = variable_of(environment, name);
	*is_first = g_strcmp0(value, words[0]) == 0;
	if (*is_first || g_strcmp0(value, words[1]) == 0)
		return true;

	return error_set(error, CARRACK_ERROR_INVALID, "%s is «%s»: it has to be %s or %s", name,
	    value ? value : "", words[0], words[1]);
}

static bool
read_texts(AwsRack *rack, const char *const *environment, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(settings); i++) {
		const Setting *setting = &settings[i];
		const char *value = variable_of(environment, setting->variable);
		bool is_empty = !value || !*value;
		if (is_empty && !setting->is_optional)
			return error_set(error, CARRACK_ERROR_INVALID,
			    "%s is missing: the rack's stack sets it", setting->variable);
		if (!is_empty || value)
			G_STRUCT_MEMBER(char *, rack, setting->offset) = g_strdup(value);
	}
	return true;
}

static bool
read_others(AwsRack *rack, const char *const *environment, GError **error)
{
	static const char *const capacities[2] = {"fargate", "instances"};
	static const char *const answers[2] = {"yes", "no"};
	const char *subnets = variable_of(environment, "CARRACK_SUBNETS");
	const char *retention = variable_of(environment, "CARRACK_LOG_RETENTION");
	gint64 days = 0;
	if (!subnets || !*subnets)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "CARRACK_SUBNETS is missing: the rack's stack sets it");
	if (!text_parse_int(retention ? retention : "", "CARRACK_LOG_RETENTION", 1,
		RETENTION_MAXIMUM, &days, error))
		return false;

	rack->subnets = g_strsplit(subnets, ",", -1);
	rack->log_retention = (unsigned)days;
	return read_choice(environment, "CARRACK_CAPACITY", capacities, &rack->is_fargate, error) &&
	       read_choice(environment, "CARRACK_PUBLIC_ADDRESSES", answers,
		   &rack->has_public_addresses, error);
}

static AwsInstances *
instances_new(void)
{
	AwsInstances *instances = g_new0(AwsInstances, 1);
	pthread_mutex_init(&instances->lock, NULL);
	instances->addresses = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	instances->instances = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	return instances;
}

static void
instances_free(AwsInstances *instances)
{
	if (!instances)
		return;

	g_hash_table_unref(instances->addresses);
	g_hash_table_unref(instances->instances);
	pthread_mutex_destroy(&instances->lock);
	g_free(instances);
}

AwsRack *
aws_rack_new(const char *const *environment, GError **error)
{
	g_autoptr(AwsRack) rack = g_new0(AwsRack, 1);
	rack->instances = instances_new();
	if (!read_texts(rack, environment, error) || !read_others(rack, environment, error))
		return NULL;

	AwsOptions options = {.environment = environment};
	rack->client = aws_client_new(&options, NULL, error);
	return rack->client ? g_steal_pointer(&rack) : NULL;
}

void
aws_rack_free(AwsRack *rack)
{
	if (!rack)
		return;

	for (gsize i = 0; i < G_N_ELEMENTS(settings); i++)
		g_free(G_STRUCT_MEMBER(char *, rack, settings[i].offset));
	g_strfreev(rack->subnets);
	aws_client_free(rack->client);
	instances_free(rack->instances);
	g_free(rack);
}

void
aws_rack_learn_instance(AwsRack *rack, const char *instance, const char *address)
{
	AwsInstances *known = rack->instances;
	LOCKED(&known->lock);
	g_hash_table_replace(known->addresses, g_strdup(instance), g_strdup(address));
	g_hash_table_replace(known->instances, g_strdup(address), g_strdup(instance));
}

char *
aws_rack_instance_at(AwsRack *rack, const char *address)
{
	LOCKED(&rack->instances->lock);
	return g_strdup(g_hash_table_lookup(rack->instances->instances, address));
}

char *
aws_rack_address_of(AwsRack *rack, const char *instance)
{
	LOCKED(&rack->instances->lock);
	return g_strdup(g_hash_table_lookup(rack->instances->addresses, instance));
}

char *
aws_rack_log_group(const AwsRack *rack, const char *app)
{
	return strcmp(app, "carrack.system") == 0
		   ? g_strdup_printf("/carrack/%s/system", rack->name)
		   : g_strdup_printf("/carrack/%s/app/%s", rack->name, app);
}
