/*
 * Values of a service's keys. Everything is read as the text that stands in the file, never as what
 * YAML 1.1 makes of it, so that 22:22 is no number of base 60 and NO no boolean.
 */
#include "manifest/service-values.h"

#include "base/limits.h"
#include "manifest/domain.h"
#include "manifest/words.h"

#include <string.h>

#define PLACE(field, target) ((gpointer)((char *)(target) + (field)->offset))

static void
add_problem(Decoder *decoder, const YamlNode *node, const char *text, const char *wanted)
{
	yaml_problem(decoder->problems, node, "«%s» is not allowed: %s", text, wanted);
}

/* Build */

char *
service_inside_path(const char *folder, const char *path)
{
	if (g_path_is_absolute(path))
		return NULL;

	g_autofree char *joined = g_build_filename(folder, path, NULL);
	g_auto(GStrv) parts = g_strsplit(joined, "/", -1);
	g_autoptr(GPtrArray) kept = g_ptr_array_new();
	for (char **part = parts; *part != NULL; part++) {
		if (**part == '\0' || strcmp(*part, ".") == 0)
			continue;
		if (strcmp(*part, "..") != 0)
			g_ptr_array_add(kept, *part);
		else if (kept->len > 0)
			g_ptr_array_set_size(kept, (int)kept->len - 1);
		else
			return NULL;
	}
	if (kept->len == 0)
		return g_strdup(".");

	g_ptr_array_add(kept, NULL);
	return g_strjoinv("/", (char **)kept->pdata);
}

static void
decode_build_path(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	const char *text = decode_scalar(decoder, node, "a folder");
	if (text == NULL)
		return;
	if (*text == '\0') {
		yaml_problem(decoder->problems, node,
		    "the build path is empty; write . for the folder of the manifest");
		return;
	}
	char **place = PLACE(field, target);
	g_free(*place);
	*place = service_inside_path(".", text);
	if (*place == NULL)
		yaml_problem(
		    decoder->problems, node, "the build path «%s» is outside the project", text);
}

static void
decode_build_arguments(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	if (yaml_kind(node) != YAML_LIST) {
		yaml_problem(decoder->problems, node, "must be a list of NAME=value, not %s",
		    decode_kind_name(node));
		return;
	}
	g_autoptr(GStrvBuilder) arguments = g_strv_builder_new();
	for (unsigned i = 0; i < yaml_size(node); i++) {
		const YamlNode *item = yaml_item(node, i);
		const char *text = decode_scalar(decoder, item, "NAME=value");
		if (text != NULL && (*text == '\0' || *text == '='))
			add_problem(decoder, item, text, "write NAME or NAME=value");
		else if (text != NULL)
			g_strv_builder_add(arguments, text);
	}
	GStrv *place = PLACE(field, target);
	g_strfreev(*place);
	*place = g_strv_builder_end(arguments);
}

static const Field build_fields[] = {
    {"path", decode_build_path, offsetof(ManifestBuild, path)},
    {"manifest", decode_text, offsetof(ManifestBuild, manifest)},
    {"args", decode_build_arguments, offsetof(ManifestBuild, arguments)},
    {"target", decode_text, offsetof(ManifestBuild, target)},
    {NULL},
};

static void
check_dockerfile(Decoder *decoder, const YamlNode *map, const ManifestBuild *build)
{
	const YamlNode *node = yaml_member(map, "manifest");
	if (node == NULL || build->manifest == NULL)
		return;
	if (*build->manifest == '\0') {
		yaml_problem(decoder->problems, node, "the name of the Dockerfile is empty");
		return;
	}
	g_autofree char *path =
	    service_inside_path(build->path != NULL ? build->path : ".", build->manifest);
	if (path == NULL)
		yaml_problem(decoder->problems, node, "the Dockerfile «%s» is outside the project",
		    build->manifest);
}

void
service_decode_build(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ManifestBuild *build = PLACE(field, target);
	if (yaml_kind(node) == YAML_SCALAR) {
		decode_build_path(decoder, node, &build_fields[0], build);
		return;
	}
	decode_map(decoder, node, build_fields, build);
	check_dockerfile(decoder, node, build);
}

void
service_decode_image(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	const char *text = decode_scalar(decoder, node, "the name of an image");
	if (text == NULL)
		return;
	if (*text == '\0' || strpbrk(text, " \t\r\n") != NULL)
		add_problem(decoder, node, text, "an image's name has no blanks and is not empty");
	else
		decode_text(decoder, node, field, target);
}

/* Command */

static GStrv
command_list(Decoder *decoder, const YamlNode *node)
{
	g_autoptr(GStrvBuilder) words = g_strv_builder_new();
	for (unsigned i = 0; i < yaml_size(node); i++) {
		const char *text = decode_scalar(decoder, yaml_item(node, i), "text");
		if (text != NULL)
			g_strv_builder_add(words, text);
	}
	return g_strv_builder_end(words);
}

