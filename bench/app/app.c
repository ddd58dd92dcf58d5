/*
 * The app that the benchmarks deploy: small enough to cost nothing, and able to behave badly.
 * Linked statically by bench/deploy, so that its image holds this one file.
 *
 *   GET /, POST /    «bench version=V process=HOST bytes=N», N being the body's length
 *   ANY /slow?MS     the same after MS milliseconds
 *   GET /health      ok
 *
 * BENCH_VERSION   what it says of itself
 * BENCH_EXIT      at-once: ends on SIGTERM without a word; else what is in flight is finished
 * BENCH_BOOT      fail: exits with 7 at boot
 * BENCH_START_MS  listens only after that time
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_BYTES 16384
#define DRAIN_SECONDS 25
#define STACK_BYTES (128 * 1024)

/* Signals and threads meet here; wake is never read, so every poll on it returns at once. */
typedef struct {
	atomic_bool is_ending;
	atomic_int connections;
	int wake[2];
	const char *version;
	char process[64];
} App;

typedef struct {
	App *app;
	int fd;
	char head[HEAD_BYTES];
	size_t length;
} Connection;

static const char *
variable(const char *name, const char *fallback)
{
	const char *value = getenv(name);
	return value && *value ? value : fallback;
}

static ssize_t
read_more(Connection *connection, char *place, size_t room)
{
	App *app = connection->app;
	struct pollfd wanted[] = {{connection->fd, POLLIN, 0}, {app->wake[0], POLLIN, 0}};
	bool is_between = connection->length == 0;

	if (poll(wanted, is_between ? 2 : 1, 120000) <= 0 || !wanted[0].revents)
		return 0;
	return read(connection->fd, place, room);
}

/* The end of a request's head, or NULL when the client or we have had enough. */
static char *
read_head(Connection *connection)
{
	for (;;) {
		connection->head[connection->length] = '\0';
		char *end = strstr(connection->head, "\r\n\r\n");
		if (end)
			return end + 4;
		if (connection->length == HEAD_BYTES - 1)
			return NULL;

		ssize_t count = read_more(connection, connection->head + connection->length,
		    HEAD_BYTES - 1 - connection->length);
		if (count <= 0)
			return NULL;
		connection->length += (size_t)count;
	}
}

static size_t
body_length(const char *head)
{
	const char *line = strcasestr(head, "\r\ncontent-length:");

	return line ? strtoul(line + strlen("\r\ncontent-length:"), NULL, 10) : 0;
}

/* Reads and forgets the body; what has come of the next request stays. */
static bool
skip_body(Connection *connection, const char *end, size_t wanted)
{
	size_t have = connection->length - (size_t)(end - connection->head);
	size_t known = have < wanted ? have : wanted;
	char buffer[HEAD_BYTES];

	for (size_t left = wanted - known; left > 0;) {
		ssize_t count =
		    read_more(connection, buffer, left < sizeof(buffer) ? left : sizeof(buffer));
		if (count <= 0)
			return false;
		left -= (size_t)count;
	}
	memmove(connection->head, end + known, have - known);
	connection->length = have - known;
	return true;
}

static bool
answer(const Connection *connection, bool is_health, size_t bytes)
{
	App *app = connection->app;
	char body[256] = "ok\n", text[512];
	if (!is_health)
		snprintf(body, sizeof(body), "bench version=%s process=%s bytes=%zu\n",
		    app->version, app->process, bytes);

	bool is_last = atomic_load(&app->is_ending);
	int length = snprintf(text, sizeof(text),
	    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s\r\n%s",
	    strlen(body), is_last ? "Connection: close\r\n" : "", body);
	return send(connection->fd, text, (size_t)length, MSG_NOSIGNAL) == length && !is_last;
}

static bool
serve_one(Connection *connection)
{
	char *end = read_head(connection);
	if (!end)
		return false;

	size_t bytes = body_length(connection->head);
	bool is_health = strncmp(connection->head, "GET /health", 11) == 0;
	const char *path = connection->head + strcspn(connection->head, " ");
	long pause = strncmp(path, " /slow?", 7) == 0 ? strtol(path + 7, NULL, 10) : 0;
	if (!skip_body(connection, end, bytes))
		return false;
	if (pause > 0 && pause <= 60000)
		usleep((useconds_t)pause * 1000);
	return answer(connection, is_health, bytes);
}

static void *
serve(void *data)
{
	Connection *connection = data;
	while (serve_one(connection))
		;
	close(connection->fd);
	atomic_fetch_sub(&connection->app->connections, 1);
	free(connection);
	return NULL;
}

static void
start_thread(App *app, int fd, const pthread_attr_t *attributes)
{
	Connection *connection = calloc(1, sizeof(*connection));
	pthread_t thread;
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	atomic_fetch_add(&app->connections, 1);
	if (connection) {
		connection->app = app;
		connection->fd = fd;
		if (pthread_create(&thread, attributes, serve, connection) == 0)
			return;
	}
	free(connection);
	close(fd);
	atomic_fetch_sub(&app->connections, 1);
}

static int
listen_on(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 1024) != 0) {
		perror("listen");
		exit(1);
	}
	return fd;
}

static void
accept_until_end(App *app, int listener)
{
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);

	while (!atomic_load(&app->is_ending)) {
		struct pollfd wanted[] = {{listener, POLLIN, 0}, {app->wake[0], POLLIN, 0}};
		int fd = poll(wanted, 2, -1) > 0 && (wanted[0].revents & POLLIN)
			     ? accept(listener, NULL, NULL)
			     : -1;
		if (fd >= 0)
			start_thread(app, fd, &attributes);
	}
}

/* SIGTERM is waited for in a thread of its own, so that no handler is needed. */
static void *
wait_for_signal(void *data)
{
	App *app = data;
	sigset_t set;
	int number;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigwait(&set, &number);
	if (strcmp(variable("BENCH_EXIT", ""), "at-once") == 0)
		_exit(143);
	atomic_store(&app->is_ending, true);
	(void)!write(app->wake[1], "x", 1);
	return NULL;
}

static void
watch_signals(App *app)
{
	sigset_t set;
	pthread_t thread;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (pipe(app->wake) != 0 || pthread_create(&thread, NULL, wait_for_signal, app) != 0)
		exit(1);
}

int
main(void)
{
	App app = {.version = variable("BENCH_VERSION", "0")};

	gethostname(app.process, sizeof(app.process) - 1);
	watch_signals(&app);
	if (strcmp(variable("BENCH_BOOT", ""), "fail") == 0) {
		dprintf(2, "cannot start: BENCH_BOOT says so\n");
		return 7;
	}
	usleep((useconds_t)strtoul(variable("BENCH_START_MS", "0"), NULL, 10) * 1000);

	int listener = listen_on((int)strtol(variable("PORT", "3000"), NULL, 10));
	accept_until_end(&app, listener);
	close(listener);
	for (int i = 0; i < DRAIN_SECONDS * 100 && atomic_load(&app.connections) > 0; i++)
		usleep(10000);
	return 0;
}
