/*
 * Messages of a session's data channel, between bytes and struct. Numbers are big-endian, a kind is
 * padded with blanks (or NULs) to 32 bytes, and a UUID has its second half first. Everything that
 * comes is checked against its digest and its own lengths.
 */
#include "aws/exec-private.h"

#include "base/error.h"
#include "base/limits.h"

#include <string.h>

#define KIND_AT 4
#define KIND_BYTES 32
#define SCHEMA_AT 36
#define CREATED_AT 40
#define SEQUENCE_AT 48
#define FLAGS_AT 56
#define ID_AT 64
#define DIGEST_AT 80
#define DIGEST_BYTES 32
#define DATA_AT 112
#define LENGTH_AT 116 /* the head's own length, as it says, ends here */
#define HEAD_BYTES 120

static const char *const kinds[] = {
    [CHANNEL_INPUT] = "input_stream_data",
    [CHANNEL_OUTPUT] = "output_stream_data",
    [CHANNEL_ACKNOWLEDGE] = "acknowledge",
    [CHANNEL_CLOSED] = "channel_closed",
    [CHANNEL_START] = "start_publication",
    [CHANNEL_PAUSE] = "pause_publication",
};

static void
put32(guint8 *place, guint32 value)
{
	guint32 swapped = GUINT32_TO_BE(value);
	memcpy(place, &swapped, sizeof(swapped));
}

static void
put64(guint8 *place, guint64 value)
{
	guint64 swapped = GUINT64_TO_BE(value);
	memcpy(place, &swapped, sizeof(swapped));
}

static guint32
get32(const guint8 *place)
{
	guint32 value;
	memcpy(&value, place, sizeof(value));
	return GUINT32_FROM_BE(value);
}

static guint64
get64(const guint8 *place)
{
	guint64 value;
	memcpy(&value, place, sizeof(value));
	return GUINT64_FROM_BE(value);
}

static void
digest_of(const guint8 *bytes, gsize length, guint8 *digest)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	gsize size = DIGEST_BYTES;
	if (length > 0)
		g_checksum_update(sum, bytes, (gssize)length);
	g_checksum_get_digest(sum, digest, &size);
}

/* Where the nth byte of a UUID's text lies. */
static guint8 *
id_byte(guint8 *place, unsigned n)
{
	return place + (n + 8) % 16;
}

static void
put_id(guint8 *place, const char *id)
{
	unsigned n = 0;
	for (const char *digit = id; *digit && n < 32; digit++) {
		int value = g_ascii_xdigit_value(*digit);
		if (value < 0)
			continue;
		guint8 *byte = id_byte(place, n / 2);
		*byte = n % 2 == 0 ? (guint8)(value << 4) : (guint8)(*byte | value);
		n++;
	}
}

static void
get_id(const guint8 *place, char *id)
{
	for (unsigned n = 0; n < 16; n++) {
		if (n == 4 || n == 6 || n == 8 || n == 10)
			*id++ = '-';
		g_snprintf(id, 3, "%02x", place[(n + 8) % 16]);
		id += 2;
	}
}

GBytes *
channel_message_bytes(const ChannelMessage *message)
{
	gsize size = HEAD_BYTES + message->length;
	guint8 *bytes = g_malloc0(size);

	put32(bytes, LENGTH_AT);
	memset(bytes + KIND_AT, ' ', KIND_BYTES);
	memcpy(bytes + KIND_AT, kinds[message->kind], strlen(kinds[message->kind]));
	put32(bytes + SCHEMA_AT, 1);
	put64(bytes + CREATED_AT, (guint64)(g_get_real_time() / 1000));
	put64(bytes + SEQUENCE_AT, (guint64)message->sequence);
	put64(bytes + FLAGS_AT, message->flags);
	put_id(bytes + ID_AT, message->id);
	digest_of(message->payload, message->length, bytes + DIGEST_AT);
	put32(bytes + DATA_AT, message->data);
	put32(bytes + LENGTH_AT, (guint32)message->length);
	if (message->length > 0)
		memcpy(bytes + HEAD_BYTES, message->payload, message->length);
	return g_bytes_new_take(bytes, size);
}

static ChannelKind
kind_of(const guint8 *place)
{
	gsize length = KIND_BYTES;
	while (length > 0 && (place[length - 1] == ' ' || place[length - 1] == 0))
		length--;
	for (unsigned kind = 0; kind < G_N_ELEMENTS(kinds); kind++) {
		if (strlen(kinds[kind]) == length && memcmp(kinds[kind], place, length) == 0)
			return kind;
	}
	return CHANNEL_OTHER;
}

static bool
check_payload(const guint8 *bytes, const ChannelMessage *message, GError **error)
{
	guint8 digest[DIGEST_BYTES];
	digest_of(message->payload, message->length, digest);
	/* Those without a payload may come without a digest. */
	if (message->length == 0 || memcmp(digest, bytes + DIGEST_AT, DIGEST_BYTES) == 0)
		return true;
	return error_set(error, CARRACK_ERROR_UPSTREAM,
	    "data channel: message %" G_GINT64_FORMAT " is not what its digest says",
	    message->sequence);
}

bool
channel_message_read(const guint8 *bytes, gsize length, ChannelMessage *message, GError **error)
{
	if (length > LIMIT_WEBSOCKET_MESSAGE_BYTES)
		return error_set(error, CARRACK_ERROR_UPSTREAM,
		    "data channel: a message of %zu bytes, over %d", length,
		    LIMIT_WEBSOCKET_MESSAGE_BYTES);
	guint64 head = length >= HEAD_BYTES ? get32(bytes) : 0;
	if (head < LENGTH_AT || head + 4 > length)
		return error_set(error, CARRACK_ERROR_UPSTREAM,
		    "data channel: a message of %zu bytes is cut in its head", length);
	guint64 wanted = get32(bytes + head);
	if (head + 4 + wanted != length)
		return error_set(error, CARRACK_ERROR_UPSTREAM,
		    "data channel: a message says %" G_GUINT64_FORMAT
		    " bytes and has %" G_GUINT64_FORMAT,
		    wanted, length - head - 4);

	ChannelMessage read = {
	    .kind = kind_of(bytes + KIND_AT),
	    .sequence = (gint64)get64(bytes + SEQUENCE_AT),
	    .flags = get64(bytes + FLAGS_AT),
	    .data = get32(bytes + DATA_AT),
	    .payload = bytes + head + 4,
	    .length = wanted,
	};
	get_id(bytes + ID_AT, read.id);
	if (!check_payload(bytes, &read, error))
		return false;
	*message = read;
	return true;
}
