/*
 * Target groups: two for each service, made with what its manifest says of health, drain and
 * sessions, tagged carrack=RACK, since carrackd's role may change only what has that tag. A group's
 * name is known before it is made, so one that was made by a call whose answer got lost is found
 * again.
 */
#include "aws/router-private.h"
#include "base/error.h"
#include "base/text.h"
#include "base/wait.h"

#include <string.h>

#define NAME_PREFIX 20 /* readable, of the 32 characters that a name may have */
#define NAME_HASH 8
#define HEALTHY_THRESHOLD 2
#define SHORT_INTERVAL 10 /* seconds; below, a third failure is waited for */
#define STICKY_SECONDS "86400"
#define PORT 80 /* each target has its own */
#define IN_USE_SECONDS 60
#define IN_USE_PAUSE_MS 500

static const AwsService *const balancing = &aws_services[AWS_ELBV2];

/* «prod-shop-web-1f2e3d4c-a»: the hash makes it unique when the words are cut. */
static char *
name_of(const BalancerRouter *self, const Backend *backend, unsigned index)
{
	const Group *group = &backend->groups[index];
	g_autofree char *whole = g_strdup_printf(
	    "%s/%s/%u/%u", self->rack->name, backend->name, index, group->generation);
	g_autofree char *hash = text_sha256(whole, strlen(whole));
	g_autofree char *words =
	    g_strdup_printf("%s-%s-%s", self->rack->name, backend->app, backend->service);
	if (strlen(words) > NAME_PREFIX)
		words[NAME_PREFIX] = '\0';
	while (g_str_has_suffix(words, "-"))
		words[strlen(words) - 1] = '\0';
	return g_strdup_printf("%s-%.*s-%c", words, NAME_HASH, hash, 'a' + index);
}

static json_t *
matcher_of(const json_t *settings)
{
	bool is_grpc = g_str_equal(json_text_of(settings, "version", ""), "GRPC");
	return json_pack(
	    "{s:s}", is_grpc ? "GrpcCode" : "HttpCode", json_text_of(settings, "codes", "200"));
}

/* What both CreateTargetGroup and ModifyTargetGroup take. */
static json_t *
health_input(const json_t *settings)
{
	int interval = (int)json_int_of(settings, "interval", 0);
	return json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:o}", "HealthCheckProtocol",
	    json_text_of(settings, "protocol", "HTTP"), "HealthCheckPort", "traffic-port",
	    "HealthCheckPath", json_text_of(settings, "path", "/"), "HealthCheckIntervalSeconds",
	    interval, "HealthCheckTimeoutSeconds", (int)json_int_of(settings, "timeout", 0),
	    "HealthyThresholdCount", HEALTHY_THRESHOLD, "UnhealthyThresholdCount",
	    interval < SHORT_INTERVAL ? 3 : 2, "Matcher", matcher_of(settings));
}

static json_t *
create_input(const BalancerRouter *self, const char *name, const json_t *settings)
{
	json_t *input = health_input(settings);
	json_auto_t *more = json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:[{s:s, s:s}]}", "Name",
	    name, "Protocol", json_text_of(settings, "protocol", "HTTP"), "ProtocolVersion",
	    json_text_of(settings, "version", "HTTP1"), "Port", PORT, "VpcId", self->rack->vpc,
	    "TargetType", self->rack->is_fargate ? "ip" : "instance", "Tags", "Key", "carrack",
	    "Value", self->rack->name);
	json_object_update(input, more);
	return input;
}

static char *
arn_of(const json_t *answer)
{
	json_auto_t *groups = aws_items(answer, "TargetGroups");
	return g_strdup(json_text_of(json_array_get(groups, 0), "TargetGroupArn", NULL));
}

/* The group of an earlier try. */
static char *
find(BalancerRouter *self, const char *name, GError **error)
{
	json_auto_t *input = json_pack("{s:[s]}", "Names", name);
	json_auto_t *answer =
	    aws_query(self->rack->client, balancing, "DescribeTargetGroups", input, NULL, error);
	char *arn = answer ? arn_of(answer) : NULL;
	if (answer && !arn)
		error_set(error, CARRACK_ERROR_UPSTREAM,
		    "target group %s is there and cannot be found", name);
	return arn;
}

static bool
create(BalancerRouter *self, Group *group, const json_t *settings, bool *was_made, GError **error)
{
	json_auto_t *input = create_input(self, group->name, settings);
	g_autoptr(GError) failure = NULL;
	json_auto_t *answer =
	    aws_query(self->rack->client, balancing, "CreateTargetGroup", input, NULL, &failure);
	if (answer) {
		group->arn = arn_of(answer);
	} else if (aws_error_is(failure, "DuplicateTargetGroupName")) {
		group->arn = find(self, group->name, error);
	} else {
		g_propagate_error(error, g_steal_pointer(&failure));
	}
	*was_made = answer != NULL;
	return group->arn != NULL;
}

