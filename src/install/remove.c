/*
 * What a rack leaves on a machine, found by label and by name alone, and taken away: the API first,
 * so that nobody makes anew what goes; then services and containers; then what they used.
 */
#include "install/steps.h"

#include "base/error.h"
#include "install/racks.h"
#include "install/specs.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#define GONE_SECONDS 60
#define GRACE_SECONDS 20
#define PAUSE_MICROSECONDS 200000

/* One kind of thing: how it is listed, what names an element, how it is deleted. */
typedef struct {
	const char *kind;
	const char *list;
	const char *inside; /* member of the answer that holds the list, or NULL */
	const char *name;   /* member of an element, or of its Spec */
	const char *remove;
} Kind;

static const Kind kinds[] = {
    {"services", "/services", NULL, "Name", "/services/%s"},
    {"containers", "/containers/json?all=1", NULL, "Names", "/containers/%s?force=1&v=1"},
    {"networks", "/networks", NULL, "Name", "/networks/%s"},
    {"secrets", "/secrets", NULL, "Name", "/secrets/%s"},
    {"volumes", "/volumes", "Volumes", "Name", "/volumes/%s"},
};

static const char *
name_of(const json_t *thing, const Kind *kind)
{
	json_t *name = json_object_get(thing, kind->name);
	if (!name)
		name = json_object_get(json_object_get(thing, "Spec"), kind->name);
	if (json_is_array(name))
		name = json_array_get(name, 0);
	const char *text = json_is_string(name) ? json_string_value(name) : "";
	return *text == '/' ? text + 1 : text;
}

static const char *
label_of(const json_t *thing, const char *label)
{
	json_t *labels = json_object_get(thing, "Labels");
	if (!labels)
		labels = json_object_get(json_object_get(thing, "Spec"), "Labels");
	return json_text_of(labels, label, "");
}

/* By its label; the volumes of the parts by name as well, since the engine makes one without labels
 * for a task when it is missing. */
static bool
is_ours(const Install *install, const Kind *kind, const json_t *thing)
{
	static const char *const volumes[] = {PART_DATA, PART_REGISTRY, PART_ROUTER};
	const char *rack = install->settings->rack;
	if (strcmp(label_of(thing, LABEL_RACK), rack) == 0)
		return true;
	if (strcmp(kind->kind, "volumes") != 0)
		return false;

	bool is_named = false;
	for (gsize i = 0; i < G_N_ELEMENTS(volumes); i++) {
		g_autofree char *name = name_of_part(rack, volumes[i]);
		is_named = is_named || strcmp(name_of(thing, kind), name) == 0;
	}
	return is_named;
}

/* Names of all things of a kind; tasks' containers only with `tasks`. A node outside a swarm has no
 * services: an empty list. */
static json_t *
names_of(const Install *install, const Kind *kind, bool tasks, GError **error)
{
	g_autoptr(GError) cause = NULL;
	json_auto_t *answer = docker_call(install->docker, "GET", NULL, &cause, "%s", kind->list);
	json_t *list = kind->inside ? json_object_get(answer, kind->inside) : answer;
	bool has_no_swarm = cause && strstr(cause->message, "swarm manager");
	if (cause && !has_no_swarm) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return NULL;
	}

	json_t *names = json_array();
	size_t i;
	json_t *thing;
	json_array_foreach(list, i, thing)
	{
		bool is_task = *label_of(thing, "com.docker.swarm.task.id");
		if (is_ours(install, kind, thing) && (tasks || !is_task))
			json_array_append_new(names, json_string(name_of(thing, kind)));
	}
	return names;
}

/* «carrack/rack:…» unless another rack runs on it, and what apps have in the rack's own registry.
 */
static bool
is_our_image(const Install *install, const char *reference, bool is_used)
{
	unsigned port = install->settings->registry_port;
	g_autofree char *registry = g_strdup_printf("127.0.0.1:%u/", port);
	if (g_str_has_prefix(reference, "carrack/rack"))
		return !is_used;

	return g_str_has_prefix(reference, registry) && !racks_port_owner(install->others, port);
}

static void
add_references(const Install *install, const json_t *references, bool is_used, json_t *names)
{
	size_t i;
	json_t *reference;
	json_array_foreach(references, i, reference)
	{
		if (is_our_image(install, json_string_value(reference), is_used))
			json_array_append(names, reference);
	}
}

static bool
add_images(const Install *install, json_t *names, GError **error)
{
	json_auto_t *images = docker_call(install->docker, "GET", NULL, error, "/images/json");
	g_autoptr(GHashTable) used =
	    racks_images_of_others(install->docker, install->settings->rack);
	size_t i;
	json_t *image;
	if (!images)
		return false;

	json_array_foreach(images, i, image)
	{
		bool is_used = g_hash_table_contains(used, json_text_of(image, "Id", ""));
		add_references(install, json_object_get(image, "RepoTags"), is_used, names);
		add_references(install, json_object_get(image, "RepoDigests"), is_used, names);
	}
	return true;
}

