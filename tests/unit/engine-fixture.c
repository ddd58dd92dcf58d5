/*
 * See the header. A node that is in no swarm is made one on its first address that is not loopback,
 * and left so.
 */
#include "engine-fixture.h"

#include "base/lock.h"
#include "folders.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>

#define SOCKET "/var/run/docker.sock"
#define LOOK_US 50000

static char *
first_address(void)
{
	struct ifaddrs *all = NULL;
	char *found = NULL;

	g_assert_cmpint(getifaddrs(&all), ==, 0);
	for (struct ifaddrs *each = all; each && !found; each = each->ifa_next) {
		if (!each->ifa_addr || each->ifa_addr->sa_family != AF_INET)
			continue;
		g_autoptr(GSocketAddress) address =
		    g_socket_address_new_from_native(each->ifa_addr, sizeof(struct sockaddr_in));
		GInetAddress *inet =
		    g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(address));
		if (!g_inet_address_get_is_loopback(inet))
			found = g_inet_address_to_string(inet);
	}
	freeifaddrs(all);
	g_assert_nonnull(found);
	return found;
}

static void
ensure_swarm(Docker *docker)
{
	json_auto_t *swarm = docker_call(docker, "GET", NULL, NULL, "/swarm");
	if (swarm)
		return;

	g_autoptr(GError) error = NULL;
	g_autofree char *address = first_address();
	json_auto_t *body =
	    json_pack("{s:s, s:s}", "ListenAddr", "0.0.0.0:2377", "AdvertiseAddr", address);
	json_auto_t *made = docker_call(docker, "POST", body, &error, "/swarm/init");
	g_assert_no_error(error);
}

static void
note_event(gpointer data, const EngineEvent *event)
{
	static const char *const kinds[] = {"start", "die", "oom", "reconnected"};
	Fixture *fixture = data;
	LOCKED(&fixture->lock);

	g_ptr_array_add(
	    fixture->events, g_strdup_printf("%s %s %s %s %d", kinds[event->kind], event->app,
				 event->service, event->process, event->exit_code));
}

static void
open_engine(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	SwarmOptions options = {.rack = FIXTURE_RACK, .host_proc = "/proc"};

	fixture->engine = engine_swarm_new(fixture->docker, fixture->logs, &options, &error);
	g_assert_no_error(error);
	fixture->engine->ops->watch(fixture->engine, note_event, fixture);
}

void
fixture_open(Fixture *fixture, gconstpointer app)
{
	g_autoptr(GError) error = NULL;
	fixture->app = app;
	fixture->folder = g_dir_make_tmp("carrack-engine-XXXXXX", &error);
	g_assert_no_error(error);
	fixture->docker = docker_new(SOCKET, &error);
	g_assert_no_error(error);
	ensure_swarm(fixture->docker);

	json_auto_t *image =
	    docker_call(fixture->docker, "GET", NULL, &error, "/images/debian:bookworm-slim/json");
	g_assert_no_error(error);
	fixture->image = g_strdup(json_text_of(image, "Id", ""));
	fixture->logs = logs_sqlite_new(fixture->folder, 7, 1LL << 30, &error);
	g_assert_no_error(error);
	pthread_mutex_init(&fixture->lock, NULL);
	fixture->events = g_ptr_array_new_with_free_func(g_free);
	open_engine(fixture);
}

void
fixture_close(Fixture *fixture, gconstpointer app)
{
	g_autoptr(GError) error = NULL;
	g_assert_true(fixture->engine->ops->remove_app(fixture->engine, fixture->app, &error));
	g_assert_no_error(error);

	fixture->engine->ops->free(fixture->engine);
	fixture->logs->ops->free(fixture->logs);
	docker_free(fixture->docker);
	g_ptr_array_unref(fixture->events);
	pthread_mutex_destroy(&fixture->lock);
	folder_remove(fixture->folder);
	g_free(fixture->folder);
	g_free(fixture->image);
}

void
fixture_restart_engine(Fixture *fixture)
{
	fixture->engine->ops->free(fixture->engine);
	open_engine(fixture);
}

gint64
fixture_deadline(unsigned seconds)
{
	return g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
}

bool
fixture_again(gint64 deadline)
{
	g_usleep(LOOK_US);
	return g_get_monotonic_time() < deadline;
}

