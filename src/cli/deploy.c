/*
 * `deploy`: a folder built, its release promoted, and the rack watched until the new processes
 * serve. Told with where the app answers and how long it took, or with why it does not.
 */
#include "cli/builds.h"
#include "cli/releases.h"
#include "cli/services.h"
#include "cli/verbs.h"

static json_t *
urls_json(const GPtrArray *urls)
{
	json_t *list = json_array();

	for (guint i = 0; i < urls->len; i++)
		json_array_append_new(list, json_string(urls->pdata[i]));
	return list;
}

static bool
tell_result(Call *call, const BuildResult *result, gint64 began, GError **error)
{
	g_autoptr(GPtrArray) urls = service_urls(call, NULL, error);
	if (!urls)
		return false;

	gint64 took = g_get_monotonic_time() - began;
	for (guint i = 0; i < urls->len; i++)
		output_talk(call->output, "%s", (char *)urls->pdata[i]);
	output_talk(call->output, "Release %s is %s after %.1fs", result->release,
	    call_has(call, "no-wait") ? "on its way" : "live", (double)took / G_USEC_PER_SEC);
	json_auto_t *answer = json_pack("{s:s, s:s, s:s, s:o, s:I}", "app", call->app, "build",
	    result->id, "release", result->release, "urls", urls_json(urls), "milliseconds",
	    (json_int_t)(took / 1000));
	output_json(call->output, answer);
	output_id(call->output, result->release);
	return true;
}

bool
deploy(Call *call, GError **error)
{
	g_auto(BuildResult) result = {NULL};
	const char *folder = call->argument_count > 0 ? call->arguments[0] : ".";
	gint64 began = g_get_monotonic_time();

	call_watch_interrupt(call);
	return build_folder(call, folder, &result, error) &&
	       release_promote(call, result.release, error) &&
	       tell_result(call, &result, began, error);
}
