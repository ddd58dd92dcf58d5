/*
 * The pure parts of the installer: settings in the environment, the bodies that the engine is sent,
 * flags, and the rack's entry in the configuration.
 */
#include "base/error.h"
#include "daemon/options.h"
#include "install/account.h"
#include "install/options.h"
#include "install/specs.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

static void
settings_survive_a_round_trip(void)
{
	const char *const given[] = {"PATH=/bin", "CARRACK_RACK=prod", "CARRACK_DOMAIN=apps.test",
	    "CARRACK_HTTP_PORT=8080", "CARRACK_REGISTRY_PORT=5001", "CARRACK_API_PORT=", NULL};
	g_autoptr(SwarmSettings) settings = swarm_settings_new();
	g_autoptr(SwarmSettings) again = swarm_settings_new();
	g_autoptr(GError) error = NULL;
	g_assert_true(swarm_settings_apply(settings, given, &error));
	g_auto(GStrv) lines = swarm_settings_environment(settings);
	g_autofree char *text = g_strjoinv(" ", lines);
	g_assert_cmpstr(text, ==,
	    "CARRACK_API_PORT=5443 CARRACK_DOMAIN=apps.test CARRACK_HTTPS_PORT=443 "
	    "CARRACK_HTTP_PORT=8080 CARRACK_RACK=prod CARRACK_REGISTRY_PORT=5001");

	g_assert_true(swarm_settings_apply(again, (const char *const *)lines, &error));
	g_assert_cmpstr(again->rack, ==, "prod");
	g_assert_cmpuint(again->http_port, ==, 8080);
	g_assert_cmpuint(again->api_port, ==, 5443);
}

static void
settings_that_are_wrong_change_nothing(void)
{
	static const struct {
		const char *line;
		const char *words;
	} wrong[] = {
	    {"CARRACK_HTTP_PORT=0", "CARRACK_HTTP_PORT"},
	    {"CARRACK_HTTP_PORT=80x", "CARRACK_HTTP_PORT"},
	    {"CARRACK_API_PORT=70000", "65535"},
	    {"CARRACK_RACK=Prod", "CARRACK_RACK"},
	    {"CARRACK_DOMAIN=a..b", "CARRACK_DOMAIN: «a..b»"},
	    {"CARRACK_DOMAIN=-a.test", "not a domain"},
	    {"CARRACK_DOMAIN=a b\nbind :1", "not a domain"},
	};
	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
		const char *const given[] = {"CARRACK_HTTPS_PORT=9", wrong[i].line, NULL};
		g_autoptr(SwarmSettings) settings = swarm_settings_new();
		g_autoptr(GError) error = NULL;
		g_assert_false(swarm_settings_apply(settings, given, &error));
		g_assert_nonnull(strstr(error->message, wrong[i].words));
		g_assert_cmpuint(settings->https_port, ==, 443);
		g_assert_cmpstr(settings->rack, ==, "carrack");
	}
}

static void
ports_must_differ(void)
{
	const char *const given[] = {"CARRACK_HTTP_PORT=443", NULL};
	g_autoptr(SwarmSettings) settings = swarm_settings_new();
	g_autoptr(GError) error = NULL;
	g_assert_true(swarm_settings_check_ports(settings, &error));
	g_assert_true(swarm_settings_apply(settings, given, &error));
	g_assert_false(swarm_settings_check_ports(settings, &error));
	g_assert_nonnull(strstr(error->message, "are both 443"));
}

static SpecInput
input_of(const SwarmSettings *settings)
{
	return (SpecInput){.settings = settings,
	    .docker_socket = "/var/run/docker.sock",
	    .image = "sha256:aa",
	    .layers = "ll",
	    .node = "n1",
	    .host_network = "h1",
	    .secret = "s1",
	    .secret_name = "carrack-password"};
}

static void
api_spec_is_golden(void)
{
	g_autoptr(SwarmSettings) settings = swarm_settings_new();
	SpecInput input = input_of(settings);
	json_auto_t *spec = spec_api(&input);
	g_assert_cmpuint(strlen(spec_hash(spec)), ==, 64);
	json_object_del(json_object_get(spec, "Labels"), LABEL_SPEC);
	json_object_del(json_at(spec, "TaskTemplate", "ContainerSpec", "Labels", NULL), LABEL_SPEC);

	g_autofree char *text = json_text(spec, false);
	g_autofree char *golden = NULL;
	g_autofree char *path =
	    g_test_build_filename(G_TEST_DIST, "golden", "carrack-api.json", NULL);
	g_assert_true(g_file_get_contents(path, &golden, NULL, NULL));
	g_assert_cmpstr(text, ==, g_strchomp(golden));
}

static void
router_spec_is_golden(void)
{
	g_autoptr(SwarmSettings) settings = swarm_settings_new();
	SpecInput input = input_of(settings);
	json_auto_t *spec = spec_router(&input);
	g_assert_cmpuint(strlen(spec_hash(spec)), ==, 64);
	json_object_del(json_object_get(spec, "Labels"), LABEL_SPEC);

	g_autofree char *text = json_text(spec, false);
	g_autofree char *golden = NULL;
	g_autofree char *path =
	    g_test_build_filename(G_TEST_DIST, "golden", "carrack-router.json", NULL);
	g_assert_true(g_file_get_contents(path, &golden, NULL, NULL));
	g_assert_cmpstr(text, ==, g_strchomp(golden));
}

