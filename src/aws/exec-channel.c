/*
 * A session's data channel: a WebSocket over which the agent in the task and we number our
 * messages, acknowledge the other's and send again what was not acknowledged. Output comes out in
 * order and once.
 *
 * Two threads a channel: one receives (and hands on, and acknowledges), one sends what waits, sends
 * again and keeps the connection alive. A channel that breaks stays broken: whoever has it fails.
 */
#include "aws/exec-private.h"

#include "base/error.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/websocket.h"

#include <string.h>

#define RESEND_USEC (1 * G_USEC_PER_SEC)
#define SILENCE_USEC (120 * G_USEC_PER_SEC) /* without an acknowledgement, or with a gap */
#define PING_USEC (60 * G_USEC_PER_SEC)     /* balancers on the way give up after minutes */
#define READY_SECONDS 60
#define EARLY_MESSAGES 4096
#define RESENT_AT_ONCE 32
#define CLIENT_VERSION "1.2.0.0" /* of the protocol: the agent looks at it */

typedef struct {
	gint64 sequence;
	GBytes *bytes;
	gint64 first; /* sent, 0: not yet */
	gint64 last;
} Outgoing;

typedef struct {
	guint32 data;
	GBytes *payload;
} Early;

struct AwsChannel {
	HttpClient *client;
	WebSocket *socket;
	GCancellable *closing;
	AwsChannelEvents events;
	GThread *receiver, *sender;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	GQueue outgoing; /* of Outgoing, by their numbers */
	gint64 next;     /* number of ours */
	bool is_paused;
	bool is_ready; /* the handshake is over */
	bool has_ended;
	char *text;
	GError *failure;

	/* the receiver's */
	gint64 expected;
	gint64 gap_since; /* 0: none */
	GHashTable *early;
};

static void
outgoing_free(gpointer data)
{
	Outgoing *outgoing = data;
	g_bytes_unref(outgoing->bytes);
	g_free(outgoing);
}

static void
early_free(gpointer data)
{
	Early *early = data;
	g_bytes_unref(early->payload);
	g_free(early);
}

static struct timespec
clock_at(gint64 when)
{
	return (struct timespec){
	    .tv_sec = when / G_USEC_PER_SEC, .tv_nsec = (when % G_USEC_PER_SEC) * 1000};
}

/* The first failure stays. Takes it over. */
static void
fail(AwsChannel *channel, GError *failure)
{
	LOCKED(&channel->lock);
	if (!channel->failure && !channel->has_ended)
		channel->failure = failure;
	else
		g_error_free(failure);
	pthread_cond_broadcast(&channel->changed);
}

/* Sending */

static void
push(AwsChannel *channel, ChannelData data, const void *bytes, gsize length)
{
	ChannelMessage message = {.kind = CHANNEL_INPUT,
	    .sequence = channel->next++,
	    .data = data,
	    .payload = bytes,
	    .length = length};
	g_autofree char *id = g_uuid_string_random();
	g_strlcpy(message.id, id, sizeof(message.id));
	Outgoing *outgoing = g_new0(Outgoing, 1);
	outgoing->sequence = message.sequence;
	outgoing->bytes = channel_message_bytes(&message);
	g_queue_push_tail(&channel->outgoing, outgoing);
}

void
aws_channel_send(AwsChannel *channel, ChannelData data, const void *bytes, gsize length)
{
	LOCKED(&channel->lock);
	const guint8 *rest = bytes;
	do {
		gsize piece = MIN(length, CHANNEL_PAYLOAD_BYTES);
		push(channel, data, rest, piece);
		rest += piece;
		length -= piece;
	} while (length > 0);
	pthread_cond_broadcast(&channel->changed);
}

unsigned
aws_channel_unacknowledged(AwsChannel *channel)
{
	LOCKED(&channel->lock);
	return g_queue_get_length(&channel->outgoing);
}

