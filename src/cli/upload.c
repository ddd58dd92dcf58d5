/*
 * A pipe between tar_pack, which pushes, and the HTTP client, which pulls (upload.h). While the
 * request runs, the packing thread alone prints; the pipe's 64 KiB are all that waits in between.
 */
#include "cli/upload.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#define KEY_BYTES 15
#define STEP_US (G_USEC_PER_SEC / 10)

typedef struct {
	Source *source;
	Output *output;
	GCancellable *cancel; /* Ctrl-C, or a request that failed */
	int read_end;
	int write_end;
	pthread_t thread;
	bool is_joined;
	GError *error; /* of the packing; read after the join */
	guint64 files;
	guint64 sent; /* bytes of the archive */
	gint64 shown;
} Upload;

static char *
totals_text(const Upload *upload)
{
	bool is_large = upload->sent >= 1000000;
	return g_strdup_printf("%" G_GUINT64_FORMAT " file%s, %.1f %s sent", upload->files,
	    upload->files == 1 ? "" : "s", (double)upload->sent / (is_large ? 1e6 : 1e3),
	    is_large ? "MB" : "kB");
}

static void
show_progress(Upload *upload)
{
	gint64 now = g_get_monotonic_time();
	if (now - upload->shown < STEP_US)
		return;

	g_autofree char *totals = totals_text(upload);
	upload->shown = now;
	output_progress(upload->output, "%s", totals);
}

static bool
pipe_write(gpointer data, const void *bytes, gsize length, GError **error)
{
	Upload *upload = data;
	const char *rest = bytes;

	while (length > 0) {
		gssize count = write(upload->write_end, rest, length);
		if (count < 0 && errno != EINTR)
			return error_set_errno(error, errno, "sending the source");
		if (count > 0) {
			rest += count;
			length -= (gsize)count;
			upload->sent += (guint64)count;
		}
	}
	show_progress(upload);
	return true;
}

static void
count_file(gpointer data, guint64 files, guint64 bytes)
{
	Upload *upload = data;
	upload->files = files;
}

static void
show_warning(gpointer data, const char *line)
{
	Upload *upload = data;
	output_note(upload->output, "warning: %s", line);
}

static void *
pack(void *data)
{
	Upload *upload = data;
	TarPackOptions options = {
	    .progress = count_file,
	    .progress_data = upload,
	    .warn = show_warning,
	    .warn_data = upload,
	};

	source_pack(upload->source, &options, pipe_write, upload, upload->cancel, &upload->error);
	close(upload->write_end);
	return NULL;
}

static void
join(Upload *upload)
{
	if (!upload->is_joined)
		pthread_join(upload->thread, NULL);
	upload->is_joined = true;
}

/* The end of the pipe is the end of the archive only if the packing went well. */
static gssize
pipe_read(gpointer data, void *buffer, gsize size, GError **error)
{
	Upload *upload = data;
	gssize count;

	do
		count = read(upload->read_end, buffer, size);
	while (count < 0 && errno == EINTR);
	if (count > 0)
		return count;
	if (count < 0) {
		error_set_errno(error, errno, "reading the packed source");
		return -1;
	}

	join(upload);
	if (!upload->error)
		return 0;
	g_propagate_error(error, g_error_copy(upload->error));
	return -1;
}

static bool
begin(Upload *upload, GError **error)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set_errno(error, errno, "pipe");

	upload->read_end = ends[0];
	upload->write_end = ends[1];
	int failure = pthread_create(&upload->thread, NULL, pack, upload);
	if (failure == 0)
		return true;
	close(ends[0]);
	close(ends[1]);
	return error_set_errno(error, failure, "packing thread");
}

static bool
send_packed(Call *call, Upload *upload, const char *path, json_t **answer, GError **error)
{
	if (!begin(upload, error))
		return false;

	bool is_sent = client_upload(
	    call_client(call, NULL), path, pipe_read, upload, answer, call->cancel, error);
	/* Without a reader the packing ends at its next write. */
	close(upload->read_end);
	join(upload);
	if (is_sent && upload->error) {
		json_decref(*answer);
		g_propagate_error(error, g_steal_pointer(&upload->error));
		is_sent = false;
	}
	g_clear_error(&upload->error);
	return is_sent;
}

static bool
explain_interrupt(const Call *call, GError **error)
{
	if (!call_is_interrupted(call))
		return false;

	g_clear_error(error);
	return error_set(error, CARRACK_ERROR_UNAVAILABLE, "interrupted: nothing is built");
}

bool
upload_source(Call *call, const char *app, Source *source, char **url, GError **error)
{
	g_autofree char *random = text_random_hex(KEY_BYTES);
	g_autofree char *name = g_strconcat(random, ".tgz", NULL);
	g_autofree char *path = client_path("apps", app, "objects", "tmp", name, NULL);
	Upload upload = {.source = source, .output = call->output, .cancel = call->cancel};
	json_t *answer = NULL;

	output_action(call->output, "Uploading source");
	if (!send_packed(call, &upload, path, &answer, error))
		return explain_interrupt(call, error);
	*url = g_strdup(json_text_of(answer, "Url", ""));
	json_decref(answer);
	if (!**url)
		return error_set(error, CARRACK_ERROR_UPSTREAM,
		    "the rack stored the source but did not say where");

	g_autofree char *totals = totals_text(&upload);
	output_done(call->output, totals);
	return true;
}
