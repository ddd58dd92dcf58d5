/*
 * How many processes a service has and how large they are: `scale` in all of its spellings.
 */
#pragma once

#include "manifest/decode.h"
#include "manifest/manifest.h"

/* 3, «1-4», {count, cpu, memory, …} → the service's members. */
void
scale_decode(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

/* Fills in what other members say (`scale` may be NULL) and checks the parts against one another.
 */
void
scale_complete(Decoder *decoder, const YamlNode *scale, ManifestService *service);
