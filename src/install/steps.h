/*
 * The steps of an installation, in the order they are taken, and what they share. Only install.c
 * and uninstall.c call these; nothing outside this folder sees them.
 */
#pragma once

#include "install/names.h"
#include "install/progress.h"
#include "swarm/docker.h"
#include "swarm/settings.h"

typedef struct {
	Docker *docker;
	Progress *progress;
	SwarmSettings *settings;
	char *docker_socket;
	GStrv wishes;         /* what environment and flags ask for, as «CARRACK_…=value» */
	json_t *info;         /* the engine's /info */
	SwarmSettings *found; /* of the rack of this name, NULL when it is not here */
	GPtrArray *others;    /* SwarmSettings of the other racks on this machine */
	gint64 began;         /* microseconds since 1970 */
	char *advertise;      /* address for a new swarm, NULL: found out */
	char *image;          /* id */
	char *layers;         /* hash of what the image has besides our own binaries */
	char *secret;         /* id and name of the password's secret */
	char *secret_name;
	char *password; /* NULL: there is one, and only the secret knows it */
	bool wants_new_password;
	bool wants_rebuild;
	bool has_made_swarm;
	bool has_old_data; /* volumes of an earlier rack were there before we came */
	bool has_changed;  /* a part was made or replaced */
} Install;

void
install_clear(Install *install);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Install, install_clear)

/* preflight.c */

/* A client of the engine, or one line on why there is none. */
Docker *
preflight_engine(const char *socket_path, GError **error);

/* Finds the rack of the wished name, if it is here, its settings, and the other racks. */
bool
preflight_look(Install *install, GError **error);

/* Memory, disk, clock, the node's part in a swarm. */
bool
preflight_machine(const Install *install, GError **error);

/* The name is not that of anything else on this machine. */
bool
preflight_name(const Install *install, GError **error);

/* Every port is free or ours already; picks another registry port when nobody asked for the one
 * that is taken. */
bool
preflight_ports(Install *install, GError **error);

/* ports.c */

/* Who listens on a TCP port of this machine: «haproxy (pid 812)», «container web», or «another
 * process». NULL when the port is free. The caller frees it. */
char *
port_owner(Docker *docker, unsigned port);

/* image.c */

/* «carrack/rack:HASH» of these binaries, whether it is there or not. The caller frees it. */
char *
image_name(GError **error);

/* Makes sure of the image of these binaries and fills `image` and `layers`. */
bool
image_ensure(Install *install, GError **error);

/* parts.c */

bool
swarm_ensure(Install *install, GError **error);

/* A password from the configuration or a new one, its secret, and the configuration. */
bool
password_ensure(Install *install, GError **error);

bool
registry_ensure(Install *install, GError **error);

bool
router_ensure(Install *install, GError **error);

bool
api_ensure(Install *install, GError **error);

/* proof.c */

/* Waits until the registry and, through HAProxy, the API answer; the error says why not, with the
 * task's error and its last lines. */
bool
proof_wait(Install *install, GError **error);

/* remove.c */

/* Everything on this machine that belongs to the rack of `settings`, by kind: {"services":
 * ["carrack-api", …], …}; kinds without anything are left out, volumes are left out without `data`.
 */
json_t *
remove_inventory(const Install *install, bool data, GError **error);

/* Nothing is in the folder but what a rack's parts put there. */
bool
remove_is_our_folder(const char *folder);

/* Takes all of it away, in the order of dependence, and waits until it is gone; the error names
 * what is left. Nothing there is no error. */
bool
remove_everything(const Install *install, bool data, GError **error);

/* Leaves the swarm; CONFLICT while services that are not ours run in it. */
bool
remove_swarm(Docker *docker, GError **error);

/* Takes images and passwords of earlier versions away that nothing uses. */
void
remove_unused(const Install *install);
