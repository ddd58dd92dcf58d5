/*
 * Parameters of a rack's stack: listed, and changed without a new template or image.
 */
#include "install/aws-steps.h"

#include "install/account.h"

#include <string.h>

json_t *
aws_params(const AwsWish *wish, GError **error)
{
	g_auto(Cloud) cloud = {.progress = progress_new_silent()};
	json_t *list = json_array();
	const char *name;
	json_t *rules;
	if (!cloud_open_rack(&cloud, wish, error)) {
		json_decref(list);
		return NULL;
	}

	json_object_foreach(cloud.template, name, rules)
	{
		const char *value = stack_parameter(&cloud, name);
		if (value)
			json_array_append_new(
			    list, json_pack("{s:s, s:s, s:s, s:s}", "name", name, "value", value,
				      "default", json_text_of(rules, "Default", ""), "description",
				      json_text_of(rules, "Description", "")));
	}
	return list;
}

json_t *
aws_params_set(const AwsWish *wish, GError **error)
{
	g_auto(Cloud) cloud = {0};
	cloud_watch_interrupt();
	bool is_good = cloud_open_rack(&cloud, wish, error) && stack_settle(&cloud, error) &&
		       stack_check_state(&cloud, error) && archive_ensure(&cloud, error) &&
		       changes_run(&cloud, false, false, error);
	if (is_good && cloud.has_changed)
		is_good = cloud_proof_wait(&cloud, error);
	progress_end(cloud.progress, is_good);
	return is_good ? cloud_result(&cloud, NULL) : NULL;
}
