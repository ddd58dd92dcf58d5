/*
 * The compose file as a whole: its version, its services with what they extend, profiles, and the
 * names they get. A service that extends another is read in two steps into the same struct: the
 * other first, then its own keys over it, which is what merging means for each kind of key.
 *
 * Names with capitals, underscores or dots are common here and cannot be host names, so they are
 * turned into ones that can, and that is told.
 */
#include "manifest/compose-private.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"

#include <string.h>

#define EXTENDS_DEPTH 10

static const YamlNode *
member_of(const YamlNode *node, const char *key)
{
	return node != NULL && yaml_kind(node) == YAML_MAP ? yaml_member(node, key) : NULL;
}

/* The services of a document; version 1 has them at the top. */
static const YamlNode *
services_of(const YamlNode *root)
{
	const YamlNode *services = member_of(root, "services");
	const YamlNode *version = member_of(root, "version");
	bool is_first = version == NULL || g_strcmp0(yaml_text(version), "1") == 0;
	bool has_services = yaml_kind(root) == YAML_MAP && yaml_size(root) > 0 && is_first;
	return services != NULL || !has_services ? services : root;
}

/* Files */

typedef struct {
	const Bundle *bundle;
	bool (*add)(gpointer data, const char *path, GError **error);
	gpointer data;
	unsigned depth;
} Finder;

static bool
find_in(Finder *finder, const char *file, GError **error);

static char *
path_of(const char *file, const YamlNode *node)
{
	const char *text = node != NULL ? yaml_text(node) : NULL;
	g_autofree char *folder = g_path_get_dirname(file);
	return text != NULL && *text != '\0' ? service_inside_path(folder, text) : NULL;
}

static bool
find_env_files(const Finder *finder, const char *file, const YamlNode *node, GError **error)
{
	bool is_list = node != NULL && yaml_kind(node) == YAML_LIST;
	unsigned count = is_list ? yaml_size(node) : node != NULL;
	for (unsigned i = 0; i < count; i++) {
		const YamlNode *item = is_list ? yaml_item(node, i) : node;
		const YamlNode *path =
		    yaml_kind(item) == YAML_MAP ? yaml_member(item, "path") : item;
		g_autofree char *inside = path_of(file, path);
		if (inside != NULL && !finder->add(finder->data, inside, error))
			return false;
	}
	return true;
}

static bool
find_of_service(Finder *finder, const char *file, const YamlNode *service, GError **error)
{
	g_autofree char *extended = path_of(file, member_of(member_of(service, "extends"), "file"));
	if (!find_env_files(finder, file, member_of(service, "env_file"), error))
		return false;
	if (extended == NULL || bundle_file(finder->bundle, extended) != NULL)
		return true;
	return finder->add(finder->data, extended, error) && find_in(finder, extended, error);
}

static bool
find_in(Finder *finder, const char *file, GError **error)
{
	bool is_main = strcmp(file, finder->bundle->file) == 0;
	const char *text = is_main ? finder->bundle->text : bundle_file(finder->bundle, file);
	if (text == NULL || ++finder->depth > EXTENDS_DEPTH)
		return true;

	g_autoptr(YamlDocument) document = yaml_load(text, strlen(text), file, NULL);
	const YamlNode *services = document != NULL ? services_of(yaml_root(document)) : NULL;
	bool is_map = services != NULL && yaml_kind(services) == YAML_MAP;
	for (unsigned i = 0; is_map && i < yaml_size(services); i++) {
		const YamlNode *service = yaml_member(services, yaml_key(services, i));
		if (!find_of_service(finder, file, service, error))
			return false;
	}
	finder->depth--;
	return true;
}

bool
compose_find_files(const Bundle *bundle,
    bool (*add)(gpointer data, const char *path, GError **error),
    gpointer data,
    GError **error)
{
	Finder finder = {.bundle = bundle, .add = add, .data = data};
	return find_in(&finder, bundle->file, error);
}

/* Names */

