/*
 * One build task from RunTask to its result. Once a second its lines are read on, its state is
 * asked for and its result looked for; the result is there some seconds before ECS says that the
 * task has ended. A task that ends without one is an error with the reason that ECS gives.
 *
 * Whoever leaves early (cancel, deadline, an error of AWS) stops the task: its SIGTERM ends the
 * engine's build.
 */
#include "aws/builder-private.h"
#include "aws/s3.h"

#include "base/error.h"
#include "base/text.h"
#include "base/wait.h"

#include <string.h>

#define CONTAINER "build" /* in the template, and the prefix of its log streams */
#define STARTED_BY "carrack-build"
#define PACE_MS 1000
#define ROOM_PACE_MS 10000 /* between attempts when ECS has no room and no queue for the task */
#define WAIT_TOLD (5 * G_TIME_SPAN_SECOND)
#define WAIT_LONGEST (20 * G_TIME_SPAN_MINUTE) /* for an instance */
#define RUN_LONGEST (65 * G_TIME_SPAN_MINUTE)  /* the task ends itself after 60 */
#define UNSEEN_LONGEST (30 * G_TIME_SPAN_SECOND)
#define LINES_LONGEST (15 * G_TIME_SPAN_SECOND)
#define LAST_LINES (3 * G_TIME_SPAN_SECOND)
#define RESULT_BYTES (1024 * 1024)

typedef struct {
	EcsBuilder *builder;
	const EcsBuild *build;
	char *arn;    /* NULL until ECS has taken it */
	char *stream; /* of its log */
	char *token;  /* where the log is read on */
	guint64 lines;
	bool has_told;   /* that it waits */
	bool is_running; /* or has been */
	bool is_over;
	char *end;    /* why it is over */
	gint64 asked; /* all three monotonic: RunTask */
	gint64 began; /* running */
	GCancellable *cancel;
} BuildTask;

static void
build_task_clear(BuildTask *task)
{
	g_free(task->arn);
	g_free(task->stream);
	g_free(task->token);
	g_free(task->end);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BuildTask, build_task_clear)

static void
tell(BuildTask *task, const char *line)
{
	task->build->log(task->build->log_data, line, strlen(line));
}

static void
tell_waiting(BuildTask *task)
{
	if (!task->has_told)
		tell(task, "waiting for a build instance");
	task->has_told = true;
}

static bool
pause_ms(BuildTask *task, int milliseconds, GError **error)
{
	return wait_fd(-1, 0, milliseconds, task->cancel, error) >= 0;
}

/* Job and result in the bucket */

static bool
put_job(BuildTask *task, GError **error)
{
	AwsRack *rack = task->builder->rack;
	g_autofree char *key = build_job_key(task->build->folder);
	g_autofree char *text = json_text(task->build->job, false);
	S3Object object = {rack->objects, key};

	return s3_put(rack->client, &object, text, strlen(text), NULL, task->cancel, error);
}

/* NULL without an error when there is none yet. */
static BuildResult *
get_result(BuildTask *task, GError **error)
{
	AwsRack *rack = task->builder->rack;
	g_autofree char *key = build_result_key(task->build->folder);
	S3Object object = {rack->objects, key};
	gsize length = 0;
	GError *cause = NULL;
	g_autofree char *text =
	    s3_get_bytes(rack->client, &object, RESULT_BYTES, &length, task->cancel, &cause);
	if (text)
		return build_result_read(text, length, error);

	if (g_error_matches(cause, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND))
		g_error_free(cause);
	else
		g_propagate_error(error, cause);
	return NULL;
}

/* The job may hold secrets. What stays behind here, the bucket's own rule takes away in a day. */
static void
remove_files(BuildTask *task)
{
	AwsRack *rack = task->builder->rack;
	g_autofree char *job = build_job_key(task->build->folder);
	g_autofree char *result = build_result_key(task->build->folder);

	s3_delete(rack->client, &(S3Object){rack->objects, job}, NULL, NULL);
	s3_delete(rack->client, &(S3Object){rack->objects, result}, NULL, NULL);
}

/* Starting */

static json_t *
run_input(const BuildTask *task)
{
	const AwsRack *rack = task->builder->rack;
	g_autofree char *token = text_random_hex(16);

	return json_pack("{s:s, s:s, s:i, s:s, s:s, s:[{s:s, s:i}], s:{s:[{s:s, s:[{s:s, s:s}]}]}}",
	    "cluster", rack->cluster, "taskDefinition", rack->build_task, "count", 1, "startedBy",
	    STARTED_BY, "clientToken", token, "capacityProviderStrategy", "capacityProvider",
	    rack->build_provider, "weight", 1, "overrides", "containerOverrides", "name", CONTAINER,
	    "environment", "name", BUILD_JOB_VARIABLE, "value", task->build->folder);
}

