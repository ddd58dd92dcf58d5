/*
 * Resources, timers and balancers are maps of names; each becomes one entry in file order. What a
 * name stands for elsewhere in the file is checked at the end, when all of them are known.
 *
 * The second generation finds a wrong reference in CloudFormation only; with that generation asked
 * for, it is a warning.
 */
#include "manifest/top.h"

#include "base/limits.h"
#include "base/text.h"
#include "manifest/schedule.h"
#include "manifest/service-values.h"
#include "manifest/value.h"

#include <string.h>

typedef void (*EntryDecode)(
    Decoder *decoder, const YamlNode *key, const YamlNode *node, Manifest *manifest);

static void
each_entry(Decoder *decoder,
    const YamlNode *node,
    const char *what,
    EntryDecode decode,
    Manifest *manifest)
{
	if (yaml_kind(node) != YAML_MAP) {
		yaml_problem(decoder->problems, node, "must be a map of %s names, not %s", what,
		    decode_kind_name(node));
		return;
	}
	g_autofree char *name = g_strconcat(what, " name", NULL);
	for (unsigned i = 0; i < yaml_size(node); i++) {
		const YamlNode *key = yaml_key_node(node, i);
		const char *text = yaml_key(node, i);
		if (!text_check_name(text, name, NULL))
			yaml_problem(decoder->problems, key,
			    "%s «%s» does not match ^[a-z][a-z0-9-]*$, no dash at the end, at most "
			    "%d characters",
			    name, text, LIMIT_NAME_BYTES);
		decode(decoder, key, yaml_member(node, text), manifest);
	}
}

/* Resources */

void
top_resource_free(gpointer data)
{
	ManifestResource *resource = data;
	g_free(resource->name);
	g_free(resource->type);
	g_free(resource->image);
	json_decref(resource->options);
	g_free(resource);
}

static const Value text_map = {"", value_text_map};

static void
decode_options(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ManifestResource *resource = target;
	json_t *options = value_text_map(decoder, node, &text_map);
	if (options == NULL)
		return;
	json_decref(resource->options);
	resource->options = options;
}

static const Field resource_fields[] = {
    {"type", decode_text, offsetof(ManifestResource, type)},
    {"image", decode_text, offsetof(ManifestResource, image), .only = 3},
    {"options", decode_options},
    {"tags", decode_nothing, .answer = RACK_IGNORES, .only = 2},
    {NULL},
};

static void
decode_resource(Decoder *decoder, const YamlNode *key, const YamlNode *node, Manifest *manifest)
{
	ManifestResource *resource = g_new0(ManifestResource, 1);
	resource->name = g_strdup(yaml_text(key) != NULL ? yaml_text(key) : "");
	resource->options = json_object();
	resource->line = yaml_line(key);
	g_ptr_array_add(manifest->resources, resource);
	if (yaml_kind(node) != YAML_NULL)
		decode_map(decoder, node, resource_fields, resource);
	if (resource->type == NULL || *resource->type == '\0')
		yaml_problem(decoder->problems, key, "a resource needs a type, as postgres");
}

void
top_decode_resources(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	each_entry(decoder, node, "resource", decode_resource, target);
}

/* Timers */

void
top_timer_free(gpointer data)
{
	ManifestTimer *timer = data;
	g_free(timer->name);
	g_free(timer->service);
	g_free(timer->schedule);
	g_strfreev(timer->command);
	g_free(timer->concurrency);
	json_decref(timer->more);
	g_free(timer);
}

void
top_check_schedule(Decoder *decoder, const YamlNode *node, const char *schedule)
{
	g_autoptr(GError) local = NULL;
	Schedule read;
	if (!schedule_parse(&read, schedule, &local))
		yaml_problem(decoder->problems, node, "%s", local->message);
}

/* Five fields, or six with a year. The third generation drops the year and reads `?` as `*`. */
static void
decode_schedule(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	ManifestTimer *timer = target;
	const char *text = decode_scalar(decoder, node, "a schedule of five fields");
	if (text == NULL)
		return;

	g_auto(GStrv) all = g_strsplit_set(text, " \t", -1);
	g_autoptr(GPtrArray) fields = g_ptr_array_new();
	for (char **part = all; *part != NULL; part++) {
		if (**part != '\0')
			g_ptr_array_add(fields, *part);
	}
	bool is_kubernetes = decoder->generation == 3;
	if (is_kubernetes && fields->len > 5)
		g_ptr_array_set_size(fields, 5);
	g_ptr_array_add(fields, NULL);
	g_free(timer->schedule);
	timer->schedule = g_strjoinv(" ", (GStrv)fields->pdata);
	if (is_kubernetes)
		g_strdelimit(timer->schedule, "?", '*');
	top_check_schedule(decoder, node, timer->schedule);
}