char *
compose_service_name(const char *name)
{
	GString *result = g_string_new(NULL);
	for (const char *byte = name; *byte != '\0'; byte++) {
		bool is_kept = g_ascii_isalnum(*byte) || *byte == '-';
		bool is_first = result->len == 0;
		char letter = g_ascii_tolower(*byte);
		if (is_kept && !(is_first && !g_ascii_isalpha(letter)))
			g_string_append_c(result, letter);
		else if (!is_kept && !is_first && (*byte == '_' || *byte == '.'))
			g_string_append_c(result, '-');
		else if (!is_kept) {
			/* No host name can be made of it: it stays as it is, and is refused as
			 * such. */
			g_string_free(result, TRUE);
			return g_strdup(name);
		}
	}
	while (result->len > 0 && result->str[result->len - 1] == '-')
		g_string_truncate(result, result->len - 1);
	return g_string_free(result, FALSE);
}

/* NULL after noting a problem. */
static char *
name_service(Compose *compose, const YamlNode *key)
{
	const char *written = yaml_text(key) != NULL ? yaml_text(key) : "";
	g_autofree char *name = compose_service_name(written);
	const ManifestService *other = manifest_service(compose->manifest, name);
	if (!text_check_name(name, "service name", NULL)) {
		yaml_problem(compose->decoder->problems, key,
		    "service name «%s» does not match ^[a-z][a-z0-9-]*$, no dash at the end, at "
		    "most %d characters",
		    written, LIMIT_NAME_BYTES);
		return NULL;
	}
	if (other != NULL) {
		yaml_problem(compose->decoder->problems, key,
		    "service «%s» would be called %s here, as the one on line %u", written, name,
		    other->line);
		return NULL;
	}
	if (strcmp(name, written) != 0)
		yaml_problem(
		    compose->decoder->warnings, key, "the service is called %s here", name);
	return g_steal_pointer(&name);
}

/* Services */

static void
label_free(gpointer data)
{
	ComposeLabel *label = data;
	g_free(label->value);
	g_free(label);
}

static void
service_begin(ComposeService *own, Compose *compose, const char *name)
{
	*own = (ComposeService){.compose = compose, .service = service_new(name)};
	own->file_variables = env_new();
	own->variables = env_new();
	own->bare = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	own->labels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, label_free);
	own->depends = g_ptr_array_new();
}

static void
service_end(ComposeService *own)
{
	env_free(own->file_variables);
	env_free(own->variables);
	g_hash_table_unref(own->bare);
	g_hash_table_unref(own->labels);
	g_ptr_array_unref(own->depends);
}

static void
read_with_extended(
    ComposeService *own, const YamlNode *services, const YamlNode *node, const char *file);

/* Loads another file of the bundle; it lives as long as the others. */
static const YamlNode *
load_extended(Compose *compose, const YamlNode *node, const char *path)
{
	const char *text = bundle_file(compose->bundle, path);
	g_autoptr(GError) local = NULL;
	if (text == NULL) {
		yaml_problem(compose->decoder->problems, node, "there is no file %s", path);
		return NULL;
	}
	YamlDocument *document = yaml_load(text, strlen(text), path, &local);
	if (document == NULL) {
		yaml_problem(compose->decoder->problems, node, "%s", local->message);
		return NULL;
	}
	g_ptr_array_add(compose->documents, document);
	compose_interpolate(compose, yaml_root(document));
	return services_of(yaml_root(document));
}

static void
read_extended(
    ComposeService *own, const YamlNode *services, const YamlNode *extends, const char *file)
{
	Compose *compose = own->compose;
	bool is_map = yaml_kind(extends) == YAML_MAP;
	const YamlNode *from = is_map ? yaml_member(extends, "file") : NULL;
	const YamlNode *name = is_map ? yaml_member(extends, "service") : extends;
	g_autofree char *path = from != NULL ? path_of(file, from) : g_strdup(file);
	if (path == NULL || name == NULL || yaml_text(name) == NULL) {
		yaml_problem(compose->decoder->problems, extends,
		    "write {service: NAME}, and file: a file of the project");
		return;
	}
	if (from != NULL)
		services = load_extended(compose, from, path);
	if (services == NULL)
		return;

	const YamlNode *base = member_of(services, yaml_text(name));
	if (base == NULL)
		yaml_problem(compose->decoder->problems, name, "there is no service «%s» in %s",
		    yaml_text(name), path);
	else
		read_with_extended(own, services, base, path);
}