/* Instances that are full or not there yet: more may come. */
static bool
is_lack_of_room(const char *reason)
{
	return g_str_has_prefix(reason, "RESOURCE") || g_str_has_prefix(reason, "AGENT") ||
	       strstr(reason, "No Container Instances were found");
}

/* Sets `arn`; leaves it NULL when there is no room now. */
static bool
try_start(BuildTask *task, GError **error)
{
	json_auto_t *input = run_input(task);
	g_autoptr(GError) cause = NULL;
	json_auto_t *answer = aws_json(task->builder->rack->client, &aws_services[AWS_ECS],
	    "RunTask", input, task->cancel, &cause);
	const json_t *started = json_array_get(json_object_get(answer, "tasks"), 0);
	const json_t *failure = json_array_get(json_object_get(answer, "failures"), 0);
	const char *reason =
	    cause ? cause->message : json_text_of(failure, "reason", "no reason is given");
	if (started) {
		task->arn = g_strdup(json_text_of(started, "taskArn", ""));
		return true;
	}
	if (is_lack_of_room(reason))
		return true;
	if (!cause)
		return error_set(error, CARRACK_ERROR_UPSTREAM,
		    "the build's task cannot be started: %s", reason);

	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}

static bool
refuse_wait(GError **error)
{
	return error_set(error, CARRACK_ERROR_UNAVAILABLE,
	    "no build instance within %d minutes: see the auto-scaling group of builds (instance "
	    "type, BuildInstanceMaximum, BuildMemory)",
	    (int)(WAIT_LONGEST / G_TIME_SPAN_MINUTE));
}

static bool
start(BuildTask *task, GError **error)
{
	task->asked = g_get_monotonic_time();
	for (;;) {
		if (!try_start(task, error))
			return false;
		if (task->arn)
			break;
		if (g_get_monotonic_time() > task->asked + WAIT_LONGEST)
			return refuse_wait(error);
		tell_waiting(task);
		if (!pause_ms(task, ROOM_PACE_MS, error))
			return false;
	}

	const char *slash = strrchr(task->arn, '/');
	task->stream =
	    g_strconcat(CONTAINER "/" CONTAINER "/", slash ? slash + 1 : task->arn, NULL);
	return true;
}

/* Only for whoever leaves early; that it has ended meanwhile is no matter. */
static void
stop(BuildTask *task, const char *reason)
{
	if (!task->arn || task->is_over)
		return;

	g_autofree char *shown = g_strndup(reason, 200);
	json_auto_t *input = json_pack("{s:s, s:s, s:o}", "cluster", task->builder->rack->cluster,
	    "task", task->arn, "reason", json_text_value(shown));
	json_auto_t *answer = aws_json(
	    task->builder->rack->client, &aws_services[AWS_ECS], "StopTask", input, NULL, NULL);
}

/* Following */

/* What ECS and Docker say of the end. The caller frees it. */
static char *
end_of(const json_t *state)
{
	const json_t *container = json_array_get(json_object_get(state, "containers"), 0);
	const char *reason = json_text_of(container, "reason", "");
	const json_t *code = json_object_get(container, "exitCode");
	g_autoptr(GString) text =
	    g_string_new(json_text_of(state, "stoppedReason", "no reason is given"));

	if (*reason)
		g_string_append_printf(text, "; %s", reason);
	if (json_is_integer(code))
		g_string_append_printf(text, " (exit code %d)", (int)json_integer_value(code));
	return g_string_free(g_steal_pointer(&text), FALSE);
}

static void
read_state(BuildTask *task, const json_t *state)
{
	const char *status = json_text_of(state, "lastStatus", "");
	gint64 now = g_get_monotonic_time();
	bool is_placed = strcmp(status, "PROVISIONING") && strcmp(status, "PENDING");

	if (!strcmp(status, "PROVISIONING") && now > task->asked + WAIT_TOLD)
		tell_waiting(task);
	if (is_placed && !task->is_running) {
		task->is_running = true;
		task->began = now;
	}
	if (strcmp(status, "STOPPED") == 0) {
		task->is_over = true;
		task->end = end_of(state);
	}
}

/* A list that is asked at once may not know the task yet. */
static bool
look_at(BuildTask *task, GError **error)
{
	AwsRack *rack = task->builder->rack;
	json_auto_t *input =
	    json_pack("{s:s, s:[s]}", "cluster", rack->cluster, "tasks", task->arn);
	json_auto_t *answer = aws_json(
	    rack->client, &aws_services[AWS_ECS], "DescribeTasks", input, task->cancel, error);
	const json_t *state = json_array_get(json_object_get(answer, "tasks"), 0);
	if (!answer)
		return false;
	if (state) {
		read_state(task, state);
		return true;
	}
	if (g_get_monotonic_time() > task->asked + UNSEEN_LONGEST) {
		task->is_over = true;
		task->end = g_strdup("ECS knows it no more");
	}
	return true;
}

