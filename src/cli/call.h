/*
 * One run of a verb: its arguments and flags, the rack it talks to, the app it is about, and what
 * it prints. A verb is a function from a Call to success or an error; a usage error (exit status 2)
 * is told apart by its domain.
 */
#pragma once

#include "base/error.h"
#include "cli/client.h"
#include "cli/output.h"

#define USAGE_ERROR (usage_error_quark())

GQuark
usage_error_quark(void);

/* Sets a usage error. Always returns false. */
bool
usage_error(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

typedef struct Call Call;

typedef bool (*VerbRun)(Call *call, GError **error);

typedef struct {
	const char *words;     /* «apps create» */
	const char *arguments; /* «<needed> [optional] [more...]», which also says how many */
	const char *summary;
	const char *flags; /* names of the flags table, separated by blanks */
	VerbRun run;
	const char *examples; /* one a line, without «carrack» */
	/* Instead of `run`: reads its arguments itself, --help included; returns the exit status.
	 */
	int (*main)(int argc, char **argv);
	bool is_hidden;
	int failure_status; /* of whatever goes wrong on our side; 0: 1, and 2 for usage */
} Verb;

typedef struct {
	const char *name;
	char letter;          /* 0: none */
	const char *argument; /* what follows it, or NULL for a switch */
	const char *summary;
	bool is_list; /* may be given several times */
} Flag;

struct Call {
	const Verb *verb;
	char **arguments; /* NULL-terminated */
	unsigned argument_count;
	Output *output;
	GCancellable *cancel; /* Ctrl-C, once call_watch_interrupt has been called */
	int exit_status;      /* of a verb that succeeds: the command's that it ran */
	GPtrArray *details;   /* lines for people below the error; of char * */
	/* The rest belongs to call.c. */
	GHashTable *flags; /* name → GStrv */
	Client *client;
	char *app;
	bool is_app_guessed;
};

/* Takes the arguments after the verb's words apart. */
bool
call_parse(Call *call, int argc, char **argv, GError **error);

/* The same without a look at how many arguments there are; for a line that is still being written.
 */
bool
call_parse_loosely(Call *call, int argc, char **argv, GError **error);

void
call_clear(Call *call);

/* The value of a flag, or NULL. Borrowed. */
const char *
call_flag(const Call *call, const char *name);

/* All values of a flag, or NULL. Borrowed. */
const char *const *
call_flags(const Call *call, const char *name);

bool
call_has(const Call *call, const char *name);

/* The value of a flag as a number, -1 when it was not given. */
bool
call_number(const Call *call,
    const char *name,
    gint64 minimum,
    gint64 maximum,
    gint64 *number,
    GError **error);

/* The rack. Borrowed. */
Client *
call_client(Call *call, GError **error);

/* The app: --app, CARRACK_APP, ./.carrack/app, ./.convox/app, the folder's name. Borrowed. */
const char *
call_app(Call *call, GError **error);

/* As call_app, where a first argument goes before all. */
const char *
call_app_argument(Call *call, GError **error);

/* As call_app, for a verb that works on a folder which need not be the current one. */
const char *
call_app_of_folder(Call *call, const char *folder, GError **error);

/* Tells on stderr which app was meant when it was only guessed, before something is changed. */
void
call_announce_app(const Call *call);

/* The app's name made of any text: lower case, a dash for what no name may hold. NULL when nothing
 * is left of it. The caller frees it. */
char *
call_app_name_of(const char *text);

/* From now on Ctrl-C cancels `cancel` instead of ending the program; a second one ends it. */
void
call_watch_interrupt(Call *call);

/* True once Ctrl-C was pressed. */
bool
call_is_interrupted(const Call *call);

/* Waits, or until Ctrl-C, which is an error. */
bool
call_pause(Call *call, unsigned milliseconds, GError **error);