static void
read_with_extended(
    ComposeService *own, const YamlNode *services, const YamlNode *node, const char *file)
{
	const YamlNode *extends = member_of(node, "extends");
	if (extends != NULL && own->compose->depth >= EXTENDS_DEPTH) {
		yaml_problem(own->compose->decoder->problems, extends,
		    "services extend one another in a circle, or too deep");
		return;
	}
	own->compose->depth++;
	if (extends != NULL && yaml_kind(extends) != YAML_NULL)
		read_extended(own, services, extends, file);
	own->compose->depth--;
	own->file = file;
	compose_read_service(own, node);
}

/* With both, the image's name is only what the result of the build is called. */
static void
complete_image(ComposeService *own, const YamlNode *key)
{
	ManifestService *service = own->service;
	if (service->build.path != NULL)
		g_clear_pointer(&service->image, g_free);
	else if (service->image == NULL && own->compose->is_first)
		service->build.path = g_path_get_dirname(own->compose->bundle->file);
	else if (service->image == NULL)
		yaml_problem(
		    own->compose->decoder->problems, key, "a service needs build or image");
	if (service->build.path != NULL && service->build.manifest == NULL)
		service->build.manifest = g_strdup("Dockerfile");
	if (service->build.path == NULL)
		g_clear_pointer(&service->build.manifest, g_free);
}

static void
complete(ComposeService *own, const YamlNode *key)
{
	ManifestService *service = own->service;
	Decoder *decoder = own->compose->decoder;
	complete_image(own, key);
	compose_apply_environment(own);
	service->is_internal = !own->is_published;
	compose_apply_labels(own);
	if (service->port_scheme == NULL)
		service->port_scheme = g_strdup("http");
	service_fill(service);
	if (service->health.timeout == 0)
		service->health.timeout = 1;
	for (guint i = 0; i < service->ports->len; i++) {
		const ManifestPort *port = service->ports->pdata[i];
		bool is_extra = port->published != 0 && port->port != service->port;
		if (is_extra && own->is_published)
			yaml_problem(decoder->warnings, key,
			    "only port %u is routed, so %u is for the app's own services",
			    service->port, port->port);
	}
}

/* Profiles */

static bool
is_active(const Compose *compose, const YamlNode *node)
{
	const YamlNode *profiles = member_of(node, "profiles");
	const char *wanted =
	    compose->env != NULL ? env_get(compose->env, "COMPOSE_PROFILES") : NULL;
	if (profiles == NULL || yaml_size(profiles) == 0)
		return true;

	g_auto(GStrv) active = g_strsplit(wanted != NULL ? wanted : "", ",", -1);
	for (unsigned i = 0; yaml_kind(profiles) == YAML_LIST && i < yaml_size(profiles); i++) {
		const char *name = yaml_text(yaml_item(profiles, i));
		for (char **one = active; name != NULL && *one != NULL; one++) {
			if (strcmp(g_strstrip(*one), name) == 0 || strcmp(*one, "*") == 0)
				return true;
		}
	}
	return false;
}

/* The file */

static void
check_depends(const Compose *compose, const ComposeService *own, const YamlNode *services)
{
	for (guint i = 0; i < own->depends->len; i++) {
		const YamlNode *node = own->depends->pdata[i];
		g_auto(GStrv) parts = g_strsplit(yaml_text(node), ":", 2);
		const char *name = parts[0] != NULL ? parts[0] : "";
		if (member_of(services, name) == NULL)
			yaml_problem(compose->decoder->problems, node,
			    "there is no service «%s» in this file", name);
	}
}

