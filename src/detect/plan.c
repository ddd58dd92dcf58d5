/*
 * Versions, values and templates for the languages (plan.h).
 */
#include "detect/plan.h"

#include <stdarg.h>
#include <string.h>

Plan *
plan_new(const Project *project, const Language *language, const Images *images)
{
	Plan *plan = g_new0(Plan, 1);

	plan->project = project;
	plan->images = images;
	plan->language = language;
	plan->version = g_strdup(language->version);
	plan->reasons = g_ptr_array_new_with_free_func(g_free);
	plan->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	plan->dockerfile = g_string_new(NULL);
	return plan;
}

void
plan_free(Plan *plan)
{
	if (!plan)
		return;

	g_free(plan->version);
	g_ptr_array_unref(plan->reasons);
	g_hash_table_unref(plan->values);
	g_string_free(plan->dockerfile, TRUE);
	g_free(plan);
}

void
plan_because(Plan *plan, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_ptr_array_add(plan->reasons, g_strdup_vprintf(format, arguments));
	va_end(arguments);
}

/* Versions */

/* The first of «20.11.1» in a text, cut to so many numbers; NULL when there is none. */
static char *
version_in(const char *text, unsigned numbers)
{
	g_autoptr(GString) version = g_string_new(NULL);
	const char *byte = text + strcspn(text, "0123456789");
	for (; *byte && numbers > 0; byte++) {
		bool is_point = *byte == '.' && g_ascii_isdigit(byte[1]);
		if (!g_ascii_isdigit(*byte) && !is_point)
			break;
		if (is_point && --numbers == 0)
			break;
		g_string_append_c(version, *byte);
	}

	return version->len > 0 ? g_strdup(version->str) : NULL;
}

static bool
is_newer(const char *one, const char *other)
{
	g_auto(GStrv) ours = g_strsplit(one, ".", -1);
	g_auto(GStrv) theirs = g_strsplit(other, ".", -1);
	for (gsize i = 0; ours[i] && theirs[i]; i++) {
		guint64 left = g_ascii_strtoull(ours[i], NULL, 10);
		guint64 right = g_ascii_strtoull(theirs[i], NULL, 10);
		if (left != right)
			return left > right;
	}
	return false;
}

static void
take_version(Plan *plan, char *version, const char *file)
{
	plan_because(plan, "%s asks for version %s", file, version);
	g_free(plan->version);
	plan->version = version;
}

void
plan_pin(Plan *plan, const char *text, unsigned numbers, const char *file)
{
	char *version = text ? version_in(text, numbers) : NULL;
	if (version)
		take_version(plan, version, file);
}

void
plan_pin_least(Plan *plan, const char *text, unsigned numbers, const char *file)
{
	g_autofree char *version = text ? version_in(text, numbers) : NULL;
	if (version && is_newer(version, plan->version))
		take_version(plan, g_steal_pointer(&version), file);
}

/* Values */

void
plan_set(Plan *plan, const char *name, const char *value)
{
	if (value)
		g_hash_table_insert(plan->values, g_strdup(name), g_strdup(value));
	else
		g_hash_table_remove(plan->values, name);
}

void
plan_run(Plan *plan, ...)
{
	if (plan->has_processes)
		return;

	json_auto_t *words = json_array();
	va_list arguments;
	va_start(arguments, plan);
	for (const char *word; (word = va_arg(arguments, const char *));)
		json_array_append_new(words, json_text_value(word));
	va_end(arguments);

	g_autofree char *text = json_dumps(words, JSON_ENSURE_ASCII);
	plan_set(plan, "command", text);
}

void
plan_run_shell(Plan *plan, const char *command)
{
	g_autofree char *whole = g_strconcat("exec ", command, NULL);

	/* `exec`, so that SIGTERM reaches the program. */
	plan_run(plan, "sh", "-c", whole, NULL);
}

void
plan_packages(Plan *plan, PlanAsks asks, const PlanPackage *packages)
{
	g_autoptr(GString) needed = g_string_new(NULL);
	for (; packages->library; packages++) {
		if (!asks(plan->project, packages->library))
			continue;
		plan_because(plan, "%s needs Debian's %s", packages->library, packages->package);
		g_string_append_printf(needed, " %s", packages->package);
	}
	if (needed->len > 0)
		plan_set(plan, "packages", needed->str + 1);
}

/* Templates */

static char *
value_of(const Plan *plan, const char *name)
{
	const char *value = g_hash_table_lookup(plan->values, name);
	if (value)
		return g_strdup(value);
	if (strcmp(name, "port") == 0)
		return g_strdup_printf("%u", plan->language->port);
	return images_find(plan->images, name, plan->language->name, plan->version);
}

typedef struct {
	const Plan *plan;
	bool is_complete;
} Line;

static gboolean
replace_name(const GMatchInfo *match, GString *to, gpointer data)
{
	Line *line = data;
	g_autofree char *name = g_match_info_fetch(match, 1);
	g_autofree char *value = value_of(line->plan, name);

	line->is_complete = line->is_complete && value;
	g_string_append(to, value ? value : "");
	return FALSE;
}

/* «${PORT}» is none of ours, and Caddy's «{$PORT}» neither. */
void
plan_write(Plan *plan, const char *template)
{
	g_autoptr(GRegex) name = g_regex_new("(?<!\\$)\\{([a-z-]+)\\}", 0, 0, NULL);
	g_auto(GStrv) lines = g_strsplit(template, "\n", -1);
	for (gsize i = 0; lines[i] && lines[i + 1]; i++) {
		Line line = {plan, true};
		g_autofree char *text =
		    g_regex_replace_eval(name, lines[i], -1, 0, 0, replace_name, &line, NULL);
		if (line.is_complete)
			g_string_append_printf(plan->dockerfile, "%s\n", text);
	}
}
