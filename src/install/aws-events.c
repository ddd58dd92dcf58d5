/*
 * What CloudFormation does, event by event. An operation is told from others by the token that it
 * was begun with; it is over when the stack itself has an event of that token that is an end. Of
 * all that fails the first counts: what comes after it is cancelled because of it.
 */
#include "install/aws-steps.h"

#include <string.h>

#define PAUSE_MINIMUM 300000 /* microseconds */
#define PAUSE_MAXIMUM 3000000
#define TOKEN_SECONDS 15 /* to wait for an event of an operation that was accepted */

typedef struct {
	Cloud *cloud;
	const char *stack;
	const char *token; /* NULL: it was begun without one, and has no events to tell */
	GHashTable *seen;  /* ids of events */
	GPtrArray *fresh;  /* events of this look, newest first */
	char *status;      /* the end, NULL while it is not there */
	char *failure;
	bool is_known; /* an event of the token came */
	unsigned done;
} Follow;

static void
follow_clear(Follow *follow)
{
	g_clear_pointer(&follow->seen, g_hash_table_unref);
	g_clear_pointer(&follow->fresh, g_ptr_array_unref);
	g_free(follow->status);
	g_free(follow->failure);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Follow, follow_clear)

static bool
is_of_stack(const Follow *follow, const json_t *event)
{
	return strcmp(json_text_of(event, "PhysicalResourceId", ""), follow->stack) == 0 ||
	       (strcmp(json_text_of(event, "ResourceType", ""), "AWS::CloudFormation::Stack") ==
		       0 &&
		   strcmp(json_text_of(event, "LogicalResourceId", ""),
		       json_text_of(event, "StackName", "?")) == 0);
}

static bool
is_of_token(const Follow *follow, const json_t *event)
{
	const char *token = json_text_of(event, "ClientRequestToken", "");
	return strcmp(token, follow->token) == 0;
}

/* Takes a page, newest first; ends at the first event that was there before. */
static bool
take_page(gpointer data, const json_t *events, GError **error)
{
	Follow *follow = data;
	size_t i;
	json_t *event;
	json_array_foreach((json_t *)events, i, event)
	{
		const char *id = json_text_of(event, "EventId", "");
		if (!is_of_token(follow, event) || !g_hash_table_add(follow->seen, g_strdup(id)))
			return false;
		g_ptr_array_add(follow->fresh, json_incref(event));
	}
	return true;
}

static const char *
short_type(const json_t *event)
{
	const char *type = json_text_of(event, "ResourceType", "");
	return g_str_has_prefix(type, "AWS::") ? type + strlen("AWS::") : type;
}

static void
take_failure(Follow *follow, const json_t *event)
{
	const char *reason = json_text_of(event, "ResourceStatusReason", "no reason given");
	bool is_cascade = strcasestr(reason, "cancelled") != NULL;
	if (follow->failure || is_cascade || is_of_stack(follow, event))
		return;

	follow->failure = g_strdup_printf(
	    "%s (%s): %s", json_text_of(event, "LogicalResourceId", ""), short_type(event), reason);
}

static void
take_event(Follow *follow, const json_t *event)
{
	const char *status = json_text_of(event, "ResourceStatus", "");
	bool is_end = !g_str_has_suffix(status, "_IN_PROGRESS");
	follow->is_known = true;
	if (is_of_stack(follow, event)) {
		g_clear_pointer(&follow->status, g_free);
		follow->status = is_end ? g_strdup(status) : NULL;
		return;
	}
	if (g_str_has_suffix(status, "_FAILED"))
		take_failure(follow, event);
	if (!is_end)
		return;

	follow->done++;
	progress_detail(follow->cloud->progress, "%u  %s  %s (%s)", follow->done, status,
	    json_text_of(event, "LogicalResourceId", ""), short_type(event));
}

/* One look at what is new. */
static bool
look(Follow *follow, GError **error)
{
	static const AwsList list = {.service = &aws_services[AWS_CLOUDFORMATION],
	    .operation = "DescribeStackEvents",
	    .token_in = "NextToken",
	    .token_out = "NextToken",
	    .items = "StackEvents"};
	json_auto_t *input = json_pack("{s:s}", "StackName", follow->stack);
	g_ptr_array_set_size(follow->fresh, 0);
	if (!aws_pages(follow->cloud->client, &list, input, take_page, follow, NULL, error))
		return false;

	for (guint i = follow->fresh->len; i > 0; i--)
		take_event(follow, follow->fresh->pdata[i - 1]);
	return true;
}

/* What the stack says of itself, for an operation that left no events. The caller frees it. */
static char *
status_of(Cloud *cloud, const char *stack)
{
	json_auto_t *input = json_pack("{s:s}", "StackName", stack);
	json_auto_t *answer = aws_call(
	    cloud->client, &aws_services[AWS_CLOUDFORMATION], "DescribeStacks", input, NULL, NULL);
	json_auto_t *stacks = aws_items(answer, "Stacks");
	return g_strdup(json_text_of(json_array_get(stacks, 0), "StackStatus", ""));
}

/* An operation that changes nothing may have no events at all. */
static void
give_up_on_token(Follow *follow)
{
	g_autofree char *status = status_of(follow->cloud, follow->stack);
	if (*status && !g_str_has_suffix(status, "_IN_PROGRESS"))
		follow->status = g_steal_pointer(&status);
}

bool
events_follow(Cloud *cloud,
    const char *stack,
    const char *token,
    char **status,
    char **failure,
    GError **error)
{
	gint64 patience = g_get_monotonic_time() + TOKEN_SECONDS * G_USEC_PER_SEC;
	gulong pause = PAUSE_MINIMUM;
	g_auto(Follow) follow = {.cloud = cloud, .stack = stack, .token = token};
	follow.seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	follow.fresh = g_ptr_array_new_with_free_func((GDestroyNotify)json_decref);
	while (!follow.status) {
		if (token && !look(&follow, error))
			return false;
		if (follow.status)
			break;
		if (!token || (!follow.is_known && g_get_monotonic_time() > patience))
			give_up_on_token(&follow);
		g_usleep(pause);
		pause = MIN(pause * 5 / 4, PAUSE_MAXIMUM);
	}
	*status = g_steal_pointer(&follow.status);
	*failure = g_steal_pointer(&follow.failure);
	return true;
}

char *
events_last_token(Cloud *cloud, const char *stack)
{
	json_auto_t *input = json_pack("{s:s}", "StackName", stack);
	json_auto_t *answer = aws_call(cloud->client, &aws_services[AWS_CLOUDFORMATION],
	    "DescribeStackEvents", input, NULL, NULL);
	json_auto_t *events = aws_items(answer, "StackEvents");
	size_t i;
	json_t *event;
	json_array_foreach(events, i, event)
	{
		const char *token = json_text_of(event, "ClientRequestToken", "");
		if (*token)
			return g_strdup(token);
	}
	return NULL;
}
