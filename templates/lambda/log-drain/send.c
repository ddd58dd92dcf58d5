/*
 * What is pending goes out: framed messages as they are over TCP or TLS, or as the body of one POST
 * in Heroku's form (application/logplex-1), which log services take. Syslog has no answer: bytes
 * that the other side's kernel took are counted as sent.
 */
#include "log-drain.h"

#include <stdlib.h>
#include <string.h>

#define STATUS_LINE_BYTES 256

static bool
is_tls(const Destination *destination)
{
	return destination->kind == SEND_SYSLOG_TLS || destination->kind == SEND_HTTPS;
}

/* The status of an answer; 0 when it is none. */
static unsigned
read_status(Link *link, GError **error)
{
	char line[STATUS_LINE_BYTES + 1];
	gsize length = 0;

	while (length < STATUS_LINE_BYTES) {
		gssize got = link_read(link, line + length, STATUS_LINE_BYTES - length, error);
		if (got < 0)
			return 0;
		length += (gsize)got;
		line[length] = '\0';
		if (got == 0 || strchr(line, '\n'))
			break;
	}
	if (length < strlen("HTTP/1.1 200") || strncmp(line, "HTTP/1.", strlen("HTTP/1.")) != 0) {
		drain_error_set(error, "what came back is not HTTP");
		return 0;
	}
	return (unsigned)strtoul(line + strlen("HTTP/1.1 "), NULL, 10);
}

static bool
post(Link *link, const Destination *destination, GError **error)
{
	const char *authorization = destination->authorization;
	g_autoptr(GString) head = g_string_new(NULL);

	g_string_append_printf(head,
	    "POST %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n"
	    "Content-Type: application/logplex-1\r\nLogplex-Msg-Count: %u\r\n"
	    "Content-Length: %" G_GSIZE_FORMAT "\r\n%s%s%s\r\n",
	    destination->path, destination->host, destination->port, destination->count,
	    destination->pending->len, authorization ? "Authorization: " : "",
	    authorization ? authorization : "", authorization ? "\r\n" : "");
	if (!link_write(link, head->str, head->len, error) ||
	    !link_write(link, destination->pending->str, destination->pending->len, error))
		return false;

	unsigned status = read_status(link, error);
	if (status == 0)
		return false;
	return (status >= 200 && status < 300) || drain_error_set(error, "HTTP %u", status);
}

bool
destination_send(Destination *destination, GError **error)
{
	g_autoptr(Link) link =
	    link_open(destination->host, destination->port, is_tls(destination), error);
	if (!link)
		return false;
	if (destination->kind == SEND_HTTP || destination->kind == SEND_HTTPS)
		return post(link, destination, error);

	return link_write(link, destination->pending->str, destination->pending->len, error);
}

/* A destination that has just failed is not waited for again while it is left alone. */
static bool
try_destination(
    Destination *destination, void (*tell)(const char *app, const char *host, const char *why))
{
	g_autoptr(GError) error = NULL;
	gint64 now = g_get_monotonic_time();

	if (now < destination->paused_until) {
		tell(destination->app, destination->host, "left alone after a failure");
		return false;
	}
	if (destination_send(destination, &error))
		return true;

	destination->paused_until = g_get_monotonic_time() + PAUSE_SECONDS * G_USEC_PER_SEC;
	tell(destination->app, destination->host, error->message);
	return false;
}

static void
forget(GPtrArray *destinations, bool is_any_sent)
{
	for (guint i = 0; i < destinations->len; i++) {
		Destination *destination = g_ptr_array_index(destinations, i);
		g_string_truncate(destination->pending, 0);
		destination->count = 0;
		/* The batch comes again, and then nobody works whom a pause would protect. */
		if (!is_any_sent)
			destination->paused_until = 0;
	}
}

Outcome
destinations_send(
    GPtrArray *destinations, void (*tell)(const char *app, const char *host, const char *why))
{
	Outcome outcome = {0};

	for (guint i = 0; i < destinations->len; i++) {
		Destination *destination = g_ptr_array_index(destinations, i);
		if (destination->count == 0)
			continue;
		if (try_destination(destination, tell))
			outcome.sent++;
		else
			outcome.lost++;
	}
	forget(destinations, outcome.sent > 0);
	return outcome;
}
