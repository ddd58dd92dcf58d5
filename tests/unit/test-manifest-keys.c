/*
 * Unit tests of the keys of convox.yml that this rack does not act on itself: what is kept of them,
 * what is refused as Convox refuses it, and that none is passed over in silence.
 */
#include "base/error.h"
#include "manifest/show.h"

#include <string.h>

static Manifest *
parse_as(const char *text, unsigned generation)
{
	ManifestOptions options = {.generation = generation};
	g_autoptr(GError) error = NULL;
	Manifest *manifest =
	    manifest_parse_with(text, strlen(text), "convox.yml", &options, &error);
	g_assert_no_error(error);
	return manifest;
}

static void
assert_refused_as(const char *text, unsigned generation, const char *part)
{
	ManifestOptions options = {.generation = generation};
	g_autoptr(GError) error = NULL;
	g_autoptr(Manifest) manifest =
	    manifest_parse_with(text, strlen(text), "convox.yml", &options, &error);
	if (manifest != NULL)
		g_test_fail_printf("accepted: %s", text);
	else if (strstr(error->message, part) == NULL)
		g_test_fail_printf("«%s» lacks «%s»", error->message, part);
}

/* A service `w` with this line is refused with a message that begins at its line. */
static void
assert_line_refused(const char *line, const char *part)
{
	g_autofree char *text = g_strdup_printf("services:\n  w:\n    %s\n", line);
	assert_refused_as(text, 0, part);
	assert_refused_as(text, 0, "convox.yml:3:");
}

/* What a service `w` with this line shows at a path of members, as JSON. */
static void
assert_shown_as(const char *line, unsigned generation, const char *path, const char *expected)
{
	g_autofree char *text = g_strdup_printf("services:\n  w:\n    %s\n", line);
	g_autoptr(Manifest) manifest = parse_as(text, generation);
	json_auto_t *shown = manifest_json(manifest, NULL);
	json_t *value = json_array_get(json_object_get(shown, "services"), 0);
	g_auto(GStrv) steps = g_strsplit(path, ".", -1);
	for (char **step = steps; *step != NULL; step++)
		value = json_object_get(value, *step);
	g_autofree char *found =
	    value != NULL ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	g_assert_cmpstr(found, ==, expected);
}

static void
assert_shown(const char *line, const char *path, const char *expected)
{
	assert_shown_as(line, 0, path, expected);
}

static void
kept_keys_have_their_spellings_resolved(void)
{
	assert_shown("annotations: [a=b, {c: d}]", "annotations",
	    "[{\"key\":\"a\",\"value\":\"b\"},{\"key\":\"c\",\"value\":\"d\"}]");
	assert_shown("agent: {ports: [8125/udp, 8126]}", "agent",
	    "{\"enabled\":true,\"ports\":[{\"port\":8125,\"protocol\":\"udp\"},"
	    "{\"port\":8126,\"protocol\":\"tcp\"}]}");
	assert_shown("liveness: {path: /l}", "liveness.failureThreshold", "3");
	assert_shown("certificate: {id: c}", "certificate.duration", "\"2160h\"");
	assert_shown("scale: {gpu: 2}", "scale.gpu", "{\"count\":2,\"vendor\":\"nvidia\"}");
	assert_shown("scale: {cooldown: {up: 5}}", "scale.cooldown", "{\"up\":5,\"down\":60}");
	assert_shown("scale: {limit: {cpu: 500, memory: 256}}", "scale.memory", "256");
	assert_shown("tls: {redirect: false}", "tls.redirect", "false");
	assert_shown(
	    "health: {port: 'https:9'}", "health.port", "{\"port\":9,\"scheme\":\"https\"}");
	assert_shown("volumes: [/a, 'b:/c']", "volumes", "[\"/a\",\"b:/c\"]");
	assert_shown("imagePullSecrets: [{registry: r.io, username: u, password: secret}]",
	    "imagePullSecrets", "[{\"registry\":\"r.io\",\"username\":\"u\"}]");
}

static void
the_routed_port_is_no_port_besides(void)
{
	g_autoptr(Manifest) manifest =
	    parse_as("services: {w: {port: 4001, ports: [4001, 4001/udp, 8080]}}\n", 3);
	const ManifestService *service = manifest->services->pdata[0];
	g_assert_cmpuint(service->ports->len, ==, 2);
}

