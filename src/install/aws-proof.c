/*
 * The proof that a rack on AWS works: its newest carrackd alone runs, and answers through the
 * balancer. The rack's own name need not lead there yet, so the balancer is asked by its own and
 * only told which host is meant; nothing secret is sent that way. If no answer comes, ECS and the
 * last lines of carrackd's log say why.
 */
#include "install/aws-steps.h"

#include <string.h>

#define DEADLINE_SECONDS 600
#define PAUSE_MICROSECONDS 1000000
#define CALL_TIMEOUT_MS 10000
#define FAILURES_ALLOWED 3
#define LAST_LINES 8
#define LINES_READ 200
#define TASKS_READ 50
#define HOUR_MS (60 * 60 * 1000)

static json_t *
service_of(Cloud *cloud, GError **error)
{
	json_auto_t *input =
	    json_pack("{s:s, s:[s]}", "cluster", stack_output(cloud, "Cluster"), "services", "api");
	json_auto_t *answer =
	    aws_call(cloud->client, &aws_services[AWS_ECS], "DescribeServices", input, NULL, error);
	json_t *service = json_array_get(json_object_get(answer, "services"), 0);
	if (answer && !service)
		error_set(error, CARRACK_ERROR_UNAVAILABLE, "carrackd's service is not there yet");
	return json_incref(service);
}

/* Tasks that stopped lately, newest first as ECS has them; NULL when there are none. */
static json_t *
stopped_tasks(Cloud *cloud)
{
	const char *cluster = stack_output(cloud, "Cluster");
	json_auto_t *input = json_pack("{s:s, s:s, s:s}", "cluster", cluster, "serviceName", "api",
	    "desiredStatus", "STOPPED");
	json_auto_t *names =
	    aws_call(cloud->client, &aws_services[AWS_ECS], "ListTasks", input, NULL, NULL);
	json_t *list = json_object_get(names, "taskArns");
	if (json_array_size(list) == 0)
		return NULL;
	while (json_array_size(list) > TASKS_READ)
		json_array_remove(list, json_array_size(list) - 1);

	json_auto_t *wish = json_pack("{s:s, s:O}", "cluster", cluster, "tasks", list);
	json_auto_t *answer =
	    aws_call(cloud->client, &aws_services[AWS_ECS], "DescribeTasks", wish, NULL, NULL);
	return json_incref(json_object_get(answer, "tasks"));
}

/* The carrackd that the stack wants. The caller frees it; NULL on failure. */
static char *
wanted_definition(Cloud *cloud, GError **error)
{
	json_auto_t *input =
	    json_pack("{s:s, s:s}", "StackName", cloud->wish->name, "LogicalResourceId", "ApiTask");
	json_auto_t *answer = aws_call(cloud->client, &aws_services[AWS_CLOUDFORMATION],
	    "DescribeStackResource", input, NULL, error);
	json_t *detail = json_object_get(answer, "StackResourceDetail");
	return answer ? g_strdup(json_text_of(detail, "PhysicalResourceId", "")) : NULL;
}

static bool
has_failed(const json_t *task)
{
	const char *code = json_text_of(task, "stopCode", "");
	return strcmp(code, "EssentialContainerExited") == 0 ||
	       strcmp(code, "TaskFailedToStart") == 0;
}

/* How often a task of this definition has ended by itself since this program began. */
static unsigned
failures_of(Cloud *cloud, const char *definition)
{
	json_auto_t *tasks = stopped_tasks(cloud);
	unsigned count = 0;
	size_t i;
	json_t *task;
	json_array_foreach(tasks, i, task)
	{
		bool is_it = strcmp(json_text_of(task, "taskDefinitionArn", ""), definition) == 0;
		bool is_new = json_number_value(json_object_get(task, "createdAt")) >=
			      (double)(cloud->began / G_USEC_PER_SEC);
		count += is_it && is_new && has_failed(task);
	}
	return count;
}

/* True when the newest deployment alone runs. INTERNAL when it has failed for good. */
static bool
check_service(Cloud *cloud, const char *wanted, GError **error)
{
	json_auto_t *service = service_of(cloud, error);
	size_t i;
	json_t *deployment;
	gint64 old = 0, fresh = 0;
	const char *state = "";
	if (!service)
		return false;
	unsigned failed = failures_of(cloud, wanted);
	/* ECS itself goes back to what ran before when the new one does not. */
	bool is_wanted = strcmp(json_text_of(service, "taskDefinition", ""), wanted) == 0;
	json_array_foreach(json_object_get(service, "deployments"), i, deployment)
	{
		bool is_newest = strcmp(json_text_of(deployment, "status", ""), "PRIMARY") == 0;
		gint64 running = json_int_of(deployment, "runningCount", 0);
		state = is_newest ? json_text_of(deployment, "rolloutState", "") : state;
		fresh += is_newest ? running : 0;
		old += is_newest ? 0 : running;
	}
	if (strcmp(state, "FAILED") == 0 || failed >= FAILURES_ALLOWED)
		return error_set(error, CARRACK_ERROR_INTERNAL,
		    "carrackd does not run: it has ended %u times", MAX(failed, 1));
	if (!is_wanted)
		return error_set(error,
		    failed > 0 ? CARRACK_ERROR_INTERNAL : CARRACK_ERROR_UNAVAILABLE,
		    "the new carrackd does not run: it has ended %u times, and ECS keeps the one "
		    "of before",
		    failed);
	if (fresh < 1 || old > 0)
		return error_set(error, CARRACK_ERROR_UNAVAILABLE,
		    old > 0 ? "the carrackd of before still runs" : "carrackd does not run yet");
	return true;
}

