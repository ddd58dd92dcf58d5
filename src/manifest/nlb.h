/*
 * `nlb`: listeners of a network load balancer, which the second generation knows on AWS.
 */
#pragma once

#include "manifest/manifest.h"
#include "manifest/value.h"

extern const Value service_nlb;

/* Fills in defaults and checks the listeners of all services against one another; `services` is the
 * manifest's map, for positions. */
void
nlb_complete(Decoder *decoder, const YamlNode *services, const Manifest *manifest);
