/*
 * The manifest as a whole: its top level, and what the services' variables mean together with an
 * app's environment. A service's own keys are in service.c.
 *
 * A variable that one entry declares bare and another of the same service with a default is not
 * required: who writes a default has said what to use.
 */
#include "manifest/manifest.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "manifest/compose.h"
#include "manifest/dockerfile.h"
#include "manifest/nlb.h"
#include "manifest/procfile.h"
#include "manifest/service-keys.h"
#include "manifest/service-values.h"
#include "manifest/service.h"
#include "manifest/top-values.h"
#include "manifest/top.h"

#include <string.h>

#define MORE_LABELS "labels"

static void
service_free_item(gpointer service)
{
	service_free(service);
}

void
manifest_free(Manifest *manifest)
{
	if (manifest == NULL)
		return;

	g_free(manifest->file);
	g_ptr_array_unref(manifest->services);
	g_ptr_array_unref(manifest->resources);
	g_ptr_array_unref(manifest->timers);
	json_decref(manifest->balancers);
	g_strfreev(manifest->release.command);
	g_free(manifest->release.service);
	json_decref(manifest->more);
	g_ptr_array_unref(manifest->warnings);
	g_ptr_array_unref(manifest->refusals);
	g_ptr_array_unref(manifest->powers);
	g_free(manifest);
}

static Manifest *
manifest_new(const char *file, const ManifestOptions *options)
{
	Manifest *manifest = g_new0(Manifest, 1);
	manifest->file = g_strdup(file);
	manifest->generation = options->generation;
	manifest->services = g_ptr_array_new_with_free_func(service_free_item);
	manifest->resources = g_ptr_array_new_with_free_func(top_resource_free);
	manifest->timers = g_ptr_array_new_with_free_func(top_timer_free);
	manifest->balancers = json_array();
	manifest->warnings = g_ptr_array_new_with_free_func(g_free);
	manifest->refusals = g_ptr_array_new_with_free_func(g_free);
	manifest->powers = g_ptr_array_new_with_free_func(g_free);
	return manifest;
}

/* Top level */

/* Read at the end, when there are services to give it to. */
static void
decode_environment(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
}

static void
decode_service(Decoder *decoder, const YamlNode *services, unsigned index, Manifest *manifest)
{
	const char *name = yaml_key(services, index);
	const YamlNode *key = yaml_key_node(services, index);
	if (!text_check_name(name, "service name", NULL))
		yaml_problem(decoder->problems, key,
		    "service name «%s» does not match ^[a-z][a-z0-9-]*$, no dash at the end, at "
		    "most %d characters",
		    name, LIMIT_NAME_BYTES);

	ManifestService *service = service_decode(decoder, name, yaml_member(services, name));
	service->line = yaml_line(key);
	g_ptr_array_add(manifest->services, service);
}

static void
decode_services(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	if (yaml_kind(node) != YAML_MAP) {
		yaml_problem(decoder->problems, node, "must be a map of service names, not %s",
		    decode_kind_name(node));
		return;
	}
	for (unsigned i = 0; i < yaml_size(node); i++)
		decode_service(decoder, node, i, target);
}

#define KEPT(key, table, generation)                                                               \
	{                                                                                          \
		key, value_decode, offsetof(Manifest, more), .answer = RACK_IGNORES,               \
							     .only = generation, .value = table    \
	}

static const Field top_fields[] = {
    {"environment", decode_environment},
    {"services", decode_services},
    {"balancers", top_decode_balancers, .answer = RACK_IGNORES, .only = 3},
    {"release", top_decode_release},
    {"resources", top_decode_resources, .answer = RACK_IGNORES},
    {"timers", top_decode_timers},
    KEPT("appSettings", &top_app_settings, 3),
    KEPT("budget", &top_budget, 3),
    KEPT("configs", &top_configs, 3),
    KEPT(MORE_LABELS, &service_labels, 3),
    KEPT("params", &top_params, 0),
    {NULL},
};

const Field *
top_keys(void)
{
	return top_fields;
}

/* The top-level variables stand before a service's own, so that the latter win. */
static void
prepend_environment(const GPtrArray *entries, ManifestService *service)
{
	g_autoptr(GStrvBuilder) all = g_strv_builder_new();
	for (guint i = 0; i < entries->len; i++)
		g_strv_builder_add(all, entries->pdata[i]);
	g_strv_builder_addv(all, (const char **)service->environment);
	g_strfreev(service->environment);
	service->environment = g_strv_builder_end(all);
}

