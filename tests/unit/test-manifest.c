/*
 * Unit tests of the manifest: each key's spellings and defaults, all problems in one run, and what
 * variables a service gets.
 */
#include "base/error.h"
#include "manifest/manifest.h"

#include <string.h>

static Manifest *
parse_with(const char *text, const Env *env)
{
	g_autoptr(GError) error = NULL;
	Manifest *manifest = manifest_parse(text, strlen(text), "convox.yml", env, &error);
	g_assert_no_error(error);
	return manifest;
}

static Manifest *
parse(const char *text)
{
	return parse_with(text, NULL);
}

/* One service `w` with these lines, each indented by four. */
static Manifest *
parse_service(const char *lines)
{
	g_autofree char *text = g_strconcat("services:\n  w:\n", lines, NULL);
	return parse(text);
}

static void
assert_refused(const char *text, const char *message)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Manifest) manifest =
	    manifest_parse(text, strlen(text), "convox.yml", NULL, &error);
	g_assert_null(manifest);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_cmpstr(error->message, ==, message);
}

/* A service `w` with this one line is refused with a message that holds `part`. */
static void
assert_line_refused(const char *line, const char *part)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *text = g_strdup_printf("services:\n  w:\n    %s\n", line);
	g_autoptr(Manifest) manifest = manifest_parse(text, strlen(text), "f", NULL, &error);
	if (manifest != NULL)
		g_test_fail_printf("%s: accepted", line);
	else if (strstr(error->message, part) == NULL || !g_str_has_prefix(error->message, "f:3:"))
		g_test_fail_printf("%s: %s lacks %s", line, error->message, part);
}

static void
assert_list(GStrv list, const char *expected)
{
	g_autofree char *joined = list != NULL ? g_strjoinv("|", list) : NULL;
	g_assert_cmpstr(joined, ==, expected);
}

static const ManifestService *
only(const Manifest *manifest)
{
	g_assert_cmpuint(manifest->services->len, ==, 1);
	return manifest->services->pdata[0];
}

static void
defaults_are_what_convox_takes(void)
{
	g_autoptr(Manifest) manifest = parse("services:\n  web:\n");
	const ManifestService *web = manifest_service(manifest, "web");
	g_assert_cmpstr(web->build.path, ==, ".");
	g_assert_cmpstr(web->build.manifest, ==, "Dockerfile");
	g_assert_null(web->image);
	g_assert_null(web->command);
	g_assert_cmpuint(web->port, ==, 0);
	g_assert_cmpstr(web->port_scheme, ==, "http");
	g_assert_cmpstr(web->health.path, ==, "/");
	g_assert_false(web->health.is_declared);
	g_assert_cmpuint(web->health.grace, ==, 0);
	g_assert_cmpuint(web->health.interval, ==, 5);
	g_assert_cmpuint(web->health.timeout, ==, 4);
	g_assert_cmpuint(web->count_minimum, ==, 1);
	g_assert_cmpuint(web->count_maximum, ==, 1);
	g_assert_cmpuint(web->deployment_minimum, ==, 50);
	g_assert_cmpuint(web->deployment_maximum, ==, 200);
	g_assert_cmpuint(web->drain, ==, 30);
	g_assert_cmpuint(web->termination, ==, 30);
	g_assert_false(web->is_sticky);
	g_assert_true(web->has_init);
	g_assert_cmpuint(web->line, ==, 2);
	assert_list(web->environment, "");
	assert_list(web->domains, "");
	assert_list(web->build.arguments, "");
	g_assert_null(manifest_service(manifest, "other"));
}

static void
an_empty_file_has_no_services(void)
{
	g_autoptr(Manifest) manifest = parse("");
	g_assert_cmpuint(manifest->services->len, ==, 0);
	assert_refused("foo\n", "convox.yml:1:1: must be a map, not a single value");
	assert_refused("services: [web]\n",
	    "convox.yml:1:11: services: must be a map of service names, not a list");
}

