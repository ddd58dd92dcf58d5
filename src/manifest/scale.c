/*
 * `scale`. What this rack acts on is count, cpu and memory; everything that would change them by
 * itself (targets, autoscale, …) is checked and kept in `scaling` for racks that do.
 *
 * Of a range the lower end runs. `scale:` with nothing below it is one process, where Convox takes
 * it for none.
 */
#include "manifest/scale.h"

#include "base/limits.h"
#include "base/text.h"
#include "manifest/service-values.h"
#include "manifest/value.h"

#include <string.h>

#define MOST_CPU (1024 * 1024)
#define MOST_MEMORY (16 * 1024 * 1024)
#define LEAST_MEMORY 6 /* the engine starts nothing with less */
#define AUTOSCALE_MOST 10

/* Counts */

static bool
parse_range(const char *text, unsigned *minimum, unsigned *maximum)
{
	g_auto(GStrv) ends = g_strsplit(text, "-", 2);
	guint64 low;
	guint64 high;
	if (ends[0] == NULL || !g_ascii_string_to_unsigned(ends[0], 10, 0, LIMIT_SCALE, &low, NULL))
		return false;

	high = low;
	if (ends[1] != NULL &&
	    !g_ascii_string_to_unsigned(ends[1], 10, low, LIMIT_SCALE, &high, NULL))
		return false;

	*minimum = (unsigned)low;
	*maximum = (unsigned)high;
	return true;
}

static void
decode_range(Decoder *decoder, const YamlNode *node, ManifestService *service)
{
	const char *text = decode_scalar(decoder, node, "a count or MINIMUM-MAXIMUM");
	if (text != NULL && !parse_range(text, &service->count_minimum, &service->count_maximum))
		yaml_problem(decoder->problems, node,
		    "«%s» is not allowed: write a count from 0 to %d, or MINIMUM-MAXIMUM, the "
		    "smaller first",
		    text, LIMIT_SCALE);
}

static const Field count_fields[] = {
    {"min", decode_number, offsetof(ManifestService, count_minimum), 0, LIMIT_SCALE},
    {"max", decode_number, offsetof(ManifestService, count_maximum), 0, LIMIT_SCALE},
    {NULL},
};

/* One end alone: the other one is the same, but a maximum alone still starts at one process. */
static void
decode_count(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ManifestService *service = target;
	if (yaml_kind(node) != YAML_MAP) {
		decode_range(decoder, node, service);
		return;
	}
	service->count_minimum = service->count_maximum = SERVICE_UNSET;
	decode_map(decoder, node, count_fields, service);
	if (service->count_minimum == SERVICE_UNSET)
		service->count_minimum = MIN(1, service->count_maximum);
	if (service->count_maximum == SERVICE_UNSET)
		service->count_maximum = service->count_minimum;
	if (service->count_minimum > service->count_maximum)
		yaml_problem(decoder->problems, node, "min %u is more than max %u",
		    service->count_minimum, service->count_maximum);
}

/* What changes the count by itself */

#define MOST 1000000000

static const Value custom_target[] = {
    {"aggregate", value_text, .choices = "avg max min sum"},
    {"value", value_real, .maximum = MOST},
    {"dimensions", value_text_map},
    {NULL},
};
static const Value custom_target_map = {"", value_map, custom_target};
static const Value external_target[] = {
    {"name", value_text, .is_required = true},
    {"averageValue", value_real, .maximum = MOST},
    {"value", value_real, .maximum = MOST},
    {"matchLabels", value_text_map},
    {NULL},
};
static const Value external_target_map = {"", value_map, external_target};
static const Value targets_members[] = {
    {"cpu", value_number, .minimum = 0, .maximum = 100},
    {"memory", value_number, .minimum = 0, .maximum = 100},
    {"requests", value_number, .minimum = 0, .maximum = MOST},
    {"custom", value_names, &custom_target_map},
    {"external", value_list, &external_target_map},
    {NULL},
};
static const Value targets = {"targets", value_map, targets_members};

