/*
 * Which racks this user knows: config.json in $CARRACK_CONFIG, else $XDG_CONFIG_HOME/carrack, else
 * ~/.config/carrack. The folder is 0700 and the file 0600, because it holds passwords. Members that
 * this version does not know are kept.
 */
#pragma once

#include "base/json.h"

typedef struct Config Config;

/* Borrowed from the Config. */
typedef struct {
	const char *name;
	const char *url;    /* http(s)://user:password@host:port */
	const char *socket; /* tried first, or NULL */
	const char *ca;     /* file, or NULL */
	bool insecure;      /* the server's certificate is not verified */
} ConfigRack;

/* That folder. The caller frees it. */
char *
config_folder(void);

/* An empty one when there is no file yet. */
Config *
config_load(GError **error);

void
config_free(Config *config);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)

/* Writes the file anew, or leaves the old one whole. */
bool
config_save(const Config *config, GError **error);

/* The name of the current rack, or NULL. Borrowed. */
const char *
config_current(const Config *config);

bool
config_set_current(Config *config, const char *name);

/* Sorted, NULL-terminated; the caller frees the array, not the names. */
const char **
config_names(const Config *config);

/* True if a rack of exactly this name is known; fills `rack` unless NULL. */
bool
config_rack(const Config *config, const char *name, ConfigRack *rack);

/* By name, or by a part of a name that only one rack has. NOT_FOUND and INVALID name the racks
 * there are. */
bool
config_find(const Config *config, const char *wanted, ConfigRack *rack, GError **error);

/* Adds or replaces. */
void
config_set_rack(Config *config, const ConfigRack *rack);
