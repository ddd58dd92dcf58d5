/*
 * A build task: the job out of the bucket, the image by the engine of this machine into the
 * account's registry, the result back into the bucket. The builder is the one of a rack on a
 * machine, with another registry.
 *
 * SIGTERM (a cancel, or the machine going away) cancels the build, which closes the connection to
 * the engine, and that ends the build there. Nobody reads a result then, so none is written.
 */
#include "daemon/build.h"

#include "aws/build-job.h"
#include "aws/registry.h"
#include "aws/s3.h"
#include "base/error.h"
#include "swarm/provider.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define LONGEST_MINUTES 60
#define LINE_BYTES (200 * 1024) /* CloudWatch's events are of 256 KiB at most */

typedef struct {
	AwsClient *client;
	const char *rack;
	const char *bucket;
	const char *registry;
	const char *folder;
	const char *socket;
	guint64 lines;
	GCancellable *cancel;
	int is_late; /* atomic: cancelled by the deadline */
} BuildTask;

typedef struct {
	const char *name;
	gsize offset;
	const char *fallback;
} Variable;

#define VARIABLE(name, member, fallback)                                                           \
	{                                                                                          \
		name, G_STRUCT_OFFSET(BuildTask, member), fallback                                 \
	}

static const Variable variables[] = {
    VARIABLE("CARRACK_RACK", rack, NULL),
    VARIABLE("CARRACK_OBJECTS", bucket, NULL),
    VARIABLE("CARRACK_REGISTRY", registry, NULL),
    VARIABLE(BUILD_JOB_VARIABLE, folder, NULL),
    VARIABLE("CARRACK_DOCKER_SOCKET", socket, "/var/run/docker.sock"),
};

static bool
read_variables(BuildTask *task, const char *const *environment, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(variables); i++) {
		const Variable *variable = &variables[i];
		const char *value = g_environ_getenv((char **)environment, variable->name);
		if (!value || !*value)
			value = variable->fallback;
		if (!value)
			return error_set(error, CARRACK_ERROR_INVALID,
			    "%s is missing: the rack's builder and its stack set it",
			    variable->name);
		G_STRUCT_MEMBER(const char *, task, variable->offset) = value;
	}
	return true;
}

/* The log */

static void
write_all(const char *bytes, gsize length)
{
	while (length > 0) {
		gssize count = write(STDOUT_FILENO, bytes, length);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return; /* nobody listens; the result tells what matters */
		bytes += count;
		length -= (gsize)count;
	}
}

/* One write, so that the engine's log driver gets it as one. */
static void
write_line(BuildTask *task, const char *text, gsize length)
{
	g_autofree char *valid = g_utf8_make_valid(text, (gssize)length);
	g_autofree char *line = g_strconcat(*valid ? valid : " ", "\n", NULL);

	write_all(line, strlen(line));
	task->lines++;
}

static void
log_line(gpointer data, const char *line, gsize length)
{
	g_autofree char *plain = g_malloc(length + 1);

	for (gsize i = 0; i < length; i++)
		plain[i] = line[i] ? line[i] : ' ';
	plain[length] = '\0';
	for (gsize begin = 0; begin == 0 || begin < length; begin += LINE_BYTES)
		write_line(data, plain + begin, MIN(length - begin, LINE_BYTES));
}

/* The bucket */

static BuildJob *
get_job(BuildTask *task, GError **error)
{
	g_autofree char *key = build_job_key(task->folder);
	gsize length = 0;
	g_autofree char *text = s3_get_bytes(task->client, &(S3Object){task->bucket, key},
	    BUILD_JOB_BYTES, &length, task->cancel, error);

	return text ? build_job_read(text, length, error) : NULL;
}

static bool
put_result(BuildTask *task, const BuilderImage *image, const GError *failure, GError **error)
{
	json_auto_t *value = build_result_value(image, failure, task->lines);
	g_autofree char *text = json_text(value, false);
	g_autofree char *key = build_result_key(task->folder);

	return s3_put(
	    task->client, &(S3Object){task->bucket, key}, text, strlen(text), NULL, NULL, error);
}

static bool
take_piece(gpointer data, const void *bytes, gsize length, GError **error)
{
	const int *fd = data;
	const char *next = bytes;

	while (length > 0) {
		gssize count = write(*fd, next, length);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return error_set_errno(error, errno, "source: write");
		next += count;
		length -= (gsize)count;
	}
	return true;
}