/* Takes what is to be sent now; `next` is when something has to be sent again. The lock is held. */
static GPtrArray *
take_due(AwsChannel *channel, gint64 now, gint64 *next)
{
	GPtrArray *due = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	unsigned again = 0;
	for (GList *link = channel->outgoing.head; link && !channel->is_paused; link = link->next) {
		Outgoing *outgoing = link->data;
		bool is_new = outgoing->first == 0;
		bool is_due = is_new || outgoing->last + RESEND_USEC <= now;
		if (is_due && (is_new || again++ < RESENT_AT_ONCE)) {
			outgoing->first = is_new ? now : outgoing->first;
			outgoing->last = now;
			g_ptr_array_add(due, g_bytes_ref(outgoing->bytes));
		}
		*next = MIN(*next, outgoing->last + RESEND_USEC);
	}
	return due;
}

static bool
is_silent(AwsChannel *channel, gint64 now)
{
	const Outgoing *oldest = g_queue_peek_head(&channel->outgoing);

	return oldest && oldest->first > 0 && oldest->first + SILENCE_USEC < now;
}

/* Waits until there is something to send. NULL at the channel's end. */
static GPtrArray *
wait_due(AwsChannel *channel, gint64 ping, GError **error)
{
	LOCKED(&channel->lock);
	while (!channel->has_ended && !channel->failure) {
		gint64 now = g_get_monotonic_time();
		gint64 next = ping;
		if (is_silent(channel, now)) {
			error_set(error, CARRACK_ERROR_UNAVAILABLE,
			    "data channel: the task has acknowledged nothing for %d s",
			    (int)(SILENCE_USEC / G_USEC_PER_SEC));
			return NULL;
		}
		GPtrArray *due = take_due(channel, now, &next);
		if (due->len > 0 || now >= ping)
			return due;
		g_ptr_array_unref(due);
		struct timespec until = clock_at(MAX(next, now + 1000));
		pthread_cond_timedwait(&channel->changed, &channel->lock, &until);
	}
	return NULL;
}

static bool
send_all(AwsChannel *channel, const GPtrArray *due, GError **error)
{
	for (guint i = 0; i < due->len; i++) {
		gsize length;
		const void *bytes = g_bytes_get_data(due->pdata[i], &length);
		if (!websocket_send_binary(channel->socket, bytes, length, channel->closing, error))
			return false;
	}
	return true;
}

static gpointer
send_until_end(gpointer data)
{
	AwsChannel *channel = data;
	gint64 ping = g_get_monotonic_time() + PING_USEC;
	GError *failure = NULL;
	for (;;) {
		g_autoptr(GPtrArray) due = wait_due(channel, ping, &failure);
		if (!due || !send_all(channel, due, &failure))
			break;
		if (g_get_monotonic_time() < ping)
			continue;
		ping = g_get_monotonic_time() + PING_USEC;
		if (!websocket_ping(channel->socket, channel->closing, &failure))
			break;
	}
	if (!failure)
		return NULL;
	fail(channel, failure);
	/* The receiver, which tells of every end, has to wake up. */
	g_cancellable_cancel(channel->closing);
	return NULL;
}

/* Receiving */

static bool
acknowledge(AwsChannel *channel, const ChannelMessage *received, GError **error)
{
	json_auto_t *content =
	    json_pack("{s:s, s:s, s:I, s:b}", "AcknowledgedMessageType", "output_stream_data",
		"AcknowledgedMessageId", received->id, "AcknowledgedMessageSequenceNumber",
		(json_int_t)received->sequence, "IsSequentialMessage", 1);
	g_autofree char *text = json_text(content, false);
	ChannelMessage message = {.kind = CHANNEL_ACKNOWLEDGE,
	    .flags = 3, /* the first and the last of its own sequence */
	    .payload = (const guint8 *)text,
	    .length = strlen(text)};
	g_autofree char *id = g_uuid_string_random();
	g_strlcpy(message.id, id, sizeof(message.id));
	g_autoptr(GBytes) bytes = channel_message_bytes(&message);

	return websocket_send_binary(channel->socket, g_bytes_get_data(bytes, NULL),
	    g_bytes_get_size(bytes), channel->closing, error);
}

static gint
compare_sequence(gconstpointer data, gconstpointer wanted)
{
	const Outgoing *outgoing = data;

	return outgoing->sequence == *(const gint64 *)wanted ? 0 : 1;
}

