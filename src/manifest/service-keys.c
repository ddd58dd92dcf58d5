/*
 * The tables of the keys that this rack does not act on. They are Kubernetes' and AWS's words as
 * Convox spells them; what is checked is what its `Validate` checks.
 */
#include "manifest/service-keys.h"

#include "manifest/service-values.h"

#include <string.h>

#define SECONDS .maximum = SERVICE_LONGEST_SECONDS

/* Simple ones */

const Value service_flag = {"", value_bool};
const Value service_text_map = {"", value_text_map};

static const Value text_item = {"", value_text};
const Value service_policies = {"", value_list, &text_item};

static const Value certificate_members[] = {
    {"id", value_text},
    {"duration", value_text},
    {NULL},
};
const Value service_certificate = {"", value_map, certificate_members};

static const Value dns_members[] = {{"ndots", value_number, .maximum = 15}, {NULL}};
const Value service_dns_config = {"", value_map, dns_members};

static const Value lifecycle_members[] = {
    {"preStop", value_text},
    {"postStart", value_text},
    {NULL},
};
const Value service_lifecycle = {"", value_map, lifecycle_members};

static const Value affinity_members[] = {
    {"label", value_text, .is_required = true},
    {"value", value_text},
    {"weight", value_number, .minimum = 1, .maximum = 100},
    {NULL},
};
static const Value affinity = {"", value_map, affinity_members};
const Value service_node_affinity = {"", value_list, &affinity};

static const Value pod_identity_members[] = {{"policyArns", value_list, &text_item}, {NULL}};
static const Value access_members[] = {
    {"awsPodIdentity", value_map, pod_identity_members},
    {NULL},
};
const Value service_access_control = {"", value_map, access_members};

static json_t *
read_labels(Decoder *decoder, const YamlNode *node, const Value *value)
{
	static const char *const reserved[] = {
	    "system", "rack", "app", "name", "service", "release", "type", NULL};
	for (unsigned i = 0; yaml_kind(node) == YAML_MAP && i < yaml_size(node); i++) {
		if (g_strv_contains(reserved, yaml_key(node, i)))
			yaml_problem(decoder->problems, yaml_key_node(node, i),
			    "the label «%s» is reserved", yaml_key(node, i));
	}
	return value_text_map(decoder, node, value);
}

const Value service_labels = {"", read_labels};

/* «k=v» and {k: v} → {key, value}. */
static json_t *
read_annotation(Decoder *decoder, const YamlNode *node, const Value *value)
{
	if (yaml_kind(node) == YAML_MAP && yaml_size(node) == 1) {
		const YamlNode *only = yaml_member(node, yaml_key(node, 0));
		const char *text = decode_scalar(decoder, only, "text");
		return text != NULL ? json_pack("{s:s, s:o}", "key", yaml_key(node, 0), "value",
					  json_text_value(text))
				    : NULL;
	}
	const char *text = decode_scalar(decoder, node, "KEY=value or {KEY: value}");
	const char *equals = text != NULL ? strchr(text, '=') : NULL;
	if (equals != NULL) {
		g_autofree char *key = g_strndup(text, (gsize)(equals - text));
		return json_pack("{s:s, s:o}", "key", key, "value", json_text_value(equals + 1));
	}
	if (text != NULL)
		yaml_problem(decoder->problems, node,
		    "«%s» is not allowed: write KEY=value or {KEY: value}", text);
	return NULL;
}

static const Value annotation = {"", read_annotation};
const Value service_annotations = {"", value_list, &annotation};

/* «10.0.0.0/8, 192.168.1.1» */
static json_t *
read_whitelist(Decoder *decoder, const YamlNode *node, const Value *value)
{
	const char *text = decode_scalar(decoder, node, "a text of ranges with commas");
	g_auto(GStrv) ranges = g_strsplit(text != NULL ? text : "", ",", -1);
	for (char **range = ranges; *range != NULL; range++) {
		g_autoptr(GInetAddressMask) mask =
		    g_inet_address_mask_new_from_string(g_strstrip(*range), NULL);
		if (mask == NULL && **range != '\0')
			yaml_problem(decoder->problems, node,
			    "«%s» is not a range of addresses like 10.0.0.0/8", *range);
	}
	return text != NULL ? json_text_value(text) : NULL;
}