/* An empty line is a blank on its way: CloudWatch takes no empty events. */
static void
pass_event(BuildTask *task, const json_t *event)
{
	const char *line = json_text_of(event, "message", "");
	bool is_empty = strcmp(line, " ") == 0;

	task->lines++;
	tell(task, is_empty ? "" : line);
}

/* One page; `has_more` tells whether there may be another at once. */
static bool
pass_page(BuildTask *task, bool *has_more, GError **error)
{
	AwsRack *rack = task->builder->rack;
	json_auto_t *input = json_pack("{s:s, s:s, s:b, s:s*}", "logGroupName", rack->build_logs,
	    "logStreamName", task->stream, "startFromHead", true, "nextToken", task->token);
	g_autoptr(GError) cause = NULL;
	json_auto_t *answer = aws_json(
	    rack->client, &aws_services[AWS_LOGS], "GetLogEvents", input, task->cancel, &cause);
	*has_more = false;
	if (!answer && aws_error_is(cause, "ResourceNotFoundException"))
		return true; /* it has not said anything yet */
	if (!answer) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return false;
	}

	const json_t *events = json_object_get(answer, "events");
	const char *token = json_text_of(answer, "nextForwardToken", NULL);
	gsize index;
	json_t *event;
	json_array_foreach(events, index, event) pass_event(task, event);
	/* The end is told by the same token again. */
	*has_more = token && g_strcmp0(token, task->token);
	if (token) {
		g_free(task->token);
		task->token = g_strdup(token);
	}
	return true;
}

static bool
pass_lines(BuildTask *task, GError **error)
{
	bool has_more = task->is_running;

	while (has_more) {
		if (!pass_page(task, &has_more, error))
			return false;
	}
	return true;
}

/* Lines take a while to get to CloudWatch: the last ones are waited for, but not for ever. */
static bool
pass_last_lines(BuildTask *task, guint64 lines, gint64 patience, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + patience;

	task->is_running = true;
	for (;;) {
		if (!pass_lines(task, error))
			return false;
		if (task->lines >= lines || g_get_monotonic_time() > deadline)
			return true;
		if (!pause_ms(task, PACE_MS / 2, error))
			return false;
	}
}

static bool
check_time(const BuildTask *task, GError **error)
{
	gint64 now = g_get_monotonic_time();

	if (!task->is_running && now > task->asked + WAIT_LONGEST)
		return refuse_wait(error);
	if (task->is_running && now > task->began + RUN_LONGEST)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "build failed: it is not done after %d minutes",
		    (int)(RUN_LONGEST / G_TIME_SPAN_MINUTE));
	return true;
}

static BuildResult *
follow(BuildTask *task, GError **error)
{
	for (;;) {
		if (!look_at(task, error) || !pass_lines(task, error))
			return NULL;

		GError *cause = NULL;
		bool may_be_done = task->is_running || task->is_over;
		BuildResult *result = may_be_done ? get_result(task, &cause) : NULL;
		if (result || cause) {
			if (cause)
				g_propagate_error(error, cause);
			return result;
		}
		if (task->is_over) {
			pass_last_lines(task, G_MAXUINT64, LAST_LINES, NULL);
			error_set(error, CARRACK_ERROR_UPSTREAM,
			    "the build's task ended without a result: %s", task->end);
			return NULL;
		}
		if (!check_time(task, error) || !pause_ms(task, PACE_MS, error))
			return NULL;
	}
}

static BuilderImage *
take_result(BuildTask *task, BuildResult *result, GError **error)
{
	if (!pass_last_lines(task, result->lines, LINES_LONGEST, error))
		return NULL;
	if (result->failure)
		g_propagate_error(error, g_steal_pointer(&result->failure));

	return g_steal_pointer(&result->image);
}

BuilderImage *
builder_run(EcsBuilder *builder, const EcsBuild *build, GCancellable *cancel, GError **error)
{
	g_auto(BuildTask) task = {.builder = builder, .build = build, .cancel = cancel};
	GError *cause = NULL;
	bool has_begun = put_job(&task, &cause) && start(&task, &cause);
	g_autoptr(BuildResult) result = has_begun ? follow(&task, &cause) : NULL;
	BuilderImage *image = result ? take_result(&task, result, &cause) : NULL;

	if (!result)
		stop(&task, cause->message);
	remove_files(&task);
	if (cause)
		g_propagate_error(error, cause);
	return image;
}
