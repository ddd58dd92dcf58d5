/*
 * The other racks of this machine: what they have is not ours to take or to remove.
 */
#pragma once

#include "base/json.h"
#include "swarm/docker.h"
#include "swarm/settings.h"

/* SwarmSettings of each rack but `rack`, read from its API's service. The caller frees it. */
GPtrArray *
racks_others(Docker *docker, const char *rack);

/* Name of the rack among them that has the port, NULL when none has. Borrowed. */
const char *
racks_port_owner(const GPtrArray *others, unsigned port);

/* Ids of the images that things of other racks run on, as a set. The caller frees it. */
GHashTable *
racks_images_of_others(Docker *docker, const char *rack);

/* «NAME=value» lines of a JSON list. The caller frees it. */
GStrv
racks_lines(const json_t *list);
