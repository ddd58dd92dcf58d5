/*
 * Unit tests of compose files: the spellings of each key, variables, what is refused, and the files
 * that a compose file takes in.
 */
#include "base/error.h"
#include "manifest-files.h"
#include "manifest/show.h"

#include <string.h>

#define SERVICE "services:\n  web:\n    image: debian\n"

static Manifest *
parse_files(const char *const *files, const Env *env)
{
	g_autofree char *file = NULL;
	g_autoptr(GError) error = NULL;
	Manifest *manifest = manifest_of_files(files, NULL, env, &file, &error);
	g_assert_no_error(error);
	return manifest;
}

static Manifest *
parse_with(const char *text, const Env *env)
{
	const char *const files[] = {"docker-compose.yml", text, NULL};
	return parse_files(files, env);
}

/* One service `web` with an image and these lines, each indented by four. */
static Manifest *
parse_service(const char *lines)
{
	g_autofree char *text = g_strconcat(SERVICE, lines, NULL);
	return parse_with(text, NULL);
}

static const ManifestService *
web(const Manifest *manifest)
{
	const ManifestService *service = manifest_service(manifest, "web");
	g_assert_nonnull(service);
	return service;
}

static void
assert_list(GStrv list, const char *expected)
{
	g_autofree char *joined = list != NULL ? g_strjoinv("|", list) : NULL;
	g_assert_cmpstr(joined, ==, expected);
}

static void
assert_refused(const char *text, const char *part)
{
	const char *const files[] = {"docker-compose.yml", text, NULL};
	g_autofree char *file = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(Manifest) manifest = manifest_of_files(files, NULL, NULL, &file, &error);
	if (manifest != NULL)
		g_test_fail_printf("accepted: %s", text);
	else if (strstr(error->message, part) == NULL)
		g_test_fail_printf("«%s» lacks «%s»", error->message, part);
}

static void
assert_note(const GPtrArray *notes, const char *part)
{
	for (guint i = 0; i < notes->len; i++) {
		if (strstr(notes->pdata[i], part) != NULL)
			return;
	}
	g_test_fail_printf("nothing says «%s»", part);
}

static void
assert_variable(const Env *env, const char *name, const char *value)
{
	g_assert_cmpstr(env_get(env, name), ==, value);
}

static void
ports_are_what_stands_there(void)
{
	g_autoptr(Manifest) manifest =
	    parse_service("    ports:\n      - 9022:22\n      - 22:22/udp\n      - \"3000:3000\"\n"
			  "      - 127.0.0.1:8080:80\n      - {target: 81, published: 9000}\n");
	const unsigned expected[][2] = {{22, 9022}, {22, 22}, {3000, 3000}, {80, 8080}, {81, 9000}};
	g_assert_cmpuint(web(manifest)->ports->len, ==, G_N_ELEMENTS(expected));
	for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
		const ManifestPort *port = web(manifest)->ports->pdata[i];
		g_assert_cmpuint(port->port, ==, expected[i][0]);
		g_assert_cmpuint(port->published, ==, expected[i][1]);
	}
	const ManifestPort *loopback = web(manifest)->ports->pdata[3];
	g_assert_cmpstr(loopback->address, ==, "127.0.0.1");
	g_assert_cmpuint(web(manifest)->port, ==, 22);
	assert_refused(SERVICE "    ports: ['70000:80']\n", "4:13: services.web.ports[0]");
	assert_refused(SERVICE "    ports: ['80:0']\n", "invalid port mapping");
	assert_refused(SERVICE "    ports: ['a:b']\n", "invalid port mapping");
	assert_refused(SERVICE "    ports: ['80:80/sctpx']\n", "invalid port mapping");
}

static void
what_is_published_is_routed(void)
{
	g_autoptr(Manifest) pair = parse_service("    ports: ['8080:3000']\n");
	g_autoptr(Manifest) lone = parse_service("    ports: ['3000']\n");
	g_autoptr(Manifest) inside = parse_service("    expose: ['3000']\n");
	g_autoptr(Manifest) loopback = parse_service("    ports: ['127.0.0.1:80:3000']\n");
	g_autoptr(Manifest) old = parse_with("web: {image: a, ports: ['5432', '80:3000']}\n", NULL);
	g_autoptr(Manifest) closed = parse_with("web: {image: a, ports: ['5432']}\n", NULL);
	g_assert_false(web(pair)->is_internal);
	g_assert_false(web(lone)->is_internal);
	g_assert_true(web(inside)->is_internal);
	g_assert_cmpuint(web(inside)->port, ==, 3000);
	g_assert_true(web(loopback)->is_internal);
	g_assert_cmpuint(web(old)->port, ==, 3000);
	g_assert_false(web(old)->is_internal);
	g_assert_true(web(closed)->is_internal);
}

