/*
 * From a spec to the engine's JSON: names within Swarm's limit, and values that its template
 * expansion leaves alone. That a real engine takes it is in test-engine.c.
 */
#include "swarm/engine-private.h"

#include <string.h>

static void
assert_name(const char *app, const char *service, unsigned attempt, const char *expected)
{
	EngineSpec spec = {.app = app, .service = service, .release = "RABCDEFGHIJ"};
	g_autofree char *name = engine_service_name(&spec, attempt);

	g_assert_cmpstr(name, ==, expected);
	g_assert_cmpuint(strlen(name), <=, 63);
}

static void
test_names(void)
{
	assert_name("shop", "web", 1, "shop-web-rabcdefghij");
	assert_name("shop", "web", 2, "shop-web-rabcdefghij-2");
}

static void
test_long_names(void)
{
	assert_name("a23456789012345678901234567890", "web", 1,
	    "a23456789012345678901234567890-web-rabcdefghij");
	assert_name("a23456789012345678901234567890", "b23456789012345678901234567890", 1,
	    "a2345678901234567890123-b2345678901234567890123-rabcdefghij");
	assert_name("a23456789012345678901234567890", "b23456789012345678901234567890", 99,
	    "a2345678901234567890123-b2345678901234567890123-rabcdefghij-99");
	assert_name("a", "b23456789012345678901234567890", 1,
	    "a-b23456789012345678901234567890-rabcdefghij");
}

static void
assert_escaped(const char *value, const char *expected)
{
	g_autofree char *escaped = engine_escape_template(value);

	g_assert_cmpstr(escaped, ==, expected);
}

static void
test_escape(void)
{
	assert_escaped("", "");
	assert_escaped("plain }} { }", "plain }} { }");
	assert_escaped("{{.Node.ID}}", "{{\"{{\"}}.Node.ID}}");
	assert_escaped("a{{{{b", "a{{\"{{\"}}{{\"{{\"}}b");
	assert_escaped("{{{", "{{\"{{\"}}{");
}

static void
test_spec(void)
{
	static const char *const command[] = {"perl", "-e", "1", NULL};
	g_autoptr(Env) env = env_new();
	g_assert_true(env_set(env, "A", "{{", NULL));
	SwarmEngine engine = {.rack = (char *)"rack"};
	EngineSpec spec = {.app = "shop",
	    .service = "web",
	    .release = "RABCDEFGHIJ",
	    .image = "sha256:00",
	    .command = command,
	    .env = env,
	    .count = 2,
	    .cpu = 256,
	    .memory = 64,
	    .port = 3000,
	    .termination = 30,
	    .has_init = true};

	json_auto_t *body = engine_service_spec(&engine, &spec, "name", "network");
	g_assert_nonnull(body);
	const json_t *template = json_object_get(body, "TaskTemplate");
	const json_t *container = json_object_get(template, "ContainerSpec");
	g_autofree char *arguments = json_text(json_object_get(container, "Args"), false);
	g_autofree char *entries = json_text(json_object_get(container, "Env"), false);
	g_assert_cmpstr(arguments, ==, "[\"perl\",\"-e\",\"1\"]");
	g_assert_cmpstr(entries, ==, "[\"A={{\\\"{{\\\"}}\"]");
	g_assert_null(json_object_get(container, "Command"));
	g_assert_cmpint(json_int_of(container, "StopGracePeriod", 0), ==, 30000000000);
	g_assert_cmpuint(engine_cpu(template), ==, 256);
	g_assert_cmpuint(engine_memory(template), ==, 64);
	g_assert_cmpint(
	    json_int_of(json_at(template, "Resources", "Limits", NULL), "MemoryBytes", 0), ==,
	    64 * MEBIBYTE);
}

static void
test_settings(void)
{
	static const char *const entrypoint[] = {"tini", "--", NULL};
	static const char *const hosts[] = {"db:10.0.0.1", NULL};
	static const char *const dropped[] = {"ALL", NULL};
	static const EngineLimit limits[] = {{"nofile", 100, 200}, {NULL}};
	static const EngineMount mounts[] = {
	    {.kind = ENGINE_MOUNT_MEMORY, .target = "/run", .size = 4096},
	    {.kind = ENGINE_MOUNT_VOLUME, .source = "data", .target = "/data"},
	    {.kind = ENGINE_MOUNT_MACHINE, .source = "/srv", .target = "/m", .is_read_only = true},
	    {.target = NULL}};
	EngineSettings settings = {.entrypoint = entrypoint,
	    .user = "5:6",
	    .folder = "/w",
	    .hosts = hosts,
	    .capabilities_dropped = dropped,
	    .limits = limits,
	    .mounts = mounts,
	    .is_read_only = true};
	g_autoptr(Env) env = env_new();
	SwarmEngine engine = {.rack = (char *)"rack"};
	EngineSpec spec = {.app = "shop", .env = env, .settings = &settings};

	json_auto_t *service = json_object();
	engine_settings_service(&engine, service, &spec);
	g_autofree char *text = json_dumps(service, JSON_COMPACT | JSON_SORT_KEYS);
	g_assert_cmpstr(text, ==,
	    "{\"CapabilityDrop\":[\"ALL\"],\"Command\":[\"tini\",\"--\"],\"Dir\":\"/w\","
	    "\"Hosts\":[\"10.0.0.1 db\"],\"Mounts\":[{\"Target\":\"/run\",\"TmpfsOptions\":"
	    "{\"SizeBytes\":4096},\"Type\":\"tmpfs\"},{\"ReadOnly\":false,\"Source\":"
	    "\"rack.shop.data\",\"Target\":\"/data\",\"Type\":\"volume\",\"VolumeOptions\":"
	    "{\"Labels\":{\"carrack.app\":\"shop\",\"carrack.rack\":\"rack\"}}},{\"ReadOnly\":"
	    "true,\"Source\":\"/srv\",\"Target\":\"/m\",\"Type\":\"bind\"}],\"ReadOnly\":true,"
	    "\"Ulimits\":[{\"Hard\":200,\"Name\":\"nofile\",\"Soft\":100}],\"User\":\"5:6\"}");

	json_auto_t *body = json_pack("{s:{}}", "HostConfig");
	engine_settings_container(&engine, body, &spec);
	json_t *host = json_object_get(body, "HostConfig");
	g_assert_cmpstr(json_text_of(body, "WorkingDir", ""), ==, "/w");
	g_assert_true(json_bool_of(host, "ReadonlyRootfs", false));
	g_assert_cmpuint(json_array_size(json_object_get(host, "Mounts")), ==, 3);
	g_assert_cmpstr(json_string_value(json_array_get(json_object_get(host, "ExtraHosts"), 0)),
	    ==, "db:10.0.0.1");
}

static void
test_process_id(void)
{
	g_assert_cmpstr(engine_process_id("i4nkf23balk55534anibdecle"), ==, "534anibdecle");
	g_assert_cmpstr(engine_process_id("short"), ==, "short");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/engine-spec/a-service-is-named-after-its-release", test_names);
	g_test_add_func("/engine-spec/long-names-are-shortened", test_long_names);
	g_test_add_func("/engine-spec/templates-are-escaped", test_escape);
	g_test_add_func("/engine-spec/a-spec-becomes-a-service", test_spec);
	g_test_add_func(
	    "/engine-spec/settings-are-the-same-of-a-service-and-a-one-off", test_settings);
	g_test_add_func("/engine-spec/a-process-id-is-the-end-of-its-task", test_process_id);
	return g_test_run();
}