static GStrv
command_text(Decoder *decoder, const YamlNode *node, bool is_split)
{
	const char *const shell[] = {"sh", "-c", yaml_text(node), NULL};
	if (!is_split)
		return g_strdupv((GStrv)shell);

	g_autoptr(GError) local = NULL;
	GStrv words = words_split(yaml_text(node), &local);
	if (words == NULL)
		yaml_problem(decoder->problems, node, "%s", local->message);
	return words;
}

void
service_decode_command(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	g_auto(GStrv) command = NULL;
	if (yaml_kind(node) == YAML_LIST) {
		command = command_list(decoder, node);
	} else {
		const char *text = decode_scalar(decoder, node, "text or a list of words");
		bool is_split = decoder->generation == 3;
		command =
		    text != NULL && *text != '\0' ? command_text(decoder, node, is_split) : NULL;
	}
	bool is_empty = command == NULL || command[0] == NULL;
	GStrv *place = PLACE(field, target);
	g_strfreev(*place);
	*place = is_empty ? NULL : g_steal_pointer(&command);
}

/* Port */

/* «secure-grpc» is the second generation's word for gRPC behind a balancer that ends TLS. */
static const char *const port_schemes[] = {"http", "https", "grpc", "secure-grpc", "tcp", NULL};

static void
decode_port_scheme(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	const char *text = decode_scalar(decoder, node, "a scheme");
	if (text == NULL)
		return;
	if (g_strv_contains(port_schemes, text))
		decode_text(decoder, node, field, target);
	else
		add_problem(decoder, node, text, "a scheme is one of http, https, grpc, tcp");
}

bool
service_port_text(Decoder *decoder, const YamlNode *node, unsigned *port, char **scheme)
{
	const char *text = decode_scalar(decoder, node, "a port or SCHEME:PORT");
	if (text == NULL)
		return false;

	const char *colon = strchr(text, ':');
	g_autofree char *word = g_strndup(text, colon != NULL ? (gsize)(colon - text) : 0);
	guint64 number;
	if ((colon != NULL && !g_strv_contains(port_schemes, word)) ||
	    !g_ascii_string_to_unsigned(
		colon != NULL ? colon + 1 : text, 10, 1, 65535, &number, NULL)) {
		add_problem(decoder, node, text,
		    "write a port from 1 to 65535, or SCHEME:PORT with http, https, grpc or tcp");
		return false;
	}
	*port = (unsigned)number;
	if (colon != NULL) {
		g_free(*scheme);
		*scheme = g_steal_pointer(&word);
	}
	return true;
}

/* «3000» or «https:3000»; an empty text is no port. */
static void
decode_port_text(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ManifestService *service = target;
	bool is_empty = g_strcmp0(yaml_text(node), "") == 0;
	if (!is_empty)
		service_port_text(decoder, node, &service->port, &service->port_scheme);
}

static const Field port_fields[] = {
    {"port", decode_port_text},
    {"scheme", decode_port_scheme, offsetof(ManifestService, port_scheme)},
    {NULL},
};

void
service_decode_port(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	if (yaml_kind(node) != YAML_MAP) {
		decode_port_text(decoder, node, field, target);
		return;
	}
	const YamlNode *port = yaml_member(node, "port");
	if (port == NULL || yaml_kind(port) == YAML_NULL)
		yaml_problem(decoder->problems, node, "a port map needs the key port");
	decode_map(decoder, node, port_fields, target);
}

/* Health */

static void
decode_health_path(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	const char *text = decode_scalar(decoder, node, "a path");
	if (text == NULL)
		return;
	if (*text != '/' || strpbrk(text, " \t\r\n") != NULL) {
		add_problem(decoder, node, text, "a health path begins with / and has no blanks");
		return;
	}
	ManifestHealth *health = target;
	decode_text(decoder, node, field, target);
	health->is_declared = true;
}

static const Field health_port_fields[] = {
    {"port", decode_number, offsetof(ManifestHealth, port), 1, 65535},
    {"scheme", decode_text, offsetof(ManifestHealth, port_scheme)},
    {NULL},
};

static void
decode_health_port(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ManifestHealth *health = target;
	if (yaml_kind(node) == YAML_MAP)
		decode_map(decoder, node, health_port_fields, health);
	else
		service_port_text(decoder, node, &health->port, &health->port_scheme);
}

static const Field health_fields[] = {
    {"path", decode_health_path, offsetof(ManifestHealth, path)},
    {"grace", decode_number, offsetof(ManifestHealth, grace), 0, SERVICE_LONGEST_SECONDS},
    {"interval", decode_number, offsetof(ManifestHealth, interval), 1, SERVICE_LONGEST_SECONDS},
    {"timeout", decode_number, offsetof(ManifestHealth, timeout), 1, SERVICE_LONGEST_SECONDS},
    {"disable", decode_bool, offsetof(ManifestHealth, is_disabled), .answer = RACK_IGNORES,
	.only = 3},
    {"port", decode_health_port, .answer = RACK_IGNORES, .only = 3},
    {NULL},
};

