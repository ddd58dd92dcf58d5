/*
 * From a spec to the body of /services/create. The same spec always gives the same body.
 *
 * Defaults of Swarm that would cost seconds are set here (restart delay), and those that would lie:
 * VIPs need IPVS and go stale, so every service is dnsrr; an image's own HEALTHCHECK is switched
 * off, because the rack probes its processes itself and a second opinion would hold back or kill
 * them.
 */
#include "swarm/engine-private.h"

#include <string.h>

#define NAME_BYTES 63       /* Swarm's limit: a DNS label */
#define NAME_SUFFIX_BYTES 4 /* «-999» */
#define RESTART_DELAY_NS 500000000
#define NANO_CPUS 1000000000LL
#define NANO_CPUS_LEAST 1000000 /* the engine takes no less */

char *
engine_escape_template(const char *value)
{
	g_auto(GStrv) parts = g_strsplit(value, "{{", -1);

	return g_strjoinv("{{\"{{\"}}", parts);
}

char *
engine_service_name(const EngineSpec *spec, unsigned attempt)
{
	g_autofree char *release = g_ascii_strdown(spec->release, -1);
	gsize taken = strlen(release) + NAME_SUFFIX_BYTES + strlen("--");
	gsize room = taken < NAME_BYTES ? NAME_BYTES - taken : 0;
	gsize service_length = MIN(strlen(spec->service), room);
	gsize app_length = MIN(strlen(spec->app), MAX(room / 2, room - service_length));
	service_length = MIN(service_length, room - app_length);

	GString *name = g_string_new(NULL);
	g_string_append_len(name, spec->app, app_length);
	g_string_append_c(name, '-');
	g_string_append_len(name, spec->service, service_length);
	g_string_append_printf(name, "-%s", release);
	if (attempt > 1)
		g_string_append_printf(name, "-%u", attempt);
	return g_string_free(name, FALSE);
}

json_t *
engine_labels(const SwarmEngine *engine, const EngineSpec *spec)
{
	g_autofree char *hash = env_hash(spec->env);
	g_autofree char *port = g_strdup_printf("%u", spec->port);

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", LABEL_RACK, engine->rack, LABEL_APP,
	    spec->app, LABEL_SERVICE, spec->service, LABEL_RELEASE, spec->release, LABEL_ENV, hash,
	    LABEL_PORT, port);
}

static json_t *
environment(const Env *env)
{
	json_t *list = json_array();
	g_autofree const char **names = env_names(env);

	for (const char **name = names; *name; name++) {
		g_autofree char *value = engine_escape_template(env_get(env, *name));
		g_autofree char *entry = g_strconcat(*name, "=", value, NULL);
		json_array_append_new(list, json_string(entry));
	}
	return list;
}

/* The command replaces the image's CMD and keeps its ENTRYPOINT: that is `Args`, not `Command`. */
static json_t *
arguments(const char *const *command)
{
	json_t *list = json_array();
	for (const char *const *argument = command; argument && *argument; argument++)
		json_array_append_new(list, json_text_value(*argument));
	return list;
}

static json_t *
container(const SwarmEngine *engine, const EngineSpec *spec)
{
	json_t *body = json_pack("{s:s, s:o, s:o, s:o, s:b, s:I, s:{s:[s]}}", "Image", spec->image,
	    "Labels", engine_labels(engine, spec), "Args", arguments(spec->command), "Env",
	    environment(spec->env), "Init", spec->has_init, "StopGracePeriod",
	    (json_int_t)spec->termination * NANO_CPUS, "Healthcheck", "Test", "NONE");
	engine_settings_service(engine, body, spec);
	return body;
}

/* Cpu is reserved but not limited: an idle machine's cores are free for whoever is busy. */
static json_t *
resources(const EngineSpec *spec)
{
	json_int_t cpus = spec->cpu * NANO_CPUS / 1024;
	json_int_t reserved = (json_int_t)spec->memory * MEBIBYTE;
	json_int_t limit = spec->memory > 0 ? reserved : (json_int_t)spec->memory_limit * MEBIBYTE;
	if (cpus > 0)
		cpus = MAX(cpus, NANO_CPUS_LEAST);

	return json_pack("{s:{s:I, s:I}, s:{s:I}}", "Reservations", "NanoCPUs", cpus, "MemoryBytes",
	    reserved, "Limits", "MemoryBytes", limit);
}

/* The log driver `local` keeps every byte; json-file turns what is not UTF-8 into U+FFFD. */
json_t *
engine_log_driver(const char *name_member, const char *options_member)
{
	return json_pack("{s:s, s:{s:s, s:s, s:s}}", name_member, "local", options_member,
	    "max-size", "10m", "max-file", "2", "compress", "false");
}

static json_t *
task_template(const SwarmEngine *engine, const EngineSpec *spec, const char *network)
{
	return json_pack("{s:o, s:o, s:o, s:{s:s, s:i}, s:[{s:s, s:[s]}]}", "ContainerSpec",
	    container(engine, spec), "Resources", resources(spec), "LogDriver",
	    engine_log_driver("Name", "Options"), "RestartPolicy", "Condition", "any", "Delay",
	    RESTART_DELAY_NS, "Networks", "Target", network, "Aliases", spec->service);
}

json_t *
engine_service_spec(
    const SwarmEngine *engine, const EngineSpec *spec, const char *name, const char *network)
{
	return json_pack("{s:s, s:o, s:o, s:{s:{s:i}}, s:{s:s}}", "Name", name, "Labels",
	    engine_labels(engine, spec), "TaskTemplate", task_template(engine, spec, network),
	    "Mode", "Replicated", "Replicas", (int)spec->count, "EndpointSpec", "Mode", "dnsrr");
}
