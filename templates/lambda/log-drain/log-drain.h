/*
 * log-drain: the Lambda function that sends the logs of apps on. One invocation brings a batch of
 * Kinesis records, each of which is one gzipped piece of a log group; they become syslog messages
 * and go to the destinations that DRAINS names for the app. Lines are delivered at least once as
 * long as one destination answers within the hour that the stream's source gives it; a destination
 * that fails beside others that work loses the batch, and its loss is told in the function's log.
 *
 * A program of its own, linked statically: GLib, jansson, zlib, OpenSSL and nothing of the rack's.
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#define DRAIN_ERROR (drain_error_quark())

/* What one piece of a log group may become when unpacked. CloudWatch Logs sends 1 MB of gzip. */
#define LIMIT_UNPACKED_BYTES (32 * 1024 * 1024)
#define LIMIT_EVENT_BYTES (8 * 1024 * 1024) /* Lambda's own is 6 MB */
#define CONNECT_SECONDS 5
#define TALK_SECONDS 10
/* How long a destination that has failed is left alone while others work. */
#define PAUSE_SECONDS 30

GQuark
drain_error_quark(void);

/* Sets an error of our domain. Always returns false. */
bool
drain_error_set(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* destination.c: where logs go */

typedef enum { SEND_SYSLOG, SEND_SYSLOG_TLS, SEND_HTTP, SEND_HTTPS } SendKind;

typedef struct {
	char *app; /* or «*» */
	char *url; /* as given; may hold a secret, so it is never printed */
	SendKind kind;
	char *host;
	char *port;
	char *path;          /* of HTTP, with its query */
	char *authorization; /* the value of HTTP's header, or NULL */
	GString *pending;    /* framed messages of this batch */
	unsigned count;
	gint64 paused_until; /* monotonic microseconds */
} Destination;

void
destination_free(Destination *destination);

/* Reads {"*": ["syslog+tls://host:port"], "shop": ["https://user:password@host/path"]}. Elements
 * are Destination *. The error names the app and what is allowed, and never the URL. */
GPtrArray *
destinations_parse(const char *text, GError **error);

/* Adds a message to all destinations of an app. */
void
destinations_add(GPtrArray *destinations, const char *app, const GString *message);

/* message.c: what is sent */

typedef struct {
	const char *rack;
	const char *app;
	const char *stream; /* PREFIX/SERVICE/TASK */
	gint64 time;        /* milliseconds since 1970 */
	const char *text;
	gsize length;
} Line;

/* The line by RFC 5424, framed by its length as RFC 6587 3.4.1 and RFC 5425 have it. */
void
message_append(GString *out, const Line *line);

/* batch.c: what comes */

/* Called for each line of a batch. */
typedef void (*BatchTake)(gpointer data, const Line *line);

/* Goes through the records of an event. What is no piece of a log group is passed over and counted
 * in `bad`. `first` (borrowed from the event) is the sequence number of the first record, or NULL.
 */
bool
batch_read(json_t *event,
    const char *rack,
    BatchTake take,
    gpointer data,
    unsigned *bad,
    const char **first,
    GError **error);

/* link.c: a connection, plain or TLS */

typedef struct Link Link;

Link *
link_open(const char *host, const char *port, bool is_tls, GError **error);

bool
link_write(Link *link, const char *bytes, gsize length, GError **error);

/* The number of bytes read; 0 at the end, -1 on error. */
gssize
link_read(Link *link, char *bytes, gsize size, GError **error);

/* Tells the other side that this is all, so that it gets the last bytes too. */
void
link_close(Link *link);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Link, link_close)

/* send.c: what is pending goes out */

/* Sends what is pending of one destination. */
bool
destination_send(Destination *destination, GError **error);

/* The outcome of a batch. */
typedef struct {
	unsigned sent; /* destinations that took it */
	unsigned lost; /* that did not, or are left alone after a failure */
} Outcome;

/* Sends all that is pending and forgets it. `tell` (a line for the function's log) is called for
 * each destination that failed. */
Outcome
destinations_send(
    GPtrArray *destinations, void (*tell)(const char *app, const char *host, const char *why));

/* runtime.c: Lambda's runtime interface, HTTP/1.1 on a loopback address */

typedef struct {
	char *id;
	GString *body;
} Invocation;

void
invocation_free(Invocation *invocation);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Invocation, invocation_free)

/* Waits for the next invocation; `address` is what AWS_LAMBDA_RUNTIME_API says, host:port. */
Invocation *
runtime_next(const char *address, GError **error);

/* Answers it: `kind` is «response» or «error». */
bool
runtime_answer(const char *address,
    const Invocation *invocation,
    const char *kind,
    const char *body,
    GError **error);
