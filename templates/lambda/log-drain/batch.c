/*
 * What Kinesis brings: an event of records, each base64 of gzip of a JSON object that CloudWatch
 * Logs wrote (messageType, logGroup, logStream, logEvents). A record that is anything else would
 * come again and again if it were an error, so it is passed over.
 */
#include "log-drain.h"

#include <string.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* zlib: the largest window, and a gzip header */
#define STEP_BYTES (64 * 1024)

static void
stream_end(z_stream *stream)
{
	inflateEnd(stream);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(z_stream, stream_end)

/* NULL when it is no whole gzip, or over the limit. */
static GByteArray *
unpack(const guchar *bytes, gsize length)
{
	g_auto(z_stream) stream = {.next_in = (Bytef *)bytes, .avail_in = (uInt)length};
	if (inflateInit2(&stream, GZIP_WINDOW) != Z_OK)
		return NULL;

	g_autoptr(GByteArray) out = g_byte_array_new();
	int result = Z_OK;
	while (result == Z_OK && out->len <= LIMIT_UNPACKED_BYTES) {
		guint before = out->len;
		g_byte_array_set_size(out, before + STEP_BYTES);
		stream.next_out = out->data + before;
		stream.avail_out = STEP_BYTES;
		result = inflate(&stream, Z_NO_FLUSH);
		g_byte_array_set_size(out, before + STEP_BYTES - stream.avail_out);
	}
	if (result != Z_STREAM_END || out->len > LIMIT_UNPACKED_BYTES)
		return NULL;

	return g_steal_pointer(&out);
}

/* The JSON object in a record, or NULL. */
static json_t *
record_content(const json_t *record)
{
	const char *data =
	    json_string_value(json_object_get(json_object_get(record, "kinesis"), "data"));
	if (!data)
		return NULL;

	gsize length = 0;
	g_autofree guchar *packed = g_base64_decode(data, &length);
	g_autoptr(GByteArray) text = unpack(packed, length);
	if (!text)
		return NULL;

	/* Lines may hold any character, NUL too. */
	return json_loadb((const char *)text->data, text->len, JSON_ALLOW_NUL, NULL);
}

static void
take_lines(const json_t *content, Line *line, BatchTake take, gpointer data)
{
	size_t i;
	json_t *entry;

	json_array_foreach(json_object_get(content, "logEvents"), i, entry)
	{
		json_t *message = json_object_get(entry, "message");
		if (!json_is_string(message))
			continue;
		line->text = json_string_value(message);
		line->length = json_string_length(message);
		line->time = json_integer_value(json_object_get(entry, "timestamp"));
		take(data, line);
	}
}

/* False when the record is not a piece of a log group. */
static bool
read_record(const json_t *record, const char *rack, BatchTake take, gpointer data)
{
	json_auto_t *content = record_content(record);
	const char *type = json_string_value(json_object_get(content, "messageType"));
	const char *group = json_string_value(json_object_get(content, "logGroup"));
	const char *stream = json_string_value(json_object_get(content, "logStream"));
	/* Sent once, to try the way out. */
	if (type && strcmp(type, "CONTROL_MESSAGE") == 0)
		return true;
	if (!type || !group || !stream)
		return false;

	const char *slash = strrchr(group, '/');
	Line line = {.rack = rack, .app = slash ? slash + 1 : group, .stream = stream};
	take_lines(content, &line, take, data);
	return true;
}

bool
batch_read(json_t *event,
    const char *rack,
    BatchTake take,
    gpointer data,
    unsigned *bad,
    const char **first,
    GError **error)
{
	const json_t *records = json_object_get(event, "Records");
	size_t i;
	json_t *record;

	if (!json_is_array(records))
		return drain_error_set(error, "the event has no Records");
	*bad = 0;
	*first = json_string_value(json_object_get(
	    json_object_get(json_array_get(records, 0), "kinesis"), "sequenceNumber"));
	json_array_foreach(records, i, record) if (!read_record(record, rack, take, data))(*bad)++;
	return true;
}