/* GET by the balancer's name. */
static bool
check_answer(Cloud *cloud, GError **error)
{
	const char *test = g_getenv("CARRACK_BALANCER_URL");
	bool is_test = test && *test;
	g_autofree char *balancer =
	    g_strconcat("https://", stack_output(cloud, "BalancerHost"), NULL);
	g_autofree char *host = g_strdup_printf(
	    "Host: rack.%s%s", stack_output(cloud, "Domain"), is_test ? ":443" : "");
	const char *const headers[] = {host, NULL};
	HttpOptions options = {.base_url = is_test ? test : balancer, .insecure = true};
	g_autoptr(HttpClient) client = http_client_new(&options);
	HttpRequest request = {.path = "/check", .headers = headers, .timeout_ms = CALL_TIMEOUT_MS};
	g_autoptr(HttpAnswer) answer = http_call(client, &request, NULL, error);
	if (!answer) {
		g_prefix_error(error, "balancer %s: ", options.base_url);
		return false;
	}
	if (answer->status != 200)
		return error_set(error, CARRACK_ERROR_UNAVAILABLE,
		    "balancer %s answers %u instead of carrackd", options.base_url, answer->status);
	return true;
}

static void
note_stopped_task(Cloud *cloud)
{
	json_auto_t *tasks = stopped_tasks(cloud);
	json_t *task = NULL;
	double newest = 0;
	size_t i;
	json_t *one;
	json_array_foreach(tasks, i, one)
	{
		double stopped = json_number_value(json_object_get(one, "stoppedAt"));
		bool is_it = has_failed(one) && stopped >= newest;
		task = is_it ? one : task;
		newest = is_it ? stopped : newest;
	}
	if (!task)
		return;

	json_t *container = json_array_get(json_object_get(task, "containers"), 0);
	json_t *code = json_object_get(container, "exitCode");
	progress_note(cloud->progress, "carrackd's task stopped: %s %s",
	    json_text_of(task, "stoppedReason", "no reason given"),
	    json_text_of(container, "reason", ""));
	if (code)
		progress_note(
		    cloud->progress, "its exit code was %d", (int)json_integer_value(code));
}

static void
note_last_lines(Cloud *cloud)
{
	gint64 since = g_get_real_time() / 1000 - HOUR_MS;
	json_auto_t *input = json_pack("{s:s, s:I, s:i}", "logGroupName",
	    stack_output(cloud, "SystemLogs"), "startTime", (json_int_t)since, "limit", LINES_READ);
	json_auto_t *answer =
	    aws_call(cloud->client, &aws_services[AWS_LOGS], "FilterLogEvents", input, NULL, NULL);
	json_t *events = json_object_get(answer, "events");
	size_t count = json_array_size(events);
	if (count > 0)
		progress_note(
		    cloud->progress, "last lines of %s:", stack_output(cloud, "SystemLogs"));
	for (size_t i = count > LAST_LINES ? count - LAST_LINES : 0; i < count; i++) {
		g_autofree char *line =
		    g_strdup(json_text_of(json_array_get(events, i), "message", ""));
		progress_note(cloud->progress, "%s", g_strchomp(line));
	}
}

static void
note_service_events(Cloud *cloud)
{
	json_auto_t *service = service_of(cloud, NULL);
	json_t *events = json_object_get(service, "events");
	for (size_t i = 0; i < MIN(json_array_size(events), 2); i++)
		progress_note(cloud->progress, "ECS: %s",
		    json_text_of(json_array_get(events, i), "message", ""));
}

void
cloud_proof_notes(Cloud *cloud)
{
	note_service_events(cloud);
	note_stopped_task(cloud);
	note_last_lines(cloud);
}

bool
cloud_proof_wait(Cloud *cloud, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + (gint64)DEADLINE_SECONDS * G_USEC_PER_SEC;
	g_autoptr(GHashTable) told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	progress_step(cloud->progress, "waiting for carrackd");
	g_autofree char *wanted = wanted_definition(cloud, error);
	if (!wanted)
		return false;
	for (;;) {
		g_autoptr(GError) cause = NULL;
		if (check_service(cloud, wanted, &cause) && check_answer(cloud, &cause))
			return true;

		bool is_final = g_error_matches(cause, CARRACK_ERROR, CARRACK_ERROR_INTERNAL);
		if (is_final || g_get_monotonic_time() >= deadline) {
			cloud_proof_notes(cloud);
			g_propagate_error(error, g_steal_pointer(&cause));
			return false;
		}
		if (g_hash_table_add(told, g_strdup(cause->message)))
			progress_detail(cloud->progress, "%s", cause->message);
		g_usleep(PAUSE_MICROSECONDS);
	}
}

bool
cloud_name_answers(Cloud *cloud, const char *password)
{
	g_autofree char *url = g_strconcat("https://rack.", stack_output(cloud, "Domain"), NULL);
	HttpOptions options = {.base_url = url,
	    .user = "convox",
	    .password = password,
	    .ca_file = g_getenv("CARRACK_CA")};
	g_autoptr(HttpClient) client = http_client_new(&options);
	HttpRequest request = {.path = "/auth", .timeout_ms = CALL_TIMEOUT_MS};
	g_autoptr(HttpAnswer) answer = http_call(client, &request, NULL, NULL);
	return answer && answer->status == 200;
}
