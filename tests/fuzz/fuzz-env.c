/*
 * Fuzzes the readers of environments. Beyond not crashing, what was read must survive each way out
 * and in again: as a file's text, as JSON and, once newlines are restored, as the wire's text.
 */
#include "base/env.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
require_same(const Env *one, const Env *other)
{
	g_autofree char *change = other ? env_describe_change(one, other) : g_strdup("refused");

	if (change)
		abort();
}

static void
check_ways_out(const Env *env)
{
	g_autofree char *file_text = env_file_text(env);
	g_autoptr(Env) from_file = env_parse_file(file_text, strlen(file_text), "file", NULL);
	require_same(env, from_file);

	g_autofree char *wire_text = env_text(env);
	g_autoptr(Env) from_wire = env_parse_wire(wire_text, NULL);
	if (!from_wire)
		abort();
	env_restore_newlines(from_wire, env);
	require_same(env, from_wire);

	json_auto_t *json = env_json(env);
	g_autoptr(Env) from_json = env_from_json(json, NULL);
	require_same(env, from_json);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	g_autofree char *text = g_strndup((const char *)bytes, size);
	g_autoptr(GError) file_error = NULL, wire_error = NULL;
	g_autoptr(Env) file = env_parse_file((const char *)bytes, size, "file", &file_error);
	g_autoptr(Env) wire = env_parse_wire(text, &wire_error);

	if (!file != !!file_error || !wire != !!wire_error)
		abort();
	if (file)
		check_ways_out(file);
	if (wire)
		check_ways_out(wire);
	return 0;
}