static const Value cooldown_members[] = {
    {"up", value_number, .maximum = SERVICE_LONGEST_SECONDS},
    {"down", value_number, .maximum = SERVICE_LONGEST_SECONDS},
    {NULL},
};

/* 120 or {up, down}; a side that is not given is 60. */
static json_t *
read_cooldown(Decoder *decoder, const YamlNode *node, const Value *value)
{
	json_t *read = NULL;
	if (yaml_kind(node) == YAML_MAP)
		read = value_map(decoder, node, value);
	json_t *both =
	    yaml_kind(node) == YAML_MAP ? NULL : value_number(decoder, node, &cooldown_members[0]);
	if (both != NULL)
		return json_pack("{s:o, s:O}", "up", both, "down", both);
	if (read == NULL)
		return NULL;

	json_auto_t *defaults = json_pack("{s:i, s:i}", "up", 60, "down", 60);
	json_object_update_missing(read, defaults);
	return read;
}

static const Value cooldown = {"cooldown", read_cooldown, cooldown_members};

static const Value gpu_members[] = {
    {"count", value_number, .maximum = 64},
    {"vendor", value_text},
    {NULL},
};

/* 1 or {count, vendor}. */
static json_t *
read_gpu(Decoder *decoder, const YamlNode *node, const Value *value)
{
	json_t *gpu = NULL;
	if (yaml_kind(node) == YAML_MAP) {
		gpu = value_map(decoder, node, value);
	} else {
		json_t *count = value_number(decoder, node, &gpu_members[0]);
		gpu = count != NULL ? json_pack("{s:o}", "count", count) : NULL;
	}
	if (gpu == NULL)
		return NULL;

	json_auto_t *defaults = json_pack("{s:i, s:s}", "count", 0, "vendor", "nvidia");
	json_object_update_missing(gpu, defaults);
	return gpu;
}

static const Value gpu = {"gpu", read_gpu, gpu_members};

static const Value limit_members[] = {
    {"cpu", value_number, .minimum = 1, .maximum = MOST_CPU},
    {"memory", value_number, .minimum = LEAST_MEMORY, .maximum = MOST_MEMORY},
    {NULL},
};
static const Value limit = {"limit", value_map, limit_members};
static const Value end_of_range = {"", value_number, .maximum = LIMIT_SCALE};

static json_t *
read_url(Decoder *decoder, const YamlNode *node, const Value *value)
{
	const char *text = decode_scalar(decoder, node, "a URL");
	if (text == NULL)
		return NULL;

	g_autoptr(GUri) uri = g_uri_parse(text, G_URI_FLAGS_NONE, NULL);
	const char *scheme = uri != NULL ? g_uri_get_scheme(uri) : "";
	const char *host = uri != NULL ? g_uri_get_host(uri) : NULL;
	bool is_web = strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0;
	if (is_web && host != NULL && *host != '\0')
		return json_text_value(text);

	yaml_problem(
	    decoder->problems, node, "«%s» is not a URL with http or https and a host", text);
	return NULL;
}

static json_t *
read_metric(Decoder *decoder, const YamlNode *node, const Value *value)
{
	const char *text = decode_scalar(decoder, node, "the name of a metric");
	if (text == NULL)
		return NULL;
	if (g_regex_match_simple("^[a-zA-Z_:][a-zA-Z0-9_:]*$", text, G_REGEX_DOLLAR_ENDONLY, 0))
		return json_text_value(text);

	yaml_problem(
	    decoder->problems, node, "«%s» does not match ^[a-zA-Z_:][a-zA-Z0-9_:]*$", text);
	return NULL;
}

