/*
 * The top-level keys besides services: resources, timers, balancers and what only other racks act
 * on.
 */
#pragma once

#include "manifest/decode.h"
#include "manifest/manifest.h"

/* The table of the top level's keys, up to one without a name (manifest.c). */
const Field *
top_keys(void);

/* Field decoders whose target is a Manifest. */
void
top_decode_resources(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

void
top_decode_timers(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

void
top_decode_balancers(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

/* A command, or {command, service}. */
void
top_decode_release(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

/* Checks what names something else: timers and balancers their service, services their resources.
 */
void
top_check_references(Decoder *decoder, const YamlNode *root, const Manifest *manifest);

/* Notes a problem unless it is a schedule. */
void
top_check_schedule(Decoder *decoder, const YamlNode *node, const char *schedule);

void
top_resource_free(gpointer resource);

void
top_timer_free(gpointer timer);