static void
variables_keep_their_spelling(void)
{
	g_autoptr(Env) env = env_new();
	env_set(env, "L", "from the app", NULL);
	g_autoptr(Manifest) manifest =
	    parse_with(SERVICE "    environment:\n      A: true\n      C: No\n"
			       "      E: 0644\n      K: ~\n      L:\n      N: 12:30:45\n",
		env);
	g_autoptr(Env) own = manifest_service_env(web(manifest), env);
	assert_variable(own, "A", "true");
	assert_variable(own, "C", "No");
	assert_variable(own, "E", "0644");
	assert_variable(own, "K", NULL);
	assert_variable(own, "L", "from the app");
	assert_variable(own, "N", "12:30:45");
	g_assert_true(manifest_check_env(manifest, env, NULL));

	g_autoptr(Manifest) list = parse_service("    environment: [\"A='q'\", B]\n");
	g_autoptr(Env) listed = manifest_service_env(web(list), env);
	assert_variable(listed, "A", "'q'");
	assert_variable(listed, "B", NULL);
}

static void
references_have_defaults_and_escapes(void)
{
	const struct {
		const char *text;
		const char *expected;
	} cases[] = {
	    {"${A}-$A-${A:-d}-${A-d}", "a-a-a-a"},
	    {"${U:-d}/${U-d}/${E:-d}/${E-d}", "d/d/d/"},
	    {"${A:+yes}${U:+yes}${E:+yes}${E+yes}", "yesyes"},
	    {"$$A $${A} 100$$", "$A ${A} 100$"},
	    {"${U:-${A}x}", "ax"},
	    {"$U", ""},
	    {"${INJ}", "x\n      EVIL: 1"},
	};
	g_autoptr(Env) env = env_new();
	env_set(env, "A", "a", NULL);
	env_set(env, "E", "", NULL);
	env_set(env, "INJ", "x\n      EVIL: 1", NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *text =
		    g_strdup_printf(SERVICE "    environment:\n      X: \"%s\"\n", cases[i].text);
		g_autoptr(Manifest) manifest = parse_with(text, env);
		g_autoptr(Env) own = manifest_service_env(web(manifest), env);
		assert_variable(own, "X", cases[i].expected);
		g_assert_cmpuint(env_size(own), ==, 1);
	}
	g_autoptr(Manifest) unset = parse_service("    command: a $U\n");
	assert_note(unset->warnings, "docker-compose.yml:4:14: services.web.command: U is not set");
}

static void
wrong_references_are_refused(void)
{
	assert_refused(SERVICE "    command: ${R:?need R}\n",
	    "4:14: services.web.command: R is needed: need R");
	assert_refused(SERVICE "    command: cost 5$\n", "invalid interpolation");
	assert_refused(SERVICE "    command: \"${\"\n", "invalid interpolation");
	assert_refused(SERVICE "    command: ${1x}\n", "invalid interpolation");
	assert_refused(SERVICE "    command: ${A*}\n", "invalid interpolation");
}

static void
commands_are_words_without_a_shell(void)
{
	g_autoptr(Manifest) text = parse_service(
	    "    command: printf '%s|' \"a  b\" c\\ d ''  #x\n    entrypoint: /usr/bin/env --\n");
	g_autoptr(Manifest) list = parse_service("    command: [sh, -c, 'echo $$HOME']\n");
	assert_list(web(text)->command, "printf|%s||a  b|c d|");
	assert_list(web(text)->entrypoint, "/usr/bin/env|--");
	assert_list(web(list)->command, "sh|-c|echo $HOME");
	assert_refused(SERVICE "    command: a 'b\n", "does not end");
}

