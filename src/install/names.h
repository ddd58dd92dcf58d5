/*
 * What the things of a rack are called on its machine: all begin with the rack's name, so that
 * several racks can be installed side by side. Pure texts.
 */
#pragma once

#include "base/json.h"

#define PART_API "api"
#define PART_ROUTER "router" /* a container, and a volume */
#define PART_REGISTRY "registry"
#define PART_DATA "data"         /* a volume */
#define PART_PASSWORD "password" /* a secret */

/* «carrack-api»: service, container, volume or secret. The caller frees it. */
char *
name_of_part(const char *rack, const char *part);

/* «/run/carrack», where the parts meet. The caller frees it. */
char *
name_of_folder(const char *rack);

/* «/run/carrack/api.sock». The caller frees it. */
char *
name_of_socket(const char *rack);

/* A list filter of the engine, escaped: «?filters=…» for things with this label. The caller frees
 * it. */
char *
name_filter(const char *label, const char *value);