static bool
give_health(BalancerRouter *self, const Group *group, const json_t *settings, GError **error)
{
	json_auto_t *input = health_input(settings);
	json_object_set_new(input, "TargetGroupArn", json_string(group->arn));
	json_auto_t *answer =
	    aws_query(self->rack->client, balancing, "ModifyTargetGroup", input, NULL, error);
	return answer != NULL;
}

/* All requests of a process in flight count the same, so a slow process gets fewer; that and
 * slow_start exclude each other. */
static bool
give_attributes(BalancerRouter *self, const Group *group, const json_t *settings, GError **error)
{
	g_autofree char *drain = g_strdup_printf("%d", (int)json_int_of(settings, "drain", 0));
	const char *const attributes[][2] = {
	    {"deregistration_delay.timeout_seconds", drain},
	    {"stickiness.enabled", json_bool_of(settings, "sticky", false) ? "true" : "false"},
	    {"stickiness.type", "lb_cookie"},
	    {"stickiness.lb_cookie.duration_seconds", STICKY_SECONDS},
	    {"slow_start.duration_seconds", "0"},
	    {"load_balancing.algorithm.type", "least_outstanding_requests"},
	};
	json_t *list = json_array();
	for (gsize i = 0; i < G_N_ELEMENTS(attributes); i++)
		json_array_append_new(list,
		    json_pack("{s:s, s:s}", "Key", attributes[i][0], "Value", attributes[i][1]));
	json_auto_t *input =
	    json_pack("{s:s, s:o}", "TargetGroupArn", group->arn, "Attributes", list);
	json_auto_t *answer = aws_query(
	    self->rack->client, balancing, "ModifyTargetGroupAttributes", input, NULL, error);
	return answer != NULL;
}

static bool
is_same(const Group *group, const json_t *settings, const char *member)
{
	return json_equal(
	    json_object_get(group->settings, member), json_object_get(settings, member));
}

bool
balancer_group_must_change(const Group *group, const json_t *settings)
{
	return group->arn && group->settings &&
	       (!is_same(group, settings, "protocol") || !is_same(group, settings, "version"));
}

static bool
has_same_health(const Group *group, const json_t *settings)
{
	return is_same(group, settings, "path") && is_same(group, settings, "codes") &&
	       is_same(group, settings, "interval") && is_same(group, settings, "timeout");
}

bool
balancer_group_make(BalancerRouter *self,
    const Backend *backend,
    unsigned index,
    const json_t *settings,
    GError **error)
{
	Group *group = (Group *)&backend->groups[index];
	/* One that is found, of an earlier try, may have been made with other settings. */
	bool was_made = false;
	if (!group->arn) {
		g_clear_pointer(&group->settings, json_decref);
		g_free(group->name);
		group->name = name_of(self, backend, index);
		if (!create(self, group, settings, &was_made, error))
			return false;
	}
	if (group->settings && json_equal(group->settings, settings))
		return true;

	bool has_health = was_made || (group->settings && has_same_health(group, settings));
	if (!has_health && !give_health(self, group, settings, error))
		return false;
	if (!give_attributes(self, group, settings, error))
		return false;

	json_decref(group->settings);
	group->settings = json_deep_copy(settings);
	return true;
}

bool
balancer_group_remove(BalancerRouter *self, Group *group, GError **error)
{
	gint64 until = g_get_monotonic_time() + (gint64)IN_USE_SECONDS * G_USEC_PER_SEC;
	json_auto_t *input = json_pack("{s:s?}", "TargetGroupArn", group->arn);
	while (group->arn) {
		g_autoptr(GError) failure = NULL;
		json_auto_t *answer = aws_query(
		    self->rack->client, balancing, "DeleteTargetGroup", input, NULL, &failure);
		if (answer || aws_error_is(failure, "TargetGroupNotFound")) {
			g_clear_pointer(&group->arn, g_free);
			g_clear_pointer(&group->settings, json_decref);
			break;
		}
		/* A rule that was deleted a moment ago still counts. */
		bool is_in_use = aws_error_is(failure, "ResourceInUse");
		if (!is_in_use || g_get_monotonic_time() > until) {
			g_propagate_error(error, g_steal_pointer(&failure));
			return false;
		}
		g_usleep(IN_USE_PAUSE_MS * 1000);
	}
	return true;
}
