/*
 * Sizes, counts, times and health of a compose service.
 *
 * A rack asks for health over the network and from outside of the container, so a `test` that runs
 * a command there is read for what it asks: `curl http://localhost/ready` says the path. Any other
 * is named in a warning.
 */
#include "base/limits.h"
#include "base/text.h"
#include "manifest/compose-private.h"

#include <math.h>
#include <string.h>

#define MEBIBYTE (1024.0 * 1024.0)
#define LEAST_MEMORY 6 /* MiB; the engine starts nothing with less */
#define MOST_MEMORY (16 * 1024 * 1024)

/* Sizes */

static void
set_cpu(Decoder *decoder, const YamlNode *node, ComposeService *own, double scale)
{
	const char *text = decode_scalar(decoder, node, "a number");
	if (text == NULL)
		return;

	char *end;
	double number = g_ascii_strtod(text, &end);
	bool is_good = end != text && *end == '\0' && isfinite(number) && number >= 0 &&
		       number * scale <= 1024.0 * 1024.0;
	if (is_good)
		own->service->cpu = (unsigned)ceil(number * scale);
	else
		yaml_problem(decoder->problems, node, "«%s» is not a number of cores", text);
}

void
compose_cpus(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	set_cpu(decoder, node, target, 1024);
}

void
compose_cpu_shares(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	set_cpu(decoder, node, target, 1);
}

bool
compose_size(const char *text, unsigned *size)
{
	static const char units[] = "kmgt";
	char *end;
	double number = g_ascii_strtod(text, &end);
	if (end == text || !isfinite(number) || number < 0)
		return false;

	g_autofree char *unit = g_ascii_strdown(end, -1);
	const char *power = *unit != '\0' ? strchr(units, *unit) : NULL;
	const char *rest = power != NULL ? unit + 1 : unit;
	if (strcmp(rest, "") != 0 && strcmp(rest, "b") != 0 && strcmp(rest, "ib") != 0)
		return false;

	double bytes = number * pow(1024, power != NULL ? (double)(power - units + 1) : 0);
	if (bytes / MEBIBYTE > MOST_MEMORY)
		return false;
	*size = (unsigned)ceil(bytes / MEBIBYTE);
	return true;
}

static bool
read_memory(Decoder *decoder, const YamlNode *node, unsigned *size)
{
	const char *text = decode_scalar(decoder, node, "a size as 512m");
	if (text == NULL)
		return false;
	if (compose_size(text, size) && (*size == 0 || *size >= LEAST_MEMORY))
		return true;

	yaml_problem(decoder->problems, node, "«%s» is not a size of %d MiB or more, as 512m or 1g",
	    text, LEAST_MEMORY);
	return false;
}

/* The limit goes before what is reserved: here memory is both. */
void
compose_memory_limit(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	unsigned size;
	if (read_memory(decoder, node, &size)) {
		own->service->memory = size;
		own->has_limit = true;
	}
}

void
compose_memory(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	unsigned size;
	if (read_memory(decoder, node, &size) && !own->has_limit)
		own->service->memory = size;
}

void
compose_count(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	unsigned count = 1;
	const Field whole = {.name = field->name, .maximum = LIMIT_SCALE};
	decode_number(decoder, node, &whole, &count);
	own->service->count_minimum = own->service->count_maximum = count;
}

/* deploy */

static void
decode_mode(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	const char *text = decode_scalar(decoder, node, "replicated or global");
	own->service->is_agent = g_strcmp0(text, "global") == 0;
	if (own->service->is_agent)
		decode_answer(decoder, node, RACK_IGNORES, NULL);
	else if (text != NULL && strcmp(text, "replicated") != 0)
		yaml_problem(
		    decoder->problems, node, "«%s» is not one of replicated, global", text);
}

static const Field limit_fields[] = {
    {"cpus", compose_cpus},
    {"memory", compose_memory_limit},
    {"pids", decode_nothing, .answer = RACK_IGNORES},
    {NULL},
};
static const Field reservation_fields[] = {
    {"cpus", compose_cpus},
    {"memory", compose_memory},
    {"devices", decode_nothing, .answer = RACK_IGNORES},
    {"generic_resources", decode_nothing, .answer = RACK_IGNORES},
    {NULL},
};

static void
decode_limits(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	unsigned reserved = own->service->cpu;
	decode_map(decoder, node, limit_fields, target);
	/* Cpu is reserved here and never limited, so a reservation goes before a limit. */
	if (own->has_reserved_cpu)
		own->service->cpu = reserved;
}

static void
decode_reservations(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	decode_map(decoder, node, reservation_fields, target);
	own->has_reserved_cpu = yaml_kind(node) == YAML_MAP && yaml_member(node, "cpus") != NULL;
}