static void
racks_share_no_name(void)
{
	const char *const other[] = {"CARRACK_RACK=prod", NULL};
	json_t *(*const parts[])(const SpecInput *) = {spec_api, spec_registry, spec_router};
	g_autoptr(SwarmSettings) settings = swarm_settings_new();
	g_assert_true(swarm_settings_apply(settings, other, NULL));
	SpecInput input = input_of(settings);
	input.secret_name = "prod-password";
	for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
		json_auto_t *spec = parts[i](&input);
		g_autofree char *text = json_text(spec, false);
		g_assert_null(strstr(text, "\"Source\":\"carrack-"));
		g_assert_null(strstr(text, "\"Name\":\"carrack-api"));
		g_assert_null(strstr(text, "\"/run/carrack\",\"Target"));
		g_assert_null(strstr(text, "\"/run/carrack:"));
		g_assert_nonnull(strstr(text, "prod-"));
	}
}

static void
new_binaries_change_the_api_alone(void)
{
	g_autoptr(SwarmSettings) settings = swarm_settings_new();
	SpecInput before = input_of(settings), after = input_of(settings), rebuilt = before;
	after.image = "sha256:bb";
	rebuilt.layers = "mm";
	json_t *(*const parts[])(const SpecInput *) = {spec_api, spec_registry, spec_router};
	const bool changes[] = {true, false, false};
	for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
		json_auto_t *one = parts[i](&before);
		json_auto_t *other = parts[i](&after);
		json_auto_t *third = parts[i](&rebuilt);
		g_assert_cmpint(strcmp(spec_hash(one), spec_hash(other)) != 0, ==, changes[i]);
		g_assert_cmpint(strcmp(spec_hash(one), spec_hash(third)) != 0, ==, !changes[i]);
	}
}

static void
a_port_changes_the_router(void)
{
	g_autoptr(SwarmSettings) settings = swarm_settings_new();
	SpecInput input = input_of(settings);
	json_auto_t *before = spec_router(&input);
	settings->http_port = 8080;
	json_auto_t *after = spec_router(&input);
	g_assert_cmpstr(spec_hash(before), !=, spec_hash(after));
}

static void
flags_go_before_the_environment(void)
{
	g_auto(GStrv) arguments = g_strsplit("--http-port 8080 --new-password", " ", -1);
	g_auto(InstallOptions) options = {0};
	g_autoptr(GError) error = NULL;
	bool is_done = true;
	g_setenv("CARRACK_HTTP_PORT", "81", TRUE);
	g_setenv("CARRACK_DOMAIN", "apps.test", TRUE);
	g_assert_true(install_options_read(&options, arguments, &is_done, &error));
	g_unsetenv("CARRACK_HTTP_PORT");
	g_unsetenv("CARRACK_DOMAIN");
	g_assert_false(is_done);
	g_assert_true(options.new_password);
	g_assert_cmpstr(g_environ_getenv(options.wishes, "CARRACK_HTTP_PORT"), ==, "8080");
	g_assert_cmpstr(g_environ_getenv(options.wishes, "CARRACK_DOMAIN"), ==, "apps.test");
}

static void
unknown_words_are_refused(void)
{
	g_auto(GStrv) type = g_strsplit("moon", " ", -1);
	g_auto(GStrv) flag = g_strsplit("--frob", " ", -1);
	UninstallOptions uninstall = {0};
	bool is_done = false;
	g_auto(InstallOptions) options = {0};
	g_autoptr(GError) error = NULL;
	g_autoptr(GError) second = NULL;
	g_assert_false(install_options_read(&options, type, &is_done, &error));
	g_assert_nonnull(strstr(error->message, "«moon»"));
	g_assert_false(uninstall_options_read(&uninstall, flag, &is_done, &second));
	g_assert_nonnull(strstr(second->message, "--frob"));
}

static void
the_configuration_is_private_and_keeps_the_rest(void)
{
	g_autofree char *folder = g_dir_make_tmp("carrack-test-XXXXXX", NULL);
	g_autofree char *config = g_build_filename(folder, "deep", NULL);
	g_autofree char *path = g_build_filename(config, "config.json", NULL);
	g_autoptr(SwarmSettings) settings = swarm_settings_new();
	g_autoptr(GError) error = NULL;
	struct stat status;
	g_setenv("CARRACK_CONFIG", config, TRUE);
	g_mkdir(config, 0755);
	g_file_set_contents(path,
	    "{\"current\": \"far\", \"x\": 1, \"racks\": {\"far\": {\"url\": \"https://f\"}}}", -1,
	    NULL);

	g_autofree char *none = account_password("carrack", &error);
	g_assert_cmpstr(none, ==, "");
	g_assert_true(account_write(settings, "s3cretpassword", true, &error));
	g_autofree char *password = account_password("carrack", &error);
	g_assert_cmpstr(password, ==, "s3cretpassword");
	g_assert_cmpint(stat(path, &status), ==, 0);
	g_assert_cmpint(status.st_mode & 0777, ==, 0600);

	g_assert_null(account_password("far", &error));
	g_assert_nonnull(strstr(error->message, "another rack named far"));
	g_clear_error(&error);
	g_assert_true(account_remove("carrack", &error));
	g_assert_true(account_remove("far", &error));
	g_autofree char *text = NULL;
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_assert_nonnull(strstr(text, "\"x\": 1"));
	g_assert_nonnull(strstr(text, "https://f"));
	g_assert_null(strstr(text, "s3cret"));
	g_unsetenv("CARRACK_CONFIG");
	g_unlink(path);
	g_rmdir(config);
	g_rmdir(folder);
}

