/*
 * The log drain's function as Lambda wants it: a ZIP archive of one file, «bootstrap», stored as it
 * is, in the rack's bucket. Its key has its hash, so that a new one is a change of the stack and an
 * old one is none.
 */
#include "install/aws-steps.h"

#include "aws/s3.h"
#include "base/text.h"

#include <string.h>

#define PROGRAM "log-drain"
#define MEMBER "bootstrap"
#define LOCAL_SIGNATURE 0x04034b50
#define CENTRAL_SIGNATURE 0x02014b50
#define END_SIGNATURE 0x06054b50
#define VERSION_NEEDED 10
#define MADE_BY_UNIX (3 << 8 | VERSION_NEEDED)
#define DATE_1980 0x0021
#define MODE_EXECUTABLE (0100755U << 16)

static guint32
crc_of(const guchar *bytes, gsize length)
{
	guint32 crc = 0xffffffff;
	for (gsize i = 0; i < length; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static void
put(GByteArray *out, guint32 value, guint bytes)
{
	for (guint i = 0; i < bytes; i++) {
		guint8 byte = (guint8)(value >> (8 * i));
		g_byte_array_append(out, &byte, 1);
	}
}

/* What both headers of a file share: from the version needed to the length of the name. */
static void
put_file(GByteArray *out, guint32 crc, guint32 length)
{
	put(out, VERSION_NEEDED, 2);
	put(out, 0, 2); /* flags */
	put(out, 0, 2); /* stored */
	put(out, 0, 2); /* time */
	put(out, DATE_1980, 2);
	put(out, crc, 4);
	put(out, length, 4);
	put(out, length, 4);
	put(out, (guint32)strlen(MEMBER), 2);
	put(out, 0, 2); /* extra */
}

static GByteArray *
archive_of(const char *bytes, gsize length)
{
	GByteArray *out = g_byte_array_sized_new((guint)length + 256);
	guint32 crc = crc_of((const guchar *)bytes, length);
	put(out, LOCAL_SIGNATURE, 4);
	put_file(out, crc, (guint32)length);
	g_byte_array_append(out, (const guint8 *)MEMBER, strlen(MEMBER));
	g_byte_array_append(out, (const guint8 *)bytes, (guint)length);

	guint central = out->len;
	put(out, CENTRAL_SIGNATURE, 4);
	put(out, MADE_BY_UNIX, 2);
	put_file(out, crc, (guint32)length);
	put(out, 0, 2); /* comment */
	put(out, 0, 2); /* disk */
	put(out, 0, 2); /* internal attributes */
	put(out, MODE_EXECUTABLE, 4);
	put(out, 0, 4); /* where the local header is */
	g_byte_array_append(out, (const guint8 *)MEMBER, strlen(MEMBER));

	guint size = out->len - central;
	put(out, END_SIGNATURE, 4);
	put(out, 0, 4); /* disks */
	put(out, 1, 2);
	put(out, 1, 2);
	put(out, size, 4);
	put(out, central, 4);
	put(out, 0, 2); /* comment */
	return out;
}

/* Installed in libexec; in a build folder where its source is. */
static char *
find_program(GError **error)
{
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
	g_autofree char *folder = g_path_get_dirname(self ? self : "/usr/local/bin/carrack");
	static const char *const places[] = {
	    ".", "../libexec/carrack", "../../templates/lambda/log-drain"};
	for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
		g_autofree char *path = g_build_filename(folder, places[i], PROGRAM, NULL);
		if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
			return g_steal_pointer(&path);
	}
	error_set(error, CARRACK_ERROR_NOT_FOUND,
	    "LogDrains needs the function " PROGRAM
	    ", which was not built with this program (meson says what it lacks)");
	return NULL;
}

/* The stack hides where logs go, also when they go nowhere. An installation that was stopped before
 * this step may be one with drains, so it gets the function if that can be had. */
static bool
may_have_drains(const Cloud *cloud, bool *must_have)
{
	const char *wished = json_text_of(cloud->wished, "LogDrains", NULL);
	const char *code = stack_parameter(cloud, "LogDrainCode");
	*must_have = wished ? *wished != 0 : code && *code;
	return *must_have || (!wished && cloud->is_new);
}

bool
archive_ensure(Cloud *cloud, GError **error)
{
	bool must_have = false;
	if (!may_have_drains(cloud, &must_have))
		return true;
	g_autofree char *path = find_program(must_have ? error : NULL);
	if (!path && !must_have)
		return true;

	progress_step(cloud->progress, "the log drain's function");
	g_autofree char *bytes = NULL;
	gsize length = 0;
	g_autoptr(GError) cause = NULL;
	if (!path)
		return false;
	if (!g_file_get_contents(path, &bytes, &length, &cause))
		return error_set(error, CARRACK_ERROR_INTERNAL, "%s", cause->message);

	g_autofree char *hash = text_sha256(bytes, length);
	g_autofree char *key = g_strdup_printf("lambda/log-drain-%.12s.zip", hash);
	S3Object object = {stack_output(cloud, "Objects"), key};
	g_autoptr(GByteArray) archive = archive_of(bytes, length);
	bool is_there = s3_head(cloud->client, &object, NULL, NULL, NULL);
	if (!is_there &&
	    !s3_put(cloud->client, &object, archive->data, archive->len, NULL, NULL, error))
		return false;
	json_object_set_new(cloud->set, "LogDrainCode", json_string(key));
	return true;
}