void
service_decode_health(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ManifestHealth *health = PLACE(field, target);
	if (yaml_kind(node) == YAML_SCALAR)
		decode_health_path(decoder, node, &health_fields[0], health);
	else
		decode_map(decoder, node, health_fields, health);
}

/* Lists of texts */

void
service_decode_texts(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	if (yaml_kind(node) != YAML_LIST) {
		yaml_problem(
		    decoder->problems, node, "must be a list, not %s", decode_kind_name(node));
		return;
	}
	GStrv *place = PLACE(field, target);
	g_strfreev(*place);
	*place = command_list(decoder, node);
}

/* Environment */

static void
decode_variable(Decoder *decoder, const YamlNode *node, GPtrArray *entries)
{
	if (yaml_kind(node) == YAML_NULL)
		return;

	const char *text = decode_scalar(decoder, node, "NAME, NAME=value or \"*\"");
	if (text == NULL)
		return;
	if (strcmp(text, "*") == 0) {
		g_ptr_array_add(entries, g_strdup(text));
		return;
	}
	const char *equals = strchr(text, '=');
	g_autofree char *name =
	    g_strndup(text, equals != NULL ? (gsize)(equals - text) : strlen(text));
	g_strstrip(name);
	g_autoptr(Env) scratch = env_new();
	g_autoptr(GError) local = NULL;
	if (!env_set(scratch, name, equals != NULL ? equals + 1 : "", &local))
		yaml_problem(decoder->problems, node, "%s", local->message);
	else
		g_ptr_array_add(entries, g_strconcat(name, equals, NULL));
}

/* A list in the list is what an anchored list in an entry gives. */
static void
decode_variables(Decoder *decoder, const YamlNode *node, GPtrArray *entries, bool is_nested)
{
	for (unsigned i = 0; i < yaml_size(node); i++) {
		const YamlNode *item = yaml_item(node, i);
		if (yaml_kind(item) == YAML_LIST && !is_nested)
			decode_variables(decoder, item, entries, true);
		else
			decode_variable(decoder, item, entries);
	}
}

void
service_decode_variables(Decoder *decoder, const YamlNode *node, GPtrArray *entries)
{
	bool is_star = g_strcmp0(yaml_text(node), "*") == 0;
	if (yaml_kind(node) == YAML_LIST)
		decode_variables(decoder, node, entries, false);
	else if (is_star)
		decode_variable(decoder, node, entries);
	else
		yaml_problem(decoder->problems, node,
		    "must be a list of NAME or NAME=value, or \"*\", not %s",
		    decode_kind_name(node));
}

void
service_decode_environment(
    Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	g_autoptr(GPtrArray) entries = g_ptr_array_new();
	service_decode_variables(decoder, node, entries);
	g_ptr_array_add(entries, NULL);
	GStrv *place = PLACE(field, target);
	g_strfreev(*place);
	*place = (GStrv)g_ptr_array_steal(entries, NULL);
}

/* Domains */

static void
add_domain(Decoder *decoder, const YamlNode *node, const char *name, GPtrArray *domains)
{
	g_autoptr(GError) local = NULL;
	g_autofree char *domain = domain_clean(name, &local);
	if (domain == NULL)
		yaml_problem(decoder->problems, node, "domain «%s»: %s", name, local->message);
	else if (!g_ptr_array_find_with_equal_func(domains, domain, g_str_equal, NULL))
		g_ptr_array_add(domains, g_steal_pointer(&domain));
}

/* `${HOST}` without HOST is no domain rather than a bad one, and so is a comma too many. */
static void
decode_domain_text(Decoder *decoder, const YamlNode *node, GPtrArray *domains)
{
	const char *text = decode_scalar(decoder, node, "a host name");
	if (text == NULL)
		return;

	bool has_name = strspn(text, ", \t\r\n") < strlen(text);
	if (!has_name && !yaml_is_filled(node))
		add_domain(decoder, node, "", domains);

	g_auto(GStrv) names = g_strsplit(text, ",", -1);
	for (char **name = names; *name != NULL; name++) {
		if (*g_strstrip(*name) != '\0')
			add_domain(decoder, node, *name, domains);
	}
}

void
service_decode_domains(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	g_autoptr(GPtrArray) domains = g_ptr_array_new();
	bool is_list = yaml_kind(node) == YAML_LIST;
	for (unsigned i = 0; is_list && i < yaml_size(node); i++) {
		const YamlNode *item = yaml_item(node, i);
		if (yaml_kind(item) != YAML_NULL)
			decode_domain_text(decoder, item, domains);
	}
	if (!is_list)
		decode_domain_text(decoder, node, domains);

	g_ptr_array_add(domains, NULL);
	GStrv *place = PLACE(field, target);
	g_strfreev(*place);
	*place = (GStrv)g_ptr_array_steal(domains, NULL);
}
