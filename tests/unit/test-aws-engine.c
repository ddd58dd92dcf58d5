/*
 * The ECS engine where it calls nobody: what it makes of a spec, what it refuses, and what it reads
 * out of the many ways in which ECS says that a task has ended. What ECS then does with it is
 * tests/aws/test_engine.py's.
 */
#include "aws/engine-private.h"

#include <string.h>

typedef struct {
	AwsRack rack;
	EcsEngine engine;
	Env *env;
	EngineSpec spec;
	EngineSettings settings;
	EngineRoles roles;
	json_t *environment;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
	static const char *const variables[] = {
	    "AWS_REGION=eu-west-1", "AWS_EC2_METADATA_DISABLED=true", NULL};
	g_autoptr(GError) error = NULL;
	AwsOptions options = {.environment = variables};

	fixture->rack = (AwsRack){.client = aws_client_new(&options, NULL, &error),
	    .name = (char *)"prod",
	    .cluster = (char *)"prod",
	    .capacity_provider = (char *)"machines",
	    .security_group = (char *)"sg-1",
	    .subnets = g_strsplit("subnet-1,subnet-2", ",", -1)};
	g_assert_no_error(error);
	fixture->engine.rack = &fixture->rack;
	fixture->env = env_new();
	fixture->spec = (EngineSpec){.app = "shop",
	    .service = "web",
	    .release = "RABCDEFGHIJ",
	    .image = "registry/prod/shop@sha256:0123",
	    .env = fixture->env,
	    .count = 2,
	    .memory_limit = 512,
	    .port = 3000,
	    .termination = 30,
	    .has_init = true,
	    .settings = &fixture->settings};
	fixture->roles = (EngineRoles){(char *)"arn:task", (char *)"arn:execution"};
	fixture->environment = json_pack("{s:[], s:[]}", "secrets", "environment");
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	json_decref(fixture->environment);
	env_free(fixture->env);
	g_strfreev(fixture->rack.subnets);
	aws_client_free(fixture->rack.client);
}

static json_t *
definition_of(Fixture *fixture, const EngineOneOff *one_off)
{
	g_autoptr(GError) error = NULL;
	json_t *definition = ecs_definition(&fixture->engine, &fixture->spec, one_off,
	    &fixture->roles, fixture->environment, &error);
	g_assert_no_error(error);
	return definition;
}

static json_t *
container_of(const json_t *definition)
{
	return json_array_get(json_object_get(definition, "containerDefinitions"), 0);
}

static void
assert_json(json_t *value, const char *text)
{
	g_autofree char *said = json_text(value, false);
	g_assert_cmpstr(said, ==, text);
}

/* Specs */