static void
decode_concurrency(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	static const Value words = {"", value_text, .choices = "allow forbid replace"};
	json_auto_t *read = value_text(decoder, node, &words);
	ManifestTimer *timer = target;
	if (read != NULL)
		timer->concurrency = g_strdup(json_string_value(read));
}

static const Value any_list = {"", value_any};

static const Field timer_fields[] = {
    {"schedule", decode_schedule},
    {"command", service_decode_command, offsetof(ManifestTimer, command)},
    {"service", decode_text, offsetof(ManifestTimer, service)},
    {"concurrency", decode_concurrency, .only = 3},
    {"parallelCount", decode_number, offsetof(ManifestTimer, parallel), 0, LIMIT_SCALE, .only = 3},
    {"annotations", value_decode, offsetof(ManifestTimer, more), .answer = RACK_IGNORES, .only = 3,
	.value = &any_list},
    {"policies", value_decode, offsetof(ManifestTimer, more), .answer = RACK_IGNORES, .only = 2,
	.value = &any_list},
    {NULL},
};

static void
decode_timer(Decoder *decoder, const YamlNode *key, const YamlNode *node, Manifest *manifest)
{
	ManifestTimer *timer = g_new0(ManifestTimer, 1);
	timer->name = g_strdup(yaml_text(key) != NULL ? yaml_text(key) : "");
	timer->line = yaml_line(key);
	g_ptr_array_add(manifest->timers, timer);
	if (yaml_kind(node) != YAML_NULL)
		decode_map(decoder, node, timer_fields, timer);
	if (timer->schedule == NULL)
		yaml_problem(decoder->problems, key, "a timer needs a schedule");
	if (timer->service == NULL)
		yaml_problem(decoder->problems, key, "a timer needs a service");
}

void
top_decode_timers(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	each_entry(decoder, node, "timer", decode_timer, target);
}

/* Balancers */

static const Value balancer_port_members[] = {
    {"port", value_number, .minimum = 1, .maximum = 65535, .is_required = true},
    {"protocol", value_text, .choices = "TCP UDP TLS"},
    {NULL},
};

/* 5000 or {port, protocol}. */
static json_t *
read_balancer_port(Decoder *decoder, const YamlNode *node, const Value *value)
{
	if (yaml_kind(node) == YAML_MAP) {
		json_t *target = value_map(decoder, node, value);
		if (target != NULL && json_object_get(target, "protocol") == NULL)
			json_object_set_new(target, "protocol", json_string("TCP"));
		return target;
	}
	json_t *port = value_number(decoder, node, &balancer_port_members[0]);
	return port != NULL ? json_pack("{s:o, s:s}", "port", port, "protocol", "TCP") : NULL;
}

static const Value balancer_port = {"", read_balancer_port, balancer_port_members};

static json_t *
read_ranges(Decoder *decoder, const YamlNode *node, const Value *value)
{
	json_t *ranges = json_array();
	unsigned count = yaml_kind(node) == YAML_LIST ? yaml_size(node) : 1;
	for (unsigned i = 0; i < count; i++) {
		const YamlNode *item = yaml_kind(node) == YAML_LIST ? yaml_item(node, i) : node;
		const char *text = decode_scalar(decoder, item, "a range of addresses");
		g_auto(GStrv) parts = g_strsplit(text != NULL ? text : "", ",", -1);
		for (char **part = parts; *part != NULL; part++) {
			bool has_length = strchr(g_strstrip(*part), '/') != NULL;
			g_autoptr(GInetAddressMask) mask =
			    has_length ? g_inet_address_mask_new_from_string(*part, NULL) : NULL;
			if (mask == NULL)
				yaml_problem(decoder->problems, item,
				    "«%s» is not a range of addresses like 10.0.0.0/8", *part);
			json_array_append_new(ranges, json_text_value(*part));
		}
	}
	return ranges;
}

