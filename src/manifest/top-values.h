/*
 * Top-level keys that are checked and kept, because only other racks act on them.
 */
#pragma once

#include "manifest/value.h"

extern const Value top_app_settings;
extern const Value top_budget;
extern const Value top_configs;
extern const Value top_params;

/* Notes what is wrong with the budget as a whole. `services` is the number of them. */
void
top_check_budget(Decoder *decoder, const YamlNode *node, const json_t *budget, json_t *names);

/* Notes each configMount of a service that names a config which is not there. */
void
top_check_config_mounts(
    Decoder *decoder, const YamlNode *service, const json_t *mounts, const json_t *configs);