bool
remove_is_our_folder(const char *folder)
{
	g_autoptr(GDir) entries = g_dir_open(folder, 0, NULL);
	const char *name = NULL;
	while (entries && (name = g_dir_read_name(entries))) {
		if (!g_str_has_prefix(name, "api.sock") && !g_str_has_prefix(name, "haproxy"))
			return false;
	}
	return entries != NULL;
}

json_t *
remove_inventory(const Install *install, bool data, GError **error)
{
	json_auto_t *inventory = json_object();
	json_auto_t *images = json_array();
	g_autofree char *folder = name_of_folder(install->settings->rack);
	for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
		bool is_data = strcmp(kinds[i].kind, "volumes") == 0;
		json_auto_t *names = names_of(install, &kinds[i], false, error);
		if (!names)
			return NULL;
		if (json_array_size(names) > 0 && (data || !is_data))
			json_object_set(inventory, kinds[i].kind, names);
	}
	if (!add_images(install, images, error))
		return NULL;
	if (json_array_size(images) > 0)
		json_object_set(inventory, "images", images);
	if (remove_is_our_folder(folder))
		json_object_set_new(inventory, "folders", json_pack("[s]", folder));
	return json_incref(inventory);
}

static void
delete_all(Docker *docker, const Kind *kind, const json_t *names)
{
	size_t i;
	json_t *name;
	json_array_foreach(names, i, name)
	{
		g_autofree char *path = g_strdup_printf("%s", kind->remove);
		g_auto(GStrv) parts = g_strsplit(path, "%s", 2);
		/* What cannot go yet (a network in use) is met again in the next round. */
		json_auto_t *gone = docker_call(docker, "DELETE", NULL, NULL, "%s%s%s", parts[0],
		    json_string_value(name), parts[1]);
	}
}

/* Deletes all of a kind and waits until none is left. Containers of services get time to end by
 * themselves before they are forced. */
static bool
remove_kind(const Install *install, const Kind *kind, GError **error)
{
	gint64 started = g_get_monotonic_time();
	bool is_containers = strcmp(kind->kind, "containers") == 0;
	for (;;) {
		gint64 seconds = (g_get_monotonic_time() - started) / G_USEC_PER_SEC;
		bool is_patient = is_containers && seconds < GRACE_SECONDS;
		json_auto_t *left = names_of(install, kind, true, error);
		json_auto_t *ours = names_of(install, kind, !is_patient, error);
		if (!left || !ours)
			return false;
		if (json_array_size(left) == 0)
			return true;
		if (seconds > GONE_SECONDS)
			return error_set(error, CARRACK_ERROR_UNAVAILABLE,
			    "%s %s does not go away; run `carrack uninstall` again", kind->kind,
			    json_string_value(json_array_get(left, 0)));
		delete_all(install->docker, kind, ours);
		g_usleep(PAUSE_MICROSECONDS);
	}
}

static bool
remove_api(const Install *install, GError **error)
{
	Docker *docker = install->docker;
	gint64 deadline = g_get_monotonic_time() + GRACE_SECONDS * G_USEC_PER_SEC;
	g_autofree char *name = name_of_part(install->settings->rack, PART_API);
	g_autofree char *filter = name_filter("com.docker.swarm.service.name", name);
	json_auto_t *gone = docker_call(docker, "DELETE", NULL, NULL, "/services/%s", name);
	while (g_get_monotonic_time() < deadline) {
		json_auto_t *left =
		    docker_call(docker, "GET", NULL, error, "/containers/json%s", filter);
		if (!left)
			return false;
		if (json_array_size(left) == 0)
			break;
		g_usleep(PAUSE_MICROSECONDS);
	}
	return true;
}

static void
remove_images(Docker *docker, const json_t *images)
{
	size_t i;
	json_t *image;
	json_array_foreach(images, i, image)
	{
		json_auto_t *gone = docker_call(
		    docker, "DELETE", NULL, NULL, "/images/%s?force=1", json_string_value(image));
	}
}

static void
remove_folder_here(const char *path)
{
	g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
	const char *name = NULL;
	while (folder && (name = g_dir_read_name(folder))) {
		g_autofree char *file = g_build_filename(path, name, NULL);
		g_unlink(file);
	}
	g_rmdir(path);
}

