/*
 * The `convox.*` labels of Convox's first generation, which spelled in them what convox.yml later
 * had keys for. Labels of others are for programs that look at containers; they are left alone with
 * one warning.
 */
#include "base/text.h"
#include "manifest/compose-private.h"
#include "manifest/top.h"

#include <string.h>

#define PREFIX "convox."

typedef struct {
	const char *name;
	gsize offset; /* an unsigned of ManifestService */
	unsigned minimum;
	unsigned maximum;
} NumberLabel;

#define SERVICE(member) offsetof(ManifestService, member)
static const NumberLabel number_labels[] = {
    {"convox.deployment.minimum", SERVICE(deployment_minimum), 0, 100},
    {"convox.deployment.maximum", SERVICE(deployment_maximum), 1, 1000},
    {"convox.draining.timeout", SERVICE(drain), 1, 3600},
    {"convox.health.timeout", SERVICE(health.timeout), 0, 60},
    {"convox.health.interval", SERVICE(health.interval), 5, 300},
    {"convox.idle.timeout", SERVICE(timeout), 1, 3600},
    {"convox.health.threshold.healthy", 0, 2, 10},
    {"convox.health.threshold.unhealthy", 0, 2, 10},
    {NULL},
};

static bool
apply_number(ComposeService *own, const char *name, const ComposeLabel *label)
{
	const NumberLabel *found = number_labels;
	while (found->name != NULL && strcmp(found->name, name) != 0)
		found++;
	if (found->name == NULL)
		return false;

	Decoder *decoder = own->compose->decoder;
	guint64 number;
	if (!g_ascii_string_to_unsigned(
		label->value, 10, found->minimum, found->maximum, &number, NULL))
		yaml_problem(decoder->problems, label->node,
		    "%s «%s» is not a whole number from %u to %u", name, label->value,
		    found->minimum, found->maximum);
	else if (found->offset == 0)
		decode_answer(decoder, label->node, RACK_IGNORES, NULL);
	else
		*(unsigned *)((char *)own->service + found->offset) = (unsigned)number;
	return true;
}

static void
apply_health_path(ComposeService *own, const ComposeLabel *label)
{
	if (*label->value != '/') {
		yaml_problem(own->compose->decoder->problems, label->node,
		    "convox.health.path «%s» does not begin with /", label->value);
		return;
	}
	g_free(own->service->health.path);
	own->service->health.path = g_strdup(label->value);
	own->service->health.is_declared = true;
}

static void
apply_health_port(ComposeService *own, const ComposeLabel *label)
{
	guint64 number = 0;
	bool is_declared = false;
	g_ascii_string_to_unsigned(label->value, 10, 1, 65535, &number, NULL);
	for (guint i = 0; i < own->service->ports->len; i++) {
		const ManifestPort *port = own->service->ports->pdata[i];
		is_declared |= port->port == number || port->published == number;
	}
	if (!is_declared)
		yaml_problem(own->compose->decoder->problems, label->node,
		    "convox.health.port «%s» is not one of the service's ports", label->value);
	else if (number != own->service->port)
		decode_answer(own->compose->decoder, label->node, RACK_IGNORES, NULL);
}

static bool
has_timer(const Manifest *manifest, const char *name)
{
	for (guint i = 0; i < manifest->timers->len; i++) {
		const ManifestTimer *timer = manifest->timers->pdata[i];
		if (strcmp(timer->name, name) == 0)
			return true;
	}
	return false;
}