static void
decode_service(Compose *compose, const YamlNode *services, unsigned index)
{
	const YamlNode *key = yaml_key_node(services, index);
	const YamlNode *node = yaml_member(services, yaml_key(services, index));
	bool is_foreign = g_str_has_prefix(yaml_key(services, index), "x-");
	if (is_foreign || !is_active(compose, node))
		return;

	g_autofree char *name = name_service(compose, key);
	ComposeService own;
	service_begin(&own, compose, name != NULL ? name : "unnamed");
	own.service->line = yaml_line(key);
	read_with_extended(&own, services, node, compose->bundle->file);
	complete(&own, key);
	check_depends(compose, &own, services);
	service_end(&own);
	g_ptr_array_add(compose->manifest->services, own.service);
}

static void
refuse_include(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	yaml_problem(decoder->problems, node, "include is not supported; extend services by file");
}

static const Field top_fields[] = {
    {"services", decode_nothing},
    {"version", decode_nothing},
    {"name", decode_nothing},
    {"networks", decode_nothing},
    {"volumes", decode_nothing},
    {"configs", decode_nothing, .answer = RACK_IGNORES},
    {"secrets", decode_nothing, .answer = RACK_IGNORES},
    {"include", refuse_include},
    {NULL},
};

/* «2.1» → true; the first versions are those that a Convox rack knew. */
static bool
read_version(Compose *compose, const YamlNode *root)
{
	const YamlNode *node = member_of(root, "version");
	const char *text = node != NULL ? yaml_text(node) : NULL;
	if (text == NULL) {
		compose->is_first = member_of(root, "services") == NULL;
		return true;
	}
	if (!g_regex_match_simple("^[123](\\.[0-9]+)?$", text, G_REGEX_DOLLAR_ENDONLY, 0)) {
		yaml_problem(compose->decoder->problems, node,
		    "unknown version «%s»: 1, 2, 2.x, 3, 3.x, or none", text);
		return false;
	}
	compose->is_first = *text != '3';
	return true;
}

static void
find_volumes(Compose *compose, const YamlNode *root)
{
	const YamlNode *volumes = member_of(root, "volumes");
	if (services_of(root) == root)
		return;

	compose->volumes = g_hash_table_new(g_str_hash, g_str_equal);
	for (unsigned i = 0; volumes != NULL && i < yaml_size(volumes); i++) {
		if (yaml_kind(volumes) != YAML_MAP)
			continue;
		const YamlNode *volume = yaml_member(volumes, yaml_key(volumes, i));
		g_hash_table_add(compose->volumes, (gpointer)yaml_key(volumes, i));
		if (yaml_size(volume) > 0)
			decode_answer(compose->decoder, volume, RACK_IGNORES,
			    "the rack makes its volumes itself; what is said of this one is "
			    "ignored");
	}
}

static void
decode_root(Compose *compose, const YamlNode *root)
{
	Decoder *decoder = compose->decoder;
	compose_interpolate(compose, root);
	if (!read_version(compose, root))
		return;

	const YamlNode *services = services_of(root);
	if (services == NULL || yaml_kind(services) != YAML_MAP) {
		yaml_problem(decoder->problems, services != NULL ? services : root,
		    "the file needs services, a map of names");
		return;
	}
	if (services != root)
		decode_map(decoder, root, top_fields, NULL);
	find_volumes(compose, root);
	for (unsigned i = 0; i < yaml_size(services); i++) {
		bool is_version = services == root && strcmp(yaml_key(root, i), "version") == 0;
		if (!is_version)
			decode_service(compose, services, i);
	}
}

static void
document_free(gpointer document)
{
	yaml_document_free(document);
}

bool
compose_decode(
    Decoder *decoder, const Bundle *bundle, const Env *env, Manifest *manifest, GError **error)
{
	YamlDocument *document = yaml_load(bundle->text, strlen(bundle->text), bundle->file, error);
	if (document == NULL)
		return false;

	g_autoptr(GPtrArray) documents = g_ptr_array_new_with_free_func(document_free);
	g_ptr_array_add(documents, document);
	Compose compose = {
	    .decoder = decoder,
	    .bundle = bundle,
	    .env = env,
	    .manifest = manifest,
	    .documents = documents,
	};
	decode_root(&compose, yaml_root(document));
	g_clear_pointer(&compose.volumes, g_hash_table_unref);
	return true;
}