static void
ends_of_a_scale_complete_one_another(void)
{
	assert_shown("scale: {min: 3}", "scale.count", "{\"min\":3,\"max\":3}");
	assert_shown("scale: {max: 4}", "scale.count", "{\"min\":4,\"max\":4}");
	assert_shown("scale: {min: 2, autoscale: {cpu: {threshold: 70}}}", "scale.count",
	    "{\"min\":2,\"max\":10}");
	assert_shown("scale: {autoscale: {queueDepth: {threshold: 5}}}", "scale.count",
	    "{\"min\":0,\"max\":10}");
	assert_line_refused("scale: {autoscale: {cpu: {threshold: 70}}}", "never start the first");
	assert_line_refused("scale: {min: 1, autoscale: {cpu: {threshold: 170}}}", "from 1 to 100");
	assert_line_refused("scale: {min: 3, max: 2}", "min 3 is more than max 2");
	assert_line_refused(
	    "scale: {min: 1, autoscale: {gpuUtilization: {threshold: 7}}}", "gpu.count");
	assert_line_refused(
	    "scale: {min: 1, autoscale: {queueDepth: {threshold: 7, prometheusUrl: 'ftp://a'}}}",
	    "http or https");
	assert_line_refused("scale: {cpu: 500, limit: {cpu: 100}}", "less than cpu");
	assert_line_refused("scale: {vpa: {updateMode: x}}", "Off, Initial, Recreate");
}

static void
what_convox_refuses_is_refused(void)
{
	assert_line_refused("annotations: [abc]", "KEY=value");
	assert_line_refused("labels: {app: x}", "reserved");
	assert_line_refused("internalRouter: true\n    internal: true", "exclude one another");
	assert_line_refused("volumeOptions: [{emptyDir: {id: a}}]", "mountPath");
	assert_line_refused(
	    "volumeOptions: [{awsEfs: {id: a, mountPath: /x, accessMode: y}}]", "ReadWriteMany");
	assert_line_refused(
	    "configMounts: [{id: a, dir: /x, filename: y}]", "no config with id «a»");
	assert_line_refused(
	    "imagePullSecrets: [{registry: R.IO, username: u, passwordEnv: P}]", "lower case");
	assert_line_refused("imagePullSecrets: [{registry: r.io, username: u}]", "one of password");
	assert_line_refused("securityContext: {capabilities: {add: [CAP_X]}}", "without CAP_");
	assert_line_refused("securityContext: {runAsNonRoot: true, runAsUser: 0}", "exclude");
	assert_line_refused("volumes: /data", "must be a list");
	assert_line_refused("whitelist: [10.0.0.0/8]", "a text of ranges");
	assert_line_refused("test: [a]", "must be text");
	assert_line_refused("resources: [nope]", "no resource «nope»");
	assert_line_refused("links: [nope]", "no service «nope»");
	assert_refused_as(
	    "services: {w: {agent: {ports: [1]}}}\n", 3, "ports are a key of the service");
	assert_refused_as("resources: {db: {options: {a: 1}}}\n", 0, "a resource needs a type");
	assert_refused_as("timers: {t: {service: w}}\n", 0, "a timer needs a schedule");
	assert_refused_as("services: {w: }\ntimers: {t: {schedule: '* * * *', service: w}}\n", 0,
	    "is not a schedule");
	assert_refused_as("balancers: {b: {service: w, ports: {80: 99999}}}\n", 0, "to 65535");
	assert_refused_as("balancers: {b: {service: w, ports: {80: 81}, whitelist: [1.1.1.1]}}\n",
	    0, "is not a range");
	assert_refused_as("configs: [{name: x}]\n", 0, "the key id is needed");
	assert_refused_as(
	    "budget: {atCapAction: auto-shutdown}\nservices: {w: }\n", 0, "monthlyCapUsd");
	assert_refused_as("budget: {shutdownGracePeriod: 2h}\n", 0, "from 0s to 1h");
}