static void
builds_are_text_or_a_map(void)
{
	g_autoptr(Manifest) text = parse_service("    build: ./api/\n");
	g_assert_cmpstr(only(text)->build.path, ==, "api");

	g_autoptr(Manifest) map =
	    parse_service("    build: {path: api, manifest: ../docker/D, args: "
			  "[A=1, B], target: last}\n");
	const ManifestBuild *build = &only(map)->build;
	g_assert_cmpstr(build->path, ==, "api");
	g_assert_cmpstr(build->manifest, ==, "../docker/D");
	g_assert_cmpstr(build->target, ==, "last");
	assert_list(build->arguments, "A=1|B");
}

static void
an_image_wins_over_a_build(void)
{
	g_autoptr(Manifest) manifest = parse_service("    build: .\n    image: debian\n");
	g_assert_null(only(manifest)->build.path);
	g_assert_cmpstr(only(manifest)->image, ==, "debian");
	g_assert_cmpstr(manifest->warnings->pdata[0], ==,
	    "convox.yml:3:12: services.w.build: ignored, because the service has an image");
}

static void
builds_outside_the_project_are_refused(void)
{
	assert_refused("services:\n  w:\n    build: ../other\n",
	    "convox.yml:3:12: services.w.build: the build path «../other» is outside the project");
	assert_line_refused("build: /abs", "outside the project");
	assert_line_refused("build: a/../../b", "outside the project");
	assert_line_refused("build: \"\"", "the build path is empty");
	assert_line_refused("build: {path: a, manifest: ../../D}", "outside the project");
	assert_line_refused("build: [a]", "must be a map, not a list");
}

static void
a_text_command_is_for_a_shell_and_a_list_is_not(void)
{
	g_autoptr(Manifest) text = parse_service("    command: echo \"a  b\" $HOME && true\n");
	assert_list(only(text)->command, "sh|-c|echo \"a  b\" $HOME && true");
	g_autoptr(Manifest) list =
	    parse_service("    command: [\"echo\", \"a  b\", \"$HOME\", \"\", 5]\n");
	assert_list(only(list)->command, "echo|a  b|$HOME||5");
	g_autoptr(Manifest) none = parse_service("    command: []\n");
	g_assert_null(only(none)->command);
	assert_line_refused("command: {a: b}", "text or a list of words");
	assert_line_refused("command: [[a]]", "must be text, not a list");
}

static void
assert_port(const char *line, const char *scheme, unsigned port)
{
	g_autoptr(Manifest) manifest = parse_service(line);
	g_assert_cmpstr(only(manifest)->port_scheme, ==, scheme);
	g_assert_cmpuint(only(manifest)->port, ==, port);
}

static void
ports_have_four_spellings(void)
{
	assert_port("    port: 3000\n", "http", 3000);
	assert_port("    port: \"3000\"\n", "http", 3000);
	assert_port("    port: https:3000\n", "https", 3000);
	assert_port("    port: {port: 3000, scheme: grpc}\n", "grpc", 3000);
	assert_port("    port: {port: \"tcp:3000\"}\n", "tcp", 3000);
	assert_port("    port:\n", "http", 0);
}

static void
wrong_ports_are_refused(void)
{
	const char *const wrong[] = {"0", "65536", "-1", "3000.5", "3000/http", "22:22", "9022:22",
	    "ftp:1", "a:b:c", "{port: 70000}", NULL};
	for (gsize i = 0; wrong[i] != NULL; i++) {
		g_autofree char *line = g_strconcat("port: ", wrong[i], NULL);
		assert_line_refused(line, "is not allowed: write a port from 1 to 65535");
	}
	assert_line_refused("port: {scheme: http}", "needs the key port");
	assert_line_refused("port: [1]", "must be a port or SCHEME:PORT, not a list");
}

static void
health_is_a_path_or_a_map(void)
{
	g_autoptr(Manifest) path = parse_service("    health: /up\n");
	g_assert_cmpstr(only(path)->health.path, ==, "/up");
	g_assert_true(only(path)->health.is_declared);

	g_autoptr(Manifest) map =
	    parse_service("    health: {grace: 7, interval: 10, timeout: 3}\n");
	const ManifestHealth *health = &only(map)->health;
	g_assert_cmpstr(health->path, ==, "/");
	g_assert_false(health->is_declared);
	g_assert_cmpuint(health->grace, ==, 7);
	g_assert_cmpuint(health->interval, ==, 10);
	g_assert_cmpuint(health->timeout, ==, 3);

	g_autoptr(Manifest) one = parse_service("    health: {interval: 1}\n");
	g_assert_cmpuint(only(one)->health.timeout, ==, 1);
	assert_line_refused("health: true", "begins with /");
	assert_line_refused("health: {interval: 0}", "from 1 to 86400");
	assert_line_refused("health: [a]", "must be a map, not a list");
}

