/*
 * See the header. The server and the clients are deliberately plain: sockets, poll, and no library
 * that could hide a lost request behind a retry.
 */
#include "router-fixture.h"
#include "folders.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_SECONDS 10
#define ANSWER_BYTES 65536

static struct sockaddr_in
loopback(unsigned port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

unsigned
fixture_free_port(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = loopback(0);
	socklen_t length = sizeof(address);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&address, length), ==, 0);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &length), ==, 0);
	close(fd);
	return ntohs(address.sin_port);
}

static int
connect_to(unsigned port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = loopback(port);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;

	close(fd);
	return -1;
}

static void
wait_for_port(unsigned port)
{
	gint64 deadline = g_get_monotonic_time() + WAIT_SECONDS * G_USEC_PER_SEC;
	int fd = -1;

	while ((fd = connect_to(port)) < 0) {
		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
		g_poll(NULL, 0, 5);
	}
	close(fd);
}

/* A test that aborts leaves nobody behind. */
static void
end_with_parent(gpointer data)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
}

void
fixture_start_haproxy(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) command = router_command(&fixture->options);
	bool is_loud = g_getenv("HAPROXY_OUTPUT") != NULL;
	g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(
	    is_loud ? G_SUBPROCESS_FLAGS_NONE
		    : G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
	g_subprocess_launcher_set_child_setup(launcher, end_with_parent, NULL, NULL);
	fixture->haproxy =
	    g_subprocess_launcher_spawnv(launcher, (const char *const *)command, &error);
	g_assert_no_error(error);
	wait_for_port(fixture->options.http_port);
	/* All sockets are bound before the first answer is given. */
	g_autofree char *answer = client_get(fixture, "nobody.test", "/");
	g_assert_nonnull(answer);
}

void
fixture_stop_haproxy(Fixture *fixture)
{
	/* SIGTERM: the master takes its workers with it. */
	g_subprocess_send_signal(fixture->haproxy, SIGTERM);
	g_subprocess_wait(fixture->haproxy, NULL, NULL);
	g_clear_object(&fixture->haproxy);
}

void
fixture_set_up(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	fixture->folder = g_dir_make_tmp("carrack-router-XXXXXX", &error);
	g_assert_no_error(error);
	fixture->options = (SwarmOptions){.domain = "rack.test",
	    .run_folder = fixture->folder,
	    .router_folder = g_build_filename(fixture->folder, "router", NULL),
	    .http_port = fixture_free_port(),
	    .https_port = fixture_free_port(),
	    .api_port = fixture_free_port()};
	fixture->servers = g_ptr_array_new_with_free_func(g_object_unref);

	router_boot(&fixture->options, &error);
	g_assert_no_error(error);
	fixture_start_haproxy(fixture);
	fixture->router = router_haproxy_new(&fixture->options, &error);
	g_assert_no_error(error);
	fixture->router->ops->restore(fixture->router, &error);
	g_assert_no_error(error);
}

void
fixture_tear_down(Fixture *fixture, gconstpointer data)
{
	fixture->router->ops->free(fixture->router);
	fixture_stop_haproxy(fixture);
	for (unsigned i = 0; i < fixture->servers->len; i++) {
		g_subprocess_force_exit(fixture->servers->pdata[i]);
		g_subprocess_wait(fixture->servers->pdata[i], NULL, NULL);
	}
	g_ptr_array_unref(fixture->servers);
	folder_remove(fixture->folder);
	g_free((char *)fixture->options.router_folder);
	g_free(fixture->folder);
}

unsigned
fixture_serve(Fixture *fixture, const char *name)
{
	g_autoptr(GError) error = NULL;
	unsigned port = fixture_free_port();
	g_autofree char *text = g_strdup_printf("%u", port);
	GSubprocess *server = g_subprocess_new(
	    G_SUBPROCESS_FLAGS_NONE, &error, "/proc/self/exe", "--serve", text, name, NULL);
	g_assert_no_error(error);

	g_ptr_array_add(fixture->servers, server);
	wait_for_port(port);
	return port;
}

bool
fixture_ensure(Fixture *fixture, const char *app, const char *service, GError **error, ...)
{
	g_autoptr(GPtrArray) hosts = g_ptr_array_new();
	va_list arguments;
	va_start(arguments, error);
	const char *host = NULL;
	while ((host = va_arg(arguments, const char *)))
		g_ptr_array_add(hosts, (gpointer)host);
	va_end(arguments);
	g_ptr_array_add(hosts, NULL);

	RouterBackend wish = {.app = app,
	    .service = service,
	    .hosts = (const char *const *)hosts->pdata,
	    .scheme = "http",
	    .health_path = "/health",
	    .health_host = "app.rack.test",
	    .health_interval = 1,
	    .health_timeout = 1,
	    .slots = 4};
	return fixture->router->ops->ensure(fixture->router, &wish, error);
}

/* The server */

typedef struct {
	int fd;
	const char *name;
} Visitor;

static bool
write_all(int fd, const char *text)
{
	gsize length = strlen(text);

	while (length > 0) {
		gssize count = send(fd, text, length, MSG_NOSIGNAL);
		if (count <= 0)
			return false;
		text += count;
		length -= count;
	}
	return true;
}

