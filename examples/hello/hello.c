/*
 * A small web app that behaves well on a rack: it listens on $PORT, answers its health check, keeps
 * connections open, and after SIGTERM ends what is in flight before it exits.
 *
 *   GET /        a greeting, from GREETING, VERSION and RELEASE
 *   GET /health  ok
 *   GET /slow    the greeting after two seconds
 */
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DRAIN_SECONDS 25

static atomic_bool ending;
static atomic_int connections;
static int wake[2];

static void
on_signal(int number)
{
	(void)number;
	atomic_store(&ending, true);
	/* Never read: from now on every poll on it returns at once. */
	(void)!write(wake[1], "x", 1);
}

static const char *
variable(const char *name, const char *fallback)
{
	const char *value = getenv(name);
	return value && *value ? value : fallback;
}

static int
greeting(char *text, size_t size)
{
	char host[64] = "?";
	gethostname(host, sizeof(host) - 1);
	return snprintf(text, size, "%s from version %s, release %s, process %s\n",
	    variable("GREETING", "hello"), variable("VERSION", "?"), variable("RELEASE", "?"),
	    host);
}

/* Waits for the end of a request's head. False when the client or we have had enough. */
static int
read_request(int fd, char *head, size_t size)
{
	size_t length = 0;
	while (length < size - 1) {
		struct pollfd wanted[] = {{fd, POLLIN, 0}, {wake[0], POLLIN, 0}};
		if (poll(wanted, 2, 60000) <= 0)
			return 0;
		if (!(wanted[0].revents & POLLIN) && (length == 0 || wanted[0].revents))
			return 0;

		ssize_t count = read(fd, head + length, size - 1 - length);
		if (count <= 0)
			return 0;
		length += (size_t)count;
		head[length] = '\0';
		if (strstr(head, "\r\n\r\n"))
			return 1;
	}
	return 0;
}

static int
answer(int fd, const char *head)
{
	char body[1024] = "ok\n", text[2048];
	int is_health = strncmp(head, "GET /health", 11) == 0;
	int is_slow = strncmp(head, "GET /slow", 9) == 0;
	int body_length = is_health ? 3 : greeting(body, sizeof(body));
	if (is_slow)
		sleep(2);

	int is_last = atomic_load(&ending);
	int length = snprintf(text, sizeof(text),
	    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n%s\r\n%s",
	    body_length, is_last ? "Connection: close\r\n" : "", body);
	if (!is_health)
		printf("%.*s\n", (int)strcspn(head, "\r"), head);
	return write(fd, text, (size_t)length) == length && !is_last;
}

static void *
serve(void *data)
{
	int fd = (int)(long)data;
	char head[16384];
	while (read_request(fd, head, sizeof(head)) && answer(fd, head))
		;
	close(fd);
	atomic_fetch_sub(&connections, 1);
	return NULL;
}

static int
listen_on(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 512) != 0) {
		perror("listen");
		exit(1);
	}
	return fd;
}

int
main(void)
{
	int port = (int)strtol(variable("PORT", "3000"), NULL, 10);
	struct sigaction action = {.sa_handler = on_signal};
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (pipe(wake) != 0)
		return 1;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);

	int listener = listen_on(port);
	printf("listening on %d\n", port);
	while (!atomic_load(&ending)) {
		pthread_t thread;
		struct pollfd wanted[] = {{listener, POLLIN, 0}, {wake[0], POLLIN, 0}};
		int fd = poll(wanted, 2, -1) > 0 && (wanted[0].revents & POLLIN)
			     ? accept(listener, NULL, NULL)
			     : -1;
		if (fd < 0)
			continue;
		atomic_fetch_add(&connections, 1);
		if (pthread_create(&thread, NULL, serve, (void *)(long)fd) != 0) {
			close(fd);
			atomic_fetch_sub(&connections, 1);
			continue;
		}
		pthread_detach(thread);
	}

	close(listener);
	printf("draining %d connections\n", atomic_load(&connections));
	for (int i = 0; i < DRAIN_SECONDS * 100 && atomic_load(&connections) > 0; i++)
		usleep(10000);
	return 0;
}