static void
assert_scale(const char *line, unsigned minimum, unsigned maximum)
{
	g_autofree char *indented = g_strconcat("    scale: ", line, "\n", NULL);
	g_autoptr(Manifest) manifest = parse_service(indented);
	g_assert_cmpuint(only(manifest)->count_minimum, ==, minimum);
	g_assert_cmpuint(only(manifest)->count_maximum, ==, maximum);
}

static void
scale_has_many_spellings(void)
{
	assert_scale("3", 3, 3);
	assert_scale("0", 0, 0);
	assert_scale("\"1-4\"", 1, 4);
	assert_scale("1-4", 1, 4);
	assert_scale("{count: 2}", 2, 2);
	assert_scale("{count: \"2-5\"}", 2, 5);
	assert_scale("{count: {min: 2, max: 5}}", 2, 5);
	assert_scale("{count: {min: 2}}", 2, 2);
	assert_scale("{count: {max: 3}}", 1, 3);
	assert_scale("{count: {max: 0}}", 0, 0);
	assert_scale("", 1, 1);
	assert_scale("{}", 1, 1);

	g_autoptr(Manifest) manifest = parse_service("    scale: {cpu: 512, memory: 1024}\n");
	g_assert_cmpuint(only(manifest)->cpu, ==, 512);
	g_assert_cmpuint(only(manifest)->memory, ==, 1024);
}

static void
wrong_scales_are_refused(void)
{
	const char *const wrong[] = {"2+", "1-2-3", "4-1", "-1", "1.5", "1001", "a", NULL};
	for (gsize i = 0; wrong[i] != NULL; i++) {
		g_autofree char *line = g_strconcat("scale: ", wrong[i], NULL);
		assert_line_refused(line, "is not allowed: write a count from 0 to 1000");
	}
	assert_line_refused("scale: [1]", "must be a map, not a list");
	assert_line_refused("scale: {count: {min: 3, max: 2}}", "min 3 is more than max 2");
	assert_line_refused("scale: {memory: 512m}", "is not a whole number from 6");
}

static void
environment_lists_are_flat_after_reading(void)
{
	g_autoptr(Manifest) manifest =
	    parse("services:\n  w:\n    environment:\n      - A\n      - [B=1, C=]\n      - \"*\"\n"
		  "environment:\n  - TOP=x\n  - A=top\n");
	assert_list(only(manifest)->environment, "TOP=x|A=top|A|B=1|C=|*");
	g_autoptr(Manifest) star = parse_service("    environment: \"*\"\n");
	assert_list(only(star)->environment, "*");
	assert_line_refused("environment: {A: b}", "must be a list of NAME or NAME=value");
	assert_line_refused(
	    "environment: [{A: b}]", "must be NAME, NAME=value or \"*\", not a map");
	assert_line_refused("environment: [A B]", "is not allowed");
	assert_line_refused("environment: [=x]", "is not allowed");
}

static void
domains_are_cleaned(void)
{
	g_autoptr(Env) env = env_new();
	g_autoptr(Manifest) manifest = parse_with("services:\n"
						  "  a: {domain: \"A.test, b.test.\"}\n"
						  "  b: {domain: [c.test, \" d.test \", c.test]}\n"
						  "  c: {domain: \"${HOST}\"}\n"
						  "  d: {domain: \"bücher.test\"}\n"
						  "  e: {domain: \"*.x.test\"}\n",
	    env);
	const char *const expected[] = {
	    "a.test|b.test", "c.test|d.test", "", "xn--bcher-kva.test", "*.x.test"};
	for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
		const ManifestService *service = manifest->services->pdata[i];
		assert_list(service->domains, expected[i]);
	}
}

