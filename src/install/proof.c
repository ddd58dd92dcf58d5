/*
 * The proof that the rack works: the task that runs is the one that was asked for, the registry
 * answers, and the API answers through HAProxy with the password. If it does not, the error says
 * what the engine says of the task, and the notes show its last lines.
 */
#include "install/steps.h"

#include "base/error.h"
#include "base/text.h"
#include "install/specs.h"

#include <string.h>

#define DEADLINE_SECONDS 60
#define PAUSE_MICROSECONDS 100000
#define CALL_TIMEOUT_MS 5000
#define LAST_LINES 8
#define FAILURES_ALLOWED 3

typedef bool (*Check)(Install *install, GError **error);

static const char *
state_of(const json_t *task)
{
	return json_text_of(json_object_get(task, "Status"), "State", "not placed yet");
}

/* The running task of a service, or its newest one; NULL when there is none. */
static json_t *
task_of(json_t *tasks)
{
	json_t *newest = NULL;
	size_t i;
	json_t *task;
	json_array_foreach(tasks, i, task)
	{
		const char *created = json_text_of(task, "CreatedAt", "");
		if (strcmp(state_of(task), "running") == 0)
			return task;
		if (!newest || strcmp(created, json_text_of(newest, "CreatedAt", "")) > 0)
			newest = task;
	}
	return newest;
}

/* Tasks of this very spec that have ended by themselves or could not start since we began; `last`
 * is one of them. */
static unsigned
failures_of(const Install *install, json_t *tasks, const char *wanted, json_t **last)
{
	unsigned count = 0;
	size_t i;
	json_t *task;
	json_array_foreach(tasks, i, task)
	{
		const char *spec = spec_hash(json_at(task, "Spec", "ContainerSpec", NULL));
		bool has_failed = strcmp(state_of(task), "failed") == 0 ||
				  strcmp(state_of(task), "rejected") == 0;
		gint64 created = 0;
		text_parse_time(json_text_of(task, "CreatedAt", ""), &created, NULL);
		if (!has_failed || created < install->began || strcmp(spec, wanted) != 0)
			continue;
		*last = task;
		count++;
	}
	return count;
}

/* Why a part does not run, in the engine's words. INTERNAL when waiting longer is no use. */
static bool
set_not_running(
    const Install *install, const char *name, json_t *tasks, const char *wanted, GError **error)
{
	json_t *task = task_of(tasks);
	unsigned failures = failures_of(install, tasks, wanted, &task);
	json_t *status = json_object_get(task, "Status");
	const char *reason =
	    json_text_of(status, "Err", json_text_of(status, "Message", "no reason given"));
	bool is_hopeless = failures >= FAILURES_ALLOWED;
	return error_set(error, is_hopeless ? CARRACK_ERROR_INTERNAL : CARRACK_ERROR_UNAVAILABLE,
	    "%s does not run: %s, %s", name, state_of(task), reason);
}

static bool
check_task(Install *install, const char *part, GError **error)
{
	g_autofree char *name = name_of_part(install->settings->rack, part);
	json_auto_t *service =
	    docker_call(install->docker, "GET", NULL, error, "/services/%s", name);
	json_auto_t *tasks = docker_call(install->docker, "GET", NULL, error,
	    "/tasks?filters=%%7B%%22service%%22%%3A%%5B%%22%s%%22%%5D%%7D", name);
	if (!service || !tasks)
		return false;

	json_t *task = task_of(tasks);
	const char *runs = spec_hash(json_at(task, "Spec", "ContainerSpec", NULL));
	const char *wanted = spec_hash(json_object_get(service, "Spec"));
	if (strcmp(state_of(task), "running") != 0)
		return set_not_running(install, name, tasks, wanted, error);
	if (strcmp(runs, wanted) != 0)
		return error_set(
		    error, CARRACK_ERROR_UNAVAILABLE, "%s still runs as it was before", name);
	return true;
}

/* One GET on loopback; true for 200. */
static bool
check_answer(unsigned port, const char *path, const char *password, GError **error)
{
	g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u", port);
	HttpOptions options = {
	    .base_url = url, .user = password ? "convox" : NULL, .password = password};
	g_autoptr(HttpClient) client = http_client_new(&options);
	HttpRequest request = {.path = path, .timeout_ms = CALL_TIMEOUT_MS};
	g_autoptr(HttpAnswer) answer = http_call(client, &request, NULL, error);
	if (!answer) {
		g_prefix_error(error, "%s%s: ", url, path);
		return false;
	}
	if (answer->status == 401)
		return error_set(error, CARRACK_ERROR_UNAUTHORIZED,
		    "the rack does not take the password in the configuration; set a new one with "
		    "`carrack install --new-password`");
	if (answer->status != 200)
		return error_set(
		    error, CARRACK_ERROR_UNAVAILABLE, "%s%s answers %u", url, path, answer->status);
	return true;
}

static bool
check_registry(Install *install, GError **error)
{
	return check_task(install, PART_REGISTRY, error) &&
	       check_answer(install->settings->registry_port, "/v2/", NULL, error);
}

static bool
check_api(Install *install, GError **error)
{
	unsigned port = install->settings->api_port;
	if (!check_task(install, PART_API, error) || !check_answer(port, "/check", NULL, error))
		return false;

	return !install->password || check_answer(port, "/auth", install->password, error);
}

static bool
note_line(gpointer data, unsigned stream, const void *bytes, gsize length, GError **error)
{
	g_autofree char *text = g_utf8_make_valid(bytes, (gssize)length);
	progress_note(data, "%s", g_strchomp(text));
	return true;
}

static void
note_last_lines(Install *install, const char *kind, const char *part)
{
	g_autofree char *name = name_of_part(install->settings->rack, part);
	g_autofree char *whole =
	    g_strdup_printf("/%s/%s/logs?stdout=1&stderr=1&tail=%d", kind, name, LAST_LINES);
	HttpRequest request = {.path = whole, .timeout_ms = CALL_TIMEOUT_MS};
	DockerFrames frames = {{0}};
	g_autoptr(HttpAnswer) answer = docker_request(install->docker, &request, NULL, NULL);
	if (answer && answer->length > 0)
		progress_note(install->progress, "last lines of %s:", name);
	if (answer)
		docker_frames_feed(
		    &frames, answer->body, answer->length, note_line, install->progress, NULL);
}

static bool
wait_for(Install *install, Check check, gint64 deadline, GError **error)
{
	for (;;) {
		g_autoptr(GError) cause = NULL;
		if (check(install, &cause))
			return true;

		bool is_final = g_error_matches(cause, CARRACK_ERROR, CARRACK_ERROR_UNAUTHORIZED) ||
				g_error_matches(cause, CARRACK_ERROR, CARRACK_ERROR_INTERNAL);
		if (is_final || g_get_monotonic_time() >= deadline) {
			g_propagate_error(error, g_steal_pointer(&cause));
			return false;
		}
		g_usleep(PAUSE_MICROSECONDS);
	}
}

bool
proof_wait(Install *install, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + (gint64)DEADLINE_SECONDS * G_USEC_PER_SEC;
	if (!wait_for(install, check_registry, deadline, error)) {
		note_last_lines(install, "services", PART_REGISTRY);
		return false;
	}
	g_autoptr(GError) cause = NULL;
	if (wait_for(install, check_api, deadline, &cause))
		return true;

	bool is_password = g_error_matches(cause, CARRACK_ERROR, CARRACK_ERROR_UNAUTHORIZED);
	if (!is_password) {
		note_last_lines(install, "services", PART_API);
		note_last_lines(install, "containers", PART_ROUTER);
	}
	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}
