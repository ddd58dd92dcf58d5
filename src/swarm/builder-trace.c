/*
 * BuildKit's progress, as far as a log wants it. Each message is a protobuf StatusResponse in
 * base64 (moby/buildkit api/services/control: 1 vertexes {1 digest, 3 name, 4 cached, 5 started,
 * 7 error}, 3 logs {3 stream, 4 msg}); only length-delimited fields and numbers occur in it.
 */
#include "swarm/builder-private.h"

#include <string.h>

/* One field of a message: its number, and its bytes or value. */
typedef struct {
	unsigned number;
	guint64 value; /* of a number */
	const guint8 *bytes;
	gsize length;
} Field;

typedef struct {
	const guint8 *next;
	const guint8 *end;
} Message;

static bool
read_varint(Message *message, guint64 *value)
{
	*value = 0;
	for (unsigned shift = 0; shift < 64 && message->next < message->end; shift += 7) {
		guint8 byte = *message->next++;
		*value |= (guint64)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

/* The next field; false at the end or at what cannot be read. */
static bool
read_field(Message *message, Field *field)
{
	guint64 key, length = 0;
	if (!read_varint(message, &key))
		return false;

	*field = (Field){.number = (unsigned)(key >> 3)};
	switch (key & 7) {
	case 0:
		return read_varint(message, &field->value);
	case 1:
		length = 8;
		break;
	case 2:
		if (!read_varint(message, &length))
			return false;
		break;
	case 5:
		length = 4;
		break;
	default:
		return false;
	}
	if (length > (guint64)(message->end - message->next))
		return false;
	field->bytes = message->next;
	field->length = (gsize)length;
	message->next += length;
	return true;
}

static char *
field_text(const Field *field)
{
	return g_strndup((const char *)field->bytes, field->length);
}

static Message
message_in(const Field *field)
{
	return (Message){field->bytes, field->bytes + field->length};
}

/* «[build 2/3] RUN make» begins step «build 2/3»; what BuildKit does for itself is not told. */
static void
log_vertex(BuildText *text, const char *name, bool is_cached)
{
	const char *end = strstr(name, "] ");
	if (*name != '[' || !end || g_str_has_prefix(name, "[internal]"))
		return;

	g_autofree char *step = g_strndup(name + 1, (gsize)(end - name - 1));
	build_text_step(text, step, end + 2);
	if (is_cached)
		build_text_line(text, " ---> Using cache");
}

static void
read_vertex(BuildTrace *trace, BuildText *text, Message message)
{
	g_autofree char *digest = NULL;
	g_autofree char *name = NULL;
	bool is_cached = false, has_started = false, has_failed = false;
	Field field;

	while (read_field(&message, &field)) {
		if (field.number == 1 && field.bytes && !digest)
			digest = field_text(&field);
		else if (field.number == 3 && field.bytes && !name)
			name = field_text(&field);
		is_cached |= field.number == 4 && field.value;
		has_started |= field.number == 5;
		has_failed |= field.number == 7 && field.length;
	}
	if (!digest || !name)
		return;

	if (has_started && g_hash_table_add(trace->begun, g_steal_pointer(&digest)))
		log_vertex(text, name, is_cached);
	if (has_failed && !trace->failed)
		trace->failed = g_steal_pointer(&name);
}

static void
read_log(BuildText *text, Message message)
{
	guint64 stream = 1;
	Field field;

	while (read_field(&message, &field)) {
		if (field.number == 3)
			stream = field.value;
		if (field.number == 4 && field.bytes)
			build_text_output(
			    text, (unsigned)stream, (const char *)field.bytes, field.length);
	}
}

void
build_trace_read(BuildTrace *trace, BuildText *text, const char *base64)
{
	gsize length = 0;
	g_autofree guchar *bytes = g_base64_decode(base64, &length);
	Message message = {bytes, bytes + length};
	Field field;

	if (!trace->begun)
		trace->begun = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	while (read_field(&message, &field)) {
		if (field.number == 1 && field.bytes)
			read_vertex(trace, text, message_in(&field));
		if (field.number == 3 && field.bytes)
			read_log(text, message_in(&field));
	}
}

void
build_trace_clear(BuildTrace *trace)
{
	if (trace->begun)
		g_hash_table_unref(trace->begun);
	g_free(trace->failed);
}