const Value service_whitelist = {"", read_whitelist};

/* Probes */

static json_t *
read_probe_port(Decoder *decoder, const YamlNode *node, const Value *value)
{
	unsigned port = 0;
	g_autofree char *scheme = NULL;
	const YamlNode *inner = yaml_kind(node) == YAML_MAP ? yaml_member(node, "port") : node;
	if (inner == NULL) {
		yaml_problem(decoder->problems, node, "a port map needs the key port");
		return NULL;
	}
	return service_port_text(decoder, inner, &port, &scheme) ? json_integer(port) : NULL;
}

static const Value liveness_members[] = {
    {"path", value_text},
    {"port", read_probe_port},
    {"grace", value_number, SECONDS},
    {"interval", value_number, SECONDS},
    {"timeout", value_number, SECONDS},
    {"successThreshold", value_number, SECONDS},
    {"failureThreshold", value_number, SECONDS},
    {NULL},
};
const Value service_liveness = {"", value_map, liveness_members};

static const Value startup_members[] = {
    {"path", value_text},
    {"tcpSocketPort", value_text},
    {"port", read_probe_port},
    {"grace", value_number, SECONDS},
    {"interval", value_number, SECONDS},
    {"timeout", value_number, SECONDS},
    {"successThreshold", value_number, SECONDS},
    {"failureThreshold", value_number, SECONDS},
    {NULL},
};
const Value service_startup_probe = {"", value_map, startup_members};

/* Containers */

static const Value config_mount_members[] = {
    {"id", value_text, .is_required = true},
    {"dir", value_text, .is_required = true},
    {"filename", value_text, .is_required = true},
    {NULL},
};
static const Value config_mount = {"", value_map, config_mount_members};
const Value service_config_mounts = {"", value_list, &config_mount};

static const Value empty_members[] = {
    {"id", value_text, .is_required = true},
    {"mountPath", value_text, .is_required = true},
    {"medium", value_text, .choices = "Memory"},
    {"sizeLimit", value_text},
    {NULL},
};

#define ACCESS_MODES "ReadOnlyMany ReadWriteMany ReadWriteOnce"
static const Value efs_members[] = {
    {"id", value_text, .is_required = true},
    {"mountPath", value_text, .is_required = true},
    {"accessMode", value_text, .choices = ACCESS_MODES, .is_required = true},
    {"storageClass", value_text},
    {"volumeHandle", value_text},
    {NULL},
};
static const Value azure_members[] = {
    {"id", value_text, .is_required = true},
    {"mountPath", value_text, .is_required = true},
    {"accessMode", value_text, .choices = ACCESS_MODES, .is_required = true},
    {"shareSize", value_text},
    {NULL},
};
static const Value volume_members[] = {
    {"emptyDir", value_map, empty_members},
    {"awsEfs", value_map, efs_members},
    {"azureFiles", value_map, azure_members},
    {NULL},
};
static const Value volume = {"", value_map, volume_members};
const Value service_volume_options = {"", value_list, &volume};

static const Value init_members[] = {
    {"image", value_text},
    {"command", value_text},
    {"volumeOptions", value_list, &volume},
    {"configMounts", value_list, &config_mount},
    {NULL},
};
const Value service_init_container = {"", value_map, init_members};

static json_t *
read_registry(Decoder *decoder, const YamlNode *node, const Value *value)
{
	const char *text = decode_scalar(decoder, node, "the host of a registry");
	if (text == NULL)
		return NULL;
	if (g_regex_match_simple("^[a-z0-9.-]+(:[0-9]+)?$", text, G_REGEX_DOLLAR_ENDONLY, 0))
		return json_text_value(text);

	yaml_problem(decoder->problems, node,
	    "registry «%s» must be a host in lower case, with :PORT if need be, and no scheme or "
	    "path",
	    text);
	return NULL;
}

static const Value pull_secret_members[] = {
    {"registry", read_registry, .is_required = true},
    {"username", value_text, .is_required = true},
    {"password", value_text},
    {"passwordEnv", value_text},
    {NULL},
};

