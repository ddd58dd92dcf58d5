/*
 * See the header. Servers run in threads of the test; the balancer is MiniStack, which connects to
 * them as to any target.
 */
#include "balancer-fixture.h"

#include "base/text.h"

#include <stdatomic.h>
#include <string.h>

#define TIMEOUT_MS 10000

static void
handle(int fd, gpointer data)
{
	Web *web = data;
	g_autoptr(GString) head = g_string_new(NULL);
	if (!small_server_read_head(fd, head))
		return;
	if (strstr(head->str, " /slow"))
		g_usleep((gulong)g_atomic_int_get(&web->delay_ms) * 1000);
	g_autofree char *answer = g_strdup_printf(
	    "HTTP/1.1 %d Said\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
	    g_atomic_int_get(&web->status), strlen(web->name), web->name);
	small_server_say(fd, answer);
}

static void
web_free(gpointer data)
{
	Web *web = data;
	small_server_free(web->server);
	g_free(web->name);
	g_free(web);
}

void
fixture_set_up(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) environment = g_get_environ();
	fixture->world = fake_world_new();
	fixture->provider = fake_world_provider(fixture->world);
	fixture->rack = aws_rack_new((const char *const *)environment, &error);
	g_assert_no_error(error);
	fixture->webs = g_ptr_array_new_with_free_func(web_free);
	fixture->router = router_balancer_new(fixture->rack, fixture->provider->store, &error);
	g_assert_no_error(error);
	fixture->router->ops->restore(fixture->router, &error);
	g_assert_no_error(error);
}

void
fixture_tear_down(Fixture *fixture, gconstpointer data)
{
	fixture->router->ops->free(fixture->router);
	g_ptr_array_unref(fixture->webs);
	aws_rack_free(fixture->rack);
	provider_free(fixture->provider);
	fake_world_free(fixture->world);
}

void
fixture_restart(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	fixture->router->ops->free(fixture->router);
	fixture->router = router_balancer_new(fixture->rack, fixture->provider->store, &error);
	g_assert_no_error(error);
	fixture->router->ops->restore(fixture->router, &error);
	g_assert_no_error(error);
}

RouterBackend
fixture_wish(const char *app, const char *const *hosts)
{
	RouterBackend wish = {.app = app,
	    .service = "web",
	    .hosts = hosts,
	    .scheme = "http",
	    .health_path = "/",
	    .health_interval = 5,
	    .health_timeout = 3,
	    .drain = 1,
	    .slots = 2};
	return wish;
}

void
fixture_ensure(Fixture *fixture, const char *app, const char *first, ...)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) hosts = g_ptr_array_new();
	va_list others;
	va_start(others, first);
	for (const char *host = first; host; host = va_arg(others, const char *))
		g_ptr_array_add(hosts, (char *)host);
	va_end(others);
	g_ptr_array_add(hosts, NULL);
	RouterBackend wish = fixture_wish(app, (const char *const *)hosts->pdata);
	fixture->router->ops->ensure(fixture->router, &wish, &error);
	g_assert_no_error(error);
}

Web *
fixture_serve(Fixture *fixture, const char *name)
{
	Web *web = g_new0(Web, 1);
	web->name = g_strdup(name);
	web->status = 200;
	web->server = small_server_tcp(handle, web);
	web->port = small_server_port(web->server);
	g_ptr_array_add(fixture->webs, web);
	return web;
}

char *
fixture_group(Fixture *fixture, const char *app, const char *release)
{
	g_autoptr(GError) error = NULL;
	char *group = aws_router_group(fixture->router, app, "web", release, &error);
	g_assert_no_error(error);
	g_assert_nonnull(group);
	return group;
}

static json_t *
target_input(Fixture *fixture, const char *group, const Web *web)
{
	return json_pack("{s:s, s:[{s:s, s:i}]}", "TargetGroupArn", group, "Targets", "Id",
	    fixture->rack->is_fargate ? "127.0.0.1" : "localhost", "Port", (int)web->port);
}

void
fixture_register(Fixture *fixture, const char *group, const Web *web)
{
	json_decref(
	    fixture_call(fixture, "RegisterTargets", target_input(fixture, group, web), "None"));
}

