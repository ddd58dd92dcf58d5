/*
 * The rack's template travels inside the program. Its parameters are read from it, so that every
 * wish is checked against the very text that CloudFormation will get, all mistakes at once and
 * before anything is made. Only that part is read as YAML: the rest has CloudFormation's own tags.
 */
#include "install/aws-steps.h"

#include "base/text.h"
#include "install/resources.h"
#include "manifest/yaml.h"

#include <string.h>

#define SECTION "\nParameters:\n"
#define BALANCER_LINE "- {Name: CARRACK_BALANCER, "
#define LOOPBACK "//127.0.0.1:"

/* What nobody but us sets. */
static const char *const own[] = {"ApiImage", "LogDrainCode", "Version", NULL};

/* The lines from «Parameters:» up to the next thing that begins a line. The caller frees it. */
static char *
parameters_text(const char *text)
{
	const char *start = strstr(text, SECTION);
	const char *end = start ? start + strlen(SECTION) : NULL;
	while (end && (*end == ' ' || *end == '\n' || *end == '#')) {
		const char *next = strchr(end, '\n');
		end = next ? next + 1 : end + strlen(end);
	}
	return start ? g_strndup(start + 1, (gsize)(end - start - 1)) : g_strdup("");
}

static json_t *
json_of_node(const YamlNode *node)
{
	if (yaml_kind(node) == YAML_SCALAR)
		return json_text_value(yaml_text(node));

	bool is_map = yaml_kind(node) == YAML_MAP;
	json_t *value = is_map ? json_object() : json_array();
	for (unsigned i = 0; i < yaml_size(node); i++) {
		if (is_map)
			json_object_set_new(value, yaml_key(node, i),
			    json_of_node(yaml_member(node, yaml_key(node, i))));
		else
			json_array_append_new(value, json_of_node(yaml_item(node, i)));
	}
	return value;
}

/* How a test reaches the balancer has to reach carrackd as well, which sees this machine by another
 * name (CARRACK_BALANCER_URL of aws/rack.h). */
static void
add_balancer_url(GString *text)
{
	const char *url = g_getenv("CARRACK_BALANCER_URL");
	char *place = url && *url ? strstr(text->str, BALANCER_LINE) : NULL;
	if (!place)
		return;

	g_autoptr(GString) inside = g_string_new(url);
	g_string_replace(inside, LOOPBACK, "//host.docker.internal:", 1);
	g_autofree char *line = g_strdup_printf(
	    "- {Name: CARRACK_BALANCER_URL, Value: \"%s\"}\n            ", inside->str);
	g_string_insert(text, place - text->str, line);
}