static void
wrong_domains_are_refused(void)
{
	g_autofree char *label = g_strnfill(64, 'l');
	g_autoptr(GString) name = g_string_new(NULL);
	for (unsigned i = 0; i < 25; i++)
		g_string_append(name, "abcdefghi.");
	g_string_append(name, "test");
	g_assert_cmpuint(name->len, ==, 254);
	const char *const wrong[] = {"http://a.test", "a.test/x", "a.test:8080", "-a.test",
	    "a-.test", "a..test", ".a.test", label, name->str, "*.*.test", "a.*.test", "a*.test",
	    "*", "a b.test", "", " , ", NULL};
	for (gsize i = 0; wrong[i] != NULL; i++) {
		g_autofree char *line = g_strdup_printf("domain: \"%s\"", wrong[i]);
		assert_line_refused(line, "services.w.domain: domain «");
	}
}

static void
singletons_are_replaced_old_first(void)
{
	g_autoptr(Manifest) manifest = parse_service("    singleton: true\n    scale: 3\n");
	g_assert_cmpuint(only(manifest)->deployment_minimum, ==, 0);
	g_assert_cmpuint(only(manifest)->deployment_maximum, ==, 100);
	g_assert_cmpuint(only(manifest)->count_minimum, ==, 3);
	g_autoptr(Manifest) partly =
	    parse_service("    singleton: true\n    deployment: {minimum: 50}\n");
	g_assert_cmpuint(only(partly)->deployment_minimum, ==, 50);
	g_assert_cmpuint(only(partly)->deployment_maximum, ==, 100);
	assert_line_refused("deployment: {minimum: 100, maximum: 100}", "leave no room");
	assert_line_refused("deployment: {minimum: 101}", "from 0 to 100");
}

static void
times_are_seconds(void)
{
	g_autoptr(Manifest) manifest =
	    parse_service("    drain: 60\n    termination: {grace: 0}\n");
	g_assert_cmpuint(only(manifest)->drain, ==, 60);
	g_assert_cmpuint(only(manifest)->termination, ==, 0);
	g_autoptr(Manifest) zero = parse_service("    drain: 0\n");
	g_assert_cmpuint(only(zero)->drain, ==, 30);
}

static void
booleans_have_the_words_of_yaml_1_1(void)
{
	g_autoptr(Manifest) manifest =
	    parse_service("    internal: yes\n    sticky: On\n    init: NO\n");
	g_assert_true(only(manifest)->is_internal);
	g_assert_true(only(manifest)->is_sticky);
	g_assert_false(only(manifest)->has_init);
	assert_line_refused("internal: \"yes\"", "without quotes");
	assert_line_refused("internal: 1", "must be true or false");
}

static void
keys_that_are_not_honoured_are_warnings(void)
{
	g_autoptr(Manifest) manifest = parse("resources: {db: {type: postgres}}\nx-env: &e {a: b}\n"
					     "services:\n  web:\n    prot: 1\n    agent: true\n"
					     "    qqqqqq: 1\n    test: make\n");
	const char *const expected[] = {"convox.yml:1:1: resources: not supported yet, ignored",
	    "convox.yml:5:5: services.web.prot: unknown key, did you mean port",
	    "convox.yml:6:5: services.web.agent: not supported yet, ignored",
	    "convox.yml:7:5: services.web.qqqqqq: unknown key, ignored"};
	g_assert_cmpuint(manifest->warnings->len, ==, G_N_ELEMENTS(expected));
	for (guint i = 0; i < manifest->warnings->len; i++)
		g_assert_cmpstr(manifest->warnings->pdata[i], ==, expected[i]);
}

static void
all_bad_names_come_in_one_run(void)
{
	const char *rule =
	    "does not match ^[a-z][a-z0-9-]*$, no dash at the end, at most 30 characters";
	const char *const names[] = {"Web", "web_one", "web1.2", "wéb", "web-"};
	g_autoptr(GString) text = g_string_new("services:\n");
	g_autoptr(GString) message = g_string_new(NULL);
	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
		g_string_append_printf(text, "  %s: {build: .}\n", names[i]);
		g_string_append_printf(message,
		    "%sconvox.yml:%u:3: services.%s: service name «%s» %s", i > 0 ? "\n" : "",
		    i + 2, names[i], names[i], rule);
	}
	assert_refused(text->str, message->str);
}