void
fixture_deregister(Fixture *fixture, const char *group, const Web *web)
{
	json_decref(
	    fixture_call(fixture, "DeregisterTargets", target_input(fixture, group, web), "None"));
}

void
fixture_add(Fixture *fixture, const char *app, const Web *web)
{
	g_autoptr(GError) error = NULL;
	fixture->router->ops->add(
	    fixture->router, app, "web", web->name, "127.0.0.1", web->port, &error);
	g_assert_no_error(error);
}

char *
fixture_release(Fixture *fixture, const char *app, const char *release, Web *web)
{
	char *group = fixture_group(fixture, app, release);
	fixture_register(fixture, group, web);
	fixture_add(fixture, app, web);
	return group;
}

static int
get(const AwsRack *rack, const char *host, const char *path, char **body)
{
	g_autoptr(GError) error = NULL;
	HttpOptions options = {.base_url = rack->balancer_url};
	g_autoptr(HttpClient) client = http_client_new(&options);
	g_autofree char *header = g_strdup_printf("Host: %s:443", host);
	const char *const headers[] = {header, NULL};
	HttpRequest request = {.path = path, .headers = headers, .timeout_ms = TIMEOUT_MS};
	g_autoptr(HttpAnswer) answer = http_call(client, &request, NULL, &error);
	if (!answer)
		g_test_message("%s: %s", host, error->message);
	if (answer && body)
		*body = g_strdup(answer->body);
	return answer ? (int)answer->status : -1;
}

int
fixture_get(Fixture *fixture, const char *host, char **body)
{
	return get(fixture->rack, host, "/", body);
}

void
fixture_assert(Fixture *fixture, const char *host, int status, const char *word)
{
	g_autofree char *body = NULL;
	int got = fixture_get(fixture, host, &body);
	g_test_message("%s: %d %s", host, got, body);
	g_assert_cmpint(got, ==, status);
	g_assert_nonnull(strstr(body, word));
}

json_t *
fixture_call(Fixture *fixture, const char *operation, json_t *input, const char *items)
{
	g_autoptr(GError) error = NULL;
	json_auto_t *owned = input;
	json_auto_t *answer = aws_query(
	    fixture->rack->client, &aws_services[AWS_ELBV2], operation, owned, NULL, &error);
	g_assert_no_error(error);
	return aws_items(answer, items);
}

unsigned
fixture_calls(Fixture *fixture, const char *action)
{
	json_auto_t *list = fixture_call(fixture, "CarrackCalls", NULL, "Calls");
	size_t index;
	json_t *entry;
	gint64 sum = 0;
	json_array_foreach(list, index, entry)
	{
		gint64 count = 0;
		text_parse_int(
		    json_text_of(entry, "Count", ""), "count", 0, G_MAXINT, &count, NULL);
		if (!action || g_str_equal(json_text_of(entry, "Action", ""), action))
			sum += count;
	}
	return (unsigned)sum;
}

static int
compare_priorities(gconstpointer one, gconstpointer other)
{
	const json_t *first = *(json_t *const *)one;
	const json_t *second = *(json_t *const *)other;
	return (int)g_ascii_strtoll(json_text_of(first, "Priority", ""), NULL, 10) -
	       (int)g_ascii_strtoll(json_text_of(second, "Priority", ""), NULL, 10);
}

json_t *
fixture_rules(Fixture *fixture)
{
	json_auto_t *all = fixture_call(fixture, "DescribeRules",
	    json_pack("{s:s}", "ListenerArn", fixture->rack->listener), "Rules");
	g_autoptr(GPtrArray) rules = g_ptr_array_new();
	size_t index;
	json_t *rule;
	json_array_foreach(all, index, rule)
	{
		if (!g_str_equal(json_text_of(rule, "Priority", ""), "default"))
			g_ptr_array_add(rules, rule);
	}
	g_ptr_array_sort(rules, compare_priorities);
	json_t *sorted = json_array();
	for (guint i = 0; i < rules->len; i++)
		json_array_append(sorted, rules->pdata[i]);
	return sorted;
}