static bool
answer_request(const Visitor *visitor, const char *head)
{
	unsigned delay = 0;
	const char *slow = strstr(head, " /slow/");
	if (slow)
		delay = strtoul(slow + strlen(" /slow/"), NULL, 10);
	poll(NULL, 0, delay);

	const char *body = strstr(head, " /headers ") ? head : visitor->name;
	g_autofree char *answer =
	    g_strdup_printf("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
	return write_all(visitor->fd, answer);
}

static void *
serve_visitor(void *data)
{
	Visitor *visitor = data;
	char head[ANSWER_BYTES];
	gsize length = 0;

	for (;;) {
		gssize count = recv(visitor->fd, head + length, sizeof(head) - 1 - length, 0);
		if (count <= 0)
			break;
		length += count;
		head[length] = '\0';
		if (!strstr(head, "\r\n\r\n"))
			continue;
		if (!answer_request(visitor, head))
			break;
		length = 0;
	}
	close(visitor->fd);
	g_free(visitor);
	return NULL;
}

int
fixture_serve_main(int argc, char **argv)
{
	g_assert_cmpint(argc, ==, 4);
	end_with_parent(NULL);
	struct sockaddr_in address = loopback(strtoul(argv[2], NULL, 10));
	int yes = 1;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	g_assert_cmpint(bind(listener, (struct sockaddr *)&address, sizeof(address)), ==, 0);
	g_assert_cmpint(listen(listener, 128), ==, 0);

	for (;;) {
		Visitor *visitor = g_new0(Visitor, 1);
		pthread_t thread;
		visitor->fd = accept(listener, NULL, NULL);
		visitor->name = argv[3];
		g_assert_cmpint(visitor->fd, >=, 0);
		g_assert_cmpint(pthread_create(&thread, NULL, serve_visitor, visitor), ==, 0);
		pthread_detach(thread);
	}
}

/* The clients */

int
client_connect(const Fixture *fixture)
{
	int fd = connect_to(fixture->options.http_port);

	g_assert_cmpint(fd, >=, 0);
	return fd;
}

static gsize
answer_length(const char *answer)
{
	const char *end = strstr(answer, "\r\n\r\n");
	if (!end)
		return G_MAXSIZE;
	g_autofree char *lower = g_ascii_strdown(answer, end - answer + 2);
	const char *length = strstr(lower, "\r\ncontent-length:");

	return (end + 4 - answer) +
	       (length ? strtoul(length + strlen("\r\ncontent-length:"), NULL, 10) : G_MAXINT);
}

char *
client_send(int fd, const char *text)
{
	char *answer = g_malloc0(ANSWER_BYTES);
	gsize length = 0;

	if (!write_all(fd, text))
		return g_free(answer), NULL;
	while (length < ANSWER_BYTES - 1 && length < answer_length(answer)) {
		gssize count = recv(fd, answer + length, ANSWER_BYTES - 1 - length, 0);
		if (count <= 0)
			break;
		length += count;
	}
	if (length == 0)
		g_clear_pointer(&answer, g_free);
	return answer;
}

char *
client_get(const Fixture *fixture, const char *host, const char *path)
{
	int fd = client_connect(fixture);
	g_autofree char *text =
	    g_strdup_printf("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host);
	char *answer = client_send(fd, text);

	close(fd);
	return answer;
}

unsigned
answer_status(const char *answer)
{
	if (!answer || !g_str_has_prefix(answer, "HTTP/1.1 "))
		return 0;
	return strtoul(answer + strlen("HTTP/1.1 "), NULL, 10);
}

struct Traffic {
	const Fixture *fixture;
	char *request;
	pthread_t thread;
	atomic_bool is_over;
	unsigned total;
	unsigned lost;
};

static void *
run_traffic(void *data)
{
	Traffic *traffic = data;
	int fd = -1;

	while (!atomic_load(&traffic->is_over)) {
		if (fd < 0)
			fd = client_connect(traffic->fixture);
		g_autofree char *answer = client_send(fd, traffic->request);
		traffic->total++;
		if (answer_status(answer) != 200) {
			traffic->lost++;
			g_test_message("lost: %s", answer ? answer : "(closed)");
		}
		g_autofree char *lower = g_ascii_strdown(answer ? answer : "", -1);
		if (!answer || strstr(lower, "connection: close")) {
			close(fd);
			fd = -1;
		}
		poll(NULL, 0, 2);
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

Traffic *
traffic_start(const Fixture *fixture, const char *host, bool keep_alive)
{
	Traffic *traffic = g_new0(Traffic, 1);
	traffic->fixture = fixture;
	traffic->request = g_strdup_printf("GET / HTTP/1.1\r\nHost: %s\r\n%s\r\n", host,
	    keep_alive ? "" : "Connection: close\r\n");
	g_assert_cmpint(pthread_create(&traffic->thread, NULL, run_traffic, traffic), ==, 0);
	return traffic;
}

unsigned
traffic_stop(Traffic *traffic, unsigned *total)
{
	atomic_store(&traffic->is_over, true);
	pthread_join(traffic->thread, NULL);
	unsigned lost = traffic->lost;
	*total = traffic->total;
	g_free(traffic->request);
	g_free(traffic);
	return lost;
}