/* The password itself never leaves this place. */
static json_t *
read_pull_secret(Decoder *decoder, const YamlNode *node, const Value *value)
{
	json_t *secret = value_map(decoder, node, value);
	if (secret == NULL)
		return NULL;

	bool has_text = json_object_get(secret, "password") != NULL;
	bool has_name = json_object_get(secret, "passwordEnv") != NULL;
	if (has_text == has_name)
		yaml_problem(decoder->problems, node,
		    "one of password and passwordEnv is needed, and not both");
	json_object_del(secret, "password");
	return secret;
}

static const Value pull_secret = {"", read_pull_secret, pull_secret_members};

static json_t *
read_pull_secrets(Decoder *decoder, const YamlNode *node, const Value *value)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	for (unsigned i = 0; yaml_kind(node) == YAML_LIST && i < yaml_size(node); i++) {
		const YamlNode *item = yaml_item(node, i);
		const YamlNode *registry =
		    yaml_kind(item) == YAML_MAP ? yaml_member(item, "registry") : NULL;
		const char *name = registry != NULL ? yaml_text(registry) : NULL;
		if (name != NULL && !g_hash_table_add(seen, (gpointer)name))
			yaml_problem(
			    decoder->problems, registry, "registry «%s» stands twice", name);
	}
	return value_list(decoder, node, value);
}

const Value service_pull_secrets = {"", read_pull_secrets, &pull_secret};

static json_t *
read_capability(Decoder *decoder, const YamlNode *node, const Value *value)
{
	const char *text = decode_scalar(decoder, node, "the name of a capability");
	if (text == NULL)
		return NULL;
	if (g_regex_match_simple("^(?!CAP_)[A-Z][A-Z0-9_]*$", text, G_REGEX_DOLLAR_ENDONLY, 0))
		return json_text_value(text);

	yaml_problem(decoder->problems, node,
	    "«%s» is not allowed: write a capability in capitals without CAP_, as NET_BIND_SERVICE",
	    text);
	return NULL;
}

static const Value capability = {"", read_capability};
static const Value capability_members[] = {
    {"add", value_list, &capability},
    {"drop", value_list, &capability},
    {NULL},
};
static const Value security_members[] = {
    {"runAsNonRoot", value_bool},
    {"runAsUser", value_number, .maximum = G_MAXINT32},
    {"runAsGroup", value_number, .maximum = G_MAXINT32},
    {"readOnlyRootFilesystem", value_bool},
    {"allowPrivilegeEscalation", value_bool},
    {"capabilities", value_map, capability_members},
    {"seccompProfile", value_text, .choices = "RuntimeDefault Unconfined"},
    {NULL},
};

static json_t *
read_security(Decoder *decoder, const YamlNode *node, const Value *value)
{
	json_t *read = value_map(decoder, node, value);
	bool is_root = json_int_of(read, "runAsUser", -1) == 0;
	if (is_root && json_bool_of(read, "runAsNonRoot", false))
		yaml_problem(
		    decoder->problems, node, "runAsNonRoot and runAsUser 0 exclude one another");
	return read;
}

const Value service_security_context = {"", read_security, security_members};

/* Completion */

static void
complete_startup(json_t *startup, const json_t *liveness)
{
	static const char *const names[] = {
	    "grace", "interval", "timeout", "successThreshold", "failureThreshold"};
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		json_t *value = json_object_get(liveness, names[i]);
		if (value != NULL && json_object_get(startup, names[i]) == NULL)
			json_object_set(startup, names[i], value);
	}
}

void
service_keys_complete(ManifestService *service)
{
	json_t *liveness = json_object_get(service->more, "liveness");
	json_t *startup = json_object_get(service->more, "startupProbe");
	json_t *certificate = json_object_get(service->more, "certificate");
	if (json_object_get(liveness, "path") != NULL) {
		json_auto_t *defaults = json_pack("{s:i, s:i, s:i, s:i, s:i}", "grace", 10,
		    "interval", 5, "timeout", 5, "successThreshold", 1, "failureThreshold", 3);
		json_object_update_missing(liveness, defaults);
	}
	if (startup != NULL)
		complete_startup(startup, liveness);
	if (certificate != NULL && json_object_get(certificate, "duration") == NULL)
		json_object_set_new(certificate, "duration", json_string("2160h"));
}
