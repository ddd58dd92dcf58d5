/*
 * The rack's parts as the engine is to run them: pure functions from settings to JSON. The same
 * input always gives the same text, and each carries a hash of itself (label carrack.spec), so that
 * a second installation can tell what has to change.
 */
#pragma once

#include "base/json.h"
#include "swarm/settings.h"

#define LABEL_PART "carrack.part"
#define LABEL_RACK "carrack.rack"
#define LABEL_SPEC "carrack.spec"

typedef struct {
	const SwarmSettings *settings;
	const char *docker_socket;
	const char *image;  /* id */
	const char *layers; /* what the image has besides our binaries; for router and registry */
	const char *node;   /* the state is in volumes of this node */
	const char *host_network; /* id */
	const char *secret;       /* id of the password's secret */
	const char *secret_name;
} SpecInput;

/* Bodies of POST /services/create. The caller owns them. */
json_t *
spec_api(const SpecInput *input);

/* Its hash leaves the image's id out: a new carrackd alone does not restart it. */
json_t *
spec_registry(const SpecInput *input);

/* Body of POST /containers/create; its hash leaves the image's id out as well. */
json_t *
spec_router(const SpecInput *input);

/* The label carrack.spec of a body made here. Borrowed. */
const char *
spec_hash(const json_t *spec);

/* Hash of the code that runs in the router's container before HAProxy, and of the image's recipe.
 */
char *
spec_router_code(void);