static json_t *
read_trigger_name(Decoder *decoder, const YamlNode *node, const Value *value)
{
	const char *text = decode_scalar(decoder, node, "a name");
	if (text == NULL)
		return NULL;

	if (!text_check_name(text, "trigger name", NULL))
		yaml_problem(decoder->problems, node,
		    "trigger name «%s» does not match ^[a-z][a-z0-9-]*$", text);
	if (g_ascii_strncasecmp(text, "convox-", strlen("convox-")) == 0)
		yaml_problem(decoder->problems, node, "names beginning with convox- are reserved");
	return json_text_value(text);
}

static const Value percent_members[] = {
    {"threshold", value_real, .minimum = 1, .maximum = 100, .is_required = true},
    {NULL},
};
static const Value gpu_percent_members[] = {
    {"threshold", value_real, .minimum = 1, .maximum = 100, .is_required = true},
    {"metricName", read_metric},
    {"prometheusUrl", read_url},
    {"query", value_text},
    {NULL},
};
static const Value queue_members[] = {
    {"threshold", value_real, .minimum = 1, .maximum = MOST, .is_required = true},
    {"metricName", read_metric},
    {"prometheusUrl", read_url},
    {"query", value_text},
    {NULL},
};
static const Value authentication_members[] = {
    {"name", value_text},
    {"kind", value_text, .choices = "TriggerAuthentication"},
    {NULL},
};
static const Value trigger_members[] = {
    {"type", value_text, .is_required = true},
    {"name", read_trigger_name},
    {"metadata", value_text_map},
    {"authenticationRef", value_map, authentication_members},
    {"metricType", value_text},
    {"useCachedMetrics", value_bool},
    {NULL},
};
static const Value trigger = {"", value_map, trigger_members};
static const Value autoscale_members[] = {
    {"cpu", value_map, percent_members},
    {"memory", value_map, percent_members},
    {"gpuUtilization", value_map, gpu_percent_members},
    {"queueDepth", value_map, queue_members},
    {"custom", value_list, &trigger},
    {"cooldownPeriod", value_number, .maximum = SERVICE_LONGEST_SECONDS},
    {"pollingInterval", value_number, .maximum = SERVICE_LONGEST_SECONDS},
    {NULL},
};
static const Value autoscale = {"autoscale", value_map, autoscale_members};
static const Value keda_members[] = {
    {"triggers", value_any},
    {"pollingInterval", value_number, .maximum = SERVICE_LONGEST_SECONDS},
    {"cooldownPeriod", value_number, .maximum = SERVICE_LONGEST_SECONDS},
    {"idleReplicaCount", value_number, .maximum = LIMIT_SCALE},
    {"advanced", value_any},
    {"fallback", value_any},
    {NULL},
};
static const Value keda = {"keda", value_map, keda_members};
static const Value vpa_members[] = {
    {"updateMode", value_text, .choices = "Off Initial Recreate", .is_required = true},
    {"minCpu", value_text},
    {"maxCpu", value_text},
    {"minMem", value_text},
    {"maxMem", value_text},
    {"cpuOnly", value_bool},
    {"memOnly", value_bool},
    {"updateRequestOnly", value_bool},
    {NULL},
};
static const Value vpa = {"vpa", value_map, vpa_members};

#define SCALING offsetof(ManifestService, scaling)
#define KEPT(key, table, generation)                                                               \
	{                                                                                          \
		key, value_decode, SCALING, .answer = RACK_IGNORES, .only = generation,            \
					    .value = table                                         \
	}

static const Field scale_fields[] = {
    {"count", decode_count},
    {"cpu", decode_number, offsetof(ManifestService, cpu), 1, MOST_CPU},
    {"memory", decode_number, offsetof(ManifestService, memory), LEAST_MEMORY, MOST_MEMORY},
    {"min", value_decode, SCALING, .only = 3, .value = &end_of_range},
    {"max", value_decode, SCALING, .only = 3, .value = &end_of_range},
    KEPT("targets", &targets, 0),
    KEPT("cooldown", &cooldown, 2),
    KEPT("gpu", &gpu, 3),
    KEPT("limit", &limit, 3),
    KEPT("autoscale", &autoscale, 3),
    KEPT("keda", &keda, 3),
    KEPT("vpa", &vpa, 3),
    {NULL},
};

