/*
 * A command in the rack, talked to: stdin to it, its stdout and stderr to ours, byte for byte, and
 * its exit status.
 */
#pragma once

#include "cli/call.h"

/* The exit status of verbs that run commands, when it is not the command's. */
#define SESSION_FAILED 125

typedef struct {
	const char *path;
	const char *const *command; /* argv */
	GPtrArray *headers;         /* further ones; of char * */
} Session;

/* Runs it to its end; the exit status goes to `call`. An error when the connection was lost before.
 * A signal ends this program itself, and with it the command. */
bool
session_run(Call *call, const Session *session, GError **error);

/* The argument vector as the rack takes it: «["sh","-c","…"]» in ASCII. NULL when a word is not
 * UTF-8. The caller frees it. */
char *
session_command_json(const char *const *command, GError **error);
