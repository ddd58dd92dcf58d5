/*
 * No key of the tables is passed over in silence. For each key there is a sample here that asks for
 * something; it must be named in a warning or a refusal, unless it is one that the rack acts on,
 * which is said here too. A key that is new in a table and not here fails the test.
 */
#include "manifest-files.h"

#include "manifest/compose-private.h"
#include "manifest/service.h"
#include "manifest/top.h"

#include <string.h>

typedef enum { HONOURED, WARNED, REFUSED, ASKED } Answer;

typedef struct {
	const char *key;
	Answer answer;
	const char *value;
} Sample;

static const Sample service_samples[] = {
    {"build", HONOURED, "."},
    {"image", HONOURED, "x"},
    {"command", HONOURED, "x"},
    {"test", HONOURED, "x"}, /* not about running */
    {"port", HONOURED, "80"},
    {"health", HONOURED, "/h"},
    {"environment", HONOURED, "[A]"},
    {"scale", HONOURED, "2"},
    {"domain", HONOURED, "a.test"},
    {"deployment", HONOURED, "{minimum: 50}"},
    {"drain", HONOURED, "3"},
    {"termination", HONOURED, "{grace: 3}"},
    {"internal", HONOURED, "true"},
    {"singleton", HONOURED, "true"},
    {"sticky", HONOURED, "true"},
    {"init", HONOURED, "true"},
    {"agent", WARNED, "true"},
    {"internalAndExternal", HONOURED, "true"}, /* every service is reached from inside too */
    {"internalRouter", WARNED, "true"},
    {"links", HONOURED, "[v]"},
    {"ports", HONOURED, "[81]"}, /* every port is reached on the app's network */
    {"privileged", REFUSED, "true"},
    {"resources", WARNED, "[r]"},
    {"timeout", WARNED, "3"},
    {"tls", WARNED, "{redirect: false}"},
    {"volumes", HONOURED, "[/a]"},
    {"whitelist", REFUSED, "10.0.0.0/8"},
    {"accessControl", WARNED, "{awsPodIdentity: {policyArns: [a]}}"},
    {"annotations", WARNED, "[a=b]"},
    {"certificate", WARNED, "{id: a}"},
    {"configMounts", WARNED, "[{id: c, dir: /c, filename: f}]"},
    {"disableHostUsers", WARNED, "true"},
    {"dnsConfig", WARNED, "{ndots: 1}"},
    {"grpcHealthEnabled", WARNED, "true"},
    {"imagePullSecrets", WARNED, "[{registry: r, username: u, password: p}]"},
    {"ingressAnnotations", WARNED, "[a=b]"},
    {"initContainer", WARNED, "{image: a}"},
    {"labels", WARNED, "{a: b}"},
    {"lifecycle", WARNED, "{preStop: a}"},
    {"liveness", WARNED, "{path: /}"},
    {"nlb", WARNED, "[{port: 1}]"},
    {"nodeAffinityLabels", WARNED, "[{label: a}]"},
    {"nodeSelectorLabels", WARNED, "{a: b}"},
    {"policies", WARNED, "[a]"},
    {"securityContext", HONOURED, "{runAsUser: 5}"},
    {"startupProbe", WARNED, "{path: /}"},
    {"tags", WARNED, "{a: b}"},
    {"volumeOptions", WARNED, "[{emptyDir: {id: a, mountPath: /a}}]"},
};

static const Sample compose_samples[] = {
    {"build", HONOURED, "."},
    {"command", HONOURED, "x"},
    {"cpu_shares", HONOURED, "10"},
    {"cpus", HONOURED, "1"},
    {"depends_on", WARNED, "[w]"},
    {"deploy", HONOURED, "{replicas: 2}"},
    {"dockerfile", HONOURED, "x"},
    {"entrypoint", HONOURED, "x"},
    {"env_file", HONOURED, "e.env"},
    {"environment", HONOURED, "[A]"},
    {"expose", HONOURED, "[80]"},
    {"extends", HONOURED, "v"},
    {"extra_hosts", HONOURED, "['a:10.0.0.1']"},
    {"group_add", HONOURED, "[a]"},
    {"healthcheck", HONOURED, "{interval: 3s}"},
    {"image", HONOURED, "x"},
    {"init", HONOURED, "true"},
    {"labels", WARNED, "[a=b]"},
    {"links", HONOURED, "[v]"}, /* names are known on the app's network */
    {"mem_limit", HONOURED, "64m"},
    {"mem_reservation", HONOURED, "64m"},
    {"ports", HONOURED, "['80:80']"},
    {"profiles", HONOURED, "[]"},
    {"read_only", HONOURED, "true"},
    {"restart", WARNED, "'no'"},
    {"scale", HONOURED, "2"},
    {"shm_size", HONOURED, "64m"},
    {"stop_grace_period", HONOURED, "3s"},
    {"stop_signal", HONOURED, "SIGINT"},
    {"tmpfs", HONOURED, "/a"},
    {"ulimits", HONOURED, "{nofile: 9}"},
    {"user", HONOURED, "a"},
    {"volumes", HONOURED, "[/a]"},
    {"working_dir", HONOURED, "/a"},
    {"cap_add", ASKED, "[A]"},
    {"cap_drop", HONOURED, "[A]"},
    {"cgroup", REFUSED, "host"},
    {"cgroup_parent", REFUSED, "a"},
    {"device_cgroup_rules", REFUSED, "[a]"},
    {"devices", REFUSED, "[a]"},
    {"ipc", REFUSED, "host"},
    {"network_mode", REFUSED, "host"},
    {"pid", REFUSED, "host"},
    {"privileged", REFUSED, "true"},
    {"security_opt", REFUSED, "[a]"},
    {"userns_mode", REFUSED, "host"},
    {"uts", REFUSED, "host"},
    {"networks", WARNED, "[a]"},
};