/* Labels of the top level are every service's, whose own win. */
static void
inherit_labels(const Manifest *manifest, ManifestService *service)
{
	json_t *common = json_object_get(manifest->more, MORE_LABELS);
	if (json_object_size(common) == 0)
		return;

	json_t *labels = json_copy(common);
	json_object_update(labels, json_object_get(service->more, MORE_LABELS));
	if (service->more == NULL)
		service->more = json_object();
	json_object_set_new(service->more, MORE_LABELS, labels);
}

static void
share(Decoder *decoder, const YamlNode *root, Manifest *manifest)
{
	g_autoptr(GPtrArray) environment = g_ptr_array_new_with_free_func(g_free);
	const YamlNode *common = yaml_member(root, "environment");
	if (common != NULL && yaml_kind(common) != YAML_NULL)
		service_decode_variables(decoder, common, environment);
	for (guint i = 0; i < manifest->services->len; i++) {
		prepend_environment(environment, manifest->services->pdata[i]);
		inherit_labels(manifest, manifest->services->pdata[i]);
	}
}

/* What only the whole file can be wrong about. */
static void
check_whole(Decoder *decoder, const YamlNode *root, const Manifest *manifest)
{
	const YamlNode *services = yaml_member(root, "services");
	const YamlNode *budget = yaml_member(root, "budget");
	json_t *configs = json_object_get(manifest->more, "configs");
	json_auto_t *names = json_array();
	for (guint i = 0; i < manifest->services->len; i++) {
		const ManifestService *service = manifest->services->pdata[i];
		json_array_append_new(names, json_text_value(service->name));
		top_check_config_mounts(decoder, yaml_member(services, service->name),
		    json_object_get(service->more, "configMounts"), configs);
	}
	top_check_references(decoder, root, manifest);
	if (budget != NULL)
		top_check_budget(decoder, budget, json_object_get(manifest->more, "budget"), names);
	if (services != NULL)
		nlb_complete(decoder, services, manifest);
}

static void
decode_top(Decoder *decoder, const YamlNode *root, Manifest *manifest)
{
	if (yaml_kind(root) == YAML_NULL)
		return;

	decode_map(decoder, root, top_fields, manifest);
	if (yaml_kind(root) != YAML_MAP)
		return;

	share(decoder, root, manifest);
	check_whole(decoder, root, manifest);
}

static const char *
lookup_variable(gpointer data, const char *name)
{
	const Env *env = data;
	return env != NULL ? env_get(env, name) : NULL;
}

static bool
report_problems(GPtrArray *problems, GError **error)
{
	if (problems->len == 0)
		return true;

	g_ptr_array_add(problems, NULL);
	g_autofree char *text = g_strjoinv("\n", (char **)problems->pdata);
	g_ptr_array_remove_index(problems, problems->len - 1);
	return error_set(error, CARRACK_ERROR_INVALID, "%s", text);
}

static bool
parse_convox(const char *text,
    gsize length,
    const ManifestOptions *options,
    Decoder *decoder,
    Manifest *manifest,
    GError **error)
{
	g_autoptr(YamlDocument) document = yaml_load_interpolated(
	    text, length, manifest->file, lookup_variable, (gpointer)options->env, error);
	if (document == NULL)
		return false;

	decode_top(decoder, yaml_root(document), manifest);
	return true;
}

static bool
parse_bundle(const Bundle *bundle,
    const ManifestOptions *options,
    Decoder *decoder,
    Manifest *manifest,
    GError **error)
{
	g_free(manifest->file);
	manifest->file = g_strdup(bundle->file);
	if (strcmp(bundle->kind, "compose") == 0)
		return compose_decode(decoder, bundle, options->env, manifest, error);

	procfile_decode(decoder, bundle, options->env, manifest);
	return true;
}

Manifest *
manifest_parse_with(const char *text,
    gsize length,
    const char *file,
    const ManifestOptions *options,
    GError **error)
{
	g_autoptr(Manifest) manifest = manifest_new(file, options);
	g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(Bundle) bundle = bundle_read(text, length);
	Decoder decoder = {
	    .problems = problems,
	    .warnings = manifest->warnings,
	    .refusals = manifest->refusals,
	    .powers = manifest->powers,
	    .generation = options->generation,
	    .is_strict = options->is_strict,
	};
	bool is_read = bundle != NULL
			   ? parse_bundle(bundle, options, &decoder, manifest, error)
			   : parse_convox(text, length, options, &decoder, manifest, error);
	if (!is_read)
		return NULL;
	return report_problems(problems, error) ? g_steal_pointer(&manifest) : NULL;
}