static void
test_fargate_sizes(void)
{
	static const struct {
		unsigned cpu, memory, task_cpu, task_memory;
	} cases[] = {
	    {0, 0, 256, 512},
	    {0, 512, 256, 512},
	    {256, 513, 256, 1024},
	    {100, 2048, 256, 2048},
	    {100, 2049, 512, 3072},
	    {512, 100, 512, 1024},
	    {1024, 8192, 1024, 8192},
	    {1025, 100, 2048, 4096},
	    {0, 30721, 8192, 32768},
	    {16384, 120000, 16384, 122880},
	};
	unsigned cpu, memory;
	g_autoptr(GError) error = NULL;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_assert_true(
		    ecs_fargate_size(cases[i].cpu, cases[i].memory, &cpu, &memory, &error));
		g_assert_cmpuint(cpu, ==, cases[i].task_cpu);
		g_assert_cmpuint(memory, ==, cases[i].task_memory);
	}
	g_assert_false(ecs_fargate_size(0, 122881, &cpu, &memory, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_nonnull(strstr(error->message, "122881 MB"));
}

static void
test_memory(Fixture *fixture, gconstpointer data)
{
	json_auto_t *undeclared = definition_of(fixture, NULL);
	assert_json(json_object_get(container_of(undeclared), "memory"), "512");
	assert_json(json_object_get(container_of(undeclared), "memoryReservation"), "64");

	fixture->spec.memory = 256;
	json_auto_t *declared = definition_of(fixture, NULL);
	assert_json(json_object_get(container_of(declared), "memory"), "256");
	g_assert_null(json_object_get(container_of(declared), "memoryReservation"));
}

static void
test_stop_timeout(Fixture *fixture, gconstpointer data)
{
	fixture->spec.termination = 600;
	json_auto_t *definition = definition_of(fixture, NULL);
	assert_json(json_object_get(container_of(definition), "stopTimeout"), "120");

	EngineOneOff one_off = {.spec = &fixture->spec};
	json_auto_t *other = definition_of(fixture, &one_off);
	assert_json(json_object_get(container_of(other), "stopTimeout"), "2");
}

static void
test_entrypoint(Fixture *fixture, gconstpointer data)
{
	static const char *const command[] = {"run", "it", NULL};
	fixture->spec.command = command;
	json_auto_t *plain = definition_of(fixture, NULL);
	assert_json(json_object_get(container_of(plain), "command"), "[\"run\",\"it\"]");
	g_assert_null(json_object_get(container_of(plain), "entryPoint"));

	EngineOneOff without = {.spec = &fixture->spec, .without_entrypoint = true};
	json_auto_t *one_off = definition_of(fixture, &without);
	assert_json(json_object_get(container_of(one_off), "entryPoint"), "[\"run\",\"it\"]");
	g_assert_null(json_object_get(container_of(one_off), "command"));
	g_assert_null(json_object_get(container_of(one_off), "portMappings"));

	EngineOneOff attached = {.spec = &fixture->spec, .is_attached = true};
	json_auto_t *waiting = definition_of(fixture, &attached);
	assert_json(json_object_get(container_of(waiting), "entryPoint"), "[\"sleep\"]");
}

static void
test_settings(Fixture *fixture, gconstpointer data)
{
	static const EngineLimit limits[] = {{"nofile", 100, 200}, {"nproc", 10, 20}, {0}};
	static const EngineMount mounts[] = {
	    {ENGINE_MOUNT_MEMORY, NULL, "/run", 3000000, 0700, false},
	    {ENGINE_MOUNT_MACHINE, "/srv", "/data", 0, 0, true}, {0}};
	static const char *const dropped[] = {"ALL", NULL};
	fixture->settings = (EngineSettings){.user = "1000",
	    .folder = "/app",
	    .limits = limits,
	    .mounts = mounts,
	    .capabilities_dropped = dropped,
	    .is_read_only = true};
	json_auto_t *definition = definition_of(fixture, NULL);
	json_t *container = container_of(definition);

	assert_json(json_object_get(container, "ulimits"),
	    "[{\"name\":\"nofile\",\"softLimit\":100,\"hardLimit\":200},"
	    "{\"name\":\"nproc\",\"softLimit\":10,\"hardLimit\":20}]");
	assert_json(json_object_get(container, "linuxParameters"),
	    "{\"initProcessEnabled\":true,\"capabilities\":{\"drop\":[\"ALL\"]},\"tmpfs\":["
	    "{\"containerPath\":\"/run\",\"size\":3,\"mountOptions\":[\"mode=700\"]}]}");
	assert_json(json_object_get(container, "mountPoints"),
	    "[{\"sourceVolume\":\"machine-0\",\"containerPath\":\"/data\",\"readOnly\":true}]");
	assert_json(json_object_get(definition, "volumes"),
	    "[{\"name\":\"machine-0\",\"host\":{\"sourcePath\":\"/srv\"}}]");
	assert_json(json_object_get(container, "readonlyRootFilesystem"), "true");
	assert_json(json_object_get(container, "workingDirectory"), "\"/app\"");
}

static void
assert_refused(Fixture *fixture, const char *words)
{
	g_autoptr(GError) error = NULL;
	g_assert_false(ecs_spec_check(&fixture->engine, &fixture->spec, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_nonnull(strstr(error->message, words));
}

static void
test_refusals(Fixture *fixture, gconstpointer data)
{
	static const EngineMount volume[] = {
	    {ENGINE_MOUNT_VOLUME, "data", "/var/lib/data", 0, 0, false}, {0}};
	static const EngineMount memory[] = {{ENGINE_MOUNT_MEMORY, NULL, "/run", 0, 0, false}, {0}};
	static const char *const groups[] = {"audio", NULL};
	g_assert_true(ecs_spec_check(&fixture->engine, &fixture->spec, NULL));

	fixture->settings.mounts = volume;
	assert_refused(fixture, "volume /var/lib/data");
	fixture->settings = (EngineSettings){.stop_signal = "SIGQUIT"};
	assert_refused(fixture, "stop signal");
	fixture->settings = (EngineSettings){.groups = groups};
	assert_refused(fixture, "groups");
	fixture->settings = (EngineSettings){.mounts = memory};
	g_assert_true(ecs_spec_check(&fixture->engine, &fixture->spec, NULL));
	fixture->rack.is_fargate = true;
	assert_refused(fixture, "/run: Fargate");
	fixture->spec.image = "debian:latest";
	assert_refused(fixture, "debian:latest");
}

static void
test_service(Fixture *fixture, gconstpointer data)
{
	json_auto_t *service =
	    ecs_service(&fixture->engine, &fixture->spec, "shop-web-R", "arn:d", "arn:group");
	assert_json(json_object_get(service, "loadBalancers"),
	    "[{\"targetGroupArn\":\"arn:group\",\"containerName\":\"web\","
	    "\"containerPort\":3000}]");
	g_assert_cmpint(json_int_of(service, "healthCheckGracePeriodSeconds", 0), ==, 1800);
	assert_json(json_object_get(service, "capacityProviderStrategy"),
	    "[{\"capacityProvider\":\"machines\",\"weight\":1}]");
	g_assert_null(json_object_get(service, "networkConfiguration"));
	g_assert_cmpstr(ecs_tag(service, TAG_RELEASE), ==, "RABCDEFGHIJ");
	g_assert_cmpuint(ecs_tag_number(service, TAG_PORT), ==, 3000);

	fixture->rack.is_fargate = true;
	json_auto_t *bare =
	    ecs_service(&fixture->engine, &fixture->spec, "shop-web-R", "arn:d", NULL);
	g_assert_null(json_object_get(bare, "loadBalancers"));
	g_assert_null(json_object_get(bare, "healthCheckGracePeriodSeconds"));
	assert_json(json_object_get(bare, "networkConfiguration"),
	    "{\"awsvpcConfiguration\":{\"subnets\":[\"subnet-1\",\"subnet-2\"],"
	    "\"securityGroups\":[\"sg-1\"],\"assignPublicIp\":\"DISABLED\"}}");
}

/* Ends */

typedef struct {
	const char *code, *stopped, *own;
	int exit; /* -1: none */
	bool is_one_off;
	ProcessState state;
	const char *reason; /* that it begins with */
	int exit_code;
	bool was_out_of_memory;
} End;

static const End ends[] = {
    {"EssentialContainerExited", "Essential container in task exited", "", 7, false, PROCESS_FAILED,
	"", 7, false},
    {"EssentialContainerExited", "Essential container in task exited", "", 0, false,
	PROCESS_COMPLETE, "", 0, false},
    {"EssentialContainerExited", "Essential container in task exited",
	"OutOfMemoryError: Container killed due to memory usage", 137, false, PROCESS_FAILED,
	"OutOfMemoryError", 137, true},
    {"TaskFailedToStart",
	"CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to "
	"resolve ref x@sha256:0: not found",
	"", -1, false, PROCESS_FAILED, "No such image: CannotPull", 0, false},
    {"TaskFailedToStart", "CannotPullContainerError: dial tcp: i/o timeout", "", -1, false,
	PROCESS_FAILED, "CannotPullContainerError: dial", 0, false},
    {"EssentialContainerExited", "Essential container in task exited",
	"CannotStartContainerError: exec: \"nope\": executable file not found in $PATH", -1, false,
	PROCESS_FAILED, "CannotStartContainerError", 0, false},
    {"EssentialContainerExited", "Essential container in task exited",
	"CannotStartContainerError: exec: \"nope\": executable file not found in $PATH", -1, true,
	PROCESS_FAILED, "CannotStartContainerError", 127, false},
    {"TaskFailedToStart", "ResourceInitializationError: unable to pull secrets", "", -1, true,
	PROCESS_FAILED, "ResourceInitializationError", 126, false},
    {"TaskFailedToStart", "RESOURCE:MEMORY", "", -1, false, PROCESS_PENDING,
	"no suitable node (RESOURCE:MEMORY)", 0, false},
    {"TaskFailedToStart", "Capacity is unavailable at this time", "", -1, false, PROCESS_PENDING,
	"no suitable node", 0, false},
    {"UserInitiated", "stopped by carrack", "", 143, false, PROCESS_COMPLETE, "stopped by", 143,
	false},
    {"UserInitiated", "stopped by carrack", "", 143, true, PROCESS_FAILED, "stopped by", 143,
	false},
    {"ServiceSchedulerInitiated", "Scaling activity initiated by deployment", "", -1, false,
	PROCESS_COMPLETE, "Scaling", 0, false},
};

static void
test_ends(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(ends); i++) {
		const End *end = &ends[i];
		json_auto_t *container = json_pack("{s:s}", "reason", end->own);
		json_auto_t *task =
		    json_pack("{s:s, s:s}", "stopCode", end->code, "stoppedReason", end->stopped);
		if (end->exit >= 0)
			json_object_set_new(container, "exitCode", json_integer(end->exit));
		g_autoptr(Process) process = g_new0(Process, 1);
		process->reason = g_strdup("");
		process->is_wanted = true;
		process->is_one_off = end->is_one_off;
		ecs_read_end(process, task, container);

		g_test_message("%s, %s, %s", end->code, end->stopped, process->reason);
		g_assert_cmpstr(
		    process_state_name(process->state), ==, process_state_name(end->state));
		g_assert_true(g_str_has_prefix(process->reason, end->reason));
		g_assert_true(*end->reason || !*process->reason);
		g_assert_cmpint(process->exit_code, ==, end->exit_code);
		g_assert_true(process->was_out_of_memory == end->was_out_of_memory);
		g_assert_false(process->is_wanted);
	}
}

static char *
trouble_of(const char *first, const char *second, ProcessState *state)
{
	json_auto_t *service = json_pack("{s:i, s:[{s:s, s:i}, {s:s, s:i}]}", "createdAt", 100,
	    "events", "message", first, "createdAt", 102, "message", second, "createdAt", 101);

	return ecs_read_trouble(service, state);
}

static void
test_trouble(void)
{
	const char *full = "(service shop-web) was unable to place a task because no container "
			   "instance met all of its requirements: insufficient memory available";
	const char *role = "(service shop-web) failed to launch a task with (error ECS was unable "
			   "to assume the role)";
	const char *started = "(service shop-web) has started 1 tasks: (task 1).";
	ProcessState state = PROCESS_RUNNING;
	g_autofree char *no_room = trouble_of(full, started, &state);
	g_assert_true(g_str_has_prefix(no_room, "no suitable node ("));
	g_assert_nonnull(strstr(no_room, "insufficient memory"));
	g_assert_cmpint(state, ==, PROCESS_PENDING);

	g_autofree char *refused = trouble_of(role, "", &state);
	g_assert_cmpstr(refused, ==, role);
	g_assert_cmpint(state, ==, PROCESS_FAILED);

	g_assert_null(trouble_of(started, full, &state));
	g_assert_null(trouble_of("", "", &state));
}

static void
test_trouble_before(void)
{
	ProcessState state = PROCESS_RUNNING;
	json_auto_t *service = json_pack("{s:i, s:[{s:s, s:i}]}", "createdAt", 100, "events",
	    "message", "was unable to place a task", "createdAt", 50);
	g_assert_null(ecs_read_trouble(service, &state));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func(
	    "/aws-engine/fargate-takes-the-least-size-that-holds-both", test_fargate_sizes);
#define ADD(path, function) g_test_add(path, Fixture, NULL, set_up, function, tear_down)
	ADD("/aws-engine/undeclared-memory-is-a-limit-and-a-little-reserved", test_memory);
	ADD("/aws-engine/nothing-gets-more-than-120-s-to-stop", test_stop_timeout);
	ADD("/aws-engine/a-command-keeps-or-takes-the-entrypoints-place", test_entrypoint);
	ADD("/aws-engine/settings-are-in-the-definition", test_settings);
	ADD("/aws-engine/what-ecs-has-no-word-for-is-refused-by-name", test_refusals);
	ADD("/aws-engine/a-service-is-with-the-balancer-when-it-has-a-group", test_service);
	g_test_add_func("/aws-engine/an-end-is-read-as-core-expects-it", test_ends);
	g_test_add_func("/aws-engine/the-newest-event-says-why-nothing-starts", test_trouble);
	g_test_add_func("/aws-engine/events-of-before-do-not-count", test_trouble_before);
	return g_test_run();
}
