/*
 * Found by label: an API's service carries the settings of its rack in its environment, services
 * and containers name the image that they run on by id. An engine without a swarm has no services,
 * and so no other rack.
 */
#include "install/racks.h"

#include "install/names.h"
#include "install/specs.h"

#include <string.h>

GStrv
racks_lines(const json_t *list)
{
	g_autoptr(GStrvBuilder) lines = g_strv_builder_new();
	size_t i;
	json_t *line;
	json_array_foreach(list, i, line)
	{
		if (json_is_string(line))
			g_strv_builder_add(lines, json_string_value(line));
	}
	return g_strv_builder_end(lines);
}

GPtrArray *
racks_others(Docker *docker, const char *rack)
{
	GPtrArray *others = g_ptr_array_new_with_free_func((GDestroyNotify)swarm_settings_free);
	g_autofree char *filter = name_filter(LABEL_PART, PART_API);
	json_auto_t *services = docker_call(docker, "GET", NULL, NULL, "/services%s", filter);
	size_t i;
	json_t *service;
	json_array_foreach(services, i, service)
	{
		json_t *environment =
		    json_at(service, "Spec", "TaskTemplate", "ContainerSpec", "Env", NULL);
		g_auto(GStrv) lines = racks_lines(environment);
		g_autoptr(SwarmSettings) settings = swarm_settings_new();
		bool is_read = swarm_settings_apply(settings, (const char *const *)lines, NULL);
		if (is_read && strcmp(settings->rack, rack) != 0)
			g_ptr_array_add(others, g_steal_pointer(&settings));
	}
	return others;
}

const char *
racks_port_owner(const GPtrArray *others, unsigned port)
{
	for (guint i = 0; i < others->len; i++) {
		const SwarmSettings *other = g_ptr_array_index(others, i);
		if (port == other->http_port || port == other->https_port ||
		    port == other->api_port || port == other->registry_port)
			return other->rack;
	}
	return NULL;
}

static void
add_image(GHashTable *images, const char *rack, const json_t *labels, const char *image)
{
	const char *owner = json_text_of(labels, LABEL_RACK, "");
	if (*owner && strcmp(owner, rack) != 0)
		g_hash_table_add(images, g_strdup(image));
}

GHashTable *
racks_images_of_others(Docker *docker, const char *rack)
{
	GHashTable *images = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	json_auto_t *services = docker_call(docker, "GET", NULL, NULL, "/services");
	json_auto_t *containers = docker_call(docker, "GET", NULL, NULL, "/containers/json?all=1");
	size_t i;
	json_t *thing;
	json_array_foreach(services, i, thing)
	{
		json_t *container = json_at(thing, "Spec", "TaskTemplate", "ContainerSpec", NULL);
		add_image(images, rack, json_at(thing, "Spec", "Labels", NULL),
		    json_text_of(container, "Image", ""));
	}
	json_array_foreach(containers, i, thing) add_image(
	    images, rack, json_object_get(thing, "Labels"), json_text_of(thing, "ImageID", ""));
	return images;
}
