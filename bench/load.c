/*
 * A load generator that accounts for every request. Sockets without blocking, one thread, no
 * retries: each request that was begun ends as exactly one of «ok» or a kind of loss, and the
 * summary says so. Requests are due at a fixed rate whatever the answers do, and a latency counts
 * from the moment a request was due, so that a stall is not hidden by the requests it holds back.
 *
 * It speaks to 127.0.0.1 only, ends after --duration at the latest and waits for what is in flight
 * no longer than --timeout. Answers need a Content-Length or end with the connection.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int64_t
now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void
fail(const char *what)
{
	dprintf(2, "load: %s\n", what);
	exit(2);
}

/* Connections */

static void
become_idle(Load *load, Connection *connection)
{
	unsigned place = (load->idle_first + load->idle_count) % load->options.count;

	connection->phase = IDLE;
	load->idle[place] = (unsigned)(connection - load->connections);
	load->idle_count++;
}

static void
close_connection(Connection *connection)
{
	if (connection->fd >= 0)
		close(connection->fd);
	connection->fd = -1;
	connection->was_used = false;
}

static void
finish(Load *load, Connection *connection, Result result, bool stays_open)
{
	if (result == RESULT_OK)
		report_answer(load, now_us() - connection->due);
	else
		report_loss(load, connection, result);
	load->results[result]++;
	if (!stays_open)
		close_connection(connection);
	else
		connection->was_used = true;
	become_idle(load, connection);
}

static Result
result_of_errno(const Connection *connection)
{
	if (connection->phase == CONNECTING)
		return errno == ECONNREFUSED || errno == EADDRNOTAVAIL ? LOST_REFUSED : LOST_OTHER;
	if (errno == ECONNRESET || errno == EPIPE)
		return connection->was_used && connection->length == 0 ? LOST_KEPT_EOF : LOST_RESET;

	return LOST_OTHER;
}

static void
watch(Load *load, Connection *connection, bool writes)
{
	struct epoll_event event = {
	    .events = EPOLLIN | EPOLLRDHUP | (writes ? EPOLLOUT : 0), .data.ptr = connection};
	if (epoll_ctl(load->poll, EPOLL_CTL_MOD, connection->fd, &event) != 0)
		epoll_ctl(load->poll, EPOLL_CTL_ADD, connection->fd, &event);
}

static bool
open_connection(Load *load, Connection *connection)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)load->options.port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1;

	connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	connection->phase = CONNECTING;
	if (connection->fd < 0)
		return false;
	setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	load->opened++;
	if (connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) == 0 ||
	    errno == EINPROGRESS) {
		watch(load, connection, true);
		return true;
	}
	return false;
}

static void
send_some(Load *load, Connection *connection)
{
	while (connection->sent < load->request_length) {
		ssize_t count = send(connection->fd, load->request + connection->sent,
		    load->request_length - connection->sent, MSG_NOSIGNAL);
		if (count < 0 && errno == EAGAIN) {
			watch(load, connection, true);
			return;
		}
		if (count < 0) {
			finish(load, connection, result_of_errno(connection), false);
			return;
		}
		connection->sent += (size_t)count;
	}
	connection->phase = READING;
	watch(load, connection, false);
}

static void
begin(Load *load, int64_t due)
{
	Connection *connection = &load->connections[load->idle[load->idle_first]];

	load->idle_first = (load->idle_first + 1) % load->options.count;
	load->idle_count--;
	load->begun++;
	connection->due = due;
	connection->sent = 0;
	connection->length = 0;
	if (connection->fd >= 0) {
		connection->phase = SENDING;
		send_some(load, connection);
	} else if (!open_connection(load, connection)) {
		finish(load, connection, result_of_errno(connection), false);
	}
}

/* Answers */

/* The value of a header in the head that ends at `end`, or NULL. */
static const char *
header(const char *head, const char *end, const char *name)
{
	size_t length = strlen(name);
	const char *line = memchr(head, '\n', (size_t)(end - head));

	while (line && line < end) {
		line++;
		if (strncasecmp(line, name, length) == 0 && line[length] == ':')
			return line + length + 1 + strspn(line + length + 1, " ");
		line = memchr(line, '\n', (size_t)(end - line));
	}
	return NULL;
}