void
scale_decode(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	if (yaml_kind(node) == YAML_SCALAR)
		decode_range(decoder, node, target);
	else
		decode_map(decoder, node, scale_fields, target);
}

/* The parts together */

/* `min` and `max` go before `count`, as in the third generation. */
static void
complete_ends(Decoder *decoder, const YamlNode *scale, ManifestService *service)
{
	bool scales_itself = json_object_get(service->scaling, "autoscale") != NULL;
	bool has_count = yaml_member(scale, "count") != NULL;
	json_int_t low = json_int_of(service->scaling, "min", -1);
	json_int_t high = json_int_of(service->scaling, "max", -1);
	if (low < 0 && high < 0 && (!scales_itself || has_count))
		return;

	if (low < 0)
		low = scales_itself ? 0 : high;
	if (high < 0)
		high = scales_itself ? AUTOSCALE_MOST : low;
	if (low > high)
		yaml_problem(
		    decoder->problems, scale, "min %d is more than max %d", (int)low, (int)high);
	service->count_minimum = (unsigned)MIN(low, high);
	service->count_maximum = (unsigned)high;
}

static void
complete_limit(Decoder *decoder, const YamlNode *scale, ManifestService *service)
{
	json_t *most = json_object_get(service->scaling, "limit");
	unsigned cpu = (unsigned)json_int_of(most, "cpu", 0);
	unsigned memory = (unsigned)json_int_of(most, "memory", 0);
	if (cpu > 0 && service->cpu > cpu)
		yaml_problem(decoder->problems, scale, "the limit of cpu, %u, is less than cpu, %u",
		    cpu, service->cpu);
	if (memory > 0 && service->memory > memory)
		yaml_problem(decoder->problems, scale,
		    "the limit of memory, %u, is less than memory, %u", memory, service->memory);
	if (service->cpu == 0)
		service->cpu = cpu;
	if (service->memory == 0)
		service->memory = memory;
}

static bool
wakes_from_zero(const json_t *scaling)
{
	json_t *own = json_object_get(scaling, "autoscale");
	bool has_other =
	    json_object_get(own, "queueDepth") || json_object_get(own, "gpuUtilization");
	gsize index;
	json_t *entry;
	json_array_foreach(json_object_get(own, "custom"), index, entry)
	{
		const char *type = json_text_of(entry, "type", "");
		has_other |= strcmp(type, "cron") != 0 && strcmp(type, "cpu") != 0 &&
			     strcmp(type, "memory") != 0;
	}
	return has_other;
}

static void
check_autoscale(Decoder *decoder, const YamlNode *node, const ManifestService *service)
{
	json_t *own = json_object_get(service->scaling, "autoscale");
	json_t *cards = json_object_get(service->scaling, "gpu");
	if (own == NULL)
		return;

	if (json_object_get(own, "gpuUtilization") && json_int_of(cards, "count", 0) < 1)
		yaml_problem(
		    decoder->problems, node, "gpuUtilization needs a gpu.count of 1 or more");
	if (service->count_maximum <= service->count_minimum)
		yaml_problem(decoder->problems, node,
		    "max must be more than min, or nothing is left to scale");
	if (service->count_minimum == 0 && !wakes_from_zero(service->scaling))
		yaml_problem(decoder->problems, node,
		    "cpu, memory and cron never start the first process: set min to 1, or add "
		    "queueDepth, gpuUtilization or a trigger of another type");
}

void
scale_complete(Decoder *decoder, const YamlNode *scale, ManifestService *service)
{
	if (scale == NULL || yaml_kind(scale) != YAML_MAP)
		return;

	complete_ends(decoder, scale, service);
	complete_limit(decoder, scale, service);
	const YamlNode *own = yaml_member(scale, "autoscale");
	if (own != NULL)
		check_autoscale(decoder, own, service);
}
