/*
 * Builds of an AWS rack, from the part that carrackd drives down to the engine: the task is a real
 * container of `carrackd build` that MiniStack's ECS has started, the images are in MiniStack's
 * registry. Run by test_build.py, which prepares the rack; the engine and its command `docker` are
 * this machine's.
 */
#include "aws/build-job.h"
#include "aws/provider.h"
#include "aws/registry.h"
#include "aws/s3.h"
#include "base/error.h"
#include "base/lock.h"
#include "base/tar.h"

#include <glib/gstdio.h>
#include <string.h>

#define APP "shop"
#define BASE "FROM debian:bookworm-slim\n"
#define SECRET "a b&c=\"d\" ü-sesame"
#define DEADLINE (60 * G_TIME_SPAN_SECOND)

typedef struct {
	AwsRack *rack;
	Objects *objects;
	Builder *builder;
	char *folder;
	GString *log;
	pthread_mutex_t lock; /* of the log */
	GCancellable *cancel;
	const char *cancel_at; /* a line that ends the build */
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) environment = g_get_environ();
	fixture->rack = aws_rack_new((const char *const *)environment, &error);
	g_assert_no_error(error);
	fixture->objects = objects_s3_new(fixture->rack, &error);
	fixture->builder = builder_ecs_new(fixture->rack, fixture->objects, &error);
	fixture->folder = g_dir_make_tmp("carrack-aws-build-XXXXXX", NULL);
	fixture->log = g_string_new(NULL);
	fixture->cancel = g_cancellable_new();
	pthread_mutex_init(&fixture->lock, NULL);
}

/* The output of `docker …`, NULL when it fails. The caller frees it. */
static char *
docker(const char *const *arguments)
{
	g_autoptr(GStrvBuilder) all = g_strv_builder_new();
	g_strv_builder_add(all, "docker");
	g_strv_builder_addv(all, (const char **)arguments);
	g_auto(GStrv) command = g_strv_builder_end(all);
	g_autoptr(GError) error = NULL;
	g_autoptr(GSubprocess) process = g_subprocess_newv((const char *const *)command,
	    G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error);
	char *output = NULL;

	g_assert_no_error(error);
	g_assert_true(g_subprocess_communicate_utf8(process, NULL, NULL, &output, NULL, &error));
	if (g_subprocess_get_successful(process))
		return output;

	g_free(output);
	return NULL;
}

/* This machine plays the build instance and the registry's client; afterwards it has nothing. By
 * name: an image may have others, which are not ours. */
static void
forget_images(Fixture *fixture)
{
	g_autofree char *repository =
	    g_strdup_printf("%s/%s/" APP, fixture->rack->registry, fixture->rack->name);
	g_autofree char *list = docker((const char *const[]){"images", "--digests", "--format",
	    "{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}", repository, NULL});
	g_auto(GStrv) names = g_strsplit_set(list ? list : "", " \n", -1);

	for (gsize i = 0; names[i]; i++) {
		if (*names[i] && !strstr(names[i], "<none>"))
			g_free(docker((const char *const[]){"rmi", names[i], NULL}));
	}
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	g_autofree char *archive = g_build_filename(fixture->folder, "source.tgz", NULL);
	g_autofree char *dockerfile = g_build_filename(fixture->folder, "app", "Dockerfile", NULL);
	g_autofree char *folder = g_build_filename(fixture->folder, "app", NULL);
	forget_images(fixture);
	fixture->builder->ops->free(fixture->builder);
	fixture->objects->ops->free(fixture->objects);
	aws_rack_free(fixture->rack);
	g_unlink(archive);
	g_unlink(dockerfile);
	g_rmdir(folder);
	g_rmdir(fixture->folder);
	g_free(fixture->folder);
	g_string_free(fixture->log, TRUE);
	g_object_unref(fixture->cancel);
	pthread_mutex_destroy(&fixture->lock);
}

static void
keep_line(gpointer data, const char *line, gsize length)
{
	Fixture *fixture = data;
	LOCKED(&fixture->lock);

	g_string_append_len(fixture->log, line, (gssize)length);
	g_string_append_c(fixture->log, '\n');
	if (fixture->cancel_at && strcmp(line, fixture->cancel_at) == 0)
		g_cancellable_cancel(fixture->cancel);
}

static bool
write_object(gpointer data, const void *bytes, gsize length, GError **error)
{
	Fixture *fixture = ((gpointer *)data)[0];
	return fixture->objects->ops->write(((gpointer *)data)[1], bytes, length, error);
}

/* The source as clients leave it: an object of the app. */
static void
upload(Fixture *fixture, const char *dockerfile)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = g_build_filename(fixture->folder, "app", NULL);
	g_autofree char *file = g_build_filename(folder, "Dockerfile", NULL);
	ObjectWriter *writer =
	    fixture->objects->ops->create(fixture->objects, APP, "tmp/source.tgz", &error);
	gpointer data[] = {fixture, writer};

	g_assert_no_error(error);
	g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
	g_assert_true(g_file_set_contents(file, dockerfile, -1, NULL));
	g_assert_true(tar_pack(folder, &(TarPackOptions){0}, write_object, data, NULL, &error));
	g_assert_true(fixture->objects->ops->commit(writer, &error));
	g_assert_no_error(error);
}