static void
builds_have_all_their_parts(void)
{
	g_autoptr(Manifest) manifest = parse_with(
	    "services:\n  web:\n    image: name/of:it\n    build:\n      context: ./api\n"
	    "      dockerfile: D\n      target: last\n      args: {A: 1, B: }\n",
	    NULL);
	const ManifestBuild *build = &web(manifest)->build;
	g_assert_cmpstr(build->path, ==, "api");
	g_assert_cmpstr(build->manifest, ==, "D");
	g_assert_cmpstr(build->target, ==, "last");
	assert_list(build->arguments, "A=1|B");
	g_assert_null(web(manifest)->image);
	g_autoptr(Manifest) first = parse_with("web: {command: a}\n", NULL);
	g_assert_cmpstr(web(first)->build.path, ==, ".");
	assert_refused("services: {web: {command: a}}\n", "a service needs build or image");
	assert_refused("services: {web: {build: ../x}}\n", "outside the project");
}

static void
sizes_and_health_have_something_that_corresponds(void)
{
	g_autoptr(Manifest) manifest = parse_service(
	    "    deploy: {replicas: 2, resources: {limits: {cpus: '0.5', memory: 256M}, "
	    "reservations: {memory: 64M}}}\n"
	    "    stop_grace_period: 1m30s\n    init: false\n"
	    "    healthcheck: {test: curl -f http://localhost:80/ready || exit 1, interval: 10s, "
	    "timeout: 3s, start_period: 40s}\n");
	const ManifestService *service = web(manifest);
	g_assert_cmpuint(service->count_minimum, ==, 2);
	g_assert_cmpuint(service->cpu, ==, 512);
	g_assert_cmpuint(service->memory, ==, 256);
	g_assert_cmpuint(service->termination, ==, 90);
	g_assert_false(service->has_init);
	g_assert_cmpstr(service->health.path, ==, "/ready");
	g_assert_true(service->health.is_declared);
	g_assert_cmpuint(service->health.interval, ==, 10);
	g_assert_cmpuint(service->health.timeout, ==, 3);
	g_assert_cmpuint(service->health.grace, ==, 40);
	assert_refused(SERVICE "    mem_limit: 2m\n", "is not a size");
	assert_refused(SERVICE "    stop_grace_period: x\n", "is not a duration");

	g_autoptr(Manifest) command = parse_service("    healthcheck: {test: [CMD, pg_isready]}\n");
	assert_note(command->warnings, "services.web.healthcheck.test: a command cannot say");
}

