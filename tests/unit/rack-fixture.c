/*
 * See the header.
 */
#include "rack-fixture.h"

#include "base/text.h"
#include "manifest/manifest.h"

#include <string.h>

static void
fixture_start(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	fixture->provider = fake_world_provider(fixture->world);
	fixture->rack = rack_new(fixture->provider);
	rack_start(fixture->rack, &error);
	g_assert_no_error(error);
}

Fixture *
fixture_new(void)
{
	Fixture *fixture = g_new0(Fixture, 1);
	fixture->world = fake_world_new();
	fixture_start(fixture);
	return fixture;
}

void
fixture_restart(Fixture *fixture)
{
	rack_free(fixture->rack);
	fixture_start(fixture);
}

void
fixture_free(Fixture *fixture)
{
	rack_free(fixture->rack);
	fake_world_free(fixture->world);
	g_free(fixture);
}

void
fixture_app(Fixture *fixture, const char *name)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(App) app = rack_app_create(fixture->rack, name, NULL, &error);
	g_assert_no_error(error);
	json_auto_t *parameters = json_pack("{s:s}", "StabilitySeconds", "0");
	rack_app_update(fixture->rack, name, NULL, parameters, &error);
	g_assert_no_error(error);
}

static void
ignore_line(gpointer data, const char *line, gsize length)
{
}

static char *
fixture_build(Fixture *fixture, const char *app, const char *manifest)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Manifest) parsed =
	    manifest_parse(manifest, strlen(manifest), "convox.yml", NULL, &error);
	g_assert_no_error(error);

	g_autoptr(Build) build = g_new0(Build, 1);
	build->id = text_id('B');
	build->app = g_strdup(app);
	build->status = g_strdup("complete");
	build->manifest = g_strdup(manifest);
	build->images = json_object();
	build->arguments = json_array();
	build->created = g_get_real_time();
	for (guint i = 0; i < parsed->services->len; i++) {
		const ManifestService *service = parsed->services->pdata[i];
		g_autofree char *name = g_strconcat(service->name, ":", build->id, NULL);
		Builder *builder = fixture->provider->builder;
		g_autoptr(BuilderImage) image = builder->ops->pull(
		    builder, app, service->name, name, ignore_line, NULL, NULL, &error);
		g_assert_no_error(error);
		json_object_set_new(build->images, service->name,
		    json_pack(
			"{s:s, s:s}", "reference", image->reference, "digest", image->digest));
	}
	build_save(fixture->provider->store, build, &error);
	g_assert_no_error(error);
	return g_strdup(build->id);
}

char *
fixture_release(Fixture *fixture, const char *app, const char *manifest, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *build = manifest ? fixture_build(fixture, app, manifest) : NULL;
	g_autoptr(Env) env = text ? env_parse_wire(text, &error) : NULL;
	g_assert_no_error(error);
	ReleaseOptions options = {.build = build, .env = env};
	g_autoptr(Release) release = rack_release_create(fixture->rack, app, &options, &error);
	g_assert_no_error(error);
	return g_strdup(release->id);
}

json_t *
fixture_wait(Fixture *fixture, const char *app, const char *release)
{
	gint64 version = 0;
	for (;;) {
		g_autoptr(GError) error = NULL;
		json_t *timeline = timeline_json(
		    rack_timelines(fixture->rack), app, release, version, 10000, NULL, &error);
		g_assert_no_error(error);
		g_assert_cmpint(json_int_of(timeline, "version", 0), >, version);
		version = json_int_of(timeline, "version", 0);
		if (strcmp(json_text_of(timeline, "state", ""), "running") != 0)
			return timeline;
		json_decref(timeline);
	}
}

void
fixture_wait_idle(Fixture *fixture, const char *app)
{
	for (;;) {
		g_autoptr(App) now = fixture_load(fixture, app);
		if (strcmp(now->status, "running") == 0)
			return;
		g_usleep(1000);
	}
}

json_t *
fixture_promote(Fixture *fixture, const char *app, const char *release)
{
	g_autoptr(GError) error = NULL;
	PromoteOptions options = {.who = "a test"};
	rack_release_promote(fixture->rack, app, release, &options, &error);
	g_assert_no_error(error);
	json_t *timeline = fixture_wait(fixture, app, release);
	/* The lock goes after the timeline has ended. */
	fixture_wait_idle(fixture, app);
	return timeline;
}

App *
fixture_load(Fixture *fixture, const char *app)
{
	g_autoptr(GError) error = NULL;
	App *loaded = app_load(fixture->provider->store, app, &error);
	g_assert_no_error(error);
	return loaded;
}

int
fixture_request(Fixture *fixture, const char *host, const char *path)
{
	Router *router = fixture->provider->router;
	return router->ops->request(router, host, path, NULL);
}

unsigned
fixture_count(Fixture *fixture, const char *app, const char *release)
{
	Engine *engine = fixture->provider->engine;
	g_autoptr(GPtrArray) living = engine->ops->processes_of_app(engine, app, true, NULL);
	unsigned count = 0;
	for (guint i = 0; i < living->len; i++) {
		const Process *process = living->pdata[i];
		count +=
		    process->is_wanted && (!*release || strcmp(process->release, release) == 0);
	}
	return count;
}