static const Value balancer_members[] = {
    {"service", value_text, .is_required = true},
    {"ports", value_names, &balancer_port, .is_required = true},
    {"whitelist", read_ranges},
    {"annotations", value_any},
    {NULL},
};
static const Value balancer_map = {"", value_map, balancer_members};

static void
decode_balancer(Decoder *decoder, const YamlNode *key, const YamlNode *node, Manifest *manifest)
{
	json_auto_t *read =
	    yaml_kind(node) == YAML_MAP ? value_map(decoder, node, &balancer_map) : NULL;
	if (read == NULL) {
		yaml_problem(decoder->problems, key, "a balancer needs service and ports");
		return;
	}
	json_t *balancer = json_pack("{s:s}", "name", yaml_text(key) != NULL ? yaml_text(key) : "");
	json_object_update(balancer, read);
	json_array_append_new(manifest->balancers, balancer);
}

void
top_decode_balancers(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	each_entry(decoder, node, "balancer", decode_balancer, target);
}

/* Release */

static const Field release_fields[] = {
    {"command", service_decode_command, offsetof(ManifestRelease, command)},
    {"service", decode_text, offsetof(ManifestRelease, service)},
    {NULL},
};

void
top_decode_release(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target)
{
	Manifest *manifest = target;
	if (yaml_kind(node) == YAML_MAP)
		decode_map(decoder, node, release_fields, &manifest->release);
	else
		service_decode_command(decoder, node, &release_fields[0], &manifest->release);
}

/* References */

static const YamlNode *
member_of(const YamlNode *node, const char *key)
{
	return node != NULL && yaml_kind(node) == YAML_MAP ? yaml_member(node, key) : NULL;
}

static void
note(Decoder *decoder, const YamlNode *node, const char *what, const char *name)
{
	GPtrArray *to = decoder->generation == 2 ? decoder->warnings : decoder->problems;
	if (node != NULL)
		yaml_problem(to, node, "there is no %s «%s» in this manifest", what, name);
}

static bool
has_resource(const Manifest *manifest, const char *reference)
{
	gsize length = strcspn(reference, ":");
	for (guint i = 0; i < manifest->resources->len; i++) {
		const ManifestResource *resource = manifest->resources->pdata[i];
		if (strlen(resource->name) == length &&
		    strncmp(resource->name, reference, length) == 0)
			return true;
	}
	return false;
}

static void
check_service(Decoder *decoder,
    const YamlNode *services,
    const ManifestService *service,
    const Manifest *manifest)
{
	const YamlNode *own = member_of(services, service->name);
	for (char **name = service->resources; *name != NULL; name++) {
		if (!has_resource(manifest, *name))
			note(decoder, member_of(own, "resources"), "resource", *name);
	}
	for (char **name = service->links; *name != NULL; name++) {
		const ManifestService *linked = manifest_service(manifest, *name);
		if (linked == NULL)
			note(decoder, member_of(own, "links"), "service", *name);
		else if (linked->port == 0)
			yaml_problem(decoder->warnings, member_of(own, "links"),
			    "service %s has no port, so there is no URL of it", *name);
	}
}

void
top_check_references(Decoder *decoder, const YamlNode *root, const Manifest *manifest)
{
	const YamlNode *timers = member_of(root, "timers");
	const YamlNode *balancers = member_of(root, "balancers");
	for (guint i = 0; i < manifest->services->len; i++)
		check_service(
		    decoder, member_of(root, "services"), manifest->services->pdata[i], manifest);
	for (guint i = 0; i < manifest->timers->len; i++) {
		const ManifestTimer *timer = manifest->timers->pdata[i];
		const YamlNode *own = member_of(timers, timer->name);
		if (timer->service != NULL && manifest_service(manifest, timer->service) == NULL)
			note(decoder, member_of(own, "service"), "service", timer->service);
	}
	gsize index;
	json_t *balancer;
	json_array_foreach(manifest->balancers, index, balancer)
	{
		const YamlNode *own = member_of(balancers, json_text_of(balancer, "name", ""));
		const char *service = json_text_of(balancer, "service", "");
		if (*service != '\0' && manifest_service(manifest, service) == NULL)
			note(decoder, member_of(own, "service"), "service", service);
	}
	const char *service = manifest->release.service;
	if (service != NULL && manifest_service(manifest, service) == NULL)
		note(decoder, member_of(member_of(root, "release"), "service"), "service", service);
}