static Result
judge(Load *load, const char *answer, const char *body)
{
	long status = strtol(answer + strlen("HTTP/1.1 "), NULL, 10);
	if (status < 100 || status >= 600)
		return LOST_MALFORMED;

	load->statuses[status]++;
	if (status < 200 || status > 299)
		return LOST_STATUS;
	if (load->options.expect && !strstr(body, load->options.expect))
		return LOST_BODY;

	report_version(load, body);
	if (load->options.until && !load->until_at && strstr(body, load->options.until))
		load->until_at = now_us();
	return RESULT_OK;
}

/* What has come so far, complete or not. */
static void
look_at_answer(Load *load, Connection *connection, bool has_ended)
{
	connection->answer[connection->length] = '\0';
	const char *answer = connection->answer;
	const char *end = strstr(answer, "\r\n\r\n");
	if (!end) {
		if (has_ended)
			finish(load, connection, LOST_EOF, false);
		return;
	}
	if (strncmp(answer, "HTTP/1.1 ", 9) != 0 && strncmp(answer, "HTTP/1.0 ", 9) != 0) {
		finish(load, connection, LOST_MALFORMED, false);
		return;
	}

	const char *body = end + 4;
	const char *length_text = header(answer, end, "content-length");
	const char *link = header(answer, end, "connection");
	size_t have = connection->length - (size_t)(body - answer);
	size_t wanted = length_text ? strtoul(length_text, NULL, 10) : SIZE_MAX;
	bool is_closing = !load->options.is_kept || (link && strncasecmp(link, "close", 5) == 0);
	if (length_text ? have >= wanted : has_ended)
		finish(load, connection, judge(load, answer, body), !is_closing && !has_ended);
	else if (has_ended)
		finish(load, connection, LOST_EOF, false);
}

/* Between requests nothing may come but the end of the connection. */
static void
read_idle(Load *load, Connection *connection)
{
	char byte;
	ssize_t count = recv(connection->fd, &byte, 1, 0);
	if (count < 0 && errno == EAGAIN)
		return;

	load->closed_idle++;
	close_connection(connection);
}

static void
ended(Load *load, Connection *connection)
{
	if (connection->length > 0)
		look_at_answer(load, connection, true);
	else
		finish(load, connection, connection->was_used ? LOST_KEPT_EOF : LOST_EOF, false);
}

static void
read_some(Load *load, Connection *connection)
{
	while (connection->phase == READING || connection->phase == SENDING) {
		size_t room = ANSWER_BYTES - 1 - connection->length;
		if (room == 0) {
			finish(load, connection, LOST_MALFORMED, false);
			return;
		}
		ssize_t count =
		    recv(connection->fd, connection->answer + connection->length, room, 0);
		if (count < 0 && errno == EAGAIN)
			return;
		if (count < 0) {
			finish(load, connection, result_of_errno(connection), false);
			return;
		}
		if (count == 0) {
			ended(load, connection);
			return;
		}
		connection->length += (size_t)count;
		look_at_answer(load, connection, false);
	}
}

static void
connected(Load *load, Connection *connection)
{
	int failure = 0;
	socklen_t size = sizeof(failure);

	getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &failure, &size);
	if (failure) {
		errno = failure;
		finish(load, connection, result_of_errno(connection), false);
		return;
	}
	connection->phase = SENDING;
	send_some(load, connection);
}