static void
the_daemon_demands_a_password(void)
{
	g_autofree char *folder = g_dir_make_tmp("carrack-test-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(folder, "password", NULL);
	g_autofree char *line = g_strconcat("CARRACK_PASSWORD_FILE=", path, NULL);
	const char *const bare[] = {"CARRACK_RACK=r", NULL};
	const char *const full[] = {line, "CARRACK_RUN_FOLDER=/r", NULL};
	g_autoptr(GError) error = NULL;
	g_assert_null(daemon_options_new(g_strdupv((GStrv)bare), true, &error));
	g_assert_nonnull(strstr(error->message, "CARRACK_PASSWORD_FILE"));
	g_clear_error(&error);

	g_file_set_contents(path, "short\n", -1, NULL);
	g_assert_null(daemon_options_new(g_strdupv((GStrv)full), true, &error));
	g_assert_null(strstr(error->message, "short\n"));
	g_clear_error(&error);

	g_file_set_contents(path, "long enough\n", -1, NULL);
	g_autoptr(DaemonOptions) options = daemon_options_new(g_strdupv((GStrv)full), true, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(options->password, ==, "long enough");
	g_assert_cmpstr(options->socket_path, ==, "/r/api.sock");
	g_assert_cmpstr(options->swarm.data_folder, ==, "/var/lib/carrack");
	g_unlink(path);
	g_rmdir(folder);
}

/* ECS hands the password over in a variable, which only a rack on AWS reads. */
static void
the_daemon_on_aws_takes_a_variable(void)
{
	const char *const bare[] = {"CARRACK_PROVIDER=aws", "CARRACK_PASSWORD_FILE=/x", NULL};
	const char *const full[] = {"CARRACK_PROVIDER=aws", "CARRACK_PASSWORD=long enough",
	    "CARRACK_API_PORT=5000", "CARRACK_RACK=r", "CARRACK_DOMAIN=d.test", NULL};
	const char *const other[] = {"CARRACK_PROVIDER=azure", NULL};
	g_autoptr(GError) error = NULL;
	g_assert_null(daemon_options_new(g_strdupv((GStrv)bare), true, &error));
	g_assert_cmpstr(
	    error->message, ==, "CARRACK_PASSWORD: the password is shorter than 8 characters");
	g_clear_error(&error);

	g_assert_null(daemon_options_new(g_strdupv((GStrv)other), true, &error));
	g_assert_cmpstr(
	    error->message, ==, "CARRACK_PROVIDER is «azure»: it has to be swarm or aws");
	g_clear_error(&error);

	g_autoptr(DaemonOptions) options = daemon_options_new(g_strdupv((GStrv)full), true, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(options->password, ==, "long enough");
	g_assert_cmpuint(options->port, ==, 5000);
	g_assert_null(daemon_options_open(options, &error));
	g_assert_cmpstr(
	    error->message, ==, "CARRACK_CAPACITY_PROVIDER is missing: the rack's stack sets it");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/install/settings-survive-a-round-trip", settings_survive_a_round_trip);
	g_test_add_func("/install/settings-that-are-wrong-change-nothing",
	    settings_that_are_wrong_change_nothing);
	g_test_add_func("/install/ports-must-differ", ports_must_differ);
	g_test_add_func("/install/api-spec-is-golden", api_spec_is_golden);
	g_test_add_func("/install/router-spec-is-golden", router_spec_is_golden);
	g_test_add_func("/install/racks-share-no-name", racks_share_no_name);
	g_test_add_func(
	    "/install/new-binaries-change-the-api-alone", new_binaries_change_the_api_alone);
	g_test_add_func("/install/a-port-changes-the-router", a_port_changes_the_router);
	g_test_add_func(
	    "/install/flags-go-before-the-environment", flags_go_before_the_environment);
	g_test_add_func("/install/unknown-words-are-refused", unknown_words_are_refused);
	g_test_add_func("/install/the-configuration-is-private-and-keeps-the-rest",
	    the_configuration_is_private_and_keeps_the_rest);
	g_test_add_func("/install/the-daemon-demands-a-password", the_daemon_demands_a_password);
	g_test_add_func(
	    "/install/the-daemon-on-aws-takes-a-variable", the_daemon_on_aws_takes_a_variable);
	return g_test_run();
}
