/*
 * `carrack uninstall aws`: says what goes, asks, takes it away, and looks again. It works on a rack
 * in any state, also on one whose stack has gone and that left something.
 */
#include "install/aws-steps.h"

#include "install/account.h"

#include <string.h>

#define PAUSE_MICROSECONDS 2000000
#define LAG_SECONDS 60 /* AWS's list of tags may name what has gone for a while */

static bool
note_what_goes(Cloud *cloud, json_t *found, GError **error)
{
	json_auto_t *apps = remove_app_stacks(cloud, error);
	size_t i;
	json_t *one;
	if (!apps)
		return false;
	if (cloud->stack)
		progress_note(cloud->progress,
		    "stack %s (%s) with documents, objects, images, logs and password",
		    cloud->wish->name, stack_status(cloud));
	json_array_foreach(apps, i, one)
	    progress_note(cloud->progress, "app %s with its images, logs and environments",
		json_text_of(one, "StackName", "") + strlen(cloud->wish->name) + strlen("-app-"));
	if (!cloud->stack) {
		json_array_foreach(found, i, one)
		    progress_note(cloud->progress, "%s", json_string_value(one));
	}
	return true;
}

/* Empty, or what is left once AWS's lists have caught up. */
static json_t *
last_look(Cloud *cloud, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + (gint64)LAG_SECONDS * G_USEC_PER_SEC;
	progress_step(cloud->progress, "looking for what is left");
	for (;;) {
		json_t *found = inventory_by_tag(cloud, error);
		bool is_over =
		    !found || json_array_size(found) == 0 || g_get_monotonic_time() > deadline;
		if (is_over)
			return found;
		json_decref(found);
		g_usleep(PAUSE_MICROSECONDS);
	}
}

static bool
refuse_left(Cloud *cloud, const json_t *found, GError **error)
{
	size_t i;
	json_t *one;
	if (json_array_size(found) == 0)
		return true;

	json_array_foreach((json_t *)found, i, one)
	    progress_note(cloud->progress, "left: %s", json_string_value(one));
	return error_set(error, CARRACK_ERROR_CONFLICT,
	    "%zu things of rack %s are left; delete them in AWS's console, or run it again",
	    json_array_size(found), cloud->wish->name);
}

static bool
forget(Cloud *cloud, GError **error)
{
	return account_remove_aws(
	    cloud->wish->name, aws_client_region(cloud->client), cloud->account, error);
}

static bool
take_away(Cloud *cloud, GError **error)
{
	if (!stack_settle(cloud, error) || !remove_apps(cloud, error) ||
	    !remove_stack(cloud, error) || !remove_rest(cloud, error))
		return false;

	json_auto_t *left = last_look(cloud, error);
	return left && forget(cloud, error) && refuse_left(cloud, left, error);
}

static json_t *
uninstall(Cloud *cloud, GError **error)
{
	const AwsWish *wish = cloud->wish;
	json_auto_t *found = inventory_by_tag(cloud, error);
	if (!found)
		return NULL;
	bool is_there = cloud->stack || json_array_size(found) > 0;
	if (!is_there) {
		bucket_remove(cloud);
		progress_note(
		    cloud->progress, "nothing of a rack named %s is in this region", wish->name);
	}
	g_autofree char *what = g_strdup_printf(
	    "all of this goes, and nothing of it can be had back (account %s, region %s)",
	    cloud->account, aws_client_region(cloud->client));
	if (is_there && (!note_what_goes(cloud, found, error) ||
			    !cloud_confirm(cloud, what, error) || !take_away(cloud, error)))
		return NULL;
	if (!forget(cloud, error))
		return NULL;
	return json_pack("{s:s, s:b}", "name", wish->name, "removed", is_there);
}

json_t *
aws_uninstall(const AwsWish *wish, GError **error)
{
	g_auto(Cloud) cloud = {0};
	cloud_watch_interrupt();
	json_t *result = cloud_look(&cloud, wish, error) ? uninstall(&cloud, error) : NULL;
	progress_end(cloud.progress, result != NULL);
	return result;
}