bool
template_load(Cloud *cloud, GError **error)
{
	g_autoptr(GBytes) bytes = g_resource_lookup_data(
	    resources_get_resource(), "/carrack/rack.yaml", G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
	GString *text =
	    g_string_new_len(g_bytes_get_data(bytes, NULL), (gssize)g_bytes_get_size(bytes));
	add_balancer_url(text);
	cloud->text = g_string_free(text, FALSE);

	g_autofree char *section = parameters_text(cloud->text);
	g_autoptr(YamlDocument) document = yaml_load(section, strlen(section), "rack.yaml", error);
	if (!document)
		return false;
	json_auto_t *whole = json_of_node(yaml_root(document));
	cloud->template = json_incref(json_object_get(whole, "Parameters"));
	return true;
}

static void
problem(GPtrArray *problems, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
problem(GPtrArray *problems, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_ptr_array_add(problems, g_strdup_vprintf(format, arguments));
	va_end(arguments);
}

static void
check_allowed(GPtrArray *problems, const char *name, const json_t *rules, const char *value)
{
	const json_t *allowed = json_object_get(rules, "AllowedValues");
	g_autoptr(GString) list = g_string_new(NULL);
	size_t i;
	json_t *one;
	json_array_foreach((json_t *)allowed, i, one)
	{
		if (strcmp(json_string_value(one), value) == 0)
			return;
		g_string_append_printf(list, "%s%s", i > 0 ? ", " : "", json_string_value(one));
	}
	if (allowed)
		problem(problems, "%s=%s: has to be one of %s", name, value, list->str);
}

static void
check_pattern(GPtrArray *problems, const char *name, const json_t *rules, const char *value)
{
	const char *pattern = json_text_of(rules, "AllowedPattern", "");
	const char *described = json_text_of(rules, "ConstraintDescription", NULL);
	g_autofree char *whole = g_strdup_printf("\\A(?:%s)\\z", pattern);
	bool fits = !*pattern || g_regex_match_simple(whole, value, 0, 0);
	if (!fits)
		problem(problems, "%s=%s: %s%s", name, value, described ? "" : "has to match ",
		    described ? described : pattern);
}

static void
check_number(GPtrArray *problems, const char *name, const json_t *rules, const char *value)
{
	gint64 minimum = g_ascii_strtoll(json_text_of(rules, "MinValue", "0"), NULL, 10);
	gint64 maximum = g_ascii_strtoll(json_text_of(rules, "MaxValue", "1000000"), NULL, 10);
	g_autoptr(GError) cause = NULL;
	gint64 number;
	if (!text_parse_int(value, name, minimum, maximum, &number, &cause))
		problem(problems, "%s", cause->message);
}

static void
check_length(GPtrArray *problems, const char *name, const json_t *rules, const char *value)
{
	const char *most = json_text_of(rules, "MaxLength", "");
	guint64 maximum = g_ascii_strtoull(most, NULL, 10);
	if (*most && strlen(value) > maximum)
		problem(problems, "%s: has %zu characters; at most %s are allowed", name,
		    strlen(value), most);
}

/* A pattern cannot say what an address is. */
static void
check_network(GPtrArray *problems, const char *name, const char *value)
{
	g_autoptr(GInetAddressMask) mask = g_inet_address_mask_new_from_string(value, NULL);
	bool is_good = mask && strchr(value, '/') &&
		       g_inet_address_mask_get_family(mask) == G_SOCKET_FAMILY_IPV4;
	if (!is_good)
		problem(
		    problems, "%s=%s: has to be a network of IPv4, as 10.0.0.0/16", name, value);
}

static void
check_value(GPtrArray *problems, const char *name, const json_t *rules, const char *value)
{
	bool is_number = strcmp(json_text_of(rules, "Type", ""), "Number") == 0;
	if (json_object_get(rules, "AllowedValues"))
		check_allowed(problems, name, rules, value);
	else if (is_number)
		check_number(problems, name, rules, value);
	check_pattern(problems, name, rules, value);
	if (g_str_has_suffix(name, "Cidr"))
		check_network(problems, name, value);
	check_length(problems, name, rules, value);
}

static const char *
nearest_parameter(const Cloud *cloud, const char *name)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	const char *known;
	json_t *rules;
	json_object_foreach(cloud->template, known, rules)
	{
		bool is_same = g_ascii_strcasecmp(known, name) == 0;
		if (is_same)
			return known;
		if (!g_strv_contains(own, known))
			g_ptr_array_add(names, (gpointer)known);
	}
	g_ptr_array_add(names, NULL);
	return text_nearest(name, (const char *const *)names->pdata);
}

static void
read_wish(Cloud *cloud, GPtrArray *problems, const char *wish)
{
	const char *equals = strchr(wish, '=');
	g_autofree char *name = equals ? g_strndup(wish, (gsize)(equals - wish)) : NULL;
	json_t *rules = name ? json_object_get(cloud->template, name) : NULL;
	const char *nearest = name && !rules ? nearest_parameter(cloud, name) : NULL;
	if (!name)
		problem(problems, "%s: a parameter is written Param=Value", wish);
	else if (nearest)
		problem(problems, "%s: no such parameter; did you mean %s?", name, nearest);
	else if (!rules)
		problem(problems, "%s: no such parameter (docs/aws.md has them all)", name);
	else if (g_strv_contains(own, name))
		problem(problems, "%s: is set by carrack itself", name);
	else if (!g_utf8_validate(equals + 1, -1, NULL))
		problem(problems, "%s: its value is not UTF-8", name);
	else if (json_object_get(cloud->wished, name))
		problem(problems, "%s: is given twice", name);
	else {
		json_object_set_new(cloud->wished, name, json_string(equals + 1));
		check_value(problems, name, rules, equals + 1);
	}
}

/* What the template's rules and its text say of several parameters together. */
static void
check_together(Cloud *cloud, GPtrArray *problems)
{
	bool is_existing = *template_value(cloud, "ExistingVpc");
	bool is_private = strcmp(template_value(cloud, "Private"), "Yes") == 0;
	bool has_public = *template_value(cloud, "ExistingPublicSubnets");
	bool has_private = *template_value(cloud, "ExistingPrivateSubnets");
	bool is_fargate = strcmp(template_value(cloud, "Capacity"), "fargate") == 0;
	bool is_scaled = json_object_get(cloud->wished, "InstanceMinimum") ||
			 json_object_get(cloud->wished, "InstanceType");
	gint64 least = g_ascii_strtoll(template_value(cloud, "InstanceMinimum"), NULL, 10);
	gint64 most = g_ascii_strtoll(template_value(cloud, "InstanceMaximum"), NULL, 10);
	if (!*template_value(cloud, "Domain"))
		problem(problems, "Domain is needed, as Domain=apps.example.org");
	if (!*template_value(cloud, "Certificate") && !*template_value(cloud, "HostedZone"))
		problem(problems,
		    "a certificate is needed: Certificate=ARN of one in ACM for *.DOMAIN, or "
		    "HostedZone=ID of the domain's zone in Route 53, which makes one");
	if (is_existing && !has_public)
		problem(problems, "ExistingVpc needs ExistingPublicSubnets (two or more)");
	if (is_existing && is_private && !has_private)
		problem(problems,
		    "ExistingVpc with Private=Yes needs ExistingPrivateSubnets (two or more)");
	if (!is_existing && (has_public || has_private))
		problem(problems, "ExistingPublicSubnets and ExistingPrivateSubnets need "
				  "ExistingVpc");
	if (is_fargate && is_scaled)
		problem(problems, "InstanceMinimum, InstanceType: this rack's processes are on "
				  "Fargate, and it has no instances but for builds");
	if (least > most)
		problem(problems,
		    "InstanceMinimum (%" G_GINT64_FORMAT ") is over InstanceMaximum "
		    "(%" G_GINT64_FORMAT ")",
		    least, most);
}

void
template_read_wishes(Cloud *cloud, GPtrArray *problems)
{
	const char *const *wish = cloud->wish->values;
	for (; wish && *wish; wish++)
		read_wish(cloud, problems, *wish);
	check_together(cloud, problems);
}

const char *
template_value(const Cloud *cloud, const char *name)
{
	const char *value = json_text_of(cloud->wished, name, NULL);
	if (!value)
		value = json_text_of(cloud->set, name, NULL);
	if (!value)
		value = stack_parameter(cloud, name);
	return value ? value : json_text_of(json_object_get(cloud->template, name), "Default", "");
}

json_t *
template_parameters(const Cloud *cloud, bool is_previous)
{
	json_t *list = json_array();
	const char *name;
	json_t *rules;
	json_object_foreach(cloud->template, name, rules)
	{
		json_t *value = json_object_get(cloud->wished, name);
		if (!value)
			value = json_object_get(cloud->set, name);
		if (value)
			json_array_append_new(list,
			    json_pack("{s:s, s:O}", "ParameterKey", name, "ParameterValue", value));
		else if (is_previous && stack_parameter(cloud, name))
			json_array_append_new(list,
			    json_pack("{s:s, s:b}", "ParameterKey", name, "UsePreviousValue", 1));
	}
	return list;
}