static void
a_volume_is_the_app_s_or_the_machine_s(void)
{
	g_autoptr(Manifest) manifest = parse_as("services:\n  w:\n    volumes: [/my/data, "
						"'up:/up', '/var/run/docker.sock', '/a_b:/c']\n",
	    0);
	static const char *const expected[] = {
	    "my.data:/my/data", "up:/up", "/var/run/docker.sock:/var/run/docker.sock", "a_5fb:/c"};
	const ManifestService *service = manifest_service(manifest, "w");
	g_assert_cmpuint(service->process.mounts->len, ==, G_N_ELEMENTS(expected));
	for (gsize i = 0; i < G_N_ELEMENTS(expected); i++) {
		const ManifestMount *mount = service->process.mounts->pdata[i];
		g_autofree char *text = g_strconcat(mount->source, ":", mount->target, NULL);
		g_assert_cmpstr(text, ==, expected[i]);
	}
	g_autoptr(GError) error = NULL;
	g_assert_cmpuint(service->deployment_maximum, ==, 100);
	g_assert_true(manifest_check_rack(manifest, true, NULL));
	g_assert_false(manifest_check_rack(manifest, false, &error));
	g_assert_nonnull(strstr(error->message, "services.w.volumes[2]"));
	assert_line_refused("volumes: ['a b:/x']", "is not the name of a volume");
}

static void
listeners_of_an_nlb_are_checked(void)
{
	assert_shown("nlb: [{port: 443, protocol: TLS, certificate: "
		     "'arn:aws:acm:us-east-1:1:certificate/x'}]",
	    "nlb",
	    "[{\"port\":443,\"protocol\":\"tls\",\"certificate\":\"arn:aws:acm:us-east-1:1:"
	    "certificate/x\","
	    "\"scheme\":\"public\",\"containerPort\":443}]");
	assert_line_refused("nlb: [{port: 0}]", "from 1 to 65535");
	assert_line_refused("nlb: [{port: 1, protocol: udp}]", "tcp or tls");
	assert_line_refused("nlb: [{port: 1, protocol: tls}]", "needs a certificate");
	assert_line_refused(
	    "nlb: [{port: 1}, {port: 2, containerPort: 1}]", "used by two listeners");
	assert_line_refused("nlb: [{port: 1, allow_cidr: [10.0.0.1/24]}]", "no bits set behind it");
	assert_line_refused("nlb: [{port: 1, allow_cidr: ['::/0']}]", "IPv4");
	assert_line_refused("nlb: [{port: 1}]\n    agent: true", "an agent");
	assert_refused_as("services:\n  a: {nlb: [{port: 1}]}\n  b: {nlb: [{port: 1}]}\n", 0,
	    "a listener of service a already");
}

static void
the_generations_have_their_own_keys_and_defaults(void)
{
	g_autoptr(Manifest) second = parse_as("services: {w: {timeout: 5, ports: [1]}}\n", 2);
	const ManifestService *service = second->services->pdata[0];
	g_assert_cmpuint(service->timeout, ==, 60);
	g_assert_cmpuint(service->ports->len, ==, 0);
	g_assert_cmpuint(second->warnings->len, ==, 2);
	assert_shown_as("command: a 'b c'", 3, "command", "[\"a\",\"b c\"]");
	assert_shown_as("command: a 'b c'", 2, "command", "[\"sh\",\"-c\",\"a 'b c'\"]");
	assert_shown_as("sticky:", 2, "sticky", "true");
	assert_shown_as("init:", 3, "init", "true");
	assert_shown_as("scale: {gpu: 1}", 3, "scale.cpu", "0");
}

static void
nothing_is_passed_over_in_silence(void)
{
	g_autoptr(Manifest) manifest =
	    parse_as("params: {A: b}\nservices:\n  w:\n    annotations: [a=b]\n    labels: {a: b}\n"
		     "    internalRouter: true\n    tls: {redirect: false}\n    nlb: []\n",
		0);
	static const char *const expected[] = {"convox.yml:1:1: params: not supported yet, ignored",
	    "convox.yml:4:5: services.w.annotations: not supported yet, ignored",
	    "convox.yml:5:5: services.w.labels: not supported yet, ignored",
	    "convox.yml:7:10: services.w.tls: not supported yet, ignored",
	    "convox.yml:6:21: services.w.internalRouter: this rack has no internal router: the "
	    "service is internal"};
	g_assert_cmpuint(manifest->warnings->len, ==, G_N_ELEMENTS(expected));
	for (guint i = 0; i < manifest->warnings->len; i++)
		g_assert_cmpstr(manifest->warnings->pdata[i], ==, expected[i]);
	g_assert_true(manifest_check_rack(manifest, false, NULL));
}

