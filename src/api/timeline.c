/*
 * The long poll over a timeline.
 */
#include "api/timeline.h"

#include "base/text.h"

#define LONGEST_WAIT (60 * G_USEC_PER_SEC)

json_t *
timeline_answer(Request *request, const char *app, const char *id, GError **error)
{
	gint64 after = 0;
	gint64 wait = 0;
	const char *text = request_option(request, "wait");
	if (!request_int(request, "after", 0, G_MAXINT64, &after, error) ||
	    (text && !text_parse_duration(text, &wait, error)))
		return NULL;

	wait = CLAMP(wait, 0, LONGEST_WAIT);
	return timeline_json(rack_timelines(request->rack), app, id, after, (unsigned)(wait / 1000),
	    request->cancel, error);
}