static void
what_gives_power_over_the_machine_is_refused_by_a_rack(void)
{
	g_autoptr(Manifest) manifest =
	    parse_service("    privileged: true\n    cap_add: [SYS_ADMIN]\n    network_mode: "
			  "host\n    pid: host\n"
			  "    devices: [/dev/kvm]\n    volumes: ['./a:/b', "
			  "'/var/run/docker.sock:/s', '/data']\n");
	static const char *const keys[] = {
	    "privileged", "network_mode", "pid", "devices", "volumes[0]"};
	assert_note(manifest->powers, "services.web.cap_add");
	assert_note(manifest->powers, "services.web.volumes[1]");
	g_assert_cmpuint(manifest->powers->len, ==, 2);
	g_assert_cmpuint(manifest->refusals->len, ==, G_N_ELEMENTS(keys));
	for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
		assert_note(manifest->refusals, keys[i]);
	g_autoptr(GError) error = NULL;
	g_assert_false(manifest_check_rack(manifest, true, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);

	g_autoptr(Manifest) asking = parse_service("    cap_add: [NET_ADMIN]\n");
	g_autoptr(GError) refusal = NULL;
	g_assert_true(manifest_check_rack(asking, true, NULL));
	g_assert_false(manifest_check_rack(asking, false, &refusal));
	g_assert_nonnull(strstr(refusal->message, "HostAccess=Yes"));

	g_autoptr(Manifest) harmless = parse_service("    privileged: false\n    cap_add: []\n");
	g_assert_true(manifest_check_rack(harmless, false, NULL));
}

static void
the_surroundings_of_a_process_are_read(void)
{
	g_autoptr(Manifest) manifest =
	    parse_service("    entrypoint: [tini, --]\n    user: '5:6'\n    working_dir: /w\n"
			  "    tmpfs: ['/run:size=1m,mode=1777', /tmp]\n    shm_size: 64m\n"
			  "    ulimits: {nofile: 100, nproc: {soft: 1, hard: -1}}\n"
			  "    cap_drop: [ALL]\n    stop_signal: SIGQUIT\n    read_only: true\n"
			  "    group_add: [9]\n    extra_hosts: ['a:10.0.0.1', 'b=[::1]']\n");
	g_assert_cmpuint(manifest->warnings->len, ==, 0);
	json_auto_t *shown = manifest_json(manifest, NULL);
	json_t *process =
	    json_object_get(json_array_get(json_object_get(shown, "services"), 0), "process");
	g_autofree char *text = json_dumps(process, JSON_COMPACT | JSON_SORT_KEYS);
	g_assert_cmpstr(text, ==,
	    "{\"cap_drop\":[\"ALL\"],\"extra_hosts\":[\"a:10.0.0.1\",\"b:::1\"],"
	    "\"group_add\":[\"9\"],\"read_only\":true,\"stop_signal\":\"SIGQUIT\","
	    "\"tmpfs\":[{\"path\":\"/run\",\"size\":1048576},{\"path\":\"/tmp\",\"size\":0},"
	    "{\"path\":\"/dev/shm\",\"size\":67108864}],"
	    "\"ulimits\":{\"nofile\":{\"hard\":100,\"soft\":100},"
	    "\"nproc\":{\"hard\":-1,\"soft\":1}},\"user\":\"5:6\",\"working_dir\":\"/w\"}");
	assert_list(web(manifest)->entrypoint, "tini|--");
	assert_refused(SERVICE "    ulimits: {nofile: many}\n", "must be a number");
	assert_refused(SERVICE "    ulimits: {nofile: {soft: 1}}\n", "needs both soft and hard");
	assert_refused(SERVICE "    tmpfs: run\n", "which begins with /");
	assert_refused(SERVICE "    tmpfs: '/run:size=x'\n", "is not a size");
	assert_refused(SERVICE "    working_dir: w\n", "which begins with /");
	assert_refused(SERVICE "    extra_hosts: ['a:b']\n", "is not NAME:ADDRESS");
}

static void
assert_mount(const Manifest *manifest, guint place, ManifestMountKind kind, const char *expected)
{
	const ManifestMount *mount = web(manifest)->process.mounts->pdata[place];
	g_autofree char *text = g_strdup_printf("%s:%s%s", mount->source ? mount->source : "",
	    mount->target, mount->is_read_only ? ":ro" : "");
	g_assert_cmpstr(text, ==, expected);
	g_assert_cmpint(mount->kind, ==, kind);
}

static void
volumes_are_kept_in_memory_or_the_machine_s(void)
{
	g_autoptr(Manifest) manifest = parse_with(SERVICE
	    "    volumes: ['data:/d', '/own', '/srv/x:/m:ro', {type: tmpfs, target: /t},\n"
	    "      {type: volume, source: data, target: /e, read_only: true}]\n"
	    "volumes: {data: {driver: nfs}}\n",
	    NULL);
	assert_mount(manifest, 0, MANIFEST_MOUNT_VOLUME, "data:/d");
	assert_mount(manifest, 1, MANIFEST_MOUNT_VOLUME, "web.own:/own");
	assert_mount(manifest, 2, MANIFEST_MOUNT_MACHINE, "/srv/x:/m:ro");
	assert_mount(manifest, 3, MANIFEST_MOUNT_MEMORY, ":/t");
	assert_mount(manifest, 4, MANIFEST_MOUNT_VOLUME, "data:/e:ro");
	assert_note(manifest->powers, "services.web.volumes[2]");
	assert_note(manifest->warnings, "volumes.data: the rack makes its volumes itself");
	g_assert_cmpuint(web(manifest)->deployment_maximum, ==, 100);
	g_assert_cmpuint(web(manifest)->deployment_minimum, ==, 0);
	assert_refused(SERVICE "    volumes: ['data:d']\nvolumes: {data: }\n", "begins with /");
}

static void
keys_without_an_answer_are_named(void)
{
	g_autoptr(Manifest) manifest = parse_service(
	    "    dns: [1.1.1.1]\n    hostname: x\n    commandz: a\n    restart: always\n");
	g_assert_cmpuint(manifest->warnings->len, ==, 3);
	assert_note(manifest->warnings, "services.web.dns: not supported yet, ignored");
	assert_note(manifest->warnings, "services.web.hostname: not supported yet");
	assert_note(manifest->warnings, "services.web.commandz: unknown key, did you mean command");
	assert_refused(SERVICE "    depends_on: [db]\n", "there is no service «db» in this file");
	assert_refused(SERVICE "    volumes: ['data:/x']\n", "there is no volume «data»");
}

static void
merge_keys_are_merged(void)
{
	g_autoptr(Manifest) manifest = parse_with(
	    "x-env: &env\n  DB: db\n  KEY: ${KEY:-k}\nservices:\n  web: &web\n    image: d\n"
	    "    environment:\n      <<: *env\n      EXTRA: \"true\"\n  worker:\n    <<: *web\n"
	    "    environment:\n      <<: *env\n      KEY: w\n",
	    NULL);
	g_autoptr(Env) none = env_new();
	g_autoptr(Env) first = manifest_service_env(web(manifest), none);
	g_autoptr(Env) second = manifest_service_env(manifest_service(manifest, "worker"), none);
	g_assert_cmpuint(env_size(first), ==, 3);
	assert_variable(first, "KEY", "k");
	g_assert_cmpuint(env_size(second), ==, 2);
	assert_variable(second, "KEY", "w");
}

static void
names_become_host_names(void)
{
	g_autoptr(Manifest) manifest = parse_with("services: {My_App.1: {image: a}}\n", NULL);
	g_assert_nonnull(manifest_service(manifest, "my-app-1"));
	assert_note(manifest->warnings, "services.My_App.1: the service is called my-app-1 here");
	assert_refused("services:\n  my_app: {image: a}\n  my-app: {image: b}\n",
	    "3:3: services.my-app: service «my-app» would be called my-app here, as the one on "
	    "line 2");
	assert_refused("services: {wéb: {image: a}}\n", "does not match");
}

static void
other_files_are_taken_in(void)
{
	const char *const files[] = {"compose.yml",
	    "services:\n  web:\n    extends: {file: common/base.yml, service: base}\n"
	    "    env_file: [a.env, {path: no.env, required: false}]\n    environment: {B: '2'}\n",
	    "common/base.yml",
	    "services:\n  base:\n    build: app\n    env_file: own.env\n    environment: {A: '1', "
	    "B: '1'}\n",
	    "common/own.env", "C=3\n", "a.env", "D='4'\nB=9\n", NULL};
	g_autoptr(Manifest) manifest = parse_files(files, NULL);
	g_autoptr(Env) none = env_new();
	g_autoptr(Env) own = manifest_service_env(web(manifest), none);
	g_assert_cmpstr(web(manifest)->build.path, ==, "common/app");
	assert_variable(own, "A", "1");
	assert_variable(own, "B", "2");
	assert_variable(own, "C", "3");
	assert_variable(own, "D", "4");
	assert_refused(SERVICE "    env_file: x.env\n", "there is no file x.env");
	assert_refused("services:\n  a: {extends: b}\n  b: {extends: a}\n", "in a circle");
	assert_refused(SERVICE "    extends: nobody\n", "there is no service «nobody»");
}

static void
profiles_choose_services(void)
{
	const char *text = "services:\n  web: {image: a}\n  debug: {image: b, profiles: [dev]}\n";
	g_autoptr(Env) env = env_new();
	g_autoptr(Manifest) plain = parse_with(text, env);
	env_set(env, "COMPOSE_PROFILES", "test, dev", NULL);
	g_autoptr(Manifest) chosen = parse_with(text, env);
	g_assert_cmpuint(plain->services->len, ==, 1);
	g_assert_cmpuint(chosen->services->len, ==, 2);
}

static void
labels_of_the_first_generation_mean_what_they_did(void)
{
	g_autoptr(Manifest) manifest = parse_with(
	    "version: '2'\nservices:\n  web:\n    image: a\n    ports: ['443:4001']\n    labels:\n"
	    "      - convox.health.path=/check\n      - convox.health.timeout=7\n"
	    "      - convox.draining.timeout=99\n      - convox.deployment.minimum=25\n"
	    "      - convox.port.443.secure=true\n      - convox.cron.clean=0 1 * * * bin/clean "
	    "all\n",
	    NULL);
	const ManifestService *service = web(manifest);
	const ManifestTimer *timer = manifest->timers->pdata[0];
	g_assert_cmpstr(service->health.path, ==, "/check");
	g_assert_cmpuint(service->health.timeout, ==, 7);
	g_assert_cmpuint(service->drain, ==, 99);
	g_assert_cmpuint(service->deployment_minimum, ==, 25);
	g_assert_cmpstr(service->port_scheme, ==, "https");
	g_assert_cmpstr(timer->schedule, ==, "0 1 * * *");
	assert_list(timer->command, "sh|-c|bin/clean all");
	g_assert_cmpstr(timer->service, ==, "web");
	assert_refused(SERVICE "    labels: [a=1, a=2]\n", "the label «a» stands twice");
	assert_refused("services:\n  a: {image: x, labels: {convox.cron.c: '* * * * * x'}}\n"
		       "  b: {image: x, labels: {convox.cron.c: '* * * * * x'}}\n",
	    "there is a timer «c» already");
	assert_refused(SERVICE "    labels: [convox.draining.timeout=9999]\n", "from 1 to 3600");
	assert_refused(
	    SERVICE "    labels: [convox.health.port=1]\n", "is not one of the service's ports");
}

static void
versions_are_the_known_ones(void)
{
	static const char *const good[] = {"2", "'2'", "'2.1'", "3", "'3.9'"};
	for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
		g_autofree char *text =
		    g_strdup_printf("version: %s\nservices: {web: {image: a}}\n", good[i]);
		g_autoptr(Manifest) manifest = parse_with(text, NULL);
		g_assert_nonnull(manifest_service(manifest, "web"));
	}
	assert_refused("version: '4'\nservices: {}\n", "1:10: version: unknown version «4»");
	assert_refused("version: '2'\n", "the file needs services");
}

