/*
 * Why a task has ended or is not started, in the words that core/failure.c makes causes of: «No
 * such image» for one that the registry does not have, «no suitable node» for one that finds no
 * room. ECS tells it in four places (stopCode, stoppedReason, the container's reason and exit code)
 * and, of tasks that it could not even make, in its service's events.
 */
#include "aws/engine-private.h"

#include <string.h>

#define CANNOT_START 126 /* of a one-off, as a shell says it */
#define NO_COMMAND 127

gint64
ecs_time(const json_t *object, const char *member)
{
	return (gint64)(json_number_value(json_object_get(object, member)) * G_USEC_PER_SEC);
}

static bool
has_any(const char *text, const char *const *words)
{
	for (; *words; words++) {
		if (strstr(text, *words))
			return true;
	}
	return false;
}

/* ECS, or somebody, has told it to stop. */
static bool
was_told(const char *code)
{
	static const char *const codes[] = {"UserInitiated", "ServiceSchedulerInitiated",
	    "SpotInterruption", "TerminationNotice", NULL};

	return g_strv_contains(codes, code);
}

static bool
is_without_room(const char *reason)
{
	static const char *const words[] = {"RESOURCE:", "No Container Instances", "EMPTY CAPACITY",
	    "Capacity is unavailable", "unable to place a task", NULL};

	return has_any(reason, words);
}

static bool
is_missing_image(const char *reason)
{
	static const char *const words[] = {"not found", "manifest unknown", "does not exist",
	    "No such image", "ImageNotFound", NULL};

	return strstr(reason, "CannotPull") && has_any(reason, words);
}

static bool
is_missing_command(const char *reason)
{
	static const char *const words[] = {
	    "executable file not found", "no such file or directory", NULL};

	return has_any(reason, words);
}

static void
set_reason(Process *process, char *reason)
{
	g_free(process->reason);
	process->reason = reason;
}

/* One that never ran. */
static void
read_unstarted(Process *process, const char *reason)
{
	if (is_without_room(reason)) {
		process->state = PROCESS_PENDING;
		set_reason(process, g_strdup_printf("no suitable node (%s)", reason));
		return;
	}
	process->state = PROCESS_FAILED;
	set_reason(process, is_missing_image(reason) ? g_strconcat("No such image: ", reason, NULL)
						     : g_strdup(reason));
	if (process->is_one_off)
		process->exit_code = is_missing_command(reason) ? NO_COMMAND : CANNOT_START;
}

void
ecs_read_end(Process *process, const json_t *task, const json_t *container)
{
	const char *code = json_text_of(task, "stopCode", "");
	const char *stopped = json_text_of(task, "stoppedReason", "");
	const char *own = json_text_of(container, "reason", "");
	bool has_run = json_is_integer(json_object_get(container, "exitCode"));

	process->is_wanted = false;
	process->exit_code = (int)json_int_of(container, "exitCode", 0);
	process->was_out_of_memory = strstr(own, "OutOfMemory") || strstr(stopped, "OutOfMemory");
	if (!has_run && !was_told(code)) {
		read_unstarted(process, *own ? own : *stopped ? stopped : "no reason given");
		return;
	}
	/* «Essential container in task exited» says nothing that the exit code does not. */
	set_reason(process, g_strdup(was_told(code) ? stopped : own));
	bool is_good = process->exit_code == 0 && !process->was_out_of_memory;
	bool is_complete = is_good || (was_told(code) && !process->is_one_off);
	process->state = is_complete ? PROCESS_COMPLETE : PROCESS_FAILED;
}

/* What came after has made it untrue. */
static bool
is_success(const char *message)
{
	static const char *const words[] = {"has started", "steady state", NULL};

	return has_any(message, words);
}

static bool
is_trouble(const char *message)
{
	static const char *const words[] = {
	    "unable to", "failed to launch", "unable to assume", NULL};

	return has_any(message, words);
}

char *
ecs_read_trouble(const json_t *service, ProcessState *state)
{
	gsize index;
	json_t *event;
	json_array_foreach(json_object_get(service, "events"), index, event)
	{
		const char *message = json_text_of(event, "message", "");
		bool is_of_before = ecs_time(event, "createdAt") < ecs_time(service, "createdAt");
		if (is_success(message) || is_of_before)
			return NULL;
		if (!is_trouble(message))
			continue;

		bool is_room = is_without_room(message);
		*state = is_room ? PROCESS_PENDING : PROCESS_FAILED;
		return is_room ? g_strdup_printf("no suitable node (%s)", message)
			       : g_strdup(message);
	}
	return NULL;
}
