/*
 * An app's network: an attachable overlay that its processes share and find one another by service
 * name on. It comes with the app's first deployment and goes with the app.
 *
 * Swarm gives it a /24, so one app has room for 253 processes at a time, old and new ones together.
 */
#include "swarm/engine-private.h"

#include "base/lock.h"

#define REMOVE_PATIENCE_US                                                                         \
	(150 * G_USEC_PER_SEC) /* the longest usual termination, and Swarm's 6 s */
#define REMOVE_PAUSE_MS 250

/* NULL without an error when there is none. */
static bool
find(SwarmEngine *engine, const char *app, char **id, GError **error)
{
	g_autofree char *filters = engine_label_filter(engine->rack, app);
	json_auto_t *networks =
	    docker_call(engine->docker, "GET", NULL, error, "/networks?%s", filters);
	if (!networks)
		return false;

	*id = g_strdup(json_text_of(json_array_get(networks, 0), "Id", NULL));
	return true;
}

static char *
create(SwarmEngine *engine, const char *app, GError **error)
{
	g_autofree char *name = g_strdup_printf("carrack-%s-%s", engine->rack, app);
	json_auto_t *body = json_pack("{s:s, s:s, s:b, s:b, s:{s:s, s:s}}", "Name", name, "Driver",
	    "overlay", "Attachable", true, "CheckDuplicate", true, "Labels", LABEL_RACK,
	    engine->rack, LABEL_APP, app);
	json_auto_t *network = docker_call(engine->docker, "POST", body, error, "/networks/create");
	if (!network) {
		g_prefix_error(error, "network %s: ", name);
		return NULL;
	}
	return g_strdup(json_text_of(network, "Id", ""));
}

char *
engine_network_ensure(SwarmEngine *engine, const char *app, GError **error)
{
	LOCKED(&engine->networks);
	g_autofree char *id = NULL;

	if (!find(engine, app, &id, error))
		return NULL;
	return id ? g_steal_pointer(&id) : create(engine, app, error);
}

bool
engine_network_remove(SwarmEngine *engine, const char *app, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + REMOVE_PATIENCE_US;
	g_autoptr(GError) refusal = NULL;

	do {
		g_autofree char *id = NULL;
		if (!find(engine, app, &id, error))
			return false;
		if (!id)
			return true;

		g_clear_error(&refusal);
		json_auto_t *removed =
		    docker_call(engine->docker, "DELETE", NULL, &refusal, "/networks/%s", id);
		if (removed)
			continue;
	} while (g_get_monotonic_time() < deadline && engine_pause(engine, REMOVE_PAUSE_MS));

	return error_set(error, CARRACK_ERROR_UNAVAILABLE, "network of app %s is still in use: %s",
	    app, refusal ? refusal->message : "no answer");
}