static void
a_release_keeps_all_that_it_needs(void)
{
	const char *const files[] = {"docker-compose.yml",
	    SERVICE "    env_file: a.env\n    command: run ${MODE:-slow}", "a.env", "A=1\n", NULL};
	g_autoptr(Manifest) first = parse_files(files, NULL);
	assert_list(web(first)->command, "run|slow");

	g_autoptr(Env) env = env_new();
	env_set(env, "MODE", "fast", NULL);
	g_autoptr(Manifest) later = parse_files(files, env);
	assert_list(web(later)->command, "run|fast");
	json_auto_t *shown = manifest_json(later, env);
	g_assert_cmpstr(json_text_of(shown, "file", ""), ==, "docker-compose.yml");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(name, test) g_test_add_func("/compose/" name, test)
	ADD("ports-are-what-stands-there", ports_are_what_stands_there);
	ADD("what-is-published-is-routed", what_is_published_is_routed);
	ADD("variables-keep-their-spelling", variables_keep_their_spelling);
	ADD("references-have-defaults-and-escapes", references_have_defaults_and_escapes);
	ADD("wrong-references-are-refused", wrong_references_are_refused);
	ADD("commands-are-words-without-a-shell", commands_are_words_without_a_shell);
	ADD("builds-have-all-their-parts", builds_have_all_their_parts);
	ADD("sizes-and-health-have-something-that-corresponds",
	    sizes_and_health_have_something_that_corresponds);
	ADD("the-surroundings-of-a-process-are-read", the_surroundings_of_a_process_are_read);
	ADD("volumes-are-kept-in-memory-or-the-machine-s",
	    volumes_are_kept_in_memory_or_the_machine_s);
	ADD("what-gives-power-over-the-machine-is-refused-by-a-rack",
	    what_gives_power_over_the_machine_is_refused_by_a_rack);
	ADD("keys-without-an-answer-are-named", keys_without_an_answer_are_named);
	ADD("merge-keys-are-merged", merge_keys_are_merged);
	ADD("names-become-host-names", names_become_host_names);
	ADD("other-files-are-taken-in", other_files_are_taken_in);
	ADD("profiles-choose-services", profiles_choose_services);
	ADD("labels-of-the-first-generation-mean-what-they-did",
	    labels_of_the_first_generation_mean_what_they_did);
	ADD("versions-are-the-known-ones", versions_are_the_known_ones);
	ADD("a-release-keeps-all-that-it-needs", a_release_keeps_all_that_it_needs);
	return g_test_run();
}
