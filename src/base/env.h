/*
 * An environment: names and byte-exact values, always in the order of the names.
 *
 * Names: any printable ASCII but «=» and the blank (`a-b`, `cluster.name`, `_X`, `x1`, `1X` are
 * data, not errors). Values: any UTF-8 without NUL; «NAME=value» is at most 131,071 bytes, the
 * kernel's limit for one string. The wire's text form is a line «NAME=value» each, which cannot
 * hold a newline; the JSON object form can.
 */
#pragma once

#include "base/json.h"

typedef struct Env Env;

Env *
env_new(void);

Env *
env_copy(const Env *env);

void
env_free(Env *env);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Env, env_free)

/* Sets a name after checking both; the error quotes the name and says what is allowed. */
bool
env_set(Env *env, const char *name, const char *value, GError **error);

/* True if it was there. */
bool
env_unset(Env *env, const char *name);

/* The value, or NULL. Borrowed until the name is set again. */
const char *
env_get(const Env *env, const char *name);

unsigned
env_size(const Env *env);

/* Names in order, NULL-terminated; the caller frees the array (g_free), not the names. */
const char **
env_names(const Env *env);

/* The wire's text: «A=1\nB=2», sorted, no newline at the end. A newline inside a value becomes the
 * two characters «\n», so that it cannot forge a variable. The caller frees it. */
char *
env_text(const Env *env);

/* Reads the wire's text: the first «=» splits, lines without «=» are dropped, blank names refused.
 */
Env *
env_parse_wire(const char *text, GError **error);

/* Gives values back the newlines that env_text took from them: each value of `env` that is what
 * env_text shows for the one in `before` becomes that one. For clients that read the wire's text,
 * change one name and send all of it. */
void
env_restore_newlines(Env *env, const Env *before);

/* A .env text, a line each, that env_parse_file reads back to the same environment: a value with a
 * newline, a quote, a control byte, a blank at an end or a blank before «#» stands in double quotes
 * with escapes. The caller frees it. */
char *
env_file_text(const Env *env);

/* Reads a .env file: BOM, CRLF, `export`, comments, single quotes (literal), double quotes (\n \r
 * \t \" \\, may run over lines). `file` is for errors, which carry file:line. */
Env *
env_parse_file(const char *text, gsize length, const char *file, GError **error);

/* {"A": "1"} both ways. */
json_t *
env_json(const Env *env);

Env *
env_from_json(const json_t *object, GError **error);

/* «env add:A change:B remove:C», or NULL when both are the same. The caller frees it. */
char *
env_describe_change(const Env *before, const Env *after);

/* SHA-256 over all names and values, for proofs. The caller frees it. */
char *
env_hash(const Env *env);