static BuilderImage *
make(Fixture *fixture,
    const char *build,
    const char *dockerfile,
    const Env *arguments,
    GError **error)
{
	BuilderSource source = {.app = APP,
	    .build = build,
	    .service = "web",
	    .source = "object://" APP "/tmp/source.tgz",
	    .path = "",
	    .dockerfile = "Dockerfile",
	    .arguments = arguments,
	    .without_cache = true};

	upload(fixture, dockerfile);
	BuilderImage *image = fixture->builder->ops->build(
	    fixture->builder, &source, keep_line, fixture, fixture->cancel, error);
	if (!image)
		g_test_message("log: %s", fixture->log->str);
	return image;
}

static void
assert_logged(Fixture *fixture, const char *line)
{
	g_autofree char *whole = g_strconcat("\n", line, "\n", NULL);
	g_autofree char *log = g_strconcat("\n", fixture->log->str, NULL);

	if (!strstr(log, whole)) {
		g_test_message("the log has no line «%s»:%s", line, log);
		g_test_fail();
	}
}

/* Nothing of a job stays in the bucket, since there may be secrets in it. */
static void
assert_no_files(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	json_auto_t *left =
	    s3_list(fixture->rack->client, fixture->rack->objects, "builds/", 0, NULL, &error);

	g_assert_no_error(error);
	g_assert_cmpuint(json_array_size(left), ==, 0);
}

/* What ECS shows of all tasks there were. */
static void
assert_no_secret_in_tasks(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	json_auto_t *wish =
	    json_pack("{s:s, s:s}", "cluster", fixture->rack->cluster, "desiredStatus", "STOPPED");
	json_auto_t *list = aws_json(
	    fixture->rack->client, &aws_services[AWS_ECS], "ListTasks", wish, NULL, &error);
	json_auto_t *input = json_pack("{s:s, s:O}", "cluster", fixture->rack->cluster, "tasks",
	    json_object_get(list, "taskArns"));
	json_auto_t *tasks = aws_json(
	    fixture->rack->client, &aws_services[AWS_ECS], "DescribeTasks", input, NULL, &error);
	g_autofree char *text = json_text(tasks, false);

	g_assert_no_error(error);
	g_assert_nonnull(strstr(text, BUILD_JOB_VARIABLE));
	g_assert_null(strstr(text, "sesame"));
}

/* By its digest out of the registry, as an instance does it. The caller frees it. */
static char *
run_image(Fixture *fixture, const BuilderImage *image)
{
	forget_images(fixture);
	char *output =
	    docker((const char *const[]){"run", "--rm", image->reference, "cat", "/told", NULL});

	g_assert_nonnull(output);
	return output;
}

static void
test_build(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Env) arguments = env_new();
	env_set(arguments, "GREETING", SECRET, NULL);
	g_autoptr(BuilderImage) image = make(fixture, "BIMAGE",
	    BASE
	    "ARG GREETING\nEXPOSE 8080 443\n"
	    "RUN echo \"first\"; echo; seq 1 300; echo \"last ü\"; echo \"$GREETING\" >/told\n",
	    arguments, &error);
	g_assert_no_error(error);
	g_autofree char *wanted = g_strdup_printf(
	    "%s/%s/" APP "@%s", fixture->rack->registry, fixture->rack->name, image->digest);
	g_assert_cmpstr(image->reference, ==, wanted);
	g_assert_cmpuint(image->port, ==, 443);
	assert_logged(fixture, "first\n\n1\n2");
	assert_logged(fixture, "299\n300\nlast ü");
	g_autofree char *pushed = g_strconcat("Pushed: ", image->digest, NULL);
	assert_logged(fixture, pushed);
	g_assert_null(strstr(fixture->log->str, "sesame"));
	assert_no_files(fixture);
	assert_no_secret_in_tasks(fixture);
	g_autofree char *told = run_image(fixture, image);
	g_assert_cmpstr(told, ==, SECRET "\n");
}

