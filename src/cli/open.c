/*
 * The verb `open`: prints where an app answers and, where there is a display, opens it.
 */
#include "cli/services.h"
#include "cli/verbs.h"

#include <string.h>
#include <unistd.h>

static bool
has_display(void)
{
	const char *x11 = g_getenv("DISPLAY");
	const char *wayland = g_getenv("WAYLAND_DISPLAY");

	return (x11 && *x11) || (wayland && *wayland);
}

/* The address is already printed: that no browser opens is worth a line, not a failure. */
static void
open_in_browser(Call *call, const char *url)
{
	g_autoptr(GError) failure = NULL;
	g_autoptr(GSubprocess) browser =
	    g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE,
		&failure, "xdg-open", url, NULL);

	if (!browser || !g_subprocess_wait_check(browser, NULL, &failure))
		output_note(call->output, "not opened: %s", failure->message);
}

bool
open_app(Call *call, GError **error)
{
	const char *service = call->arguments[0];
	g_autoptr(GPtrArray) urls = service_urls(call, service, error);
	if (!urls)
		return false;
	if (urls->len == 0)
		return error_set(error, CARRACK_ERROR_NOT_FOUND,
		    "%s%s of app %s answers from outside",
		    service ? "no port of service " : "no service", service ? service : "",
		    call->app);

	const char *url = urls->pdata[0];
	json_auto_t *answer = json_pack("{s:s, s:s}", "app", call->app, "url", url);
	output_json(call->output, answer);
	if (output_is_json(call->output))
		return true;
	output_print(call->output, "%s", url);
	output_flush(call->output);
	if (has_display() && isatty(STDOUT_FILENO))
		open_in_browser(call, url);
	return true;
}