static bool
take_acknowledgement(AwsChannel *channel, const ChannelMessage *message, GError **error)
{
	json_auto_t *content =
	    json_parse((const char *)message->payload, message->length, "data channel", error);
	if (!content)
		return false;
	gint64 sequence = json_int_of(content, "AcknowledgedMessageSequenceNumber", -1);
	{
		LOCKED(&channel->lock);
		GList *link = g_queue_find_custom(&channel->outgoing, &sequence, compare_sequence);
		if (link) {
			outgoing_free(link->data);
			g_queue_delete_link(&channel->outgoing, link);
		}
		pthread_cond_broadcast(&channel->changed);
	}
	channel->events.moved(channel->events.data);
	return true;
}

static void
set_ready(AwsChannel *channel)
{
	LOCKED(&channel->lock);
	channel->is_ready = true;
	pthread_cond_broadcast(&channel->changed);
}

/* What the agent asks for before it begins: the kind of session, and perhaps encryption with a key
 * of KMS, which we do not do. */
static bool
answer_handshake(AwsChannel *channel, const guint8 *bytes, gsize length, GError **error)
{
	json_auto_t *request = json_parse((const char *)bytes, length, "data channel", error);
	if (!request)
		return false;

	json_auto_t *processed = json_array();
	g_autofree char *refused = NULL;
	gsize index;
	json_t *action;
	json_array_foreach(json_object_get(request, "RequestedClientActions"), index, action)
	{
		const char *type = json_text_of(action, "ActionType", "");
		bool is_known = strcmp(type, "SessionType") == 0;
		json_array_append_new(
		    processed, json_pack("{s:s, s:i, s:n, s:s}", "ActionType", type, "ActionStatus",
				   is_known ? 1 : 3, "ActionResult", "Error",
				   is_known ? "" : "not supported"));
		if (!is_known && !refused)
			refused = g_strdup(type);
	}
	json_auto_t *answer = json_pack("{s:s, s:O, s:[]}", "ClientVersion", CLIENT_VERSION,
	    "ProcessedClientActions", processed, "Errors");
	g_autofree char *text = json_text(answer, false);
	{
		/* In one message, whatever its length. */
		LOCKED(&channel->lock);
		push(channel, CHANNEL_DATA_HANDSHAKE_RESPONSE, text, strlen(text));
		pthread_cond_broadcast(&channel->changed);
	}
	return !refused || error_set(error, CARRACK_ERROR_UPSTREAM,
			       "data channel: the session wants %s, which carrack cannot do: "
			       "take the KMS key from the cluster's execute command configuration",
			       refused);
}

static bool
deliver(AwsChannel *channel, guint32 data, const guint8 *bytes, gsize length, GError **error)
{
	switch (data) {
	case CHANNEL_DATA_HANDSHAKE_REQUEST:
		return answer_handshake(channel, bytes, length, error);
	case CHANNEL_DATA_HANDSHAKE_COMPLETE:
		set_ready(channel);
		return true;
	case CHANNEL_DATA_OUTPUT:
	case CHANNEL_DATA_ERROR:
	case CHANNEL_DATA_STDERR:
		set_ready(channel);
		channel->events.output(channel->events.data, bytes, length);
		return true;
	default:
		return true;
	}
}

static bool
deliver_early(AwsChannel *channel, GError **error)
{
	Early *early;
	while ((early = g_hash_table_lookup(channel->early, &channel->expected))) {
		gsize length;
		const guint8 *bytes = g_bytes_get_data(early->payload, &length);
		bool done = deliver(channel, early->data, bytes, length, error);
		g_hash_table_remove(channel->early, &channel->expected);
		channel->expected++;
		if (!done)
			return false;
	}
	bool has_gap = g_hash_table_size(channel->early) > 0;
	channel->gap_since = has_gap ? g_get_monotonic_time() : 0;
	return true;
}

/* One that came too early is kept, unless there are too many: then it is not acknowledged either
 * and comes again. */
static bool
keep(AwsChannel *channel, const ChannelMessage *message, GError **error)
{
	gint64 now = g_get_monotonic_time();
	channel->gap_since = channel->gap_since ? channel->gap_since : now;
	if (channel->gap_since + SILENCE_USEC < now)
		return error_set(error, CARRACK_ERROR_UPSTREAM,
		    "data channel: message %" G_GINT64_FORMAT " never came", channel->expected);
	if (g_hash_table_size(channel->early) >= EARLY_MESSAGES)
		return true;
	if (!g_hash_table_contains(channel->early, &message->sequence)) {
		Early *early = g_new0(Early, 1);
		early->data = message->data;
		early->payload = g_bytes_new(message->payload, message->length);
		g_hash_table_insert(channel->early,
		    g_memdup2(&message->sequence, sizeof(message->sequence)), early);
	}
	return acknowledge(channel, message, error);
}