static void
test_has_image(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(BuilderImage) image =
	    make(fixture, "BHAS", "FROM scratch\nCOPY Dockerfile /\n", NULL, &error);
	const BuilderOps *ops = fixture->builder->ops;
	g_assert_no_error(error);
	g_assert_true(ops->has_image(fixture->builder, image->reference, &error));

	g_autofree char *other = g_strdup_printf(
	    "%s/%s/" APP "@sha256:%064d", fixture->rack->registry, fixture->rack->name, 7);
	g_assert_false(ops->has_image(fixture->builder, other, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
	g_autofree char *text =
	    g_strdup_printf("image of %s is gone from the rack's registry; rebuild", other);
	g_assert_cmpstr(error->message, ==, text);
	g_clear_error(&error);
	g_assert_false(ops->has_image(fixture->builder, "debian:bookworm-slim", &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);

	/* The app's stack takes the repository, so what releases need is still there. */
	g_assert_true(ops->remove_app(fixture->builder, APP, NULL));
	g_assert_true(ops->has_image(fixture->builder, image->reference, NULL));
}

static void
test_failing_step(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(BuilderImage) image = make(fixture, "BFAIL",
	    BASE "RUN echo begins; echo the last words >&2; exit 42\n", NULL, &error);

	g_assert_null(image);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_cmpstr(error->message, ==,
	    "build failed: step 2/3 «RUN echo begins; echo the last words >&2; exit 42» exited 42");
	assert_logged(fixture, "begins");
	g_assert_true(g_str_has_suffix(fixture->log->str,
	    "the last words\nstep 2/3 «RUN echo begins; echo the last words >&2; exit 42»: exit "
	    "status 42\n"));
	assert_no_files(fixture);
}

/* True while the engine has a container that runs this. */
static bool
runs(const char *mark)
{
	g_autofree char *list =
	    docker((const char *const[]){"ps", "--no-trunc", "--format", "{{.Command}}", NULL});

	return list && strstr(list, mark);
}

static void
assert_ends(const char *mark)
{
	gint64 deadline = g_get_monotonic_time() + DEADLINE;

	while (runs(mark)) {
		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
		g_usleep(200 * 1000);
	}
}

static void
test_cancel(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	fixture->cancel_at = "now it sleeps";
	gint64 began = g_get_monotonic_time();
	g_autoptr(BuilderImage) image = make(fixture, "BCANCEL",
	    BASE "RUN echo now it sleeps; sleep 3601; echo too late\n", NULL, &error);

	g_assert_null(image);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
	g_assert_cmpint(g_get_monotonic_time() - began, <, DEADLINE);
	assert_ends("sleep 3601");
	g_assert_null(strstr(fixture->log->str, "\ntoo late"));
	assert_no_files(fixture);
}

static void
test_base(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(BuilderImage) base =
	    make(fixture, "BBASE", BASE "RUN echo of the base >/told\n", NULL, &error);
	g_assert_no_error(error);

	const char *const endings[] = {"", "COPY --chmod=644 Dockerfile /\n"};
	for (gsize i = 0; i < G_N_ELEMENTS(endings); i++) {
		g_autofree char *dockerfile =
		    g_strdup_printf("FROM %s\nRUN cat /told\n%s", base->reference, endings[i]);
		g_autofree char *build = g_strdup_printf("BUSES%zu", i);
		forget_images(fixture);
		g_string_truncate(fixture->log, 0);
		g_autoptr(BuilderImage) image = make(fixture, build, dockerfile, NULL, &error);
		g_assert_no_error(error);
		assert_logged(fixture, "of the base");
		g_autofree char *told = run_image(fixture, image);
		g_assert_cmpstr(told, ==, "of the base\n");
	}
}

/* A tag of the repository cannot be pushed again, and need not be: the same image has the same. */
static void
test_pull(Fixture *fixture, gconstpointer data)
{
	char *digests[2];
	for (gsize i = 0; i < 2; i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(BuilderImage) image = fixture->builder->ops->pull(fixture->builder, APP,
		    "db", "debian:bookworm-slim", keep_line, fixture, NULL, &error);
		g_assert_no_error(error);
		g_assert_true(
		    fixture->builder->ops->has_image(fixture->builder, image->reference, NULL));
		digests[i] = g_strdup(image->digest);
		forget_images(fixture);
	}
	g_assert_cmpstr(digests[0], ==, digests[1]);
	g_free(digests[0]);
	g_free(digests[1]);
	assert_no_files(fixture);

	g_autoptr(GError) error = NULL;
	g_autofree char *missing =
	    g_strdup_printf("%s/%s/" APP ":nothing", fixture->rack->registry, fixture->rack->name);
	g_assert_null(fixture->builder->ops->pull(
	    fixture->builder, APP, "db", missing, keep_line, fixture, NULL, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
	g_autofree char *text = g_strdup_printf("image %s: not found", missing);
	g_assert_cmpstr(error->message, ==, text);
}

/* The fixture's other task definition starts a program that does no job. */
static void
test_dead_task(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_free(fixture->rack->build_task);
	fixture->rack->build_task = g_strdup("idle-build");
	g_autoptr(BuilderImage) image =
	    make(fixture, "BDEAD", "FROM scratch\nCOPY Dockerfile /\n", NULL, &error);

	g_assert_null(image);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	g_assert_true(
	    g_str_has_prefix(error->message, "the build's task ended without a result: "));
	g_assert_true(g_str_has_suffix(error->message, "(exit code 0)"));
	assert_no_files(fixture);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(path, function) g_test_add("/build/" path, Fixture, NULL, set_up, function, tear_down)
	ADD("an-image-is-named-by-digest-and-runs", test_build);
	ADD("an-image-that-is-gone-is-told", test_has_image);
	ADD("a-failing-step-is-named-after-its-last-words", test_failing_step);
	ADD("a-cancel-ends-the-engines-build", test_cancel);
	ADD("a-base-may-be-in-the-racks-registry", test_base);
	ADD("a-named-image-is-pinned", test_pull);
	ADD("a-task-that-dies-says-why", test_dead_task);
	return g_test_run();
}
