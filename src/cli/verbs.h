/*
 * Every verb and every flag, in two tables that also are the help, the completion and the manual.
 */
#pragma once

#include "cli/call.h"

/* Runs the program: finds the verb, runs it, tells its error. Returns the exit status. */
int
verbs_main(int argc, char **argv);

/* The tables; the last row of the verbs has no words, that of the flags no name. */
const Verb *
verb_table(void);

const Flag *
flag_table(void);

/* NULL when there is none. */
const Flag *
flag_named(const char *name);

/* True if the argument is this flag: «--app», «--app=x» or «-a». */
bool
flag_matches(const Flag *flag, const char *argument);

/* The verb whose words begin `argv`, the longest of several, and how many words that were. NULL
 * when there is none. */
const Verb *
verb_find(int argc, char **argv, int *word_count);

/* help.c */
char *
help_overview(void);

char *
help_verb(const Verb *verb);

/* The verbs, by file. */

bool
api_get(Call *call, GError **error);

bool
apps_list(Call *call, GError **error);

bool
apps_cancel(Call *call, GError **error);

bool
apps_create(Call *call, GError **error);

bool
apps_delete(Call *call, GError **error);

bool
apps_info(Call *call, GError **error);

bool
apps_lock(Call *call, GError **error);

bool
apps_params(Call *call, GError **error);

bool
apps_params_set(Call *call, GError **error);

bool
apps_unlock(Call *call, GError **error);

bool
apps_wait(Call *call, GError **error);

bool
build(Call *call, GError **error);

bool
builds_info(Call *call, GError **error);

bool
builds_list(Call *call, GError **error);

bool
builds_logs(Call *call, GError **error);

int
complete_main(int argc, char **argv);

bool
certificates_delete(Call *call, GError **error);

bool
certificates_generate(Call *call, GError **error);

bool
certificates_import(Call *call, GError **error);

bool
certificates_list(Call *call, GError **error);

bool
copy(Call *call, GError **error);

bool
deploy(Call *call, GError **error);

bool
env_edit(Call *call, GError **error);

bool
env_get_one(Call *call, GError **error);

bool
env_list(Call *call, GError **error);

bool
env_set_many(Call *call, GError **error);

bool
env_unset_many(Call *call, GError **error);

bool
exec_command(Call *call, GError **error);

bool
help(Call *call, GError **error);

bool
install_aws(Call *call, GError **error);

bool
init(Call *call, GError **error);

bool
login(Call *call, GError **error);

bool
logs(Call *call, GError **error);

bool
manifest_check(Call *call, GError **error);

bool
manifest_show(Call *call, GError **error);

bool
open_app(Call *call, GError **error);

bool
processes_info(Call *call, GError **error);

bool
processes_list(Call *call, GError **error);

bool
processes_stop(Call *call, GError **error);

bool
proxy_ports(Call *call, GError **error);

bool
rack_info(Call *call, GError **error);

bool
rack_logs(Call *call, GError **error);

bool
rack_params(Call *call, GError **error);

bool
rack_params_set(Call *call, GError **error);

bool
rack_repair(Call *call, GError **error);

bool
rack_scale(Call *call, GError **error);

bool
rack_update(Call *call, GError **error);

bool
rack_processes_list(Call *call, GError **error);

bool
racks_list(Call *call, GError **error);

bool
racks_switch(Call *call, GError **error);

bool
releases_info(Call *call, GError **error);

bool
releases_list(Call *call, GError **error);

bool
releases_manifest(Call *call, GError **error);

bool
releases_promote(Call *call, GError **error);

bool
releases_rollback(Call *call, GError **error);

bool
run_command(Call *call, GError **error);

bool
services_list(Call *call, GError **error);

bool
services_restart(Call *call, GError **error);

bool
services_scale(Call *call, GError **error);

bool
ssl_list(Call *call, GError **error);

bool
uninstall_aws(Call *call, GError **error);

bool
version(Call *call, GError **error);