/* The folder is root's. Members of the group docker reach it through a container. */
static bool
remove_folder(const Install *install, const json_t *inventory, GError **error)
{
	Docker *docker = install->docker;
	g_autofree char *path = name_of_folder(install->settings->rack);
	if (!json_object_get(inventory, "folders"))
		return true;
	remove_folder_here(path);
	if (!g_file_test(path, G_FILE_TEST_EXISTS))
		return true;

	g_autofree char *inside = g_strconcat("/host", path, NULL);
	const char *image =
	    json_string_value(json_array_get(json_object_get(inventory, "images"), 0));
	json_auto_t *body = json_pack("{s:s, s:[s, s, s], s:{s:[s], s:b}}", "Image",
	    image ? image : "debian:bookworm-slim", "Cmd", "rm", "-rf", inside, "HostConfig",
	    "Binds", "/run:/host/run", "AutoRemove", 1);
	json_auto_t *made = docker_call(docker, "POST", body, error, "/containers/create");
	if (!made)
		return false;

	const char *id = json_text_of(made, "Id", "");
	json_auto_t *started = docker_call(docker, "POST", NULL, error, "/containers/%s/start", id);
	json_auto_t *ended =
	    started ? docker_call(docker, "POST", NULL, NULL, "/containers/%s/wait", id) : NULL;
	return started != NULL;
}

static char *
inventory_text(const json_t *inventory)
{
	g_autoptr(GString) text = g_string_new(NULL);
	const char *kind;
	json_t *names, *name;
	size_t i;
	json_object_foreach((json_t *)inventory, kind, names)
	{
		json_array_foreach(names, i, name) g_string_append_printf(
		    text, "%s%s %s", text->len ? ", " : "", kind, json_string_value(name));
	}
	return g_string_free(g_steal_pointer(&text), FALSE);
}

bool
remove_everything(const Install *install, bool data, GError **error)
{
	Docker *docker = install->docker;
	json_auto_t *before = remove_inventory(install, data, error);
	if (!before || !remove_api(install, error))
		return false;

	for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
		bool is_data = strcmp(kinds[i].kind, "volumes") == 0;
		if (is_data && !data)
			continue;
		if (json_object_get(before, kinds[i].kind))
			progress_step(install->progress, "removing %s", kinds[i].kind);
		if (!remove_kind(install, &kinds[i], error))
			return false;
	}
	if (!remove_folder(install, before, error))
		return false;
	remove_images(docker, json_object_get(before, "images"));

	json_auto_t *after = remove_inventory(install, data, error);
	if (!after)
		return false;
	g_autofree char *left = inventory_text(after);
	if (*left)
		return error_set(error, CARRACK_ERROR_UNAVAILABLE, "still there: %s", left);
	return true;
}

bool
remove_swarm(Docker *docker, GError **error)
{
	json_auto_t *services = docker_call(docker, "GET", NULL, NULL, "/services");
	if (json_array_size(services) > 0)
		return error_set(error, CARRACK_ERROR_CONFLICT,
		    "other services run in this swarm; it is not left");

	json_auto_t *left = docker_call(docker, "POST", NULL, error, "/swarm/leave?force=1");
	return left != NULL;
}

static void
remove_old_images(const Install *install)
{
	Docker *docker = install->docker;
	g_autoptr(GHashTable) used = racks_images_of_others(docker, install->settings->rack);
	json_auto_t *images = docker_call(docker, "GET", NULL, NULL, "/images/json%s",
	    "?filters=%7B%22reference%22%3A%5B%22carrack%2Frack%22%5D%7D");
	size_t i;
	json_t *image;
	g_hash_table_add(used, g_strdup(install->image));
	/* By force, because ended tasks hold on to their image; the engine still refuses for one
	 * that a container runs on, as the router may: as meant. */
	json_array_foreach(images, i, image)
	{
		const char *id = json_text_of(image, "Id", "");
		json_auto_t *gone =
		    g_hash_table_contains(used, id)
			? NULL
			: docker_call(docker, "DELETE", NULL, NULL, "/images/%s?force=1", id);
	}
}

void
remove_unused(const Install *install)
{
	Docker *docker = install->docker;
	g_autofree char *filter = name_filter(LABEL_RACK, install->settings->rack);
	json_auto_t *secrets = docker_call(docker, "GET", NULL, NULL, "/secrets%s", filter);
	size_t i;
	json_t *secret;
	remove_old_images(install);
	json_array_foreach(secrets, i, secret)
	{
		const char *id = json_text_of(secret, "ID", "");
		bool is_kept = strcmp(id, install->secret) == 0 ||
			       strcmp(label_of(secret, LABEL_PART), PART_PASSWORD) != 0;
		json_auto_t *gone =
		    is_kept ? NULL : docker_call(docker, "DELETE", NULL, NULL, "/secrets/%s", id);
	}
}