EngineSpec
fixture_spec(Fixture *fixture, const Env *env, const char *const *command)
{
	return (EngineSpec){.app = fixture->app,
	    .service = "web",
	    .release = FIXTURE_RELEASE,
	    .image = fixture->image,
	    .command = command,
	    .env = env,
	    .count = 1,
	    .memory_limit = 256,
	    .port = 3000,
	    .termination = 2,
	    .has_init = true};
}

char *
fixture_create(Fixture *fixture, const EngineSpec *spec)
{
	g_autoptr(GError) error = NULL;

	char *deployment = fixture->engine->ops->create(fixture->engine, spec, &error);
	g_assert_no_error(error);
	g_assert_nonnull(deployment);
	return deployment;
}

static GPtrArray *
processes(Fixture *fixture, const char *deployment)
{
	g_autoptr(GError) error = NULL;

	GPtrArray *list = fixture->engine->ops->processes(fixture->engine, deployment, &error);
	g_assert_no_error(error);
	return list;
}

Process *
fixture_wait(Fixture *fixture, const char *deployment, ProcessState state)
{
	gint64 deadline = fixture_deadline(30);

	do {
		g_autoptr(GPtrArray) list = processes(fixture, deployment);
		for (guint i = 0; i < list->len; i++) {
			const Process *process = list->pdata[i];
			if (process->state == state)
				return g_ptr_array_steal_index(list, i);
		}
	} while (fixture_again(deadline));
	g_test_message("no process became %s", process_state_name(state));
	g_assert_not_reached();
}

void
fixture_wait_running(Fixture *fixture, const char *deployment, unsigned count)
{
	gint64 deadline = fixture_deadline(30);
	unsigned running;

	do {
		g_autoptr(GPtrArray) list = processes(fixture, deployment);
		running = 0;
		for (guint i = 0; i < list->len; i++)
			running += ((const Process *)list->pdata[i])->state == PROCESS_RUNNING;
	} while (running != count && fixture_again(deadline));
	g_assert_cmpuint(running, ==, count);
}

static char *
find_event(Fixture *fixture, const char *prefix)
{
	LOCKED(&fixture->lock);

	for (guint i = 0; i < fixture->events->len; i++) {
		if (g_str_has_prefix(fixture->events->pdata[i], prefix))
			return g_strdup(fixture->events->pdata[i]);
	}
	return NULL;
}

char *
fixture_wait_event(Fixture *fixture, const char *prefix)
{
	gint64 deadline = fixture_deadline(30);
	char *event;

	while (!(event = find_event(fixture, prefix)) && fixture_again(deadline))
		;
	g_assert_nonnull(event);
	return event;
}

HttpAnswer *
fixture_get(Fixture *fixture, const Process *process)
{
	g_autofree char *url = g_strdup_printf("http://%s:%u", process->address, process->port);
	g_autoptr(HttpClient) client = http_client_new(&(HttpOptions){.base_url = url});
	HttpRequest request = {.path = "/", .timeout_ms = 5000};
	gint64 deadline = fixture_deadline(20);
	HttpAnswer *answer;

	while (!(answer = http_call(client, &request, NULL, NULL)) && fixture_again(deadline))
		;
	g_assert_nonnull(answer);
	return answer;
}

static bool
keep_text(gpointer data, const LogLine *line, GError **error)
{
	g_ptr_array_add(data, g_bytes_new(line->text, line->length));
	return true;
}

GPtrArray *
fixture_lines(Fixture *fixture, const char *kind)
{
	g_autoptr(GError) error = NULL;
	LogQuery query = {.kind = kind};
	GPtrArray *lines = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);

	fixture->logs->ops->query(
	    fixture->logs, fixture->app, &query, keep_text, lines, NULL, &error);
	g_assert_no_error(error);
	return lines;
}

GPtrArray *
fixture_wait_lines(Fixture *fixture, const char *kind, unsigned count)
{
	gint64 deadline = fixture_deadline(60);
	GPtrArray *lines = fixture_lines(fixture, kind);

	while (lines->len < count && fixture_again(deadline)) {
		g_ptr_array_unref(lines);
		lines = fixture_lines(fixture, kind);
	}
	g_assert_cmpuint(lines->len, >=, count);
	return lines;
}