/* The archive as a file; the caller frees and unlinks it. */
static char *
get_archive(BuildTask *task, const char *key, GError **error)
{
	g_autofree char *path = g_build_filename(g_get_tmp_dir(), "carrack-source-XXXXXX", NULL);
	int fd = g_mkstemp(path);
	if (fd < 0) {
		error_set_errno(error, errno, "source: draft %s", path);
		return NULL;
	}

	S3Object object = {task->bucket, key};
	bool is_here = s3_get(task->client, &object, take_piece, &fd, task->cancel, error);
	close(fd);
	if (is_here)
		return g_steal_pointer(&path);

	g_unlink(path);
	return NULL;
}

/* The work */

/* As the engine decides it: on loopback there is no TLS. */
static bool
has_tls(const char *host)
{
	return !g_str_has_prefix(host, "127.") && !g_str_has_prefix(host, "localhost:");
}

static BuilderImage *
do_job(BuildTask *task, Builder *builder, BuildJob *job, GError **error)
{
	const BuilderSource *source = &job->source;
	if (*job->image)
		return builder->ops->pull(builder, source->app, source->service, job->image,
		    log_line, task, task->cancel, error);

	g_autofree char *archive = get_archive(task, job->object, error);
	if (!archive)
		return NULL;

	job->source.archive = archive;
	BuilderImage *image =
	    builder->ops->build(builder, source, log_line, task, task->cancel, error);
	g_unlink(archive);
	return image;
}

static BuilderImage *
make_image(BuildTask *task, BuildJob *job, GError **error)
{
	g_autoptr(AwsRegistryLogin) login = aws_registry_login(task->client, task->cancel, error);
	g_autoptr(Docker) docker = login ? docker_new(task->socket, error) : NULL;
	if (!docker)
		return NULL;

	BuilderRegistry registry = {.host = task->registry,
	    .folder = task->rack,
	    .login = {login->user, login->password},
	    .has_tls = has_tls(task->registry),
	    .keeps_tags = true};
	Builder *builder = builder_docker_new(docker, &registry, error);
	BuilderImage *image = builder ? do_job(task, builder, job, error) : NULL;
	if (builder)
		builder->ops->free(builder);
	return image;
}

static gpointer
watch_signals(gpointer data)
{
	BuildTask *task = data;
	sigset_t signals;
	const struct timespec longest = {.tv_sec = LONGEST_MINUTES * 60};
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);

	int number = sigtimedwait(&signals, NULL, &longest);
	while (number < 0 && errno == EINTR)
		number = sigtimedwait(&signals, NULL, &longest);
	if (number < 0)
		g_atomic_int_set(&task->is_late, 1);
	g_cancellable_cancel(task->cancel);
	return NULL;
}

static bool
work(BuildTask *task, GError **error)
{
	g_autoptr(BuildJob) job = get_job(task, error);
	if (!job)
		return false;

	g_autoptr(GError) cause = NULL;
	g_autoptr(BuilderImage) image = make_image(task, job, &cause);
	if (g_atomic_int_get(&task->is_late)) {
		g_clear_error(&cause);
		error_set(&cause, CARRACK_ERROR_INVALID,
		    "build failed: it is not done after %d minutes", LONGEST_MINUTES);
		return put_result(task, NULL, cause, error);
	}
	if (error_cancelled(task->cancel, error))
		return false;

	return put_result(task, image, cause, error);
}

static bool
work_watched(BuildTask *task, GError **error)
{
	task->cancel = g_cancellable_new();
	GThread *watcher = g_thread_new("signals", watch_signals, task);
	bool is_done = work(task, error);

	/* It waits for nothing but this; where it has ended before, the signal stays blocked. */
	kill(getpid(), SIGTERM);
	g_thread_join(watcher);
	g_object_unref(task->cancel);
	return is_done;
}

bool
daemon_build(const char *const *environment, GError **error)
{
	BuildTask task = {0};
	if (!read_variables(&task, environment, error))
		return false;
	task.client = aws_client_new(&(AwsOptions){.environment = environment}, NULL, error);
	if (!task.client)
		return false;

	bool is_done = work_watched(&task, error);
	aws_client_free(task.client);
	return is_done;
}