static void
handle(Load *load, Connection *connection, uint32_t events)
{
	if (connection->fd < 0)
		return;
	if (connection->phase == IDLE) {
		read_idle(load, connection);
		return;
	}
	if (connection->phase == CONNECTING && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		connected(load, connection);
	else if (connection->phase == SENDING && (events & EPOLLOUT))
		send_some(load, connection);
	if (connection->phase == READING && (events & ~(uint32_t)EPOLLOUT))
		read_some(load, connection);
}

/* The run */

static void
expire(Load *load, int64_t now)
{
	int64_t limit = (int64_t)load->options.timeout_ms * 1000;

	for (unsigned i = 0; i < load->options.count; i++) {
		Connection *connection = &load->connections[i];
		if (connection->phase != IDLE && now - connection->due > limit)
			finish(load, connection, LOST_TIMEOUT, false);
	}
}

static void
turn(Load *load, int milliseconds)
{
	struct epoll_event events[BATCH];
	int count = epoll_wait(load->poll, events, BATCH, milliseconds);

	for (int i = 0; i < count; i++)
		handle(load, events[i].data.ptr, events[i].events);
}

static bool
is_over(const Load *load, int64_t now, int64_t end)
{
	const char *file = load->options.stop_file;

	return now >= end || load->until_at || (file && access(file, F_OK) == 0);
}

static int
pause_until(int64_t next, int64_t now)
{
	int64_t left = (next - now) / 1000;

	return left < 0 ? 0 : left > 50 ? 50 : (int)left;
}

/* Everything that is due; what finds no connection waits, and its latency with it. */
static void
begin_due(Load *load, int64_t start, int64_t now, uint64_t *number)
{
	double gap = 1e6 / load->options.rate;

	for (;;) {
		int64_t due = start + (int64_t)((double)*number * gap);
		if (due > now)
			return;
		if (load->idle_count == 0) {
			load->held_back++;
			return;
		}
		begin(load, due);
		(*number)++;
	}
}

static void
run(Load *load)
{
	int64_t start = now_us(), checked = start;
	int64_t end = start + (int64_t)(load->options.duration * 1e6);
	uint64_t number = 0;

	for (int64_t now = start; !is_over(load, now, end); now = now_us()) {
		begin_due(load, start, now, &number);
		int64_t next = start + (int64_t)((double)number * 1e6 / load->options.rate);
		turn(load, load->idle_count ? pause_until(next, now_us()) : 1);
		if (now - checked > 100000) {
			expire(load, now);
			checked = now;
		}
	}
	while (load->idle_count < load->options.count) {
		turn(load, 20);
		expire(load, now_us());
	}
}

static void
make_request(Load *load)
{
	const Options *options = &load->options;
	long body = options->body_bytes > 0 ? options->body_bytes : 0;
	size_t room = (size_t)body + strlen(options->host) + strlen(options->path) + 256;

	load->request = malloc(room);
	if (!load->request)
		fail("no memory");
	int head = snprintf(load->request, room, "%s %s HTTP/1.1\r\nHost: %s\r\n%s",
	    options->body_bytes >= 0 ? "POST" : "GET", options->path, options->host,
	    options->is_kept ? "" : "Connection: close\r\n");
	if (options->body_bytes >= 0)
		head += snprintf(load->request + head, room - (size_t)head,
		    "Content-Type: application/octet-stream\r\nContent-Length: %ld\r\n", body);
	head += snprintf(load->request + head, room - (size_t)head, "\r\n");
	memset(load->request + head, 'x', (size_t)body);
	load->request_length = (size_t)(head + body);
}

int
main(int count, char **arguments)
{
	Load load = {.options = {.host = "localhost",
			 .path = "/",
			 .count = 50,
			 .rate = 100,
			 .duration = 10,
			 .timeout_ms = 10000,
			 .body_bytes = -1,
			 .is_kept = true}};
	options_read(&load.options, count, arguments);
	make_request(&load);

	load.poll = epoll_create1(EPOLL_CLOEXEC);
	load.connections = calloc(load.options.count, sizeof(*load.connections));
	load.idle = calloc(load.options.count, sizeof(*load.idle));
	if (load.poll < 0 || !load.connections || !load.idle)
		fail("no memory");
	for (unsigned i = 0; i < load.options.count; i++) {
		load.connections[i].fd = -1;
		load.connections[i].answer = malloc(ANSWER_BYTES);
		if (!load.connections[i].answer)
			fail("no memory");
		become_idle(&load, &load.connections[i]);
	}

	int64_t begun = now_us();
	run(&load);
	report_print(&load, (double)(now_us() - begun) / 1e6);
	return 0;
}