static bool
take_output(AwsChannel *channel, const ChannelMessage *message, GError **error)
{
	if (message->sequence > channel->expected)
		return keep(channel, message, error);
	if (!acknowledge(channel, message, error))
		return false;
	/* One that comes again: its acknowledgement was lost. */
	if (message->sequence < channel->expected)
		return true;

	channel->expected++;
	return deliver(channel, message->data, message->payload, message->length, error) &&
	       deliver_early(channel, error);
}

static void
take_closed(AwsChannel *channel, const ChannelMessage *message)
{
	json_auto_t *content =
	    json_parse((const char *)message->payload, message->length, "data channel", NULL);
	LOCKED(&channel->lock);
	channel->has_ended = true;
	channel->text = g_strdup(json_text_of(content, "Output", ""));
}

static void
set_paused(AwsChannel *channel, bool is_paused)
{
	LOCKED(&channel->lock);
	channel->is_paused = is_paused;
	pthread_cond_broadcast(&channel->changed);
}

static bool
take_message(AwsChannel *channel, const char *bytes, gsize length, GError **error)
{
	ChannelMessage message;
	if (!channel_message_read((const guint8 *)bytes, length, &message, error))
		return false;

	switch (message.kind) {
	case CHANNEL_OUTPUT:
		return take_output(channel, &message, error);
	case CHANNEL_ACKNOWLEDGE:
		return take_acknowledgement(channel, &message, error);
	case CHANNEL_CLOSED:
		take_closed(channel, &message);
		return true;
	case CHANNEL_START:
	case CHANNEL_PAUSE:
		set_paused(channel, message.kind == CHANNEL_PAUSE);
		return true;
	default:
		return true;
	}
}

/* True while there is more to come. */
static bool
receive_once(AwsChannel *channel, GError **error)
{
	g_autofree char *bytes = NULL;
	gsize length = 0;
	WebSocketEvent event = WEBSOCKET_CLOSED;
	if (!websocket_receive(channel->socket, &event, &bytes, &length, channel->closing, error))
		return false;
	if (event == WEBSOCKET_CLOSED)
		return error_set(error, CARRACK_ERROR_UNAVAILABLE,
		    "data channel: the connection to the task was lost");
	if (!take_message(channel, bytes, length, error))
		return false;

	LOCKED(&channel->lock);
	return !channel->has_ended && !channel->failure;
}

static gpointer
receive_until_end(gpointer data)
{
	AwsChannel *channel = data;
	GError *failure = NULL;
	while (receive_once(channel, &failure))
		;
	if (failure)
		fail(channel, failure);

	/* Nobody writes `text` and `failure` any more. */
	{
		LOCKED(&channel->lock);
		channel->has_ended = true;
		pthread_cond_broadcast(&channel->changed);
	}
	channel->events.ended(
	    channel->events.data, channel->text ? channel->text : "", channel->failure);
	return NULL;
}

/* Opening */

static bool
connect_to(AwsChannel *channel, const AwsSession *session, GCancellable *cancel, GError **error)
{
	const char *rest = strstr(session->url, "://");
	const char *path = rest ? strchr(rest + 3, '/') : NULL;
	bool is_plain = g_str_has_prefix(session->url, "ws://");
	if (!path || (!is_plain && !g_str_has_prefix(session->url, "wss://")))
		return error_set(error, CARRACK_ERROR_UPSTREAM,
		    "data channel: «%s» is no address of a WebSocket", session->url);

	g_autofree char *base =
	    g_strdup_printf("%s%.*s", is_plain ? "http" : "https", (int)(path - rest), rest);
	const HttpOptions options = {
	    .base_url = base, .ca_file = session->ca_file, .user_agent = "carrack"};
	channel->client = http_client_new(&options);
	channel->socket = websocket_connect(channel->client, path, NULL, cancel, error);
	if (!channel->socket)
		return false;
	websocket_take_binary(channel->socket);
	return true;
}