Manifest *
manifest_parse(const char *text, gsize length, const char *file, const Env *env, GError **error)
{
	ManifestOptions options = {.env = env};
	return manifest_parse_with(text, length, file, &options, error);
}

bool
manifest_check_rack(const Manifest *manifest, bool has_power, GError **error)
{
	g_autoptr(GPtrArray) all = g_ptr_array_new();
	g_ptr_array_extend(all, manifest->refusals, NULL, NULL);
	if (!has_power)
		g_ptr_array_extend(all, manifest->powers, NULL, NULL);
	return report_problems(all, error);
}

char *
manifest_for_dockerfile(const char *dockerfile_text, GError **error)
{
	unsigned count = dockerfile_port_count(dockerfile_text);
	if (count > 1) {
		error_set(error, CARRACK_ERROR_INVALID,
		    "Dockerfile: it exposes %u ports, so which one serves? Write one EXPOSE, or a "
		    "convox.yml "
		    "with services.web.port",
		    count);
		return NULL;
	}

	g_autofree char *port =
	    count == 1 ? g_strdup_printf("    port: %u\n", dockerfile_port(dockerfile_text))
		       : g_strdup("");
	/* All of the environment reaches it: there is no place to declare names in. */
	return g_strdup_printf(
	    "services:\n  web:\n    build: .\n%s    environment: [\"*\"]\n", port);
}

const ManifestService *
manifest_service(const Manifest *manifest, const char *name)
{
	for (guint i = 0; i < manifest->services->len; i++) {
		const ManifestService *service = manifest->services->pdata[i];
		if (strcmp(service->name, name) == 0)
			return service;
	}
	return NULL;
}

static bool
has_default(const ManifestService *service, const char *name)
{
	gsize length = strlen(name);
	for (char **entry = service->environment; *entry != NULL; entry++) {
		if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
			return true;
	}
	return false;
}

static void
add_missing(const ManifestService *service, const Env *env, GHashTable *missing)
{
	for (char **entry = service->environment; *entry != NULL; entry++) {
		bool is_bare = strchr(*entry, '=') == NULL && strcmp(*entry, "*") != 0;
		if (is_bare && env_get(env, *entry) == NULL && !has_default(service, *entry))
			g_hash_table_add(missing, *entry);
	}
}

static int
compare_text(gconstpointer one, gconstpointer other)
{
	return strcmp(one, other);
}

bool
manifest_check_env(const Manifest *manifest, const Env *env, GError **error)
{
	g_autoptr(GHashTable) missing = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; i < manifest->services->len; i++)
		add_missing(manifest->services->pdata[i], env, missing);
	if (g_hash_table_size(missing) == 0)
		return true;

	GList *names = g_list_sort(g_hash_table_get_keys(missing), compare_text);
	g_autoptr(GString) text = g_string_new("required env: ");
	for (const GList *name = names; name != NULL; name = name->next)
		g_string_append_printf(
		    text, "%s%s", (const char *)name->data, name->next != NULL ? ", " : "");
	g_list_free(names);
	return error_set(error, CARRACK_ERROR_INVALID, "%s", text->str);
}

static void
set_variable(Env *to, const char *name, const char *value)
{
	/* Names and defaults were checked when the manifest was read, values when they were set. */
	if (value != NULL)
		env_set(to, name, value, NULL);
}

static void
set_all(Env *to, const Env *env)
{
	g_autofree const char **names = env_names(env);
	for (const char **name = names; *name != NULL; name++)
		set_variable(to, *name, env_get(env, *name));
}

Env *
manifest_service_env(const ManifestService *service, const Env *env)
{
	Env *result = env_new();
	for (char **entry = service->environment; *entry != NULL; entry++) {
		const char *equals = strchr(*entry, '=');
		gsize length = equals != NULL ? (gsize)(equals - *entry) : strlen(*entry);
		g_autofree char *name = g_strndup(*entry, length);
		const char *value = env_get(env, name);
		if (strcmp(*entry, "*") == 0)
			set_all(result, env);
		else if (value != NULL)
			set_variable(result, name, value);
		else if (equals != NULL)
			set_variable(result, name, equals + 1);
	}
	for (char **name = service->optional; *name != NULL; name++)
		set_variable(result, *name, env_get(env, *name));
	return result;
}
