/*
 * This rack in the CLI's configuration (config.json of docs/cli.md): what the installer has to know
 * and leave there. Other racks and other members stay as they are.
 */
#pragma once

#include "swarm/settings.h"

/* The password of the rack in the configuration, «» when it is not there. NULL: the configuration
 * cannot be read, or has a rack of this name somewhere else (CONFLICT). The caller frees it. */
char *
account_password(const char *rack, GError **error);

/* Adds or replaces the rack; makes it the current one when there is none, or when `is_new`. */
bool
account_write(const SwarmSettings *settings, const char *password, bool is_new, GError **error);

/* Not an error when it is not there. */
bool
account_remove(const char *rack, GError **error);

/* «http://convox:PASSWORD@127.0.0.1:PORT»: what any client of the wire is pointed at. */
char *
account_url(const SwarmSettings *settings, const char *password);

/* A rack in an AWS account: CONFLICT when the configuration has another rack of this name. */
bool
account_check_aws(
    const char *rack, const char *region, const char *account, const char *domain, GError **error);

/* What is written of it: everything but `profile` (NULL: none) is needed. */
typedef struct {
	const char *rack;
	const char *domain;
	const char *password;
	const char *region;
	const char *account;
	const char *profile;
} AccountAws;

/* Adds or replaces it; makes it the current one when there is none, or when `is_new`. */
bool
account_write_aws(const AccountAws *entry, bool is_new, GError **error);

/* Takes out the rack of this region and account. Not an error when it is not there. */
bool
account_remove_aws(const char *rack, const char *region, const char *account, GError **error);
