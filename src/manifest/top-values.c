/*
 * `appSettings`, `budget`, `configs` and `params`, with the rules that Convox has for them.
 */
#include "manifest/top-values.h"

#include "base/text.h"

#include <string.h>

static const Value log_members[] = {
    {"cwRetention", value_number, .maximum = 36500},
    {"disableRetention", value_bool},
    {NULL},
};
static const Value settings_members[] = {{"awsLogs", value_map, log_members}, {NULL}};
const Value top_app_settings = {"", value_map, settings_members};
const Value top_params = {"", value_text_map};

static const Value config_members[] = {
    {"id", value_text, .is_required = true},
    {"name", value_text},
    {"value", value_text},
    {NULL},
};
static const Value config = {"", value_map, config_members};
const Value top_configs = {"", value_list, &config};

static json_t *
read_grace(Decoder *decoder, const YamlNode *node, const Value *value)
{
	const char *text = decode_scalar(decoder, node, "a duration like 5m");
	gint64 duration = -1;
	if (text == NULL)
		return NULL;
	bool is_good = text_parse_duration(text, &duration, NULL) && duration >= 0 &&
		       duration <= G_TIME_SPAN_HOUR;
	if (is_good)
		return json_text_value(text);

	yaml_problem(decoder->problems, node, "«%s» is not a duration from 0s to 1h", text);
	return NULL;
}

#define MOST 1000000000
static const Value text_item = {"", value_text};
static const Value budget_members[] = {
    {"monthlyCapUsd", value_real, .maximum = MOST},
    {"alertThresholdPercent", value_real, .maximum = 100},
    {"atCapAction", value_text, .choices = "alert-only block-new-deploys auto-shutdown"},
    {"atCapWebhookUrl", value_text},
    {"pricingAdjustment", value_real, .maximum = MOST},
    {"neverAutoShutdown", value_list, &text_item},
    {"shutdownOrder", value_text, .choices = "largest-cost newest"},
    {"notifyBeforeMinutes", value_number, .minimum = 5, .maximum = 1440},
    {"shutdownGracePeriod", read_grace},
    {"recoveryMode", value_text, .choices = "auto-on-reset manual"},
    {NULL},
};
const Value top_budget = {"", value_map, budget_members};

static bool
is_spared(const json_t *budget, const char *service)
{
	gsize index;
	json_t *entry;
	json_array_foreach(json_object_get(budget, "neverAutoShutdown"), index, entry)
	{
		if (g_strcmp0(json_string_value(entry), service) == 0)
			return true;
	}
	return false;
}

void
top_check_budget(Decoder *decoder, const YamlNode *node, const json_t *budget, json_t *names)
{
	if (strcmp(json_text_of(budget, "atCapAction", ""), "auto-shutdown") != 0)
		return;

	bool can_stop = false;
	gsize index;
	json_t *name;
	json_array_foreach(names, index, name) can_stop |=
	    !is_spared(budget, json_string_value(name));
	if (*json_text_of(budget, "atCapWebhookUrl", "") == '\0')
		yaml_problem(decoder->problems, node,
		    "auto-shutdown needs atCapWebhookUrl: services do not stop without notice");
	if (json_number_value(json_object_get(budget, "monthlyCapUsd")) <= 0)
		yaml_problem(decoder->problems, node, "auto-shutdown needs a monthlyCapUsd over 0");
	if (!can_stop)
		yaml_problem(decoder->problems, node,
		    "auto-shutdown needs a service that neverAutoShutdown does not name");
}

static bool
has_config(const json_t *configs, const char *id)
{
	gsize index;
	json_t *entry;
	json_array_foreach(configs, index, entry)
	{
		if (strcmp(json_text_of(entry, "id", ""), id) == 0)
			return true;
	}
	return false;
}

void
top_check_config_mounts(
    Decoder *decoder, const YamlNode *service, const json_t *mounts, const json_t *configs)
{
	const YamlNode *node = mounts != NULL ? yaml_member(service, "configMounts") : NULL;
	gsize index;
	json_t *mount;
	json_array_foreach(mounts, index, mount)
	{
		const char *id = json_text_of(mount, "id", "");
		if (*id != '\0' && !has_config(configs, id))
			yaml_problem(
			    decoder->problems, node, "there is no config with id «%s»", id);
	}
}