int
fixture_weight(Fixture *fixture, const char *group)
{
	json_auto_t *rules = fixture_rules(fixture);
	size_t index;
	json_t *rule;
	json_array_foreach(rules, index, rule)
	{
		json_auto_t *actions = aws_items(rule, "Actions");
		json_auto_t *groups =
		    aws_items(json_array_get(actions, 0), "ForwardConfig.TargetGroups");
		for (size_t i = 0; i < json_array_size(groups); i++) {
			const json_t *entry = json_array_get(groups, i);
			if (g_str_equal(json_text_of(entry, "TargetGroupArn", ""), group))
				return (int)g_ascii_strtoll(
				    json_text_of(entry, "Weight", "-1"), NULL, 10);
		}
	}
	return -1;
}

void
fixture_drain(Fixture *fixture, const char *app, const char *process)
{
	g_autoptr(GError) error = NULL;
	fixture->router->ops->drain(fixture->router, app, "web", process, &error);
	g_assert_no_error(error);
}

bool
fixture_wait_drained(Fixture *fixture, const char *app, const char *process, unsigned seconds)
{
	g_autoptr(GError) error = NULL;
	bool is_drained = false;
	fixture->router->ops->wait_drained(
	    fixture->router, app, "web", process, seconds, &is_drained, NULL, &error);
	g_assert_no_error(error);
	return is_drained;
}

void
fixture_remove(Fixture *fixture, const char *app, const char *process)
{
	g_autoptr(GError) error = NULL;
	fixture->router->ops->remove(fixture->router, app, "web", process, &error);
	g_assert_no_error(error);
}

GPtrArray *
fixture_servers(Fixture *fixture, const char *app)
{
	g_autoptr(GError) error = NULL;
	GPtrArray *list = fixture->router->ops->servers(fixture->router, app, "web", &error);
	g_assert_no_error(error);
	return list;
}

const char *
fixture_state(Fixture *fixture, const char *group, const Web *web)
{
	json_auto_t *list = fixture_call(fixture, "DescribeTargetHealth",
	    json_pack("{s:s}", "TargetGroupArn", group), "TargetHealthDescriptions");
	size_t index;
	json_t *entry;
	json_array_foreach(list, index, entry)
	{
		const char *port = json_text_of(json_object_get(entry, "Target"), "Port", "");
		if (g_ascii_strtoull(port, NULL, 10) == web->port)
			return g_intern_string(
			    json_text_of(json_object_get(entry, "TargetHealth"), "State", ""));
	}
	return "none";
}

void
fixture_wait_state(Fixture *fixture, const char *group, const Web *web, const char *wish)
{
	gint64 until = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
	while (!g_str_equal(fixture_state(fixture, group, web), wish)) {
		g_assert_cmpint(g_get_monotonic_time(), <, until);
		g_usleep(50000);
	}
}

struct Traffic {
	const AwsRack *rack;
	char *host;
	char *path;
	GThread *thread;
	gint is_over;
	unsigned lost;
	unsigned total;
};

static gpointer
run_traffic(gpointer data)
{
	Traffic *traffic = data;
	while (!g_atomic_int_get(&traffic->is_over)) {
		g_autofree char *body = NULL;
		int status = get(traffic->rack, traffic->host, traffic->path, &body);
		traffic->total++;
		traffic->lost += status != 200;
		if (status != 200)
			g_test_message("lost: %d %s", status, body);
	}
	return NULL;
}

Traffic *
traffic_start(Fixture *fixture, const char *host, const char *path)
{
	Traffic *traffic = g_new0(Traffic, 1);
	traffic->rack = fixture->rack;
	traffic->host = g_strdup(host);
	traffic->path = g_strdup(path);
	traffic->thread = g_thread_new("traffic", run_traffic, traffic);
	return traffic;
}

unsigned
traffic_stop(Traffic *traffic, unsigned *total)
{
	g_atomic_int_set(&traffic->is_over, 1);
	g_thread_join(traffic->thread);
	unsigned lost = traffic->lost;
	*total = traffic->total;
	g_free(traffic->host);
	g_free(traffic->path);
	g_free(traffic);
	return lost;
}
