/*
 * Releases are made from the latest one: build and environment are carried over unless they are
 * given. A release says in its description what changed.
 */
#include "base/text.h"
#include "core/rack-private.h"

static const char *
or_default(const char *text, const char *fallback)
{
	return text ? text : fallback;
}

static Release *
parent_of(Rack *rack, const char *app, const ReleaseOptions *options, GError **error)
{
	Store *store = rack->provider->store;
	if (options->parent)
		return release_load(store, app, options->parent, error);

	return release_latest(store, app, error);
}

/* The manifest and the description come from the build. */
static bool
release_take_build(Rack *rack, Release *release, GError **error)
{
	if (!*release->build) {
		release->manifest = g_strdup("");
		return true;
	}
	g_autoptr(Build) build =
	    build_load(rack->provider->store, release->app, release->build, error);
	if (!build)
		return false;

	release->manifest = g_strdup(build->manifest);
	if (!release->description)
		release->description = g_strdup(build->description);
	return true;
}

Release *
rack_release_create(Rack *rack, const char *app, const ReleaseOptions *options, GError **error)
{
	Store *store = rack->provider->store;
	g_autoptr(App) known = app_load(store, app, error);
	if (!known)
		return NULL;

	g_autoptr(GError) failure = NULL;
	g_autoptr(Release) parent = parent_of(rack, app, options, &failure);
	if (failure) {
		g_propagate_error(error, g_steal_pointer(&failure));
		return NULL;
	}
	g_autoptr(Env) nothing = env_new();
	const Env *before = parent ? parent->env : nothing;

	g_autoptr(Release) release = g_new0(Release, 1);
	release->id = text_id('R');
	release->app = g_strdup(app);
	release->build = g_strdup(or_default(options->build, parent ? parent->build : ""));
	release->env = env_copy(options->env ? options->env : before);
	release->description = g_strdup(options->description);
	if (!release->description && options->env)
		release->description = env_describe_change(before, release->env);
	release->state = g_strdup("created");
	release->cause = g_strdup("");
	release->created = g_get_real_time();
	if (!release_take_build(rack, release, error))
		return NULL;
	if (!release->description)
		release->description = g_strdup("");
	if (!release_save(store, release, error))
		return NULL;

	return g_steal_pointer(&release);
}