/* «* * * * * bin/work» */
static void
apply_cron(ComposeService *own, const char *name, const ComposeLabel *label)
{
	GPtrArray *problems = own->compose->decoder->problems;
	g_auto(GStrv) parts = g_regex_split_simple("\\s+", label->value, 0, 0);
	if (!text_check_name(name, "timer name", NULL))
		yaml_problem(problems, label->node,
		    "timer name «%s» does not match ^[a-z][a-z0-9-]*$, no dash at the end", name);
	if (g_strv_length(parts) < 6) {
		yaml_problem(problems, label->node,
		    "«%s» is not a schedule of five fields and a command", label->value);
		return;
	}
	if (has_timer(own->compose->manifest, name)) {
		yaml_problem(problems, label->node, "there is a timer «%s» already", name);
		return;
	}
	g_autofree char *command = g_strjoinv(" ", parts + 5);
	const char *const argv[] = {"sh", "-c", command, NULL};
	ManifestTimer *timer = g_new0(ManifestTimer, 1);
	timer->name = g_strdup(name);
	timer->service = g_strdup(own->service->name);
	timer->command = g_strdupv((GStrv)argv);
	timer->line = yaml_line(label->node);
	g_clear_pointer(&parts[5], g_free);
	timer->schedule =
	    g_strdup_printf("%s %s %s %s %s", parts[0], parts[1], parts[2], parts[3], parts[4]);
	for (char **rest = parts + 6; *rest != NULL; rest++)
		g_free(*rest);
	g_ptr_array_add(own->compose->manifest->timers, timer);
	top_check_schedule(own->compose->decoder, label->node, timer->schedule);
}

/* convox.port.443.secure: the process itself speaks TLS. The rest is about the balancer's side. */
static void
apply_port(ComposeService *own, const char *name, const ComposeLabel *label)
{
	bool is_secure = g_str_has_suffix(name, ".secure") && strcmp(label->value, "true") == 0;
	bool is_bare = g_str_has_suffix(name, ".protocol") && (strcmp(label->value, "tcp") == 0);
	bool is_proxy = g_str_has_suffix(name, ".proxy") && strcmp(label->value, "true") == 0;
	if (is_secure) {
		g_free(own->service->port_scheme);
		own->service->port_scheme = g_strdup("https");
	}
	if (is_bare || is_proxy)
		decode_answer(own->compose->decoder, label->node, RACK_IGNORES,
		    "only HTTP is routed from outside, ignored");
}

static bool
is_on(const ComposeLabel *label)
{
	return strcmp(label->value, "false") != 0;
}

static void
apply_label(ComposeService *own, const char *name, const ComposeLabel *label)
{
	Decoder *decoder = own->compose->decoder;
	if (apply_number(own, name, label))
		return;
	if (strcmp(name, "convox.agent") == 0 || strcmp(name, "convox.daemon") == 0) {
		own->service->is_agent = is_on(label);
		decode_answer(
		    decoder, label->node, is_on(label) ? RACK_IGNORES : RACK_HONOURS, NULL);
	} else if (strcmp(name, "convox.balancer") == 0)
		own->service->is_internal |= !is_on(label);
	else if (strcmp(name, "convox.health.path") == 0)
		apply_health_path(own, label);
	else if (strcmp(name, "convox.health.port") == 0)
		apply_health_port(own, label);
	else if (g_str_has_prefix(name, "convox.cron."))
		apply_cron(own, name + strlen("convox.cron."), label);
	else if (g_str_has_prefix(name, "convox.port."))
		apply_port(own, name, label);
	else if (strcmp(name, "convox.start.shift") != 0 &&
		 strcmp(name, "convox.environment.secure") != 0)
		decode_answer(decoder, label->node, RACK_IGNORES, NULL);
}

static int
compare_text(gconstpointer one, gconstpointer other)
{
	return strcmp(one, other);
}

void
compose_apply_labels(ComposeService *own)
{
	const YamlNode *foreign = NULL;
	GList *names = g_list_sort(g_hash_table_get_keys(own->labels), compare_text);
	for (const GList *name = names; name != NULL; name = name->next) {
		const ComposeLabel *label = g_hash_table_lookup(own->labels, name->data);
		if (g_str_has_prefix(name->data, PREFIX))
			apply_label(own, name->data, label);
		else if (foreign == NULL)
			foreign = label->node;
	}
	g_list_free(names);
	if (foreign != NULL)
		decode_answer(own->compose->decoder, foreign, RACK_IGNORES,
		    "labels of others are not set on containers, ignored");
}
