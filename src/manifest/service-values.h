/*
 * The decoders of a service's keys whose values have more than one spelling. Each fits into a table
 * of fields; the comment says what it reads and the type of its place.
 */
#pragma once

#include "manifest/decode.h"
#include "manifest/manifest.h"

#define SERVICE_UNSET G_MAXUINT /* a number that the manifest does not give */
#define SERVICE_LONGEST_SECONDS 86400

/* «.» or {path, manifest, args, target} → ManifestBuild. */
void
service_decode_build(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

/* → char *. */
void
service_decode_image(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

/* Text for a shell, or a list of words → GStrv. */
void
service_decode_command(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

/* 3000, «https:3000», {port, scheme} → the service's port and port_scheme. */
void
service_decode_port(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

/* A path or {path, grace, interval, timeout} → ManifestHealth. */
void
service_decode_health(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

/* 3, «1-4», {count, cpu, memory} → the service's members. */
void
service_decode_scale(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

/* A list of variables → GStrv. */
void
service_decode_environment(
    Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

/* «a.test, b.test» or a list → GStrv. */
void
service_decode_domains(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

/* Adds the variables of a list to `entries` (of char *); lists in it are read one level deep. */
void
service_decode_variables(Decoder *decoder, const YamlNode *node, GPtrArray *entries);