static void
all_type_errors_come_in_one_run(void)
{
	assert_refused("services:\n  web:\n    port: x\n    drain: y\n    internal: 3\n",
	    "convox.yml:3:11: services.web.port: «x» is not allowed: write a port from 1 to 65535, "
	    "or "
	    "SCHEME:PORT with http, https, grpc or tcp\n"
	    "convox.yml:4:12: services.web.drain: «y» is not a whole number from 0 to 86400\n"
	    "convox.yml:5:15: services.web.internal: must be true or false, not «3»");
}

static void
variables_come_from_the_environment(void)
{
	g_autoptr(Env) env = env_new();
	env_set(env, "PORT", "3000", NULL);
	env_set(env, "EVIL", "x\n    port: 1", NULL);
	g_autoptr(Manifest) manifest = parse_with("services:\n  web:\n    port: ${PORT}\n"
						  "    scale: {count: ${COUNT}}\n"
						  "    command: a ${EVIL} ${NO}b\n",
	    env);
	const ManifestService *web = only(manifest);
	g_assert_cmpuint(web->port, ==, 3000);
	g_assert_cmpuint(web->count_minimum, ==, 1);
	assert_list(web->command, "sh|-c|a x\n    port: 1 b");
}

static const char *const two_services = "environment:\n  - DB_URL\n  - LEVEL=info\n"
					"services:\n  web:\n    environment:\n      - API_KEY\n"
					"      - LEVEL=debug\n      - EARLY=1\n      - EARLY\n"
					"  worker:\n    environment:\n      - \"*\"\n";