static const Field resource_fields[] = {
    {"limits", decode_limits},
    {"reservations", decode_reservations},
    {NULL},
};

static void
decode_resources(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	decode_map(decoder, node, resource_fields, target);
}

static const Field deploy_fields[] = {
    {"replicas", compose_count},
    {"resources", decode_resources},
    {"mode", decode_mode},
    {"labels", compose_labels},
    {"endpoint_mode", decode_nothing},
    {"placement", decode_nothing, .answer = RACK_IGNORES},
    {"restart_policy", decode_nothing, .answer = RACK_IGNORES},
    {"rollback_config", decode_nothing, .answer = RACK_IGNORES},
    {"update_config", decode_nothing, .answer = RACK_IGNORES},
    {NULL},
};

void
compose_deploy(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	decode_map(decoder, node, deploy_fields, target);
}

/* Times */

bool
compose_seconds(Decoder *decoder, const YamlNode *node, unsigned *seconds)
{
	const char *text = decode_scalar(decoder, node, "a duration as 30s");
	gint64 duration = -1;
	guint64 number;
	if (text == NULL)
		return false;
	if (g_ascii_string_to_unsigned(text, 10, 0, SERVICE_LONGEST_SECONDS, &number, NULL))
		duration = (gint64)number * G_USEC_PER_SEC;
	else
		text_parse_duration(text, &duration, NULL);
	if (duration < 0 || duration > (gint64)SERVICE_LONGEST_SECONDS * G_USEC_PER_SEC) {
		yaml_problem(
		    decoder->problems, node, "«%s» is not a duration as 30s or 1m30s", text);
		return false;
	}
	*seconds = (unsigned)((duration + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC);
	return true;
}

void
compose_grace(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	compose_seconds(decoder, node, &own->service->termination);
}

void
compose_restart(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	const char *text = decode_scalar(decoder, node, "always");
	bool is_known =
	    text != NULL && (strcmp(text, "always") == 0 || strcmp(text, "unless-stopped") == 0 ||
				g_str_has_prefix(text, "on-failure"));
	if (!is_known)
		decode_answer(
		    decoder, node, RACK_IGNORES, "a service's processes are always started again");
}

void
compose_init(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	const Field whole = {.name = field->name};
	decode_bool(decoder, node, &whole, &own->service->has_init);
}

/* Health */

/* The path of `http://localhost…` in a text; false when there is none. */
static bool
find_path(const char *text, char **path)
{
	g_autoptr(GRegex) form = g_regex_new(
	    "https?://(?:localhost|127\\.0\\.0\\.1|0\\.0\\.0\\.0|\\[::1\\])(?::[0-9]+)?(/"
	    "[^\\s'\"|;&)]*)?",
	    0, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;
	if (!g_regex_match(form, text, 0, &match))
		return false;

	g_autofree char *found = g_match_info_fetch(match, 1);
	*path = g_strdup(found != NULL && *found != '\0' ? found : "/");
	return true;
}

static void
decode_test(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	g_autoptr(GString) text = g_string_new(yaml_text(node));
	for (unsigned i = 0; yaml_kind(node) == YAML_LIST && i < yaml_size(node); i++) {
		const char *word = decode_scalar(decoder, yaml_item(node, i), "text");
		g_string_append_printf(text, "%s%s", i > 0 ? " " : "", word != NULL ? word : "");
	}
	g_autofree char *path = NULL;
	if (strcmp(text->str, "NONE") == 0) {
		own->service->health.is_disabled = true;
	} else if (find_path(text->str, &path)) {
		g_free(own->service->health.path);
		own->service->health.path = g_steal_pointer(&path);
		own->service->health.is_declared = true;
	} else {
		decode_answer(decoder, node, RACK_IGNORES,
		    "a command cannot say here whether a process is healthy; its port is asked");
	}
}

static void
decode_interval(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	unsigned seconds;
	if (compose_seconds(decoder, node, &seconds))
		own->service->health.interval = MAX(seconds, 1);
}

static void
decode_timeout(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	unsigned seconds;
	if (compose_seconds(decoder, node, &seconds))
		own->service->health.timeout = MAX(seconds, 1);
}

static void
decode_start(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	compose_seconds(decoder, node, &own->service->health.grace);
}

static void
decode_disable(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ComposeService *own = target;
	const Field whole = {.name = field->name};
	decode_bool(decoder, node, &whole, &own->service->health.is_disabled);
}

static const Field health_fields[] = {
    {"test", decode_test},
    {"interval", decode_interval},
    {"timeout", decode_timeout},
    {"start_period", decode_start},
    {"disable", decode_disable},
    {"retries", decode_nothing, .answer = RACK_IGNORES},
    {"start_interval", decode_nothing},
    {NULL},
};

void
compose_healthcheck(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	decode_map(decoder, node, health_fields, target);
}
