/*
 * What the files of ECS Exec share: the messages of a session's data channel, the channel, and the
 * wrapper that a command runs under. docs/why/0015 says why there is one.
 */
#pragma once

#include "aws/provider.h"

/* Messages: a head of 120 bytes and a payload. */

#define CHANNEL_PAYLOAD_BYTES 1024 /* of one message of input */

typedef enum {
	CHANNEL_INPUT,
	CHANNEL_OUTPUT,
	CHANNEL_ACKNOWLEDGE,
	CHANNEL_CLOSED,
	CHANNEL_START,
	CHANNEL_PAUSE,
	CHANNEL_OTHER, /* a kind that is to be passed over */
} ChannelKind;

typedef enum {
	CHANNEL_DATA_OUTPUT = 1, /* a terminal's bytes, in both directions */
	CHANNEL_DATA_ERROR = 2,
	CHANNEL_DATA_SIZE = 3,
	CHANNEL_DATA_HANDSHAKE_REQUEST = 5,
	CHANNEL_DATA_HANDSHAKE_RESPONSE = 6,
	CHANNEL_DATA_HANDSHAKE_COMPLETE = 7,
	CHANNEL_DATA_FLAG = 10,
	CHANNEL_DATA_STDERR = 11,
} ChannelData;

#define CHANNEL_FLAG_TERMINATE 2

typedef struct {
	ChannelKind kind;
	gint64 sequence;
	guint64 flags;
	char id[37]; /* a UUID */
	guint32 data;
	const guint8 *payload; /* borrowed */
	gsize length;
} ChannelMessage;

/* The message as it goes over the wire, with the time of now and the payload's digest. */
GBytes *
channel_message_bytes(const ChannelMessage *message);

/* Reads a message; `payload` points into `bytes`. CARRACK_ERROR_UPSTREAM for one that is cut, too
 * long or has another digest than it says. */
bool
channel_message_read(const guint8 *bytes, gsize length, ChannelMessage *message, GError **error);

/* The channel: messages in order, each once. */

typedef struct AwsChannel AwsChannel;

typedef struct {
	const char *url; /* wss://… */
	const char *token;
	const char *ca_file; /* or NULL */
} AwsSession;

/* All are called from the channel's own threads, without a lock. */
typedef struct {
	/* Output, in order. It may block: that holds the other side back. */
	void (*output)(gpointer data, const guint8 *bytes, gsize length);
	/* The other side has acknowledged something. */
	void (*moved)(gpointer data);
	/* Once, after the last output: closed by the other side, with what it says about that, or
	 * (`failure`) broken. */
	void (*ended)(gpointer data, const char *text, const GError *failure);
	gpointer data;
} AwsChannelEvents;

AwsChannel *
aws_channel_open(const AwsSession *session,
    const AwsChannelEvents *events,
    GCancellable *cancel,
    GError **error);

/* Puts a message of input behind those that wait to be sent; never waits. More than
 * CHANNEL_PAYLOAD_BYTES go as several. */
void
aws_channel_send(AwsChannel *channel, ChannelData data, const void *bytes, gsize length);

/* Messages that have not been acknowledged. */
unsigned
aws_channel_unacknowledged(AwsChannel *channel);

/* Ends the session: the command and its terminal go. Waits at most `milliseconds` until the other
 * side knows. */
void
aws_channel_terminate(AwsChannel *channel, int milliseconds);

/* `output` must not block any more. */
void
aws_channel_free(AwsChannel *channel);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(AwsChannel, aws_channel_free)

/* The wrapper. */

/* The command line for ExecuteCommand: /bin/sh, the wrapper and the command, quoted. The caller
 * frees it. */
char *
exec_wrapper_line(const EngineExec *exec, const char *const *command, const char *token);

/* What a wrapper writes, read piece by piece. */
typedef struct {
	const char *token;
	bool has_terminal;
	bool has_begun;
	bool has_ended;  /* the command; what it wrote may still come */
	bool has_status; /* and with it, all */
	int status;
	unsigned credits; /* blocks of input that may be sent; the caller counts them down */
	GString *held;    /* before the beginning, or the beginning of a mark, or a number */
	char *missing;    /* tools that the container lacks, or NULL */
	bool in_status, in_missing, is_broken;
	guint8 group[4]; /* base64 */
	unsigned grouped;
	int nibble; /* -1: none */
} ExecDecoder;

typedef void (*ExecTake)(gpointer data, bool is_error, const guint8 *bytes, gsize length);

void
exec_decoder_init(ExecDecoder *decoder, const char *token, bool has_terminal);

void
exec_decoder_clear(ExecDecoder *decoder);

/* Calls `take` with what the command has written. False for what no wrapper writes. */
bool
exec_decoder_feed(
    ExecDecoder *decoder, const guint8 *bytes, gsize length, ExecTake take, gpointer data);