static const Sample top_samples[] = {
    {"environment", HONOURED, "[A]"},
    {"services", HONOURED, "{v: {}}"},
    {"balancers", WARNED, "{b: {service: v, ports: {80: 81}}}"},
    {"release", HONOURED, "a"},
    {"resources", WARNED, "{r: {type: redis}}"},
    {"timers", HONOURED, "{t: {schedule: '* * * * *', service: v, command: a}}"},
    {"appSettings", WARNED, "{awsLogs: {cwRetention: 3}}"},
    {"budget", WARNED, "{monthlyCapUsd: 3}"},
    {"configs", WARNED, "[{id: a}]"},
    {"labels", WARNED, "{a: b}"},
    {"params", WARNED, "{A: b}"},
};

static const Sample *
sample_of(const Sample *samples, gsize count, const char *key)
{
	for (gsize i = 0; i < count; i++) {
		if (strcmp(samples[i].key, key) == 0)
			return &samples[i];
	}
	return NULL;
}

static bool
names(const GPtrArray *notes, const char *key)
{
	g_autofree char *pattern = g_strdup_printf("[:.] ?%s[:.\\[]", key);
	for (guint i = 0; i < notes->len; i++) {
		if (g_regex_match_simple(pattern, notes->pdata[i], 0, 0))
			return true;
	}
	return false;
}

static void
assert_answered(const char *text, const char *file, const Sample *sample)
{
	const char *const files[] = {file, text, "e.env", "A=1\n", NULL};
	g_autoptr(GError) error = NULL;
	g_autofree char *found = NULL;
	g_autoptr(Manifest) manifest = manifest_of_files(files, NULL, NULL, &found, &error);
	if (manifest == NULL) {
		g_test_fail_printf("%s: %s\n%s", sample->key, error->message, text);
		return;
	}
	const GPtrArray *notes[] = {[HONOURED] = NULL,
	    [WARNED] = manifest->warnings,
	    [REFUSED] = manifest->refusals,
	    [ASKED] = manifest->powers};
	for (Answer answer = WARNED; answer <= ASKED; answer++) {
		if (names(notes[answer], sample->key) != (answer == sample->answer))
			g_test_fail_printf("%s: %s as answer %d", sample->key,
			    answer == sample->answer ? "not named" : "named", answer);
	}
}

/* Every key of the table; those without a sample of their own are to be warned about. */
static void
assert_table(
    const Field *fields, const Sample *samples, gsize count, const char *file, const char *format)
{
	for (; fields->name != NULL; fields++) {
		const Sample *sample = sample_of(samples, count, fields->name);
		Sample other = {fields->name, WARNED, "[a]"};
		const Sample *asked = sample != NULL ? sample : &other;
		g_auto(GStrv) parts = g_strsplit(format, "@", 2);
		g_autofree char *text =
		    g_strconcat(parts[0], asked->key, ": ", asked->value, parts[1], NULL);
		assert_answered(text, file, asked);
	}
}

static void
test_service(void)
{
	assert_table(service_keys(), service_samples, G_N_ELEMENTS(service_samples), "convox.yml",
	    "environment: [A=1]\nconfigs: [{id: c}]\nresources: {r: {type: redis}}\n"
	    "services:\n  v: {port: 1}\n  w:\n    @\n");
}

static void
test_compose(void)
{
	assert_table(compose_service_keys(), compose_samples, G_N_ELEMENTS(compose_samples),
	    "docker-compose.yml", "services:\n  v: {image: x}\n  w:\n    <<: {image: x}\n    @\n");
}

static void
test_top(void)
{
	for (const Field *field = top_keys(); field->name != NULL; field++) {
		const Sample *sample =
		    sample_of(top_samples, G_N_ELEMENTS(top_samples), field->name);
		g_assert_nonnull(sample);
		bool has_own = strcmp(sample->key, "services") == 0;
		g_autofree char *text = g_strconcat(has_own ? "" : "services: {v: {}}\n",
		    sample->key, ": ", sample->value, "\n", NULL);
		assert_answered(text, "convox.yml", sample);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/manifest-honour/keys-of-a-service", test_service);
	g_test_add_func("/manifest-honour/keys-of-a-compose-service", test_compose);
	g_test_add_func("/manifest-honour/keys-of-the-top-level", test_top);
	return g_test_run();
}