static void
what_would_open_a_service_to_all_is_refused_by_a_rack(void)
{
	g_autoptr(Manifest) manifest = parse_as("services: {w: {whitelist: 10.0.0.0/8}}\n", 0);
	g_autoptr(GError) error = NULL;
	g_assert_false(manifest_check_rack(manifest, true, &error));
	g_assert_true(g_str_has_prefix(error->message, "convox.yml:1:27: services.w.whitelist: "));
}

static void
unknown_keys_are_errors_when_strict(void)
{
	const char *text = "services: {w: {prot: 1, tls: {redirekt: true}}}\nx-own: 1\n";
	ManifestOptions options = {.is_strict = true};
	g_autoptr(GError) error = NULL;
	g_assert_null(manifest_parse_with(text, strlen(text), "convox.yml", &options, &error));
	g_assert_cmpstr(error->message, ==,
	    "convox.yml:1:16: services.w.prot: unknown key, did you mean port\n"
	    "convox.yml:1:31: services.w.tls.redirekt: unknown key, did you mean redirect");
}

static void
the_top_level_is_shown_in_file_order(void)
{
	g_autoptr(Manifest) manifest = parse_as(
	    "resources:\n  z: {type: redis}\n  a: {type: postgres, options: {storage: 9}}\n"
	    "services: {w: }\ntimers:\n  t: {schedule: '0 1 * * *', command: x, service: w}\n"
	    "balancers: {b: {service: w, ports: {80: {port: 81}}}}\nrelease: {command: [a, b], "
	    "service: w}\n",
	    0);
	json_auto_t *shown = manifest_json(manifest, NULL);
	json_object_del(shown, "services");
	g_autofree char *text = json_dumps(shown, JSON_COMPACT);
	g_assert_cmpstr(text, ==,
	    "{\"file\":\"convox.yml\","
	    "\"resources\":[{\"name\":\"z\",\"type\":\"redis\",\"image\":null,\"options\":{}},"
	    "{\"name\":\"a\",\"type\":\"postgres\",\"image\":null,\"options\":{\"storage\":\"9\"}}]"
	    ","
	    "\"timers\":[{\"name\":\"t\",\"schedule\":\"0 1 * * "
	    "*\",\"command\":[\"sh\",\"-c\",\"x\"],"
	    "\"service\":\"w\",\"concurrency\":null,\"parallelCount\":0}],"
	    "\"balancers\":[{\"name\":\"b\",\"service\":\"w\",\"ports\":{\"80\":{\"port\":81,"
	    "\"protocol\":\"TCP\"}}}],"
	    "\"release\":{\"command\":[\"a\",\"b\"],\"service\":\"w\"}}");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(name, test) g_test_add_func("/manifest-keys/" name, test)
	ADD("kept-keys-have-their-spellings-resolved", kept_keys_have_their_spellings_resolved);
	ADD("the-routed-port-is-no-port-besides", the_routed_port_is_no_port_besides);
	ADD("ends-of-a-scale-complete-one-another", ends_of_a_scale_complete_one_another);
	ADD("what-convox-refuses-is-refused", what_convox_refuses_is_refused);
	ADD("a-volume-is-the-app-s-or-the-machine-s", a_volume_is_the_app_s_or_the_machine_s);
	ADD("listeners-of-an-nlb-are-checked", listeners_of_an_nlb_are_checked);
	ADD("the-generations-have-their-own-keys-and-defaults",
	    the_generations_have_their_own_keys_and_defaults);
	ADD("nothing-is-passed-over-in-silence", nothing_is_passed_over_in_silence);
	ADD("what-would-open-a-service-to-all-is-refused-by-a-rack",
	    what_would_open_a_service_to_all_is_refused_by_a_rack);
	ADD("unknown-keys-are-errors-when-strict", unknown_keys_are_errors_when_strict);
	ADD("the-top-level-is-shown-in-file-order", the_top_level_is_shown_in_file_order);
	return g_test_run();
}