static void
what_is_required_is_named_all_at_once(void)
{
	g_autoptr(Manifest) manifest = parse(two_services);
	g_autoptr(Env) env = env_new();
	env_set(env, "LEVEL", "", NULL);
	g_autoptr(GError) error = NULL;
	g_assert_false(manifest_check_env(manifest, env, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_cmpstr(error->message, ==, "required env: API_KEY, DB_URL");

	env_set(env, "API_KEY", "", NULL);
	env_set(env, "DB_URL", "x", NULL);
	g_clear_error(&error);
	g_assert_true(manifest_check_env(manifest, env, &error));
	g_assert_no_error(error);
}

static void
a_service_gets_what_it_declares(void)
{
	g_autoptr(Manifest) manifest = parse(two_services);
	g_autoptr(Env) env = env_new();
	env_set(env, "LEVEL", "", NULL);
	env_set(env, "OTHER", "1", NULL);
	g_autoptr(Env) web = manifest_service_env(manifest_service(manifest, "web"), env);
	g_autofree char *web_text = env_text(web);
	g_assert_cmpstr(web_text, ==, "EARLY=1\nLEVEL=");

	g_autoptr(Env) worker = manifest_service_env(manifest_service(manifest, "worker"), env);
	g_autofree char *worker_text = env_text(worker);
	g_assert_cmpstr(worker_text, ==, "LEVEL=\nOTHER=1");

	g_autoptr(Env) nothing = env_new();
	g_autoptr(Env) defaults = manifest_service_env(manifest_service(manifest, "web"), nothing);
	g_assert_cmpstr(env_get(defaults, "LEVEL"), ==, "debug");
}

static void
a_dockerfile_alone_is_a_web_service(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *with = manifest_for_dockerfile("FROM a\nEXPOSE 3000\n", &error);
	g_assert_no_error(error);
	g_autoptr(Manifest) web = parse(with);
	g_assert_cmpstr(only(web)->name, ==, "web");
	g_assert_cmpstr(only(web)->build.path, ==, ".");
	g_assert_cmpuint(only(web)->port, ==, 3000);
	g_assert_cmpstr(only(web)->environment[0], ==, "*");
}

static void
a_dockerfile_with_two_ports_asks_for_one(void)
{
	g_autoptr(GError) none = NULL;
	g_autofree char *without = manifest_for_dockerfile("FROM a\n", &none);
	g_assert_no_error(none);
	g_autoptr(Manifest) worker = parse(without);
	g_assert_cmpuint(only(worker)->port, ==, 0);
	g_autoptr(GError) two = NULL;
	g_assert_null(manifest_for_dockerfile("FROM a\nEXPOSE 80 443\n", &two));
	g_assert_error(two, CARRACK_ERROR, CARRACK_ERROR_INVALID);
}

/* Convox's own manifest of everything, shortened to what is read here. */
static void
anchors_and_merges_make_services(void)
{
	g_autoptr(Manifest) manifest =
	    parse("services:\n  proxy: &proxy\n    command: bash\n"
		  "    domain: [bar.test, \"*.bar.test\"]\n"
		  "    image: ubuntu:16.04\n    port: https:2000\n"
		  "  inherit:\n    \"<<\": *proxy\n    command: inherit\n");
	const ManifestService *inherit = manifest_service(manifest, "inherit");
	g_assert_cmpstr(inherit->image, ==, "ubuntu:16.04");
	g_assert_cmpstr(inherit->port_scheme, ==, "https");
	assert_list(inherit->command, "sh|-c|inherit");
	assert_list(inherit->domains, "bar.test|*.bar.test");
	g_assert_cmpuint(manifest->warnings->len, ==, 0);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/manifest/defaults-are-what-convox-takes", defaults_are_what_convox_takes);
	g_test_add_func("/manifest/an-empty-file-has-no-services", an_empty_file_has_no_services);
	g_test_add_func("/manifest/builds-are-text-or-a-map", builds_are_text_or_a_map);
	g_test_add_func("/manifest/an-image-wins-over-a-build", an_image_wins_over_a_build);
	g_test_add_func("/manifest/builds-outside-the-project-are-refused",
	    builds_outside_the_project_are_refused);
	g_test_add_func("/manifest/a-text-command-is-for-a-shell-and-a-list-is-not",
	    a_text_command_is_for_a_shell_and_a_list_is_not);
	g_test_add_func("/manifest/ports-have-four-spellings", ports_have_four_spellings);
	g_test_add_func("/manifest/wrong-ports-are-refused", wrong_ports_are_refused);
	g_test_add_func("/manifest/health-is-a-path-or-a-map", health_is_a_path_or_a_map);
	g_test_add_func("/manifest/scale-has-many-spellings", scale_has_many_spellings);
	g_test_add_func("/manifest/wrong-scales-are-refused", wrong_scales_are_refused);
	g_test_add_func("/manifest/environment-lists-are-flat-after-reading",
	    environment_lists_are_flat_after_reading);
	g_test_add_func("/manifest/domains-are-cleaned", domains_are_cleaned);
	g_test_add_func("/manifest/wrong-domains-are-refused", wrong_domains_are_refused);
	g_test_add_func(
	    "/manifest/singletons-are-replaced-old-first", singletons_are_replaced_old_first);
	g_test_add_func("/manifest/times-are-seconds", times_are_seconds);
	g_test_add_func(
	    "/manifest/booleans-have-the-words-of-yaml-1-1", booleans_have_the_words_of_yaml_1_1);
	g_test_add_func("/manifest/keys-that-are-not-honoured-are-warnings",
	    keys_that_are_not_honoured_are_warnings);
	g_test_add_func("/manifest/all-bad-names-come-in-one-run", all_bad_names_come_in_one_run);
	g_test_add_func(
	    "/manifest/all-type-errors-come-in-one-run", all_type_errors_come_in_one_run);
	g_test_add_func(
	    "/manifest/variables-come-from-the-environment", variables_come_from_the_environment);
	g_test_add_func("/manifest/what-is-required-is-named-all-at-once",
	    what_is_required_is_named_all_at_once);
	g_test_add_func(
	    "/manifest/a-service-gets-what-it-declares", a_service_gets_what_it_declares);
	g_test_add_func(
	    "/manifest/a-dockerfile-alone-is-a-web-service", a_dockerfile_alone_is_a_web_service);
	g_test_add_func("/manifest/a-dockerfile-with-two-ports-asks-for-one",
	    a_dockerfile_with_two_ports_asks_for_one);
	g_test_add_func(
	    "/manifest/anchors-and-merges-make-services", anchors_and_merges_make_services);
	return g_test_run();
}
