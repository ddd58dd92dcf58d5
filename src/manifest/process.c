/*
 * What convox.yml and compose files say about the surroundings of a process comes to the same
 * struct here. Kubernetes' users are numbers, and a group without a user is its root's.
 */
#include "manifest/process.h"

static void
limit_free(gpointer data)
{
	ManifestLimit *limit = data;
	g_free(limit->name);
	g_free(limit);
}

static void
mount_free(gpointer data)
{
	ManifestMount *mount = data;
	g_free(mount->source);
	g_free(mount->target);
	g_free(mount);
}

void
process_init(ManifestProcess *process)
{
	process->limits = g_ptr_array_new_with_free_func(limit_free);
	process->mounts = g_ptr_array_new_with_free_func(mount_free);
}

void
process_clear(ManifestProcess *process)
{
	g_free(process->user);
	g_free(process->folder);
	g_free(process->stop_signal);
	g_strfreev(process->groups);
	g_strfreev(process->capabilities_added);
	g_strfreev(process->capabilities_dropped);
	g_strfreev(process->hosts);
	g_ptr_array_unref(process->limits);
	g_ptr_array_unref(process->mounts);
}

ManifestMount *
process_add_mount(
    ManifestProcess *process, ManifestMountKind kind, const char *source, const char *target)
{
	ManifestMount *mount = g_new0(ManifestMount, 1);
	mount->kind = kind;
	mount->source = g_strdup(source);
	mount->target = g_strdup(target);
	g_ptr_array_add(process->mounts, mount);
	return mount;
}

static GStrv
texts_of(const json_t *list)
{
	g_autoptr(GStrvBuilder) texts = g_strv_builder_new();
	gsize index;
	json_t *text;
	json_array_foreach(list, index, text) g_strv_builder_add(texts, json_string_value(text));
	return g_strv_builder_end(texts);
}

void
process_apply_security(ManifestProcess *process, const json_t *context)
{
	json_int_t user = json_int_of(context, "runAsUser", -1);
	json_int_t group = json_int_of(context, "runAsGroup", -1);
	const json_t *capabilities = json_object_get(context, "capabilities");
	if (group >= 0)
		process->user = g_strdup_printf(
		    "%" JSON_INTEGER_FORMAT ":%" JSON_INTEGER_FORMAT, MAX(user, 0), group);
	else if (user >= 0)
		process->user = g_strdup_printf("%" JSON_INTEGER_FORMAT, user);
	process->is_read_only = json_bool_of(context, "readOnlyRootFilesystem", false);
	process->capabilities_added = texts_of(json_object_get(capabilities, "add"));
	process->capabilities_dropped = texts_of(json_object_get(capabilities, "drop"));
}

/* For people */

static void
show_text(json_t *object, const char *name, const char *text)
{
	if (text != NULL)
		json_object_set_new(object, name, json_text_value(text));
}

static void
show_texts(json_t *object, const char *name, GStrv texts)
{
	if (texts == NULL || texts[0] == NULL)
		return;

	json_t *list = json_array();
	for (char **text = texts; *text != NULL; text++)
		json_array_append_new(list, json_text_value(*text));
	json_object_set_new(object, name, list);
}

static void
show_limits(json_t *object, const GPtrArray *limits)
{
	json_t *shown = json_object();
	for (guint i = 0; i < limits->len; i++) {
		const ManifestLimit *limit = limits->pdata[i];
		json_object_set_new(shown, limit->name,
		    json_pack("{s:I, s:I}", "soft", (json_int_t)limit->soft, "hard",
			(json_int_t)limit->hard));
	}
	if (limits->len > 0)
		json_object_set(object, "ulimits", shown);
	json_decref(shown);
}

static void
show_mounts(json_t *object, const GPtrArray *mounts)
{
	json_t *shown = json_array();
	for (guint i = 0; i < mounts->len; i++) {
		const ManifestMount *mount = mounts->pdata[i];
		if (mount->kind == MANIFEST_MOUNT_MEMORY)
			json_array_append_new(shown, json_pack("{s:s, s:I}", "path", mount->target,
							 "size", (json_int_t)mount->size));
	}
	if (json_array_size(shown) > 0)
		json_object_set(object, "tmpfs", shown);
	json_decref(shown);
}

json_t *
process_show(const ManifestProcess *process)
{
	json_t *shown = json_object();
	show_text(shown, "user", process->user);
	show_text(shown, "working_dir", process->folder);
	show_text(shown, "stop_signal", process->stop_signal);
	show_texts(shown, "group_add", process->groups);
	show_texts(shown, "cap_add", process->capabilities_added);
	show_texts(shown, "cap_drop", process->capabilities_dropped);
	show_texts(shown, "extra_hosts", process->hosts);
	show_limits(shown, process->limits);
	show_mounts(shown, process->mounts);
	if (process->is_read_only)
		json_object_set_new(shown, "read_only", json_true());
	if (json_object_size(shown) > 0)
		return shown;

	json_decref(shown);
	return json_null();
}