static bool
introduce(AwsChannel *channel, const AwsSession *session, GCancellable *cancel, GError **error)
{
	g_autofree char *request = g_uuid_string_random();
	g_autofree char *client = g_uuid_string_random();
	json_auto_t *opening = json_pack("{s:s, s:s, s:s, s:s, s:s}", "MessageSchemaVersion", "1.0",
	    "RequestId", request, "TokenValue", session->token, "ClientId", client, "ClientVersion",
	    CLIENT_VERSION);
	g_autofree char *text = json_text(opening, false);

	return websocket_send(channel->socket, text, strlen(text), cancel, error);
}

static bool
wait_ready(AwsChannel *channel, GCancellable *cancel, GError **error)
{
	gint64 until = g_get_monotonic_time() + READY_SECONDS * G_USEC_PER_SEC;
	LOCKED(&channel->lock);
	while (!channel->is_ready && !channel->has_ended && !channel->failure) {
		gint64 now = g_get_monotonic_time();
		if (error_cancelled(cancel, error))
			return false;
		if (now >= until)
			return error_set(error, CARRACK_ERROR_UNAVAILABLE,
			    "data channel: the task's agent has not answered in %d s",
			    READY_SECONDS);
		struct timespec look = clock_at(now + G_USEC_PER_SEC / 10);
		pthread_cond_timedwait(&channel->changed, &channel->lock, &look);
	}
	if (!channel->failure)
		return true;
	g_propagate_error(error, g_error_copy(channel->failure));
	return false;
}

static AwsChannel *
channel_new(const AwsChannelEvents *events)
{
	AwsChannel *channel = g_new0(AwsChannel, 1);
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&channel->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&channel->lock, NULL);
	g_queue_init(&channel->outgoing);
	channel->events = *events;
	channel->closing = g_cancellable_new();
	channel->early = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, early_free);
	return channel;
}

AwsChannel *
aws_channel_open(
    const AwsSession *session, const AwsChannelEvents *events, GCancellable *cancel, GError **error)
{
	g_autoptr(AwsChannel) channel = channel_new(events);
	if (!connect_to(channel, session, cancel, error) ||
	    !introduce(channel, session, cancel, error))
		return NULL;

	channel->receiver = g_thread_new("exec-receive", receive_until_end, channel);
	channel->sender = g_thread_new("exec-send", send_until_end, channel);
	if (!wait_ready(channel, cancel, error))
		return NULL;
	return g_steal_pointer(&channel);
}

void
aws_channel_terminate(AwsChannel *channel, int milliseconds)
{
	static const guint8 flag[] = {0, 0, 0, CHANNEL_FLAG_TERMINATE};
	aws_channel_send(channel, CHANNEL_DATA_FLAG, flag, sizeof(flag));

	gint64 until = g_get_monotonic_time() + milliseconds * G_TIME_SPAN_MILLISECOND;
	struct timespec deadline = clock_at(until);
	LOCKED(&channel->lock);
	while (!channel->has_ended && !channel->failure && channel->outgoing.length > 0 &&
	       g_get_monotonic_time() < until)
		pthread_cond_timedwait(&channel->changed, &channel->lock, &deadline);
}

static void
stop_threads(AwsChannel *channel)
{
	{
		LOCKED(&channel->lock);
		channel->has_ended = true;
		pthread_cond_broadcast(&channel->changed);
	}
	g_cancellable_cancel(channel->closing);
	if (channel->sender)
		g_thread_join(channel->sender);
	if (channel->receiver)
		g_thread_join(channel->receiver);
}

void
aws_channel_free(AwsChannel *channel)
{
	if (!channel)
		return;

	stop_threads(channel);
	websocket_free(channel->socket);
	http_client_free(channel->client);
	g_object_unref(channel->closing);
	g_queue_clear_full(&channel->outgoing, outgoing_free);
	g_hash_table_unref(channel->early);
	g_free(channel->text);
	g_clear_error(&channel->failure);
	pthread_cond_destroy(&channel->changed);
	pthread_mutex_destroy(&channel->lock);
	g_free(channel);
}
