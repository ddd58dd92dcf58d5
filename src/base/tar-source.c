/*
 * Reads an archive file for the tar reader. It stands before the library because that neither
 * checks gzip's checksum nor reads behind the end mark, so that damage and cuts would pass there.
 *
 * Several gzip members one after the other are one stream (RFC 1952, 2.2), zeros behind the last
 * are padding. Everything unpacked counts against LIMIT_TAR_UNPACKED_BYTES.
 */
#include "base/tar-source.h"

#include "base/error.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PIECE (64 * 1024)
#define BLOCK 512

struct TarSource {
	int fd;
	bool at_end; /* of the file */
	bool is_gzip;
	bool is_zstd;
	bool in_member; /* of gzip: its end has not been seen */
	GZlibDecompressor *gzip;
	guint8 in[PIECE];
	gsize in_used;
	gsize in_length;
	guint8 out[PIECE];
	guint64 total;
	gsize zeros; /* how many of the last bytes are zero */
};

static bool
fill(TarSource *source, GError **error)
{
	if (source->in_used < source->in_length || source->at_end)
		return true;

	ssize_t count;
	do {
		count = read(source->fd, source->in, sizeof(source->in));
	} while (count < 0 && errno == EINTR);
	if (count < 0)
		return error_set_errno(error, errno, "reading the archive");

	source->in_used = 0;
	source->in_length = (gsize)count;
	source->at_end = count == 0;
	return true;
}

TarSource *
tar_source_open(const char *file, GError **error)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		error_set_errno(error, errno, "%s", file);
		return NULL;
	}
	g_autoptr(TarSource) source = g_new0(TarSource, 1);
	source->fd = fd;
	if (!fill(source, error))
		return NULL;

	static const guint8 zstd_magic[] = {0x28, 0xb5, 0x2f, 0xfd};
	source->is_gzip = source->in_length >= 2 && source->in[0] == 0x1f && source->in[1] == 0x8b;
	source->is_zstd =
	    source->in_length >= 4 && memcmp(source->in, zstd_magic, sizeof(zstd_magic)) == 0;
	source->in_member = source->is_gzip;
	if (source->is_gzip)
		source->gzip = g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP);
	return g_steal_pointer(&source);
}

void
tar_source_free(TarSource *source)
{
	if (source == NULL)
		return;

	close(source->fd);
	g_clear_object(&source->gzip);
	g_free(source);
}

/* After a gzip member: another one, or zeros up to the end. */
static bool
next_member(TarSource *source, GError **error)
{
	const guint8 *rest = source->in + source->in_used;
	gsize length = source->in_length - source->in_used;
	if (length > 0 && rest[0] == 0x1f) {
		g_converter_reset(G_CONVERTER(source->gzip));
		source->in_member = true;
		return true;
	}
	for (gsize i = 0; i < length; i++) {
		if (rest[i] != 0)
			return error_set(error, CARRACK_ERROR_INVALID,
			    "archive: bytes follow the end of its gzip data");
	}
	source->in_used = source->in_length;
	return true;
}

/* Unpacks some bytes into `out`. 0 may also mean that there is more. */
static gssize
unpack(TarSource *source, GError **error)
{
	if (!source->in_member)
		return next_member(source, error) ? 0 : -1;
	if (source->at_end) {
		error_set(error, CARRACK_ERROR_INVALID, "archive: its gzip data is cut");
		return -1;
	}
	gsize used = 0;
	gsize made = 0;
	g_autoptr(GError) local = NULL;
	GConverterResult result = g_converter_convert(G_CONVERTER(source->gzip),
	    source->in + source->in_used, source->in_length - source->in_used, source->out,
	    sizeof(source->out), G_CONVERTER_NO_FLAGS, &used, &made, &local);
	if (result == G_CONVERTER_ERROR &&
	    g_error_matches(local, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT)) {
		source->in_used = source->in_length;
		return 0;
	}
	if (result == G_CONVERTER_ERROR) {
		error_set(error, CARRACK_ERROR_INVALID, "archive: its gzip data is damaged");
		return -1;
	}
	source->in_used += used;
	source->in_member = result != G_CONVERTER_FINISHED;
	return (gssize)made;
}

static gssize
read_gzip(TarSource *source, const void **bytes, GError **error)
{
	for (;;) {
		if (!fill(source, error))
			return -1;
		if (source->at_end && !source->in_member)
			return 0;
		gssize count = unpack(source, error);
		if (count == 0)
			continue;

		*bytes = source->out;
		return count;
	}
}

static gssize
read_plain(TarSource *source, const void **bytes, GError **error)
{
	if (!fill(source, error))
		return -1;

	gsize count = source->in_length - source->in_used;
	*bytes = source->in + source->in_used;
	source->in_used = source->in_length;
	return (gssize)count;
}

static void
count_zeros(TarSource *source, const guint8 *bytes, gsize length)
{
	gsize zeros = 0;
	while (zeros < length && zeros < BLOCK && bytes[length - 1 - zeros] == 0)
		zeros++;
	source->zeros = zeros == length ? source->zeros + zeros : zeros;
}

gssize
tar_source_read(TarSource *source, const void **bytes, GError **error)
{
	gssize count =
	    source->is_gzip ? read_gzip(source, bytes, error) : read_plain(source, bytes, error);
	if (count <= 0)
		return count;

	source->total += (guint64)count;
	count_zeros(source, *bytes, (gsize)count);
	if (source->total > LIMIT_TAR_UNPACKED_BYTES) {
		error_set(error, CARRACK_ERROR_INVALID,
		    "archive: it unpacks to more than %lld bytes", LIMIT_TAR_UNPACKED_BYTES);
		return -1;
	}
	return count;
}

bool
tar_source_finish(TarSource *source, GCancellable *cancel, GError **error)
{
	const void *bytes;
	gssize count;
	do {
		if (error_cancelled(cancel, error))
			return false;
		count = tar_source_read(source, &bytes, error);
	} while (count > 0);
	if (count < 0)
		return false;
	if (source->zeros < BLOCK && !source->is_zstd)
		return error_set(
		    error, CARRACK_ERROR_INVALID, "archive: it is cut, its end mark is missing");

	return true;
}
