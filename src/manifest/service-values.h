/*
 * The decoders of a service's keys whose values have more than one spelling. Each fits into a table
 * of fields; the comment says what it reads and the type of its place.
 */
#pragma once

#include "manifest/decode.h"
#include "manifest/manifest.h"

#define SERVICE_UNSET G_MAXUINT /* a number that the manifest does not give */
#define SERVICE_LONGEST_SECONDS 86400
#define SERVICE_ASKS_POWER                                                                         \
	"it gives power over the machine: an app gets it with apps params set HostAccess=Yes"

/* `path` below `folder` without «.» and «..»; NULL when it leaves the project. The caller frees it.
 */
char *
service_inside_path(const char *folder, const char *path);

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

/* «3000» or «https:3000», the scheme only if it is written. False after noting a problem. */
bool
service_port_text(Decoder *decoder, const YamlNode *node, unsigned *port, char **scheme);

/* A list of texts → GStrv. */
void
service_decode_texts(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

/* A list of «8125/udp», «8126» → the service's ports. */
void
service_decode_ports(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

/* true or {ports} → is_agent, and the ports. */
void
service_decode_agent(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

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
